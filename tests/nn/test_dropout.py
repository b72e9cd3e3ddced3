"""Dropout: how much is left out, what becomes of the rest, and that one mask serves both passes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "dropout": F.dropout,
    "dropout1d": F.dropout1d,
    "dropout2d": F.dropout2d,
    "dropout3d": F.dropout3d,
    "alpha_dropout": F.alpha_dropout,
    "feature_alpha_dropout": F.feature_alpha_dropout,
}
MODULES = {
    "dropout": nn.Dropout,
    "dropout1d": nn.Dropout1d,
    "dropout2d": nn.Dropout2d,
    "dropout3d": nn.Dropout3d,
    "alpha_dropout": nn.AlphaDropout,
    "feature_alpha_dropout": nn.FeatureAlphaDropout,
}
SHAPES = {"dropout1d": (5, 6, 4), "dropout2d": (5, 6, 2, 2), "dropout3d": (5, 6, 2, 1, 2)}
every_one = pytest.mark.parametrize("name", FUNCTIONS)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def data_for(name: str) -> np.ndarray:
    return seeded(3).standard_normal(SHAPES.get(name, (5, 6, 4)))


@pytest.mark.parametrize("shape", [(40, 40), (2000, 50), (100003,)])
@pytest.mark.parametrize("p", [0.05, 0.1, 0.25, 0.5, 0.75, 0.9])
def test_elements_are_left_out_with_this_probability(shape: tuple[int, ...], p: float) -> None:
    n, rounds = int(np.prod(shape)), 3
    generator = seeded()
    out = np.array([(F.dropout(np.ones(shape), p, generator=generator).numpy() == 0).sum() for _ in range(rounds)])
    assert abs(out.sum() - p * n * rounds) < 5 * np.sqrt(n * rounds * p * (1 - p))
    assert len(set(out.tolist())) > 1


def test_the_probability_is_exact_and_not_rounded_to_bytes() -> None:
    p, n = 0.1, 1 << 21  # 0.1 * 256 is 25.6: with bytes alone it would be 25/256 or 26/256, six deviations away
    out = n - np.count_nonzero(F.dropout(np.ones(n, np.float32), p, generator=seeded()).numpy())
    assert abs(out - p * n) < 4 * np.sqrt(n * p * (1 - p))
    assert abs(25 / 256 - p) * n > 10 * np.sqrt(n * p * (1 - p))


def test_elements_are_left_out_independently() -> None:
    kept = F.dropout(np.ones((400, 400)), 0.3, generator=seeded()).numpy() > 0
    for a, b in ((kept[:, 1:], kept[:, :-1]), (kept[1:], kept[:-1]), (kept[:, 8:], kept[:, :-8])):
        assert abs((a & b).mean() - 0.49) < 0.006


@every_one
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_the_rest_makes_up_for_it(name: str, p: float) -> None:
    if name in ("dropout", "dropout1d", "dropout2d", "dropout3d"):
        x = data_for(name)
        y = FUNCTIONS[name](x, p, True, generator=seeded()).numpy()
        np.testing.assert_allclose(y[y != 0], (x / (1 - p))[y != 0], rtol=1e-15)
        assert 0 < (y == 0).mean() < 1
    else:  # mean and variance stay
        x = seeded(1).standard_normal((700, 700))
        y = FUNCTIONS[name](x, p, True, generator=seeded()).numpy()
        assert y.mean() == pytest.approx(0, abs=0.01)
        assert y.std() == pytest.approx(1, abs=0.01)


@every_one
def test_whole_channels_are_left_out_together(name: str) -> None:
    x = np.ones(SHAPES.get(name, (5, 6, 4)))
    y = FUNCTIONS[name](x, 0.5, True, generator=seeded()).numpy()
    together = (y == y[:, :, :1]).all() and all(len(np.unique(part)) == 1 for part in y.reshape(30, -1))
    assert together == (name not in ("dropout", "alpha_dropout"))
    assert len(np.unique(y)) == 2


def test_samples_without_a_batch_axis() -> None:
    assert (F.dropout1d(np.ones((50, 3)), generator=seeded()).numpy().std(axis=1) == 0).all()
    assert (F.dropout2d(np.ones((2, 50, 3)), generator=seeded()).numpy().std(axis=2) == 0).all()
    assert (F.dropout3d(np.ones((50, 3, 2, 2)), generator=seeded()).numpy().std(axis=(1, 2, 3)) == 0).all()


@every_one
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_one_mask_serves_value_and_gradient(name: str, p: float) -> None:
    data = data_for(name)
    x = ad.Tensor(data, requires_grad=True)
    y = FUNCTIONS[name](x, p, True, generator=seeded())
    y.sum().backward()
    assert x.grad is not None
    moved = FUNCTIONS[name](data + 1, p, True, generator=seeded()).numpy()
    np.testing.assert_allclose(x.grad.numpy(), moved - y.numpy(), atol=1e-14)
    if p == 1:
        assert not y.numpy().any()
        assert not x.grad.numpy().any()
    ad.check_grads(lambda x: FUNCTIONS[name](x, p, True, generator=seeded()) ** 2, data)


@every_one
def test_nothing_is_left_out_in_use(name: str) -> None:
    x = ad.Tensor(data_for(name))
    layer = MODULES[name](0.5)
    assert layer.eval()(x) is x
    assert FUNCTIONS[name](x, 0.5, False) is x
    assert FUNCTIONS[name](x, 0.0, True) is x
    assert (layer.train()(x).numpy() != x.numpy()).any()
    assert layer.state_dict() == {}


@every_one
def test_the_seed_or_the_generator_decides(name: str) -> None:
    x, layer = data_for(name), MODULES[name](0.5)
    found = []
    for _ in range(2):
        nn.manual_seed(1)
        found.append((layer(x).tolist(), layer(x).tolist()))
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    first, second = (MODULES[name](0.5, generator=seeded(2)) for _ in range(2))
    twin = copy.deepcopy(first)
    assert first(x).tolist() == second(x).tolist() == twin(x).tolist()


@every_one
def test_precision_and_memory_order_stay(name: str) -> None:
    x = ad.Tensor(data_for(name).astype(np.float32), requires_grad=True)
    y = FUNCTIONS[name](x, 0.4, True, generator=seeded())
    y.sum().backward()
    assert x.grad is not None
    assert y.dtype == x.grad.dtype == np.float32
    turned = ad.Tensor(np.asfortranarray(data_for(name)))
    expected = FUNCTIONS[name](data_for(name), 0.4, True, generator=seeded())
    np.testing.assert_array_equal(FUNCTIONS[name](turned, 0.4, True, generator=seeded()).numpy(), expected.numpy())


@every_one
def test_arguments_and_repr_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    layer, theirs = MODULES[name](0.25, True), getattr(torch.nn, MODULES[name].__name__)(0.25, True)
    assert repr(layer) == repr(theirs)
    assert MODULES[name]().p == getattr(torch.nn, MODULES[name].__name__)().p


def test_alpha_dropout_has_the_two_values_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = np.unique(F.alpha_dropout(np.ones(200), 0.3, True, generator=seeded()).numpy())
    torch.manual_seed(0)
    theirs = np.unique(torch.nn.functional.alpha_dropout(torch.ones(200, dtype=torch.float64), 0.3, True).numpy())
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@every_one
@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan"), "half", True])
def test_p_must_be_a_probability(name: str, p: Any) -> None:
    with pytest.raises(ValueError, match="p is the probability to leave an element out, from 0 to 1; got"):
        FUNCTIONS[name](np.ones((2, 2, 2)), p)
    with pytest.raises(ValueError, match=f"{MODULES[name].__name__}: p is the probability"):
        MODULES[name](p)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(TypeError, match="dropout: the input has dtype int64, expected floating numbers"):
        F.dropout(np.ones(3, int))
    with pytest.raises(ValueError, match=r"dropout1d: expected an input of shape \(N, C, L\) or \(C, L\), got \(3,\)"):
        F.dropout1d(np.ones(3))
    with pytest.raises(ValueError, match=r"dropout2d: expected .* got \(3, 3\)"):
        nn.Dropout2d()(np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"dropout3d: expected .* got \(3, 3\)"):
        nn.Dropout3d()(np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"feature_alpha_dropout: expected .* got \(3,\)"):
        nn.FeatureAlphaDropout()(np.ones(3))
    with pytest.raises(TypeError, match=r"expected a numpy\.random\.Generator or None, got int"):
        nn.Dropout(generator=3)  # type: ignore[arg-type]
