"""Which part of a description is shown: where gradients flow, what lies behind a parameter, what is near a node.

A description goes in and a smaller one comes out; the one given is never changed. Everything is loops, so that no graph is too
deep.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .description import NOT_ARRIVED, Description
from .naming import plain_text
from .shaping import matching, nearest, part_of


def gradient_paths(description: Description) -> Description:
    """Return only what gradients flow through: no constants, and nothing that none arrived at in the last backward pass.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [node.id for node in gradient_paths(describe_graph([x * 2.0 + 1.0])).nodes]
    ['x', 'multiply', 'add']
    """
    kept = {
        node.id
        for node in description.nodes
        if node.role != "constant"
        and not (node.role == "group" and set(node.inside) == {"constant"})
        and not (node.gradient is None and node.no_gradient == NOT_ARRIVED)
    }
    part = part_of(description, kept)
    part.edges = [edge for edge in part.edges if edge.gradient is not None or edge.no_gradient != NOT_ARRIVED]
    return part


def leading_from(description: Description, names: str | Iterable[str]) -> Description:
    """Return only what lies on a path from the named nodes to an output.

    names  a name or several: a node's id, its Tensor's name, a group's id or path (all that is in it), or a pattern such as
           "layers.*.weight"

    Raises ValueError for a name that nothing has.

    >>> from autodiff.drawing import describe_graph
    >>> a, b = (Tensor(2.0, requires_grad=True, name=name) for name in "ab")
    >>> [node.id for node in leading_from(describe_graph([np.exp(a) * np.sin(b)]), "a").nodes]
    ['a', 'exp', 'multiply']
    """
    start: set[str] = set()
    for name in [names] if isinstance(names, str) else list(names):
        if not isinstance(name, str):
            raise TypeError(f"expected the names of tensors or parameters, got {type(name).__name__}")
        start |= _called(description, name)
    ends = [node.id for node in description.nodes if node.is_output]
    if not ends:  # a part that holds no output of the whole: then what nothing follows
        used = {edge.source for edge in description.edges}
        ends = [node.id for node in description.nodes if node.id not in used]
    ahead: dict[str, list[str]] = {}
    back: dict[str, list[str]] = {}
    for edge in description.edges:
        ahead.setdefault(edge.source, []).append(edge.target)
        back.setdefault(edge.target, []).append(edge.source)
    return part_of(description, _reached(start, ahead) & _reached(ends, back))


def neighbourhood(description: Description, id: str, steps: int = 2) -> Description:
    """Return the nodes that are at most `steps` edges away from the node `id`, in either direction.

    Raises ValueError where no node has that id.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [node.id for node in neighbourhood(describe_graph([np.log(np.exp(np.sin(x)))]), "log", steps=1).nodes]
    ['exp', 'log']
    """
    ids = [node.id for node in description.nodes]
    if id not in ids:
        raise ValueError(f"no node has the id '{plain_text(id)}'; {nearest(str(id), ids)}")
    beside: dict[str, list[str]] = {}
    for edge in description.edges:
        beside.setdefault(edge.source, []).append(edge.target)
        beside.setdefault(edge.target, []).append(edge.source)
    return part_of(description, _reached([id], beside, steps))


def marked(description: Description, ids: str | Iterable[str]) -> Description:
    """Return the description with these nodes, and no others, marked as those where something is wrong."""
    chosen = {ids} if isinstance(ids, str) else set(ids)
    known = {node.id for node in description.nodes}
    for id in chosen - known:
        raise ValueError(f"no node has the id '{plain_text(id)}'; {nearest(str(id), known)}")
    nodes = [node if node.marked == (node.id in chosen) else replace(node, marked=not node.marked) for node in description.nodes]
    return Description(nodes, description.edges, description.groups)


def _called(description: Description, name: str) -> set[str]:
    inside: set[str | None] = set()
    for group in description.groups:
        if group.parent in inside or matching(name, (group.id, group.name)):
            inside.add(group.id)
    found = {
        node.id
        for node in description.nodes
        if node.group in inside or matching(name, (node.id,) if node.name is None else (node.id, str(node.name)))
    }
    if not found:
        known = [text for node in description.nodes if node.role != "constant" for text in (node.name, node.id) if text is not None]
        raise ValueError(f"nothing in the graph is called '{plain_text(name)}'; {nearest(name, map(str, known))}")
    return found


def _reached(start: Iterable[str], following: dict[str, list[str]], steps: int = -1) -> set[str]:
    """Return what is reached from `start` in at most so many steps (-1: in any number)."""
    seen = set(start)
    front = list(seen)
    while front and steps:
        front = [after for one in front for after in following.get(one, ())]
        front = [one for one in dict.fromkeys(front) if one not in seen]
        seen.update(front)
        steps -= 1
    return seen
