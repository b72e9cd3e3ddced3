"""How much of a description is shown: groups closed into one node each, by name, by depth, or until the rest fits on a page.

A description goes in and another comes out; the one given is never changed. Knows nothing of how it will look. Everything is
loops, so that no graph is too deep.
"""

from __future__ import annotations

import difflib
import fnmatch
import heapq
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .description import LEAVES, NOT_ARRIVED, Description, DrawnEdge, DrawnGroup, DrawnNode
from .naming import free, plain_text

MOST_NODES = 60  # on a page
SEVERAL_EDGES = "several edges drawn as one"

Collapse = str | Iterable[str] | Callable[[DrawnGroup], bool]


def collapsed(description: Description, collapse: Collapse | None = None, depth: int | None = None) -> Description:
    """Return the description with some groups closed: each becomes one node of role "group".

    collapse  which ones: a name or several (a group's id, its path such as "layers.0", its class such as "Linear", or a pattern
              such as "layers.*"), or a function of a `DrawnGroup` that says whether to close it
    depth     groups nested deeper than this many levels are closed; 0 leaves only what lies at the top

    A closed group has the id of the group, its path as name, its class as operation, and the shape, dtype, value and gradient of
    its output where it has a single one. Edges between the same two nodes become one; those that enter a closed group are
    named after the argument inside. Raises ValueError for a name that no group has.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> [(node.id, node.role) for node in collapsed(describe_graph([np.exp(np.outer(x, x))]), "outer").nodes]
    [('x', 'variable'), ('outer', 'group'), ('exp', 'operation')]
    """
    closed = set() if collapse is None else _chosen(description.groups, collapse)
    if depth is not None:
        if isinstance(depth, bool) or not isinstance(depth, (int, np.integer)) or depth < 0:
            raise ValueError(f"draw: depth is how many levels of groups are open, 0 or more; got {depth!r}")
        closed |= {group for group, level in depths(description.groups).items() if level >= depth}
    return with_closed(description, closed)


def fitting(description: Description, most: int = MOST_NODES) -> Description:
    """Return the description with as many groups open as leave at most `most` nodes to be seen.

    Groups are opened level by level. Where a whole level is too much, those of one class are opened together or not at all, the
    cheapest first. A small description, and one without groups, is returned as it is.
    """
    if len(description.nodes) <= most or not description.groups:
        return description
    cost, below = _costs(description)
    closed = set(below[None])
    seen = len(closed) + sum(node.group is None for node in description.nodes)
    titles = {group.id: (group.kind, group.title) for group in description.groups}
    front = below[None]
    while front:
        alike: dict[Any, list[str]] = {}
        for group in front:
            alike.setdefault((*titles[group], cost[group]), []).append(group)
        front = []
        for batch in sorted(alike.values(), key=lambda batch: sum(cost[group] for group in batch)):
            more = sum(cost[group] for group in batch)
            if seen + more > most:
                break
            seen += more
            closed.difference_update(batch)
            inner = [child for group in batch for child in below.get(group, ())]
            closed.update(inner)
            front += inner
    return with_closed(description, closed)


def advice(description: Description, most: int = MOST_NODES) -> str:
    """Return what to close in a description of more than `most` nodes, in a sentence or two; "" for a smaller one."""
    count = len(description.nodes)
    if count <= most:
        return ""
    said = f"The graph has {count:,} nodes, and more than {most:,} are hard to draw and to read."
    cost, below = _costs(description)
    if not below[None]:
        return f"{said} It has no groups that could be closed; draw a part of it, such as an earlier result."
    choices: list[tuple[int, str]] = []
    seen = len(below[None]) + sum(node.group is None for node in description.nodes)
    front, depth = below[None], 0
    while front and (seen <= most or not choices):  # the deepest that still fits, or else the flattest
        choices = [(seen, f"depth={depth}")]
        seen += sum(cost[group] for group in front)
        front, depth = [child for group in front for child in below.get(group, ())], depth + 1
    classes = sorted(((count - saved, f"collapse={plain_text(title)!r}") for title, saved in _savings(description).items()))
    choices += classes[:3]
    fits = [choice for choice in choices if choice[0] <= most] or sorted(choices)[:2]
    return f"{said} Close groups: " + ", ".join(f"{how} leaves {left:,}" for left, how in fits) + "."


# ------------------------------------------------------------------------------------------- what closes a group


def with_closed(description: Description, closed: set[str]) -> Description:
    """Return the description with the groups of these ids as one node each; what lies inside one goes with it."""
    if not closed:
        return description
    outermost: dict[str | None, str | None] = {None: None}  # for each group, the closed one that it disappears in
    times: dict[str | None, int] = {None: 1}
    for group in description.groups:
        outermost[group.id] = outermost[group.parent] or (group.id if group.id in closed else None)
        times[group.id] = times[group.parent] * group.times
    members: dict[str, list[DrawnNode]] = {}
    homes: dict[str, str] = {}
    for node in description.nodes:
        home = outermost[node.group]
        if home is not None:
            homes[node.id] = home
            members.setdefault(home, []).append(node)
    leaving = {edge.source for edge in description.edges if homes.get(edge.source) != homes.get(edge.target)}
    taken = {node.id: 1 for node in description.nodes if node.id not in homes}
    groups = {group.id: group for group in description.groups}
    made: dict[str, DrawnNode] = {}
    places: dict[str, str] = {}  # after which of its nodes a group comes: the last one computed
    for home, inside in members.items():
        counts = [times[node.group] // times[home] * node.times for node in inside]
        new = _closed_node(groups[home], inside, counts, leaving, groups)
        new.id = free(home, taken)
        made[home] = new
        places[next((node.id for node in reversed(inside) if node.role not in LEAVES), inside[-1].id)] = home
    nodes = [
        made[places[node.id]] if node.id in homes else node
        for node in description.nodes
        if node.id not in homes or node.id in places
    ]
    edges = _edges_between(description, {node: made[home] for node, home in homes.items()})
    kept = [group for group in description.groups if outermost[group.id] is None]
    nodes, edges = _sorted(nodes, edges)
    return Description(nodes, edges, kept)


def _closed_node(
    group: DrawnGroup, inside: list[DrawnNode], counts: list[int], leaving: set[str], groups: dict[str, DrawnGroup]
) -> DrawnNode:
    """Return the node that stands for `group` and what is inside, each so many times."""
    node = DrawnNode(group.id, "group", name=group.name, operation=group.title, group=group.parent, times=group.times)
    outputs = [inner for inner in inside if inner.is_output or inner.id in leaving]
    computed = [inner for inner in outputs if inner.role not in LEAVES] or outputs
    if len(computed) == 1:
        output = computed[0]
        node.shape, node.dtype = output.shape, output.dtype
        node.value, node.no_value = output.value, output.no_value
        node.gradient, node.no_gradient = output.gradient, output.no_gradient
    node.is_output = any(inner.is_output for inner in inside)
    node.marked = any(inner.marked for inner in inside)
    above: DrawnGroup | None = group
    while above is not None and above.kind != "module":
        above = groups.get(above.parent or "")
    node.module = "" if above is None else above.name
    sources = {inner.source for inner in inside if inner.source}
    node.source = sources.pop() if len(sources) == 1 else ""
    for inner, count in zip(inside, counts, strict=True):
        for role, n in inner.inside.items() if inner.role == "group" else ((inner.role, 1),):
            node.inside[role] = node.inside.get(role, 0) + n * count
        if inner.seconds is not None:
            node.seconds = (node.seconds or 0.0) + inner.seconds * count
        if inner.saved_bytes is not None:
            node.saved_bytes = (node.saved_bytes or 0) + inner.saved_bytes * count
    return node


def _edges_between(description: Description, instead: dict[str, DrawnNode]) -> list[DrawnEdge]:
    """Return the edges with closed groups in place of the nodes inside them, and one edge where several run in parallel."""
    place = {node.id: i for i, node in enumerate(description.nodes)}
    nodes = {node.id: node for node in description.nodes}
    found: list[tuple[DrawnEdge, str | None]] = []  # with the group that the edge enters
    together: dict[tuple[str, str], list[DrawnEdge]] = {}
    for edge in sorted(description.edges, key=lambda edge: (place[edge.target], edge.position)):
        source, target = instead.get(edge.source), instead.get(edge.target)
        if source is None and target is None:
            found.append((edge, None))
        elif source is not target:
            ends = (edge.source if source is None else source.id, edge.target if target is None else target.id)
            if ends not in together:
                together[ends] = []
                found.append((DrawnEdge(*ends, edge.argument, edge.position), None if target is None else target.id))
            together[ends].append(edge)
    ports: dict[str, list[DrawnEdge]] = {}
    for new, entered in found:
        parts = together.get((new.source, new.target))
        if parts is None:
            continue
        new.gradient, new.no_gradient = _sum_of_gradients(parts)
        if entered is not None:
            ports.setdefault(entered, []).append(new)
        else:
            names = list(dict.fromkeys(part.argument for part in parts))
            new.argument = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            new.local = parts[0].local if len(parts) == 1 else None
    for entering in ports.values():
        _name_ports(entering, [nodes[together[new.source, new.target][0].target] for new in entering])
    return [new for new, _ in found]


def _name_ports(entering: list[DrawnEdge], targets: list[DrawnNode]) -> None:
    """Name the edges that enter a closed group: after the argument inside, with the operation's name where that is not enough."""
    seen: dict[str, int] = {}
    for edge in entering:
        seen[edge.argument] = seen.get(edge.argument, 0) + 1
    taken: dict[str, int] = {}
    for position, (edge, target) in enumerate(zip(entering, targets, strict=True)):
        if seen[edge.argument] > 1:
            edge.argument = f"{target.operation or target.role}.{edge.argument}"
        edge.argument = free(edge.argument, taken)
        edge.position = position


def _sum_of_gradients(parts: list[DrawnEdge]) -> tuple[Any, str]:
    if len(parts) == 1:
        return parts[0].gradient, parts[0].no_gradient
    arrived = [part for part in parts if part.gradient is not None]
    missing = [part.no_gradient for part in parts if part.gradient is None]
    if not arrived:
        return None, next((reason for reason in missing if reason != NOT_ARRIVED), missing[0])
    one_source = len({part.source for part in parts}) == 1
    arrays = [part.gradient for part in arrived if isinstance(part.gradient, np.ndarray)]
    same = len(arrays) == len(arrived) and len({array.shape for array in arrays}) == 1
    if not (one_source and same and all(reason == NOT_ARRIVED for reason in missing)):
        return None, SEVERAL_EDGES
    with np.errstate(all="ignore"):
        total = arrays[0].copy()
        for array in arrays[1:]:
            total = total + array
    return total, ""


def _sorted(nodes: list[DrawnNode], edges: list[DrawnEdge]) -> tuple[list[DrawnNode], list[DrawnEdge]]:
    """Return nodes after what they are computed from, otherwise as they are, and edges in the order of their targets."""
    place = {node.id: i for i, node in enumerate(nodes)}
    if any(place[edge.source] >= place[edge.target] for edge in edges):  # a group whose nodes were not made in one go
        waits = [0] * len(nodes)
        after: dict[int, list[int]] = {}
        for edge in edges:
            waits[place[edge.target]] += 1
            after.setdefault(place[edge.source], []).append(place[edge.target])
        free = [i for i, count in enumerate(waits) if not count]
        order: list[int] = []
        while free:
            i = heapq.heappop(free)
            order.append(i)
            for j in after.get(i, ()):
                waits[j] -= 1
                if not waits[j]:
                    heapq.heappush(free, j)
        done = set(order)
        nodes = [nodes[i] for i in (*order, *(i for i in range(len(nodes)) if i not in done))]
        place = {node.id: i for i, node in enumerate(nodes)}
    return nodes, sorted(edges, key=lambda edge: (place[edge.target], edge.position))


# ------------------------------------------------------------------------------------------- groups and their names


def depths(groups: list[DrawnGroup]) -> dict[str, int]:
    """Return how deep each group lies, by id; 0 at the top."""
    found: dict[str | None, int] = {None: -1}
    for group in groups:
        found[group.id] = found[group.parent] + 1
    del found[None]
    return {group: level for group, level in found.items() if group is not None}


def part_of(description: Description, kept: set[str]) -> Description:
    """Return the nodes of these ids, with the edges between them and the groups that hold one of them."""
    nodes = [node for node in description.nodes if node.id in kept]
    edges = [edge for edge in description.edges if edge.source in kept and edge.target in kept]
    return Description(nodes, edges, holding(description.groups, nodes))


def holding(groups: list[DrawnGroup], nodes: list[DrawnNode]) -> list[DrawnGroup]:
    """Return those of `groups` that hold one of `nodes`, directly or further inside."""
    used = {node.group for node in nodes}
    for group in reversed(groups):  # inner ones first
        if group.id in used:
            used.add(group.parent)
    return [group for group in groups if group.id in used]


def matching(pattern: str, names: Iterable[str]) -> bool:
    """Return whether `pattern` is one of `names`, or fits one as a shell's pattern would."""
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: which of the `known` names come closest to `name`."""
    known = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, known[:5000], n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(f"'{plain_text(one, 60)}'" for one in close) + "?"
    if not known:
        return "there are none"
    return "there are " + ", ".join(f"'{plain_text(one)}'" for one in known[:5]) + (", ..." if len(known) > 5 else "")


def _chosen(groups: list[DrawnGroup], collapse: Collapse) -> set[str]:
    if callable(collapse):
        return {group.id for group in groups if collapse(group)}
    chosen: set[str] = set()
    if not isinstance(collapse, Iterable):
        raise TypeError(f"collapse: expected names, or a function of a group, got {type(collapse).__name__}")
    for name in [collapse] if isinstance(collapse, str) else list(collapse):
        if not isinstance(name, str):
            raise TypeError(f"collapse: expected names, or a function of a group, got {type(name).__name__}")
        found = {group.id for group in groups if matching(name, (group.id, group.name, group.title))}
        if not found:
            known = [text for group in groups for text in (group.title, group.name)]
            raise ValueError(f"collapse: no group is called '{plain_text(name)}'; {nearest(name, known)}")
        chosen |= found
    return chosen


def _costs(description: Description) -> tuple[dict[str, int], dict[str | None, list[str]]]:
    """Return how many nodes more are seen when a group is opened, and the groups in each (None: at the top)."""
    held = holding(description.groups, description.nodes)
    cost = dict.fromkeys((group.id for group in held), -1)
    below: dict[str | None, list[str]] = {None: []}
    for group in held:
        below.setdefault(group.parent, []).append(group.id)
        if group.parent is not None:
            cost[group.parent] += 1
    for node in description.nodes:
        if node.group is not None:
            cost[node.group] += 1
    return cost, below


def _savings(description: Description) -> dict[str, int]:
    """Return for each class how many nodes fewer there are when all groups of it are closed."""
    held = holding(description.groups, description.nodes)
    sizes = dict.fromkeys((group.id for group in held), 0)
    for node in description.nodes:
        if node.group is not None:
            sizes[node.group] += 1
    below: dict[str | None, list[DrawnGroup]] = {}
    for group in held:
        below.setdefault(group.parent, []).append(group)
    for group in reversed(held):
        if group.parent is not None:
            sizes[group.parent] += sizes[group.id]
    saved: dict[str, int] = {}
    around: dict[str, int] = {}  # how many groups of a class are open around the one looked at
    waiting = [(group, True) for group in below.get(None, ())]
    while waiting:
        group, entering = waiting.pop()
        around[group.title] = around.get(group.title, 0) + (1 if entering else -1)
        if entering:
            if around[group.title] == 1:
                saved[group.title] = saved.get(group.title, 0) + sizes[group.id] - 1
            waiting.append((group, False))
            waiting += [(inner, True) for inner in below.get(group.id, ())]
    return {title: n for title, n in saved.items() if n > 0}
