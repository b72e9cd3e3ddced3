"""Watching one number of the history: which it is, and whether it has become better."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..trainer import Trainer

_LESS = {"loss", "mae", "mse", "rmse", "mean_absolute_error", "mean_squared_error", "root_mean_squared_error", "perplexity"}
_MORE = {
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "f1",
    "f1_score",
    "precision",
    "r2",
    "r2_score",
    "recall",
    "roc_auc",
    "top_k_accuracy",
}


def checked_path(path: Any, owner: str) -> str:
    """Return a path as text; raises TypeError where it is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{owner}: path must name a file, got {type(path).__name__}")
    return str(os.fspath(path))


def checked_count(value: Any, name: str, least: int) -> int:
    """Return a whole number of at least `least`; raises ValueError where it is none."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or np.ndim(value) or int(value) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


class Monitor:
    """Remembers the best value so far of a column of the history.

    owner      who watches, for messages
    column     its name
    mode       "min" or "max", whichever is better; "auto" knows it of losses and of the metrics of `nn.metrics`
    min_delta  how much better a value must be to count
    """

    def __init__(self, owner: str, column: str, mode: str, min_delta: float = 0.0):
        if not isinstance(column, str):
            raise TypeError(f"{owner}: monitor must be the name of a column such as 'val_loss', got {type(column).__name__}")
        if mode == "auto":
            name = column.removeprefix("val_")
            if name not in _LESS | _MORE:
                raise ValueError(f"{owner}: is more or less of {column!r} better? Say mode='max' or mode='min'")
            mode = "min" if name in _LESS else "max"
        if mode not in ("min", "max"):
            raise ValueError(f"{owner}: mode must be 'min', 'max' or 'auto', got {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"{owner}: min_delta must be at least 0, got {min_delta!r}")
        self.owner, self.column, self.mode, self.min_delta = owner, column, mode, float(min_delta)
        self.best: float | None = None
        self.best_epoch: int | None = None

    def value(self, trainer: Trainer) -> float:
        """Return the number of this epoch; raises ValueError where there is none."""
        if self.column in trainer.row:
            return float(trainer.row[self.column])
        cure = "; give fit(validation=...)" if self.column.startswith("val_") and not trainer.validated else ""
        raise ValueError(f"{self.owner}: there is no {self.column!r} to watch; there are: {', '.join(trainer.row)}{cure}")

    def note(self, trainer: Trainer) -> bool:
        """Look at the number of this epoch, and return whether it is the best so far; nan never is."""
        value = self.value(trainer)
        gain = math.inf if self.best is None else self.best - value if self.mode == "min" else value - self.best
        if math.isnan(value) or not gain > self.min_delta:
            return False
        self.best, self.best_epoch = value, trainer.epoch
        return True

    def reset(self) -> None:
        """Forget what was seen."""
        self.best = self.best_epoch = None

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
