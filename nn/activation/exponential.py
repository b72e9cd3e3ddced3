"""Exponential activations: close to straight on one side, level on the other. Function first, its Module below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, elementwise, fused
from autodiff.blocks import in_blocks

from ..module import Module
from .pointwise import InPlace, nothing, real, shown, times_slope, value_and_slope
from .saturating import _sigmoid

_SINGLE = np.dtype(np.float32)

# ------------------------------------------------------------------------------------------------ softplus

# log(1 + z) is 2 atanh(s) with s = z / (2 + z), and these are of (atanh(s) / s - 1) / s² by s², for s from 0 to 1/3: relative
# error 5e-9 of atanh. For float32 this takes an eighth of the time of np.log1p, which has no fast version on many machines.
_ATANH = tuple([np.array(c, np.float32) for c in (0.33333208, 0.20010763, 0.14000906, 0.14005975)])


def log1p_of_fraction(z: np.ndarray) -> np.ndarray:
    """Return log(1 + z) for z from 0 to 1.

    >>> from nn.activation.exponential import log1p_of_fraction
    >>> log1p_of_fraction(np.array([0.0, 1e-30]))
    array([0.e+00, 1.e-30])
    """
    y: np.ndarray
    if z.size <= 256:
        y = np.log1p(z)
        return y
    if z.dtype != _SINGLE:  # a logarithm costs a part of a log1p, and what rounding took from 1 + z is made good to first order
        w = z + 1
        y = w - 1
        np.subtract(z, y, out=y)
        y /= w
        y += np.log(w)
        return y
    s = z + 2
    np.divide(z, s, out=s)
    square = s * s
    y = square * _ATANH[-1]
    for c in _ATANH[-2::-1]:
        y += c
        y *= square
    y *= s
    y += s
    y += y
    return y


def _decay(v: np.ndarray) -> np.ndarray:
    """Return exp(-|v|), which is never too large."""
    z: np.ndarray = np.abs(v)
    np.negative(z, out=z)
    np.exp(z, out=z)
    return z


def _softplus_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None, beta: float, threshold: float) -> None:
    v = x if beta == 1 else x * beta
    z = _decay(v)
    z *= v <= threshold  # above, the function is v itself
    np.maximum(v, nothing(v), out=y)
    y += log1p_of_fraction(z)
    if beta != 1:
        y /= beta
    if d is not None:  # 1 / (1 + z) where v >= 0, z / (1 + z) where it is not: the larger and the smaller of the two
        np.add(z, 1, out=d)
        np.reciprocal(d, out=d)
        z *= d
        d *= v >= 0
        np.maximum(d, z, out=d)
    if threshold < 0:
        np.copyto(y, x, where=v > threshold)
        if d is not None:
            np.copyto(d, 1, where=v > threshold)


@fused(forward=value_and_slope(_softplus_kernel), backward=times_slope, name="softplus")
def _softplus(x: Any, beta: float, threshold: float) -> Any:
    v = beta * x
    return np.where(v > threshold, x, logsigmoid(-v) / -beta)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Return log(1 + exp(beta x)) / beta element by element: a smooth relu.

    beta       how sharply it bends; not 0
    threshold  where beta * x is above, the result is x itself, as in PyTorch

    Source: Dugas et al., "Incorporating second-order functional knowledge for better option pricing", 2000.

    >>> from nn.functional import softplus
    >>> softplus(Tensor([-1e4, 0.0, 25.0])).numpy().round(4)
    array([ 0.    ,  0.6931, 25.    ])
    """
    if beta == 0:
        raise ValueError("softplus: beta must not be 0")
    return _softplus(input, float(beta), float(threshold))


class Softplus(Module):
    """log(1 + exp(beta x)) / beta, element by element, and x itself where beta * x is above `threshold`.

    >>> nn.Softplus()(Tensor([0.0])).numpy().round(4)
    array([0.6931])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        if beta == 0:
            raise ValueError("Softplus: beta must not be 0")
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Tensor) -> Tensor:
        return softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


# ------------------------------------------------------------------------------------------------ the logarithm of sigmoid


def _log_sigmoid_kernel(x: np.ndarray, y: np.ndarray) -> None:
    np.minimum(x, nothing(x), out=y)
    y -= log1p_of_fraction(_decay(x))


def _log_sigmoid(x: Any) -> np.ndarray:
    x = real(x)
    (y,) = in_blocks(_log_sigmoid_kernel, x.astype(np.float32) if x.dtype.itemsize < 4 else x, 1)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


_logsigmoid = elementwise(_log_sigmoid, lambda g, x: g * _sigmoid.either(-x), name="logsigmoid")


def logsigmoid(input: Any) -> Tensor:
    """Return log(1 / (1 + exp(-x))) element by element, exact where the sigmoid itself would round to 0 or 1.

    >>> from nn.functional import logsigmoid
    >>> logsigmoid(Tensor([-1e4, 1e4])).tolist()
    [-10000.0, 0.0]
    """
    return _logsigmoid(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))), element by element.

    >>> nn.LogSigmoid()(Tensor([-1e4])).tolist()
    [-10000.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _logsigmoid(x)


# ------------------------------------------------------------------------------------------------ elu and its relatives


def _expm1(x: np.ndarray) -> np.ndarray:
    """Return exp(x) - 1 for x <= 0."""
    t: np.ndarray
    if x.dtype != _SINGLE:
        t = np.expm1(x)
        return t
    # 2 t / (1 - t) with t = tanh(x / 2): for float32 np.tanh is fast everywhere, np.expm1 is not
    t = x * 0.5
    np.tanh(t, out=t)
    rest = 1 - t
    t /= rest
    t += t
    return t


def _elu_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None, alpha: float, scale: float, rate: float) -> None:
    np.minimum(x, nothing(x), out=y)
    if rate != 1:
        y *= rate
    below = _expm1(y)
    left = alpha * rate  # the slope on the left of 0; on the right it is `scale`
    if d is not None:
        np.add(below, 1, out=d)
        if left != 1:
            d *= left
        if left != scale:
            np.copyto(y, x >= 0 if abs(scale) <= abs(left) else x > 0)
            y *= scale - left
            d += y
        if left * scale < 0:
            d *= x != 0
    np.maximum(x, nothing(x), out=y)
    if scale != 1:
        y *= scale
    if alpha != 1:
        below *= alpha
    y += below


@fused(forward=value_and_slope(_elu_kernel), backward=times_slope, name="elu")
def _elu(x: Any, alpha: float, scale: float, rate: float) -> Any:
    right = x >= 0 if abs(scale) <= abs(alpha * rate) else x > 0  # at 0 the lesser slope counts, or 0 between the two
    y = np.where(right, scale * x, alpha * np.expm1(rate * np.where(right, 0, x)))
    return y if alpha * rate * scale >= 0 else np.where(x == 0, 0, y)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive and alpha (exp(x) - 1) elsewhere; the derivative at 0 is the lesser of 1 and alpha.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units", 2015.

    >>> from nn.functional import elu
    >>> elu(Tensor([-1e4, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    return _elu(input, float(alpha), 1.0, 1.0)


class ELU(Module):
    """x where it is positive and alpha (exp(x) - 1) elsewhere. `inplace` has no effect.

    >>> nn.ELU(alpha=0.5)(Tensor([-1e4, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor) -> Tensor:
        return elu(x, self.alpha)

    def extra_repr(self) -> str:
        return shown(f"alpha={self.alpha}", inplace=self.inplace)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where it is positive and alpha (exp(x / alpha) - 1) elsewhere: an elu whose slope is 1 at 0 for any alpha.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Raises ValueError where `alpha` is not positive.

    Source: Barron, "Continuously differentiable exponential linear units", 2017.

    >>> from nn.functional import celu
    >>> celu(Tensor([-1e4, 0.0, 2.0]), alpha=2.0).tolist()
    [-2.0, 0.0, 2.0]
    """
    if not alpha > 0:
        raise ValueError(f"celu: expected a positive alpha, got {alpha}")
    return _elu(input, float(alpha), 1.0, 1 / alpha)


class CELU(Module):
    """x where it is positive and alpha (exp(x / alpha) - 1) elsewhere. `inplace` has no effect.

    >>> nn.CELU(alpha=2.0)(Tensor([-1e4, 2.0])).tolist()
    [-2.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        if not alpha > 0:
            raise ValueError(f"CELU: expected a positive alpha, got {alpha}")
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Tensor) -> Tensor:
        return celu(x, self.alpha)

    def extra_repr(self) -> str:
        return shown(f"alpha={self.alpha}", inplace=self.inplace)


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def selu(input: Any, inplace: bool = False) -> Tensor:
    """Return 1.0507 x where it is positive and 1.7581 (exp(x) - 1) elsewhere; the derivative at 0 is 1.0507, the lesser slope.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    The two constants keep mean 0 and variance 1 from layer to layer, if the weights are drawn with variance 1 / fan_in.

    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> from nn.functional import selu
    >>> selu(Tensor([-1e4, 0.0, 1.0])).numpy().round(4)
    array([-1.7581,  0.    ,  1.0507])
    """
    return _elu(input, _SELU_ALPHA * _SELU_SCALE, _SELU_SCALE, 1.0)


class SELU(InPlace):
    """1.0507 x where it is positive and 1.7581 (exp(x) - 1) elsewhere. `inplace` has no effect.

    >>> nn.SELU()(Tensor([1.0])).numpy().round(4)
    array([1.0507])
    """

    def forward(self, x: Tensor) -> Tensor:
        return selu(x)
