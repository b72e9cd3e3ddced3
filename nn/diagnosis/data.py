"""The batch itself: inputs of a strange scale, targets that the model or the loss cannot mean."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from autodiff import Tensor
from autodiff.graph import Node

from .case import Case
from .finding import Finding, Skip
from .objective import kind_of_loss
from .observation import Observation, last_operation
from .samples import array_of, leaves

# Inputs of unit scale are what initial weights are made for (LeCun et al. 1998, Efficient BackProp, section 4.3). Ten times that
# still trains (raw digits, 0 to 16, have 8); pixels from 0 to 255 have 100 and more.
LARGE_INPUT = 10.0
FEW = 16  # below so many samples it says little that all targets are equal
_NORMALIZING = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
_RANGES = {"sigmoid": (0, 1), "tanh": (-1, 1), "relu": (0, math.inf), "softmax": (0, 1), "softplus": (0, math.inf)}


def inputs(case: Case) -> Iterator[Finding]:
    """Inputs that are not normalised, or the same for all samples."""
    arrays = [(place, array_of(part)) for place, part in leaves(case.inputs, "input")]
    rows = [array for _, array in arrays if array is not None and array.size and array.ndim and len(array) == case.size]
    if case.size > 1 and rows and all((array == array[:1]).all() for array in rows):
        yield Finding(
            "inputs", "input", "warning", f"all {case.size} samples are the same",
            "look at how the batch is made: one array repeated, an index that never moves?",
        )  # fmt: skip
    for (place, array), (_, given) in zip(arrays, leaves(case.training.inputs, "input")):
        if array is None or not array.size or array.dtype.kind != "f":
            continue
        arriving = _where_it_meets_parameters(case.training, given) if isinstance(given, Tensor) else [array]
        scale = max((float(np.sqrt(np.mean(np.square(a, dtype=float)))) for a in arriving if a.size), default=0.0)
        if scale > LARGE_INPUT:
            yield Finding(
                "inputs", place, "warning",
                f"values from {array.min():.3g} to {array.max():.3g}, mean {array.mean():.3g}, standard deviation "
                f"{array.std():.3g}; "
                f"their root mean square, {scale:.3g}, is far from the 1 that initial weights are made for",
                "normalise: (x - mean) / std with the mean and std of the training set, or begin the model with a BatchNorm",
            )  # fmt: skip


def _where_it_meets_parameters(run: Observation, given: Tensor) -> list[np.ndarray]:
    """Return the input as it is where parameters first act on it: the model may scale it itself. Nothing where that normalises."""
    node = given._node
    if node is None:
        return [given._data]
    from_input: dict[Node, np.ndarray] = {node: given._data}
    meeting = []
    for step in run.steps:
        parents = [parent for parent in step.node.parents if parent is not None]
        own = [parent for parent in parents if parent in from_input]
        if not own:
            continue
        if all(parent in own for parent in parents):
            if step.name not in _NORMALIZING:
                from_input[step.node] = step.values[0]
        elif step.name not in _NORMALIZING:
            meeting += [from_input[parent] for parent in own]
    return meeting


def targets(case: Case) -> Iterator[Finding]:
    """Targets that the loss refuses, that the model cannot reach, or that are all the same."""
    target, prediction = array_of(case.target), case.prediction()
    if case.loss_error is not None:
        if not case.found("shapes", "softmax_twice"):
            yield Finding("targets", "target", "error", f"the loss refuses this batch: {case.loss_error}", "as the message says")
        return
    if target is None or prediction is None or not target.size or target.dtype.kind not in "biuf":
        raise Skip("the target, or the model's output, is not one array of real numbers")
    kind, low, high = kind_of_loss(case), target.min(), target.max()
    if kind in ("binary", "binary_logits") and not (low >= 0 and high <= 1):
        yield Finding(
            "targets", "target", "error", f"targets of {case.loss_name} are probabilities from 0 to 1, these go from {low:.3g} "
            f"to {high:.3g}",
            "write labels -1 and 1 as (y + 1) / 2, class numbers for CrossEntropyLoss",
        )  # fmt: skip
    elif kind == "regression" and prediction.shape == target.shape and (last := last_operation(case.training)) is not None:
        reach = _RANGES.get(last.name)
        if reach is not None and not (low >= reach[0] and high <= reach[1]):
            yield Finding(
                "targets", last.path or "output", "error",
                f"the model ends in {last}, which gives {reach[0]} to "
                f"{'any positive number' if reach[1] == math.inf else reach[1]}; the "
                f"targets go from {low:.3g} to {high:.3g}",
                "end in a Linear layer, or scale the targets into that range",
            )  # fmt: skip
    if case.size >= FEW and len(target) == case.size and (target == target[:1]).all():
        rare = kind in ("binary", "binary_logits") or (kind == "classes" and prediction.size == 2 * case.size)
        yield Finding(
            "targets", "target", "note" if rare else "warning", f"all {case.size} targets are the same: {np.ravel(target)[0]:.3g}",
            "shuffle the data: sorted by class, a batch teaches one answer" + ("; or the other is rare" if rare else ""),
        )  # fmt: skip
