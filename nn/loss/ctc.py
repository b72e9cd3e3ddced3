"""Connectionist temporal classification: the loss of a sequence of labels whose places in time nobody told.

A path says one class for each frame; "blank" is one of the classes. It spells the labels that remain when repeats are
merged and then blanks are dropped: both `aa-b` and `a--b` spell `ab`, and `aa` needs a blank between, `a-a`. The loss is
-log of the sum of the probabilities of all paths that spell the target.

So many paths are summed by walking through states: the labels with a blank before, between and after them, 2 S + 1 for S
labels. Each frame one stays, steps to the next state, or leaps over a blank that stands between two different labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, fused, logsumexp
from autodiff.arguments import plain

from .margin import scores
from .targets import Loss, reduced

# ------------------------------------------------------------------------------------------------ the reference


def _states(labels: np.ndarray, target_lengths: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the class of each state (N, 2 S + 1), whether it exists, and whether one may leap to it from two before."""
    samples, most = labels.shape
    path = np.full((samples, 2 * most + 1), blank)
    path[:, 1::2] = labels
    exists = np.arange(2 * most + 1) <= 2 * target_lengths[:, None]
    leap = np.zeros(path.shape, bool)
    leap[:, 1:2] = True  # over the first blank
    leap[:, 3::2] = labels[:, 1:] != labels[:, :-1]
    return path, exists, leap


@fused(
    forward=lambda *args: _ctc_forward(*args),
    backward=lambda g, kept, needs: _ctc_backward(g, kept),
    name="ctc",
)
def _ctc(log_probs: Any, labels: Any, input_lengths: Any, target_lengths: Any, blank: Any) -> Any:
    """-log sum of exp(log_probs[0, n, path[0]] + log_probs[1, n, path[1]] + ...) over the paths that spell labels[n]."""
    frames, samples, _ = log_probs.shape
    path, exists, leap = _states(labels, target_lengths, blank)
    row = np.arange(samples)[:, None]
    within = np.arange(frames)[:, None] < input_lengths  # (T, N)
    emitted = np.where(within[:, :, None] & exists, log_probs[:, row, path], -np.inf)  # (T, N, states)
    # alpha[n, 2 + s]: log of the sum over all ways to be in state s by now. Before the first frame one stands left of it.
    alpha = np.full((samples, path.shape[1] + 2), -np.inf, log_probs.dtype)
    alpha[:, 1] = 0
    nowhere = np.full((samples, 2), -np.inf, log_probs.dtype)
    for t in range(frames):
        ways = np.stack([alpha[:, 2:], alpha[:, 1:-1], np.where(leap, alpha[:, :-2], -np.inf)])
        arrived = np.concatenate([nowhere, logsumexp(ways, axis=0) + emitted[t]], axis=1)
        alpha = np.where(within[t][:, None], arrived, alpha)
    ends = 2 * target_lengths[:, None] + np.array([1, 2])  # in the last label, or in the blank after it
    return -logsumexp(alpha[row, ends], axis=1)


# ------------------------------------------------------------------------------------------------ the kernels

# The states of all samples lie in one row, two empty ones before those of each sample, so that a step is a shift of the
# row by one. Twice the same walk: in probabilities, which is fast, for samples whose likelihood fits a float64 (up to a
# loss of 1247); in logarithms for the others, with a number in place of -inf that is so low that no sum notices it, and so
# high that sums of it stay finite.

_ONE = 2.0**900  # what stands for probability 1: leaves room below for likelihoods as small as 2**-1800


def _sum(stay: np.ndarray, step: np.ndarray, leap: np.ndarray, out: np.ndarray) -> None:
    np.add(stay, step, out=out)
    out += leap


def _log_sum(stay: np.ndarray, step: np.ndarray, leap: np.ndarray, out: np.ndarray) -> None:
    np.maximum(stay, step, out=out)
    np.maximum(out, leap, out=out)
    parts = np.stack((stay, step, leap))
    parts -= out
    np.exp(parts, out=parts)
    total = parts[0]
    total += parts[1]
    total += parts[2]
    np.log(total, out=total)
    out += total


def _walk(emitted: np.ndarray, leap: np.ndarray, start: np.ndarray, times: Any, total: Any) -> np.ndarray:
    """Return alphas[t]: the sum over all ways to be in each state after t frames."""
    alphas = np.empty((len(emitted) + 1, len(start)), emitted.dtype)
    alphas[0] = start
    leaping = np.empty_like(start[2:])
    for t, emitted_now in enumerate(emitted):
        before, after = alphas[t], alphas[t + 1]
        times(before[:-2], leap[2:], out=leaping)
        after[:2] = emitted_now[:2]
        total(before[2:], before[1:-1], leaping, after[2:])
        times(after, emitted_now, out=after)
    return alphas


def _walk_back(
    alphas: np.ndarray, emitted: np.ndarray, leap: np.ndarray, ends: np.ndarray, lengths: np.ndarray, times: Any, total: Any
) -> np.ndarray:
    """Return for each frame and state the sum over all ways from the start through here to the ends, (T, N, states + 2)."""
    frames = len(emitted)
    rows: dict[int, list[int]] = {}  # which samples end with which frame
    for n, length in enumerate(lengths.tolist()):
        rows.setdefault(length - 1, []).append(n)
    onward = np.empty_like(emitted)  # onward[t]: the sum over all ways to go on from each state after frame t
    none = leap[0] if leap.size else 0
    beta = np.full(len(leap) + 2, none, emitted.dtype)  # with the frame itself; at the end two states that are none
    leaping = beta.copy()
    for t in range(frames - 1, -1, -1):
        now = onward[t]
        times(beta[:-2], leap, out=leaping[:-2])
        total(beta[:-2], beta[1:-1], leaping[2:], now)
        if t in rows:
            now.reshape(ends.shape)[rows[t]] = ends[rows[t]]
        times(now, emitted[t], out=beta[:-2])
    times(alphas[1:], onward, out=onward)
    return onward.reshape(frames, *ends.shape)


def _row(values: np.ndarray, none: float, dtype: Any) -> np.ndarray:
    """Return (N, states) as (N, 2 + states), flattened, with `none` in the empty ones."""
    row = np.full((len(values), 2 + values.shape[1]), none, dtype)
    row[:, 2:] = values
    return row.reshape(-1)


def _ctc_forward(
    log_probs: np.ndarray, labels: np.ndarray, input_lengths: np.ndarray, target_lengths: np.ndarray, blank: int
) -> Any:
    frames, samples, classes = log_probs.shape
    path, exists, leap = _states(labels, target_lengths, blank)
    flat = (np.arange(samples)[:, None] * classes + np.pad(path, ((0, 0), (2, 0)), constant_values=blank)).reshape(-1)
    n, within = np.arange(samples), np.arange(frames)[:, None] < input_lengths
    ends = np.zeros((samples, 2 + path.shape[1]))
    ends[n, 2 * target_lengths + 1] = ends[n, 2 * target_lengths + 2] = 1  # in the last label, or in the blank after it

    x = log_probs.reshape(frames, samples * classes).astype(np.float64)
    if classes <= path.shape[1]:
        emitted = np.exp(np.minimum(x, 11.0)).take(flat, axis=1)
    else:
        emitted = np.exp(np.minimum(x.take(flat, axis=1), 11.0))
    # If the probabilities of the labels that occur add up to 1 or less in each frame, no walk is more probable than that.
    seen = np.tril(labels[:, :, None] == labels[:, None, :], -1).any(axis=2) | (labels == blank)
    once = np.zeros((samples, 2 + path.shape[1]))
    once[:, 2], once[:, 3::2] = 1, ~seen
    each = emitted.reshape(frames, *ends.shape)
    fits = np.log(np.where(within, np.maximum(np.vecdot(each, once), 1), 1)).sum(axis=0) < 10
    emitted *= _row(exists, 0, float)
    if not (fits.all() and within.all()):
        each[~(within & fits)] = 0
    start = np.zeros(ends.shape)
    start[:, 1] = _ONE
    leap_row = _row(leap, 0, float)
    alphas = _walk(emitted, leap_row, start.reshape(-1), np.multiply, _sum)
    likelihoods = np.vecdot(alphas.reshape(frames + 1, *ends.shape)[input_lengths, n], ends)
    hard = ~(likelihoods >= 1 / _ONE)
    likelihoods[hard] = 1
    losses = np.where(likelihoods > 1, np.log(_ONE / np.maximum(likelihoods, 1)), np.log(_ONE) - np.log(likelihoods))
    kept_hard = None
    if hard.any():
        used = within[:, hard, None] & exists[hard]
        chosen = log_probs[:, hard], path[hard], used, leap[hard], ends[hard], input_lengths[hard]
        losses[hard], kept_hard = _forward_of_logarithms(*chosen)
    kept = log_probs.shape, log_probs.dtype, flat, alphas, emitted, leap_row, ends, input_lengths, likelihoods, hard, kept_hard
    return losses.astype(log_probs.dtype), kept


def _forward_of_logarithms(
    log_probs: np.ndarray, path: np.ndarray, used: np.ndarray, leap: np.ndarray, ends: np.ndarray, input_lengths: np.ndarray
) -> Any:
    frames, samples, _ = log_probs.shape
    dtype = np.promote_types(log_probs.dtype, np.float32)
    lowest = float(np.finfo(dtype).min) / (8 * (frames + 2))
    emitted = np.full((frames, samples, 2 + path.shape[1]), lowest, dtype)
    np.copyto(emitted[:, :, 2:], np.maximum(log_probs[:, np.arange(samples)[:, None], path], lowest), where=used)
    broken = ~(emitted < np.inf).all(axis=(0, 2))  # nan and inf must not reach the neighbours in the row
    emitted[:, broken] = lowest
    emitted = emitted.reshape(frames, ends.size)
    start = np.full(ends.shape, lowest, dtype)
    start[:, 1] = 0
    toll = _row(np.where(leap, 0, lowest), lowest, dtype)
    alphas = _walk(emitted, toll, start.reshape(-1), np.add, _log_sum)
    ends = np.where(ends, 0, lowest).astype(dtype)
    last = alphas.reshape(frames + 1, *ends.shape)[input_lengths, np.arange(samples)] + ends
    log_likelihoods = logsumexp.operation.forward(last, axis=1, keepdims=False)
    losses = np.where(log_likelihoods < lowest / 2, np.inf, -log_likelihoods)
    losses[broken] = np.nan
    return losses, (alphas, emitted, toll, ends, input_lengths, losses)


def _backward_of_logarithms(
    g: np.ndarray, alphas: np.ndarray, emitted: np.ndarray, toll: np.ndarray, ends: Any, input_lengths: np.ndarray, losses: Any
) -> Any:
    shares = _walk_back(alphas, emitted, toll, ends, input_lengths, np.add, _log_sum)
    # All of them add up to the likelihood in every frame, but for rounding, which may be large in large logarithms.
    shares -= shares.max(axis=2, keepdims=True)
    np.exp(shares, out=shares)
    factor = np.where(np.isnan(losses), np.nan, np.where(losses == np.inf, 0, -g))  # what is impossible has no slope
    within = np.arange(len(emitted))[:, None] < input_lengths
    return shares * (np.where(within, factor, 0) / shares.sum(axis=2))[:, :, None]


def _ctc_backward(g: np.ndarray, kept: Any) -> Any:
    shape, dtype, flat, alphas, emitted, leap, ends, input_lengths, likelihoods, hard, kept_hard = kept
    frames, samples, classes = shape
    scaled_ends = ends * np.where(hard, 0, -g / likelihoods)[:, None]
    # Times -g: how probable it is, given the target, to be in this state in this frame.
    shares = _walk_back(alphas, emitted, leap, scaled_ends, input_lengths, np.multiply, _sum)
    if kept_hard is not None:
        shares[:, hard] = _backward_of_logarithms(g[hard], *kept_hard)
    out = np.zeros((frames, samples * classes))
    flat = flat.reshape(ends.shape)
    out[:, flat[:, 2]] = shares[:, :, 2::2].sum(axis=2)  # of the blanks
    places = (np.arange(frames) * (samples * classes))[:, None] + flat[:, 3::2].reshape(-1)
    out += np.bincount(places.reshape(-1), shares[:, :, 3::2].reshape(-1), out.size).reshape(out.shape)
    return (out.reshape(shape).astype(dtype, copy=False),)


# ------------------------------------------------------------------------------------------------ the function, the Module


def ctc_loss(
    log_probs: Tensor,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return -log of the probability that frames spell the target, whatever the time each label takes.

    log_probs       (T, N, C), or (T, C) for one sequence: log-probabilities of the classes in each frame, from log_softmax
    targets         class indices without the blank: (N, S), of which the first target_lengths[n] count; or those of all
                    sequences one after another, (sum of target_lengths,); or (S,) for one sequence
    input_lengths   (N,), how many frames of each sequence count, at most T; a number for one sequence
    target_lengths  (N,), how many labels each has; a number for one sequence
    blank           the class that stands for no label
    reduction       "mean": each loss divided by its number of labels (at least 1), averaged over the batch; "sum"; "none"
    zero_infinity   whether a target that no path spells, for want of frames, costs 0 instead of inf; its gradient is 0 either way

    The gradient is the derivative by `log_probs`: minus the probability, given the target, of being in the class in the
    frame. PyTorch returns for the same argument the derivative by the logits under a log_softmax. By the logits both
    libraries give the same, and a number that a gradient check confirms is given only here.

    Raises ValueError or TypeError where shapes, lengths, labels or dtypes do not fit.
    Source: Graves et al., Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
    networks, 2006.

    >>> frames = np.log([[0.5, 0.5], [0.5, 0.5]])
    >>> loss = ctc_loss(frames, [1], 2, 1)  # three of four paths spell it: -a, a-, aa
    >>> round(float(np.exp(-loss)), 4)
    0.75
    """
    x = scores("ctc_loss", log_probs, reduction)
    if x.ndim not in (2, 3):
        raise ValueError(f"ctc_loss: log_probs has shape {x.shape}, expected (T, N, C), or (T, C) for one sequence")
    batched = x.ndim == 3
    if not batched:
        x = x[:, None]
    frames, samples, classes = x.shape
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank={blank} is no class: log_probs has classes 0 to {classes - 1}")
    inputs = _lengths("input_lengths", input_lengths, samples, frames, f"log_probs has {frames} frames")
    raw = _integers("targets", targets)
    if (raw.ndim == 2 and raw.shape[0] != samples) or raw.ndim not in (1, 2):
        raise ValueError(f"ctc_loss: targets has shape {raw.shape}, expected ({samples}, S), or all {samples} targets in one row")
    if raw.ndim == 2:
        counts = _lengths("target_lengths", target_lengths, samples, raw.shape[1], f"targets has {raw.shape[1]} columns")
    else:
        counts = _lengths("target_lengths", target_lengths, samples, raw.size, f"targets has {raw.size} labels")
        if batched and counts.sum() != raw.size:
            raise ValueError(f"ctc_loss: target_lengths add up to {counts.sum()}, but targets has {raw.size} labels")
    labels = _padded(raw, counts, blank, classes)
    losses: Any = _ctc(x, labels, inputs, counts, int(blank))
    if zero_infinity:
        losses = np.where(losses.numpy() == np.inf, 0, losses)
    if not batched:
        losses = losses[0]
        counts = counts[0]
    if reduction == "mean":
        losses = losses / np.maximum(counts, 1).astype(x.dtype)
    loss: Tensor = reduced(losses, reduction)
    return loss


def _integers(what: str, value: Any) -> np.ndarray:
    array = np.asarray(plain(value))
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"ctc_loss: {what} has dtype {array.dtype}, expected integers; write {what}.astype(int)")
    return array.astype(np.intp)


def _lengths(what: str, value: Any, samples: int, most: int, why: str) -> np.ndarray:
    lengths = _integers(what, value)
    if lengths.shape != (samples,) and not (samples == 1 and lengths.size == 1):
        raise ValueError(f"ctc_loss: {what} has shape {lengths.shape}, expected ({samples},), one for each sequence")
    lengths = lengths.reshape(-1)
    if samples and not (lengths.min() >= 0 and lengths.max() <= most):
        raise ValueError(f"ctc_loss: {what} lie between 0 and {most}, since {why}; got {lengths.min()} to {lengths.max()}")
    return lengths


def _padded(raw: np.ndarray, counts: np.ndarray, blank: int, classes: int) -> np.ndarray:
    """Return the labels as (N, S), filled up with blanks; raise where one is no class, or the blank."""
    counted = np.arange(counts.max(initial=0)) < counts[:, None]
    labels = np.full(counted.shape, blank)
    labels[counted] = raw[:, : counted.shape[1]][counted] if raw.ndim == 2 else raw[: counts.sum()]
    bad = counted & ((labels < 0) | (labels >= classes) | (labels == blank))
    if bad.any():
        n, place = np.argwhere(bad)[0]
        wrong = labels[n, place]
        cure = (
            "the blank: leave it out of targets, the loss puts blanks wherever they may be; or say which class it is with blank="
            if wrong == blank
            else f"no class: the classes are 0 to {classes - 1}; labels that fill up a row are cut off by target_lengths"
        )
        raise ValueError(f"ctc_loss: label {place} of target {n} is {wrong}, {cure}")
    return labels


class CTCLoss(Loss):
    """The loss of a sequence of labels without times, see `nn.functional.ctc_loss`.

    >>> log_probs = Tensor(np.log(np.full((2, 1, 2), 0.5)))
    >>> round(CTCLoss()(log_probs, [[1]], [2], [1]).item(), 4)
    0.2877
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False):
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Tensor, targets: Any, input_lengths: Any, target_lengths: Any) -> Tensor:
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity)
