"""Samples that know of each other: in eval() the output for one must not depend on another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autodiff import Tensor
from autodiff.chain_rule import propagate

from .case import Case
from .finding import Finding, Skip, listed
from .modes import first_difference
from .observation import Observation
from .samples import array_of, leaves, with_sample

TRIED = 3  # samples that are exchanged, and samples whose gradient is looked at
ROUNDING = 100  # times the precision of the dtype, relative to the largest output: what another order of additions may change


def batch_leak(case: Case) -> Iterator[Finding]:
    """The output for one sample depends on another: a mean, softmax or normalisation over the batch, or a wrong reshape."""
    size = case.size
    if size < 2:
        raise Skip("it needs two samples")
    base = case.using
    if not case.outputs(base):
        raise Skip("the model gives no output with a row for each sample")
    if case.found("randomness"):
        raise Skip("the output is random in eval()")
    precision = max(float(np.finfo(array.dtype).eps) for _, array in case.outputs(base))
    for place in sorted(int(i) for i in case.generator.permutation(size)[:TRIED]):
        other = _another(case, place)
        if other is None:
            continue
        changed = case.run(train=False, inputs=with_sample(case.inputs, size, place, other))
        reached = _reached(case, base, changed, place)
        if reached:
            step = first_difference(base, changed, place, ROUNDING * precision)
            yield _leak(
                step.path if step else "", f"changing sample {place} changed the output for {_samples(reached)}"
                + (f"; the first operation with a changed row is {step}" if step else ""),
            )  # fmt: skip
            return
    for i in sorted({0, size // 2, size - 1}):
        reached = _reached_by_gradient(case, base, i)
        if reached:
            yield _leak("", f"the output for sample {i} has a gradient with respect to the input of {_samples(reached)}")
            return


def _leak(path: str, evidence: str) -> Finding:
    return Finding(
        "batch_leak", path or "model", "error", f"in eval(), {evidence}",
        "look there for a mean, softmax, normalisation or cumulative sum over axis 0, or a reshape or transpose that mixes "
        "samples; the "
        "batch is the first axis",
    )  # fmt: skip


def _samples(reached: list[int]) -> str:
    return f"sample{'s' if len(reached) > 1 else ''} {listed([str(i) for i in reached])}"


def _another(case: Case, place: int) -> int | None:
    """Return a sample whose input is not that at `place`; None where all are the same."""
    for _, part in leaves(case.inputs, "input"):
        array = array_of(part)
        if array is not None and array.ndim and len(array) == case.size:
            differs = (array != array[place]).reshape(case.size, -1).any(axis=1)
            if differs.any():
                return int(np.flatnonzero(differs)[-1])
    return None


def _reached(case: Case, base: Observation, changed: Observation, place: int) -> list[int]:
    """Return the other samples whose output has changed."""
    reached = np.zeros(case.size, bool)
    for (_, a), (_, b) in zip(case.outputs(base), case.outputs(changed)):
        if a.shape == b.shape and a.size:
            tolerance = ROUNDING * float(np.finfo(a.dtype).eps) * float(np.abs(a).max())
            reached |= (np.abs(a - b) > tolerance).reshape(case.size, -1).any(axis=1)
    reached[place] = False
    return [int(i) for i in np.flatnonzero(reached)]


def _reached_by_gradient(case: Case, base: Observation, place: int) -> list[int]:
    """Return the other samples on whose input the output for this one depends, by its gradient."""
    given = [part for _, part in leaves(base.inputs, "input") if isinstance(part, Tensor) and part._node is not None]
    given = [part for part in given if part.ndim and len(part._data) == case.size]
    seeds = {}
    for _, part in leaves(base.prediction, "output"):
        if isinstance(part, Tensor) and part._node is not None and part.ndim and len(part._data) == case.size:
            seed = np.zeros_like(part._data)
            one = seed[place]
            seed[place] = np.linspace(1, 2, max(one.size, 1)).reshape(one.shape)  # not all the same: a softmax would cancel it
            seeds[part._node] = seed
    if not seeds or not given:
        return []
    with case.untouched():
        arrived = propagate(seeds, [part._node for part in given if part._node is not None], True, False, store=False)
    reached = np.zeros(case.size, bool)
    for part in given:
        g = arrived.get(part._node) if part._node is not None else None
        if g is not None:
            size = np.abs(g).reshape(case.size, -1).max(axis=1) if g.size else np.zeros(case.size)
            reached |= size > ROUNDING * float(np.finfo(g.dtype).eps) * size.max()
    reached[place] = False
    return [int(i) for i in np.flatnonzero(reached)]
