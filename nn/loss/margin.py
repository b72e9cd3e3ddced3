"""Losses that ask for a margin: a score on the right side of a threshold, or of other scores, by at least so much.

Each function, its Module below it. At the margin itself the derivative is 0, the shortest of the slopes there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, composition, fused, take_along_axis
from autodiff.arguments import plain, weak

from ..activation import relu
from .binary import binary_cross_entropy_with_logits, check_probability, check_signs
from .targets import (
    REDUCTIONS,
    Loss,
    broadcast_to_input,
    class_weights,
    fitted,
    like_input,
    no_mean,
    prediction,
    reduced,
    unknown_reduction,
)


def scores(name: str, input: Any, reduction: str) -> Tensor:
    """Return floating predictions as a Tensor; raise for other dtypes, for an unknown reduction, for the mean of nothing."""
    if reduction not in REDUCTIONS:
        raise unknown_reduction(name, reduction)
    x = input if isinstance(input, Tensor) else prediction(name, input)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: the input has dtype {x.dtype}, expected floating predictions")
    if reduction == "mean" and not x.size:
        raise no_mean(name, "the batch is empty")
    return x


# ------------------------------------------------------------------------------------------------ one score, two classes


@composition()
def soft_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return log(1 + exp(-target * input)): the logistic loss, for targets -1 and 1.

    input, target  of one shape; the target holds -1 and 1
    reduction      "mean" over all elements, "sum", or "none"

    Raises ValueError or TypeError where shape, values or dtype do not fit.

    >>> round(soft_margin_loss(Tensor([0.0, 3.0]), [1, -1]).item(), 4)
    1.8709
    """
    x, t = fitted("soft_margin_loss", input, target, reduction)
    check_signs("soft_margin_loss", t)
    return binary_cross_entropy_with_logits(x * t, np.ones(x.shape, x.dtype), reduction=reduction)


class SoftMarginLoss(Loss):
    """The logistic loss for targets -1 and 1, see `nn.functional.soft_margin_loss`.

    >>> round(SoftMarginLoss()(Tensor([0.0]), [1]).item(), 4)
    0.6931
    """

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return soft_margin_loss(input, target, self.reduction)


@composition()
def hinge_embedding_loss(input: Tensor, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return the input where the target is 1, and max(0, margin - input) where it is -1.

    input      distances of pairs, of any shape
    target     of the same shape: 1 for a pair that belongs together, -1 for one that does not
    margin     how far apart the latter shall be
    reduction  "mean" over all elements, "sum", or "none"

    Raises ValueError or TypeError where shape, values or dtype do not fit.

    >>> hinge_embedding_loss(Tensor([0.5, 0.25]), [1, -1], reduction="none").tolist()
    [0.5, 0.75]
    """
    x, t = fitted("hinge_embedding_loss", input, target, reduction)
    check_signs("hinge_embedding_loss", t)
    loss: Tensor = reduced(np.where(plain(t) == 1, x, relu(weak(margin) - x)), reduction)
    return loss


class HingeEmbeddingLoss(Loss):
    """Distances that shall be small, or at least a margin, see `nn.functional.hinge_embedding_loss`.

    >>> HingeEmbeddingLoss(margin=2.0)(Tensor([0.5]), [-1]).item()
    1.5
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return hinge_embedding_loss(input, target, self.margin, self.reduction)


# ------------------------------------------------------------------------------------------------ one right class of many


def _samples_and_classes(name: str, x: Tensor) -> None:
    if x.ndim not in (1, 2) or not x.shape[-1]:
        raise ValueError(f"{name}: the input has shape {x.shape}, expected scores of shape (N, C), or (C,) for one sample")


def _indices(name: str, target: Any, shape: tuple[int, ...], lowest: int, count: int) -> np.ndarray:
    """Return class indices of `shape` from `lowest` to `count` - 1; raise where they are others."""
    raw = np.asarray(plain(target))
    if raw.dtype.kind not in "iu":
        raise TypeError(f"{name}: the target has dtype {raw.dtype}, expected class indices (int)")
    if raw.shape != shape:
        cure = f"; write target.reshape({shape})" if raw.size == math.prod(shape) else ""
        raise ValueError(f"{name}: the target has shape {raw.shape}, expected class indices of shape {shape}{cure}")
    bad = (raw < lowest) | (raw >= count)
    if bad.any():
        raise ValueError(
            f"{name}: the target {raw[bad].flat[0]} is no class: with {count} scores a sample the classes are 0 to {count - 1}"
            + (", and -1 ends a row" if lowest else "")
        )
    return raw.astype(np.intp, copy=False)


def _multi_margin_forward(x: np.ndarray, classes: np.ndarray, p: int, margin: float) -> Any:
    rows = np.arange(len(x))
    excess = x - x[rows, classes][:, None]
    excess += margin
    np.maximum(excess, 0, out=excess)
    excess[rows, classes] = 0
    losses = excess.sum(axis=1) if p == 1 else np.vecdot(excess, excess)
    losses /= x.shape[1]
    return losses, (excess, rows, classes, p)


def _multi_margin_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    excess, rows, classes, p = kept
    d = (excess > 0 if p == 1 else excess) * (g * (p / excess.shape[1]))[:, None]
    d[rows, classes] = -d.sum(axis=1)
    return (d,)


@fused(forward=_multi_margin_forward, backward=_multi_margin_backward, name="multi_margin")
def _multi_margin(x: Any, classes: Any, p: Any, margin: Any) -> Any:
    """The sum over j other than classes[i] of max(0, margin - x[i, classes[i]] + x[i, j]) ** p, over C."""
    count = x.shape[1]
    chosen = x[np.arange(len(classes)), classes][:, None]
    excess = relu(x - chosen + margin) * (np.arange(count) != classes[:, None])
    return (excess if p == 1 else excess * excess).sum(axis=1) / count


def multi_margin_loss(
    input: Tensor, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """Return by how much other classes come too close to the right one: the multi-class hinge loss.

    For each sample, the sum over the other classes j of max(0, margin - input[target] + input[j]) ** p, divided by C.

    input      scores, (N, C) or (C,)
    target     the right class of each sample, 0 to C-1: (N,) or ()
    p          1 or 2
    margin     how much higher the right class shall score
    weight     (C,), how much samples of each class count; unlike that of cross_entropy, the mean is over N all the same
    reduction  "mean" over the samples, "sum", or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> multi_margin_loss(Tensor([[0.5, 0.25, 2.0]]), [0]).item()
    1.0833333333333333
    """
    x = scores("multi_margin_loss", input, reduction)
    _samples_and_classes("multi_margin_loss", x)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2, got {p!r}")
    classes = _indices("multi_margin_loss", target, x.shape[:-1], 0, x.shape[-1])
    losses: Tensor = _multi_margin(x if x.ndim == 2 else x[None], classes.reshape(-1), p, margin)
    if x.ndim == 1:
        losses = losses[0]
    weights = class_weights("multi_margin_loss", weight, x)
    if weights is not None:
        losses = losses * weights[classes]
    loss: Tensor = reduced(losses, reduction)
    return loss


class MultiMarginLoss(Loss):
    """The multi-class hinge loss, see `nn.functional.multi_margin_loss`.

    >>> MultiMarginLoss()(Tensor([[0.0, 0.0]]), [1]).item()
    0.5
    """

    weight: Tensor | None

    def __init__(self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p is 1 or 2, got {p!r}")
        self.register_buffer("weight", None if weight is None else asarray(weight))
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


# ------------------------------------------------------------------------------------------------ several right classes


@composition()
def multilabel_margin_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """Return by how much other classes come closer than 1 to the right ones, of which a sample may have several.

    For each sample, the sum over right classes i and other classes j of max(0, 1 - input[i] + input[j]), divided by C.

    input      scores, (N, C) or (C,)
    target     of the same shape: the right classes of a sample, then -1, then anything from -1 to C-1
    reduction  "mean" over the samples, "sum", or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> round(multilabel_margin_loss(Tensor([0.1, 0.2, 0.4, 0.8]), [3, 0, -1, 1]).item(), 4)
    0.85
    """
    x = scores("multilabel_margin_loss", input, reduction)
    _samples_and_classes("multilabel_margin_loss", x)
    count = x.shape[-1]
    listed = _indices("multilabel_margin_loss", target, x.shape, -1, count)
    counted = np.logical_and.accumulate(listed >= 0, axis=-1)  # those before the first -1
    listed = listed[..., : int(counted.sum(axis=-1).max(initial=0))]  # few labels a sample: small arrays
    counted = counted[..., : listed.shape[-1]]
    others = ~((listed[..., None] == np.arange(count)) & counted[..., None]).any(axis=-2)
    chosen = take_along_axis(x, np.where(counted, listed, 0), -1)
    excess = relu(1.0 - chosen[..., :, None] + x[..., None, :])  # (N, right class, other class)
    losses = (excess * (counted[..., :, None] & others[..., None, :])).sum(axis=(-2, -1)) / count
    loss: Tensor = reduced(losses, reduction)
    return loss


class MultiLabelMarginLoss(Loss):
    """The hinge loss of samples with several right classes, see `nn.functional.multilabel_margin_loss`.

    >>> MultiLabelMarginLoss()(Tensor([[0.0, 0.0]]), [[1, -1]]).item()
    0.5
    """

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return multilabel_margin_loss(input, target, self.reduction)


@composition()
def multilabel_soft_margin_loss(input: Tensor, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Return the binary cross-entropy of each class by itself, averaged over the classes.

    input      logits, (..., C)
    target     of the same shape: 1 where a sample has the label, 0 where not, or how probable it is
    weight     how much each class counts, (C,), or anything that broadcasts to the input
    reduction  "mean" over the samples, "sum", or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> round(multilabel_soft_margin_loss(Tensor([[2.0, -2.0]]), [[1, 0]]).item(), 4)
    0.1269
    """
    x = scores("multilabel_soft_margin_loss", input, reduction)
    if not x.ndim or not x.shape[-1]:
        raise ValueError(f"multilabel_soft_margin_loss: the input has shape {x.shape}, expected logits of shape (..., C)")
    q = like_input("multilabel_soft_margin_loss", target, x)
    check_probability("multilabel_soft_margin_loss", q)
    if weight is not None:
        weight = broadcast_to_input("multilabel_soft_margin_loss", weight, x, "weight")
    losses = binary_cross_entropy_with_logits(x, q, weight, "none")
    loss: Tensor = reduced(losses.sum(axis=-1) / x.shape[-1], reduction)
    return loss


class MultiLabelSoftMarginLoss(Loss):
    """The binary cross-entropy of each class by itself, see `nn.functional.multilabel_soft_margin_loss`.

    >>> round(MultiLabelSoftMarginLoss()(Tensor([[0.0, 0.0]]), [[1, 0]]).item(), 4)
    0.6931
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        super().__init__(reduction)
        self.register_buffer("weight", None if weight is None else asarray(weight))

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return multilabel_soft_margin_loss(input, target, self.weight, self.reduction)
