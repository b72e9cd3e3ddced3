"""Softmax and its relatives: along any axis, at the extremes, with a temperature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from nn import functional as F

DATA = np.random.default_rng(0).standard_normal((2, 3, 4))
FAMILY: dict[str, Callable[..., Any]] = {"softmax": F.softmax, "log_softmax": F.log_softmax, "softmin": F.softmin}
MODULES: dict[str, Any] = {"softmax": nn.Softmax, "log_softmax": nn.LogSoftmax, "softmin": nn.Softmin}

every = pytest.mark.parametrize("name", FAMILY)


def defined(name: str, x: np.ndarray, dim: int) -> Any:
    e = np.exp(-x if name == "softmin" else x)
    p = e / e.sum(axis=dim, keepdims=True)
    return np.log(p) if name == "log_softmax" else p


@every
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_values_and_gradients_along_any_axis(name: str, dim: int) -> None:
    np.testing.assert_allclose(FAMILY[name](DATA, dim).numpy(), defined(name, DATA, dim), rtol=1e-13)
    ad.check_grads(lambda x: FAMILY[name](x, dim), DATA)
    ad.check_grads(lambda x: FAMILY[name](x.T, dim), DATA)


@every
def test_the_last_axis_is_the_default(name: str) -> None:
    for shape in ((5,), (2, 3), (2, 3, 4)):
        x = np.random.default_rng(1).standard_normal(shape)
        np.testing.assert_array_equal(FAMILY[name](x).numpy(), FAMILY[name](x, dim=-1).numpy())
        np.testing.assert_array_equal(MODULES[name]()(Tensor(x)).numpy(), FAMILY[name](x, -1).numpy())


@every
@pytest.mark.parametrize("shape", [(70, 90), (90, 3, 30)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values_and_gradients_are_those_of_pytorch(name: str, shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = (np.random.default_rng(2).standard_normal(shape) * 5).astype(dtype)
    data[0, ..., :4] = [-1e4, -100, 100, 1e4]
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for dim in range(len(shape)):
        x, a = Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
        y, z = MODULES[name](dim)(x), getattr(torch.nn, MODULES[name].__name__)(dim)(a)
        (y * y).sum().backward()
        (z * z).sum().backward()
        assert x.grad is not None
        assert x.grad.dtype == dtype
        # A logarithm near 0 comes out of numbers near 1, and has their absolute error.
        atol = 4 * np.finfo(dtype).eps if name == "log_softmax" else 1e-30
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=tolerance, atol=atol)
        np.testing.assert_allclose(
            x.grad.numpy(), a.grad.numpy(), rtol=tolerance * 10, atol=tolerance * np.abs(a.grad.numpy()).max()
        )


@every
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_and_two_derivatives_are_finite_at_the_extremes(name: str, dtype: Any) -> None:
    x = Tensor(np.array([[-1e4, -100, 0, 1e4], [1e4, 1e4, -1e4, -1e4], [0, 0, 0, 0]], dtype), requires_grad=True)
    weights = (np.arange(12).reshape(3, 4) / 16).astype(dtype)
    with np.errstate(all="raise", under="ignore"):
        y = FAMILY[name](x)
        (first,) = ad.gradients((y * weights).sum(), [x], create_graph=True)
        second = ad.gradients((first * weights).sum(), x)
    for result in (y, first, second):
        assert result.dtype == dtype
        assert np.isfinite(result.numpy()).all()


def test_a_share_of_minus_infinity_is_nothing() -> None:
    x = Tensor([0.0, -np.inf, 0.0], requires_grad=True)
    y = F.softmax(x)
    (y * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert y.tolist() == [0.5, 0.0, 0.5]
    assert x.grad.tolist() == [-0.5, 0.0, 0.5]
    assert F.softmin([0.0, np.inf]).tolist() == [1.0, 0.0]
    assert F.log_softmax([0.0, -np.inf]).tolist() == [0.0, -np.inf]


@every
def test_the_result_sums_to_one(name: str) -> None:
    x = np.random.default_rng(0).standard_normal((30, 400)) * 100
    for dim in (0, 1):
        y = FAMILY[name](x, dim).numpy()
        np.testing.assert_allclose((np.exp(y) if name == "log_softmax" else y).sum(axis=dim), 1, rtol=1e-12)


@every
def test_dtypes(name: str) -> None:
    call = FAMILY[name]
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        x = Tensor(DATA.astype(dtype), requires_grad=True)
        y = call(x)
        (y * y).sum().backward()
        assert x.grad is not None
        assert y.dtype == x.grad.dtype == dtype
        np.testing.assert_allclose(y.numpy(), call(DATA).numpy(), rtol=4e-3 if dtype is np.float16 else 1e-6, atol=1e-6)
    assert call(DATA.astype(np.float32), dtype=np.float64).dtype == np.float64
    assert call([1, 2]).dtype == np.float64
    half = Tensor(np.array([1, 2], np.float16), requires_grad=True)
    call(half, dtype=np.float32).sum().backward()
    assert half.grad is not None
    assert half.grad.dtype == np.float16


@every
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_empty_arrays(name: str, shape: tuple[int, ...]) -> None:
    for dim in range(len(shape)):
        x = Tensor(np.zeros(shape), requires_grad=True)
        y = FAMILY[name](x, dim)
        y.sum().backward()
        assert x.grad is not None
        assert y.shape == x.grad.shape == shape


@every
def test_refusals(name: str) -> None:
    call = FAMILY[name]
    with pytest.raises(ValueError, match=rf"{name}: dim=2 is no axis of an input of shape \(2, 3\)"):
        call(np.zeros((2, 3)), 2)
    with pytest.raises(ValueError, match="dim=-1 is no axis of an input of shape"):
        call(1.0)
    with pytest.raises(TypeError, match="dim must be an axis, an integer, got None; leave it out for the last axis"):
        call(np.zeros((2, 3)), None)
    for dim in ((0, 1), True, 1.0):
        with pytest.raises(TypeError, match="dim must be an axis"):
            call(np.zeros((2, 3)), dim)
    with pytest.raises(TypeError, match="expected real numbers"):
        call([1j, 2])
    assert call(np.zeros((2, 3)), np.int64(1)).shape == (2, 3)


# ------------------------------------------------------------------------------------------------ temperature


@pytest.mark.parametrize("temperature", [0.1, 1, 1.0, 3, np.float64(2.5)])
def test_temperature_divides_the_input(temperature: Any) -> None:
    np.testing.assert_allclose(
        F.softmax(DATA, 1, temperature=temperature).numpy(), defined("softmax", DATA / temperature, 1), rtol=1e-13
    )
    ad.check_grads(lambda x: F.softmax(x, 0, temperature=temperature), DATA)
    np.testing.assert_array_equal(
        nn.Softmax(0, temperature=temperature)(Tensor(DATA)).numpy(), F.softmax(DATA, 0, temperature=temperature).numpy()
    )


def test_temperature_keeps_float32_and_can_be_learned() -> None:
    x = DATA.astype(np.float32)
    assert F.softmax(x, temperature=2.0).dtype == F.softmax(x, temperature=np.float64(2)).dtype == np.float32
    ad.check_grads(lambda x, t: F.softmax(x, temperature=t), DATA, np.array(1.7))
    ad.check_grads(lambda x, t: F.softmax(x, temperature=t), DATA, np.array([[0.5], [1.0], [2.0]]))
    layer = nn.Softmax(temperature=nn.Parameter(2.0))
    assert [name for name, _ in layer.named_parameters()] == ["temperature"]
    (layer(Tensor(x)) ** 2).sum().backward()
    assert layer.temperature.grad is not None
    assert layer.temperature.grad.item() < 0


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.array([1.0, 0.0])])
def test_temperatures_that_are_not_positive_are_refused(temperature: Any) -> None:
    with pytest.raises(ValueError, match="softmax: the temperature must be positive"):
        F.softmax(DATA[..., :2], temperature=temperature)
    with pytest.raises(ValueError, match="Softmax: the temperature must be positive"):
        nn.Softmax(temperature=temperature)


# ------------------------------------------------------------------------------------------------ modules


def test_repr() -> None:
    assert repr(nn.Softmax()) == "Softmax(dim=-1)"
    assert repr(nn.Softmax(1, temperature=0.5)) == "Softmax(dim=1, temperature=0.5)"
    assert repr(nn.LogSoftmax(0)) == "LogSoftmax(dim=0)"
    assert repr(nn.Softmin(1)) == "Softmin(dim=1)"
    assert repr(nn.Softmax2d()) == "Softmax2d()"


def test_softmax2d_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    for shape in ((2, 3, 4, 5), (3, 4, 5)):
        x = np.random.default_rng(0).standard_normal(shape)
        np.testing.assert_allclose(nn.Softmax2d()(Tensor(x)).numpy(), torch.nn.Softmax2d()(torch.tensor(x)).numpy(), rtol=1e-13)
    with pytest.raises(ValueError, match=r"Softmax2d: expected \(N, C, H, W\) or \(C, H, W\), got shape \(2, 3\)"):
        nn.Softmax2d()(Tensor(np.zeros((2, 3))))
