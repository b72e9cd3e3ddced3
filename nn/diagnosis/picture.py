"""The layers as a picture: what each puts out, and the gradient that comes back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .layers import LayerReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 16  # more cannot be read: then some are chosen, evenly, with those that were found fault with
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#6b7780"  # Okabe and Ito
_MARKS = {"error": ("✗", "#b5420a"), "warning": ("!", "#8a6100"), "note": ("·", _GREY)}


def layers_drawn(layers: list[LayerReport], places: dict[str, str]) -> Figure:
    """Return a Figure with a row for each layer; `places` says the severity of what was found where."""
    try:
        from matplotlib.figure import Figure  # without pyplot, which would want a display
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("Health.plot needs matplotlib: python -m pip install 'glassgrad[plot]'") from error
    if not layers:
        raise ValueError("Health.plot: there are no layers to draw; no operation of the model was recorded")
    chosen = _chosen(layers, places)
    height = 1.05 + 0.72 * len(chosen)  # in inches, as the margins: rows of one size need no layout engine, which takes seconds
    figure = Figure(figsize=(9, height))
    margins = {"left": 1.7 / 9, "right": 1 - 0.35 / 9, "bottom": 0.45 / height, "top": 1 - 0.6 / height}
    grid: Any = figure.subplots(len(chosen), 2, squeeze=False, gridspec_kw={"hspace": 1.0, "wspace": 0.12, **margins})
    low, high = _range_of_slopes(chosen)
    for row, (left, right), layer in zip(range(len(chosen)), grid, chosen):
        last = row == len(chosen) - 1
        severity = places.get(layer.path)
        mark, color = _MARKS[severity] if severity else ("", "black")
        left.set_ylabel(
            f"{mark + ' ' if mark else ''}{_short(layer.path)}\n{_short(layer.kind)}", rotation=0, ha="right", va="center",
            fontsize=8, color=color, parse_math=False,
        )  # fmt: skip
        _bars(left, layer.values, _BLUE)
        left.xaxis.set_major_locator(MaxNLocator(5))
        left.tick_params(axis="x", labelsize=7, pad=1, length=2)
        notes = [f"std {layer.std:.2g}"]
        notes += [f"{100 * layer.zeros:.0f} % zeros"] if layer.zeros >= 0.005 else []
        notes += [f"{100 * layer.saturated:.0f} % flat"] if layer.saturated is not None and layer.saturated >= 0.005 else []
        left.set_title("   ".join(notes), fontsize=7, color=_GREY, loc="right", pad=2)
        _bars(right, layer.slopes, _ORANGE)
        right.set_xlim(low, high)
        text = "no gradient" if layer.gradient is None else "all zero" if layer.slopes is None else f"mean {layer.gradient:.2g}"
        text += f"   update {layer.update:.1g}" if layer.update is not None else ""
        right.set_title(text, fontsize=7, color=_GREY, loc="right", pad=2)
        right.tick_params(axis="x", labelsize=7, pad=1, length=2, labelbottom=last)
        right.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        right.xaxis.set_major_formatter(lambda value, _: f"1e{value:.0f}")
        for axes in (left, right):
            axes.set_yticks([])
            for side in ("top", "left", "right"):
                axes.spines[side].set_visible(False)
    for axes, head in zip(grid[0], ("output", "|dloss/doutput|, logarithmic")):
        axes.annotate(head, (0, 1), (0, 14), xycoords="axes fraction", textcoords="offset points", fontsize=10)
    if len(chosen) < len(layers):
        figure.text(0.02, 0.1 / height, f"{len(chosen)} of {len(layers)} layers", fontsize=8, color=_GREY)
    return figure


def _bars(axes: Any, histogram: tuple[np.ndarray, np.ndarray] | None, color: str) -> None:
    if histogram is None:
        axes.set_xticks([])
        return
    counts, edges = histogram
    heights = np.sqrt(counts / max(counts.max(), 1))  # roots: a peak at 0 must not hide the rest
    axes.stairs(heights, edges, fill=True, color=color, alpha=0.75, linewidth=0)
    axes.set_ylim(0, 1.08)


def _chosen(layers: list[LayerReport], places: dict[str, str]) -> list[LayerReport]:
    if len(layers) <= ROWS:
        return layers
    marked = [i for i, layer in enumerate(layers) if layer.path in places][: ROWS // 2]
    even = np.linspace(0, len(layers) - 1, ROWS - len(marked)).round().astype(int)
    return [layers[i] for i in sorted({*marked, *even.tolist()})]


def _range_of_slopes(layers: list[LayerReport]) -> tuple[float, float]:
    edges = [layer.slopes[1] for layer in layers if layer.slopes is not None]
    if not edges:
        return -1.0, 0.0
    low, high = float(np.floor(min(e[0] for e in edges))), float(np.ceil(max(e[-1] for e in edges)))
    return max(low, high - 16), high  # what is smaller is rounding


def _short(text: str, limit: int = 22) -> str:
    return text if len(text) <= limit else "…" + text[1 - limit :]
