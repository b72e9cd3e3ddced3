"""Model and loss: what a loss takes, what it costs to know nothing, and what does not fit: shapes, activations, the first loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autodiff import Tensor

from .case import Case
from .finding import Finding, Skip, share
from .observation import Step, before, is_given_as_it_is, last_operation
from .samples import apart, array_of

# Logits of standard deviation s cost about s²/2 more than knowing nothing. A new model has s well below 1; raw digits (0 to 16)
# make that 2, and are learned all the same. Two and a half times log C is more than chance and scale explain.
LARGE_LOSS = 2.5
LARGE_ERROR, FAR = 4.0, 100.0  # squared errors of a new model are those of answering 0: a mean of 1.7 standard deviations, of 10
LEARNED = 0.5  # of what knowing nothing costs: below it a model has learned something, whatever it looks like
SUMS_TO_ONE = 1e-3  # how far sums of probabilities may be from 1: float16 has three digits

_KINDS = {
    "CrossEntropyLoss": "classes", "cross_entropy": "classes", "cross_entropy_of_probabilities": "classes",
    "NLLLoss": "log_probabilities", "nll_loss": "log_probabilities",
    "BCEWithLogitsLoss": "binary_logits", "binary_cross_entropy_with_logits": "binary_logits",
    "BCELoss": "binary", "binary_cross_entropy": "binary",
    "MSELoss": "regression", "mse_loss": "regression", "L1Loss": "regression", "l1_loss": "regression",
    "HuberLoss": "regression", "SmoothL1Loss": "regression", "huber_loss": "regression", "smooth_l1_loss": "regression",
}  # fmt: skip

# ----------------------------------------------------------------------------------------------- what is known of a loss


def kind_of_loss(case: Case) -> str | None:
    """Return what a loss takes: "classes" (logits), "log_probabilities", "binary_logits", "binary" (probabilities), "regression".

    By its class, its name, or the operation to which it gives the model's output; None where that is not known.
    """
    kinds = (case.loss,) if hasattr(case.loss, "__name__") else type(case.loss).__mro__
    for kind in kinds:
        if kind.__name__ in _KINDS and (getattr(kind, "__module__", None) or "").startswith("nn."):
            return _KINDS[kind.__name__]
    step = _operation_of_loss(case)
    return None if step is None else _KINDS[step.name]


def _operation_of_loss(case: Case) -> Step | None:
    """Return the one operation of the loss that is a loss itself, and is given the model's output as it is."""
    steps = [step for step in case.training.after if step.name in _KINDS]
    return steps[0] if len(steps) == 1 and is_given_as_it_is(steps[0], case.training) else None


def _scores(case: Case) -> np.ndarray | None:
    """Return the model's output as the loss compares it with the targets: classes along the second axis."""
    step = _operation_of_loss(case)
    given = None if step is None else step.inputs[0]
    return given if isinstance(given, np.ndarray) else case.prediction()


def knowing_nothing(case: Case) -> float | None:
    """Return the loss of the best answer that ignores the input: log C for C equal classes, for regression that of the mean.

    It is computed by the loss itself, so that weights, smoothing and reduction count. None where the loss is not known.
    """
    prediction, target, kind = case.prediction(), array_of(case.target), kind_of_loss(case)
    if prediction is None or target is None or not prediction.size:
        return None
    if kind in ("regression", None):
        if prediction.shape != target.shape or target.dtype.kind != "f":
            return None
        mean = np.broadcast_to(target.mean(axis=0, dtype=float), prediction.shape)
        nothing = _cost(case, mean)
        if kind is None and nothing is not None:  # a squared error or the like has its minimum at the targets, and grows beyond
            right, beyond = _cost(case, target), _cost(case, 2 * target - mean)
            if right is None or beyond is None or abs(right) > 1e-3 * nothing or beyond < 0.1 * nothing:
                return None
        return nothing
    if kind == "log_probabilities":
        scores = _scores(case)
        assert scores is not None
        return _cost(case, np.full(prediction.shape, -np.log(_classes(scores))))
    return _cost(case, np.full(prediction.shape, 0.5 if kind == "binary" else 0.0))


def _cost(case: Case, answer: np.ndarray) -> float | None:
    with case.untouched():
        try:
            value: Any = case.loss(Tensor(answer.astype(case.training.prediction.dtype)), apart(case.target))
        except Exception:  # a loss that wants more of a prediction than its value
            return None
    return float(value._data.reshape(())) if isinstance(value, Tensor) and value.size == 1 else None


def _classes(scores: np.ndarray) -> int:
    return int(scores.shape[1 if scores.ndim > 1 else 0])


def has_learned(case: Case) -> bool:
    """Return whether the model is far better than knowing nothing: what looks odd in it then does not keep it from learning."""
    nothing, loss = knowing_nothing(case), case.training.loss
    return nothing is not None and loss is not None and loss.item() < LEARNED * nothing


# ----------------------------------------------------------------------------------------------- checks


def shapes(case: Case) -> Iterator[Finding]:
    """(N, 1) against (N,): a loss that compares every sample with every other."""
    prediction, target = case.prediction(), array_of(case.target)
    if prediction is None or target is None:
        raise Skip("the target, or the model's output, is not one array")
    pair = f"the model's output has shape {prediction.shape}, the target {target.shape}"
    cure = f"make the shapes equal: target.reshape({prediction.shape}), or squeeze(-1) at the end of the model"
    if prediction.size != target.size or prediction.shape == target.shape:
        return
    if case.training.loss is None:
        yield Finding("shapes", "loss", "error", f"{pair}, and the loss refuses to compare them", cure)
        return
    for step in case.training.after:
        given = [v for v in step.inputs if isinstance(v, np.ndarray)]
        if len(given) == 2 and {v.shape for v in given} == {prediction.shape, target.shape} and step.values[0].size > target.size:
            made = step.values[0].shape
            yield Finding("shapes", "loss", "error", f"{pair}: '{step}' compared each sample with every other, {made}", cure)
            return


def softmax_twice(case: Case) -> Iterator[Finding]:
    """An activation in the model before a loss that has its own, or before another one; or none where the loss needs one."""
    prediction, kind = case.prediction(), kind_of_loss(case)
    if prediction is None:
        raise Skip("the model's output is not one array")
    last = last_operation(case.training)
    name, place = (last.name, last.path or "output") if last is not None else ("", "output")
    what, low, high = f"the model ends in {last}" if last is not None else "", float(prediction.min()), float(prediction.max())
    if kind == "binary" and (name == "linear" or not (low >= 0 and high <= 1)):
        yield Finding(
            "softmax_twice", place, "error", f"{case.loss_name} takes probabilities from 0 to 1; {what or 'the output is none'}, "
            f"and goes from {low:.3g} to {high:.3g}",
            "leave the logits as they are and take BCEWithLogitsLoss; or end in nn.Sigmoid()",
        )  # fmt: skip
        return
    run, scores = case.with_loss(), _scores(case)
    assert scores is not None
    if kind == "log_probabilities":
        sums = np.exp(scores.astype(float)).sum(axis=1 if scores.ndim > 1 else 0)
        if np.abs(sums - 1).max() > SUMS_TO_ONE:
            yield Finding(
                "softmax_twice", place, "error",
                f"{case.loss_name} takes log-probabilities, whose exp sums to 1 over the classes; here it sums to "
                f"{sums.min():.3g} to {sums.max():.3g}",
                "end in nn.LogSoftmax(dim=1); or leave the logits as they are and take CrossEntropyLoss",
            )  # fmt: skip
    elif kind == "classes":
        sums = scores.astype(float).sum(axis=1 if scores.ndim > 1 else 0)
        if name == "softmax" or (_classes(scores) > 1 and low >= 0 and np.abs(sums - 1).max() < SUMS_TO_ONE):
            yield Finding(
                "softmax_twice", place, "error",
                f"{what or 'the output'}: numbers from {low:.2g} to {high:.2g} that sum to 1 are probabilities, and "
                f"{case.loss_name} takes softmax of them once more: gradients become small, and the loss never 0",
                "leave the softmax out: the loss has its own. For probabilities take nn.functional.softmax of the output",
            )  # fmt: skip
        elif name == "log_softmax":
            yield Finding(
                "softmax_twice", place, "note", f"{what}, and {case.loss_name} takes it once more, which changes nothing but "
                "the time",
                "leave it out, or take NLLLoss",
            )  # fmt: skip
        elif name in ("sigmoid", "relu", "tanh"):
            yield _squeezed(case, what, place, low, high)
    elif kind == "binary_logits" and name in ("sigmoid", "logsigmoid", "softmax", "relu", "tanh"):
        yield _squeezed(case, what, place, low, high)
    elif name in ("sigmoid", "softmax") and last is not None:
        inner = before(last, run.steps)
        if inner is not None and inner.name in ("sigmoid", "softmax", "relu"):
            yield Finding(
                "softmax_twice", place, "error", f"{what}, of a result of {inner}: the output only goes from {low:.3g} to "
                f"{high:.3g}",
                "leave one of the two activations out: the last one acts on the result of a Linear layer",
            )  # fmt: skip


def _squeezed(case: Case, what: str, place: str, low: float, high: float) -> Finding:
    return Finding(
        "softmax_twice", place, "error",
        f"{what}, so the output lies between {low:.2g} and {high:.2g}; {case.loss_name} takes logits, any real numbers",
        "end in the Linear layer: the loss has its own activation",
    )  # fmt: skip


def loss_at_start(case: Case) -> Iterator[Finding]:
    """A loss far above that of knowing nothing (log C for C classes, the variance of the targets for MSE), or of the wrong sign."""
    run, kind = case.with_loss(), kind_of_loss(case)
    assert run.loss is not None
    loss, known = run.loss.item(), [step for step in run.after if step.name in _KINDS]
    if loss < 0 and known and all(step.gradient is not None and (step.gradient < 0).all() for step in known):
        yield Finding(
            "loss_at_start", "loss", "warning", f"the loss is {loss:.4g}: it falls as {known[0]} grows, which then is made large",
            "take the minus sign away; omit=['loss_at_start'] where that is meant, as against an adversary",
        )  # fmt: skip
        return
    nothing = knowing_nothing(case)
    if nothing is None or not nothing > 0:
        raise Skip("what knowing nothing would cost is not known for this loss")
    limit = LARGE_ERROR if kind in (None, "regression") else LARGE_LOSS
    if loss <= limit * nothing or case.found():
        return
    prediction, target, scores = case.prediction(), array_of(case.target), _scores(case)
    assert prediction is not None
    assert target is not None
    assert scores is not None
    spread = f"the outputs go from {prediction.min():.3g} to {prediction.max():.3g}"
    if limit == LARGE_ERROR:
        yield Finding(
            "loss_at_start", "loss", "warning" if loss > FAR * nothing else "note",
            f"the loss is {loss:.4g}; always answering the mean of the targets would cost {nothing:.4g}. The targets go from "
            f"{target.min():.3g} to {target.max():.3g} (mean {target.mean():.3g}), {spread}",
            "standardise the targets: (y - mean) / std, and undo it in predictions; or set the last bias to their mean",
        )  # fmt: skip
        return
    name = f"log {_classes(scores)}" if kind in ("classes", "log_probabilities") else "log 2"
    sure = f", and {share(_confident_share(scores))} of the samples get more than 90 % for one class" if kind == "classes" else ""
    yield Finding(
        "loss_at_start", "loss", "warning",
        f"the loss is {loss:.4g}; knowing nothing costs {nothing:.4g} ({name}, as this loss weighs it): the model is sure of "
        f"wrong answers; {spread}{sure}",
        "before training: smaller weights in the last layer (times 0.1, or 0). After it: the model is worse than a guess on this "
        "batch; are labels and preprocessing those of the training?",
    )  # fmt: skip


def _confident_share(logits: np.ndarray) -> float:
    logits = np.moveaxis(logits, 1, -1) if logits.ndim > 1 else logits[None]
    p = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
    return float((p.max(axis=-1) / p.sum(axis=-1) > 0.9).mean())
