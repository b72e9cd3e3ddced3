"""Reading and writing with every kind of index that NumPy knows: values, gradients of every order, and clear errors."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import autodiff as ad
from autodiff import Tensor, check_grads

SHAPE = (3, 4, 2)
ARRAY = np.random.default_rng(0).normal(size=SHAPE)
MASK = ARRAY > 0
INDICES: dict[str, Any] = {
    # basic
    "int": 1, "negative": -1, "numpy int": np.int64(2), "ints": (1, 2), "all ints": (0, 1, 1), "slice": slice(1, 3),
    "step": slice(None, None, 2), "backwards": slice(None, None, -1), "backwards with bounds": slice(2, 0, -2),
    "beyond": slice(1, 99), "empty slice": slice(2, 1), "slices": (slice(None), slice(1, 3), 0), "ellipsis": ...,
    "ellipsis last": (0, ...), "ellipsis first": (..., 1), "ellipsis middle": (0, ..., 1),
    "all ints and ellipsis": (0, 1, 1, ...), "newaxis": None, "newaxes": (None, slice(None), None, 1, ..., None),
    "empty tuple": (),
    # integer arrays
    "list": [0, 2], "repeated": [1, 1, 0], "negative in list": [-1, 0], "array": np.array([2, 0, 2]),
    "array 2-d": np.array([[0, 1], [2, 2]]), "nested list": [[0, 1], [1, 0]], "unsigned": np.array([1, 0], dtype=np.uint8),
    "empty list": [], "empty array": np.zeros((0,), int), "empty 2-d": np.zeros((2, 0), int), "0-d array": np.array(1),
    "pair of arrays": ([0, 1, 0], [1, 1, 1]), "broadcast arrays": (np.array([[0], [2]]), np.array([1, 3, 1])),
    "three arrays": ([0, 0], [1, 1], [1, 0]), "open mesh": np.ix_([0, 2], [3, 0]),
    # boolean
    "mask": MASK, "mask of the first axis": np.array([True, False, True]), "mask as a list": [True, False, True],
    "mask 2-d": MASK[..., 0], "empty mask": np.zeros(SHAPE, bool), "full mask": np.ones(3, bool), "true": True, "false": False,
    "numpy true": np.True_, "true and int": (True, 1),
    # mixed
    "array and int": ([0, 1], 2), "array and slice": ([2, 0], slice(1, 3)), "slice and array": (slice(None), [3, 0, 3]),
    "arrays apart": ([0, 2], slice(None), [1, 0]), "array, ellipsis, int": ([0, 2], ..., 1),
    "array and newaxis": ([0, 1], None, [1, 2]), "mask and int": (np.array([True, False, True]), 1),
    "mask and slice": (slice(1, None), np.array([True, False, True, True])),
    "mask and array": (np.array([True, False, True]), [1, 1]), "newaxis and mask": (None, np.array([True, True, False])),
}  # fmt: skip


def as_tensors(index: Any) -> Any:
    """Return the index with Tensors in place of arrays and lists."""
    if isinstance(index, tuple):
        return tuple(as_tensors(part) for part in index)
    if isinstance(index, list):
        return Tensor(index, dtype=None if index else int)
    return Tensor(index) if isinstance(index, (np.ndarray, np.generic)) else index


@pytest.mark.parametrize("name", INDICES)
def test_reading_agrees_with_numpy_and_has_its_gradient(name: str) -> None:
    index = INDICES[name]
    expected = ARRAY[index]
    for given_index in (index, as_tensors(index)):
        result = Tensor(ARRAY)[given_index]
        assert type(result) is Tensor
        assert result.shape == np.shape(expected)
        np.testing.assert_array_equal(result.numpy(), expected)
        check_grads(lambda x, i=given_index: x[i] * x[i], ARRAY, order=2)


@pytest.mark.parametrize("name", INDICES)
def test_writing_agrees_with_numpy_and_has_its_gradient(name: str) -> None:
    index = INDICES[name]
    value = np.random.default_rng(1).normal(size=np.shape(ARRAY[index]))
    expected = ARRAY.copy()
    expected[index] = value

    def write(x: Any, value: Any, index: Any = index) -> Any:
        y = x * x
        y[index] = value * value
        return y * y

    squares = ARRAY * ARRAY
    squares[index] = value * value
    np.testing.assert_array_equal(write(Tensor(ARRAY), Tensor(value)).numpy(), squares * squares)
    check_grads(write, ARRAY, value, order=2)
    check_grads(lambda x, v: write(x, v, as_tensors(index)), ARRAY, value, order=1)


@pytest.mark.parametrize("name", INDICES)
def test_in_place_arithmetic_on_a_part(name: str) -> None:
    index = INDICES[name]

    def update(x: Any) -> Any:
        y = x * 1
        y[index] *= y[index]
        y[index] += 2.0
        return y

    expected = ARRAY.copy()
    expected[index] *= expected[index]
    expected[index] += 2.0
    np.testing.assert_array_equal(update(Tensor(ARRAY)).numpy(), expected)
    check_grads(update, ARRAY, order=1)


def test_indices_of_zero_dimensional_tensors() -> None:
    for index in ((), ..., None, (None, ...), True, False):
        np.testing.assert_array_equal(Tensor(2.0)[index].numpy(), np.array(2.0)[index])
        check_grads(lambda x, index=index: x[index] * x[index], np.array(2.0))


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_basic_or_advanced_index(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    advanced = hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))
    index = data.draw(st.one_of(basic, advanced))
    array = np.random.default_rng(0).normal(size=shape)
    weight = np.random.default_rng(1).normal(size=np.shape(array[index]))
    x = Tensor(array, requires_grad=True)
    part = x[index]
    np.testing.assert_array_equal(part.numpy(), array[index])
    expected = np.zeros(shape)
    np.add.at(expected, index, weight)
    if part.size:
        (part * weight).sum().backward()
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-14, atol=1e-14)
    y = x * 1
    y[index] = weight
    written = array.copy()
    written[index] = weight
    np.testing.assert_array_equal(y.numpy(), written)
    (g,) = ad.gradients(y.sum(), [x])
    kept = np.ones(shape)
    kept[index] = 0
    np.testing.assert_array_equal(g.numpy(), kept)


def test_many_rows_of_a_table_named_repeatedly() -> None:
    table, rows = np.random.default_rng(0).normal(size=(5, 3)), np.random.default_rng(1).integers(-5, 5, size=(20, 10))
    x = Tensor(table, requires_grad=True)
    weight = np.random.default_rng(2).normal(size=(20, 10, 3))
    (x[rows] * weight).sum().backward()
    expected = np.zeros((5, 3))
    np.add.at(expected, rows, weight)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12)


def test_an_index_that_changes_later_does_no_harm_where_the_library_can_know() -> None:
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    positions = Tensor([0, 1])
    positions[0] = 2  # from here on its writes go in place
    names = [2, 1]
    parts = x[positions] + x[names]
    y = x * 1
    y[positions] = 0.0
    positions[0] = 0
    names[0] = 0
    (parts.sum() + y.sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 2.0, 2.0]


def test_results_of_argmax_and_comparisons_are_indices() -> None:
    x = Tensor([[1.0, 5.0, 2.0], [7.0, 3.0, 4.0]], requires_grad=True)
    assert x[0, x[0].argmax()].item() == 5.0
    assert x[[0, 1], x.argmax(axis=1)].tolist() == [5.0, 7.0]
    assert x[x > 3].tolist() == [5.0, 7.0, 4.0]
    assert x[x.nonzero()].tolist() == [1.0, 5.0, 2.0, 7.0, 3.0, 4.0]
    x[x > 3].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]


def test_a_zero_dimensional_tensor_index_reads_a_view_as_an_int_does() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    x[Tensor(1)][...] = 0.0
    assert x.tolist() == [[1.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (7, IndexError, r"index 7 is out of bounds for axis 0 with size 3 \(given 'x' \(3, 4, 2\) float64"),
        ((0, 0, 0, 0), IndexError, "too many indices"), ([0, 9], IndexError, "index 9 is out of bounds"),
        (np.ones(5, bool), IndexError, "boolean index did not match"), (1.5, IndexError, "only integers, slices"),
        ("a", IndexError, "only integers, slices"), ([0.5], IndexError, "must be of integer"),
        (Tensor([0.5], name="i"), IndexError, r"a Tensor used as an index must hold integers or booleans, the one 'i'"),
        (["a"], TypeError, r"indexing: expected numbers, got \['a'\]"), (([0, 1], [0, 1, 2]), IndexError, "shape"),
    ],
)
def test_wrong_indices_are_refused_in_the_callers_words(index: Any, error: type[Exception], words: str) -> None:
    x = Tensor(ARRAY, requires_grad=True, name="x")
    with pytest.raises(error, match=words):
        x[index]
    y = x * 1
    y.name = "x"
    with pytest.raises(error, match=words if "given" not in words else "item assignment: index 7 is out of bounds"):
        y[index] = 0.0
    np.testing.assert_array_equal(y.numpy(), ARRAY)


def test_deleting_an_item_is_not_possible() -> None:
    x = Tensor([1.0])
    with pytest.raises(TypeError, match="deletion"):
        del x[0]
