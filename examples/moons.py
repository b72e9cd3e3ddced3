"""What one neuron cannot do, and a hidden layer can: `python examples/moons.py`.

Two moons that lie in each other. A single neuron draws a line between them, the best there is, and is wrong at both tips.
With a hidden layer in front of it, the line bends.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import make_moons

import nn


def main() -> None:
    options = style.command_line(__doc__).parse_args()
    points, moon = make_moons(1000, noise=0.15, random_state=0)
    train, test = (points[:500], moon[:500]), (points[500:], moon[500:])
    figure = Figure(figsize=(9, 3.25))
    for axes, name, sizes in zip(
        figure.subplots(1, 2, sharey=True), ("a single neuron", "with a hidden layer of 16"), ([2, 1], [2, 16, 1]), strict=True
    ):
        nn.manual_seed(0)
        model = nn.models.MLP(sizes, activation="tanh", task="binary")
        trainer = nn.Trainer(model, model.loss(), nn.optim.Adam(model.parameters(), lr=0.05))
        trainer.fit(train, epochs=30, progress=False)
        right = nn.metrics.accuracy(model.predict(test[0]), test[1])
        count = sum(p.size for p in model.parameters())
        print(f"{name}: {count} numbers learned, {right:.1%} of {len(test[1])} new points told right")
        draw(axes, model, *test)
        axes.set_title(f"{name.capitalize()}: {right:.1%} right")
    style.save(figure, options.output / "moons.png")


def draw(axes: Axes, model: nn.models.MLP, points: np.ndarray, moon: np.ndarray) -> None:
    """Draw how probable the blue moon is everywhere, the line where it is 1/2, and the points."""
    x, y = np.meshgrid(np.linspace(-1.6, 2.6, 200), np.linspace(-1.1, 1.6, 150))
    probability = model.predict_proba(np.stack([x, y], axis=-1))
    axes.contourf(x, y, probability, levels=[0, 0.5, 1], colors=["#fbe9dd", "#dcebf5"])
    axes.contour(x, y, probability, levels=[0.5], colors=style.INK, linewidths=1.5)
    for one, sign, colour in ((0, "s", style.ORANGE), (1, "o", style.BLUE)):
        axes.scatter(*points[moon == one].T, marker=sign, color=colour, s=9, alpha=0.7, linewidths=0)
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


if __name__ == "__main__":
    main()
