"""Samples of the operations that move elements, read them and write them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import autodiff as ad

from ..samples import Draw, Sample, row


@row("reshape", ad.reshape, np.reshape, method="reshape")
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 6), (3, 4))
    yield Sample(draw.normal(2, 6), -1)
    yield Sample(draw.normal(2, 6), (2, -1, 3), order="F")
    yield Sample(draw.normal(1), ())
    yield Sample(draw.normal(), (1, 1))
    yield Sample(draw.normal(0, 3), (3, 0, 2))


@row("ravel", ad.ravel, np.ravel, method="ravel", flatten=ad.Tensor.flatten)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3))
    yield Sample(draw.normal(2, 3), order="F")
    yield Sample(draw.normal())


@row("transpose", ad.transpose, np.transpose, method="transpose", permute_dims=np.permute_dims)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3, 4))
    yield Sample(draw.normal(2, 3, 4), (1, -1, 0))
    yield Sample(draw.normal(3))
    yield Sample(draw.normal())
    yield Sample(draw.normal(0, 2))


@row("swapaxes", ad.swapaxes, np.swapaxes, method="swapaxes")
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3, 4), 0, -1)
    yield Sample(draw.normal(2, 3), 1, 1)


@row("moveaxis", ad.moveaxis, np.moveaxis)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3, 4), 0, -1)
    yield Sample(draw.normal(2, 3, 4), (0, -1), (1, 0))


@row("expand_dims", ad.expand_dims, np.expand_dims)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), 0)
    yield Sample(draw.normal(2, 3), (0, -1))
    yield Sample(draw.normal(), 0)


@row("squeeze", ad.squeeze, np.squeeze, method="squeeze")
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(1, 3, 1))
    yield Sample(draw.normal(1, 3, 1), -1)
    yield Sample(draw.normal(1, 3, 1), axis=(0, 2))
    yield Sample(draw.normal(1, 1))


@row("broadcast_to", ad.broadcast_to, np.broadcast_to)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3), (2, 3))
    yield Sample(draw.normal(2, 1, 3), (4, 2, 5, 3))
    yield Sample(draw.normal(), (2, 2))
    yield Sample(draw.normal(1), 3)
    yield Sample(draw.normal(1, 3), (0, 3))
    yield Sample(draw.normal(2, 3), (2, 3))


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    lead = x.ndim - len(shape)
    x = np.add.reduce(x, tuple(range(lead)))
    return np.add.reduce(x, tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


@row("sum_to", ad.sum_to, _sum_to, dtypes=("float64", "float32"))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), (3,))
    yield Sample(draw.normal(4, 2, 5, 3), (2, 1, 3))
    yield Sample(draw.normal(2, 2), ())
    yield Sample(draw.normal(0, 3), (1, 3))
    yield Sample(draw.normal(2, 3), (2, 3))


def _joined(name: str) -> dict[str, Any]:
    """Return the three functions of a row whose operation takes a sequence: the arrays become arguments."""
    ours, numpys = getattr(ad, name), getattr(np, name)
    return {
        "call": lambda *arrays, **k: ours(list(arrays), **k),
        "reference": lambda *arrays, **k: numpys(arrays, **k),
        "through_numpy": lambda *arrays, **k: numpys(list(arrays), **k),
        "tuple": lambda *arrays, **k: ours(arrays, **k),
        "generator": lambda *arrays, **k: ours((a for a in arrays), **k),
    }


@row("concatenate", **_joined("concatenate"), concat=lambda *arrays, **k: np.concat(arrays, **k))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), draw.normal(1, 3))
    yield Sample(draw.normal(2, 3), draw.normal(2, 1), draw.normal(2, 0), axis=-1)
    yield Sample(draw.normal(2, 3), draw.normal(4), axis=None)
    yield Sample(draw.normal(2), np.array([1, 2]))
    yield Sample(draw.normal(3))
    yield Sample(draw.normal(2), draw.complex(2))


@row("stack", **_joined("stack"))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), draw.normal(2, 3))
    yield Sample(draw.normal(2, 3), draw.normal(2, 3), draw.normal(2, 3), axis=-1)
    yield Sample(draw.normal(), draw.normal())
    yield Sample(draw.normal(0), np.zeros(0), axis=1)


@row("vstack", **_joined("vstack"))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3), draw.normal(2, 3))
    yield Sample(draw.normal(), draw.normal())
    yield Sample(draw.normal(1, 2, 2), draw.normal(3, 2, 2))


@row("hstack", **_joined("hstack"))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3), draw.normal(2))
    yield Sample(draw.normal(), draw.normal(2))
    yield Sample(draw.normal(2, 1), draw.normal(2, 3))


@row("split", ad.array_split, np.array_split)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(7), 3)
    yield Sample(draw.normal(2, 5), [1, 3], -1)
    yield Sample(draw.normal(5, 2), [-2], axis=0)
    yield Sample(draw.normal(4), [2, 9])
    yield Sample(draw.normal(5), [3, 1])  # out of order: the parts overlap
    yield Sample(draw.normal(0, 2), 2)


@row("split_equally", ad.split, np.split)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(6, 2), 3)
    yield Sample(draw.normal(2, 6), (2, 3), axis=1)


def _unstack(x: Any, axis: int = 0) -> Any:
    return tuple(np.moveaxis(x, axis, 0))


@row(
    "unstack",
    ad.unstack,
    _unstack,
    **({"through_numpy": lambda x, axis=0: np.unstack(x, axis=axis)} if hasattr(np, "unstack") else {}),
)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3))
    yield Sample(draw.normal(2, 3, 2), axis=-2)


@row("flip", ad.flip, np.flip)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3))
    yield Sample(draw.normal(2, 3), -1)
    yield Sample(draw.normal(2, 3, 2), axis=(0, 2))
    yield Sample(draw.normal())


@row("roll", ad.roll, np.roll)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), 2)
    yield Sample(draw.normal(2, 3), -1, -1)
    yield Sample(draw.normal(2, 3, 4), (1, 2), axis=(0, -1))
    yield Sample(draw.normal(2, 3), [1, 2], axis=[0, 1])
    yield Sample(draw.normal(2, 3), (1, 1), axis=1)
    yield Sample(draw.normal(0), 1)


@row("pad", ad.pad, np.pad)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), 1)
    yield Sample(draw.normal(2, 3), (1, 2))
    yield Sample(draw.normal(2, 3), ((0, 1), (2, 0)), constant_values=2)
    yield Sample(draw.normal(2, 3), ((1,), (2,)), mode="constant")
    yield Sample(draw.normal(0), 2)


@row("crop", ad.crop, lambda x, w: x[tuple(slice(a, n - b) for (a, b), n in zip(w, x.shape, strict=True))])
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(5, 4), ((1, 2), (0, 1)))
    yield Sample(draw.normal(4), ((2, 2),))


@row("tile", ad.tile, np.tile)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), 2)
    yield Sample(draw.normal(3), (2, 1, 2))
    yield Sample(draw.normal(2, 1, 3), (3, 2))
    yield Sample(draw.normal(3), np.array([2, 2]))
    yield Sample(draw.normal(), 3)
    yield Sample(draw.normal(2), 0)


@row("repeat", ad.repeat, np.repeat, method="repeat")
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), 2)
    yield Sample(draw.normal(2, 3), 3, axis=-1)
    yield Sample(draw.normal(2, 3), [1, 2], axis=0)
    yield Sample(draw.normal(3), np.array([0, 2, 1]))
    yield Sample(draw.normal(3), [2])
    yield Sample(draw.normal(2), 0)
    yield Sample(draw.normal(), 2)


# ------------------------------------------------------------------------------------------------ reading and writing

INDICES: tuple[Any, ...] = (
    0, -1, slice(None), slice(None, None, -2), Ellipsis, None, (0, 1), (slice(1), -1), (Ellipsis, 0), (None, slice(None), 1),
    np.array([2, 0, 2]), np.array([[0, 1], [-1, -1]]), (np.array([0, 1, 1]), np.array([1, 2, 2])), (slice(None), np.array([1, 1])),
    (np.array([0, 0]), slice(0, 2), np.array([1, 1])), (np.array([[0], [1]]), np.array([1, 3])), np.array(1), ([0, 0], slice(None)),
    np.array([], dtype=int), np.array([True, False, True]), (slice(None), np.array([True, False, True, True])),
    (np.array([True, False, True]), 0), (np.array([True, True, False]), np.array([1, 1])), True, False, np.zeros((3, 4), bool),
    (np.arange(70).reshape(7, 10) % 3,),
)  # fmt: skip
SMALL_INTEGERS = (np.arange(200, dtype=np.uint8), np.arange(-100, 0, dtype=np.int8))  # which cannot hold the length, 300


@row("getitem", ad.getitem, lambda x, index: x[index], brackets=lambda x, index: x[index])
def _(draw: Draw) -> Iterator[Sample]:
    for index in INDICES:
        yield Sample(draw.normal(3, 4, 2), index)
    for index in SMALL_INTEGERS:
        yield Sample(draw.normal(300, 2), index)
    yield Sample(draw.normal(), ())
    yield Sample(draw.normal(0, 2), slice(0, 3))


def _scatter_add(x: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


@row("scatter_add", ad.scatter_add, _scatter_add, dtypes=("float64", "float32", "int64"))
def _(draw: Draw) -> Iterator[Sample]:
    for index in INDICES:
        yield Sample(draw.normal(*np.zeros((3, 4, 2))[index].shape), index, (3, 4, 2))


def _setitem(x: np.ndarray, value: Any, index: Any) -> np.ndarray:
    out = np.array(x)
    out[index] = value
    return out


def _assigned(x: Any, value: Any, index: Any) -> Any:
    out = x.clone()
    out[index] = value
    return out


@row("setitem", lambda x, value, index: ad.setitem(x, index, value), _setitem, item_assignment=_assigned)
def _(draw: Draw) -> Iterator[Sample]:
    for index in INDICES:
        yield Sample(draw.normal(3, 4, 2), draw.normal(*np.zeros((3, 4, 2))[index].shape), index=index)
    yield Sample(draw.normal(3, 4), draw.normal(4), index=slice(1, 3))  # the value is broadcast
    yield Sample(draw.normal(3, 4), draw.normal(), index=(slice(None), 1))
    yield Sample(draw.normal(3, 4), 2.5, index=0)
    yield Sample(draw.normal(0, 4), draw.normal(0), index=(slice(None), np.array([1, 1])[:0]))


@row("take", ad.take, np.take, method="take")
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3, 4), np.array([1, 1, 11]))
    yield Sample(draw.normal(3, 4), [[0, -1], [1, 1]], axis=1)
    yield Sample(draw.normal(3, 4), 2, axis=-2)
    yield Sample(draw.normal(3, 4), np.array([5, -7]), axis=0, mode="wrap")
    yield Sample(draw.normal(3, 4), np.array([5, -7]), axis=0, mode="clip")
    yield Sample(draw.normal(3, 4), np.array([], dtype=int), axis=0)
    for indices in SMALL_INTEGERS:
        for mode in ("wrap", "clip"):
            yield Sample(draw.normal(300), indices, mode=mode)
    yield Sample(draw.normal(), 0)


@row("take_along_axis", ad.take_along_axis, np.take_along_axis)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3, 4), np.array([[1, 1], [0, 3], [-1, 2]]), axis=1)
    yield Sample(draw.normal(3, 4), np.array([[2, 0, 1, 1]]), axis=-2)
    yield Sample(draw.normal(1, 4), np.array([[2, 0], [1, 1]]), axis=1)
    yield Sample(draw.normal(3, 1), np.array([[0, 2]]), axis=0)
    yield Sample(draw.normal(2, 2), np.array([3, 0, 0]), axis=None)


@row("sort", ad.sort, np.sort)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.apart(5))
    yield Sample(draw.apart(2, 3, 2), axis=1)
    yield Sample(draw.apart(2, 3), -2)
    yield Sample(draw.apart(2, 3), axis=None)
    yield Sample(draw.apart(2, 3), kind="stable")
    yield Sample(draw.apart(2, 0))
