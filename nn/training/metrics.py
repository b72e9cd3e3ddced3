"""Metrics of a training: found by name, and told what a model's output means, which its loss knows.

A metric of `nn.metrics` judges classes, probabilities or logits, and has to be told which. In a training the loss says it:
after BCEWithLogitsLoss a number above 0 is a yes, and CrossEntropyLoss takes no account of targets that it ignores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

Metric = Callable[[Any, Any], Any]

_DECISIONS = ("accuracy", "precision", "recall", "f1_score")  # with a threshold where there is one number for each target
_OF_A_CLASS = ("precision", "recall", "f1_score")  # averaged where there are several
_CURVES = ("roc_auc", "average_precision")  # of probabilities where there are several classes
_OF_LOGITS = ("BCEWithLogitsLoss", "FocalLoss", "MultiLabelSoftMarginLoss")
_OF_LOGITS_FUNCTIONS = ("binary_cross_entropy_with_logits", "sigmoid_focal_loss", "multilabel_soft_margin_loss")
_OF_CLASS_LOGITS = ("CrossEntropyLoss", "SoftmaxFocalLoss", "cross_entropy", "softmax_focal_loss")
_OF_LOG_PROBABILITIES = ("NLLLoss", "nll_loss")


def metrics_by_name(given: Any, loss: Any = None) -> dict[str, Metric]:
    """Return functions f(input, target) by name.

    given  None; a name of `nn.metrics`, or a function; several of these; or a mapping of names to them
    loss   what the model's output is for; metrics of `nn.metrics` itself then take the output as the loss does
    """
    if given is None:
        return {}
    if isinstance(given, str) or callable(given):
        given = [given]
    if isinstance(given, Mapping):
        pairs = list(given.items())
    elif isinstance(given, Iterable):
        pairs = [(_name_of(metric), metric) for metric in given]
    else:
        raise TypeError(f"metrics: expected names, functions or a dict of them, got {type(given).__name__}")
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        if not isinstance(name, str) or name in ("loss", "epoch", "lr") or name.startswith("val_"):
            raise ValueError(f"metrics: {name!r} cannot be the name of a metric: it stands for something else, or is no text")
        if name in found:
            raise ValueError(f"metrics: there are two called {name!r}; give a dict of names to functions")
        found[name] = _function(metric, loss)
    return found


def _name_of(metric: Any) -> str:
    while not isinstance(metric, type) and hasattr(metric, "func") and not hasattr(metric, "__name__"):  # functools.partial
        metric = metric.func
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
    if name is None or name == "<lambda>":
        raise ValueError("metrics: a function without a name; give a dict of names to functions")
    return str(name)


def _function(metric: Any, loss: Any) -> Metric:
    if isinstance(metric, type) or not (callable(metric) or isinstance(metric, str)):
        what = f"the class {metric.__name__}" if isinstance(metric, type) else f"a {type(metric).__name__}"
        raise TypeError(f"metrics: expected a name of nn.metrics or a function f(input, target), got {what}")
    if not isinstance(metric, str) and getattr(metric, "__module__", None) != "nn.metrics":
        return metric  # type: ignore[no-any-return]
    from .. import metrics  # only where one is asked for

    name = metric if isinstance(metric, str) else metric.__name__
    if name not in metrics.__all__:
        raise ValueError(f"metrics: nn.metrics has no function {name!r}; it has: {', '.join(metrics.__all__)}")
    if name == "confusion_matrix":
        raise ValueError("metrics: confusion_matrix is a matrix, and a metric of the history one number; "
                         "nn.metrics.confusion_matrix(trainer.predict(X), y) makes it after the training")  # fmt: skip
    return OfLibrary(name, getattr(metrics, name), loss)


class OfLibrary:
    """A function of `nn.metrics` that takes the output of a model as its loss does.

    name      of the function
    function  of `nn.metrics`
    loss      of the training; None, or one of which nothing is known: the function's own defaults hold
    """

    def __init__(self, name: str, function: Metric, loss: Any):
        self.name, self.function = name, function
        self.threshold = 0.0 if _is_one(loss, *_OF_LOGITS, *_OF_LOGITS_FUNCTIONS) else 0.5
        self.takes_logits, self.takes_logs = _is_one(loss, *_OF_CLASS_LOGITS), _is_one(loss, *_OF_LOG_PROBABILITIES)
        self.ignored = getattr(loss, "ignore_index", -100) if self.takes_logits or self.takes_logs else None

    def __call__(self, input: Any, target: Any) -> Any:
        options: dict[str, Any] = {}
        if isinstance(input, np.ndarray) and isinstance(target, np.ndarray):
            input, target = self._counting(input, target)
            if input.shape == target.shape and input.shape[1:] == (1,):  # one decision for each sample
                input, target = input[:, 0], target[:, 0]
            several = input.ndim > 1 and input.shape[1] > (2 if input.ndim > target.ndim else 1)
            if self.name in _DECISIONS and self.threshold != 0.5:
                options["threshold"] = self.threshold
            if self.name in _OF_A_CLASS and several:
                options["average"] = "macro"
            if self.name in _CURVES and several and input.ndim > target.ndim:
                input = _probabilities(input) if self.takes_logits else np.exp(input) if self.takes_logs else input
        return self.function(input, target, **options)

    def _counting(self, input: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores and classes of the targets that the loss does not ignore."""
        if self.ignored is None or target.dtype.kind not in "iu" or input.shape[:1] + input.shape[2:] != target.shape:
            return input, target
        counts = target != self.ignored
        return (input, target) if counts.all() else (np.moveaxis(input, 1, -1)[counts], target[counts])


def _is_one(loss: Any, *names: str) -> bool:
    """Return whether a loss is, or derives from, one of the library's of these names."""
    kinds = (loss,) if hasattr(loss, "__name__") else type(loss).__mro__
    return any(kind.__name__ in names and kind.__module__.startswith("nn.") for kind in kinds)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    from ..activation import softmax

    return softmax(logits, 1).numpy()
