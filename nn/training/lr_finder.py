"""The learning-rate range test: which rates make the loss fall, found by trying.

Knows how to try on copies. Source: Smith 2015, Cyclical learning rates for training neural networks, section 3.3.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import checked
from .random_state import generators_in, restore, states_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LRCurve:
    """What a learning-rate range test found.

    lr          the rates that were tried, from low to high
    loss        the loss of the batch at each
    smoothed    the same, smoothed: what the suggestion looks at
    suggestion  the rate at which the loss fell fastest; None where it never fell
    """

    def __init__(self, lr: list[float], loss: list[float], smoothing: float):
        self.lr, self.loss, self.smoothed = lr, loss, _smoothed(loss, smoothing)
        self.suggestion = _steepest(lr, self.smoothed)

    def plot(self) -> Figure:
        """Return a matplotlib Figure of the loss over the learning rate, with the suggestion marked. Needs matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("LRCurve.plot needs matplotlib: python -m pip install 'glassgrad[plot]'") from error
        figure = Figure(figsize=(5, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.lr, self.loss, alpha=0.3, label="loss of a batch")
        axes.plot(self.lr, self.smoothed, label="smoothed")
        if self.suggestion is not None:
            axes.axvline(self.suggestion, linestyle=":", color="black", label=f"suggestion {self.suggestion:.2g}")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        low, high = min(self.smoothed), max(self.smoothed[: int(np.argmin(self.smoothed)) + 1])
        if high > low:  # what it fell by fills the picture, not what it rose to at the end
            axes.set_ylim(low - 0.3 * (high - low), high + 0.5 * (high - low))
        axes.legend(frameon=False)
        return figure

    def __repr__(self) -> str:
        tried = f"{len(self.lr)} rates from {self.lr[0]:.2g} to {self.lr[-1]:.2g}"
        return f"LRCurve(suggestion={'None' if self.suggestion is None else f'{self.suggestion:.3g}'}, {tried})"


def range_test(
    model: Any, loss: Any, optimizer: Any, batches: Any, start: float, end: float, steps: int, smoothing: float, diverged: float
) -> LRCurve:
    """Take steps at a rising learning rate, until the loss is `diverged` times its lowest, and put everything back.

    The steps are those of copies of model, loss and optimizer; the random generators, and the loader's place, are put back.
    """
    gradients = [(p, p._grad) for p in model.parameters()]
    for p, _ in gradients:
        p._grad = None  # a loss function may reach the model itself
    generators = generators_in(data=batches)
    states = states_of(generators)
    batches = copy.copy(batches)  # with a place of its own in the same data
    model, loss, optimizer = copy.deepcopy((model, loss, optimizer))
    modes = (model.train(), loss.train() if hasattr(loss, "train") else None)  # of the copies
    assert modes
    ratios = [group["lr"] / optimizer.param_groups[0]["lr"] if group["lr"] else 1.0 for group in optimizer.param_groups]
    tried: list[float] = []
    losses: list[float] = []
    source = _endless(batches)
    try:
        for lr in np.geomspace(start, end, steps).tolist():
            *inputs, target = next(source)
            for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
                group["lr"] = lr * ratio
            optimizer.zero_grad()
            value = loss(model(*inputs), target)
            value.backward()
            if not math.isfinite(value.item()):
                break
            tried.append(lr)
            losses.append(value.item())
            now = _smoothed(losses, smoothing)
            if len(now) > 1 and now[-1] > now[0] and now[-1] - min(now) > (diverged - 1) * abs(min(now)):
                break
            optimizer.step()
    finally:
        source.close()
        restore(generators, states)
        for p, gradient in gradients:
            p._grad = gradient
    if not tried:
        raise ValueError("find_lr: the loss of the first batch is not finite; look at the data and the initial weights")
    return LRCurve(tried, losses, smoothing)


def _endless(batches: Any) -> Generator[Any, None, None]:
    while True:
        some = False
        for batch in batches:
            some = True
            yield checked(batch)
        if not some:
            raise ValueError("find_lr: there is no batch in the data")


def _smoothed(values: list[float], smoothing: float) -> list[float]:
    """Return an exponential moving average that does not lean to its first value."""
    average, result = 0.0, []
    for i, value in enumerate(values, 1):
        average = smoothing * average + (1 - smoothing) * value
        result.append(average / (1 - smoothing**i))
    return result


def _steepest(lr: list[float], smoothed: list[float]) -> float | None:
    """Return the rate before the lowest loss at which the loss falls fastest over the logarithm of the rate."""
    start, lowest = len(lr) // 10, int(np.argmin(smoothed))  # the average of the first few losses is mere noise
    reach = 3  # to either side: what falls from one batch to the next is noise, too
    places = range(start + reach, lowest - reach + 1)
    slopes = [(smoothed[i + reach] - smoothed[i - reach]) / math.log(lr[i + reach] / lr[i - reach]) for i in places]
    best = int(np.argmin(slopes)) if slopes else 0
    return lr[places[best]] if slopes and slopes[best] < 0 else None
