"""LBFGS: PyTorch's path, known minima, a state that goes on mid-way, and mistakes in closures."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.optim import LBFGS
from nn.optim.line_search import Point, strong_wolfe

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 3)), RNG.integers(0, 4, 12)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"lr": 0.5, "max_iter": 6},
    "one iteration": {"lr": 0.3, "max_iter": 1},
    "wolfe": {"line_search_fn": "strong_wolfe", "max_iter": 5},
    "wolfe, one iteration": {"line_search_fn": "strong_wolfe", "max_iter": 1},
    "wolfe, few evaluations": {"line_search_fn": "strong_wolfe", "max_iter": 20, "max_eval": 4},
    "wolfe, short history": {"line_search_fn": "strong_wolfe", "max_iter": 6, "history_size": 2},
    "wolfe, long first step": {"line_search_fn": "strong_wolfe", "lr": 50.0, "max_iter": 4},
    "wolfe, short steps": {"line_search_fn": "strong_wolfe", "lr": 1e-3, "max_iter": 4},
    "tolerant": {"line_search_fn": "strong_wolfe", "tolerance_grad": 1e-2, "tolerance_change": 1e-3},
}


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def closure_of(optimizer: Any, loss_of: Callable[[], Any], calls: list[float] | None = None) -> Callable[[], Any]:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        if calls is not None:
            calls.append(loss.item())
        return loss

    return closure


@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.parametrize("start", [[-1.2, 1.0], [0.5, -0.5, 2.0, 0.1]])
def test_steps_follow_pytorch_on_rosenbrock(case: str, start: list[float]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    p, q = nn.Parameter(np.array(start)), torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    ours, theirs = LBFGS([p], **OPTIONS[case]), torch.optim.LBFGS([q], **OPTIONS[case])
    calls: tuple[list[float], list[float]] = ([], [])
    for _ in range(6):
        ours.step(closure_of(ours, lambda: rosenbrock(p), calls[0]))
        theirs.step(closure_of(theirs, lambda: rosenbrock(q), calls[1]))
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(calls[0], calls[1], rtol=1e-6, atol=1e-12)  # the same evaluations, one by one


def small(dtype: Any = np.float64) -> nn.Sequential:
    rng = np.random.default_rng(1)
    return nn.Sequential(nn.Linear(3, 5, dtype=dtype, generator=rng), nn.Tanh(), nn.Linear(5, 4, dtype=dtype, generator=rng))


def model_step(model: Any, optimizer: Any) -> float:
    loss = optimizer.step(closure_of(optimizer, lambda: nn.functional.cross_entropy(model(ad.Tensor(X)), Y)))
    return float(loss.item())


class Theirs:
    def __init__(self, model: nn.Sequential, **options: Any):
        self.torch = t = pytest.importorskip("torch", reason="compares with PyTorch")
        self.model = t.nn.Sequential(t.nn.Linear(3, 5), t.nn.Tanh(), t.nn.Linear(5, 4)).double()
        self.model.load_state_dict({k: t.tensor(v.numpy().copy()) for k, v in model.state_dict().items()})
        self.optimizer = t.optim.LBFGS(self.model.parameters(), **options)

    def step(self) -> float:
        t = self.torch

        def loss_of() -> Any:
            return t.nn.functional.cross_entropy(self.model(t.tensor(X)), t.tensor(Y))

        return float(self.optimizer.step(closure_of(self.optimizer, loss_of)).item())

    def assert_same(self, model: nn.Sequential) -> None:
        for ours, theirs in zip(model.parameters(), self.model.parameters(), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", OPTIONS)
def test_a_model_follows_pytorch_and_goes_on_from_its_state(case: str) -> None:
    model = small()
    theirs = Theirs(model, **OPTIONS[case])
    optimizer = LBFGS(model.parameters(), **OPTIONS[case])
    for _ in range(2):
        assert model_step(model, optimizer) == pytest.approx(theirs.step(), rel=1e-8)
    theirs.assert_same(model)
    ours, other = optimizer.state_dict(), theirs.optimizer.state_dict()
    assert ours["param_groups"][0].keys() == other["param_groups"][0].keys()
    assert set(ours["state"][0]) == set(other["state"][0]) - {"al"}
    for key in ("func_evals", "n_iter"):
        assert ours["state"][0][key] == other["state"][0][key]
    fresh = LBFGS(model.parameters())
    fresh.load_state_dict(other)
    assert fresh.param_groups[0]["max_iter"] == optimizer.param_groups[0]["max_iter"]
    model_step(model, fresh)
    theirs.step()
    theirs.assert_same(model)


@pytest.mark.parametrize("case", ["plain", "wolfe"])
def test_values_written_between_steps_count(case: str) -> None:
    model = small()
    theirs = Theirs(model, **OPTIONS[case])
    optimizer = LBFGS(model.parameters(), **OPTIONS[case])
    for _ in range(3):
        model_step(model, optimizer)
        theirs.step()
        with ad.no_grad(), theirs.torch.no_grad():
            model[0].weight[0] = 0
            theirs.model[0].weight[0] = 0
        model[2].bias._data = model[2].bias._data * 1.0
    theirs.assert_same(model)


@pytest.mark.parametrize("case", ["plain", "wolfe, short history"])
@pytest.mark.parametrize("through", ["state", "deepcopy", "pickle"])
def test_it_goes_on_bit_by_bit_where_it_was_saved(case: str, through: str) -> None:
    model = small()
    optimizer = LBFGS(model.parameters(), **OPTIONS[case])
    model_step(model, optimizer)
    if through == "state":
        twin = small()
        other = LBFGS(twin.parameters(), **OPTIONS[case])
        twin.load_state_dict(model.state_dict())
        other.load_state_dict(optimizer.state_dict())
    else:
        twin, other = copy.deepcopy((model, optimizer)) if through == "deepcopy" else pickle.loads(pickle.dumps((model, optimizer)))
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    for _ in range(2):
        assert model_step(model, optimizer) == model_step(twin, other)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert p is not q
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    np.testing.assert_array_equal(saved["state"][0]["d"].numpy(), kept["state"][0]["d"].numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_finds_the_minimum(dtype: Any) -> None:
    p = nn.Parameter(np.array([-1.2, 1.0, 0.5], dtype))
    optimizer = LBFGS([p], line_search_fn="strong_wolfe", max_iter=200, tolerance_change=0.0 if dtype == np.float64 else 1e-9)
    optimizer.step(closure_of(optimizer, lambda: rosenbrock(p)))
    np.testing.assert_allclose(p.numpy(), 1.0, rtol=1e-6 if dtype == np.float64 else 1e-2)
    assert p.dtype == dtype


def test_complex_parameters_and_parts_without_a_gradient() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    start = np.array([1 + 2j, -0.5j])
    p, unused, q = nn.Parameter(start), nn.Parameter(np.ones(2)), nn.Parameter(np.array(0.3))
    a, b, c = (torch.nn.Parameter(torch.tensor(t.numpy().copy())) for t in (p, unused, q))
    ours, theirs = LBFGS([p, unused, q], max_iter=4), torch.optim.LBFGS([a, b, c], max_iter=4)
    for _ in range(2):
        ours.step(closure_of(ours, lambda: (abs(p - 1j) ** 2).sum() + (q * abs(p) ** 2).sum() + q**4))
        theirs.step(closure_of(theirs, lambda: (abs(a - 1j) ** 2).sum() + (c * abs(a) ** 2).sum() + c**4))
    np.testing.assert_allclose(p.numpy(), a.detach().numpy(), rtol=1e-7)
    assert q.item() == pytest.approx(c.item(), rel=1e-7)
    assert unused.tolist() == [1.0, 1.0]


def test_a_loss_that_leaves_the_numbers_is_walked_back_from() -> None:
    """log(x) is nan below 0, where the first step leads; PyTorch ends in nan."""
    p = nn.Parameter(np.array(0.5))
    optimizer = LBFGS([p], lr=10.0, line_search_fn="strong_wolfe", max_iter=50)
    with np.errstate(all="ignore"):
        optimizer.step(closure_of(optimizer, lambda: p * 20 - ad.log(p)))
    assert p.item() == pytest.approx(1 / 20, rel=1e-5)


def test_a_gradient_that_is_nan_changes_nothing() -> None:
    p = nn.Parameter(np.array([1.0, 2.0]))
    optimizer = LBFGS([p])

    def closure() -> float:
        p.grad = ad.Tensor(np.array([math.nan, 1.0]))
        return math.nan

    assert math.isnan(optimizer.step(closure))
    assert p.tolist() == [1.0, 2.0]


def test_an_error_in_the_search_leaves_the_parameters_where_they_were() -> None:
    p = nn.Parameter(np.array([1.0, 2.0]))
    optimizer = LBFGS([p], line_search_fn="strong_wolfe")
    calls = 0

    def closure() -> ad.Tensor:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(KeyboardInterrupt):
        optimizer.step(closure)
    assert p.tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------------------------ the line search


@pytest.mark.parametrize("first", [1e-4, 0.1, 1.0, 10.0])
@pytest.mark.parametrize(
    ("loss", "slope"),
    [
        (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (lambda t: math.exp(min(t, 500.0)) - 4 * t, lambda t: math.exp(min(t, 500.0)) - 4),
        (lambda t: math.cos(t + 1) + 0.05 * t, lambda t: -math.sin(t + 1) + 0.05),
    ],
)
def test_the_line_search_satisfies_the_strong_wolfe_conditions(
    loss: Callable[[float], float], slope: Callable[[float], float], first: float
) -> None:
    def evaluate(t: float) -> Point:
        return Point(t, loss(t), np.array([slope(t)]), slope(t))

    start = evaluate(0.0)
    found, calls = strong_wolfe(evaluate, start, first, 1.0, 1e-12, 60)
    assert found.loss <= start.loss + 1e-4 * found.step * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert calls < 30


# ------------------------------------------------------------------------------------------------ mistakes


def test_mistakes_in_closures_are_told_once() -> None:
    p = nn.Parameter(np.array([3.0]))
    optimizer = LBFGS([p])
    with pytest.raises(TypeError, match=r"give step\(closure\) a function that computes it anew"):
        optimizer.step()
    with pytest.raises(TypeError, match="the closure returned None; it must return the loss"):
        optimizer.step(lambda: None)
    optimizer = LBFGS([p])
    with pytest.warns(UserWarning, match="no parameter has a gradient after the closure") as caught:
        optimizer.step(lambda: (p * p).sum())
    assert caught[0].filename == __file__
    optimizer.step(lambda: (p * p).sum())

    def adding() -> ad.Tensor:
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.warns(UserWarning, match=r"the gradients of all evaluations add up.*the closure must call zero_grad\(\) first"):
        optimizer.step(adding)
    optimizer.step(adding)


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    model = small()
    optimizer = LBFGS(model.parameters(), lr=0.5)
    model_step(model, optimizer)
    other = nn.Parameter(np.ones(3))
    fresh = LBFGS([other, *(nn.Parameter(np.ones(1)) for _ in range(3))])
    with pytest.raises(ValueError, match=r"the parameters have 6 elements in all, the state '.*' has shape \(44,\)"):
        fresh.load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="another optimizer"):
        fresh.load_state_dict(nn.optim.SGD(model.parameters()).state_dict())
    assert fresh.param_groups[0]["lr"] == 1.0
    assert fresh.state_dict()["state"] == {}
    with pytest.raises(ValueError, match="one group only"):
        fresh.add_param_group({"params": [nn.Parameter(1.0)]})
