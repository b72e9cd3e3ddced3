"""Normalisation by length: root mean square, and to unit length. Functions first, the Module below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, composition, fused, maximum
from autodiff.linalg import norm

from .. import init
from ..constants import ones
from .centring import along_rows, as_rows, floating, in_single, inverse_root
from .layer import OverLastAxes, check_trailing, shape_of

if TYPE_CHECKING:
    import numpy.typing as npt


def _squares_forward(x: np.ndarray, weight: Any, eps: float, axes: int) -> Any:
    n = math.prod(x.shape[-axes:])
    rows = as_rows(x, n)
    square = np.vecdot(rows, rows)
    square /= n
    scale = inverse_root(square, eps)
    y = rows * scale[:, None]
    if weight is not None:
        weight = weight.reshape(n)
        along_rows(np.multiply, y, weight, y)
    return y.reshape(x.shape), (rows, scale, weight, x.shape, x.shape[-axes:])


def _squares_backward(g: np.ndarray, kept: Any, needs: Any) -> Any:
    rows, scale, weight, shape, last = kept
    n = rows.shape[1]
    g = as_rows(g, n)
    dx = np.empty(shape, g.dtype)
    t = np.multiply(g, rows, out=dx.reshape(g.shape))
    d_weight = scale.dot(t).reshape(last) if needs[1] else None
    if needs[0]:  # scale * (g w - z mean(g w z)), where z = x * scale
        along_z = t.dot(ones(n, g.dtype) if weight is None else weight)
        along_z *= scale * scale / n
        if weight is None:
            weighted = g
        else:
            weighted = np.empty_like(g)
            along_rows(np.multiply, g, weight, weighted)
        np.multiply(rows, along_z[:, None], out=t)
        np.subtract(weighted, t, out=t)
        t *= scale[:, None]
    return dx, d_weight


@fused(forward=_squares_forward, backward=_squares_backward, name="rms_norm")
def _rms_norm(x: Any, weight: Any, eps: Any, axes: Any) -> Any:
    y = x / np.sqrt((x * x).mean(axis=tuple(range(-axes, 0)), keepdims=True) + eps)
    return y if weight is None else y * weight


_normalized = in_single(_rms_norm)


def rms_norm(input: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Tensor:
    """Return each sample over its root mean square; times weight.

    input             (..., *normalized_shape)
    normalized_shape  the trailing axes that make up a sample
    weight            of that shape, or None
    eps               is added to the mean square; by default the precision of the input's dtype

    Raises ValueError where the shapes do not fit. Source: Zhang and Sennrich 2019, Root Mean Square Layer Normalization.

    >>> rms_norm([[3.0, 3.0], [0.0, 0.0]], 2, eps=0.0625).round(2).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    shape = shape_of("rms_norm", normalized_shape)
    x, weight = floating("rms_norm", input, weight)
    check_trailing("rms_norm", x.shape, shape, weight=weight)
    return _normalized(x, weight, float(np.finfo(x.dtype).eps) if eps is None else eps, len(shape))


@composition()
def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Return the input over its norm along an axis, so that vectors have length 1.

    p    which norm
    dim  the axis of the vectors
    eps  the least number to divide by; a vector of zeros stays so

    >>> normalize([[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    (x,) = floating("normalize", input)
    return x / maximum(norm(x, p, dim, True), eps)  # type: ignore[no-any-return]


class RMSNorm(OverLastAxes):
    """Each sample over its root mean square; times a learned weight (ones at first).

    normalized_shape    lengths of the trailing axes that make up a sample; an int for the last axis alone
    eps                 is added to the mean square; by default the precision of the input's dtype
    elementwise_affine  False to do without weight
    dtype               of the weight, float32 by default; inputs are cast to it

    Source: Zhang and Sennrich 2019, Root Mean Square Layer Normalization.

    >>> RMSNorm(2)([[3.0, -3.0]]).round(3).tolist()
    [[1.0, -1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
    ):
        super().__init__(normalized_shape, elementwise_affine, dtype)
        self.eps = eps

    def reset_parameters(self) -> None:
        """Set the weight to ones."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Tensor:
        x = self._input(x)
        eps = float(np.finfo(x._data.dtype).eps) if self.eps is None else self.eps
        return _normalized(x, self.weight, eps, len(self.normalized_shape))

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
