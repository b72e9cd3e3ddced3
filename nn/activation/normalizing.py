"""Softmax and its relatives: activations that compare the numbers along an axis. Function first, its Module below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, asarray, fused, operation, stop_gradient
from autodiff.arguments import weak
from autodiff.blocks import long_rows, rows_in_block

from ..constants import ones
from ..module import Module
from .pointwise import axis_of, real

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


def _by_rows(kernel: Callable[..., None], dim: int, *arrays: np.ndarray) -> np.ndarray:
    """Return a new array, filled by `kernel(*arrays, y, dim)`; of large arrays it gets parts along another axis than `dim`."""
    y = np.empty_like(arrays[-1])
    if not dim or y.size <= 4096:
        kernel(*arrays, y, dim)
    else:
        step = 4 * rows_in_block(y)
        with long_rows(y.shape[-1]):
            for start in range(0, len(y), step):
                part = slice(start, start + step)
                kernel(*[array[part] for array in arrays], y[part], dim)
    return y


# ------------------------------------------------------------------------------------------------ softmax


def _softmax_kernel(x: np.ndarray, y: np.ndarray, dim: int) -> None:
    np.subtract(x, np.maximum.reduce(x, dim, keepdims=True), out=y)  # no exponential is too large then, and one of them is 1
    np.exp(y, out=y)
    y *= 1 / _sums(y, dim)


@operation(name="softmax")
def _softmax(x: Any, dim: int) -> Any:
    return _by_rows(_softmax_kernel, dim, x) if x.size else np.empty_like(x)


def _softmax_slope_kernel(g: np.ndarray, y: np.ndarray, d: np.ndarray, dim: int) -> None:
    last = dim == y.ndim - 1
    np.subtract(g, np.vecdot(g, y)[..., None] if last else np.add.reduce(g * y, dim, keepdims=True), out=d)
    d *= y


def _softmax_rule(g: Any, y: Any, dim: int) -> Any:
    if not isinstance(g, np.ndarray):
        return y * (g - (g * y).sum(axis=dim, keepdims=True))
    return _by_rows(_softmax_slope_kernel, dim, g, y)


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
        x = x / weak(temperature)
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


def _log_softmax_kernel(x: np.ndarray, total: np.ndarray, e: np.ndarray, y: np.ndarray, dim: int) -> None:
    np.subtract(x, np.maximum.reduce(x, dim, keepdims=True), out=y)
    np.exp(y, out=e)
    total[...] = _sums(e, dim)
    y -= np.log(total)


def _log_softmax_forward(x: np.ndarray, dim: int) -> Any:
    total = np.empty((*x.shape[:dim], 1, *x.shape[dim + 1 :]), x.dtype)
    e = np.empty_like(x)  # is kept, which costs less than the exponentials anew
    return _by_rows(_log_softmax_kernel, dim, x, total, e) if x.size else x, (total, e, dim)


def _log_softmax_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    total, e, dim = kept
    return (_by_rows(_log_softmax_slope_kernel, dim, g, total, e),)


def _log_softmax_slope_kernel(g: np.ndarray, total: np.ndarray, e: np.ndarray, d: np.ndarray, dim: int) -> None:
    np.multiply(e, _sums(g, dim) / total, out=d)
    np.subtract(g, d, out=d)


@fused(forward=_log_softmax_forward, backward=_log_softmax_backward, name="log_softmax")
def _log_softmax(x: Any, dim: int) -> Any:
    d = x - stop_gradient(x).max(axis=dim, keepdims=True)
    return d - np.log(np.exp(d).sum(axis=dim, keepdims=True))


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
    return x, axis_of(name, x, dim)


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
