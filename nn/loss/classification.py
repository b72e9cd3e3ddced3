"""Losses of classifiers: each function beside its derivative, and its Module below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, fused, logsumexp, scatter_add

from ..activation import log_softmax
from ..constants import ones, row_starts
from ..module import Module
from .targets import REDUCTIONS, no_mean, reduced, reduced_fast, unknown_reduction

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
    log_p = log_softmax.operation.forward(x)
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
    x = input if isinstance(input, Tensor) else asarray(input)
    raw = target._data if isinstance(target, Tensor) else np.asarray(target)
    data = x._data
    if (  # the everyday case, found out with few questions; all others, and all errors, go the long way
        raw.dtype == np.intp
        and data.ndim == 2
        and raw.shape == data.shape[:1]
        and data.dtype.kind == "f"
        and weight is None
        and ignore_index < 0
        and not label_smoothing
        and reduction in REDUCTIONS
        and raw.size
        and np.maximum.reduce(raw.view(np.uintp)) < data.shape[1]  # read as unsigned numbers, negative ones are huge
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
    weights = None if weight is None else _class_weights(weight, x)
    if raw.dtype.kind in "iu":
        return _by_classes(x, raw, weights, ignore_index, reduction, label_smoothing)
    return _by_probabilities(x, target, raw, weights, reduction, label_smoothing)


def _by_classes(
    x: Tensor, raw: np.ndarray, weights: Tensor | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    shape = x.shape
    expected = _target_shape(shape)
    if raw.shape != expected:
        cure = ""
        if raw.shape == shape:
            cure = "; give a one-hot target as class indices, target.argmax(1), or as floating probabilities, target.astype(float)"
        elif raw.size == math.prod(expected):
            cure = f"; write target.reshape({expected})"
        raise ValueError(f"cross_entropy: class indices for an input of shape {shape} have shape {expected}, got {raw.shape}{cure}")
    x, classes = _as_rows(x), raw.reshape(-1)
    counted = _counted(classes, x.shape[1], ignore_index)
    classes = classes.astype(np.intp, copy=False)  # only now: what does not fit into an intp is no class
    if len(counted) < len(classes):
        x, classes = x[counted], classes[counted]
    if reduction == "mean" and not len(classes):
        raise no_mean("cross_entropy", "the batch is empty, or every target ignored")
    within = reduction if weights is None else "none"  # what the operation itself may reduce
    if label_smoothing:
        q: Any = _smoothed(np.eye(x.shape[1], dtype=x.dtype)[classes], label_smoothing)
        losses: Tensor = _cross_entropy_of_probabilities(x, q if weights is None else q * weights, within)
    else:
        losses = _cross_entropy_of_classes(x, classes, within)
        if weights is not None:
            losses = losses * weights[classes]
    if reduction == "none":
        return scatter_add(losses, counted, (raw.size,)).reshape(raw.shape)
    if weights is None:
        return losses
    return losses.sum() / weights[classes].sum() if reduction == "mean" else losses.sum()


def _counted(classes: np.ndarray, count: int, ignore_index: int) -> np.ndarray:
    """Return the positions of the targets that are not ignored; raise where one of them is no class."""
    ignored = classes == ignore_index
    bad = ~ignored & ((classes < 0) | (classes >= count))
    if bad.any():
        position = int(bad.argmax())
        raise ValueError(
            f"cross_entropy: the target {classes[position]} (at position {position}) is no class: with {count} logits a sample the "
            f"classes are 0 to {count - 1}" + ("; ignore_index says which targets to leave out" if classes[position] < 0 else "")
        )
    return np.flatnonzero(~ignored)


def _by_probabilities(
    x: Tensor, target: Any, raw: np.ndarray, weights: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    if raw.dtype.kind != "f":
        raise TypeError(f"cross_entropy: the target has dtype {raw.dtype}, expected class indices (int) or probabilities (float)")
    if raw.shape != x.shape:
        cure = "; class indices must be integers: target.astype(int)" if raw.shape == _target_shape(x.shape) else ""
        raise ValueError(f"cross_entropy: class probabilities have the shape of the input, {x.shape}, got {raw.shape}{cure}")
    if raw.size and not (raw.min() >= 0 and raw.max() <= 1 + 1e-6):
        raise ValueError(f"cross_entropy: class probabilities lie between 0 and 1, got {raw.min()} to {raw.max()}")
    q = target if isinstance(target, Tensor) else raw
    q = _as_rows(q if q.dtype == x.dtype else q.astype(x.dtype))
    if reduction == "mean" and not q.shape[0]:
        raise no_mean("cross_entropy", "the batch is empty")
    if label_smoothing:
        q = _smoothed(q, label_smoothing)
    if weights is not None:
        q = q * weights
    losses: Tensor = _cross_entropy_of_probabilities(_as_rows(x), q, reduction)
    return losses.reshape(_target_shape(x.shape)) if reduction == "none" else losses


def _target_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def _smoothed(q: Any, label_smoothing: float) -> Any:
    return q * (1 - label_smoothing) + label_smoothing / q.shape[1]


def _as_rows(x: Any) -> Any:
    """Return (C,) as (1, C) and (N, C, d1, ...) as (N d1 ..., C)."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x.reshape((1, -1))
    moved = np.moveaxis(x, 1, -1)
    return moved.reshape((math.prod(moved.shape[:-1]), moved.shape[-1]))


def _class_weights(weight: Any, x: Tensor) -> Tensor:
    weights = asarray(weight)
    if weights.dtype.kind not in "biuf":
        raise TypeError(f"cross_entropy: weight has dtype {weights.dtype}, expected real numbers")
    count = x.shape[1] if x.ndim > 1 else x.shape[0]
    if weights.shape != (count,):
        raise ValueError(f"cross_entropy: weight has shape {weights.shape}, expected ({count},), one number for each class")
    return weights if weights.dtype == x.dtype else weights.astype(x.dtype)


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
