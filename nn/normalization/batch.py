"""Batch normalisation: each channel over the batch, with running statistics. Function first, its Modules below.

The operations are pure: a batch's statistics are computed outside of them, once, for both the output and the running
statistics, which are updated outside too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, fused
from autodiff.graph import wrap
from autodiff.memory import log_write

from .. import init
from ..module import Module, Parameter, matching
from .centring import centred, floating, in_single, inverse_root, parts_of, widened
from .channels import (
    as_channels,
    centred_channels,
    channel_products,
    channel_statistics,
    channel_sums,
    last_in_memory,
    shaped_back,
    with_each_channel,
)
from .group import check_channels

if TYPE_CHECKING:
    import numpy.typing as npt

# ------------------------------------------------------------------------------------------------ statistics of the batch


def _batch_forward(x: np.ndarray, weight: Any, bias: Any, eps: float, statistics: Any) -> Any:
    last = last_in_memory(x)
    a = as_channels(x, last)
    mean, rest, variance = channel_statistics(x) if statistics is None else statistics
    scale = inverse_root(variance.copy(), eps)
    y = np.empty_like(a)
    factor = scale if weight is None else scale * weight
    for part in parts_of(a):
        t = centred_channels(a[part], mean, rest, y[part])
        with_each_channel(np.multiply, t, factor, t)
        if bias is not None:
            with_each_channel(np.add, t, bias, t)
    return shaped_back(y, x.shape, last), (a, mean, rest, scale, weight, x.shape, last)


def _batch_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    a, mean, rest, scale, weight, shape, last = kept
    g = as_channels(g, last)
    dx = d_weight = d_bias = None
    if needs[0] or needs[2]:
        d_bias = channel_sums(g)
    if needs[0] or needs[1]:
        dx = np.empty(a.shape if last else shape, g.dtype)  # no view, which would be copied where it becomes somebody's .grad
        d = centred_channels(a, mean, rest, dx.reshape(a.shape))
        d_weight = channel_products(g, d)
        d_weight *= scale
        if needs[0]:  # scale w * (g - mean(g) - z mean(g z)), where z = d * scale
            count = a.shape[0] * a.shape[2]
            along_z, along_one, factor = d_weight * scale / count, d_bias / count, scale if weight is None else scale * weight
            for part in parts_of(d):
                t = d[part]
                with_each_channel(np.multiply, t, along_z, t)
                with_each_channel(np.add, t, along_one, t)
                np.subtract(g[part], t, out=t)
                with_each_channel(np.multiply, t, factor, t)
            dx = shaped_back(dx, shape, last) if last else dx
    return dx, d_weight, d_bias


@fused(forward=_batch_forward, backward=_batch_backward, name="batch_norm")
def _batch_norm(x: Any, weight: Any, bias: Any, eps: Any, statistics: Any) -> Any:
    """Normalise x (N, C, ...) over the batch; `statistics`, where given, are those of x, and save the kernel their computing."""
    others = (0, *range(2, len(x.shape)))
    each = (x.shape[1],) + (1,) * (len(x.shape) - 2)
    d = centred(x, others)
    y = d / np.sqrt((d * d).mean(axis=others, keepdims=True) + eps)
    y = y if weight is None else y * weight.reshape(each)
    return y if bias is None else y + bias.reshape(each)


# ------------------------------------------------------------------------------------------------ known statistics


def _known_forward(x: np.ndarray, weight: Any, bias: Any, eps: float, mean: np.ndarray, variance: np.ndarray) -> Any:
    last = last_in_memory(x)
    a = as_channels(x, last)
    scale = inverse_root(variance.copy(), eps)
    factor = scale if weight is None else scale * weight
    y = centred_channels(a, mean, None)
    with_each_channel(np.multiply, y, factor, y)
    if bias is not None:
        with_each_channel(np.add, y, bias, y)
    return shaped_back(y, x.shape, last), (a, mean, scale, factor, x.shape, last)


def _known_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    a, mean, scale, factor, shape, last = kept
    g = as_channels(g, last)
    dx = None
    if needs[0]:
        dx = np.empty(a.shape if last else shape, g.dtype)
        with_each_channel(np.multiply, g, factor, dx.reshape(a.shape))
        dx = shaped_back(dx, shape, last) if last else dx
    d_weight = channel_products(g, centred_channels(a, mean, None)) * scale if needs[1] else None
    return dx, d_weight, channel_sums(g) if needs[2] else None


@fused(forward=_known_forward, backward=_known_backward, name="batch_norm_with_running_statistics")
def norm_by_known(x: Any, weight: Any, bias: Any, eps: Any, mean: Any, variance: Any) -> Any:
    """Normalise x (N, C, ...) by a mean and a variance for each channel, which are constants."""
    each = (x.shape[1],) + (1,) * (len(x.shape) - 2)
    y = (x - mean.reshape(each)) / np.sqrt(variance.reshape(each) + eps)
    y = y if weight is None else y * weight.reshape(each)
    return y if bias is None else y + bias.reshape(each)


# ------------------------------------------------------------------------------------------------ functions


_normalized, _normalized_by_known = in_single(_batch_norm), in_single(norm_by_known)


def move_towards(running: Any, value: np.ndarray, momentum: float, what: str) -> None:
    """Move a running statistic towards the value of this batch."""
    data = running._data if isinstance(running, Tensor) else running
    new = data * (1 - momentum)
    new += momentum * value
    _replace(running, new, what)


def _replace(statistic: Any, new: Any, what: str) -> None:
    if isinstance(statistic, Tensor) and statistic._memory is None:
        statistic._data = np.asarray(new)  # a new array: whoever keeps the old one keeps its values
    else:  # others share the memory, and shall see it
        data = statistic._data if isinstance(statistic, Tensor) else statistic
        data[...] = new
        log_write(data, what)


def _constant(name: str, which: str, value: Any, x: Tensor) -> np.ndarray:
    array: np.ndarray = value._data if isinstance(value, Tensor) else np.asarray(value)
    if array.shape != x.shape[1:2]:
        check_channels(name, x.shape, **{which: array})
    return array if array.dtype is x._data.dtype else array.astype(x.dtype)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input less the mean of its channel, over the standard deviation of its channel; times weight, plus bias.

    input                      (N, C, ...)
    running_mean, running_var  (C,); used where not training, moved towards those of the batch where training; or None
    weight, bias               (C,), or None
    training                   whether to use the statistics of this batch
    momentum                   how far the running statistics move, 0 to 1
    eps                        is added to the variance

    The variance of the batch counts all elements; the running variance moves towards the unbiased one (n - 1). Raises
    ValueError where shapes do not fit, or a batch has one value for a channel. Source: Ioffe and Szegedy 2015, Batch
    Normalization.

    >>> batch_norm([[1.0], [3.0]], None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    >>> batch_norm([[1.0], [3.0]], np.array([1.0]), np.array([4.0]), eps=0.0).tolist()
    [[0.0], [1.0]]
    """
    x, weight, bias = floating("batch_norm", input, weight, bias)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: expected an input of shape (N, C, ...), got {x.shape}")
    if weight is not None or bias is not None:
        check_channels("batch_norm", x.shape, weight=weight, bias=bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: without training it needs running_mean and running_var; give both, or training=True")
        mean, variance = (
            _constant("batch_norm", "running_mean", running_mean, x),
            _constant("batch_norm", "running_var", running_var, x),
        )
        return _normalized_by_known(x, weight, bias, eps, mean, variance)
    return _of_batch("batch_norm", x, running_mean, running_var, weight, bias, momentum, eps)


def _of_batch(
    name: str, x: Tensor, running_mean: Any, running_var: Any, weight: Any, bias: Any, momentum: float, eps: float
) -> Tensor:
    shape = x._data.shape
    count = math.prod(shape) // shape[1] if shape[1] else 0
    if count < 2:
        raise ValueError(
            f"{name}: expected more than 1 value per channel when training, got an input of shape {shape}, which has no spread. "
            "Give larger batches (DataLoader(..., drop_last=True) leaves out a last batch of one), or call eval() on the model"
        )
    statistics = None
    if running_mean is not None or running_var is not None:
        statistics = mean, rest, variance = channel_statistics(widened(x._data))
        if running_mean is not None:
            _constant(name, "running_mean", running_mean, x)
            move_towards(running_mean, mean if rest is None else mean + rest, momentum, f"{name}, of its running mean")
        if running_var is not None:
            _constant(name, "running_var", running_var, x)
            move_towards(running_var, variance * (count / (count - 1)), momentum, f"{name}, of its running variance")
    return _normalized(x, weight, bias, eps, statistics)


class WithRunningStatistics(Module):
    """What batch and instance normalisation share: parameters, running statistics, and the shapes that they take."""

    ndims: tuple[int, ...] = ()  # how many axes the input may have
    shapes = ""  # the same in words
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool, bias: bool, dtype: Any
    ):
        if isinstance(num_features, bool) or not isinstance(num_features, (int, np.integer)) or num_features < 1:
            raise ValueError(f"{type(self).__name__}: num_features must be a positive integer, got {num_features!r}")
        self.num_features, self.eps, self.momentum = int(num_features), eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        dtype = dtype or np.float32
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.register_buffer("running_mean", wrap(np.zeros(num_features, dtype)) if track_running_stats else None)
        self.register_buffer("running_var", wrap(np.ones(num_features, dtype)) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", wrap(np.array(0, np.int64)) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batches."""
        for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            buffer = getattr(self, name)
            if buffer is not None:
                buffer._data[...] = value
                log_write(buffer._data, "reset_running_stats")

    def reset_parameters(self) -> None:
        """Set the weight to ones, the bias to zeros, and forget the running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _input(self, x: Any, channel_axis: int = 1) -> Tensor:
        like = self.weight if self.weight is not None else self.running_mean
        if like is not None:
            x = matching(x, like)
        if not isinstance(x, Tensor) or x._data.dtype.kind != "f":
            (x,) = floating(type(self).__name__, x)
        if x._data.ndim not in self.ndims:
            raise ValueError(f"{type(self).__name__}: expected an input of shape {self.shapes}, got {x.shape}")
        if x._data.shape[channel_axis] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected {self.num_features} channels on axis {channel_axis} of the input, got shape "
                f"{x.shape}"
            )
        return x  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(WithRunningStatistics):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike | None = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, x: Any) -> Tensor:
        x = self._input(x)
        mean, variance, batches = self.running_mean, self.running_var, self.num_batches_tracked
        if not self.training and mean is not None and variance is not None:
            return _normalized_by_known(x, self.weight, self.bias, self.eps, mean._data, variance._data)
        momentum = 0.0 if self.momentum is None else self.momentum
        if not self.training or batches is None:
            mean = variance = batches = None
        elif self.momentum is None:  # the plain average of all batches
            momentum = 1 / (int(batches._data) + 1)
        y = _of_batch(type(self).__name__, x, mean, variance, self.weight, self.bias, momentum, self.eps)
        if batches is not None:
            _replace(batches, np.add(batches._data, 1), "a count of batches")
        return y


class BatchNorm1d(_BatchNorm):
    """Each channel less its mean over the batch, over its standard deviation; times a learned weight (ones), plus a bias (zeros).

    num_features         C, the number of channels (axis 1)
    eps                  is added to the variance
    momentum             how far the running statistics move at each batch; None for the plain average of all batches
    affine               False to do without weight and bias
    track_running_stats  False to use the statistics of the batch in `eval()` too
    bias                 False to do without the bias
    dtype                of parameters and running statistics, float32 by default; inputs are cast to it

    Takes (N, C) or (N, C, L). In `train()` it uses the batch's statistics and updates the running ones (whose variance
    is the unbiased one), in `eval()` it uses these. Source: Ioffe and Szegedy 2015, Batch Normalization.

    >>> layer = BatchNorm1d(1, eps=0.0)
    >>> layer([[1.0], [3.0]]).tolist()
    [[-1.0], [1.0]]
    >>> layer.running_mean, layer.running_var
    (Tensor([0.2], shape=(1,), dtype=float32), Tensor([1.1], shape=(1,), dtype=float32))
    """

    ndims, shapes = (2, 3), "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images (N, C, H, W); see `BatchNorm1d`.

    >>> BatchNorm2d(3)(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    ndims, shapes = (4,), "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes (N, C, D, H, W); see `BatchNorm1d`.

    >>> BatchNorm3d(3)(np.ones((2, 3, 4, 4, 4))).shape
    (2, 3, 4, 4, 4)
    """

    ndims, shapes = (5,), "(N, C, D, H, W)"
