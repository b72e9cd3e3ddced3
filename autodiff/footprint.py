"""`memory_report(tensor)`: what a graph keeps alive, by module and operation, in bytes.

Counts memory, not arrays: views and arrays that several operations keep count once. Knows what nodes keep, and nothing of how
a report looks on a screen but its own text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .chain_rule import arrays_in
from .drawing.naming import size_text
from .flow import behind
from .graph import Group, Leaf, Node
from .memory import owner_of
from .tensor import Tensor
from .tracing import Record

ROWS = 20  # of the table; the rest is one row
NOTABLE = 0.1  # what share of the whole is worth advice
SUMMED = 3  # results of one operation that make a chain of additions look like an accumulated loss
OUTSIDE = "(outside all modules)"


@dataclass(frozen=True)
class MemoryEntry:
    """What the operations of one name in one module keep.

    module     path of the innermost module whose call they belong to, "" outside all
    operation  their name
    bytes      size of the memory that they keep, without what an earlier operation keeps already
    arrays     in how many pieces
    """

    module: str
    operation: str
    bytes: int
    arrays: int


@dataclass
class MemoryReport:
    """What a graph keeps alive, in bytes; print it.

    total         what the graph holds, `saved` and `records`: freed with it, unless somebody else holds it too, such as data
    saved         arrays kept for the backward pass, less those that are leaves
    records       what `trace()` kept beside
    leaves        parameters and other variables of the graph, which live without it
    gradients     their `.grad`
    operations    how many operations the graph has
    consumed      how many of these a backward pass has gone through, so that they keep nothing more
    untracked     how many of the tensors have no graph
    entries       `saved` by module and operation, the largest first
    advice        how to keep less, as far as it applies here
    """

    saved: int = 0
    records: int = 0
    leaves: int = 0
    gradients: int = 0
    operations: int = 0
    consumed: int = 0
    untracked: int = 0
    entries: list[MemoryEntry] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All of it, in bytes: what rules need, and what a trace recorded."""
        return self.saved + self.records

    @property
    def by_module(self) -> dict[str, int]:
        """`saved` by the path of the module, the largest first."""
        return _summed((entry.module, entry.bytes) for entry in self.entries)

    @property
    def by_operation(self) -> dict[str, int]:
        """`saved` by the name of the operation, the largest first."""
        return _summed((entry.operation, entry.bytes) for entry in self.entries)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        plural = "" if self.operations == 1 else "s"
        if self.untracked and not (self.operations or self.leaves):
            if self.untracked == 1:
                return "0 B: the tensor is not tracked and keeps no graph"
            return f"0 B: none of the {self.untracked:,} tensors is tracked, and they keep no graph"
        lines = [f"{size_text(self.total)} kept alive by a graph of {self.operations:,} operation{plural} ({self.total:,} bytes)"]
        if self.untracked:
            lines.append(f"{self.untracked:,} of the tensors {'is' if self.untracked == 1 else 'are'} not tracked: no graph")
        if self.consumed:
            part = "all" if self.consumed == self.operations else f"{self.consumed:,}"
            lines.append(f"{part} of them were consumed by a backward pass and keep no arrays")
        shown, rest = self.entries[:ROWS], self.entries[ROWS:]
        if shown:
            rows = [(e.module or OUTSIDE, e.operation, *self._amount(e.bytes), str(e.arrays)) for e in shown]
            if rest:
                amount = self._amount(sum(e.bytes for e in rest))
                rows.append((f"and {len(rest):,} more", "", *amount, str(sum(e.arrays for e in rest))))
            lines += ["", *_table([("module", "operation", "kept", "share", "arrays"), *rows])]
        apart = [
            ("trace records", self.records, "freed with the graph"),
            ("parameters and inputs", self.leaves, "they live without it"),
            ("their gradients", self.gradients, "in .grad"),
        ]
        if any(size for _, size, _ in apart):
            lines += ["", "apart from these"]
            lines += [f"  {what:<22} {size_text(size):>10}  {why}" for what, size, why in apart if size]
        if self.advice:
            lines += ["", "to keep less", *(f"  - {advice}" for advice in self.advice)]
        return "\n".join(lines)

    def _amount(self, size: int) -> tuple[str, str]:
        return size_text(size), f"{size / self.saved:.0%}" if self.saved else ""


def memory_report(*tensors: Tensor) -> MemoryReport:
    """Return what the graph of some tensors keeps alive, by module and operation, and how to keep less.

    tensors  results, such as the loss; an untracked one has no graph and keeps nothing

    Memory counts once, however many views and operations share it, and whole, also where only a view of it is kept. It counts
    for the first operation that keeps it. Raises TypeError for what is no Tensor.

    >>> x = Tensor(np.ones(1000), requires_grad=True)
    >>> report = memory_report(np.exp(x).sum())
    >>> report.by_operation, report.leaves
    ({'exp': 8000}, 8000)
    """
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"memory_report: expected Tensors, got {type(tensor).__name__}; give it a result, such as the loss")
    if not tensors:
        raise TypeError("memory_report: expected at least one Tensor, such as the loss")
    return _Count([tensor._node for tensor in tensors if tensor._node is not None]).report(tensors)


class _Count:
    """One walk over a graph."""

    def __init__(self, outputs: list[Node]):
        self.order = behind(dict.fromkeys(outputs))[::-1]
        self.seen: set[int] = set()  # memory that has been counted
        self.sizes: dict[tuple[str, str], list[int]] = {}
        self.by_dtype: dict[str, int] = {}
        self.wasted = 0  # memory of which only views are kept
        self.tracked_gradients = False

    def report(self, tensors: Iterable[Tensor]) -> MemoryReport:
        made = MemoryReport(untracked=sum(tensor._node is None for tensor in tensors))
        leaves = [tensor for node in self.order if isinstance(node, Leaf) and (tensor := node.tensor()) is not None]
        made.leaves = self._count(tensor._data for tensor in leaves)
        gradients = [tensor._grad for tensor in leaves if tensor._grad is not None]
        made.gradients = self._count(gradient._data for gradient in gradients)
        self.tracked_gradients = any(gradient._node is not None for gradient in gradients)
        modules = innermost_modules(self.order)
        nodes = [node for node in self.order if not isinstance(node, Leaf) and not node.operation.index_only]
        for node in nodes:
            made.operations += 1
            made.consumed += node.saved is None
            self._count_saved(node, modules[node])
        made.entries = sorted(
            (MemoryEntry(module, operation, size, count) for (module, operation), (size, count) in self.sizes.items()),
            key=lambda entry: (-entry.bytes, entry.module, entry.operation),
        )
        made.saved = sum(entry.bytes for entry in made.entries)
        made.records = self._count(array for node in nodes for array in _recorded(node))
        made.advice = self._advice(made, tensors)
        return made

    def _count(self, arrays: Iterable[np.ndarray]) -> int:
        return sum(owner.nbytes for array in arrays if (owner := self._new(array)) is not None)

    def _new(self, array: np.ndarray) -> np.ndarray | None:
        """Return the array that owns the memory of `array`, None where that has been counted."""
        owner = owner_of(array)
        if id(owner) in self.seen:
            return None
        self.seen.add(id(owner))
        return owner

    def _count_saved(self, node: Node, module: str) -> None:
        for array in arrays_in(node.saved):
            owner = self._new(array)
            if owner is None or not owner.nbytes:
                continue
            name = "power" if node.operation.name == "power_constant" else node.operation.name
            sizes = self.sizes.setdefault((module, name), [0, 0])
            sizes[0] += owner.nbytes
            sizes[1] += 1
            dtype = str(array.dtype)
            self.by_dtype[dtype] = self.by_dtype.get(dtype, 0) + owner.nbytes
            self.wasted += max(0, owner.nbytes - array.nbytes)

    def _advice(self, made: MemoryReport, tensors: Iterable[Tensor]) -> list[str]:
        """Return what is known of this graph first, then what helps anywhere."""
        advice = []
        notable = max(NOTABLE * made.saved, 1)
        sums = [added for tensor in tensors if tensor._data.size == 1 and (added := added_up(tensor._node))[0]]
        if made.saved and sums:
            count, name = max(sums)
            advice.append(
                f"this is a sum of {count:,} results of '{name}', added one after the other, and keeps the graphs of all: where "
                "these are losses of several batches, total += loss.item() keeps none"
            )
        if made.saved and made.gradients and not made.consumed:
            advice.append("if its backward pass has been made, retain_graph=True or create_graph=True kept all this")
        if self.tracked_gradients:
            advice.append("gradients made with create_graph=True hold the graph: set .grad to None when you are done with them")
        if (double := self.by_dtype.get("float64", 0)) >= notable:
            advice.append(f"{size_text(double)} of it are float64: with data and parameters of float32 it would be half")
        if made.saved and self.wasted >= notable:
            advice.append(f"{size_text(self.wasted)} are kept only since a part of an array keeps all of it: copy the part")
        if made.records >= max(NOTABLE * made.total, 1):
            advice.append("trace() keeps the values of what runs inside: use it where you look, not in training")
        if made.saved:
            advice.append("where nothing is learned, as in evaluation, compute under no_grad(): no graph is made")
            if not sums and any(tensor._data.size == 1 for tensor in tensors):
                advice.append("to add up losses take the numbers, total += loss.item(): adding the tensors keeps each one's graph")
            advice.append("a result that is held on to holds its graph: del it, or keep result.detach()")
        if made.saved > made.leaves:
            advice.append("a smaller batch keeps less; the gradients of several add up to those of a large one")
        return advice


def added_up(node: Node | None) -> tuple[int, str]:
    """Return how many single numbers were added one after the other, and which operation most of them came from.

    (0, "") where less than three came from the same operation: a loss of several terms is a sum too.
    """
    waiting, terms, seen = [node], list[Node](), set[Node]()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or isinstance(node, Leaf) or math.prod(node.shape or ()) != 1:
            continue
        seen.add(node)
        if node.operation.name == "add" and node.saved is not None:
            waiting += node.parents
        else:
            terms.append(node)
    names = [term.operation.name.removesuffix("_constant") for term in terms]
    most = max(names, key=names.count, default="")
    return (names.count(most), most) if names.count(most) >= SUMMED else (0, "")


def innermost_modules(order: Iterable[Node]) -> dict[Node, str]:
    """Return for each node the path of the innermost module in whose call it was made, "" outside all.

    order  the nodes of a graph, oldest first
    """
    order = list(order)
    calls: dict[tuple[int, int], Group] = {}
    for node in order:
        for group in node.notes.groups if node.notes is not None else ():
            if group.kind == "module":
                calls[group.first, group.last] = group
    waiting = [calls[key] for key in sorted(calls, key=lambda key: (-key[0], key[1]))]  # the next to begin is the last
    around: list[Group] = []
    found = {}
    for node in order:
        while waiting and waiting[-1].first <= node.number:
            around.append(waiting.pop())
        while around and around[-1].last < node.number:
            around.pop()
        found[node] = around[-1].name if around else ""
    return found


def _recorded(node: Node) -> list[np.ndarray]:
    record: Any = None if node.notes is None else node.notes.record
    if not isinstance(record, Record):
        return []
    parts = [record.value, record.gradient, record.inputs, record.contributions, record.saved]
    return [array for part in parts for array in arrays_in(part)]


def _summed(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for key, size in pairs:
        sums[key] = sums.get(key, 0) + size
    return dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    ways = [str.ljust, str.ljust, str.rjust, str.rjust, str.rjust]
    return ["  " + "  ".join(map(lambda cell, width, way: way(cell, width), row, widths, ways)).rstrip() for row in rows]
