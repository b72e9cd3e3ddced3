"""Saturating activations: level on both sides. Function first, its Module below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, elementwise, fused
from autodiff import tanh as _tanh
from autodiff.blocks import in_blocks, in_parts
from autodiff.ops.elementwise import selected

from ..module import Module
from .pointwise import InPlace, real, times_slope, value_and_slope


def tanh(input: Any) -> Tensor:
    """Return the hyperbolic tangent element by element, as `autodiff.tanh` does.

    >>> tanh(Tensor([0.0])).tolist()
    [0.0]
    """
    return _tanh(input)


class Tanh(Module):
    """The hyperbolic tangent, element by element: odd, between -1 and 1.

    >>> Tanh()(Tensor([0.0])).tolist()
    [0.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _tanh(x)


# ------------------------------------------------------------------------------------------------ sigmoid

_INT = np.dtype(int)


def _logistic_kernel(x: np.ndarray, y: np.ndarray) -> None:
    np.negative(x, out=y)
    np.exp(y, out=y)
    y += 1
    np.divide(1, y, out=y)  # for float32 faster than np.reciprocal


def _logistic(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # exp(-x) is inf for x far below zero, and 1 / (1 + inf) is the right 0
        return in_blocks(_logistic_kernel, x, 1)[0]


def _logistic_slope_kernel(g: np.ndarray, y: np.ndarray, d: np.ndarray) -> None:
    np.subtract(1, y, out=d)
    d *= y
    d *= g


def _logistic_rule(g: Any, y: Any) -> Any:
    return in_parts(_logistic_slope_kernel, g, y) if isinstance(g, np.ndarray) else g * (y * (1 - y))


_sigmoid = elementwise(
    lambda x: _logistic(x if getattr(x, "dtype", _INT).kind in "fc" else np.asarray(x, float)),
    _logistic_rule,
    name="sigmoid",
)


def sigmoid(input: Any) -> Tensor:
    """Return 1 / (1 + exp(-x)) element by element, for any x without overflow.

    >>> sigmoid(Tensor([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _sigmoid(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element: between 0 and 1.

    >>> Sigmoid()(Tensor([0.0])).tolist()
    [0.5]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _sigmoid(x)


def _hard_kernel(x: np.ndarray, y: np.ndarray) -> None:
    np.clip(x, -3, 3, out=y)
    y += 3
    y /= 6


def _hard_slope_kernel(g: np.ndarray, x: np.ndarray, d: np.ndarray) -> None:
    np.divide(selected(g, np.abs(x) < 3), 6, out=d)


def _hard_rule(g: Any, x: Any) -> Any:
    return in_parts(_hard_slope_kernel, g, x) if isinstance(g, np.ndarray) else selected(g / 6, np.abs(x) < 3)


_hardsigmoid = elementwise(lambda x: in_blocks(_hard_kernel, real(x), 1)[0], _hard_rule, name="hardsigmoid")


def hardsigmoid(input: Any, inplace: bool = False) -> Tensor:
    """Return min(max(x + 3, 0), 6) / 6 element by element; the derivative at -3 and at 3 is 0.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Source: Howard et al., "Searching for MobileNetV3", 2019.

    >>> from nn.functional import hardsigmoid
    >>> hardsigmoid(Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _hardsigmoid(input)


class Hardsigmoid(InPlace):
    """min(max(x + 3, 0), 6) / 6, element by element: the sigmoid in three straight lines. `inplace` has no effect.

    >>> nn.Hardsigmoid()(Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _hardsigmoid(x)


# ------------------------------------------------------------------------------------------------ softsign


def _softsign_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    np.clip(x, -1e30, 1e30, out=y)  # inf / inf would be nan; from 1e30 on, the value is 1 in any case
    slope = np.abs(y)
    slope += 1
    np.reciprocal(slope, out=slope)
    y *= slope
    if d is not None:
        np.multiply(slope, slope, out=d)


@fused(forward=value_and_slope(_softsign_kernel), backward=times_slope)
def softsign(input: Any) -> Any:
    """Return x / (1 + |x|) element by element: between -1 and 1, and slower to get there than tanh.

    Source: Bergstra et al., "Quadratic polynomials learn better image features", 2009.

    >>> from nn.functional import softsign
    >>> softsign(Tensor([-1.0, 0.0, 3.0])).tolist()
    [-0.5, 0.0, 0.75]
    """
    return input / (1 + np.abs(input))


class Softsign(Module):
    """x / (1 + |x|), element by element.

    >>> nn.Softsign()(Tensor([-1.0, 3.0])).tolist()
    [-0.5, 0.75]
    """

    def forward(self, x: Tensor) -> Tensor:
        return softsign(x)
