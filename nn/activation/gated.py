"""Gated activations: the input times a gate that opens as the input rises. Function first, its Module below it.

In kernels the gate is computed from an input cut to where it still changes: beyond, a gate is 0 or 1, and its slope 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, erf, fused
from autodiff.ops.special import scaled_erfc

from ..module import Module
from .exponential import softplus
from .pointwise import InPlace, axis_of, real, times_slope, value_and_slope
from .saturating import _hardsigmoid, _sigmoid, tanh


def _gate(v: np.ndarray, out: np.ndarray) -> None:
    """Write the sigmoid of `v` into `out`."""
    np.negative(v, out=out)
    np.exp(out, out=out)
    out += 1
    np.divide(1, out, out=out)  # for float32 faster than np.reciprocal


# ------------------------------------------------------------------------------------------------ silu


def _silu_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    _gate(x, y)
    if d is not None:  # s (1 + x (1 - s))
        np.subtract(1, y, out=d)
        d *= x
        d += 1
        d *= y
    y *= x


@fused(forward=value_and_slope(_silu_kernel), backward=times_slope, name="silu")
def _silu(x: Any) -> Any:
    return x * _sigmoid(x)


def silu(input: Any, inplace: bool = False) -> Tensor:
    """Return x sigmoid(x) element by element; also called swish.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Source: Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation", 2018.

    >>> from nn.functional import silu
    >>> silu(Tensor([-1e4, 0.0, 1e4])).tolist()
    [-0.0, 0.0, 10000.0]
    """
    return _silu(input)


class SiLU(InPlace):
    """x sigmoid(x), element by element. `inplace` has no effect.

    >>> nn.SiLU()(Tensor([0.0, 1e4])).tolist()
    [0.0, 10000.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _silu(x)


# ------------------------------------------------------------------------------------------------ hardswish


def _hardswish_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    c = np.clip(x, -3, 3)
    gate = c + 3
    gate /= 6
    np.maximum(x, c, out=y)  # from -3 on, where the gate is 0
    y *= gate
    if d is not None:  # c / 3 + 1/2 is -1/2 at the lower end and 3/2 at the upper; from there on it shall be 0 and 1
        np.divide(c, 3, out=d)
        np.trunc(d, out=c)
        c -= 1
        c *= 0.5
        d -= c


@fused(forward=value_and_slope(_hardswish_kernel), backward=times_slope, name="hardswish")
def _hardswish(x: Any) -> Any:
    return x * _hardsigmoid.either(x)


def hardswish(input: Any, inplace: bool = False) -> Tensor:
    """Return x min(max(x + 3, 0), 6) / 6 element by element; the derivative at -3 is 0 and at 3 it is 1.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Source: Howard et al., "Searching for MobileNetV3", 2019.

    >>> from nn.functional import hardswish
    >>> hardswish(Tensor([-4.0, 1.5, 4.0])).tolist()
    [-0.0, 1.125, 4.0]
    """
    return _hardswish(input)


class Hardswish(InPlace):
    """x min(max(x + 3, 0), 6) / 6, element by element: silu in three simple pieces. `inplace` has no effect.

    >>> nn.Hardswish()(Tensor([1.5, 4.0])).tolist()
    [1.125, 4.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _hardswish(x)


# ------------------------------------------------------------------------------------------------ mish


def _mish_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    # With n = exp(x), tanh(log(1 + n)) = w / (w + 2) where w = n (n + 2): one exponential, exact far below 0 too.
    c = np.clip(x, -1000, 40)
    n = np.exp(c)
    w = n + 2
    w *= n
    np.add(w, 2, out=y)
    np.reciprocal(y, out=y)
    if d is not None:  # gate + x gate', and gate' = 4 n (n + 1) / (w + 2)²
        np.add(n, 1, out=d)
        d *= n
        d *= y
        d *= y
        d *= c
        d *= 4
        y *= w
        d += y
    else:
        y *= w
    y *= x


@fused(forward=value_and_slope(_mish_kernel), backward=times_slope, name="mish")
def _mish(x: Any) -> Any:
    return x * tanh(softplus(x, threshold=math.inf))


def mish(input: Any, inplace: bool = False) -> Tensor:
    """Return x tanh(softplus(x)) element by element.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.

    >>> from nn.functional import mish
    >>> mish(Tensor([-1e4, 0.0, 1e4])).tolist()
    [-0.0, 0.0, 10000.0]
    """
    return _mish(input)


class Mish(InPlace):
    """x tanh(softplus(x)), element by element. `inplace` has no effect.

    >>> nn.Mish()(Tensor([0.0, 1e4])).tolist()
    [0.0, 10000.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _mish(x)


# ------------------------------------------------------------------------------------------------ gelu

_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)


def _gelu_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    # With q = erfc(|x| / sqrt(2)) / 2, the probability of the far side, Φ is q on the left of 0 and 1 - q on the right: it has
    # all digits far below 0, where 1 + erf would have none.
    c = np.clip(x, -40, 40)  # q(40) is 0
    z = np.abs(c)
    z *= _SQRT_HALF
    q = scaled_erfc(z)
    z *= z
    np.negative(z, out=z)
    np.exp(z, out=z)
    q *= z
    q *= 0.5
    np.copyto(y, x > 0)
    q -= y
    np.abs(q, out=q)
    if d is not None:  # Φ + x φ
        np.multiply(z, c, out=d)
        d *= _DENSITY
        d += q
    np.maximum(x, c, out=y)  # from -40 on
    y *= q


def _tanh_gelu_kernel(x: np.ndarray, y: np.ndarray, d: np.ndarray | None) -> None:
    # The gate (1 + tanh(u)) / 2 is sigmoid(2 u), with 2 u = c (a + b c²): exact far below 0 too.
    c = np.clip(x, -40, 40)
    square = c * c
    v = square * _B
    v += _A
    v *= c
    _gate(v, y)
    if d is not None:  # gate + c gate (1 - gate) (a + 3 b c²)
        np.multiply(square, 3 * _B, out=d)
        d += _A
        d *= c
        np.subtract(1, y, out=v)
        d *= v
        d += 1
        d *= y
    y *= x


_A = 2 * math.sqrt(2 / math.pi)
_B = _A * 0.044715


@fused(forward=value_and_slope(_gelu_kernel), backward=times_slope, name="gelu")
def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + erf.either(_SQRT_HALF * x))


@fused(forward=value_and_slope(_tanh_gelu_kernel), backward=times_slope, name="gelu_tanh")
def _tanh_gelu(x: Any) -> Any:
    c = np.clip(x, -40, 40)  # beyond, the gate is 0 or 1, and the cube of a float16 would be infinite
    return x * _sigmoid.either(_A * c + _B * c**3)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """Return x Φ(x) element by element, where Φ(x) is the probability of a standard normal number below x.

    approximate  "none", or "tanh" for 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x³)), within 5e-4 of it and used by GPT-2

    Raises ValueError for another `approximate`.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    >>> from nn.functional import gelu
    >>> gelu(Tensor([-1.0, 0.0, 1.0, 25.0])).numpy().round(4)
    array([-0.1587,  0.    ,  0.8413, 25.    ])
    """
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _tanh_gelu(input)
    raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")


class GELU(Module):
    """x Φ(x), element by element, where Φ(x) is the probability of a standard normal number below x.

    approximate  "none" or "tanh", see `nn.functional.gelu`

    >>> nn.GELU()(Tensor([-1.0, 1.0])).numpy().round(4)
    array([-0.1587,  0.8413])
    """

    def __init__(self, approximate: str = "none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        return gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


# ------------------------------------------------------------------------------------------------ glu


def _glu_forward(x: np.ndarray, dim: int) -> Any:
    lower, upper = _halves(x, dim)
    gate = np.empty_like(upper)
    with np.errstate(over="ignore"):
        _gate(upper, gate)
    return lower * gate, (lower, gate, dim)


def _glu_backward(g: Any, kept: Any, needs: Any) -> Any:
    lower, gate, dim = kept
    half = gate.shape[dim]
    dx = np.empty((*gate.shape[:dim], 2 * half, *gate.shape[dim + 1 :]), gate.dtype)
    first, second = _halves(dx, dim)
    np.multiply(g, gate, out=first)
    np.subtract(1, gate, out=second)
    second *= first
    second *= lower
    return (dx,)


def _halves(x: Any, dim: int) -> tuple[Any, Any]:
    half = x.shape[dim] // 2
    before = (slice(None),) * dim
    return x[(*before, slice(None, half))], x[(*before, slice(half, None))]


@fused(forward=_glu_forward, backward=_glu_backward, name="glu")
def _glu(x: Any, dim: int) -> Any:
    lower, upper = _halves(x, dim)
    return lower * _sigmoid.either(upper)


def glu(input: Any, dim: int = -1) -> Tensor:
    """Return the first half of `input` along the axis `dim`, times the sigmoid of the second half.

    input  with an even length along `dim`; the result has half of it

    Raises ValueError where that length is odd.

    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2017.

    >>> from nn.functional import glu
    >>> glu(Tensor([3.0, 5.0, 0.0, 1e4])).tolist()
    [1.5, 5.0]
    """
    x = input if isinstance(input, Tensor) else asarray(input)
    if x.dtype.kind != "f":
        x = asarray(real(x.numpy()))
    along = axis_of("glu", x, dim)
    if x.shape[along] % 2:
        raise ValueError(f"glu: axis {dim} is split in two halves, so its length must be even; the input has shape {x.shape}")
    return _glu(x, along)


class GLU(Module):
    """The first half of the input along the axis `dim`, times the sigmoid of the second half.

    >>> nn.GLU()(Tensor([3.0, 5.0, 0.0, 1e4])).tolist()
    [1.5, 5.0]
    """

    def __init__(self, dim: int = -1):
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return glu(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
