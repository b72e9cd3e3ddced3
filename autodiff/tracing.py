"""The one record that drawings, explanations and error messages read: what `autodiff.trace()` keeps of each operation.

Knows how to sum up an array and how to find the caller's line. Knows nothing of who reads the record.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from .border import outward
from .chain_rule import arrays_in
from .graph import Node, Variable, current_mode, label, listening

WHOLE = 1000  # arrays up to this many elements are kept whole, larger ones as statistics

library_folders = {os.path.dirname(os.path.abspath(__file__)) + os.sep}


class Statistics:
    """What is kept of an array too large to keep: shape, dtype, and figures over its finite elements (complex: their sizes).

    The histogram counts them in 20 equal bins from min to max; it is empty where no element is finite.
    """

    __slots__ = ("dtype", "histogram", "infinities", "max", "mean", "min", "nans", "shape", "std")

    def __init__(
        self, shape: tuple[int, ...], dtype: str, min: float, max: float, mean: float, std: float, nans: int, infinities: int,
        histogram: tuple[int, ...] = (),
    ):  # fmt: skip
        self.shape, self.dtype = shape, dtype
        self.min, self.max, self.mean, self.std = min, max, mean, std
        self.nans, self.infinities, self.histogram = nans, infinities, histogram

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
    return array.copy() if array.size <= WHOLE else statistics_of(array)


def statistics_of(array: np.ndarray) -> Statistics:
    """Return the statistics of an array of any size."""
    dtype = str(array.dtype)
    with np.errstate(all="ignore"):
        if array.dtype.kind == "c":
            array = np.abs(array)
        finite = array[np.isfinite(array)].astype(float)  # float16 would overflow in the sums
        low, high, mean, std = (finite.min(), finite.max(), finite.mean(), finite.std()) if finite.size else (np.nan,) * 4
    nans = int(np.isnan(array).sum())
    infinities = array.size - finite.size - nans
    histogram = _histogram(finite, float(low), float(high))
    return Statistics(array.shape, dtype, float(low), float(high), float(mean), float(std), nans, infinities, histogram)


BINS = 20


def _histogram(values: np.ndarray, low: float, high: float) -> tuple[int, ...]:
    if not values.size:
        return ()
    width = high / BINS - low / BINS  # halves first: high - low may be more than there are numbers
    if not width > 0:
        return (0,) * (BINS // 2) + (values.size,) + (0,) * (BINS - BINS // 2 - 1)
    bins = (values / width - low / width).astype(np.intp).clip(0, BINS - 1)
    return tuple(np.bincount(bins, minlength=BINS).tolist())


class Record:
    """What a trace saw of one operation.

    value          the output: an array, `Statistics`, or a tuple of these
    gradient       what arrived in the last backward pass, as the output or as a tuple of them; None before it
    contributions  what went on to each argument in that pass, by position
    inputs         for each argument: its array or Statistics, or None where it is no array
    settings       arguments that are no arrays, such as axis, by name
    names          for each argument: the Tensor's name, or None
    saved_bytes    the size of what the rules need
    saved          that itself, after the node was consumed, where all of it is small enough to be kept whole; else None
    seconds        forward time
    source         "file:line" of the caller
    watch          who else wants to hear of a backward pass (see anomaly.py), else None
    """

    __slots__ = (
        "contributions", "foreign", "gradient", "inputs", "names", "saved", "saved_bytes", "seconds", "settings", "source", "value",
        "watch",
    )  # fmt: skip

    def __init__(self, value: Any, inputs: tuple[Any, ...], names: tuple[str | None, ...], seconds: float, source: str):
        self.value, self.inputs, self.names, self.seconds, self.source = value, inputs, names, seconds, source
        self.gradient: Any = None
        self.contributions: dict[int, Any] = {}
        self.settings: dict[str, Any] = {}
        self.saved: Any = None
        self.saved_bytes = 0
        self.foreign: list[tuple[np.ndarray, int]] = []  # arrays of the caller's, with checksums
        self.watch: Any = None

    def __repr__(self) -> str:
        return f"Record(value={self.value!r}, gradient={self.gradient!r}, seconds={self.seconds:.3g}, source={self.source!r})"

    def note_gradient(self, g: Any, node: Node, before: Any) -> None:
        """Keep the gradient that has arrived at `node`, whose record this is (`before` its hooks saw it); a new pass begins."""
        self.contributions = {}
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
        if self.watch is not None:
            self.watch.note_gradient(g, node, before)

    def note_contribution(self, position: int, d: Any, node: Node, g: Any, so_far: Any) -> None:
        """Keep what `node` hands on to its argument at `position`, when `g` has arrived at it and `so_far` at the argument."""
        self.contributions[position] = summed_up(outward(d))
        if self.watch is not None:
            self.watch.note_contribution(position, d, node, g, so_far)

    def note_failure(self, error: Exception, node: Node) -> None:
        """Hear that `node` could not hand on its gradient."""
        if self.watch is not None:
            self.watch.note_failure(error, node)

    def keep(self, saved: Any) -> None:
        """Keep what a node saved, which is about to be dropped, where it is small."""
        if all(array.size <= WHOLE for array in arrays_in(saved)):
            self.saved = saved


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

    def untracked(self, operation: Any, y: Any, inputs: Any) -> None:
        """Hear of an operation that is not recorded, since none of its arguments is tracked."""

    def failed(self, operation: Any, inputs: Any, error: Exception) -> None:
        """Hear of an operation that could not be computed: say in `error` where the caller asked for it."""
        say_line(error, caller())

    def walk(self, order: list[Node], seeds: Any) -> Any:
        """Hear that a backward pass of `seeds`, cotangents by node, begins, and in which order it will go.

        Returns what `walked` is to be told when the pass is over.
        """

    def walked(self, watched: Any) -> None:
        """Hear that the pass is over."""

    @property
    def in_rules(self) -> Any:
        """The trace that hears of what rules do in a recorded backward pass."""
        return self

    def joined_by(self, other: Trace) -> Trace:
        """Return who listens where `trace()` begins inside of this one's block: the new one alone."""
        return other

    def record(self, node: Node, y: Any, inputs: Any, seconds: float) -> Record:
        self.nodes.append(node)
        value = tuple(summed_up(part) for part in y) if isinstance(y, (tuple, list)) else summed_up(y)
        seen = tuple(summed_up(v) if isinstance(v, _ARRAYS) else None for v in inputs)
        names = tuple(v.name if isinstance(v, Variable) else None for v in inputs)
        made = Record(value, seen, names, seconds, caller())
        made.saved_bytes = saved_bytes(node)
        arguments = node.operation.arguments
        if not node.operation.sequence:
            made.settings = {name: v for name, v in zip(arguments, inputs) if isinstance(v, _SETTINGS) or v is Ellipsis}
        for v in inputs:
            array = v if isinstance(v, np.ndarray) else v._data if isinstance(v, Variable) and _is_foreign(v) else None
            if array is not None and (array.flags.writeable or array.base is not None):
                made.foreign.append((array, _checksum(array)))
        return made


def saved_bytes(node: Node) -> int:
    """Return the size of the arrays that `node` keeps for its rules, each once, in bytes."""
    return builtins.sum({id(array): array.nbytes for array in arrays_in(node.saved)}.values())


_SETTINGS = (str, bool, slice, tuple)
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


def say_line(error: Exception, line: str) -> None:
    """Add to `error` the caller's line, once, unless the error says it itself."""
    if line and f"at {line}" not in getattr(error, "__notes__", ()) and not hasattr(error, "stands_in"):
        error.add_note(f"at {line}")


def _raised_for(error: Exception) -> str:
    """Return "file:line" of the caller for whom the library raised `error` in a forward pass; "" where that was not so."""
    if any(note.startswith("in the backward pass") for note in getattr(error, "__notes__", ())):
        return ""  # which names the line of the operation
    inside, place, line, raised_inside = tuple(library_folders), error.__traceback__, "", False
    while place is not None:
        file = place.tb_frame.f_code.co_filename
        if not file.startswith(inside):
            line, raised_inside = f"{file}:{place.tb_lineno}", False
        else:
            raised_inside = True
        place = place.tb_next
    return line if raised_inside else ""


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
    mode = current_mode()
    seen = Trace()
    with listening(seen if mode is None or mode.trace is None else mode.trace.joined_by(seen)):
        try:
            yield seen
        except Exception as error:
            say_line(error, _raised_for(error))
            raise
