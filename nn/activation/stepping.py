"""The step of the perceptron, and slopes to stand in for the one it does not have. Function first, its Module below it."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, operation

from ..module import Module
from .pointwise import real
from .saturating import _sigmoid


def _no_slope(x: Any, slope: float) -> Any:
    return np.zeros_like(x)


def _slope_of_sigmoid(x: Any, slope: float) -> Any:
    y = _sigmoid.either(slope * x)
    return slope * (y * (1 - y))


def _triangle(x: Any, slope: float) -> Any:
    return slope * np.maximum(1 - np.abs(slope * x), 0)


def _straight_through(x: Any, slope: float) -> Any:
    return np.full_like(x, slope)


_SURROGATES = {None: _no_slope, "sigmoid": _slope_of_sigmoid, "triangle": _triangle, "straight_through": _straight_through}


def _check(where: str, surrogate: Any, slope: float) -> None:
    if surrogate not in _SURROGATES:
        raise ValueError(f"{where}: surrogate must be None, 'sigmoid', 'triangle' or 'straight_through', got {surrogate!r}")
    if not slope > 0:
        raise ValueError(f"{where}: slope must be positive, got {slope}")


@operation(name="step")
def _step(x: Any, surrogate: Any, slope: float) -> Any:
    x = real(x)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs, a sum that is too large: no nan, no harm
        some_nan = np.isnan(x.sum())
    return np.where(np.isnan(x), x, x > 0) if some_nan else (x > 0).astype(x.dtype)


_step.rules(lambda g, x, surrogate, slope: g * _SURROGATES[surrogate](x, slope))


def step(input: Any, *, surrogate: str | None = None, slope: float = 1.0) -> Tensor:
    """Return 1 where `input` is above 0 and 0 elsewhere, as Rosenblatt's perceptron does.

    surrogate  the slope that a backward pass uses, since the true one is 0 and nothing would be learned. With k for `slope`:
               None                0, the true one
               "sigmoid"           k s (1 - s) with s = sigmoid(k x), the slope of a sigmoid
               "triangle"          k max(0, 1 - \\|k x\\|), local: 0 far from the step
               "straight_through"  k everywhere, as if the step were the line k x
    slope      k, a positive number; the first two have the area 1 for any k, and are the more local the larger it is

    A surrogate can itself be differentiated. Raises ValueError for another surrogate, and where k is not positive.

    Source: Rosenblatt, "The perceptron", 1958; Bengio, Léonard and Courville, "Estimating or propagating gradients through
    stochastic neurons", 2013 (straight through); Neftci, Mostafa and Zenke, "Surrogate gradient learning in spiking neural
    networks", 2019.

    >>> from nn.functional import step
    >>> x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> y = step(x, surrogate="sigmoid")
    >>> y.tolist()
    [0.0, 0.0, 1.0]
    >>> y.sum().backward()
    >>> x.grad.numpy().round(4)
    array([0.1966, 0.25  , 0.105 ])
    """
    _check("step", surrogate, slope)
    return _step(input, surrogate, float(slope))


class Step(Module):
    """1 where the input is above 0, and 0 elsewhere.

    surrogate, slope  the slope that a backward pass uses, see `nn.functional.step`

    >>> nn.Step()(Tensor([-1.0, 0.0, 2.0])).tolist()
    [0.0, 0.0, 1.0]
    """

    def __init__(self, *, surrogate: str | None = None, slope: float = 1.0):
        _check("Step", surrogate, slope)
        self.surrogate, self.slope = surrogate, slope

    def forward(self, x: Tensor) -> Tensor:
        return step(x, surrogate=self.surrogate, slope=self.slope)

    def extra_repr(self) -> str:
        return "" if self.surrogate is None else f"surrogate={self.surrogate!r}, slope={self.slope}"
