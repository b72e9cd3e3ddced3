"""Scenes as SVG: a picture that stands alone, and the parts that a page puts together.

Knows the language SVG. All text of a user's is escaped; nothing runs, nothing is loaded, and nothing needs a style sheet but the
colours of a page. Knows nothing of how places were found.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from .description import Description
from .inks import DEEPEST_FACE, colors_by_name, names_of
from .labels import caption, tooltip
from .look import Look, Scale, colors_of, legend_of, scale_of
from .naming import plain_text
from .placed import PlacedGroup, PlacedLine, PlacedNode, PlacedPort, Point, Scene
from .scene import scenes
from .text_width import is_exact
from .typesetting import SANS_SLACK, SMALL, Block, Words, length, line

FONT = "Helvetica,Arial,'Liberation Sans',sans-serif"
CODE_FONT = "Menlo,Consolas,'DejaVu Sans Mono',monospace"
HEAD = (8.0, 3.2)  # length of an arrow's head, and half its width
DOUBLE = 3.0  # between the two frames of an output
BORDER = 16.0  # around a picture that stands alone
ROUND = 9.0  # radius of round corners
SHORT = 2  # characters of a text that may be pressed together where the font is wider


def as_svg(description: Description, look: Look, direction: str | None = None) -> str:
    """Return a whole file: all groups open, a caption beneath, in the colours of the look's theme.

    direction  "right" or "down"; None for what suits the graph

    >>> from autodiff.drawing.description import DrawnNode
    >>> "<script>" in as_svg(Description([DrawnNode("x", "variable", name="<script>")], [], []), Look())
    False
    """
    found = scenes(description, look, direction, "static")
    pen = _Pen(look, scale_of(description, look), literal=True)
    frames: list[str] = []
    lines: list[str] = []
    nodes: list[str] = []
    homes = [("", 0.0, 0.0)]
    for id, x, y in homes:  # grows while it is read
        scene = found[id]
        lines += [pen.line(scene, each, x, y) for each in scene.lines]
        nodes += [pen.node(each, x, y) for each in scene.nodes]
        for group in scene.groups:
            frames.append(pen.frame(scene, group, x, y))
            homes.append((group.group.id, x + group.x + group.slot[0], y + group.y + group.slot[1]))
    foot, foot_width, height = _foot(description, look, pen, found[""].height)
    width = max(found[""].width, foot_width)
    title = next((node.id for node in description.nodes if node.is_output), "graph")
    w, h = length(width + 2 * BORDER), length(height + 2 * BORDER)
    head = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" '
        f'viewBox="{length(-BORDER)} {length(-BORDER)} {w} {h}" font-family="{FONT}" xml:space="preserve">'
        f"\n<title>{_escaped(title)}</title>"
    )
    paper = f'<rect x="{length(-BORDER)}" y="{length(-BORDER)}" width="{w}" height="{h}"{pen.paint(fill="paper")}/>'
    return "\n".join([head, paper, *frames, *lines, *nodes, *foot, "</svg>\n"])


def scene_markup(scene: Scene, look: Look, scale: Scale | None = None) -> str:
    """Return one scene for a page, whose colours are those of `scene_css`.

    scale  what colours stand for, `scale_of(description, look)`

    A `<g class="scene" data-group="ID">` that holds, from back to front: `rect.scene-frame`; `g.group` with `data-group` and
    `data-opens`, each with its `rect.frame`, `g.closed`, `g.opened` and an empty `g.slot` for the scene of the group; `g.edge`
    with `data-edges`; `g.node` with `data-node`; `g.port` with `data-nodes`, those on the other side, as JSON.
    """
    pen = _Pen(look, scale, literal=False)
    frame = []
    if scene.frame is not None:
        x, y, width, height = scene.frame
        face = f"fill-depth{min(scene.depth - 1, DEEPEST_FACE)}"
        frame = [_rect(width, height, ROUND, pen.paint(face, "frame-group-box", "scene-frame"), x, y)]
    parts = [pen.group(scene, each) for each in scene.groups]
    parts += [pen.line(scene, each, 0.0, 0.0) for each in scene.lines]
    parts += [pen.node(each, 0.0, 0.0) for each in scene.nodes]
    parts += [pen.port(each) for each in scene.ports]
    size = f'data-w="{length(scene.width)}" data-h="{length(scene.height)}"'
    return "\n".join([f'<g class="scene" data-group="{_escaped(scene.group)}" {size}>', *frame, *parts, "</g>"])


class _Pen:
    """Writes the marks of scenes, with colours as literals or as classes."""

    def __init__(self, look: Look, scale: Scale | None, literal: bool):
        self.look, self.scale, self.literal = look, scale, literal
        self.colors = colors_by_name(look.theme, look.color)

    def paint(self, fill: str = "", stroke: str = "", also: str = "", step: str = "") -> str:
        """Return attributes for a fill and a stroke by the names of their colours; `step` is that of the scale beneath."""
        if self.literal:
            fill_color = self.colors.get(f"{fill}-{step}") or self.colors.get(fill, "none")
            named = f' class="{also}"' if also else ""
            line_color = self.colors.get(f"{stroke}-{step}") or self.colors.get(stroke)
            return f'{named} fill="{fill_color}"' + (f' stroke="{line_color}"' if stroke else "")
        if also in ("line", "head"):
            return f' class="{also}"'
        drawn = stroke if stroke.startswith("frame-") else f"line-{stroke}" if stroke else ""
        return f' class="{" ".join(name for name in (also, fill, drawn) if name)}"'

    # ------------------------------------------------------------------------------------------- what a scene holds

    def node(self, placed: PlacedNode, x: float, y: float) -> str:
        node, block = placed.node, placed.block
        colors = colors_of(node, self.look, self.scale)
        fill, frame, step = names_of(node, self.scale)
        classes = ["node", f"role-{node.role}"]
        classes += ["is-output"] * node.is_output + ["marked"] * node.marked + ([f"on-{step}"] if step and not self.literal else [])
        said = _escaped(tooltip(node))
        radius = ROUND if colors.rounded else 1.5
        edge = f' stroke-width="{colors.width:g}"' + (' stroke-dasharray="5 3.5"' if colors.dashed else "")
        opening = self._open(classes, "node", node.id, x + placed.x, y + placed.y, block.width, block.height, said)
        parts = [f"{opening}<title>{said}</title>"]
        if colors.stacked:
            parts.append(_rect(block.width, block.height, radius, self.paint(fill, frame, "sheet") + edge, 4.0, 4.0))
        parts.append(_rect(block.width, block.height, radius, self.paint(fill, frame, "face") + edge))
        if colors.double:
            size = block.width - 2 * DOUBLE, block.height - 2 * DOUBLE
            paint = self.paint("", "ink" if step else frame, "inner", step)  # a frame might be as dark as a step of the scale
            parts.append(_rect(*size, max(radius - DOUBLE, 1.5), paint, DOUBLE, DOUBLE))
        return "".join([*parts, self.block(block, step), "</g>"])

    def line(self, scene: Scene, placed: PlacedLine, x: float, y: float) -> str:
        ends_in = placed.line.target.kind
        points = [(px + x, py + y) for px, py in placed.path]
        arrow = ends_in == "node" or (ends_in == "group" and not self.literal)
        tip = points[-1]
        if arrow:
            points[-1] = _before(points, HEAD[0] - 1.0)
        path = _path(points)
        numbers = " ".join(map(str, placed.line.edges))
        hit = "" if self.literal else f'<path class="hit" d="{path}"/>'
        width = ' stroke-width="1.3"' if self.literal else ""
        parts = [f'<g class="edge" data-edges="{numbers}">{hit}<path{self.paint("", "edge", "line")}{width} d="{path}"/>']
        if arrow:
            parts.append(f'<path{self.paint("edge", "", "head")} d="{_head(points, tip)}"/>')
        if placed.text:
            parts.append(self._along(scene, placed, points))
        return "".join([*parts, "</g>"])

    def port(self, placed: PlacedPort) -> str:
        block = placed.name
        said = _escaped(("from " if placed.side == "in" else "to ") + ", ".join(placed.beyond[:8]))
        beyond = json.dumps(placed.beyond)
        opening = self._open(["port", placed.side], "nodes", beyond, placed.x, placed.y, block.width, block.height, said)
        pill = _rect(block.width, block.height, block.height / 2, ' class="pill"')
        return f"{opening}<title>{said}</title>{pill}{self.block(block)}</g>"

    def frame(self, scene: Scene, placed: PlacedGroup, x: float, y: float) -> str:
        """Return the frame of a group that is open at full size, and its title."""
        said = f"<title>{_escaped(self._said(placed))}</title>"
        place = f'data-group="{_escaped(placed.group.id)}"{_at(x + placed.x, y + placed.y)}'
        return f'<g class="group kind-{placed.group.kind}" {place}>{said}{self._face(scene, placed)}{self.block(placed.title)}</g>'

    def group(self, scene: Scene, placed: PlacedGroup) -> str:
        """Return the box of a group, closed, with a place for its scene where it can be opened."""
        classes = ["group", f"kind-{placed.group.kind}"]
        said = _escaped(self._said(placed))
        opening = self._open(classes, "group", placed.group.id, placed.x, placed.y, placed.width, placed.height, said)
        opens = "true" if placed.opens else "false"
        stubs = [
            f'<g class="edge" data-edges="{" ".join(map(str, edges))}"><path class="line" d="{_straight(path)}"/></g>'
            for path, edges in placed.stubs
        ]
        moved = f"translate({length(placed.slot[0])} {length(placed.slot[1])}) scale({placed.scale:.4g})"
        slot = f'<g class="slot" transform="{moved}"></g>'
        ghost = f'<path class="ghost" d="{placed.ghost}"/>' if placed.ghost else ""
        return "".join([
            f'{opening[:-1]} data-opens="{opens}"><title>{said}</title>', self._face(scene, placed), self.block(placed.title),
            f'<g class="closed">{ghost}{self.block(placed.closed)}</g><g class="opened">', *stubs, f"</g>{slot}</g>",
        ])  # fmt: skip

    # ------------------------------------------------------------------------------------------- marks

    def block(self, block: Block, step: str = "") -> str:
        parts = []
        for x, y, shape in block.shapes:
            thickness = f' stroke-width="{shape.thickness:g}"' if shape.stroke else ""
            move = _at(x, y) if x or y else ""
            parts.append(f'<path{self.paint(shape.fill, shape.stroke, "", step)}{thickness}{move} d="{shape.path}"/>')
        return "".join([*parts, *(self.words(words, step) for words in block.words)])

    def words(self, words: Words, step: str = "", x: float = 0.0, y: float = 0.0) -> str:
        more = f' font-size="{words.size:g}"'
        if words.bold:
            more += ' font-weight="bold"'
        if words.style == "reason":
            more += ' font-style="italic"'
        if words.anchor != "start":
            more += f' text-anchor="{words.anchor}"'
        code = words.style == "code"
        if code:
            more += f' font-family="{CODE_FONT}"' if self.literal else ""
        elif len(words.text) >= SHORT and is_exact(words.text, words.bold):  # in a wider font it is pressed together, and fits
            more += f' textLength="{length(words.width / SANS_SLACK)}" lengthAdjust="spacingAndGlyphs"'
        paint = self.paint(words.ink, "", "code" if code else "", step)
        return f'<text x="{length(words.x + x)}" y="{length(words.y + y)}"{paint}{more}>{_escaped(words.text)}</text>'

    def _along(self, scene: Scene, placed: PlacedLine, points: list[Point]) -> str:
        """Return the text of a line, upon its middle."""
        written = line(placed.text, SMALL - 1, "quiet")
        x, y = _middle(points)
        x -= written.width / 2
        behind = f"fill-depth{min(scene.depth - 1, DEEPEST_FACE)}" if scene.depth else "paper"
        y -= written.height / 2
        return _rect(written.width + 4.0, written.height, 3.0, self.paint(behind), x - 2.0, y) + self.words(
            written.words[0], "", x, y
        )

    def _face(self, scene: Scene, placed: PlacedGroup) -> str:
        dashes = "" if placed.group.kind == "module" else ' stroke-dasharray="5 3.5"'
        paint = self.paint(f"fill-depth{min(scene.depth, DEEPEST_FACE)}", "frame-group-box", "frame")
        return _rect(placed.width, placed.height, ROUND, paint + dashes, 0.0, 0.0)

    def _said(self, placed: PlacedGroup) -> str:
        group = placed.group
        parts = [plain_text(group.name, 80), "" if group.title == group.name else plain_text(group.title, 80), *placed.counted]
        return " · ".join(part for part in parts if part)

    def _open(self, classes: list[str], what: str, id: str, x: float, y: float, width: float, height: float, said: str) -> str:
        named = f'<g class="{" ".join(classes)}" data-{what}="{_escaped(id)}"{_at(x, y)}'
        if self.literal:
            return f"{named}>"
        return f'{named} data-w="{length(width)}" data-h="{length(height)}" tabindex="-1" role="button" aria-label="{said}">'


def _foot(description: Description, look: Look, pen: _Pen, top: float) -> tuple[list[str], float, float]:
    """Return legend and caption as markup, the width they need, and where they end."""
    parts: list[str] = []
    width, y = 0.0, top
    legend = legend_of(scale_of(description, look), look)
    if legend is not None:
        y += 20.0
        title = line(legend.title, SMALL, "quiet")
        parts.append(pen.words(title.words[0], "", 0.0, y))
        y += title.height + 2.0
        x = 0.0
        for fill, ink, text in legend.stops:
            written = line(text, SMALL)
            wide = max(written.width + 14.0, 56.0)
            parts.append(f'<rect x="{length(x)}" y="{length(y)}" width="{length(wide)}" height="20" fill="{fill}"/>')
            place = f'x="{length(x + wide / 2)}" y="{length(y + 14)}" text-anchor="middle"'
            parts.append(f'<text {place} fill="{ink}" font-size="{SMALL:g}">{_escaped(text)}</text>')
            x += wide
        width, y = max(x, title.width), y + 20.0
    said = caption(description, look)
    y += 16.0 if said else 0.0
    for text in said:
        written = line(text, SMALL, "quiet")
        parts.append(pen.words(written.words[0], "", 0.0, y))
        width, y = max(width, written.width), y + written.height + 1.0
    return parts, width, y


# ----------------------------------------------------------------------------------------------- geometry


def _before(points: Sequence[Point], distance: float) -> Point:
    """Return the point so far before the end of a path, in the direction in which it arrives."""
    (x, y), (dx, dy) = points[-1], _arrives(points)
    return x - dx * distance, y - dy * distance


def _arrives(points: Sequence[Point]) -> Point:
    """Return the direction in which a path arrives, of length 1."""
    x, y = points[-1]
    for px, py in reversed(points[:-1]):
        length = math.hypot(x - px, y - py)
        if length > 1e-6:
            return (x - px) / length, (y - py) / length
    return 0.0, 1.0


def _head(points: Sequence[Point], tip: Point) -> str:
    dx, dy = _arrives([*points[:-1], tip])
    x, y = tip[0] - dx * HEAD[0], tip[1] - dy * HEAD[0]
    across, along = -dy * HEAD[1], dx * HEAD[1]
    return f"M{length(tip[0])} {length(tip[1])}L{length(x + across)} {length(y + along)}L{length(x - across)} {length(y - along)}z"


def _middle(points: Sequence[Point]) -> Point:
    """Return the point in the middle of the path's segments."""
    segments = (len(points) - 1) // 3
    if segments % 2 == 0:
        return points[3 * (segments // 2)]
    a, b, c, d = points[3 * (segments // 2) : 3 * (segments // 2) + 4]
    return (a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8


def _path(points: Sequence[Point]) -> str:
    texts = [f"{length(x)} {length(y)}" for x, y in points]
    return f"M{texts[0]}" + "".join(f"C{' '.join(texts[i : i + 3])}" for i in range(1, len(texts), 3))


def _straight(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{length(x)} {length(y)}" for x, y in points)


def _rect(width: float, height: float, radius: float, more: str, x: float = 0.0, y: float = 0.0) -> str:
    return f'<rect{more} x="{length(x)}" y="{length(y)}" width="{length(width)}" height="{length(height)}" rx="{length(radius)}"/>'


def _at(x: float, y: float) -> str:
    return f' transform="translate({length(x)} {length(y)})"'


_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # only ids from elsewhere have such


def _escaped(text: str) -> str:
    text = _NOT_IN_XML.sub("\ufffd", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
