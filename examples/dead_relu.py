"""Dead units of ReLU stay dead, those of leaky ReLU recover: `python examples/dead_relu.py`.

A step that was far too large can leave a unit with a bias so low that no sample makes it fire. There the derivative of ReLU
is 0: the unit gets no gradient, so no later step can bring it back. Here all units begin like that. Leaky ReLU has a small
slope on that side, and so a way back.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

import nn

UNITS = 32


class HiddenUnits(nn.callbacks.Callback):
    """Counts, after each epoch, the hidden units that fire for no point, and those that no point gives a gradient."""

    def __init__(self, points: np.ndarray, moon: np.ndarray) -> None:
        self.points, self.moon = points, moon
        self.silent: list[int] = []
        self.without_gradient: list[int] = []

    def on_epoch_end(self, trainer: nn.Trainer) -> None:
        first = trainer.model.layers[0]
        trainer.model.zero_grad()
        trainer.loss(trainer.model(self.points), self.moon).backward()
        self.silent.append(int((first(self.points).numpy() <= 0).all(axis=0).sum()))
        self.without_gradient.append(int((first.weight.grad.numpy() == 0).all(axis=1).sum()))


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="how often to go through the points")
    options = parser.parse_args()
    points, moon = make_moons(500, noise=0.15, random_state=0)

    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2)
    for name, activation, colour in (("ReLU", nn.ReLU, style.ORANGE), ("leaky ReLU", nn.LeakyReLU, style.BLUE)):
        nn.manual_seed(0)
        model = nn.models.MLP([2, UNITS, 1], activation, task="binary")
        nn.init.constant_(model.layers[0].bias, -3.0)
        units = HiddenUnits(points, moon)
        trainer = nn.Trainer(model, model.loss(), nn.optim.Adam(model.parameters(), lr=0.05), callbacks=[units])
        history = trainer.fit((points, moon), options.epochs, progress=False)
        accuracy = nn.metrics.accuracy(model.predict(points), moon)
        print(f"{name}: {units.without_gradient[-1]} of {UNITS} units get no gradient, {units.silent[-1]} never fire, ", end="")
        print(f"{accuracy:.1%} of the points told right")
        for axes, numbers, room in ((left, units.silent, 1), (right, history["loss"], 0.02)):
            axes.plot(history.epochs, numbers, color=colour)
            axes.text(options.epochs, numbers[-1] + room, name, color=colour, ha="right", va="bottom")
    left.set_title(f"Hidden units that never fire, of {UNITS}")
    right.set_title("Loss")
    left.set(ylim=(0, UNITS + 4), yticks=range(0, UNITS + 1, 8))
    right.set_ylim(0, 0.8)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.grid(axis="y")
    style.save(figure, options.output / "dead_relu.png")


if __name__ == "__main__":
    main()
