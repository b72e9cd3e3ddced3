"""Each optimizer against its definition, written out for one number (for LAMB, one vector); PyTorch is not needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.optim.flat import BLOCK

STEPS = 8
Walk = Callable[[float], Iterator[float]]


def slope(p: float) -> float:
    """The derivative of (p - 1)², a loss whose least value steps overshoot now and then."""
    return 2 * (p - 1)


def adamw(p: float) -> Iterator[float]:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        g = slope(p)
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        p = p - 0.1 * 0.3 * p - 0.1 * (m / (1 - 0.8**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-3)
        yield p


def adamax(p: float) -> Iterator[float]:
    m = u = 0.0
    for t in range(1, STEPS + 1):
        g = slope(p) + 0.1 * p
        m, u = 0.8 * m + 0.2 * g, max(0.9 * u, abs(g) + 1e-3)
        p -= 0.1 / (1 - 0.8**t) * m / u
        yield p


def nadam(p: float) -> Iterator[float]:
    m = v = 0.0
    product = 1.0
    for t in range(1, STEPS + 1):
        g = slope(p)
        mu, following = (0.8 * (1 - 0.5 * 0.96 ** (0.1 * i)) for i in (t, t + 1))
        product *= mu
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        ahead = following * m / (1 - product * following) + (1 - mu) * g / (1 - product)
        p -= 0.1 * ahead / (math.sqrt(v / (1 - 0.9**t)) + 1e-3)
        yield p


def radam(p: float) -> Iterator[float]:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        g = slope(p)
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        longest = 2 / 0.05 - 1
        length = longest - 2 * t * 0.95**t / (1 - 0.95**t)
        step = m / (1 - 0.8**t)
        if length > 5:
            r = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
            step *= r * math.sqrt(1 - 0.95**t) / (math.sqrt(v) + 1e-3)
        p -= 0.1 * step
        yield p


def adagrad(p: float) -> Iterator[float]:
    s = 0.2
    for t in range(1, STEPS + 1):
        g = slope(p) + 0.1 * p
        s += g * g
        p -= 0.5 / (1 + (t - 1) * 0.1) * g / (math.sqrt(s) + 1e-3)
        yield p


def rmsprop(p: float) -> Iterator[float]:
    v = b = mean = 0.0
    for _ in range(STEPS):
        g = slope(p)
        v, mean = 0.8 * v + 0.2 * g * g, 0.8 * mean + 0.2 * g
        b = 0.5 * b + g / (math.sqrt(v - mean * mean) + 1e-3)
        p -= 0.05 * b
        yield p


def adadelta(p: float) -> Iterator[float]:
    v = a = 0.0
    for _ in range(STEPS):
        g = slope(p)
        v = 0.8 * v + 0.2 * g * g
        d = g * math.sqrt(a + 1e-2) / math.sqrt(v + 1e-2)
        a = 0.8 * a + 0.2 * d * d
        p -= 0.7 * d
        yield p


def rprop(p: float) -> Iterator[float]:
    before, s = 0.0, 0.5
    for _ in range(STEPS):
        g = slope(p)
        s = min(max(s * (1.3 if g * before > 0 else 0.4 if g * before < 0 else 1), 0.01), 0.6)
        before = 0.0 if g * before < 0 else g
        p -= s * np.sign(before)
        yield p


def lion(p: float) -> Iterator[float]:
    m = 0.0
    for _ in range(STEPS):
        g = slope(p)
        p = p - 0.3 * (np.sign(0.7 * m + 0.3 * g) + 0.1 * p)
        m = 0.9 * m + 0.1 * g
        yield p


def lamb(p: float) -> Iterator[float]:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        g = slope(p)
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        r = (m / (1 - 0.8**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-3) + 0.2 * p
        p -= 0.1 * abs(p) / abs(r) * r
        yield p


def asgd(p: float) -> Iterator[float]:
    eta = 0.3
    for t in range(1, STEPS + 1):
        p -= eta * (slope(p) + 0.01 * p)
        eta = 0.3 / (1 + 0.01 * 0.3 * t) ** 0.7
        yield p


FORMULAS: dict[str, tuple[Walk, dict[str, Any]]] = {
    "AdamW": (adamw, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.3}),
    "Adamax": (adamax, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    "NAdam": (nadam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1}),
    "RAdam": (radam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}),
    "Adagrad": (adagrad, {"lr": 0.5, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 1e-3}),
    "RMSprop": (rmsprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "momentum": 0.5, "centered": True}),
    "Adadelta": (adadelta, {"lr": 0.7, "rho": 0.8, "eps": 1e-2}),
    "Rprop": (rprop, {"lr": 0.5, "etas": (0.4, 1.3), "step_sizes": (0.01, 0.6)}),
    "Lion": (lion, {"lr": 0.3, "betas": (0.7, 0.9), "weight_decay": 0.1}),
    "LAMB": (lamb, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.2}),
    "ASGD": (asgd, {"lr": 0.3, "lambd": 0.01, "alpha": 0.7}),
}
each = pytest.mark.parametrize("name", FORMULAS)


def walk(optimizer: Any, *parameters: nn.Parameter, up: bool = False) -> None:
    optimizer.zero_grad()
    loss = sum(((p - 1) ** 2).sum() for p in parameters)
    (-loss if up else loss).backward()  # type: ignore[union-attr, operator]
    optimizer.step()


@each
@pytest.mark.parametrize("up", [False, True])
def test_one_number_goes_as_the_formula_says(name: str, up: bool) -> None:
    formula, options = FORMULAS[name]
    p = nn.Parameter(np.array([3.0]))
    optimizer = getattr(nn.optim, name)([p], maximize=up, **options)
    for expected in formula(3.0):
        walk(optimizer, p, up=up)
        assert p.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "LAMB"])  # which scales a tensor as a whole
def test_numbers_do_not_mix(name: str) -> None:
    """Packed together, or in a parameter larger than a block, each number goes as it does alone."""
    formula, options = FORMULAS[name]
    starts = [np.array([[3.0, -2.0]]), np.array(0.5), np.linspace(-3, 3, BLOCK + 5)]
    parameters = [nn.Parameter(start) for start in starts]
    optimizer = getattr(nn.optim, name)(parameters, **options)
    for _ in range(STEPS):
        walk(optimizer, *parameters)
    for start, p in zip(starts, parameters, strict=True):
        for i in {0, start.size - 1, min(start.size - 1, BLOCK)}:
            assert p.numpy().flat[i] == pytest.approx(list(formula(float(start.flat[i])))[-1], rel=1e-9)


@each
def test_a_saved_state_goes_on_bit_by_bit(name: str) -> None:
    _, options = FORMULAS[name]
    parameters, twins = ([nn.Parameter(np.array([3.0, -1.0])), nn.Parameter(np.array([[0.5]]))] for _ in range(2))
    optimizer, other = (getattr(nn.optim, name)(ps, **options) for ps in (parameters, twins))
    for _ in range(3):
        walk(optimizer, *parameters)
    for p, q in zip(parameters, twins, strict=True):
        q._data[...] = p._data
    other.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        walk(optimizer, *parameters)
        walk(other, *twins)
    for p, q in zip(parameters, twins, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@each
def test_complex_numbers_go_as_pairs_of_real_ones(name: str) -> None:
    _, options = FORMULAS[name]
    start = np.array([3 - 2j, 0.5 + 1j])
    p, pair = nn.Parameter(start), nn.Parameter(start.view(np.float64).copy())
    optimizer, other = (getattr(nn.optim, name)([q], **options) for q in (p, pair))
    rng = np.random.default_rng(0)
    for _ in range(5):
        g = rng.normal(size=4)
        p.grad, pair.grad = ad.Tensor(g.view(np.complex128)), ad.Tensor(g)
        optimizer.step()
        other.step()
    assert p.dtype == np.complex128
    np.testing.assert_array_equal(p.numpy().view(np.float64), pair.numpy())
    for name, value in optimizer.state_dict()["state"][0].items():
        if isinstance(value, ad.Tensor):
            assert (value.dtype, value.shape) == (p.dtype, p.shape), name


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("bounds", [None, (0.5, 2.0)])
def test_lamb_scales_each_tensor_by_its_norm(count: int, bounds: tuple[float, float] | None) -> None:
    rng = np.random.default_rng(0)
    shapes = [(BLOCK + 3,), (2, 3), (4,)][:count] if count == 1 else [(5,), (2, 3), (4,)]
    starts = [rng.normal(size=shape) * scale for shape, scale in zip(shapes, (0.1, 1.0, 10.0), strict=False)]
    parameters = [nn.Parameter(start) for start in starts]
    optimizer = nn.optim.LAMB(parameters, lr=0.1, weight_decay=0.5, norm_bounds=bounds)
    gradients = [rng.normal(size=start.shape) for start in starts]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = ad.Tensor(g)
    optimizer.step()
    for p, g, start in zip(parameters, gradients, starts, strict=True):
        r = g / (np.abs(g) + 1e-6) + 0.5 * start  # the first step: m̂ = g, √v̂ = |g|
        norm = np.linalg.norm(start) if bounds is None else np.clip(np.linalg.norm(start), *bounds)
        np.testing.assert_allclose(p.numpy(), start - 0.1 * norm / np.linalg.norm(r) * r, rtol=1e-9, atol=1e-12)


def test_lamb_moves_a_tensor_of_zeros_and_stays_where_nothing_pulls() -> None:
    p, still = nn.Parameter(np.zeros(2)), nn.Parameter(np.ones(2))
    optimizer = nn.optim.LAMB([p, still], lr=0.1, weight_decay=0.0)
    p.grad, still.grad = ad.Tensor(np.array([1.0, -1.0])), ad.Tensor(np.zeros(2))
    optimizer.step()
    np.testing.assert_allclose(p.numpy(), [-0.1, 0.1], rtol=1e-5)
    assert still.tolist() == [1.0, 1.0]


def test_asgd_averages_after_t0() -> None:
    p = nn.Parameter(np.array([3.0]))
    optimizer = nn.optim.ASGD([p], lr=0.1, lambd=0.0, t0=3)
    values = []
    for _ in range(8):
        walk(optimizer, p)
        values.append(p.item())
    # μ of a step is made by the one before: 1 up to step 5 (t0 + 2), then 1/2, 1/3 ...
    mean = values[4]
    for i, value in enumerate(values[5:], 2):
        mean += (value - mean) / i
    assert optimizer.state_dict()["state"][0]["ax"].item() == pytest.approx(mean, rel=1e-12)


def test_a_centered_rmsprop_of_a_constant_gradient_stays_finite() -> None:
    p = nn.Parameter(np.array([1.0], np.float32))
    optimizer = nn.optim.RMSprop([p], lr=1e-6, alpha=0.5, centered=True)
    for _ in range(60):
        p.grad = ad.Tensor(np.array([0.1], np.float32))
        optimizer.step()
    assert np.isfinite(p.item())


@each
def test_what_goes_to_infinity_goes_in_silence(name: str) -> None:
    _, options = FORMULAS[name]
    p = nn.Parameter(np.array([1.0, 1.0], np.float32))
    optimizer = getattr(nn.optim, name)([p], **options)
    for g in ([3e38, 1.0], [np.inf, 1.0], [np.nan, 1.0]):
        p.grad = ad.Tensor(np.array(g, np.float32))
        optimizer.step()
    assert np.isfinite(p.numpy()[1]) or name == "LAMB"


def test_adamw_stays_decoupled_with_a_state_of_adam() -> None:
    p = nn.Parameter(np.array([1.0]))
    adam, adamw = nn.optim.Adam([p], weight_decay=0.1), nn.optim.AdamW([p])
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True
    assert adamw.param_groups[0]["weight_decay"] == 0.1
