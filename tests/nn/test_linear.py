"""The linear layer: values, gradients, dtypes, shapes, initial values."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


SHAPES = [(4, 3), (3,), (2, 4, 3), (2, 1, 5, 3), (0, 3), (1, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_value_is_x_times_w_transposed_plus_b(shape: tuple[int, ...]) -> None:
    x, w, b = arrays(shape, (2, 3), (2,))
    np.testing.assert_allclose(F.linear(x, w, b).numpy(), np.matmul(x, w.T) + b, rtol=1e-14)
    np.testing.assert_allclose(F.linear(x, w).numpy(), np.matmul(x, w.T), rtol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_to_second_order(shape: tuple[int, ...]) -> None:
    x, w, b = arrays(shape, (2, 3), (2,))
    ad.check_grads(F.linear, x, w, b)
    ad.check_grads(lambda x, w: F.linear(x, w) ** 2, x, w)


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_gradients_are_close_to_float64_ones(shape: tuple[int, ...]) -> None:
    found = []
    for dtype in (np.float64, np.float32):
        tensors = [ad.Tensor(a.astype(dtype), requires_grad=True) for a in arrays(shape, (2, 3), (2,))]
        y = (F.linear(*tensors) ** 2).sum()
        y.backward()
        assert y.dtype == dtype
        found.append([t.grad.numpy() for t in tensors if t.grad is not None])
    assert len(found[1]) == 3
    for exact, close in zip(*found, strict=True):
        assert close.dtype == np.float32
        np.testing.assert_allclose(close, exact, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 4, 3)])
def test_values_and_gradients_are_those_of_pytorch(shape: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = arrays(shape, (2, 3), (2,))
    ours = [ad.Tensor(a, requires_grad=True) for a in data]
    theirs = [torch.tensor(a, requires_grad=True) for a in data]
    y, z = F.linear(*ours), torch.nn.functional.linear(*theirs)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12)
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad is not None
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)


def test_only_the_gradients_that_are_asked_for_are_computed() -> None:
    layer = nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    x = ad.Tensor(np.ones((4, 3), np.float32))
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [4.0, 4.0]


@pytest.mark.parametrize("out", [1, 8])
def test_the_sum_over_many_rows_keeps_more_digits_than_adding_row_by_row(out: int) -> None:
    n, tenth = 1 << 18, np.float32(0.1)
    bias = ad.Tensor(np.zeros(out, np.float32), requires_grad=True)
    F.linear(np.zeros((n, 1), np.float32), np.zeros((out, 1), np.float32), bias).backward(np.full((n, out), tenth))
    assert bias.grad is not None
    row_by_row = np.add.accumulate(np.full(n, tenth))[-1]
    assert np.abs(bias.grad.numpy() - n * float(tenth)).max() < 0.3 * abs(row_by_row - n * float(tenth))


def test_mixed_dtypes_promote_as_in_numpy() -> None:
    x, w, b = arrays((4, 3), (2, 3), (2,))
    assert F.linear(x.astype(np.float32), w.astype(np.float32), b).dtype == np.float64
    assert F.linear(x, w.astype(np.float32), b.astype(np.float32)).dtype == np.float64


def test_a_layer_computes_in_the_dtype_of_its_parameters() -> None:
    x = np.ones((4, 3))
    assert nn.Linear(3, 2)(ad.Tensor(x)).dtype == np.float32
    assert nn.Linear(3, 2, dtype=np.float64)(ad.Tensor(x.astype(np.float32))).dtype == np.float64
    tracked = ad.Tensor(x, requires_grad=True)
    nn.Linear(3, 2)(tracked).sum().backward()
    assert tracked.grad is not None
    assert tracked.grad.dtype == np.float64


def test_arrays_and_lists_are_taken_as_they_are() -> None:
    layer = nn.Linear(2, 1)
    expected = layer(ad.Tensor([[1.0, 2.0]])).tolist()
    assert layer(np.array([[1.0, 2.0]])).tolist() == expected  # type: ignore[arg-type]
    assert layer([[1, 2]]).tolist() == expected  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4, 5), (2, 3), (2,)), r"linear: expected 3 features on the last axis of the input, got shape \(4, 5\)"),
        (((4, 28, 28), (10, 784), (10,)), "flatten each sample first"),
        (((), (2, 3), (2,)), r"got shape \(\)"),
        (((4, 3), (3,), (2,)), r"the weight has shape \(3,\), expected two axes \(out, in\)"),
        (((4, 3), (2, 3), (1,)), r"expected a bias of shape \(2,\), one for each output, got \(1,\)"),
        (((4, 3), (2, 3), (4, 2)), r"expected a bias of shape \(2,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        F.linear(*arrays(*shapes))


def test_complex_input_of_a_real_layer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"the input is complex \(complex128\), the layer real \(float32\)"):
        nn.Linear(2, 1)(ad.Tensor([1j, 2]))


def test_input_that_holds_no_numbers_is_refused() -> None:
    with pytest.raises(TypeError, match="expected numbers"):
        nn.Linear(2, 1)(["a", "b"])  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "3"])
def test_sizes_must_be_positive_integers(n: object) -> None:
    with pytest.raises(ValueError, match=r"Linear: in_features must be a positive integer, got"):
        nn.Linear(n, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"Linear: out_features must be a positive integer, got"):
        nn.Linear(2, n)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ initial values


def test_initial_values_are_uniform_up_to_one_over_root_in() -> None:
    layer = nn.Linear(400, 300, generator=np.random.default_rng(0))
    bound = 1 / 20
    assert layer.bias is not None
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.98 * bound
        assert abs(values.mean()) < 4 * bound / np.sqrt(3 * values.size)
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.08)


def test_initial_values_have_the_distribution_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    stats = pytest.importorskip("scipy.stats", reason="compares distributions")
    torch.manual_seed(0)
    ours, theirs = nn.Linear(50, 400, generator=np.random.default_rng(0)), torch.nn.Linear(50, 400)
    assert ours.bias is not None
    for a, b in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        assert stats.ks_2samp(a.numpy().ravel(), b.detach().numpy().ravel()).pvalue > 0.01


def test_the_seed_decides_the_initial_values() -> None:
    nn.manual_seed(3)
    first = nn.Linear(3, 2).state_dict()
    nn.manual_seed(3)
    second = nn.Linear(3, 2).state_dict()
    third = nn.Linear(3, 2).state_dict()
    assert first["weight"].tolist() == second["weight"].tolist()
    assert first["bias"].tolist() == second["bias"].tolist()
    assert second["weight"].tolist() != third["weight"].tolist()
    explicit = [nn.Linear(3, 2, generator=np.random.default_rng(5)).weight.tolist() for _ in range(2)]
    assert explicit[0] == explicit[1]
    with pytest.raises(TypeError, match=r"expected a numpy.random.Generator or None, got int"):
        nn.Linear(3, 2, generator=5)  # type: ignore[arg-type]


def test_a_cast_input_keeps_its_name() -> None:
    with pytest.raises(ValueError, match="'batch'"):
        nn.Linear(2, 1)(ad.Tensor(np.ones((4, 5)), name="batch"))


# ------------------------------------------------------------------------------------------------ bilinear


BILINEAR = [((4, 3), (4, 2)), ((3,), (2,)), ((2, 5, 3), (2, 5, 2)), ((0, 3), (0, 2)), ((1, 3), (1, 2))]


@pytest.mark.parametrize("shapes", BILINEAR)
def test_bilinear_is_its_definition(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b, w, bias = arrays(*shapes, (5, 3, 2), (5,))
    expected = np.einsum("...i,kij,...j->...k", a, w, b)
    np.testing.assert_allclose(F.bilinear(a, b, w).numpy(), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(F.bilinear(a, b, w, bias).numpy(), expected + bias, rtol=1e-12, atol=1e-14)
    ad.check_grads(F.bilinear, a, b, w, bias)


@pytest.mark.parametrize("shapes", BILINEAR)
def test_bilinear_is_that_of_pytorch(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = arrays(*shapes, (5, 3, 2), (5,))
    ours = [ad.Tensor(a, requires_grad=True) for a in data]
    theirs = [torch.tensor(a, requires_grad=True) for a in data]
    y, z = F.bilinear(*ours), torch.nn.functional.bilinear(*theirs)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-14)
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad is not None
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-11, atol=1e-13)


def test_the_bilinear_layer() -> None:
    layer = nn.Bilinear(100, 20, 30, generator=np.random.default_rng(0))
    assert {name: value.shape for name, value in layer.state_dict().items()} == {"weight": (30, 100, 20), "bias": (30,)}
    for values in layer.parameters():
        assert values.dtype == np.float32
        assert 0.08 < np.abs(values.numpy()).max() <= 0.1
        assert values.numpy().std() == pytest.approx(0.1 / np.sqrt(3), rel=0.25)
    assert layer(np.ones((4, 100)), np.ones((4, 20))).dtype == np.float32  # type: ignore[arg-type]
    assert nn.Bilinear(2, 3, 4, bias=False, dtype=np.float64).bias is None
    assert repr(nn.Bilinear(2, 3, 4)) == "Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)"
    with pytest.raises(ValueError, match="Bilinear: in2_features must be a positive integer, got 0"):
        nn.Bilinear(2, 0, 4)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((4, 3), (4, 2), (5, 3)), "expected three axes"),
        (((4, 2), (4, 3), (5, 3, 2)), r"expected inputs of shapes \(..., 3\) and \(..., 2\)"),
        (((4, 3), (5, 2), (5, 3, 2)), r"same leading axes, got \(4, 3\) and \(5, 2\)"),
        (((), (2,), (5, 3, 2)), r"got \(\) and \(2,\)"),
        (((4, 3), (4, 2), (5, 3, 2), (4,)), r"expected a bias of shape \(5,\)"),
    ],
)
def test_bilinear_shapes_that_do_not_fit_are_named(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        F.bilinear(*arrays(*shapes))


def test_identity_returns_what_it_gets_whatever_it_was_made_with() -> None:
    x = ad.Tensor([1.0])
    assert nn.Identity(5, unused=True)(x) is x
    assert repr(nn.Identity(5)) == "Identity()"
    assert list(nn.Identity().state_dict()) == []
