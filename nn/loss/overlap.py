"""Dice: how well a predicted region covers the true one. Function first, its Module below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, composition
from autodiff.arguments import weak

from .targets import Loss, check_range, fitted, reduced


@composition()
def dice_loss(
    input: Tensor, target: Any, smooth: float = 1.0, reduction: str = "mean", dim: int | tuple[int, ...] | None = None
) -> Tensor:
    """Return 1 - (2 sum(p t) + smooth) / (sum(p**2) + sum(t**2) + smooth), the share of two regions that do not overlap.

    input      probabilities p of belonging to the region, 0 to 1: (N, ...), a region for each sample
    target     t, 0 or 1 or between, of the shape of the input
    smooth     what keeps the ratio calm where both regions are (nearly) empty, 0 or more; two empty regions have the loss 0
    reduction  of the losses of all regions: "mean", "sum", or "none" for (N,)
    dim        the axes that a region extends over, by default all but the first; for classes (N, C, H, W) that are
               regions of their own, (2, 3)

    Raises ValueError or TypeError where shape, range or dtype do not fit. Source: Milletari, Navab and Ahmadi, V-Net, 2016
    (with smooth=0).

    >>> dice_loss(Tensor([[1.0, 1.0, 0.0, 0.0]]), [[1, 0, 0, 0]], smooth=0.0).item() == 1 - 2 / 3
    True
    """
    if not smooth >= 0:
        raise ValueError(f"dice_loss: smooth is 0 or more, got {smooth}")
    x, target = fitted("dice_loss", input, target, reduction)
    if dim is None and x.ndim < 2:
        raise ValueError(
            f"dice_loss: the input has shape {x.shape}, expected (N, ...), a region for each sample; write input[None] and "
            "target[None] for a single region, or say with dim what axes it extends over"
        )
    check_range("dice_loss", "probabilities", x, 0, 1, "; give probabilities, of sigmoid or softmax, not logits")
    check_range("dice_loss", "targets", target, 0, 1, "; give 1 inside the region and 0 outside")
    axes, smooth = tuple(range(1, x.ndim)) if dim is None else dim, weak(smooth)
    common = 2 * (x * target).sum(axis=axes) + smooth
    both = (x * x).sum(axis=axes) + (target * target).sum(axis=axes) + smooth
    empty = both == 0
    return reduced(1 - np.where(empty, 1, common) / np.where(empty, 1, both), reduction)  # type: ignore[no-any-return]


class DiceLoss(Loss):
    """The Dice loss, see `nn.functional.dice_loss`.

    >>> DiceLoss()(Tensor([[1.0, 0.0]]), [[1, 0]]).item()
    0.0
    """

    def __init__(self, smooth: float = 1.0, reduction: str = "mean", dim: int | tuple[int, ...] | None = None):
        super().__init__(reduction)
        if not smooth >= 0:
            raise ValueError(f"DiceLoss: smooth is 0 or more, got {smooth}")
        self.smooth, self.dim = smooth, dim

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return dice_loss(input, target, self.smooth, self.reduction, self.dim)
