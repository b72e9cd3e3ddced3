"""Rectifiers: activations that are straight on both sides of a kink. Function first, its Module below it.

At a kink the derivative is the least of the slopes that meet there, by magnitude.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, asarray, elementwise, operation
from autodiff.blocks import in_blocks, in_parts
from autodiff.ops.elementwise import selected

from .. import init
from ..module import Module, Parameter, matching
from ..seeding import generator_or_default
from .pointwise import InPlace, nothing, real, shown

if TYPE_CHECKING:
    import numpy.typing as npt

# ------------------------------------------------------------------------------------------------ relu


def _positive_part(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    y: np.ndarray = np.maximum(x, nothing(x))
    return y


_relu = elementwise(_positive_part, lambda g, y: g * (y > 0), name="relu")


def relu(input: Any, inplace: bool = False) -> Tensor:
    """Return max(x, 0) element by element; the derivative at 0 is 0.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    >>> x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> relu(x).sum().backward()
    >>> x.grad.tolist()
    [0.0, 0.0, 1.0]
    """
    return _relu(input)


class ReLU(InPlace):
    """max(x, 0), element by element. `inplace` has no effect.

    >>> ReLU()(Tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _relu(x)


# ------------------------------------------------------------------------------------------------ limited on both sides

_relu6 = elementwise(lambda x: np.clip(x, 0, 6), lambda g, y: selected(g, (y > 0) & (y < 6)), name="relu6")


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """Return min(max(x, 0), 6) element by element; the derivative at 0 and at 6 is 0.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

    >>> from nn.functional import relu6
    >>> relu6(Tensor([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """
    return _relu6(input)


class ReLU6(InPlace):
    """min(max(x, 0), 6), element by element. `inplace` has no effect.

    >>> nn.ReLU6()(Tensor([-1.0, 2.0, 7.0])).tolist()
    [0.0, 2.0, 6.0]
    """

    def forward(self, x: Tensor) -> Tensor:
        return _relu6(x)


@operation()
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Return `input` limited to the interval from `min_val` to `max_val`; the derivative at both ends is 0.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    Raises ValueError where `min_val` is not less than `max_val`.

    >>> from nn.functional import hardtanh
    >>> hardtanh(Tensor([-3.0, 0.5, 2.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    if not min_val < max_val:
        raise ValueError(f"expected min_val < max_val, got {min_val} and {max_val}")
    return np.clip(real(input), float(min_val), float(max_val))


hardtanh.rules(lambda g, y, min_val, max_val: selected(g, (y > float(min_val)) & (y < float(max_val))))


class Hardtanh(Module):
    """`x` limited to the interval from `min_val` to `max_val`. `inplace` has no effect.

    >>> nn.Hardtanh(0.0, 2.0)(Tensor([-1.0, 1.5, 3.0])).tolist()
    [0.0, 1.5, 2.0]
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        if not min_val < max_val:
            raise ValueError(f"Hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, x: Tensor) -> Tensor:
        return hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return shown(f"min_val={self.min_val}", f"max_val={self.max_val}", inplace=self.inplace)


@operation()
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Return `input` where it is above `threshold`, and `value` elsewhere; the derivative at the threshold is 0.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    >>> from nn.functional import threshold
    >>> threshold(Tensor([0.0, 1.0, 2.0]), 1.0, -5.0).tolist()
    [-5.0, -5.0, 2.0]
    """
    x = real(input)
    if not (isfinite(threshold) and isfinite(value)):
        return np.where(x <= float(threshold), np.asarray(value, x.dtype), x)  # so that nan stays
    return in_blocks(_threshold_kernel, x, 1, float(threshold), np.asarray(value, x.dtype))[0]


def _threshold_kernel(x: np.ndarray, y: np.ndarray, threshold: float, value: np.ndarray) -> None:
    # This way it takes a quarter of the time of np.where.
    np.clip(x, threshold, np.inf, out=y)
    below = x <= threshold
    y *= ~below
    y += below * value


threshold.rules(lambda g, input, threshold: selected(g, input > float(threshold)))


class Threshold(Module):
    """`x` where it is above `threshold`, and `value` elsewhere. `inplace` has no effect.

    >>> nn.Threshold(0.1, 20.0)(Tensor([0.0, 1.0])).tolist()
    [20.0, 1.0]
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, x: Tensor) -> Tensor:
        return threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        return shown(f"threshold={self.threshold}", f"value={self.value}", inplace=self.inplace)


# ------------------------------------------------------------------------------------------------ a slope below zero


def _bent_kernel(x: np.ndarray, y: np.ndarray, slope: float) -> None:
    np.multiply(x, slope, out=y)
    np.maximum(x, y, out=y)


def _bent(x: np.ndarray, slope: Any) -> Any:
    """Return x where it is positive and slope * x elsewhere."""
    x = real(x)
    if isinstance(slope, float) and 0 < slope <= 1:
        return in_blocks(_bent_kernel, x, 1, slope)[0]
    zero = nothing(x)
    return np.minimum(x, zero) * slope + np.maximum(x, zero)  # one of the two is 0; eight times as fast as np.where


def _slope_of_bent(x: Any, slope: Any) -> Any:
    """Return 1 where x is positive, `slope` where it is negative, and the lesser where it is 0: 0 if their signs differ."""
    return (x > 0) + (x < 0) * slope + (x == 0) * np.clip(slope, 0, 1)


@operation()
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Return `input` where it is positive and `negative_slope * input` elsewhere.

    inplace  taken for the sake of PyTorch's signature; the input is never changed

    The derivative at 0 is `negative_slope` limited to the interval from 0 to 1.

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.

    >>> from nn.functional import leaky_relu
    >>> leaky_relu(Tensor([-100.0, 2.0])).tolist()
    [-1.0, 2.0]
    """
    return _bent(input, float(negative_slope))


def _leaky_rule(g: Any, input: Any, negative_slope: Any) -> Any:
    slope = float(negative_slope)
    if not isinstance(g, np.ndarray) or not 0 <= slope <= 1:
        return g * _slope_of_bent(input, slope)

    def kernel(g: np.ndarray, x: np.ndarray, d: np.ndarray) -> None:
        np.copyto(d, x > 0)
        np.clip(d, slope, 1, out=d)
        d *= g

    return in_parts(kernel, g, input)


leaky_relu.rules(_leaky_rule)


class LeakyReLU(Module):
    """`x` where it is positive and `negative_slope * x` elsewhere. `inplace` has no effect.

    >>> nn.LeakyReLU(0.5)(Tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return shown(f"negative_slope={self.negative_slope}", inplace=self.inplace)


_prelu = elementwise(
    _bent,
    lambda g, x1, x2: g * _slope_of_bent(x1, x2),
    lambda g, x1: g * np.minimum(x1, 0),
    name="prelu",
)


def prelu(input: Any, weight: Any) -> Tensor:
    """Return `input` where it is positive and `weight * input` elsewhere, with a slope that is learned.

    input   (N, C, ...), or any shape if there is one weight
    weight  (1,), or (C,): one for each channel

    Raises ValueError where the number of weights is neither 1 nor that of the channels.

    Source: He et al., "Delving deep into rectifiers", 2015.

    >>> from nn.functional import prelu
    >>> prelu(Tensor([[-1.0, -1.0]]), Tensor([0.25, 0.5])).tolist()
    [[-0.25, -0.5]]
    """
    x = input if isinstance(input, Tensor) else asarray(input)
    w = weight if isinstance(weight, Tensor) else asarray(weight)
    if w.size == 1:
        return _prelu(x, w.reshape(()))
    channels = x.shape[1] if x.ndim > 1 else None
    if w.ndim != 1 or w.size != channels:
        has = "has no channels" if channels is None else f"has {channels} channels on axis 1"
        raise ValueError(f"prelu: expected one weight, or one for each channel; the weight has shape {w.shape}, the input {has}")
    return _prelu(x, w.reshape((channels,) + (1,) * (x.ndim - 2)))


class PReLU(Module):
    """`x` where it is positive and `weight * x` elsewhere, with a learned weight.

    num_parameters  1, or the number of channels (axis 1) for a weight each
    init            first value of the weight
    dtype           of the weight, float32 by default; inputs are cast to it

    >>> nn.PReLU()(Tensor([-4.0, 2.0])).tolist()
    [-1.0, 2.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: npt.DTypeLike | None = None):
        if isinstance(num_parameters, bool) or not isinstance(num_parameters, (int, np.integer)) or num_parameters < 1:
            raise ValueError(f"PReLU: num_parameters must be a positive integer, got {num_parameters!r}")
        self.num_parameters, self.init = int(num_parameters), float(init)
        self.weight = Parameter(np.full(self.num_parameters, self.init, dtype or np.float32))

    def reset_parameters(self) -> None:
        """Set the weight to its first value again."""
        init.constant_(self.weight, self.init)

    def forward(self, x: Tensor) -> Tensor:
        return prelu(matching(x, self.weight), self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Return `input` where it is positive and a random slope times `input` elsewhere.

    lower, upper  in training each element has a slope of its own, drawn evenly from this interval; else it is the middle
    training      whether to draw
    inplace       taken for the sake of PyTorch's signature; the input is never changed
    generator     numpy.random.Generator, the one that `nn.manual_seed` seeds by default

    Raises ValueError where `lower` is more than `upper`.

    Source: Xu et al., "Empirical evaluation of rectified activations in convolutional network", 2015.

    >>> from nn.functional import rrelu
    >>> rrelu(Tensor([-1.0, 2.0]), 0.0, 1.0).tolist()
    [-0.5, 2.0]
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: expected lower <= upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    x = input if isinstance(input, Tensor) else asarray(input)
    single = x.dtype.kind == "f" and x.dtype.itemsize <= 4
    slopes = generator_or_default(generator).random(x.shape, np.float32 if single else np.float64)
    slopes *= upper - lower
    slopes += lower
    return _prelu(x, slopes if x.dtype.itemsize >= 4 else slopes.astype(x.dtype))


class RReLU(Module):
    """`x` where it is positive and a random slope times `x` elsewhere; in evaluation the middle of the interval.

    lower, upper  the interval from which each element's slope is drawn in training
    inplace       taken for the sake of PyTorch's signature; the input is never changed
    generator     numpy.random.Generator, the one that `nn.manual_seed` seeds by default

    >>> nn.RReLU(0.25, 0.75).eval()(Tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    def __init__(
        self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False, *, generator: np.random.Generator | None = None
    ):
        if not lower <= upper:
            raise ValueError(f"RReLU: expected lower <= upper, got {lower} and {upper}")
        self.lower, self.upper, self.inplace = lower, upper, inplace
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        return rrelu(x, self.lower, self.upper, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return shown(f"lower={self.lower}", f"upper={self.upper}", inplace=self.inplace)
