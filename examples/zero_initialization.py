"""Why weights do not begin at zero: `python examples/zero_initialization.py`.

Units that begin alike get the same gradient and stay alike, however long they learn: a layer of 32 is then worth a layer of
one. With zeros not even that one learns, since no gradient passes weights of zero. Random numbers make units differ.
"""

from __future__ import annotations

import numpy as np
import style
from matplotlib.figure import Figure

import nn

STARTS = {
    "zeros": (nn.init.zeros_, style.ORANGE),
    "constant 0.1": (lambda weight: nn.init.constant_(weight, 0.1), style.GREEN),
    "random (Kaiming)": ("kaiming_normal", style.BLUE),
}


def main() -> None:
    parser = style.command_line(__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="how often to go through the digits")
    options = parser.parse_args()
    pixels, digits = (part.numpy() for part in nn.data.load_digits().tensors)
    pixels = pixels / 16

    figure = Figure(figsize=(9, 3.6))
    curves, looks = figure.subfigures(1, 2)
    left, grid = curves.subplots(), looks.subplots(len(STARTS), 6)
    for row, (name, (initialization, colour)) in zip(grid, STARTS.items(), strict=True):
        nn.manual_seed(0)
        model = nn.models.MLP([64, 32, 10], initialization=initialization, dtype=np.float64)
        trainer = nn.Trainer(model, nn.CrossEntropyLoss(), nn.optim.SGD(model.parameters(), lr=0.1), metrics=["accuracy"])
        history = trainer.fit((pixels, digits), options.epochs, progress=False)
        units = model.layers[0].weight.numpy()  # (32, 64): a row is what a unit looks for
        different = len(np.unique(units.round(6), axis=0))
        print(f"{name}: {different} different of {len(units)} hidden units, {history['accuracy'][-1]:.1%} of the digits read right")

        left.plot(history.epochs, history["loss"], color=colour)
        left.text(1.03 * options.epochs, history["loss"][-1], name, color=colour, va="center")
        for axes, unit in zip(row, units, strict=False):
            axes.imshow(unit.reshape(8, 8), cmap="RdBu", vmin=-0.5, vmax=0.5)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=colour)
        row[0].text(-0.5, -1.2, f"{name}: {different} different of {len(units)}", color=colour).set_in_layout(False)
    left.set_title("Loss while learning to read digits")
    left.set(xlabel="epoch", xlim=(1, 1.4 * options.epochs), ylim=(0, None))
    left.spines.bottom.set_bounds(1, options.epochs)
    left.set_xticks([tick for tick in left.get_xticks() if 1 <= tick <= options.epochs])
    looks.suptitle("What the first six hidden units look for", fontsize=11, x=0.01, ha="left")
    style.save(figure, options.output / "zero_initialization.png")


if __name__ == "__main__":
    main()
