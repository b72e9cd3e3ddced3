"""Several axes as one, and one as several."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodiff import Tensor, reshape

from .module import Module


class Flatten(Module):
    """Joins the axes from start_dim to end_dim (both included) into one: by default all but the first, the batch.

    start_dim, end_dim  axes; negative ones count from the last

    >>> import numpy as np
    >>> Flatten()(Tensor(np.zeros((32, 1, 28, 28)))).shape
    (32, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = _axis("Flatten: start_dim", start_dim), _axis("Flatten: end_dim", end_dim)

    def forward(self, x: Tensor) -> Tensor:
        shape = _shape(x)
        ndim = max(len(shape), 1)  # a single number counts as a vector of one
        start, end = (_within("Flatten", axis, ndim, shape) for axis in (self.start_dim, self.end_dim))
        if start > end:
            raise ValueError(
                f"Flatten: start_dim={self.start_dim} comes after end_dim={self.end_dim} in an input of shape {shape}"
            )
        return reshape(x, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits one axis into several.

    dim               the axis; a negative one counts from the last
    unflattened_size  lengths of the new axes; one of them may be -1, which means: what is left

    >>> import numpy as np
    >>> Unflatten(1, (2, -1, 5))(Tensor(np.zeros((32, 50)))).shape
    (32, 2, 5, 5)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        self.dim = _axis("Unflatten: dim", dim)
        if isinstance(unflattened_size, (str, int)) or not isinstance(unflattened_size, Sequence) or not len(unflattened_size):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of lengths, got {unflattened_size!r}")
        self.unflattened_size = tuple(_axis("Unflatten: a length in unflattened_size", n) for n in unflattened_size)
        if min(self.unflattened_size) < -1 or self.unflattened_size.count(-1) > 1:
            raise ValueError(f"Unflatten: lengths are at least 0, and at most one is -1, got {self.unflattened_size}")

    def forward(self, x: Tensor) -> Tensor:
        shape = _shape(x)
        dim = _within("Unflatten", self.dim, len(shape), shape)
        sizes, known = self.unflattened_size, math.prod(n for n in self.unflattened_size if n != -1)
        if -1 in sizes and known and shape[dim] % known == 0:
            sizes = tuple(shape[dim] // known if n == -1 else n for n in sizes)
        if -1 in sizes or math.prod(sizes) != shape[dim]:
            raise ValueError(
                f"Unflatten: axis {self.dim} of an input of shape {shape} has length {shape[dim]}, which cannot be split into "
                f"{self.unflattened_size}"
            )
        return reshape(x, (*shape[:dim], *sizes, *shape[dim + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


def _axis(what: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {value!r}") from None


def _within(what: str, axis: int, ndim: int, shape: tuple[int, ...]) -> int:
    if not -ndim <= axis < ndim:
        raise IndexError(f"{what}: there is no axis {axis} in an input of shape {shape}")
    return axis % ndim


def _shape(x: Any) -> tuple[int, ...]:
    if isinstance(x, Tensor):
        return x._data.shape
    return np.shape(x)
