"""What losses share: targets that fit their predictions or are refused with the cure, and the reduction.

reduction  "mean" over all samples, "sum", or "none" (one loss for each sample)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_array, plain

from ..constants import ones

REDUCTIONS = ("mean", "sum", "none")


def unknown_reduction(name: str, reduction: Any) -> ValueError:
    return ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def no_mean(name: str, why: str) -> ValueError:
    return ValueError(f"{name}: {why}, so there is no mean; use reduction='sum' to get 0")


def reduced(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return losses.sum() / math.prod(losses.shape)  # half the overhead of mean()
    return losses.sum() if reduction == "sum" else losses


def like_input(name: str, target: Any, x: Tensor) -> Any:
    """Return a target in the dtype of the prediction `x`; raise unless it has its shape."""
    if not isinstance(target, (Tensor, np.ndarray)):
        target = as_array(plain(target), name)
    if target.shape != x.shape:
        cure = ""
        if math.prod(target.shape) == x.size:
            cure = f" Write target.reshape({x.shape}), or give the prediction the target's shape."
        raise ValueError(
            f"{name}: the prediction has shape {x.shape}, the target {target.shape}; they must be equal, since broadcasting would "
            f"compare samples with one another.{cure}"
        )
    if target.dtype.kind not in "biuf":
        raise TypeError(f"{name}: the target has dtype {target.dtype}, expected real numbers")
    return target if target.dtype == x.dtype else target.astype(x.dtype)


def reduced_fast(losses: np.ndarray, reduction: str) -> Any:
    if reduction == "none":
        return losses
    total = losses.dot(ones(len(losses), losses.dtype))
    return total / len(losses) if reduction == "mean" else total
