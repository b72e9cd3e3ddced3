"""`LayerReport`: the numbers of one layer in a training step, and the histograms that a picture shows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .case import Case
from .finding import Skip
from .observation import Step
from .steps import updates
from .units import flat_share

BINS = 50
SAMPLE = 50_000
IN_A_DECADE = 8  # bins of the gradients: of one width for all layers, so that rows can be compared
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "elu", "softmax")


@dataclass
class LayerReport:
    """What one layer did with the batch in a training step.

    path       of the module
    kind       its class; of a function called in a larger module, the function
    shape      of its output; of more than 50,000 numbers, so many are drawn for what follows
    mean, std  of its output
    zeros      the share of its outputs that are 0
    saturated  the share in the flat part of sigmoid or tanh; None of other layers
    gradient   mean of |dloss/doutput|; None where the loss does not depend on it
    update     the largest change of one of its weights by a step of the optimizer, relative to the weight; None without one
    values     histogram of its outputs: counts and edges
    slopes     histogram of log10 |dloss/doutput|, zeros left out: counts and edges; None where there is nothing to count
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    mean: float
    std: float
    zeros: float
    saturated: float | None
    gradient: float | None
    update: float | None
    values: tuple[np.ndarray, np.ndarray] | None = field(repr=False)
    slopes: tuple[np.ndarray, np.ndarray] | None = field(repr=False)


def layer_reports(case: Case) -> list[LayerReport]:
    """Return the layers of a training step in the order of their results: modules without parts of their own, and activations."""
    try:
        sizes = updates(case)
    except Skip:
        sizes = {}
    reports = []
    for step in case.training.steps:
        if (step.is_output or step.name in _ACTIVATIONS) and step.node.shape is not None:
            path = "" if step.path == type(case.model).__name__ else step.path
            own = [size for name, size in sizes.items() if name.rpartition(".")[0] == path] if step.is_output else []
            reports.append(_report(step, step.kind if step.is_output else step.name, max(own, default=None)))
    return reports


def _report(step: Step, kind: str, update: float | None) -> LayerReport:
    y, g = step.values[0], step.gradient
    if y.size > SAMPLE:  # figures for a person to look at: so many numbers tell as much as all
        chosen = np.random.default_rng(0).integers(0, y.size, SAMPLE)
        y, g = y.ravel()[chosen], None if g is None else g.ravel()[chosen]
    finite = y[np.isfinite(y)].astype(float) if y.dtype.kind == "f" else np.abs(y[np.isfinite(y)]).astype(float)
    with np.errstate(all="ignore"):
        return LayerReport(
            step.path or "model",
            kind,
            step.values[0].shape,
            float(finite.mean()) if finite.size else float("nan"),
            float(finite.std()) if finite.size else float("nan"),
            float((y == 0).mean()) if y.size else 0.0,
            flat_share(step),
            None if g is None or not g.size else float(np.abs(g).mean()),
            update,
            _counted(finite),
            None if g is None else _decades(np.abs(g[(g != 0) & np.isfinite(g)]).astype(float)),
        )


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    if not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # all alike: one bar
        width = max(abs(low) * 0.1, 1e-12)
        low, high = low - width, high + width
    return np.histogram(values, BINS, (low, high))


def _decades(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    if not sizes.size:
        return None
    places = np.floor(np.log10(sizes) * IN_A_DECADE).astype(int)
    first, last = int(places.min()), int(places.max())
    return np.bincount(places - first, minlength=last - first + 1), np.arange(first, last + 2) / IN_A_DECADE
