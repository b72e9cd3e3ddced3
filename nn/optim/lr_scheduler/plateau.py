"""A schedule that waits for a number to stop getting better."""

from __future__ import annotations

import math
from typing import Any

from ..optimizer import Optimizer
from .schedule import LRScheduler, per_group


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor`, where a number that `step(metrics)` is given has not got better for more than `patience` steps.

    mode            "min" for a number that should fall, "max" for one that should rise
    threshold       how much better counts as better: relative ("rel" threshold_mode) or absolute ("abs")
    cooldown        steps to wait after a reduction before counting again
    min_lr          the lowest rate, one for all groups or a list
    eps             reductions smaller than this are left out

    >>> from nn import Parameter
    >>> from nn.optim import SGD
    >>> schedule = ReduceLROnPlateau(SGD([Parameter([1.0])], lr=1.0), patience=1)
    >>> for loss in (0.5, 0.6, 0.6):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0.0,
        eps: float = 1e-8,
    ):
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode is 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode is 'rel' or 'abs', got {threshold_mode!r}")
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = per_group("ReduceLROnPlateau", min_lr, optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        return self._rates()

    def step(self, metrics: Any) -> None:  # type: ignore[override]  # as in PyTorch, this one is told how it went
        """Note how good the model is, and reduce the rates where that has not changed for too long."""
        value = float(getattr(metrics, "_data", metrics))
        self.last_epoch += 1
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._set([self._reduced(lr, low) for lr, low in zip(self._rates(), self.min_lrs)])
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._rates()

    def _better(self, value: float) -> bool:
        if self.mode == "min":
            return value < (self.best * (1 - self.threshold) if self.threshold_mode == "rel" else self.best - self.threshold)
        return value > (self.best * (1 + self.threshold) if self.threshold_mode == "rel" else self.best + self.threshold)

    def _reduced(self, lr: float, low: float) -> float:
        reduced = max(lr * self.factor, low)
        return reduced if lr - reduced > self.eps else lr
