"""Parameters as one vector, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.utils import parameters_to_vector, vector_to_parameters


def test_there_and_back_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    vector = parameters_to_vector(ours.parameters())
    np.testing.assert_array_equal(vector.numpy(), torch.nn.utils.parameters_to_vector(theirs.parameters()).detach().numpy())
    values = np.arange(8, dtype=np.float32)
    vector_to_parameters(ad.Tensor(values), ours.parameters())
    torch.nn.utils.vector_to_parameters(torch.tensor(values), theirs.parameters())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.detach().numpy())


def test_the_vector_is_recorded() -> None:
    layer = nn.Linear(3, 2)
    (parameters_to_vector(layer.parameters()) * np.arange(8.0)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_parameters_stay_the_same_and_the_write_is_logged() -> None:
    layer = nn.Linear(3, 2)
    weight, data = layer.weight, layer.weight._data
    y = layer(ad.Tensor(np.ones((1, 3), np.float32), requires_grad=True)).sum()
    vector_to_parameters(np.zeros(8), layer.parameters())
    assert layer.weight is weight
    assert weight._data is data
    with pytest.raises(RuntimeError, match="changed afterwards, by vector_to_parameters"):
        y.backward()


def test_a_vector_that_lies_in_the_parameters_themselves() -> None:
    p = nn.Parameter([1.0, 2.0, 3.0])
    vector_to_parameters(p.detach()[::-1], [p])
    assert p.tolist() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: vector_to_parameters(np.zeros(7), m.parameters()), ValueError, r"expected a vector of shape \(8,\).*got \(7,\)"),
        (lambda m: vector_to_parameters(np.zeros((8, 1)), m.parameters()), ValueError, r"got \(8, 1\)"),
        (lambda m: vector_to_parameters(np.zeros(8, complex), m.parameters()), TypeError, "the vector has dtype complex128"),
        (lambda m: vector_to_parameters(np.zeros(8), m), TypeError, r"got Linear; give its parameters\(\)"),
        (lambda m: vector_to_parameters(np.zeros(8), [1]), TypeError, "expected Tensors, got int among them"),
        (lambda m: parameters_to_vector([]), ValueError, "there are no parameters"),
        (lambda m: parameters_to_vector(m.weight), TypeError, "expected several parameters, got Parameter"),
    ],
)
def test_refusals_change_nothing(call: Any, error: type[Exception], message: str) -> None:
    layer = nn.Linear(3, 2)
    before = parameters_to_vector(layer.parameters()).tolist()
    with pytest.raises(error, match=message):
        call(layer)
    assert parameters_to_vector(layer.parameters()).tolist() == before
