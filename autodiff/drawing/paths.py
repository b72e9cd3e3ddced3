"""The paths by which a gradient comes: how many there are, which bring the most, and what is pushed along each.

A path leads from a node to an output over the operations between; two arguments of one operation are two paths. Knows nodes
and one operation's share of the chain rule. Knows nothing of names, nor of how a path is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..border import outward
from ..flow import flow_back, handed_on
from ..graph import Node
from ..tracing import Statistics, summed_up

LISTED = 20_000_000  # elements to push along partial paths; where there are more, not every path is tried
SMALL = 1000  # elements of an array that costs no more to push than a single number
BEAM = 32  # partial paths that are followed further from each node, where not every path is tried


class Step(NamedTuple):
    """From the argument `parent` at `position` to `node`; `whole` lies between where `node` is one of several outputs of it."""

    node: Node
    position: int
    parent: Node
    whole: Node | None = None

    @property
    def operation(self) -> Any:
        return (self.whole or self.node).operation

    @property
    def argument(self) -> str:
        """The name of the argument, as the operation calls it."""
        operation = self.operation
        return f"{operation.arguments[0]}[{self.position}]" if operation.sequence else str(operation.arguments[self.position])


@dataclass
class Route:
    """One path, its steps from the target to the output; `local` has for each what is known of its derivative.

    pushed  what arrives at each node, from the target to the output, when the cotangent is pushed along this path alone
    """

    contribution: Any
    steps: list[Step]
    local: list[Any]
    pushed: list[Any] = field(default_factory=list)


class Routes:
    """The paths from `target` to `root`, where the cotangent `seed` starts; it is a plain transpose, as inside the engine.

    flow    the backward pass over them
    eps     how finely the coarsest of their numbers are rounded
    exact   whether the largest that were found are surely the largest
    scalar  whether all nodes on the way are single real numbers: then a contribution is a product of numbers
    """

    def __init__(self, root: Node, seed: Any, target: Node):
        self.root, self.seed, self.target = root, seed, target
        self.flow = flow_back({root: seed}, [target])
        self.needed = set(self.flow.order)
        reached = [node for node in self.flow.gradients if node.shape is not None]
        self.eps = max((float(np.finfo(node.dtype).eps) for node in reached), default=0.0)
        self.scalar = all(math.prod(node.shape) == 1 and node.dtype.kind == "f" for node in reached)
        self.exact = True

    def steps_to(self, node: Node) -> list[Step]:
        """Return the steps whose results add to the value of `node`."""
        if node is self.target:
            return []
        edges = self._edges_to(node)
        return [Step(node, position, parent, None if sender is node else sender) for sender, position, parent in edges]

    def _edges_to(self, node: Node) -> list[tuple[Node, int, Node]]:
        """Return what a gradient that has arrived at `node` goes on along: (operation, position of the argument, argument)."""
        sender: Any = node.parents[0] if node.operation.index_only else node
        sent = self.flow.contributions
        return [(sender, i, parent) for i, parent in enumerate(sender.parents) if parent is not None and (sender, i) in sent]

    def count(self) -> tuple[int, int]:
        """Return how many paths there are, and what it would cost to push along all of them, in elements."""
        waiting = {self.root: 1}
        cost = 0
        for node in self.flow.order:
            n = waiting.pop(node, 0)
            if node is self.target:
                return n, cost
            if not n:
                continue
            if cost <= LISTED:  # beyond, only whether it is too much matters, and sums of very long integers take time
                cost += n * max(math.prod(node.shape), SMALL)
            for _, _, parent in self._edges_to(node):
                waiting[parent] = waiting.get(parent, 0) + n
        return 0, cost

    def largest(self, most: int, element: tuple[int, ...], cost: int) -> list[Route]:
        """Return the `most` paths that bring the most to `element` of the target, largest first.

        Products of numbers are followed exactly: of two ways from the output to a node, the one with the larger product stays
        the larger one on any way from there on, so `most` of them are enough at each node. Arrays are pushed along all
        paths where `cost` allows; else from each node only those go on that are largest in their largest element.
        """
        if most == 0:
            return []
        width = most if self.scalar else None if cost <= LISTED else max(most, BEAM)
        start = self.seed.item() if self.scalar else self.seed
        waiting: dict[Node, list[Any]] = {self.root: [(_size(start), start, None)]}
        found: list[Any] = []
        for node in self.flow.order:
            found = waiting.pop(node, [])
            if node is self.target:
                break
            if not found:
                continue
            self._cut(found, width)
            extended = self._extension(node)
            for _, value, before in found:
                for step, factor, d in extended(value):
                    others = waiting.setdefault(step.parent, [])
                    others.append((_size(d), d, (step, factor, before)))
                    if width is not None and len(others) > 8 * width + 64:
                        self._cut(others, width)
        if not self.scalar:
            found = [(_size(outward(value)[element]), value, before) for _, value, before in found]
        found.sort(key=_by_size, reverse=True)
        routes = [self._route(value, before, element) for _, value, before in found[:most]]
        return routes if self.scalar else [self._pushed(route) for route in routes]

    def _cut(self, found: list[Any], width: int | None) -> None:
        if width is not None and len(found) > width:
            self.exact &= self.scalar
            found.sort(key=_by_size, reverse=True)
            del found[width:]

    def _extension(self, node: Node) -> Callable[[Any], list[tuple[Step, Any, Any]]]:
        """Return a function of what arrives at `node`: for each step to it, its factor and what arrives one node on."""
        if not self.scalar:
            return lambda g: [(step, None, d) for step, d in self._handed_on(node, g)]
        terms = [(step, d.item()) for step, d in self._handed_on(node, np.ones(node.shape, node.dtype))]
        # Of a sum that is not elementwise, an infinite derivative makes nan of a zero: the smallest becomes the largest.
        self.exact &= all(step.operation.elementwise or math.isfinite(factor) for step, factor in terms)
        return lambda value: [(step, factor, _product(value, factor, step)) for step, factor in terms]

    def _handed_on(self, node: Node, g: Any) -> list[tuple[Step, Any]]:
        steps = self.steps_to(node)
        if not steps:
            return []
        whole = steps[0].whole
        if whole is not None:
            ((_, _, g),) = handed_on(node, g)
        terms = {position: d for position, _, d in handed_on(whole or node, g, self.needed)}
        return [(step, terms[step.position]) for step in steps if step.position in terms]

    def _route(self, value: Any, link: Any, element: tuple[int, ...]) -> Route:
        steps, local = [], []
        while link is not None:
            step, factor, link = link
            steps.append(step)
            local.append(factor)
        return Route(value if self.scalar else outward(value)[element].item(), steps, local)

    def _pushed(self, route: Route) -> Route:
        """Push the cotangent along one path once more, to keep what arrives, and the derivatives where arrays can say them."""
        g = self.seed
        route.pushed.append(summed_up(outward(g)))
        for i in range(len(route.steps) - 1, -1, -1):
            step = route.steps[i]
            route.local[i] = self._local(step)
            g = next(d for other, d in self._handed_on(step.node, g) if other.position == step.position)
            route.pushed.append(summed_up(outward(g)))
        route.pushed.reverse()
        return route

    def _local(self, step: Step) -> Any:
        """Return the derivative of one step: a number, an array or its statistics; else the name of the operation."""
        node, parent = step.node, step.parent
        real = node.dtype.kind == "f" and parent.dtype.kind == "f"
        if not real or not (math.prod(node.shape) == 1 or (step.operation.elementwise and node.shape == parent.shape)):
            return str(step.operation.name)
        d = next(d for other, d in self._handed_on(node, np.ones(node.shape, node.dtype)) if other.position == step.position)
        return d.item() if d.size == 1 else summed_up(d)


def magnitude(value: Any) -> float:
    """Return the size of a number, or of the largest in an array or its statistics; nan where one is nan.

    >>> magnitude(np.array([1.0, -3.0]))
    3.0
    """
    if isinstance(value, Statistics):
        return math.nan if value.nans else math.inf if value.infinities else max(abs(value.min), abs(value.max))
    if isinstance(value, float):
        return abs(value)
    with np.errstate(all="ignore"):
        sizes = np.abs(value)
    return float(sizes.max()) if sizes.size else 0.0


def _size(value: Any) -> tuple[bool, float]:
    size = abs(value) if type(value) is float else magnitude(value)
    return size != size, size  # nan comes first: who explains one wants to see where it comes from


def _by_size(entry: Any) -> Any:
    return entry[0]


def _product(value: float, factor: float, step: Step) -> float:
    if value == 0 and math.isinf(factor) and step.operation.elementwise:
        return 0.0  # a zero that arrives stays one, as in the chain rule
    return value * factor
