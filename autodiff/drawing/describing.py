"""From a recorded graph to its description.

Built from what the graph keeps and what `autodiff.trace()` recorded, and from nothing else. Knows nothing of how it will look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..flow import handed_on
from ..graph import Group, Leaf, Node
from ..tensor import Tensor
from ..tracing import WHOLE, Statistics, saved_bytes, summed_up
from .description import (
    NOT_ARRIVED,
    NOT_COMPUTED,
    NOT_IN_GRAD,
    NOT_KEPT,
    OTHER_PASS,
    PERHAPS,
    TENSOR_GONE,
    Description,
    DrawnEdge,
    DrawnGroup,
    DrawnNode,
)
from .evidence import Known, known_of, record_of, retained_by, same
from .naming import UniqueNames, setting_text
from .recorded import Recorded
from .rules import reference_of, rules_of, written_at


def describe_graph(outputs: Sequence[Tensor], backward: bool = False, expand: bool | str | Iterable[str] = ()) -> Description:
    """Return the description of everything that the tracked tensors `outputs` were computed from.

    backward  take the gradients from a backward pass of its own, which touches no `.grad` and consumes no graph
    expand    the names of fused operations to show as the operations of their references; True for all
    """
    return described(outputs, backward, expand)[0]


def described(
    outputs: Sequence[Tensor], backward: bool = False, expand: bool | str | Iterable[str] = (), given: Iterable[Any] = ()
) -> tuple[Description, dict[Node, str]]:
    """Return the description, and the id of each node of the graph in it; arrays of the Tensors `given` are called as these are."""
    graph = Recorded(outputs, backward)
    if expand:
        graph.expand(expand)
    return _Builder(graph, given).build()


class _Builder:
    """One walk over a graph. All of it is loops, so that no depth is too deep."""

    def __init__(self, graph: Recorded, given: Iterable[Any]):
        self.graph = graph
        self.given = {id(tensor._data): tensor.name for tensor in given if isinstance(tensor, Tensor) and tensor.name}
        self.order, self.parents, self.roots, self.flow = graph.order, graph.parents, graph.roots, graph.flow
        self.values: dict[Node, Any] = {}  # what consumers know of the value of a node
        self.names: dict[Node, str] = {}
        self.known: dict[Node, Known] = {}
        self.consumers: dict[Node, list[Node]] = {}
        self.walked = False  # whether a backward pass has come by
        self.traced = True  # whether all operations were traced: then it is known whether one has
        self.has_grads = False  # whether some leaf has a gradient, of this pass or another
        self.owners: dict[Node, str] = {}  # for each parameter the path of the module that it seems to belong to
        self.unique = UniqueNames()
        self.edges: list[DrawnEdge] = []

    def build(self) -> tuple[Description, dict[Node, str]]:
        for node in self.order:
            self._learn(node)
        for node, tensor in self.roots.items():
            self.values.setdefault(node, tensor._data)
            if tensor.name:
                self.names[node] = tensor.name
        groups, inside = self._grouped()
        drawn: dict[Node, DrawnNode] = {}
        nodes: list[DrawnNode] = []
        constants: dict[str | None, list[DrawnNode]] = {}  # by name: what has one and is used twice is drawn once
        for node in self.order:
            group = inside.get(node)
            made = self._leaf(node) if isinstance(node, Leaf) else self._operation(node)
            made.is_output = node in self.roots
            made.group = None if group is None else group.id
            made.module = _module_of(group, groups)
            base = made.name or (self._nameless(node, made) if isinstance(node, Leaf) else "")
            base = base or ("part" if made.role == "part" else made.operation or "")
            made.id = self._unique_id(base, made, self.owners.get(node, made.module))
            drawn[node] = made
            for constant, position in () if isinstance(node, Leaf) else self._constants(node):
                # A number belongs to the module that uses it; an array more likely came in from outside.
                home = group if constant.shape == () or (constant.shape is None and node.operation.elementwise) else None
                constant.group = None if home is None else home.id
                constant.module = _module_of(home, groups)
                met = constants.get(constant.name, ())
                known = next((one for one in met if one.group == constant.group and _alike(one, constant)), None)
                if known is None:
                    constant.id = self._unique_id(constant.name or "constant", constant, constant.module)
                    nodes.append(constant)
                    if constant.name:
                        constants.setdefault(constant.name, []).append(constant)
                constant = known or constant
                self.edges.append(DrawnEdge(constant.id, made.id, _argument(node, position), position))
            nodes.append(made)
            locals_ = {} if isinstance(node, Leaf) else self._local(node)
            for position, parent in enumerate(self.parents[node]):
                if parent is not None:
                    edge = DrawnEdge(drawn[parent].id, made.id, _argument(node, position), position)
                    edge.gradient, edge.no_gradient = self._along(node, position, made)
                    edge.local = locals_.get(position)
                    self.edges.append(edge)
        return Description(nodes, self.edges, list(groups.values())), {node: made.id for node, made in drawn.items()}

    def _along(self, node: Node, position: int, made: DrawnNode) -> tuple[Any, str]:
        """Return what went back along one edge, or why it is not known."""
        record = record_of(node)
        if made.role == "part":
            return made.gradient, made.no_gradient
        if self.flow is not None:
            term = self.flow.contributions.get((node, position))
            if term is not None or record is None:
                return _kept(term, NOT_ARRIVED)
        if record is not None:
            return _kept(record.contributions.get(position), NOT_COMPUTED if record.gradient is None else NOT_ARRIVED)
        return None, made.no_gradient or NOT_KEPT

    def _local(self, node: Node) -> dict[int, Any]:
        """Return the derivatives of the value of `node` by its arguments, where arrays can say them and all is small."""
        if node.shape is None or node.operation.index_only or math.prod(node.shape) > WHOLE:
            return {}
        single = math.prod(node.shape) == 1
        if not (node.operation.elementwise or single) or any(p is not None and p.shape is None for p in node.parents):
            return {}
        if single and any(p is not None and math.prod(p.shape) > WHOLE for p in node.parents):
            return {}
        try:
            terms = handed_on(node, np.ones(node.shape, node.dtype))
        except (RuntimeError, TypeError, ValueError):  # consumed, changed since, or a rule that is wrong: a picture shows the rest
            return {}
        # Where an argument was broadcast, the sum over it says nothing of a single element.
        return {position: summed_up(d) for position, parent, d in terms if single or parent.shape == node.shape}

    def _unique_id(self, base: str, made: DrawnNode, path: str) -> str:
        # A user's name stands alone, others follow the module's path.
        return self.unique(f"{path}.{base}" if path and (made.name is None or made.role == "parameter") else base)

    def _nameless(self, node: Leaf, made: DrawnNode) -> str:
        """Return what a leaf without a name, or one whose Tensor is gone, is called: a parameter as a fused operation does."""
        called = {
            "" if user.operation.sequence or _argument(user, position).rstrip("0123456789") == "x" else _argument(user, position)
            for user in self.consumers.get(node, ())
            for position, parent in enumerate(self.parents[user])
            if parent is node
        }
        only = called.pop() if len(called) == 1 else ""
        return only if only and made.role == "parameter" else made.role

    # ------------------------------------------------------------------------------------------- what is known

    def _learn(self, node: Node) -> None:
        """Note what `node` knows about itself and the nodes it was computed from."""
        if isinstance(node, Leaf):
            tensor = node.tensor()
            if tensor is not None:
                self.has_grads |= tensor._grad is not None
                if tensor.name:
                    self.names[node] = tensor.name
            return
        self.walked |= node.saved is None
        self.traced &= record_of(node) is not None or node.operation.index_only
        known = self.known[node] = known_of(node)
        record = record_of(node)
        retained = retained_by(node)
        if record is not None:
            if node.shape is not None:
                self.values[node] = record.value
            self.walked |= record.gradient is not None
        elif known.y is not None and node.shape is not None:
            self.values.setdefault(node, known.y)
        if retained is not None and retained.name:
            self.names[node] = retained.name
        for position, parent in enumerate(self.parents[node]):
            if parent is None:
                continue
            self.consumers.setdefault(parent, []).append(node)
            if position in known.inputs and parent.shape is not None:
                self.values.setdefault(parent, known.inputs[position])
            if record is not None and record.names[position]:
                self.names.setdefault(parent, record.names[position] or "")

    def _leaf(self, node: Leaf) -> DrawnNode:
        tensor = node.tensor()
        role = "parameter" if node.kind is not Tensor else "variable"
        made = DrawnNode("", role, name=self.names.get(node), shape=node.shape, dtype=str(node.dtype))
        value = self.values.get(node, None if tensor is None else tensor._data)
        made.value, made.no_value = _kept(value, TENSOR_GONE)
        if self.flow is not None:
            gradient, no_gradient = self.flow.gradients.get(node), NOT_ARRIVED
        else:
            gradient = self._arrived(node) if tensor is None or tensor._grad is None else tensor._grad
            no_gradient = TENSOR_GONE if tensor is None else NOT_IN_GRAD if self.walked else NOT_COMPUTED
            if gradient is not None and not self.walked and self.traced:
                gradient, no_gradient = None, OTHER_PASS
        made.gradient, made.no_gradient = _kept(gradient, no_gradient)
        return made

    def _arrived(self, node: Leaf) -> Any:
        """Return the sum of what went back to a leaf in the last pass, where a trace kept all its terms."""
        terms = []
        for user in dict.fromkeys(self.consumers.get(node, ())):
            record = record_of(user)
            for position, parent in enumerate(self.parents[user]):
                if parent is node:
                    term = None if record is None else record.contributions.get(position)
                    if not isinstance(term, np.ndarray):
                        return None
                    terms.append(term)
        return np.sum(terms, axis=0) if terms else None

    def _operation(self, node: Node) -> DrawnNode:
        operation = "power" if node.operation.name == "power_constant" else node.operation.name
        made = DrawnNode("", "operation", name=self.names.get(node), operation=operation, settings=self._settings(node))
        used = ("", *_tracked_arguments(node))  # "" stands for all arguments at once
        made.rules = {argument: text for argument, text in rules_of(node.operation).items() if argument in used}
        made.written_at, made.reference = written_at(node.operation), reference_of(node.operation)
        record = record_of(node)
        if node.saved is not None or record is not None:
            made.saved_bytes = saved_bytes(node) if record is None else record.saved_bytes
        if record is not None:
            made.seconds, made.source = record.seconds, record.source
        if node.shape is None:  # the values are those of its parts
            return made
        made.shape, made.dtype = node.shape, str(node.dtype)
        gradient = self.graph.gradient_of(node)
        # Without a record the pass may have been one that retained the graph: then nobody can tell.
        no_gradient = PERHAPS if self.has_grads and record is None else NOT_COMPUTED
        if record is None and node.saved is None:
            no_gradient = NOT_KEPT
        parent = node.parents[0] if node.parents else None
        if parent is not None and parent.shape is None:
            made.role, made.settings, made.rules, made.written_at = "part", {}, {}, ""
            made.part = node.saved[0] if node.saved else None
            whole = record_of(parent)
            if whole is not None and made.part is not None:
                self.values[node] = whole.value[made.part]
                if whole.gradient is None:
                    no_gradient = NOT_COMPUTED
                elif self.flow is None:
                    gradient, no_gradient = whole.gradient[made.part], NOT_ARRIVED
            elif parent.saved is None:
                no_gradient = NOT_KEPT
        if self.flow is not None and (node in self.flow.gradients or node not in self.graph.expanded):
            no_gradient = NOT_ARRIVED
        made.value, made.no_value = _kept(self.values.get(node), NOT_KEPT)
        made.gradient, made.no_gradient = _kept(gradient, no_gradient)
        return made

    def _settings(self, node: Node) -> dict[str, str]:
        operation = node.operation
        return {
            name: setting_text(value)
            for name, value in self.known[node].settings.items()
            if _tells(name, value) and not (name in operation.defaults and same(value, operation.defaults[name]))
        }

    def _constants(self, node: Node) -> Iterable[tuple[DrawnNode, int]]:
        """Yield the untracked arrays and numbers that `node` was computed from, each with its position."""
        operation, record, known = node.operation, record_of(node), self.known[node]
        parents = self.parents[node]
        for position in [*range(len(parents)), *sorted(set(known.inputs) - set(range(len(parents))))]:
            argument = _argument(node, position)
            value = known.inputs.get(position)
            if (position < len(parents) and parents[position] is not None) or argument in known.settings:
                continue
            if value is None:
                # Unknown: drawn where it is surely an array, that is, where it could have had a derivative.
                sure = operation.sequence or (operation.rules is not None and operation.rules[position] is not None)
                if record is not None or not sure or argument in operation.defaults:
                    continue
            made = DrawnNode("", "constant", name=record.names[position] if record is not None else None)
            made.name = made.name or self.given.get(id(known.held.get(position)))
            made.value, made.no_value = _kept(value, NOT_KEPT)
            if made.value is not None:
                made.shape, made.dtype = made.value.shape, str(made.value.dtype)
            yield made, position

    # ------------------------------------------------------------------------------------------- groups

    def _grouped(self) -> tuple[dict[str, DrawnGroup], dict[Node, DrawnGroup]]:
        """Return the groups by id, outer ones first, and the innermost group of each node that lies in one."""
        found: dict[tuple[str, str, int], Group] = {}
        for node in self.order:
            for group in node.notes.groups if node.notes is not None else ():
                key = (group.name, group.kind, group.first)
                if key not in found or group.last > found[key].last:
                    found[key] = group
        waiting = sorted(found.values(), key=lambda group: (-group.first, group.last))
        groups: dict[str, DrawnGroup] = {}
        inside: dict[Node, DrawnGroup] = {}
        names = UniqueNames()
        open_groups: list[tuple[int, DrawnGroup]] = []
        opened: dict[Node, DrawnGroup] = {}  # the groups of expanded operations
        for node in self.order:
            while waiting and waiting[-1].first <= self.graph.place[node]:
                group = waiting.pop()
                open_groups = [entry for entry in open_groups if entry[0] >= group.last]
                parent = open_groups[-1][1].id if open_groups else None
                made = DrawnGroup(names(group.name), group.name, group.title, group.kind, parent)
                groups[made.id] = made
                open_groups.append((group.last, made))
            while open_groups and open_groups[-1][0] < self.graph.place[node]:
                open_groups.pop()
            if open_groups and not isinstance(node, Leaf):
                inside[node] = open_groups[-1][1]
            fused = self.graph.expanded.get(node)
            if fused is not None:
                if fused not in opened:
                    name = str(fused.operation.name)
                    outer = open_groups[-1][1] if open_groups else None
                    path = name if outer is None else f"{outer.id}.{name}"
                    opened[fused] = DrawnGroup(names(path), name, name, "fused", None if outer is None else outer.id)
                    groups[opened[fused].id] = opened[fused]
                inside[node] = opened[fused]
        for node in self.order:
            if isinstance(node, Leaf) and node.kind is not Tensor and node in self.consumers:  # a parameter: where it is used
                users = [inside.get(consumer) for consumer in self.consumers[node]]
                common = _common(users, groups)
                paths = {_module_of(user, groups) for user in users}
                self.owners[node] = paths.pop() if len(paths) == 1 else _module_of(common, groups)
                if common is not None:
                    inside[node] = common
        return groups, inside


def _tells(name: str, value: Any) -> bool:
    """Return whether an argument is worth showing: no switch that is off, and no arrays, but for those that index."""
    arrays = isinstance(value, (tuple, list)) and any(isinstance(part, (np.ndarray, Statistics)) for part in value)
    return value is not None and value is not False and (name == "index" or not arrays)


def _alike(one: DrawnNode, other: DrawnNode) -> bool:
    """Return whether two constants of one name have the same value, as far as it is known."""
    if isinstance(one.value, np.ndarray) and isinstance(other.value, np.ndarray):
        floating = one.value.dtype.kind in "fc"
        return one.value.dtype == other.value.dtype and np.array_equal(one.value, other.value, equal_nan=floating)
    return isinstance(one.value, Statistics) and one.value == other.value


def _tracked_arguments(node: Node) -> list[str]:
    names = node.operation.arguments
    return [names[0] if node.operation.sequence else names[i] for i, parent in enumerate(node.parents) if parent is not None]


def _module_of(group: DrawnGroup | None, groups: dict[str, DrawnGroup]) -> str:
    """Return the path of the innermost module call that `group` is, or lies in."""
    while group is not None and group.kind != "module":
        group = groups.get(group.parent or "")
    return "" if group is None else group.name


def _common(groups: list[DrawnGroup | None], by_id: dict[str, DrawnGroup]) -> DrawnGroup | None:
    """Return the innermost group that holds all of `groups`."""
    paths = []
    for group in groups:
        path: list[DrawnGroup] = []
        while group is not None:
            path.append(group)
            group = by_id.get(group.parent or "")
        paths.append(path[::-1])
    common = None
    for level in zip(*paths, strict=False):
        if any(group.id != level[0].id for group in level):
            break
        common = level[0]
    return common


def _kept(value: Any, reason: str) -> tuple[Any, str]:
    if value is None:
        return None, reason
    return (value if isinstance(value, Statistics) else summed_up(value)), ""


def _argument(node: Node, position: int) -> str:
    operation = node.operation
    return f"{operation.arguments[0]}[{position}]" if operation.sequence else str(operation.arguments[position])
