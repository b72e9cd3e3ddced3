"""What all kinds of normalisation share: means taken away, and rows without gaps.

A mean that is far from zero beside the spread leaves its rounding in what is centred by it; so what is left is taken
away once more (kernels look first whether there is need). Kernels centre again in the backward pass, which costs less
than to keep what was centred.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor, asarray
from autodiff.blocks import rows_in_block

from ..constants import ones

_ALL = (slice(None),)


def parts_of(a: np.ndarray) -> Sequence[slice]:
    """Return slices of the first axis, each of a few blocks: what is done to a part finds it in the cache, or near it."""
    step = 4 * rows_in_block(a)
    return _ALL if step >= len(a) else [slice(start, start + step) for start in range(0, len(a), step)]


def along_rows(ufunc: Callable[..., Any], a: np.ndarray, row: np.ndarray, out: np.ndarray) -> None:
    """Compute `ufunc(a, row, out=out)` of matrices without gaps; several rows at once, which saves NumPy half of the time."""
    k = math.gcd(len(a), 64) if a.size > 65536 else 1
    if k > 1:
        wide = k * a.shape[1]
        ufunc(a.reshape(-1, wide), row[None].repeat(k, 0).reshape(wide), out=out.reshape(-1, wide))
    else:
        ufunc(a, row, out=out)


def far(mean: np.ndarray, variance: np.ndarray) -> bool:
    """Return whether some mean is so far from zero, beside the spread, that its rounding matters."""
    return bool((mean * mean > 4096 * variance).any())


def inverse_root(variance: np.ndarray, eps: float) -> np.ndarray:
    """Return 1 / sqrt(variance + eps), computed in place."""
    variance += eps
    np.sqrt(variance, out=variance)
    np.reciprocal(variance, out=variance)
    return variance


def centred(x: Any, axis: Any) -> Any:
    """Return x less its mean over `axis`: the reference."""
    x = x - x.mean(axis=axis, keepdims=True)
    return x - x.mean(axis=axis, keepdims=True)  # what rounding left


def floating(name: str, *operands: Any) -> list[Any]:
    """Return operands (None stays None) as Tensors of one floating dtype."""
    tensors: list[Any] = [value if value is None or isinstance(value, Tensor) else asarray(value) for value in operands]
    first = tensors[0]._data.dtype
    if first.kind != "f":
        raise TypeError(f"{name}: the input has dtype {first}, expected floating numbers; cast it with .astype(np.float32)")
    dtypes = {tensor._data.dtype for tensor in tensors if tensor is not None}
    if len(dtypes) > 1:
        common = np.result_type(*dtypes)
        tensors = [tensor if tensor is None or tensor.dtype == common else tensor.astype(common) for tensor in tensors]
    return tensors


_HALF = np.dtype(np.float16)


def widened(value: Any) -> Any:
    """Return a Tensor or array of half precision in single precision, and anything else as it is."""
    array = value._data if isinstance(value, Tensor) else value
    return value.astype(np.float32) if isinstance(array, np.ndarray) and array.dtype == _HALF else value


def in_single(operation: Callable[..., Any]) -> Callable[..., Tensor]:
    """Return `operation` with half precision computed in single precision: sums of many squares would leave its range."""

    def computed(x: Tensor, *others: Any) -> Tensor:
        if x._data.dtype != _HALF:
            return operation(x, *others)  # type: ignore[no-any-return]
        return operation(*map(widened, (x, *others))).astype(_HALF)  # type: ignore[no-any-return]

    return computed


def centre_rows(rows: np.ndarray, eps: float, d: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Write the rows less their means to `d`; return the means, what was left of them (or None), and 1 / sqrt(variance + eps)."""
    n = rows.shape[1]
    all_ones = ones(n, rows.dtype)
    mean, rest = rows.dot(all_ones), None
    mean /= n
    np.subtract(rows, mean[:, None], out=d)
    variance = np.vecdot(d, d)
    variance /= n
    if far(mean, variance):
        rest = d.dot(all_ones)
        rest /= n
        d -= rest[:, None]
        variance = np.vecdot(d, d)
        variance /= n
    return mean, rest, inverse_root(variance, eps)


def centred_again(rows: np.ndarray, mean: np.ndarray, rest: np.ndarray | None) -> np.ndarray:
    """Return the rows less their means once more."""
    d: np.ndarray = rows - mean[:, None]
    if rest is not None:
        d -= rest[:, None]
    return d


def as_rows(x: np.ndarray, n: int) -> np.ndarray:
    """Return `x` as rows of n, without gaps."""
    return np.ascontiguousarray(x).reshape(x.size // n, n)
