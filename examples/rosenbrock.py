"""Eight optimizers race through Rosenbrock's valley: `python examples/rosenbrock.py`.

f(x, y) = (1 - x)² + 100 (y - x²)² has its minimum at (1, 1), in a narrow, bent valley with a nearly flat floor. All reach
the valley soon; along its floor the gradient says little about the way. Each has a learning rate that suits it here, and
the race says nothing about other functions: on a network's loss, from batches, the order is another.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autodiff import Tensor
from nn import Parameter, optim

START, GOAL, NEAR = (-1.2, 1.0), np.array([1.0, 1.0]), 0.1
RACERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.001),
    "Momentum": lambda p: optim.SGD(p, lr=0.001, momentum=0.9),
    "Nesterov": lambda p: optim.SGD(p, lr=0.001, momentum=0.9, nesterov=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.5),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "Lion": lambda p: optim.Lion(p, lr=0.01),
    "LBFGS": lambda p: optim.LBFGS(p, max_iter=1, max_eval=25, line_search_fn="strong_wolfe"),
}


def rosenbrock(x: Tensor, y: Tensor) -> Tensor:
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def race(racer: str, most: int) -> np.ndarray:
    """Return the path (steps + 1, 2), to where it is near the goal, or of `most` steps."""
    p = Parameter(np.array(START))
    optimizer = RACERS[racer]([p])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = rosenbrock(p[0], p[1])
        loss.backward()
        return loss

    path = [p.numpy().copy()]
    while np.linalg.norm(path[-1] - GOAL) > NEAR and len(path) <= most:
        optimizer.step(closure)
        path.append(p.numpy().copy())
    return np.array(path)


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--steps", type=int, default=10_000, help="when to give up")
    options = parser.parse_args()
    x, y = np.meshgrid(np.linspace(-1.7, 1.6, 300), np.linspace(-0.8, 2.2, 300))
    height = rosenbrock(x, y)  # ordinary NumPy: arrays in, array out

    figure = Figure(figsize=(9, 4.6))
    for axes, racer in zip(figure.subplots(2, 4, sharex=True, sharey=True).flat, RACERS, strict=True):
        path = race(racer, options.steps)
        arrived = np.linalg.norm(path[-1] - GOAL) <= NEAR
        result = f"{len(path) - 1:,} steps" if arrived else f"not in {options.steps:,} steps"
        print(f"{racer:9s} {result}")
        axes.contour(x, y, height, levels=np.logspace(0, 3, 7), colors="#c8c8c8", linewidths=0.8)
        axes.plot(*path.T, ".-", color=style.BLUE, linewidth=1, markersize=3)
        axes.plot(*START, "o", color=style.INK, markersize=5)
        axes.plot(*GOAL, "*", color=style.ORANGE, markersize=11)
        axes.set_title(f"{racer}: {result}")
        axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), xlabel="x", ylabel="y")
        axes.label_outer()
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    style.save(figure, options.output / "rosenbrock.png")


if __name__ == "__main__":
    main()
