"""Activations: values at the extremes, gradients to second order, kinks, float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F

EXTREME = np.array([-1e4, -100.0, -1.0, -1e-8, 1e-8, 1.0, 100.0, 1e4])
SMOOTH: dict[str, Callable[[Any], Any]] = {"tanh": F.tanh, "sigmoid": F.sigmoid, "softmax": F.softmax, "log_softmax": F.log_softmax}
ALL: dict[str, Callable[[Any], Any]] = {**SMOOTH, "relu": F.relu}


@pytest.mark.parametrize("name", ALL)
def test_gradients_to_second_order(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4))
    ad.check_grads(ALL[name], x)
    ad.check_grads(ALL[name], x[:, ::2])
    ad.check_grads(ALL[name], x[0])


@pytest.mark.parametrize("name", ALL)
def test_values_and_two_derivatives_are_finite_at_the_extremes(name: str) -> None:
    x = ad.Tensor(EXTREME, requires_grad=True)
    with np.errstate(all="raise", under="ignore"):
        y = ALL[name](x)
        (first,) = ad.gradients((y * np.arange(8.0)).sum(), [x], create_graph=True)
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(first.numpy()).all()
    if name != "relu":  # whose first derivative is constant
        assert np.isfinite(ad.gradients((first * np.arange(8.0)).sum(), x).numpy()).all()


@pytest.mark.parametrize("name", ALL)
def test_float32_is_close_to_float64_and_stays_float32(name: str) -> None:
    data = np.random.default_rng(1).standard_normal((5, 6)) * 3
    found = []
    for dtype in (np.float64, np.float32):
        x = ad.Tensor(data.astype(dtype), requires_grad=True)
        y = ALL[name](x)
        (y * y).sum().backward()
        assert x.grad is not None
        assert y.dtype == x.grad.dtype == dtype
        found.append((y.numpy(), x.grad.numpy()))
    for exact, close in zip(*found, strict=True):
        np.testing.assert_allclose(close, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = np.concatenate([np.random.default_rng(2).standard_normal((2, 8)), EXTREME[None]])
    ours, theirs = ad.Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    y = ALL[name](ours)
    z = getattr(torch.nn.functional, name)(theirs, **({"dim": -1} if "softmax" in name else {}))
    (y * y).sum().backward()
    (z * z).sum().backward()
    assert ours.grad is not None
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-9, atol=1e-15)


def test_relu_has_derivative_zero_at_zero() -> None:
    x = ad.Tensor([-0.0, 0.0, 1.0], requires_grad=True)
    F.relu(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (70, 100), (100, 70), (5000,)])
def test_relu_of_every_size(shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).standard_normal(shape)
    x = ad.Tensor(data, requires_grad=True)
    y = F.relu(x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(y.numpy(), np.where(data > 0, data, 0))
    np.testing.assert_array_equal(x.grad.numpy(), (data > 0).astype(float))


def test_relu_keeps_nan_and_integers() -> None:
    assert np.isnan(F.relu(ad.Tensor([np.nan])).numpy()).all()
    assert F.relu(ad.Tensor([-1, 2])).tolist() == [0, 2]


def test_sigmoid_keeps_its_digits_far_below_zero() -> None:
    y = F.sigmoid(ad.Tensor(np.array([-30.0, -80.0], np.float32)))
    np.testing.assert_allclose(y.numpy(), np.exp([-30.0, -80.0]), rtol=1e-6)
    assert F.sigmoid(ad.Tensor([0, 1])).dtype == np.float64


def test_softmax_sums_to_one_along_any_axis_and_gives_nothing_to_minus_infinity() -> None:
    data = np.random.default_rng(0).standard_normal((2, 3, 4)) * 100
    for dim in (0, 1, -1):
        np.testing.assert_allclose(F.softmax(ad.Tensor(data), dim=dim).numpy().sum(axis=dim), 1, rtol=1e-14)
        np.testing.assert_allclose(np.exp(F.log_softmax(ad.Tensor(data), dim).numpy()), F.softmax(data, dim).numpy(), rtol=1e-11)
        ad.check_grads(lambda x, dim=dim: F.softmax(x, dim), data / 100)
        ad.check_grads(lambda x, dim=dim: F.log_softmax(x, dim), data / 100)
    x = ad.Tensor([0.0, -np.inf, 0.0], requires_grad=True)
    y = F.softmax(x)
    (y * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert y.tolist() == [0.5, 0.0, 0.5]
    assert x.grad.tolist() == [-0.5, 0.0, 0.5]


@pytest.mark.parametrize(("module", "function"), [(nn.ReLU, F.relu), (nn.Tanh, F.tanh), (nn.Sigmoid, F.sigmoid)])
def test_modules_are_their_functions(module: type[nn.Module], function: Callable[[Any], Any]) -> None:
    x = ad.Tensor([-1.0, 0.5])
    assert module()(x).tolist() == function(x).tolist()
    assert repr(module()) == f"{module.__name__}()"
    assert list(module().parameters()) == []


@pytest.mark.parametrize("x", [0.5, 1, np.float32(0.5), np.array(0.5)])
@pytest.mark.parametrize("name", ["relu", "sigmoid"])
def test_single_numbers(name: str, x: Any) -> None:
    y = getattr(F, name)(x)
    assert y.shape == ()
    assert y.item() == pytest.approx(float(x) if name == "relu" else 1 / (1 + np.exp(-float(x))))


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_gradients_of_scalars_to_second_order(name: str) -> None:
    ad.check_grads(getattr(F, name), np.array(0.7))
