"""What the batches of an epoch add up to: the mean loss, and metrics of all predictions together.

A metric of an epoch is computed once, from all predictions and targets of it. The mean of the batches' metrics would be
another number where the last batch is smaller, and for most metrics (F1, ROC-AUC ...) always.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, no_grad

from .batches import copied, joined

Metric = Callable[[Any, Any], Any]


def metrics_by_name(given: Any) -> dict[str, Metric]:
    """Return functions f(input, target) by name.

    given  None; a name of `nn.metrics`, or a function; several of these; or a mapping of names to them
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
        found[name] = _function(metric)
    return found


def _name_of(metric: Any) -> str:
    name = metric if isinstance(metric, str) else getattr(metric, "__name__", None)
    if name is None or name == "<lambda>":
        raise ValueError("metrics: a function without a name; give a dict of names to functions")
    return str(name)


def _function(metric: Any) -> Metric:
    if isinstance(metric, str):
        from .. import metrics  # only where one is asked for by its name

        function = getattr(metrics, metric, None)
        if not callable(function) or metric.startswith("_"):
            known = ", ".join(getattr(metrics, "__all__", ()))
            raise ValueError(f"metrics: nn.metrics has no function {metric!r}" + (f"; it has: {known}" if known else ""))
        return function  # type: ignore[no-any-return]
    if isinstance(metric, type) or not callable(metric):
        what = f"the class {metric.__name__}" if isinstance(metric, type) else f"a {type(metric).__name__}"
        raise TypeError(f"metrics: expected a name of nn.metrics or a function f(input, target), got {what}")
    return metric  # type: ignore[no-any-return]


class Totals:
    """The sums of an epoch.

    metrics          functions by name
    losses_are_sums  whether a batch's loss is the sum over its samples, not their mean

    mean_loss  the mean loss of all samples so far
    """

    def __init__(self, metrics: Mapping[str, Metric], losses_are_sums: bool):
        self.metrics, self.losses_are_sums = metrics, losses_are_sums
        self.loss, self.samples = 0.0, 0
        self.predictions: list[Any] = []
        self.targets: list[Any] = []

    def add(self, loss: float, samples: int, prediction: Any, target: Any) -> None:
        """Take in a batch."""
        self.loss += loss if self.losses_are_sums else loss * samples
        self.samples += samples
        if self.metrics:
            self.predictions.append(copied(prediction))
            self.targets.append(copied(target))

    @property
    def mean_loss(self) -> float:
        return self.loss / self.samples if self.samples else float("nan")

    def result(self) -> dict[str, float]:
        """Return the mean loss and every metric by name."""
        numbers = {"loss": self.mean_loss}
        if self.metrics:
            predictions, targets = joined(self.predictions), joined(self.targets)
            for name, metric in self.metrics.items():
                with no_grad():
                    numbers[name] = _number(metric(predictions, targets), name)
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain data and arrays."""
        together = joined(self.predictions) if self.predictions else None
        return {
            "loss": self.loss,
            "samples": self.samples,
            "predictions": together,
            "targets": joined(self.targets) if self.targets else None,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.loss, self.samples = state_dict["loss"], state_dict["samples"]
        if self.metrics and self.samples:
            if state_dict["predictions"] is None:
                raise ValueError("the state was saved within an epoch and without metrics; resume without metrics, too")
            self.predictions, self.targets = [state_dict["predictions"]], [state_dict["targets"]]


def _number(value: Any, name: str) -> float:
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"the metric {name!r} returned {array.dtype} of shape {array.shape}; a metric of the history is one number")
    return float(array.reshape(()))
