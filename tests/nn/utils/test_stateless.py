"""functional_call: a module computes with what it is given, and is afterwards what it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor, check_grads
from nn.utils import functional_call, parametrize, weight_norm

X = np.random.default_rng(0).normal(size=(4, 3))


class Tied(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.again = self.second

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.again(self.second(self.first(x))) * scale


class Held(nn.Module):
    def __init__(self) -> None:
        self.rows = nn.ParameterList([np.ones(3), np.full(3, 2.0)])
        self.named = nn.ParameterDict({"a": np.full(3, 3.0)})

    def forward(self, x: Tensor) -> Tensor:
        assert "a" in self.named
        assert len(self.rows) == 2
        return x * self.named["a"] + sum(row for row in self.rows) + self.rows[0] * self.named.get("a")


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2)).double()


@pytest.mark.parametrize(
    "make",
    [mlp, lambda: Tied().double(), lambda: Held(), lambda: weight_norm(nn.Linear(3, 2)).double()],
    ids=["mlp", "tied", "held", "normed"],
)
def test_all_gradients_of_a_model_are_checked(make: Any) -> None:
    model = make()
    names, values = zip(*model.named_parameters(), strict=True)
    before = dict(model.named_parameters())
    check_grads(lambda *p: functional_call(model, dict(zip(names, p, strict=True)), X), *values)
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def test_a_wrong_gradient_in_a_model_is_found() -> None:
    wrong = ad.fused(forward=lambda x: (np.sin(x), x), backward=lambda g, x, needs: (g,), name="wrong")(lambda x: np.sin(x))

    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return wrong(x)

    model = nn.Sequential(nn.Linear(3, 2), Wrong()).double()
    with pytest.raises(AssertionError, match=r"argument 0 .*analytic"):
        check_grads(lambda w: functional_call(model, {"0.weight": w}, X), model[0].weight)
    with pytest.raises(ValueError, match=r"it uses the Tensor that was given .*functional_call"):
        check_grads(lambda *p: model(X).sum(), *model.parameters())


def test_the_gradient_by_a_function_is_that_of_backward() -> None:
    model = mlp()
    value, found = ad.value_and_grad(lambda w: (functional_call(model, {"3.weight": w}, X) ** 2).sum())(model[3].weight.numpy())
    loss = (model(X) ** 2).sum()
    loss.backward()
    assert value == loss.item()
    np.testing.assert_array_equal(found, model[3].weight.grad.numpy())


def test_what_is_given_is_used_and_what_is_not_is_the_modules_own() -> None:
    model = nn.Linear(3, 2)
    weight = Tensor(np.ones((2, 3)), requires_grad=True)
    y = functional_call(model, {"weight": weight}, X)
    np.testing.assert_allclose(y.numpy(), X @ np.ones((3, 2)) + model.bias.numpy())
    y.sum().backward()
    assert weight.grad is not None
    assert model.weight.grad is None
    assert model.bias.grad is not None
    plain = functional_call(model, ({"weight": np.ones((2, 3))}, {"bias": np.zeros(2)}), (X,), {})
    np.testing.assert_allclose(plain.numpy(), X @ np.ones((3, 2)))
    assert plain.dtype == np.float64
    np.testing.assert_array_equal(functional_call(model, {}, X).numpy(), model(X).numpy())
    assert functional_call(Tied(), {}, (X,), {"scale": 0.0}).tolist() == np.zeros((4, 3)).tolist()


def test_tied_parameters_stay_tied() -> None:
    model = Tied().double()
    zeros = Tensor(np.zeros((3, 3)))
    bias = model.second.bias.numpy()
    for name in ("first.weight", "second.weight", "again.weight"):
        y = functional_call(model, {name: zeros}, X)
        np.testing.assert_array_equal(y.numpy(), np.broadcast_to(bias, (4, 3)))
    untied = functional_call(model, {"first.weight": zeros}, X, tie_weights=False)
    assert not np.allclose(untied.numpy(), y.numpy())
    functional_call(model, {"first.weight": zeros, "again.weight": zeros}, X)
    with pytest.raises(ValueError, match=r"'again.weight' is shared with another name that is given another Tensor"):
        functional_call(model, {"first.weight": zeros, "again.weight": Tensor(np.zeros((3, 3)))}, X)


def test_the_module_is_as_before_after_an_error() -> None:
    model = mlp()
    before, keys = dict(model.named_parameters()), list(model[0].__dict__)
    with pytest.raises(ValueError, match=r"matmul|linear"):
        functional_call(model, {"0.weight": Tensor(np.ones((4, 3))), "0.bias": Tensor(np.ones(4))}, np.ones((4, 7)))
    after = dict(model.named_parameters())
    assert all(after[name] is before[name] for name in before)
    assert list(model[0].__dict__) == keys


def test_given_buffers_are_written_and_the_modules_own_are_not() -> None:
    model = nn.BatchNorm1d(3)
    given = {name: Tensor(buffer.numpy()) for name, buffer in model.named_buffers()}
    functional_call(model, given, X)
    np.testing.assert_allclose(given["running_mean"].numpy(), 0.1 * X.mean(0), rtol=1e-5)
    assert model.running_mean is not None
    assert model.running_mean.tolist() == [0.0] * 3
    assert model.num_batches_tracked is not None
    assert model.num_batches_tracked.item() == 0


def test_a_cached_parametrization_is_computed_anew() -> None:
    layer = weight_norm(nn.Linear(3, 2)).double()
    name = "parametrizations.weight.original0"
    with parametrize.cached():
        before = layer(X).numpy().copy()
        y = functional_call(layer, {name: Tensor(np.zeros((2, 1)))}, X)
        np.testing.assert_array_equal(y.numpy(), np.broadcast_to(layer.bias.numpy(), (4, 2)))
        np.testing.assert_array_equal(layer(X).numpy(), before)


def test_strict_wants_every_parameter_and_buffer_once() -> None:
    model = Tied().double()
    state: dict[str, Any] = dict(model.named_parameters())
    functional_call(model, state, X, strict=True)
    del state["second.bias"]
    with pytest.raises(ValueError, match=r"strict=True, but second.bias, again.bias of Tied are not given"):
        functional_call(model, state, X, strict=True)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"0.wieght": X}, ValueError, r"Sequential has no parameter or buffer '0.wieght'; it has 0.weight, 0.bias, 2.weight"),
        ({"0.weight": X}, ValueError, r"'0.weight' has shape \(4, 3\), the module has \(5, 3\)"),
        ({"0.bias": [0.0] * 5}, TypeError, r"'0.bias' must be a Tensor, got list"),
        ({"0.bias": None}, TypeError, r"'0.bias' must be a Tensor, got NoneType"),
        ([X], TypeError, r"expected a mapping of names to Tensors, got ndarray; dict\(module.named_parameters\(\)\) is one"),
        (X, TypeError, r"expected a mapping of names to Tensors, got ndarray"),
        (({"0.bias": np.ones(5)}, {"0.bias": np.ones(5)}), ValueError, r"'0.bias' is given twice"),
    ],
)
def test_what_does_not_fit_is_refused(given: Any, kind: type[Exception], words: str) -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    with pytest.raises(kind, match=words):
        functional_call(model, given, X)


def test_a_function_is_no_module() -> None:
    not_one: Any = np.sin
    with pytest.raises(TypeError, match="expected a Module, got ufunc"):
        functional_call(not_one, {}, X)


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    ours, layers = mlp(), torch.nn
    theirs = layers.Sequential(layers.Linear(3, 4), layers.Tanh(), layers.LayerNorm(4), layers.Linear(4, 2)).double()
    rng = np.random.default_rng(1)
    given = {name: rng.normal(size=p.shape) for name, p in ours.named_parameters()}
    inputs = {name: torch.tensor(value, requires_grad=True) for name, value in given.items()}
    expected = torch.func.functional_call(theirs, inputs, (torch.tensor(X),))
    tensors = {name: Tensor(value, requires_grad=True) for name, value in given.items()}
    found = functional_call(ours, tensors, X)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-12)
    (expected**2).sum().backward()
    (found**2).sum().backward()
    for name, tensor in tensors.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad.numpy(), inputs[name].grad.numpy(), rtol=1e-10)
