"""Activations with more to them than one number in and one out: step, PReLU, RReLU, GLU."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from nn import functional as F

DATA = np.random.default_rng(0).standard_normal((4, 6)) * 2
EXTREME = np.array([-1e4, -100.0, -1.0, 1.0, 100.0, 1e4])

# ------------------------------------------------------------------------------------------------ step


def logistic_slope(x: np.ndarray, k: float) -> Any:
    s = 1 / (1 + np.exp(-k * x))
    return k * s * (1 - s)


SURROGATES: dict[str | None, Any] = {
    None: lambda x, k: 0 * x,
    "sigmoid": logistic_slope,
    "triangle": lambda x, k: k * np.maximum(0, 1 - np.abs(k * x)),
    "straight_through": lambda x, k: np.full_like(x, k),
}


@pytest.mark.parametrize("k", [1.0, 0.25, 3.0])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_a_surrogate_is_the_slope_of_a_step(surrogate: str | None, k: float) -> None:
    weights = np.random.default_rng(1).standard_normal(DATA.shape)
    for dtype in (np.float64, np.float32):
        x = Tensor(DATA.astype(dtype), requires_grad=True)
        y = F.step(x, surrogate=surrogate, slope=k)
        np.testing.assert_array_equal(y.numpy(), DATA > 0)
        (dx,) = ad.gradients((y * weights.astype(dtype)).sum(), [x])
        assert y.dtype == dx.dtype == dtype
        np.testing.assert_allclose(dx.numpy(), weights * SURROGATES[surrogate](DATA, k), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("surrogate", ["sigmoid", "triangle"])
def test_a_surrogate_has_derivatives_too(surrogate: str) -> None:
    slope = ad.grad(lambda x: F.step(x, surrogate=surrogate, slope=0.3).sum())
    ad.check_grads(lambda x: slope(x), np.array([-2.9, -1.0, -0.2, 0.4, 1.5, 3.7]))


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_a_surrogate_at_the_extremes(surrogate: str | None) -> None:
    x = Tensor(EXTREME, requires_grad=True)
    (first,) = ad.gradients(F.step(x, surrogate=surrogate).sum(), [x], create_graph=True)
    assert np.isfinite(first.numpy()).all()
    if first.requires_grad:
        assert np.isfinite(ad.gradients(first.sum(), x).numpy()).all()


def test_the_first_two_surrogates_have_area_one() -> None:
    x = np.linspace(-60, 60, 120001)
    for surrogate in ("sigmoid", "triangle"):
        t = Tensor(x, requires_grad=True)
        (dx,) = ad.gradients(F.step(t, surrogate=surrogate, slope=2.5).sum(), [t])
        assert np.trapezoid(dx.numpy(), x) == pytest.approx(1, abs=1e-6)


def test_step_is_zero_at_zero_and_a_surrogate_learns() -> None:
    assert F.step([-0.0, 0.0, 1e-300, -1e-300]).tolist() == [0, 0, 1, 0]
    assert F.step(np.array([2, 0, -1])).dtype == np.float64
    assert repr(nn.Step(surrogate="sigmoid", slope=4.0)) == "Step(surrogate='sigmoid', slope=4.0)"
    neuron = nn.Sequential(nn.Linear(2, 1, generator=np.random.default_rng(0)), nn.Step(surrogate="sigmoid"))
    x, target = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([[0.0], [0], [0], [1]], np.float32)
    optimizer = nn.optim.SGD(neuron.parameters(), lr=0.5)
    for _ in range(200):
        optimizer.zero_grad()
        F.mse_loss(neuron(x), target).backward()
        optimizer.step()
    assert neuron(x).tolist() == target.tolist()


@pytest.mark.parametrize("make", [lambda **options: F.step([1.0], **options), nn.Step])
def test_step_refuses(make: Any) -> None:
    with pytest.raises(ValueError, match=r"surrogate must be None, 'sigmoid', 'triangle' or 'straight_through', got 'relu'"):
        make(surrogate="relu")
    with pytest.raises(ValueError, match="slope must be positive, got 0"):
        make(surrogate="sigmoid", slope=0)


# ------------------------------------------------------------------------------------------------ prelu

WEIGHTS = [np.array([0.25]), np.array([0.1, -0.3, 1.7])]
INPUTS = [(5, 3), (2, 3, 4), (2, 3, 2, 2)]


@pytest.mark.parametrize("weight", WEIGHTS, ids=["one", "channels"])
@pytest.mark.parametrize("shape", INPUTS, ids=str)
def test_prelu(weight: np.ndarray, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).standard_normal(shape)
    x += 0.1 * np.sign(x)
    w = weight.reshape((-1,) + (1,) * (len(shape) - 2))
    np.testing.assert_allclose(F.prelu(x, weight).numpy(), np.where(x > 0, x, w * x), rtol=1e-14)
    ad.check_grads(F.prelu, x, weight)


@pytest.mark.parametrize("weight", WEIGHTS, ids=["one", "channels"])
@pytest.mark.parametrize("shape", INPUTS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_prelu_is_that_of_pytorch(weight: np.ndarray, shape: tuple[int, ...], dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = np.random.default_rng(2).standard_normal(shape).astype(dtype)
    weight = weight.astype(dtype)
    x, w = Tensor(data, requires_grad=True), Tensor(weight, requires_grad=True)
    a, b = torch.tensor(data, requires_grad=True), torch.tensor(weight, requires_grad=True)
    y, z = F.prelu(x, w), torch.nn.functional.prelu(a, b)
    (y * y).sum().backward()
    (z * z).sum().backward()
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    for ours, theirs in ((y, z.detach()), (x.grad, a.grad), (w.grad, b.grad)):
        assert ours is not None
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=tolerance, atol=tolerance)


def test_prelu_at_its_kink_and_at_the_extremes() -> None:
    for weight, slope in ((0.25, 0.25), (2.0, 1.0), (-0.5, 0.0)):
        x, w = Tensor([0.0], requires_grad=True), Tensor([weight], requires_grad=True)
        F.prelu(x, w).sum().backward()
        assert x.grad is not None
        assert w.grad is not None
        assert (x.grad.tolist(), w.grad.tolist()) == ([slope], [0.0])
    x, w = Tensor(EXTREME, requires_grad=True), Tensor([0.5], requires_grad=True)
    first = ad.gradients((F.prelu(x, w) ** 2).sum(), [x, w], create_graph=True)
    second = ad.gradients(sum(d.sum() for d in first), [x, w])
    for d in (*first, *second):
        assert np.isfinite(d.numpy()).all()


def test_the_prelu_module() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    for n in (1, 3):
        ours, theirs = nn.PReLU(n, init=0.4), torch.nn.PReLU(n, init=0.4)
        assert repr(ours) == repr(theirs) == f"PReLU(num_parameters={n})"
        assert {k: v.shape for k, v in ours.state_dict().items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
        assert ours.weight.dtype == np.float32
        np.testing.assert_array_equal(ours.weight.numpy(), theirs.weight.detach().numpy())
        assert ours(np.zeros((2, 3))).dtype == np.float32, "float64 data is cast to the weight"
    assert nn.PReLU(dtype=np.float64).weight.dtype == np.float64
    layer = nn.PReLU()
    with ad.no_grad():
        layer.weight[0] = 3.0
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.25]


@pytest.mark.parametrize(("shape", "weights"), [((5, 3), 2), ((3,), 3), ((), 2)])
def test_prelu_refuses_weights_that_do_not_fit(shape: tuple[int, ...], weights: int) -> None:
    with pytest.raises(ValueError, match="prelu: expected one weight, or one for each channel"):
        F.prelu(np.zeros(shape), np.ones(weights))


# ------------------------------------------------------------------------------------------------ rrelu


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rrelu_in_training(dtype: Any) -> None:
    x = Tensor(np.repeat([-1.0, 0.0, 2.0], [5000, 1, 5000]).astype(dtype), requires_grad=True)
    y = F.rrelu(x, 0.2, 0.6, training=True, generator=np.random.default_rng(0))
    slopes = -y.numpy()[:5000].astype(float)
    assert y.dtype == dtype
    assert (slopes >= 0.2 - 1e-3).all()
    assert (slopes <= 0.6 + 1e-3).all()
    assert slopes.mean() == pytest.approx(0.4, abs=0.01)
    assert slopes.std() == pytest.approx(0.4 / np.sqrt(12), abs=0.01)
    assert (y.numpy()[5001:] == 2).all()
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy()[:5000], slopes, rtol=1e-6)  # the slopes that were drawn, not others
    assert (x.grad.numpy()[5001:] == 1).all()


def test_rrelu_is_drawn_outside_so_that_it_can_be_differentiated_again() -> None:
    ad.check_grads(lambda x: F.rrelu(x, training=True, generator=np.random.default_rng(5)), DATA)


def test_rrelu_and_its_generator() -> None:
    layer = nn.RReLU(generator=np.random.default_rng(3))
    twin = copy.deepcopy(layer)
    first, second = layer(Tensor(DATA)), layer(Tensor(DATA))
    assert first.tolist() != second.tolist()
    assert twin(Tensor(DATA)).tolist() == first.tolist()
    nn.manual_seed(0)
    a = nn.RReLU()(Tensor(DATA)).tolist()
    nn.manual_seed(0)
    assert nn.RReLU()(Tensor(DATA)).tolist() == a
    assert nn.RReLU(0.25, 0.75).eval()(Tensor([-1.0])).tolist() == [-0.5]
    assert F.rrelu(Tensor([-1.0]), 0.25, 0.75).tolist() == [-0.5]
    assert F.rrelu(np.array([-2, 2]), 0.5, 0.5, training=True).tolist() == [-1.0, 2.0]


# ------------------------------------------------------------------------------------------------ glu


@pytest.mark.parametrize(("shape", "dim"), [((4, 6), -1), ((4, 6), 0), ((2, 4, 3), 1), ((8,), 0), ((2, 0), 1), ((0, 4), -1)])
def test_glu(shape: tuple[int, ...], dim: int) -> None:
    x = np.random.default_rng(3).standard_normal(shape)
    lower, upper = np.split(x, 2, axis=dim)
    np.testing.assert_allclose(F.glu(x, dim).numpy(), lower / (1 + np.exp(-upper)), rtol=1e-14)
    ad.check_grads(lambda x: F.glu(x, dim), x)
    ad.check_grads(lambda x: F.glu(x, dim - x.ndim if dim >= 0 else dim), x[::-1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_glu_is_that_of_pytorch(dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = np.random.default_rng(3).standard_normal((3, 4, 5)).astype(dtype)
    for ours_call, theirs_call in ((lambda x: F.glu(x, 1), lambda x: torch.nn.functional.glu(x, 1)), (nn.GLU(1), torch.nn.GLU(1))):
        x, a = Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
        y, z = ours_call(x), theirs_call(a)
        (y * y).sum().backward()
        (z * z).sum().backward()
        assert x.grad is not None
        assert x.grad.dtype == dtype
        tolerance = 1e-13 if dtype == "float64" else 1e-6
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(x.grad.numpy(), a.grad.numpy(), rtol=tolerance * 10, atol=tolerance)
    assert repr(nn.GLU()) == repr(torch.nn.GLU()) == "GLU(dim=-1)"


def test_glu_at_the_extremes() -> None:
    for dtype in (np.float32, np.float64):
        x = Tensor(np.array([1e4, -1e4, 1e4, -1e4, 1e4, 1e4, -1e4, -1e4], dtype), requires_grad=True)
        y = F.glu(x)
        assert y.tolist() == [1e4, -1e4, 0, 0]
        (first,) = ad.gradients((y * y).sum(), [x], create_graph=True)
        second = ad.gradients((first * first).sum(), x)
        assert np.isfinite(first.numpy()).all()
        assert np.isfinite(second.numpy()).all()
    assert F.glu([2, 0]).tolist() == [1.0]
    assert F.glu(np.array([2.0, 0.0], np.float16)).dtype == np.float16


def test_glu_refuses() -> None:
    with pytest.raises(ValueError, match=r"glu: axis -1 is split in two halves, so its length must be even; .* shape \(2, 3\)"):
        F.glu(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"glu: dim=2 is no axis of an input of shape \(2, 4\)"):
        F.glu(np.zeros((2, 4)), 2)
    with pytest.raises(TypeError, match=r"glu: dim must be an axis, an integer, got 1.0"):
        F.glu(np.zeros((2, 4)), 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="glu: dim=-1 is no axis"):
        F.glu(1.0)
    with pytest.raises(TypeError, match="expected real numbers"):
        F.glu([1j, 1j])
