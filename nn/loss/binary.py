"""Losses of yes or no: each function beside its derivative, and its Module below.

input      one number for each decision, of any shape: a probability, or a logit (a score, any real number)
target     of the shape of the input: 1 for yes, 0 for no, or the probability of yes; where said so, 1 and -1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, composition, elementwise, fused
from autodiff.arguments import weak

from ..activation import relu
from ..activation.exponential import log1p_of_fraction
from ..constants import zeros
from ..module import Module
from .targets import REDUCTIONS, Loss, broadcast_to_input, check_range, fitted, reduced, reduced_fast, unknown_reduction


def check_probability(name: str, target: Any) -> None:
    """Raise unless every target lies between 0 and 1."""
    array = target._data if isinstance(target, Tensor) else target
    cure = "; give 1 for yes and 0 for no"
    if array.size and array.min() == -1 and array.max() <= 1:
        cure = "; labels -1 and 1 become 0 and 1 by (target + 1) / 2"
    elif array.size and array.min() >= 0:
        cure = "; class indices go to cross_entropy, byte images are divided by 255"
    check_range(name, "targets", array, 0, 1, cure)


def check_signs(name: str, target: Any) -> None:
    """Raise unless every target is -1 or 1."""
    signs = target._data if isinstance(target, Tensor) else target
    if not (np.abs(signs) == 1).all():
        bad = signs[np.abs(signs) != 1].flat[0]
        cure = "; labels 0 and 1 become -1 and 1 by 2 * target - 1" if ((signs == 0) | (signs == 1)).all() else ""
        raise ValueError(f"{name}: targets are 1 for yes and -1 for no, got {bad:g}{cure}")


# ------------------------------------------------------------------------------------------------ of probabilities


def _log(x: Any) -> Any:
    return np.maximum(np.log(x), -100)  # which, of 0, would be -inf


def _log_of_complement(x: Any) -> Any:
    return np.maximum(np.log1p(-x), -100)


def _surprise(x1: np.ndarray, x2: np.ndarray) -> Any:
    with np.errstate(divide="ignore"):
        return -(x2 * _log(x1) + (1 - x2) * _log_of_complement(x1))


_surprise_of: Callable[[Any, Any], Tensor] = elementwise(
    _surprise,  # near 0 and 1 the slope is limited, as the loss is
    lambda g, x1, x2: g * ((x1 - x2) / np.maximum(x1 * (1 - x1), 1e-12 if x1.dtype.itemsize > 2 else 2e-5)),
    lambda g, x1: g * (_log_of_complement(x1) - _log(x1)),
    name="binary_cross_entropy",
)


def binary_cross_entropy(input: Tensor, target: Any, weight: Any = None, reduction: str = "mean") -> Tensor:
    """Return how surprising a truth is to one who predicted its probability: -t log p - (1 - t) log(1 - p).

    input      probabilities p of yes, 0 to 1, of any shape; `binary_cross_entropy_with_logits` takes logits, which is more exact
    target     t, 0 or 1 or between, of the shape of the input
    weight     numbers that rescale each loss, of a shape that broadcasts to that of the input; the mean stays a plain one
    reduction  "mean", "sum" or "none"

    Logarithms are limited to -100 and slopes to 1e12, as in PyTorch (those of float16 to 5e4). Raises ValueError or TypeError
    where shape, range or dtype do not fit.

    >>> binary_cross_entropy(Tensor([0.5, 1.0]), [1, 0], reduction="none").tolist()
    [0.6931471805599453, 100.0]
    """
    x, target = fitted("binary_cross_entropy", input, target, reduction)
    cure = "; give probabilities (of sigmoid), or logits to binary_cross_entropy_with_logits"
    check_range("binary_cross_entropy", "probabilities", x, 0, 1, cure)
    check_probability("binary_cross_entropy", target)
    losses = _surprise_of(x, target)
    if weight is not None:
        losses = losses * broadcast_to_input("binary_cross_entropy", weight, x, "weight")
    return reduced(losses, reduction)  # type: ignore[no-any-return]


class BCELoss(Module):
    """The binary cross-entropy of probabilities, see `nn.functional.binary_cross_entropy`.

    >>> round(BCELoss()(Tensor([0.5]), [1]).item(), 4)
    0.6931
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean"):
        if reduction not in REDUCTIONS:
            raise unknown_reduction("BCELoss", reduction)
        self.register_buffer("weight", None if weight is None else asarray(weight))
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, self.reduction)


# ------------------------------------------------------------------------------------------------ of logits


BLOCK = 32768  # so many numbers at a time stay in the cache from the first step to the last


def _logistic_losses(x: np.ndarray, target: np.ndarray, yes: np.ndarray | None, u: np.ndarray) -> np.ndarray:
    """Return the loss of each number of flat arrays, and write exp(-|x|) into `u`."""
    np.abs(x, out=u)
    np.negative(u, out=u)
    np.exp(u, out=u)
    losses = log1p_of_fraction(u)  # what is left at the right side of zero; at the wrong side |x| comes on top
    wrong = np.maximum(x, zeros(len(x), x.dtype))
    try:
        with np.errstate(invalid="raise"):
            if yes is None:
                wrong -= x * target
            else:
                a, b = yes * target, 1 - target
                losses *= a + b
                a *= wrong - x
                wrong *= b
                wrong += a
            losses += wrong
    except FloatingPointError:  # an infinite logit: inf - inf, or 0 * inf
        with np.errstate(invalid="ignore"):  # where others are nan
            a, b = target if yes is None else yes * target, 1 - target
            right, wrong = _softpluses(x, a, b)
            losses = a * right + b * wrong
    return losses


def _softpluses(x: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Return log(1 + exp(-x)) and log(1 + exp(x)), and 0 for an infinity that a weight (a, b) of 0 would multiply."""
    return (
        np.where((a == 0) & (x == -np.inf), 0, np.logaddexp(-x, 0.0)),
        np.where((b == 0) & (x == np.inf), 0, np.logaddexp(x, 0.0)),
    )


def _logistic_forward(x: np.ndarray, target: np.ndarray, yes: np.ndarray | None, reduction: str) -> Any:
    shape, size = x.shape, x.size
    x, target, yes = x.ravel(), target.ravel(), None if yes is None else yes.ravel()
    u = np.empty_like(x)
    kept = x, target, yes, u, shape, reduction
    if size <= BLOCK:
        losses = _logistic_losses(x, target, yes, u)
        return losses.reshape(shape) if reduction == "none" else reduced_fast(losses, reduction), kept
    losses, total = np.empty_like(x) if reduction == "none" else u, 0.0
    for start in range(0, size, BLOCK):
        s = slice(start, start + BLOCK)
        part = _logistic_losses(x[s], target[s], None if yes is None else yes[s], u[s])
        if reduction == "none":
            losses[s] = part
        else:
            total += float(part.sum())
    if reduction == "none":
        return losses.reshape(shape), kept
    return x.dtype.type(total / size if reduction == "mean" else total), kept


def _logistic_backward(g: Any, kept: Any, needs: Any) -> Any:
    x, target, yes, u, shape, reduction = kept
    g = g / x.size if reduction == "mean" else g.ravel() if reduction == "none" else g
    dx = dt = dy = None
    if needs[0]:
        dx = np.empty_like(x)
        for start in range(0, x.size, BLOCK):
            s = slice(start, start + BLOCK)
            _logistic_slopes(x[s], target[s], None if yes is None else yes[s], u[s], dx[s])
            dx[s] *= g[s] if reduction == "none" else g
        dx = dx.reshape(shape)
    if needs[1] or needs[2]:
        right, wrong = _softpluses(x, target if yes is None else yes * target, 1 - target)
        dt = (g * ((right if yes is None else yes * right) - wrong)).reshape(shape)
        dy = (g * (target * right)).reshape(shape)
    return dx, dt if needs[1] else None, dy if needs[2] else None, None


def _logistic_slopes(x: np.ndarray, target: np.ndarray, yes: np.ndarray | None, u: np.ndarray, d: np.ndarray) -> None:
    """Write (1 - t) sigmoid(x) - yes t sigmoid(-x) into `d`; sigmoid(x) - t would round the small ones to 0."""
    np.copyto(d, x > 0)
    away = 1 - d
    np.maximum(u, d, out=d)
    np.maximum(u, away, out=away)
    d *= 1 - target
    away *= target
    if yes is not None:
        away *= yes
    d -= away
    np.add(u, 1, out=away)
    d /= away


@fused(forward=_logistic_forward, backward=_logistic_backward, name="binary_cross_entropy_with_logits")
def _logistic(x: Any, target: Any, yes: Any, reduction: Any) -> Any:
    """-yes t log sigmoid(x) - (1 - t) log sigmoid(-x); 0 log 0 is 0."""
    a, b = target if yes is None else yes * target, 1 - target
    right, wrong = _softpluses(x, a, b)
    return reduced(a * right + b * wrong, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Any, weight: Any = None, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """Return how surprising a truth is to one who predicted sigmoid(input) as its probability: exact for logits of any size.

    input       logits x, any real numbers, of any shape
    target      t, 0 or 1 or between, of the shape of the input
    weight      numbers that rescale each loss, of a shape that broadcasts to that of the input; the mean stays a plain one
    reduction   "mean", "sum" or "none"
    pos_weight  how much a yes counts beside a no, of a shape that broadcasts to that of the input; one number for each
                class (C,) trades precision for recall where yes is rare

    The loss is -pos_weight t log sigmoid(x) - (1 - t) log sigmoid(-x). Raises ValueError or TypeError where shape, range or
    dtype do not fit.

    >>> binary_cross_entropy_with_logits(Tensor([0.0, -1000.0]), [1, 1], reduction="none").tolist()
    [0.6931471805599453, 1000.0]
    """
    name = "binary_cross_entropy_with_logits"
    x, target = fitted(name, input, target, reduction)
    check_probability(name, target)
    yes = None if pos_weight is None else broadcast_to_input(name, pos_weight, x, "pos_weight")
    if weight is None:
        return _logistic(x, target, yes, reduction)
    return reduced(_logistic(x, target, yes, "none") * broadcast_to_input(name, weight, x, "weight"), reduction)  # type: ignore[no-any-return]


class BCEWithLogitsLoss(Module):
    """The binary cross-entropy of logits, see `nn.functional.binary_cross_entropy_with_logits`.

    >>> round(BCEWithLogitsLoss(pos_weight=[2.0])(Tensor([0.0]), [1]).item(), 4)
    1.3863
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None):
        if reduction not in REDUCTIONS:
            raise unknown_reduction("BCEWithLogitsLoss", reduction)
        self.register_buffer("weight", None if weight is None else asarray(weight))
        self.register_buffer("pos_weight", None if pos_weight is None else asarray(pos_weight))
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


# ------------------------------------------------------------------------------------------------ squared hinge


@composition()
def squared_hinge_loss(input: Tensor, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return max(0, margin - t x)**2, the loss of a support vector machine without the kink of the plain hinge.

    input      scores x, any real numbers, of any shape
    target     t, 1 for yes and -1 for no, of the shape of the input
    margin     how far on the right side of 0 a score costs nothing
    reduction  "mean", "sum" or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit. Source: Tang, Deep Learning using Linear Support
    Vector Machines, 2013.

    >>> squared_hinge_loss(Tensor([3.0, 0.5, 0.5]), [1, 1, -1], reduction="none").tolist()
    [0.0, 0.25, 2.25]
    """
    x, target = fitted("squared_hinge_loss", input, target, reduction)
    check_signs("squared_hinge_loss", target)
    short = relu(weak(margin) - target * x)
    return reduced(short * short, reduction)  # type: ignore[no-any-return]


class SquaredHingeLoss(Loss):
    """The squared hinge loss, see `nn.functional.squared_hinge_loss`.

    >>> SquaredHingeLoss()(Tensor([0.5]), [-1]).item()
    2.25
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return squared_hinge_loss(input, target, self.margin, self.reduction)
