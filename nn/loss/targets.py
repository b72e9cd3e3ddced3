"""What losses share: targets that fit their predictions or are refused with the cure, and the reduction.

reduction  "mean" over all samples, "sum", or "none" (one loss for each sample)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, scatter_add
from autodiff.arguments import as_array, plain

from ..constants import ones
from ..module import Module

REDUCTIONS = ("mean", "sum", "none")

# ------------------------------------------------------------------------------------------------ the reduction


def unknown_reduction(name: str, reduction: Any) -> ValueError:
    return ValueError(f"{name}: reduction is 'mean', 'sum' or 'none', got {reduction!r}")


def no_mean(name: str, why: str) -> ValueError:
    return ValueError(f"{name}: {why}, so there is no mean; use reduction='sum' to get 0")


def reduced(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return losses.sum() / math.prod(losses.shape)  # half the overhead of mean()
    return losses.sum() if reduction == "sum" else losses


def reduced_fast(losses: np.ndarray, reduction: str) -> Any:
    """Return what `reduced` does, of an array that a kernel has made."""
    if reduction == "none":
        return losses
    total = losses.ravel("K").dot(ones(losses.size, losses.dtype))
    return total / losses.size if reduction == "mean" else total


def weighted_mean(name: str, losses: Tensor, weights: Any) -> Tensor:
    """Return the sum of weighted losses, divided by the sum of the weights."""
    total = weights.sum()
    if plain(total) == 0:
        raise no_mean(name, "the weights of this batch sum to 0")
    return losses.sum() / total  # type: ignore[no-any-return]


class Loss(Module):
    """A loss with a reduction and nothing else to remember."""

    def __init__(self, reduction: str = "mean"):
        if reduction not in REDUCTIONS:
            raise unknown_reduction(type(self).__name__, reduction)
        self.reduction = reduction


# ------------------------------------------------------------------------------------------------ targets like the prediction


def prediction(name: str, input: Any) -> Tensor:
    """Return a model's output as a Tensor; raise where it is none, or several."""
    if input is None:
        raise TypeError(f"{name}: the prediction is None; does the model's forward end with `return`?")
    if isinstance(input, (tuple, dict)):
        raise TypeError(
            f"{name}: the prediction is a {type(input).__name__} of {len(input)} parts, expected a Tensor; give the loss the part "
            "that it is about"
        )
    return asarray(input)


def fitted(name: str, input: Any, target: Any, reduction: str) -> tuple[Tensor, Any]:
    """Return the prediction as a Tensor and the target in its dtype; raise unless all three fit together."""
    if reduction not in REDUCTIONS:
        raise unknown_reduction(name, reduction)
    x = input if isinstance(input, Tensor) else prediction(name, input)
    if x._data.dtype.kind != "f":
        raise TypeError(f"{name}: the input has dtype {x.dtype}, expected floating predictions")
    target = like_input(name, target, x)
    if reduction == "mean" and not x._data.size:
        raise no_mean(name, "the batch is empty")
    return x, target


def like_input(name: str, target: Any, x: Tensor, what: str = "target") -> Any:
    """Return a target (or `what` it is) in the dtype of the prediction `x`; raise unless it has its shape."""
    if not isinstance(target, (Tensor, np.ndarray)):
        target = as_array(plain(target), name)
    if target.shape != x.shape:
        cure = ""
        if math.prod(target.shape) == x.size:
            cure = f" Write {what}.reshape({x.shape}), or give the prediction the {what}'s shape."
        raise ValueError(
            f"{name}: the prediction has shape {x.shape}, the {what} {target.shape}; they must be equal, since broadcasting would "
            f"compare samples with one another.{cure}"
        )
    if target.dtype.kind not in "biuf":
        raise TypeError(f"{name}: the {what} has dtype {target.dtype}, expected real numbers")
    return target if target.dtype == x.dtype else target.astype(x.dtype)


def broadcast_to_input(name: str, weight: Any, x: Tensor, what: str) -> Tensor:
    """Return numbers that rescale losses of the shape of `x`, in its shape and dtype; raise where they would make it larger."""
    weights = asarray(weight)
    if weights.dtype.kind not in "biuf":
        raise TypeError(f"{name}: {what} has dtype {weights.dtype}, expected real numbers")
    pairs = zip(weights.shape[::-1], x.shape[::-1], strict=False)
    if weights.ndim > x.ndim or any(size not in (1, whole) for size, whole in pairs):
        cure = f"; one number for each sample is {what}[:, None]" if weights.shape == x.shape[:1] else ""
        raise ValueError(
            f"{name}: {what} has shape {weights.shape}, which does not broadcast to that of the input, {x.shape}{cure}"
        )
    weights = weights if weights.dtype == x.dtype else weights.astype(x.dtype)
    return weights if weights.shape == x.shape else np.broadcast_to(weights, x.shape)  # type: ignore[return-value]


def check_range(name: str, what: str, values: Any, low: float, high: float, cure: str = "") -> None:
    """Raise unless all of `values` lie between `low` and `high`."""
    array = values._data if isinstance(values, Tensor) else values
    if array.size:
        least, most = array.min(), array.max()
        if not (least >= low and most <= high):  # so is nan refused
            allowed = f"lie between {low:g} and {high:g}" if high < math.inf else f"are {low:g} or more"
            raise ValueError(f"{name}: {what} {allowed}, got {least:g} to {most:g}{cure}")


# ------------------------------------------------------------------------------------------------ class indices


def of_classes(
    name: str, input: Any, target: Any, weight: Any, reduction: str, what: str
) -> tuple[Tensor, np.ndarray, Tensor | None]:
    """Return `what` a loss takes of each class, the class indices, and the class weights; raise for other dtypes."""
    x = input if isinstance(input, Tensor) else prediction(name, input)
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: the input has dtype {x.dtype}, expected floating {what}")
    if not x.ndim:
        raise ValueError(f"{name}: the input is a single number; expected {what} of shape (N, C), or (C,) for one sample")
    if reduction not in REDUCTIONS:
        raise unknown_reduction(name, reduction)
    weights = class_weights(name, weight, x)
    raw = target._data if isinstance(target, Tensor) else np.asarray(target)
    if raw.dtype.kind not in "iu":
        cure = "; write target.astype(int)" if raw.dtype.kind in "bf" and raw.shape == target_shape(x.shape) else ""
        raise TypeError(f"{name}: the target has dtype {raw.dtype}, expected class indices (int){cure}")
    return x, raw, weights


def class_indices(
    name: str, x: Tensor, raw: np.ndarray, ignore_index: int, reduction: str
) -> tuple[Tensor, np.ndarray, np.ndarray | None]:
    """Return what counts of logits (N, C), (C,) or (N, C, d1, ...) and class indices, and the positions it came from.

    As rows (n, C), classes (n,), positions (n,) among all samples: those with the target `ignore_index` are left out. For
    positions that is None where none is left out.
    Raises ValueError where the shapes do not fit, where an index is no class, and where nothing is left to take a mean of.
    """
    shape = x.shape
    expected = target_shape(shape)
    if (
        raw.dtype == np.intp
        and len(shape) == 2
        and raw.shape == expected
        and ignore_index < 0
        and raw.size
        and np.maximum.reduce(raw.view(np.uintp)) < shape[1]  # as unsigned numbers, negative ones are huge
    ):
        return x, raw, None  # the everyday case
    if raw.shape != expected:
        cure = ""
        if raw.shape == shape:
            cure = "; give a one-hot target as class indices, target.argmax(1)"
            if name == "cross_entropy":
                cure += ", or as floating probabilities, target.astype(float)"
        elif raw.size == math.prod(expected):
            cure = f"; write target.reshape({expected})"
        raise ValueError(f"{name}: class indices for an input of shape {shape} have shape {expected}, got {raw.shape}{cure}")
    x, classes = as_rows(x), raw.reshape(-1)
    counted = _counted(name, classes, x.shape[1], ignore_index)
    classes = classes.astype(np.intp, copy=False)  # only now: what does not fit into an intp is no class
    every = len(counted) == len(classes)
    if not every:
        x, classes = x[counted], classes[counted]
    if reduction == "mean" and not len(classes):
        raise no_mean(name, "the batch is empty, or every target ignored")
    return x, classes, None if every else counted


def _counted(name: str, classes: np.ndarray, count: int, ignore_index: int) -> np.ndarray:
    """Return the positions of the targets that are not ignored; raise where one of them is no class."""
    ignored = classes == ignore_index
    bad = ~ignored & ((classes < 0) | (classes >= count))
    if bad.any():
        position = int(bad.argmax())
        cure = "; ignore_index says which targets to leave out" if classes[position] < 0 else ""
        if count == 1:
            cure = "; for two classes take two logits, or one and nn.BCEWithLogitsLoss"
        raise ValueError(
            f"{name}: the target {classes[position]} (at position {position}) is no class: with {count} logits a sample the "
            f"classes are 0 to {count - 1}{cure}"
        )
    return np.flatnonzero(~ignored)


def target_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of class indices for logits of this shape."""
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def as_rows(x: Any) -> Any:
    """Return (C,) as (1, C) and (N, C, d1, ...) as (N d1 ..., C)."""
    if x.ndim == 2:
        return x
    if x.ndim == 1:
        return x.reshape((1, -1))
    moved = np.moveaxis(x, 1, -1)
    return moved.reshape((math.prod(moved.shape[:-1]), moved.shape[-1]))


def class_weights(name: str, weight: Any, x: Tensor) -> Tensor | None:
    """Return one number for each class, in the dtype of the logits `x`."""
    if weight is None:
        return None
    weights = asarray(weight)
    if weights.dtype.kind not in "biuf":
        raise TypeError(f"{name}: weight has dtype {weights.dtype}, expected real numbers")
    count = x.shape[1] if x.ndim > 1 else x.shape[0]
    if weights.shape != (count,):
        raise ValueError(f"{name}: weight has shape {weights.shape}, expected ({count},), one number for each class")
    return weights if weights.dtype == x.dtype else weights.astype(x.dtype)


def reduced_by_class(
    name: str, losses: Tensor, weights: Any, classes: np.ndarray, positions: Any, shape: tuple[int, ...], reduction: str
) -> Tensor:
    """Return the losses of the samples that count, weighted already, reduced; "none" gives 0 for those that do not count."""
    if reduction == "none":
        whole = losses if positions is None else scatter_add(losses, positions, (math.prod(shape),))
        return whole.reshape(shape)
    if reduction == "mean" and weights is not None:
        return weighted_mean(name, losses, weights[classes])
    return reduced(losses, reduction)  # type: ignore[no-any-return]
