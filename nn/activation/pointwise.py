"""What activations share: real numbers in, a value and its slope from one walk over them, and PyTorch's `inplace`.

Knows arrays. Knows no activation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autodiff import Tensor, is_grad_enabled
from autodiff.blocks import in_blocks

from ..constants import zero, zeros
from ..module import Module


def real(x: Any) -> np.ndarray:
    """Return `x` as an array of floating numbers: integers become float64, complex numbers are refused.

    >>> from nn.activation.pointwise import real
    >>> real([1, 2])
    array([1., 2.])
    """
    array: np.ndarray = x if isinstance(x, np.ndarray) else np.asarray(x)
    kind = array.dtype.kind
    if kind == "f":
        return array
    if kind in "iub":
        return array.astype(float)
    raise TypeError(f"expected real numbers, got dtype {array.dtype}")


def axis_of(name: str, x: Tensor, dim: Any) -> int:
    """Return the axis `dim` of `x`, counted from the front; raise for what is none."""
    if type(dim) is not int:
        if isinstance(dim, bool) or not isinstance(dim, np.integer):
            cure = "; leave it out for the last axis, or name one" if dim is None else ""
            raise TypeError(f"{name}: dim must be an axis, an integer, got {dim!r}{cure}")
        dim = int(dim)
    ndim = x._data.ndim
    if not -ndim <= dim < ndim:
        raise ValueError(f"{name}: dim={dim} is no axis of an input of shape {x.shape}")
    return dim % ndim  # type: ignore[no-any-return]


def nothing(x: np.ndarray) -> np.ndarray:
    """Return the zero to compare `x` with, a row of them for a large array.

    np.maximum and np.minimum take a row at twice to five times the speed of a number; for small arrays it is the other way.
    """
    return zeros(x.shape[-1], x.dtype) if x.size > 4096 else zero(x.dtype)


def value_and_slope(kernel: Callable[..., None]) -> Callable[..., Any]:
    """Return the forward kernel of a fused operation, made of a kernel that computes value and slope together.

    kernel  `kernel(x, y, d, *options)` writes the value of each element into `y` and the slope into `d`, unless that is None

    The slope costs little beside the value, whose exponentials it shares, and is all that the backward pass needs. Nothing
    is recorded under `no_grad`, so there it is left out.
    """

    def forward(x: Any, *options: Any) -> Any:
        x = real(x)
        dtype = x.dtype
        if dtype.itemsize < 4:  # float16 would lose digits at each step, and be slow
            x = x.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # exp(1e4) is inf, and what is made of it is the right limit
            if is_grad_enabled():
                y, d = in_blocks(kernel, x, 2, *options)
            else:
                (y,), d = in_blocks(_without_slope, x, 1, kernel, *options), None
        if y.dtype != dtype:
            y, d = y.astype(dtype), None if d is None else d.astype(dtype)
        return y, d

    return forward


def _without_slope(x: np.ndarray, y: np.ndarray, kernel: Callable[..., None], *options: Any) -> None:
    kernel(x, y, None, *options)


def times_slope(g: Any, slope: np.ndarray, needs: Any) -> tuple[Any]:
    """Return the gradient that goes with `value_and_slope`."""
    return (g * slope,)


class InPlace(Module):
    """An activation without options, but for PyTorch's `inplace`.

    inplace  taken for the sake of PyTorch's signature; the input is never changed, and the result is the same
    """

    def __init__(self, inplace: bool = False):
        self.inplace = inplace

    def extra_repr(self) -> str:
        return shown(inplace=self.inplace)


def shown(*options: str, inplace: bool) -> str:
    """Return the options of a Module as its repr shows them, `inplace` only where it was asked for.

    >>> from nn.activation.pointwise import shown
    >>> shown("alpha=1.0", inplace=True), shown("alpha=1.0", inplace=False)
    ('alpha=1.0, inplace=True', 'alpha=1.0')
    """
    return ", ".join((*options, "inplace=True") if inplace else options)
