"""Softmax and its relatives: activations that compare the numbers along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import operation


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
