"""What is said of the operation that went wrong: the error of `detect_anomaly`, and the picture of where it stands.

Knows how to put it into words. How the operation was found is in anomaly.py.
"""

from __future__ import annotations

import linecache
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import Leaf, Node, Variable, listening, notes_of, wrap
from .recording import Operation, new_node
from .tracing import Statistics, Trace, summed_up

if TYPE_CHECKING:
    from .drawing import Drawing

STEPS = 3  # how far around an operation its picture goes

# By operation, and by operation with "'" for its derivative.
CURES = {
    "log": "log is -inf at 0 and nan below: keep its argument positive, np.log(np.maximum(x, 1e-12)), or use a loss of logits",
    "log2": "log2 is -inf at 0 and nan below: keep its argument positive, np.log2(np.maximum(x, 1e-12))",
    "log10": "log10 is -inf at 0 and nan below: keep its argument positive, np.log10(np.maximum(x, 1e-12))",
    "log1p": "log1p is -inf at -1 and nan below: keep its argument above that",
    "exp": "exp overflows above 88 in float32 and above 709 in float64: take the maximum away first, or use logsumexp or softmax",
    "expm1": "expm1 overflows above 88 in float32 and above 709 in float64",
    "sqrt": "the square root of a negative number is nan: np.sqrt(np.maximum(x, 0)), or mask first: np.sqrt(np.where(x > 0, x, 1))",
    "divide": "a divisor is 0: add a small number to it, or choose with np.where before dividing",
    "reciprocal": "a number is 0: add a small number to it, or choose with np.where before",
    "power_constant": "a negative power of 0 is inf, a root of a negative number nan, and large powers overflow",
    "power": "a negative power of 0 is inf, a root of a negative number nan, and large powers overflow",
    "sqrt'": "the slope of the square root at 0 is infinite: np.sqrt(x + 1e-12), or choose with np.where before the root",
    "log'": "the slope of log at 0 is infinite: keep its argument away from 0",
    "arcsin'": "the slope of arcsin at -1 and 1 is infinite: keep its argument inside",
    "arccos'": "the slope of arccos at -1 and 1 is infinite: keep its argument inside",
    "power_constant'": "the slope of a power below 1 is infinite at 0: keep the base away from 0",
    "divide'": "a divisor is 0, or so small that its square is 0",
}
MASKED = 'an infinity that np.where masks out afterwards does no harm here: detect_anomaly(check="nan") ignores it'
NO_LINE = "not known, as it was called outside the block: record it under trace() to know the line"


class AnomalyError(FloatingPointError):
    """An operation made nan or infinity, in its forward or its backward pass: what `detect_anomaly` raises.

    summary    what happened, in a sentence
    operation  the operation's name
    phase      "forward" or "backward"
    argument   backward: the argument whose gradient it is. Forward: the one that nan came in with; None where it was made here
    rule       backward: the rule as it is written in the source, "" where it is not known
    module     path of the innermost module whose call it belongs to, "" outside of all
    source     "file:line" in your code where the operation was called, "" where it is not known
    inputs     `Statistics` of what went in, by the names of the arguments; backward: of the incoming gradient g and of what the
               rule had kept
    output     `Statistics` of what came out
    node       the node of the graph; None where nothing was recorded
    picture    path of the picture that was written, else None
    """

    def __init__(
        self,
        summary: str = "",
        operation: str = "",
        phase: str = "forward",
        argument: str | None = None,
        rule: str = "",
        source: str = "",
        inputs: Mapping[str, Statistics] | None = None,
        output: Statistics | None = None,
        node: Node | None = None,
        names: Mapping[str, str] | None = None,
    ):
        super().__init__(summary)
        self.summary, self.operation, self.phase, self.argument, self.rule = summary, operation, phase, argument, rule
        self.source, self.output, self.node = source, output, node
        self.inputs = dict(inputs or {})
        self.module = self.title = ""
        self.picture: pathlib.Path | None = None
        self._names = dict(names or {})
        self._lacks_line = phase == "backward" and not source and node is not None and node.operation is not None
        self._trouble = ""
        self._draw: Callable[[], Drawing] | None = None

    def stands_in(self, path: str, title: str) -> None:
        """Say which module it happened in: path and class."""
        if not self.module:
            self.module, self.title = path, title

    def summed_up(self) -> str:
        """Return what happened and where in one line."""
        where = [f"in module '{self.module}'"] if self.module else []
        where += [f"at {self.source}"] if self.source else []
        return self.summary + (f" ({', '.join(where)})" if where else "")

    def can_be_drawn(self, draw: Callable[[], Drawing] | None, picture: Any) -> None:
        """Say how its drawing is made; where `picture` is a path, save it there. No failure to do so hides the error."""
        self._draw = draw
        if draw is not None and picture is not None:
            self.picture, self._trouble = saved_to(picture, draw)

    @property
    def drawing(self) -> Drawing:
        """The neighbourhood of the operation, which is marked, as a `Drawing`."""
        if self._draw is None:
            raise RuntimeError("there is nothing to draw: the graph of this error is not there any more")
        return self._draw()

    def __str__(self) -> str:
        rows = [("line", in_words(self.source) if self.source else NO_LINE)] if self.source or self._lacks_line else []
        if self.module:
            rows.append(("module", self.module + (f" ({self.title})" if self.title not in ("", self.module) else "")))
        if self.rule:
            rows.append(("rule", self.rule))
        for name, statistics in self.inputs.items():
            called = self._names.get(name)
            rows.append((self._described(name), f"{f'{called!r}, ' if called else ''}{statistics_in_words(statistics)}"))
        if self.output is not None:
            rows.append(("result", statistics_in_words(self.output)))
        cures = [CURES.get(self.operation + ("'" if self.phase == "backward" else ""))]
        if self.phase == "forward" and self.output is not None and self.output.infinities and not self.output.nans:
            cures.append(MASKED)
        if any(cures) and (self.argument is None or self.phase == "backward"):
            rows.append(("cure", "\n".join(filter(None, cures))))
        if self.picture is not None:
            rows.append(("picture", str(self.picture)))
        elif self._trouble:
            rows.append(("picture", self._trouble))
        width = max((len(name) for name, _ in rows), default=0)
        indent = "\n" + " " * (width + 4)
        return "\n".join([self.summary, *(f"  {name:<{width}}  {indent.join(text.splitlines())}" for name, text in rows)])

    def _described(self, name: str) -> str:
        """Return what an input is: an argument by its name in the operation's signature, which may be that of another Tensor."""
        if self.phase == "forward":
            return f"argument {name}"
        known = {"y": "output y", "before": "sum before", "added": "added to it"}
        return f"gradient {name}" if name == "g" or name.startswith("g[") else known.get(name) or f"argument {name}"

    def __reduce__(self) -> Any:  # a graph and its picture stay in the process that they belong to
        return _restored, (self.summary, {**self.__dict__, "node": None, "_draw": None})


def _restored(summary: str, state: dict[str, Any]) -> AnomalyError:
    error = AnomalyError(summary)
    error.__dict__.update(state)
    return error


def in_words(source: str) -> str:
    """Return "file:line: text of that line"."""
    path, _, line = source.rpartition(":")
    text = linecache.getline(path, int(line)).strip() if line.isdigit() else ""
    return f"{source}: {text}" if text else source


def statistics_in_words(of: Statistics) -> str:
    """Return shape, dtype, range, and how much is not finite."""
    size = int(np.prod(of.shape))
    parts = [f"{of.shape} {of.dtype}"]
    if size > of.nans + of.infinities:
        sizes = "sizes " if of.dtype.startswith("complex") else ""
        alone = "" if size == 1 else "all "
        parts.append(f"{alone}{of.min:.4g}" if of.min == of.max else f"{sizes}from {of.min:.4g} to {of.max:.4g}")
    parts += [f"{count:,} {what}" for count, what in ((of.nans, "nan"), (of.infinities, "infinite")) if count]
    return ", ".join(parts)


# ------------------------------------------------------------------------------------------------ the picture


def picture_of(node: Node, g: Any = None, handed_on: tuple[int, Any] | None = None) -> Drawing:
    """Return the drawing of what is around `node`, which is marked.

    g          the gradient that had arrived at it
    handed_on  what it handed on, and to the argument in which position
    """
    from .drawing.describing import describe_graph
    from .drawing.description import NOT_KEPT
    from .drawing.picture import Drawing
    from .drawing.selecting import marked, neighbourhood

    with listening(None), np.errstate(all="ignore"):  # drawing computes too, and is not to be watched
        description = describe_graph([wrap(np.empty(node.shape or (), node.dtype), node)])
        bad = next(drawn for drawn in reversed(description.nodes) if drawn.is_output)
        if node.shape is not None:  # what was wrapped above is no value
            value = _value_of(node)
            bad.value, bad.no_value = (None, NOT_KEPT) if value is None else (summed_up(value), "")
        if g is not None and not isinstance(g, list):
            bad.gradient, bad.no_gradient = summed_up(g), ""
        elif node.shape is None:
            bad.no_gradient = ""
        for edge in description.edges:
            if handed_on is not None and (edge.target, edge.position) == (bad.id, handed_on[0]):
                edge.gradient, edge.no_gradient = summed_up(handed_on[1]), ""
        return Drawing(marked(neighbourhood(description, bad.id, STEPS), bad.id))


def _value_of(node: Node) -> Any:
    """Return what is still known of a node's value, else None."""
    from .drawing.evidence import known_of, record_of

    if isinstance(node, Leaf):
        tensor = node.tensor()
        return None if tensor is None else tensor._data
    record = record_of(node)
    return known_of(node).y if record is None else record.value


def standing_in(operation: Operation, y: Any, inputs: Any, node: Node | None = None) -> Node:
    """Return a node that says what went into `operation`, and came out unless `y` is None; for one that was not recorded."""
    if node is None:
        parents = tuple(value._node if isinstance(value, Variable) else None for value in inputs)
        saved: Any = ((), ()) if operation.reference is not None else None if operation.sequence else (None,) * len(operation.picks)
        if not operation.sequence and operation.reference is None:
            parents = parents[: len(operation.picks)]
        single = y is not None and not isinstance(y, (tuple, list))
        array = np.asarray(y) if single else None
        node = new_node(operation, parents, saved, None if array is None else array.shape, None if array is None else array.dtype)
    made = Trace().record(node, () if y is None else y, inputs, 0.0)
    made.foreign = []
    notes_of(node).record = made
    return node


def saved_to(path: Any, draw: Callable[[], Drawing]) -> tuple[pathlib.Path | None, str]:
    """Write the drawing to `path`; return where it is, or None and why it is not."""
    try:
        return draw().save(path), ""
    except Exception as problem:
        said = str(problem).splitlines()
        return None, f"none: {said[0] if said else type(problem).__name__}"


