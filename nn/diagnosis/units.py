"""Units that do nothing: dead, saturated, all alike, or an output that is always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .case import Case
from .finding import Finding, Skip, share
from .objective import has_learned
from .observation import Observation, Step, last_operation
from .samples import array_of, leaves

# At random weights and zero-mean inputs a unit is silent for a sample with probability 1/2, so for 8 of them with 1/256.
FEW_SAMPLES = 8
# In a new deep ReLU net all samples come to look alike, and about half the units of a layer are silent for all of them (Lu et al.
# 2019, Dying ReLU and initialization). That is chance, more is a fault.
DEAD = 0.7
# A unit is in the flat part where its slope is below 5 % of the steepest: sigmoid beyond 0.013 and 0.987, |tanh| beyond 0.975.
FLAT = 0.05
SATURATED, STUCK = 0.7, 0.95  # the shares of flat outputs from which a layer learns slowly, and hardly at all
SAME = 1e-6  # relative to the largest output: float32 carries no more


def dead_relu(case: Case) -> Iterator[Finding]:
    """ReLU units that are 0 for every sample: no gradient passes through them."""
    groups = _together(case.training, ("relu", "relu6"))
    if not groups:
        return
    if case.size < FEW_SAMPLES:
        raise Skip(f"it needs {FEW_SAMPLES} samples: with fewer, units are silent by chance")
    for steps in groups:
        if all(_same(np.asarray(step.inputs[0])) for step in steps):
            continue  # the samples were lost before: that is another finding
        active: np.ndarray = np.logical_or.reduce([_active(step) for step in steps])
        dead, units = int((~active).sum()), active.size
        if units and dead / units >= DEAD and (dead == units or not has_learned(case)):
            what = f"all {units} units" if dead == units else f"{dead} of {units} units ({share(dead / units)})"
            yield Finding(
                "dead_relu", steps[0].path or "model", "error" if dead == units else "warning",
                f"{steps[0]}: {what} are 0 for all {case.size} samples, so no gradient passes through them",
                "smaller learning rate, He initialisation (nn.init.kaiming_normal_), biases that are not far below 0, "
                "normalisation before "
                "it; or LeakyReLU, GELU",
            )  # fmt: skip


def saturation(case: Case) -> Iterator[Finding]:
    """Outputs of sigmoid, tanh and the like in the flat part, where the gradient is close to 0."""
    if case.found("inputs"):
        raise Skip("inputs of that scale saturate anything")
    last = last_operation(case.training)
    for steps in _together(case.training, tuple(_SLOPES)):
        if last is not None and any(step.node is last.node for step in steps):
            continue  # an answer may be sure of itself
        flat = float(np.mean([flat_share(step) for step in steps]))
        if flat > SATURATED and not has_learned(case):
            yield Finding(
                "saturation", steps[0].path or "model", "error" if flat > STUCK else "warning",
                f"{steps[0]}: {share(flat)} of the outputs lie in the flat part, where the slope is below {share(FLAT)} of the "
                "steepest",
                "smaller weights before it (nn.init.xavier_uniform_), normalised inputs, a normalisation layer before it; or "
                "ReLU, GELU",
            )  # fmt: skip


def flat_share(step: Step) -> float | None:
    """Return the share of outputs in the flat part of a sigmoid, tanh and the like; None of other operations."""
    slope = _SLOPES.get(step.name)
    return float((slope(step.values[0]) < FLAT).mean()) if slope is not None and step.values[0].size else None


# Of an activation with two flat ends: its slope, by its value, relative to the steepest.
_SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda y: 4 * y * (1 - y), "hardsigmoid": lambda y: 4 * y * (1 - y), "tanh": lambda y: 1 - y * y,
    "hardtanh": lambda y: ((y > y.min()) & (y < y.max())).astype(y.dtype), "softsign": lambda y: (1 - abs(y)) ** 2,
    "relu6": lambda y: (y < 6).astype(y.dtype),
}  # fmt: skip


def _together(run: Observation, names: tuple[str, ...]) -> list[list[Step]]:
    """Return the steps of these operations; those of one place that is run again and again, as in a recurrent net, together."""
    found: dict[tuple[str, str, tuple[int, ...]], list[Step]] = {}
    for step in run.steps:
        if step.name in names:
            found.setdefault((step.path, step.line, step.values[0].shape[1:]), []).append(step)
    return list(found.values())


def _active(step: Step) -> np.ndarray:
    """Return which units are above 0 anywhere: of images the channels, else the last axis."""
    y = step.values[0]
    if not y.ndim:
        y = y.reshape(1, 1)
    axis = 1 if y.ndim > 3 else y.ndim - 1
    return np.logical_or.reduce(y > 0, axis=tuple(i for i in range(y.ndim) if i != axis))  # type: ignore[no-any-return]


def symmetry(case: Case) -> Iterator[Finding]:
    """Units of a layer that begin alike and have the same gradient: they will stay alike for ever."""
    run = case.with_gradients()
    for name, parameter in case.model.named_parameters():
        weight, gradient = parameter._data, run.gradient_of(parameter)
        if weight.ndim < 2 or len(weight) < 2 or gradient is None or not weight.size:
            continue
        if bool((weight == weight[:1]).all()) and bool((np.abs(gradient - gradient[:1]) <= SAME * np.abs(gradient).max()).all()):
            equal = bool((weight == weight.flat[0]).all())
            value = f"all weights are {weight.flat[0]:.3g}" if equal else f"all {len(weight)} rows are the same"
            also = "no gradient reaches them" if not gradient.any() else "so are their gradients"
            yield Finding(
                "symmetry", name, "error", f"{value}, and {also}: the {len(weight)} units compute the same and will go on so",
                "initial weights must be random: nn.init.kaiming_uniform_(weight), xavier_normal_ ...; only biases may begin at 0",
            )  # fmt: skip


def alike_weights(case: Case) -> list[str]:
    """Return the names of weights whose rows are all the same, as zeros are: fine in a last layer, where one step mends it."""
    weights = [(name, p._data) for name, p in case.model.named_parameters() if p.ndim > 1 and p.size]
    return [name for name, w in weights if (w == w[:1]).all() and (len(w) > 1 or not w.any())]


def constant_output(case: Case) -> Iterator[Finding]:
    """An output that is the same for all samples."""
    if case.size < 2:
        raise Skip("it needs two samples")
    some = case.some_inputs()
    rows = [a for _, part in leaves(some, "input") if (a := array_of(part)) is not None and a.ndim and len(a) == len(case.few)]
    if not rows or all((array == array[:1]).all() for array in rows) or alike_weights(case):
        return
    if case.found("dead_relu", "symmetry", "gradient_flow", "saturation"):
        return  # which is the cause
    size = case.using.size
    for place, array in case.outputs(case.using):
        if array.size and _same(array):
            steps = [step for step in case.using.steps if len(step.values) == 1 and step.values[0].shape[:1] == (size,)]
            first = next((step for step in steps if _same(step.values[0])), None)
            yield Finding(
                "constant_output", place if first is None else first.path or place, "error",
                f"the {place} is the same for all of {size} samples, to one part in a million: {np.ravel(array)[0]:.4g} ..."
                + (f" The first result that is: {first}" if first is not None else ""),
                "look there for what drowns the differences: inputs or weights far too small beside a bias, a mean over everything",
            )  # fmt: skip


def _same(array: np.ndarray) -> bool:
    """Return whether all rows are the same, as precisely as float32 can tell."""
    return bool(array.size and np.abs(array - array[:1]).max() <= SAME * np.abs(array).max()) if array.ndim else False
