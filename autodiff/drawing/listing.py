"""A description of a graph as plain text, one line a node: what is shown where no picture can be.

Knows nothing of Graphviz.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from .description import Description, DrawnNode
from .naming import number, plain_text, shape_text

MOST_LINES = 40


def as_text(description: Description) -> str:
    """Return a line for each node, inputs first, such as `c = add(a, b)  scalar float64  value −2  grad 3`."""
    arguments: dict[str, list[str]] = {}
    for edge in sorted(description.edges, key=attrgetter("position")):  # constants come first in the description, but not in a call
        arguments.setdefault(edge.target, []).append(edge.source)
    lines = [_line(node, arguments.get(node.id, [])) for node in description.nodes]
    if len(lines) > MOST_LINES:
        left_out = len(lines) - MOST_LINES
        lines[MOST_LINES // 2 : -MOST_LINES // 2] = [f"... {left_out} nodes left out ..."]
    return "\n".join(lines)


def _line(node: DrawnNode, arguments: list[str]) -> str:
    made = node.role if node.operation is None else f"{plain_text(node.operation)}({', '.join(arguments)})"
    parts = [f"{node.id} = {made}", shape_text(node.shape, node.dtype)]
    for what, value, reason in (("value", node.value, node.no_value), ("grad", node.gradient, node.no_gradient)):
        if isinstance(value, np.ndarray) and value.size <= 4:
            parts.append(f"{what} {_nested(value)}")
        elif value is None and reason:
            parts.append(f"{what} {reason}")
    return "  ".join(part for part in parts if part)


def _nested(value: Any) -> str:
    return number(value[()]) if value.ndim == 0 else f"[{', '.join(_nested(part) for part in value)}]"
