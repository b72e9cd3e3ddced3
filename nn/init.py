"""Initial values: each function fills a tensor in place, unrecorded, and returns it; names and formulas as in PyTorch.

generator  a numpy.random.Generator; None takes the default one (`nn.manual_seed`)

Each raises TypeError unless it is given a floating Tensor.
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
    _check("uniform_", tensor)
    if not b >= a:
        raise ValueError(f"uniform_: expected a <= b, got a={a}, b={b}")
    return _fill(tensor, generator_or_default(generator).uniform(a, b, tensor.shape))


def normal_(tensor: _T, mean: float = 0.0, std: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill with numbers from the normal distribution."""
    _check("normal_", tensor)
    if not std >= 0:
        raise ValueError(f"normal_: expected std >= 0, got {std}")
    return _fill(tensor, generator_or_default(generator).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: _T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: np.random.Generator | None = None
) -> _T:
    """Fill with numbers from the normal distribution that lie in [a, b], those outside being drawn again.

    mean, std  of the normal distribution before that
    a, b       the bounds themselves, not counted in standard deviations

    >>> import autodiff as ad
    >>> bool(ad.abs(trunc_normal_(ad.zeros(1000), std=5.0)).max() <= 2)
    True
    """
    _check("trunc_normal_", tensor)
    if not (a < b and std > 0):
        raise ValueError(f"trunc_normal_: expected a < b and std > 0, got a={a}, b={b}, std={std}")
    values = mean + std * _truncated((a - mean) / std, (b - mean) / std, tensor.size, generator_or_default(generator))
    # Rounding, to the tensor's precision too, must not lead across the bounds.
    low, high = np.array(a, tensor.dtype), np.array(b, tensor.dtype)
    low = low if float(low) >= a else np.nextafter(low, np.array(np.inf, low.dtype))
    high = high if float(high) <= b else np.nextafter(high, np.array(-np.inf, high.dtype))
    return _fill(tensor, np.clip(values.astype(tensor.dtype), low, high).reshape(tensor.shape))


def _truncated(low: float, high: float, n: int, generator: np.random.Generator) -> np.ndarray:
    """Return n numbers of the standard normal distribution between `low` and `high`, by rejection."""
    densest = min(max(0.0, low), high)
    reach = math.sqrt(densest * densest + 74)  # the density has fallen by exp(-37) there: below what a float can tell
    low, high = max(low, -reach), min(high, reach)
    common = low <= 0 <= high and high - low > 2  # then most normal numbers lie in between
    found: list[np.ndarray] = []
    missing = n
    while missing > 0:
        size = 2 * missing + 16
        if common:
            z = generator.standard_normal(size)
            z = z[(z >= low) & (z <= high)]
        else:
            z = generator.uniform(low, high, size)
            z = z[generator.random(size) < np.exp((densest * densest - z * z) / 2)]
        found.append(z[:missing])
        missing -= len(found[-1])
    return np.concatenate(found) if found else np.empty(0)


def constant_(tensor: _T, val: float) -> _T:
    """Fill with one number."""
    _check("constant_", tensor)
    return _fill(tensor, val)


def zeros_(tensor: _T) -> _T:
    """Fill with zeros."""
    _check("zeros_", tensor)
    return _fill(tensor, 0.0)


def ones_(tensor: _T) -> _T:
    """Fill with ones."""
    _check("ones_", tensor)
    return _fill(tensor, 1.0)


def eye_(tensor: _T) -> _T:
    """Fill a matrix with ones on the diagonal, zeros elsewhere: a linear layer then hands on what it gets.

    >>> import autodiff as ad
    >>> eye_(ad.zeros((2, 3))).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    _check("eye_", tensor)
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: _T, groups: int = 1) -> _T:
    """Fill a convolution's weight (out, in, ...) so that each channel is handed on, as far as there are channels.

    groups  how many groups of output channels begin with the first input channel again

    >>> import autodiff as ad
    >>> dirac_(ad.zeros((2, 2, 3))).tolist()
    [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    _check("dirac_", tensor)
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected a convolution's weight of 3, 4 or 5 axes, got shape {tensor.shape}")
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: groups must divide the {tensor.shape[0]} output channels, got {groups}")
    values = np.zeros(tensor.shape)
    out = tensor.shape[0] // groups
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(out, tensor.shape[1])):
            values[(group * out + channel, channel, *centre)] = 1
    return _fill(tensor, values)


def orthogonal_(tensor: _T, gain: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill with a random matrix whose rows (or columns, if they are fewer) are orthogonal and of length `gain`.

    A tensor of more axes is seen as a matrix (shape[0], all others). Source: Saxe et al. 2014, Exact solutions to the
    nonlinear dynamics of learning in deep linear neural networks.

    >>> import autodiff as ad
    >>> w = orthogonal_(ad.zeros((2, 5)))
    >>> np.allclose(w @ w.T, np.eye(2))
    True
    """
    _check("orthogonal_", tensor)
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected a matrix, or more axes, got shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    generator = generator_or_default(generator)
    if not rows * columns:
        return tensor
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -gain, gain)  # else the signs were not evenly distributed
    return _fill(tensor, (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(tensor: _T, sparsity: float, std: float = 0.01, generator: np.random.Generator | None = None) -> _T:
    """Fill a matrix from N(0, std²), and set a share of each column to zero.

    sparsity  that share, 0 to 1, rounded up to whole elements

    Source: Martens 2010, Deep learning via Hessian-free optimization.

    >>> import autodiff as ad
    >>> (sparse_(ad.zeros((10, 3)), 0.75).numpy() == 0).sum(axis=0).tolist()
    [8, 8, 8]
    """
    _check("sparse_", tensor)
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected a matrix, got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is a share, from 0 to 1; got {sparsity}")
    generator = generator_or_default(generator)
    values = generator.normal(0, std, tensor.shape)
    order = generator.random(tensor.shape).argsort(axis=0)  # of each column, its rows in random order
    np.put_along_axis(values, order[: math.ceil(sparsity * tensor.shape[0])], 0.0, axis=0)
    return _fill(tensor, values)


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
    _check("kaiming_uniform_", tensor)
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: _T, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: np.random.Generator | None = None
) -> _T:
    """Fill from N(0, gain² / fan); see `kaiming_uniform_`."""
    _check("kaiming_normal_", tensor)
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


def xavier_uniform_(tensor: _T, gain: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill from U(-bound, bound), bound = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """
    _check("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6 / max(1, sum(fans(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: _T, gain: float = 1.0, generator: np.random.Generator | None = None) -> _T:
    """Fill from N(0, gain² * 2 / (fan_in + fan_out)); see `xavier_uniform_`."""
    _check("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(1, sum(fans(tensor)))), generator)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return how much a layer must grow its signal to make up for the nonlinearity after it.

    nonlinearity  "linear", "conv1d" (and the other convolutions), "sigmoid", "tanh", "relu", "leaky_relu" or "selu"
    param         the slope of leaky_relu, 0.01 by default

    Raises ValueError for another nonlinearity.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float, np.number)):
            raise ValueError(f"calculate_gain: the slope of leaky_relu must be a number, got {param!r}")
        return math.sqrt(2 / (1 + float(slope) ** 2))
    if nonlinearity in _LINEAR:
        return 1.0
    gains = {"sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        known = ", ".join(["leaky_relu", "linear", *gains])
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; known are {known} and the convolutions")
    return gains[nonlinearity]


_LINEAR = ("linear", *(f"conv{transposed}{n}d" for transposed in ("", "_transpose") for n in (1, 2, 3)))


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


def _check(name: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        cure = "; fill an array itself with array[...] = values" if isinstance(tensor, np.ndarray) else ""
        raise TypeError(f"{name}: expected a Tensor to fill, got {type(tensor).__name__}{cure}")
    if tensor._data.dtype.kind != "f":
        raise TypeError(f"{name}: expected a floating Tensor to fill, got dtype {tensor.dtype}")


def _fill(tensor: _T, values: Any) -> _T:
    tensor._data[...] = values
    log_write(tensor._data, f"nn.init on the tensor '{tensor.name}'" if tensor.name else "nn.init")
    return tensor
