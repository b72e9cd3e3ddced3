"""Training and evaluation: parts in the wrong mode, and what is random though it should not be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..activation import RReLU
from ..dropout import AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout
from ..module import Module
from ..normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ..training.random_state import generators_in
from .case import Case
from .finding import Finding, listed
from .observation import Observation, Step

_RANDOM = (Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout, FeatureAlphaDropout)


def _differs_by_mode(module: Module) -> bool:
    if isinstance(module, _RANDOM):
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
                "would "
                "do nothing of what they do in training. (These checks put it into train() for themselves.)",
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
    if isinstance(module, (*_RANDOM, RReLU)):
        return "its output is random"
    return "its output depends on the rest of the batch, and each call changes its running statistics"


def randomness(case: Case) -> Iterator[Finding]:
    """An output that differs from run to run in eval()."""
    with case.untouched():
        case.set_mode(case.model, False)
        first = case.observe(case.inputs)
        for generator in generators_in(model=case.model).values():
            generator.random()  # the second run must draw other numbers, and also after a rehearsal within
        second = case.observe(case.inputs)
    pairs = list(zip(case.outputs(first), case.outputs(second)))
    if all(np.array_equal(a, b, equal_nan=True) for (_, a), (_, b) in pairs):
        return
    step = first_difference(first, second, None)
    place = (step.path if step is not None else "") or "model"
    spread = max(float(np.abs(a - b).max()) for (_, a), (_, b) in pairs if a.size)
    yield Finding(
        "randomness", place, "error",
        f"two runs on the same batch in eval() differ by up to {spread:.3g}" + (f"; the first to differ is {step}" if step else ""),
        "give the mode on: nn.functional.dropout(x, p, training=self.training), or use nn.Dropout, which knows it",
    )  # fmt: skip


def first_difference(first: Observation, second: Observation, apart_from: int | None, tolerance: float = 0.0) -> Step | None:
    """Return the first operation whose result differs between two runs, in other samples than `apart_from`; None where none is."""
    for a, b in zip(first.steps, second.steps):
        if a.name != b.name:
            return None
        for x, y in zip(a.values, b.values):
            if x.shape != y.shape or x.dtype.kind not in "fc" or not x.size:
                continue
            if apart_from is not None:
                if not x.ndim or apart_from >= len(x):
                    continue
                x, y = np.delete(x, apart_from, 0), np.delete(y, apart_from, 0)
            if not np.allclose(x, y, rtol=0, atol=tolerance * float(np.abs(x).max(initial=0)), equal_nan=True):
                return a
    return None
