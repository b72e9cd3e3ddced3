"""Operations that move elements without changing them: linear, so the derivative of each is its adjoint."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from ..arguments import plain
from ..declaration import composition, operation
from ..recording import FUNCTIONS
from .elementwise import refuse_out
from .indexing import scatter_add


@operation(np.reshape, view=True)
def reshape(x: Any, shape: Any, order: str = "C") -> Any:
    """Return `x` in another shape of the same size; one entry may be -1. Elements are read and written in order "C" or "F"."""
    if order not in ("C", "F"):
        raise ValueError(f"order {order!r} would depend on how the memory is laid out; give 'C' or 'F'")
    return np.reshape(x, shape, order=order)  # type: ignore[call-overload]


reshape.rules(lambda g, x_shape, order: np.reshape(g, x_shape, order))


def ravel(x: Any, order: str = "C") -> Any:
    """Return `x` flattened to one axis."""
    return reshape(x, (-1,), order)


FUNCTIONS[np.ravel] = ravel


@operation(np.transpose, np.permute_dims, view=True)
def transpose(x: Any, axes: Any = None) -> Any:
    """Return `x` with its axes permuted, reversed where `axes` is None."""
    return np.transpose(x, axes)


transpose.rules(lambda g, axes: g.transpose() if axes is None else g.transpose(np.argsort([a % g.ndim for a in axes]).tolist()))


@operation(np.swapaxes, view=True)
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Return `x` with two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


swapaxes.rules(lambda g, axis1, axis2: g.swapaxes(axis1, axis2))


@operation(np.moveaxis, view=True)
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Return `x` with axes moved to other positions, the rest in their order."""
    return np.moveaxis(x, source, destination)


moveaxis.rules(lambda g, source, destination: np.moveaxis(g, destination, source))


@operation(np.expand_dims, view=True)
def expand_dims(x: Any, axis: Any) -> Any:
    """Return `x` with a new axis of length 1 at each position of `axis`."""
    return np.expand_dims(x, axis)


@operation(np.squeeze, view=True)
def squeeze(x: Any, axis: Any = None) -> Any:
    """Return `x` without axes of length 1 (all, or those of `axis`)."""
    return np.squeeze(x, axis)


expand_dims.rules(lambda g, x_shape: g.reshape(x_shape))
squeeze.rules(lambda g, x_shape: g.reshape(x_shape))


@operation(np.broadcast_to, view=True)
def broadcast_to(x: Any, shape: Any) -> Any:
    """Return `x` repeated, as a read-only view, to the larger `shape`."""
    return np.broadcast_to(x, shape)


@operation()
def sum_to(x: Any, shape: Any) -> Any:
    """Return `x` summed over the axes along which broadcasting from `shape` would repeat: the adjoint of `broadcast_to`."""
    lead = x.ndim - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and x.shape[lead + i] != 1))
    return np.add.reduce(x, axes).reshape(shape)


broadcast_to.rules(lambda g, x_shape: sum_to.either(g, x_shape))
sum_to.rules(lambda g, x_shape: np.broadcast_to(g.reshape((1,) * (len(x_shape) - g.ndim) + g.shape), x_shape))


# ------------------------------------------------------------------------------------------------ joining and splitting


@operation(np.concatenate, np.concat, sequence=True)
def concatenate(arrays: Any, axis: Any = 0, out: None = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return the arrays joined along an existing axis (flattened first where `axis` is None)."""
    refuse_out("concatenate", out)
    return np.concatenate(arrays, axis, dtype=dtype, casting=casting)  # type: ignore[call-overload]


def _pieces(g: Any, arrays_shape: Any, axis: Any) -> list[Any]:
    at = 0 if axis is None else axis % g.ndim
    pieces, start = [], 0
    for shape in arrays_shape:
        stop = start + (int(np.prod(shape)) if axis is None else shape[at])
        pieces.append(g[(slice(None),) * at + (slice(start, stop),)].reshape(shape))
        start = stop
    return pieces


concatenate.rules(_pieces)


@operation(np.stack, sequence=True)
def stack(arrays: Any, axis: int = 0, out: None = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Return the arrays, all of one shape, joined along a new axis."""
    refuse_out("stack", out)
    return np.stack(arrays, axis, dtype=dtype, casting=casting)  # type: ignore[call-overload]


stack.rules(lambda g, arrays_shape, axis: [g[(slice(None),) * (axis % g.ndim) + (i,)] for i in range(len(arrays_shape))])


@operation(np.array_split, name="split", view=True)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Return `x` cut along `axis` into so many nearly equal parts, or at the given indices."""
    np.lib.array_utils.normalize_axis_index(axis, x.ndim)  # raises the clearer error
    return tuple(np.array_split(x, indices_or_sections, axis))


def _joined(g: Any, x_shape: Any, indices_or_sections: Any, axis: int) -> Any:
    dtype = next(part.dtype for part in g if part is not None)
    cut = np.array_split(np.broadcast_to(np.zeros((), dtype), x_shape), indices_or_sections, axis)
    if sum(part.shape[axis] for part in cut) != x_shape[axis]:  # indices out of order: parts overlap
        places = np.array_split(np.arange(x_shape[axis]), indices_or_sections)
        before = (slice(None),) * (axis % len(x_shape))
        arrived = [(part, place) for part, place in zip(g, places, strict=True) if part is not None]
        return functools.reduce(operator.add, [scatter_add.either(part, (*before, place), x_shape) for part, place in arrived])
    # Parts that nothing depends on bring zeros, of the shape that the cut gave them.
    parts = [np.zeros(zeros.shape, dtype) if part is None else part for part, zeros in zip(g, cut, strict=True)]
    return np.concatenate(parts, axis)


array_split.rules(_joined)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Return `x` cut along `axis` into so many equal parts, or at the given indices, as a tuple.

    >>> a, b = split(Tensor([1.0, 2.0, 3.0, 4.0]), 2)
    >>> b
    Tensor([3., 4.], shape=(2,), dtype=float64)
    """
    shape = np.shape(plain(x))
    at = np.lib.array_utils.normalize_axis_index(axis, len(shape))
    if isinstance(indices_or_sections, (int, np.integer)) and indices_or_sections > 0 and shape[at] % indices_or_sections:
        raise ValueError(
            f"split: {indices_or_sections} equal parts cannot be cut from axis {axis} of length {shape[at]}; "
            "give indices, or use array_split"
        )
    return array_split(x, plain(indices_or_sections), axis)


FUNCTIONS[np.split] = split


@operation(*([np.unstack] if hasattr(np, "unstack") else []), view=True)  # NumPy has it since 2.1
def unstack(x: Any, axis: int = 0) -> Any:
    """Return the slices of `x` along `axis` as a tuple."""
    return tuple(np.moveaxis(x, axis, 0))


def _stacked(g: Any, axis: int) -> Any:
    like = next(part for part in g if part is not None)
    return np.stack([np.zeros_like(like) if part is None else part for part in g], axis)


unstack.rules(_stacked)


# ------------------------------------------------------------------------------------------------ repeating and padding


@operation(np.flip, view=True)
def flip(x: Any, axis: Any = None) -> Any:
    """Return `x` with the order of elements reversed along `axis` (all axes where None)."""
    return np.flip(x, axis)


flip.rules(lambda g, axis: np.flip(g, axis))


@operation(np.roll)
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Return `x` with elements shifted along `axis`; those that fall off the end come back at the start."""
    return np.roll(x, shift, axis)


roll.rules(lambda g, shift, axis: np.roll(g, np.negative(shift), axis))


@operation(np.pad)
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    """Return `x` with a border of constants; `pad_width` as in NumPy: an int, (before, after), or one pair for each axis."""
    if mode != "constant":
        raise NotImplementedError(f"pad: mode '{mode}' has no derivative here; mode 'constant' does")
    return np.pad(x, pad_width, constant_values=constant_values)


@operation(view=True)
def crop(x: Any, pad_width: Any) -> Any:
    """Return `x` without a border: the adjoint of `pad`."""
    widths = _pairs(pad_width, x.ndim)
    return x[tuple(slice(before, n - after) for (before, after), n in zip(widths, x.shape, strict=True))]


def _pairs(pad_width: Any, ndim: int) -> Any:
    if isinstance(pad_width, dict):
        return [_pair(pad_width.get(a, pad_width.get(a - ndim, 0))) for a in range(ndim)]
    return np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()


def _pair(width: Any) -> Any:
    return np.broadcast_to(np.asarray(width), (2,)).tolist()


pad.rules(lambda g, x_shape, pad_width: crop.either(g, pad_width))
crop.rules(lambda g, x_shape, pad_width: np.pad(g, _pairs(pad_width, g.ndim)))


@operation(np.tile)
def tile(x: Any, reps: Any) -> Any:
    """Return `x` repeated as a whole, `reps` times along each axis."""
    return np.tile(x, reps)


def _untile(g: Any, x_shape: Any, reps: Any) -> Any:
    reps = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    reps = (1,) * (g.ndim - len(reps)) + reps
    shape = (1,) * (g.ndim - len(x_shape)) + tuple(x_shape)
    split_axes = [n for pair in zip(reps, shape, strict=True) for n in pair]  # (r0, n0, r1, n1, ...)
    return g.reshape(split_axes).sum(axis=tuple(range(0, 2 * g.ndim, 2))).reshape(x_shape)


tile.rules(_untile)


@operation(np.repeat)
def repeat(x: Any, repeats: Any, axis: Any = None) -> Any:
    """Return `x` with each element repeated so many times along `axis` (of the flattened array where None)."""
    return np.repeat(x, repeats, axis)


def _unrepeat(g: Any, x_shape: Any, repeats: Any, axis: Any) -> Any:
    flat = axis is None
    at = 0 if flat else axis % len(x_shape)
    n = int(np.prod(x_shape)) if flat else x_shape[at]
    if np.ndim(repeats) == 0:
        shape = (n, int(repeats)) if flat else (*x_shape[:at], n, int(repeats), *x_shape[at + 1 :])
        return g.reshape(shape).sum(axis=at + 1).reshape(x_shape)
    source = np.repeat(np.arange(n), repeats)  # which element each copy came from
    index = (slice(None),) * at + (source,)
    shape = (n,) if flat else tuple(x_shape)
    return scatter_add.either(g, index, shape).reshape(x_shape)


repeat.rules(_unrepeat)


@composition(np.vstack)
def vstack(arrays: Any) -> Any:
    """Return the arrays joined along the first axis, 1-d ones as rows."""
    return concatenate([reshape(a, (1, -1)) if np.ndim(plain(a)) < 2 else a for a in arrays], 0)


@composition(np.hstack)
def hstack(arrays: Any) -> Any:
    """Return the arrays joined along the second axis, 1-d ones along the first."""
    arrays = [reshape(a, (1,)) if np.ndim(plain(a)) == 0 else a for a in arrays]
    return concatenate(arrays, 0 if np.ndim(plain(arrays[0])) == 1 else 1)
