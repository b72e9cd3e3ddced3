"""Saturating activations: level on both sides. Function first, its Module below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, elementwise, fused
from autodiff import tanh as _tanh
from autodiff.ops.elementwise import selected

from ..module import Module
from .pointwise import real, times_slope, value_and_slope

tanh: Callable[[Any], Tensor] = _tanh


class Tanh(Module):
    """The hyperbolic tangent, element by element: odd, between -1 and 1.

    >>> Tanh()(Tensor([0.0])).tolist()
    [0.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return tanh(x)


# ------------------------------------------------------------------------------------------------ sigmoid

_INT = np.dtype(int)


def _logistic(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = np.asarray(np.negative(x))  # of a 0-d array NumPy makes a scalar
    with np.errstate(over="ignore"):  # exp(-x) is inf for x far below zero, and 1 / (1 + inf) is the right 0
        np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)
    return y


sigmoid: Callable[[Any], Tensor] = elementwise(
    lambda x: _logistic(x if getattr(x, "dtype", _INT).kind in "fc" else np.asarray(x, float)),
    lambda g, y: g * (y * (1 - y)),
    name="sigmoid",
    doc="""Return 1 / (1 + exp(-x)) element by element, for any x without overflow.

    >>> sigmoid(Tensor([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """,
)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), element by element: between 0 and 1.

    >>> Sigmoid()(Tensor([0.0])).tolist()
    [0.5]
    """

    def forward(self, x: Tensor) -> Tensor:
        return sigmoid(x)


hardsigmoid: Callable[[Any], Tensor] = elementwise(
    lambda x: (np.clip(real(x), -3, 3) + 3) / 6,
    lambda g, x: selected(g / 6, (x > -3) & (x < 3)),
    name="hardsigmoid",
    doc="""Return min(max(x + 3, 0), 6) / 6 element by element; the derivative at -3 and at 3 is 0.

    Source: Howard et al., "Searching for MobileNetV3", 2019.

    >>> from nn.functional import hardsigmoid
    >>> hardsigmoid(Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """,
)


class Hardsigmoid(Module):
    """min(max(x + 3, 0), 6) / 6, element by element: the sigmoid in three straight lines.

    >>> nn.Hardsigmoid()(Tensor([-4.0, 0.0, 4.0])).tolist()
    [0.0, 0.5, 1.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return hardsigmoid(x)


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
