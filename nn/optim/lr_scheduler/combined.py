"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedule import LRScheduler


class _Combined(LRScheduler):
    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], last_epoch: int):
        name = type(self).__name__
        for scheduler in schedulers:
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
                raise TypeError(f"{name}: expected schedules whose step() takes nothing, got {type(scheduler).__name__}")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name}: all schedules must be of one optimizer; that of {type(scheduler).__name__} is another")
        self.schedulers = list(schedulers)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._rates()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        own = dict(state_dict)
        parts = own.pop("schedulers", None)
        if not isinstance(parts, (list, tuple)) or len(parts) != len(self.schedulers):
            raise ValueError(f"{type(self).__name__}: the state is not of {len(self.schedulers)} schedules")
        before = [scheduler.state_dict() for scheduler in self.schedulers]
        try:
            for scheduler, part in zip(self.schedulers, parts):
                scheduler.load_state_dict(part)
            self._load_own(own)
        except Exception:  # all of it or nothing
            for scheduler, part in zip(self.schedulers, before):
                scheduler.load_state_dict(part)
            raise


class SequentialLR(_Combined):
    """One schedule after the other.

    schedulers  of this optimizer, in their order
    milestones  the steps at which the second, third ... begins, each then at its own step 0

    Raises ValueError unless there is one milestone less than schedules. An example, a warm-up, is at `LinearLR`.

    >>> import nn
    >>> from nn.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = SequentialLR(optimizer, [ConstantLR(optimizer, 0.1), ExponentialLR(optimizer, 0.5)], [2])
    >>> for _ in range(4):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    0.1
    0.1
    1.0
    0.5
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, the steps at which each but the "
                f"first begins; got {len(milestones)}"
            )
        self.milestones = list(milestones)
        for group in optimizer.param_groups:  # what the schedules did when they were made
            group["lr"] = group["initial_lr"]
        super().__init__(optimizer, schedulers, last_epoch)

    def _begin(self) -> None:
        self.last_epoch = -1
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        which = bisect.bisect_right(self.milestones, self.last_epoch)
        scheduler = self.schedulers[which]
        if not self.last_epoch or (which and self.milestones[which - 1] == self.last_epoch):
            scheduler._restart()
        else:
            scheduler._advance()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Combined):
    """Several schedules at once: each multiplies the rate in its turn.

    schedulers  of one optimizer, which are stepped in their order

    >>> import nn
    >>> from nn.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = ChainedScheduler([ConstantLR(optimizer, 0.1, 2), ExponentialLR(optimizer, 0.5)])
    >>> for _ in range(3):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    0.1
    0.05
    0.25
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        if not schedulers:
            raise ValueError("ChainedScheduler: there are no schedules")
        super().__init__(schedulers[0].optimizer if optimizer is None else optimizer, schedulers, -1)

    def _begin(self) -> None:
        self.last_epoch = 0
        for scheduler in self.schedulers:
            scheduler._begin()
        self._last_lr = self._rates()

    def _advance(self) -> None:
        self.last_epoch += 1
        if self.last_epoch:
            for scheduler in self.schedulers:
                scheduler._advance()
        self._last_lr = self._rates()
