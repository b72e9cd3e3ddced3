"""Schedules that multiply the rate that is there by a factor at each step, so that several of them work together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..optimizer import Optimizer
from .schedule import LRScheduler, per_group, positive_integer


class LambdaLR(LRScheduler):
    """The first rate times a function of the step.

    lr_lambda  a function from the step's number to a factor, or a list with one for each group

    >>> from nn import Parameter
    >>> from nn.optim import SGD
    >>> p = Parameter([1.0])
    >>> optimizer = SGD([p], lr=0.8)
    >>> schedule = LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    >>> p.sum().backward()
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.4]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self.lr_lambdas = _functions("LambdaLR", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(LRScheduler):
    """The rate times a function of the step, at each step but the first.

    lr_lambda  a function from the step's number to a factor, or a list with one for each group

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = MultiplicativeLR(optimizer, lambda step: 1 / (1 + step))
    >>> for _ in range(3):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    1.0
    0.5
    0.167
    """

    _goes_on_from_rates = True

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self.lr_lambdas = _functions("MultiplicativeLR", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._multiplied() if self.last_epoch else self._rates()

    def _multiplied(self) -> list[float]:
        return [lr * factor(self.last_epoch) for lr, factor in zip(self._rates(), self.lr_lambdas)]

    def _restart(self) -> None:
        self.last_epoch = 0  # as PyTorch does: after another schedule it goes on from the rate that is there
        self._set(self._multiplied())


class _Decay(LRScheduler):
    """The rate times `_factor()`, a function of `last_epoch`."""

    _goes_on_from_rates = True

    def _factor(self) -> float:
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        factor = self._factor()
        return [lr * factor for lr in self._rates()]


class StepLR(_Decay):
    """The rate times gamma, once in every `step_size` steps.

    step_size   a positive whole number
    gamma       the factor
    last_epoch  the number of the last step done, to go on from there; -1 begins

    Raises ValueError where step_size is no positive integer.

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.1)
    >>> for _ in range(4):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    1.0
    1.0
    0.1
    0.1
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = positive_integer("StepLR", "step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1.0


class MultiStepLR(_Decay):
    """The rate times gamma at each of the steps in `milestones`; one that is named twice counts twice.

    milestones  numbers of steps, in any order
    gamma       the factor

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = MultiStepLR(optimizer, milestones=[1, 3], gamma=0.1)
    >>> for _ in range(4):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    1.0
    0.1
    0.1
    0.01
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return float(self.gamma ** self.milestones.count(self.last_epoch))


class ConstantLR(_Decay):
    """The rate times `factor`, until `total_iters` steps are done.

    factor       from 0 to 1
    total_iters  how many steps are made with it

    Raises ValueError where the factor is out of its range.

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> for _ in range(3):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    0.5
    0.5
    1.0
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1):
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor lies between 0 and 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if not self.last_epoch:
            return self.factor
        return 1 / self.factor if self.last_epoch == self.total_iters else 1.0

    def get_lr(self) -> list[float]:
        if not self.factor and self.last_epoch == self.total_iters:
            return list(self.base_lrs)  # from 0 no factor leads back
        return super().get_lr()


class LinearLR(_Decay):
    """The rate times a factor that goes from `start_factor` to `end_factor` in `total_iters` steps: the usual warm-up.

    Before another schedule it is joined by `SequentialLR`:

    >>> from nn import Parameter
    >>> from nn.optim import SGD
    >>> from nn.optim.lr_scheduler import CosineAnnealingLR, SequentialLR
    >>> p = Parameter([1.0])
    >>> optimizer = SGD([p], lr=0.4)
    >>> warmup, cosine = LinearLR(optimizer, start_factor=0.25, total_iters=3), CosineAnnealingLR(optimizer, T_max=7)
    >>> schedule = SequentialLR(optimizer, [warmup, cosine], milestones=[3])
    >>> for _ in range(4):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    0.1
    0.2
    0.3
    0.4
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor lies above 0 and up to 1, end_factor between 0 and 1, got {start_factor}, {end_factor}"
            )
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if not self.last_epoch:
            return self.start_factor
        if self.last_epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor  # f(t) / f(t-1) of f(t) = start + t rise / total
        return 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)


class ExponentialLR(_Decay):
    """The rate times gamma at each step.

    gamma  the factor

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> for _ in range(3):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    1.0
    0.5
    0.25
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma if self.last_epoch else 1.0


class PolynomialLR(_Decay):
    """The first rate times (1 - step / total_iters) ** power, which is 0 after `total_iters` steps.

    total_iters  a positive whole number
    power        1 is a straight line

    Raises ValueError where total_iters is no positive integer.

    >>> import nn
    >>> p = nn.Parameter([1.0])
    >>> optimizer = nn.optim.SGD([p], lr=1.0)
    >>> schedule = PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> for _ in range(3):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     optimizer.zero_grad()
    ...     p.sum().backward()
    ...     optimizer.step()
    ...     schedule.step()
    1.0
    0.562
    0.25
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = positive_integer("PolynomialLR", "total_iters", total_iters), power
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if not 0 < self.last_epoch <= self.total_iters:
            return 1.0
        left, before = 1 - self.last_epoch / self.total_iters, 1 - (self.last_epoch - 1) / self.total_iters
        return float((left / before) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """From the first rate to eta_min along half a cosine of `T_max` steps, and back in as many.

    T_max    steps of the way down, a positive whole number
    eta_min  the lowest rate

    Source: Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts.

    >>> from nn import Parameter
    >>> from nn.optim import SGD
    >>> p = Parameter([1.0])
    >>> optimizer = SGD([p], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> p.sum().backward()
    >>> optimizer.step()
    >>> schedule.step()
    >>> round(schedule.get_last_lr()[0], 6)
    0.5
    """

    _goes_on_from_rates = True

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = positive_integer("CosineAnnealingLR", "T_max", T_max), eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, half = self.last_epoch, self.T_max
        if not t:
            return self._rates()
        if (t - 1 - half) % (2 * half) == 0:  # the rate before was eta_min, from which no factor leads away
            rise = (1 - math.cos(math.pi / half)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(self._rates(), self.base_lrs)]
        factor = (1 + math.cos(math.pi * t / half)) / (1 + math.cos(math.pi * (t - 1) / half))
        return [(lr - self.eta_min) * factor + self.eta_min for lr in self._rates()]


def _functions(name: str, given: Any, optimizer: Optimizer) -> list[Callable[[int], float]]:
    functions = per_group(name, given, optimizer)
    for function in functions:
        if not callable(function):
            raise TypeError(f"{name}: lr_lambda is a function from the step to a factor, got {type(function).__name__}")
    return functions
