"""Layers that normalise: one table of them, and proofs that run over all of its rows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F
from nn.normalization.batch import _batch_norm, norm_by_known
from nn.normalization.group import per_group
from nn.normalization.layer import _layer_norm
from nn.normalization.length import _rms_norm


@dataclass(frozen=True)
class Row:
    """A layer: its class, its arguments, the shape of an input, and whether the mean of the input matters."""

    name: str
    arguments: tuple[Any, ...]
    shape: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.options.items())
        return f"{self.name}{self.arguments}{options}-{'x'.join(map(str, self.shape))}"

    def make(self, dtype: Any = np.float64) -> Any:
        layer = getattr(nn, self.name)(*self.arguments, **self.options, dtype=dtype)
        rng = np.random.default_rng(5)
        for parameter in layer.parameters():
            parameter._data[...] = rng.standard_normal(parameter.shape)
        return layer

    def make_torch(self, torch: Any, like: Any) -> Any:
        layer = getattr(torch.nn, self.name)(*self.arguments, **self.options, dtype=torch.float64)
        layer.load_state_dict({name: torch.tensor(value.numpy()) for name, value in like.state_dict().items()})
        return layer

    def data(self, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.standard_normal(self.shape) * 2 + rng.standard_normal(
            (self.shape[1 if len(self.shape) > 2 else -1],) + (1,) * (len(self.shape) - 2)
        )

    @property
    def has_running_statistics(self) -> bool:
        default = self.name.startswith("Batch")
        return bool(self.options.get("track_running_stats", default))


ROWS = [
    Row("LayerNorm", (6,), (5, 6)),
    Row("LayerNorm", (6,), (6,)),
    Row("LayerNorm", ((3, 4),), (2, 5, 3, 4)),
    Row("LayerNorm", (6,), (2, 3, 6), {"elementwise_affine": False}),
    Row("LayerNorm", (6,), (5, 6), {"bias": False, "eps": 1e-2}),
    Row("LayerNorm", (1,), (3, 1)),
    Row("RMSNorm", (6,), (5, 6)),
    Row("RMSNorm", ((3, 4),), (2, 3, 4), {"eps": 1e-3}),
    Row("RMSNorm", (6,), (2, 3, 6), {"elementwise_affine": False}),
    Row("GroupNorm", (2, 6), (3, 6)),
    Row("GroupNorm", (3, 6), (3, 6, 5)),
    Row("GroupNorm", (2, 4), (2, 4, 3, 5)),
    Row("GroupNorm", (1, 4), (2, 4, 3), {"affine": False}),
    Row("GroupNorm", (4, 4), (2, 4, 70), {"eps": 1e-2, "bias": False}),
    Row("BatchNorm1d", (4,), (6, 4)),
    Row("BatchNorm1d", (4,), (3, 4, 5)),
    Row("BatchNorm1d", (4,), (3, 4, 70)),
    Row("BatchNorm1d", (4,), (6, 4), {"affine": False, "momentum": 0.3}),
    Row("BatchNorm1d", (4,), (6, 4), {"momentum": None, "bias": False}),
    Row("BatchNorm1d", (4,), (6, 4), {"track_running_stats": False, "eps": 1e-2}),
    Row("BatchNorm2d", (3,), (4, 3, 2, 5)),
    Row("BatchNorm2d", (2,), (2, 2, 9, 10)),
    Row("BatchNorm3d", (3,), (2, 3, 2, 2, 3)),
    Row("InstanceNorm1d", (4,), (3, 4, 5)),
    Row("InstanceNorm1d", (4,), (4, 5), {"affine": True}),
    Row("InstanceNorm1d", (4,), (3, 4, 5), {"affine": True, "track_running_stats": True}),
    Row("InstanceNorm2d", (3,), (2, 3, 4, 5), {"affine": True, "momentum": 0.3}),
    Row("InstanceNorm2d", (3,), (2, 3, 4, 5), {"track_running_stats": True}),
    Row("InstanceNorm3d", (3,), (2, 3, 2, 2, 3), {"affine": True}),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
both_modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


# Of many elements each: sums of their squares are far from what half precision can hold.
LARGE = [
    Row("LayerNorm", (768,), (4, 768)),
    Row("RMSNorm", (768,), (4, 768)),
    Row("GroupNorm", (2, 8), (2, 8, 200)),
    Row("BatchNorm1d", (4,), (2048, 4)),
    Row("BatchNorm2d", (3,), (4, 3, 16, 16)),
    Row("InstanceNorm2d", (3,), (2, 3, 16, 16), {"affine": True, "track_running_stats": True}),
]


def cotangent(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(9).standard_normal(shape).astype(dtype)


def run(layer: Any, data: np.ndarray) -> list[np.ndarray]:
    """Return value and gradients: of the input, then of the parameters."""
    x = ad.Tensor(data, requires_grad=True)
    layer.zero_grad()
    y = layer(x)
    y.backward(cotangent(data.shape, data.dtype))
    return [y.numpy(), x.grad.numpy(), *(parameter.grad.numpy() for parameter in layer.parameters())]  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------ PyTorch


@every_row
def test_steps_and_use_are_those_of_pytorch(row: Row) -> None:
    """Three steps of training, with another batch each, then use: values, all gradients, all running statistics."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = row.make()
    theirs = row.make_torch(torch, ours)
    for step in range(5):
        if step == 3:
            ours.eval(), theirs.eval()
        data = row.data(step)
        x = torch.tensor(data, requires_grad=True)
        theirs.zero_grad()
        y = theirs(x)
        y.backward(torch.tensor(cotangent(data.shape)))
        expected = [y.detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in theirs.parameters())]
        for a, b in zip(run(ours, data), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
        for name, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-12, atol=1e-14)


@every_row
def test_state_is_that_of_pytorch(row: Row) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = getattr(nn, row.name)(*row.arguments, **row.options)
    theirs = getattr(torch.nn, row.name)(*row.arguments, **row.options)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert state[name].shape == tuple(value.shape)
        assert str(state[name].dtype) == str(value.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(state[name].numpy(), value.numpy())
    assert repr(ours).replace(", bias=True", "").replace(", bias=False", "") == repr(theirs).replace(", bias=True", "").replace(
        ", bias=False", ""
    )  # older versions of PyTorch do not say so


# ------------------------------------------------------------------------------------------------ gradients


@every_row
@both_modes
def test_gradients_to_second_order(row: Row, training: bool) -> None:
    layer = row.make()
    for step in range(2):
        layer(row.data(step))
    layer.train(training)
    names = [name for name, _ in layer.named_parameters()]

    def call(x: Any, *parameters: Any) -> Any:
        used = copy.deepcopy(layer)  # so that running statistics stay as they are
        for name, parameter in zip(names, parameters, strict=True):
            used.__dict__[name] = parameter
        return used(x) ** 2

    data = row.data(7)
    if row.shape[-1] == 1:  # one element less its mean is 0, whatever it is
        assert run(layer, data)[1].tolist() == np.zeros(row.shape).tolist()
        return
    ad.check_grads(call, data, *(parameter.numpy() for parameter in layer.parameters()))


KERNELS: dict[str, tuple[Any, Callable[[np.ndarray, Any, Any], tuple[Any, ...]], tuple[int, ...], tuple[int, ...]]] = {
    "layer": (_layer_norm, lambda x, w, b: (x, w, b, 1e-5, 1), (5, 6), (6,)),
    "layer of two axes": (_layer_norm, lambda x, w, b: (x, w, b, 1e-5, 2), (2, 5, 6), (5, 6)),
    "large layer": (_layer_norm, lambda x, w, b: (x, w, b, 1e-5, 1), (192, 400), (400,)),
    "rms": (_rms_norm, lambda x, w, b: (x, w, 1e-5, 1), (5, 6), (6,)),
    "large rms": (_rms_norm, lambda x, w, b: (x, w, 1e-5, 1), (192, 400), (400,)),
    "groups": (per_group, lambda x, w, b: (x, w, b, 1e-5, 3), (4, 6, 7), (6,)),
    "groups of numbers": (per_group, lambda x, w, b: (x, w, b, 1e-5, 3), (4, 6), (6,)),
    "batch": (_batch_norm, lambda x, w, b: (x, w, b, 1e-5, None), (5, 6), (6,)),
    "large batch": (_batch_norm, lambda x, w, b: (x, w, b, 1e-5, None), (192, 400), (400,)),
    "batch of short rows": (_batch_norm, lambda x, w, b: (x, w, b, 1e-5, None), (3, 6, 5), (6,)),
    "batch of long rows": (_batch_norm, lambda x, w, b: (x, w, b, 1e-5, None), (3, 6, 80), (6,)),
    "known": (norm_by_known, lambda x, w, b: (x, w, b, 1e-5, np.arange(6.0), np.arange(6.0) + 1), (3, 6, 5), (6,)),
    "known, long rows": (norm_by_known, lambda x, w, b: (x, w, b, 1e-5, np.arange(6.0), np.arange(6.0) + 1), (3, 6, 80), (6,)),
}


@pytest.mark.parametrize("affine", [True, False], ids=["affine", "plain"])
@pytest.mark.parametrize("offset", [0.0, 1e5], ids=["near", "far"])
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_equal_their_reference(name: str, offset: float, affine: bool) -> None:
    operation, arguments, shape, own = KERNELS[name]
    rng = np.random.default_rng(0)
    values = [offset + rng.standard_normal(shape), *((rng.standard_normal(own), rng.standard_normal(own)) if affine else ())]
    found = []
    for call in (operation, operation.reference):
        tensors = [ad.Tensor(value, requires_grad=True) for value in values]
        x, w, b = tensors if affine else (*tensors, None, None)  # type: ignore[misc]
        y = call(*arguments(x, w, b))  # type: ignore[arg-type]
        y.backward(cotangent(shape))
        found.append([y.numpy(), *(t.grad.numpy() for t in tensors if t.grad is not None)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@every_row
@both_modes
def test_single_precision_is_close_to_double(row: Row, training: bool) -> None:
    data = row.data()
    found = []
    for dtype in (np.float64, np.float32):
        layer = row.make(dtype).train(training)
        found.append(run(layer, data.astype(dtype)))
        assert all(a.dtype == dtype for a in found[-1])
        assert all(b.dtype in (dtype, np.int64) for b in layer.buffers())
    for exact, close in zip(*found, strict=True):
        np.testing.assert_allclose(close, exact, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------------------------------------ what the input is like


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Fortran": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 2 else a,
}


@pytest.mark.parametrize("row", LARGE, ids=[row.id for row in LARGE])
@both_modes
def test_half_precision_is_close_to_double(row: Row, training: bool) -> None:
    double = row.make()
    half = copy.deepcopy(double).half()
    double.load_state_dict({name: value.numpy() for name, value in half.state_dict().items()})  # the same, rounded numbers
    data = (row.data() * 15 + 5).astype(np.float16)
    for layer in (half, double):
        layer(data.astype(np.float64))  # moves the running statistics
        layer.train(training)
    found, expected = run(half, data), run(double, data.astype(np.float64))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float16
        np.testing.assert_allclose(one, other, rtol=4e-3, atol=4e-3 * np.abs(other).max())
    for name, value in half.state_dict().items():
        np.testing.assert_allclose(value.numpy(), double.state_dict()[name].numpy(), rtol=2e-3, atol=1e-3, err_msg=name)


@every_row
@both_modes
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_the_memory_makes_no_difference(row: Row, training: bool, layout: str) -> None:
    data = row.data()
    expected = run(row.make().train(training), data)
    layer = row.make().train(training)
    x = ad.Tensor(0.0)
    x._data = LAYOUTS[layout](data)
    x.requires_grad_()
    y = layer(x)
    y.backward(LAYOUTS[layout](cotangent(data.shape)))
    found = [y.numpy(), x.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


WITH_MEAN = [row for row in ROWS if row.name != "RMSNorm" and row.shape[-1] > 1]


@pytest.mark.parametrize("row", WITH_MEAN, ids=[row.id for row in WITH_MEAN])
@pytest.mark.parametrize("spread", [1.0, 1e-3], ids=["spread 1", "spread 0.001"])
def test_numbers_far_from_zero_keep_their_digits(row: Row, spread: float) -> None:
    """In float32, 10000 has three digits behind the point; of what these say, nothing more is lost."""
    data = (1e4 + spread * row.data()).astype(np.float32)
    close, exact = run(row.make(np.float32), data), run(row.make(), data.astype(np.float64))
    for name, a, b in zip(("value", "input", "weight", "bias"), close, exact, strict=False):
        scale = np.abs(b).max(initial=1e-3)
        np.testing.assert_allclose(a / scale, b / scale, atol=2e-5, rtol=0, err_msg=name)


@every_row
@pytest.mark.parametrize("value", [0.0, 1.0, -7.3, 1e4, 12345.678])
def test_constant_input_gives_the_bias(row: Row, value: float) -> None:
    layer = row.make(np.float32)
    data = np.full(row.shape, value, np.float32)
    if row.name == "RMSNorm":  # which does not take the mean away
        expected = np.broadcast_to(np.sign(value), row.shape)
        layer = row.make(np.float32)
        found = run(layer, data)
        if value and layer.weight is not None:
            np.testing.assert_allclose(found[0] / layer.weight.numpy(), expected, rtol=1e-2)
    else:
        found = run(layer, data)
        bias = getattr(layer, "bias", None)
        if bias is None:
            expected = np.zeros(row.shape)
        elif row.name == "LayerNorm":
            expected = np.broadcast_to(bias.numpy(), row.shape)
        else:
            alone = row.name == "InstanceNorm1d" and len(row.shape) == 2
            each = (-1,) + (1,) * (len(row.shape) - (1 if alone else 2))
            expected = np.broadcast_to(bias.numpy().reshape(each), row.shape)
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
    assert all(np.isfinite(a).all() for a in found)


@every_row
@pytest.mark.parametrize("scale", [1e4, 1e-20])
def test_two_derivatives_are_finite_at_the_extremes(row: Row, scale: float) -> None:
    layer = row.make()
    x = ad.Tensor(row.data() * scale, requires_grad=True)
    y = layer(x)
    (first,) = ad.gradients((y * cotangent(row.shape)).sum(), [x], create_graph=True)
    second = ad.gradients((first * cotangent(row.shape)).sum(), x)
    for value in (y, first, second):
        assert np.isfinite(value.numpy()).all()


def test_a_batch_of_nothing_goes_through_what_needs_no_batch() -> None:
    for row in ROWS:
        if row.name in ("LayerNorm", "RMSNorm", "GroupNorm") and len(row.shape) > 1:
            layer = row.make()
            found = run(layer, np.zeros((0, *row.shape[1:])))
            assert found[0].shape == (0, *row.shape[1:])
            assert all(not a.any() for a in found)
    assert nn.BatchNorm1d(3).eval()(np.zeros((0, 3))).shape == (0, 3)


@every_row
def test_inputs_are_cast_to_the_parameters(row: Row) -> None:
    layer = row.make(np.float32)
    given = ad.Tensor(row.data(), requires_grad=True)
    y = layer(given)
    y.sum().backward()
    has_dtype = any(True for _ in layer.parameters()) or row.has_running_statistics
    assert y.dtype == (np.float32 if has_dtype else np.float64)
    assert given.grad is not None
    assert given.grad.dtype == np.float64
    assert np.allclose(layer(row.data().tolist()).numpy(), y.numpy(), atol=1e-5)


# ------------------------------------------------------------------------------------------------ learning


@every_row
def test_frozen_parameters_get_no_gradient(row: Row) -> None:
    data = row.data()
    expected = run(row.make(), data)
    layer = row.make().requires_grad_(False)
    x = ad.Tensor(data, requires_grad=True)
    layer(x).backward(cotangent(data.shape))
    assert all(parameter.grad is None for parameter in layer.parameters())
    np.testing.assert_allclose(x.grad.numpy(), expected[1], rtol=1e-12)  # type: ignore[union-attr]
    for only, (name, _) in enumerate(row.make().named_parameters()):
        layer = row.make().requires_grad_(False)
        getattr(layer, name).requires_grad_()
        layer(data).backward(cotangent(data.shape))
        np.testing.assert_allclose(getattr(layer, name).grad.numpy(), expected[2 + only], rtol=1e-12)


@every_row
def test_copies_and_saved_states_go_on_as_the_layer_does(row: Row) -> None:
    layer = row.make()
    for step in range(2):
        layer(row.data(step))
    loaded = getattr(nn, row.name)(*row.arguments, **row.options, dtype=np.float64)
    loaded.load_state_dict(layer.state_dict())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), loaded):
        reference = copy.deepcopy(layer)
        for a, b in zip(run(other, row.data(3)), run(reference, row.data(3)), strict=True):
            np.testing.assert_array_equal(a, b)
        after = [{name: value.tolist() for name, value in each.state_dict().items()} for each in (other, reference)]
        assert after[0] == after[1]
    before = {name: value.tolist() for name, value in layer.state_dict().items()}
    layer.eval()(row.data(4))
    assert {name: value.tolist() for name, value in layer.state_dict().items()} == before


def test_reset_puts_the_first_state_back() -> None:
    for row in ROWS:
        layer = row.make()
        layer(row.data())
        layer.reset_parameters()
        fresh = getattr(nn, row.name)(*row.arguments, **row.options, dtype=np.float64).state_dict()
        assert {k: v.tolist() for k, v in layer.state_dict().items()} == {k: v.tolist() for k, v in fresh.items()}


# ------------------------------------------------------------------------------------------------ running statistics


def test_running_statistics_move_without_recording_and_leave_graphs_right() -> None:
    layer = nn.BatchNorm1d(3, dtype=np.float64)
    x = ad.Tensor(np.random.default_rng(0).standard_normal((5, 3)), requires_grad=True)
    layer.eval()
    y = layer(x)  # by the running statistics of now
    layer.train()
    z = layer(x * 10)
    assert not layer.running_mean.requires_grad  # type: ignore[union-attr]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1 / np.sqrt(1 + 1e-5))  # type: ignore[union-attr]
    z.sum().backward()


def test_a_view_of_running_statistics_shows_what_becomes_of_them() -> None:
    layer = nn.BatchNorm1d(3, dtype=np.float64)
    view = layer.running_mean[1:]  # type: ignore[index]
    tensor = layer.running_mean
    count = layer.num_batches_tracked.reshape(1)  # type: ignore[union-attr]
    layer(np.arange(6.0).reshape(2, 3))
    assert tensor is layer.running_mean
    np.testing.assert_allclose(view.numpy(), tensor.numpy()[1:])  # type: ignore[union-attr]
    assert view.numpy().all()
    assert count.tolist() == [1]


def test_functions_move_arrays_and_tensors() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3))
    mean, var = np.zeros(3), ad.ones(3)
    F.batch_norm(x, mean, var, training=True, momentum=1.0)
    np.testing.assert_allclose(mean, x.mean(axis=0))
    np.testing.assert_allclose(var.numpy(), x.var(axis=0, ddof=1))
    images = np.random.default_rng(1).standard_normal((2, 3, 4, 4))
    F.instance_norm(images, mean, var, momentum=1.0)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(var.numpy(), images.var(axis=(2, 3), ddof=1).mean(axis=0))
    y = F.instance_norm(images, mean, var, use_input_stats=False, eps=0.0)
    np.testing.assert_allclose(y.numpy(), ((images.swapaxes(1, -1) - mean) / np.sqrt(var.numpy())).swapaxes(1, -1))


def test_a_refused_batch_does_not_count() -> None:
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(np.ones((1, 3)))
    assert layer.num_batches_tracked.item() == 0  # type: ignore[union-attr]
    assert layer.running_mean.tolist() == [0.0] * 3  # type: ignore[union-attr]


def test_functions_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((3, 4, 5)), rng.standard_normal(4), rng.standard_normal(4)
    last = rng.standard_normal(5)
    G = torch.nn.functional
    pairs = [
        (F.layer_norm(x, 5, last), G.layer_norm(torch.tensor(x), (5,), torch.tensor(last))),
        (F.rms_norm(x, (5,), last), G.rms_norm(torch.tensor(x), (5,), torch.tensor(last))),
        (F.group_norm(x, 2, w, b), G.group_norm(torch.tensor(x), 2, torch.tensor(w), torch.tensor(b))),
        (F.instance_norm(x, weight=w), G.instance_norm(torch.tensor(x), weight=torch.tensor(w))),
        (
            F.batch_norm(x, None, None, w, b, True),
            G.batch_norm(torch.tensor(x), None, None, torch.tensor(w), torch.tensor(b), True),
        ),
        *((F.normalize(x, p, d), G.normalize(torch.tensor(x), p, d)) for p in (1.0, 2.0, 3.0, np.inf) for d in (0, 1, -1)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_normalize_has_gradients_to_second_order_and_none_at_zero(p: float) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4))
    ad.check_grads(lambda x: F.normalize(x, p) ** 2, x)
    zero = ad.Tensor(np.zeros((1, 3)), requires_grad=True)
    y = F.normalize(zero, p)
    y.sum().backward()
    assert y.tolist() == [[0.0] * 3]
    assert np.isfinite(zero.grad.numpy()).all()  # type: ignore[union-attr]


def test_operands_of_two_precisions_meet_in_the_higher() -> None:
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    y = F.layer_norm(x, 4, np.ones(4))
    assert y.dtype == np.float64
    w = ad.Tensor(np.ones(4), requires_grad=True)
    F.batch_norm(x, np.zeros(4), np.ones(4, np.float32), w).sum().backward()
    assert w.grad.dtype == np.float64  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), "BatchNorm1d: expected more than 1 value per channel when training.*drop"),
        (lambda: nn.BatchNorm2d(3)(np.ones((1, 3, 1, 1))), "expected more than 1 value per channel"),
        (lambda: nn.BatchNorm1d(3)(np.ones((2, 3, 4, 4))), r"expected an input of shape \(N, C\) or \(N, C, L\), got \(2, 3"),
        (lambda: nn.BatchNorm2d(3)(np.ones((2, 3))), r"BatchNorm2d: expected an input of shape \(N, C, H, W\)"),
        (lambda: nn.BatchNorm1d(3)(np.ones((2, 4))), r"expected 3 channels on axis 1 of the input, got shape \(2, 4\)"),
        (lambda: nn.BatchNorm1d(0), "num_features must be a positive integer, got 0"),
        (lambda: nn.InstanceNorm1d(3)(np.ones((2, 3, 1))), "expected more than 1 spatial element"),
        (lambda: nn.InstanceNorm1d(3)(np.ones((4, 5))), r"expected 3 channels on axis 0 of the input, got shape \(4, 5\)"),
        (lambda: nn.InstanceNorm2d(3)(np.ones((2, 3))), r"\(N, C, H, W\) or \(C, H, W\), got \(2, 3\)"),
        (lambda: nn.LayerNorm(3)(np.ones((2, 4))), r"LayerNorm: expected an input whose last axes are \(3,\), got shape \(2, 4\)"),
        (lambda: nn.LayerNorm((2, 0)), r"normalized_shape must be a positive integer or several, got \(2, 0\)"),
        (lambda: F.layer_norm(np.ones((2, 4)), 4, np.ones(3)), r"the weight has shape \(3,\), expected normalized_shape, \(4,\)"),
        (lambda: nn.RMSNorm((2, 3))(np.ones(3)), r"RMSNorm: expected an input whose last axes are \(2, 3\)"),
        (lambda: nn.GroupNorm(3, 4), "num_groups must divide the 4 channels, got 3"),
        (lambda: nn.GroupNorm(2, 4)(np.ones((2, 6))), "GroupNorm: expected 4 channels on axis 1"),
        (lambda: F.group_norm(np.ones((2, 4)), 2, np.ones(3)), r"the weight has shape \(3,\), expected \(4,\), one for each"),
        (lambda: F.group_norm(np.ones(4), 2), r"expected an input of shape \(N, C, ...\), got \(4,\)"),
        (lambda: F.batch_norm(np.ones((2, 4)), None, None), "needs running_mean and running_var"),
        (lambda: F.batch_norm(np.ones((2, 4)), np.ones(3), np.ones(4)), r"the running_mean has shape \(3,\), expected \(4,\)"),
        (lambda: F.batch_norm(np.ones(4), None, None), r"expected an input of shape \(N, C, ...\)"),
        (lambda: F.instance_norm(np.ones((2, 4))), r"expected an input of shape \(N, C, L, ...\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("call", [F.normalize, lambda x: F.layer_norm(x, 2), nn.LayerNorm(2, elementwise_affine=False)])
def test_integers_are_refused_where_no_parameter_says_a_dtype(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"the input has dtype int64, expected floating numbers; cast it"):
        call(np.ones((2, 2), int))
