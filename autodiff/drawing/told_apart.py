"""What tells the nodes of a picture apart: signs, names of arguments, and of parameters with a name in common.

All of this depends on what is around a node. Knows nothing of how it will look.
"""

from __future__ import annotations

from operator import attrgetter

from .description import Description, DrawnEdge, DrawnNode
from .naming import plain_text, sign

ORDER_MATTERS = {
    "subtract", "divide", "power", "matmul", "floor_divide", "remainder", "arctan2", "where", "setitem", "linear", "cross_entropy",
}  # fmt: skip


def signs(description: Description) -> dict[str, str]:
    """Return how mathematics writes each operation, by id; those that it has no sign for are left out.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> signs(describe_graph([np.sin(x * x)]))
    {'multiply': '×'}
    """
    arguments: dict[str, set[str]] = {node.id: set() for node in description.nodes if node.operation == "linear"}
    for edge in description.edges:
        if edge.target in arguments:
            arguments[edge.target].add(edge.argument)
    found = {}
    for node in description.nodes:
        if node.operation is not None and node.role == "operation":
            without_bias = {"x", "weight"} <= (there := arguments.get(node.id, set())) and "bias" not in there
            written = "xWᵀ" if without_bias else sign(node.operation, node.settings)
            if written:
                found[node.id] = written
    return found


def known_by_id(description: Description) -> frozenset[str]:
    """Return the ids of parameters whose names say too little: of one name in one place, or from a module beside their place."""
    found: dict[tuple[str | None, str | None], list[DrawnNode]] = {}
    for node in description.nodes:
        if node.role == "parameter" and node.name:
            found.setdefault((node.group, node.name), []).append(node)
    return frozenset(
        node.id
        for nodes in found.values()
        for node in nodes
        if len(nodes) > 1 or (node.id.endswith(f".{node.name}") and node.id != f"{node.module}.{node.name}")
    )


def named_arguments(description: Description) -> dict[str, dict[int, str]]:
    """Return the arguments by position of each operation where it matters which is which, and the picture does not show it yet."""
    nodes = {node.id: node for node in description.nodes}
    entering: dict[str, list[DrawnEdge]] = {}
    for edge in description.edges:
        target = nodes[edge.target]
        if target.role == "operation" and target.operation in ORDER_MATTERS:
            entering.setdefault(edge.target, []).append(edge)
    named = {}
    for id, edges in entering.items():
        # A weight that is called so needs no port to say it, and one argument that is left over needs none either.
        told = sum((nodes[edge.source].name or "").rpartition(".")[2] == edge.argument for edge in edges)
        if told < len(edges) - 1:
            named[id] = {edge.position: plain_text(edge.argument, 20) for edge in sorted(edges, key=attrgetter("position"))}
    return named
