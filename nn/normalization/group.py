"""Group normalisation: over groups of channels of each sample. Function first, its Module below."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, fused

from .. import init
from ..constants import ones
from ..module import Module, Parameter, matching
from .centring import as_rows, centred, centred_again, centred_rows, floating

if TYPE_CHECKING:
    import numpy.typing as npt


def _group_forward(x: np.ndarray, weight: Any, bias: Any, eps: float, groups: int) -> Any:
    samples, channels = x.shape[:2]
    length = math.prod(x.shape[2:])
    rows = as_rows(x, channels * length // groups)
    y, mean, rest, scale = centred_rows(rows, eps)
    factor = scale[:, None]
    if weight is not None:  # of each channel of each sample
        factor = (scale.reshape(samples, groups, 1) * weight.reshape(groups, -1)).reshape(samples * channels, 1)
        y = y.reshape(samples * channels, length)
    y *= factor
    if bias is not None:
        y = y.reshape(samples, channels, length)
        y += bias[:, None]
    return y.reshape(x.shape), (rows, mean, rest, scale, factor, weight, x.shape, groups)


def _group_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    rows, mean, rest, scale, factor, weight, shape, groups = kept
    samples, channels = shape[:2]
    n = rows.shape[1]
    each = channels // groups
    length = n // each
    dx = d_weight = d_bias = None
    g = as_rows(g, length)  # one row for each channel of each sample
    d = centred_again(rows, mean, rest)
    parts = d.reshape(g.shape)
    products = np.vecdot(g, parts) if length > 1 else g * parts
    sums = g.dot(ones(length, g.dtype)) if length > 1 else g
    all_ones = ones(samples, g.dtype)
    if needs[2]:
        d_bias = all_ones.dot(sums.reshape(samples, channels))
    if needs[1]:
        scaled = products.reshape(samples, groups, each) * scale.reshape(samples, groups, 1)
        d_weight = all_ones.dot(scaled.reshape(samples, channels))
    if needs[0]:  # scale * (g w - mean(g w) - z mean(g w z)), where z = d * scale
        w = ones(each, g.dtype) if weight is None else weight.reshape(groups, each)
        along_z = np.vecdot(products.reshape(samples, groups, each), w).reshape(len(rows))
        along_one = np.vecdot(sums.reshape(samples, groups, each), w).reshape(len(rows))
        d *= (along_z * (scale * scale * scale / n))[:, None]
        d += (along_one * (scale / n))[:, None]
        dx = np.empty(shape, g.dtype)  # no view, which would be copied where it becomes somebody's .grad
        split = (rows if weight is None else parts).shape
        np.multiply(g.reshape(split), factor, out=dx.reshape(split))
        t = dx.reshape(d.shape)
        t -= d
    return dx, d_weight, d_bias


@fused(forward=_group_forward, backward=_group_backward, name="group_norm")
def per_group(x: Any, weight: Any, bias: Any, eps: Any, groups: Any) -> Any:
    """Normalise x (N, C, ...) over each group of channels; the operation behind group and instance normalisation."""
    d = centred(x.reshape((x.shape[0], groups, math.prod(x.shape[1:]) // groups)), -1)
    y = (d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + eps)).reshape(x.shape)
    each = (x.shape[1],) + (1,) * (len(x.shape) - 2)
    y = y if weight is None else y * weight.reshape(each)
    return y if bias is None else y + bias.reshape(each)


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
    return per_group(x, weight, bias, eps, num_groups)


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
        return per_group(x, self.weight, self.bias, self.eps, self.num_groups)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"
