"""Descriptions as JSON, for other programs: written field by field, and read back with every field checked.

The schema stands in graph.schema.json beside this file; docs/graph_format.md explains it. What is read is data and never
code. Knows nothing of how a description comes about.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, NamedTuple

import numpy as np

from ..tracing import Statistics
from .description import Description, DrawnEdge, DrawnGroup, DrawnNode
from .naming import plain_text

FORMAT = "autodiff-graph"
VERSION = 1
ROLES = ("parameter", "variable", "constant", "operation", "part", "group")
KINDS = ("module", "composition", "fused")
# Of the dtypes that a machine need not have, numbers are written as text, since a JSON number would lose digits.
LONG = ("float96", "float128", "complex192", "complex256")
DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64", "complex64",
    "complex128", *LONG,
)  # fmt: skip
MOST_AXES = 64
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_SAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def as_dict(description: Description) -> dict[str, Any]:
    """Return the description as lists, dicts, texts, numbers, booleans and None alone; see docs/graph_format.md.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor([1.0, np.inf], requires_grad=True, name="x")
    >>> as_dict(describe_graph([x]))["nodes"][0]["value"]
    {'kind': 'array', 'dtype': 'float64', 'shape': [2], 'data': [1.0, 'inf']}
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "nodes": [_written(node, _NODE) for node in description.nodes],
        "edges": [_written(edge, _EDGE) for edge in description.edges],
        "groups": [_written(group, _GROUP) for group in description.groups],
    }


def as_json(description: Description, indent: int | None = None) -> str:
    """Return the description as JSON in ASCII, without ``<``, ``>`` and ``&``, so that it can stand inside a page."""
    text = json.dumps(as_dict(description), allow_nan=False, indent=indent, separators=None if indent else (",", ":"))
    return text.translate(_SAFE)  # these signs occur in texts only


def from_json(source: str | dict[str, Any]) -> Description:
    """Return the description that `as_json` or `as_dict` wrote.

    Everything is checked: types, dtypes and shapes of arrays, ids that must exist and be unique, nodes that come after what they
    are computed from, groups after those that they lie in. Raises ValueError that names the place and what is wrong with it.

    >>> from autodiff.drawing import describe_graph
    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> [node.id for node in from_json(as_json(describe_graph([x * x]))).nodes]
    ['x', 'multiply']
    """
    data = _loaded(source) if isinstance(source, (str, bytes)) else source
    if not isinstance(data, dict):
        raise ValueError(f"a graph is a JSON object with nodes, edges and groups, got {_kind(data)}")
    if data.get("format") != FORMAT:
        raise ValueError(f"format: expected '{FORMAT}', got {_shown(data.get('format'))}; is this the file of a graph?")
    version = data.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(f"version: this library reads version {VERSION}, got {_shown(version)}")
    for name in data:
        if name not in ("format", "version", "nodes", "edges", "groups"):
            raise ValueError(f"there is no field {_shown(name)} in a graph")
    nodes = _read_list(data, "nodes", DrawnNode, _NODE)
    edges = _read_list(data, "edges", DrawnEdge, _EDGE)
    groups = _read_list(data, "groups", DrawnGroup, _GROUP)
    _check(nodes, edges, groups)
    return Description(nodes, edges, groups)


# ------------------------------------------------------------------------------------------- kinds of fields


class _Wrong(Exception):
    """What was expected of a field, and what came."""


class _Kind(NamedTuple):
    """How a field is written, and how it is read; reading raises _Wrong."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"expected a text, got {_kind(value)}")
    return value


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"expected true or false, got {_kind(value)}")
    return value


def _whole(least: int) -> _Kind:
    def read(value: Any) -> int:
        if type(value) is not int or value < least:
            raise _Wrong(f"expected a whole number, {least} or more, got {_shown(value)}")
        return value

    return _Kind(int, read)


def _one_of(allowed: tuple[str, ...]) -> _Kind:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise _Wrong(f"expected one of {', '.join(allowed)}, got {_shown(value)}")
        return value

    return _Kind(str, read)


def _or_none(kind: _Kind) -> _Kind:
    def write(value: Any) -> Any:
        return None if value is None else kind.write(value)

    def read(value: Any) -> Any:
        return None if value is None else kind.read(value)

    return _Kind(write, read)


def _table(kind: _Kind) -> _Kind:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Wrong(f"expected an object, got {_kind(value)}")
        return {_read_text(name): kind.read(inner) for name, inner in value.items()}

    return _Kind(lambda value: {str(name): kind.write(inner) for name, inner in value.items()}, read)


def _write_number(value: Any) -> float | str:
    value = float(value)
    return value if math.isfinite(value) else "nan" if value != value else "inf" if value > 0 else "-inf"


def _read_number(value: Any) -> float:
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Wrong(f"expected a number, 'nan', 'inf' or '-inf', got {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):  # Python's reader takes 1e999 and a bare NaN, which are no numbers in JSON
        raise _Wrong("expected a finite number, 'nan', 'inf' or '-inf'")
    return number


def _read_shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value) or len(value) > MOST_AXES:
        raise _Wrong(f"expected a list of whole numbers, one for each axis, got {_shown(value)}")
    return tuple(value)


def _read_counts(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(n) is int and n >= 0 for n in value):
        raise _Wrong(f"expected a list of whole numbers, got {_shown(value)}")
    return tuple(value)


# ------------------------------------------------------------------------------------------- arrays and statistics


def _write_array(value: np.ndarray | Statistics) -> dict[str, Any] | None:
    if isinstance(value, Statistics):
        figures = {name: _write_number(getattr(value, name)) for name in ("min", "max", "mean", "std")}
        counts = {"nans": int(value.nans), "infinities": int(value.infinities), "histogram": [int(n) for n in value.histogram]}
        return {"kind": "statistics", "dtype": str(value.dtype), "shape": [int(n) for n in value.shape], **figures, **counts}
    value = np.asarray(value)
    dtype = str(value.dtype.newbyteorder("="))
    if dtype not in DTYPES:
        return None
    data: Any
    if dtype not in LONG and value.dtype.kind in "biuf" and np.isfinite(value).all():
        data = value.tolist()
    else:
        write = _write_long if dtype in LONG else _write_number
        flat: list[Any] = []
        for one in value.ravel():
            flat.append({"re": write(one.real), "im": write(one.imag)} if value.dtype.kind == "c" else write(one))
        data = _nested(flat, value.shape)
    return {"kind": "array", "dtype": dtype, "shape": list(value.shape), "data": data}


def _write_long(value: Any) -> str:
    text = np.format_float_scientific(value, unique=True)
    return text if math.isfinite(value) else str(_write_number(value))


def _nested(flat: list[Any], shape: tuple[int, ...]) -> Any:
    if 0 in shape:
        return np.empty(shape).tolist()
    for n in shape[:0:-1]:
        flat = [flat[i : i + n] for i in range(0, len(flat), n)]
    return flat if shape else flat[0]


def _read_array(value: Any) -> np.ndarray | Statistics:
    if not isinstance(value, dict):
        raise _Wrong(f"expected an array or statistics, got {_kind(value)}")
    kind = value.get("kind")
    table = {"array": _ARRAY, "statistics": _STATISTICS}.get(kind) if isinstance(kind, str) else None
    if table is None:
        raise _Wrong(f"expected the kind 'array' or 'statistics', got {_shown(kind)}")
    read: dict[str, Any] = {}
    for name, field in table.items():
        if name not in value:
            raise _Wrong(f"the field '{name}' is missing")
        try:
            read[name] = field.read(value[name])
        except _Wrong as wrong:
            raise _Wrong(f"in '{name}': {wrong}") from None
    for name in value:
        if name not in table and name != "kind":
            raise _Wrong(f"there is no field {_shown(name)} in {kind}")
    return Statistics(**read) if kind == "statistics" else _array(read["dtype"], read["shape"], read["data"])


def _array(dtype: str, shape: tuple[int, ...], data: Any) -> np.ndarray:
    flat = [data]
    for axis, n in enumerate(shape):
        for inner in flat:
            if not isinstance(inner, list) or len(inner) != n:
                raise _Wrong(f"the data do not have the shape {list(shape)} (on axis {axis})")
        flat = [one for inner in flat for one in inner]
    try:
        exact = np.dtype(dtype)
    except TypeError:
        raise _Wrong(f"this machine has no dtype {dtype}") from None
    read: Callable[[Any], Any]
    if exact.kind in "biu":
        wanted = bool if exact.kind == "b" else int
        if any(type(one) is not wanted for one in flat):
            raise _Wrong(f"expected {dtype}, got {_shown(next(one for one in flat if type(one) is not wanted))}")
    else:
        read = (lambda one: _read_long(one, exact)) if dtype in LONG else _read_number
        flat = [_read_complex(one, read) for one in flat] if exact.kind == "c" else [read(one) for one in flat]
    try:
        with np.errstate(over="raise"):
            return np.array(flat, dtype=exact).reshape(shape)
    except (OverflowError, FloatingPointError, ValueError):
        raise _Wrong(f"the data do not fit into {dtype} of shape {list(shape)}") from None


def _read_long(value: Any, dtype: np.dtype[Any]) -> Any:
    if not isinstance(value, str) or len(value) > 60:
        raise _Wrong(f"expected a number as a text, got {_shown(value)}")
    try:
        return np.zeros(0, dtype).real.dtype.type(value)
    except ValueError:
        raise _Wrong(f"expected a number as a text, got {_shown(value)}") from None


def _read_complex(value: Any, read: Callable[[Any], Any]) -> Any:
    if not isinstance(value, dict) or set(value) != {"re", "im"}:
        raise _Wrong(f"expected a complex number as an object of 're' and 'im', got {_shown(value)}")
    made = np.empty((), np.result_type(type(read(value["re"])), np.complex128))
    made.real, made.imag = read(value["re"]), read(value["im"])  # a sum would lose the sign of a zero
    return made[()]


# ------------------------------------------------------------------------------------------- the fields

_TEXT = _Kind(str, _read_text)
_FLAG = _Kind(bool, _read_flag)
_COUNT, _TIMES = _whole(0), _whole(1)
_NUMBER = _Kind(_write_number, _read_number)
_SHAPE = _Kind(lambda value: [int(n) for n in value], _read_shape)
_VALUE = _or_none(_Kind(_write_array, _read_array))

_ARRAY = {"dtype": _one_of(DTYPES), "shape": _SHAPE, "data": _Kind(lambda value: value, lambda value: value)}
_STATISTICS = {
    "dtype": _TEXT, "shape": _SHAPE, "min": _NUMBER, "max": _NUMBER, "mean": _NUMBER, "std": _NUMBER, "nans": _COUNT,
    "infinities": _COUNT, "histogram": _Kind(lambda value: [int(n) for n in value], _read_counts),
}  # fmt: skip
_NODE = {
    "id": _TEXT, "role": _one_of(ROLES), "is_output": _FLAG, "name": _or_none(_TEXT), "operation": _or_none(_TEXT),
    "settings": _table(_TEXT), "part": _or_none(_COUNT), "shape": _or_none(_SHAPE), "dtype": _or_none(_TEXT), "value": _VALUE,
    "no_value": _TEXT, "gradient": _VALUE, "no_gradient": _TEXT, "group": _or_none(_TEXT), "module": _TEXT,
    "seconds": _or_none(_NUMBER), "source": _TEXT, "saved_bytes": _or_none(_COUNT), "rules": _table(_TEXT), "written_at": _TEXT,
    "reference": _TEXT, "inside": _table(_COUNT), "times": _TIMES, "marked": _FLAG,
}  # fmt: skip
_EDGE = {
    "source": _TEXT, "target": _TEXT, "argument": _TEXT, "position": _COUNT, "gradient": _VALUE, "no_gradient": _TEXT,
    "local": _VALUE,
}  # fmt: skip
_GROUP = {
    "id": _TEXT, "name": _TEXT, "title": _TEXT, "kind": _one_of(KINDS), "parent": _or_none(_TEXT), "times": _TIMES,
}  # fmt: skip


def _written(thing: Any, table: dict[str, _Kind]) -> dict[str, Any]:
    made = {name: kind.write(getattr(thing, name)) for name, kind in table.items()}
    for name in ("value", "gradient"):
        if f"no_{name}" in made and made[name] is None and getattr(thing, name) is not None:
            made[f"no_{name}"] = f"JSON has no numbers of dtype {getattr(thing, name).dtype}"
    return made


# ------------------------------------------------------------------------------------------- reading


def _loaded(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        problem = "it is nested too deeply"
    except ValueError as error:  # of the text, or of what it encodes
        problem = str(error)
    raise ValueError(f"this is not JSON that can be read: {problem}")


def _read_list(data: dict[str, Any], what: str, made: Any, table: dict[str, _Kind]) -> list[Any]:
    entries = data.get(what)
    if not isinstance(entries, list):
        raise ValueError(f"{what}: expected a list, got {_kind(entries)}")
    required = [field.name for field in fields(made) if field.default is MISSING and field.default_factory is MISSING]
    found = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise ValueError(f"{what}[{i}]: expected an object, got {_kind(entry)}")
        for name in required:
            if name not in entry:
                raise ValueError(f"{what}[{i}]: the field '{name}' is missing")
        read = {}
        for name, value in entry.items():
            if name not in table:
                raise ValueError(f"{what}[{i}]: there is no field {_shown(name)}")
            try:
                read[name] = table[name].read(value)
            except _Wrong as wrong:
                raise ValueError(f"{what}[{i}].{name}: {wrong}") from None
        found.append(made(**read))
    return found


def _check(nodes: list[DrawnNode], edges: list[DrawnEdge], groups: list[DrawnGroup]) -> None:
    """Raise ValueError where parts do not fit together."""
    known: set[str | None] = {None}
    for i, group in enumerate(groups):
        if group.id in known:
            raise ValueError(f"groups[{i}].id: {_shown(group.id)} is there twice")
        if group.parent not in known:
            raise ValueError(f"groups[{i}].parent: there is no group {_shown(group.parent)} before it")
        known.add(group.id)
    place: dict[str, int] = {}
    for i, node in enumerate(nodes):
        if node.id in place:
            raise ValueError(f"nodes[{i}].id: {_shown(node.id)} is there twice")
        if node.group not in known:
            raise ValueError(f"nodes[{i}].group: there is no group {_shown(node.group)}")
        place[node.id] = i
    for i, edge in enumerate(edges):
        for end in ("source", "target"):
            if getattr(edge, end) not in place:
                raise ValueError(f"edges[{i}].{end}: there is no node {_shown(getattr(edge, end))}")
        if place[edge.source] >= place[edge.target]:
            raise ValueError(
                f"edges[{i}]: the node {_shown(edge.target)} must come after {_shown(edge.source)}, which it is computed from"
            )


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "nothing (null)"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{plain_text(value)}'"
    short = value is None or isinstance(value, (bool, float)) or (type(value) is int and abs(value) < 10**18)
    return str(value) if short else _kind(value)
