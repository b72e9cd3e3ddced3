"""Who shares memory with whom, and what has been written since a graph saved it.

Three rules keep every gradient right without copying on the way:

1. The first item assignment to a tensor moves it to fresh memory, so what graphs saved before stays as it was. From
   then on its writes go in place, and an operation that saves it saves a copy.
2. Writes that must go in place at once (parameters under `no_grad`, optimizers, memory shared with a foreign array)
   are logged by address; the backward pass refuses a saved array that was written after it was saved.
3. A view knows its base, and a base its views: after a write both have the new values and the new gradient.

Knows nothing of operations: how a view is taken again is a function it was given.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .graph import Variable, next_number


class Memory:
    """The memory of a tensor that was written, has views, or is shared with a foreign array.

    written  whether item assignment goes in place by now (rule 1)
    foreign  whether the memory belongs to an array outside the library (rule 2)
    views    the living views, weakly, in order of their making
    """

    __slots__ = ("foreign", "limit", "views", "written")

    def __init__(self, foreign: bool = False) -> None:
        self.written = False
        self.foreign = foreign
        self.views: list[weakref.ref[Variable]] = []
        self.limit = 8


class View:
    """What makes a tensor a view.

    base   the tensor that it was taken from
    again  a function of the base that takes it once more
    index  for a view by indexing, the index; else None
    how    words for a message, such as "reshape"
    """

    __slots__ = ("again", "base", "how", "index")

    def __init__(self, base: Variable, again: Callable[[Any], Any], how: str, index: Any = None):
        self.base, self.again, self.how, self.index = base, again, how, index

    @property
    def written(self) -> bool:
        return memory_of(root_of(self.base)).written


def root_of(tensor: Variable) -> Variable:
    """Return the tensor whose memory `tensor` is a view of, or itself."""
    while isinstance(tensor._memory, View):
        tensor = tensor._memory.base
    return tensor


def memory_of(root: Variable) -> Memory:
    """Return the memory of a tensor that is no view, made on first use."""
    if root._memory is None:
        root._memory = Memory()
    assert isinstance(root._memory, Memory)
    return root._memory


def adopt_view(view: Variable, base: Variable, again: Callable[[Any], Any], how: str, index: Any = None) -> None:
    """Make `view` known as a view of `base`."""
    view._memory = View(base, again, how, index)
    memory = memory_of(root_of(base))
    views = memory.views
    if len(views) >= memory.limit:  # forget the dead now and then: reading in a loop stays linear
        views[:] = [reference for reference in views if reference() is not None]
        memory.limit = 2 * len(views) + 8
    views.append(weakref.ref(view))


def living_views(root: Variable) -> Iterator[Variable]:
    """Yield the views of `root`, each after the one that it was taken from."""
    memory = root._memory
    if isinstance(memory, Memory):
        for reference in tuple(memory.views):
            view = reference()
            if view is not None:
                yield view


def kept(tensor: Variable) -> np.ndarray:
    """Return the array of `tensor` as a graph may save it: a copy where later writes go in place (rule 1)."""
    memory = tensor._memory
    return tensor._data.copy() if memory is not None and memory.written else tensor._data


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


def newest_write() -> int:
    """Return the running number of the newest logged write."""
    return _log.newest


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def log_write(array: np.ndarray, what: str) -> None:
    """Note that the memory of `array` has been written, as `what` (words for an error message)."""
    owner = _owner(array)
    key = id(owner)
    _log.newest = stamp = next_number()
    entry = _log.owners.get(key)
    if entry is None or entry[0]() is not owner:
        forget = weakref.ref(owner, lambda _, key=key: _log.owners.pop(key, None))  # type: ignore[misc]
        entry = _log.owners[key] = (forget, {})
    entry[1][_bytes(array)] = (stamp, what)


def written_since(array: np.ndarray, number: int) -> str | None:
    """Return what has written the memory of `array` since the running number, None if nothing has."""
    entry = _log.owners.get(id(_owner(array)))
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
