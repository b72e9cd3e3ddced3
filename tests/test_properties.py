"""Laws that hold for all shapes, dtypes and operations, looked for by hypothesis where they might not."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autodiff as ad

from .samples import backward, gradients_of, outputs, random_cotangents
from .test_operations import CASES

settings.register_profile("autodiff", deadline=None, max_examples=80, database=None, print_blob=True)
settings.load_profile("autodiff")

samples = st.sampled_from([tuple(case.values) for case in CASES])
seeds = st.integers(0, 2**32 - 1)
numbers = st.floats(-4, 4, allow_subnormal=False)
ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.floordiv, operator.mod)
BINARY = (np.add, np.subtract, np.multiply, np.divide, np.power, np.hypot, np.logaddexp, np.arctan2, np.maximum, np.minimum)


def positive(seed: int, shape: Any) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


# ------------------------------------------------------------------------------------------------ broadcasting


@given(st.sampled_from(BINARY), hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4, max_side=3), seeds)
def test_gradient_of_broadcasting_is_the_sum_over_the_copies(f: Any, shapes: Any, seed: int) -> None:
    arrays = [positive(seed + i, shape) for i, shape in enumerate(shapes.input_shapes)]
    tensors = [ad.Tensor(a, requires_grad=True) for a in arrays]
    y = f(*tensors)
    assert y.shape == shapes.result_shape
    copies = [ad.Tensor(np.broadcast_to(a, y.shape), requires_grad=True) for a in arrays]
    expected = backward([f(*copies)], copies)
    for tensor, found, whole in zip(tensors, backward([y], tensors), expected, strict=True):
        lead = whole.ndim - tensor.ndim
        summed = whole.sum(tuple(range(lead))).sum(tuple(i for i, n in enumerate(tensor.shape) if n == 1), keepdims=True)
        np.testing.assert_allclose(found, summed.reshape(tensor.shape), rtol=1e-12, atol=1e-13)


@given(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3), seeds)
def test_matmul_of_all_shapes_has_the_transpose_as_its_gradient(shapes: Any, seed: int) -> None:
    """matmul is linear in each argument: <g, d @ b> = <gradient by a, d> for every change d, the same for b."""
    a, b = (positive(seed + i, shape) for i, shape in enumerate(shapes.input_shapes))
    ta, tb = ad.Tensor(a, requires_grad=True), ad.Tensor(b, requires_grad=True)
    y = ta @ tb
    assert y.shape == shapes.result_shape
    (g,) = random_cotangents([y])
    da, db = backward([y], [ta, tb], [g])
    change = np.random.default_rng(seed).standard_normal
    for gradient, array, product in ((da, a, lambda d: d @ b), (db, b, lambda d: a @ d)):
        d = change(array.shape)
        np.testing.assert_allclose(np.sum(gradient * d), np.sum(g * product(d)), rtol=1e-9, atol=1e-9)


@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), st.data())
def test_sum_and_mean_over_any_axes(shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(
        st.none() | hnp.valid_tuple_axes(len(shape)) | (st.integers(-len(shape), len(shape) - 1) if shape else st.none())
    )
    keepdims = data.draw(st.booleans())
    x = positive(0, shape)
    tensor = ad.Tensor(x, requires_grad=True)
    y = np.sum(tensor, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(y.numpy(), np.sum(x, axis=axis, keepdims=keepdims), rtol=1e-13)
    (g,) = random_cotangents([y])
    spread = g if keepdims or axis is None else np.expand_dims(g, axis)
    np.testing.assert_allclose(backward([y], [tensor], [g])[0], np.broadcast_to(spread, shape), rtol=1e-13)


# ------------------------------------------------------------------------------------------------ the chain rule


@given(samples, numbers, numbers, seeds)
def test_rules_are_linear_in_the_incoming_gradient(case: Any, a: float, b: float, seed: int) -> None:
    row, sample = case
    results, _ = gradients_of(row.call, sample, sample.arrays())
    g1, g2 = random_cotangents(results, seed), random_cotangents(results, seed + 1)
    _, d1 = gradients_of(row.call, sample, sample.arrays(), g1)
    _, d2 = gradients_of(row.call, sample, sample.arrays(), g2)
    both = [np.asarray(a * c1 + b * c2) for c1, c2 in zip(g1, g2, strict=True)]
    _, found = gradients_of(row.call, sample, sample.arrays(), both)
    for one, two, sum_ in zip(d1, d2, found, strict=True):
        scale = np.max(np.abs(one), initial=1.0) + np.max(np.abs(two), initial=0.0)
        np.testing.assert_allclose(sum_ / scale, (a * one + b * two) / scale, rtol=0, atol=1e-13)


@given(samples, st.booleans())
def test_gradients_of_several_paths_add_up(case: Any, recorded: bool) -> None:
    """One argument used twice: f(x) and f(x) again, in one graph."""
    row, sample = case
    tensors = [ad.Tensor(a, requires_grad=True) for a in sample.arrays()]
    results = [outputs(row.call(*sample.with_arrays(tensors), **sample.keywords)) for _ in range(2)]
    pairs = [(y1, y2) for y1, y2 in zip(*results, strict=True) if y1.requires_grad]
    if not pairs:
        return
    roots = [y1 + 3.0 * y2 for y1, y2 in pairs]
    cotangents = random_cotangents(roots)
    found = ad.gradients(roots, tensors, cotangents, create_graph=recorded, allow_unused=True)
    _, expected = gradients_of(
        row.call, sample, sample.arrays(), random_cotangents([y for y, _ in pairs]) if len(pairs) == len(results[0]) else None
    )
    for d, once in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.zeros(once.shape) if d is None else d.numpy(), 4 * once, rtol=1e-12, atol=1e-12)


UNARY = (np.sin, np.exp, np.tanh, np.square, np.sqrt, np.log, np.abs, np.negative)


@given(st.lists(st.sampled_from(UNARY), min_size=2, max_size=4), seeds)
def test_gradient_of_a_sum_is_the_sum_of_gradients(functions: list[Any], seed: int) -> None:
    x = positive(seed, (3,))
    tensor = ad.Tensor(x, requires_grad=True)
    total = sum(f(tensor) for f in functions)
    found = backward([total], [tensor], [np.ones(3)])[0]
    parts = [backward([f(t)], [t], [np.ones(3)])[0] for f in functions for t in [ad.Tensor(x, requires_grad=True)]]
    np.testing.assert_allclose(found, np.sum(parts, axis=0), rtol=1e-13)


@given(hnp.array_shapes(max_dims=3, max_side=4), st.data())
def test_gradient_of_any_index_adds_as_often_as_an_element_is_read(shape: tuple[int, ...], data: Any) -> None:
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    index = data.draw(basic | hnp.integer_array_indices(shape, dtype=np.int64) | hnp.arrays(bool, shape))
    x = ad.Tensor(positive(0, shape), requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), x.numpy()[index])
    (g,) = random_cotangents([y])
    expected = np.zeros(shape)
    np.add.at(expected, index, g)
    np.testing.assert_allclose(backward([y], [x], [g])[0], expected, rtol=1e-13)


# ------------------------------------------------------------------------------------------------ NumPy's values and dtypes

DTYPES = ("bool", "int8", "uint8", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128")
dtypes = st.sampled_from(DTYPES)


def operands(dtype: str) -> dict[str, Any]:
    """Return numbers of a dtype in all the ways that they come: array, 0-d array, NumPy scalar, and Python number."""
    array = np.array([1, 2, 3]).astype(dtype)
    python = {"b": True, "i": 3, "u": 3, "f": 1.5, "c": 1.5 + 1j}[array.dtype.kind]
    return {"array": array, "0-d": array[1].reshape(()), "scalar": array.dtype.type(2), "python": python}


# Old versions of NumPy make an integer of any exponent that has __index__, and never ask it.
POWER_ASKS = isinstance(np.ones(1) ** ad.Tensor(2), ad.Tensor)
FORMS = st.sampled_from(("array", "0-d", "scalar", "python"))


@settings(max_examples=400)
@given(st.sampled_from(ARITHMETIC), dtypes, dtypes, st.sampled_from(("array", "0-d")), FORMS, st.booleans(), st.booleans())
def test_promotion_is_that_of_nep_50(f: Any, dtype1: str, dtype2: str, form1: str, form2: str, reflected: bool, both: bool) -> None:
    """A 0-d Tensor is no weak number; a Python number is, on either side. Results have NumPy's dtype and value."""
    x, other = operands(dtype1)[form1], operands(dtype2)[form2]
    theirs = ad.Tensor(other) if both and form2 in ("array", "0-d") else other
    mine = ad.Tensor(x)
    assume(POWER_ASKS or f is not operator.pow or not reflected)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            known = np.power if f is operator.pow else f  # the operator has dtypes of its own for bool ** 2, the function has not
            expected = known(other, x) if reflected else known(x, other)
        except (TypeError, ValueError, OverflowError):
            with pytest.raises((TypeError, ValueError, OverflowError)):
                f(theirs, mine) if reflected else f(mine, theirs)
            return
        found = f(theirs, mine) if reflected else f(mine, theirs)
    assert isinstance(found, ad.Tensor)
    assert found.dtype == np.asarray(expected).dtype
    precision = {"float16": 2e-3, "float32": 1e-6, "complex64": 1e-6}.get(str(found.dtype), 1e-14)
    np.testing.assert_allclose(found.numpy(), expected, rtol=precision)


@settings(max_examples=200)
@given(st.sampled_from(BINARY), dtypes, dtypes, FORMS, FORMS)
def test_numpy_functions_promote_as_on_arrays(f: Any, dtype1: str, dtype2: str, form1: str, form2: str) -> None:
    x1, x2 = operands(dtype1)[form1], operands(dtype2)[form2]
    wrapped = [ad.Tensor(x) if form in ("array", "0-d") else x for x, form in ((x1, form1), (x2, form2))]
    if not any(isinstance(x, ad.Tensor) for x in wrapped):
        return
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            expected = f(x1, x2)
        except (TypeError, ValueError, OverflowError):
            with pytest.raises((TypeError, ValueError, OverflowError)):
                f(*wrapped)
            return
        found = f(*wrapped)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3 if found.dtype == "float16" else 1e-6)


@given(st.sampled_from(ARITHMETIC), st.sampled_from(("float16", "float32", "float64")), dtypes, FORMS, st.booleans())
def test_gradients_have_the_dtype_of_their_argument(f: Any, dtype: str, other_dtype: str, form: str, reflected: bool) -> None:
    x, other = ad.Tensor(operands(dtype)["array"], requires_grad=True), operands(other_dtype)[form]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            y = f(other, x) if reflected else f(x, other)
        except TypeError:  # floor_divide and remainder of complex numbers
            assert "complex" in other_dtype
            return
        cotangent = np.ones(y.shape, y.dtype)
        assert ad.gradients(y, x, cotangent).dtype == x.dtype
        assert ad.gradients(f(other, x) if reflected else f(x, other), x, cotangent, create_graph=True).dtype == x.dtype


@given(
    hnp.arrays(
        st.sampled_from(("float32", "float64")),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        elements=st.floats(-9, 9, width=32),
    )
)
def test_values_are_numpys_whatever_the_shape(x: np.ndarray) -> None:
    for f in (
        np.negative,
        np.sin,
        np.exp,
        np.tanh,
        np.floor,
        np.sign,
        np.square,
        np.ravel,
        np.transpose,
        np.flip,
        np.cumsum,
        np.sum,
        np.mean,
        np.prod,
    ):
        if x.size == 0 and f is np.mean:
            continue  # a mean of nothing is nan, with a warning
        with np.errstate(all="ignore"):
            found, expected = f(ad.Tensor(x, requires_grad=True)), f(x)
        assert found.dtype == np.asarray(expected).dtype
        np.testing.assert_array_equal(found.numpy(), expected)
