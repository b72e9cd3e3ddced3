"""What the examples share: the look of their pictures, and the folder that they write to (`--output`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    import matplotlib
    import sklearn  # noqa: F401  # asked for here, so that every example says the same where it is missing
    from matplotlib.figure import Figure

    import nn  # noqa: F401
except ImportError as error:
    sys.exit(f"The examples need {error.name}; in the folder of the project: python -m pip install '.[demo]'")

INK, GREY, PALE = "#222222", "#8a8a8a", "#e6e6e6"
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#aa4499", "#56b4e9"  # colour-blind readers tell them apart

matplotlib.rcParams.update({
    "figure.constrained_layout.use": True, "savefig.dpi": 150, "font.size": 10,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GREY, "xtick.color": INK, "ytick.color": INK,
    "axes.titlesize": 11, "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
    "axes.axisbelow": True, "grid.color": PALE, "legend.frameon": False, "lines.linewidth": 1.8,
})  # fmt: skip


def command_line(description: str) -> argparse.ArgumentParser:
    """Return a parser that knows `--output`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output", help="folder for what is written")
    return parser


def save(figure: Figure, path: Path) -> None:
    """Write the picture, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(f"Picture: {path}")
