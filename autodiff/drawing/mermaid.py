"""A description as a Mermaid flowchart, which GitHub, GitLab and many editors draw inside Markdown.

Knows Mermaid's grammar and what would break out of a label. Text that comes from the user is always text: written with entity
codes, and never an id.
"""

from __future__ import annotations

import re

import numpy as np

from .description import Description, DrawnEdge, DrawnGroup, DrawnNode
from .naming import free, number, plain_text
from .shaping import holding
from .told_apart import known_by_id, signs

MOST_EDGES = 500  # beyond that, and beyond this many characters, Mermaid refuses unless it is configured
MOST_CHARACTERS = 50_000
DIRECTIONS = {"right": "LR", "down": "TB"}
# Opening and closing signs of each role: variables and parameters boxes, constants flags, operations round, groups double-sided.
SHAPES = {
    "variable": ("[", "]"), "parameter": ("[/", "/]"), "constant": (">", "]"), "operation": ("(", ")"), "part": ("(", ")"),
    "group": ("[[", "]]"),
}  # fmt: skip
# Fill, frame and ink are all given, so that the text is legible on light and on dark pages.
LOOKS = {
    "variable": "fill:#E9F3FA,stroke:#0072B2,color:#1F2933",
    "parameter": "fill:#E6F5EF,stroke:#00805D,color:#1F2933,stroke-width:2px",
    "constant": "fill:#F6F7F8,stroke:#7A858E,color:#1F2933,stroke-dasharray:4 3",
    "operation": "fill:#FFFFFF,stroke:#5B6770,color:#1F2933",
    "part": "fill:#FFFFFF,stroke:#5B6770,color:#1F2933,stroke-dasharray:2 2",
    "group": "fill:#EAEEF2,stroke:#5B6770,color:#1F2933,stroke-width:2px",
    "output": "fill:#FFF3EA,stroke:#C24E00,color:#1F2933,stroke-width:3px",
    "marked": "fill:#FBE3E4,stroke:#B00020,color:#1F2933,stroke-width:4px",
    "frame": "fill:#8C98A422,stroke:#8C98A4,color:#7A858E",
}
SYMMETRIC = {"add", "multiply", "maximum", "minimum", "logaddexp", "equal", "not_equal"}


def as_mermaid(description: Description, direction: str = "down") -> str:
    """Return the description as a Mermaid flowchart; `direction` is "right" or "down".

    Put it in a Markdown file between "```mermaid" and "```". GitHub draws up to 500 edges; a comment says so where there are more.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> print(as_mermaid(describe_graph([x * x]), "right").split("classDef")[0])
    flowchart LR
        n_x["x<br/>3"]:::variable
        n_multiply("× multiply<br/>9"):::operation
        n_x --> n_multiply
        n_x --> n_multiply
        class n_multiply output
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction is 'right' or 'down', got {direction!r}")
    taken: dict[str, int] = {}
    nodes = {node.id: _safe("n_" + node.id, taken) for node in description.nodes}
    # An empty frame would be drawn as a node.
    groups = {group.id: _safe("g_" + group.id, taken) for group in holding(description.groups, description.nodes)}
    body = [*_contents(description, nodes, groups), *_edges(description, nodes)]
    used = {node.role for node in description.nodes}
    for look, chosen in (
        ("output", [nodes[node.id] for node in description.nodes if node.is_output]),
        ("marked", [nodes[node.id] for node in description.nodes if node.marked]),
        ("frame", list(groups.values())),
    ):
        if chosen:
            used.add(look)
            body.append(f"    class {','.join(chosen)} {look}")
    body += [f"    classDef {look} {style}" for look, style in LOOKS.items() if look in used]
    return "\n".join([f"flowchart {DIRECTIONS[direction]}", *_warning(description, body), *body]) + "\n"


def _contents(description: Description, nodes: dict[str, str], groups: dict[str, str]) -> list[str]:
    """Return a line for each node, inside the frames of its groups; a loop, so that no nesting is too deep."""
    inside: dict[str | None, list[DrawnNode | DrawnGroup]] = {}
    for group in description.groups:
        if group.id in groups:
            inside.setdefault(group.parent, []).append(group)
    for node in description.nodes:
        inside.setdefault(node.group, []).append(node)
    lines: list[str] = []
    written, by_id = signs(description), known_by_id(description)
    depth = 1
    waiting: list[DrawnNode | DrawnGroup | None] = [*reversed(inside.get(None, ()))]  # None: the end of a frame
    while waiting:
        one = waiting.pop()
        depth -= one is None
        indent = "    " * min(depth, 8)
        if one is None:
            lines.append(f"{indent}end")
        elif isinstance(one, DrawnNode):
            opening, closing = SHAPES[one.role]
            lines.append(f'{indent}{nodes[one.id]}{opening}"{_label(one, written, by_id)}"{closing}:::{one.role}')
        else:
            lines.append(f'{indent}subgraph {groups[one.id]}["{_group_label(one)}"]')
            depth += 1
            waiting.append(None)
            waiting += reversed(inside.get(one.id, ()))
    return lines


def _edges(description: Description, nodes: dict[str, str]) -> list[str]:
    nodes_by_id = {node.id: node for node in description.nodes}
    unclear: dict[str, int] = {}  # how many arguments of a node the other ends do not name
    for edge in description.edges:
        unclear[edge.target] = unclear.get(edge.target, 0) + (not _named_by(edge, nodes_by_id[edge.source]))
    lines = []
    for edge in description.edges:
        target = nodes_by_id[edge.target]
        said = unclear[edge.target] > 1 and target.operation not in SYMMETRIC and not _named_by(edge, nodes_by_id[edge.source])
        label = f'|"{escaped(edge.argument, 24)}"|' if said and edge.argument else ""
        lines.append(f"    {nodes[edge.source]} -->{label} {nodes[edge.target]}")
    return lines


def _named_by(edge: DrawnEdge, source: DrawnNode) -> bool:
    """Return whether the label of a node says already which argument it is, as that of a layer's weight does."""
    return edge.argument in (source.name, source.id.rpartition(".")[2])


def _warning(description: Description, body: list[str]) -> list[str]:
    length = sum(len(line) + 1 for line in body)
    if len(description.edges) <= MOST_EDGES and length <= MOST_CHARACTERS - 500:
        return []
    return [
        f"    %% {len(description.edges)} edges, {length} characters: Mermaid draws up to {MOST_EDGES} edges and {MOST_CHARACTERS} "
        "characters unless it is configured; close groups to draw less"
    ]


# ------------------------------------------------------------------------------------------- labels


def _label(node: DrawnNode, signs: dict[str, str], by_id: frozenset[str]) -> str:
    title = "" if node.name is None else escaped(node.id if node.id in by_id else node.name, 32)
    if node.role == "group":
        operation = escaped(node.operation or "", 32)
        lines = [title, operation if operation != title else ""]
    elif node.operation is not None:
        operation = escaped(f"{signs.get(node.id, '')} {node.operation}".strip(), 32)
        if node.role == "part" and node.part is not None:
            operation += f" {node.part}"
        lines = [title, operation]
    else:
        lines = [title or (escaped(node.id, 32) if node.role == "parameter" else "")]
    known = [
        number(value[()]) if what == "value" else f"∂ {number(value[()])}"
        for what, value in (("value", node.value), ("gradient", node.gradient))
        if isinstance(value, np.ndarray) and value.ndim == 0
    ]
    lines.append(escaped(", ".join(known) if known else str(node.shape or ""), 40))
    if node.times > 1:
        lines.append(f"×{node.times}")
    return "<br/>".join(line for line in lines if line) or node.role


def _group_label(group: DrawnGroup) -> str:
    parts = [group.name, group.title if group.title != group.name else "", f"×{group.times}" if group.times > 1 else ""]
    return " · ".join(escaped(part, 40) for part in parts if part) or group.kind


def escaped(text: str, limit: int) -> str:
    """Return `text` such that a label in quotes shows it as it is.

    Letters, digits and a few signs stay. All others become entity codes: quotes would end the label, tags would be markup, "%%{"
    would configure the diagram, and some begin Markdown, formulas or icons.

    >>> escaped('a "<b>"', 40)
    'a #quot;#lt;b#gt;#quot;'
    """
    text = plain_text(text, limit).strip()
    text = "".join(c if _plain(c) else _NAMES.get(c) or f"#{ord(c)};" for c in text)
    text = re.sub(r"^(\d+)([.)])(?= |$)", lambda found: f"{found[1]}#{ord(found[2])};", text)  # would be a list
    text = re.sub(r"(?i)www\.", lambda found: found[0][:-1] + "#46;", text)  # would be a link
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", "#95;", text)  # would be emphasis


_NAMES = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}


def _plain(c: str) -> bool:
    return c.isalnum() or c in " _.,()=" or (ord(c) > 127 and c.isprintable())


def _safe(name: str, taken: dict[str, int]) -> str:
    """Return an id of letters, digits and underscores; what it begins with keeps it from being a word of the language."""
    return free(re.sub(r"[^A-Za-z0-9]", "_", name)[:60], taken)
