"""Kernels of many passes over large arrays: run in blocks that stay in the processor's cache.

Knows the layout of arrays. Knows no mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 2**18  # bytes; a few arrays of so many stay in the second-level cache, or near it


def in_blocks(kernel: Callable[..., None], x: np.ndarray, count: int, *options: Any) -> list[np.ndarray]:
    """Return `count` new arrays like `x`, filled by `kernel(x, *arrays, *options)`, which works element by element.

    The kernel gets all of a small array; of a large one, parts, one after the other, as arrays of one axis. It never gets
    an array without axes, of which NumPy would make scalars.

    >>> from autodiff.blocks import in_blocks
    >>> in_blocks(lambda x, y, n: np.multiply(x, n, out=y), np.array([1.0, 2.0]), 1, 3)
    [array([3., 6.])]
    """
    size = BLOCK // x.itemsize
    if x.size <= size:
        made = [np.empty_like(x) for _ in range(count)]
        if x.ndim:
            kernel(x, *made, *options)
        else:
            kernel(x.reshape(1), *[y.reshape(1) for y in made], *options)
        return made
    axes = range(x.ndim)
    if not x.flags.c_contiguous:  # the results are laid out in memory like x, whatever its order of axes
        axes = sorted(axes, key=lambda axis: -abs(x.strides[axis]))  # type: ignore[assignment]
        x = np.ascontiguousarray(x.transpose(axes))
    made = [np.empty(x.shape, x.dtype) for _ in range(count)]
    flat = [array.reshape(-1) for array in (x, *made)]
    for start in range(0, x.size, size):
        kernel(*[array[start : start + size] for array in flat], *options)
    if isinstance(axes, range):
        return made
    back = sorted(range(x.ndim), key=axes.__getitem__)
    return [y.transpose(back) for y in made]


def in_parts(kernel: Callable[..., None], *arrays: np.ndarray) -> np.ndarray:
    """Return a new array like the last of `arrays`, filled by `kernel(*arrays, y)`, which works element by element.

    The arrays have one shape, and their layouts may differ. Of large ones the kernel gets parts, cut along the first axis.

    >>> from autodiff.blocks import in_parts
    >>> in_parts(lambda g, x, y: np.multiply(g, x, out=y), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([3., 8.])
    """
    like = arrays[-1]
    y = np.empty_like(like)
    if like.nbytes <= BLOCK:
        kernel(*arrays, y)
    else:
        step = rows_in_block(like)
        for start in range(0, len(like), step):
            kernel(*[array[start : start + step] for array in arrays], y[start : start + step])
    return y


def rows_in_block(x: np.ndarray) -> int:
    """Return how many entries of the first axis of `x` make a block; at least one."""
    return max(1, BLOCK * len(x) // max(1, x.nbytes))


class long_rows:
    """Within it, NumPy broadcasts along rows of n or more numbers without copying what it broadcasts into a buffer first.

    Of long rows that saves a third of the time; short ones are faster with the buffer.
    """

    __slots__ = ("_state",)

    def __init__(self, n: int):
        self._state = np.errstate() if n >= 512 else None

    def __enter__(self) -> None:
        if self._state is not None:
            self._state.__enter__()  # on the way out it also restores the size of the buffer
            np.setbufsize(16)

    def __exit__(self, *exception: Any) -> None:
        if self._state is not None:
            self._state.__exit__(*exception)
