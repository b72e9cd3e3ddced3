"""Losses of predicted numbers: each function beside its derivative, and its Module below."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, asarray, fused

from ..module import Module
from .targets import REDUCTIONS, like_input, no_mean, reduced, unknown_reduction

# ------------------------------------------------------------------------------------------------ mean squared error


def _squared_forward(x: np.ndarray, target: np.ndarray, reduction: str) -> Any:
    d = x - target
    return (np.vdot(d, d) / (d.size if reduction == "mean" else 1) if reduction != "none" else d * d), (d, reduction)


def _squared_backward(g: Any, kept: Any, needs: Any) -> Any:
    d, reduction = kept
    dx = d * (g * (2 / d.size if reduction == "mean" else 2))
    return dx if needs[0] else None, -dx if needs[1] else None, None


@fused(forward=_squared_forward, backward=_squared_backward, name="mse_loss")
def _squared_error(x: Any, target: Any, reduction: Any) -> Any:
    d = x - target
    return reduced(d * d, reduction)


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return the mean of the squared differences.

    input, target  of one shape: (N,) beside (N, 1) is refused, since it would compare every sample with every other

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """
    if reduction not in REDUCTIONS:
        raise unknown_reduction("mse_loss", reduction)
    x = input if isinstance(input, Tensor) else asarray(input)
    if x.dtype.kind != "f":
        raise TypeError(f"mse_loss: the input has dtype {x.dtype}, expected floating predictions")
    target = like_input("mse_loss", target, x)
    if reduction == "mean" and not x.size:
        raise no_mean("mse_loss", "the batch is empty")
    return _squared_error(x, target, reduction)


class MSELoss(Module):
    """The mean squared error, see `nn.functional.mse_loss`.

    >>> MSELoss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """

    def __init__(self, reduction: str = "mean"):
        if reduction not in REDUCTIONS:
            raise unknown_reduction("MSELoss", reduction)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return mse_loss(input, target, self.reduction)
