"""Layer normalisation: over the last axes. Function first, its Module below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, fused
from autodiff.blocks import long_rows

from .. import init
from ..constants import ones
from ..module import Module, Parameter, matching
from .centring import along_rows, as_rows, centre_rows, centred, centred_again, floating, in_single, parts_of

if TYPE_CHECKING:
    import numpy.typing as npt


def _layer_forward(x: np.ndarray, weight: Any, bias: Any, eps: float, axes: int) -> Any:
    last = x.shape[-axes:]
    n = math.prod(last)
    rows = as_rows(x, n)
    weight = None if weight is None else weight.reshape(n)
    y = np.empty(x.shape, x.dtype)
    out = y.reshape(rows.shape)
    statistics = []
    with long_rows(n):
        for part in parts_of(rows):
            z = out[part]
            mean, rest, scale = centre_rows(rows[part], eps, z)
            z *= scale[:, None]
            if weight is not None:
                along_rows(np.multiply, z, weight, z)
            if bias is not None:
                along_rows(np.add, z, bias.reshape(n), z)
            statistics.append((part, mean, rest, scale))
    return y, (rows, statistics, weight, x.shape, last)


def _layer_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    rows, statistics, weight, shape, last = kept
    n = rows.shape[1]
    g = as_rows(g, n)
    dx = d_weight = d_bias = None
    if needs[2]:
        d_bias = ones(len(g), g.dtype).dot(g).reshape(last)
    if needs[0] or needs[1]:
        dx = np.empty(shape, g.dtype)  # no view, which would be copied where it becomes somebody's .grad
        out = dx.reshape(g.shape)
        with long_rows(n):
            for part, mean, rest, scale in statistics:
                d = centred_again(rows[part], mean, rest)
                t = np.multiply(g[part], d, out=out[part])
                if needs[1]:
                    of_part = scale.dot(t)
                    d_weight = of_part if d_weight is None else d_weight + of_part
                if needs[0]:
                    _layer_slope(g[part], d, t, scale, weight)
        d_weight = None if d_weight is None else d_weight.reshape(last)
    return dx, d_weight, d_bias


def _layer_slope(g: np.ndarray, d: np.ndarray, t: np.ndarray, scale: np.ndarray, weight: Any) -> None:
    """Write scale * (g w - mean(g w) - z mean(g w z)), where z = d * scale, over t = g * d."""
    n = g.shape[1]
    w = ones(n, g.dtype) if weight is None else weight
    along_one, along_z = g.dot(w), t.dot(w)
    along_one /= n
    along_z *= scale * scale / n
    if weight is None:
        np.subtract(g, along_one[:, None], out=t)
    else:
        along_rows(np.multiply, g, weight, t)
        t -= along_one[:, None]
    d *= along_z[:, None]
    t -= d
    t *= scale[:, None]


@fused(forward=_layer_forward, backward=_layer_backward, name="layer_norm")
def _layer_norm(x: Any, weight: Any, bias: Any, eps: Any, axes: Any) -> Any:
    last = tuple(range(-axes, 0))
    d = centred(x, last)
    y = d / np.sqrt((d * d).mean(axis=last, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


_normalized = in_single(_layer_norm)


def layer_norm(
    input: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Return each sample less its mean, over its standard deviation; times weight, plus bias.

    input             (..., *normalized_shape)
    normalized_shape  the trailing axes that make up a sample
    weight, bias      of that shape, or None
    eps               is added to the variance, which counts all elements (no n - 1)

    Raises ValueError where the shapes do not fit. Source: Ba et al. 2016, Layer Normalization.

    >>> layer_norm([[1.0, 3.0], [0.0, 100.0]], 2, eps=0.0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    shape = shape_of("layer_norm", normalized_shape)
    x, weight, bias = floating("layer_norm", input, weight, bias)
    check_trailing("layer_norm", x.shape, shape, weight=weight, bias=bias)
    return _normalized(x, weight, bias, eps, len(shape))


def shape_of(name: str, normalized_shape: Any) -> tuple[int, ...]:
    """Return `normalized_shape` as a tuple."""
    sizes = tuple(normalized_shape) if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
    if not sizes or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1 for n in sizes):
        raise ValueError(f"{name}: normalized_shape must be a positive integer or several, got {normalized_shape!r}")
    return tuple(int(n) for n in sizes)


def check_trailing(name: str, given: tuple[int, ...], expected: tuple[int, ...], **parameters: Any) -> None:
    """Raise ValueError unless a given shape ends in the expected one, and each parameter has it."""
    if given[-len(expected) :] != expected:
        raise ValueError(
            f"{name}: expected an input whose last axes are {expected}, got shape {given}; normalized_shape are the lengths of "
            "the axes to normalise over"
        )
    for which, value in parameters.items():
        if value is not None and value.shape != expected:
            raise ValueError(f"{name}: the {which} has shape {value.shape}, expected normalized_shape, {expected}")


class OverLastAxes(Module):
    """What layers that normalise over the last axes share."""

    weight: Parameter | None

    def __init__(self, normalized_shape: int | Sequence[int], elementwise_affine: bool, dtype: Any):
        self.normalized_shape = shape_of(type(self).__name__, normalized_shape)
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(np.ones(self.normalized_shape, dtype or np.float32)) if elementwise_affine else None

    def _input(self, x: Any) -> Tensor:
        shape = self.normalized_shape
        if self.weight is not None:
            x = matching(x, self.weight)
        if not isinstance(x, Tensor) or x._data.dtype.kind != "f":
            (x,) = floating(type(self).__name__, x)
        if x._data.shape[-len(shape) :] != shape:
            check_trailing(type(self).__name__, x.shape, shape)
        return x  # type: ignore[no-any-return]


class LayerNorm(OverLastAxes):
    """Each sample less its mean, over its standard deviation; times a learned weight (ones at first), plus a bias (zeros).

    normalized_shape    lengths of the trailing axes that make up a sample; an int for the last axis alone
    eps                 is added to the variance
    elementwise_affine  False to do without weight and bias
    bias                False to do without the bias
    dtype               of the parameters, float32 by default; inputs are cast to it

    Source: Ba et al. 2016, Layer Normalization.

    >>> LayerNorm(2)([[1.0, 3.0], [0.0, 100.0]]).round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ):
        super().__init__(normalized_shape, elementwise_affine, dtype)
        self.eps = eps
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype or np.float32)) if elementwise_affine and bias else None

    def reset_parameters(self) -> None:
        """Set the weight to ones and the bias to zeros."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Any) -> Tensor:
        return _normalized(self._input(x), self.weight, self.bias, self.eps, len(self.normalized_shape))

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )
