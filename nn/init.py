"""Initial values: each function fills a tensor in place and returns it; names and formulas as in PyTorch.

generator  a numpy.random.Generator; None takes the default one (`nn.manual_seed`)
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from autodiff import Tensor
from autodiff.memory import log_write

from .seeding import generator_or_default

_T = TypeVar("_T", bound=Tensor)


def uniform_(tensor: _T, a: float = 0.0, b: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill with numbers from the uniform distribution on [a, b)."""
    return _fill(tensor, generator_or_default(generator).uniform(a, b, tensor.shape))


def normal_(tensor: _T, mean: float = 0.0, std: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill with numbers from the normal distribution."""
    return _fill(tensor, generator_or_default(generator).normal(mean, std, tensor.shape))


def constant_(tensor: _T, val: float) -> _T:
    """Fill with one number."""
    return _fill(tensor, val)


def zeros_(tensor: _T) -> _T:
    """Fill with zeros."""
    return _fill(tensor, 0.0)


def ones_(tensor: _T) -> _T:
    """Fill with ones."""
    return _fill(tensor, 1.0)


def kaiming_uniform_(
    tensor: _T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: np.random.Generator | None = None
) -> _T:
    """Fill from U(-bound, bound), bound = gain * sqrt(3 / fan): the signal keeps its size through ReLU layers.

    a             slope of the leaky ReLU that follows
    mode          "fan_in" keeps the size forwards, "fan_out" backwards
    nonlinearity  what follows, see `calculate_gain`

    Source: He et al. 2015, Delving Deep into Rectifiers.

    >>> import autodiff as ad
    >>> bool(ad.abs(kaiming_uniform_(ad.zeros((3, 50)), a=5**0.5)).max() <= 50**-0.5)
    True
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: _T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: np.random.Generator | None = None
) -> _T:
    """Fill from N(0, gain² / fan); see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


def xavier_uniform_(tensor: _T, gain: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill from U(-bound, bound), bound = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: _T, gain: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill from N(0, gain² * 2 / (fan_in + fan_out)); see `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return how much a layer must grow its signal to make up for the nonlinearity after it.

    param  the slope of leaky_relu, 0.01 by default

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known are leaky_relu, {', '.join(gains)}")
    return gains[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return how many inputs each output of a weight (out, in, ...) has, and how many outputs each input."""
    if tensor.ndim < 2:
        raise ValueError(f"init: fan-in and fan-out need a weight of at least two axes (out, in), got shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"init: mode is 'fan_in' or 'fan_out', got {mode!r}")
    return max(1, fans(tensor)[mode == "fan_out"])


def _fill(tensor: _T, values: Any) -> _T:
    tensor._data[...] = values
    log_write(tensor._data, f"nn.init on the tensor '{tensor.name}'" if tensor.name else "nn.init")
    return tensor
