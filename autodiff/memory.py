"""Who shares memory with whom, and what has been written since a graph saved it.

Three rules keep every gradient right without copying on the way:

1. The first item assignment to a tensor moves it to fresh memory, so what graphs saved before stays as it was. From
   then on its writes go in place, and whoever keeps its array (an operation that saves it, `numpy()`) gets a copy.
2. Writes that must go in place at once (parameters under `no_grad`, optimizers, memory shared with a foreign array)
   are logged by address; the backward pass refuses a saved array that was written after it was saved.
3. All tensors that share memory know of each other: after a write all have the new values and the new gradient.

Knows nothing of operations: how a view is taken again is a function it was given.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .graph import Leaf, Variable, next_number


class Memory:
    """Memory that was written, that several tensors share, or that a foreign array shares.

    root     the tensor that is no view, weakly; it may be gone while views live
    written  whether item assignment goes in place by now (rule 1)
    foreign  whether the memory belongs to an array outside the library (rule 2)
    sharers  the living tensors that share it, weakly, each after the one that it was taken from
    """

    __slots__ = ("foreign", "limit", "root", "sharers", "written")

    def __init__(self, root: Variable, foreign: bool = False) -> None:
        self.root: Callable[[], Variable | None] = weakref.ref(root)
        self.written = False
        self.foreign = foreign
        self.sharers: list[weakref.ref[Variable]] = [weakref.ref(root)]
        self.limit = 8

    def add(self, tensor: Variable) -> None:
        if len(self.sharers) >= self.limit:  # forget the dead now and then: reading in a loop stays linear
            self.sharers[:] = [reference for reference in self.sharers if reference() is not None]
            self.limit = 2 * len(self.sharers) + 8
        self.sharers.append(weakref.ref(tensor))

    def living(self) -> Iterator[Variable]:
        """Yield the living tensors that share it."""
        for reference in tuple(self.sharers):
            tensor = reference()
            if tensor is not None:
                yield tensor

    @property
    def in_place(self) -> bool:
        """Whether writes must go in place at once (rule 2)."""
        root = self.root()
        return self.foreign or (root is not None and isinstance(root._node, Leaf))


class View:
    """What makes a tensor a view.

    memory  what it shares
    how     words for a message, such as "reshape"
    base    the tensor that it was taken from; None for a constant (detached, or taken under `no_grad`), which shares the
            values but keeps neither the tensor nor its graph alive
    again   a function of the base that takes it once more
    index   for a view by indexing, the index; else None
    """

    __slots__ = ("again", "base", "how", "index", "memory")

    def __init__(self, memory: Memory, how: str, base: Variable | None, again: Callable[[Any], Any] | None, index: Any):
        self.memory, self.how, self.base, self.again, self.index = memory, how, base, again, index

    @property
    def written(self) -> bool:
        return self.memory.written

    @property
    def foreign(self) -> bool:
        return self.memory.foreign


def memory_of(tensor: Variable) -> Memory:
    """Return the memory that `tensor` lives in, made on first use."""
    memory = tensor._memory
    if memory is None:
        memory = tensor._memory = Memory(tensor)
    return memory.memory if isinstance(memory, View) else memory


def adopt_view(view: Variable, base: Variable, how: str, again: Callable[[Any], Any], index: Any = None) -> None:
    """Make `view` known as a view of `base`, that follows its gradient."""
    memory = memory_of(base)
    view._memory = View(memory, how, base, again, index)
    memory.add(view)


def adopt_constant(view: Variable, base: Variable, how: str) -> None:
    """Make `view` known as one that shares the memory of `base`, but not its gradient."""
    memory = memory_of(base)
    view._memory = View(memory, how, None, None, None)
    memory.add(view)


def family_of(tensor: Variable) -> list[Variable]:
    """Return the tensor, the one it is a view of, and so on."""
    family = [tensor]
    while isinstance(family[-1]._memory, View) and family[-1]._memory.base is not None:
        family.append(family[-1]._memory.base)
    return family


def is_constant(tensor: Variable) -> bool:
    """Return whether the tensor shares its values, but not its gradient, with whom it was taken from."""
    return isinstance(tensor._memory, View) and tensor._memory.base is None


def kept(tensor: Variable) -> np.ndarray:
    """Return the array of `tensor` for somebody to keep: a copy where later writes go in place (rule 1)."""
    memory = tensor._memory
    return tensor._data.copy() if memory is not None and memory.written else tensor._data


def apart(y: np.ndarray, tensor: Variable) -> np.ndarray:
    """Return `y`, or a copy where it lies in the memory of `tensor`: that of no known view would change with later writes."""
    data = tensor._data
    return y.copy() if (y is data or y.base is not None) and np.may_share_memory(y, data) else y


def move(memory: Memory) -> None:
    """Move all that lives in `memory` to fresh memory, so that what graphs saved stays as it was (rule 1)."""
    _relocate(list(memory.living()))
    memory.written = True


def separate(view: Variable) -> None:
    """Give a view memory of its own; the views that were taken from it follow."""
    left = memory_of(view)
    leaving = [tensor for tensor in left.living() if any(member is view for member in family_of(tensor))]
    left.sharers[:] = [weakref.ref(tensor) for tensor in left.living() if not any(tensor is other for other in leaving)]
    _relocate(leaving)
    view._memory = memory = Memory(view)
    for tensor in leaving:
        if tensor is not view:
            tensor._memory.memory = memory
            memory.add(tensor)


def leave(tensor: Variable) -> None:
    """Take `tensor`, which is about to get another array, out of the memory it shares; its views keep the old values."""
    if tensor._memory is None:
        return
    left = memory_of(tensor)
    left.sharers[:] = [weakref.ref(other) for other in left.living() if other is not tensor]
    if left.root() is tensor:
        left.root = _gone
    for other in left.living():
        if isinstance(other._memory, View) and other._memory.base is tensor:
            other._memory.base = other._memory.again = other._memory.index = None
    tensor._memory = None


def _gone() -> None:
    """Stand for a weak reference to a tensor that lives no more."""


def _relocate(tensors: Sequence[Variable]) -> None:
    if len(tensors) == 1:
        tensors[0]._data = tensors[0]._data.copy(order="K")
        return
    bounds = [_bytes(tensor._data) for tensor in tensors]
    low, high = min(start for start, _ in bounds), max(end for _, end in bounds)
    block = np.empty(high - low + 64, np.uint8)
    first = (low - block.ctypes.data) % 64  # the same alignment as before
    covered = (0, 0)
    for tensor, (start, end) in zip(tensors, bounds, strict=True):
        old = tensor._data
        pointer = old.__array_interface__["data"][0]
        new: np.ndarray = np.ndarray(old.shape, old.dtype, block, first + pointer - low, old.strides)
        if not (covered[0] <= start and end <= covered[1]):
            new[...] = old
            if end - start == old.nbytes:  # no gaps: views inside of it are copied by now
                covered = (start, end)
        new.flags.writeable = old.flags.writeable
        tensor._data = new


# ------------------------------------------------------------------------------------------------- the log of writes
# Graphs save arrays by reference. A write that goes into such memory is logged here, by the array that owns the memory
# and the range of bytes, so that the backward pass can tell that what it saved is no longer what it was. The log is
# looked at only for nodes that are older than the newest write: an ordinary training step never does.


class _Log:
    __slots__ = ("newest", "owners")

    def __init__(self) -> None:
        self.newest = 0
        self.owners: dict[int, tuple[weakref.ref[np.ndarray], dict[tuple[int, int], tuple[int, str]]]] = {}


_log = _Log()
_EVERYTHING = (0, 1 << 64)  # the range of all bytes: an optimizer says so at every step, and finding the true one takes its time
_MOST_RANGES = 1024  # remembered of one owner; more are taken together: rather refuse too much than too little


def newest_write() -> int:
    """Return the running number of the newest logged write."""
    return _log.newest


def owner_of(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def log_write(array: np.ndarray, what: str) -> None:
    """Note that the memory of `array` has been written, as `what` (words for an error message)."""
    owner = owner_of(array)
    key = id(owner)
    _log.newest = stamp = next_number()
    entry = _log.owners.get(key)
    if entry is None or entry[0]() is not owner:
        forget = weakref.ref(owner, lambda _, key=key: _log.owners.pop(key, None))  # type: ignore[misc]
        entry = _log.owners[key] = (forget, {})
    written = entry[1]
    written[_EVERYTHING if array.nbytes == owner.nbytes else _bytes(array)] = (stamp, what)
    if len(written) > _MOST_RANGES:
        low, high = min(start for start, _ in written), max(end for _, end in written)
        written.clear()
        written[low, high] = (stamp, what)


def written_since(array: np.ndarray, number: int) -> str | None:
    """Return what has written the memory of `array` since the running number, None if nothing has."""
    entry = _log.owners.get(id(owner_of(array)))
    if entry is None:
        return None
    low, high = _bytes(array)
    for (start, end), (stamp, what) in entry[1].items():
        if stamp > number and start < high and low < end:
            return what
    return None


def _bytes(array: np.ndarray) -> tuple[int, int]:
    low, high = np.lib.array_utils.byte_bounds(array)
    return int(low), int(high)
