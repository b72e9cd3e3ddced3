"""Reading and writing parts of an array, and sorting, which is reading in another order."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import plain
from ..chain_rule import add_to, fitted, own_buffer
from ..declaration import operation, untracked
from ..graph import Node
from .elementwise import refuse_out


def is_basic(index: Any) -> bool:
    """Return whether NumPy reads this index as a view: integers, slices, newaxis and ellipsis only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(_is_basic_part(part) for part in parts)


def _is_basic_part(part: Any) -> bool:
    return part is None or part is Ellipsis or (isinstance(part, (slice, int, np.integer)) and not isinstance(part, bool))


def _names_once(index: Any) -> bool:
    """Return whether an index can name no element twice: a basic one, or one with masks only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(_is_basic_part(part) or np.asarray(part).dtype == np.bool_ for part in parts)


def add_at(buffer: np.ndarray, index: Any, g: Any) -> None:
    """Add `g` to `buffer` at `index`, as often as an element is named there."""
    if _names_once(index):
        buffer[index] += g
    else:
        _add_repeated(buffer, index, g)


def _add_repeated(buffer: np.ndarray, index: Any, g: Any) -> None:
    rows = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(rows, np.ndarray) and rows.dtype.kind in "iu" and rows.size > 64 and buffer.ndim > 1:
        rows = rows.astype(np.intp)  # a small integer type may not hold the length
        rows = np.where(rows < 0, rows + len(buffer), rows).ravel()
        g = np.broadcast_to(g, (*np.shape(index if not isinstance(index, tuple) else index[0]), *buffer.shape[1:]))
        _add_rows(buffer, rows, g.reshape(len(rows), *buffer.shape[1:]))
    else:
        np.add.at(buffer, index, g)


def _add_rows(buffer: np.ndarray, rows: np.ndarray, g: np.ndarray) -> None:
    """Add each row of `g` to the row of `buffer` that `rows` names for it; several times faster than np.add.at."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(starts, append=len(rows))
    often = lengths > 16
    for start, length in zip(starts[often].tolist(), lengths[often].tolist()):
        buffer[ordered[start]] += g.take(order[start : start + length], 0).sum(axis=0)
    starts, lengths = starts[~often], lengths[~often]
    turn = 0
    while len(starts):  # the first gradient of every row, the second of those that have two, and so on: no row twice in a turn
        buffer[ordered[starts]] += g.take(order[starts + turn], 0)
        turn += 1
        more = lengths > turn
        starts, lengths = starts[more], lengths[more]


@operation(view=True)
def getitem(x: Any, index: Any) -> Any:
    """Return `x[index]`, with any index that NumPy takes."""
    return x[index]


@operation()
def scatter_add(x: Any, index: Any, shape: Any) -> Any:
    """Return zeros of `shape` with `x` added at `index`, as often as an element is named: the adjoint of `getitem`."""
    out = np.zeros(shape, x.dtype)
    add_at(out, index, x)
    return out


getitem.rules(lambda g, index, x_shape: scatter_add.either(g, index, x_shape))
scatter_add.rules(lambda g, index: g[index])


def _add_into_buffer(node: Node, g: Any, pending: Any, owned: Any, needed: Any, create_graph: bool) -> bool:
    # All parts read from one array add into one buffer: reading it row by row costs one gradient array, not one a row.
    parent = node.parents[0]
    if create_graph or parent is None or g.dtype != parent.dtype:
        return False
    if needed is None or parent in needed:
        add_at(own_buffer(pending, owned, parent), node.saved[0][0], g)
    return True


getitem.operation.set_special(_add_into_buffer)


@operation()
def setitem(x: Any, index: Any, value: Any) -> Any:
    """Return a copy of `x` with `value` written at `index`."""
    out = np.array(x)
    out[index] = value
    return out


setitem.rules(lambda g, index: setitem.either(g, index, 0), None, lambda g, index: _read_written(g, index))


def _read_written(g: Any, index: Any) -> Any:
    # Where an index names an element more than once, NumPy keeps one write: only that one has a gradient.
    part = g[index]
    if _names_once(index):
        return part
    positions = np.arange(g.size).reshape(g.shape)[index]
    last = np.empty(g.size, dtype=np.intp)
    order = np.arange(positions.size).reshape(positions.shape)
    last[positions] = order
    return part * (last[positions] == order)


def _write_into_buffer(node: Node, g: Any, pending: Any, owned: Any, needed: Any, create_graph: bool) -> bool:
    # The cotangent is handed from write to write in one buffer, each zeroing its part: many writes stay linear.
    base, _, value = node.parents
    if create_graph:
        return False
    index = node.saved[0] if base is not None else node.saved[2]
    if value is not None and (needed is None or value in needed):
        part = fitted(np.array(_read_written(g, index)), value, node)
        add_to(pending, owned, value, part)
    if base is not None and (needed is None or base in needed):
        buffer = g if node in owned else np.array(g)
        buffer[index] = 0
        if base in pending:
            own_buffer(pending, owned, base)
            pending[base] += buffer
        else:
            pending[base] = fitted(buffer, base, node)
            owned.add(base)
    return True


setitem.operation.set_special(_write_into_buffer)


@operation(np.take)
def take(x: Any, indices: Any, axis: Any = None, out: None = None, mode: str = "raise") -> Any:
    """Return the elements of `x` at `indices` along `axis` (of the flattened array where None)."""
    refuse_out("take", out)
    return np.take(x, indices, axis, mode=mode)  # type: ignore[call-overload]


def _untake(g: Any, x_shape: Any, indices: Any, axis: Any, mode: str) -> Any:
    flat = (int(np.prod(x_shape)),) if axis is None else tuple(x_shape)
    at = 0 if axis is None else axis % len(x_shape)
    indices = np.asarray(indices, dtype=np.intp)  # a small integer type may not hold the length
    if mode == "wrap":
        indices = indices % flat[at]
    elif mode == "clip":
        indices = np.clip(indices, 0, flat[at] - 1)
    return scatter_add.either(g, (slice(None),) * at + (indices,), flat).reshape(x_shape)


take.rules(_untake)


def _along(indices: Any, axis: int) -> tuple[Any, ...]:
    """Return the index that reads `indices` along `axis` and every other axis in step."""
    shape = indices.shape
    return tuple(
        indices if a == axis else np.arange(n).reshape((1,) * a + (n,) + (1,) * (len(shape) - a - 1)) for a, n in enumerate(shape)
    )


@operation(np.take_along_axis)
def take_along_axis(x: Any, indices: Any, axis: Any = -1) -> Any:
    """Return the elements of `x` that `indices`, of as many axes, names along `axis`."""
    return np.take_along_axis(x, indices, axis)


def _untake_along_axis(g: Any, x_shape: Any, indices: Any, axis: Any) -> Any:
    if axis is None:
        return scatter_add.either(g, (indices,), (int(np.prod(x_shape)),)).reshape(x_shape)
    at = axis % len(x_shape)
    # Axes besides `axis` may broadcast: those of x of length 1 are read at 0 throughout.
    full = np.broadcast_to(indices, tuple(g.shape))
    index = tuple(
        part if a == at or x_shape[a] != 1 else np.zeros((1,) * g.ndim, np.intp) for a, part in enumerate(_along(full, at))
    )
    return scatter_add.either(g, index, x_shape)


take_along_axis.rules(_untake_along_axis)


@operation(np.sort)
def sort(x: Any, axis: Any = -1, kind: Any = None, order: None = None, stable: Any = None) -> Any:
    """Return `x` in ascending order along `axis` (flattened first where None)."""
    if order is not None:
        raise TypeError("sort: order= is for structured arrays, which have no derivative")
    return np.sort(x, axis, kind=kind, stable=stable)


def _unsort(g: Any, x: Any, axis: Any) -> Any:
    order = np.argsort(plain(x), axis=axis, kind="stable")
    return _untake_along_axis(g, x.shape, order, axis)


sort.rules(_unsort)

argsort = untracked(np.argsort)
untracked(np.searchsorted, np.nonzero, np.flatnonzero, np.argwhere, np.lexsort, np.argpartition, np.digitize)
