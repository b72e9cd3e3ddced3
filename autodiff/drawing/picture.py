"""`draw`, and the `Drawing` that it returns: shown in notebooks, saved in the format of a file's suffix.

Knows the program `dot` and what to do without it. Knows nothing of how a graph becomes DOT.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..tensor import Tensor
from .describing import describe_graph
from .description import Description
from .dot import as_digraph
from .listing import as_text

if TYPE_CHECKING:
    from graphviz import Digraph

TEXT_SUFFIXES = (".dot", ".gv")
DOT_SUFFIXES = (".svg", ".png", ".pdf")
DEEPEST_TO_THE_RIGHT = 9  # nodes on the longest path; what is deeper is wider than a page
MOST_INLINE = 2000  # nodes; beyond that a notebook would wait, and the page with it
HOW_TO_GET_DOT = (
    "install Graphviz: Debian and Ubuntu `sudo apt install graphviz`, macOS `brew install graphviz`, Windows "
    "`winget install graphviz`, conda `conda install -c conda-forge graphviz`"
)


class DotNotFoundError(RuntimeError):
    """The program `dot`, which lays out pictures, is not there; the message says how to get it."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback: the one line that helps."""
        return [f"{type(self).__name__}: {self}"]


def draw(tensor: Tensor | Sequence[Tensor], direction: str | None = None) -> Drawing:
    """Return a drawing of the graph that a tensor was computed by.

    tensor     a tracked Tensor, or several
    direction  "right" or "down"; by default right for small graphs, down for deep ones and for models

    Variables, parameters, constants, operations and outputs are told apart by shape and colour, modules and compositions
    are frames. Values and gradients are shown where they are known: draw under `trace()` to know them all. It makes no
    difference whether backward() has been called. Raises RuntimeError for an untracked tensor.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> draw(x * x + 1)
    Drawing(4 nodes: 1 variable, 1 constant, 2 operations)
    """
    tensors: list[Any] = list(tensor) if isinstance(tensor, (list, tuple)) else [tensor]
    for one in tensors:
        if not isinstance(one, Tensor):
            raise TypeError(f"draw: expected a Tensor or several, got {type(one).__name__}")
        if one._node is None:
            called = f" '{one.name}'" if one.name else ""
            raise RuntimeError(
                f"draw: the tensor{called} is not tracked, so there is no graph. Make an input with requires_grad=True, and check "
                "that no no_grad(), detach() or numpy() lies between"
            )
    if not tensors:
        raise ValueError("draw: got no tensor")
    if direction not in (None, "right", "down"):
        raise ValueError(f"draw: direction is 'right' or 'down', got {direction!r}")
    return Drawing(describe_graph(tensors), direction)


class Drawing:
    """A picture of a graph, made by `draw`; it does not change when the graph does.

    description  the graph as plain data: nodes, edges and groups
    direction    "right" or "down"
    """

    def __init__(self, description: Description, direction: str | None = None):
        self.description = description
        modules = any(group.kind == "module" for group in description.groups)
        self.direction = direction or ("down" if modules or _depth(description) > DEEPEST_TO_THE_RIGHT else "right")

    @functools.cached_property
    def graphviz(self) -> Digraph:
        """The drawing as a `graphviz.Digraph`."""
        return as_digraph(self.description, self.direction)

    @property
    def source(self) -> str:
        """The drawing as text, in the language DOT.

        >>> x = Tensor(3.0, requires_grad=True, name="x")
        >>> "x -> exp" in draw(np.exp(x)).source
        True
        """
        return str(self.graphviz.source)

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the drawing to `path`, whose suffix says how; return the path.

        .dot, .gv          text that `dot` understands, and that can be drawn elsewhere
        .svg, .png, .pdf   a picture; it needs the program `dot`

        Raises ValueError for another suffix, and DotNotFoundError where `dot` is missing; no file is written then.
        """
        path = pathlib.Path(path)
        suffix = path.suffix.lower()
        if suffix in TEXT_SUFFIXES:
            path.write_text(self.source, encoding="utf-8")
        elif suffix in DOT_SUFFIXES:
            path.write_bytes(self._rendered(suffix[1:]))
        else:
            known = ", ".join(TEXT_SUFFIXES + DOT_SUFFIXES)
            raise ValueError(f"save: the suffix of the path says the format, one of {known}; got {str(path)!r}")
        return path

    def _rendered(self, format: str) -> bytes:
        import graphviz

        graph = self.graphviz.copy()
        if format == "png":
            graph.attr("graph", dpi="144")  # the usual 96 look coarse on today's screens
        missing = ""
        try:
            return bytes(graph.pipe(format=format, quiet=True))
        except graphviz.ExecutableNotFound:
            missing = f".{format} needs the program `dot`, which is not on the PATH; {HOW_TO_GET_DOT} (.dot and .gv do without)"
        except graphviz.CalledProcessError as error:
            message = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr or error)
            problem = f"dot could not draw the graph of {len(self.description.nodes)} nodes as {format}: {message.strip()}"
        if missing:  # raised out here, so that no other error stands before it
            raise DotNotFoundError(missing)
        raise RuntimeError(problem)

    @functools.cached_property
    def _svg(self) -> tuple[str | None, str]:
        if len(self.description.nodes) > MOST_INLINE:
            return None, f"more than {MOST_INLINE} nodes are not shown here; save them, drawing.save('graph.svg'), or draw a part"
        try:
            return self._rendered("svg").decode("utf-8"), ""
        except (RuntimeError, OSError) as error:
            return None, str(error)

    def _repr_svg_(self) -> str | None:
        return self._svg[0]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        svg, problem = self._svg
        if svg is not None:
            return {"image/svg+xml": svg, "text/plain": repr(self)}
        return {"text/plain": f"{self!r}\n{problem}\n\n{as_text(self.description)}"}

    def __repr__(self) -> str:
        counts = dict.fromkeys(("variable", "parameter", "constant", "operation", "part"), 0)
        for node in self.description.nodes:
            counts[node.role] += 1
        kinds = [f"{n} {role}{'s' if n > 1 else ''}" for role, n in counts.items() if n]
        n = len(self.description.nodes)
        return f"Drawing({n} node{'s' if n > 1 else ''}: {', '.join(kinds)})"


def _depth(description: Description) -> int:
    """Return the number of nodes on the longest path."""
    depth = {node.id: 1 for node in description.nodes}
    for edge in description.edges:  # in the order of their targets, each after its sources
        depth[edge.target] = max(depth[edge.target], depth[edge.source] + 1)
    return max(depth.values())
