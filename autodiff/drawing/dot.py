"""A description of a graph in DOT, the language of Graphviz: how each kind of node looks.

Told apart by shape as well as by colour: variables (leaves) are sharp boxes, parameters sharp boxes with a strong frame, constants
have a dashed frame, operations are round boxes with their sign on the left, outputs have a double frame. Text that
comes from the user is always text: escaped, on one line, and never an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..tracing import Statistics
from .description import NOT_COMPUTED, NOT_KEPT, Description, DrawnGroup, DrawnNode
from .naming import number, plain_text, shape_text, sign

if TYPE_CHECKING:
    from graphviz import Digraph

FONT = "Helvetica,Arial,sans-serif"
INK, GREY, PALE = "#1F2933", "#5B6770", "#9AA5AE"
VALUE, GRADIENT = "#1F2933", "#A63D00"
# The hues are Okabe and Ito's, which colour-blind readers can tell apart; fills are their tints.
LOOKS = {
    "variable": {"color": "#0072B2", "fillcolor": "#E9F3FA", "style": "filled", "penwidth": "1.2"},
    "parameter": {"color": "#00805D", "fillcolor": "#E6F5EF", "style": "filled", "penwidth": "2.4"},
    "constant": {"color": "#7A858E", "fillcolor": "#F6F7F8", "style": "filled,dashed", "penwidth": "1"},
    "operation": {"color": "#5B6770", "fillcolor": "#FFFFFF", "style": "filled,rounded", "penwidth": "1.2"},
    "part": {"color": "#5B6770", "fillcolor": "#FFFFFF", "style": "filled,rounded", "penwidth": "0.8"},
}
OUTPUT = {"color": "#C24E00", "fillcolor": "#FFF3EA", "peripheries": "2"}
GROUP_FILLS = ("#F4F6F8", "#EAEEF2", "#E0E6EB")
ORDER_MATTERS = {
    "subtract", "divide", "power", "matmul", "floor_divide", "remainder", "arctan2", "where", "setitem", "linear", "cross_entropy",
}  # fmt: skip
SHORT_REASONS = {NOT_KEPT: "not kept"}
MOST_ROWS, MOST_COLUMNS = 4, 5  # of an array shown in full


def as_digraph(description: Description, direction: str) -> Digraph:
    """Return the drawing; `direction` is "right" or "down"."""
    import graphviz

    style = _Style(description, direction)
    title = next((node.id for node in description.nodes if node.is_output), "graph")
    graph = graphviz.Digraph(title)
    graph.attr(
        "graph", rankdir="LR" if direction == "right" else "TB", bgcolor="#FFFFFF", fontname=FONT, fontsize="10", fontcolor=GREY,
        nodesep="0.22", ranksep="0.32", pad="0.15", labelloc="b", labeljust="l", label=_caption(description, style),
    )  # fmt: skip
    graph.attr("node", shape="box", fontname=FONT, fontsize="11", fontcolor=INK, margin="0.06,0.04", height="0.3", width="0.3")
    graph.attr("edge", color="#7F8A94", penwidth="1", arrowsize="0.6", fontname=FONT, fontsize="8", fontcolor=GREY)
    inside: dict[str | None, list[DrawnNode]] = {}
    for node in description.nodes:
        inside.setdefault(node.group, []).append(node)
    below: dict[str | None, list[DrawnGroup]] = {}
    for group in description.groups:
        below.setdefault(group.parent, []).append(group)
    for line in _contents(inside, below, style):
        graph.body.append(line)
    roles = {node.id: node.role for node in description.nodes}
    side = "w" if direction == "right" else "n"
    for edge in description.edges:
        port = f":{edge.position}:{side}" if edge.target in style.named else ""
        straight = {"weight": "3"} if style.order and roles[edge.source] in ("operation", "part") else {}
        graph.edge(edge.source, edge.target + port, **straight)
    for above, parameter in style.order:
        graph.edge(above, parameter, style="invis")
    return graph


class _Style:
    """What is the same for the whole picture.

    down     whether it runs from top to bottom
    dtype    the dtype of everything but constants, which then need not be written everywhere; else None
    scalars  whether everything is a scalar
    named    for each operation whose arguments cannot be exchanged, by id: their names by position
    order    pairs of ids, of which the second shall lie further along: a layer's parameters after what flows into it
    """

    def __init__(self, description: Description, direction: str):
        self.down = direction == "down"
        values = [node for node in description.nodes if node.role != "constant" and node.shape is not None]
        dtypes = {node.dtype for node in values}
        self.dtype = dtypes.pop() if len(dtypes) == 1 else None
        self.scalars = all(node.shape == () for node in values)
        operations = {node.id: node.operation for node in description.nodes}
        named: dict[str, dict[int, str]] = {}
        for edge in description.edges:
            if operations[edge.target] in ORDER_MATTERS:
                named.setdefault(edge.target, {})[edge.position] = edge.argument
        nodes = {node.id: node for node in description.nodes}
        flows = {edge.target: edge.source for edge in description.edges if nodes[edge.source].role in ("operation", "part")}
        uses: dict[str, list[str]] = {}
        for edge in description.edges:
            if nodes[edge.source].role == "parameter":
                uses.setdefault(edge.source, []).append(edge.target)
        self.order = [
            (flows[targets[0]], parameter)
            for parameter, targets in uses.items()
            if self.down and len(targets) == 1 and targets[0] in flows and nodes[parameter].group is not None
        ]
        self.named = {target: dict(sorted(arguments.items())) for target, arguments in named.items() if len(arguments) > 1}


def _contents(inside: dict[str | None, list[DrawnNode]], below: dict[str | None, list[DrawnGroup]], style: _Style) -> list[str]:
    """Return the lines of DOT for all nodes, in nested subgraphs; a loop, so that no nesting is too deep."""
    import graphviz

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
            look = {
                "label": _html(_group_label(group)), "labelloc": "t", "labeljust": "l",
                "fontname": FONT, "fontsize": "10", "fontcolor": INK,
                "color": "#B4BFC8", "fillcolor": GROUP_FILLS[min(depth, 2)], "penwidth": "1", "margin": "9",
                "style": "filled,rounded" if group.kind == "module" else "filled,rounded,dashed",
            }  # fmt: skip
            scratch = graphviz.Digraph()
            scratch.attr("graph", **look)
            lines += [f"\tsubgraph {graphviz.quoting.quote('cluster_' + group.id)} {{\n", *scratch.body]
            waiting.append("\t}\n")
            depth += 1
        scratch = graphviz.Digraph()
        for node in inside.get(None if group is None else group.id, ()):
            scratch.node(node.id, label=_html(_label(node, style)), tooltip=_verbatim(_tooltip(node)), **_look(node))
        lines += scratch.body
        waiting.extend(reversed(below.get(None if group is None else group.id, [])))
    return lines


def _look(node: DrawnNode) -> dict[str, str]:
    return {**LOOKS[node.role], **OUTPUT} if node.is_output else LOOKS[node.role]


# ----------------------------------------------------------------------------------------------- text


def escaped(text: str) -> str:
    """Return `text` such that an HTML-like label shows it as it is; dot would replace \\N and its kin in there, too."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("\\", "\\\\")
    return text if text.strip("] ") else text.replace("]", "&#93;")  # dot's reader of labels stumbles over a lone ]


def _verbatim(text: str) -> Any:
    """Return `text` such that an attribute shows it as it is."""
    import graphviz

    return graphviz.escape(text.replace("&", "&amp;"))


def _html(text: str) -> str:
    return f"<{text}>"


def _small(text: str, color: str = GREY, size: int = 9) -> str:
    return f'<FONT COLOR="{color}" POINT-SIZE="{size}">{escaped(text)}</FONT>'


# ----------------------------------------------------------------------------------------------- labels


def _table(rows: list[str], padding: int = 1) -> str:
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{"".join(rows)}</TABLE>'


def _label(node: DrawnNode, style: _Style) -> str:
    if node.role == "constant" and node.name is None and node.shape == () and isinstance(node.value, np.ndarray):
        return escaped(number(node.value[()]))
    lines = [f"<B>{escaped(plain_text(node.name))}</B>"] if node.name else []
    about = _about(node, style)
    if about:
        lines.append(_small(about))
    facts = _facts(node)
    if facts:
        lines.append(_table(facts))
    table = _table([f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in lines]) if lines else ""
    if node.role == "part":
        return _beside([f'<FONT POINT-SIZE="11">[{"?" if node.part is None else node.part}]</FONT>', table])
    if node.role != "operation":
        return table
    arguments = style.named.get(node.id, {})
    cells = [f'<TD PORT="{position}">{_small(name, GREY, 8)}</TD>' for position, name in arguments.items()]
    chip = _chip(node)
    if not cells:
        return _beside([chip, table])
    if style.down:
        above = _table([f"<TR>{''.join(cells)}</TR>"])
        return _table([f"<TR><TD>{part}</TD></TR>" for part in (above, _beside([chip, table]))], 0)
    return _beside([_table([f"<TR>{cell}</TR>" for cell in cells], 3), chip, table])


def _about(node: DrawnNode, style: _Style) -> str:
    """Return role, shape and dtype, less what is the same everywhere and stands in the caption."""
    role = node.role if node.role in ("variable", "parameter", "constant") else "output" if node.is_output else ""
    if node.shape is None:
        return role or "several outputs"
    dtype = "" if node.dtype == style.dtype else node.dtype or ""
    shape = "" if style.scalars and node.shape == () else str(node.shape) if node.shape else "scalar"
    return "  ".join(part for part in (role, shape, dtype) if part)


def _beside(parts: list[str]) -> str:
    cells = '<TD WIDTH="3"></TD>'.join(f"<TD>{part}</TD>" for part in parts if part)
    return _table([f"<TR>{cells}</TR>"], 1)


def _chip(node: DrawnNode) -> str:
    """Return the sign and the name of an operation, and its settings."""
    name = plain_text(node.operation or "")
    written = sign(node.operation or "", node.settings)
    settings = {} if node.operation == "power" and "e" not in node.settings.get("n", "") else node.settings
    lines = [f'<FONT POINT-SIZE="{16 if len(written) < 3 else 13}">{escaped(written)}</FONT>', _small(name)] if written else []
    lines = lines or [f'<FONT POINT-SIZE="12">{escaped(name)}</FONT>']
    lines += [_small(plain_text(f"{key}={value}", 24), PALE, 8) for key, value in settings.items() if value != "False"]
    return "<BR/>".join(lines)


def _facts(node: DrawnNode) -> list[str]:
    """Return the rows for value and gradient; what is missing for one reason shares a row."""
    facts = [("value", node.value, node.no_value, VALUE), ("grad", node.gradient, node.no_gradient, GRADIENT)]
    if node.no_value and node.no_value == node.no_gradient:
        facts = [("value, grad", None, node.no_value, GREY)]
    rows: list[str] = []
    for name, array, reason, color in facts:
        if rows and isinstance(array, np.ndarray) and array.ndim:
            rows.append('<TR><TD HEIGHT="3"></TD></TR>')  # two grids should not look like one
        if array is not None:
            rows.append(f'<TR><TD ALIGN="LEFT">{_small(name)}</TD><TD ALIGN="LEFT">{_array(array, color)}</TD></TR>')
        elif reason:
            short = SHORT_REASONS.get(reason, reason)
            rows.append(f'<TR><TD ALIGN="LEFT">{_small(name)}</TD><TD ALIGN="LEFT"><I>{_small(short)}</I></TD></TR>')
    return rows


def _array(array: Any, color: str) -> str:
    """Return small arrays in full, as a grid, and larger ones as figures."""
    if isinstance(array, Statistics):
        return _figures(array.min, array.max, array.mean, array.nans + array.infinities, color)
    if array.ndim == 0:
        return f'<FONT COLOR="{color}">{escaped(number(array[()]))}</FONT>'
    rows = array.reshape((-1, array.shape[-1])) if array.size else array.reshape((0, 0))
    if not array.size:
        return _small("empty", color)
    if array.ndim <= 2 and rows.shape[0] <= MOST_ROWS and rows.shape[1] <= MOST_COLUMNS:
        return _grid(rows, color)
    finite = array[np.isfinite(array)] if array.dtype.kind != "c" else np.abs(array[np.isfinite(array)])
    if not finite.size:
        return _small("nothing finite", color)
    with np.errstate(over="ignore"):
        mean = finite.mean(dtype=float)
    return _figures(finite.min(), finite.max(), mean, array.size - finite.size, color)


def _grid(rows: np.ndarray, color: str) -> str:
    cells = "".join(
        "<TR>" + "".join(f'<TD ALIGN="RIGHT">{_small(number(v), color, 10)}</TD>' for v in row) + "</TR>" for row in rows
    )
    return f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="2" COLOR="#CBD3DA">{cells}</TABLE>'


def _figures(low: Any, high: Any, mean: Any, not_finite: int, color: str) -> str:
    text = f"{number(low, 3)} … {number(high, 3)}, mean {number(mean, 3)}"
    return _small(text if not not_finite else f"{text}, {not_finite} not finite", color)


def _group_label(group: DrawnGroup) -> str:
    name = f"<B>{escaped(plain_text(group.name))}</B>"
    return name if group.title in ("", group.name) else f"{name}  {_small(plain_text(group.title))}"


def _tooltip(node: DrawnNode) -> str:
    """Return one line with what the label had no room for."""
    parts = [node.id if node.operation is None else f"{node.id}: {plain_text(node.operation)}", shape_text(node.shape, node.dtype)]
    if node.no_value:
        parts.append(f"value {node.no_value}")
    if node.no_gradient:
        parts.append(f"gradient {node.no_gradient}")
    if node.seconds is not None:
        parts.append(f"{node.seconds * 1e6:.0f} µs")
    if node.source:
        parts.append(plain_text(node.source.replace("\\", "/").rsplit("/", 1)[-1], 60))
    return " · ".join(part for part in parts if part)


def _caption(description: Description, style: _Style) -> str:
    """Return what holds for all of the picture: the dtype, and why something is missing."""
    reasons = {reason for node in description.nodes for reason in (node.no_value, node.no_gradient)}
    lines = [f"all values are {style.dtype}" + (" scalars" if style.scalars else "")] if style.dtype else []
    if NOT_COMPUTED in reasons:
        lines.append("gradients not computed yet: call backward()")
    if NOT_KEPT in reasons:
        lines.append(NOT_KEPT)
    return _html("".join(f'{escaped(line)}<BR ALIGN="LEFT"/>' for line in lines)) if lines else ""
