"""The callback that averages the weights along the way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff.graph import wrap
from autodiff.memory import log_write

from .callback import Callback
from .monitoring import checked_count

if TYPE_CHECKING:
    from ..module import Module
    from ..trainer import Trainer


class EMA(Callback):
    """Keeps an exponential moving average of the weights, and evaluates with it: a ← decay a + (1 - decay) w after each step.

    decay     how much of the average stays, 0 to 1
    every     average after so many steps
    keep_raw  False: at the end of `fit` the model has the averaged weights, those that were validated; True: its own

    During `fit` validation, `evaluate` and `predict` use the average, and the model has its own weights back afterwards. Early
    in a training the decay is smaller, (1 + n) / (10 + n) at the n-th average, so that the first weights are soon forgotten.
    Buffers, such as running means, are not averaged.

    Source: Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging.
    """

    def __init__(self, decay: float = 0.999, every: int = 1, keep_raw: bool = False):
        if not 0 <= decay < 1:
            raise ValueError(f"EMA: decay must be at least 0 and less than 1, got {decay!r}")
        self.decay, self.every, self.keep_raw = decay, checked_count(every, "EMA: every", 1), keep_raw
        self.updates = 0
        self.average: dict[str, np.ndarray] | None = None
        self._raw: dict[str, np.ndarray] | None = None  # the model's own weights, while it has the average

    def on_fit_start(self, trainer: Trainer) -> None:
        self.updates, self._raw = 0, None
        self.average = {name: p._data.copy() for name, p in trainer.model.named_parameters()}

    def on_batch_end(self, trainer: Trainer) -> None:
        if trainer.stepped and trainer.steps % self.every == 0 and self.average is not None:
            self.updates += 1
            share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
            for name, parameter in trainer.model.named_parameters():
                average = self.average[name]
                average += (parameter._data - average) * average.dtype.type(share)

    def on_evaluate_start(self, trainer: Trainer) -> None:
        if self.average is not None and self._raw is None:
            self._raw = _exchanged(trainer.model, self.average)

    def on_evaluate_end(self, trainer: Trainer) -> None:
        if self._raw is not None:
            _exchanged(trainer.model, self._raw)
            self._raw = None

    def on_fit_end(self, trainer: Trainer) -> None:
        self.on_evaluate_end(trainer)
        if self.average is not None:
            if not self.keep_raw and (trainer.error is None or isinstance(trainer.error, KeyboardInterrupt)):
                _exchanged(trainer.model, self.average)
            if not self.keep_raw:
                self.average = None  # from now on the model is used as it is

    @contextlib.contextmanager
    def averaged(self, model: Module) -> Iterator[Module]:
        """Give the model the averaged weights inside a `with` block (after a `fit` with keep_raw=True)."""
        if self.average is None:
            raise RuntimeError("EMA: there is no average; after fit it is there with keep_raw=True, else the model has it already")
        raw = _exchanged(model, self.average)
        try:
            yield model
        finally:
            _exchanged(model, raw)

    def state_dict(self) -> dict[str, Any]:
        average = None if self.average is None else {name: wrap(array) for name, array in self.average.items()}
        return {"updates": self.updates, "average": average}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.updates = state_dict["updates"]
        average = state_dict["average"]
        self.average = None if average is None else {name: tensor._data.copy() for name, tensor in average.items()}


def _exchanged(model: Module, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Write these values into the parameters, and return those that were there."""
    before = {}
    for name, parameter in model.named_parameters():
        before[name] = parameter._data.copy()
        parameter._data[...] = values[name]
        log_write(parameter._data, "exchanging the weights with their average")
    return before
