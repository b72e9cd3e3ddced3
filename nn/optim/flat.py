"""Parameters in flat arrays, so that one update serves many of them.

Small parameters that are updated together are packed: they become views into one array, and so do the arrays that an
optimizer keeps for them. A large parameter stays alone and is cut into blocks that fit the processor's cache, so that
all steps of an update run over a block while it is there. At each step every parameter is checked, by identity, to
be where it was put; where one was exchanged, or has no gradient this time, all are gathered again with their state.
A complex number is two real ones here, next to each other: no formula needs to know.

Knows no formula of an optimizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import is_
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.memory import log_write, memory_of

BLOCK = 65536  # elements: 256 kB of float32, so that what a step reads several times stays in the cache; NumPy's calls cost little

Kept = dict[str, np.ndarray | float]  # the optimizer's arrays and numbers for a parameter, by name
Saved = tuple[int, Kept]  # how many steps it has had, and these


class Run:
    """Parameters that are updated together.

    params     the parameters: several small ones, or one
    values     all their elements, in one dimension; real
    steps      how many updates they have had
    state      the optimizer's arrays, laid out as `values`
    scalars    the optimizer's numbers, the same for all of them
    """

    __slots__ = (
        "_arrays", "_copied", "_dtype", "_gradient", "_layout", "_numbers", "_parts", "_pieces", "_shapes", "_work",
        "params", "scalars", "state", "steps", "values",
    )  # fmt: skip

    def __init__(self, params: list[Tensor], steps: int, saved: list[Kept], work: list[np.ndarray]):
        self.params, self.steps = params, steps
        self._dtype = params[0]._data.dtype
        self._shapes = [(p._data.shape, p._data.size) for p in params]
        self._gradient: np.ndarray | None = None
        self._parts: list[np.ndarray] = []
        if len(params) > 1:
            self.values = self._as_real(np.concatenate([p._data.reshape(-1) for p in params]))
            self._gradient = np.empty_like(self.values)
            self._parts = self._as_parameters(self._gradient)
            for parameter, array in zip(params, self._as_parameters(self.values), strict=True):
                parameter._data = array
        else:
            self.values = self._as_real(params[0]._data.reshape(-1))
        self._arrays = [parameter._data for parameter in params]
        self._copied = len(params) == 1 and not np.may_share_memory(self.values, self._arrays[0])
        self.state: dict[str, np.ndarray] = {}
        self.scalars: dict[str, float] = {}
        for name, first in saved[0].items():
            if isinstance(first, np.ndarray):
                self.state[name] = self._joined(name, saved)
            else:
                self.scalars[name] = first
        self._work = work
        self._layout: Any = None
        self._pieces: list[list[np.ndarray]] = []
        self._numbers: tuple[np.ndarray, list[np.ndarray]] = (np.empty(0), [])

    def _as_real(self, flat: np.ndarray) -> np.ndarray:
        flat = np.ascontiguousarray(flat)
        return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat

    def _joined(self, name: str, saved: list[Kept]) -> np.ndarray:
        arrays = [np.asarray(kept[name]) for kept in saved]
        for array, (shape, _) in zip(arrays, self._shapes, strict=True):
            if array.shape != shape:
                raise ValueError(
                    f"a parameter has shape {shape} by now, but what the optimizer keeps for it ('{name}') has {array.shape}; "
                    "make a new optimizer when parameters change their shape"
                )
        return self._as_real(np.concatenate([array.reshape(-1) for array in arrays]).astype(self._dtype, copy=False))

    def _as_parameters(self, flat: np.ndarray) -> list[np.ndarray]:
        """Return the part of `flat` that belongs to each parameter, in its shape."""
        flat = flat.view(self._dtype)
        parts, start = [], 0
        for shape, size in self._shapes:
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
                self.values[...] = self._as_real(parameter._data.reshape(-1))
            flat: np.ndarray = grad._data.reshape(-1)
            if flat.dtype != self._dtype:
                flat = flat.astype(self._dtype)
            return flat if self._dtype.kind == "f" else self._as_real(flat)
        for parameter, array, part in zip(self.params, self._arrays, self._parts, strict=True):
            grad = parameter._grad
            if grad is None or parameter._data is not array:
                return None if all(p._grad is None for p in self.params) else False
            part[...] = grad._data
        return self._gradient

    def note_written(self) -> None:
        """Log that the values were changed."""
        if self._copied:  # the parameter's memory has gaps, or another order
            self._arrays[0][...] = self._as_parameters(self.values)[0]
        log_write(self._arrays[0] if self._copied else self.values, "an optimizer's step")

    def array(self, name: str, fill: float = 0.0) -> np.ndarray:
        """Return the optimizer's array of this name, full of `fill` at first."""
        made = self.state.get(name)
        if made is None:
            made = self.state[name] = np.full_like(self.values, fill) if fill else np.zeros_like(self.values)
        return made

    def numbers(self, *values: float) -> list[np.ndarray]:
        """Return numbers as 0-d arrays of the parameters' precision, which NumPy multiplies with twice as fast as with Python's."""
        array, each = self._numbers
        if len(each) != len(values):
            array = np.empty(len(values), self.values.dtype)
            each = [array[i : i + 1].reshape(()) for i in range(len(values))]
            self._numbers = array, each
        array[:] = values
        return each

    def blocks(self, gradient: np.ndarray, *names: str, work: int) -> Iterable[Any]:
        """Yield, block by block, `gradient`, the values, the arrays of these names, and so many arrays to work in."""
        if self._layout != (names, work):
            self._cut(names, work)
        if len(self._pieces) == 1:
            return ((gradient, *self._pieces[0]),)
        return self._each(gradient)

    def _each(self, gradient: np.ndarray) -> Iterator[Any]:
        start = 0
        for piece in self._pieces:
            yield gradient[start : start + BLOCK], *piece
            start += BLOCK

    def _cut(self, names: tuple[str, ...], work: int) -> None:
        arrays = [self.values, *map(self.array, names)]
        size, dtype = self.values.size, self.values.dtype
        pool = [w for w in self._work if w.dtype == dtype]
        while len(pool) < work:
            pool.append(np.empty(BLOCK, dtype))
            self._work.append(pool[-1])
        self._layout, self._pieces = (names, work), []
        for start in range(0, max(size, 1), BLOCK):
            stop = min(start + BLOCK, size)
            self._pieces.append([*(a[start:stop] for a in arrays), *(w[: stop - start] for w in pool[:work])])

    def spans(self, array: np.ndarray) -> list[np.ndarray]:
        """Return the part of `array`, laid out as `values`, that belongs to each parameter."""
        return [self._as_real(part.reshape(-1)) for part in self._as_parameters(array)]

    def saved(self) -> list[Saved]:
        """Return for each parameter its steps, copies of its arrays, in its shape, and its numbers."""
        parts = {name: self._as_parameters(array) for name, array in self.state.items()}
        return [
            (self.steps, {**{name: part[i].copy() for name, part in parts.items()}, **self.scalars})
            for i in range(len(self.params))
        ]


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
        self._work: list[np.ndarray] = []  # shared by the runs: it stays in the cache

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
        self.restore(saved)  # an error on the way loses nothing
        together: list[list[int]] = []
        packs: dict[Any, list[int]] = {}
        waiting = []
        for position, parameter in enumerate(self.params):
            if parameter._grad is None:
                waiting.append(position)
                continue
            steps, kept = saved.get(position, (0, {}))
            alike = tuple(sorted((name, None if isinstance(value, np.ndarray) else value) for name, value in kept.items()))
            key = (parameter._data.dtype, steps, alike)
            size = parameter._data.size
            pack = packs.get(key) if _movable(parameter) else None
            if pack is None or sum(self.params[i]._data.size for i in pack) + size > BLOCK:
                pack = []
                together.append(pack)
                if size < BLOCK and _movable(parameter):
                    packs[key] = pack
            pack.append(position)
        runs = []
        for pack in together:
            states = [saved.get(position, (0, {})) for position in pack]
            runs.append(Run([self.params[i] for i in pack], states[0][0], [kept for _, kept in states], self._work))
        self.loose = {position: saved[position] for position in waiting if position in saved}
        self.runs, self.waiting = runs, waiting

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
        self.loose = {position: (steps, dict(kept)) for position, (steps, kept) in saved.items()}
        self.runs, self.waiting = [], list(range(len(self.params)))
