"""Where everything stands: a scene for the whole graph, and one for each group, with ports where edges cross its frame.

Knows how groups lie within scenes: in boxes reserved for them, or opened at full size. Knows nothing of markup and colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .description import Description, DrawnGroup
from .labels import Context, edge_label, group_label, label_of
from .layout import Arrangement, Box, Link, arrange
from .levels import End, Level, Line, counts_of, levels_of
from .look import Look, colors_of
from .naming import number, plain_text
from .placed import Item, PlacedGroup, PlacedLine, PlacedNode, PlacedPort, Point, Scene
from .text_width import shortened
from .typesetting import NAME, SMALL, Block, below, beside, line, typeset

GAP = (22.0, 34.0)  # between neighbours, and between ranks
MARGIN = 14.0  # between a group's frame and what it holds
TITLE = 26.0  # height of the line with a group's title
PORT = 20.0  # height of a port with a name
PORT_NAME = 150.0  # its largest width
ROOM, LEAST_SCALE = (560.0, 430.0), 0.75  # what a group may take within another's scene, and how small it may become for it
OUTER_ROOM = (1300.0, 2400.0)  # the same for a group outside all others
DEEPEST_TO_THE_RIGHT = 9  # nodes on the longest path; what is deeper is wider than a page
MOST_ARRANGED_TWICE = 400  # items of a scene whose ports are put in order by a first arrangement
OVER_TITLE = 16.0  # how far lines of an open group may begin to bend beside its title
MOST_SHIFTED = 40.0  # how far what a group holds moves aside for its title
LOOP = 24.0  # how far the line of what feeds itself reaches, at most
STRAIGHT = 3.0  # how much the main stream wants to be straight, compared with parameters and short cuts


def scenes(
    description: Description, look: Look, direction: str | None = None, mode: str = "page"
) -> dict[str, Scene]:
    """Return the scenes by the id of their group, outer ones first, that of the whole under "".

    direction  "right" or "down"; None for right where the graph is small and flat, else down
    mode       "page": groups lie in boxes, closed or scaled; "static": all are open, at full size, and lines run through frames

    >>> from autodiff.drawing.description import DrawnEdge, DrawnNode
    >>> nodes = [DrawnNode("x", "variable"), DrawnNode("net.exp", "operation", operation="exp", group="net")]
    >>> groups = [DrawnGroup("net", "net", "Net", "module", None)]
    >>> found = scenes(Description(nodes, [DrawnEdge("x", "net.exp", "x", 0)], groups), Look())
    >>> [port.value for port in found["net"].ports], found[""].lines[0].line.edges
    (['x'], [0])
    """
    if mode not in ("page", "static"):
        raise ValueError(f"scenes: mode is 'page' or 'static', got {mode!r}")
    found = levels_of(description, bundled=mode == "page")
    builder = _Builder(description, look, direction or direction_of(description), mode == "page", found)
    made = {id: builder.build(id) for id in reversed(found)}
    return {id: made[id] for id in found}


def direction_of(description: Description) -> str:
    """Return in which direction a graph is drawn: to the right where it is small and flat, else down."""
    depth = {node.id: 1 for node in description.nodes}
    for edge in description.edges:  # in the order of their targets, each after its sources
        depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    modules = any(group.kind == "module" for group in description.groups) or any(n.role == "group" for n in description.nodes)
    return "down" if modules or max(depth.values(), default=0) > DEEPEST_TO_THE_RIGHT else "right"


class _Builder:
    """Makes scenes, inner ones before those around them."""

    def __init__(self, description: Description, look: Look, direction: str, paged: bool, levels: dict[str, Level]):
        self.description, self.look, self.paged, self.levels = description, look, paged, levels
        self.direction, self.down = direction, direction == "down"
        self.context = Context.of(description, look)
        self.nodes = {node.id: node for node in description.nodes}
        self.made: dict[str, Scene] = {}
        self.ports: dict[tuple[str, str, str], PlacedPort] = {}
        self.counts = counts_of(levels)
        self.alone = {"": True}  # groups without a group beside them, or beside one around them: what the reader came for
        for level in levels.values():
            self.alone |= {group.id: self.alone[group.parent or ""] and len(level.groups) == 1 for group in level.groups}

    def build(self, id: str) -> Scene:
        """Return the scene of a group whose inner groups are built already."""
        level = self.levels[id]
        scene = self.made[id] = Scene(id, self.direction, 0.0, 0.0, level.depth)
        for node in level.nodes:
            inset = 4.0 if colors_of(node, self.look, self.context.scale).double else 0.0
            block = typeset(label_of(node, self.look, self.context), self.down, inset)
            scene.nodes.append(PlacedNode(node, block, 0.0, 0.0))
        scales = self._scales(level)
        scene.groups = [self._reserved(group, scales[group.id]) for group in level.groups]
        for side, values in (("in", level.ins), ("out", level.outs)):
            scene.ports += [self._port(level, side, value, beyond) for value, beyond in values.items()]
        self.ports |= {(id, port.side, port.value): port for port in scene.ports}
        self._place(scene, level)
        return scene

    # ------------------------------------------------------------------------------------------- sizes

    def _port(self, level: Level, side: str, value: str, beyond: list[str]) -> PlacedPort:
        if not self.paged:
            return PlacedPort(side, value, beyond, Block(*((2.0, 0.0) if self.down else (0.0, 2.0))), 0.0, 0.0)
        other = self.nodes[beyond[0]]
        text = plain_text(other.name or other.id)
        if other.role == "constant" and not other.name and isinstance(other.value, np.ndarray) and other.value.size == 1:
            text = number(other.value.item())
        above = level.group and level.group.parent
        if above and text.startswith(above + "."):
            text = text[len(above) + 1 :]  # what is common to both sides of the frame
        more = f" +{len(beyond) - 1}" if len(beyond) > 1 else ""
        words = line(shortened(text, SMALL, PORT_NAME) + more, SMALL, "quiet")
        name = Block(words.width + 16.0, PORT)
        name.add(words, 8.0, (PORT - words.height) / 2)
        return PlacedPort(side, value, beyond, name, 0.0, 0.0)

    def _scales(self, level: Level) -> dict[str, float]:
        """Return how far the scenes of a level's groups are scaled for their boxes; 0 where they or others like them do not fit."""
        room = ROOM if level.group else OUTER_ROOM
        found: dict[str, float] = {}
        large = []
        for group in level.groups:
            scene, whole = self.made[group.id], self.alone[group.id] or not self.paged
            scale = found[group.id] = 1.0 if whole else min(1.0, room[0] / scene.width, room[1] / scene.height)
            large += [(group.title, self.counts[group.id])] * (scale < LEAST_SCALE)
        return {group.id: 0.0 if (group.title, self.counts[group.id]) in large else found[group.id] for group in level.groups}

    def _reserved(self, group: DrawnGroup, scale: float) -> PlacedGroup:
        """Return a group with its box: of its scene's proportions, scaled; a small one where `scale` is 0."""
        scene, counted = self.made[group.id], self._counted(group.id)
        if not scale:
            *name, kind = self._titles(group)
            inside = [line(text, SMALL, "quiet") for text in (self._parts(group.id), ", ".join(counted)) if text]
            title, closed = beside(name, 6.0), below([kind, *inside], 1.0, 0.5)
            width, height = max(title.width, closed.width) + 40.0, title.height + closed.height + 18.0
            placed = PlacedGroup(group, 0.0, 0.0, width, height, Block(), Block(), False, counted=counted)
            placed.title.add(title, (width - title.width) / 2, 8.0)
            placed.closed.add(closed, (width - closed.width) / 2, 9.0 + title.height)
            return placed
        title = self._title(group)
        wide, high = scene.width * scale, scene.height * scale
        margin = 10.0 if self.paged else 0.0
        button = 26.0 if self.paged else 0.0
        width = max(wide + 2 * margin, title.width + 2 * 10.0 + button)
        ports = [margin + (port.x + port.name.width / 2) * scale for port in scene.ports if port.side == "in" and self.down]
        shift = max(0.0, title.width + 20.0 - min(ports, default=math.inf))
        title_x = 10.0
        if shift > MOST_SHIFTED and max(ports) < (right := width - button - 10.0 - title.width) - 10.0:
            title_x, shift = right, 0.0
        slot = (margin + shift, TITLE)
        width = max(width, wide + 2 * margin + shift)
        outlines = _outlines(scene, slot, scale)
        placed = PlacedGroup(
            group, 0.0, 0.0, width, TITLE + high + margin, Block(), Block(), True, slot, scale, counted, outlines
        )  # fmt: skip
        placed.title.add(title, title_x, (TITLE - title.height) / 2 + 1.0)
        words = line(", ".join(counted), SMALL, "quiet")
        if self.paged and words.width < width - 20.0:
            placed.closed.add(words, 10.0, placed.height - words.height - 6.0)
        return placed

    def _counted(self, id: str) -> list[str]:
        counts = self.counts[id]
        return [f"{n} {role}{'s' if n > 1 else ''}" for role in ("operation", "parameter") if (n := counts.get(role, 0))]

    def _parts(self, id: str) -> str:
        """Return what a group is made of where that is several of one kind and nothing else, "12 × Block"."""
        level = self.levels[id]
        count = sum(group.times for group in level.groups)
        alike = len({group.title for group in level.groups}) == 1 and count > 1 and not level.nodes
        return f"{count} × {plain_text(level.groups[0].title)}" if alike else ""

    def _titles(self, group: DrawnGroup) -> list[Block]:
        label = group_label(group)
        around = self.levels[group.parent].group if group.parent else None
        own = label.name.removeprefix(f"{plain_text(around.name)}.") if around else label.name  # the rest is on the frame around it
        name = line(shortened(own, NAME, 260.0, True), NAME, bold=True)
        return [name, line(label.times, SMALL, "quiet", True), line(shortened(label.operation, SMALL, 180.0), SMALL, "quiet")]

    def _title(self, group: DrawnGroup) -> Block:
        return beside(self._titles(group), 6.0)

    # ------------------------------------------------------------------------------------------- places

    def _place(self, scene: Scene, level: Level) -> None:
        items: dict[End, Item] = {}
        boxes: dict[End, Box] = {}
        for port in scene.ports:
            items[End(port.side, port.value)] = port
            rank = "first" if port.side == "in" else "last"
            boxes[End(port.side, port.value)] = Box(f"{port.side} {port.value}", port.name.width, port.name.height, rank)
        for node in scene.nodes:
            items[End("node", node.node.id)] = node
            boxes[End("node", node.node.id)] = Box(f"node {node.node.id}", node.block.width, node.block.height)
        for group in scene.groups:
            items[End("group", group.group.id)] = group
            boxes[End("group", group.group.id)] = Box(f"group {group.group.id}", group.width, group.height)
        boxes = {end: boxes[end] for end in level.ends}
        lines = [each for each in level.lines if each.source != each.target]
        depths = level.depths()
        links = [self._link(each, items, boxes, depths[each.target] - depths[each.source] == 1) for each in lines]
        place = {end: i for i, end in enumerate(level.ends)}
        turned = [place[each.source] > place[each.target] for each in lines]  # in a circle of groups; else none is
        links = [Link(k.target, k.source, k.enters_at, k.leaves_at, k.straight) if back else k for k, back in zip(links, turned)]
        arrangement = arrange(list(boxes.values()), links, self.direction, GAP)
        if len(scene.ports) > 1 and len(items) <= MOST_ARRANGED_TWICE:
            again = self._ports_in_order(boxes, lines, arrangement)
            if list(again) != list(boxes):
                boxes = again
                arrangement = arrange(list(boxes.values()), links, self.direction, GAP)
        self._put(scene, arrangement, {end: arrangement.corners[box.id] for end, box in boxes.items()}, items)
        dx, dy = self._offset(scene)
        for each, path, back in zip(lines, arrangement.paths, turned):
            points = [(x + dx, y + dy) for x, y in (reversed(path) if back else path)]
            if not self.paged:
                points = self._through_the_frame(scene, each, points)
            scene.lines.append(PlacedLine(each, points, self._text(each)))
        for each in level.lines:
            if each.source == each.target:
                box, item = boxes[each.source], items[each.source]
                scene.lines.append(PlacedLine(each, _loop(item.x + box.width, item.y, box.height), self._text(each)))
                scene.width = max(scene.width, item.x + box.width + LOOP)
        self._join(scene)

    def _link(self, each: Line, items: dict[End, Item], boxes: dict[End, Box], near: bool) -> Link:
        leaves = enters = None
        source, target = items[each.source], items[each.target]
        if isinstance(source, PlacedGroup) and source.opens and each.value:
            leaves = self._crossing(source, "out", each.value)
        if isinstance(target, PlacedGroup) and target.opens and each.value:
            enters = self._crossing(target, "in", each.value)
        if isinstance(target, PlacedNode) and len(each.edges) == 1:
            enters = target.block.entrances.get(self.description.edges[each.edges[0]].position)
        streams = near and each.value and self.nodes[each.value].role in ("operation", "part", "group")
        return Link(boxes[each.source].id, boxes[each.target].id, leaves, enters, STRAIGHT if streams else 1.0)

    def _crossing(self, group: PlacedGroup, side: str, value: str) -> float:
        """Return where on the side of a group's box, from 0 to 1, a value enters or leaves its scene."""
        port = self.ports[group.group.id, side, value]
        if self.down:
            return (group.slot[0] + (port.x + port.name.width / 2) * group.scale) / group.width
        return (group.slot[1] + (port.y + port.name.height / 2) * group.scale) / group.height

    def _ports_in_order(self, boxes: dict[End, Box], lines: Sequence[Line], arrangement: Arrangement) -> dict[End, Box]:
        """Return the boxes with the ports of each side in the order of what they are connected with."""
        along = 0 if self.down else 1
        places: dict[End, list[float]] = {}
        for each, path in zip(lines, arrangement.paths):
            for port, near in ((each.source, path[3]), (each.target, path[-4])):
                if port.kind in ("in", "out"):
                    places.setdefault(port, []).append(near[along])
        middle = {port: sum(several) / len(several) for port, several in places.items()}
        kinds = {"in": 0, "out": 2}
        order = sorted(boxes, key=lambda end: (kinds.get(end.kind, 1), middle.get(end, 0.0)))
        return {end: boxes[end] for end in order}

    def _offset(self, scene: Scene) -> Point:
        """Return where the arrangement's corner lies in the scene."""
        if not scene.group:
            return 0.0, 0.0
        if self.paged:
            ends = [port.side for port in scene.ports]
            before = 0.0 if "in" in ends else MARGIN
            return (MARGIN, before) if self.down else (before, MARGIN)
        if self.down:
            return MARGIN, -OVER_TITLE if "in" in (port.side for port in scene.ports) else MARGIN / 2
        return MARGIN, MARGIN / 2

    def _put(self, scene: Scene, arrangement: Arrangement, corners: dict[End, Point], items: dict[End, Item]) -> None:
        """Give all items their places, and the scene its size and frame."""
        dx, dy = self._offset(scene)
        for end, (x, y) in corners.items():
            items[end].x, items[end].y = x + dx, y + dy
        scene.width, scene.height = arrangement.width, arrangement.height
        if not scene.group:
            return
        sides = {port.side for port in scene.ports}
        if not self.paged:
            scene.width += 2 * MARGIN
            scene.height += dy + (0.0 if self.down and "out" in sides else MARGIN)
            if not self.down and (group := self.levels[scene.group].group):  # the frame is as wide as its title
                scene.width = max(scene.width, self._title(group).width + 20.0)
            return
        across = 0 if self.down else 1  # the direction in which ports stand side by side
        size = [arrangement.width, arrangement.height]
        size[across] += 2 * MARGIN
        size[1 - across] += sum(MARGIN for side in ("in", "out") if side not in sides)
        scene.width, scene.height = size
        thick = PORT if self.down else 0.0
        first = thick / 2 if "in" in sides else 0.0
        last = thick / 2 if "out" in sides else 0.0
        if self.down:
            scene.frame = (0.0, first, scene.width, scene.height - first - last)
        else:
            ins = max((port.name.width for port in scene.ports if port.side == "in"), default=0.0) / 2
            outs = max((port.name.width for port in scene.ports if port.side == "out"), default=0.0) / 2
            scene.frame = (ins, 0.0, scene.width - ins - outs, scene.height)

    def _through_the_frame(self, scene: Scene, each: Line, points: list[Point]) -> list[Point]:
        """Return a path of an open group, drawn out from its ports to its frame."""
        if each.source.kind == "in":
            x, y = points[0]
            start = (x, -TITLE) if self.down else (0.0, y)
            points = [start, start, points[0], *points]
        if each.target.kind == "out":
            x, y = points[-1]
            end = (x, scene.height) if self.down else (scene.width, y)
            points = points if end == points[-1] else [*points, points[-1], end, end]
        return points

    def _join(self, scene: Scene) -> None:
        """Let lines go on from the frame of a group that can be opened to the ports of its scene."""
        if not self.paged:
            return
        carried: dict[tuple[str, str, str], list[int]] = {}
        for each in scene.lines:
            for end, side in ((each.line.target, "in"), (each.line.source, "out")):
                for n in each.line.edges if end.kind == "group" else ():
                    carried.setdefault((end.id, side, self.description.edges[n].source), []).append(n)
        for group in scene.groups:
            if not group.opens:
                continue
            inner = self.made[group.group.id]
            for port in inner.ports:
                at = self._crossing(group, port.side, port.value)
                if self.down:
                    x, inside = at * group.width, group.slot[1] + (port.y + port.name.height * (port.side == "out")) * group.scale
                    path = [(x, 0.0), (x, inside)] if port.side == "in" else [(x, inside), (x, group.height)]
                else:
                    y, inside = at * group.height, group.slot[0] + (port.x + port.name.width * (port.side == "out")) * group.scale
                    path = [(0.0, y), (inside, y)] if port.side == "in" else [(inside, y), (group.width, y)]
                group.stubs.append((path, carried.get((group.group.id, port.side, port.value), [])))

    def _text(self, each: Line) -> str:
        if not each.value or (each.target.kind == "node" and len(each.edges) > 1):
            return f"×{len(each.edges)}"
        if not self.paged and (each.source.kind == "in" or each.target.kind == "out"):
            return ""  # said once, where the line lies outside the group
        edge = self.description.edges[each.edges[0]]
        return edge_label(edge, self.nodes[edge.source], self.look)


def _loop(right: float, top: float, height: float) -> list[Point]:
    """Return a line from the right side of a box back into it."""
    return [(right, top + 0.7 * height), (right + LOOP, top + height), (right + LOOP, top), (right, top + 0.3 * height)]


def _outlines(scene: Scene, slot: Point, scale: float) -> str:
    """Return the outlines of what a scene holds as a path, scaled into its slot."""
    boxes = [(node.x, node.y, node.block.width, node.block.height) for node in scene.nodes]
    boxes += [(group.x, group.y, group.width, group.height) for group in scene.groups]
    parts = []
    for x, y, width, height in boxes:
        left, top = slot[0] + x * scale, slot[1] + y * scale
        parts.append(f"M{left:.0f} {top:.0f}h{width * scale:.0f}v{height * scale:.0f}h-{width * scale:.0f}z")
    for each in scene.lines:
        points = [f"{slot[0] + x * scale:.0f} {slot[1] + y * scale:.0f}" for x, y in each.path]
        parts.append(f"M{points[0]}C{' '.join(points[1:])}")
    return "".join(parts)
