"""Parametrizations, weight and spectral normalisation: PyTorch's names, numbers and trajectories."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.utils.parametrizations import spectral_norm, weight_norm
from nn.utils.parametrize import cached, is_parametrized, register_parametrization, remove_parametrizations


class Symmetric(nn.Module):
    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return (x + x.T) / 2


class Scaled(nn.Module):
    """Learns a scale, and can be undone."""

    def __init__(self, scale: float = 2.0) -> None:
        self.scale = nn.Parameter(np.float32(scale))

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return x * self.scale

    def right_inverse(self, x: ad.Tensor) -> ad.Tensor:
        return x / self.scale


class Sum(nn.Module):
    def forward(self, a: ad.Tensor, b: ad.Tensor) -> ad.Tensor:
        return a + b

    def right_inverse(self, x: ad.Tensor) -> tuple[ad.Tensor, ad.Tensor]:
        return x * 0.25, x * 0.75


X = np.linspace(-1, 1, 12).reshape(4, 3)
CASES: dict[str, Any] = {
    "weight": lambda m, u: u.weight_norm(m),
    "weight of columns": lambda m, u: u.weight_norm(m, dim=1),
    "weight of the last": lambda m, u: u.weight_norm(m, "weight", -2),
    "weight in all": lambda m, u: u.weight_norm(m, dim=None),
    "weight of a bias": lambda m, u: u.weight_norm(m, "bias"),
    "both": lambda m, u: u.weight_norm(u.weight_norm(m, "bias")),
    "spectral": lambda m, u: u.spectral_norm(m),
    "spectral twice": lambda m, u: u.spectral_norm(m, n_power_iterations=2),
    "spectral of columns": lambda m, u: u.spectral_norm(m, dim=1),
    "spectral of a bias": lambda m, u: u.spectral_norm(m, "bias"),
    "spectral and weight": lambda m, u: u.weight_norm(u.spectral_norm(m), "bias"),
}


@pytest.mark.parametrize("case", CASES)
def test_names_values_and_trajectories_are_those_of_pytorch(case: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = nn.Linear(3, 5, dtype=np.float64)
    theirs = torch.nn.Linear(3, 5).double()
    ours.load_state_dict(theirs.state_dict())
    assert CASES[case](ours, nn.utils.parametrizations) is ours
    CASES[case](theirs, torch.nn.utils.parametrizations)
    shapes = [(name, value.shape) for name, value in ours.state_dict().items()]
    assert shapes == [(name, tuple(value.shape)) for name, value in theirs.state_dict().items()]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    if "weight" in case and "spectral" not in case:  # nothing is random: no need to load
        for name, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-12)
    ours.load_state_dict(theirs.state_dict())
    one = nn.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    two = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    for step in range(8):
        if step == 6:
            ours.eval(), theirs.eval()
        one.zero_grad(), two.zero_grad()
        y, z = ours(ad.Tensor(X)), theirs(torch.tensor(X))
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-9, atol=1e-12)
        (y**2).sum().backward()
        (z**2).sum().backward()
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-8, atol=1e-11)
        one.step(), two.step()
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("case", CASES)
def test_gradients_to_second_order(case: str) -> None:
    layer = nn.Linear(3, 5, dtype=np.float64, generator=np.random.default_rng(0))
    CASES[case](layer, nn.utils.parametrizations).eval()
    name = "bias" if "bias" in case else "weight"
    steps = layer.parametrizations[name]  # type: ignore[attr-defined]

    def value(*originals: ad.Tensor) -> ad.Tensor:
        return steps[0](*originals) ** 2

    ad.check_grads(value, *[original.numpy() for original in steps.originals()])


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (1, 7), (6,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_normalised_weights_are_normal(shape: tuple[int, ...], dtype: Any) -> None:
    module = nn.Module()
    module.weight = nn.Parameter(np.random.default_rng(0).standard_normal(shape).astype(dtype))
    before = module.weight.numpy().copy()
    weight_norm(module)
    assert module.weight.dtype == dtype
    np.testing.assert_allclose(module.weight.numpy(), before, rtol=1e-5)
    assert remove_parametrizations(module, "weight") is module
    spectral_norm(module, n_power_iterations=50)
    weight = module.weight
    assert weight.dtype == dtype
    matrix = weight.numpy().reshape(shape[0], -1) if len(shape) > 1 else weight.numpy()
    assert np.linalg.norm(matrix, 2) == pytest.approx(1.0, rel=1e-4)


def test_power_iterations_happen_in_training_only_and_outside_the_graph() -> None:
    layer = spectral_norm(nn.Linear(3, 3, generator=np.random.default_rng(0)))
    with ad.no_grad():
        layer.parametrizations.weight[0]._u[...] = [1.0, 0.0, 0.0]  # far from where the iteration leads
    state = layer.state_dict()
    x = np.ones((2, 3), np.float32)
    y, z = layer(x), layer(x)  # type: ignore[arg-type]
    (y.sum() + z.sum()).backward()  # two uses, one pass: the buffers were written between
    assert layer.state_dict()["parametrizations.weight.0._u"].tolist() != state["parametrizations.weight.0._u"].tolist()
    state = layer.eval().state_dict()
    layer(x)  # type: ignore[arg-type]
    for name, value in layer.state_dict().items():
        assert value.tolist() == state[name].tolist()


def test_a_module_that_has_its_outputs_on_axis_one() -> None:
    module = nn.Module()
    module.transposed = True
    module.weight = nn.Parameter(np.ones((2, 3, 4)))
    spectral_norm(module)
    assert module.get_buffer("parametrizations.weight.0._u").shape == (3,)


def test_the_seed_decides_where_the_estimate_starts() -> None:
    layers = [nn.Linear(3, 3, generator=np.random.default_rng(0)) for _ in range(2)]
    made = [spectral_norm(layer, generator=np.random.default_rng(5)) for layer in layers]
    first, second = (layer.state_dict() for layer in made)
    assert all(first[name].tolist() == second[name].tolist() for name in first)


# ------------------------------------------------------------------------------------------------ the mechanism


def test_registering_and_removing() -> None:
    layer = nn.Linear(3, 3)
    weight, before = layer.weight, layer.weight.numpy().copy()
    assert register_parametrization(layer, "weight", Symmetric()) is layer
    assert layer.parametrizations.weight.original is weight  # type: ignore[attr-defined]
    assert isinstance(layer, nn.Linear)
    assert type(layer).__name__ == "ParametrizedLinear"
    assert (is_parametrized(layer), is_parametrized(layer, "weight"), is_parametrized(layer, "bias")) == (True, True, False)
    np.testing.assert_allclose(layer.weight.numpy(), (before + before.T) / 2)
    layer(np.ones((1, 3))).sum().backward()  # type: ignore[arg-type]
    assert weight.grad is not None
    remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear
    assert layer.weight is weight
    np.testing.assert_array_equal(weight.numpy(), before)
    register_parametrization(layer, "weight", Symmetric())
    remove_parametrizations(layer, "weight")
    assert layer.weight is weight
    np.testing.assert_allclose(weight.numpy(), (before + before.T) / 2)
    assert not is_parametrized(layer)
    assert "parametrizations" not in layer.__dict__


@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_the_short_names_of_older_scripts(name: str) -> None:
    layer = nn.Linear(3, 2)
    getattr(nn.utils, name)(layer).eval()
    value = layer.weight.numpy()
    getattr(nn.utils, f"remove_{name}")(layer)
    assert [path for path, _ in layer.named_parameters()] == ["bias", "weight"]
    np.testing.assert_array_equal(layer.weight.numpy(), value)


def test_several_steps_and_assignment() -> None:
    layer = nn.Linear(2, 2)
    before = layer.weight.numpy().copy()
    register_parametrization(layer, "weight", Scaled(2.0))
    register_parametrization(layer, "weight", Scaled(5.0))
    np.testing.assert_allclose(layer.weight.numpy(), before, rtol=1e-6)
    np.testing.assert_allclose(layer.get_parameter("parametrizations.weight.original").numpy(), before / 10, rtol=1e-6)
    assert list(layer.state_dict()) == [
        "bias",
        "parametrizations.weight.original",
        "parametrizations.weight.0.scale",
        "parametrizations.weight.1.scale",
    ]
    layer.weight = ad.Tensor([[10.0, 20.0], [30.0, 40.0]])  # type: ignore[assignment]
    np.testing.assert_allclose(layer.weight.numpy(), [[10, 20], [30, 40]], rtol=1e-6)
    np.testing.assert_allclose(layer.get_parameter("parametrizations.weight.original").numpy(), [[1, 2], [3, 4]], rtol=1e-6)
    with pytest.raises(TypeError, match="weight is parametrized: expected a Tensor, got float"):
        layer.weight = 1.0  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"expected shape \(2, 2\), got \(3,\)"):
        layer.weight = ad.Tensor([1.0, 2.0, 3.0])  # type: ignore[assignment]


def test_several_originals_frozen_as_the_parameter_was() -> None:
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    before = layer.weight.numpy().copy()
    register_parametrization(layer, "weight", Sum())
    assert not layer.get_parameter("parametrizations.weight.original1").requires_grad
    np.testing.assert_allclose(layer.weight.numpy(), before, rtol=1e-6)
    layer.weight = ad.Tensor(np.full((2, 2), 4.0))  # type: ignore[assignment]
    assert layer.get_parameter("parametrizations.weight.original0").tolist() == [[1.0, 1.0]] * 2
    with pytest.raises(ValueError, match="computed from 2 Tensors, so there is no single original"):
        remove_parametrizations(layer, "weight", leave_parametrized=False)
    remove_parametrizations(layer, "weight")
    assert layer.weight.tolist() == [[4.0, 4.0]] * 2
    assert isinstance(layer.weight, nn.Parameter)
    assert not layer.weight.requires_grad


def test_a_buffer_is_parametrized_too() -> None:
    module = nn.Module()
    module.register_buffer("scale", ad.Tensor([2.0]))
    register_parametrization(module, "scale", Scaled(4.0), unsafe=True)
    assert list(dict(module.named_buffers())) == ["parametrizations.scale.original"]
    assert module.scale.tolist() == [2.0]
    remove_parametrizations(module, "scale")
    assert [name for name, _ in module.named_buffers()] == ["scale"]


@pytest.mark.parametrize("through", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_and_pickles(through: Any) -> None:
    layer = spectral_norm(weight_norm(nn.Linear(3, 2), "bias"))
    optimizer = nn.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    twin, other = through((layer, optimizer))
    assert type(twin) is type(layer)
    for model, steps in ((layer, optimizer), (twin, other)):
        for _ in range(3):
            steps.zero_grad()
            (model(X) ** 2).sum().backward()
            steps.step()
    for name, value in layer.state_dict().items():
        assert twin.state_dict()[name].tolist() == value.tolist()
    remove_parametrizations(twin, "weight")
    remove_parametrizations(twin, "bias")
    assert type(twin) is nn.Linear
    assert is_parametrized(layer, "bias")


def test_values_are_kept_under_cached() -> None:
    layer = weight_norm(nn.Linear(3, 2))
    assert layer.weight is not layer.weight
    with cached():
        kept = layer.weight
        assert layer.weight is kept
        with cached():
            assert layer.weight is kept
        (layer(X) + layer(X)).sum().backward()  # type: ignore[arg-type]
    assert layer.weight is not kept
    assert all(parameter.grad is not None for parameter in layer.parameters())


def test_dtypes_modes_and_missing_attributes() -> None:
    layer = spectral_norm(nn.Linear(3, 2)).double()
    assert layer.weight.dtype == np.float64
    assert layer(X).dtype == np.float64  # type: ignore[arg-type]
    layer.eval()
    assert not layer.parametrizations.weight[0].training  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="'ParametrizedLinear' object has no attribute 'wait'"):
        _ = layer.wait  # type: ignore[attr-defined]
    assert "parametrizations" in repr(layer)


class Wrong(nn.Module):
    def __init__(self, function: Any) -> None:
        self.function = (function,)

    def forward(self, x: ad.Tensor) -> Any:
        return self.function[0](x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: register_parametrization(m, "wait", Symmetric()), ValueError, "Linear has no parameter or buffer 'wait'"),
        (lambda m: register_parametrization(m, "weight", 5), TypeError, "expected a Module, got int"),
        (lambda m: register_parametrization(m, "weight", Wrong(lambda x: x[:1])), ValueError, r"makes shape \(1, 2\)"),
        (lambda m: register_parametrization(m, "weight", Wrong(lambda x: x.astype(float))), ValueError, "dtype float64 of shape"),
        (lambda m: register_parametrization(m, "weight", Wrong(lambda x: 5)), TypeError, "must return a Tensor, got int"),
        (lambda m: remove_parametrizations(m, "weight"), ValueError, "'weight' of Linear is not parametrized"),
        (lambda m: weight_norm(m, "wait"), ValueError, "weight_norm: Linear has no parameter or buffer 'wait'"),
        (lambda m: weight_norm(m, dim=2), IndexError, r"no axis 2 in a weight of shape \(2, 2\)"),
        (lambda m: spectral_norm(m, n_power_iterations=0), ValueError, "n_power_iterations must be a positive integer, got 0"),
        (lambda m: spectral_norm(5), TypeError, "spectral_norm: expected a Module, got int"),
    ],
)
def test_refusals_leave_the_module_as_it_was(call: Any, error: type[Exception], message: str) -> None:
    layer = nn.Linear(2, 2)
    before = layer.weight.tolist()
    with pytest.raises(error, match=message):
        call(layer)
    assert type(layer) is nn.Linear
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert layer.weight.tolist() == before


def test_a_step_without_inverse_cannot_be_assigned_through() -> None:
    layer = register_parametrization(nn.Linear(2, 2), "weight", Symmetric())
    with pytest.raises(RuntimeError, match="Symmetric has no right_inverse"):
        layer.weight = ad.Tensor(np.ones((2, 2)))
