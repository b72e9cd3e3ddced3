"""The batch as a run is given it: arrays of its own, tracked where that is possible, of all samples or some.

Knows nests of arrays (tuples, lists, dicts). Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor


def array_of(value: Any) -> np.ndarray | None:
    """Return the array of a Tensor or array; None of anything else."""
    return value._data if isinstance(value, Tensor) else value if isinstance(value, np.ndarray) else None


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the arrays and Tensors in a nest of tuples, lists and dicts, each with its place.

    >>> [place for place, _ in leaves((np.zeros(2), {"mask": np.zeros(2)}), "input")]
    ['input[0]', "input[1]['mask']"]
    """
    if isinstance(value, (Tensor, np.ndarray)):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{name}[{key!r}]")
    elif isinstance(value, (tuple, list)):
        for i, part in enumerate(value):
            yield from leaves(part, name if len(value) == 1 else f"{name}[{i}]")


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return a nest of the same form with `function` of each array and Tensor in it."""
    if isinstance(value, (Tensor, np.ndarray)):
        return function(value)
    if isinstance(value, dict):
        return {key: mapped(function, part) for key, part in value.items()}
    if isinstance(value, tuple):
        parts = [mapped(function, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [mapped(function, part) for part in value] if isinstance(value, list) else value


def apart(value: Any) -> Any:
    """Return a copy: a model may write into what it is given."""
    return mapped(lambda part: Tensor(part._data) if isinstance(part, Tensor) else part.copy(), value)


def tracked(value: Any) -> Any:
    """Return a copy in which floating arrays are Tensors that require a gradient, so that every operation on them is recorded."""

    def one(part: Any) -> Any:
        array = array_of(part)
        assert array is not None
        return Tensor(array, requires_grad=True) if array.dtype.kind == "f" else apart(part)

    return mapped(one, value)


def samples_at(value: Any, size: int, places: Sequence[int]) -> Any:
    """Return the samples at these places, of all arrays of `size` samples; other arrays whole."""

    def one(part: Any) -> Any:
        array = array_of(part)
        assert array is not None
        taken = array[list(places)] if array.ndim and len(array) == size else array.copy()
        return Tensor(taken) if isinstance(part, Tensor) else taken

    return mapped(one, value)
