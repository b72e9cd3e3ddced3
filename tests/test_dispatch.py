"""NumPy called with Tensors: it records, it looks, or it refuses in its own name; nothing leaves the graph in silence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, check_grads, no_grad
from autodiff.dispatch import ACCUMULATE, REDUCE, WRITERS
from autodiff.recording import UFUNCS

ARRAY = np.array([[0.4, 1.6, -0.3], [2.2, 0.25, 0.8]])


def tracked() -> Tensor:
    return Tensor(ARRAY, requires_grad=True, name="x")


# ------------------------------------------------------------------------------------------------ what records


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sin(x), lambda x: np.concatenate([x, x], axis=1), lambda x: np.concatenate([x, ARRAY]),
        lambda x: np.stack((x, x)), lambda x: np.mean(x, axis=0), lambda x: np.einsum("ij->j", x),
        lambda x: np.where(ARRAY > 0, x, 0.0), lambda x: np.sort(x), lambda x: np.clip(x, 0, 1),
        lambda x: np.clip(x, a_min=0, a_max=None), lambda x: np.linalg.norm(x), lambda x: np.broadcast_to(x, (2, 2, 3)),
        lambda x: np.dot(x, ARRAY.T), lambda x: np.matmul(ARRAY.T, x), lambda x: np.outer(x, x),
        lambda x: np.max(x, axis=1, keepdims=True), lambda x: ARRAY * x, lambda x: ARRAY - x, lambda x: np.float64(2) / (x + 3),
        lambda x: np.add(x, ARRAY), lambda x: np.copy(x), lambda x: np.power(x + 3, 2), lambda x: np.reshape(x, (3, 2)),
        lambda x: np.reshape(x, 6, order="F"), lambda x: np.ravel(x), lambda x: np.transpose(x), lambda x: np.sum(x, axis=(0, 1)),
        lambda x: np.take_along_axis(x, np.array([[0], [2]]), 1), lambda x: np.pad(x, 1), lambda x: np.round(x) + x,
        lambda x: np.var(x, ddof=1), lambda x: np.cumsum(x, axis=1),
    ],
)  # fmt: skip
def test_numpys_functions_record(f: Callable[[Any], Any]) -> None:
    result = f(tracked())
    assert type(result) is Tensor
    assert result.requires_grad
    np.testing.assert_array_equal(result.numpy(), f(ARRAY))
    check_grads(f, ARRAY)


@pytest.mark.parametrize("function", REDUCE)
@pytest.mark.parametrize(
    "arguments", [{}, {"axis": 1}, {"axis": (0, 1)}, {"axis": None}, {"axis": -1, "keepdims": True}, {"dtype": None}]
)
def test_reduce_records(function: np.ufunc, arguments: dict[str, Any]) -> None:
    def f(x: Any) -> Any:
        return function.reduce(x, **arguments)

    result = f(tracked())
    assert result.requires_grad
    np.testing.assert_allclose(result.numpy(), f(ARRAY), rtol=1e-14)
    check_grads(f, ARRAY)


def test_reduce_takes_its_axis_by_position() -> None:
    np.testing.assert_array_equal(np.add.reduce(tracked(), 1).numpy(), ARRAY.sum(1))
    np.testing.assert_array_equal(np.multiply.accumulate(tracked(), 1).numpy(), ARRAY.cumprod(1))


@pytest.mark.parametrize("function", ACCUMULATE)
@pytest.mark.parametrize("arguments", [{}, {"axis": 1}, {"axis": -1}])
def test_accumulate_records(function: np.ufunc, arguments: dict[str, Any]) -> None:
    def f(x: Any) -> Any:
        return function.accumulate(x, **arguments)

    np.testing.assert_array_equal(f(tracked()).numpy(), f(ARRAY))
    check_grads(f, ARRAY)


BINARY = [f for f, call in UFUNCS.items() if f.nin == 2 and hasattr(call, "operation") and f.signature is None]


@pytest.mark.parametrize("function", [*BINARY, np.power], ids=lambda f: f.__name__)
def test_outer_records_for_every_binary_operation(function: np.ufunc) -> None:
    a, b = np.array([1.3, 2.6]), np.array([[0.7], [1.9]])
    for f in (lambda a, b: function.outer(a, b), lambda a, b: function.outer(b, a)):
        result = f(Tensor(a, requires_grad=True), Tensor(b))
        assert result.requires_grad
        np.testing.assert_array_equal(result.numpy(), f(a, b))
        if function not in (np.floor_divide, np.remainder, np.heaviside):  # these jump
            check_grads(f, a, b)
    x = Tensor(a, requires_grad=True)
    np.testing.assert_array_equal(np.multiply.outer([1.0, 2.0], x).numpy(), np.multiply.outer([1.0, 2.0], a))
    np.testing.assert_array_equal(np.multiply.outer(x, 3.0).numpy(), a * 3)


def test_every_binary_operation_of_the_library_is_among_them() -> None:
    names = {f.__name__ for f in BINARY}
    assert {"add", "subtract", "multiply", "divide", "maximum", "minimum", "arctan2", "hypot", "logaddexp"} <= names


# ------------------------------------------------------------------------------------------------ what is refused, by its name

halves = np.frompyfunc(lambda v: v / 2, 1, 1)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: np.linalg.inv(x[:, :2]), r"np.linalg.inv has no derivative; declare one with autodiff.elementwise or"),
        (lambda x: np.fft.fft(x), r"np.fft.fft has no derivative"),
        (lambda x: np.unique(x), r"np.unique has no derivative: it looks at values alone; .* numpy\(\) or detach\(\)"),
        (lambda x: np.histogram(x), r"np.histogram has no derivative: it looks"),
        (lambda x: np.save("nowhere", x), r"np.save has no derivative: it looks"),
        (lambda x: np.savez("nowhere", x=x), r"np.savez has no derivative: it looks"),
        (lambda x: np.bincount(np.arange(3), weights=x[0]), r"np.bincount has no derivative; declare one"),
        (lambda x: np.linspace(0, x[0, 0], 3), r"np.linspace has no derivative"),
        (lambda x: np.modf(x), r"np.modf has no derivative"),
        (lambda x: np.nextafter(x, 1), r"np.nextafter has no derivative"),
        (lambda x: halves(x), r"the ufunc '.*vectorized.*' has no derivative"),
        (lambda x: np.subtract.reduce(x), r"np.subtract.reduce has no derivative"),
        (lambda x: np.divide.accumulate(x), r"np.divide.accumulate has no derivative"),
        (lambda x: np.add.reduceat(x, [0, 1]), r"np.add.reduceat has no derivative"),
        (lambda x: np.add.reduce(x, where=ARRAY > 0), r"np.add.reduce: where= is not .*; use autodiff.where on the argument"),
        (lambda x: np.add.reduce(x, initial=3.0), r"np.add.reduce has no derivative"),
        (lambda x: np.add(x, 1, where=ARRAY > 0), r"np.add: where= is not supported .*; use autodiff.where on the result"),
        (lambda x: np.add(x, 1, dtype=np.float32), r"np.add: dtype= is not supported .* use astype"),
        (lambda x: np.add(x, 1, casting="no"), r"np.add: casting= is not supported"),
        (lambda x: np.add(x, 1, out=np.zeros((2, 3))), r"np.add: a tracked Tensor .* into an ndarray .* array = array \+"),
        (lambda x: np.add(x, 1, out=ad.zeros((2, 3))), r"np.add: out= is not supported with a tracked Tensor; assign the result"),
        (lambda x: np.add(1, 1, out=x), r"np.add: out= is not supported"),
        (lambda x: np.add.reduce(x, out=np.zeros(3)), r"np.add.reduce: a tracked Tensor cannot be written into an ndarray"),
        (lambda x: np.add.at(x, [0], 1.0), r"np.add.at writes into its argument, .* use autodiff.scatter_add, or item"),
        (lambda x: np.add.at(np.zeros((2, 3)), [0], x[0]), r"np.add.at writes into its argument"),
        (lambda x: np.sum(x, where=ARRAY > 0), r"sum\(\) takes no argument 'where'; it takes x, axis"),
        (lambda x: np.sum(x, out=np.zeros(())), r"sum: out= is not supported"),
        (lambda x: np.concatenate([x, x], out=np.zeros((4, 3))), r"concatenate: out= is not supported"),
        (lambda x: np.copyto(np.zeros((2, 3)), x), r"np.copyto writes into an array, where a tracked .*; use item"),
        (lambda x: np.fill_diagonal(x, 0), r"np.fill_diagonal writes into an array"),
        (lambda x: np.full_like(x, x[0, 0]), r"full_like: .*tracked"),
        (lambda x: np.full_like(ARRAY, x[0, 0]), r"np.copyto writes into an array"),
    ],
)
def test_what_has_no_derivative_raises_and_names_itself(f: Callable[[Any], Any], words: str) -> None:
    x = tracked()
    with pytest.raises((TypeError, ValueError), match=words):
        f(x)
    assert x.tolist() == ARRAY.tolist()


def test_ufuncs_of_other_libraries_are_refused_under_their_own_name() -> None:
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    with pytest.raises(TypeError, match="the ufunc 'erf' has no derivative; declare one"):
        special.erf(tracked())
    np.testing.assert_array_equal(special.erf(Tensor(ARRAY)).numpy(), special.erf(ARRAY))
    erf = ad.elementwise(special.erf, lambda g, x: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x))
    try:
        check_grads(special.erf, ARRAY)  # now it dispatches
    finally:
        del UFUNCS[special.erf]
        from autodiff.recording import OPERATIONS

        del OPERATIONS[erf.operation.name]


# ------------------------------------------------------------------------------------------------ untracked, everything runs


@pytest.mark.parametrize("switch", ["untracked", "no_grad"])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.subtract.reduce(x), lambda x: np.divide.accumulate(x), lambda x: np.add.reduceat(x, [0, 1], axis=1),
        lambda x: np.add.reduce(x, where=ARRAY > 0), lambda x: np.add(x, 1, dtype=np.float32),
        lambda x: np.add(x, 1, out=np.zeros((2, 3))), lambda x: np.add(x, 1, where=ARRAY > 0, out=np.zeros((2, 3))),
        lambda x: np.modf(x), lambda x: np.frexp(x), lambda x: np.divmod(x, 2), lambda x: np.linalg.inv(x[:, :2]),
        lambda x: np.unique(x), lambda x: np.histogram(x), lambda x: np.sum(x, where=ARRAY > 0),
        lambda x: np.sum(x, axis=1, out=np.zeros(2)), lambda x: np.max(x, initial=9.0), lambda x: np.rot90(x),
        lambda x: np.atleast_3d(x), lambda x: np.cov(x), lambda x: np.percentile(x, [25, 50]), lambda x: np.nan_to_num(x),
        lambda x: np.linalg.eigh(x[:, :2] @ x[:, :2].T), lambda x: np.multiply.outer(x, x), lambda x: np.meshgrid(x[0], x[1]),
        lambda x: np.broadcast_arrays(x, x[0]), lambda x: np.linspace(0, x[0, 0], 3), lambda x: np.ones_like(x),
        lambda x: np.shape(x), lambda x: np.isclose(x, ARRAY),
    ],
)  # fmt: skip
def test_everything_runs_where_nothing_is_recorded(f: Callable[[Any], Any], switch: str) -> None:
    expected = f(ARRAY)
    if switch == "untracked":
        result = f(Tensor(ARRAY))
    else:
        with no_grad():
            result = f(tracked())
    for part, other in zip(parts(result), parts(expected), strict=True):
        assert not getattr(part, "requires_grad", False)
        np.testing.assert_array_equal(np.asarray(part), np.asarray(other))


def parts(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def test_named_results_keep_their_names() -> None:
    values, vectors = np.linalg.eigh(Tensor(np.eye(2)))
    assert type(values) is type(vectors) is Tensor
    assert np.linalg.eigh(Tensor(np.eye(2))).eigenvalues.tolist() == [1.0, 1.0]


def test_objects_stay_numpys() -> None:
    result = halves(Tensor([1.0, 2.0]))
    assert type(result) is np.ndarray
    assert result.dtype == object
    assert result.tolist() == [0.5, 1.0]


def test_results_that_numpy_makes_views_are_copies_so_that_later_writes_disturb_nobody() -> None:
    base = ad.zeros(4)
    base[0] = 1.0
    turned = np.rot90(base[None])
    wide = np.atleast_2d(base)
    same = np.atleast_1d(base)
    mesh = np.ix_(Tensor([0, 1]))
    w = Tensor(np.ones(4), requires_grad=True)
    loss = (w * wide + w * same).sum()
    base[1] = 9.0
    for copied in (turned, wide, same, *mesh):
        assert 9.0 not in copied.numpy()
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [2.0, 0.0, 0.0, 0.0]


def test_out_on_an_untracked_tensor_writes_that_tensor_its_base_and_nothing_that_was_saved() -> None:
    w = Tensor(np.ones(3), requires_grad=True)
    base = Tensor(np.arange(6.0).reshape(2, 3))
    row = base[1]
    loss = (w * row).sum()
    assert np.multiply(row, 10.0, out=row) is row
    assert base.tolist() == [[0.0, 1.0, 2.0], [30.0, 40.0, 50.0]]
    assert np.sum(base, axis=0, out=row) is row
    assert base.tolist() == [[0.0, 1.0, 2.0], [30.0, 41.0, 52.0]]
    assert np.add.reduce(base, axis=0, out=row) is row
    np.add.at(base, (0, [0, 0]), 1.0)
    assert base[0].tolist() == [2.0, 1.0, 2.0]
    np.copyto(row, [1.0, 2.0, 3.0])
    np.copyto(dst=row, src=Tensor([1.0, 2.0, 4.0]))
    np.fill_diagonal(base, 7.0)
    np.put(base, [5], 8.0)
    assert base.tolist() == [[7.0, 1.0, 2.0], [1.0, 7.0, 8.0]]
    fraction, whole = np.modf(Tensor([1.5]), out=(None, row[:1]))
    assert fraction.tolist() == [0.5]
    assert whole.tolist() == [1.0]
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3.0, 4.0, 5.0]


def test_out_on_a_view_of_something_tracked_is_refused() -> None:
    y = tracked() * 1
    with pytest.raises(RuntimeError, match=r"np.add with out=: this tensor is a constant \(made by detach\) that shares memory"):
        np.add(1.0, 1.0, out=y.detach())
    constant = y.detach()
    constant.name = "c"
    del y
    np.add(1.0, 1.0, out=constant)
    assert constant.tolist() == [[2.0] * 3] * 2
    mixed = ad.zeros((2, 3))
    row = mixed[0]
    mixed[1] = tracked()[1]
    with pytest.raises(RuntimeError, match=r"np.add with out=: the tensor is tracked; use item assignment"):
        np.add(1.0, 1.0, out=row)
    leaf = tracked()
    with pytest.raises(RuntimeError, match=r"shares memory with the tensor 'x' of shape \(2, 3\)"):
        np.add(1.0, 1.0, out=leaf.detach()[:1])


def test_every_writer_of_numpy_is_known() -> None:
    x = ad.zeros((2, 2))
    for function, name in WRITERS.items():
        with pytest.raises(TypeError):
            function(**{name: x, "nonsense": 1})
    np.place(x, np.eye(2, dtype=bool), [5.0])
    np.putmask(x, x.numpy() == 0, 1.0)
    np.put_along_axis(x, np.array([[0], [0]]), 3.0, axis=1)
    assert x.tolist() == [[3.0, 1.0], [3.0, 5.0]]


def test_in_place_operators_of_arrays() -> None:
    array = ARRAY.copy()
    array += Tensor(ARRAY)
    np.testing.assert_array_equal(array, 2 * ARRAY)
    assert type(array) is np.ndarray
    with pytest.raises(TypeError, match=r"np.add: a tracked Tensor cannot be written into an ndarray"):
        array += tracked()
    with no_grad():
        array -= tracked()
    np.testing.assert_array_equal(array, ARRAY)


# ------------------------------------------------------------------------------------------------ silent ways out


@pytest.mark.parametrize(
    "leave",
    [
        lambda x: np.array(x), lambda x: np.asarray(x), lambda x: np.array([x, x]), lambda x: np.array([x[0, 0], x[0, 1]]),
        lambda x: np.array([[x]]), lambda x: np.full(2, x[0, 0]), lambda x: np.zeros((2, 3)).__setitem__(slice(None), x),
        lambda x: np.zeros((2, 3)).__setitem__(0, x[0]), lambda x: np.random.default_rng(0).normal(loc=x),
        lambda x: np.add(np.zeros(1), [x[0, 0]]), lambda x: Tensor(x), lambda x: Tensor([x, x]), lambda x: ad.full(2, x[0, 0]),
        lambda x: ad.zeros(2).__setitem__(0, [x[0, 0]]), lambda x: Tensor(1.0) * [x[0, 0]],
        lambda x: np.concatenate([ARRAY[0], [x[0, 0]]]), lambda x: ad.asarray([x[0, 0]]),
        lambda x: np.where(x, 1.0, 2.0), lambda x: np.asarray(x, dtype=np.float32), lambda x: np.array(x, copy=False),
    ],
)  # fmt: skip
def test_a_tracked_tensor_does_not_become_an_array_in_silence(leave: Callable[[Tensor], Any]) -> None:
    x = tracked()
    with pytest.raises((TypeError, ValueError)) as error:
        leave(x)
    text = str(error.value)
    assert any(word in text for word in ("detach()", "stack", "numpy()", "clone()", "buffer", "broadcast_to")), text


def test_the_error_says_whom_and_how() -> None:
    words = r"a tracked Tensor 'x' of shape \(2, 3\) would leave the graph here, .*: use numpy\(\) or detach\(\) .*stack"
    with pytest.raises(TypeError, match=words):
        np.asarray(tracked())


def test_the_open_ways_out_always_work() -> None:
    x = tracked()
    items = [[v.item() for v in row] for row in x]
    for value in (x.numpy(), x.detach().numpy(), np.asarray(x.detach()), np.array(x.tolist()), np.array(items)):
        np.testing.assert_array_equal(value, ARRAY)
    np.testing.assert_array_equal(ad.stack([x, x]).numpy(), np.stack([ARRAY, ARRAY]))
