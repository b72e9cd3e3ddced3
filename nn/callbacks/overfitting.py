"""The callback that asks whether a model can learn anything at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .callback import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer


class OverfitOneBatch(Callback):
    """Gives the model one and the same batch, again and again: a model that cannot learn it by heart has a mistake in it.

    until  stop as soon as the mean loss of an epoch is at most this; a UserWarning says where that was never so

    The first batch that the data has to offer takes the place of all others, so an epoch is as long as ever.

    batch    the batch
    reached  whether the loss got as low as `until`
    """

    def __init__(self, until: float | None = None):
        self.until = until
        self.batch: Any = None
        self.reached = False

    def on_fit_start(self, trainer: Trainer) -> None:
        self.reached = False
        self.batch = next(iter(trainer.loader), None)
        if self.batch is not None:
            trainer.loader = _Repeated(self.batch, trainer.batches or 1)

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.until is not None and trainer.row["loss"] <= self.until:
            self.reached = True
            trainer.stop(f"one batch is learned: the loss is {trainer.row['loss']:.4g}, asked for were {self.until:.4g}")

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.until is None or trainer.error is not None or trainer.history.stopped or not len(trainer.history):
            return
        warnings.warn(
            f"OverfitOneBatch: NOT learned: the loss is {trainer.history['loss'][-1]:.4g} > {self.until:.4g} after {trainer.steps} "
            "steps. With more epochs or another learning rate? Else there is a mistake in model, loss or data",
            UserWarning,
            stacklevel=2,
        )


class _Repeated:
    """Stands in for a loader: one batch, several times an epoch."""

    def __init__(self, batch: Any, times: int):
        self.batch, self.times, self.position = batch, times, 0

    def __len__(self) -> int:
        return self.times

    def __iter__(self) -> Iterator[Any]:
        while self.position < self.times:
            self.position += 1
            yield self.batch
        self.position = 0

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "batch": self.batch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.position, self.batch = state_dict["position"], state_dict["batch"]
