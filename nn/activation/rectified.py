"""Rectifiers: activations that are straight on both sides of a kink. Function first, its Module below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, elementwise

from ..constants import zero, zeros
from ..module import Module


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
