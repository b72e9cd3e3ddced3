"""Shrinking activations: they pull numbers towards 0. Function first, its Module below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, fused, operation
from autodiff.ops.elementwise import selected

from ..module import Module
from .pointwise import real, times_slope, value_and_slope

# PyTorch's name for the threshold is `lambd`, since Python's `lambda` is taken.


@operation()
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return x where |x| is above `lambd`, and 0 elsewhere; the derivative at the threshold is 0.

    >>> from nn.functional import hardshrink
    >>> hardshrink(Tensor([-1.0, 0.5, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """
    x = real(input)
    return x * ~(np.abs(x) <= float(lambd))


hardshrink.rules(lambda g, y: selected(g, y != 0))


class Hardshrink(Module):
    """x where |x| is above `lambd`, and 0 elsewhere.

    >>> nn.Hardshrink()(Tensor([-1.0, 0.5, 2.0])).tolist()
    [-1.0, 0.0, 2.0]
    """

    def __init__(self, lambd: float = 0.5):
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        return hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


@operation()
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return x moved towards 0 by `lambd`, and 0 where it would pass it; the derivative at the threshold is 0.

    Raises ValueError where `lambd` is negative.

    Source: Donoho, "De-noising by soft-thresholding", 1995.

    >>> from nn.functional import softshrink
    >>> softshrink(Tensor([-1.0, 0.25, 2.0])).tolist()
    [-0.5, 0.0, 1.5]
    """
    if not lambd >= 0:
        raise ValueError(f"expected lambd >= 0, got {lambd}")
    x = real(input)
    return x - np.clip(x, -float(lambd), float(lambd))


softshrink.rules(lambda g, y: selected(g, y != 0))


class Softshrink(Module):
    """x moved towards 0 by `lambd`, and 0 where it would pass it.

    >>> nn.Softshrink()(Tensor([-1.0, 0.25, 2.0])).tolist()
    [-0.5, 0.0, 1.5]
    """

    def __init__(self, lambd: float = 0.5):
        if not lambd >= 0:
            raise ValueError(f"Softshrink: expected lambd >= 0, got {lambd}")
        self.lambd = lambd

    def forward(self, x: Tensor) -> Tensor:
        return softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


def _tanhshrink_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    t = np.tanh(x)
    np.subtract(x, t, out=y)
    if d is not None:
        np.multiply(t, t, out=d)


@fused(forward=value_and_slope(_tanhshrink_kernel), backward=times_slope)
def tanhshrink(input: Any) -> Any:
    """Return x - tanh(x) element by element.

    >>> from nn.functional import tanhshrink
    >>> tanhshrink(Tensor([-1e4, 0.0, 1e4])).tolist()
    [-9999.0, 0.0, 9999.0]
    """
    return input - np.tanh(input)


class Tanhshrink(Module):
    """x - tanh(x), element by element.

    >>> nn.Tanhshrink()(Tensor([1e4])).tolist()
    [9999.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return tanhshrink(x)
