"""Callbacks that write down the numbers of a training, for other programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .callback import Callback
from .monitoring import checked_count, checked_path

if TYPE_CHECKING:
    from ..trainer import Trainer


class CSVLogger(Callback):
    """Writes the history as comma-separated values, after each epoch: at any moment the file is a whole table.

    path  of the file; an older one is replaced. A resumed training writes its earlier epochs again
    """

    order = 100  # after those that add a column

    def __init__(self, path: str | os.PathLike[str]):
        self.path = checked_path(path, "CSVLogger")
        self._columns: list[str] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        self._columns = list(trainer.history.columns)
        trainer.history.to_csv(self.path)

    def on_epoch_end(self, trainer: Trainer) -> None:
        columns = list(trainer.history.columns)
        if columns != self._columns:  # the first epoch, or a number that was not there before
            self._columns = columns
            trainer.history.to_csv(self.path)
            return
        line = ",".join([str(trainer.epoch), *(repr(value) for value in trainer.history.row().values())])
        with open(self.path, "a", encoding="utf-8", newline="\n") as stream:
            stream.write(line + "\n")


class TensorBoard(Callback):
    """Writes events for TensorBoard: the numbers of each epoch, and as often as asked the loss and the learning rate of a step.

    log_dir      folder of the event files; `tensorboard --logdir FOLDER` shows it
    every_steps  write "step/loss" and "step/lr" after so many steps; None for never
    histograms   also write the distribution of every parameter after each epoch

    Epochs are numbered from 1, steps from 1. Needs tensorboardX.
    """

    order = 100

    def __init__(self, log_dir: str | os.PathLike[str], every_steps: int | None = None, histograms: bool = False):
        self.log_dir = checked_path(log_dir, "TensorBoard")
        self.every_steps = None if every_steps is None else checked_count(every_steps, "TensorBoard: every_steps", 1)
        self.histograms = histograms
        self._writer: Any = None

    def on_fit_start(self, trainer: Trainer) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "nn.callbacks.TensorBoard needs tensorboardX: python -m pip install 'glassgrad[tensorboard]'"
            ) from error
        self._writer = SummaryWriter(self.log_dir)

    def on_batch_end(self, trainer: Trainer) -> None:
        if self.every_steps and trainer.stepped and trainer.steps % self.every_steps == 0:
            self._writer.add_scalar("step/loss", trainer.loss_value, trainer.steps)
            self._writer.add_scalar("step/lr", float(trainer.optimizer.param_groups[0]["lr"]), trainer.steps)

    def on_epoch_end(self, trainer: Trainer) -> None:
        for name, value in trainer.row.items():
            group, quantity = ("validation", name.removeprefix("val_")) if name.startswith("val_") else ("training", name)
            self._writer.add_scalar(f"{group}/{quantity}", value, trainer.epoch)
        if self.histograms:
            for name, parameter in trainer.model.named_parameters():
                self._writer.add_histogram(f"parameters/{name}", parameter._data, trainer.epoch)
        self._writer.flush()

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
