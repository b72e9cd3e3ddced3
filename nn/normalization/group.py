"""Group normalisation: over groups of channels of each sample. Function first, its Module below."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, fused
from autodiff.blocks import long_rows

from .. import init
from ..constants import ones
from ..module import Module, Parameter, matching
from .centring import as_rows, centre_rows, centred, centred_again, floating, in_single, parts_of

if TYPE_CHECKING:
    import numpy.typing as npt


def _group_forward(x: np.ndarray, weight: Any, bias: Any, eps: float, groups: int) -> Any:
    samples, channels = x.shape[:2]
    length = math.prod(x.shape[2:])
    n = channels * length // groups
    rows = as_rows(x, n).reshape(samples, groups, n)
    y = np.empty(x.shape, x.dtype)
    out = y.reshape(samples, channels, length)
    statistics = []
    with long_rows(length):
        for part in parts_of(rows):
            z = out[part]  # a row for each channel of each sample
            of_groups = z.reshape(-1, n)
            mean, rest, scale = centre_rows(rows[part].reshape(-1, n), eps, of_groups)
            factor = scale.reshape(-1, groups, 1)
            if weight is None:
                of_groups *= scale[:, None]
            else:
                factor = factor * weight.reshape(groups, -1)
                z *= factor.reshape(-1, channels, 1)
            if bias is not None:
                z += bias[:, None]
            statistics.append((part, mean, rest, scale, factor))
    return y, (rows, statistics, weight, x.shape)


def _group_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    rows, statistics, weight, shape = kept
    samples, channels = shape[:2]
    groups, n = rows.shape[1:]
    length = n * groups // channels
    g = as_rows(g, length).reshape(samples, channels, length)
    dx = np.empty(shape, g.dtype) if needs[0] else None  # no view, which would be copied where it becomes somebody's .grad
    d_weight = d_bias = None
    with long_rows(length):
        for part, mean, rest, scale, factor in statistics:
            of_part = g[part]
            d = centred_again(rows[part].reshape(-1, n), mean, rest)
            split = d.reshape(of_part.shape)
            products = np.vecdot(of_part, split) if length > 1 else (of_part * split)[..., 0]
            sums = of_part.reshape(-1, length).dot(ones(length, g.dtype)).reshape(-1, channels) if length > 1 else of_part[..., 0]
            if needs[1]:
                total = (products.reshape(-1, groups, channels // groups) * scale.reshape(-1, groups, 1)).sum(axis=0)
                d_weight = total if d_weight is None else d_weight + total
            if needs[2]:
                total = sums.sum(axis=0)
                d_bias = total if d_bias is None else d_bias + total
            if dx is not None:
                _group_slope(of_part, d, dx.reshape(g.shape)[part], products, sums, scale, factor, weight)
    return dx, None if d_weight is None else d_weight.reshape(channels), d_bias


def _group_slope(
    g: np.ndarray, d: np.ndarray, t: np.ndarray, products: np.ndarray, sums: np.ndarray, scale: np.ndarray, factor: Any, weight: Any
) -> None:
    """Write scale * (g w - mean(g w) - z mean(g w z)), where z = d * scale, to t; the products are sums of g d for each channel."""
    groups, n = factor.shape[1], d.shape[1]
    each = g.shape[1] // groups
    w = ones(each, g.dtype) if weight is None else weight.reshape(groups, each)
    along_z = np.vecdot(products.reshape(-1, groups, each), w).reshape(-1)
    along_one = np.vecdot(sums.reshape(-1, groups, each), w).reshape(-1)
    d *= (along_z * (scale * scale * scale / n))[:, None]
    d += (along_one * (scale / n))[:, None]
    parts = groups * factor.shape[2]  # one for each channel; without weight, for each group
    split = (len(g), parts, each * groups * g.shape[2] // parts)
    np.multiply(g.reshape(split), factor.reshape(*split[:2], 1), out=t.reshape(split))
    whole = t.reshape(d.shape)
    whole -= d


@fused(forward=_group_forward, backward=_group_backward, name="group_norm")
def per_group(x: Any, weight: Any, bias: Any, eps: Any, groups: Any) -> Any:
    """Normalise x (N, C, ...) over each group of channels; the operation behind group and instance normalisation."""
    d = centred(x.reshape((x.shape[0], groups, math.prod(x.shape[1:]) // groups)), -1)
    y = (d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + eps)).reshape(x.shape)
    each = (x.shape[1],) + (1,) * (len(x.shape) - 2)
    y = y if weight is None else y * weight.reshape(each)
    return y if bias is None else y + bias.reshape(each)


normalized_per_group = in_single(per_group)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Return the input normalised over each group of its channels, in each sample; times weight, plus bias.

    input         (N, C, ...)
    num_groups    how many groups of neighbouring channels; divides C
    weight, bias  (C,), or None
    eps           is added to the variance

    Raises ValueError where the shapes do not fit. Source: Wu and He 2018, Group Normalization.

    >>> group_norm([[1.0, 3.0, 0.0, 100.0]], 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    x, weight, bias = floating("group_norm", input, weight, bias)
    _check_groups("group_norm", x.shape, num_groups)
    check_channels("group_norm", x.shape, weight=weight, bias=bias)
    return normalized_per_group(x, weight, bias, eps, num_groups)


def _check_groups(name: str, shape: tuple[int, ...], groups: int) -> None:
    if len(shape) < 2 or 0 in shape[1:]:
        raise ValueError(f"{name}: expected an input of shape (N, C, ...), got {shape}")
    if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)) or groups < 1 or shape[1] % groups:
        raise ValueError(f"{name}: num_groups must divide the {shape[1]} channels, got {groups!r}")


def check_channels(name: str, shape: tuple[int, ...], **parameters: Any) -> None:
    """Raise ValueError unless each parameter has one element for each channel."""
    for which, value in parameters.items():
        if value is not None and value.shape != shape[1:2]:
            raise ValueError(
                f"{name}: the {which} has shape {value.shape}, expected {shape[1:2]}, one for each channel (axis 1) of the input, "
                f"whose shape is {shape}"
            )


class GroupNorm(Module):
    """The input normalised over groups of channels, in each sample; times a learned weight (ones), plus a bias (zeros).

    num_groups    how many groups of neighbouring channels; divides num_channels
    num_channels  length of axis 1
    eps           is added to the variance
    affine        False to do without weight and bias
    bias          False to do without the bias
    dtype         of the parameters, float32 by default; inputs are cast to it

    Source: Wu and He 2018, Group Normalization.

    >>> GroupNorm(2, 4)([[1.0, 3.0, 0.0, 100.0]]).round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: npt.DTypeLike | None = None,
    ):
        _check_groups("GroupNorm", (1, num_channels), num_groups)
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(np.ones(num_channels, dtype or np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype or np.float32)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Set the weight to ones and the bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Any) -> Tensor:
        (x,) = floating("GroupNorm", x if self.weight is None else matching(x, self.weight))
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: expected {self.num_channels} channels on axis 1 of the input, got shape {x.shape}")
        _check_groups("GroupNorm", x.shape, self.num_groups)
        return normalized_per_group(x, self.weight, self.bias, self.eps, self.num_groups)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
