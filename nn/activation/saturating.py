"""Saturating activations: level on both sides. Function first, its Module below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, elementwise
from autodiff import tanh as _tanh

from ..module import Module

tanh: Callable[[Any], Tensor] = _tanh


class Tanh(Module):
    """The hyperbolic tangent, element by element: odd, between -1 and 1.

    >>> Tanh()(Tensor([0.0])).tolist()
    [0.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return tanh(x)


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
