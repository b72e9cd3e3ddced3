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


def test_an_identity_and_its_convolution() -> None:
    assert init.eye_(ad.ones((2, 3))).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    x = np.random.default_rng(0).standard_normal((4, 9))
    weight = init.dirac_(ad.ones((4, 4, 3))).numpy()
    slid = np.stack([np.tensordot(weight, x[:, i : i + 3], ((1, 2), (0, 1))) for i in range(7)], axis=1)
    np.testing.assert_array_equal(slid, x[:, 1:-1])


@pytest.mark.parametrize(("shape", "groups"), [((4, 2, 3), 2), ((6, 2, 3, 4), 3), ((2, 5, 3, 3), 1), ((4, 1, 2, 3, 3), 4)])
def test_dirac_is_that_of_pytorch(shape: tuple[int, ...], groups: int) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    expected = torch.nn.init.dirac_(torch.empty(*shape), groups)
    np.testing.assert_array_equal(init.dirac_(ad.ones(shape), groups).numpy(), expected.numpy())


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 3, 2, 2), (30, 2, 3), (1, 4)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(ad.zeros(shape), 1.5, np.random.default_rng(0)).numpy().reshape(shape[0], -1)
    square = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(square, 2.25 * np.eye(len(square)), atol=1e-12)


def test_orthogonal_matrices_are_evenly_distributed() -> None:
    generator = np.random.default_rng(0)
    drawn = np.array([init.orthogonal_(ad.zeros((3, 3)), generator=generator).numpy() for _ in range(3000)])
    assert np.abs(drawn.mean(axis=0)).max() < 5 / math.sqrt(3 * 3000)  # mean 0, variance 1/3 of each element
    np.testing.assert_allclose((drawn * drawn).mean(axis=0), 1 / 3, atol=0.03)
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 0.05


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.25, 1.0])
def test_sparse_columns(sparsity: float) -> None:
    values = init.sparse_(ad.ones((37, 200)), sparsity, 0.5, np.random.default_rng(0)).numpy()
    assert ((values == 0).sum(axis=0) == math.ceil(sparsity * 37)).all()
    if 0 < sparsity < 1:
        rows = (values == 0).mean(axis=1)
        assert np.abs(rows - rows.mean()).max() < 5 * math.sqrt(sparsity / 200)
        assert values[values != 0].std() == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2),
        (0.5, 2, -2, 2),
        (0, 0.02, -2, 2),
        (3, 1, -2, 2),
        (-10, 1, -2, 2),
        (0, 1, 0, 0.1),
        (0, 1, -9, 0.5),
        (0, 1, 6, 100),
    ],
)
def test_truncated_normal_has_its_distribution(mean: float, std: float, a: float, b: float) -> None:
    tensor = ad.zeros((100, 200))
    assert init.trunc_normal_(tensor, mean, std, a, b, np.random.default_rng(0)) is tensor
    values = tensor.numpy()
    assert values.min() >= a
    assert values.max() <= b
    stats = pytest.importorskip("scipy.stats", reason="knows the distribution")
    exact = stats.truncnorm((a - mean) / std, (b - mean) / std, loc=mean, scale=std)
    assert stats.kstest(values.ravel(), exact.cdf).pvalue > 0.001


def test_truncation_holds_in_single_precision_too() -> None:
    values = init.trunc_normal_(ad.zeros(100000, dtype=np.float32), 0.1, 1e-9, 0.1, 0.2, np.random.default_rng(0)).numpy()
    assert (values.astype(float) >= 0.1).all()  # the float32 nearest to 0.1 is above it; that nearest to 0.7 is below
    values = init.trunc_normal_(ad.zeros(1000, dtype=np.float32), 0.7, 1e-9, 0.7, 0.8, np.random.default_rng(0)).numpy()
    assert (values.astype(float) >= 0.7).all()


RANDOM: dict[str, tuple[Any, ...]] = {
    "uniform_": (-1.0, 2.0),
    "normal_": (1.0, 2.0),
    "trunc_normal_": (0.2, 1.0, -0.5, 2.0),
    "xavier_uniform_": (1.5,),
    "xavier_normal_": (1.5,),
    "kaiming_uniform_": (0.3, "fan_out", "leaky_relu"),
    "kaiming_normal_": (0.0, "fan_in", "selu"),
    "orthogonal_": (2.0,),
    "sparse_": (0.3, 2.0),
}


@pytest.mark.parametrize("name", RANDOM)
def test_distributions_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    stats = pytest.importorskip("scipy.stats", reason="compares distributions")
    shape = (60, 80) if name == "sparse_" else (40, 12, 3, 3)
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, name)(torch.empty(*shape, dtype=torch.float64), *RANDOM[name]).numpy().ravel()
    ours = getattr(init, name)(ad.zeros(shape), *RANDOM[name], np.random.default_rng(0)).numpy().ravel()
    if name == "sparse_":
        assert (ours == 0).sum() == (theirs == 0).sum()
        ours, theirs = ours[ours != 0], theirs[theirs != 0]
    assert stats.ks_2samp(ours, theirs).pvalue > 0.005
    if "uniform" in name:
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


@pytest.mark.parametrize("name", [*RANDOM, "zeros_", "ones_", "eye_"])
def test_a_fill_records_nothing_and_keeps_what_the_tensor_is(name: str) -> None:
    weight = nn.Parameter(np.full((4, 6), 9.0, np.float32))
    assert getattr(init, name)(weight, *RANDOM.get(name, ())) is weight
    assert weight.dtype == np.float32
    assert weight.requires_grad
    assert weight.is_leaf
    (weight * weight).sum().backward()
    np.testing.assert_allclose(weight.grad.numpy(), 2 * weight.numpy())  # type: ignore[union-attr]
    if name in RANDOM:
        nn.manual_seed(0)
        first = getattr(init, name)(weight, *RANDOM[name]).tolist()
        nn.manual_seed(0)
        assert getattr(init, name)(weight, *RANDOM[name]).tolist() == first


ALL = [name for name in dir(init) if name.endswith("_") and not name.startswith("_")]


def test_all_initialisers_of_pytorch_are_there() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    assert set(ALL) == {name for name in dir(torch.nn.init) if name.endswith("_") and not name.startswith("_")}


@pytest.mark.parametrize("name", ALL)
def test_only_floating_tensors_are_filled(name: str) -> None:
    call, more = getattr(init, name), {"constant_": (1.0,), "sparse_": (0.5,)}.get(name, ())
    with pytest.raises(TypeError, match=rf"{name}: expected a Tensor to fill, got ndarray; fill an array itself with"):
        call(np.zeros((3, 3, 3)), *more)
    with pytest.raises(TypeError, match=rf"{name}: expected a floating Tensor to fill, got dtype int64"):
        call(ad.zeros((3, 3, 3), dtype=np.int64), *more)


def test_fans_count_the_field_of_a_convolution() -> None:
    assert init.fans(ad.zeros((8, 4, 3, 3))) == (36, 72)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu", "conv2d", "conv_transpose3d"])
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
    for call, message in (
        (lambda: init.calculate_gain("leaky_relu", "steep"), "the slope of leaky_relu must be a number, got 'steep'"),  # type: ignore[arg-type]
        (lambda: init.uniform_(ad.zeros(3), 2, 1), "expected a <= b, got a=2, b=1"),
        (lambda: init.normal_(ad.zeros(3), 0, -1), "expected std >= 0, got -1"),
        (lambda: init.trunc_normal_(ad.zeros(3), 0, 1, 2, 2), "expected a < b and std > 0"),
        (lambda: init.eye_(ad.zeros(3)), r"expected a matrix, got shape \(3,\)"),
        (lambda: init.sparse_(ad.zeros((3, 3, 3)), 0.5), "expected a matrix"),
        (lambda: init.sparse_(ad.zeros((3, 3)), 1.5), "sparsity is a share, from 0 to 1; got 1.5"),
        (lambda: init.dirac_(ad.zeros((3, 3))), r"weight of 3, 4 or 5 axes, got shape \(3, 3\)"),
        (lambda: init.dirac_(ad.zeros((3, 3, 3)), 2), "groups must divide the 3 output channels, got 2"),
        (lambda: init.orthogonal_(ad.zeros(3)), r"expected a matrix, or more axes, got shape \(3,\)"),
        (lambda: init.xavier_uniform_(ad.zeros(3)), "need a weight of at least two axes"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
