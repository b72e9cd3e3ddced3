"""Spam or not, by a bag of words: `python examples/spam.py`, or with 5,574 real messages `python examples/spam.py --download`.

A message becomes a row of zeros and ones: which words of the vocabulary are in it. One neuron weighs them, so that its
weights can be read: the words that speak for spam, and those that speak against it. Without `--download` it learns from
eighty made-up messages (messages.tsv), easier than real ones, and nothing is loaded from the internet.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import style
from matplotlib.figure import Figure

import nn


def words_of(text: str) -> set[str]:
    """The different words of a text; all numbers count as one word, all addresses as another."""
    return set(re.findall(r"https|[a-z']+|#|£", re.sub(r"\d+", "#", re.sub(r"http\S+|www\S+", "https", text.lower()))))


def made_up_messages() -> tuple[list[str], np.ndarray]:
    lines = (Path(__file__).parent / "messages.tsv").read_text(encoding="utf-8").splitlines()
    kinds, texts = zip(*(line.split("\t") for line in lines), strict=True)
    return list(texts), (np.array(kinds) == "spam").astype(int)


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--download", action="store_true", help="load the SMS spam collection (0.2 MB) if it is not here yet")
    parser.add_argument("--epochs", type=int, default=30, help="how often to go through the messages")
    options = parser.parse_args()
    if options.download:
        try:
            messages = nn.data.SMSSpam(download=True)
        except ConnectionError as error:
            sys.exit(str(error))
        texts, is_spam = messages.texts, messages.targets
    else:
        texts, is_spam = made_up_messages()
    test, train = np.split(np.random.default_rng(0).permutation(len(texts)), [len(texts) // 4])

    # The vocabulary: words that are in two messages or more, of those to learn from.
    bags = [words_of(text) for text in texts]
    counts = Counter(word for i in train for word in bags[i])
    vocabulary = sorted(word for word, count in counts.items() if count > 1)
    x = np.array([[word in bag for word in vocabulary] for bag in bags], dtype=np.float32)  # (messages, words)

    nn.manual_seed(0)
    model = nn.models.MLP([len(vocabulary), 1], initialization=nn.init.zeros_, task="binary")  # one neuron may begin at zero
    optimizer = nn.optim.SGD(model.parameters(), lr=0.3, weight_decay=1e-3)
    nn.Trainer(model, model.loss(), optimizer).fit((x[train], is_spam[train]), options.epochs, batch_size=16, progress=False)

    print(f"{len(train)} messages to learn from, {len(vocabulary)} words; {len(test)} held out, {is_spam[test].sum()} of them spam")
    says, truth = model.predict(x[test]), is_spam[test]
    print(f"Accuracy  {nn.metrics.accuracy(says, truth):.1%} of the held-out messages told right")
    print(f"Precision {nn.metrics.precision(says, truth):.1%} of what was called spam is spam")
    print(f"Recall    {nn.metrics.recall(says, truth):.1%} of the spam was found")
    weights = model.layers[0].weight.numpy()[0]
    order = np.argsort(weights)
    name = {"#": "(a number)", "https": "(an address)"}
    against, spammy = ([name.get(vocabulary[i], vocabulary[i]) for i in part] for part in (order[:10], order[:-11:-1]))
    print("Most spammy words:", ", ".join(spammy))
    print("Least spammy words:", ", ".join(against))

    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2)
    for axes, words, size, colour in (
        (left, spammy, weights[order[:-11:-1]], style.ORANGE), (right, against, weights[order[:10]], style.BLUE),
    ):  # fmt: skip
        axes.barh(words, size, color=colour, height=0.7)
        axes.invert_yaxis()
        axes.set_xlim(0, np.copysign(1.05 * np.abs(weights).max(), size[0]))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("weight")
    left.set_title("Speaks for spam")
    right.set_title("Speaks against it")
    style.save(figure, options.output / "spam.png")


if __name__ == "__main__":
    main()
