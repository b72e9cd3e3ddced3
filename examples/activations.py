"""Activation functions and their derivatives: `python examples/activations.py`.

No formula of a derivative stands here: each is what the engine computes, at 1,201 points in one backward pass.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.figure import Figure

import autodiff as ad
from nn import functional as F


def softmax_of_three(x: ad.Tensor) -> ad.Tensor:
    """The first share of softmax(x, 0, 0): one class suspected, beside two others."""
    return F.softmax(np.stack([x, 0 * x, 0 * x]), 0)[0]


FUNCTIONS = {
    "Step": F.step,
    "Sigmoid": F.sigmoid,
    "Tanh": F.tanh,
    "Softmax, of (x, 0, 0)": softmax_of_three,
    "ReLU": F.relu,
    "Leaky ReLU, slope 0.1": lambda x: F.leaky_relu(x, 0.1),
    "GELU": F.gelu,
    "SiLU": F.silu,
}


def main() -> None:
    options = style.command_line(__doc__).parse_args()
    figure = Figure(figsize=(9, 4.6))
    print("                         function            derivative")
    for axes, (name, function) in zip(figure.subplots(2, 4, sharex=True, sharey="row").flat, FUNCTIONS.items(), strict=True):
        x = ad.Tensor(np.linspace(-6, 6, 1201), requires_grad=True)
        y = function(x)
        y.sum().backward()  # y[i] depends on x[i] alone, so this is dy[i] / dx[i] for every i
        value, derivative = y.numpy(), x.grad.numpy()
        extremes = [f"{extreme:8.4f}" for curve in (value, derivative) for extreme in (curve.min(), curve.max())]
        print(f"{name:22s} {extremes[0]} to {extremes[1]}  {extremes[2]} to {extremes[3]}")

        axes.axhline(0, color=style.PALE, linewidth=1, zorder=0)
        for curve, look, colour in ((value, "-", style.BLUE), (derivative, "--", style.ORANGE)):
            jumps = np.abs(np.diff(curve, prepend=curve[0])) > 0.3  # not to be joined by a line
            axes.plot(x.numpy(), np.where(jumps, np.nan, curve), look, color=colour)
        axes.set_title(name)
        axes.set_xticks([-5, 0, 5])
    upper, lower = figure.axes[0], figure.axes[4]
    upper.set_ylim(-1.15, 1.15)
    lower.set_ylim(-0.65, 3)
    upper.text(0.2, 0.9, "function", color=style.BLUE, va="top")
    upper.text(0.2, 0.08, "derivative", color=style.ORANGE)
    style.save(figure, options.output / "activations.png")


if __name__ == "__main__":
    main()
