"""Linear layers: x Wᵀ + b, the bilinear x₁ W x₂ + b, and the identity."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, asarray, composition, operation

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


def _check_sizes(layer: str, **sizes: Any) -> None:
    for name, n in sizes.items():
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"{layer}: {name} must be a positive integer, got {n!r}")


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
        _check_sizes("Linear", in_features=in_features, out_features=out_features)
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


@composition()
def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Tensor:
    """Return x₁ W x₂ + b: output k is the sum over i and j of x₁[i] W[k, i, j] x₂[j].

    input1  (..., in1)
    input2  (..., in2), the same leading axes
    weight  (out, in1, in2)
    bias    (out,), or None

    Returns (..., out). Raises ValueError where these lengths differ.

    >>> from nn.functional import bilinear
    >>> bilinear([1.0, 2.0], [3.0], Tensor([[[1.0], [10.0]]])).tolist()
    [63.0]
    """
    x1, x2, w = (x if isinstance(x, Tensor) else asarray(x) for x in (input1, input2, weight))
    if w.ndim != 3:
        raise ValueError(f"bilinear: the weight has shape {w.shape}, expected three axes (out, in1, in2)")
    out, n1, n2 = w.shape
    if not x1.ndim or not x2.ndim or x1.shape[-1] != n1 or x2.shape[-1] != n2 or x1.shape[:-1] != x2.shape[:-1]:
        raise ValueError(
            f"bilinear: expected inputs of shapes (..., {n1}) and (..., {n2}) with the same leading axes, got {x1.shape} and "
            f"{x2.shape}"
        )
    if bias is not None and bias.shape != (out,):
        raise ValueError(f"bilinear: expected a bias of shape {(out,)}, one for each output, got {bias.shape}")
    rows = math.prod(x1.shape[:-1])
    mixed = linear(x2.reshape((rows, n2)), w.reshape((out * n1, n2))).reshape((rows, out, n1))
    y = (mixed @ x1.reshape((rows, n1, 1))).reshape((*x1.shape[:-1], out))
    return y if bias is None else y + bias


class Bilinear(Module):
    """x₁ W x₂ + b with a learned weight (out, in1, in2) and bias (out,), both drawn from U(-1/sqrt(in1), 1/sqrt(in1)) at first.

    in1_features, in2_features  lengths of the last axes of the inputs
    out_features                length of the last axis of the output
    bias                        False to do without
    dtype                       of the parameters, float32 by default; inputs are cast to it
    generator                   numpy.random.Generator for the initial values

    >>> layer = Bilinear(20, 30, 40)
    >>> layer(Tensor(np.zeros((128, 20))), Tensor(np.zeros((128, 30)))).shape
    (128, 40)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ):
        _check_sizes("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = int(in1_features), int(in2_features), int(out_features)
        self.weight = Parameter(np.empty((out_features, in1_features, in2_features), dtype or np.float32))
        self.bias = Parameter(np.empty(out_features, dtype or np.float32)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound, generator)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, generator)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(matching(input1, self.weight), matching(input2, self.weight), self.weight, self.bias)

    def extra_repr(self) -> str:
        sizes = f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}"
        return f"{sizes}, bias={self.bias is not None}"


class Identity(Module):
    """Returns its input as it is; takes, and forgets, any arguments: it stands in for any layer.

    >>> Identity(54, mode="unused")(Tensor([1.0, 2.0])).tolist()
    [1.0, 2.0]
    """

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def forward(self, x: Tensor) -> Tensor:
        return x
