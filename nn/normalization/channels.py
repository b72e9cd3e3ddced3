"""Channels in memory: sums, statistics and arithmetic for each channel.

Kernels see the input as (N, C, L). Where its channels come last in memory that is (N L, C, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff.blocks import long_rows

from ..constants import ones
from .centring import along_rows, far, parts_of

_SHORT = 64  # where fewer elements lie beside each other, statistics are repeated for each of them: NumPy prefers long rows


def last_in_memory(x: np.ndarray) -> bool:
    """Return whether the channels lie last in memory."""
    return x.ndim > 2 and not x.flags.c_contiguous and np.moveaxis(x, 1, -1).flags.c_contiguous


def as_channels(x: np.ndarray, last: bool) -> np.ndarray:
    """Return `x` as (N, C, L) without gaps."""
    channels = x.shape[1]
    if last:
        return np.ascontiguousarray(np.moveaxis(x, 1, -1)).reshape(x.size // channels, channels, 1)
    return np.ascontiguousarray(x).reshape(x.shape[0], channels, math.prod(x.shape[2:]))


def shaped_back(y: np.ndarray, shape: tuple[int, ...], last: bool) -> np.ndarray:
    """Return what kernels made, (N, C, L), in the shape of the input."""
    return np.moveaxis(y.reshape(shape[0], *shape[2:], shape[1]), -1, 1) if last else y.reshape(shape)


def channel_sums(a: np.ndarray) -> np.ndarray:
    """Return the sum of a (N, C, L) for each channel."""
    n, channels, length = a.shape
    if length > _SHORT:
        total: np.ndarray = ones(n, a.dtype).dot(a.reshape(n * channels, length).dot(ones(length, a.dtype)).reshape(n, channels))
        return total
    total = ones(n, a.dtype).dot(a.reshape(n, channels * length))
    return total if length == 1 else total.reshape(channels, length).dot(ones(length, a.dtype))


def channel_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sum of a b for each channel."""
    if a.shape[2] > _SHORT:
        total: np.ndarray = ones(len(a), a.dtype).dot(np.vecdot(a, b))
        return total
    return sum_of_parts(lambda part: channel_sums(a[part] * b[part]), a)


def sum_of_parts(function: Callable[[slice], np.ndarray], a: np.ndarray) -> np.ndarray:
    """Return the sum of `function(part)` over parts of `a` that stay in the cache."""
    first, *others = parts_of(a)
    total = function(first)
    for part in others:
        total += function(part)
    return total


def with_each_channel(ufunc: Callable[..., Any], a: np.ndarray, values: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Compute `ufunc(a, value, out=out)` with the value of each channel of a (N, C, L)."""
    n, channels, length = a.shape
    if length > _SHORT:
        with long_rows(length):
            ufunc(a, values[:, None], out=out)
    else:
        flat = (n, channels * length)
        along_rows(ufunc, a.reshape(flat), values if length == 1 else values.repeat(length), out.reshape(flat))
    return out


def centred_channels(x: np.ndarray, mean: np.ndarray, rest: np.ndarray | None, out: np.ndarray | None = None) -> np.ndarray:
    """Return a (N, C, L) less the mean of each channel, and less what was left."""
    d = with_each_channel(np.subtract, x, mean, np.empty_like(x) if out is None else out)
    return d if rest is None else with_each_channel(np.subtract, d, rest, d)


def channel_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Return the mean of each channel, what rounding left of it (None where that does not matter), and the variance."""
    a = as_channels(x, last_in_memory(x))
    count = a.shape[0] * a.shape[2]
    mean, rest = channel_sums(a), None
    mean /= count

    def squares(part: slice) -> np.ndarray:
        d = centred_channels(a[part], mean, rest)
        return channel_products(d, d)

    variance = sum_of_parts(squares, a)
    variance /= count
    if far(mean, variance):
        rest = sum_of_parts(lambda part: channel_sums(centred_channels(a[part], mean, None)), a)
        rest /= count
        variance = sum_of_parts(squares, a)
        variance /= count
    return mean, rest, variance
