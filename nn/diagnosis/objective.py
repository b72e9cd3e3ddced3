"""Model and loss do not fit together: shapes, activations before the loss, the loss at the start."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import Case
from .data import last_operation
from .finding import Finding, Skip, share
from .losses import kind_of_loss, knowing_nothing
from .samples import array_of

# Logits of standard deviation s cost about s²/2 more than knowing nothing. A new model has s well below 1; with half as much again
# as log C it is sure of itself before it has seen anything.
LARGE_LOSS = 1.5
LARGE_ERROR = 4.0  # squared errors of a new model are those of answering 0: this is a mean of 1.7 standard deviations, or more
SUMS_TO_ONE = 1e-3  # how far sums of probabilities may be from 1: float16 has three digits


def shapes(case: Case) -> Iterator[Finding]:
    """(N, 1) against (N,): a loss that compares every sample with every other."""
    prediction, target = case.prediction(), array_of(case.target)
    if prediction is None or target is None:
        raise Skip("the target, or the model's output, is not one array")
    pair = f"the model's output has shape {prediction.shape}, the target {target.shape}"
    cure = f"make the shapes equal: target.reshape({prediction.shape}), or squeeze(-1) at the end of the model"
    if case.training.loss is None:
        if prediction.size == target.size and prediction.shape != target.shape:
            yield Finding("shapes", "loss", "error", f"{pair}, and the loss refuses to compare them", cure)
        return
    if case.size < 2 or {prediction.shape, target.shape} != {(case.size,), (case.size, 1)}:
        return
    for step in case.training.after:
        made = step.values[0].shape
        if made[:2] == (case.size, case.size):
            yield Finding("shapes", "loss", "error", f"{pair}: '{step}' compared each sample with every other, {made}", cure)
            return


def softmax_twice(case: Case) -> Iterator[Finding]:
    """An activation in the model before a loss that has its own, or none where the loss needs one."""
    run, prediction, kind = case.with_loss(), case.prediction(), kind_of_loss(case)
    if prediction is None or kind not in ("classes", "binary_logits", "log_probabilities"):
        raise Skip("it is about CrossEntropyLoss, NLLLoss and BCEWithLogitsLoss")
    last = last_operation(run)
    name, place = (last.name, last.path or "output") if last is not None else ("", "output")
    what, axis = f"the model ends in {last}" if last is not None else "", 1 if prediction.ndim > 1 else 0
    low, high = float(prediction.min()), float(prediction.max())
    if kind == "log_probabilities":
        sums = np.exp(prediction.astype(float)).sum(axis=axis)
        if np.abs(sums - 1).max() > SUMS_TO_ONE:
            yield Finding(
                "softmax_twice", place, "error",
                f"NLLLoss takes log-probabilities, whose exp sums to 1 over the classes; here it sums to {sums.min():.3g} to "
                f"{sums.max():.3g}",
                "end in nn.LogSoftmax(dim=1); or leave the logits as they are and take CrossEntropyLoss",
            )  # fmt: skip
    elif kind == "classes":
        classes = prediction.shape[axis]
        sums = prediction.astype(float).sum(axis=axis)
        if name == "softmax" or (classes > 1 and low >= 0 and np.abs(sums - 1).max() < SUMS_TO_ONE):
            yield Finding(
                "softmax_twice", place, "error",
                f"{what or 'the output'}: rows of numbers from {low:.2g} to {high:.2g} that sum to 1, so probabilities; "
                f"{case.loss_name} "
                "takes softmax of them once more, and its gradients become small and its loss never 0",
                "leave the softmax out: the loss has its own. Where probabilities are needed, take nn.functional.softmax of the "
                "output",
            )  # fmt: skip
        elif name == "log_softmax":
            yield Finding(
                "softmax_twice", place, "note", f"{what}, and {case.loss_name} takes it once more, which changes nothing but "
                "the time",
                "leave it out, or take NLLLoss",
            )  # fmt: skip
        elif name in ("sigmoid", "relu", "tanh"):
            yield _squeezed(case, what, place, low, high)
    elif name in ("sigmoid", "logsigmoid", "softmax", "relu", "tanh"):
        yield _squeezed(case, what, place, low, high)


def _squeezed(case: Case, what: str, place: str, low: float, high: float) -> Finding:
    return Finding(
        "softmax_twice", place, "error",
        f"{what}, so the output lies between {low:.2g} and {high:.2g}; {case.loss_name} takes logits, any real numbers",
        "end in the Linear layer: the loss has its own activation",
    )  # fmt: skip


def loss_at_start(case: Case) -> Iterator[Finding]:
    """A loss far above that of knowing nothing: log C for C classes, the variance of the targets for MSE."""
    run, nothing, kind = case.with_loss(), knowing_nothing(case), kind_of_loss(case)
    assert run.loss is not None
    if nothing is None or not nothing > 0:
        raise Skip("what knowing nothing would cost is not known for this loss")
    loss, limit = run.loss.item(), LARGE_ERROR if kind in (None, "regression") else LARGE_LOSS
    if loss <= limit * nothing or case.found():
        return
    prediction = case.prediction()
    assert prediction is not None
    spread = f"the outputs go from {prediction.min():.3g} to {prediction.max():.3g}"
    if limit == LARGE_ERROR:
        target = array_of(case.target)
        assert target is not None
        yield Finding(
            "loss_at_start", "loss", "warning",
            f"the loss is {loss:.4g}; always answering the mean of the targets would cost {nothing:.4g}. The targets go from "
            f"{target.min():.3g} to {target.max():.3g} (mean {target.mean():.3g}), {spread}",
            "standardise the targets: (y - mean) / std, and undo it in predictions; or set the last bias to their mean",
        )  # fmt: skip
        return
    classes = prediction.shape[1] if prediction.ndim > 1 else prediction.shape[0]
    name = f"log {classes}" if kind in ("classes", "log_probabilities") else "log 2"
    wrong = _confident_share(prediction) if kind == "classes" else None
    yield Finding(
        "loss_at_start", "loss", "warning",
        f"the loss is {loss:.4g}; knowing nothing costs {nothing:.4g} ({name}, as this loss weighs it): the model is sure of "
        "wrong answers; "
        f"{spread}" + (f", and {share(wrong)} of the samples get more than 90 % for one class" if wrong is not None else ""),
        "before training: smaller weights in the last layer (scale them by 0.1, or set them to 0). After it: the model is worse "
        "than "
        "a guess on this batch; are labels and preprocessing those of the training?",
    )  # fmt: skip


def _confident_share(logits: np.ndarray) -> float:
    logits = np.moveaxis(logits, 1, -1) if logits.ndim > 1 else logits[None]
    p = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
    return float((p.max(axis=-1) / p.sum(axis=-1) > 0.9).mean())
