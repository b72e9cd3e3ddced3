"""Samples of the operations that work element by element."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import autodiff as ad

from ..samples import Draw, Sample, row

SHAPES = ((3, 4), (), (0,), (2, 1, 3))
PAIRS = (((3, 4), (3, 4)), ((3, 4), (4,)), ((2, 1, 3), (4, 1)), ((), (3,)), ((2, 3), ()), ((0, 3), (3,)), ((), ()))


def unary(
    name: str, call: Any, reference: Any, draw: Callable[..., Any], cplx: bool = False, times: int = 2, **options: Any
) -> None:
    """Declare the row of a function of one argument, with numbers of `draw`, and complex ones if it has those."""

    def generate(source: Draw) -> Iterator[Sample]:
        for shape in SHAPES:
            yield Sample(draw(source, *shape), times=times if shape == (3, 4) else 2)
        if cplx:
            yield Sample(source.complex(3))

    row(name, call, reference, **options)(generate)


def binary(
    name: str, call: Any, reference: Any, draw1: Callable[..., Any], draw2: Callable[..., Any], cplx: bool = False, **options: Any
) -> None:
    """Declare the row of a function of two arguments: broadcasting, 0-d, empty, Python numbers, one tracked of two."""

    def generate(source: Draw) -> Iterator[Sample]:
        for shape1, shape2 in PAIRS:
            yield Sample(draw1(source, *shape1), draw2(source, *shape2))
        yield Sample(draw1(source, 3), 0.7)
        yield Sample(1.3, draw2(source, 3))
        yield Sample(draw1(source, 3), 2)
        if cplx:
            yield Sample(source.complex(3), source.complex(2, 3))
            yield Sample(source.complex(3), draw2(source, 3))
            yield Sample(draw1(source, 3), source.complex(2, 3))

    row(name, call, reference, **options)(generate)


normal, positive, nonzero, apart = Draw.normal, Draw.positive, Draw.nonzero, Draw.apart


def inside(draw: Draw, *shape: int) -> np.ndarray:
    return draw.between(-0.9, 0.9, *shape)


def above_one(draw: Draw, *shape: int) -> np.ndarray:
    return draw.between(1.2, 3.0, *shape)


binary("add", ad.add, np.add, normal, normal, cplx=True, operator=operator.add)
binary("subtract", ad.subtract, np.subtract, normal, normal, cplx=True, operator=operator.sub)
binary("multiply", ad.multiply, np.multiply, normal, normal, cplx=True, operator=operator.mul)
binary("divide", ad.divide, np.divide, normal, nonzero, cplx=True, operator=operator.truediv)
binary("floor_divide", ad.floor_divide, np.floor_divide, apart, above_one, operator=operator.floordiv)
binary(
    "remainder", ad.remainder, np.remainder, apart, above_one, operator=operator.mod, divmod=lambda x1, x2: np.divmod(x1, x2)[1]
)
binary("hypot", ad.hypot, np.hypot, nonzero, nonzero)
binary("logaddexp", ad.logaddexp, np.logaddexp, normal, normal)
binary("arctan2", ad.arctan2, np.arctan2, nonzero, nonzero)
unary("negative", ad.negative, np.negative, normal, cplx=True, operator=operator.neg)
unary("positive", ad.positive, np.positive, normal, cplx=True, operator=operator.pos, clone=ad.Tensor.clone, copy=np.copy)
unary("reciprocal", ad.reciprocal, np.reciprocal, nonzero, cplx=True)
unary("square", ad.square, np.square, normal, cplx=True, times=3)
unary("sqrt", ad.sqrt, np.sqrt, positive, cplx=True, times=3)
unary("cbrt", ad.cbrt, np.cbrt, nonzero)
unary("exp", ad.exp, np.exp, normal, cplx=True, times=3)
unary("exp2", ad.exp2, np.exp2, normal, cplx=True)
unary("expm1", ad.expm1, np.expm1, normal, cplx=True)
unary("log", ad.log, np.log, positive, cplx=True, times=3)
unary("log2", ad.log2, np.log2, positive, cplx=True)
unary("log10", ad.log10, np.log10, positive, cplx=True)
unary("log1p", ad.log1p, np.log1p, positive, cplx=True)
unary("sin", ad.sin, np.sin, normal, cplx=True, times=3)
unary("cos", ad.cos, np.cos, normal, cplx=True)
unary("tan", ad.tan, np.tan, inside, cplx=True, times=3)
unary("arcsin", ad.arcsin, np.arcsin, inside, cplx=True)
unary("arccos", ad.arccos, np.arccos, inside, cplx=True)
unary("arctan", ad.arctan, np.arctan, normal, cplx=True)
unary("sinh", ad.sinh, np.sinh, normal, cplx=True)
unary("cosh", ad.cosh, np.cosh, normal, cplx=True)
unary("tanh", ad.tanh, np.tanh, normal, cplx=True, times=3)
unary("arcsinh", ad.arcsinh, np.arcsinh, normal, cplx=True)
unary("arccosh", ad.arccosh, np.arccosh, above_one, cplx=True)
unary("arctanh", ad.arctanh, np.arctanh, inside, cplx=True)
unary("deg2rad", ad.deg2rad, np.deg2rad, normal)
unary("rad2deg", ad.rad2deg, np.rad2deg, normal)
unary("radians", ad.radians, np.radians, normal)
unary("degrees", ad.degrees, np.degrees, normal)
unary("abs", ad.abs, np.abs, nonzero, cplx=True, operator=operator.abs)
unary("fabs", ad.fabs, np.fabs, nonzero)
unary("sign", ad.sign, np.sign, nonzero, cplx=True)
unary("floor", ad.floor, np.floor, apart)
unary("ceil", ad.ceil, np.ceil, apart)
unary("rint", ad.rint, np.rint, apart)
unary("trunc", ad.trunc, np.trunc, apart)
unary("conj", ad.conj, np.conj, normal, cplx=True, method="conj")
unary("real", ad.real, np.real, normal, cplx=True, property=lambda x: x.real)
unary("imag", ad.imag, np.imag, normal, cplx=True, property=lambda x: x.imag)


def two_apart(name: str, call: Any, reference: Any) -> None:
    """Declare the row of a function with a kink where its arguments are equal."""

    @row(name, call, reference)
    def _(draw: Draw) -> Iterator[Sample]:
        for shape1, shape2 in PAIRS:
            both = draw.apart(int(np.prod(shape1)) + int(np.prod(shape2)))
            yield Sample(both[: int(np.prod(shape1))].reshape(shape1), both[int(np.prod(shape1)) :].reshape(shape2))
        yield Sample(draw.nonzero(3), 0.1)
        yield Sample(0.1, draw.nonzero(3))


two_apart("maximum", ad.maximum, np.maximum)
two_apart("minimum", ad.minimum, np.minimum)


@row("heaviside", ad.heaviside, np.heaviside)
def _(draw: Draw) -> Iterator[Sample]:
    for shape1, shape2 in PAIRS:
        yield Sample(draw.nonzero(*shape1), draw.normal(*shape2))


@row("power_constant", ad.power, np.power, operator=operator.pow)
def _(draw: Draw) -> Iterator[Sample]:
    for n in (0, 1, 2, 3, 4, -1, -2, 2.0, 0.5, -1.5, 2.5, 0.0, 1.0):
        yield Sample(draw.positive(2, 3), n, times=3 if n in (0, 1, 2, 3, 4, 0.5) else 2)
    for n in (0, 1, 2, 3, 4, 2.0):
        yield Sample(np.array([0.0, -1.2, 0.7]), n, times=3)
    yield Sample(draw.positive(), 3)
    yield Sample(draw.positive(0, 2), 2)
    yield Sample(draw.complex(3), 2)
    yield Sample(draw.complex(3), 2.5)


@row("power", ad.power, np.power, operator=operator.pow)
def _(draw: Draw) -> Iterator[Sample]:
    for shape1, shape2 in PAIRS:
        yield Sample(draw.positive(*shape1), draw.normal(*shape2))
    yield Sample(draw.positive(3), np.array([0.0, 1.0, 2.0]), times=3)
    yield Sample(np.array([0.0, -1.2, 0.7]), np.array([2, 3, 2]))
    yield Sample(np.array([0.0, -1.2, 0.7]), np.array([0, 1, 4], np.uint8))
    yield Sample(draw.nonzero(3), np.array([0, -1, -2]))
    yield Sample(1.7, draw.normal(3))
    yield Sample(2, draw.normal(3))
    yield Sample(draw.complex(3), draw.complex(2, 3))
    yield Sample(draw.complex(3), draw.normal(3))
    yield Sample(draw.nonzero(3), draw.complex(3))


@row("round", ad.round, np.round, method="round", around=np.around)
def _(draw: Draw) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample(draw.apart(*shape))
    yield Sample(draw.apart(3), 1)
    yield Sample(draw.apart(3) * 10, decimals=-1)


@row("clip", ad.clip, np.clip, method="clip")
def _(draw: Draw) -> Iterator[Sample]:
    x = np.array([[-1.5, -0.5, 0.2], [0.4, 0.9, 1.7]])
    yield Sample(x, -1.0, 1.0)
    yield Sample(x, 0, None)
    yield Sample(x, None, 0.7)
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":  # where NumPy has these names
        yield Sample(x, min=-1, max=0.3)
    yield Sample(x, 1.0, -1.0)  # the upper bound wins
    yield Sample(x, np.array([-1.0, 0.0, 0.1]), np.array([[1.0], [0.5]]))
    yield Sample(x, np.array([-1.0, 0.0, 0.1]), None)
    yield Sample(np.array(0.3), 0.0, np.array([0.1, 0.5]))
    yield Sample(np.zeros((0, 2)), 0.0, 1.0)


def _where(x1: Any, x2: Any, condition: Any) -> Any:
    return ad.where(condition, x1, x2)


@row(
    "where",
    _where,
    lambda x1, x2, condition: np.where(condition, x1, x2),
    through_numpy=lambda x1, x2, condition: np.where(condition, x1, x2),
    condition_is_tensor=lambda x1, x2, condition: np.where(ad.Tensor(condition), x1, x2),
)  # fmt: skip
def _(draw: Draw) -> Iterator[Sample]:
    mask = np.array([[True, False, True], [False, False, True]])
    yield Sample(draw.normal(2, 3), draw.normal(2, 3), condition=mask)
    yield Sample(draw.normal(3), draw.normal(2, 1), condition=mask)
    yield Sample(draw.normal(2, 3), 0, condition=mask)
    yield Sample(1.5, draw.normal(3), condition=mask)
    yield Sample(draw.normal(3), draw.normal(), condition=True)
    yield Sample(draw.normal(), draw.normal(), condition=mask)
    yield Sample(draw.normal(0, 3), draw.normal(3), condition=mask[0])
    yield Sample(draw.complex(3), draw.normal(3), condition=mask[0])


@row(
    "astype",
    ad.astype,
    lambda x, dtype: x.astype(dtype),
    method="astype",
    **({"through_numpy": np.astype} if hasattr(np, "astype") else {}),
)
def _(draw: Draw) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample(draw.normal(*shape), np.float64)
    yield Sample(draw.normal(3), "complex128")
    yield Sample(draw.complex(3), np.complex128)
    yield Sample(draw.normal(3), np.int64)
