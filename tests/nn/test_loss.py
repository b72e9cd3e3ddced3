"""Losses: values, gradients to second order, extremes, PyTorch's numbers, and what they refuse."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F
from nn.loss import classification

REDUCTIONS = ("mean", "sum", "none")
RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((5, 4)) * 2
CLASSES = np.array([0, 3, 1, 3, 2])
PROBABILITIES = RNG.dirichlet(np.ones(4), 5)
WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])


def plain_cross_entropy(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The definition, in float64, for moderate logits."""
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return -(q * np.log(p)).sum(axis=1)


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", ["classes", "probabilities"])
def test_cross_entropy_is_its_definition(kind: str, reduction: str) -> None:
    target, q = (CLASSES, np.eye(4)[CLASSES]) if kind == "classes" else (PROBABILITIES, PROBABILITIES)
    expected = plain_cross_entropy(LOGITS, q)
    if reduction != "none":
        expected = getattr(expected, reduction)()
    np.testing.assert_allclose(F.cross_entropy(ad.Tensor(LOGITS), target, reduction=reduction).numpy(), expected, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("wrapped", [False, True])
def test_class_indices_of_every_integer_dtype(dtype: type, wrapped: bool) -> None:
    target: Any = CLASSES.astype(dtype)
    loss = F.cross_entropy(ad.Tensor(LOGITS), ad.Tensor(target) if wrapped else target)
    assert loss.item() == F.cross_entropy(ad.Tensor(LOGITS), CLASSES).item()
    assert loss.item() == F.cross_entropy(ad.Tensor(LOGITS), CLASSES.tolist()).item()


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "weight": {"weight": WEIGHT},
    "ignored": {"ignore_index": 3},
    "ignored, not a class": {"ignore_index": -1},
    "smoothed": {"label_smoothing": 0.2},
    "all": {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.3},
}
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "(N, C)": ((6, 4), (6,)),
    "(C,)": ((4,), ()),
    "(N, C, d)": ((3, 4, 5), (3, 5)),
    "(N, C, d, e)": ((2, 4, 3, 2), (2, 3, 2)),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_of_classes_is_that_of_pytorch(shape: str, case: str, reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rng = np.random.default_rng(1)
    data, options = rng.standard_normal(SHAPES[shape][0]), dict(CASES[case])
    target = rng.integers(0, 4, SHAPES[shape][1])
    if case == "ignored, not a class" and target.ndim:
        target[..., 0] = -1
    if shape == "(C,)" and target == options.get("ignore_index"):
        target = np.array(0)
    theirs_options = dict(options)
    if "weight" in options:
        theirs_options["weight"] = torch.tensor(WEIGHT)
    x, z = ad.Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    ours = F.cross_entropy(x, target, reduction=reduction, **options)
    theirs = torch.nn.functional.cross_entropy(z, torch.tensor(target), reduction=reduction, **theirs_options)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    (ours * ours).sum().backward()
    (theirs * theirs).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", ["plain", "weight", "smoothed"])
@pytest.mark.parametrize("shape", ["(N, C)", "(C,)", "(N, C, d)"])
def test_cross_entropy_of_probabilities_is_that_of_pytorch(shape: str, case: str, reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rng = np.random.default_rng(2)
    data = rng.standard_normal(SHAPES[shape][0])
    q = np.exp(rng.standard_normal(data.shape))
    q /= q.sum(axis=1 if data.ndim > 1 else 0, keepdims=True)
    options = dict(CASES[case])
    theirs_options = {key: torch.tensor(value) if key == "weight" else value for key, value in options.items()}
    pair, other = [ad.Tensor(a, requires_grad=True) for a in (data, q)], [torch.tensor(a, requires_grad=True) for a in (data, q)]
    ours = F.cross_entropy(*pair, reduction=reduction, **options)
    theirs = torch.nn.functional.cross_entropy(*other, reduction=reduction, **theirs_options)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10)
    (ours * ours).sum().backward()
    (theirs * theirs).sum().backward()
    for a, b in zip(pair, other, strict=True):
        assert a.grad is not None
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_label_smoothing_takes_memory_for_the_logits_not_for_the_square_of_the_classes() -> None:
    logits, target = np.zeros((2, 4000), np.float32), np.array([1, 3999])
    tracemalloc.start()
    loss = F.cross_entropy(logits, target, label_smoothing=0.1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert loss.item() == pytest.approx(np.log(4000), rel=1e-6)
    assert peak < 20 * logits.nbytes


# ------------------------------------------------------------------------------------------------ derivatives


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_cross_entropy_gradients_to_second_order(case: str, reduction: str) -> None:
    target = np.where(CLASSES == 0, -1, CLASSES) if case == "ignored, not a class" else CLASSES
    ad.check_grads(lambda x: F.cross_entropy(x, target, reduction=reduction, **CASES[case]), LOGITS)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", ["plain", "weight", "smoothed"])
def test_cross_entropy_of_probabilities_gradients_to_second_order(case: str, reduction: str) -> None:
    ad.check_grads(lambda x, q: F.cross_entropy(x, q, reduction=reduction, **CASES[case]), LOGITS, PROBABILITIES)


def test_class_weights_have_a_gradient_too() -> None:
    ad.check_grads(lambda x, w: F.cross_entropy(x, CLASSES, weight=w), LOGITS, WEIGHT)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("kind", ["classes", "probabilities"])
def test_kernel_and_reference_agree(kind: str, reduction: str) -> None:
    fused = classification._cross_entropy_of_classes if kind == "classes" else classification._cross_entropy_of_probabilities
    target = CLASSES if kind == "classes" else PROBABILITIES
    found = []
    for function in (fused, fused.reference):
        x, q = ad.Tensor(LOGITS, requires_grad=True), ad.Tensor(target, requires_grad=kind != "classes")
        y = function(x, q if kind != "classes" else target, reduction)
        y.backward(np.arange(1.0, 6) if reduction == "none" else None)
        assert x.grad is not None
        found.append([y.numpy(), x.grad.numpy(), *([q.grad.numpy()] if q.grad is not None else [])])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["classes", "probabilities", "smoothed"])
def test_logits_of_any_size_give_finite_losses_and_derivatives(kind: str) -> None:
    data = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [0.0, -np.inf, 1.0], [-np.inf, 5.0, -np.inf]])
    one_hot = np.array([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5], [0.7, 0.0, 0.3], [0.0, 1.0, 0.0]])
    target: Any = one_hot if kind == "probabilities" else np.array([2, 0, 1, 0, 1])
    options = {"label_smoothing": 0.1} if kind == "smoothed" else {}
    if kind == "smoothed":  # which asks for some of every class, also of impossible ones: keep to finite logits
        data, target = data[:3], target[:3]
    x = ad.Tensor(data, requires_grad=True)
    with np.errstate(invalid="raise", over="raise", divide="raise"):
        y = F.cross_entropy(x, target, reduction="none", **options)
        (first,) = ad.gradients(y.sum(), [x], create_graph=True)
    second = ad.gradients((first * np.arange(data.size).reshape(data.shape)).sum(), x)
    assert np.isfinite(y.numpy()).all()
    assert np.isfinite(first.numpy()).all()
    assert np.isfinite(second.numpy()).all()
    raw = ad.Tensor(data, requires_grad=True)
    F.cross_entropy(raw, target, reduction="sum", **options).backward()
    assert raw.grad is not None
    np.testing.assert_allclose(raw.grad.numpy(), first.numpy(), rtol=1e-12, atol=1e-12)


def test_an_impossible_target_costs_infinitely_much() -> None:
    x = ad.Tensor([[0.0, -np.inf]], requires_grad=True)
    loss = F.cross_entropy(x, [1])
    assert loss.item() == np.inf
    loss.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, -1.0]]


def test_an_ignored_sample_does_not_count_whatever_its_logits() -> None:
    x = ad.Tensor([[np.nan, np.inf], [1.0, 2.0]], requires_grad=True)
    loss = F.cross_entropy(x, [-100, 0])
    loss.backward()
    assert loss.item() == pytest.approx(np.log(1 + np.e))
    assert x.grad is not None
    assert x.grad.tolist()[0] == [0.0, 0.0]
    assert F.cross_entropy(x, [-100, 0], reduction="none").tolist()[0] == 0.0


def test_the_graph_may_be_walked_twice() -> None:
    x = ad.Tensor(LOGITS, requires_grad=True)
    loss = F.cross_entropy(x, CLASSES)
    loss.backward(retain_graph=True)
    assert x.grad is not None
    once = x.grad.numpy().copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once)


@pytest.mark.parametrize("target", [CLASSES, PROBABILITIES, PROBABILITIES.astype(np.float32)])
def test_float32_is_close_to_float64_and_stays_float32(target: np.ndarray) -> None:
    found = []
    for dtype in (np.float64, np.float32):
        x = ad.Tensor(LOGITS.astype(dtype), requires_grad=True)
        y = F.cross_entropy(x, target)
        y.backward()
        assert x.grad is not None
        assert y.dtype == x.grad.dtype == dtype
        found.append((y.numpy(), x.grad.numpy()))
    for exact, close in zip(*found, strict=True):
        np.testing.assert_allclose(close, exact, rtol=1e-5, atol=1e-7)


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("data", "target", "options", "error", "message"),
    [
        (LOGITS, CLASSES[:, None], {}, ValueError, r"of shape \(5, 4\) have shape \(5,\), got \(5, 1\).*reshape\(\(5,\)\)"),
        (LOGITS, CLASSES[:3], {}, ValueError, r"have shape \(5,\), got \(3,\)$"),
        (LOGITS, np.eye(4, dtype=int)[CLASSES], {}, ValueError, r"one-hot target as class indices, target.argmax\(1\)"),
        (LOGITS, CLASSES.astype(float), {}, ValueError, r"the shape of the input, \(5, 4\), got \(5,\); class indices must"),
        (LOGITS, CLASSES > 1, {}, TypeError, "the target has dtype bool, expected class indices"),
        (LOGITS, PROBABILITIES * 3, {}, ValueError, "class probabilities lie between 0 and 1"),
        (LOGITS, -PROBABILITIES, {}, ValueError, "class probabilities lie between 0 and 1"),
        (LOGITS, PROBABILITIES * np.nan, {}, ValueError, "class probabilities lie between 0 and 1"),
        (LOGITS, PROBABILITIES + 0j, {}, TypeError, "the target has dtype complex128"),
        (LOGITS, np.array([0, 3, 4, 3, 2]), {}, ValueError, r"the target 4 \(at position 2\) is no class.* 0 to 3$"),
        (LOGITS, np.array([0, -1, 1, 3, 2]), {}, ValueError, r"the target -1 \(at position 1\) is no.*ignore_index says"),
        (LOGITS, np.full(5, -100), {}, ValueError, "every target ignored, so there is no mean; use reduction='sum'"),
        (np.ones((0, 4)), np.ones(0, int), {}, ValueError, "the batch is empty.*so there is no mean"),
        (np.ones((0, 4)), np.ones((0, 4)), {}, ValueError, "the batch is empty, so there is no mean"),
        (LOGITS.astype(int), CLASSES, {}, TypeError, "the input has dtype int64, expected floating logits"),
        (np.array(1.0), 0, {}, ValueError, "the input is a single number; expected logits"),
        (LOGITS, CLASSES, {"reduction": "avg"}, ValueError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
        (LOGITS, CLASSES, {"label_smoothing": 2}, ValueError, "label_smoothing lies between 0 and 1, got 2"),
        (LOGITS, CLASSES, {"weight": WEIGHT[:2]}, ValueError, r"weight has shape \(2,\), expected \(4,\), one number"),
    ],
)
def test_cross_entropy_refuses(data: Any, target: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        F.cross_entropy(ad.Tensor(data), target, **options)


def test_the_sum_of_no_losses_is_zero() -> None:
    assert F.cross_entropy(ad.Tensor(LOGITS), np.full(5, -100), reduction="sum").item() == 0
    assert F.cross_entropy(ad.Tensor(np.ones((0, 4))), np.ones(0, int), reduction="sum").item() == 0
    assert F.mse_loss(ad.Tensor(np.ones(0)), np.ones(0), reduction="sum").item() == 0


# ------------------------------------------------------------------------------------------------ mean squared error


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4,), (3, 2), ()])
def test_mse_values_and_gradients(shape: tuple[int, ...], reduction: str) -> None:
    x, t = RNG.standard_normal((2, *shape))
    x, t = np.asarray(x), np.asarray(t)
    expected = (x - t) ** 2
    if reduction != "none":
        expected = getattr(expected, reduction)()
    np.testing.assert_allclose(F.mse_loss(ad.Tensor(x), t, reduction).numpy(), expected, rtol=1e-13)
    ad.check_grads(lambda x, t: F.mse_loss(x, t, reduction), x, t)


def test_mse_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    x, t = RNG.standard_normal((2, 3, 2))
    ours, theirs = ad.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    nn.MSELoss()(ours, t).backward()
    torch.nn.MSELoss()(theirs, torch.tensor(t)).backward()
    assert ours.grad is not None
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_mse_casts_the_target_to_the_prediction() -> None:
    x = ad.Tensor(np.ones(3, np.float32), requires_grad=True)
    for target in (np.zeros(3), [0, 0, 0], ad.Tensor(np.zeros(3)), np.zeros(3, int)):
        loss = F.mse_loss(x, target)
        loss.backward()
        assert x.grad is not None
        assert loss.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "target", "error", "message"),
    [
        (np.ones((4, 1)), np.ones(4), ValueError, r"\(4, 1\), the target \(4,\); they must be equal.*target.reshape\(\(4, 1\)"),
        (np.ones(4), np.ones((4, 1)), ValueError, "they must be equal"),
        (np.ones(4), 1.0, ValueError, r"the target \(\); they must be equal"),
        (np.ones(4), np.ones(4, complex), TypeError, "the target has dtype complex128, expected real numbers"),
        (np.ones(4, int), np.ones(4), TypeError, "the input has dtype int64, expected floating predictions"),
        (np.ones(0), np.ones(0), ValueError, "the batch is empty, so there is no mean"),
        (np.ones(1), ["a"], TypeError, "mse_loss: expected numbers"),
    ],
)
def test_mse_refuses(x: np.ndarray, target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        F.mse_loss(ad.Tensor(x), target)


# ------------------------------------------------------------------------------------------------ modules


def test_modules_are_their_functions() -> None:
    x = ad.Tensor(LOGITS)
    options: dict[str, Any] = {"weight": WEIGHT, "ignore_index": 1, "reduction": "sum", "label_smoothing": 0.1}
    assert nn.CrossEntropyLoss(**options)(x, CLASSES).item() == F.cross_entropy(x, CLASSES, **options).item()
    assert nn.MSELoss("sum")(x, LOGITS + 1).item() == pytest.approx(20)
    assert list(nn.CrossEntropyLoss(weight=WEIGHT).state_dict()) == ["weight"]
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    for module in (nn.CrossEntropyLoss, nn.MSELoss):
        with pytest.raises(ValueError, match="reduction is 'mean', 'sum' or 'none', got 'average'"):
            module(reduction="average")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_the_layout_of_the_logits_in_memory_does_not_matter(shape: tuple[int, ...], reduction: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=shape)
    target = rng.integers(0, 5, (shape[0], *shape[2:]))
    gradients = []
    for axes in (tuple(range(len(shape))), tuple(range(len(shape)))[::-1]):
        stored = ad.Tensor(np.ascontiguousarray(logits.transpose(axes)), requires_grad=True)
        x = stored.transpose(axes)  # the same logits, rows or columns first
        F.cross_entropy(x, target, reduction=reduction).sum().backward()
        gradients.append(stored.grad.numpy().transpose(axes))
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)


def test_class_weights_must_be_real() -> None:
    with pytest.raises(TypeError, match="weight has dtype complex128, expected real numbers"):
        F.cross_entropy(ad.Tensor([[1.0, 2.0]]), [0], weight=[1.0, 2.0j])
