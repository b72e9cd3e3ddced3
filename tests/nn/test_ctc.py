"""CTC: against all paths counted one by one, finite differences, PyTorch, and between its kernels and its reference."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from nn import functional as F
from nn.loss import ctc

REDUCTIONS = ("mean", "sum", "none")
T, N, C = 8, 6, 5
LOGITS = np.random.default_rng(7).standard_normal((T, N, C))
LOG_PROBS = LOGITS - np.log(np.exp(LOGITS).sum(2, keepdims=True))
TARGETS = np.array([[1, 2, 3], [4, 4, 1], [2, 2, 2], [3, 0, -9], [99, 99, 99], [4, 1, 4]])
TARGET_LENGTHS = np.array([3, 2, 3, 1, 0, 3])  # repeats in the second and third, none in the fifth
INPUT_LENGTHS = np.array([8, 7, 5, 1, 4, 6])


def spelt(path: Sequence[int], blank: int) -> list[int]:
    return [label for label, _ in itertools.groupby(path) if label != blank]


def by_all_paths(log_probs: np.ndarray, target: Sequence[int], blank: int = 0) -> float:
    """The definition for one sequence (T, C): every path, whether it spells the target, and its probability."""
    frames, classes = log_probs.shape
    paths = [p for p in itertools.product(range(classes), repeat=frames) if spelt(p, blank) == list(target)]
    likelihood = sum(np.exp(sum(log_probs[t, c] for t, c in enumerate(path))) for path in paths)
    return -np.log(likelihood) if likelihood else np.inf


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def both(x: Any, *args: Any, g: Any = None, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """The losses, and the gradient of their sum (weighted by g)."""
    x = ad.Tensor(x, requires_grad=True)
    losses = F.ctc_loss(x, *args, reduction="none", **options)
    (losses if g is None else losses * g).sum().backward()
    assert x.grad is not None
    return losses.numpy(), x.grad.numpy()


# ------------------------------------------------------------------------------------------------ values


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, list[int], int]:
    frames, classes = draw(st.integers(0, 5)), draw(st.integers(2, 4))
    blank = draw(st.integers(0, classes - 1))
    labels = [c for c in range(classes) if c != blank]
    target = draw(st.lists(st.sampled_from(labels), max_size=4))
    spread = draw(st.sampled_from([0.0, 1.0, 30.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return log_softmax(rng.standard_normal((frames, classes)) * spread), target, blank


@settings(max_examples=150, deadline=None)
@given(problems())
def test_it_is_the_sum_over_all_paths(problem: tuple[np.ndarray, list[int], int]) -> None:
    log_probs, target, blank = problem
    found = F.ctc_loss(log_probs, target, len(log_probs), len(target), blank, "sum")
    np.testing.assert_allclose(found.item(), by_all_paths(log_probs, target, blank), rtol=1e-11, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_its_gradient_is_that_of_the_sum_over_all_paths(problem: tuple[np.ndarray, list[int], int]) -> None:
    """Minus the share of the paths that are in the class in the frame, of those that spell the target."""
    log_probs, target, blank = problem
    frames, classes = log_probs.shape
    x = ad.Tensor(log_probs, requires_grad=True)
    loss = F.ctc_loss(x, target, frames, len(target), blank, "sum")
    loss.backward()
    expected = np.zeros((frames, classes))
    for path in itertools.product(range(classes), repeat=frames):
        if spelt(path, blank) == target:
            for t, c in enumerate(path):
                expected[t, c] -= np.exp(sum(log_probs[range(frames), path]) + loss.item())
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-10, atol=1e-13)


def test_each_sequence_of_a_batch_is_by_itself() -> None:
    losses, gradient = both(LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    for n in range(N):
        frames, target = INPUT_LENGTHS[n], TARGETS[n, : TARGET_LENGTHS[n]]
        assert losses[n] == pytest.approx(by_all_paths(LOG_PROBS[:frames, n], target), rel=1e-12)
        alone, slope = both(LOG_PROBS[:frames, n], target, frames, len(target))
        assert losses[n] == pytest.approx(alone.item(), rel=1e-13)
        np.testing.assert_allclose(gradient[:frames, n], slope, rtol=1e-12, atol=1e-15)
        assert not gradient[frames:, n].any()


def test_reductions() -> None:
    losses = F.ctc_loss(LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction="none").numpy()
    total = F.ctc_loss(LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction="sum")
    mean = F.ctc_loss(LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    assert total.item() == pytest.approx(losses.sum())
    assert mean.item() == pytest.approx((losses / [3, 2, 3, 1, 1, 3]).mean())


@pytest.mark.parametrize("how", [np.asarray, np.ndarray.tolist, lambda a: tuple(a.tolist()), ad.Tensor, np.int32, np.uint8])
def test_targets_and_lengths_of_every_kind(how: Any) -> None:
    expected = F.ctc_loss(LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS).item()
    one_row = np.concatenate([row[:n] for row, n in zip(TARGETS, TARGET_LENGTHS, strict=True)])
    for targets in (TARGETS, TARGETS.tolist(), ad.Tensor(TARGETS), one_row, one_row.tolist(), one_row.astype(np.uint8)):
        assert F.ctc_loss(LOG_PROBS, targets, how(INPUT_LENGTHS), how(TARGET_LENGTHS)).item() == expected


def test_one_sequence_without_a_batch() -> None:
    expected = F.ctc_loss(LOG_PROBS[:, :1], TARGETS[:1], [8], [3], reduction="none")
    for lengths in ((8, 3), ([8], [3]), (np.array(8), np.array(3))):
        found = F.ctc_loss(LOG_PROBS[:, 0], TARGETS[0], *lengths, reduction="none")
        assert found.shape == ()
        assert found.item() == expected.item()
    assert F.ctc_loss(LOG_PROBS[:, 0], TARGETS[0], 8, 3).item() == pytest.approx(expected.item() / 3)


def test_the_module_is_its_function() -> None:
    torch_like = {"blank": 4, "reduction": "sum", "zero_infinity": True}
    module = nn.CTCLoss(**torch_like)  # type: ignore[arg-type]
    targets = np.where(TARGETS == 4, 0, TARGETS)
    found = module(ad.Tensor(LOG_PROBS), targets, INPUT_LENGTHS, TARGET_LENGTHS)
    assert found.item() == F.ctc_loss(LOG_PROBS, targets, INPUT_LENGTHS, TARGET_LENGTHS, **torch_like).item()  # type: ignore[arg-type]
    assert not module.state_dict()
    with pytest.raises(ValueError, match="CTCLoss: reduction is 'mean', 'sum' or 'none', got 'average'"):
        nn.CTCLoss(reduction="average")


# ------------------------------------------------------------------------------------------------ derivatives


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("data", [LOG_PROBS, LOGITS], ids=["log-probabilities", "any numbers"])
def test_gradients_to_second_order(data: np.ndarray, reduction: str) -> None:
    def loss(x: Any) -> Any:
        return F.ctc_loss(x, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction=reduction)

    ad.check_grads(loss, data, directions=1)


def test_gradients_of_the_logits_to_second_order() -> None:
    ad.check_grads(lambda x: F.ctc_loss(F.log_softmax(x, 2), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS), LOGITS, directions=1)


@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 1e4])
def test_kernels_and_reference_agree(spread: float) -> None:
    data = log_softmax(LOGITS * spread)
    labels = np.where(np.arange(3) < TARGET_LENGTHS[:, None], TARGETS, 0)
    g, found = np.arange(1.0, N + 1), []
    for function in (ctc._ctc, ctc._ctc.reference):
        x = ad.Tensor(data, requires_grad=True)
        y = function(x, labels, INPUT_LENGTHS, TARGET_LENGTHS, 0)
        y.backward(g)
        assert x.grad is not None
        found.append((y.numpy(), x.grad.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("classes", [5, 40])
def test_both_kernels_agree_where_both_can_be_used(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a loss of 1247 probabilities do; below, with so low a _ONE, they never do, and logarithms take over."""
    rng = np.random.default_rng(3)
    targets, frames = rng.integers(1, classes, (4, 12)), np.array([300, 299, 150, 40])
    x = log_softmax(rng.standard_normal((300, 4, classes)))
    g = np.array([1.0, -2.0, 0.5, 3.0])
    fast = both(x, targets, frames, [12, 11, 5, 12], g=g)
    assert 300 < fast[0].max() < 1200
    monkeypatch.setattr(ctc, "_ONE", 1e-300)
    slow = both(x, targets, frames, [12, 11, 5, 12], g=g)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-12)
    np.testing.assert_allclose(fast[1], slow[1], rtol=1e-9, atol=1e-12)


def test_a_likelihood_too_small_for_a_float_is_no_obstacle() -> None:
    """Losses of 2, 1200, 1300 and 1e6 in one batch: the first two in probabilities, the others in logarithms."""
    x = np.log(np.full((100, 4, 3), 1 / 3))
    for n, loss in enumerate((0.0, 12.0, 13.0, 1e4)):
        x[:, n] = [-1e-2, -loss, -loss - 1]
    x[:, 0] = [-50.0, -1e-2, -50.0]
    losses, gradient = both(x, [[1, 1]] * 4, [100] * 4, [1, 1, 1, 1])
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient.sum(axis=2), -1, rtol=1e-9)  # in each frame a path is in one class
    reference = ctc._ctc.reference(x, np.full((4, 1), 1), np.full(4, 100), np.ones(4, int), 0)
    np.testing.assert_allclose(losses, reference, rtol=1e-11)


@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_logits_of_any_size_give_finite_losses_and_derivatives(scale: float) -> None:
    x = ad.Tensor(np.round(LOGITS) * scale, requires_grad=True)
    with np.errstate(invalid="raise", over="raise", divide="raise"):
        y = F.ctc_loss(F.log_softmax(x, 2), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, reduction="none")
        (plain,) = ad.gradients(y.sum(), [x], retain_graph=True)
        (first,) = ad.gradients(y.sum(), [x], create_graph=True)
        second = ad.gradients((first * LOGITS).sum(), x)
    for array in (y, plain, first, second):
        assert np.isfinite(array.numpy()).all()
    np.testing.assert_allclose(plain.numpy().sum(axis=2), 0, atol=1e-12)
    if scale == 1e4:  # above, rounding decides which of two equal paths is the more probable
        np.testing.assert_allclose(plain.numpy(), first.numpy(), rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------------------------------------ the impossible


def test_too_few_frames_cost_infinity_or_nothing_and_have_no_slope() -> None:
    """`2 2 2` needs five frames, for the blanks between; no frames spell the empty target alone."""
    frames, counts = [4, 3, 0, 0, 2], [3, 3, 1, 0, 2]
    targets = [[2, 2, 2], [1, 2, 3], [1, 0, 0], [0, 0, 0], [1, 1, 0]]
    losses, gradient = both(LOG_PROBS[:, :5], targets, frames, counts)
    assert np.isinf(losses).tolist() == [True, False, True, False, True]
    assert losses[3] == 0
    assert not gradient[:, [0, 2, 3, 4]].any()
    assert gradient[:, 1].any()
    forgiving, same = both(LOG_PROBS[:, :5], targets, frames, counts, zero_infinity=True)
    np.testing.assert_array_equal(forgiving, np.where(np.isinf(losses), 0, losses))
    np.testing.assert_array_equal(same, gradient)
    x = ad.Tensor(LOG_PROBS[:, :5], requires_grad=True)
    loss = F.ctc_loss(x, targets, frames, counts, zero_infinity=True)
    (first,) = ad.gradients(loss, [x], create_graph=True)
    second = ad.gradients((first * LOGITS[:, :5]).sum(), x)
    np.testing.assert_allclose(first.numpy()[:, 1], gradient[:, 1] / 15, rtol=1e-12)
    assert not first.numpy()[:, [0, 2, 3, 4]].any()
    assert np.isfinite(second.numpy()).all()


def test_classes_that_cannot_be() -> None:
    x = LOG_PROBS[:, :3].copy()
    x[:, :, 3] = -np.inf  # of no use to 1 2
    x[0, 1] = [-np.inf, 0.0, -np.inf, -np.inf, -np.inf]  # begins with 1
    x[0, 2] = [-np.inf, -np.inf, 0.0, -np.inf, -np.inf]  # begins with 2: impossible
    losses, gradient = both(x, [[1, 2]] * 3, [5] * 3, [2] * 3)
    for n in range(3):
        assert losses[n] == pytest.approx(by_all_paths(x[:5, n], [1, 2]), rel=1e-12)
    assert losses[2] == np.inf
    assert np.isfinite(gradient).all()
    assert not gradient[:, :, 3].any()
    assert not gradient[:, 2].any()
    assert gradient[0, 1].tolist() == [0.0, -1.0, 0.0, 0.0, 0.0]
    z = ad.Tensor(x, requires_grad=True)
    loss = F.ctc_loss(z, [[1, 2]] * 3, [5] * 3, [2] * 3, zero_infinity=True, reduction="sum")
    (first,) = ad.gradients(loss, [z], create_graph=True)
    second = ad.gradients((first * LOGITS[:, :3]).sum(), z)
    np.testing.assert_allclose(first.numpy(), gradient, rtol=1e-11, atol=1e-14)
    assert np.isfinite(second.numpy()).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_a_number_stays_with_its_sequence(bad: float) -> None:
    x = LOG_PROBS[:, :3].copy()
    x[2, 1] = bad
    x[5:, 0] = bad  # after the end of the first sequence
    frames, counts = [5, 8, 8], [3, 2, 3]
    losses, gradient = both(x, TARGETS[:3], frames, counts)
    clean, slope = both(LOG_PROBS[:, :3], TARGETS[:3], frames, counts)
    assert np.isnan(losses).tolist() == [False, True, False]
    assert np.isnan(gradient[:, 1]).any()
    np.testing.assert_allclose(losses[[0, 2]], clean[[0, 2]], rtol=1e-13)
    np.testing.assert_allclose(gradient[:, [0, 2]], slope[:, [0, 2]], rtol=1e-12, atol=1e-15)


def test_empty_batches_and_empty_targets() -> None:
    x = ad.Tensor(np.zeros((4, 0, 3)), requires_grad=True)
    assert F.ctc_loss(x, np.zeros((0, 2), int), [], [], reduction="none").shape == (0,)
    total = F.ctc_loss(x, np.zeros((0, 2), int), [], [], reduction="sum")
    total.backward()
    assert total.item() == 0
    assert x.grad is not None
    assert x.grad.shape == (4, 0, 3)
    for targets in (np.zeros((N, 0), int), np.zeros((N, 4), int), []):
        losses, gradient = both(LOG_PROBS, targets, INPUT_LENGTHS, [0] * N)
        within = np.arange(T)[:, None] < INPUT_LENGTHS
        np.testing.assert_allclose(losses, -(LOG_PROBS[:, :, 0] * within).sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(gradient[:, :, 0], -1.0 * within, rtol=1e-12)
        assert not gradient[:, :, 1:].any()
    losses, gradient = both(np.zeros((0, 2, 3)), [[1], [1]], [0, 0], [0, 1])
    assert losses.tolist() == [0.0, np.inf]
    assert gradient.shape == (0, 2, 3)


# ------------------------------------------------------------------------------------------------ precision, PyTorch


@pytest.mark.parametrize("spread", [1.0, 100.0])
def test_float32_is_close_to_float64_and_stays_float32(spread: float) -> None:
    data = log_softmax(LOGITS * spread).astype(np.float32)
    exact = both(data.astype(float), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    close = both(data, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    for a, b in zip(close, exact, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_float16_is_taken_too() -> None:
    data = log_softmax(LOGITS * 20).astype(np.float16)
    exact = both(data.astype(float), TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    close = both(data, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)
    for a, b in zip(close, exact, strict=True):
        assert a.dtype == np.float16
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("targets", ["padded", "in one row"])
@pytest.mark.parametrize(("blank", "spread"), [(0, 1.0), (2, 10.0), (4, 1000.0)])
def test_values_and_gradients_of_logits_are_those_of_pytorch(
    blank: int, spread: float, targets: str, reduction: str, zero_infinity: bool
) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rng = np.random.default_rng(4)
    frames, samples, classes, most = 20, 7, 5, 6
    data = rng.standard_normal((frames, samples, classes)) * spread
    labels = rng.choice([c for c in range(classes) if c != blank], (samples, most))
    counts, lengths = rng.integers(0, most + 1, samples), rng.integers(13, frames + 1, samples)
    counts[0] = most
    if zero_infinity:
        lengths[0] = 3
    given = labels if targets == "padded" else np.concatenate([row[:n] for row, n in zip(labels, counts, strict=True)])
    options: dict[str, Any] = {"blank": blank, "reduction": reduction, "zero_infinity": zero_infinity}
    x, z = ad.Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    ours = F.ctc_loss(F.log_softmax(x, 2), given, lengths, counts, **options)
    rest = [torch.tensor(a) for a in (given, lengths, counts)]
    theirs = torch.nn.functional.ctc_loss(z.log_softmax(2), *rest, **options)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-11, atol=1e-13)
    (ours * ours).sum().backward()
    (theirs * theirs).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-8, atol=1e-9 * abs(z.grad.numpy()).max())


def test_by_log_probs_the_gradient_of_pytorch_has_the_softmax_in_it() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    _, ours = both(LOG_PROBS, TARGETS[:, :], [T] * N, TARGET_LENGTHS)
    z = torch.tensor(LOG_PROBS, requires_grad=True)
    labels = torch.tensor(np.where(np.arange(3) < TARGET_LENGTHS[:, None], TARGETS, 1))
    lengths = [torch.tensor(a) for a in ([T] * N, TARGET_LENGTHS)]
    torch.nn.functional.ctc_loss(z, labels, *lengths, reduction="sum").backward()
    np.testing.assert_allclose(ours, z.grad.numpy() - np.exp(LOG_PROBS), rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"log_probs": LOG_PROBS.astype(int)}, TypeError, "the input has dtype int64, expected floating predictions"),
        ({"log_probs": LOG_PROBS[0, 0]}, ValueError, r"log_probs has shape \(5,\), expected \(T, N, C\), or \(T, C\)"),
        ({"targets": TARGETS * 1.0}, TypeError, r"targets has dtype float64, expected integers; write targets.astype\(int\)"),
        ({"targets": TARGETS[:4]}, ValueError, r"targets has shape \(4, 3\), expected \(6, S\), or all 6 targets in one row"),
        ({"targets": TARGETS[None]}, ValueError, r"targets has shape \(1, 6, 3\), expected \(6, S\)"),
        ({"targets": np.ones(13, int)}, ValueError, "target_lengths add up to 12, but targets has 13 labels"),
        ({"targets": np.ones(11, int)}, ValueError, "target_lengths add up to 12, but targets has 11 labels"),
        ({"targets": TARGETS % 3}, ValueError, "label 2 of target 0 is 0, the blank: leave it out of targets"),
        ({"targets": TARGETS + 2}, ValueError, "label 2 of target 0 is 5, no class: the classes are 0 to 4; .*target_lengths"),
        ({"targets": -TARGETS}, ValueError, "label 0 of target 0 is -1, no class"),
        ({"blank": 4}, ValueError, "label 0 of target 1 is 4, the blank"),
        ({"blank": 5}, ValueError, "blank=5 is no class: log_probs has classes 0 to 4"),
        ({"blank": -1}, ValueError, "blank=-1 is no class"),
        (
            {"input_lengths": INPUT_LENGTHS + 1},
            ValueError,
            "input_lengths lie between 0 and 8, since log_probs has 8 frames; got 2 to 9",
        ),
        ({"input_lengths": INPUT_LENGTHS - 2}, ValueError, "input_lengths lie between 0 and 8, .*; got -1 to 6"),
        (
            {"input_lengths": INPUT_LENGTHS[:5]},
            ValueError,
            r"input_lengths has shape \(5,\), expected \(6,\), one for each sequence",
        ),
        ({"input_lengths": 8}, ValueError, r"input_lengths has shape \(\), expected \(6,\)"),
        ({"input_lengths": INPUT_LENGTHS / 1}, TypeError, "input_lengths has dtype float64, expected integers"),
        (
            {"target_lengths": TARGET_LENGTHS + 1},
            ValueError,
            "target_lengths lie between 0 and 3, since targets has 3 columns; got 1 to 4",
        ),
        ({"target_lengths": TARGET_LENGTHS[1:]}, ValueError, r"target_lengths has shape \(5,\), expected \(6,\)"),
        ({"reduction": "avg"}, ValueError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
    ],
)
def test_refuses(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"log_probs": LOG_PROBS, "targets": TARGETS, "input_lengths": INPUT_LENGTHS, "target_lengths": TARGET_LENGTHS}
    with pytest.raises(error, match=f"ctc_loss: {message}"):
        F.ctc_loss(**{**arguments, **changed})


def test_the_mean_of_no_sequences_is_refused() -> None:
    with pytest.raises(ValueError, match="ctc_loss: the batch is empty, so there is no mean"):
        F.ctc_loss(np.zeros((4, 0, 3)), np.zeros((0, 2), int), [], [])


def test_nothing_that_is_given_is_written_to() -> None:
    given = [a.copy() for a in (LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS)]
    x = ad.Tensor(given[0], requires_grad=True)
    g = np.ones(N)
    loss = F.ctc_loss(x, *given[1:], reduction="none")
    loss.backward(g, retain_graph=True)
    assert x.grad is not None
    once = x.grad.numpy().copy()
    loss.backward(g)
    np.testing.assert_array_equal(x.grad.numpy(), 2 * once)
    for now, before in zip([x.numpy(), *given[1:], g], [LOG_PROBS, TARGETS, INPUT_LENGTHS, TARGET_LENGTHS, 1.0], strict=True):
        np.testing.assert_array_equal(now, before)
