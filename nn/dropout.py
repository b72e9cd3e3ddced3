"""Dropout: elements, or whole channels, are left out at random while a model is trained. Functions first, their Modules below.

A mask is drawn outside of the recorded operation and handed to it: a second walk through the graph sees the same one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, composition, elementwise

from .module import Module
from .seeding import generator_or_default

_masked: Callable[[Any, Any], Tensor] = elementwise(
    np.multiply,
    lambda g, x2: g * x2,
    lambda g, x1: g * x1,
    name="dropout",
    doc="Return x1 times a mask x2, which holds 0 where an element is left out, and elsewhere the factor that makes up for it.",
)

_ALPHA = -1.0507009873554805 * 1.6732632423543772  # the value that SELU tends to far below zero


def _kept(shape: tuple[int, ...], p: float, generator: np.random.Generator | None) -> np.ndarray:
    """Return a mask, each element of it False with probability p."""
    generator = generator_or_default(generator)
    n = math.prod(shape)
    if n < 2048:
        return generator.random(shape) >= p
    # One random byte decides for nearly all elements; those that meet the border of p exactly draw once more.
    drawn = generator.integers(0, 1 << 64, -(-n // 8), np.uint64).view(np.uint8)[:n]
    border = int(p * 256)
    kept = drawn >= border
    if p * 256 != border:
        ties = np.flatnonzero(drawn == border)
        kept[ties] = generator.random(len(ties)) >= p * 256 - border
    return kept.reshape(shape)


def _checked(name: str, input: Any, p: float) -> Tensor:
    if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
        raise ValueError(f"{name}: p is the probability to leave an element out, from 0 to 1; got {p!r}")
    x = input if isinstance(input, Tensor) else asarray(input)
    if x._data.dtype.kind not in "fc":
        raise TypeError(f"{name}: the input has dtype {x.dtype}, expected floating numbers; cast it with .astype(np.float32)")
    return x


def _left_out(x: Tensor, p: float, shape: tuple[int, ...], generator: np.random.Generator | None) -> Tensor:
    dtype = x._data.real.dtype
    if p == 1:
        return _masked(x, np.zeros(shape, dtype))
    return _masked(x, np.multiply(_kept(shape, p, generator), np.array(1 / (1 - p), dtype)))


def _alpha_left_out(x: Tensor, p: float, shape: tuple[int, ...], generator: np.random.Generator | None) -> Tensor:
    if p == 1:
        return _masked(x, np.zeros(shape, x.dtype))
    scale = 1 / math.sqrt((1 - p) * (1 + p * _ALPHA * _ALPHA))
    kept = _kept(shape, p, generator)
    mask = np.multiply(kept, np.array(scale, x.dtype))
    shift = np.where(kept, -scale * _ALPHA * p, scale * _ALPHA * (1 - p)).astype(x.dtype)
    return _alpha_masked(x, mask, shift)


@composition()
def _alpha_masked(x: Tensor, mask: np.ndarray, shift: np.ndarray) -> Tensor:
    return _masked(x, mask) + shift


def _of_channels(
    name: str, shape: tuple[int, ...], batched: tuple[int, ...], alone: tuple[int, ...], shapes: str
) -> tuple[int, ...]:
    """Return the shape of a mask with one element for each channel."""
    if len(shape) in batched:
        return shape[:2] + (1,) * (len(shape) - 2)
    if len(shape) in alone:
        return shape[:1] + (1,) * (len(shape) - 1)
    raise ValueError(f"{name}: expected an input of shape {shapes}, got {shape}")


def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Return the input with each element left out (zero) with probability p, and the others times 1 / (1 - p).

    training   False to return the input as it is
    inplace    taken for the sake of PyTorch's signature; the input is never changed
    generator  numpy.random.Generator; None takes the default one (`nn.manual_seed`)

    Raises ValueError unless 0 <= p <= 1, TypeError for an input of integers. Source: Srivastava et al. 2014, Dropout.

    >>> dropout(np.ones(6), 0.5, generator=np.random.default_rng(0)).tolist()
    [2.0, 0.0, 0.0, 0.0, 2.0, 2.0]
    """
    x = _checked("dropout", input, p)
    return _left_out(x, p, x._data.shape, generator) if training and p > 0 else x


def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Return the input (N, C, L), or (C, L), with whole channels left out; see `dropout`.

    >>> dropout1d(np.ones((1, 3, 2)), generator=np.random.default_rng(0)).tolist()
    [[[2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]]
    """
    x = _checked("dropout1d", input, p)
    shape = _of_channels("dropout1d", x.shape, (3,), (2,), "(N, C, L) or (C, L)")
    return _left_out(x, p, shape, generator) if training and p > 0 else x


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Return the input (N, C, H, W), or (N, C, L), with whole channels left out; see `dropout`.

    Source: Tompson et al. 2015, Efficient Object Localization Using Convolutional Networks.

    >>> dropout2d(np.ones((1, 3, 1, 2)), generator=np.random.default_rng(0)).tolist()
    [[[[2.0, 2.0]], [[0.0, 0.0]], [[0.0, 0.0]]]]
    """
    x = _checked("dropout2d", input, p)
    shape = _of_channels("dropout2d", x.shape, (3, 4), (), "(N, C, H, W) or (N, C, L)")
    return _left_out(x, p, shape, generator) if training and p > 0 else x


def dropout3d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Return the input (N, C, D, H, W), or (C, D, H, W), with whole channels left out; see `dropout`.

    >>> dropout3d(np.ones((1, 3, 1, 1, 2)), generator=np.random.default_rng(0)).tolist()
    [[[[[2.0, 2.0]]], [[[0.0, 0.0]]], [[[0.0, 0.0]]]]]
    """
    x = _checked("dropout3d", input, p)
    shape = _of_channels("dropout3d", x.shape, (5,), (4,), "(N, C, D, H, W) or (C, D, H, W)")
    return _left_out(x, p, shape, generator) if training and p > 0 else x


def alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Return the input with elements set to SELU's lower limit with probability p; mean 0 and variance 1 stay what they are.

    The arguments are those of `dropout`. Source: Klambauer et al. 2017, Self-Normalizing Neural Networks.

    >>> alpha_dropout(np.zeros(3), 0.5, True, generator=np.random.default_rng(0)).round(3).tolist()
    [0.779, -0.779, -0.779]
    """
    x = _checked("alpha_dropout", input, p)
    return _alpha_left_out(x, p, x.shape, generator) if training and p > 0 else x


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Return the input (N, C, ...) with whole channels set to SELU's lower limit; see `alpha_dropout`.

    >>> feature_alpha_dropout(np.zeros((1, 2, 2)), 0.5, True, generator=np.random.default_rng(0)).round(3).tolist()
    [[[0.779, 0.779], [-0.779, -0.779]]]
    """
    x = _checked("feature_alpha_dropout", input, p)
    if x.ndim < 2:
        raise ValueError(f"feature_alpha_dropout: expected an input of shape (N, C, ...), got {x.shape}")
    return _alpha_left_out(x, p, x.shape[:2] + (1,) * (x.ndim - 2), generator) if training and p > 0 else x


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: np.random.Generator | None = None):
        _checked(type(self).__name__, 0.0, p)
        if generator is not None:
            generator_or_default(generator)  # refuses what is none
        self.p, self.inplace, self.generator = p, inplace, generator

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Leaves out each element with probability p while training, and multiplies the others by 1 / (1 - p).

    p          the probability to leave an element out
    inplace    taken for the sake of PyTorch's signature; the input is never changed
    generator  numpy.random.Generator; None takes the default one (`nn.manual_seed`) at each call

    In `eval()` it returns its input. Source: Srivastava et al. 2014, Dropout.

    >>> layer = Dropout(0.5, generator=np.random.default_rng(0))
    >>> layer(np.ones(6)).tolist()
    [2.0, 0.0, 0.0, 0.0, 2.0, 2.0]
    >>> layer.eval()(np.ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def forward(self, x: Any) -> Tensor:
        return dropout(x, self.p, self.training, generator=self.generator)


class Dropout1d(_Dropout):
    """Leaves out whole channels of (N, C, L), or (C, L), while training; see `Dropout`.

    >>> Dropout1d(generator=np.random.default_rng(0))(np.ones((1, 3, 2))).tolist()
    [[[2.0, 2.0], [0.0, 0.0], [0.0, 0.0]]]
    """

    def forward(self, x: Any) -> Tensor:
        return dropout1d(x, self.p, self.training, generator=self.generator)


class Dropout2d(_Dropout):
    """Leaves out whole channels of (N, C, H, W), or (N, C, L), while training; see `Dropout`.

    >>> Dropout2d(generator=np.random.default_rng(0))(np.ones((1, 3, 1, 2))).tolist()
    [[[[2.0, 2.0]], [[0.0, 0.0]], [[0.0, 0.0]]]]
    """

    def forward(self, x: Any) -> Tensor:
        return dropout2d(x, self.p, self.training, generator=self.generator)


class Dropout3d(_Dropout):
    """Leaves out whole channels of (N, C, D, H, W), or (C, D, H, W), while training; see `Dropout`.

    >>> Dropout3d(generator=np.random.default_rng(0))(np.ones((1, 3, 1, 1, 2))).shape
    (1, 3, 1, 1, 2)
    """

    def forward(self, x: Any) -> Tensor:
        return dropout3d(x, self.p, self.training, generator=self.generator)


class AlphaDropout(_Dropout):
    """Sets elements to SELU's lower limit while training, so that mean 0 and variance 1 stay; see `Dropout`.

    Source: Klambauer et al. 2017, Self-Normalizing Neural Networks.

    >>> AlphaDropout(0.5, generator=np.random.default_rng(0))(np.zeros(3)).round(3).tolist()
    [0.779, -0.779, -0.779]
    """

    def forward(self, x: Any) -> Tensor:
        return alpha_dropout(x, self.p, self.training, generator=self.generator)


class FeatureAlphaDropout(_Dropout):
    """Sets whole channels of (N, C, ...) to SELU's lower limit while training; see `AlphaDropout`.

    >>> FeatureAlphaDropout(generator=np.random.default_rng(0))(np.zeros((1, 2, 2))).round(3).tolist()
    [[[0.779, 0.779], [-0.779, -0.779]]]
    """

    def forward(self, x: Any) -> Tensor:
        return feature_alpha_dropout(x, self.p, self.training, generator=self.generator)
