"""Initial values: bounds, moments, gains; in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import init

FILLS: dict[str, tuple[Callable[..., Any], float, float, float]] = {  # function, mean, standard deviation, largest distance
    "uniform": (lambda t, g: init.uniform_(t, -1, 3, g), 1.0, 4 / math.sqrt(12), 2.0),
    "normal": (lambda t, g: init.normal_(t, 2.0, 0.5, g), 2.0, 0.5, math.inf),
    "kaiming_uniform": (lambda t, g: init.kaiming_uniform_(t, generator=g), 0.0, math.sqrt(2 / 150), math.sqrt(6 / 150)),
    "kaiming_uniform out": (
        lambda t, g: init.kaiming_uniform_(t, 0.5, "fan_out", generator=g), 0.0, math.sqrt(1.6 / 200), math.sqrt(4.8 / 200),
    ),
    "kaiming_normal": (
        lambda t, g: init.kaiming_normal_(t, nonlinearity="tanh", generator=g), 0.0, 5 / 3 / math.sqrt(150), math.inf,
    ),
    "xavier_uniform": (lambda t, g: init.xavier_uniform_(t, 2.0, g), 0.0, 2 * math.sqrt(2 / 350), 2 * math.sqrt(6 / 350)),
    "xavier_normal": (lambda t, g: init.xavier_normal_(t, 2.0, g), 0.0, 2 * math.sqrt(2 / 350), math.inf),
}  # fmt: skip


@pytest.mark.parametrize("name", FILLS)
def test_random_fills_have_their_mean_spread_and_bounds(name: str) -> None:
    fill, mean, std, farthest = FILLS[name]
    tensor = nn.Parameter(np.empty((200, 150)))
    data = tensor._data
    assert fill(tensor, np.random.default_rng(0)) is tensor
    assert tensor._data is data
    values = tensor.numpy()
    assert values.mean() == pytest.approx(mean, abs=5 * std / math.sqrt(values.size))
    assert values.std() == pytest.approx(std, rel=0.02)
    assert np.abs(values - mean).max() <= farthest * (1 + 1e-12)
    again = nn.Parameter(np.empty(tensor.shape))
    fill(again, np.random.default_rng(0))
    np.testing.assert_array_equal(again.numpy(), values)


def test_constants() -> None:
    tensor = ad.zeros((2, 3))
    assert init.constant_(tensor, 7).tolist() == [[7.0] * 3] * 2
    assert init.ones_(tensor).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(tensor).tolist() == [[0.0] * 3] * 2


def test_fans_count_the_field_of_a_convolution() -> None:
    assert init.fans(ad.zeros((8, 4, 3, 3))) == (36, 72)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu"])
def test_gains_are_those_of_pytorch(nonlinearity: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    assert init.calculate_gain(nonlinearity) == pytest.approx(torch.nn.init.calculate_gain(nonlinearity))
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


def test_a_fill_between_forward_and_backward_is_reported() -> None:
    w = nn.Parameter(np.ones((2, 2)))
    y = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(RuntimeError, match=r"by nn\.init"):
        y.backward()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"need a weight of at least two axes \(out, in\), got shape \(3,\)"):
        init.kaiming_uniform_(ad.zeros(3))
    with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_normal_(ad.zeros((3, 3)), mode="fan")
    with pytest.raises(ValueError, match="unknown nonlinearity 'gelu'; known are leaky_relu, linear"):
        init.calculate_gain("gelu")
