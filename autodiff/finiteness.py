"""nan and infinities in arrays: where they are, and whether they were made there or came in.

Knows numbers and what they were made from. Knows nothing of operations and graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .graph import Variable


class Bad(NamedTuple):
    """nan or infinities in an array: where, and whether they were made there (else they came in)."""

    kind: str
    where: np.ndarray
    made: bool

    @property
    def of_its_result(self) -> str:
        return "in the one element of its result" if self.where.size == 1 else f"{self.extent} of its result"

    @property
    def extent(self) -> str:
        size = self.where.size
        return "in its one element" if size == 1 else f"in {np.count_nonzero(self.where):,} of {size:,} elements"


def found_in(result: np.ndarray, given: list[np.ndarray], each: bool, kinds: str) -> Bad | None:
    """Return what is wrong with a result, if anything.

    given  the numbers that it was made from
    each   whether each element of it was made from those in its place alone
    kinds  of what to look for, "nan+inf" or "nan"
    """
    for kind, is_kind in (("nan", np.isnan), ("inf", np.isinf)):
        if kind not in kinds:
            continue
        where: np.ndarray = np.asarray(is_kind(result))
        for array in given:
            before = is_kind(array)
            if before.any():
                where = where & ~np.broadcast_to(before, where.shape) if each else np.zeros_like(where)
        if where.any():
            return Bad(kind, where, True)
    came_in = np.asarray(np.isnan(result))
    return Bad("nan", came_in, False) if came_in.any() else None


def array_of(value: Any) -> np.ndarray:
    """Return the numbers of a Tensor, or of what NumPy makes an array of."""
    return value._data if isinstance(value, Variable) else np.asarray(value)


def floats_in(value: Any) -> Iterator[np.ndarray]:
    """Yield the floating and complex numbers in `value`, in lists and tuples too, as arrays."""
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from floats_in(part)
    elif isinstance(value, dict):
        yield from floats_in(list(value.values()))
    elif isinstance(value, (Variable, np.ndarray, np.generic, float, complex)):
        array = array_of(value)
        if array.dtype.kind in "fc":
            yield array


def without(kind: str, arrays: list[np.ndarray]) -> str:
    """Return the adjective for numbers of which none, or none that matters, is nan or infinite."""
    return "finite" if all(np.isfinite(array).all() for array in arrays) else f"non-{kind}"


def holder_of_nan(named: Iterable[tuple[str, Any]]) -> str | None:
    """Return the name of the first of these that holds nan."""
    return next((name for name, value in named if any(np.isnan(array).any() for array in floats_in(value))), None)
