"""Files that a training leaves: the best weights, and all that is needed to go on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checkpoint import save_checkpoint
from ..serialization import save
from .callback import Callback
from .monitoring import Monitor, checked_count, checked_path

if TYPE_CHECKING:
    from ..trainer import Trainer


class ModelCheckpoint(Callback):
    """Writes the weights of the model to a file whenever a number has become better.

    path            of the file, for `nn.save`; may hold {epoch} and columns of the history: "net-{epoch:03d}-{val_loss:.3f}.npz"
    monitor         a column of the history
    mode            "min" or "max", whichever is better; "auto" knows it of losses and of the metrics of `nn.metrics`
    save_best_only  False writes after every epoch
    min_delta       how much better an epoch must be to count

    best, best_path  the best value, and the file that was written last

    What is written are the weights that validation saw, so with EMA the averages. `model.load_state_dict(nn.load(path))`
    reads them.
    """

    order = 10

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        mode: str = "auto",
        save_best_only: bool = True,
        min_delta: float = 0.0,
    ):
        self.path = checked_path(path, "ModelCheckpoint")
        self._monitor = Monitor("ModelCheckpoint", monitor, mode if save_best_only or mode != "auto" else "min", min_delta)
        self.save_best_only = save_best_only
        self.best_path: str | None = None

    @property
    def best(self) -> float | None:
        return self._monitor.best

    def on_fit_start(self, trainer: Trainer) -> None:
        self._monitor.reset()
        self.best_path = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.save_best_only and not self._monitor.note(trainer):
            return
        known = {"epoch": trainer.epoch, **trainer.row}
        try:
            path = self.path.format(**known)
        except (KeyError, IndexError, ValueError) as error:
            names = ", ".join(f"{{{name}}}" for name in known)
            raise ValueError(
                f"ModelCheckpoint: the path {self.path!r} cannot be filled in ({error!r}); known are {names}"
            ) from None
        save(trainer.evaluated_weights(), path)
        self.best_path = path

    def state_dict(self) -> dict[str, Any]:
        return {**self._monitor.state_dict(), "best_path": self.best_path}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._monitor.load_state_dict(state_dict)
        self.best_path = state_dict["best_path"]


class Checkpoint(Callback):
    """Writes all that is needed to go on to one file: `fit(..., resume=path)` continues bit by bit as if nothing had happened.

    path           of the file; each time it is replaced in one instant, so a crash leaves the old or the new one whole
    every_epochs   write after so many epochs; None for never
    every_batches  write also within an epoch, after so many batches

    The file holds model, optimizer, the states of all callbacks (schedules among them), random generators, the place in the
    data, and the history. It holds no code. Written after all other callbacks have heard an event.
    """

    order = 1000

    def __init__(self, path: str | os.PathLike[str], every_epochs: int | None = 1, every_batches: int | None = None):
        self.path = checked_path(path, "Checkpoint")
        if every_epochs is None and every_batches is None:
            raise ValueError("Checkpoint: give every_epochs or every_batches, else nothing would be written")
        self.every_epochs = every_epochs if every_epochs is None else checked_count(every_epochs, "Checkpoint: every_epochs", 1)
        self.every_batches = (
            every_batches if every_batches is None else checked_count(every_batches, "Checkpoint: every_batches", 1)
        )
        self._since = 0  # batches since the last writing

    def on_fit_start(self, trainer: Trainer) -> None:
        self._since = 0

    def on_batch_end(self, trainer: Trainer) -> None:
        self._since += 1
        # At an epoch's last batch it waits for the end of the epoch, and within a step until its gradients are used.
        if self.every_batches and self._since >= self.every_batches and trainer.stepped and trainer.batch != trainer.batches:
            self.write(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        by_epoch = self.every_epochs and trainer.epoch % self.every_epochs == 0
        by_batch = self.every_batches and self._since >= self.every_batches
        if by_epoch or by_batch or trainer.stopping or trainer.epoch == trainer.epochs:
            self.write(trainer)

    def write(self, trainer: Trainer) -> None:
        """Write the file now."""
        self._since = 0
        save_checkpoint(trainer.state_dict(), self.path)

    def state_dict(self) -> dict[str, Any]:
        return {"since": self._since}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._since = state_dict["since"]
