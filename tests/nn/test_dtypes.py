"""`to(dtype)`, `float()`, `double()`, `half()`: in place, with gradients, and optimizers that go on."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn


class Mixed(nn.Module):
    """Parameters and buffers of every kind of number, one of each tied."""

    def __init__(self) -> None:
        self.layer = nn.Linear(3, 2)
        self.twin = nn.Linear(3, 2, bias=False)
        self.twin.weight = self.layer.weight
        self.phase = nn.Parameter(np.ones(2, np.complex64))
        self.register_buffer("mean", ad.Tensor([0.5]))
        self.register_buffer("count", ad.Tensor(3))
        self.register_buffer("hidden", ad.Tensor([True]), persistent=False)
        self.register_buffer("nothing", None)


def dtypes(model: nn.Module) -> dict[str, str]:
    return {name: str(value.dtype) for name, value in [*model.named_parameters(), *model.named_buffers()]}


@pytest.mark.parametrize("dtype", [np.float64, "float16", "f4", np.dtype(float), float, np.complex128, ad.Tensor([1.0])])
def test_floating_numbers_are_cast_and_others_stay(dtype: Any) -> None:
    model = Mixed()
    before = {id(value) for value in [*model.parameters(), *model.buffers()]}
    assert model.to(dtype) is model
    wanted = dtype.dtype if isinstance(dtype, ad.Tensor) else np.dtype(dtype)
    assert dtypes(model) == {
        "phase": "complex128" if wanted.kind == "c" else "complex64",
        "layer.weight": str(wanted),
        "layer.bias": str(wanted),
        "mean": str(wanted),
        "count": "int64",
        "hidden": "bool",
    }
    assert {id(value) for value in [*model.parameters(), *model.buffers()]} == before
    assert model.twin.weight is model.layer.weight
    assert all(parameter.is_leaf and parameter.requires_grad for parameter in model.parameters())


def test_the_three_words() -> None:
    model = nn.Linear(2, 1)
    for word, dtype in (("double", np.float64), ("half", np.float16), ("float", np.float32)):
        assert getattr(model, word)() is model
        assert model.weight.dtype == dtype
        y = model(np.ones((1, 2)))  # type: ignore[arg-type]
        y.sum().backward()
        assert y.dtype == dtype
        assert model.weight.grad is not None
        assert model.weight.grad.dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        (int, "floating or complex numbers, expected such a dtype, got int64"),
        ("flaot32", "unknown dtype 'flaot32'"),
        (bool, "got bool"),
    ],
)
def test_other_dtypes_are_refused_and_nothing_is_changed(dtype: Any, message: str) -> None:
    model = Mixed()
    before = dtypes(model)
    with pytest.raises(TypeError, match=message):
        model.to(dtype)
    assert dtypes(model.to("cpu")) == before


def test_to_takes_a_device_and_a_dtype_as_in_pytorch() -> None:
    for model in (
        Mixed().to("cpu", "float64"), Mixed().to(device="cpu", dtype=float), Mixed().to(dtype="float64"), Mixed().cpu().to(float)
    ):  # fmt: skip
        assert dtypes(model)["layer.weight"] == "float64"
    for given in ({"device": "cuda:0"}, {"dtype": "float64", "device": "mps"}):
        model = Mixed()
        with pytest.raises(ValueError, match=r"there is no device '(cuda:0|mps)'; everything here runs on the processor, 'cpu'"):
            model.to(**given)
        assert dtypes(model)["layer.weight"] == "float32"
    with pytest.raises(TypeError, match="expected one dtype, got 2"):
        Mixed().to("float32", dtype="float64")
    with pytest.raises(ValueError, match="there is no device 'cuda'"):
        Mixed().to("cuda", np.float64)


def test_gradients_are_cast_and_add_up() -> None:
    layer = nn.Linear(2, 1)
    layer(np.ones((1, 2))).sum().backward()  # type: ignore[arg-type]
    layer.double()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == np.float64
    layer(np.ones((1, 2))).sum().backward()  # type: ignore[arg-type]
    assert layer.weight.grad.tolist() == [[2.0, 2.0]]
    assert layer.weight.grad.dtype == np.float64


def test_a_graph_recorded_before_still_leads_to_the_parameter() -> None:
    layer = nn.Linear(2, 1)
    y = layer(np.array([[1.0, 2.0]])).sum()  # type: ignore[arg-type]
    layer.double()
    y.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[1.0, 2.0]]
    assert layer.weight.grad.dtype == np.float64


def test_hooks_names_and_freezing_stay() -> None:
    layer, seen = nn.Linear(2, 1), []
    layer.weight.register_hook(lambda g: seen.append(g.dtype))
    assert layer.bias is not None
    layer.bias.requires_grad_(False)
    layer.double()
    layer(np.ones((1, 2))).sum().backward()  # type: ignore[arg-type]
    assert seen == [np.float64]
    assert layer.weight.name == "weight"
    assert not layer.bias.requires_grad


def test_what_shared_the_memory_keeps_the_old_values() -> None:
    parameter = nn.Parameter([1.0, 2.0])
    constant, view = parameter.detach(), parameter[0]
    module = nn.Module()
    module.parameter = parameter
    module.double()
    with ad.no_grad():
        parameter[...] = 7.0
        constant[0] = 5.0
        view[...] = 6.0
    assert parameter.tolist() == [7.0, 7.0]
    assert constant.dtype == view.dtype == np.float32
    assert constant.tolist()[1] == 2.0
    del constant, view
    gc.collect()
    (parameter * 2).sum().backward()
    assert parameter.grad is not None
    assert parameter.grad.tolist() == [2.0, 2.0]


def test_a_buffer_that_is_a_view_or_a_result() -> None:
    source = ad.Tensor([1.0, 2.0], requires_grad=True)
    module = nn.Module()
    module.register_buffer("view", ad.Tensor([1.0, 2.0])[1:])
    module.register_buffer("result", source * 2)
    module.to(np.float32)
    assert dtypes(module) == {"view": "float32", "result": "float32"}
    module.result.sum().backward()
    assert source.grad is not None
    assert source.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_optimizers_follow_as_in_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    options = {"lr": 0.05, **({"momentum": 0.9} if name == "SGD" else {})}
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    one = getattr(nn.optim, name)(ours.parameters(), **options)
    two = getattr(torch.optim, name)(theirs.parameters(), **options)
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    for step in range(12):
        if step == 3:
            ours.double(), theirs.double()
            if name == "Adam":  # PyTorch leaves its state in float32, and refuses to go on with it
                for state in two.state.values():
                    state.update({key: value.double() for key, value in state.items() if key != "step"})
            else:
                for state in two.state.values():
                    state["momentum_buffer"] = state["momentum_buffer"].double()
        one.zero_grad(), two.zero_grad()
        (ours(x) ** 2).mean().backward()
        (theirs(torch.tensor(x, dtype=next(theirs.parameters()).dtype)) ** 2).mean().backward()
        one.step(), two.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=2e-5, atol=2e-6)  # three steps were in float32
