"""The linear layer: x Wᵀ + b."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, operation

from . import init
from .constants import ones
from .module import Module, Parameter, matching

if TYPE_CHECKING:
    import numpy.typing as npt


@operation()
def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """Return x Wᵀ + b.

    x       (..., in), any number of leading axes
    weight  (out, in)
    bias    (out,), or None

    Returns (..., out). Raises ValueError where these lengths differ.

    >>> from nn.functional import linear
    >>> linear(Tensor([1.0, 2.0]), Tensor([[3.0, 4.0]]), Tensor([0.5])).tolist()
    [11.5]
    """
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1] or (bias is not None and bias.shape != weight.shape[:1]):
        raise ValueError(_misfit(x, weight, bias))
    y = _times(x, weight.T)
    if bias is None:
        return y
    return np.add(y, bias, out=y) if bias.dtype is y.dtype else y + bias


linear.rules(
    lambda g, weight: _times(g, weight),
    lambda g, x: g.T.dot(x) if g.ndim == 2 else _rows(g).T.dot(_rows(x)),
    lambda g: _sum_of_rows(g),
)


def _times(x: Any, matrix: Any) -> Any:
    """Return `x` (..., n) times a matrix (n, m); for two axes `.dot` has half the overhead of `@`, for more it is one product."""
    return x.dot(matrix) if x.ndim == 2 else _rows(x).dot(matrix).reshape((*x.shape[:-1], matrix.shape[1]))


def _rows(x: Any) -> Any:
    """Return `x` as a matrix of its last axis."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def _sum_of_rows(g: Any) -> Any:
    if g.ndim != 2:
        g = _rows(g)
    # A product with ones is faster than a sum over the first axis and rounds less, except for a single column.
    return ones(len(g), g.dtype).dot(g) if type(g) is np.ndarray and g.shape[1] > 1 else g.sum(axis=0)


def _misfit(x: Any, weight: Any, bias: Any) -> str:
    if weight.ndim != 2:
        return f"the weight has shape {weight.shape}, expected two axes (out, in)"
    if not x.ndim or x.shape[-1] != weight.shape[1]:
        cure = "; flatten each sample first" if x.ndim > 2 and math.prod(x.shape[1:]) == weight.shape[1] else ""
        return f"expected {weight.shape[1]} features on the last axis of the input, got shape {x.shape}{cure}"
    return f"expected a bias of shape {weight.shape[:1]}, one for each output, got {bias.shape}"


class Linear(Module):
    """x Wᵀ + b with a learned weight (out, in) and bias (out,), both drawn from U(-1/sqrt(in), 1/sqrt(in)) at first.

    in_features, out_features  lengths of the last axis of input and output
    bias                       False to do without
    dtype                      of the parameters, float32 by default; inputs are cast to it
    generator                  numpy.random.Generator for the initial values

    >>> layer = Linear(784, 10)
    >>> layer(Tensor(np.zeros((32, 784)))).shape
    (32, 10)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ):
        for name, n in (("in_features", in_features), ("out_features", out_features)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
                raise ValueError(f"Linear: {name} must be a positive integer, got {n!r}")
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.weight = Parameter(np.empty((out_features, in_features), dtype or np.float32))
        self.bias = Parameter(np.empty(out_features, dtype or np.float32)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Draw the initial values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)  # a = sqrt(5) makes the bound 1/sqrt(in)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        if not isinstance(x, Tensor) or x._data.dtype is not weight._data.dtype:
            x = matching(x, weight)
        return linear(x, weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
