"""Losses where they are difficult: numbers of any size, kinks, certainties, and arguments that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F
from nn.loss import binary, regression

INF = np.inf
HUGE = np.array([1e4, -1e4, 1e4, -1e4, 0.0, 0.0, 40.0, -40.0])
SURE = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
RNG = np.random.default_rng(3)

# ------------------------------------------------------------------------------------------------ numbers of any size

EXTREMES: dict[str, tuple[Callable[[Any], Any], np.ndarray, Any]] = {
    "l1": (lambda x: F.l1_loss(x, np.zeros(8), "none"), HUGE, abs(HUGE)),
    "mse": (lambda x: F.mse_loss(x, np.zeros(8), "none"), HUGE, HUGE**2),
    "huber": (lambda x: F.huber_loss(x, np.zeros(8), "none"), HUGE, np.where(HUGE == 0, 0, abs(HUGE) - 0.5)),
    "smooth l1": (lambda x: F.smooth_l1_loss(x, np.zeros(8), "none"), HUGE, np.where(HUGE == 0, 0, abs(HUGE) - 0.5)),
    "smooth l1, tiny beta": (lambda x: F.smooth_l1_loss(x, np.zeros(8), "none", beta=1e-30), HUGE, abs(HUGE)),
    "bce": (
        lambda x: F.binary_cross_entropy(x, [1, 0, 0, 1, 1, 0], reduction="none"),
        np.array([1.0, 0.0, 1.0, 0.0, 1e-30, 1e-30]),
        [0, 0, 100, 100, 30 * np.log(10), 1e-30],
    ),
    "bce of logits": (
        lambda x: F.binary_cross_entropy_with_logits(x, SURE, reduction="none"),
        HUGE,
        [0, 0, 1e4, 1e4, np.log(2), np.log(2), np.exp(-40), np.exp(-40)],
    ),
    "bce of logits, pos_weight": (
        lambda x: F.binary_cross_entropy_with_logits(x, SURE, reduction="none", pos_weight=3.0),
        HUGE,
        [0, 0, 1e4, 3e4, 3 * np.log(2), np.log(2), 3 * np.exp(-40), np.exp(-40)],
    ),
    "bce of infinite logits": (
        lambda x: F.binary_cross_entropy_with_logits(x, [1, 0, 1], reduction="none"),
        np.array([INF, -INF, 0.0]),
        [0, 0, np.log(2)],
    ),
    "bce of infinite logits, pos_weight": (
        lambda x: F.binary_cross_entropy_with_logits(x, [1, 0, 1], reduction="none", pos_weight=2.0),
        np.array([INF, -INF, 0.0]),
        [0, 0, 2 * np.log(2)],
    ),
    "sigmoid focal": (
        lambda x: F.sigmoid_focal_loss(x, SURE, alpha=None),
        HUGE,
        [0, 0, 1e4, 1e4, np.log(2) / 4, np.log(2) / 4, np.exp(-120), np.exp(-120)],
    ),
    "sigmoid focal, gamma 1/2": (lambda x: F.sigmoid_focal_loss(x, [1, 0, 0, 1], 0.5, 0.5), HUGE[:4], [0, 0, 5e3, 5e3]),
    "softmax focal": (
        lambda x: F.softmax_focal_loss(x, [0, 1, 2], reduction="none"),
        np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [0, -INF, 0]]),
        [0, 2e4, np.log(2) / 4],
    ),
    "softmax focal, gamma 1/2": (
        lambda x: F.softmax_focal_loss(x, [0, 1], gamma=0.5, reduction="none"),
        np.array([[1e4, -1e4], [1e4, -1e4]]),
        [0, 2e4],
    ),
    "squared hinge": (
        lambda x: F.squared_hinge_loss(x, 2 * SURE - 1, reduction="none"),
        HUGE,
        [0, 0, 10001**2, 10001**2, 1, 1, 0, 0],
    ),
    "nll": (lambda x: F.nll_loss(x, [0, 1], reduction="none"), np.array([[-1e4, 0], [0, -INF]]), [1e4, INF]),
    "kl": (
        lambda x: F.kl_div(x, [[0.0, 0.5, 0.5], [0.0, 0.0, 1.0]], reduction="none"),
        np.array([[-1e4, -1e4, -0.5], [-INF, -1.0, 0.0]]),
        [[0, 5e3 - np.log(2) / 2, 0.25 - np.log(2) / 2], [0, 0, 0]],
    ),
    "kl of logarithms": (
        lambda x: F.kl_div(x, [[-INF, -1e4, 0.0], [-INF, -INF, 0.0]], reduction="none", log_target=True),
        np.array([[-1.0, -1e4, -1e4], [-INF, -1.0, 0.0]]),
        [[0, 0, 1e4], [0, 0, 0]],
    ),
    "poisson": (lambda x: F.poisson_nll_loss(x, [0, 3], full=True, reduction="none"), np.array([-1e4, -1e4]), None),
    "poisson of rates": (
        lambda x: F.poisson_nll_loss(x, [0, 3], log_input=False, reduction="none"),
        np.array([0.0, 0.0]),
        [0, -3 * np.log(1e-8)],
    ),
    "gaussian": (
        lambda x: F.gaussian_nll_loss(x, [0.0, 0.0], [0.0, 1e4], reduction="none"),
        np.array([1e4, 1e4]),
        [0.5 * (np.log(1e-6) + 1e14), 0.5 * (np.log(1e4) + 1e4)],
    ),
    "dice": (lambda x: F.dice_loss(x, [[0, 0], [0, 0], [1, 0]], smooth=0.0, reduction="none"), np.eye(3, 2)[::-1], None),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_values_are_exact_and_derivatives_finite_at_any_size(case: str) -> None:
    f, data, expected = EXTREMES[case]
    x = ad.Tensor(data, requires_grad=True)
    with np.errstate(invalid="raise", over="raise", divide="raise"):
        y = f(x)
        (recorded,) = ad.gradients(y.sum(), [x], create_graph=True)
    if expected is not None:
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-300)
    assert np.isfinite(recorded.numpy()).all()
    if recorded.requires_grad:  # the slope of a linear function is a constant
        second = ad.gradients((recorded * np.arange(1.0, data.size + 1).reshape(data.shape)).sum(), x)
        assert np.isfinite(second.numpy()).all()
    plain = ad.Tensor(data, requires_grad=True)
    f(plain).sum().backward()
    assert plain.grad is not None
    np.testing.assert_allclose(plain.grad.numpy(), recorded.numpy(), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("case", [name for name in EXTREMES if "tiny" not in name and name != "bce"])
def test_float32_is_as_stable(case: str) -> None:
    f, data, _ = EXTREMES[case]
    found = []
    for dtype in (np.float32, np.float64):
        x = ad.Tensor(data.astype(dtype), requires_grad=True)
        y = f(x)
        y.sum().backward()
        assert x.grad is not None
        found.append((y.numpy(), x.grad.numpy()))
        assert y.dtype == x.grad.dtype == dtype
    for close, exact in zip(*found, strict=True):
        np.testing.assert_allclose(close, exact, rtol=1e-5, atol=1e-30)


def test_the_slope_of_bce_is_limited_as_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data, target = np.array([0.0, 1.0, 0.0, 1.0, 1e-14, 0.5]), np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.25])
    x, z = ad.Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    F.binary_cross_entropy(x, target, reduction="sum").backward()
    torch.nn.functional.binary_cross_entropy(z, torch.tensor(target), reduction="sum").backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-8)  # PyTorch's 1e-12 is a float32
    q = ad.Tensor(target, requires_grad=True)
    F.binary_cross_entropy(data, q, reduction="sum").backward()
    assert q.grad is not None
    np.testing.assert_allclose(q.grad.numpy()[:4], [100, -100, 100, -100])


def test_the_slope_of_bce_is_finite_in_float16() -> None:
    x = ad.Tensor(np.array([0, 1, 0, 1, 0.5], np.float16), requires_grad=True)
    with np.errstate(all="raise", under="ignore"):
        loss = F.binary_cross_entropy(x, [0, 1, 1, 0, 0.25], reduction="sum")
        (slope,) = ad.gradients(loss, [x], create_graph=True)
        second = ad.gradients(slope.sum(), x)
    assert slope.dtype == np.float16
    assert slope.tolist()[:2] == [0, 0]
    assert slope[2] < -1e4
    assert slope[3] > 1e4
    assert np.isfinite(second.numpy()).all()


def test_certainty_in_the_wrong_costs_infinitely_much() -> None:
    x = ad.Tensor([INF, -INF, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, [0.0, 0.5, 1.0], reduction="none")
    loss.sum().backward()
    assert loss.tolist()[:2] == [INF, INF]
    assert x.grad is not None
    assert x.grad.tolist()[:2] == [1.0, -0.5]
    never = np.array([-INF, 0.0])
    assert F.kl_div(never, [0.5, 0.5], reduction="none").tolist()[0] == INF
    assert F.kl_div(never, np.log([0.5, 0.5]), reduction="none", log_target=True).tolist()[0] == INF


def test_targets_beside_infinite_logits_have_finite_gradients() -> None:
    for options in ({}, {"pos_weight": 2.0}):
        q = ad.Tensor([1.0, 0.0, 0.5], requires_grad=True)
        x = ad.Tensor([INF, -INF, 0.0])
        (recorded,) = ad.gradients(F.binary_cross_entropy_with_logits(x, q, reduction="sum", **options), [q], create_graph=True)
        F.binary_cross_entropy_with_logits(x, q, reduction="sum", **options).backward()
        assert q.grad is not None
        np.testing.assert_array_equal(q.grad.numpy(), recorded.numpy())
        assert np.isfinite(q.grad.numpy()[2])


def test_nan_is_never_hidden() -> None:
    x = np.array([np.nan, INF])
    for f in (F.binary_cross_entropy_with_logits, F.sigmoid_focal_loss, F.l1_loss, F.huber_loss):
        assert np.isnan(f(x, [0.0, 1.0], reduction="none").numpy()[0])


# ------------------------------------------------------------------------------------------------ kinks and limits


def test_at_a_kink_the_shortest_slope_is_taken() -> None:
    for f in (F.l1_loss, lambda x, t, r: F.smooth_l1_loss(x, t, r, beta=0)):
        x, t = ad.Tensor([1.0, 2.0], requires_grad=True), ad.Tensor([1.0, 3.0], requires_grad=True)
        f(x, t, "sum").backward()
        assert x.grad is not None
        assert t.grad is not None
        assert (x.grad.tolist(), t.grad.tolist()) == ([0.0, -1.0], [0.0, 1.0])
        again = ad.gradients(f(x, t, "sum"), [x, t], create_graph=True)
        assert [d.tolist() for d in again] == [[0.0, -1.0], [0.0, 1.0]]


def test_small_variances_count_as_eps_and_their_gradient_does_not_notice() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = [np.array([1.0, 2.0, 3.0]), np.array([1.01, 2.0, 5.0]), np.array([0.0, 1e-9, 2.0])]
    mine, theirs = [ad.Tensor(a, requires_grad=True) for a in data], [torch.tensor(a, requires_grad=True) for a in data]
    ours, other = F.gaussian_nll_loss(*mine), torch.nn.functional.gaussian_nll_loss(*theirs)
    ours.backward()
    other.backward()
    np.testing.assert_allclose(ours.item(), other.item(), rtol=1e-12)
    for a, b in zip(mine, theirs, strict=True):
        assert a.grad is not None
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9)


@pytest.mark.parametrize("shape", [(2, 1, 4), (1, 3, 4), (2, 3, 1), (2, 3), ()])
def test_shapes_that_variances_may_have(shape: tuple[int, ...]) -> None:
    x, t = RNG.normal(size=(2, 2, 3, 4))
    var = RNG.uniform(1, 2, shape)
    full = var[..., None] if shape == (2, 3) else var
    expected = (np.log(full) + (x - t) ** 2 / full) / 2
    np.testing.assert_allclose(F.gaussian_nll_loss(x, t, var, reduction="none").numpy(), expected)
    ad.check_grads(lambda x, v: F.gaussian_nll_loss(x, t, v), x, var)


def test_kl_batchmean_is_the_divergence() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    t = RNG.dirichlet(np.ones(4), 3)
    x = np.log(RNG.dirichlet(np.ones(4), 3))
    ours = F.kl_div(ad.Tensor(x), t, reduction="batchmean")
    theirs = torch.nn.functional.kl_div(torch.tensor(x), torch.tensor(t), reduction="batchmean")
    np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-12)
    np.testing.assert_allclose(ours.item(), (t * np.log(t / np.exp(x))).sum(1).mean(), rtol=1e-12)
    assert nn.KLDivLoss("batchmean")(ad.Tensor(x), t).item() == ours.item()
    ad.check_grads(lambda x, t: F.kl_div(x, t, reduction="batchmean"), x, t)
    with pytest.raises(ValueError, match="kl_div: a single number is no batch"):
        F.kl_div(np.array(-1.0), 0.5, reduction="batchmean")


def test_focal_losses_with_gamma_0_are_cross_entropies() -> None:
    x = RNG.normal(size=(5, 3))
    yes, classes = RNG.integers(0, 2, (5, 3)), RNG.integers(0, 3, 5)
    np.testing.assert_allclose(
        F.sigmoid_focal_loss(x, yes, alpha=-1, gamma=0).numpy(),
        F.binary_cross_entropy_with_logits(x, yes, reduction="none").numpy(),
    )
    np.testing.assert_allclose(F.softmax_focal_loss(x, classes, gamma=0).item(), F.cross_entropy(ad.Tensor(x), classes).item())


def test_two_empty_regions_overlap_perfectly() -> None:
    x = ad.Tensor(np.zeros((2, 3)), requires_grad=True)
    for smooth in (0.0, 1.0):
        loss = F.dice_loss(x, np.zeros((2, 3)), smooth=smooth, reduction="none")
        loss.sum().backward()
        assert loss.tolist() == [0.0, 0.0]
        assert x.grad is not None
        assert x.grad.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("f", [F.nll_loss, F.softmax_focal_loss])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 4, 5), (2, 4, 3, 2)])
def test_class_indices_of_every_shape(f: Any, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape) - 5
    target = RNG.integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ())
    rows = np.moveaxis(x, 1, -1).reshape(-1, 4) if len(shape) > 1 else x[None]
    expected = f(rows, target.reshape(-1), reduction="none").numpy().reshape(target.shape)
    found = f(x, target, reduction="none")
    np.testing.assert_array_equal(found.numpy(), expected)
    ad.check_grads(lambda x: f(x, target), x)
    if f is F.nll_loss:
        torch = pytest.importorskip("torch", reason="compares with PyTorch")
        theirs = torch.nn.functional.nll_loss(torch.tensor(x), torch.tensor(target), reduction="none")
        np.testing.assert_array_equal(found.numpy(), theirs.numpy())


# ------------------------------------------------------------------------------------------------ kernels

LONG = 70000  # longer than the lengths up to which kernels take another way
KERNELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mse": (regression._squared_error, ()),
    "l1": (regression._absolute_error, ()),
    "huber": (regression._huber, (0.7, 1.0)),
    "smooth l1": (regression._huber, (0.7, 1 / 0.7)),
    "bce of logits": (binary._logistic, (None,)),
    "bce of logits, pos_weight": (binary._logistic, (2.5,)),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("layout", ["()", "(3, 2)", "long", "columns first", "strided"])
@pytest.mark.parametrize("case", KERNELS)
def test_kernel_and_reference_agree(case: str, layout: str, reduction: str) -> None:
    fused, options = KERNELS[case]
    shape = {"()": (), "(3, 2)": (3, 2), "long": (LONG,), "columns first": (60, 90), "strided": (6, 8)}[layout]
    data, target = np.asarray(RNG.normal(0, 3, shape)), np.asarray(RNG.uniform(0, 1, shape))
    if layout == "columns first":
        data = np.asfortranarray(data)
    elif layout == "strided":
        data, target = data[::2, ::3], target[::2, ::3]
    if case.endswith("pos_weight"):
        options = (np.broadcast_to(np.array(options[0]), data.shape),)
    found = []
    for f in (fused, fused.reference):
        x, t = ad.Tensor(data, requires_grad=True), ad.Tensor(target, requires_grad=True)
        y = f(x, t, *options, reduction)
        y.backward(np.cos(np.arange(data.size)).reshape(data.shape) if reduction == "none" else None)
        assert x.grad is not None
        assert t.grad is not None
        found.append((y.numpy(), x.grad.numpy(), t.grad.numpy()))
    for a, b in zip(*found, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


def test_what_is_left_of_a_sure_decision_is_exact_at_any_length() -> None:
    x = np.linspace(-90, 90, LONG, dtype=np.float32)
    target = (x > 0).astype(np.float32)
    losses = F.binary_cross_entropy_with_logits(x, target, reduction="none").numpy()
    np.testing.assert_allclose(losses, np.log1p(np.exp(-abs(x.astype(float)))), rtol=1e-6, atol=1e-44)


# ------------------------------------------------------------------------------------------------ what is refused

P = np.full((3, 4), 0.5)
X = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.binary_cross_entropy(X - 1, P),
            ValueError,
            "probabilities lie between 0 and 1, got -1 to -1; give .*with_logits",
        ),
        (lambda: F.binary_cross_entropy(P * np.nan, P), ValueError, "got nan to nan"),
        (lambda: F.binary_cross_entropy(P, -P), ValueError, "targets lie between 0 and 1, got -0.5 to -0.5; give 1 for yes"),
        (lambda: F.binary_cross_entropy_with_logits(X, P * 4), ValueError, "got 2 to 2; class indices go to cross_entropy"),
        (lambda: F.binary_cross_entropy_with_logits([0.0, 0.0], [-1, 1]), ValueError, r"by \(target \+ 1\) / 2"),
        (lambda: F.binary_cross_entropy(P, P, weight=np.ones(3)), ValueError, r"weight has shape \(3,\).*is weight\[:, None\]"),
        (lambda: F.binary_cross_entropy(P[0], P[0], weight=np.ones((4, 1))), ValueError, r"\(4, 1\), which does not broadcast"),
        (lambda: F.binary_cross_entropy_with_logits(X, P, pos_weight=np.ones(2)), ValueError, r"pos_weight has shape \(2,\)"),
        (lambda: F.binary_cross_entropy_with_logits(X, P, pos_weight=1j), TypeError, "pos_weight has dtype complex128"),
        (lambda: F.sigmoid_focal_loss(X, P * 4), ValueError, "sigmoid_focal_loss: targets lie between 0 and 1"),
        (lambda: F.sigmoid_focal_loss(X, P, alpha=2), ValueError, "alpha lies between 0 and 1, or is None for no balance, got 2"),
        (lambda: F.sigmoid_focal_loss(X, P, gamma=-1), ValueError, "gamma is 0 or more, got -1"),
        (lambda: nn.FocalLoss(alpha=2), ValueError, "FocalLoss: alpha lies"),
        (lambda: nn.SoftmaxFocalLoss(gamma=-1), ValueError, "SoftmaxFocalLoss: gamma is"),
        (lambda: F.softmax_focal_loss(X, P[:, 0]), TypeError, r"expected class indices \(int\); write target.astype\(int\)"),
        (lambda: F.softmax_focal_loss(np.array(0.0), 0), ValueError, "the input is a single number"),
        (lambda: F.nll_loss(X, P[:, 0]), TypeError, r"expected class indices \(int\); write target.astype\(int\)"),
        (lambda: F.nll_loss(X, P), TypeError, r"the target has dtype float64, expected class indices \(int\)$"),
        (lambda: F.nll_loss(X, np.eye(3, 4, dtype=int)), ValueError, r"nll_loss: .*as class indices, target.argmax\(1\)$"),
        (lambda: F.nll_loss(X, [0, 1, 4]), ValueError, r"nll_loss: the target 4 \(at position 2\) is no class"),
        (lambda: F.nll_loss(X, [0, 1, 2], weight=np.ones(3)), ValueError, r"weight has shape \(3,\), expected \(4,\)"),
        (lambda: F.nll_loss(X, [0, 1, 2], weight=[1j] * 4), TypeError, "weight has dtype complex128"),
        (lambda: F.nll_loss(np.array(0.0), 0), ValueError, "the input is a single number"),
        (lambda: F.nll_loss(X, [1, 1, 1], weight=[1, 0, 1, 1]), ValueError, "weights of this batch sum to 0, so there is no mean"),
        (lambda: F.cross_entropy(X, [1, 1, 1], weight=[1, 0, 1, 1]), ValueError, "cross_entropy: the weights of this batch sum to"),
        (lambda: F.mse_loss(X, P, weight=X), ValueError, "mse_loss: the weights of this batch sum to 0"),
        (lambda: F.l1_loss(X, P, weight=np.ones(4)), ValueError, r"l1_loss: .*the weight \(4,\); they must be equal"),
        (lambda: F.huber_loss(X, P, weight=P * 1j), TypeError, "huber_loss: the weight has dtype complex128"),
        (lambda: F.huber_loss(X, P, delta=0), ValueError, "delta is a positive number, got 0"),
        (lambda: nn.HuberLoss(delta=-1), ValueError, "HuberLoss: delta is a positive number, got -1"),
        (lambda: F.smooth_l1_loss(X, P, beta=-1), ValueError, "beta is 0 or more, got -1"),
        (lambda: nn.SmoothL1Loss(beta=np.nan), ValueError, "SmoothL1Loss: beta is 0 or more, got nan"),
        (lambda: F.squared_hinge_loss([0.5, 0.5], [0, 1]), ValueError, r"got 0; labels 0 and 1 become -1 and 1 by 2 \* target - 1"),
        (lambda: F.squared_hinge_loss([0.5, 0.5], [3, 1]), ValueError, "targets are 1 for yes and -1 for no, got 3$"),
        (lambda: F.kl_div(X, -P), ValueError, "kl_div: probabilities lie between 0 and 1, got -0.5 to -0.5; log.*log_target=True"),
        (lambda: F.kl_div(X, P, log_target=True), ValueError, "log-probabilities .*; probabilities go with log_target=False"),
        (lambda: F.kl_div(X, P, reduction="avg"), ValueError, "reduction is 'batchmean', 'mean', 'sum' or 'none', got 'avg'"),
        (lambda: F.poisson_nll_loss(X, -P), ValueError, "poisson_nll_loss: counts are 0 or more, got -0.5 to -0.5"),
        (lambda: F.poisson_nll_loss(-P, P, log_input=False), ValueError, "rates are 0 or more.*go with log_input=True"),
        (lambda: F.poisson_nll_loss(P, P, log_input=False, eps=0), ValueError, "eps is a positive number, got 0"),
        (lambda: F.gaussian_nll_loss(X, P, -P), ValueError, "variances are 0 or more, got -0.5 to -0.5; predict the logarithm"),
        (
            lambda: F.gaussian_nll_loss(X, P, np.ones((4, 3))),
            ValueError,
            r"var has shape \(4, 3\), .*write var.reshape\(\(3, 4\)\)",
        ),
        (lambda: F.gaussian_nll_loss(X, P, np.ones((1, 1))), ValueError, r"var has shape \(1, 1\), expected that of the input"),
        (lambda: F.gaussian_nll_loss(X, P, 1j), TypeError, "var has dtype complex128, expected real numbers"),
        (lambda: F.gaussian_nll_loss(X, P, P, eps=0), ValueError, "eps is a positive number, got 0"),
        (lambda: nn.GaussianNLLLoss(eps=0), ValueError, "GaussianNLLLoss: eps is a positive number, got 0"),
        (lambda: F.dice_loss(X - 1, P), ValueError, "probabilities lie between 0 and 1, .*of sigmoid or softmax, not logits"),
        (lambda: F.dice_loss(P, P * 255), ValueError, "targets lie between 0 and 1, .*give 1 inside the region"),
        (lambda: F.dice_loss(P[0], P[0]), ValueError, r"shape \(4,\), expected \(N, ...\).*write input\[None\]"),
        (lambda: F.dice_loss(P, P, smooth=-1), ValueError, "smooth is 0 or more, got -1"),
        (lambda: nn.DiceLoss(smooth=-1), ValueError, "DiceLoss: smooth is 0 or more, got -1"),
        (lambda: F.l1_loss([0.0, 0.0], ["a", "b"]), TypeError, "l1_loss: expected numbers"),
    ],
)
def test_refused_with_the_cure(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_numbers_lists_and_integers_are_targets_too() -> None:
    x = np.array([0.25, 0.75], np.float32)
    for target in ([1, 0], [True, False], np.array([1, 0], np.uint8), np.array([1.0, 0.0]), ad.Tensor([1, 0])):
        for f in (F.l1_loss, F.huber_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.poisson_nll_loss):
            loss = f(x, target, reduction="none")
            assert loss.dtype == np.float32
            np.testing.assert_array_equal(loss.numpy(), f(x, np.array([1, 0], np.float32), reduction="none").numpy())
    assert F.l1_loss(np.array(2.0), 3).item() == 1.0


def test_a_model_that_says_nothing_or_several_things_is_told() -> None:
    for loss in (nn.CrossEntropyLoss(), nn.MSELoss(), nn.NLLLoss(), nn.MultiMarginLoss()):
        with pytest.raises(TypeError, match=r"the prediction is None; does the model's forward end with `return`\?"):
            loss(None, np.array([0]))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="the prediction is a tuple of 2 parts, expected a Tensor"):
            loss((ad.Tensor([1.0]), ad.Tensor([1.0])), np.array([0]))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"for two classes take two logits, or one and nn.BCEWithLogitsLoss"):
        nn.CrossEntropyLoss()(ad.Tensor([[0.3], [0.2]]), np.array([0, 1]))
