"""Repeats drawn once: identical groups, one after the other or side by side, become the first of them, "x12".

Identical are groups of the same class with the same operations, settings, shapes and inner edges; their weights may differ. Knows
nothing of how it will look. Everything is loops, so that no graph is too deep.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .description import LEAVES, Description, DrawnEdge, DrawnGroup, DrawnNode
from .shaping import depths, holding


def folded(description: Description) -> Description:
    """Return the description with runs of identical groups as one each, whose `times` says how many it stands for.

    A run is a chain, each fed by the one before in the same way and otherwise by the same nodes, or lies side by side, all fed by
    and feeding the same nodes. The first stands for all; edges of the last go on from it. Groups inside groups are folded
    first; groups closed beforehand are folded like open ones. A chain of open groups is left as it is where more than one of its
    nodes is used further on, since paths would be lost; so is what is marked, or an output in the middle.
    """
    depth = depths(description.groups)
    at: dict[int, dict[Any, int]] = {}  # how many units of a kind there are, level by level
    for group in description.groups:
        kinds = at.setdefault(depth[group.id], {})
        kinds[group.title] = kinds.get(group.title, 0) + 1
    for node in description.nodes:
        if node.role == "group":
            kinds = at.setdefault(depth[node.group] + 1 if node.group is not None else 0, {})
            kinds[node.operation] = kinds.get(node.operation, 0) + 1
    for level in sorted((level for level, kinds in at.items() if max(kinds.values()) > 1), reverse=True):
        description = _level_folded(description, level)
    return description


@dataclass(eq=False)
class _Unit:
    """A group, or a node that stands for one, and how it is connected.

    members  its nodes, in an order that is the same in identical units: computed ones as they come, then leaves by first use
    place    where each of them is in `members`
    own      leaves outside that only this one uses, such as a mask drawn for it; what the user named is none of them
    ins      edges that enter: from which node (of its own leaves, from what kind of one), to which place, argument and position
    outs     edges that leave: from which place, to which node (None: it is an output of the picture)
    """

    head: DrawnGroup | DrawnNode
    parent: str | None
    members: list[DrawnNode] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)
    inner: list[DrawnEdge] = field(default_factory=list)
    entering: list[DrawnEdge] = field(default_factory=list)
    leaving: list[DrawnEdge] = field(default_factory=list)
    own: dict[str, DrawnNode] = field(default_factory=dict)
    ins: frozenset[tuple[Any, int, str, int]] = frozenset()
    outs: frozenset[tuple[int, str | None]] = frozenset()

    def settle(self) -> None:
        """Put the members in order and note how the unit is connected."""
        computed = [node for node in self.members if node.role not in LEAVES]
        place = {node.id: i for i, node in enumerate(computed)}
        uses: dict[str, tuple[int, int]] = {}
        for edge in self.inner:
            if edge.source not in place and edge.target in place:
                use = (place[edge.target], edge.position)
                uses[edge.source] = min(uses.get(edge.source, use), use)
        leaves = [node for node in self.members if node.role in LEAVES]
        leaves.sort(key=lambda node: uses.get(node.id, (len(place), 0)))
        self.members = computed + leaves
        self.place = {node.id: i for i, node in enumerate(self.members)}
        kinds: dict[str, Any] = {}
        self.entering.sort(key=lambda edge: (self.place[edge.target], edge.position))
        for edge in self.entering:
            if edge.source in self.own and edge.source not in kinds:
                leaf = self.own[edge.source]
                kinds[edge.source] = (leaf.role, leaf.shape, leaf.dtype, _number(leaf), self.place[edge.target], edge.position)
        self.own = {leaf: self.own[leaf] for leaf in kinds}
        self.ins = frozenset(
            (kinds.get(edge.source, edge.source), self.place[edge.target], edge.argument, edge.position) for edge in self.entering
        )
        outputs = [(i, None) for i, node in enumerate(self.members) if node.is_output]
        self.outs = frozenset([*((self.place[edge.source], edge.target) for edge in self.leaving), *outputs])

    def structure(self, groups: dict[str, DrawnGroup]) -> Any:
        """Return what is equal for identical units, and only for them."""
        shells: dict[str | None, int] = {self.head.id: 0}
        described: list[Any] = []
        for node in self.members:
            path = []
            shell = node.group
            while node is not self.head and shell not in shells and shell is not None:
                path.append(groups[shell])
                shell = groups[shell].parent
            for group in reversed(path):
                shells[group.id] = len(shells)
                described.append((group.kind, group.title, group.times, shells.get(group.parent)))
            described.append((
                node.role, node.operation, tuple(sorted(node.settings.items())), node.part, node.shape, node.dtype, node.times,
                tuple(sorted(node.inside.items())), shells.get(node.group), _number(node),
            ))  # fmt: skip
        edges = sorted((self.place[e.target], e.position, self.place[e.source], e.argument) for e in self.inner)
        return tuple(described), tuple(edges)

    def link(self, following: _Unit) -> frozenset[tuple[int, int, str, int]]:
        """Return the edges from this unit to another: from and to which place, argument and position."""
        return frozenset((self.place[source], *slot) for source, *slot in following.ins if source in self.place)  # type: ignore[misc]

    def ins_besides(self, before: _Unit) -> frozenset[tuple[Any, int, str, int]]:
        return frozenset(one for one in self.ins if one[0] not in before.place)

    def outs_besides(self, following: _Unit) -> frozenset[tuple[int, str | None]]:
        return frozenset(one for one in self.outs if one[1] not in following.place)


def _number(node: DrawnNode) -> bytes:
    """Return a constant that is a single number, which belongs to what is computed; other values are data."""
    value = node.value
    return value.tobytes() if node.role == "constant" and isinstance(value, np.ndarray) and value.size == 1 else b""


def _level_folded(description: Description, level: int) -> Description:
    groups = {group.id: group for group in description.groups}
    roles = {node.id: node.role for node in description.nodes}
    units = _units(description, level)
    alike: dict[Any, list[_Unit]] = {}
    for unit in units:
        head = unit.head
        kind = ("", head.operation) if isinstance(head, DrawnNode) else (head.kind, head.title)
        if not any(node.marked for node in unit.members):
            alike.setdefault((unit.parent, *kind, head.times, len(unit.members), len(unit.inner)), []).append(unit)
    runs: list[list[_Unit]] = []
    for candidates in alike.values():
        if len(candidates) < 2:
            continue
        same: dict[Any, list[_Unit]] = {}
        for unit in candidates:
            unit.settle()
            same.setdefault(unit.structure(groups), []).append(unit)
        for identical in same.values():
            in_chains = _chains(identical)
            chained = {id(unit) for run in in_chains for unit in run}
            beside: dict[Any, list[_Unit]] = {}
            for unit in identical:
                # Branches with data of their own and nothing but weights in common, such as twins, are different branches.
                shared = not unit.own or any(isinstance(source, str) and roles[source] != "parameter" for source, *_ in unit.ins)
                if id(unit) not in chained and shared and all(target is not None for _, target in unit.outs):
                    beside.setdefault((unit.ins, unit.outs), []).append(unit)
            runs += in_chains + [run for run in beside.values() if len(run) > 1]
    return _with_folded(description, runs) if runs else description


def _units(description: Description, level: int) -> list[_Unit]:
    """Return the groups at a level, and the closed ones, each with its nodes and edges."""
    depth = depths(description.groups)
    parents = {group.id: group.parent for group in description.groups}
    units: dict[tuple[str, str], _Unit] = {}
    around: dict[str | None, _Unit | None] = {None: None}
    for group in description.groups:
        if depth[group.id] == level:
            around[group.id] = units["group", group.id] = _Unit(group, group.parent)
        else:
            around[group.id] = around[parents[group.id]]
    home: dict[str, _Unit] = {}
    for node in description.nodes:
        unit = around[node.group]
        if unit is None and node.role == "group" and (0 if node.group is None else depth[node.group] + 1) == level:
            unit = units["node", node.id] = _Unit(node, node.group)
        if unit is not None:
            home[node.id] = unit
            unit.members.append(node)
    for edge in description.edges:
        source, target = home.get(edge.source), home.get(edge.target)
        if source is target:
            if source is not None:
                source.inner.append(edge)
            continue
        if source is not None:
            source.leaving.append(edge)
        if target is not None:
            target.entering.append(edge)
    users: dict[str, list[_Unit | None]] = {}
    for edge in description.edges:
        users.setdefault(edge.source, []).append(home.get(edge.target))
    for node in description.nodes:
        private = node.role in LEAVES and (node.name is None or node.role == "parameter") and node.id not in home
        if private and not node.is_output and not node.marked:
            first, *others = users.get(node.id, [None])
            if first is not None and all(other is first for other in others):
                first.own[node.id] = node
    return [unit for unit in units.values() if unit.members]


def _chains(units: list[_Unit]) -> list[list[_Unit]]:
    """Return the longest runs of identical units in which each feeds the next in the same way."""
    order = {id(unit): i for i, unit in enumerate(units)}
    owner = {node: unit for unit in units for node in unit.place}
    feeds: dict[int, list[_Unit]] = {}  # for each unit, those that it feeds
    for unit in units:
        for before in {id(owner[source]): owner[source] for source, *_ in unit.ins if source in owner}.values():
            feeds.setdefault(id(before), []).append(unit)
    runs: list[list[_Unit]] = []
    used: set[int] = set()
    for first in units:
        following = feeds.get(id(first), ())
        if id(first) in used or len(following) != 1 or id(following[0]) in used or order[id(following[0])] < order[id(first)]:
            continue
        second = following[0]
        link, common, elsewhere = first.link(second), second.ins_besides(first), first.outs_besides(second)
        # The first must take from outside, at the same places, what the second takes from the first, and all else as the others do.
        if {edge[1:] for edge in first.ins} != {edge[1:] for edge in (*link, *common)} or not common <= first.ins:
            continue
        if any(target is None for _, target in elsewhere):
            continue
        run = [first, second]
        while True:
            last = run[-1]
            after = feeds.get(id(last), ())
            if len(after) != 1 or id(after[0]) in used or order[id(after[0])] < order[id(last)]:
                break
            same = last.link(after[0]) == link and after[0].ins_besides(last) == common
            if not same or last.outs_besides(after[0]) != elsewhere:
                break
            run.append(after[0])
        last = run[-1]
        exits = {place for place, *_ in link} | {place for place, _ in elsewhere | last.outs}
        if elsewhere <= last.outs and len(exits) == 1:
            runs.append(run)
            used.update(id(unit) for unit in run)
    return runs


def _matched(first: _Unit, unit: _Unit) -> list[tuple[DrawnNode, DrawnNode]]:
    """Return the leaves that only `unit` uses, each after the one that `first` uses at the same place."""
    slots = {(first.place[edge.target], edge.position): edge.source for edge in first.entering}
    found: dict[str, tuple[DrawnNode, DrawnNode]] = {}
    for edge in unit.entering:
        ours = slots.get((unit.place[edge.target], edge.position))
        if edge.source in unit.own and ours in first.own:
            found.setdefault(edge.source, (first.own[ours], unit.own[edge.source]))
    return list(found.values())


def _with_folded(description: Description, runs: list[list[_Unit]]) -> Description:
    """Return the description with the first of each run in place of all of it."""
    instead: dict[str, DrawnNode] = {}  # for each node that goes, the one that stands for it
    counts: dict[str, int] = {}
    changed: dict[str, dict[str, Any]] = {}
    times: dict[tuple[bool, str], int] = {}
    for run in runs:
        first = run[0]
        times[isinstance(first.head, DrawnNode), first.head.id] = first.head.times * len(run)
        for unit in run[1:]:
            beside = _matched(first, unit)
            for ours, theirs in [*zip(first.members, unit.members, strict=True), *beside]:
                instead[theirs.id] = ours
                counts[theirs.id] = len(run)
                if theirs.is_output:  # what is asked for is seen: the last one's name and value
                    changed[ours.id] = {
                        "is_output": True, "name": theirs.name, "value": theirs.value, "no_value": theirs.no_value,
                        "gradient": theirs.gradient, "no_gradient": theirs.no_gradient,
                    }  # fmt: skip
    for (is_node, head), n in times.items():
        if is_node:
            changed.setdefault(head, {})["times"] = n
    kept = [node for node in description.nodes if node.id not in instead]
    nodes = [replace(node, **changed[node.id]) if node.id in changed else node for node in kept]
    groups = [
        replace(group, times=times[False, group.id]) if (False, group.id) in times else group
        for group in holding(description.groups, nodes)
    ]
    stand_ins = {node.id for node in instead.values()}
    own = {(edge.source, edge.target) for edge in description.edges if edge.source in stand_ins}
    merged: dict[tuple[str, str], list[DrawnEdge]] = {}  # several of a run feed one node: an edge of the first stands for all
    edges: list[DrawnEdge] = []
    for edge in description.edges:
        source = instead[edge.source].id if edge.source in instead else edge.source
        if edge.target in instead:
            continue
        if edge.source not in instead:
            edges.append(edge)
        elif (source, edge.target) in own:
            merged.setdefault((source, edge.target), []).append(edge)
        else:
            reason = f"of the last of {counts[edge.source]}" if edge.gradient is not None else edge.no_gradient
            edges.append(DrawnEdge(source, edge.target, edge.argument, edge.position, None, reason))
    for i, edge in enumerate(edges):
        others = merged.pop((edge.source, edge.target), None)
        if others is not None:
            ends = sorted([edge, *others], key=lambda other: other.position)
            edges[i] = replace(edge, argument=f"{ends[0].argument} … {ends[-1].argument}")
    return Description(nodes, edges, groups)
