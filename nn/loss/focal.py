"""Focal losses: cross-entropies in which what is certain and right already counts little. Function first, its Module below it.

Source: Lin, Goyal, Girshick, He and Dollar, Focal Loss for Dense Object Detection, 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, asarray, composition
from autodiff.arguments import weak

from ..activation import log_softmax, sigmoid
from ..module import Module
from .binary import binary_cross_entropy_with_logits, check_probability
from .targets import REDUCTIONS, Loss, class_indices, fitted, of_classes, reduced, reduced_by_class, unknown_reduction


@composition()
def sigmoid_focal_loss(
    input: Tensor, target: Any, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "none"
) -> Tensor:
    """Return the binary cross-entropy of logits times (1 - p)**gamma, where p is the probability that the truth was given.

    input      logits, any real numbers, of any shape
    target     0 or 1 or between, of the shape of the input
    alpha      how much a yes counts, 0 to 1, a no counting 1 - alpha; None (or -1) for 1 each
    gamma      how much less counts what is right already, 0 or more; 0 gives the plain cross-entropy
    reduction  "none", as in torchvision (a detector divides the sum by the number of its boxes), "mean" or "sum"

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> sigmoid_focal_loss(Tensor([0.0, 10.0]), [1, 0]).round(4).tolist()
    [0.0433, 7.4994]
    """
    name = "sigmoid_focal_loss"
    alpha, gamma = weak(_options(name, alpha, gamma)), weak(gamma)
    x, target = fitted(name, input, target, reduction)
    check_probability(name, target)
    losses = binary_cross_entropy_with_logits(x, target, reduction="none")
    losses = losses * (sigmoid(x) * (1 - target) + sigmoid(-x) * target) ** gamma
    if alpha is not None:
        losses = losses * (alpha * target + (1 - alpha) * (1 - target))
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def _options(name: str, alpha: float | None, gamma: float) -> float | None:
    if not gamma >= 0:
        raise ValueError(f"{name}: gamma is 0 or more, got {gamma}")
    if alpha is None or alpha == -1:
        return None
    if not 0 <= alpha <= 1:
        raise ValueError(f"{name}: alpha lies between 0 and 1, or is None for no balance, got {alpha}")
    return alpha


class FocalLoss(Loss):
    """The focal loss of yes-or-no decisions, see `nn.functional.sigmoid_focal_loss`; here the default reduction is "mean".

    >>> round(FocalLoss(alpha=None, gamma=1.0)(Tensor([0.0]), [1]).item(), 4)
    0.3466
    """

    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "mean"):
        super().__init__(reduction)
        _options("FocalLoss", alpha, gamma)
        self.alpha, self.gamma = alpha, gamma

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return sigmoid_focal_loss(input, target, self.alpha, self.gamma, self.reduction)


@composition()
def softmax_focal_loss(
    input: Tensor, target: Any, weight: Any = None, gamma: float = 2.0, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Return the cross-entropy of classes times (1 - p)**gamma, where p is the probability that the truth was given.

    input         logits, any real numbers: (N, C), or (C,), or (N, C, d1, ...)
    target        class indices 0 to C-1: (N,), or (), or (N, d1, ...)
    weight        (C,), how much each class counts (the paper's alpha); the mean is then weighted too, as in `cross_entropy`
    gamma         how much less counts what is right already, 0 or more; 0 gives the plain cross-entropy
    ignore_index  samples of this class index do not count
    reduction     "mean", "sum" or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> round(softmax_focal_loss(Tensor([[0.0, 0.0]]), [1]).item(), 4)
    0.1733
    """
    name = "softmax_focal_loss"
    _options(name, None, gamma)
    x, raw, weights = of_classes(name, input, target, weight, reduction, "logits")
    rows, classes, positions = class_indices(name, x, raw, ignore_index, reduction)
    log_p = log_softmax(rows, -1)[np.arange(len(classes)), classes]
    losses = -log_p * (-np.expm1(log_p)) ** weak(gamma)
    if weights is not None:
        losses = losses * weights[classes]
    return reduced_by_class(name, losses, weights, classes, positions, raw.shape, reduction)


class SoftmaxFocalLoss(Module):
    """The focal loss of classes, see `nn.functional.softmax_focal_loss`.

    >>> round(SoftmaxFocalLoss(gamma=1.0)(Tensor([[0.0, 0.0]]), [1]).item(), 4)
    0.3466
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, gamma: float = 2.0, ignore_index: int = -100, reduction: str = "mean"):
        if reduction not in REDUCTIONS:
            raise unknown_reduction("SoftmaxFocalLoss", reduction)
        _options("SoftmaxFocalLoss", None, gamma)
        self.register_buffer("weight", None if weight is None else asarray(weight))
        self.gamma, self.ignore_index, self.reduction = gamma, ignore_index, reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return softmax_focal_loss(input, target, self.weight, self.gamma, self.ignore_index, self.reduction)
