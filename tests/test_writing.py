"""Item assignment and in-place operators: right values and gradients, in whatever order things are written and read.

The strongest test here runs random programs twice: on Tensors, and on a model that carries, next to each NumPy array, the
array of its derivatives along one direction. NumPy's own views say which elements a write reaches.
"""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import autodiff as ad
from autodiff import Tensor, chain_rule, check_grads, declaration, gradients, memory, no_grad, recording
from autodiff.ops import indexing


class Cell:
    """A tensor of the model: values, derivatives along the direction, and why a recorded write to it may be refused."""

    def __init__(self, value: np.ndarray, slope: np.ndarray, refusable: bool = False, old: bool = False):
        self.value, self.slope, self.refusable, self.old = np.asarray(value), np.asarray(slope), refusable, old

    def set(self, index: Any, value: Any, slope: Any) -> None:
        self.value[index] = value
        self.slope[index] = slope


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
                self.write(c, lambda: t.__setitem__(at, 0.5), lambda: c.set(at, 0.5, 0.0))
            elif broadcasts_to(d.value, np.shape(c.value[at])):
                value, slope = d.value.copy(), d.slope.copy()
                self.write(c, lambda: t.__setitem__(at, u), lambda: c.set(at, value, slope))
        elif kind in ("add in place", "multiply in place"):
            if not broadcasts_to(d.value, c.value.shape):
                return
            if kind == "add in place":
                value, slope = c.value + d.value, c.slope + d.slope
                self.write(c, lambda: t.__iadd__(u), lambda: c.set(..., value, slope))
            else:
                value, slope = c.value * d.value, c.slope * d.value + c.value * d.slope
                self.write(c, lambda: t.__imul__(u), lambda: c.set(..., value, slope))
        elif kind == "sort in place":
            if c.value.ndim:
                order = np.argsort(c.value, axis=-1, kind="stable")
                value, slope = np.take_along_axis(c.value, order, -1), np.take_along_axis(c.slope, order, -1)
                self.write(c, t.sort, lambda: c.set(..., value, slope))
        elif kind == "write under no_grad":
            if c.old and k % 5:
                return  # an outdated graph ends what a program can show
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
        except (IndexError, DeprecationWarning):  # NumPy before 2.1 only warns where the part is empty
            return False
        return True

    def write(self, cell: Cell, on_tensor: Callable[[], Any], on_model: Callable[[], Any]) -> None:
        refusal = None
        try:
            on_tensor()
        except RuntimeError as error:
            refusal = str(error)
        if refusal is None:
            on_model()
            self.outdated |= cell.old
        else:
            assert cell.refusable, "nothing speaks against this write"
            assert "no_grad()" in refusal or "clone()" in refusal

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
            if self.outdated and "was changed afterwards" in str(error):
                return
            raise
        for found in ([leaf.grad for leaf in self.leaves], recorded):
            slope = sum(float((g.numpy() * direction).sum()) for g, direction in zip(found, self.directions, strict=True))
            np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-9)


def run_random_program(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    program = Program()
    for _ in range(length):
        program.step(str(rng.choice(KINDS)), *rng.integers(0, 31, size=3).tolist())
        program.check_values()
    program.check_gradients()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), length=st.integers(20, 30))
def test_random_programs_of_writes_views_and_operations_agree_with_the_model(seed: int, length: int) -> None:
    run_random_program(seed, length)


@pytest.mark.slow
def test_a_thousand_random_programs_agree_with_the_model() -> None:
    for seed in range(1000):
        run_random_program(seed, 25)


# ------------------------------------------------------------------------------------------------ one order after the other


def leaf(*values: float, name: str | None = None) -> Tensor:
    return Tensor(list(values), requires_grad=True, name=name)


def test_writing_a_result_leaves_alone_what_its_operation_saved() -> None:
    x = leaf(1.0, 2.0)
    y = np.exp(x)
    y[0] = 0
    assert y.tolist() == [0.0, np.exp(2.0)]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, np.exp(2.0)]


def test_in_place_addition_leaves_alone_what_was_saved_of_a_clone() -> None:
    x = leaf(1.0, 2.0)
    x2 = x * 1
    y = x2 * x2
    x2 += 1
    assert y.tolist() == [1.0, 4.0]
    (y + x2).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 5.0]


def test_values_read_before_a_write_keep_their_value_and_gradient() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    before = y * y
    y[0] = 10.0
    between = y * y
    y[0] = x[2]
    after = y * y
    (before + between + after).sum().backward()
    assert before.tolist() == [1.0, 4.0, 9.0]
    assert between.tolist() == [100.0, 4.0, 9.0]
    assert after.tolist() == [9.0, 4.0, 9.0]
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 12.0, 24.0]


@pytest.mark.parametrize("start", [np.zeros((5, 3)), np.full((5, 3), np.nan)], ids=["zeros", "nan"])
def test_rows_filled_in_a_loop_that_reads_earlier_rows(start: np.ndarray) -> None:
    def recurrence(weight: Any, first: Any) -> Any:
        rows = Tensor(start)
        rows[0] = first
        for t in range(1, 5):
            rows[t] = np.tanh(rows[t - 1] @ weight)
        return rows

    rng = np.random.default_rng(0)
    check_grads(recurrence, rng.normal(size=(3, 3)), rng.normal(size=3), order=2)


def test_rows_written_again_while_earlier_readings_live_on() -> None:
    def f(x: Any) -> Any:
        memory = ad.zeros((2, 3))
        total = 0.0
        for t in range(4):
            memory[t % 2] = np.sin(x * (t + 1)) + memory[(t + 1) % 2]
            total = total + memory * memory
        return total

    check_grads(f, np.array([0.1, 0.2, 0.3]), order=2)


def test_writing_inside_a_function_under_grad_and_to_second_order() -> None:
    def f(x: Any) -> Any:
        y = x**3
        y[0] = 0
        y[1:] *= x[:-1]
        return y.sum()

    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(ad.grad(f)(x), [8.0, 12.0 + 27.0, 54.0])
    check_grads(f, x, order=3)


def test_a_view_of_a_view_writes_its_base_and_both_have_the_gradient() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = ad.zeros((2, 3))
    row = y[1]
    tail = row[1:]
    tail[0] = x[0] * 10
    assert y.tolist() == [[0.0, 0.0, 0.0], [0.0, 10.0, 0.0]]
    assert row.tolist() == [0.0, 10.0, 0.0]
    for shown in (y.sum(), row.sum(), tail.sum()):
        (g,) = gradients(shown, [x], retain_graph=True)
        assert g.tolist() == [10.0, 0.0, 0.0]


def test_a_write_to_the_base_reaches_every_kind_of_view() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1
    kinds: list[Callable[[Any], Any]] = [
        lambda y: y[1:3], lambda y: y[:2], lambda y: y.reshape(2, 2), lambda y: y.reshape(2, 2).T[1:], lambda y: y[None], ad.flip,
        lambda y: ad.split(y, 2)[0], lambda y: y[::2][:1], lambda y: ad.broadcast_to(y, (2, 4)), lambda y: y[0, ...],
    ]  # fmt: skip
    views = [kind(y) for kind in kinds]
    constant = y.detach()
    y[0] = x[3] * 2
    weights = np.array([1.0, 10.0, 100.0, 1000.0])
    for kind, view in zip(kinds, views, strict=True):
        np.testing.assert_array_equal(view.numpy(), kind(np.array([8.0, 2.0, 3.0, 4.0])))
        again = kind(y)
        weight = weights[: view.size].reshape(view.shape) if view.size <= 4 else 1.0
        (found,), (expected,) = (gradients((v * weight).sum(), [x], retain_graph=True) for v in (view, again))
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert constant.tolist() == [8.0, 2.0, 3.0, 4.0]
    assert not constant.requires_grad


def test_a_view_may_be_written_after_its_base_was_replaced_by_an_in_place_operation() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    view = y[:1]
    y *= 3
    view += 10
    assert y.tolist() == [13.0, 6.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 3.0]


def test_item_in_place_is_carried_out_once() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    y[0] += 1
    y[1:] *= x[1:]
    y[[0, 0]] += 5  # as in NumPy: once
    y[0, ...] -= 1
    assert y.tolist() == [7.0, 8.0, 18.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 8.0, 12.0]


def test_assigning_a_tensor_to_itself_changes_nothing_and_a_constant_of_itself_cuts_the_gradient() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    y[...] = y
    y[:1] = y[:1]
    y[:1] = y.detach()[:1]
    assert y.tolist() == [3.0, 6.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 3.0]
    z = x * 3
    z[...] = z.detach()
    with no_grad():
        part = x[:1]
        x[:1] = part
    z.sum().backward()
    assert x.grad.tolist() == [0.0, 3.0]


def test_a_shifted_assignment_within_one_tensor_reads_before_it_writes() -> None:
    def shift(x: Any) -> Any:
        y = x * 1
        y[1:] = y[:-1]
        return y * y

    check_grads(shift, np.array([1.0, 2.0, 3.0, 4.0]))
    assert shift(Tensor([1.0, 2.0, 3.0])).tolist() == [1.0, 1.0, 4.0]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (1, 1, 3), (2, 3), (1, 2, 3), (2, 1)])
def test_assigned_values_broadcast_as_in_numpy_leading_axes_of_length_one_included(shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).normal(size=shape)
    expected = np.zeros((2, 3))
    expected[...] = value

    def f(v: Any) -> Any:
        y = ad.zeros((2, 3))
        y[...] = v
        return y

    np.testing.assert_array_equal(f(Tensor(value)).numpy(), expected)
    check_grads(f, value)


def test_one_element_takes_a_tensor_of_one_element_of_any_shape() -> None:
    x = leaf(3.0)
    y = ad.zeros(2)
    y[0] = x
    y[1] = x[None, None]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0]


def test_values_are_cast_to_the_tensor_and_gradients_back() -> None:
    x = Tensor([1.5, 2.5], requires_grad=True)
    y = ad.zeros(2, dtype=np.float32)
    y[...] = x
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float64
    counts = Tensor([1, 2])
    counts[0] = 2.9  # as NumPy: a constant is cut to the dtype
    assert counts.tolist() == [2, 2]


def test_an_in_place_result_of_higher_precision_is_cast_to_the_tensor() -> None:
    x = leaf(1.5, 2.5)
    for single in (ad.zeros(2, dtype=np.float32), ad.zeros((2, 2), dtype=np.float32)[0]):
        single += x
        assert single.dtype == np.float32
        (g,) = gradients(single.sum(), [x])
        assert g.dtype == np.float64
        assert g.tolist() == [1.0, 1.0]


def test_the_real_part_assigned_to_its_own_complex_tensor_is_another_value() -> None:
    z = Tensor([1 + 2j])
    with no_grad():
        z[...] = z.real
    assert z.tolist() == [1 + 0j]


def test_assignment_of_untracked_values_of_every_kind() -> None:
    y = ad.zeros((2, 2))
    for value in (1, 2.5, True, np.float32(3), np.array(4), [5, 6], ((7, 8), (9, 10)), Tensor([11.0, 12.0]), [Tensor(1.0), 2.0]):
        y[...] = value
        np.testing.assert_array_equal(y.numpy(), np.broadcast_to(np.array(value, dtype=float), (2, 2)))


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**=", "//=", "%="])
def test_every_in_place_operator_agrees_with_its_operator(symbol: str) -> None:
    def in_place(x: Any, other: Any) -> Any:
        scope = {"y": x * 1, "other": other}
        exec(f"before = y; y {symbol} other; assert y is before", scope)
        return scope["y"]

    def apart(x: Any, other: Any) -> Any:
        return eval(f"x {symbol[:-1]} other", {"x": x, "other": other})

    x, other = np.array([[1.5, 2.5], [3.25, 4.5]]), np.array([2.0, 1.25])
    np.testing.assert_array_equal(in_place(Tensor(x), other).numpy(), apart(x, other))
    for second in (other, Tensor(other), 2.0):
        leaves = [Tensor(x, requires_grad=True), Tensor(x, requires_grad=True)]
        for f, variable in zip((in_place, apart), leaves, strict=True):
            f(variable, second).sum().backward()
        assert leaves[0].grad is not None
        assert leaves[1].grad is not None
        np.testing.assert_array_equal(leaves[0].grad.numpy(), leaves[1].grad.numpy())


def test_in_place_matrix_product() -> None:
    x = Tensor(np.eye(2) * 3, requires_grad=True)
    y = x * 1
    y @= np.array([[0.0, 1.0], [1.0, 0.0]])
    assert y.tolist() == [[0.0, 3.0], [3.0, 0.0]]
    y[0].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("symbol", ["&=", "|=", "^=", "<<=", ">>="])
def test_bitwise_in_place_operators_write_the_same_tensor_and_its_base(symbol: str) -> None:
    array, other = np.array([6, 3, 5]), np.array([1, 2])
    tensor = Tensor(array)
    scope: dict[str, Any] = {"a": array[1:], "t": tensor[1:], "other": other}
    exec(f"a {symbol} other; t {symbol} other", scope)
    assert tensor.tolist() == array.tolist()


def test_sort_and_fill_in_place() -> None:
    x = leaf(3.0, 1.0, 2.0)
    y = x * x
    y.sort()
    assert y.tolist() == [1.0, 4.0, 9.0]
    (y * Tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [600.0, 2.0, 40.0]
    z = x * 1
    z.fill(x[1])
    z.sum().backward(inputs=x)
    assert x.grad.tolist() == [600.0, 5.0, 40.0]


# ------------------------------------------------------------------------------------------------ duplicates, empties


def test_an_element_named_twice_keeps_the_gradient_of_the_write_that_lasts() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = ad.zeros(2)
    y[[0, 0, 1]] = x
    assert y.tolist() == [2.0, 3.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0]


def test_writing_nothing_changes_nothing() -> None:
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    y = x * 2
    y[...] = 5.0
    y[np.array([], dtype=int)] = np.zeros((0, 3))
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (0, 3)


# ------------------------------------------------------------------------------------------------ what is refused, and the way out


@pytest.mark.parametrize(
    ("view", "how"),
    [
        (lambda y: y.T, "transpose"),
        (lambda y: y.reshape(4), "reshape"),
        (lambda y: y.reshape(4)[1:], "reshape"),
        (lambda y: y.swapaxes(0, 1), "swapaxes"),
        (lambda y: ad.split(y, 2)[0], "split"),
        (lambda y: ad.flip(y), "flip"),
        (lambda y: ad.expand_dims(y, 0), "expand_dims"),
    ],
)
def test_a_recorded_write_through_a_view_of_another_kind_is_refused_and_changes_nothing(view: Any, how: str) -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x * 1
    y.name = "y"
    part = view(y)
    with pytest.raises(RuntimeError, match=rf"a view made by {how}; .* not supported. Write to the tensor .* or to a copy \(clone"):
        part[0] = 7.0
    with pytest.raises(RuntimeError, match=rf"in-place \+=: this tensor is a view made by {how}"):
        part += 1
    assert y.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    way_out = part.clone()
    way_out[0] = 7.0
    untracked = Tensor([[1.0, 2.0], [3.0, 4.0]])
    view(untracked)[...] = 7.0
    assert 7.0 in untracked.numpy()  # nothing is recorded: carried out
    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    view(array)[...] = 7.0
    np.testing.assert_array_equal(untracked.numpy(), array)


def test_a_tracked_value_through_a_reshaped_view_of_an_untracked_tensor_is_refused_too() -> None:
    y = ad.zeros(4)
    with pytest.raises(RuntimeError, match="a view made by reshape"):
        y.reshape(2, 2)[0] = leaf(1.0, 2.0)
    assert y.tolist() == [0.0] * 4


def test_writes_to_leaves_are_refused_while_recording() -> None:
    x = leaf(1.0, 2.0, name="weights")
    for write in (
        lambda: x.__setitem__(0, 5.0), lambda: x.__iadd__(1.0), lambda: x[:1].__setitem__(0, 5.0), lambda: x.detach().fill(3.0),
        lambda: x.sort(), lambda: x.T.__imul__(2.0),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"(leaf|tensor) 'weights'.*no_grad\(\)"):
            write()
    assert x.tolist() == [1.0, 2.0]


def test_a_write_to_a_leaf_under_no_grad_is_in_place_and_an_older_graph_notices() -> None:
    x = leaf(1.0, 2.0, name="weights")
    memory = x.numpy()
    y = (x * x).sum()
    z = (x + 1).sum()
    with no_grad():
        x[0] = 5.0
    assert memory.tolist() == [5.0, 2.0]
    words = r"'multiply' \(shape \(2,\)\) saved was changed afterwards, by item assignment to the .*'weights'"
    with pytest.raises(RuntimeError, match=words):
        y.backward()
    z.backward()  # an addition needs no values
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]
    (x * x).sum().backward()
    assert x.grad.tolist() == [11.0, 5.0]


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda x: x.__isub__(0.5), "in-place -="),
        (lambda x: x[1:].__imul__(0.5), r"in-place \*="),
        (lambda x: x.detach().__setitem__(0, 1.0), "item assignment"),
        (lambda x: x.fill(0.0), r"fill\(\)"),
        (lambda x: np.multiply(x, 0.5, out=x), r"np.multiply with out="),
        (lambda x: np.add.at(x, [0], 1.0), "np.add.at"),
    ],
)
def test_every_way_to_write_a_leaf_under_no_grad_is_noticed(write: Any, words: str) -> None:
    x = leaf(1.0, 2.0, name="weights")
    y = (x * x).sum()
    with no_grad():
        write(x)
    with pytest.raises(RuntimeError, match=rf"changed afterwards, by {words} .*'weights'"):
        y.backward()


def test_a_write_beside_what_was_saved_disturbs_nobody() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = (x[:2] * x[:2]).sum()
    with no_grad():
        x[2:] = 0.0
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0, 0.0, 0.0]


def test_very_many_writes_are_remembered_together() -> None:
    x = Tensor(np.ones(1500), requires_grad=True)
    y = (x[:10] * x[:10]).sum()
    with no_grad():
        for i in range(1500):
            x[i] = 2.0
    with pytest.raises(RuntimeError, match="changed afterwards"):
        y.backward()


def test_a_constant_that_shares_memory_with_a_living_tracked_tensor_is_not_written_while_recording() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    constant = y.detach()
    for write in (lambda: constant.__setitem__(0, 5.0), lambda: constant.__iadd__(x), lambda: constant[1:].__imul__(2)):
        with pytest.raises(RuntimeError, match=r"constant \(made by detach\) that shares memory with the tensor of shape \(2,\)"):
            write()
    with no_grad():
        constant[0] = 5.0
    assert y.tolist() == [5.0, 2.0]
    del y
    constant[1] = x[0] * 3  # nobody is left whose gradient would be wrong
    constant.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 0.0]


def test_a_view_taken_under_no_grad_stays_a_constant() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    with no_grad():
        part = y[:1]
    y[0] = x[1] * 3
    assert part.tolist() == [6.0]
    assert not part.requires_grad
    with pytest.raises(RuntimeError, match=r"made by getitem under no_grad\(\)"):
        part[0] = 1.0


def test_what_does_not_fit_is_said_and_changes_nothing() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    y.name = "y"
    whole = Tensor([1, 2, 3], name="counts")
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: y.__setitem__(0, 1j), TypeError, r"complex values do not fit into the tensor 'y' of dtype float64; take .real"),
        (lambda: whole.__setitem__(0, x[0]), TypeError, "'counts' of dtype int64 cannot hold tracked values"),
        (lambda: whole.__itruediv__(2), TypeError, r"in-place /=: a result of dtype float64 .* 'counts' .*; use x = x / ..."),
        (lambda: whole.__ifloordiv__(2.0), TypeError, r"use x = x // ..."),
        (lambda: y.__iadd__(np.ones((3, 2))), ValueError, r"in-place \+=: the result has shape \(3, 2\), .* 'y' of shape \(2,\)"),
        (lambda: y.__setitem__(slice(None), [1.0, 2.0, 3.0]), ValueError, r"item assignment: .*\(2,\)"),
        (lambda: y.__setitem__(5, 1.0), IndexError, r"item assignment: index 5 is out of bounds .*'y' \(2,\)"),
        (lambda: y.__setitem__(0, "a"), TypeError, r"item assignment: expected numbers, got 'a'"),
        (lambda: y.__setitem__(0, [x]), TypeError, r"autodiff.stack"),
        (lambda: ad.broadcast_to(whole, (2, 3)).fill(1), ValueError, r"a view made by broadcast_to and cannot be written"),
    ]
    for write, kind, words in cases:
        with pytest.raises(kind, match=words):
            write()
    assert y.tolist() == [1.0, 2.0]
    assert whole.tolist() == [1, 2, 3]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


def test_an_unknown_operand_gets_its_turn() -> None:
    y = Tensor([1.0])
    with pytest.raises(TypeError, match="unsupported operand"):
        y += "a"


# ------------------------------------------------------------------------------------------------ graphs, hooks, lifetimes


def test_retained_gradients_follow_the_value_and_hooks_stay_with_what_they_were_registered_on() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    y.retain_grad()
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y[0] = 0.0
    (y * 3).sum().backward()
    assert y.grad is not None
    assert y.grad.tolist() == [3.0, 3.0]
    assert seen == [[0.0, 3.0]]


def test_an_intermediate_input_of_gradients_is_not_spoilt_by_the_write_before_it() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    y[0] = 0.0
    loss = (y[1:] * 3).sum() + y[0] * 5
    by_y, by_x = gradients(loss, [y, x])
    assert by_y.tolist() == [5.0, 3.0, 3.0]
    assert by_x.tolist() == [0.0, 6.0, 6.0]


def test_writes_under_trace_are_recorded_with_value_and_line() -> None:
    x = leaf(1.0, 2.0)
    with ad.trace() as seen:
        y = x * 1
        y[0] = x[1] * 3
    (record,) = (node.notes.record for node in seen.nodes if node.operation.name == "setitem")
    assert record.value.tolist() == [6.0, 2.0]
    assert record.inputs[0].tolist() == [1.0, 2.0]
    assert record.source.split(":")[0].endswith("test_writing.py")
    y.sum().backward()
    assert record.gradient.tolist() == [1.0, 1.0]


def test_a_detached_tensor_does_not_keep_the_graph_alive() -> None:
    x = leaf(1.0, 2.0)
    y = np.exp(x)
    node = weakref.ref(y._node)
    constant = y.detach()
    del y
    assert node() is None
    assert constant.shape == (2,)


def test_reading_in_a_loop_does_not_pile_up_views() -> None:
    y = ad.zeros((10, 3))
    for _ in range(1000):
        y[3]
    assert len(y._memory.sharers) < 50


def test_a_leaf_made_of_a_view_has_memory_of_its_own_and_its_views_follow_it() -> None:
    z = ad.zeros(4)
    view = z[:2]
    part = view[:1]
    other = z[1:]
    view.requires_grad_()
    with no_grad():
        part[0] = 5.0
        other[0] = 7.0
    assert view.tolist() == [5.0, 0.0]
    assert z.tolist() == [0.0, 7.0, 0.0, 0.0]
    (view * view).sum().backward()
    assert view.grad is not None
    assert view.grad.tolist() == [10.0, 0.0]


def test_a_detached_leaf_of_its_own_is_independent() -> None:
    y = leaf(1.0, 2.0) * 3
    own = y.detach().requires_grad_()
    with no_grad():
        own += 1
    assert y.tolist() == [3.0, 6.0]
    assert own.tolist() == [4.0, 7.0]


def test_a_tensor_that_needs_no_gradient_any_more_is_written_apart_from_older_graphs() -> None:
    x = leaf(1.0, 2.0)
    w = leaf(3.0, 4.0)
    y = (x * w).sum()
    x.requires_grad_(False)
    x[0] = 100.0
    y.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------------------------ cost


class CountingNumPy:
    """NumPy, counting the bytes of the arrays that it makes or copies."""

    def __init__(self) -> None:
        self.bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def array(self, *args: Any, **kwargs: Any) -> Any:
        made = np.array(*args, **kwargs)
        self.bytes += made.nbytes
        return made

    def zeros(self, *args: Any, **kwargs: Any) -> Any:
        made = np.zeros(*args, **kwargs)
        self.bytes += made.nbytes
        return made


def bytes_moved(work: Callable[[int], Any], rows: int, monkeypatch: pytest.MonkeyPatch) -> int:
    counting = CountingNumPy()

    def counted(tensor: Any) -> np.ndarray:
        array = memory.kept(tensor)
        counting.bytes += array.nbytes if array is not tensor._data else 0
        return array

    with monkeypatch.context() as patch:
        for module in (chain_rule, indexing):
            patch.setattr(module, "np", counting)
        for module in (declaration, recording):
            patch.setattr(module, "kept", counted)
        work(rows)
    return counting.bytes


def fill(rows: int) -> None:
    x = Tensor(np.ones(100), requires_grad=True)
    table = ad.zeros((rows, 100))
    for i in range(rows):
        table[i] = x * i
    table.sum().backward()


def fill_from_earlier_rows(rows: int) -> None:
    x = Tensor(np.ones(100), requires_grad=True)
    table = ad.zeros((rows, 100))
    table[0] = x
    for i in range(1, rows):
        table[i] = table[i - 1] * x
    (table * table).sum().backward()


def read_rows(rows: int) -> None:
    x = Tensor(np.ones((rows, 100)), requires_grad=True)
    total: Any = 0.0
    for row in x:
        total = total + (row * row).sum()
    total.backward()


@pytest.mark.parametrize("work", [fill, fill_from_earlier_rows, read_rows])
def test_filling_and_reading_by_rows_is_linear_forward_and_backward(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    once, twice = bytes_moved(work, 100, monkeypatch), bytes_moved(work, 200, monkeypatch)
    assert 0 < twice <= 2.1 * once
    tracemalloc.start()
    try:
        peaks = []
        for rows in (100, 200):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            work(rows)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert peaks[1] <= 2.2 * peaks[0]


# ------------------------------------------------------------------------------------------------ corners


def test_kernels_keep_what_they_were_given_when_it_is_written_later() -> None:
    @ad.fused(forward=lambda x: (x * x, x), backward=lambda g, kept, needs: (2 * g * kept,))
    def squared(x: Any) -> Any:
        return x * x

    try:
        w = leaf(1.0, 2.0)
        y = ad.zeros(2)
        y[...] = w  # from here on its writes go in place
        total = squared(y).sum() + squared(y[:1]).sum()
        y[...] = 100.0
        total.backward()
    finally:
        del recording.OPERATIONS["squared"]
    assert w.grad is not None
    assert w.grad.tolist() == [4.0, 4.0]


def test_views_of_nothing_and_of_everything_move_with_their_base() -> None:
    for base in (ad.zeros(4), ad.zeros((0, 3)), ad.zeros(()), ad.zeros((2, 3)).T, Tensor(np.zeros((4, 4), dtype=">f8"))):
        views = [base[...], base[None], base.T, base.T.reshape(base.shape[::-1]), ad.broadcast_to(base, (2, *base.shape))]
        views.append(base.detach())
        if base.ndim:
            views += [base[:0], base[len(base) :], base[::-1], base[::-1][:1]]
        base[...] = 7.0
        for view in views:
            assert (view.numpy() == 7.0).all()
            assert np.shares_memory(view, base) or not view.size
        assert views[0].numpy().flags.aligned


def test_a_write_that_fails_midway_leaves_values_and_gradients() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    view = y[:1]
    for index, value in (([0, 5], 1.0), (slice(None), [1.0, 2.0, 3.0]), ((0, 0), 1.0)):
        with pytest.raises((IndexError, ValueError)):
            y[index] = value
    assert y.tolist() == [1.0, 2.0]
    y[0] = 3.0
    assert view.tolist() == [3.0]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0]
