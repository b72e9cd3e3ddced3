"""`LRScheduler`: what all schedules share: the optimizer's groups, the count of steps, the state. Knows no formula."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..optimizer import Optimizer


class LRScheduler:
    """Changes the learning rates of an optimizer's groups; `step()` is called after each epoch (or batch), after the optimizer's.

    optimizer   whose param_groups it changes
    last_epoch  the number of the last step done, to go on from there with the rates that the optimizer's state holds; -1 begins

    base_lrs    the rates at the beginning, one for each group
    last_epoch  how many steps were done

    Give the optimizer all its groups first: a schedule keeps to those that were there.

    Most schedules multiply the rate that is there by a factor, so several on one optimizer work together. A subclass has a
    `get_lr` that returns the rates for step `last_epoch`.
    """

    _goes_on_from_rates = False  # whether, where it goes on, the rate that is there is already that of the step

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: expected an optimizer, got {type(optimizer).__name__}")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{name}: group {i} has no 'initial_lr' to go on from; begin with last_epoch=-1 and load_state_dict")
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        if last_epoch != -1 and self._goes_on_from_rates:
            self.last_epoch += 1
            self._last_lr = self._rates()
        else:
            self._advance()

    def get_lr(self) -> list[float]:
        """Return the rate of each group for step `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr: define the rate of each group")

    def get_last_lr(self) -> list[float]:
        """Return the rates that were set last."""
        return list(self._last_lr)

    def step(self) -> None:
        """Set the next rates."""
        if self.last_epoch == 0 and not self.optimizer._stepped:
            warnings.warn(
                f"{type(self).__name__}: step() before the optimizer has made one, so the first learning rate was never used; "
                "call optimizer.step() first, then scheduler.step()",
                UserWarning,
                stacklevel=2,
            )
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        self._set(self.get_lr())

    def _restart(self) -> None:
        """Begin anew at step 0, from the rates of the beginning."""
        self._set(self.base_lrs)
        self._begin()

    def _begin(self) -> None:
        """Do what is done at step 0, to the rates that are there."""
        self.last_epoch = 0
        self._set(self.get_lr())

    def _set(self, rates: list[float]) -> None:
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: it was made for {len(self.base_lrs)} groups of parameters, and now the optimizer has "
                f"{len(self.optimizer.param_groups)}; make a new schedule after add_param_group()"
            )
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _rates(self) -> list[float]:
        """Return the rates that are there."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return what the schedule needs to go on: plain data; functions that were given to it are not part of it."""
        return {key: _copied(value) for key, value in self.__dict__.items() if _is_data(value)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`; the optimizer's own state holds the current rate."""
        self._load_own(state_dict)

    def _load_own(self, state_dict: Mapping[str, Any]) -> None:
        expected = LRScheduler.state_dict(self)
        if state_dict.keys() != expected.keys():
            differ = ", ".join(sorted(map(str, state_dict.keys() ^ expected.keys())))
            raise ValueError(f"{type(self).__name__}: the state is of another schedule; on one side only: {differ}")
        self.__dict__.update({key: _copied(value) for key, value in state_dict.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}(last_epoch={self.last_epoch}, lr={self._last_lr})"


def _is_data(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_data(part) for part in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _copied(value: Any) -> Any:
    return type(value)(_copied(part) for part in value) if isinstance(value, (list, tuple)) else value


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """Return one value for each group of `optimizer`, of one for all or a list with one for each."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name}: expected one value, or {count}, one for each group of parameters; got {len(value)}")
    return list(value)


def positive_integer(name: str, option: str, value: Any) -> int:
    """Return `value`; raise ValueError unless it is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {option} must be a positive integer, got {value!r}")
    return value
