"""In use: parts in the wrong mode, and, in eval(), outputs that are random or depend on other samples."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from autodiff import Tensor
from autodiff.chain_rule import propagate

from ..activation import RReLU
from ..dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from ..module import Module
from ..normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .case import Case
from .finding import Finding, Skip, listed
from .observation import Observation, Step
from .samples import array_of, leaves, samples_at

DROPOUTS = (Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout, FeatureAlphaDropout)
ROUNDING = 100  # times the precision of the dtype, relative to the largest output: what another order of additions may change


def _differs_by_mode(module: Module) -> bool:
    if isinstance(module, DROPOUTS):
        return bool(module.p > 0)
    return isinstance(module, (BatchNorm1d, BatchNorm2d, BatchNorm3d, RReLU))


def modes(case: Case) -> Iterator[Finding]:
    """Dropout or batch normalisation in the wrong mode."""
    parts = [(path or "model", module) for path, module in case.model.named_modules() if _differs_by_mode(module)]
    training = [(path, module) for path, module in parts if module.training]
    if case.evaluating:
        for path, module in training:
            yield Finding(
                "modes", path, "error", f"{type(module).__name__} is in training mode, though the model is about to be used: "
                f"{_does(module)}",
                "call model.eval() before, and model.train() before training goes on",
            )  # fmt: skip
        return
    if not case.model.training:
        for path, module in training:
            yield Finding(
                "modes", path, "warning",
                f"{type(module).__name__} is in training mode, though the model is in eval(): {_does(module)}. Was it put in "
                "after eval()?",
                "call model.eval() once more, or model.train(), on the whole model",
            )  # fmt: skip
        if case.optimizer is not None and parts and not training:
            yield Finding(
                "modes", "model", "note",
                f"the model is in eval(), and an optimizer is there: trained like this, {listed([path for path, _ in parts])} "
                "would do nothing of what they do in training. (These checks put it into train() for themselves.)",
                "call model.train() before the training loop goes on",
            )  # fmt: skip
        return
    for path, module in parts:
        if not module.training:
            yield Finding(
                "modes", path, "note", f"{type(module).__name__} is in eval(), though the model is being trained",
                "fine where it is meant (statistics kept as they are in fine-tuning); else call model.train()",
            )  # fmt: skip


def _does(module: Module) -> str:
    if isinstance(module, (*DROPOUTS, RReLU)):
        return "its output is random"
    return "its output depends on the rest of the batch, and each call changes its running statistics"


def randomness(case: Case) -> Iterator[Finding]:
    """An output that differs from run to run in eval()."""
    first = case.using
    with case.untouched():
        for generator in case.generators.values():
            generator.random()  # the second run must draw other numbers
        np.random.random()  # noqa: NPY002
        random.random()
        case.set_mode(case.model, False)
        second = case.observe(case.some_inputs())
    pairs = [(a, b) for (_, a), (_, b) in zip(case.outputs(first), case.outputs(second)) if a.shape == b.shape and a.size]
    if all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
        return
    step = _first_difference(first, second, [], 0.0)
    place = (step.path if step is not None else "") or "model"
    spread = max(float(np.abs(a - b).max()) for a, b in pairs)
    yield Finding(
        "randomness", place, "error",
        f"two runs on the same batch in eval() differ by up to {spread:.3g}" + (f"; the first to differ is {step}" if step else ""),
        "give the mode on: nn.functional.dropout(x, p, training=self.training), or use nn.Dropout, which knows it",
    )  # fmt: skip


def _first_difference(first: Observation, second: Observation, apart_from: list[int], tolerance: float) -> Step | None:
    """Return the first operation whose result differs between two runs, in other samples than `apart_from`; None where none is."""
    for a, b in zip(first.steps, second.steps):
        if a.name != b.name:
            return None
        for x, y in zip(a.values, b.values):
            if x.shape != y.shape or x.dtype.kind not in "fc" or not x.size:
                continue
            if apart_from and first.size in x.shape:  # else the samples are one already
                axis = x.shape.index(first.size)
                x, y = np.delete(x, apart_from, axis), np.delete(y, apart_from, axis)
            if not np.allclose(x, y, rtol=0, atol=tolerance * float(np.abs(x).max(initial=0)), equal_nan=True):
                return a
    return None


def batch_leak(case: Case) -> Iterator[Finding]:
    """The output for one sample depends on another: a mean, softmax or normalisation over the batch, or a wrong reshape."""
    if case.size < 2:
        raise Skip("it needs two samples")
    base = case.using
    if not case.outputs(base):
        raise Skip("the model gives no output with a row for each sample")
    if case.found("randomness"):
        raise Skip("the output is random in eval()")
    few = len(case.few)
    places = [i for i in range(few) if i % 4 < 2] if few > 3 else [0]  # so, rows hear of neighbours on either side, near and far
    taken = list(case.few)
    for i in places:
        taken[i] = _another(case, taken[i])
    if taken != case.few:
        changed = case.run(train=False, inputs=samples_at(case.inputs, case.size, taken))
        reached = _reached(case, base, changed, places)
        if reached:
            step = _first_difference(base, changed, places, max(_tolerance(array) for _, array in case.outputs(base)))
            yield _leak(
                case, step.path if step else "", f"new samples at {listed([str(i) for i in places], 4)} changed the output for "
                f"{_samples(reached)}" + (f"; the first operation with a changed row is {step}" if step else ""),
            )  # fmt: skip
            return
    for i in sorted({0, few // 2, few - 1}):
        reached = _reached_by_gradient(case, base, i)
        if reached:
            yield _leak(case, "", f"the output for sample {i} has a gradient with respect to the input of {_samples(reached)}")
            return


def _leak(case: Case, path: str, evidence: str) -> Finding:
    related = len(_rows(case)) > 1 and any(array.shape[:2] == (case.size, case.size) for _, array in _rows(case))
    return Finding(
        "batch_leak", path or "model", "note" if related else "error", f"in eval(), with a batch of {len(case.few)}, {evidence}",
        "fine where the input of shape (N, N) is to relate samples, as in a graph" if related else
        "look there for a mean, softmax, normalisation or sum over axis 0, the batch, or a reshape or transpose that mixes samples",
    )  # fmt: skip


def _samples(reached: list[int]) -> str:
    return f"sample{'s' if len(reached) > 1 else ''} {listed([str(i) for i in reached])}"


def _rows(case: Case) -> list[tuple[str, np.ndarray]]:
    arrays = [(place, array_of(part)) for place, part in leaves(case.inputs, "input")]
    return [(place, array) for place, array in arrays if array is not None and array.ndim and len(array) == case.size]


def _another(case: Case, place: int) -> int:
    """Return a sample whose input is not that at `place`; that itself where all are the same."""
    for _, array in _rows(case):
        differs = (array != array[place]).reshape(case.size, -1).any(axis=1)
        differs[case.few] = differs[case.few] & (differs.sum() == differs[case.few].sum())  # rather one that is not there yet
        if differs.any():
            return int(np.flatnonzero(differs)[-1])
    return place


def _tolerance(array: np.ndarray) -> float:
    return ROUNDING * float(np.finfo(array.dtype).eps)


def _reached(case: Case, base: Observation, changed: Observation, places: list[int]) -> list[int]:
    """Return the other samples whose output has changed."""
    reached = np.zeros(base.size, bool)
    for (_, a), (_, b) in zip(case.outputs(base), case.outputs(changed)):
        if a.shape == b.shape and a.size:
            reached |= (np.abs(a - b) > _tolerance(a) * float(np.abs(a).max())).reshape(base.size, -1).any(axis=1)
    reached[places] = False
    return [int(i) for i in np.flatnonzero(reached)]


def _reached_by_gradient(case: Case, base: Observation, place: int) -> list[int]:
    """Return the other samples on whose input the output for this one depends, by its gradient."""
    given = [part for _, part in leaves(base.inputs, "input") if isinstance(part, Tensor) and part._node is not None]
    given = [part for part in given if part.ndim and len(part._data) == base.size]
    seeds = {}
    rows = {id(array) for _, array in case.outputs(base)}
    for _, part in leaves(base.prediction, "output"):
        if isinstance(part, Tensor) and part._node is not None and id(part._data) in rows:
            seed = np.zeros_like(part._data)
            one = seed[place]
            seed[place] = np.linspace(1, 2, max(one.size, 1)).reshape(one.shape)  # not all the same: a softmax would cancel it
            seeds[part._node] = seed
    if not seeds or not given:
        return []
    with case.untouched():
        arrived = propagate(seeds, [part._node for part in given if part._node is not None], True, False, store=False)
    reached = np.zeros(base.size, bool)
    for part in given:
        g = arrived.get(part._node) if part._node is not None else None
        if g is not None and g.size:
            size = np.abs(g).reshape(base.size, -1).max(axis=1)
            reached |= size > _tolerance(g) * size.max()
    reached[place] = False
    return [int(i) for i in np.flatnonzero(reached)]
