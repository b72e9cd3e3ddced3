"""`draw`, and the `Drawing` that it returns: shown in notebooks, saved in the format of a file's suffix.

Knows the formats and the options. Knows nothing of how a graph becomes any of them.
"""

from __future__ import annotations

import functools
import html
import importlib
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..arguments import hinted
from ..tensor import Tensor
from .describing import described
from .description import Description, DrawnGroup
from .dot import as_digraph
from .example import run_example
from .folding import folded
from .interchange import as_json
from .layout import HOW_TO_GET, engines, render
from .listing import as_text
from .look import Look
from .mermaid import as_mermaid
from .naming import counted
from .page.page import as_page
from .recorded import tracked
from .scene import direction_of
from .selecting import gradient_paths, leading_from
from .shaping import MOST_NODES, advice, collapsed, fitting
from .svg import as_svg

if TYPE_CHECKING:
    from graphviz import Digraph

MOST_INLINE = 2000  # nodes; beyond that a notebook would wait, and the page with it
MOST_BY_GRAPHVIZ = 1000  # nodes of an .svg; Graphviz's time depends on the graph, the library's own layout keeps to a budget
MOST_DRAWN = 5000  # nodes; Graphviz takes minutes beyond, and makes pictures that nothing opens


class DotNotFoundError(RuntimeError):
    """The program `dot`, which lays out pictures, is not there; the message says how to get it."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows instead of a traceback: the one line that helps."""
        return [f"{type(self).__name__}: {self}"]


ELSEWHERE = {
    "rankdir": "write direction='right' or direction='down'",
    "params": "names come from the tensors and modules themselves; wrt= draws only what leads from some of them",
    "show_shapes": "shapes are shown; show= chooses what nodes tell",
    "show_layer_names": "names are shown; show= chooses what nodes tell",
    "show_attrs": "show='+saved' shows what is kept for the backward pass",
    "show_saved": "show='+saved' shows what is kept for the backward pass",
    "to_file": "save the result: draw(...).save('graph.svg')",
    "format": "the suffix says it: draw(...).save('graph.svg')",
    "filename": "save the result: draw(...).save('graph.svg')",
    "dpi": "save a picture without pixels: draw(...).save('graph.svg')",
    "expand_nested": "write depth=9, or how many levels shall be open",
    "input_size": "give an example: draw(model, np.zeros(shape, np.float32))",
    "input_shape": "give an example: draw(model, np.zeros(shape, np.float32))",
    "input_data": "the example follows the model: draw(model, x)",
    "x": "the example follows the model: draw(model, x)",
    "args": "the example follows the model: draw(model, x)",
    "loss": "draw the loss itself, draw(loss), or draw(lambda x: loss_of(model(x), y), x)",
}  # what other libraries call it


@hinted(ELSEWHERE)
def draw(
    target: Any,
    *inputs: Any,
    direction: str | None = None,
    depth: int | None = None,
    collapse: Callable[[DrawnGroup], bool] | str | Iterable[str] | None = None,
    fold: bool = False,
    expand: bool | str | Iterable[str] = (),
    wrt: Any = None,
    gradient_paths: bool = False,
    backward: bool = False,
    show: str | Iterable[str] | None = None,
    color: str = "role",
    theme: str = "light",
) -> Drawing:
    """Return a drawing of the graph that a tensor was computed by, or of what a model does with an example.

    target          a tracked Tensor, or several; or a model or another function, then followed by its `inputs` (those that go by
                    keyword are bound to it beforehand: `functools.partial(model, mask=mask)`)
    direction       "right" or "down"; by default right for small graphs, down for deep ones and for models
    depth           how many levels of groups (module calls and compositions) are open; by default as many as make a page
    collapse        groups to show as one node: names, ids, classes or patterns such as "layers.*", or a function of a group
    fold            show groups that repeat one another in a row as one, with how often
    expand          names of fused operations to show as the operations of their references; True for all
    wrt             parameters or other tensors, or their names: only what lies between them and the output
    gradient_paths  leave out what no gradient flows through
    backward        show gradients of a backward pass of its own, from the sum of what is drawn; it touches no `.grad` and consumes
                    no graph
    show            what nodes tell: "values", "gradients", "shapes" (these three by default), "edges" (shapes along edges), "rules"
                    (derivatives as written in the source), "saved" (memory kept for the backward pass), "time", "source",
                    "thumbnails"; a text of words or a list, "+time" adds to the default
    color           what colour stands for: "role", "gradient", "memory" or "time"
    theme           "light" or "dark"

    A model is called as it stands (training or not) under `trace()`, and left as it was, also where a function calls it that is
    given here; the inputs of functions are tracked.
    Variables, parameters, constants, operations and outputs are told apart by shape and colour, modules and compositions are
    frames. Values and gradients are shown where they are known, else why they are not: record under `trace()` to know them all,
    before backward() and after it. Raises RuntimeError for an untracked tensor.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> draw(x * x + 1)
    Drawing(4 nodes: 1 variable, 1 constant, 2 operations)
    """
    look = Look.of(show, color, theme)
    if direction not in (None, "right", "down"):
        meant = {"LR": "right", "TB": "down", "TD": "down"}.get(str(direction).upper())
        hint = f" ({direction} is '{meant}' here)" if meant else ""
        raise ValueError(f"draw: direction is 'right' or 'down', got {direction!r}{hint}")
    given: Any = None
    if callable(target) and not isinstance(target, Tensor):
        tensors, given = run_example(target, inputs)
    elif inputs:
        raise TypeError(
            f"draw: expected one Tensor or a list of them (a model or a function may be followed by its inputs), got "
            f"{type(target).__name__} followed by {len(inputs)} more"
        )
    else:
        parts = target.values() if isinstance(target, Mapping) else target
        tensors = list(parts) if isinstance(target, (list, tuple, Mapping)) else [target]
    _check(tensors)
    description, ids = described(tensors, backward, expand, given or ())
    del given  # held until here: what is known of an input is known through it
    if wrt is not None:
        description = leading_from(description, _names(wrt, ids))
    if gradient_paths:
        description = _gradient_paths(description)
    if fold:
        description = folded(description)
    return Drawing(description, direction, look, collapse, depth)


_gradient_paths = gradient_paths


def _check(tensors: list[Any]) -> None:
    for one in tensors:
        tracked(one, "draw", "a Tensor or several, or a model and its inputs")
    if not tensors:
        raise ValueError("draw: got no tensor")


class Drawing:
    """A picture of a graph, made by `draw`; it does not change when the graph does.

    description  the graph as plain data: nodes, edges and groups
    shown        the same with the groups closed that are drawn as one node
    direction    "right" or "down"
    look         what nodes tell, what colours stand for, light or dark
    """

    def __init__(
        self,
        description: Description,
        direction: str | None = None,
        look: Look | None = None,
        collapse: Callable[[DrawnGroup], bool] | str | Iterable[str] | None = None,
        depth: int | None = None,
    ):
        self.description = description
        chosen = collapse is not None or depth is not None
        self.shown = collapsed(description, collapse, depth) if chosen else fitting(description)
        self.look = look or Look()
        self.direction = direction or direction_of(self.shown)

    @functools.cached_property
    def graphviz(self) -> Digraph:
        """The drawing as a `graphviz.Digraph`."""
        return as_digraph(self.shown, self.direction, self.look)

    @property
    def source(self) -> str:
        """The drawing as text, in the language DOT.

        >>> x = Tensor(3.0, requires_grad=True, name="x")
        >>> "x -> exp" in draw(np.exp(x)).source
        True
        """
        return str(self.graphviz.source)

    @property
    def mermaid(self) -> str:
        """The drawing as text, in the language Mermaid, which GitHub and many editors draw.

        >>> x = Tensor(3.0, requires_grad=True, name="x")
        >>> draw(np.exp(x)).mermaid.splitlines()[0]
        'flowchart LR'
        """
        return as_mermaid(self.shown, self.direction)

    def json(self) -> str:
        """Return the whole description, with all groups, as JSON."""
        return as_json(self.description)

    def svg(self) -> str:
        """Return the picture as SVG, laid out by Graphviz where it is installed; elsewhere, and if large, by the own layout."""
        return self._rendered("svg").decode("utf-8")

    def html(self) -> str:
        """Return a page that can be walked through, in one file that needs no network."""
        return as_page(self.description, self.look, self._title, direction=self.direction)

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the drawing to `path`, whose suffix says how; return the path.

        .html        a page to walk through: groups that open, values, gradients, forward and backward step by step
        .svg         a picture; without Graphviz it is laid out by the library's own, simpler layout
        .png, .pdf   a picture; these need Graphviz
        .dot, .gv    text that `dot` understands, and that can be drawn elsewhere
        .mmd         text that Mermaid understands
        .json        the description, with all groups, as plain data
        .txt         a tree of text

        Raises ValueError for another suffix, and DotNotFoundError for .png and .pdf where Graphviz is missing; then no file is
        written.
        """
        path = pathlib.Path(path)
        suffix = path.suffix.lower()
        if suffix in PICTURES:
            path.write_bytes(self._rendered(suffix[1:]))
        elif suffix in TEXTS:
            path.write_text(TEXTS[suffix](self), encoding="utf-8")
        else:
            known = ", ".join((*TEXTS, *PICTURES))
            raise ValueError(f"save: the suffix of the path says the format, one of {known}; got {str(path)!r}")
        return path

    def show(self) -> pathlib.Path | None:
        """Open the page: below the cell of a notebook, elsewhere in the browser; return the file that is opened there."""
        import sys
        import tempfile

        if "ipykernel" in sys.modules:
            display: Any = importlib.import_module("IPython.display")
            page = html.escape(self.html(), quote=True)
            frame = f'<iframe srcdoc="{page}" title="graph" width="100%" height="620" style="border:0"></iframe>'
            display.display(display.HTML(frame))
            return None
        import webbrowser

        path = self.save(pathlib.Path(tempfile.mkdtemp(prefix="autodiff-")) / "graph.html")
        webbrowser.open(path.as_uri())
        return path

    @property
    def _title(self) -> str:
        """The name of the model, where all outputs come from one; else that of an output."""
        outputs = [node for node in self.description.nodes if node.is_output]
        if all(node.name is None and node.group is not None for node in outputs):
            outermost = [group for group in self.description.groups if group.parent is None]
            if len(outermost) == 1:
                return outermost[0].name
        return next((node.id for node in outputs), "graph")

    def _rendered(self, format: str) -> bytes:
        count = len(self.shown.nodes)
        if count > MOST_DRAWN:
            what_to_do = advice(self.description, MOST_DRAWN)
            raise ValueError(f"a picture of {count} nodes is too large to be laid out or read. {what_to_do}")
        if engines()[0] == "own" or (format == "svg" and count > MOST_BY_GRAPHVIZ):
            if format == "svg":
                return as_svg(self.shown, self.look, self.direction).encode("utf-8")
            ways = f"{HOW_TO_GET['dot']}. Or {HOW_TO_GET['pygraphviz']}"
            raise DotNotFoundError(f".{format} needs Graphviz: {ways}. .svg and .html do without")
        graph = self.graphviz.copy()
        if format == "png":
            # The usual 96 look coarse on today's screens; but a picture of many nodes has more pixels than a screen.
            graph.attr("graph", dpi="144" if count <= 150 else "96" if count <= 400 else "60")
        try:
            found = render(str(graph.source), format)
        except RuntimeError as error:
            smaller = advice(self.description) if count > MOST_NODES else ""
            texts = ", ".join(suffix for suffix in TEXTS if suffix != ".html")
            problem = " ".join(filter(None, (f"{error} (a graph of {count:,} nodes).", smaller, f"{texts} need no layout")))
        else:
            assert found is not None
            return found
        raise RuntimeError(problem)  # out here, so that no other error stands before it

    @functools.cached_property
    def _svg(self) -> tuple[str | None, str]:
        if len(self.shown.nodes) > MOST_INLINE:
            return None, f"more than {MOST_INLINE} nodes are not shown here; save them, drawing.save('graph.svg'), or draw a part"
        try:
            return self.svg(), ""
        except (RuntimeError, OSError) as error:
            return None, str(error)

    def _repr_svg_(self) -> str | None:
        return self._svg[0]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        svg, problem = self._svg
        if svg is not None:
            return {"image/svg+xml": svg, "text/plain": repr(self)}
        return {"text/plain": f"{self!r}\n{problem}\n\n{self}"}

    def __getattr__(self, name: str) -> Any:
        hint = {
            "view": "drawing.show()", "render": "drawing.save('graph.svg')", "savefig": "drawing.save('graph.svg')",
            "write": "drawing.save('graph.svg')", "pipe": "drawing.svg()", "format": "the suffix in drawing.save('graph.svg')",
        }.get(name)  # fmt: skip
        raise AttributeError(f"a Drawing has no attribute {name!r}" + (f"; here it is {hint}" if hint else ""))

    def __str__(self) -> str:
        return as_text(self.shown, whole=self.description, show=self.look.show)

    def __repr__(self) -> str:
        counts = dict.fromkeys(("variable", "parameter", "constant", "operation", "part"), 0)
        for node in self.description.nodes:
            counts[node.role] += 1
        kinds = [counted(n, role) for role, n in counts.items() if n]
        return f"Drawing({counted(len(self.description.nodes), 'node')}: {', '.join(kinds)})"


TEXTS: dict[str, Callable[[Drawing], str]] = {
    ".html": Drawing.html,
    ".dot": lambda drawing: drawing.source,
    ".gv": lambda drawing: drawing.source,
    ".mmd": lambda drawing: drawing.mermaid,
    ".json": Drawing.json,
    ".txt": lambda drawing: as_text(drawing.shown, None, whole=drawing.description, show=drawing.look.show) + "\n",
}
PICTURES = (".svg", ".png", ".pdf")


def _names(wrt: Any, ids: Mapping[Any, str]) -> list[str]:
    """Return the ids of tensors, and names as they are."""
    names = []
    for one in wrt if isinstance(wrt, (list, tuple, set)) else [wrt]:
        if not isinstance(one, (str, Tensor)):
            raise TypeError(f"draw: wrt is a tensor, a name, or several; got {type(one).__name__}")
        if isinstance(one, Tensor) and one._node not in ids:
            called = f" '{one.name}'" if one.name else ""
            raise ValueError(f"draw: the tensor{called} given as wrt is not part of this graph, or not tracked")
        names.append(one if isinstance(one, str) else ids[one._node])
    return names
