"""Instance normalisation: each channel of each sample by itself. Function first, its Modules below."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor

from .batch import WithRunningStatistics, batch_norm, move_towards
from .centring import floating, widened
from .channels import channel_statistics
from .group import check_channels, normalized_per_group

if TYPE_CHECKING:
    import numpy.typing as npt


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the input with each channel of each sample normalised by itself; times weight, plus bias.

    input                      (N, C, ...), at least three axes
    running_mean, running_var  (C,); moved towards the averages over the batch; used where `use_input_stats` is False; or None
    weight, bias               (C,), or None
    use_input_stats            False to use the running statistics
    momentum                   how far the running statistics move, 0 to 1
    eps                        is added to the variance

    Raises ValueError where shapes do not fit, or a channel has one value. Source: Ulyanov et al. 2016, Instance
    Normalization.

    >>> instance_norm([[[1.0, 3.0], [0.0, 100.0]]], eps=0.0).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    x, weight, bias = floating("instance_norm", input, weight, bias)
    if x.ndim < 3:
        raise ValueError(f"instance_norm: expected an input of shape (N, C, L, ...), got {x.shape}")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    check_channels("instance_norm", x.shape, weight=weight, bias=bias)
    count = math.prod(x.shape[2:])
    if count < 2:
        raise ValueError(
            f"instance_norm: expected more than 1 spatial element when training, got an input of shape {x.shape}: a single value "
            "has no spread, and every output would be the bias"
        )
    if running_mean is not None or running_var is not None:
        means, rests, variances = channel_statistics(widened(x._data).reshape(1, x.shape[0] * x.shape[1], count))
        if running_mean is not None:
            mean = (means if rests is None else means + rests).reshape(x.shape[:2]).mean(axis=0)
            move_towards(running_mean, mean, momentum, "instance_norm, of its running mean")
        if running_var is not None:
            variance = variances.reshape(x.shape[:2]).mean(axis=0) * (count / (count - 1))
            move_towards(running_var, variance, momentum, "instance_norm, of its running variance")
    return normalized_per_group(x, weight, bias, eps, x.shape[1])


class _InstanceNorm(WithRunningStatistics):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike | None = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias, dtype)

    def forward(self, x: Any) -> Tensor:
        alone = np.ndim(x._data if isinstance(x, Tensor) else x) == self.ndims[0]  # one sample, without its axis
        x = self._input(x, 0 if alone else 1)
        y = instance_norm(
            x[None] if alone else x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            self.momentum or 0.0,
            self.eps,
        )
        return y[0] if alone else y


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sample less its mean, over its standard deviation.

    num_features         C, the number of channels
    eps                  is added to the variance
    momentum             how far the running statistics move at each batch
    affine               True for a learned weight (ones) and bias (zeros)
    track_running_stats  True to keep running statistics, and to use them in `eval()`
    bias                 False to do without the bias
    dtype                of parameters and running statistics, float32 by default; inputs are cast to it

    Takes (N, C, L) or (C, L). Source: Ulyanov et al. 2016, Instance Normalization.

    >>> InstanceNorm1d(2, eps=0.0)([[[1.0, 3.0], [0.0, 100.0]]]).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """

    ndims, shapes = (2, 3), "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images (N, C, H, W) or (C, H, W); see `InstanceNorm1d`.

    >>> InstanceNorm2d(3)(np.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    ndims, shapes = (3, 4), "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of volumes (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm1d`.

    >>> InstanceNorm3d(3)(np.ones((2, 3, 4, 4, 4))).shape
    (2, 3, 4, 4, 4)
    """

    ndims, shapes = (4, 5), "(N, C, D, H, W) or (C, D, H, W)"
