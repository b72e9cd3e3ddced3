"""Metrics: how good predictions are, as plain numbers. Equal to scikit-learn's; the model's output comes first, as in losses.

input      what a model says: classes (integers), one score for each class (N, C) or (N, C, ...), or one number for each
           target, which is a probability for `threshold=0.5` and a logit for `threshold=0`
target     the truth: classes (N,), or (N, ...); 0 and 1 for each label (N, L)

Tensors and arrays are taken alike; nothing is recorded. Refuses shapes that do not fit, as the losses do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff.arguments import as_array, plain

__all__ = [
    "accuracy",
    "average_precision",
    "confusion_matrix",
    "f1_score",
    "mean_absolute_error",
    "perplexity",
    "precision",
    "r2_score",
    "recall",
    "roc_auc",
    "root_mean_squared_error",
    "top_k_accuracy",
]

# ------------------------------------------------------------------------------------------------ classes


def accuracy(input: Any, target: Any, threshold: float = 0.5) -> float:
    """Return the share of samples whose prediction is right; of several labels (N, L), all of a sample must be.

    >>> accuracy([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], [0, 1, 1])
    0.6666666666666666
    """
    predicted, truth = _classes("accuracy", input, target, threshold)
    right = predicted == truth
    if _has_labels(input, truth):
        right = right.all(axis=1)
    return float(right.mean())


def top_k_accuracy(input: Any, target: Any, k: int = 5) -> float:
    """Return the share of samples whose true class is among the k with the highest scores.

    input   (N, C); where scores tie, the class of the higher number goes first, as in scikit-learn
    target  (N,)

    >>> top_k_accuracy([[0.1, 0.3, 0.6], [0.5, 0.2, 0.3]], [1, 2], k=2)
    1.0
    """
    scores, truth = _array("top_k_accuracy", input), _whole_numbers("top_k_accuracy", target)
    if scores.ndim != 2 or truth.shape != scores.shape[:1]:
        raise _misfit("top_k_accuracy", scores.shape, truth.shape, "scores (N, C) and classes (N,)")
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"top_k_accuracy: k must be a positive integer, got {k!r}")
    _check_range("top_k_accuracy", truth, scores.shape[1])
    best = np.argsort(scores, axis=1, kind="stable")[:, ::-1][:, :k]
    return float((best == truth[:, None]).any(axis=1).mean())


def confusion_matrix(
    input: Any, target: Any, labels: Any = None, normalize: str | None = None, threshold: float = 0.5
) -> np.ndarray:
    """Return how often each true class (row) was taken for each class (column).

    labels     the classes of rows and columns; by default all that occur, or, where input holds scores, all that it has
    normalize  "true" divides by the row sums, "pred" by the column sums, "all" by the total

    >>> confusion_matrix([0, 1, 1, 1], [0, 0, 1, 1])
    array([[1, 1],
           [0, 2]])
    """
    predicted, truth = _classes("confusion_matrix", input, target, threshold)
    if _has_labels(input, truth):
        raise ValueError(f"confusion_matrix: expected one class for each sample, got targets of shape {truth.shape}")
    if normalize not in (None, "true", "pred", "all"):
        raise ValueError(f"confusion_matrix: normalize is 'true', 'pred', 'all' or None, got {normalize!r}")
    if labels is not None:
        classes = np.unique(_whole_numbers("confusion_matrix", labels))
        if not classes.size:
            raise ValueError("confusion_matrix: labels is empty; leave it out for all classes that occur")
        order = [int(np.flatnonzero(classes == label)[0]) for label in np.asarray(plain(labels)).tolist()]
    else:
        scores = _array("confusion_matrix", input)
        classes = np.arange(scores.shape[1]) if scores.ndim > truth.ndim else np.union1d(predicted, truth)
        order = list(range(len(classes)))
    rows, columns = _positions(truth.ravel(), classes), _positions(predicted.ravel(), classes)
    known = (rows >= 0) & (columns >= 0)
    n = len(classes)
    counts = np.bincount(rows[known] * n + columns[known], minlength=n * n).reshape(n, n)[np.ix_(order, order)]
    if normalize is None:
        return counts
    total = {"true": counts.sum(axis=1, keepdims=True), "pred": counts.sum(axis=0, keepdims=True), "all": counts.sum()}[normalize]
    return counts / np.where(total == 0, 1, total)


def precision(input: Any, target: Any, average: str | None = "binary", threshold: float = 0.5, zero_division: float = 0.0) -> Any:
    """Return the share of what was called a class that is of it; `average` as in `f1_score`.

    >>> precision([1, 1, 1, 0], [1, 0, 1, 1])
    0.6666666666666666
    """
    right, called, there = _counts("precision", input, target, average, threshold)
    return _averaged(right, called, there, average, zero_division)


def recall(input: Any, target: Any, average: str | None = "binary", threshold: float = 0.5, zero_division: float = 0.0) -> Any:
    """Return the share of what is of a class that was called so; `average` as in `f1_score`.

    >>> recall([1, 1, 1, 0], [1, 0, 1, 1])
    0.6666666666666666
    """
    right, _, there = _counts("recall", input, target, average, threshold)
    return _averaged(right, there, there, average, zero_division)


def f1_score(input: Any, target: Any, average: str | None = "binary", threshold: float = 0.5, zero_division: float = 0.0) -> Any:
    """Return the harmonic mean of precision and recall.

    average        "binary"    of class 1, where the classes are 0 and 1
                   "macro"     the mean over the classes that occur
                   "weighted"  the same, each class by how often it is there
                   "micro"     of all decisions together
                   None        an array, one for each class that occurs
    zero_division  the value where there is nothing to divide by

    >>> f1_score([0, 2, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2], average="macro")
    0.26666666666666666
    """
    right, called, there = _counts("f1_score", input, target, average, threshold)
    return _averaged(2 * right, called + there, there, average, zero_division)


# ------------------------------------------------------------------------------------------------ scores


def roc_auc(input: Any, target: Any, average: str | None = "macro") -> Any:
    """Return the area under the ROC curve: how often a positive sample has a higher score than a negative one; ties count half.

    input    scores of class 1 (N,); or probabilities of the classes (N, C), each then compared with all others; or scores
             of labels (N, L) beside targets (N, L)
    average  over classes or labels: "macro", "weighted", or None for an array

    Raises ValueError where only one class is there.

    >>> roc_auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.75
    """
    return _over_columns("roc_auc", _area, input, target, average)


def average_precision(input: Any, target: Any, average: str | None = "macro") -> Any:
    """Return the mean precision over the recall levels that the scores reach; arguments as in `roc_auc`.

    >>> round(average_precision([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 4)
    0.8333
    """
    return _over_columns("average_precision", _mean_precision, input, target, average)


def _area(scores: np.ndarray, truth: np.ndarray) -> float:
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        raise ValueError(f"roc_auc: all {len(truth)} samples are of one class; the curve needs both")
    ranks = _mean_ranks(scores)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Return 1 for the lowest score, 2 for the next; equal scores share the mean of their ranks."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place.reshape(-1)]


def _mean_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    if not truth.any():
        raise ValueError("average_precision: no sample is positive, so there is no recall")
    order = np.argsort(scores, kind="stable")[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are taken together
    found = np.cumsum(truth[order])[ends]
    return float(np.sum(np.diff(found, prepend=0) * found / (ends + 1)) / truth.sum())


def _over_columns(name: str, score_of: Any, input: Any, target: Any, average: str | None) -> Any:
    scores, truth = _array(name, input), _whole_numbers(name, target)
    if average not in ("macro", "weighted", None):
        raise ValueError(f"{name}: average is 'macro', 'weighted' or None, got {average!r}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{name}: the scores hold nan or infinity, which have no order")
    if not truth.size:
        raise ValueError(f"{name}: there are no samples")
    if scores.ndim == 2 and truth.ndim == 1 and len(scores) == len(truth):
        _check_range(name, truth, scores.shape[1])
        if scores.shape[1] == 2:
            return score_of(scores[:, 1], truth == 1)
        if not np.allclose(scores.sum(axis=1), 1, atol=1e-4) or scores.min() < 0:
            raise ValueError(f"{name}: several classes need probabilities, which sum to 1: nn.functional.softmax(logits)")
        columns = truth[:, None] == np.arange(scores.shape[1])
    elif scores.shape != truth.shape or truth.ndim > 2 or not truth.ndim:
        raise _misfit(name, scores.shape, truth.shape, "scores (N,) and classes (N,), or (N, C) and (N,), or labels (N, L) twice")
    else:
        _check_range(name, truth, 2)
        if truth.ndim == 1:
            return score_of(scores, truth == 1)
        columns = truth == 1
    found = np.array([score_of(scores[:, i], columns[:, i]) for i in range(columns.shape[1])])
    if average is None:
        return found
    return float(np.average(found, weights=columns.sum(axis=0) if average == "weighted" else None))


# ------------------------------------------------------------------------------------------------ numbers


def mean_absolute_error(input: Any, target: Any) -> float:
    """Return the mean of |input - target|.

    >>> mean_absolute_error([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return float(np.abs(_differences("mean_absolute_error", input, target)).mean())


def root_mean_squared_error(input: Any, target: Any) -> float:
    """Return the root of the mean squared difference, over each column of (N, D) for itself, and then their mean.

    >>> root_mean_squared_error([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    return float(np.sqrt((_differences("root_mean_squared_error", input, target) ** 2).mean(axis=0)).mean())


def r2_score(input: Any, target: Any) -> float:
    """Return the share of the target's variance that is explained: 1 is perfect, 0 no better than the mean; mean over columns.

    >>> r2_score([2.5, 0.0, 2.0, 8.0], [3.0, -0.5, 2.0, 7.0])
    0.9486081370449679
    """
    left = (_differences("r2_score", input, target) ** 2).sum(axis=0)
    truth = _array("r2_score", target).astype(float)
    if len(truth) < 2:
        raise ValueError("r2_score: one sample has no variance to explain; give at least two")
    total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    constant = np.where(left == 0, 1.0, 0.0)  # of a constant target there is nothing to explain
    return float(np.mean(np.where(total == 0, constant, 1 - left / np.where(total == 0, 1, total))))


def perplexity(input: Any, target: Any, ignore_index: int = -100) -> float:
    """Return exp of the mean cross-entropy: among how many equally likely classes the model seems to choose.

    input         logits (N, C) or (N, C, ...)
    target        classes (N,) or (N, ...)
    ignore_index  targets of this class do not count

    >>> perplexity([[0.0, 0.0, 0.0, 0.0]], [2])
    4.0
    """
    logits, truth = _array("perplexity", input).astype(float), _whole_numbers("perplexity", target)
    if logits.ndim < 2 or truth.shape != logits.shape[:1] + logits.shape[2:]:
        raise _misfit("perplexity", logits.shape, truth.shape, "logits (N, C, ...) and classes (N, ...)")
    logits = np.moveaxis(logits, 1, -1)[truth != ignore_index]
    truth = truth[truth != ignore_index]
    if not len(truth):
        raise ValueError("perplexity: no target counts, so there is no mean")
    _check_range("perplexity", truth, logits.shape[1])
    z = logits - logits.max(axis=1, keepdims=True)
    surprise = (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(truth)), truth]).mean()
    with np.errstate(over="ignore"):  # inf is what a sure and wrong model has earned
        return float(np.exp(surprise))


# ------------------------------------------------------------------------------------------------ what they share


def _array(name: str, values: Any) -> np.ndarray:
    array = as_array(plain(values), name)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array


def _whole_numbers(name: str, values: Any) -> np.ndarray:
    array = _array(name, values)
    if array.dtype.kind == "f":
        whole = (array == np.floor(array)) & np.isfinite(array)
        if not whole.all():
            raise ValueError(
                f"{name}: the target must be classes, which are whole numbers, got e.g. {array[~whole][0]}; the model's output "
                "comes first, then the target"
            )
        array = array.astype(int)
    return array.astype(int) if array.dtype.kind == "b" else array


def _classes(name: str, input: Any, target: Any, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted and the true classes, in the shape of the target."""
    scores, truth = _array(name, input), _whole_numbers(name, target)
    if not truth.size:
        raise ValueError(f"{name}: there are no samples, so there is nothing to count")
    if scores.ndim == truth.ndim + 1 and scores.shape[:1] + scores.shape[2:] == truth.shape and scores.shape[1] > 1:
        _check_range(name, truth, scores.shape[1])
        return scores.argmax(axis=1), truth
    if scores.shape != truth.shape:
        raise _misfit(name, scores.shape, truth.shape, "one shape, or one score for each class: (N, C) and (N,)")
    if scores.dtype.kind != "f":
        return scores.astype(int), truth
    if threshold == 0.5 and not ((scores >= 0) & (scores <= 1)).all():
        cure = "of logits, say threshold=0" + ("; of classes, write input.astype(int)" if (scores % 1 == 0).all() else "")
        raise ValueError(
            f"{name}: with threshold=0.5 the input must be probabilities, got {scores.min():.3g} to {scores.max():.3g}; {cure}"
        )
    _check_range(name, truth, 2)
    return (scores > threshold).astype(int), truth


def _has_labels(input: Any, truth: np.ndarray) -> bool:
    """Return whether (N, L) means labels of a sample, and not one class for each position of (N, C, L) scores."""
    return truth.ndim == 2 and np.ndim(plain(input)) == 2


def _counts(name: str, input: Any, target: Any, average: str | None, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each class how often it was rightly called, called, and there."""
    if average not in ("binary", "macro", "weighted", "micro", None):
        raise ValueError(f"{name}: average is 'binary', 'macro', 'weighted', 'micro' or None, got {average!r}")
    predicted, truth = _classes(name, input, target, threshold)
    if _has_labels(input, truth):
        if average == "binary":
            raise ValueError(f"{name}: of several labels say average='macro', 'weighted', 'micro' or None")
        _check_range(name, truth, 2)
        right, called, there = predicted & truth, predicted, truth
        counts = tuple(array.sum(axis=0) for array in (right, called, there))
    else:
        present = np.union1d(predicted, truth)
        if average == "binary":
            if not np.isin(present, (0, 1)).all():
                raise ValueError(f"{name}: the classes are {present.tolist()[:9]}; say average='macro', 'weighted' or 'micro'")
            present = np.array([1])
        of_class = (predicted.reshape(-1, 1) == present, truth.reshape(-1, 1) == present)
        counts = tuple(array.sum(axis=0) for array in (of_class[0] & of_class[1], *of_class))
    if average == "micro":
        counts = tuple(count.sum(keepdims=True) for count in counts)
    return counts


def _averaged(part: np.ndarray, whole: np.ndarray, there: np.ndarray, average: str | None, zero_division: float) -> Any:
    ratios = np.where(whole == 0, zero_division, part / np.where(whole == 0, 1, whole))
    if average is None:
        return ratios
    if average == "weighted":
        return float(np.average(ratios, weights=there)) if there.any() else float(zero_division)
    return float(ratios.mean())


def _positions(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return where each value stands among the sorted classes, -1 for one that does not."""
    places = np.searchsorted(classes, values).clip(max=len(classes) - 1)
    return np.where(classes[places] == values, places, -1)


def _differences(name: str, input: Any, target: Any) -> np.ndarray:
    predicted, truth = _array(name, input), _array(name, target)
    if predicted.shape != truth.shape or not truth.ndim:
        raise _misfit(name, predicted.shape, truth.shape, "numbers of one shape")
    if not truth.size:
        raise ValueError(f"{name}: there are no samples, so there is no mean")
    difference: np.ndarray = predicted.astype(float) - truth.astype(float)
    return difference


def _misfit(name: str, scores: tuple[int, ...], truth: tuple[int, ...], expected: str) -> ValueError:
    cure = f"; write input.reshape({truth})" if math.prod(scores) == math.prod(truth) and scores != truth else ""
    return ValueError(f"{name}: expected {expected}, got an input of shape {scores} and a target of shape {truth}{cure}")


def _check_range(name: str, truth: np.ndarray, count: int) -> None:
    bad = (truth < 0) | (truth >= count)
    if bad.any():
        raise ValueError(f"{name}: the target {truth[bad].reshape(-1)[0]} is no class: the classes are 0 to {count - 1}")
