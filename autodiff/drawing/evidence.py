"""What one node can tell of its arguments and its output: what it still holds for the backward pass, and its record.

Knows how the declarations save. Knows nothing of the graph around a node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..graph import Node
from ..memory import written_since
from ..tracing import Record, Statistics


def record_of(node: Node) -> Record | None:
    """Return what a trace saw of `node`."""
    record = None if node.notes is None else node.notes.record
    return record if isinstance(record, Record) else None  # what `detect_anomaly` leaves at a node keeps nothing


def retained_by(node: Node) -> Any:
    """Return the Tensor that asked to keep its gradient, if it is alive."""
    return None if node.notes is None or node.notes.retained is None else node.notes.retained()


@dataclass
class Known:
    """What a node tells of its arguments and its output: arrays by position, other arguments by name.

    held  of the inputs the very arrays that the node still holds
    """

    inputs: dict[int, Any] = field(default_factory=dict)
    held: dict[int, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    y: Any = None

    def note(self, node: Node, position: int, value: Any) -> None:
        operation = node.operation
        name = operation.arguments[position]
        if position < len(node.parents) and node.parents[position] is not None:
            self.inputs[position] = value
            return
        single = isinstance(value, np.ndarray) and value.ndim == 0
        number = isinstance(value, (int, float, complex, np.generic)) or single
        array = isinstance(value, (np.ndarray, Statistics)) and not single
        # A fused operation says of no argument whether it is an array; a number is a setting there.
        in_fused = operation.reference is not None and number
        plain = number and position >= len(node.parents)  # of arrays that have no derivative the values come in as of others
        if plain or name == "index" or not (number or array) or in_fused:
            self.settings[name] = value.item() if single else value
        else:
            self.inputs[position] = value


def known_of(node: Node) -> Known:
    """Return what the node still holds, or a trace kept of that, and what was recorded of it."""
    operation, record = node.operation, record_of(node)
    known = Known()
    everything = node.saved if node.saved is not None or record is None else record.saved
    if everything is not None and operation.reference is not None:
        for position, value in enumerate(everything[0]):
            if not _changed(value, node):
                known.note(node, position, value)
    elif everything is not None and operation.picks:
        n = len(operation.arguments)
        for pick, saved in zip(operation.picks, (everything,) if operation.sequence else everything, strict=True):
            if saved is None:
                continue
            for k, value in zip(pick, (saved,) if len(pick) == 1 else saved, strict=True):
                if _changed(value, node):
                    continue
                if k == n:
                    known.y = value
                elif k < n and not operation.sequence:
                    known.note(node, k, value)
                elif k == 0:
                    known.inputs.update((i, part) for i, part in enumerate(value) if not _changed(part, node))
                elif k < n:
                    known.settings[operation.arguments[k]] = value
    known.held = dict(known.inputs)
    if record is not None:
        known.settings = {**record.settings, **known.settings}
        for position, value in enumerate(record.inputs):
            if value is not None and operation.sequence:
                known.inputs[position] = value
            elif value is not None:
                known.note(node, position, value)
    return known


def _changed(value: Any, node: Node) -> bool:
    return isinstance(value, np.ndarray) and written_since(value, node.number) is not None


def same(value: Any, default: Any) -> bool:
    """Return whether an argument has its default, as far as that can be told."""
    return type(value) is type(default) and isinstance(value, (bool, int, float, str, tuple)) and bool(value == default)
