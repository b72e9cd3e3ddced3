"""What the batches of an epoch add up to: the mean loss, and metrics of all predictions together.

A metric of an epoch is computed once, from all predictions and targets of it. The mean of the batches' metrics would be
another number where the last batch is smaller, and for most metrics (F1, ROC-AUC ...) always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, no_grad

from ..loss.classification import CrossEntropyLoss, NLLLoss
from .batches import copied, joined, size_of
from .metrics import Metric


class Totals:
    """The sums of an epoch.

    metrics  functions by name
    loss     of the training: it says what a batch weighs in the mean of several

    losses_are_sums  whether a batch's loss is the sum over its samples, not their mean
    mean_loss        the mean loss so far, as if all batches had been one
    """

    def __init__(self, metrics: Mapping[str, Metric], loss: Any):
        self.metrics = metrics
        self.losses_are_sums = getattr(loss, "reduction", None) == "sum"
        self._of_classes: tuple[int, Any] | None = None  # ignore_index, and the weights of the classes
        if isinstance(loss, (CrossEntropyLoss, NLLLoss)) and loss.reduction == "mean":
            self._of_classes = loss.ignore_index, None if loss.weight is None else loss.weight._data
        self.loss, self.weight = 0.0, 0.0
        self.batches = 0
        self.predictions: list[Any] = []
        self.targets: list[Any] = []

    def weight_of(self, batch: Any) -> float:
        """Return what a batch's loss was divided by: its samples, or for losses with weights of classes, the sum of these."""
        return size_of(batch) if self._of_classes is None else _counted(batch, *self._of_classes)

    def add(self, loss: float, weight: float, prediction: Any, target: Any) -> None:
        """Take in a batch."""
        self.loss += loss if self.losses_are_sums else loss * weight
        self.weight += weight
        self.batches += 1
        if self.metrics:
            self.predictions.append(copied(prediction))
            self.targets.append(copied(target))

    @property
    def mean_loss(self) -> float:
        return self.loss / self.weight if self.weight else float("nan")

    def result(self) -> dict[str, float]:
        """Return the mean loss and every metric by name."""
        numbers = {"loss": self.mean_loss}
        if self.metrics:
            predictions, targets = joined(self.predictions), joined(self.targets)
            for name, metric in self.metrics.items():
                try:
                    with no_grad():
                        value = metric(predictions, targets)
                except Exception as error:
                    error.add_note(_received(name, metric, predictions, targets))
                    raise
                numbers[name] = _number(value, name)
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain data and arrays."""
        together = joined(self.predictions) if self.predictions else None
        return {
            "loss": self.loss,
            "weight": self.weight,
            "batches": self.batches,
            "predictions": together,
            "targets": joined(self.targets) if self.targets else None,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.loss, self.weight, self.batches = state_dict["loss"], state_dict["weight"], state_dict["batches"]
        if self.metrics and self.batches:
            if state_dict["predictions"] is None:
                raise ValueError("the state was saved within an epoch and without metrics; resume without metrics, too")
            self.predictions, self.targets = [state_dict["predictions"]], [state_dict["targets"]]


def _counted(batch: Any, ignored: int, weights: Any) -> float:
    """Return the sum of the weights of a batch's classes, without those that the loss ignores."""
    target = batch[-1]
    classes = target._data if isinstance(target, Tensor) else np.asarray(target)
    if classes.dtype.kind not in "iu":  # probabilities of the classes
        return size_of(batch)
    counted = classes != ignored
    if weights is None:
        return int(np.count_nonzero(counted))
    classes = classes[counted]
    if classes.size and not 0 <= classes.min() <= classes.max() < len(weights):
        return size_of(batch)  # the loss will say what is wrong with them
    return float(weights[classes].sum(dtype=np.float64))


def _number(value: Any, name: str) -> float:
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"the metric {name!r} returned {array.dtype} of shape {array.shape}; a metric of the history is one number")
    return float(array.reshape(()))


def _received(name: str, metric: Any, prediction: Any, target: Any) -> str:
    """Return for an error of a metric which it was and what it was given."""
    if (getattr(metric, "__module__", None) or "").startswith("sklearn"):
        cure = ("; scikit-learn takes the target first, and often classes instead of scores: "
                f"{{'{name}': lambda input, target: {name}(target, input.argmax(1))}}")  # fmt: skip
    else:
        cure = ""
    outputs, targets = _kind(prediction), _kind(target)
    return f"in the metric {name!r}, which gets all outputs of the model ({outputs}), then all targets ({targets}){cure}"


def _kind(value: Any) -> str:
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
