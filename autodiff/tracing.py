"""The one record that drawings, explanations and error messages read: what `autodiff.trace()` keeps of each operation.

Knows how to sum up an array and how to find the caller's line. Knows nothing of who reads the record.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from .chain_rule import outward
from .graph import Node, Variable, label, listening

WHOLE = 1000  # arrays up to this many elements are kept whole, larger ones as statistics

library_folders = {os.path.dirname(os.path.abspath(__file__)) + os.sep}


class Statistics:
    """What is kept of an array too large to keep: shape, dtype, and figures over its finite elements (complex: their sizes)."""

    __slots__ = ("dtype", "infinities", "max", "mean", "min", "nans", "shape", "std")

    def __init__(
        self, shape: tuple[int, ...], dtype: str, min: float, max: float, mean: float, std: float, nans: int, infinities: int
    ):
        self.shape, self.dtype = shape, dtype
        self.min, self.max, self.mean, self.std = min, max, mean, std
        self.nans, self.infinities = nans, infinities

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Statistics) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.mean))

    def __repr__(self) -> str:
        figures = (f"{name}={getattr(self, name):.4g}" for name in ("min", "max", "mean", "std", "nans", "infinities"))
        return f"Statistics(shape={self.shape}, dtype={self.dtype}, {', '.join(figures)})"


def summed_up(array: Any) -> Any:
    """Return a copy of a small array, the statistics of a larger one."""
    array = np.asarray(array._data if isinstance(array, Variable) else array)
    if array.size <= WHOLE:
        return array.copy()
    dtype = str(array.dtype)
    with np.errstate(all="ignore"):
        if array.dtype.kind == "c":
            array = np.abs(array)
        finite = array[np.isfinite(array)].astype(float)  # float16 would overflow in the sums
        low, high, mean, std = (finite.min(), finite.max(), finite.mean(), finite.std()) if finite.size else (np.nan,) * 4
    nans = int(np.isnan(array).sum())
    infinities = array.size - finite.size - nans
    return Statistics(array.shape, dtype, float(low), float(high), float(mean), float(std), nans, infinities)


class Record:
    """What a trace saw of one operation.

    value     the output: an array, `Statistics`, or a tuple of these
    gradient  what arrived in the last backward pass, as the output or as a tuple of them; None before it
    inputs    for each argument: its array or Statistics, or None where it is no array
    names     for each argument: the Tensor's name, or None
    seconds   forward time
    source    "file:line" of the caller
    """

    __slots__ = ("foreign", "gradient", "inputs", "names", "seconds", "source", "value")

    def __init__(self, value: Any, inputs: tuple[Any, ...], names: tuple[str | None, ...], seconds: float, source: str):
        self.value, self.inputs, self.names, self.seconds, self.source = value, inputs, names, seconds, source
        self.gradient: Any = None
        self.foreign: list[tuple[np.ndarray, int]] = []  # arrays of the caller's, with checksums

    def __repr__(self) -> str:
        return f"Record(value={self.value!r}, gradient={self.gradient!r}, seconds={self.seconds:.3g}, source={self.source!r})"

    def note_gradient(self, g: Any, node: Node) -> None:
        if isinstance(g, list):  # of an operation with several outputs
            self.gradient = tuple(None if part is None else summed_up(outward(part)) for part in g)
        else:
            self.gradient = summed_up(outward(g))
        for array, checksum in self.foreign:
            if _checksum(array) != checksum:
                raise RuntimeError(
                    f"backward: an array given to operation '{label(node)}' at {self.source} was changed between the forward and "
                    "the backward pass, outside the library. Pass a copy, or change it after backward()."
                )


def _checksum(array: np.ndarray) -> int:
    import zlib  # here, since only a trace needs it

    return zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data)


class Trace:
    """The operations recorded under one `trace()`, in order.

    nodes  their nodes; each carries its `Record` as `node.notes.record`
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"<trace of {len(self.nodes)} operations>"

    def record(self, node: Node, y: Any, inputs: Any, seconds: float) -> Record:
        self.nodes.append(node)
        value = tuple(summed_up(part) for part in y) if isinstance(y, (tuple, list)) else summed_up(y)
        seen = tuple(summed_up(v) if isinstance(v, _ARRAYS) else None for v in inputs)
        names = tuple(v.name if isinstance(v, Variable) else None for v in inputs)
        made = Record(value, seen, names, seconds, caller())
        for v in inputs:
            array = v if isinstance(v, np.ndarray) else v._data if isinstance(v, Variable) and _is_foreign(v) else None
            if array is not None and (array.flags.writeable or array.base is not None):
                made.foreign.append((array, _checksum(array)))
        return made


_ARRAYS = (Variable, np.ndarray, np.generic, int, float, complex)


def _is_foreign(tensor: Variable) -> bool:
    return tensor._memory is not None and getattr(tensor._memory, "foreign", False)


def caller() -> str:
    """Return "file:line" of the innermost frame outside the library."""
    inside = tuple(library_folders)
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(inside) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@contextlib.contextmanager
def trace() -> Iterator[Trace]:
    """Keep, for each operation recorded inside: value, gradient, time and source line.

    Arrays of up to 1,000 elements are kept whole, larger ones as `Statistics`. Drawings, explanations and error
    messages read this record. A foreign array that is changed before the backward pass is reported.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with trace() as seen:
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> seen.nodes[0].notes.record.gradient
    array([1., 1.])
    """
    with listening(Trace()) as seen:
        yield seen
