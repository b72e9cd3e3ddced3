"""The graph that is to be drawn: the nodes behind some tensors, what each was computed from, and their gradients.

Fused operations can be taken apart in it into the operations of their references. Knows nothing of pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..border import outward
from ..flow import Flow, behind, flow_back, unconsumed
from ..graph import Leaf, Node, enable_grad, notes_of
from ..recording import OPERATIONS
from ..tensor import Tensor
from ..tracing import Statistics, trace
from .evidence import record_of, retained_by
from .naming import plain_text


def tracked(value: Any, what: str, expected: str) -> Tensor:
    """Return `value` if it is a tracked Tensor; else raise an error in the name of `what`, which says what was `expected`."""
    if not isinstance(value, Tensor):
        cure = "; autodiff.Tensor(array, requires_grad=True) makes one" if isinstance(value, np.ndarray) else ""
        raise TypeError(f"{what}: expected {expected}; got {type(value).__name__}{cure}")
    if value._node is None:
        called = f" '{plain_text(value.name)}'" if value.name else ""
        raise RuntimeError(
            f"{what}: the tensor{called} is not tracked, so there is no graph. Make an input with requires_grad=True, and check "
            "that no no_grad(), detach() or numpy() lies between"
        )
    return value


class Recorded:
    """The nodes behind `outputs`, oldest first.

    roots     the nodes of the outputs, and their tensors
    order     all nodes
    parents   for each node the nodes of its arguments, None for those that are not tracked
    place     for each node its running number; of a part of a reference, that of the fused operation
    flow      of a backward pass made for this graph, where one was asked for; else None
    expanded  for each part of a reference the fused node that it is part of
    """

    def __init__(self, outputs: Sequence[Tensor], backward: bool = False):
        self.roots = {tensor._node: tensor for tensor in outputs if tensor._node is not None}
        self.order = behind(self.roots)[::-1]
        self.parents = {node: node.parents for node in self.order}
        self.place = {node: node.number for node in self.order}
        self.flow: Flow | None = flow_back({node: _seed(tensor) for node, tensor in self.roots.items()}) if backward else None
        self.expanded: dict[Node, Node] = {}

    def gradient_of(self, node: Node) -> Any:
        """Return what is known to have arrived at `node` in a backward pass, as the caller sees it."""
        record, retained = record_of(node), retained_by(node)
        if self.flow is not None and node in self.flow.gradients:
            return self.flow.gradients[node]
        if retained is not None and retained._grad is not None:
            return retained._grad
        return None if record is None else record.gradient

    def expand(self, which: bool | str | Iterable[str]) -> None:
        """Put the operations of its reference in the place of each fused operation named in `which` (True: of all)."""
        wanted: Any = which if which is True else {which} if isinstance(which, str) else set(which or ())
        fused = {node: node.operation for node in self.order if not isinstance(node, Leaf) and node.operation.reference is not None}
        if wanted is not True:
            names = {operation.name for operation in fused.values()}
            missing = [name for name in wanted if name not in names]
            if missing:
                there = f"those here are {', '.join(sorted(names))}" if names else "there is none here"
                known = missing[0] in OPERATIONS
                what = "is not among the fused operations of this graph" if known else "is no operation"
                raise ValueError(f"draw: expand={missing[0]!r} {what}; {there}")
        order: list[Node] = []
        for node in self.order:
            parts = None
            if node in fused and node.shape is not None and (wanted is True or node.operation.name in wanted):
                parts = self._parts(node)
            order += parts or [node]
        self.order = order

    def _parts(self, node: Node) -> list[Node] | None:
        """Return the nodes of the reference of `node`, joined to what it was computed from; None where that is not known."""
        try:
            raw = unconsumed(node).saved[0]
        except RuntimeError:
            return None
        stand_ins = [
            value if parent is None else Tensor(value, requires_grad=True) for value, parent in zip(raw, node.parents, strict=True)
        ]
        with enable_grad(), trace():
            result = node.operation.reference(*stand_ins)
        if result._node is None or isinstance(result._node, Leaf):
            return None
        real = {s._node: parent for s, parent in zip(stand_ins, self.parents[node], strict=True) if parent is not None}
        inner = [part for part in behind([result._node])[::-1] if part not in real]
        g = self.gradient_of(node)
        if g is not None and not isinstance(g, Statistics):
            flow = flow_back({result._node: outward(np.asarray(g))})
            self.flow = self.flow or Flow()
            self.flow.gradients.update((part, flow.gradients[part]) for part in inner if part in flow.gradients)
            self.flow.contributions.update(flow.contributions)
        for part in inner:
            self.parents[part] = tuple([None if p is None else real.get(p, p) for p in part.parents])
            self.place[part] = node.number
            self.expanded[part] = node
        last = result._node
        for other, parents in self.parents.items():
            if node in parents:
                self.parents[other] = tuple([last if p is node else p for p in parents])
        if node in self.roots:
            self.roots[last] = self.roots.pop(node)
        self.place[last] = node.number
        if node.notes is not None and node.notes.groups:
            notes_of(last).groups += node.notes.groups
        return inner


def _seed(tensor: Tensor) -> Any:
    return np.ones(tensor._data.shape, tensor._data.dtype)
