"""The callback that moves a learning-rate schedule along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .callback import Callback
from .monitoring import Monitor

if TYPE_CHECKING:
    from ..trainer import Trainer


class LRScheduler(Callback):
    """Steps a schedule of `nn.optim.lr_scheduler`, and writes the learning rate of each epoch into the history as "lr".

    scheduler  the schedule; it holds the optimizer
    every      "epoch", or "batch" for schedules that count steps (one-cycle, warm-up)
    monitor    the column of the history that ReduceLROnPlateau looks at: "val_loss" by default, or "loss" without validation
    """

    def __init__(self, scheduler: Any, every: str = "epoch", monitor: str | None = None):
        if isinstance(scheduler, type) or not callable(getattr(scheduler, "step", None)) or hasattr(scheduler, "param_groups"):
            got = scheduler.__name__ if isinstance(scheduler, type) else type(scheduler).__name__
            raise TypeError(
                f"LRScheduler: expected a schedule such as nn.optim.lr_scheduler.StepLR(optimizer, 10), got {got}"
                + (" itself; make one of it" if isinstance(scheduler, type) else "")
            )
        if every not in ("epoch", "batch"):
            raise ValueError(f"LRScheduler: every must be 'epoch' or 'batch', got {every!r}")
        plateau = monitor is not None or any(kind.__name__ == "ReduceLROnPlateau" for kind in type(scheduler).__mro__)
        if plateau and every == "batch":
            raise ValueError("LRScheduler: a number of the history is known once an epoch: every='batch' goes without monitor")
        self.scheduler, self.every, self.monitor, self._plateau = scheduler, every, monitor, plateau

    def on_fit_start(self, trainer: Trainer) -> None:
        held = getattr(self.scheduler, "optimizer", trainer.optimizer)
        if held is not trainer.optimizer:
            raise ValueError(f"LRScheduler: the {type(self.scheduler).__name__} holds another optimizer than the trainer")

    def on_epoch_start(self, trainer: Trainer) -> None:
        trainer.row["lr"] = float(trainer.optimizer.param_groups[0]["lr"])

    def on_batch_end(self, trainer: Trainer) -> None:
        if self.every == "batch" and trainer.stepped:
            self.scheduler.step()

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self._plateau:
            column = self.monitor or ("val_loss" if trainer.validated else "loss")
            self.scheduler.step(Monitor("LRScheduler", column, "min").value(trainer))
        elif self.every == "epoch":
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return {"scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(state_dict["scheduler"])
