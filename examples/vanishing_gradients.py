"""Gradients vanish on their way back through sigmoids: `python examples/vanishing_gradients.py`.

The derivative of a sigmoid is 1/4 at most. On the way back through twelve layers a gradient is multiplied by twelve of them,
and hardly anything arrives at the first layers: they do not learn. The derivative of ReLU is 1 where it fires.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.figure import Figure

import nn

SIZES = [64, *[32] * 11, 10]  # twelve layers of weights
NETWORKS = {  # activation: the initialization made for it, colour
    "ReLU": ("kaiming_normal", style.BLUE),
    "Sigmoid": ("xavier_normal", style.ORANGE),
}


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=10, help="how often to go through the digits")
    options = parser.parse_args()
    pixels, digits = (part.numpy() for part in nn.data.load_digits().tensors)
    pixels = nn.data.transforms.Standardize(pixels)(pixels)

    figure = Figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    for activation, (initialization, colour) in NETWORKS.items():
        nn.manual_seed(0)
        model = nn.models.MLP(SIZES, activation, initialization=initialization)
        loss = nn.CrossEntropyLoss()
        loss(model(pixels), digits).backward()
        norms = [float(np.linalg.norm(layer.weight.grad.numpy())) for layer in model.layers if isinstance(layer, nn.Linear)]
        print(f"{activation}: norm of the gradient {norms[0]:.1e} in the first layer, {norms[-1]:.1e} in the last: ", end="")
        print(f"ratio {norms[0] / norms[-1]:.1e}")

        history = nn.Trainer(model, loss, nn.optim.SGD(model.parameters(), lr=0.005, momentum=0.9), metrics=["accuracy"]).fit(
            (pixels, digits), options.epochs, progress=False
        )
        print(f"{activation}: after {options.epochs} epochs {history['accuracy'][-1]:.1%} of the digits read right while learning")
        layers = np.arange(1, len(norms) + 1)
        left.semilogy(layers, norms, "o-", color=colour, markersize=4)
        right.plot(history.epochs, history["loss"], color=colour)
    left.text(6, 0.2, "ReLU", color=style.BLUE, va="center")
    left.text(6.5, 1e-4, "Sigmoid", color=style.ORANGE, va="center")
    left.set_title("Norm of the gradient before learning")
    left.set(xlabel="layer, from the input to the output", xticks=layers)
    right.text(options.epochs, 2.2, "Sigmoid: as good as guessing, log 10", color=style.ORANGE, ha="right", va="top")
    right.text(options.epochs, 0.3, "ReLU", color=style.BLUE, ha="right")
    right.set_title("Loss while learning")
    right.set(xlabel="epoch", ylim=(0, None))
    for axes in (left, right):
        axes.grid(axis="y")
    style.save(figure, options.output / "vanishing_gradients.png")


if __name__ == "__main__":
    main()
