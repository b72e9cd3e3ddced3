"""From a recorded graph to its description.

Built from what the graph keeps and what `autodiff.trace()` recorded, and from nothing else. Knows nothing of how it will look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from ..graph import Group, Leaf, Node
from ..tensor import Tensor
from ..tracing import Statistics, summed_up
from .description import (
    NOT_ARRIVED,
    NOT_COMPUTED,
    NOT_IN_GRAD,
    NOT_KEPT,
    TENSOR_GONE,
    Description,
    DrawnEdge,
    DrawnGroup,
    DrawnNode,
)
from .evidence import Known, known_of, record_of, retained_by, same
from .naming import UniqueNames, setting_text


def describe_graph(outputs: Sequence[Tensor]) -> Description:
    """Return the description of everything that the tracked tensors `outputs` were computed from."""
    return _Builder(outputs).build()


class _Builder:
    """One walk over a graph. All of it is loops, so that no depth is too deep."""

    def __init__(self, outputs: Sequence[Tensor]):
        self.roots = {tensor._node: tensor for tensor in outputs if tensor._node is not None}
        self.order = _in_order(self.roots)
        self.values: dict[Node, Any] = {}  # what consumers know of the value of a node
        self.names: dict[Node, str] = {}
        self.known: dict[Node, Known] = {}
        self.consumers: dict[Node, list[Node]] = {}
        self.walked = False  # whether a backward pass has come by
        self.has_grads = False  # whether some leaf has a gradient, of this pass or another
        self.unique = UniqueNames()
        self.edges: list[DrawnEdge] = []

    def build(self) -> Description:
        for node in self.order:
            self._learn(node)
        for node, tensor in self.roots.items():
            self.values.setdefault(node, tensor._data)
            if tensor.name:
                self.names[node] = tensor.name
        groups, inside = self._grouped()
        drawn: dict[Node, DrawnNode] = {}
        nodes: list[DrawnNode] = []
        for node in self.order:
            group = inside.get(node)
            made = self._leaf(node) if isinstance(node, Leaf) else self._operation(node)
            made.is_output = node in self.roots
            made.group = None if group is None else group.id
            base = made.name or ("variable" if isinstance(node, Leaf) else "part" if made.role == "part" else made.operation or "")
            made.id = self._unique_id(base, made, group, groups)
            drawn[node] = made
            for constant, position in () if isinstance(node, Leaf) else self._constants(node):
                # A number belongs to the module that uses it; an array more likely came in from outside.
                home = group if constant.shape == () or (constant.shape is None and node.operation.elementwise) else None
                constant.group = None if home is None else home.id
                constant.id = self._unique_id(constant.name or "constant", constant, home, groups)
                nodes.append(constant)
                self.edges.append(DrawnEdge(constant.id, made.id, _argument(node, position), position))
            nodes.append(made)
            for position, parent in enumerate(node.parents):
                if parent is not None:
                    self.edges.append(DrawnEdge(drawn[parent].id, made.id, _argument(node, position), position))
        return Description(nodes, self.edges, list(groups.values()))

    def _unique_id(self, base: str, made: DrawnNode, group: DrawnGroup | None, groups: dict[str, DrawnGroup]) -> str:
        if made.name is None or made.role == "parameter":  # a user's name stands alone, others follow the module's path
            while group is not None and group.kind != "module":
                group = groups.get(group.parent or "")
            base = f"{group.name}.{base}" if group is not None else base
        return self.unique(base)

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
        for position, parent in enumerate(node.parents):
            if parent is None:
                continue
            self.consumers.setdefault(parent, []).append(node)
            if position in known.inputs and parent.shape is not None:
                self.values.setdefault(parent, known.inputs[position])
            if record is not None and record.names[position]:
                self.names.setdefault(parent, record.names[position] or "")

    def _leaf(self, node: Leaf) -> DrawnNode:
        tensor = node.tensor()
        role = "parameter" if tensor is not None and type(tensor) is not Tensor else "variable"
        made = DrawnNode("", role, name=self.names.get(node), shape=node.shape, dtype=str(node.dtype))
        value = self.values.get(node, None if tensor is None else tensor._data)
        made.value, made.no_value = _kept(value, TENSOR_GONE)
        gradient = None if tensor is None else tensor._grad
        no_gradient = TENSOR_GONE if tensor is None else NOT_IN_GRAD if self.walked else NOT_COMPUTED
        made.gradient, made.no_gradient = _kept(gradient, no_gradient)
        return made

    def _operation(self, node: Node) -> DrawnNode:
        operation = "power" if node.operation.name == "power_constant" else node.operation.name
        made = DrawnNode("", "operation", name=self.names.get(node), operation=operation, settings=self._settings(node))
        record, retained = record_of(node), retained_by(node)
        gradient = None if record is None else record.gradient
        # Without a record the pass may have been one that retained the graph: then "not kept" is true in any case.
        no_gradient = NOT_KEPT if record is None and (node.saved is None or self.has_grads) else NOT_COMPUTED
        if node.shape is not None:
            made.shape, made.dtype = node.shape, str(node.dtype)
        if node.shape is None:  # the values are those of its parts
            return made
        parent = node.parents[0] if node.parents else None
        if parent is not None and parent.shape is None:
            made.role, made.settings = "part", {}
            made.part = node.saved[0] if node.saved else None
            whole = record_of(parent)
            if whole is not None and made.part is not None:
                self.values[node] = whole.value[made.part]
                if whole.gradient is None:
                    no_gradient = NOT_COMPUTED
                else:
                    gradient, no_gradient = whole.gradient[made.part], NOT_ARRIVED
            elif parent.saved is None:
                no_gradient = NOT_KEPT
        if retained is not None and retained._grad is not None:
            gradient = retained._grad
        made.value, made.no_value = _kept(self.values.get(node), NOT_KEPT)
        made.gradient, made.no_gradient = _kept(gradient, no_gradient)
        if record is not None:
            made.seconds, made.source = record.seconds, record.source
        return made

    def _settings(self, node: Node) -> dict[str, str]:
        operation = node.operation
        return {
            name: setting_text(value)
            for name, value in self.known[node].settings.items()
            if value is not None and not (name in operation.defaults and same(value, operation.defaults[name]))
        }

    def _constants(self, node: Node) -> Iterable[tuple[DrawnNode, int]]:
        """Yield the untracked arrays and numbers that `node` was computed from, each with its position."""
        operation, record, known = node.operation, record_of(node), self.known[node]
        for position, parent in enumerate(node.parents):
            argument = _argument(node, position)
            value = known.inputs.get(position)
            if parent is not None or argument in known.settings:
                continue
            if value is None:
                # Unknown: drawn where it is surely an array, that is, where it could have had a derivative.
                sure = operation.sequence or (operation.rules is not None and operation.rules[position] is not None)
                if record is not None or not sure or argument in operation.defaults:
                    continue
            made = DrawnNode("", "constant", name=record.names[position] if record is not None else None)
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
        for node in self.order:
            while waiting and waiting[-1].first <= node.number:
                group = waiting.pop()
                open_groups = [entry for entry in open_groups if entry[0] >= group.last]
                parent = open_groups[-1][1].id if open_groups else None
                made = DrawnGroup(names(group.name), group.name, group.title, group.kind, parent)
                groups[made.id] = made
                open_groups.append((group.last, made))
            while open_groups and open_groups[-1][0] < node.number:
                open_groups.pop()
            if open_groups and not isinstance(node, Leaf):
                inside[node] = open_groups[-1][1]
        for node in self.order:
            tensor = node.tensor() if isinstance(node, Leaf) else None
            if tensor is not None and type(tensor) is not Tensor and node in self.consumers:  # a parameter: where it is used
                common = _common([inside.get(consumer) for consumer in self.consumers[node]], groups)
                if common is not None:
                    inside[node] = common
        return groups, inside


def _in_order(roots: Iterable[Node]) -> list[Node]:
    order = list(roots)
    seen = set(order)
    for node in order:  # the list grows as it is walked
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=attrgetter("number"))
    return order


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
