"""What a loss is for, and what it costs to know nothing: what many checks measure against."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor

from .case import Case
from .samples import apart, array_of

_KINDS = {
    "CrossEntropyLoss": "classes", "cross_entropy": "classes", "cross_entropy_of_probabilities": "classes",
    "NLLLoss": "log_probabilities", "nll_loss": "log_probabilities",
    "BCEWithLogitsLoss": "binary_logits", "binary_cross_entropy_with_logits": "binary_logits",
    "BCELoss": "binary", "binary_cross_entropy": "binary",
    "MSELoss": "regression", "mse_loss": "regression", "L1Loss": "regression", "l1_loss": "regression",
    "HuberLoss": "regression", "SmoothL1Loss": "regression", "huber_loss": "regression", "smooth_l1_loss": "regression",
}  # fmt: skip


def kind_of_loss(case: Case) -> str | None:
    """Return what a loss takes, by its class, its name, or the operations that it ran: "classes" (logits), "log_probabilities",
    "binary_logits", "binary" (probabilities), "regression"; None where that is not known.
    """  # fmt: skip
    kinds = (case.loss,) if hasattr(case.loss, "__name__") else type(case.loss).__mro__
    for kind in kinds:
        if kind.__name__ in _KINDS and (getattr(kind, "__module__", None) or "").startswith("nn."):
            return _KINDS[kind.__name__]
    ran = list(dict.fromkeys(_KINDS[step.name] for step in case.training.after if step.name in _KINDS))
    return ran[0] if len(ran) == 1 else None


def knowing_nothing(case: Case) -> float | None:
    """Return the loss of the best answer that ignores the input: log C for C equal classes, for regression that of the mean.

    It is computed by the loss itself, so that weights, smoothing and reduction count. None where the loss is not known.
    """
    prediction, target, kind = case.prediction(), array_of(case.target), kind_of_loss(case)
    if prediction is None or target is None or not prediction.size:
        return None
    if kind is None:
        if prediction.shape != target.shape or target.dtype.kind != "f":
            return None
        kind = "regression"
    answer: Any
    if kind == "regression":
        if prediction.shape != target.shape:
            return None
        answer = np.broadcast_to(target.mean(axis=0, dtype=float), prediction.shape)
    elif kind == "log_probabilities":
        answer = np.full(prediction.shape, -np.log(prediction.shape[1 if prediction.ndim > 1 else 0]))
    else:
        answer = np.full(prediction.shape, 0.5 if kind == "binary" else 0.0)
    with case.untouched():
        try:
            value = case.loss(Tensor(answer.astype(prediction.dtype)), apart(case.target))
        except Exception:  # a loss that wants more of a prediction than its value
            return None
    return float(value._data.reshape(())) if isinstance(value, Tensor) and value.size == 1 else None
