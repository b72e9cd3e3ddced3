"""Losses of predicted numbers: each function beside its derivative, and its Module below.

All of them look only at the difference d between prediction and target.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, fused
from autodiff.arguments import weak

from .targets import Loss, fitted, like_input, reduced, reduced_fast, weighted_mean

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


def mse_loss(input: Tensor, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Return the mean of the squared differences.

    input, target  of one shape: (N,) beside (N, 1) is refused, since it would compare every sample with every other
    reduction      "mean", "sum" or "none"
    weight         of that shape too, how much each number counts; the mean is then weighted

    Raises ValueError or TypeError where shapes or dtypes do not fit.

    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """
    x, target = fitted("mse_loss", input, target, reduction)
    if weight is not None:
        return _weighted("mse_loss", _squared_error(x, target, "none"), weight, reduction)
    return _squared_error(x, target, reduction)


class MSELoss(Loss):
    """The mean squared error, see `nn.functional.mse_loss`.

    >>> MSELoss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return mse_loss(input, target, self.reduction)


# ------------------------------------------------------------------------------------------------ mean absolute error


def _absolute_forward(x: np.ndarray, target: np.ndarray, reduction: str) -> Any:
    d = np.asarray(x - target)  # of 0-d arrays NumPy makes a scalar
    return reduced_fast(np.asarray(np.abs(d)), reduction), (d, reduction)


def _absolute_backward(g: Any, kept: Any, needs: Any) -> Any:
    d, reduction = kept
    dx = np.sign(d) * (g / d.size if reduction == "mean" else g)
    return dx if needs[0] else None, -dx if needs[1] else None, None


@fused(forward=_absolute_forward, backward=_absolute_backward, name="l1_loss")
def _absolute_error(x: Any, target: Any, reduction: Any) -> Any:
    return reduced(np.abs(x - target), reduction)


def l1_loss(input: Tensor, target: Any, reduction: str = "mean", weight: Any = None) -> Tensor:
    """Return the mean of the absolute differences; where there is no difference, the derivative is 0.

    input, target  of one shape
    reduction      "mean", "sum" or "none"
    weight         of that shape too, how much each number counts; the mean is then weighted

    Raises ValueError or TypeError where shapes or dtypes do not fit.

    >>> l1_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    1.0
    """
    x, target = fitted("l1_loss", input, target, reduction)
    if weight is not None:
        return _weighted("l1_loss", _absolute_error(x, target, "none"), weight, reduction)
    return _absolute_error(x, target, reduction)


class L1Loss(Loss):
    """The mean absolute error, see `nn.functional.l1_loss`.

    >>> L1Loss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return l1_loss(input, target, self.reduction)


# ------------------------------------------------------------------------------------------------ Huber and smooth L1
# With c, the difference limited to +-delta, the loss is c (d - c / 2) on both sides of delta, and c is its derivative.


def _huber_forward(x: np.ndarray, target: np.ndarray, delta: float, scale: float, reduction: str) -> Any:
    d = np.asarray(x - target)
    c = np.asarray(d.clip(-delta, delta) if d.size > 4096 else np.minimum(np.maximum(d, -delta), delta))
    if reduction == "none":
        losses = d - 0.5 * c
        losses *= c
        y: Any = losses if scale == 1 else losses * scale
    else:
        y = (np.vdot(c, d) - 0.5 * np.vdot(c, c)) * (scale / d.size if reduction == "mean" else scale)
    return y, (c, scale, reduction)


def _huber_backward(g: Any, kept: Any, needs: Any) -> Any:
    c, scale, reduction = kept
    dx = c * (g * (scale / c.size if reduction == "mean" else scale))
    return dx if needs[0] else None, -dx if needs[1] else None, None, None, None


@fused(forward=_huber_forward, backward=_huber_backward, name="huber_loss")
def _huber(x: Any, target: Any, delta: Any, scale: Any, reduction: Any) -> Any:
    d = x - target
    c = np.clip(d, -delta, delta)
    return reduced(c * (d - 0.5 * c) * scale, reduction)


def huber_loss(input: Tensor, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """Return the mean of half the square of differences up to `delta`, and of delta (|d| - delta / 2) beyond: robust to outliers.

    input, target  of one shape
    reduction      "mean", "sum" or "none"
    delta          where the parabola goes over into straight lines, positive
    weight         of the shape of the input, rescales each loss; the mean stays a plain one, unlike that of `mse_loss`, as in
                   PyTorch

    Raises ValueError or TypeError where shapes, dtypes or delta do not fit. Source: Huber, Robust Estimation of a Location
    Parameter, 1964.

    >>> huber_loss(Tensor([0.5, 3.0]), [0.0, 0.0], reduction="none").tolist()
    [0.125, 2.5]
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is a positive number, got {delta}")
    x, target, delta = *fitted("huber_loss", input, target, reduction), weak(delta)
    if weight is not None:
        return reduced(_huber(x, target, delta, 1.0, "none") * like_input("huber_loss", weight, x, "weight"), reduction)  # type: ignore[no-any-return]
    return _huber(x, target, delta, 1.0, reduction)


class HuberLoss(Loss):
    """The Huber loss, see `nn.functional.huber_loss`.

    >>> HuberLoss(delta=2.0)(Tensor([3.0]), [0.0]).item()
    4.0
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta is a positive number, got {delta}")
        self.delta = delta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return huber_loss(input, target, self.reduction, self.delta)


def smooth_l1_loss(input: Tensor, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Return the mean of d**2 / (2 beta) for differences up to `beta`, and of |d| - beta / 2 beyond: an `l1_loss` without its kink.

    input, target  of one shape
    reduction      "mean", "sum" or "none"
    beta           where the parabola goes over into straight lines; 0 gives `l1_loss`

    Raises ValueError or TypeError where shapes, dtypes or beta do not fit. It is `huber_loss` with delta = beta, over beta.
    Source: Girshick, Fast R-CNN, 2015.

    >>> smooth_l1_loss(Tensor([0.5, 3.0]), [0.0, 0.0], reduction="none", beta=2.0).tolist()
    [0.0625, 2.0]
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta is 0 or more, got {beta}")
    x, target, beta = *fitted("smooth_l1_loss", input, target, reduction), weak(beta)
    return _huber(x, target, beta, 1 / beta, reduction) if beta else _absolute_error(x, target, reduction)


class SmoothL1Loss(Loss):
    """The smooth L1 loss, see `nn.functional.smooth_l1_loss`.

    >>> SmoothL1Loss(beta=2.0)(Tensor([3.0]), [0.0]).item()
    2.0
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction)
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: beta is 0 or more, got {beta}")
        self.beta = beta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return smooth_l1_loss(input, target, self.reduction, self.beta)


def _weighted(name: str, losses: Tensor, weight: Any, reduction: str) -> Tensor:
    weights = like_input(name, weight, losses, "weight")
    losses = losses * weights
    return weighted_mean(name, losses, weights) if reduction == "mean" else reduced(losses, reduction)
