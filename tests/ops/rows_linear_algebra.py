"""Samples of products and norms."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

import autodiff as ad

from ..samples import Draw, Sample, row


@row("matmul", ad.matmul, np.matmul, operator=operator.matmul, linalg=np.linalg.matmul)
def _(draw: Draw) -> Iterator[Sample]:
    for shape1, shape2 in (
        ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)),
        ((5, 2, 3), (5, 3, 2)), ((5, 2, 3), (3, 2)), ((2, 3), (5, 3, 2)),
        ((3,), (5, 3, 2)), ((5, 2, 3), (3,)), ((4, 1, 2, 3), (5, 3, 2)), ((1, 2, 3), (5, 3, 2)), ((2, 0), (0, 3)), ((0, 2), (2, 3)),
        ((4, 2, 0), (0, 3)), ((0, 2, 3), (3, 2)), ((0,), (0,)), ((2, 0), (0,)), ((2, 1), (1, 2)), ((3, 2, 4), (4,)),
    ):  # fmt: skip
        yield Sample(draw.normal(*shape1), draw.normal(*shape2))
    yield Sample(draw.complex(2, 3), draw.complex(3, 2))
    yield Sample(draw.complex(2, 3), draw.normal(3))


@row(
    "einsum",
    lambda *operands, subscripts, **k: ad.einsum(subscripts, *operands, **k),
    lambda *operands, subscripts, **k: np.einsum(subscripts, *operands, **k),
    through_numpy=lambda *operands, subscripts, **k: np.einsum(subscripts, *operands, **k),
)
def _(draw: Draw) -> Iterator[Sample]:
    for subscripts, *shapes in (
        ("ij,jk->ik", (2, 3), (3, 4)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)),
        ("iij->j", (2, 2, 3)), ("i,j->ij", (2,), (3,)), ("ij,ij->i", (2, 3), (2, 3)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
        ("...ij,...jk->...ik", (4, 2, 3), (3, 2)), ("...ij,...jk", (1, 2, 3), (4, 3, 2)), ("ij,kj,ik->", (2, 3), (2, 3), (2, 2)),
        ("ba", (2, 3)), ("i,i->", (3,), (1,)), ("ij,ij->j", (2, 3), (1, 3)), (" i j , j -> i ", (2, 3), (3,)), (",i->i", (), (3,)),
        ("ij,jk->ik", (2, 0), (0, 3)), ("...->...", (2, 3)), ("i,i,i->i", (3,), (3,), (3,)), ("iik,k->i", (3, 3, 2), (2,)),
        ("ij,j->", (2, 3), (3,)),
        ("i...->...", (2, 3)), ("a...b,b...->...a", (2, 3, 4), (4, 3)),
    ):  # fmt: skip
        yield Sample(*(draw.normal(*shape) for shape in shapes), subscripts=subscripts)
    yield Sample(draw.normal(2, 3), draw.normal(3, 2), draw.normal(2, 2), subscripts="ij,jk,kl->il", optimize=True)
    yield Sample(draw.normal(3), 2.0, subscripts="i,->i")
    yield Sample(draw.complex(2, 3), draw.complex(3), subscripts="ij,j->i")


@row("einsum_of_lists", lambda *a: ad.einsum(*a), lambda *a: np.einsum(*a), through_numpy=lambda *a: np.einsum(*a))
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2, 3), [0, 1], draw.normal(3, 4), [1, 2], [0, 2])
    yield Sample(draw.normal(2, 3), [Ellipsis, 0], draw.normal(3), [0])


@row("tensordot", ad.tensordot, np.tensordot, linalg=np.linalg.tensordot)
def _(draw: Draw) -> Iterator[Sample]:
    def with_axes(shape1: Any, shape2: Any, axes: Any) -> Sample:
        return Sample(draw.normal(*shape1), draw.normal(*shape2), axes=axes)

    yield Sample(draw.normal(2, 3, 4), draw.normal(3, 4, 2))
    yield with_axes((2, 3), (3, 4), 1)
    yield with_axes((2, 3), (4,), 0)
    yield with_axes((2, 3, 4), (4, 2), ([2, 0], [0, 1]))
    yield with_axes((2, 3), (2, 4), (0, -2))
    yield with_axes((2, 0), (0, 3), 1)


@row("outer", ad.outer, np.outer)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2), draw.normal(3))
    yield Sample(draw.normal(2, 2), draw.normal(3))
    yield Sample(draw.normal(), draw.normal(0))
    yield Sample(draw.normal(2), 3.0)


@row("linalg.outer", ad.linalg.outer, np.linalg.outer)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(2), draw.normal(3))


@row("dot", ad.dot, np.dot, method="dot")
def _(draw: Draw) -> Iterator[Sample]:
    for shape1, shape2 in (
        ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((), (3,)), ((2, 2), ()), ((2, 3, 4), (4,)), ((2, 3), (4, 3, 2)),
        ((3,), (4, 3, 2)), ((0,), (0,)),
    ):  # fmt: skip
        yield Sample(draw.normal(*shape1), draw.normal(*shape2))
    yield Sample(draw.normal(2), 3.0)
    yield Sample(draw.complex(3), draw.complex(3))


@row("inner", ad.inner, np.inner)
def _(draw: Draw) -> Iterator[Sample]:
    for shape1, shape2 in (((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (3,)), ((2, 3, 4), (2, 4)), ((2, 0), (0,))):
        yield Sample(draw.normal(*shape1), draw.normal(*shape2))


@row("norm", ad.norm, np.linalg.norm, linalg=ad.linalg.norm)
def _(draw: Draw) -> Iterator[Sample]:
    yield Sample(draw.normal(3))
    yield Sample(draw.normal(2, 3, 4))
    yield Sample(draw.normal(2, 3), axis=-1)
    yield Sample(draw.normal(2, 3), axis=(0, 1), keepdims=True)
    yield Sample(draw.normal(2, 3), keepdims=True)
    yield Sample(draw.normal())
    yield Sample(draw.normal(0, 3), axis=1)
    yield Sample(draw.normal(2, 3), "fro")
    yield Sample(draw.normal(2, 3), 2, axis=0)
    yield Sample(draw.complex(2, 3), axis=0)
    for order in (1, 0, np.inf, -np.inf):
        yield Sample(draw.apart(5), order)
        yield Sample(draw.apart(2, 3), order, axis=-1, keepdims=True)
    for order in (1, -1, np.inf, -np.inf):
        yield Sample(draw.apart(3, 4), order)
        yield Sample(draw.apart(2, 3, 4), order, axis=(2, 0))
        yield Sample(draw.apart(2, 3, 4), order, axis=(-2, -1), keepdims=True)
    yield Sample(draw.complex(3), 1)


@row("p_norm", ad.norm, np.linalg.norm)
def _(draw: Draw) -> Iterator[Sample]:
    for p in (3, 1.5, 0.5, -1, -2.5, 4):
        yield Sample(draw.nonzero(4), p)
        yield Sample(draw.nonzero(2, 3), p, axis=0, keepdims=True)
    yield Sample(np.array([0.0, 1.0, -2.0]), 3)
    yield Sample(draw.complex(3), 3)
