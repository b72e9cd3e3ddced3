"""Samples of reductions and scans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import autodiff as ad

from ..samples import Draw, Sample, row

AXES: tuple[dict[str, Any], ...] = (
    {}, {"axis": 0}, {"axis": -1}, {"axis": (0, -1)}, {"axis": ()}, {"axis": 1, "keepdims": True}, {"keepdims": True},
    {"axis": (2, 0), "keepdims": True},
)  # fmt: skip


def along_axes(draw: Draw, numbers: Any) -> Iterator[Sample]:
    for keywords in AXES:
        yield Sample(numbers(draw, 2, 3, 2), **keywords)
    yield Sample(numbers(draw))
    yield Sample(numbers(draw, 1), axis=0)
    yield Sample(numbers(draw, 2, 3), -1)


@row("sum", ad.sum, np.sum, method="sum", reduce=lambda x, axis=None, **k: np.add.reduce(x, axis, **k))
def _(draw: Draw) -> Iterator[Sample]:
    yield from along_axes(draw, Draw.normal)
    yield Sample(draw.normal(0, 3))
    yield Sample(draw.normal(0, 3), axis=0)
    yield Sample(draw.normal(3, 0), axis=1, keepdims=True)
    yield Sample(draw.complex(2, 3), axis=0)


@row("mean", ad.mean, np.mean, method="mean")
def _(draw: Draw) -> Iterator[Sample]:
    yield from along_axes(draw, Draw.normal)
    yield Sample(draw.normal(0, 3), axis=1)
    yield Sample(draw.complex(2, 3), axis=0)


def moments(draw: Draw) -> Iterator[Sample]:
    yield from along_axes(draw, Draw.normal)
    yield Sample(draw.normal(3, 4), ddof=1)
    yield Sample(draw.normal(3, 4), axis=1, ddof=1.5, keepdims=True)
    yield Sample(draw.normal(0, 3), axis=1)
    yield Sample(draw.complex(2, 3), axis=1)


@row("var", ad.var, np.var, method="var")
def _(draw: Draw) -> Iterator[Sample]:
    yield from moments(draw)
    yield Sample(np.full((2, 3), 0.1), axis=1)


@row("std", ad.std, np.std, method="std")
def _(draw: Draw) -> Iterator[Sample]:
    yield from moments(draw)


@row("prod", ad.prod, np.prod, method="prod", reduce=lambda x, axis=None, **k: np.multiply.reduce(x, axis, **k))
def _(draw: Draw) -> Iterator[Sample]:
    yield from along_axes(draw, Draw.nonzero)
    yield Sample(
        np.array([[2.0, 0.0, 3.0, -1.0], [0.0, 0.0, 1.5, 2.0], [0.0, 0.0, 0.0, 1.0], [1.0, 2.0, 3.0, 4.0]]), axis=1, times=3
    )
    yield Sample(np.array([[2.0, 0.0], [1.5, 0.0], [-1.0, 3.0]]), axis=0)
    yield Sample(np.array([[2.0, 0.0], [1.5, 0.5]]), times=3)
    yield Sample(draw.nonzero(7))
    yield Sample(draw.nonzero(0, 3))
    yield Sample(draw.nonzero(0, 3), axis=0)
    yield Sample(draw.complex(2, 3), axis=1)


def extremum(draw: Draw) -> Iterator[Sample]:
    yield from along_axes(draw, Draw.apart)
    yield Sample(draw.apart(3, 0, 2), axis=0)


row("max", ad.max, np.max, method="max", amax=np.amax, reduce=lambda x, axis=None, **k: np.maximum.reduce(x, axis, **k))(extremum)
row("min", ad.min, np.min, method="min", amin=np.amin, reduce=lambda x, axis=None, **k: np.minimum.reduce(x, axis, **k))(extremum)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    with np.errstate(divide="ignore"):
        dtype = x.dtype if x.dtype.kind == "f" else np.float64
        return np.log(np.sum(np.exp(x, dtype=dtype), axis=axis, keepdims=keepdims))


@row("logsumexp", ad.logsumexp, _logsumexp)
def _(draw: Draw) -> Iterator[Sample]:
    yield from along_axes(draw, Draw.normal)
    yield Sample(np.array([[0.3, -np.inf, 1.0], [-np.inf, 2.0, -np.inf]]), axis=1)
    yield Sample(draw.normal(0, 3), axis=1)


@row("logaddexp_reduce", np.logaddexp.reduce, np.logaddexp.reduce, dtypes=("float64", "float32"))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3, 2))
    yield Sample(draw.normal(3, 2), axis=1, keepdims=True)
    yield Sample(draw.normal(3, 2), axis=None)


def scan(draw: Draw, numbers: Any) -> Iterator[Sample]:
    yield Sample(numbers(draw, 2, 3))
    yield Sample(numbers(draw, 2, 3, 2), axis=1)
    yield Sample(numbers(draw, 2, 3), axis=-2)
    yield Sample(numbers(draw, 5), -1)
    yield Sample(numbers(draw))
    yield Sample(numbers(draw, 0))
    yield Sample(numbers(draw, 2, 0), axis=0)


@row("cumsum", ad.cumsum, np.cumsum, method="cumsum")
def _(draw: Draw) -> Iterator[Sample]:
    yield from scan(draw, Draw.normal)
    yield Sample(draw.complex(3))


@row("cumprod", ad.cumprod, np.cumprod, method="cumprod")
def _(draw: Draw) -> Iterator[Sample]:
    yield from scan(draw, Draw.nonzero)
    yield Sample(np.array([[2.0, 0.0, 3.0, -1.0], [0.0, 0.0, 1.5, 2.0]]), axis=1, times=3)
    yield Sample(np.array([0.0, 1.2]), times=3)
    yield Sample(draw.complex(3))


def accumulate(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.apart(5))
    yield Sample(draw.apart(3, 4), 0)
    yield Sample(draw.apart(2, 3, 2), axis=-2)
    yield Sample(draw.apart(0, 2), axis=0)


row("cummax", ad.cummax, np.maximum.accumulate, accumulate=np.maximum.accumulate)(accumulate)
row("cummin", ad.cummin, np.minimum.accumulate, accumulate=np.minimum.accumulate)(accumulate)
