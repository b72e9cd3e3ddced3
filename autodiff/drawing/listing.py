"""A description of a graph as plain text: what is shown where no picture can be, in a terminal or in a notebook without `dot`.

One line a node, inputs first; modules and other groups are a tree. Knows nothing of Graphviz.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from ..tracing import statistics_of
from .description import LEAVES, Description, DrawnGroup, DrawnNode
from .naming import counted, number, plain_text, shape_text
from .shaping import depths, fitting, holding

MOST_LINES = 40
MOST_ARGUMENTS = 6  # of a call that are written out
WIDTH = 100
SAID_OFTEN = 3  # a reason for a missing value that more nodes share is said once, below


def as_text(
    description: Description,
    most: int | None = MOST_LINES,
    width: int = WIDTH,
    whole: Description | None = None,
    show: Container[str] = ("values", "gradients"),
) -> str:
    """Return the description as text: a line for each node, such as `c = add(a, b)  scalar float64  value −2  grad 3`.

    most   about how many lines; groups are closed until it fits, and what is left out after that is said; None: no limit
    width  characters in a line
    show   whether "values" and "gradients" are told
    whole  the graph with all groups, where `description` has some closed: how many nodes it has is said below

    Groups are frames in a tree, such as `layers.0: Linear ×12  4 nodes → (2, 4) float32`; in them, `.weight` is short for
    `layers.0.weight`. A closed group is one line, `layers.0 = Linear(x)`.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(as_text(describe_graph([x * x])))
    x = variable  scalar float64  value 3  grad not computed yet
    multiply = multiply(x, x)  scalar float64  value 9  grad not computed yet
    """
    shown = description if most is None else _reduced(description, most)
    facts = tuple(what for what, word in (("value", "values"), ("grad", "gradients")) if word in show)
    writer = _Writer(shown, width, facts)
    limit = None if most is None or len(shown.nodes) + len(writer.groups) <= most else most
    lines = [writer.line(*item) for item in writer.items(limit)]
    count = len((whole or description).nodes)
    if any(node.role == "group" for node in shown.nodes) and count > len(shown.nodes):
        writer.below.append(f"{len(shown.nodes)} of {count} nodes shown, the others are inside closed groups")
    return "\n".join(lines + (["", *(_clipped(line, width) for line in writer.below)] if writer.below else []))


def _reduced(description: Description, most: int) -> Description:
    """Return the description with groups closed until nodes and frames fit into so many lines, or none is left to close."""
    if not description.groups or len(description.nodes) + len(description.groups) <= most:
        return description
    budget = most
    shown = fitting(description, budget)
    while len(shown.nodes) + len(shown.groups) > most and 1 < budget >= len(shown.nodes):
        budget = budget * 3 // 4
        shown = fitting(description, budget)
    return shown


@dataclass
class _Frame:
    """What the line of an open group says: how many nodes are inside, and the one that leaves it, if there is a single one."""

    place: int
    nodes: int = 0
    leaving: DrawnNode | None = None
    several: bool = False

    def leave(self, node: DrawnNode) -> None:
        self.several |= self.leaving is not None and self.leaving is not node
        self.leaving = node


class _Writer:
    """Turns nodes and groups into lines."""

    def __init__(self, shown: Description, width: int, facts: tuple[str, ...]):
        self.width, self.facts = width, facts
        self.arguments: dict[str, list[str]] = {}
        for edge in sorted(shown.edges, key=attrgetter("position")):  # constants come first in the description, but not in a call
            self.arguments.setdefault(edge.target, []).append(edge.source)
        self.groups = {group.id: group for group in holding(shown.groups, shown.nodes)}
        self.frames = _frames(shown, self.groups)
        self.inside: dict[str | None, list[tuple[int, DrawnNode | DrawnGroup]]] = {}
        for i, node in enumerate(shown.nodes):
            self.inside.setdefault(node.group, []).append((i, node))
        for group in self.groups.values():
            self.inside.setdefault(group.parent, []).append((self.frames[group.id].place, group))
        for inner in self.inside.values():
            inner.sort(key=lambda item: item[0])
        self.below: list[str] = []
        self.said_below: set[tuple[str, str]] = set()
        reasons: dict[tuple[str, str], int] = {}
        for node in shown.nodes:
            for what, value, reason in self._facts(node):
                if value is None and reason:
                    reasons[what, reason] = reasons.get((what, reason), 0) + 1
        for (what, reason), count in reasons.items():
            if count > SAID_OFTEN:
                self.said_below.add((what, reason))
                self.below.append(f"{what} of {count} nodes: {plain_text(reason, 80)}")

    def items(self, limit: int | None) -> list[tuple[str, DrawnNode | DrawnGroup | str]]:
        """Return what the lines are about, each with what stands before it; the middle is left out beyond `limit` lines."""
        found: list[tuple[str, DrawnNode | DrawnGroup | str]] = []
        waiting = [("", "", one) for _, one in reversed(self.inside.get(None, ()))]
        while waiting:
            before, further, one = waiting.pop()
            found.append((before, one))
            if isinstance(one, DrawnGroup):
                last = True
                if len(further) > self.width // 2:  # deeper frames stay at this indentation
                    further = further[:-3]
                for _, inner in reversed(self.inside[one.id]):
                    waiting.append((further + ("└─ " if last else "├─ "), further + ("   " if last else "│  "), inner))
                    last = False
        if limit is not None and len(found) > limit:
            left_out = found[limit // 2 : len(found) - (limit - limit // 2)]
            nodes = sum(isinstance(one, DrawnNode) for _, one in left_out)
            found[limit // 2 : len(found) - (limit - limit // 2)] = [("", f"... {nodes} nodes left out ...")]
        return found

    def line(self, before: str, one: DrawnNode | DrawnGroup | str) -> str:
        if isinstance(one, DrawnNode):
            text = self._node(one, self.width - len(before))
        else:
            text = one if isinstance(one, str) else self._group(one)
        return _clipped(before + text, self.width)

    def _group(self, group: DrawnGroup) -> str:
        frame = self.frames[group.id]
        name = self._short(group.name, group.parent)
        title = "" if group.title == group.name else f": {plain_text(group.title)}"
        times = f" ×{group.times}" if group.times > 1 else ""
        leaving = frame.leaving
        count = counted(frame.nodes, "node")
        known = not frame.several and leaving is not None and leaving.shape is not None
        shape = f" → {shape_text(leaving.shape, leaving.dtype)}" if known and leaving is not None else ""
        return f"{name}{title}{times}  {count}{shape}"

    def _node(self, node: DrawnNode, width: int) -> str:
        made = node.role
        if node.operation is not None:
            sources = self.arguments.get(node.id, [])
            arguments = [self._short(source, node.group) for source in sources[:MOST_ARGUMENTS]]
            if len(sources) > MOST_ARGUMENTS:
                arguments.append(f"… {len(sources) - MOST_ARGUMENTS} more")
            arguments += [f"{plain_text(name)}={plain_text(value)}" for name, value in node.settings.items()]
            made = f"{plain_text(node.operation)}({', '.join(arguments)})"
        if node.part is not None:
            made += f" part {node.part}"
        parts = [f"{self._short(node.id, node.group)} = {made}", f"×{node.times}" if node.times > 1 else ""]
        parts.append(shape_text(node.shape, node.dtype))
        if node.inside:
            parts.append(", ".join(counted(n, role) for role, n in node.inside.items()))
        parts.append("<- something is wrong here" if node.marked else "")
        text = "  ".join(part for part in parts if part)
        facts = [(what, *self._fact(what, value, reason)) for what, value, reason in self._facts(node)]
        facts = [fact for fact in facts if fact[1]]
        for i, (what, said, otherwise) in enumerate(facts):
            later = sum(len(f"  {other} …") for other, *_ in facts[i + 1 :])
            fits = len(text) + len(what) + len(said) + 3 + later <= width
            text += f"  {what} {said if fits else '…'}"  # half a number would be a wrong one
            self._say("" if fits else otherwise)
        return text

    def _facts(self, node: DrawnNode) -> list[tuple[str, Any, str]]:
        facts = [("value", node.value, node.no_value), ("grad", node.gradient, node.no_gradient)]
        return [fact for fact in facts if fact[0] in self.facts]

    def _fact(self, what: str, value: Any, reason: str) -> tuple[str, str]:
        """Return a value, or in a few words why it is missing, unless that is said below; and what to say below without room."""
        if value is not None:
            return _figures(value), ""
        if not reason or (what, reason) in self.said_below:
            return "", ""
        short, _, cure = plain_text(reason, 80).partition(" (")
        if cure and not any(cure in line + ")" for line in self.below):
            self._say(f"{short}: {cure.removesuffix(')')}")
        return short, f"{what} …: {short}"

    def _say(self, line: str) -> None:
        if line and line not in self.below:
            self.below.append(line)

    def _short(self, name: str, group: str | None) -> str:
        """Return a name as it is written inside a group: after the module's path, only what follows it."""
        while group is not None:
            frame = self.groups[group]
            if frame.kind == "module":
                if frame.name and name.startswith(frame.name + "."):
                    name = name[len(frame.name) :]
                break
            group = frame.parent
        return plain_text(name, 60)


def _frames(shown: Description, groups: dict[str, DrawnGroup]) -> dict[str, _Frame]:
    """Return what is known of each group: its place is that of the first thing computed in it, or else of its first leaf."""
    nodes = {node.id: node for node in shown.nodes}
    last = len(shown.nodes)
    frames = {id: _Frame(2 * last) for id in groups}
    for i, node in enumerate(shown.nodes):
        if node.group is not None:
            leaf = node.role in LEAVES
            frame = frames[node.group]
            frame.place = min(frame.place, i + last if leaf else i)
            frame.nodes += 1
    for id in reversed(groups):
        parent = groups[id].parent
        if parent is not None:
            frames[parent].place = min(frames[parent].place, frames[id].place)
            frames[parent].nodes += frames[id].nodes
    for frame in frames.values():
        frame.place -= last if frame.place >= last else 0
    depth = depths(list(groups.values()))
    ends = [(edge.source, nodes[edge.target].group) for edge in shown.edges]
    for source, other in [*ends, *((node.id, None) for node in shown.nodes if node.is_output)]:
        left = nodes[source].group
        if left == other:
            continue
        while left is not None:  # up to the group that holds both
            while other is not None and depth[other] > depth[left]:
                other = groups[other].parent
            if left == other:
                break
            if nodes[source].role not in LEAVES:
                frames[left].leave(nodes[source])
            left = groups[left].parent
    return frames


def _figures(value: Any) -> str:
    """Return a small value in full, of a larger one its smallest and its largest number and what is wrong with it."""
    if isinstance(value, np.ndarray) and value.size <= 4:
        return _nested(value)
    if isinstance(value, np.ndarray):
        value = statistics_of(value)
    counts = [f"{n} {what}" for n, what in ((value.nans, "nan"), (value.infinities, "inf")) if n]
    span = "" if np.isnan(value.min) else f"{number(value.min, 3)} … {number(value.max, 3)}"
    return " with ".join(part for part in (span, ", ".join(counts)) if part) or "empty"


def _nested(value: Any) -> str:
    return number(value[()]) if value.ndim == 0 else f"[{', '.join(_nested(part) for part in value)}]"


def _clipped(line: str, width: int) -> str:
    line = plain_text(line, len(line))  # whatever a file may have brought along, it stays one line
    return line if len(line) <= width else line[: width - 1] + "…"
