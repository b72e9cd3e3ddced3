"""Operations element by element, each beside its derivative. Broadcasting, casts and strong zeros are the engine's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import as_untracked, plain
from ..declaration import elementwise, operation, untracked
from ..recording import FUNCTIONS, UFUNCS

# ------------------------------------------------------------------------------------------------ arithmetic

add = elementwise(np.add, lambda g: g, lambda g: g)
subtract = elementwise(np.subtract, lambda g: g, lambda g: -g)
multiply = elementwise(np.multiply, lambda g, x2: g * x2, lambda g, x1: g * x1)
divide = elementwise(np.divide, lambda g, x2: g / x2, lambda g, x2, y: -g * y / x2)
negative = elementwise(np.negative, lambda g: -g)
positive = elementwise(np.positive, lambda g: g)
reciprocal = elementwise(np.reciprocal, lambda g, y: -g * y * y)
square = elementwise(np.square, lambda g, x: g * (2 * x))
sqrt = elementwise(np.sqrt, lambda g, y: g / (2 * y))
cbrt = elementwise(np.cbrt, lambda g, y: g / (3 * y * y))


def _multiplied_out(x: Any, n: Any) -> Any:
    # np.power costs a hundred times a multiplication. Other dtypes are left to NumPy, which may promote them.
    if x.dtype.kind in "fc":
        if n == 2:
            return x * x
        if n == 3:
            return x * x * x
        return x**n
    return np.power(x, n)


@operation(name="power_constant")
def _power_constant(x: Any, n: Any) -> Any:
    return _multiplied_out(x, n)


_power_constant.rules(lambda g, x, n: np.zeros_like(g) if n == 0 else g * n if n == 1 else g * (n * _multiplied_out(x, n - 1)))
_power_constant.operation.elementwise = True


def _power_by_base(g: Any, x1: Any, x2: Any) -> Any:
    # x2 * x1**(x2-1); at 0**0, where that would be 0 * inf, the power is the constant 1 of x1: any other exponent will do
    constant = (x1 == 0) & (x2 == 0)
    return g * (x2 * x1 ** np.where(constant, 1, x2 - 1.0))


def _power_by_exponent(g: Any, x1: Any, x2: Any, y: Any) -> Any:
    # y * log(x1); 0**p is 0 for every p > 0, so there the derivative is 0
    vanishing = (x1 == 0) & (x2 > 0)
    return np.where(vanishing, 0, g * (y * np.log(np.where(vanishing, 1, x1).astype(y.dtype))))


_power = elementwise(np.power, _power_by_base, _power_by_exponent)


def power(x1: Any, x2: Any) -> Any:
    """Return x1 to the power x2; a Python number as the exponent is the fast case."""
    if type(x2) in (int, float) and not isinstance(x1, (int, float, complex)):
        return _power_constant(x1, x2)
    return _power(x1, x2)


UFUNCS[np.power] = power
floor_divide = elementwise(np.floor_divide, lambda g: np.zeros_like(g), lambda g: np.zeros_like(g))
remainder = elementwise(np.remainder, lambda g: g, lambda g, x1, x2: -g * (x1 // x2))
UFUNCS[np.divmod] = lambda x1, x2: (floor_divide(x1, x2), remainder(x1, x2))


def _direction(x: Any, length: Any) -> Any:
    # x / length, and constantly 0 where the length is 0
    return np.where(length == 0, 0, x) / np.where(length == 0, 1, length)


hypot = elementwise(np.hypot, lambda g, x1, y: g * _direction(x1, y), lambda g, x2, y: g * _direction(x2, y))

# ------------------------------------------------------------------------------------------------ exponential, logarithm

_LN2, _LN10 = float(np.log(2)), float(np.log(10))

exp = elementwise(np.exp, lambda g, y: g * y)
exp2 = elementwise(np.exp2, lambda g, y: g * (y * _LN2))
expm1 = elementwise(np.expm1, lambda g, x: g * np.exp(x))
log = elementwise(np.log, lambda g, x: g / x)
log2 = elementwise(np.log2, lambda g, x: g / (x * _LN2))
log10 = elementwise(np.log10, lambda g, x: g / (x * _LN10))
log1p = elementwise(np.log1p, lambda g, x: g / (1 + x))


def _weight(x1: Any, x2: Any) -> Any:
    # exp(x1) / (exp(x1) + exp(x2)), one half where both are the same infinity
    same = x1 == x2
    return 1 / (1 + np.exp(np.where(same, 0, x2) - np.where(same, 0, x1)))


logaddexp = elementwise(np.logaddexp, lambda g, x1, x2: g * _weight(x1, x2), lambda g, x1, x2: g * _weight(x2, x1))

# ------------------------------------------------------------------------------------------------ trigonometric, hyperbolic

sin = elementwise(np.sin, lambda g, x: g * np.cos(x))
cos = elementwise(np.cos, lambda g, x: -g * np.sin(x))
tan = elementwise(np.tan, lambda g, y: g * (1 + y * y))
arcsin = elementwise(np.arcsin, lambda g, x: g / np.sqrt(1 - x * x))
arccos = elementwise(np.arccos, lambda g, x: -g / np.sqrt(1 - x * x))
arctan = elementwise(np.arctan, lambda g, x: g / (1 + x * x))
arctan2 = elementwise(  # x / r / r: the square of r would overflow, or vanish, long before r does
    np.arctan2,
    lambda g, x1, x2: g * (x2 / np.hypot(x1, x2) / np.hypot(x1, x2)),
    lambda g, x1, x2: -g * (x1 / np.hypot(x1, x2) / np.hypot(x1, x2)),
)
sinh = elementwise(np.sinh, lambda g, x: g * np.cosh(x))
cosh = elementwise(np.cosh, lambda g, x: g * np.sinh(x))
tanh = elementwise(np.tanh, lambda g, y: g - g * (y * y))
arcsinh = elementwise(np.arcsinh, lambda g, x: g / (np.sqrt(x * x + 1) if x.dtype.kind == "c" else np.hypot(x, 1)))
arccosh = elementwise(np.arccosh, lambda g, x: g / (np.sqrt(x - 1) * np.sqrt(x + 1)))  # one root would take the wrong branch
arctanh = elementwise(np.arctanh, lambda g, x: g / (1 - x * x))
deg2rad = elementwise(np.deg2rad, lambda g: g * float(np.pi / 180))
rad2deg = elementwise(np.rad2deg, lambda g: g * float(180 / np.pi))
radians = elementwise(np.radians, lambda g: g * float(np.pi / 180))
degrees = elementwise(np.degrees, lambda g: g * float(180 / np.pi))

# ------------------------------------------------------------------------------------------------ kinks and steps
# At a kink: the minimum-norm element of the joint subdifferential. Ties share equally, abs(0) gives 0.


def selected(g: Any, mask: Any) -> Any:
    """Return `g` where `mask` holds and 0 elsewhere, where `g` is infinite too."""
    try:
        return g * mask  # an eighteenth of the time of where
    except FloatingPointError:  # inf * 0
        return np.where(mask, g, 0)


def _sign_rule(g: Any, x: Any, y: Any) -> Any:
    if x.dtype.kind != "c":
        return np.zeros_like(g)
    size = np.abs(x)  # x / |x| moves only across the direction of x
    return (g - (g * y).real * y.conj()) / np.where(size == 0, 1, size)


abs = elementwise(np.absolute, lambda g, x: g * np.sign(x).conj(), name="abs")
fabs = elementwise(np.fabs, lambda g, x: g * np.sign(x))
maximum = elementwise(
    np.maximum,
    lambda g, x1, x2: selected(g, x1 > x2) + selected(0.5 * g, x1 == x2),
    lambda g, x1, x2: selected(g, x2 > x1) + selected(0.5 * g, x1 == x2),
)
minimum = elementwise(
    np.minimum,
    lambda g, x1, x2: selected(g, x1 < x2) + selected(0.5 * g, x1 == x2),
    lambda g, x1, x2: selected(g, x2 < x1) + selected(0.5 * g, x1 == x2),
)
sign = elementwise(np.sign, _sign_rule)
floor = elementwise(np.floor, lambda g: np.zeros_like(g))
ceil = elementwise(np.ceil, lambda g: np.zeros_like(g))
rint = elementwise(np.rint, lambda g: np.zeros_like(g))
trunc = elementwise(np.trunc, lambda g: np.zeros_like(g))
heaviside = elementwise(np.heaviside, lambda g: np.zeros_like(g), lambda g, x1: g * (x1 == 0))


@operation(np.round, np.around)
def round(x: Any, decimals: int = 0, out: None = None) -> Any:
    """Return `x` rounded to so many decimals; the derivative is zero."""
    refuse_out("round", out)
    return np.round(x, decimals)


round.rules(lambda g: np.zeros_like(g))


def refuse_out(name: str, out: Any) -> None:
    """Raise where a caller gave `out=`, which would leave the graph."""
    if out is not None:
        raise TypeError(f"{name}: out= is not supported with Tensors; assign the result instead")


@operation(name="clip")
def _clip(x: Any, min: Any, max: Any) -> Any:
    return np.clip(x, min, max)


def _strictly_inside(g: Any, x: Any, min: Any, max: Any) -> Any:
    if min is not None:
        g = selected(g, x > min)
    return g if max is None else selected(g, x < max)


_clip.rules(_strictly_inside)


def clip(x: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Any:
    """Return `x` limited to the interval from `min` to `max` (either may be None).

    At a bound that is a number the derivative is 0; at a bound that is an array, ties share equally as in `maximum`.

    >>> x = Tensor([-1.0, 0.5, 1.0], requires_grad=True)
    >>> clip(x, 0, 1).sum().backward()
    >>> x.grad
    Tensor([0., 1., 0.], shape=(3,), dtype=float64)
    """
    refuse_out("clip", out)
    low = a_min if min is None else min
    high = a_max if max is None else max
    if all_numbers(low, high):
        return _clip(x, low, high)
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def all_numbers(*bounds: Any) -> bool:
    return all(bound is None or isinstance(bound, (int, float, np.number)) for bound in bounds)


FUNCTIONS[np.clip] = clip


@operation(name="where")
def _where(condition: Any, x1: Any, x2: Any) -> Any:
    return np.where(condition, x1, x2)


_where.rules(None, lambda g, condition: np.where(condition, g, 0), lambda g, condition: np.where(condition, 0, g))


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Return elements of `x1` where `condition` holds, of `x2` elsewhere; with `condition` alone, the indices where it holds.

    >>> x = Tensor([-1.0, 0.0, 4.0], requires_grad=True)
    >>> where(x > 0, sqrt(maximum(x, 0)), 0).sum().backward()
    >>> x.grad
    Tensor([0.  , 0.  , 0.25], shape=(3,), dtype=float64)
    """
    if x1 is None and x2 is None:
        return as_untracked(np.where(plain(condition)))
    if x1 is None or x2 is None:
        raise ValueError("where: give both x1 and x2, or neither")
    return _where(condition, x1, x2)


FUNCTIONS[np.where] = where

# ------------------------------------------------------------------------------------------------ only looking

untracked(
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not, np.isfinite, np.isinf, np.isnan, np.signbit,
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift, np.gcd, np.lcm,
)  # fmt: skip

# ------------------------------------------------------------------------------------------------ complex parts and dtypes
# Inside, a cotangent g stands for the real-linear form Re(g * dz): so d conj(z) gives conj(g), d imag(z) gives -i*g.

conj = elementwise(np.conjugate, lambda g: g.conj(), name="conj")


@operation(np.real, view=True)
def real(x: Any) -> Any:
    """Return the real part."""
    return np.real(x)


@operation(np.imag, view=True)
def imag(x: Any) -> Any:
    """Return the imaginary part."""
    return np.imag(x)


real.rules(lambda g: g)
imag.rules(lambda g: g * -1j)


@operation()
def astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    """Return `x` in another dtype; the gradient is cast back."""
    return np.asarray(x).astype(dtype)


astype.rules(lambda g: g)
if hasattr(np, "astype"):  # NumPy has it since 2.1
    FUNCTIONS[np.astype] = astype
