"""Item assignment and in-place operators: right values and gradients, in whatever order things are written and read.

The strongest test here runs random programs twice: on Tensors, and on a model that carries, next to each NumPy array, the
array of its derivatives along one direction. NumPy's own views say which elements a write reaches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import autodiff as ad
from autodiff import Tensor, check_grads, gradients, no_grad


class Cell:
    """A tensor of the model: values, derivatives along the direction, and why a recorded write to it may be refused."""

    def __init__(self, value: np.ndarray, slope: np.ndarray, refusable: bool = False, old: bool = False):
        self.value, self.slope, self.refusable, self.old = np.asarray(value), np.asarray(slope), refusable, old


INDICES: dict[int, list[Any]] = {
    0: [..., (), None],
    1: [0, -1, slice(1, None), slice(None, None, -1), ..., (None, slice(0, 2)), slice(None, None, 2)],
    2: [0, -1, (slice(None), 1), slice(1, None), (slice(None, None, 2), slice(1, 3)), (..., 0), (1, 2, ...), slice(None, None, -1)],
    3: [0, (0, 0), (slice(None), 0), (..., slice(1, 2))],
}
FANCY: dict[int, list[Any]] = {
    1: [[0, 0], np.array([1, 0, 1]), [True, False, True, False], np.array([], dtype=int)],
    2: [[0, 0], ([0, 1, 0], [1, 1, 1]), (slice(None), [0, 2]), ([1, 1], slice(0, 2))],
}
UNARY: list[tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]] = [
    (np.tanh, lambda v: 1 - np.tanh(v) ** 2),
    (np.sin, np.cos),
    (lambda x: np.exp(-x * x), lambda v: -2 * v * np.exp(-v * v)),
]
KINDS = [
    "unary", "multiply", "multiply", "add", "index", "index", "index", "fancy read", "transpose", "reshape", "clone", "detach",
    "index under no_grad", "assign", "assign", "assign", "assign number", "fancy assign", "add in place", "multiply in place",
    "sort in place",
    "write under no_grad", "numpy", "drop",
]  # fmt: skip


def broadcasts_to(value: np.ndarray, shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(value.shape, shape) == shape
    except ValueError:
        return False


class Program:
    """The same steps on Tensors and on the model."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.leaves = [Tensor(rng.normal(size=(3, 4)), requires_grad=True), Tensor(rng.normal(size=4), requires_grad=True)]
        self.directions = [rng.normal(size=leaf.shape) for leaf in self.leaves]
        self.tensors: list[Tensor] = list(self.leaves)
        self.cells = [
            Cell(leaf.numpy().copy(), direction.copy(), refusable=True, old=True)
            for leaf, direction in zip(self.leaves, self.directions, strict=True)
        ]
        foreign = rng.normal(size=(3, 4))
        for tensor in (ad.zeros((3, 4)), ad.asarray(foreign, copy=False), self.leaves[0] * 2):
            self.tensors.append(tensor)
        self.cells += [
            Cell(np.zeros((3, 4)), np.zeros((3, 4))),
            Cell(foreign.copy(), np.zeros((3, 4)), old=True),
            Cell(2 * self.cells[0].value, 2 * self.cells[0].slope),
        ]
        self.outdated = False  # whether memory was written that graphs refer to: backward may refuse then

    def add(self, tensor: Tensor, cell: Cell) -> None:
        self.tensors.append(tensor)
        self.cells.append(cell)

    def step(self, kind: str, i: int, j: int, k: int) -> None:
        count = len(self.tensors)
        i, j = count - 1 - i % min(count, 7), j % count  # what is written is mostly recent: programs dwell on what they made
        t, u, c, d = self.tensors[i], self.tensors[j], self.cells[i], self.cells[j]
        indices = INDICES.get(c.value.ndim, [...])
        index = indices[k % len(indices)]
        fancies = FANCY.get(c.value.ndim)
        fancy = None if fancies is None else fancies[k % len(fancies)]
        if fancy is not None and not self.fits(c.value, fancy):
            fancy = None
        if not self.fits(c.value, index):
            index = ...
        if kind == "unary":
            f, derivative = UNARY[k % len(UNARY)]
            self.add(f(t), Cell(f(c.value), derivative(c.value) * c.slope))
        elif kind in ("multiply", "add"):
            if broadcasts_to(d.value, c.value.shape):
                if kind == "add":
                    self.add(t + u, Cell(c.value + d.value, c.slope + d.slope))
                else:
                    self.add(t * u, Cell(c.value * d.value, c.slope * d.value + c.value * d.slope))
        elif kind == "index":
            value = c.value[index]
            if isinstance(value, np.ndarray):
                self.add(t[index], Cell(value, c.slope[index], c.refusable, c.old))
            else:
                self.add(t[index], Cell(np.array(value), np.array(c.slope[index])))
        elif kind == "fancy read":
            if fancy is not None:
                self.add(t[fancy], Cell(c.value[fancy], c.slope[fancy]))
        elif kind == "transpose":
            self.add(t.T, Cell(c.value.T, c.slope.T, refusable=True, old=c.old))
        elif kind == "reshape":
            value, slope, made = c.value.reshape(-1), c.slope.reshape(-1), t.reshape(-1)
            # Whether it is a view depends on strides, which are nobody's promise: only where all agree.
            if np.shares_memory(value, c.value) == np.shares_memory(slope, c.slope) == np.shares_memory(made, t):
                self.add(made, Cell(value, slope, refusable=True, old=c.old))
        elif kind == "clone":
            self.add(t.clone(), Cell(c.value.copy(), c.slope.copy()))
        elif kind == "detach":
            self.add(t.detach(), Cell(c.value, np.zeros_like(c.slope), refusable=True, old=c.old))
        elif kind == "index under no_grad":
            value = c.value[index]
            if isinstance(value, np.ndarray):
                with no_grad():
                    self.add(t[index], Cell(value, np.zeros_like(value), refusable=True, old=c.old))
        elif kind in ("assign", "fancy assign", "assign number"):
            at = fancy if kind == "fancy assign" else index
            if at is None:
                return
            if kind == "assign number":
                self.write(c, lambda: t.__setitem__(at, 0.5), lambda: (c.value.__setitem__(at, 0.5), c.slope.__setitem__(at, 0.0)))
            elif broadcasts_to(d.value, np.shape(c.value[at])):
                value, slope = d.value.copy(), d.slope.copy()
                self.write(c, lambda: t.__setitem__(at, u), lambda: (c.value.__setitem__(at, value), c.slope.__setitem__(at, slope)))
        elif kind in ("add in place", "multiply in place"):
            if not broadcasts_to(d.value, c.value.shape):
                return
            if kind == "add in place":
                value, slope = c.value + d.value, c.slope + d.slope
                self.write(c, lambda: t.__iadd__(u), lambda: (c.value.__setitem__(..., value), c.slope.__setitem__(..., slope)))
            else:
                value, slope = c.value * d.value, c.slope * d.value + c.value * d.slope
                self.write(c, lambda: t.__imul__(u), lambda: (c.value.__setitem__(..., value), c.slope.__setitem__(..., slope)))
        elif kind == "sort in place":
            if c.value.ndim:
                order = np.argsort(c.value, axis=-1, kind="stable")
                value, slope = np.take_along_axis(c.value, order, -1), np.take_along_axis(c.slope, order, -1)
                self.write(c, t.sort, lambda: (c.value.__setitem__(..., value), c.slope.__setitem__(..., slope)))
        elif kind == "write under no_grad":
            with no_grad():
                t[index] = 0.25
            c.value[index] = 0.25
            self.outdated |= c.old
        elif kind == "numpy":
            if not c.old:
                array, snapshot = t.numpy(), c.value.copy()
                for other, cell in zip(list(self.tensors), list(self.cells), strict=True):
                    if cell.value.shape == snapshot.shape:
                        self.add(other * array, Cell(cell.value * snapshot, cell.slope * snapshot))
                        break
        elif kind == "drop" and i > 1:
            del self.tensors[i], self.cells[i]

    @staticmethod
    def fits(value: np.ndarray, index: Any) -> bool:
        try:
            value[index]
        except IndexError:
            return False
        return True

    def write(self, cell: Cell, on_tensor: Callable[[], Any], on_model: Callable[[], Any]) -> None:
        try:
            on_tensor()
        except RuntimeError as error:
            assert cell.refusable, "nothing speaks against this write"
            assert "no_grad()" in str(error) or "clone()" in str(error)
        else:
            on_model()
            self.outdated |= cell.old

    def check_values(self) -> None:
        for tensor, cell in zip(self.tensors, self.cells, strict=True):
            assert tensor.shape == cell.value.shape
            assert (np.abs(tensor.numpy() - cell.value) <= 1e-9 * (1 + np.abs(cell.value))).all()

    def check_gradients(self) -> None:
        rng = np.random.default_rng(1)
        weights = [rng.normal(size=cell.value.shape) for cell in self.cells]
        total: Any = sum(((t * w).sum() for t, w in zip(self.tensors, weights, strict=True)), Tensor(0.0))
        expected = sum(float((cell.slope * w).sum()) for cell, w in zip(self.cells, weights, strict=True))
        try:
            recorded = gradients(total, self.leaves, create_graph=True)
            total.backward()
        except RuntimeError as error:
            assert self.outdated
            assert "was changed afterwards" in str(error)
            return
        for found in ([leaf.grad for leaf in self.leaves], recorded):
            slope = sum(float((g.numpy() * direction).sum()) for g, direction in zip(found, self.directions, strict=True))
            np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(20, 30))
def test_random_programs_of_writes_views_and_operations_agree_with_the_model(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    program = Program()
    for _ in range(length):
        program.step(rng.choice(KINDS), *rng.integers(0, 31, size=3).tolist())
        program.check_values()
    program.check_gradients()
