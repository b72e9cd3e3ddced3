"""Softmax and its relatives: activations that compare the numbers along an axis. Function first, its Module below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, asarray, operation

from ..constants import ones
from ..module import Module
from .pointwise import real

if TYPE_CHECKING:
    import numpy.typing as npt


def _sums(x: np.ndarray, dim: int) -> np.ndarray:
    """Return the sums along an axis, which stays with the length 1."""
    sums: np.ndarray
    if dim == x.ndim - 1 and x.flags.c_contiguous and x.size > 4096:  # a product with ones is faster, and rounds less
        sums = x.dot(ones(x.shape[dim], x.dtype))[..., None]
    else:
        sums = np.add.reduce(x, dim, keepdims=True)
    return sums


def _shifted(x: np.ndarray, dim: int) -> np.ndarray:
    """Return `x` less the largest number along an axis, so that no exponential is too large and one of them is 1."""
    y: np.ndarray = np.subtract(x, np.maximum.reduce(x, dim, keepdims=True))
    return y


# ------------------------------------------------------------------------------------------------ softmax


@operation(name="softmax")
def _softmax(x: Any, dim: int) -> Any:
    if not x.size:
        return np.empty_like(x)
    y = _shifted(x, dim)
    np.exp(y, out=y)
    y *= 1 / _sums(y, dim)
    return y


def _softmax_rule(g: Any, y: Any, dim: int) -> Any:
    if not isinstance(g, np.ndarray):
        return y * (g - (g * y).sum(axis=dim, keepdims=True))
    last = dim == y.ndim - 1
    d = g - (np.vecdot(g, y)[..., None] if last else np.add.reduce(g * y, dim, keepdims=True))
    d *= y
    return d


_softmax.rules(_softmax_rule)


def softmax(input: Any, dim: int = -1, *, temperature: float | Tensor = 1.0, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return exp(x) / sum(exp(x)) along the axis `dim`: positive numbers that sum to 1.

    dim          the last axis by default
    temperature  the input is divided by it first: the larger, the more even is the result; a positive number, or a Tensor that
                 broadcasts, which may be learned
    dtype        the input is cast to it first

    Raises TypeError where `dim` is no integer, ValueError where it is no axis or the temperature is not positive.

    >>> softmax(Tensor([0.0, 0.0, -np.inf])).tolist()
    [0.5, 0.5, 0.0]
    >>> softmax(Tensor([1.0, 2.0])).numpy().round(3), softmax(Tensor([1.0, 2.0]), temperature=0.1).numpy().round(3)
    (array([0.269, 0.731]), array([0., 1.]))
    """
    x, dim = _prepared("softmax", input, dim, dtype)
    if not isinstance(temperature, (int, float)) or temperature != 1:
        _check_temperature("softmax", temperature)
        x = x / temperature
    return _softmax(x, dim)


def softmin(input: Any, dim: int = -1, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the softmax of -x along the axis `dim`: the smallest number has the largest share.

    dim    the last axis by default
    dtype  the input is cast to it first

    >>> from nn.functional import softmin
    >>> softmin(Tensor([0.0, 0.0, np.inf])).tolist()
    [0.5, 0.5, 0.0]
    """
    x, dim = _prepared("softmin", input, dim, dtype)
    return _softmax(-x, dim)


@operation(name="log_softmax")
def _log_softmax(x: Any, dim: int = -1) -> Any:
    if not x.size:
        return np.empty_like(x)
    dim %= x.ndim
    y = _shifted(x, dim)
    y -= np.log(_sums(np.exp(y), dim))
    return y


def _log_softmax_rule(g: Any, y: Any, dim: int) -> Any:
    if not isinstance(g, np.ndarray):
        return g - np.exp(y) * g.sum(axis=dim, keepdims=True)
    d = np.exp(y)
    d *= _sums(g, dim)
    np.subtract(g, d, out=d)
    return d


_log_softmax.rules(_log_softmax_rule)


def log_softmax(input: Any, dim: int = -1, *, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return the logarithm of `softmax`, exact where the softmax itself would round to 0.

    dim    the last axis by default
    dtype  the input is cast to it first

    >>> log_softmax(Tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """
    x, dim = _prepared("log_softmax", input, dim, dtype)
    return _log_softmax(x, dim)


log_softmax.operation = _log_softmax.operation  # type: ignore[attr-defined]


def _prepared(name: str, input: Any, dim: Any, dtype: Any) -> tuple[Tensor, int]:
    """Return the input as a floating Tensor, and the axis counted from the front."""
    x = input if isinstance(input, Tensor) else asarray(input)
    if dtype is not None:
        x = x.astype(dtype)
    if x.dtype.kind != "f":
        x = asarray(real(x._data))
    if type(dim) is not int:
        if isinstance(dim, bool) or not isinstance(dim, np.integer):
            cure = "; leave it out for the last axis, or name one" if dim is None else ""
            raise TypeError(f"{name}: dim must be an axis, an integer, got {dim!r}{cure}")
        dim = int(dim)
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(f"{name}: dim={dim} is no axis of an input of shape {x.shape}")
    return x, dim % x.ndim


def _check_temperature(where: str, temperature: Any) -> None:
    if not np.all((temperature._data if isinstance(temperature, Tensor) else np.asarray(temperature)) > 0):
        raise ValueError(
            f"{where}: the temperature must be positive, got {temperature} (towards 0 the result becomes that of argmax)"
        )


# ------------------------------------------------------------------------------------------------ modules


class _Along(Module):
    """An activation along one axis."""

    def __init__(self, dim: int = -1):
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Along):
    """exp(x) / sum(exp(x)) along the axis `dim`.

    dim          the last axis by default
    temperature  the input is divided by it first; a number, or a Parameter, which is then learned

    >>> nn.Softmax()(Tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """

    def __init__(self, dim: int = -1, *, temperature: float | Tensor = 1.0):
        _check_temperature("Softmax", temperature)
        self.dim, self.temperature = dim, temperature

    def forward(self, x: Tensor) -> Tensor:
        return softmax(x, self.dim, temperature=self.temperature)

    def extra_repr(self) -> str:
        if isinstance(self.temperature, (int, float)) and self.temperature == 1:
            return f"dim={self.dim}"
        shown = self.temperature.tolist() if isinstance(self.temperature, Tensor) else self.temperature
        return f"dim={self.dim}, temperature={shown}"


class Softmin(_Along):
    """The softmax of -x along the axis `dim`, by default the last.

    >>> nn.Softmin()(Tensor([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """

    def forward(self, x: Tensor) -> Tensor:
        return softmin(x, self.dim)


class LogSoftmax(_Along):
    """The logarithm of softmax along the axis `dim`, by default the last.

    >>> nn.LogSoftmax()(Tensor([0.0, 1000.0])).tolist()
    [-1000.0, 0.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return log_softmax(x, self.dim)


class Softmax2d(Module):
    """The softmax over the channels, at each place of an image.

    Takes (N, C, H, W) or (C, H, W); raises ValueError for another number of axes.

    >>> nn.Softmax2d()(Tensor(np.zeros((2, 1, 1)))).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, x: Tensor) -> Tensor:
        if np.ndim(x) not in (3, 4):
            raise ValueError(f"Softmax2d: expected (N, C, H, W) or (C, H, W), got shape {np.shape(x)}")
        return softmax(x, -3)
