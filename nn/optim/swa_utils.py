"""Averages of a model's weights over the steps of its training: stochastic weight averaging, and the exponential average."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from autodiff import Tensor, no_grad
from autodiff.graph import wrap
from autodiff.memory import log_write

from ..module import Module
from ..normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ..parameter import is_device
from .lr_scheduler.schedule import LRScheduler, per_group, positive_integer
from .optimizer import Optimizer

Average = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
Averages = Callable[[list[np.ndarray], list[np.ndarray], int], None]


def get_swa_avg_fn() -> Average:
    """Return the function that keeps the plain mean: average + (value - average) / (n + 1).

    Source: Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization.
    """
    return _mean


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return the function that keeps the exponential moving average: decay average + (1 - decay) value.

    >>> get_ema_avg_fn(0.75)(np.array(1.0), np.array(5.0), 1).item()
    2.0
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"get_ema_avg_fn: decay lies between 0 and 1, got {decay}")
    return partial(_exponential, decay)


def get_swa_multi_avg_fn() -> Averages:
    """Return what `get_swa_avg_fn` returns, for all averages of a model at once."""
    return partial(_each, get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """Return what `get_ema_avg_fn` returns, for all averages of a model at once.

    >>> average = np.array([1.0])
    >>> get_ema_multi_avg_fn(0.75)([average], [np.array([5.0])], 1)
    >>> average.item()
    2.0
    """
    return partial(_each, get_ema_avg_fn(decay))


# Functions of this file and partial calls of them, not closures: those could not be pickled along with a model.


def _mean(average: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    result: np.ndarray = average + (value - average) / (n + 1)
    return result


def _exponential(decay: float, average: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
    return average * decay + value * (1 - decay)


def _each(function: Average, averages: list[np.ndarray], values: list[np.ndarray], n: int) -> None:
    for average, value in zip(averages, values, strict=True):
        average[...] = function(average, value, n)


class AveragedModel(Module):
    """A copy of a model whose parameters are averages over what the model's were at each `update_parameters`.

    model         the model, which is copied
    device        "cpu": there is no other
    avg_fn        from the average, the new value and the number of values before it to the new average; the plain mean by
                  default, or `get_ema_avg_fn(decay)`
    multi_avg_fn  in its place, a function of all averages, all new values and that number, which writes into the averages:
                  `get_ema_multi_avg_fn(decay)`
    use_buffers   average the buffers too; else they are taken from the model as they are

    module       the copy; the averaged model is called as the model is
    n_averaged   how many values are in the average

    >>> from nn import Linear
    >>> model = Linear(1, 1)
    >>> averaged = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
    >>> for _ in range(3):  # in training: after each step of the optimizer
    ...     averaged.update_parameters(model)
    >>> averaged.n_averaged.item()
    3
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ):
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: expected a module, got {type(model).__name__}")
        if device is not None and not is_device(device):
            raise ValueError(f"AveragedModel: device is 'cpu' or None, got {device!r}; write avg_fn=... for the average")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", wrap(np.array(0)))
        self.multi_avg_fn = multi_avg_fn if multi_avg_fn is not None else partial(_each, avg_fn or get_swa_avg_fn())
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the average."""
        n = int(self.n_averaged.item())
        own, new = dict(self.module.named_parameters()), dict(model.named_parameters())
        averaged_buffers, buffers = dict(self.module.named_buffers()), dict(model.named_buffers())
        if {name: p.shape for name, p in own.items()} != {name: p.shape for name, p in new.items()}:
            raise ValueError("AveragedModel: the parameters of the model have other names or shapes than those averaged")
        pairs: list[tuple[Tensor, Tensor]] = [(parameter, new[name]) for name, parameter in own.items()]
        taken: list[tuple[Tensor, Tensor]] = []  # as they are
        for name, buffer in averaged_buffers.items():
            averaged = self.use_buffers and buffer.dtype.kind in "fc"
            (pairs if averaged else taken).append((buffer, buffers[name]))
        if n:
            self.multi_avg_fn([average._data for average, _ in pairs], [value._data for _, value in pairs], n)
        for average, value in taken if n else [*pairs, *taken]:
            average._data[...] = value._data
        for average, _ in [*pairs, *taken]:
            log_write(average._data, "AveragedModel.update_parameters")
        self.n_averaged._data[...] = n + 1
        log_write(self.n_averaged._data, "AveragedModel.update_parameters")


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Compute the running means and variances of a model's batch normalisation anew, from all batches of `loader`.

    loader  gives batches of inputs, or tuples whose first part is the inputs

    Averaged weights make other activations than the model's had, so its running statistics do not fit them.
    """
    kinds = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
    layers: list[Any] = [module for module in model.modules() if isinstance(module, kinds) and module.running_mean is not None]
    if not layers:
        return
    momenta = [module.momentum for module in layers]
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module in layers:
            module.reset_running_stats()
            module.momentum = None  # the plain mean over all batches
        model.train()
        with no_grad():
            for batch in loader:
                model(batch[0] if isinstance(batch, (tuple, list)) else batch)
    finally:
        for module, momentum in zip(layers, momenta):
            module.momentum = momentum
        for module, training in modes:
            module.training = training


class SWALR(LRScheduler):
    """From the rate that is there to the constant `swa_lr` of stochastic weight averaging.

    swa_lr           one for all groups or a list
    anneal_epochs    steps until it is reached
    anneal_strategy  "cos" or "linear"
    """

    _goes_on_from_rates = True

    def __init__(
        self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1
    ):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"SWALR: anneal_strategy is 'cos' or 'linear', got {anneal_strategy!r}")
        self.swa_lrs = per_group("SWALR", swa_lr, optimizer)
        self.anneal_epochs = anneal_epochs and positive_integer("SWALR", "anneal_epochs", anneal_epochs)
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """Return how much of the way is behind after `step` steps."""
        t = min(1.0, max(0.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self.anneal_strategy == "cos" else t

    def get_lr(self) -> list[float]:
        step = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        before, now = self._share(max(0, step - 1)), self._share(step)
        rates = []
        for lr, end in zip(self._rates(), self.swa_lrs):
            first = end if before == 1 else (lr - before * end) / (1 - before)  # the rate at which the way began
            rates.append(end * now + first * (1 - now))
        return rates
