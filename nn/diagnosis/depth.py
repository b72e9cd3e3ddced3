"""Gradients on their way through the layers: vanishing, exploding, blocked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autodiff.graph import Leaf

from ..parameter import Parameter
from .case import Case
from .finding import Finding, Skip, listed
from .observation import Observation, Step
from .units import zero_weights

# With the default initialisation each ReLU layer takes a gradient down to 0.4 of it: ten layers are 1e-4. Beyond that the first
# layers learn nothing while the last are done; beyond 1e-7 float32 cannot tell their updates from none.
VANISHING, LOST = 1e-4, 1e-7
EXPLODING, WILD = 1e3, 1e6  # that the other way round: a learning rate right for the last layers throws the first away


def gradient_flow(case: Case) -> Iterator[Finding]:
    """Gradients that shrink or grow from layer to layer, or are exactly 0."""
    run = case.with_gradients()
    if case.found("not_finite", "dead_relu", "symmetry", "saturation"):
        raise Skip("what was found above changes the gradients")
    layers = weighted(run)
    sizes = [(step, rms(step.gradient)) for step in layers if step.gradient is not None]
    blocked = [step for step, size in sizes if size == 0]
    if blocked and not zero_weights(case):
        step = blocked[-1]
        yield Finding(
            "gradient_flow", step.path or "model", "error",
            f"the gradient of the loss is exactly 0 at the output of {step}" + (
                f", and at {len(blocked) - 1} layers before it" if len(blocked) > 1 else ""),
            "look at what stands between it and the loss: a step, rounding, clamp or comparison, a where() that never chooses it",
        )  # fmt: skip
        return
    sizes = [(step, size) for step, size in sizes if size > 0]
    if len(sizes) < 2:
        return
    last, reference = sizes[-1]
    for (step, size), low in ((min(sizes, key=_size), True), (max(sizes, key=_size), False)):
        ratio = size / reference
        bad, worse = (ratio < VANISHING, ratio < LOST) if low else (ratio > EXPLODING, ratio > WILD)
        if not bad:
            continue
        count = sizes.index((last, reference)) - sizes.index((step, size))
        pace = f", about {ratio ** (1 / count):.2g} times with each of the {count} layers between" if count > 1 else ""
        beyond = [s.path or s.name for s, g in sizes if (g / reference < VANISHING if low else g / reference > EXPLODING)]
        yield Finding(
            "gradient_flow", step.path or "model", "error" if worse else "warning",
            f"the gradient {'vanishes' if low else 'explodes'}: {size:.2g} at the output of {step}, {reference:.2g} at that of "
            "the last layer "
            f"({last.path or last.name}); a ratio of {ratio:.2g}{pace}. Beyond the limit: {listed(beyond)}",
            "residual connections, or a normalisation layer in each block; ReLU or GELU in place of sigmoid and tanh; weights by "
            "nn.init.kaiming_normal_" if low else
            "smaller weights (nn.init.kaiming_normal_, xavier_normal_), a normalisation layer in each block, gradient clipping",
        )  # fmt: skip


def _size(pair: tuple[Step, float]) -> float:
    return pair[1]


def rms(array: np.ndarray | None) -> float:
    """Return the root mean square of an array's elements; 0 where there are none."""
    if array is None or not array.size:
        return 0.0
    largest = float(np.abs(array).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.mean(np.square(np.abs(array) / largest, dtype=float))))  # no square underflows


def weighted(run: Observation) -> list[Step]:
    """Return the steps in which a weight of two axes or more acts: the layers, in order."""
    return [step for step in run.steps if _acts(step)]


def _acts(step: Step) -> bool:
    if step.node.shape is None:
        return False
    for parent in step.node.parents:
        if isinstance(parent, Leaf) and isinstance(tensor := parent.tensor(), Parameter) and tensor.ndim > 1:
            return True
    return False
