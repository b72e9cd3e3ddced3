"""One neuron learns irises, and fails at XOR: `python examples/perceptron.py`.

Rosenblatt's rule: at each mistake, add the sample to the weights, or take it from them. If some line has one class on each
side, it makes a finite number of mistakes: few where the gap is wide, many where it is narrow. If there is none, it goes
round for ever.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nn.data import load_iris
from nn.models import Perceptron


def main() -> None:
    options = style.command_line(__doc__).parse_args()
    figure = Figure(figsize=(9, 3.4))
    left, middle, right = figure.subplots(1, 3)

    flowers, species = (part.numpy() for part in load_iris().tensors)
    is_setosa = (species == 0).astype(int)
    for axes, part, columns in ((left, "petal", [2, 3]), (middle, "sepal", [0, 1])):
        neuron = Perceptron(2)
        report = neuron.fit(flowers[:, columns], is_setosa)
        wrong = int((neuron.predict(flowers[:, columns]) != is_setosa).sum())
        print(f"Setosa or not, by its {part}s: {report}; {wrong} of {len(flowers)} wrong now")
        draw_samples(axes, flowers[:, columns], is_setosa)
        draw_line(axes, neuron)
        axes.set_title(f"Iris, {part}s: {sum(report.mistakes):,} mistakes")
        axes.set(xlabel=f"{part} length in cm", ylabel=f"{part} width in cm")
    left.text(2.1, 0.2, "setosa", color=style.BLUE, va="center")
    left.text(4.4, 2.2, "others", color=style.ORANGE, ha="right")

    inputs, xor = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    print(f"XOR: {Perceptron(2).fit(inputs, xor)}")
    draw_samples(right, inputs, xor, size=160)
    for corner, one in zip(inputs, xor, strict=True):
        right.text(*corner, str(one), color="white", ha="center", va="center_baseline")
    right.text(0.5, 0.5, "every line leaves\na corner on the\nwrong side", ha="center", va="center", color=style.GREY)
    right.set_title("XOR: mistakes for ever")
    right.set(xlabel="first input", ylabel="second input", xticks=[0, 1], yticks=[0, 1])
    style.save(figure, options.output / "perceptron.png")


def draw_samples(axes: Axes, samples: np.ndarray, classes: np.ndarray, size: float = 16) -> None:
    """Draw the two classes in two colours and signs, and leave some room around them."""
    for one, sign, colour in ((1, "o", style.BLUE), (0, "s", style.ORANGE)):
        axes.scatter(*samples[classes == one].T, marker=sign, color=colour, s=size, alpha=0.8, linewidths=0)
    low, high = samples.min(axis=0), samples.max(axis=0)
    room = 0.15 * (high - low)
    axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))


def draw_line(axes: Axes, neuron: Perceptron) -> None:
    """Draw where the weighted sum is 0: w[0] x + w[1] y + b = 0."""
    w, b = neuron.weight.numpy().astype(float), neuron.bias.item()
    if w.any():
        nearest = -b * w / (w @ w)  # the point of the line that is nearest to the origin
        axes.axline(nearest, nearest + np.array([-w[1], w[0]]), color=style.INK, linewidth=1.2)


if __name__ == "__main__":
    main()
