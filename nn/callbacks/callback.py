"""`Callback`: what may listen to a training, and the events that it hears.

Knows no training: `nn.Trainer` calls the events, and gives itself along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..trainer import Trainer

EVENTS = (
    "on_fit_start",
    "on_epoch_start",
    "on_batch_start",
    "on_backward_end",
    "on_batch_end",
    "on_evaluate_start",
    "on_evaluate_end",
    "on_epoch_end",
    "on_fit_end",
)


class Callback:
    """Listens to a training: a subclass defines those events that it wants to hear.

    order  who comes first at an event; callbacks of the same order come as they were given. Checkpoints come last

    Each event gets the Trainer, whose attributes tell where the training is: `epoch`, `batch`, `steps`, `loss_value`, `row`,
    `history`, `model`, `optimizer`. `trainer.stop(reason)` ends the training.

    >>> import numpy as np, nn
    >>> class Announce(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print("epoch", trainer.epoch, "took", trainer.batch, "batches")
    >>> model = nn.Linear(1, 1)
    >>> trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters()), callbacks=[Announce()])
    >>> _ = trainer.fit((np.zeros((6, 1)), np.zeros((6, 1))), batch_size=4, progress=False)
    epoch 1 took 2 batches
    """

    order: int = 0

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch; also where a training is resumed."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before the first batch of an epoch."""

    def on_batch_start(self, trainer: Trainer) -> None:
        """Before a batch is used."""

    def on_backward_end(self, trainer: Trainer) -> None:
        """Between `backward` and `step`: all gradients of this step are there."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After the step of a batch; `trainer.stepped` is False where gradients are still being accumulated."""

    def on_evaluate_start(self, trainer: Trainer) -> None:
        """Before the model is used and not trained: validation, `evaluate`, `predict`."""

    def on_evaluate_end(self, trainer: Trainer) -> None:
        """After it was used, also where that failed."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch and its validation; its numbers are in `trainer.row` and in the history."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """At the end, also where an error (`trainer.error`) or Ctrl-C ended the training: close here what you opened."""

    def state_dict(self) -> dict[str, Any]:
        """Return what must be known to go on from here, as plain data, arrays and Tensors."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict()` returned; called after `on_fit_start`."""


def listeners(callbacks: Any) -> dict[str, list[Any]]:
    """Return for each event the methods that are to be called, in their order; those that do nothing are left out."""
    ordered = sorted(callbacks, key=lambda callback: callback.order)
    return {
        event: [getattr(callback, event) for callback in ordered if _defines(callback, event)]
        for event in EVENTS
    }  # fmt: skip


def _defines(callback: Callback, event: str) -> bool:
    return getattr(type(callback), event) is not getattr(Callback, event) or event in vars(callback)
