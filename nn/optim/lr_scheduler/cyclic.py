"""Schedules that go up and down, computed from the step's number alone; what others did to the rate is overwritten."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .schedule import LRScheduler, per_group, positive_integer


class CosineAnnealingWarmRestarts(LRScheduler):
    """From the first rate to eta_min along half a cosine, then up at once and again, each time `T_mult` times as long.

    T_0      steps of the first descent
    eta_min  the lowest rate

    `step(epoch)` takes a fractional epoch, so that the rate can change after each batch.

    Source: Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts.

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    >>> for _ in range(5):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    1.0
    0.5
    1.0
    0.854
    0.5
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_0 = self.T_i = positive_integer("CosineAnnealingWarmRestarts", "T_0", T_0)
        self.T_mult = positive_integer("CosineAnnealingWarmRestarts", "T_mult", T_mult)
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Set the next rates, or those of `epoch`, which need not be whole."""
        if epoch is None:
            super().step()
        elif epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be at least 0, got {epoch}")
        else:
            self._go_to(epoch)

    def _advance(self) -> None:
        self._go_to(self.last_epoch + 1)

    def _go_to(self, epoch: float) -> None:
        if self.T_mult == 1:
            self.T_i, self.T_cur = self.T_0, epoch % self.T_0
        else:
            begun, length = 0, self.T_0
            while epoch >= begun + length:
                begun, length = begun + length, length * self.T_mult
            self.T_i, self.T_cur = length, epoch - begun
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _begin(self) -> None:
        self._go_to(0)


class CyclicLR(LRScheduler):
    """Between two rates, up and down again in straight lines; a step is a batch.

    base_lr, max_lr  the lowest and the highest rate, one for all groups or a list
    step_size_up     steps upwards; downwards step_size_down, or as many
    mode             "triangular", "triangular2" (half as high each time), or "exp_range" (gamma ** step times as high)
    scale_fn         a function of the cycle's or the step's number (scale_mode "cycle" or "iterations") in place of mode
    cycle_momentum   move the momentum the other way between base_momentum and max_momentum

    Source: Smith 2017, Cyclical learning rates for training neural networks.

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = CyclicLR(optimizer, base_lr=0.1, max_lr=0.5, step_size_up=2, cycle_momentum=False)
    >>> for _ in range(4):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    0.1
    0.3
    0.5
    0.3
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ):
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode is 'triangular', 'triangular2' or 'exp_range', got {mode!r}")
        for group, lr in zip(optimizer.param_groups, per_group("CyclicLR", base_lr, optimizer)):
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = lr
        self.max_lrs = per_group("CyclicLR", max_lr, optimizer)
        self.total_size = float(step_size_up + (step_size_up if step_size_down is None else step_size_down))
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self.scale_fn = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        self.base_momentums = per_group("CyclicLR", base_momentum, optimizer)
        self.max_momentums = per_group("CyclicLR", max_momentum, optimizer)
        if cycle_momentum:
            _check_momentum("CyclicLR", optimizer)
        super().__init__(optimizer, last_epoch)

    def _scale(self, cycle: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular":
            return 1.0
        return 0.5 ** (cycle - 1) if self.mode == "triangular2" else float(self.gamma**self.last_epoch)

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = (x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)) * self._scale(cycle)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                _set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]


class OneCycleLR(LRScheduler):
    """Up to max_lr, and down to far below the first rate, once; a step is a batch.

    max_lr            the highest rate, one for all groups or a list
    total_steps       steps in all; or give epochs and steps_per_epoch
    pct_start         the share of the steps that go up
    anneal_strategy   "cos" or "linear"
    cycle_momentum    move the momentum (or β₁) the other way between base_momentum and max_momentum
    div_factor        it begins with max_lr / div_factor
    final_div_factor  it ends with that divided by final_div_factor
    three_phase       down as long as up, then to the end

    Source: Smith and Topin 2018, Super-convergence.

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0, momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.4)
    >>> for _ in range(4):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    0.04
    1.0
    0.75
    0.25
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = positive_integer("OneCycleLR", "epochs", epochs) * positive_integer(
                "OneCycleLR", "steps_per_epoch", steps_per_epoch
            )
        self.total_steps = positive_integer("OneCycleLR", "total_steps", total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start lies between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy is 'cos' or 'linear', got {anneal_strategy!r}")
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        top = pct_start * self.total_steps - 1  # the step of the highest rate
        self.ends = [top, 2 * top, self.total_steps - 1] if three_phase else [top, self.total_steps - 1]
        highest = per_group("OneCycleLR", max_lr, optimizer)
        first = [lr / div_factor for lr in highest]
        last = [lr / final_div_factor for lr in first]
        turns = [first, highest, first, last] if three_phase else [first, highest, last]
        self.lrs = [list(values) for values in zip(*turns)]  # of each group: the rates at which the phases begin and end
        low, high = (per_group("OneCycleLR", momentum, optimizer) for momentum in (base_momentum, max_momentum))
        turns = [high, low, high, high] if three_phase else [high, low, high]
        self.momentums = [list(values) for values in zip(*turns)]
        if cycle_momentum:
            _check_momentum("OneCycleLR", optimizer)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, first):
                group["initial_lr"] = lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:  # one step after each of so many batches is right: the last sets a rate for none
            raise ValueError(f"OneCycleLR: step {self.last_epoch}, but it was made for {self.total_steps} steps")
        phase = 0
        while phase < len(self.ends) - 1 and self.last_epoch > self.ends[phase]:
            phase += 1
        begin = self.ends[phase - 1] if phase else 0.0
        span = self.ends[phase] - begin
        share = (self.last_epoch - begin) / span if span else 1.0
        if self.cycle_momentum:
            for group, turns in zip(self.optimizer.param_groups, self.momentums):
                _set_momentum(group, self._between(turns[phase], turns[phase + 1], share))
        return [self._between(turns[phase], turns[phase + 1], share) for turns in self.lrs]

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


def _check_momentum(name: str, optimizer: Optimizer) -> None:
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(f"{name}: {type(optimizer).__name__} has no momentum to move; say cycle_momentum=False")


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
