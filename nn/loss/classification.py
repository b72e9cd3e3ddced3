"""Losses of classifiers: each function beside its derivative, and its Module below."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, asarray, fused, logsumexp
from autodiff.arguments import weak

from ..constants import ones, row_starts
from ..module import Module
from .targets import (
    REDUCTIONS,
    as_rows,
    check_range,
    class_indices,
    class_weights,
    no_mean,
    of_classes,
    prediction,
    reduced,
    reduced_by_class,
    reduced_fast,
    target_shape,
    unknown_reduction,
)

_INDEX, _UNSIGNED = np.dtype(np.intp), np.dtype(np.uintp)

# ------------------------------------------------------------------------------------------------ cross-entropy


def _classes_forward(x: np.ndarray, classes: np.ndarray, reduction: str) -> Any:
    rows, columns = x.shape
    flat = row_starts(rows, columns) + classes  # where the target of each row lies in the flattened array
    z = np.subtract(x, np.maximum.reduce(x, 1, keepdims=True), order="C")  # the backward pass writes into it flattened
    chosen = z.reshape(-1).take(flat)
    np.exp(z, out=z)
    totals = z.dot(ones(columns, z.dtype))
    losses = np.log(totals)
    losses -= chosen
    return reduced_fast(losses, reduction), (z, totals, flat, reduction)


def _classes_backward(g: Any, kept: Any, needs: Any) -> Any:
    z, totals, flat, reduction = kept
    if reduction == "mean":
        g = g / len(totals)
    d = z * (g / totals)[:, None]  # softmax(x) - one_hot(classes), times g
    entries = d.reshape(-1)
    entries[flat] -= g
    return d, None, None


@fused(forward=_classes_forward, backward=_classes_backward, name="cross_entropy")
def _cross_entropy_of_classes(x: Any, classes: Any, reduction: Any) -> Any:
    """-log softmax(x)[i, classes[i]] for each row i of x (N, C)."""
    return reduced(logsumexp(x, axis=1) - x[np.arange(len(classes)), classes], reduction)


def _probabilities_forward(x: np.ndarray, q: np.ndarray, reduction: str) -> Any:
    log_p = x - np.maximum.reduce(x, 1, keepdims=True)
    log_p -= np.log(np.exp(log_p).dot(ones(x.shape[1], x.dtype)))[:, None]
    log_p[(q == 0) & (x == -np.inf)] = 0
    losses = np.vecdot(q, log_p)
    return reduced_fast(np.negative(losses, out=losses), reduction), (np.exp(log_p) * (x != -np.inf), log_p, q, reduction)


def _probabilities_backward(g: Any, kept: Any, needs: Any) -> Any:
    p, log_p, q, reduction = kept
    if reduction == "mean":
        g = g / len(q)
    g = np.reshape(g, (-1, 1))
    return (
        g * (p * q.sum(axis=1, keepdims=True) - q) if needs[0] else None,
        -g * log_p if needs[1] else None,
        None,
    )


@fused(forward=_probabilities_forward, backward=_probabilities_backward, name="cross_entropy_of_probabilities")
def _cross_entropy_of_probabilities(x: Any, q: Any, reduction: Any) -> Any:
    """-sum over c of q[i, c] log softmax(x)[i, c] for each row i of x (N, C); 0 log 0 is 0."""
    log_p = x - logsumexp(x, axis=1, keepdims=True)
    return reduced(-(q * np.where((q == 0) & (x == -np.inf), 0, log_p)).sum(axis=1), reduction)


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return how surprised a classifier is by the truth: -log softmax(input)[target].

    input            logits, any real numbers: (N, C), or (C,), or (N, C, d1, ...)
    target           class indices 0 to C-1: (N,), or (), or (N, d1, ...); or class probabilities of the shape of input
    weight           (C,), how much each class counts; the mean is then weighted too
    ignore_index     samples of this class index do not count
    label_smoothing  how much of the target is spread over all classes, 0 to 1

    Raises ValueError or TypeError where shape, range or dtype of the target do not fit.

    >>> logits = Tensor([[2.0, 0.0], [0.0, 2.0]], requires_grad=True)
    >>> loss = cross_entropy(logits, [0, 0])
    >>> round(loss.item(), 4)
    1.1269
    """
    x = input if isinstance(input, Tensor) else prediction("cross_entropy", input)
    raw = target._data if isinstance(target, Tensor) else np.asarray(target)
    data = x._data
    if (  # the everyday case, found out with few questions; all others, and all errors, go the long way
        raw.dtype == _INDEX
        and data.ndim == 2
        and raw.shape == data.shape[:1]
        and data.dtype.kind == "f"
        and weight is None
        and ignore_index < 0
        and not label_smoothing
        and reduction in REDUCTIONS
        and raw.size
        and np.maximum.reduce(raw.view(_UNSIGNED)) < data.shape[1]  # read as unsigned numbers, negative ones are huge
    ):
        return _cross_entropy_of_classes(x, raw, reduction)
    if data.dtype.kind != "f":
        raise TypeError(f"cross_entropy: the input has dtype {data.dtype}, expected floating logits")
    if not data.ndim:
        raise ValueError("cross_entropy: the input is a single number; expected logits of shape (N, C), or (C,) for one sample")
    if reduction not in REDUCTIONS:
        raise unknown_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing lies between 0 and 1, got {label_smoothing}")
    label_smoothing = weak(label_smoothing)
    weights = class_weights("cross_entropy", weight, x)
    if raw.dtype.kind in "iu":
        return _by_classes(x, raw, weights, ignore_index, reduction, label_smoothing)
    return _by_probabilities(x, target, raw, weights, reduction, label_smoothing)


def _by_classes(
    x: Tensor, raw: np.ndarray, weights: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    rows, classes, positions = class_indices("cross_entropy", x, raw, ignore_index, reduction)
    if weights is None and reduction != "none" and not label_smoothing:
        return _cross_entropy_of_classes(rows, classes, reduction)
    if label_smoothing:
        q: Any = np.full(rows.shape, label_smoothing / rows.shape[1], x.dtype)
        q[np.arange(len(classes)), classes] += 1 - label_smoothing
        losses: Tensor = _cross_entropy_of_probabilities(rows, q if weights is None else q * weights, "none")
    else:
        losses = _cross_entropy_of_classes(rows, classes, "none")
        if weights is not None:
            losses = losses * weights[classes]
    return reduced_by_class("cross_entropy", losses, weights, classes, positions, raw.shape, reduction)


def _by_probabilities(
    x: Tensor, target: Any, raw: np.ndarray, weights: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    if raw.dtype.kind != "f":
        raise TypeError(f"cross_entropy: the target has dtype {raw.dtype}, expected class indices (int) or probabilities (float)")
    expected = target_shape(x.shape)
    if raw.shape != x.shape:
        cure = "; class indices must be integers: target.astype(int)" if raw.shape == expected else ""
        raise ValueError(f"cross_entropy: class probabilities have the shape of the input, {x.shape}, got {raw.shape}{cure}")
    check_range("cross_entropy", "class probabilities", raw, 0, 1 + 1e-6, "; counts become probabilities divided by their sum")
    q = target if isinstance(target, Tensor) else raw
    q = as_rows(q if q.dtype == x.dtype else q.astype(x.dtype))
    if reduction == "mean" and not q.shape[0]:
        raise no_mean("cross_entropy", "the batch is empty")
    if label_smoothing:
        q = _smoothed(q, label_smoothing)
    if weights is not None:
        q = q * weights
    losses: Tensor = _cross_entropy_of_probabilities(as_rows(x), q, reduction)
    return losses.reshape(expected) if reduction == "none" else losses


def _smoothed(q: Any, label_smoothing: float) -> Any:
    return q * (1 - label_smoothing) + label_smoothing / q.shape[1]


class CrossEntropyLoss(Module):
    """The cross-entropy between logits and class indices or probabilities, see `nn.functional.cross_entropy`.

    >>> round(CrossEntropyLoss()(Tensor([[0.0, 0.0]]), Tensor([1])).item(), 4)
    0.6931
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0):
        if reduction not in REDUCTIONS:
            raise unknown_reduction("CrossEntropyLoss", reduction)
        self.register_buffer("weight", None if weight is None else asarray(weight))
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


# ------------------------------------------------------------------------------------------------ negative log-likelihood


def _likelihood_forward(x: np.ndarray, classes: np.ndarray, reduction: str) -> Any:
    flat = row_starts(*x.shape) + classes
    return reduced_fast(-x.reshape(-1).take(flat), reduction), (flat, x.shape, reduction)


def _likelihood_backward(g: Any, kept: Any, needs: Any) -> Any:
    flat, shape, reduction = kept
    d = np.zeros(shape, g.dtype)
    d.reshape(-1)[flat] = -g / len(flat) if reduction == "mean" else -g
    return d, None, None


@fused(forward=_likelihood_forward, backward=_likelihood_backward, name="nll_loss")
def _likelihood_of_classes(x: Any, classes: Any, reduction: Any) -> Any:
    return reduced(-x[np.arange(len(classes)), classes], reduction)


def nll_loss(input: Tensor, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """Return the negative log-likelihood of classes, -input[target], where the input is log-probabilities already.

    input         log-probabilities, of `log_softmax` for example: (N, C), or (C,), or (N, C, d1, ...)
    target        class indices 0 to C-1: (N,), or (), or (N, d1, ...)
    weight        (C,), how much each class counts; the mean is then weighted too
    ignore_index  samples of this class index do not count

    `cross_entropy` takes logits instead, in one step. Raises ValueError or TypeError where shape, range or dtype of the
    target do not fit.

    >>> log_p = np.log([[0.5, 0.5], [0.9, 0.1]])
    >>> nll_loss(Tensor(log_p), [0, 1], reduction="none").tolist()
    [0.6931471805599453, 2.3025850929940455]
    """
    x, raw, weights = of_classes("nll_loss", input, target, weight, reduction, "log-probabilities")
    rows, classes, positions = class_indices("nll_loss", x, raw, ignore_index, reduction)
    if weights is None and reduction != "none":
        return _likelihood_of_classes(rows, classes, reduction)
    losses: Tensor = _likelihood_of_classes(rows, classes, "none")
    if weights is not None:
        losses = losses * weights[classes]
    return reduced_by_class("nll_loss", losses, weights, classes, positions, raw.shape, reduction)


class NLLLoss(Module):
    """The negative log-likelihood of classes under log-probabilities, see `nn.functional.nll_loss`.

    >>> NLLLoss()(Tensor([[-0.5, -1.0]]), [1]).item()
    1.0
    """

    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        if reduction not in REDUCTIONS:
            raise unknown_reduction("NLLLoss", reduction)
        self.register_buffer("weight", None if weight is None else asarray(weight))
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return nll_loss(input, target, self.weight, self.ignore_index, self.reduction)
