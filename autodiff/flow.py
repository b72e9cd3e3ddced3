"""One backward pass that leaves nothing behind: what arrives at each node, and what goes along each edge.

It touches no `.grad`, runs no hook and consumes no graph. Drawings and explanations use it. Knows nodes and the chain
rule; knows nothing of who looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from .border import outward
from .chain_rule import Nobody, add_to, arrays_in, contributions, describe, leading_to, quiet_sum
from .graph import Leaf, Node
from .memory import newest_write, written_since
from .tracing import Record


class Flow:
    """What one backward pass would do, kept; in PyTorch's convention for complex numbers.

    order          the nodes in the order of the pass, from the outputs on
    gradients      what has arrived at each node that something arrived at; for several outputs a list, None where nothing did
    contributions  what went along each edge, by (node, position of the argument)
    """

    def __init__(self) -> None:
        self.order: list[Node] = []
        self.gradients: dict[Node, Any] = {}
        self.contributions: dict[tuple[Node, int], Any] = {}


def flow_back(seeds: Mapping[Node, Any], towards: Iterable[Node] | None = None) -> Flow:
    """Return the flow of `seeds`, the cotangents of some nodes, through all that these were computed from.

    towards  nodes to stop at; only what leads to them is walked, and is in the order

    Raises RuntimeError where a graph was consumed by an earlier pass and is not to be had from a trace either.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> flow = flow_back({y._node: np.array(1.0)})
    >>> [d.item() for d in flow.contributions.values()], flow.gradients[x._node].item()
    ([3.0, 3.0], 6.0)
    """
    flow = Flow()
    flow.order = behind(seeds)
    needed = None
    targets = set(() if towards is None else towards)
    if towards is not None:
        needed = leading_to(targets, flow.order)
        flow.order = [node for node in flow.order if node in needed]
    pending: dict[Node, Any] = dict(seeds)
    owned = Nobody()  # no gradient is memory that may be added to: all are kept
    with np.errstate(invalid="raise", divide="ignore", over="ignore", under="ignore"):  # as in the chain rule
        for node in flow.order:
            g = pending.pop(node, None)
            if g is None:
                continue
            flow.gradients[node] = [None if part is None else outward(part) for part in g] if isinstance(g, list) else outward(g)
            if node in targets and not any(parent in needed for parent in node.parents):  # type: ignore[operator]
                continue  # the walk ends here: what lies beyond may well be consumed
            for position, parent, d in _share(node, g, needed):
                if isinstance(d, list):  # one of several outputs: it fills its place
                    before = pending.setdefault(parent, [None] * len(d))
                    pending[parent] = [b if a is None else a if b is None else quiet_sum(a, b) for a, b in zip(before, d)]
                else:
                    flow.contributions[node, position] = outward(d)
                    add_to(pending, owned, parent, d)
    return flow


def behind(outputs: Iterable[Node]) -> list[Node]:
    """Return `outputs` and all nodes that they were computed from, newest first: an order in which the chain rule can walk."""
    order = list(outputs)
    seen = set(order)
    for node in order:  # the list grows as it is walked: no recursion, whatever the depth
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=attrgetter("number"), reverse=True)
    return order


def handed_on(node: Node, g: Any, needed: set[Node] | None = None) -> list[tuple[int, Node, Any]]:
    """Return what `node` hands on when `g` has arrived at it: (position of the argument, its node, the term of its gradient).

    needed  the only nodes to hand something on to

    Of one of several outputs the term is a list with a place for each output.
    """
    with np.errstate(invalid="raise", divide="ignore", over="ignore", under="ignore"):
        return _share(node, g, needed)


def _share(node: Node, g: Any, needed: set[Node] | None) -> list[tuple[int, Node, Any]]:
    if isinstance(node, Leaf):
        return []
    node = unconsumed(node)
    if node.operation.index_only:
        index, count = node.saved
        parent = node.parents[0]
        assert parent is not None
        return [(0, parent, [g if i == index else None for i in range(count)])]
    return contributions(node, g, needed)


def unconsumed(node: Node) -> Node:
    """Return `node` with what its rules need: itself, or after a backward pass a copy made from the record of a trace."""
    saved = node.saved
    if saved is not None and node.number >= newest_write():
        return node
    if saved is None:
        record = None if node.notes is None else node.notes.record
        saved = None if record is None else record.saved
        if saved is None:
            reason = "its arrays were too large for the trace to keep" if isinstance(record, Record) else "nothing was traced"
            raise RuntimeError(
                f"the graph was consumed by an earlier backward pass, at operation {describe(node)}, and {reason}. Give that pass "
                "retain_graph=True, or do this before it; small arrays are also kept where the forward pass runs under trace()"
            )
        again = Node()
        again.operation, again.parents, again.saved = node.operation, node.parents, saved
        again.shape, again.dtype, again.number, again.notes = node.shape, node.dtype, node.number, node.notes
    else:
        again = node
    for array in arrays_in(saved):
        what = written_since(array, node.number)
        if what is not None:
            raise RuntimeError(
                f"an array that operation {describe(node)} saved was changed afterwards, by {what}: its derivative can no "
                "longer be computed. Do this before the change"
            )
    return again
