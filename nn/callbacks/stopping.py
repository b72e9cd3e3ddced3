"""When to stop: when it gets no better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .callback import Callback
from .monitoring import Monitor, checked_count

if TYPE_CHECKING:
    from ..trainer import Trainer


class EarlyStopping(Callback):
    """Stops when a number has not improved for some epochs, and goes back to the weights of the best epoch.

    monitor       a column of the history
    patience      how many epochs in a row may be no better
    min_delta     how much better an epoch must be to count
    mode          "min" or "max", whichever is better; "auto" knows it of losses and of the metrics of `nn.metrics`
    restore_best  at the end, also after Ctrl-C, the model gets the weights of its best epoch

    best, best_epoch  the best value, and the epoch that had it

    >>> EarlyStopping("val_accuracy", patience=3).mode
    'max'
    """

    order = 10  # after EMA, which gives the model other weights at the end

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ):
        self._monitor = Monitor("EarlyStopping", monitor, mode, min_delta)
        self.monitor, self.mode = monitor, self._monitor.mode
        self.patience = checked_count(patience, "EarlyStopping: patience", 1)
        self.restore_best = restore_best
        self.waited = 0
        self._weights: dict[str, Any] | None = None

    @property
    def best(self) -> float | None:
        return self._monitor.best

    @property
    def best_epoch(self) -> int | None:
        return self._monitor.best_epoch

    def on_fit_start(self, trainer: Trainer) -> None:
        self._monitor.reset()
        self.waited, self._weights = 0, None

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self._monitor.note(trainer):
            self.waited = 0
            if self.restore_best:
                self._weights = trainer.evaluated_weights()
            return
        self.waited += 1
        if self.waited >= self.patience:
            best = "no value of it was a number" if self.best is None else f"best {self.best:.6g} in epoch {self.best_epoch}"
            trainer.stop(f"{self.monitor} has not improved for {self.waited} epochs ({best})")

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._weights is not None and (trainer.error is None or isinstance(trainer.error, KeyboardInterrupt)):
            trainer.model.load_state_dict(self._weights)
            self._weights = None

    def state_dict(self) -> dict[str, Any]:
        return {**self._monitor.state_dict(), "waited": self.waited, "weights": self._weights}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._monitor.load_state_dict(state_dict)
        self.waited, self._weights = state_dict["waited"], state_dict["weights"]
