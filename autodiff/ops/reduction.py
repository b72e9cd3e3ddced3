"""Reductions and scans along axes, each beside its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import plain
from ..declaration import operation, untracked
from .elementwise import refuse_out, selected
from .indexing import scatter_add

# With positional arguments, which NumPy's stubs do not know, these cost half of what the functions np.sum ... cost.
add_reduce: Any = np.add.reduce
_multiply_reduce: Any = np.multiply.reduce
_maximum_reduce: Any = np.maximum.reduce
_minimum_reduce: Any = np.minimum.reduce


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes: Any = (axis,) if isinstance(axis, (int, np.integer)) else axis
    return tuple(a % ndim if ndim else a for a in axes)


def _count(shape: tuple[int, ...], axis: Any) -> int:
    n = 1
    for a in _axes(axis, len(shape)):
        n *= shape[a]
    return n


def kept_dims(y: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """Return a reduction's result in the shape it has with keepdims."""
    if keepdims or not shape:
        return y
    axes = _axes(axis, len(shape))
    return y.reshape(tuple([1 if a in axes else n for a, n in enumerate(shape)]))


def spread(g: Any, shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """Return the gradient of a sum: every summand gets a copy of the sum's."""
    if shape == g.shape:
        return g
    g = kept_dims(g, shape, axis, keepdims)
    if isinstance(g, np.ndarray) and len(shape) and np.prod(shape) < 4096:  # filling beats a broadcast view's overhead
        out = np.empty(shape, g.dtype)
        out[...] = g
        return out
    return np.broadcast_to(g, shape)


@operation(np.sum)
def sum(x: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Return the sum over `axis` (an int, a tuple, or None for all).

    >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> sum(x * x, axis=1)
    Tensor([ 5., 25.], shape=(2,), dtype=float64, grad_fn=<sum>)
    """
    refuse_out("sum", out)
    return add_reduce(x, axis, dtype, None, keepdims)


sum.rules(lambda g, x_shape, axis, keepdims: spread(g, x_shape, axis, keepdims))


@operation(np.mean)
def mean(x: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Return the arithmetic mean over `axis`."""
    refuse_out("mean", out)
    return np.mean(x, axis, dtype, keepdims=keepdims)


mean.rules(lambda g, x_shape, axis, keepdims: spread(g / _count(x_shape, axis), x_shape, axis, keepdims))


@operation(np.var)
def var(x: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the variance over `axis`, with divisor n - ddof."""
    refuse_out("var", out)
    return np.var(x, axis, dtype, ddof=ddof, keepdims=keepdims)


def _centred(x: Any, axis: Any) -> Any:
    return x - x.mean(axis=axis, keepdims=True)


var.rules(
    lambda g, x, axis, ddof, keepdims: (
        spread(2 * g / (_count(x.shape, axis) - ddof), x.shape, axis, keepdims) * _centred(x, axis).conj()
    )
)


@operation(np.std)
def std(x: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """Return the standard deviation over `axis`, with divisor n - ddof; of constant data the derivative is 0."""
    refuse_out("std", out)
    return np.std(x, axis, dtype, ddof=ddof, keepdims=keepdims)


def _std_rule(g: Any, x: Any, axis: Any, ddof: float, keepdims: bool, y: Any) -> Any:
    # Of constant data the rounded mean may miss the constant, and y then is no exact zero: so ask the data.
    raw = plain(x)
    constant = raw.max(axis=axis, keepdims=keepdims) == raw.min(axis=axis, keepdims=keepdims) if raw.size else y == 0
    scale = np.where(constant, 0, g) / (np.where(constant, 1, y) * (_count(x.shape, axis) - ddof))
    return spread(scale, x.shape, axis, keepdims) * _centred(x, axis).conj()


std.rules(_std_rule)


@operation(np.prod)
def prod(x: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Return the product over `axis`; the derivative is right where factors are zero."""
    refuse_out("prod", out)
    return _multiply_reduce(x, axis, dtype, None, keepdims)


def _product_of_others(x: Any) -> Any:
    """For each element, the product of the others on the last axis, without a division: a tree of products, up and down."""
    n = x.shape[-1]
    if n <= 1:
        return np.ones_like(x)
    if n % 2:
        rest, last = x[..., :-1], x[..., -1:]
        return np.concatenate([_product_of_others(rest) * last, rest.prod(axis=-1, keepdims=True)], axis=-1)
    even, odd = x[..., ::2], x[..., 1::2]
    others = _product_of_others(even * odd)
    return np.stack([others * odd, others * even], axis=-1).reshape(x.shape)


def _prod_rule(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    axes = _axes(axis, x.ndim)
    order = [a for a in range(x.ndim) if a not in axes] + list(axes)
    moved = x.transpose(order)
    kept = moved.shape[: x.ndim - len(axes)]
    n = _count(x.shape, axis)
    others = _product_of_others(moved.reshape((*kept, n))).reshape(moved.shape).transpose(np.argsort(order).tolist())
    return spread(g, x.shape, axis, keepdims) * others


prod.rules(_prod_rule)


def _extremum_rule(g: Any, x: Any, axis: Any, keepdims: bool, y: Any) -> Any:
    # Ties share equally. A nan wins, and gets the gradient.
    top = kept_dims(y, x.shape, axis, keepdims)
    winners = (x == top) | ((x != x) & (top != top))
    return selected(spread(g / winners.sum(axis=axis, keepdims=keepdims, dtype=g.dtype), x.shape, axis, keepdims), winners)


@operation(np.max, np.amax)
def max(x: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Return the largest element over `axis`; ties share the gradient equally."""
    refuse_out("max", out)
    return _maximum_reduce(x, axis, None, None, keepdims)


@operation(np.min, np.amin)
def min(x: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """Return the smallest element over `axis`; ties share the gradient equally."""
    refuse_out("min", out)
    return _minimum_reduce(x, axis, None, None, keepdims)


max.rules(_extremum_rule)
min.rules(_extremum_rule)


@operation()
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return log(sum(exp(x))) over `axis`, computed without overflow; of nothing, or of -inf alone, it is -inf.

    >>> logsumexp(Tensor([1e4, 1e4]))
    Tensor(10000.69314718, shape=(), dtype=float64)
    """
    if x.dtype.kind != "f":
        x = x.astype(float)
    top = _maximum_reduce(x, axis, None, None, True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore", over="ignore"):  # -inf alone, inf among others
        y = np.log(add_reduce(np.exp(x - top), axis, None, None, True)) + top
    return y if keepdims else y.squeeze(_axes(axis, np.ndim(x)))


def _logsumexp_rule(g: Any, x: Any, axis: Any, keepdims: bool, y: Any) -> Any:
    # exp(x - y), the softmax of x; 0 throughout where all of x is -inf
    y = kept_dims(y, x.shape, axis, keepdims)
    return spread(g, x.shape, axis, keepdims) * np.exp(x - np.where(y == -np.inf, 0, y))


logsumexp.rules(_logsumexp_rule)


@operation(np.cumsum)
def cumsum(x: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """Return the running sums along `axis` (of the flattened array where axis is None)."""
    refuse_out("cumsum", out)
    return np.cumsum(x, axis, dtype)


def _sums_from_the_end(g: Any, axis: int) -> Any:
    return np.flip(np.cumsum(np.flip(g, axis), axis), axis)


cumsum.rules(lambda g, x_shape, axis: _sums_from_the_end(g, 0 if axis is None else axis).reshape(x_shape))


def _shifted(x: Any, step: int, fill: float) -> Any:
    """Return `x` moved `step` places towards the start of the last axis, with `fill` coming in at the end."""
    return np.concatenate([x[..., step:], np.full_like(x[..., :step], fill)], axis=-1)


@operation(np.cumprod)
def cumprod(x: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """Return the running products along `axis` (of the flattened array where None); right where factors are zero."""
    refuse_out("cumprod", out)
    return np.cumprod(x, axis, dtype)


def _cumprod_rule(g: Any, x: Any, axis: Any) -> Any:
    # dx[i] = before[i] * s[i], where before[i] is the product of all earlier ones and s[i] = g[i] + x[i+1] * s[i+1].
    shape = x.shape
    if axis is None:
        x, axis = x.reshape((-1,)), 0
    if 0 in shape:
        return np.zeros_like(g).reshape(shape)
    x, s = x.swapaxes(axis, -1), g.swapaxes(axis, -1)
    n = x.shape[-1]
    before = np.cumprod(np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], axis=-1), axis=-1)
    factor = _shifted(x, 1, 0.0)
    step = 1
    while step < n:  # doubling: after each round s[i] reaches twice as far
        s = s + factor * _shifted(s, step, 0.0)
        factor = factor * _shifted(factor, step, 0.0)
        step *= 2
    return (before * s).swapaxes(axis, -1).reshape(shape)


cumprod.rules(_cumprod_rule)


def _running_winner(x: Any, y: Any, axis: int) -> np.ndarray:
    positions = np.arange(x.shape[axis]).reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)])
    return np.maximum.accumulate(np.where((x == y) | (x != x), positions, 0), axis)  # a nan stays the winner


def _running_extremum_rule(g: Any, x: Any, axis: int, y: Any) -> Any:
    winner = _running_winner(plain(x), plain(y), axis)
    places = list(np.ogrid[tuple(slice(n) for n in x.shape)])
    places[axis] = winner
    return scatter_add.either(g, tuple(places), x.shape)


@operation()
def cummax(x: Any, axis: int = 0) -> Any:
    """Return the running maximum along `axis`; of equal candidates the latest gets the gradient."""
    return np.maximum.accumulate(x, axis)


@operation()
def cummin(x: Any, axis: int = 0) -> Any:
    """Return the running minimum along `axis`; of equal candidates the latest gets the gradient."""
    return np.minimum.accumulate(x, axis)


cummax.rules(_running_extremum_rule)
cummin.rules(_running_extremum_rule)

argmax, argmin = untracked(np.argmax), untracked(np.argmin)
any, all, count_nonzero = untracked(np.any), untracked(np.all), untracked(np.count_nonzero)
untracked(np.nanargmax, np.nanargmin)
