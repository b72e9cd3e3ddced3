"""Containers."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
import nn


def test_modules_are_called_in_order_also_twice() -> None:
    double = nn.Linear(1, 1)
    double.load_state_dict({"weight": [[2.0]], "bias": [0.0]})
    model = nn.Sequential(double, nn.ReLU(), double, double)
    assert model(ad.Tensor([3.0])).tolist() == [24.0]
    assert len(list(model.parameters())) == 2
    assert nn.Sequential()(ad.Tensor([3.0])).tolist() == [3.0]


def test_names_come_from_a_mapping() -> None:
    model = nn.Sequential({"first": nn.Linear(2, 3), "act": nn.Tanh()})
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.act is model[1] is model[-1]


def test_indexing_slicing_appending_iterating() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).append(nn.Linear(3, 1))
    assert len(model) == 3
    assert [type(module).__name__ for module in model] == ["Linear", "ReLU", "Linear"]
    assert model[:2](ad.Tensor(np.ones(2))).shape == (3,)
    assert model[:2][0] is model[0]
    with pytest.raises(IndexError, match="index 5, but there are 3 modules"):
        model[5]


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'1' is the class ReLU; make it a module: ReLU\(...\)"):
        nn.Sequential(nn.Linear(2, 3), nn.ReLU)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'0' must be a Module, got ndarray"):
        nn.Sequential(np.ones(3))  # type: ignore[arg-type]


def test_a_slice_keeps_the_names() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    assert list(model[1:].state_dict()) == ["2.weight", "2.bias"]  # as PyTorch does


def test_append_never_replaces() -> None:
    model = nn.Sequential({"1": nn.Linear(2, 2)}).append(nn.ReLU())
    assert [name for name, _ in model.named_children()] == ["1", "2"]
    part = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))[1:].append(nn.ReLU())
    assert len(part) == 3
