"""Making tensors from nothing or from other data: names, defaults and dtypes as in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import as_array, plain
from .graph import wrap
from .recording import FUNCTIONS
from .tensor import Tensor, from_foreign

if TYPE_CHECKING:
    import numpy.typing as npt


def asarray(obj: Any, dtype: npt.DTypeLike | None = None, *, copy: bool | None = None) -> Tensor:
    """Return `obj` as a Tensor; a Tensor of that dtype is returned as it is.

    copy  True copies always; False shares the memory of an array or raises ValueError; None copies what is no Tensor

    >>> a = np.zeros(3)
    >>> t = asarray(a, copy=False)
    >>> a[0] = 7
    >>> float(t[0])
    7.0
    """
    if isinstance(obj, Tensor):
        if dtype is not None and np.dtype(dtype) != obj.dtype:
            if copy is False:
                raise ValueError(f"asarray: from {obj.dtype} to {np.dtype(dtype)} needs a copy, but copy=False")
            return obj.astype(dtype)
        return obj.clone() if copy else obj
    if copy is False:
        array = as_array(obj, "asarray")
        if array is not obj or (dtype is not None and array.dtype != np.dtype(dtype)):
            raise ValueError("asarray: only an ndarray of the wanted dtype can be shared (copy=False)")
        return from_foreign(array)
    return Tensor(obj, dtype=dtype)


def zeros(shape: Any, dtype: npt.DTypeLike = float, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros.

    >>> zeros(2)
    Tensor([0., 0.], shape=(2,), dtype=float64)
    """
    return _made(np.zeros(shape, dtype), requires_grad)


def ones(shape: Any, dtype: npt.DTypeLike = float, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    return _made(np.ones(shape, dtype), requires_grad)


def full(shape: Any, fill_value: Any, dtype: npt.DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor filled with one number (or with an array that broadcasts to `shape`)."""
    return _made(np.full(shape, _constant(fill_value, "full"), dtype), requires_grad)


def empty(shape: Any, dtype: npt.DTypeLike = float) -> Tensor:
    """Return a tensor whose values are still to be written."""
    return _made(np.empty(shape, dtype), False)


def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: npt.DTypeLike | None = None, *, requires_grad: bool = False
) -> Tensor:
    """Return evenly spaced numbers of the half-open interval [start, stop); with one argument, from 0 to it."""
    first, last = (0, start) if stop is None else (start, stop)
    return _made(np.arange(first, last, step, dtype=dtype), requires_grad)


def linspace(
    start: Any, stop: Any, num: int = 50, dtype: npt.DTypeLike | None = None, *, endpoint: bool = True, requires_grad: bool = False
) -> Tensor:
    """Return so many evenly spaced numbers from `start` to `stop`."""
    return _made(np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype), requires_grad)


def eye(n_rows: int, n_cols: int | None = None, k: int = 0, dtype: npt.DTypeLike = float) -> Tensor:
    """Return ones on the k-th diagonal, zeros elsewhere."""
    return _made(np.eye(n_rows, n_cols, k, dtype), False)


def zeros_like(x: Any, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return zeros of the shape and dtype of `x`, untracked."""
    return _made(np.zeros_like(plain(x), dtype), False)


def ones_like(x: Any, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Return ones of the shape and dtype of `x`, untracked."""
    return _made(np.ones_like(plain(x), dtype), False)


def full_like(x: Any, fill_value: Any, dtype: npt.DTypeLike | None = None, *, shape: Any = None) -> Tensor:
    """Return one number in the shape and dtype of `x`, untracked."""
    return _made(np.full_like(plain(x), _constant(fill_value, "full_like"), dtype, shape=shape), False)


def _constant(value: Any, name: str) -> Any:
    if isinstance(value, Tensor) and value.requires_grad:
        raise TypeError(f"{name}: a tracked fill value would leave the graph here; use broadcast_to(value, shape), or detach() it")
    return plain(value)


def _made(array: np.ndarray, requires_grad: bool) -> Tensor:
    made: Tensor = wrap(array)
    return made.requires_grad_() if requires_grad else made


def stop_gradient(x: Any) -> Any:
    """Return `x` as a constant: a Tensor detached, an array as it is.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (x * stop_gradient(x)).backward()
    >>> float(x.grad)
    3.0
    """
    return x.detach() if isinstance(x, Tensor) else x


FUNCTIONS[np.copy] = lambda a, order="K", subok=False: a.clone()
FUNCTIONS[np.full_like] = full_like
