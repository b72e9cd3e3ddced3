"""A description of a graph in DOT, the language of Graphviz.

Told apart by shape as well as by colour: variables (leaves) are sharp boxes, parameters sharp boxes with a strong frame, constants
have a dashed frame, operations are round boxes with their sign on the left, outputs have a double frame, and so have groups that
stand for several. Text that comes from the user is always text: escaped, on one line, and never an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .description import Description, DrawnEdge, DrawnGroup, DrawnNode
from .dot_labels import LabelWriter, escaped
from .labels import Context, caption, edge_label, group_label, label_of, name_of, tooltip
from .look import Colors, Look, colors_of, legend_of, legible
from .naming import UniqueNames, plain_text

if TYPE_CHECKING:
    from graphviz import Digraph

FONT = "Helvetica,Arial,sans-serif"
COMPUTED = ("operation", "part", "group")
FAR, FAR_FROM_LEAF = 40, 12  # ranks; an edge that is longer is not drawn as a line
MOST_PLACES = 3  # groups that lines may lead to from one leaf
MANY = 300  # nodes; beyond that dot gets less time to place them, and figures instead of thumbnails
TAGS = "a name in a small frame stands for the node of that name"


def as_digraph(description: Description, direction: str, look: Look | None = None) -> Digraph:
    """Return the drawing; `direction` is "right" or "down"."""
    import graphviz

    look = look or Look()
    if len(description.nodes) > MANY:
        look = Look(look.show - {"thumbnails"}, look.color, look.theme)
    picture = _Picture(description, direction, look)
    title = next((picture.ids[node.id] for node in description.nodes if node.is_output), "graph")
    return picture.write(graphviz.Digraph(title))


class _Picture:
    """One picture on its way to DOT.

    ids     for each node its id in DOT, and in `frames` for each group
    down    whether it runs from top to bottom
    beside  for each operation that has one or two parameters of its own, or tags: these, to lie before and behind it in its
            rank, so that what flows from layer to layer runs straight on
    late    for each node the last rank that it could lie in
    depth   the first one
    tags    for each node the edges to it that are too long to be followed: a small frame with a name stands for the other end
    """

    def __init__(self, description: Description, direction: str, look: Look):
        self.description, self.look, self.palette = description, look, look.palette
        self.down = direction == "down"
        self.context = Context.of(description, look)
        self.writer = LabelWriter(self.palette, self.down)
        self.nodes = {node.id: node for node in description.nodes}
        self.ids = _safe([node.id for node in description.nodes])
        self.frames = _safe([group.id for group in description.groups])
        self.depth = {node.id: 0 for node in description.nodes}
        for edge in description.edges:  # in the order of their targets, each after its sources
            self.depth[edge.target] = max(self.depth[edge.target], self.depth[edge.source] + 1)
        self.late = {node.id: self.depth[node.id] for node in description.nodes if node.is_output}
        for edge in reversed(description.edges):
            end = self.late.setdefault(edge.target, self.depth[edge.target])
            self.late[edge.source] = min(self.late.get(edge.source, end), end - 1)
        self.tags = self._tags()
        self.beside = self._beside()

    def length(self, edge: DrawnEdge) -> int:
        return self.late[edge.target] - self.late[edge.source]

    def _beside(self) -> dict[str, list[str]]:
        uses: dict[str, list[str]] = {}
        flow: set[str] = set()
        for edge in self.description.edges:
            if self.nodes[edge.source].role == "parameter":
                uses.setdefault(edge.source, []).append(edge.target)
            else:
                flow.add(edge.target)
        own = {target: [self.tag_id(edge) for edge in edges] for target, edges in self.tags.items()}
        for parameter, targets in uses.items():
            group = self.nodes[parameter].group
            if len(targets) == 1 and targets[0] in flow and group is not None and group == self.nodes[targets[0]].group:
                own.setdefault(targets[0], []).append(self.ids[parameter])
        return {target: ids for target, ids in own.items() if len(ids) <= 2 and target not in self.context.named}

    def _tags(self) -> dict[str, list[DrawnEdge]]:
        leaving: dict[str, list[DrawnEdge]] = {}
        for edge in self.description.edges:
            leaving.setdefault(edge.source, []).append(edge)
        found: dict[str, list[DrawnEdge]] = {}
        for source, edges in leaving.items():
            limit = FAR
            if self.nodes[source].role not in COMPUTED:  # all or none of the edges of a leaf, but for those to its first use
                places = {self.nodes[edge.target].group for edge in edges}
                far = len(places) > MOST_PLACES or max(map(self.length, edges)) > FAR_FROM_LEAF
                limit = 1 if far else FAR_FROM_LEAF
            for edge in edges:
                if self.length(edge) > limit:
                    found.setdefault(edge.target, []).append(edge)
        return found

    def write(self, graph: Digraph) -> Digraph:
        """Fill `graph` and return it."""
        palette = self.palette
        lines = caption(self.description, self.look) + ((TAGS,) if self.tags else ())
        label = self.writer.caption(lines, legend_of(self.context.scale, self.look))
        graph.attr(
            "graph", rankdir="TB" if self.down else "LR", bgcolor=palette.paper, fontname=FONT, fontsize="10",
            fontcolor=palette.quiet, nodesep="0.22", ranksep="0.32", pad="0.15", labelloc="b", labeljust="l",
            label=_html(label),
        )  # fmt: skip
        if len(self.nodes) > MANY:
            graph.attr("graph", splines="line", nslimit="0.2", mclimit="0.2")
        sizes = {"fontname": FONT, "fontsize": "11", "margin": "0.06,0.04", "height": "0.3", "width": "0.3"}
        graph.attr("node", shape="box", fontcolor=palette.ink, **sizes)
        graph.attr("edge", color=palette.edge, penwidth="1", arrowsize="0.6", fontname=FONT, fontsize="8", fontcolor=palette.quiet)
        graph.body += self.contents()
        far = {id(edge) for edges in self.tags.values() for edge in edges}
        # dot puts what an edge points to behind where it starts, that is, to the right or above.
        behind = {ids[self.down] for ids in self.beside.values() if len(ids) > 1}
        for edge in self.description.edges:
            port = f":{edge.position}:{'n' if self.down else 'w'}" if edge.target in self.context.named else ""
            source = self.tag_id(edge) if id(edge) in far else self.ids[edge.source]
            target = self.ids[edge.target]
            attributes = self.edge(edge)
            if id(edge) in far:
                attributes.pop("weight", None)
            if source in behind:
                graph.edge(target, source, dir="back", **attributes)
            else:
                graph.edge(source, target + port, **attributes)
        return graph

    def edge(self, edge: DrawnEdge) -> dict[str, str]:
        source, target = self.nodes[edge.source], self.nodes[edge.target]
        attributes = {}
        computed = source.role in COMPUTED
        nearest = self.depth[edge.target] - self.depth[edge.source] == 1
        if source.group != target.group and self.length(edge) > 1 and not (computed and nearest):
            attributes["weight"] = "0"  # else dot would rather turn some edges around than make many long ones
        elif computed and nearest and (self.beside or self.tags):
            attributes["weight"] = "9"  # straight through, between what comes in from the sides
        text = edge_label(edge, source, self.look)
        return {**attributes, "label": f" {text} "} if text else attributes

    def contents(self) -> list[str]:
        """Return the lines of DOT for all nodes, in nested subgraphs; a loop, so that no nesting is too deep."""
        import graphviz

        inside: dict[str | None, list[DrawnNode]] = {}
        for node in self.description.nodes:
            inside.setdefault(node.group, []).append(node)
        below: dict[str | None, list[DrawnGroup]] = {}
        for drawn in self.description.groups:
            below.setdefault(drawn.parent, []).append(drawn)
        lines: list[str] = []
        depth = 0
        waiting: list[DrawnGroup | str | None] = [None]
        while waiting:
            group = waiting.pop()
            if isinstance(group, str):
                lines.append(group)
                depth -= 1
                continue
            if group is not None:
                scratch = graphviz.Digraph()
                scratch.attr("graph", **self.frame(group, depth))
                lines += [f"\tsubgraph {graphviz.quoting.quote('cluster_' + self.frames[group.id])} {{\n", *scratch.body]
                waiting.append("\t}\n")
                depth += 1
            lines += self.members(inside.get(None if group is None else group.id, []))
            waiting.extend(reversed(below.get(None if group is None else group.id, [])))
        return lines

    def members(self, nodes: list[DrawnNode]) -> list[str]:
        """Return the lines of DOT for the nodes that lie directly in one group, and for their tags."""
        import graphviz

        scratch = graphviz.Digraph()
        for node in nodes:
            colors = colors_of(node, self.look, self.context.scale)
            label = _html(self.writer.node(node.role, label_of(node, self.look, self.context), colors))
            scratch.node(self.ids[node.id], label=label, tooltip=_verbatim(tooltip(node)), **self.attributes(colors))
            for edge in self.tags.get(node.id, ()):
                scratch.node(self.tag_id(edge), **self.tag(self.nodes[edge.source]))
        for node in nodes:
            if node.id in self.beside:
                ids = "; ".join(graphviz.quoting.quote(id) for id in (self.ids[node.id], *self.beside[node.id]))
                scratch.body.append(f"\t{{rank=same; {ids}}}\n")
        return list(scratch.body)

    def tag_id(self, edge: DrawnEdge) -> str:
        return f"{self.ids[edge.source]} {self.ids[edge.target]} {edge.position}"  # no other id has a space

    def tag(self, node: DrawnNode) -> dict[str, str]:
        """Return what stands for `node` at the end of an edge that is too long."""
        color, name = self.palette.roles[node.role][1], name_of(node, self.context) or plain_text(node.id)
        return {
            "label": _html(escaped(name)), "class": "tag", "tooltip": _verbatim(tooltip(node)),
            "color": color, "fontcolor": legible(color, self.palette.paper, self.palette.quiet), "fillcolor": self.palette.paper,
            "style": "filled,rounded", "penwidth": "0.6", "fontsize": "8", "height": "0", "margin": "0.05,0.02",
        }  # fmt: skip

    def attributes(self, colors: Colors) -> dict[str, str]:
        style = "filled" + (",dashed" if colors.dashed else "") + (",rounded" if colors.rounded else "")
        attributes = {"color": colors.frame, "fillcolor": colors.fill, "style": style, "penwidth": f"{colors.width:g}"}
        if colors.ink != self.palette.ink:
            attributes["fontcolor"] = colors.ink
        sheets = 1 + colors.double + colors.stacked
        return attributes if sheets == 1 else {**attributes, "peripheries": str(sheets)}

    def frame(self, group: DrawnGroup, depth: int) -> dict[str, str]:
        palette, label = self.palette, group_label(group)
        return {
            "label": _html(self.writer.group(label)), "labelloc": "t", "labeljust": "l",
            "fontname": FONT, "fontsize": "10", "fontcolor": palette.ink, "color": palette.group_frame,
            "fillcolor": palette.groups[min(depth, len(palette.groups) - 1)], "penwidth": "2" if label.times else "1",
            "margin": "9", "style": "filled,rounded" if group.kind == "module" else "filled,rounded,dashed",
        }  # fmt: skip


def _safe(ids: list[str]) -> dict[str, str]:
    """Return for each id what stands for it in DOT: mostly itself, but a description that was read from a file may have any."""
    unique = UniqueNames()
    return {id: unique(id) for id in ids}


def _verbatim(text: str) -> Any:
    """Return `text` such that an attribute shows it as it is."""
    import graphviz

    return graphviz.escape(text.replace("&", "&amp;"))


def _html(text: str) -> str:
    return f"<{text}>" if text else ""  # dot refuses <>
