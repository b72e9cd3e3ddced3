"""Making tensors: NumPy's names, values and dtypes, copies where they are due, nothing tracked lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad

SAME: dict[str, tuple[Any, Any]] = {
    "zeros": (ad.zeros((2, 3)), np.zeros((2, 3))),
    "zeros of a dtype": (ad.zeros(3, np.float32), np.zeros(3, np.float32)),
    "ones": (ad.ones(2, int), np.ones(2, int)),
    "full": (ad.full((2,), 7), np.full((2,), 7)),
    "full of an array": (ad.full((2, 2), np.array([1.5, 2.5])), np.full((2, 2), np.array([1.5, 2.5]))),
    "full of a Tensor": (ad.full(2, ad.Tensor(1.5)), np.full(2, 1.5)),
    "arange": (ad.arange(3), np.arange(3)),
    "arange of floats": (ad.arange(0.5, 2, 0.25), np.arange(0.5, 2, 0.25)),
    "arange of a dtype": (ad.arange(1, 4, dtype=np.float32), np.arange(1, 4, dtype=np.float32)),
    "linspace": (ad.linspace(0, 1, 5), np.linspace(0, 1, 5)),
    "linspace without its end": (ad.linspace(0, 1, 4, np.float32, endpoint=False), np.linspace(0, 1, 4, False, dtype=np.float32)),
    "eye": (ad.eye(2), np.eye(2)),
    "eye off the diagonal": (ad.eye(2, 3, 1, int), np.eye(2, 3, 1, int)),
    "zeros_like": (ad.zeros_like(ad.Tensor([1.0, 2.0], np.float32)), np.zeros(2, np.float32)),
    "ones_like": (ad.ones_like([1, 2], float), np.ones(2)),
    "full_like": (ad.full_like(ad.Tensor([1.0, 2.0]), 3), np.full(2, 3.0)),
    "np.zeros_like": (np.zeros_like(ad.Tensor([1.0], requires_grad=True)), np.zeros(1)),
    "np.full_like": (np.full_like(ad.Tensor([1.0], requires_grad=True), 2, shape=(3,)), np.full(3, 2.0)),
}


@pytest.mark.parametrize("name", SAME)
def test_values_and_dtypes_are_those_of_numpy(name: str) -> None:
    found, expected = SAME[name]
    assert isinstance(found, ad.Tensor)
    assert not found.requires_grad
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.numpy(), expected, strict=True)


def test_empty_has_the_shape_and_dtype() -> None:
    assert (ad.empty((2, 3), np.float32).shape, ad.empty((2, 3), np.float32).dtype) == ((2, 3), np.float32)


@pytest.mark.parametrize("make", [ad.zeros, ad.ones, lambda n, **k: ad.full(n, 1.0, **k), lambda n, **k: ad.linspace(0, 1, n, **k)])
def test_a_made_tensor_can_ask_for_a_gradient(make: Any) -> None:
    made = make(3, requires_grad=True)
    assert made.is_leaf
    (made * 2).sum().backward()
    assert made.grad.tolist() == [2.0, 2.0, 2.0]


def test_integers_cannot_ask_for_a_gradient() -> None:
    with pytest.raises(TypeError, match="only floating and complex numbers have a gradient"):
        ad.arange(3, requires_grad=True)


def test_a_tracked_fill_value_is_refused() -> None:
    value = ad.Tensor(2.0, requires_grad=True)
    for make in (lambda: ad.full(3, value), lambda: ad.full_like(np.ones(3), value), lambda: np.full_like(ad.Tensor([1.0]), value)):
        with pytest.raises(TypeError, match=r"a tracked fill value would leave the graph here; use broadcast_to"):
            make()


def test_asarray_copies_what_is_no_tensor_and_returns_what_is_one() -> None:
    array, tensor = np.zeros(3), ad.Tensor([1.0])
    made = ad.asarray(array)
    array[0] = 7
    assert made.tolist() == [0.0, 0.0, 0.0]
    assert ad.asarray(tensor) is tensor
    assert ad.asarray(tensor, float) is tensor
    assert ad.asarray(tensor, copy=True) is not tensor
    assert ad.asarray(tensor, np.float32).dtype == np.float32
    assert ad.asarray([1, 2], float).dtype == np.float64


def test_asarray_keeps_the_graph() -> None:
    x = ad.Tensor([1.0, 2.0], requires_grad=True)
    ad.asarray(x * 3, np.float32).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_asarray_shares_memory_only_where_it_can() -> None:
    array = np.zeros(3)
    shared = ad.asarray(array, copy=False)
    array[1] = 5
    assert shared.tolist() == [0.0, 5.0, 0.0]
    with pytest.raises(ValueError, match="only an ndarray of the wanted dtype can be shared"):
        ad.asarray([1.0], copy=False)
    with pytest.raises(ValueError, match="only an ndarray of the wanted dtype can be shared"):
        ad.asarray(array, np.float32, copy=False)
    with pytest.raises(ValueError, match="from float64 to float32 needs a copy, but copy=False"):
        ad.asarray(ad.Tensor([1.0]), np.float32, copy=False)


def test_stop_gradient_makes_a_constant_of_both_kinds() -> None:
    x = ad.Tensor([2.0], requires_grad=True)
    assert not ad.stop_gradient(x).requires_grad
    array = np.ones(2)
    assert ad.stop_gradient(array) is array
