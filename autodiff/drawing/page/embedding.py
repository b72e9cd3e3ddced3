"""What the page's script has to know, as JSON that can stand inside HTML.

Knows which facts of a description the script reads, and how arrays are written. Knows nothing of how they are shown.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np

from ...tracing import BINS, Statistics
from ..description import NOT_ARRIVED, NOT_COMPUTED, NOT_IN_GRAD, NOT_KEPT, Description, DrawnNode
from ..naming import number, seconds_text, size_text
from ..told_apart import signs

MOST_NUMBERS = 400_000  # in one page; where there are more, larger arrays are given by their figures
LIMITS = (1000, 256, 64, 16, 4, 1)  # elements of an array that is given in full
EXACT = 16  # elements of an array whose numbers are given to the last digit
CURES = {
    NOT_COMPUTED: "call backward() before drawing, or draw with backward=True",
    NOT_KEPT: "or draw with backward=True, which runs a pass of its own",
    NOT_IN_GRAD: "draw before it is cleared, or with backward=True",
    NOT_ARRIVED: "no output depends on it",
}


def as_data(description: Description, direction: str) -> str:
    """Return nodes, edges, groups and arrays as JSON in which no character means anything to a reader of HTML.

    >>> as_data(Description([DrawnNode("</script>", "variable")], [], []), "right")
    '{"arrays":[],"nodes":[{"id":"\\\\u003c/script\\\\u003e","role":"variable"}],...}'
    """
    arrays = _Arrays(_limit(description))
    places = {node.id: place for place, node in enumerate(description.nodes)}
    signed = signs(description)
    nodes = [_node(node, arrays, signed) for node in description.nodes]
    edges = [
        _without_blanks(
            {
                "source": places[edge.source], "target": places[edge.target], "argument": edge.argument, "position": edge.position,
                "gradient": arrays.add(edge.gradient), "noGradient": edge.no_gradient, "local": arrays.add(edge.local),
            }
        )
        for edge in description.edges
    ]  # fmt: skip
    groups = [
        {
            "id": group.id, "name": str(group.name), "title": str(group.title), "kind": group.kind, "parent": group.parent,
            "times": group.times,
        }
        for group in description.groups
    ]  # fmt: skip
    data = {"arrays": arrays.written, "nodes": nodes, "edges": edges, "groups": groups, "direction": direction, "cures": CURES}
    return inert(json.dumps(data, separators=(",", ":"), allow_nan=False))


def inert(text: str) -> str:
    """Return JSON of ASCII letters, with what could end or begin markup written as escapes.

    >>> inert('"<!--&"')
    '"\\\\u003c!--\\\\u0026"'
    """
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _node(node: DrawnNode, arrays: _Arrays, signed: dict[str, str]) -> dict[str, Any]:
    facts = {
        "id": node.id, "role": node.role, "output": node.is_output, "name": None if node.name is None else str(node.name),
        "operation": node.operation, "sign": signed.get(node.id, ""),
        "settings": node.settings, "part": node.part, "dtype": node.dtype,
        "value": arrays.add(node.value), "noValue": node.no_value, "gradient": arrays.add(node.gradient),
        "noGradient": node.no_gradient, "group": node.group, "module": node.module,
        "time": "" if node.seconds is None else seconds_text(node.seconds), "madeAt": _place(node.source),
        "saved": "" if node.saved_bytes is None else size_text(node.saved_bytes), "rules": node.rules,
        "writtenAt": node.written_at, "reference": node.reference, "inside": node.inside, "marked": node.marked,
    }  # fmt: skip
    written = _without_blanks(facts)
    if node.shape is not None:
        written["shape"] = list(node.shape)
    if node.times > 1:
        written["times"] = node.times
    return written


def _without_blanks(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value is not None and value is not False and value != "" and value != {}}


def _place(source: str) -> str:
    """Return "file:line" with the folders below the current one: a page is given to others, whom the rest does not concern."""
    here = os.getcwd() + os.sep
    return source.removeprefix(here).replace("\\", "/") if source.startswith(here) else os.path.basename(source)


# ----------------------------------------------------------------------------------------------- arrays


def _limit(description: Description) -> int:
    """Return how many elements an array may have to be given in full, so that the page stays light."""
    known: list[Any] = [array for node in description.nodes for array in (node.value, node.gradient)]
    known += [array for edge in description.edges for array in (edge.gradient, edge.local)]
    sizes = [array.size for array in known if isinstance(array, np.ndarray)]
    return next((limit for limit in LIMITS if sum(size for size in sizes if size <= limit) <= MOST_NUMBERS), 0)


class _Arrays:
    """Arrays as JSON, each one once."""

    def __init__(self, limit: int):
        self.limit = limit
        self.written: list[dict[str, Any]] = []
        self._places: dict[Any, int] = {}

    def add(self, array: np.ndarray | Statistics | None) -> int | None:
        """Return where the array stands among `written`, None where there is none."""
        if array is None:
            return None
        if isinstance(array, np.ndarray):
            key: Any = (array.shape, array.dtype.str, array.tobytes())
            if array.size > self.limit:
                array = _figures_of(array)
        else:
            key = id(array)  # the description keeps it alive
        if key not in self._places:
            self._places[key] = len(self.written)
            self.written.append(_statistics(array) if isinstance(array, Statistics) else _in_full(array))
        return self._places[key]


def _in_full(array: np.ndarray) -> dict[str, Any]:
    return {"shape": list(array.shape), "data": [_number(value, array.size <= EXACT) for value in array.ravel()]}


def _number(value: Any, exact: bool) -> Any:
    """Return a number as JSON has it; what JSON has no number for, as text."""
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating) and math.isfinite(value):
        return float(str(value)) if exact else float(f"{value:.6g}")  # str: the fewest digits that tell it apart in its dtype
    return number(value)


def _statistics(array: Statistics) -> dict[str, Any]:
    figures = {name: _number(np.float64(getattr(array, name)), False) for name in ("min", "max", "mean", "std")}
    made = {"shape": list(array.shape), **figures, "nans": array.nans, "infinities": array.infinities}
    return {**made, "bins": list(array.histogram)} if array.histogram else made


def _figures_of(array: np.ndarray) -> Statistics:
    sizes = np.abs(array) if array.dtype.kind == "c" else array
    finite = sizes[np.isfinite(sizes)].astype(float)
    nans = int(np.isnan(sizes).sum())
    infinities = sizes.size - finite.size - nans
    if not finite.size:
        return Statistics(array.shape, str(array.dtype), np.nan, np.nan, np.nan, np.nan, nans, infinities)
    with np.errstate(all="ignore"):
        low, high, mean, std = (float(figure) for figure in (finite.min(), finite.max(), finite.mean(), finite.std()))
        width = high / BINS - low / BINS  # divided first: high - low may be more than there are numbers
        bins = (finite / width - low / width).astype(np.intp).clip(0, BINS - 1) if width > 0 else np.full(finite.size, BINS // 2)
    histogram = tuple(np.bincount(bins, minlength=BINS).tolist())
    return Statistics(array.shape, str(array.dtype), low, high, mean, std, nans, infinities, histogram)
