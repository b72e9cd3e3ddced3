"""Parameters in flat arrays, so that one update serves many of them.

Small parameters that are updated together are packed: they become views into one array, and so do the arrays that an
optimizer keeps for them. A large parameter stays alone and is cut into blocks that fit the processor's cache, so that
all steps of an update run over a block while it is there. At each step every parameter is checked, by identity, to
be where it was put; where one was exchanged, or has no gradient this time, all are gathered again with their state.

Knows no formula of an optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import is_
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.memory import log_write, memory_of

BLOCK = 32768  # elements: 128 kB of float32, so a block of each array fits the second-level cache

Saved = tuple[int, dict[str, np.ndarray]]  # how many steps a parameter has had, and the optimizer's arrays for it


class Run:
    """Parameters that are updated together.

    params     the parameters: several small ones, or one
    values     all their elements, in one dimension
    steps      how many updates they have had
    state      the optimizer's arrays, laid out as `values`
    """

    __slots__ = ("_arrays", "_copied", "_gradient", "_numbers", "_parts", "_work", "params", "state", "steps", "values")

    def __init__(self, params: list[Tensor], steps: int, saved: list[dict[str, np.ndarray]]):
        self.params, self.steps = params, steps
        self._gradient: np.ndarray | None = None
        self._parts: list[np.ndarray] = []
        if len(params) > 1:
            self.values = np.concatenate([p._data.reshape(-1) for p in params])
            self._gradient = np.empty_like(self.values)
            self._parts = self._as_parameters(self._gradient)
            for parameter, array in zip(params, self._as_parameters(self.values), strict=True):
                parameter._data = array
        else:
            self.values = np.ascontiguousarray(params[0]._data).reshape(-1)
        self._arrays = [parameter._data for parameter in params]
        self._copied = len(params) == 1 and not np.may_share_memory(self.values, self._arrays[0])
        self.state: dict[str, np.ndarray] = {}
        for name in saved[0]:
            self.state[name] = np.concatenate([arrays[name].reshape(-1) for arrays in saved]).astype(self.values.dtype, copy=False)
        self._work: list[np.ndarray] = []
        self._numbers: list[np.ndarray] = []

    def _as_parameters(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return the part of `flat` that belongs to each parameter, in its shape."""
        parts, start = [], 0
        for parameter in self.params:
            shape, size = parameter._data.shape, parameter._data.size
            parts.append(flat[start : start + size].reshape(shape))
            start += size
        return parts

    def gradient(self) -> np.ndarray | bool | None:
        """Return the gradient, laid out as `values`; None where there is none; False where parameters must be gathered again."""
        if self._gradient is None:
            parameter = self.params[0]
            grad = parameter._grad
            if grad is None or parameter._data is not self._arrays[0]:
                return None if grad is None else False
            if self._copied:
                self.values[...] = parameter._data.reshape(-1)
            flat: np.ndarray = grad._data.reshape(-1)
            return flat if flat.dtype == self.values.dtype else flat.astype(self.values.dtype)
        for parameter, array, part in zip(self.params, self._arrays, self._parts, strict=True):
            grad = parameter._grad
            if grad is None or parameter._data is not array:
                return None if all(p._grad is None for p in self.params) else False
            part[...] = grad._data
        return self._gradient

    def note_written(self) -> None:
        """Log that the values were changed."""
        if self._copied:  # the parameter's memory has gaps, or another order
            self._arrays[0][...] = self.values.reshape(self._arrays[0].shape)
        log_write(self._arrays[0] if self._copied else self.values, "an optimizer's step")

    def array(self, name: str) -> np.ndarray:
        """Return the optimizer's array of this name, zeros at first."""
        made = self.state.get(name)
        if made is None:
            made = self.state[name] = np.zeros_like(self.values)
        return made

    def numbers(self, *values: float) -> list[np.ndarray]:
        """Return numbers as 0-d arrays of the parameters' precision, which NumPy multiplies with twice as fast as with Python's."""
        if len(self._numbers) != len(values):
            self._numbers = [np.empty((), self.values.real.dtype) for _ in values]
        for made, value in zip(self._numbers, values, strict=True):
            made[()] = value
        return self._numbers

    def blocks(self, *arrays: np.ndarray, work: int) -> Iterator[Any]:
        """Yield the arrays block by block, with so many arrays of the block's size to work in."""
        size = arrays[0].size
        if len(self._work) != work:
            self._work = [np.empty(min(size, BLOCK), arrays[0].dtype) for _ in range(work)]
        if size <= BLOCK:
            yield *arrays, *self._work
            return
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            yield *[a[start:stop] for a in arrays], *[w[: stop - start] for w in self._work]

    def saved(self) -> list[Saved]:
        """Return for each parameter its steps and copies of its arrays, in its shape."""
        parts = {name: self._as_parameters(array) for name, array in self.state.items()}
        return [(self.steps, {name: part[i].copy() for name, part in parts.items()}) for i in range(len(self.params))]


def _movable(parameter: Tensor) -> bool:
    """Return whether nobody else looks at the memory of `parameter`, so that it may be packed."""
    memory = parameter._memory
    return memory is None or not (memory.foreign or sum(1 for _ in memory_of(parameter).living()) > 1)


class FlatGroup:
    """The parameters of one group, in as few runs as their gradients and step counts allow."""

    def __init__(self, params: Sequence[Tensor]):
        self.params = list(params)  # a list of its own: that of the caller may change
        self.runs: list[Run] = []
        self.waiting = list(range(len(self.params)))  # positions of those that have had no gradient since the last gathering
        self.loose: dict[int, Saved] = {}  # what is kept for these, and for all after `restore`

    def follow(self, params: Sequence[Tensor]) -> None:
        """Take these parameters, where they are others than before; those that stay keep their state."""
        if len(params) != len(self.params) or not all(map(is_, params, self.params)):
            kept = {id(self.params[position]): entry for position, entry in self.saved().items()}
            self.params = list(params)
            self.restore({position: kept[id(p)] for position, p in enumerate(self.params) if id(p) in kept})

    def gradients(self) -> list[tuple[Run, np.ndarray]]:
        """Return each run that has a gradient now, with it."""
        found = self._collect()
        if found is None:
            self._gather()
            found = self._collect()
            assert found is not None
        return found

    def _collect(self) -> list[tuple[Run, np.ndarray]] | None:
        for position in self.waiting:
            if self.params[position]._grad is not None:
                return None
        found = []
        for run in self.runs:
            gradient = run.gradient()
            if gradient is False:
                return None
            if gradient is not None:
                found.append((run, gradient))
        return found  # type: ignore[return-value]

    def _gather(self) -> None:
        saved = self.saved()
        self.loose, self.runs, self.waiting = {}, [], []
        packs: dict[Any, list[int]] = {}
        together: list[list[int]] = []
        for position, parameter in enumerate(self.params):
            steps, arrays = saved.get(position, (0, {}))
            if parameter._grad is None:
                self.waiting.append(position)
                if position in saved:
                    self.loose[position] = saved[position]
                continue
            key = (parameter._data.dtype, steps, *arrays)
            pack = packs.get(key) if _movable(parameter) else None
            size = parameter._data.size
            if pack is None or sum(self.params[i]._data.size for i in pack) + size > BLOCK:
                pack = []
                together.append(pack)
                if size < BLOCK and _movable(parameter):
                    packs[key] = pack
            pack.append(position)
        for pack in together:
            states = [saved.get(position, (0, {})) for position in pack]
            self.runs.append(Run([self.params[position] for position in pack], states[0][0], [arrays for _, arrays in states]))

    def saved(self) -> dict[int, Saved]:
        """Return the steps and arrays of each parameter that has any, by its position."""
        result = dict(self.loose)
        positions = {id(parameter): position for position, parameter in enumerate(self.params)}
        for run in self.runs:
            for parameter, entry in zip(run.params, run.saved(), strict=True):
                result[positions[id(parameter)]] = entry
        return dict(sorted(result.items()))

    def restore(self, saved: dict[int, Saved]) -> None:
        """Go on from what `saved` returned."""
        self.loose = {position: (steps, dict(arrays)) for position, (steps, arrays) in saved.items()}
        self.runs, self.waiting = [], list(range(len(self.params)))


