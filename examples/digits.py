"""Learn to read handwritten digits, and see how: `python examples/digits.py`.

Trains a small network on the 1,797 digits that ship with scikit-learn. A quarter of them is held out: the network
never sees it while it learns, so the accuracy there says how well it reads digits that are new to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import style
from matplotlib.figure import Figure
from style import BLUE, GREY, INK, ORANGE

import autodiff as ad
import nn

SMOOTHING = 0.1  # how little to trust the labels: never to be entirely sure helps with new digits


class Reader(nn.Module):
    """64 pixels in, ten numbers out: how strongly each digit is suspected."""

    def __init__(self) -> None:
        self.layers = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, pixels: ad.Tensor) -> ad.Tensor:
        return self.layers(pixels)


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="how often to go through the training data")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    # Data: 8 x 8 pixels from 0 to 16, brought to 0 to 1.
    rng = np.random.default_rng(0)  # the split and the order of the batches
    nn.manual_seed(0)  # the initial weights
    pixels, labels = (part.numpy() for part in nn.data.load_digits().tensors)
    pixels = pixels / 16
    test, train = np.split(rng.permutation(len(labels)), [len(labels) // 4])

    model = Reader()
    measure = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    optimizer = nn.optim.Adam(model.parameters(), lr=2e-3)
    print(f"{len(train)} digits to learn from, {len(test)} held out; {sum(p.size for p in model.parameters())} weights to learn")

    # Training: guess, measure how wrong that was, find each weight's share of the blame, change each a little.
    trainer = nn.Trainer(model, measure, optimizer, metrics=["accuracy"])
    history = trainer.fit((pixels[train], labels[train]), options.epochs, validation=(pixels[test], labels[test]), generator=rng)
    print(f"Accuracy on the held-out digits: {history['val_accuracy'][-1]:.2%}")

    # What was learned, and how, for looking at.
    folder = options.output
    nn.save(model.state_dict(), folder / "digits.npz")
    print(f"  weights         {folder / 'digits.npz'}")
    print(f"  learning curve  {draw_learning_curve(history, folder / 'learning_curve.png')}")
    print(f"  predictions     {draw_predictions(model, pixels[test], labels[test], folder / 'predictions.png')}")
    print(f"  backprop graph  {draw_one_step(model, measure, pixels[:4], labels[:4], folder / 'backprop.html')}")


def draw_one_step(model: Reader, measure: nn.CrossEntropyLoss, pixels: np.ndarray, labels: np.ndarray, path: Path) -> Path:
    """Draw the graph that one backward pass walks, with values and gradients, as a page and as a picture; return the page."""
    model.zero_grad()
    with ad.trace():
        loss = measure(model(ad.Tensor(pixels, name="pixels")), ad.Tensor(labels, name="labels"))
    loss.name = "loss"
    loss.backward()
    drawing = ad.draw(loss)
    drawing.save(path.with_suffix(".svg"))
    return drawing.save(path)


def draw_learning_curve(history: nn.History, path: Path) -> Path:
    """Draw the loss, and the accuracy on both parts of the data, over the epochs; return the file."""
    figure = Figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    epochs = history.epochs
    left.plot(epochs, history["loss"], color=INK)
    # Smoothed labels ask for a little doubt, so even the best answer has a loss: its own entropy.
    doubt = SMOOTHING / 10
    least = -(1 - SMOOTHING + doubt) * np.log(1 - SMOOTHING + doubt) - 9 * doubt * np.log(doubt)
    left.axhline(least, color=GREY, linestyle=":")
    left.text(epochs[-1], least - 0.03, "least possible, with smoothed labels", color=GREY, ha="right", va="top")
    left.set_title("Loss while learning")
    left.set_ylim(bottom=0)
    for name, column, colour, look in (
        ("learned from, while learning", "accuracy", GREY, "--"), ("held out", "val_accuracy", BLUE, "-"),
    ):  # fmt: skip
        right.plot(epochs, [100 * share for share in history[column]], look, color=colour, label=name)
    right.set_title("Digits read right, in %")
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.set_xlim(left=1)
        axes.set_xlabel("epoch (once through the training data)")
        axes.grid(axis="y")
    figure.savefig(path)
    return path


def draw_predictions(model: Reader, pixels: np.ndarray, labels: np.ndarray, path: Path) -> Path:
    """Draw the hardest of the digits, and some others, with what the model reads and how sure it is; return the file."""
    with ad.no_grad():
        shares = nn.functional.softmax(model(ad.asarray(pixels))).numpy()
    guesses, sure = shares.argmax(axis=1), shares.max(axis=1)
    hardest = np.lexsort((sure, guesses == labels))[:8]  # the wrong ones first, then the least sure
    others = np.setdiff1d(np.arange(len(labels)), hardest)[:16]
    figure = Figure(figsize=(9, 5.2))
    title = "Held-out digits: what is read (and how surely). First row: the hardest; orange: read wrong"
    figure.suptitle(title, x=0.005, ha="left", fontsize=11, color=INK)
    grid: Any = figure.subplots(3, 8)
    for axes, i in zip(grid.flat, [*hardest, *others], strict=True):
        wrong = guesses[i] != labels[i]
        axes.imshow(pixels[i].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"{guesses[i]} ({sure[i]:.0%})", fontsize=11, color=ORANGE if wrong else INK)
        axes.set_xlabel(f"but is {labels[i]}" if wrong else "", fontsize=10, color=ORANGE)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, color=ORANGE if wrong else "#cccccc")
    figure.savefig(path)
    return path


if __name__ == "__main__":
    main()
