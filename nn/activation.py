"""Activations: each function beside its derivative, and its Module below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, elementwise, operation
from autodiff import tanh as _tanh

from .constants import zero, zeros
from .module import Module

# ------------------------------------------------------------------------------------------------ ReLU


def _positive_part(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    # For large arrays np.maximum is twice as fast with a row of zeros as with a single zero, for small ones slower.
    y: np.ndarray = np.maximum(x, zeros(x.shape[-1], x.dtype) if x.size > 4096 else zero(x.dtype))
    return y


relu: Callable[[Any], Tensor] = elementwise(
    _positive_part,
    lambda g, y: g * (y > 0),
    name="relu",
    doc="""Return max(x, 0) element by element; the derivative at 0 is 0.

    >>> x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> relu(x).sum().backward()
    >>> x.grad.tolist()
    [0.0, 0.0, 1.0]
    """,
)


class ReLU(Module):
    """max(x, 0), element by element.

    >>> ReLU()(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return relu(x)


# ------------------------------------------------------------------------------------------------ tanh, sigmoid

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


# ------------------------------------------------------------------------------------------------ softmax


@operation()
def softmax(x: Any, dim: int = -1) -> Any:
    """Return exp(x) / sum(exp(x)) along the axis `dim`: positive numbers that sum to 1.

    >>> softmax(Tensor([0.0, 0.0, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    y = np.exp(x - np.maximum.reduce(x, dim, keepdims=True))
    y /= np.add.reduce(y, dim, keepdims=True)
    return y


softmax.rules(lambda g, y, dim: y * (g - (g * y).sum(axis=dim, keepdims=True)))


@operation()
def log_softmax(x: Any, dim: int = -1) -> Any:
    """Return the logarithm of `softmax`, exact where the softmax itself would round to 0.

    >>> log_softmax(Tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    y = x - np.maximum.reduce(x, dim, keepdims=True)
    y -= np.log(np.add.reduce(np.exp(y), dim, keepdims=True))
    return y


log_softmax.rules(lambda g, y, dim: g - np.exp(y) * g.sum(axis=dim, keepdims=True))
