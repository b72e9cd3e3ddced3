"""One run of a model, watched: every operation with its value, its gradient, the module and the line it belongs to.

Knows the graph and what modules note in it. Judges nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.border import outward
from autodiff.chain_rule import propagate
from autodiff.graph import Group, Leaf, Node, Variable, label
from autodiff.tracing import Record, Trace, caller

from ..training.batches import size_of


class _Whole(Record):
    """What is kept of an operation: the arrays themselves, which the graph holds anyway for most."""

    __slots__ = ()

    def note_gradient(self, g: Any, node: Node, *_: Any) -> None:
        parts = g if isinstance(g, (list, tuple)) else [g]
        arrays = [None if part is None else np.array(outward(part)) for part in parts]
        self.gradient = arrays[0] if len(arrays) == 1 else tuple(arrays)

    def note_contribution(self, *_: Any) -> None:
        pass

    def keep(self, *_: Any) -> None:
        pass


class Listener(Trace):
    """Hears of the operations of a run, and keeps what they computed whole."""

    def record(self, node: Node, y: Any, inputs: Any, seconds: float) -> Record:
        self.nodes.append(node)
        seen = tuple(v._data if isinstance(v, Variable) else v for v in inputs)
        names = tuple(v.name if isinstance(v, Variable) else None for v in inputs)
        return _Whole(y, seen, names, seconds, caller())


class Step:
    """One recorded operation of a run.

    node        its node
    name        of the operation
    path, kind  of the innermost module around it, "" and "" where there is none
    is_output   whether its result is what that module returned, and the module has no parts of its own
    inputs      its arguments; arrays for Tensors
    line        "file.py:12" in the caller's code; "" where the caller only called the model
    """

    __slots__ = ("inputs", "is_output", "kind", "line", "name", "node", "path")

    def __init__(self, node: Node, path: str, kind: str, is_output: bool, here: str):
        record = node.notes.record  # type: ignore[union-attr]
        self.node, self.name, self.path, self.kind, self.is_output = node, label(node), path, kind, is_output
        self.inputs: tuple[Any, ...] = record.inputs
        self.line = "" if record.source == here else os.path.basename(record.source)

    @property
    def values(self) -> list[np.ndarray]:
        """What it computed: one array, or several."""
        value = self.node.notes.record.value  # type: ignore[union-attr]
        return [np.asarray(part) for part in (value if isinstance(value, (tuple, list)) else [value])]

    @property
    def gradient(self) -> np.ndarray | None:
        """What arrived at its result in the backward pass; None where nothing did, and of several results."""
        g = self.node.notes.record.gradient  # type: ignore[union-attr]
        return g if isinstance(g, np.ndarray) else None

    def __str__(self) -> str:
        at = f" at {self.line}" if self.line else ""
        if not self.is_output:
            return f"{self.name}{at}" + (f", in {self.kind}" if self.kind else "")
        known = self.name.replace("_", "") in self.kind.lower()
        return f"{self.kind}{'' if known else f' ({self.name})'}{at}"


class Observation:
    """A run of a model on a batch, and if there was a loss, of the backward pass.

    inputs      what the model was given
    size        how many samples that are
    prediction  what it returned
    loss        a Tensor of one number, or None
    steps       the operations of the model, in order
    after       those of the loss
    gradients   by id, of each leaf that the loss depends on
    """

    def __init__(self, listener: Listener, inputs: Any, prediction: Any, border: int, here: str, inner: set[str]):
        self.inputs, self.prediction, self.size = inputs, prediction, size_of(inputs)
        self.loss: Tensor | None = None
        self.steps: list[Step] = []
        self.after: list[Step] = []
        self.gradients: dict[int, np.ndarray] = {}
        self.leaves: dict[int, Node] = {}  # ids stay true while the nodes are held
        for node, groups, is_output in _placed(listener.nodes):
            group = groups[-1] if groups else None
            if node.number > border:
                self.after.append(Step(node, "loss", "" if group is None else group.title, False, here))
            else:
                path, kind = ("", "") if group is None else (group.name, group.title)
                self.steps.append(Step(node, path, kind, is_output and path not in inner, here))

    def differentiate(self, loss: Tensor) -> None:
        """Run the backward pass of `loss`; no `.grad` is touched."""
        self.loss = loss
        if loss._node is None:
            return
        with np.errstate(all="ignore"):
            arrived = propagate({loss._node: np.ones_like(loss._data)}, None, False, False, store=False)
        for node, g in arrived.items():
            if isinstance(node, Leaf):
                tensor = node.tensor()
                if tensor is not None:
                    self.gradients[id(tensor)] = np.array(outward(g))
                    self.leaves[id(tensor)] = node

    def gradient_of(self, tensor: Tensor) -> np.ndarray | None:
        """Return the gradient of a parameter or input; None where the loss does not depend on it."""
        return self.gradients.get(id(tensor)) if self.leaves.get(id(tensor)) is tensor._node else None

    def all_steps(self) -> list[Step]:
        """Return the steps of model and loss, in order."""
        return self.steps + self.after


def _placed(nodes: list[Node]) -> Iterator[tuple[Node, list[Group], bool]]:
    """Yield each node with the module calls around it, outermost first, and whether it is what the innermost returned."""
    found = {id(group): group for node in nodes if node.notes for group in node.notes.groups if group.kind == "module"}
    waiting = sorted(found.values(), key=lambda group: (group.first, -group.last))
    waiting.reverse()
    around: list[Group] = []
    for node in sorted(nodes, key=lambda node: node.number):
        while waiting and waiting[-1].first < node.number:
            around.append(waiting.pop())
        around = [group for group in around if group.last >= node.number]
        own = node.notes.groups if node.notes else ()
        yield node, list(around), bool(around) and any(group is around[-1] for group in own)


_ONLY_MOVES = {
    "reshape", "squeeze", "getitem", "astype", "transpose", "swapaxes", "moveaxis", "flatten", "ravel", "expand_dims", "positive",
    "broadcast_to", "concatenate", "stack",
}  # fmt: skip


def last_operation(run: Observation) -> Step | None:
    """Return the last operation of the model that computes something, where the output is one Tensor."""
    output = run.prediction
    return _computed(output._node, run.steps) if isinstance(output, Tensor) else None


def before(step: Step, steps: list[Step]) -> Step | None:
    """Return the operation that computed the first argument of `step`, past what only moves numbers; None where there is none."""
    return _computed(step.node.parents[0], steps) if step.node.parents else None


def _computed(node: Node | None, steps: list[Step]) -> Step | None:
    by_node = {step.node: step for step in steps}
    while node is not None and (step := by_node.get(node)) is not None:
        if step.name not in _ONLY_MOVES:
            return step
        node = next((parent for parent in node.parents if parent is not None), None)
    return None


def is_given_as_it_is(step: Step, run: Observation) -> bool:
    """Return whether the first argument of `step` is the model's output, at most moved about."""
    node = step.node.parents[0] if step.node.parents else None
    by_node = {other.node: other for other in run.after}
    while node is not None and (between := by_node.get(node)) is not None and between.name in _ONLY_MOVES:
        node = next((parent for parent in node.parents if parent is not None), None)
    return isinstance(run.prediction, Tensor) and node is run.prediction._node and node is not None
