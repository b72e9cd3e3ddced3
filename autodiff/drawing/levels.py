"""What each level of nested groups shows: the level's own nodes and groups, and every edge once at each level that it crosses.

Knows where an edge enters and leaves groups. Knows nothing of sizes, places, or how things look.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import NamedTuple

from .description import Description, DrawnEdge, DrawnGroup, DrawnNode

MOST_SIDE_BY_SIDE = 4  # lines between the same two ends, one for each value; more become a single one


class End(NamedTuple):
    """One end of a line within a level.

    kind  "node", "group", "in" or "out": the latter two are ports, where a value enters or leaves the level
    id    of the node or the group; of a port, of the node whose value passes through it
    """

    kind: str
    id: str


@dataclass
class Line:
    """One line of a level, from `source` to `target`.

    value  id of the node whose value it carries; "" where it stands for several
    edges  which of the description's edges it stands for, by index
    """

    source: End
    target: End
    value: str
    edges: list[int]


@dataclass
class Level:
    """What lies directly within a group, or outside all groups.

    ends       all ends of lines, sources before targets, else in the order in which they were made; where groups feed one another
               in a circle, some lines run against that order
    depth      how many groups there are around what lies here
    ins, outs  ports, in the order in which they are used: the id of the node whose value enters or leaves, and of the nodes
               on the other side of the frame, where it comes from or goes to
    """

    group: DrawnGroup | None
    nodes: list[DrawnNode] = field(default_factory=list)
    groups: list[DrawnGroup] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    ins: dict[str, list[str]] = field(default_factory=dict)
    outs: dict[str, list[str]] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    depth: int = 0

    def depths(self) -> dict[End, int]:
        """Return how many lines the longest way to each end has."""
        targets: dict[End, list[End]] = {}
        for line in self.lines:
            targets.setdefault(line.source, []).append(line.target)
        found = dict.fromkeys(self.ends, 0)
        for end in self.ends:
            for target in targets.get(end, ()):
                found[target] = max(found[target], found[end] + 1)
        return found


def levels_of(description: Description, bundled: bool = True) -> dict[str, Level]:
    """Return the levels by the id of their group, outer ones first, the outermost under "".

    bundled  whether many lines between the same two ends become one; else that is so only between two nodes
    """
    found = {"": Level(None)} | {group.id: Level(group) for group in description.groups}
    paths: dict[str | None, list[str]] = {None: []}  # from the outermost group inwards
    for group in description.groups:
        paths[group.id] = [*paths[group.parent], group.id]
        found[group.parent or ""].groups.append(group)
    for node in description.nodes:
        found[node.group or ""].nodes.append(node)
    nodes = {node.id: node for node in description.nodes}
    lines: dict[str, dict[tuple[End, str, End, int], Line]] = {id: {} for id in found}
    order = {node.id: number for number, node in enumerate(description.nodes)}
    for number in sorted(range(len(description.edges)), key=lambda n: _place(description.edges[n], order)):
        edge = description.edges[number]
        source, target = paths[nodes[edge.source].group], paths[nodes[edge.target].group]
        shared = 0
        while shared < min(len(source), len(target)) and source[shared] == target[shared]:
            shared += 1
        steps = [(shared, _end(edge.source, source, shared), _end(edge.target, target, shared), source)]
        for deep in range(shared + 1, len(source) + 1):
            steps.append((deep, _end(edge.source, source, deep), End("out", edge.source), source))
        for deep in range(shared + 1, len(target) + 1):
            steps.append((deep, End("in", edge.source), _end(edge.target, target, deep), target))
        for deep, start, end, path in steps:
            id = path[deep - 1] if deep else ""
            key = (start, edge.source, end, edge.position if end.kind == "node" else -1)
            lines[id].setdefault(key, Line(start, end, edge.source, [])).edges.append(number)
            for port, side in ((start, found[id].ins), (end, found[id].outs)):
                if port.kind in ("in", "out"):
                    beyond = edge.source if port.kind == "in" else edge.target
                    if beyond not in side.setdefault(edge.source, []):
                        side[edge.source].append(beyond)
    first = _first_nodes(description, order)
    for id, level in found.items():
        level.lines = _bundled(list(lines[id].values()), bundled)
        made = {End("node", node.id): order[node.id] for node in level.nodes}
        made |= {End("group", group.id): first[group.id] for group in level.groups}
        level.ends = _sources_first(level, made)
        level.depth = len(paths[id or None])
    return found


def _place(edge: DrawnEdge, order: dict[str, int]) -> tuple[int, int]:
    return order[edge.target], edge.position


def _end(id: str, path: list[str], deep: int) -> End:
    """Return how the node, which lies in the groups `path`, appears so many levels deep."""
    return End("node", id) if deep == len(path) else End("group", path[deep])


def _bundled(lines: list[Line], groups_too: bool) -> list[Line]:
    """Return the lines, those between the same two ends as a single one where they are many."""
    between: dict[tuple[End, End], list[Line]] = {}
    for line in lines:
        between.setdefault((line.source, line.target), []).append(line)
    kept: list[Line] = []
    for (source, target), several in between.items():
        if len(several) <= MOST_SIDE_BY_SIDE or not (groups_too or (source.kind == target.kind == "node")):
            kept += several
        else:
            value = several[0].value if len({line.value for line in several}) == 1 else ""
            kept.append(Line(source, target, value, [number for line in several for number in line.edges]))
    return kept


def _sources_first(level: Level, made: dict[End, int]) -> list[End]:
    """Return the ends in order: of those whose sources are all there, the one made first."""
    targets: dict[End, list[End]] = {}
    waiting = dict.fromkeys(made, 0)
    for line in level.lines:
        if line.source in made and line.target in made:
            targets.setdefault(line.source, []).append(line.target)
            waiting[line.target] += 1
    ready = [(made[end], end) for end, n in waiting.items() if not n]
    late = sorted((number, end) for end, number in made.items())  # where there is a circle, the one made first goes first
    late.reverse()
    heapq.heapify(ready)
    inner: dict[End, None] = {}
    while len(inner) < len(made):
        if not ready:
            while late[-1][1] in inner:
                late.pop()
            ready.append(late.pop())
        _, end = heapq.heappop(ready)
        if end in inner:
            continue
        inner[end] = None
        for target in targets.get(end, ()):
            waiting[target] -= 1
            if not waiting[target]:
                heapq.heappush(ready, (made[target], target))
    return [End("in", id) for id in level.ins] + list(inner) + [End("out", id) for id in level.outs]


def _first_nodes(description: Description, order: dict[str, int]) -> dict[str, int]:
    """Return for each group the position of the first node inside."""
    above = {group.id: group.parent for group in description.groups}
    found: dict[str, int] = {}
    for node in description.nodes:
        group = node.group
        while group is not None and group not in found:
            found[group] = order[node.id]
            group = above[group]
    return {id: found.get(id, len(order)) for id in above}


def counts_of(levels: dict[str, Level]) -> dict[str, dict[str, int]]:
    """Return for each level how many nodes of each role it stands for, with all inner ones."""
    found: dict[str, dict[str, int]] = {}
    for id, level in reversed(levels.items()):
        counts = found[id] = {}
        for node in level.nodes:
            for role, n in (node.inside or {node.role: 1}).items():
                counts[role] = counts.get(role, 0) + n * (node.times if node.inside else 1)
        for group in level.groups:
            for role, n in found[group.id].items():
                counts[role] = counts.get(role, 0) + n * group.times
    return found
