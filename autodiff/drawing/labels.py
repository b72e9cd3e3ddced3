"""What is said of a node, of a group, of an edge and of a whole picture: as plain data, neutral of format.

Knows which facts a `Look` asks for, and how they are put into words, numbers and small pictures. Every text in a label is one line
of plain text: a renderer has to escape it, and nothing else. Knows nothing of where things lie.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..tracing import BINS, Statistics
from .description import (
    LEAVES,
    NOT_COMPUTED,
    NOT_IN_GRAD,
    NOT_KEPT,
    OTHER_PASS,
    PERHAPS,
    Description,
    DrawnEdge,
    DrawnGroup,
    DrawnNode,
)
from .look import COLORS, Look, Scale, amount_of, scale_of
from .naming import counted, number, plain_text, seconds_text, shape_text, size_text
from .told_apart import known_by_id, named_arguments, signs

SHORT_REASONS = {
    NOT_KEPT: "not kept", NOT_IN_GRAD: "not in .grad", OTHER_PASS: "not computed yet", PERHAPS: "not computed yet, or not kept",
}  # fmt: skip
MOST_ROWS, MOST_COLUMNS = 4, 5  # of an array shown in full
MOST_CELLS_DOWN, MOST_CELLS_ALONG = 16, 24  # of a heat map
SAID_OFTEN = 12  # a reason that is that of all gradients, and of more, stands in the caption alone
CODE_WIDTH, CODE_LINES = 44, 3  # of a derivative rule

# ----------------------------------------------------------------------------------------------- the dataclasses


@dataclass(frozen=True)
class Text:
    """Lines of text; `style` is "plain", "reason" (why something is missing: italic) or "code" (monospace)."""

    lines: tuple[str, ...]
    style: str = "plain"


@dataclass(frozen=True)
class Grid:
    """The numbers of a small array, as text, by row; to be aligned to the right. A vector is one row."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Histogram:
    """How often numbers occur: counts in equal bins from `low` to `high`, and a note beneath them."""

    counts: tuple[int, ...]
    low: str
    high: str
    note: str = ""


@dataclass(frozen=True)
class HeatMap:
    """An array as colours: each cell from −1 to 1, its number divided by the largest size; nan where that is not finite.

    `Palette.heat` gives the colour of a cell. Of arrays too large for it, a cell stands for several numbers, and is the one of
    largest size. `note` says from where to where the numbers go.
    """

    cells: tuple[tuple[float, ...], ...]
    note: str = ""


Content = Text | Grid | Histogram | HeatMap


@dataclass(frozen=True)
class Row:
    """One fact: its name on the left, its content on the right. Without a name the content has the whole width.

    kind  "value", "gradient" (these have inks of their own), "rule", "saved", "time", "source" or "scale" (what the colour means)
    """

    kind: str
    name: str
    content: Content


@dataclass(frozen=True)
class Label:
    """What is said of a node or group, from top to bottom; what is empty is left out.

    arguments  the names of an operation's arguments by position, where they cannot be exchanged: ports for the edges
    sign       how mathematics writes the operation, large: "×"; for one of several outputs which it is: "[0]"
    operation  the operation's name, small beneath its sign, or large where it has none; for a group its class
    settings   its arguments that are no arrays, very small beneath it: "axis=0"
    name       the name of the Tensor or module, bold
    about      role, shape and dtype, quiet beneath the name
    rows       the facts, as a table beneath that
    notes      quiet lines at the foot
    times      for a group that stands for several, how many: "×12"
    marked     whether something is wrong: show the sign ⚠ beside the name
    """

    name: str = ""
    sign: str = ""
    operation: str = ""
    settings: tuple[str, ...] = ()
    about: str = ""
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    arguments: dict[int, str] = field(default_factory=dict)
    times: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Context:
    """What is the same for the whole picture, and so is said once, or decides what need not be said.

    dtype      the dtype of everything but constants; None where they differ
    scalars    whether everything is a scalar
    named      for each operation whose arguments cannot be exchanged, by id: their names by position
    scale      what the colours stand for
    by_id      ids of parameters whose names say too little
    signs      for each operation that has one, by id: how mathematics writes it
    unsaid     why all gradients are missing, in a picture so large that it is said once, in the caption
    """

    dtype: str | None
    scalars: bool
    named: dict[str, dict[int, str]]
    scale: Scale | None = None
    by_id: frozenset[str] = frozenset()
    signs: dict[str, str] = field(default_factory=dict)
    unsaid: str = ""

    @classmethod
    def of(cls, description: Description, look: Look) -> Context:
        """Return the context of all labels of a picture."""
        values = [node for node in description.nodes if node.role != "constant" and node.shape is not None]
        dtypes = {node.dtype for node in values}
        return cls(
            dtypes.pop() if len(dtypes) == 1 else None,
            bool(values) and all(node.shape == () for node in values),
            named_arguments(description),
            scale_of(description, look),
            known_by_id(description),
            signs(description),
            _unsaid(description),
        )


def _unsaid(description: Description) -> str:
    missing = [node.no_gradient for node in description.nodes if node.gradient is None and node.no_gradient]
    known = any(node.gradient is not None for node in description.nodes)
    alike = not known and set(missing) in ({NOT_COMPUTED}, {NOT_KEPT}, {PERHAPS})
    return missing[0] if alike and len(missing) > SAID_OFTEN else ""


# ----------------------------------------------------------------------------------------------- nodes


def label_of(node: DrawnNode, look: Look, context: Context) -> Label:
    """Return what is said of a node."""
    rows = tuple(_rows(node, look, context))
    if node.role == "constant" and node.name is None and node.shape == () and isinstance(node.value, np.ndarray):
        return Label(rows=(Row("value", "", Text((number(node.value[()]),))),), marked=node.marked)
    name, about = name_of(node, context), _about(node, look, context)
    if node.role == "group":
        title = plain_text(node.operation or "")
        return Label(
            name, operation="" if title == name else title, about=about, rows=rows, notes=_inside(node), times=_times(node.times),
            marked=node.marked,
        )  # fmt: skip
    if node.role == "part":
        return Label(name, f"[{'?' if node.part is None else node.part}]", about=about, rows=rows, marked=node.marked)
    if node.role != "operation":
        return Label(name, about=about, rows=rows, marked=node.marked)
    return Label(
        name, plain_text(context.signs.get(node.id, "")), plain_text(node.operation or ""), _settings(node), about, rows,
        arguments=context.named.get(node.id, {}), marked=node.marked,
    )  # fmt: skip


def name_of(node: DrawnNode, context: Context) -> str:
    """Return the name of a node, "" where it has none; of parameters whose names say too little their ids."""
    return plain_text(node.id if node.id in context.by_id else node.name) if node.name else ""


def _about(node: DrawnNode, look: Look, context: Context) -> str:
    """Return role, shape and dtype, less what is the same everywhere and stands in the caption."""
    role = node.role if node.role in LEAVES else "output" if node.is_output else ""
    if "shapes" not in look.show:
        return role
    if node.shape is None:
        return role or ("several outputs" if node.role == "operation" else "")
    dtype = "" if node.dtype == context.dtype else plain_text(node.dtype or "")
    shape = "" if context.scalars and node.shape == () else str(node.shape) if node.shape else "scalar"
    return "  ".join(part for part in (role, shape, dtype) if part)


def _settings(node: DrawnNode) -> tuple[str, ...]:
    """Return the settings but those that the sign says already, and those that are off."""
    if node.operation == "power" and "e" not in node.settings.get("n", ""):
        return ()
    return tuple(plain_text(f"{key}={value}", 24) for key, value in node.settings.items() if value != "False")


def _inside(node: DrawnNode) -> tuple[str, ...]:
    counts = [counted(n, role) for role, n in node.inside.items() if n and role in ("operation", "parameter")]
    each = " each" if node.times > 1 and counts else ""
    return (", ".join(counts) + each,) if counts else ()


def _times(times: int) -> str:
    return f"×{times}" if times > 1 else ""


# ----------------------------------------------------------------------------------------------- rows


def _rows(node: DrawnNode, look: Look, context: Context) -> list[Row]:
    rows = []
    facts = [
        ("value", "value", node.value, node.no_value if "values" in look.show else ""),
        ("gradient", "grad", node.gradient, node.no_gradient if "gradients" in look.show else ""),
    ]
    if facts[1][3] and facts[1][3] == context.unsaid:
        del facts[1]
    elif facts[0][3] and facts[0][3] == facts[1][3]:  # what is missing for one reason shares a row
        facts = [("value", "value, grad", None, node.no_value)]
    for kind, name, array, reason in facts:
        if array is not None and f"{kind}s" in look.show:
            rows.append(Row(kind, name, _content(array, "thumbnails" in look.show)))
        elif reason:
            rows.append(Row(kind, name, Text((SHORT_REASONS.get(reason, plain_text(reason)),), "reason")))
    if "rules" in look.show:
        rows += [
            Row("rule", f"∂{plain_text(argument, 16)}" if argument else "rule", Text(code(rule), "code"))
            for argument, rule in node.rules.items()
        ]
    if node.saved_bytes is not None and ("saved" in look.show or look.color == "memory"):
        rows.append(Row("saved", "saved", Text((size_text(node.saved_bytes),))))
    if node.seconds is not None and ("time" in look.show or look.color == "time"):
        rows.append(Row("time", "time", Text((seconds_text(node.seconds),))))
    if context.scale is not None and look.color == "gradient":
        amount, scalar = amount_of(node, "gradient"), isinstance(node.gradient, np.ndarray) and not node.gradient.ndim
        if amount is not None and not (scalar and "gradients" in look.show):
            rows.append(Row("scale", "|grad|", Text((context.scale.text(amount),))))
    if "source" in look.show and node.source:
        rows.append(Row("source", "at", Text((_short(node.source),))))
    return rows


def code(source: str) -> tuple[str, ...]:
    """Return a derivative rule in a few short lines: of a lambda what it returns, of a function its body.

    >>> code("lambda g, x2: g * x2"), code("def rule(g, x):\\n    sign = x > 0\\n    return g * sign")
    (('g * x2',), ('sign = x > 0', 'return g * sign'))
    """
    body = re.sub(r"^(lambda\b[^:]*:\s*|def\b[^:]*\(.*?\)[^:\n]*:[ ]*\n)", "", textwrap.dedent(source).strip(), flags=re.DOTALL)
    body = textwrap.dedent(body)
    lines = []
    for line in body.splitlines():
        indent = " " * (len(line) - len(line.lstrip()))
        lines += textwrap.wrap(line, CODE_WIDTH, subsequent_indent=indent + "  ", break_on_hyphens=False) or [""]
    if len(lines) > CODE_LINES:
        lines[CODE_LINES - 1 :] = [lines[CODE_LINES - 1][: CODE_WIDTH - 2] + " …"]
    return tuple(plain_text(line, CODE_WIDTH) for line in lines)


def _short(source: str) -> str:
    return plain_text(source.replace("\\", "/").rsplit("/", 1)[-1])


def _content(array: np.ndarray | Statistics, thumbnails: bool) -> Content:
    """Return small arrays in full, larger ones as a small picture or as figures."""
    if isinstance(array, Statistics):
        if thumbnails and array.histogram:
            note = _not_finite(array.nans + array.infinities)
            return Histogram(array.histogram, number(array.min, 3), number(array.max, 3), note)
        return _figures(array.min, array.max, array.mean, array.nans + array.infinities)
    if array.ndim == 0:
        return Text((number(array[()]),))
    if not array.size:
        return Text(("empty",))
    rows = array.reshape((-1, array.shape[-1]))
    if array.ndim <= 2 and rows.shape[0] <= MOST_ROWS and rows.shape[1] <= MOST_COLUMNS:
        return Grid(tuple(tuple(number(v) for v in row) for row in rows))
    finite = array[np.isfinite(array)]
    finite = np.abs(finite) if array.dtype.kind == "c" else finite
    if not finite.size:
        return Text(("nothing finite",))
    not_finite = array.size - finite.size
    if thumbnails and array.ndim == 2 and array.dtype.kind != "c" and min(array.shape) > 1:
        return _heat_map(array, finite, not_finite)
    if thumbnails:
        return _histogram(finite, not_finite)
    with np.errstate(over="ignore"):
        mean = finite.mean(dtype=float)
    return _figures(finite.min(), finite.max(), mean, not_finite)


def _figures(low: Any, high: Any, mean: Any, not_finite: int) -> Text:
    text = f"{number(low, 3)} … {number(high, 3)}, mean {number(mean, 3)}"
    return Text((f"{text}, {_not_finite(not_finite)}" if not_finite else text,))


def _not_finite(count: int) -> str:
    return f"{count} not finite" if count else ""


def _histogram(finite: np.ndarray, not_finite: int) -> Histogram:
    low, high = float(finite.min()), float(finite.max())
    ends = number(low, 3), number(high, 3)
    width = high / BINS - low / BINS  # divided first: high - low may be more than there are numbers
    if not width > 0:
        return Histogram((0,) * (BINS // 2) + (finite.size,) + (0,) * (BINS - BINS // 2 - 1), *ends, _not_finite(not_finite))
    bins = (finite.astype(float).ravel() / width - low / width).astype(np.intp).clip(0, BINS - 1)
    return Histogram(tuple(np.bincount(bins, minlength=BINS).tolist()), *ends, _not_finite(not_finite))


def _heat_map(array: np.ndarray, finite: np.ndarray, not_finite: int) -> HeatMap:
    cells = array.astype(float)
    largest = float(np.abs(finite.astype(float)).max())
    if largest > 0:
        cells = cells / largest
    cells[~np.isfinite(cells)] = np.nan
    for axis, most in ((0, MOST_CELLS_DOWN), (1, MOST_CELLS_ALONG)):
        if cells.shape[axis] > most:
            starts = np.arange(most) * cells.shape[axis] // most
            low, high = np.minimum.reduceat(cells, starts, axis=axis), np.maximum.reduceat(cells, starts, axis=axis)
            cells = np.where(high + low >= 0, high, np.where(np.isnan(low), np.nan, low))
    note = f"{number(finite.min(), 3)} … {number(finite.max(), 3)}"
    rows = tuple(tuple(row) for row in cells.round(4).tolist())
    return HeatMap(rows, f"{note}, {_not_finite(not_finite)}" if not_finite else note)


# ----------------------------------------------------------------------------------------------- the rest


def group_label(group: DrawnGroup) -> Label:
    """Return what stands on the frame of a group: its name, its class, how many it stands for."""
    name, title = plain_text(group.name), plain_text(group.title)
    return Label(name, operation="" if title == name else title, times=_times(group.times))


def edge_label(edge: DrawnEdge, source: DrawnNode, look: Look) -> str:
    """Return what is written along an edge whose source is `source`: the shape of what flows there, where asked for."""
    if "edges" not in look.show or source.shape is None:
        return ""
    return str(source.shape) if source.shape else "scalar"


def tooltip(node: DrawnNode) -> str:
    """Return one line with what the label had no room for."""
    id, about = plain_text(node.id, 80), shape_text(node.shape, node.dtype)
    parts = [id if node.operation is None else f"{id}: {node.operation}", about]
    parts += [f"value {node.no_value}"] if node.no_value else []
    parts += [f"gradient {node.no_gradient}"] if node.no_gradient else []
    parts += [seconds_text(node.seconds)] if node.seconds is not None else []
    parts += [f"keeps {size_text(node.saved_bytes)}"] if node.saved_bytes else []
    parts += [_short(node.source)] if node.source else []
    return " · ".join(plain_text(part, 90) for part in parts if part)


def caption(description: Description, look: Look) -> tuple[str, ...]:
    """Return lines on what holds for all of the picture: the dtype, why something is missing, what the signs mean."""
    context = Context.of(description, look)
    reasons = set()
    for node in description.nodes:
        reasons |= {node.no_value} if "values" in look.show else set()
        reasons |= {node.no_gradient} if "gradients" in look.show else set()
    lines = []
    if context.dtype and "shapes" in look.show:
        other = any(n.role == "constant" and n.shape is not None and n.dtype != context.dtype for n in description.nodes)
        most = "values are" if other else "all values are"
        written = ", where nothing else is written" if other else ""
        lines.append(f"{most} {plain_text(context.dtype)}{' scalars' if context.scalars and not other else ''}{written}")
    if PERHAPS in reasons:
        lines.append(PERHAPS)
    if OTHER_PASS in reasons:
        lines.append(OTHER_PASS)
    if NOT_COMPUTED in reasons:
        lines.append("gradients not computed yet: call backward()")
    if NOT_KEPT in reasons:
        lines.append(NOT_KEPT)
    if NOT_IN_GRAD in reasons:
        lines.append(NOT_IN_GRAD)
    if look.color != "role" and context.scale is None:
        lines.append(f"no colours for the {COLORS[look.color]}: nothing is known of it")
    wrong = sum(node.marked for node in description.nodes)
    if wrong:
        lines.append("⚠ marks what is wrong")
    return tuple(lines)
