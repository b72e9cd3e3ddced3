"""Special functions, each beside its derivative. NumPy has none of them, so their kernels stand here too.

The kernels are polynomials: NumPy's arithmetic is fast, and `math.erf` of each element would be a hundred times slower.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..blocks import in_blocks
from ..declaration import elementwise

# ------------------------------------------------------------------------------------------------ polynomials

_SINGLE = np.dtype(np.float32)


def _horner(coefficients: tuple[np.ndarray, ...], x: np.ndarray) -> np.ndarray:
    """Return the polynomial in `x` of these coefficients, the lowest first."""
    y: np.ndarray = x * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        y += c
        y *= x
    y += coefficients[0]
    return y


def _as(dtype: Any, *numbers: float) -> tuple[np.ndarray, ...]:
    return tuple([np.array(c, dtype) for c in numbers])  # NumPy computes faster with 0-d arrays than with Python numbers


# fmt: off
# erf(z) / z - 1 by z², for z from 0 to 1: Chebyshev series, written out in powers. Error 1e-17 and 4e-9.
_NEAR = _as(np.float64,
    0.1283791670955126, -0.37612638903183543, 0.1128379167094513, -0.026866170643256995, 0.005223977607269946,
    -0.0008548325982543225, 0.00012055295112667001, -1.4924740785377576e-05, 1.6447471190594618e-06, -1.6208829856810202e-07,
    1.3721520406351094e-08, -7.798543850549947e-10,
)
_NEAR_SINGLE = _as(np.float32,
    0.1283791658815026, -0.3761262690358044, 0.11283597463488053, -0.026854328796067244, 0.005189311942686617,
    -0.0008018854992786387, 7.882497110086663e-05,
)

# exp(z²) erfc(z), for all z >= 0. In double precision by t = (z - 3) / (z + 3), error 3e-18; in single precision by
# t = 2.4 / (z + 2.4), where z is less than 10 (beyond, exp(-z²) is zero): relative error 4e-8, the least there is of degree 8.
_TAIL = _as(np.float64,
    0.17900115118138996, -0.32623356004303716, 0.24560380171233076, -0.15011593650078517, 0.07166583719798435,
    -0.024392499318422547, 0.004269136332695935, 0.0007077464352844613, -0.0005970619467504678, 4.525532832200974e-05,
    6.405654220809724e-05, -1.2860647857383858e-05, -7.978071289340513e-06, 2.120497143263692e-06, 1.2523230231192439e-06,
    -2.9494738327899467e-07, -2.3433452755368e-07, 2.977875717141242e-08, 4.651846870855633e-08, 1.0572758036280596e-10,
    -8.605536997811747e-09, -8.149257754065937e-10, 1.2521935562286647e-09, 1.2717682164068797e-10, -1.0219012510604561e-10,
)
_TAIL_SINGLE = _as(np.float32,
    3.4336213385748807e-05, 0.23427330565977372, 0.243189876505525, 0.16878589670852367, 0.33404089294328126,
    -0.23677071421145948, 0.5448862640645664, -0.3669927161447326, 0.0785528281264736,
)
# fmt: on


def scaled_erfc(z: np.ndarray) -> np.ndarray:
    """Return exp(z²) erfc(z) of an array of z >= 0 (float32 or float64, at least one axis).

    >>> from autodiff.ops.special import scaled_erfc
    >>> scaled_erfc(np.array([0.0, 1.0, 100.0])).round(6)
    array([1.      , 0.427584, 0.005642])
    """
    if z.dtype == _SINGLE:
        t = z + 2.4
        np.divide(2.4, t, out=t)
        return _horner(_TAIL_SINGLE, t)
    t = z + 3.0
    np.divide(-6.0, t, out=t)
    t += 1.0
    return _horner(_TAIL, t)


# ------------------------------------------------------------------------------------------------ the error function


def _erf_kernel(x: np.ndarray, y: np.ndarray) -> None:
    z = np.abs(x)
    np.minimum(z, 10.0, out=z)  # erf(6) is 1; the square of the largest numbers would be infinite
    square = z * z
    near = _horner(_NEAR_SINGLE if x.dtype == _SINGLE else _NEAR, square)  # far from 0 it is nonsense, and not used
    near *= z
    near += z  # z + z (erf(z) / z - 1) rounds less than z (erf(z) / z)
    far = scaled_erfc(z)
    np.negative(square, out=square)
    far *= np.exp(square, out=square)
    np.subtract(1.0, far, out=far)
    np.copysign(np.where(z < 1, near, far), x, out=y)


def _erf(x: Any) -> np.ndarray:
    if x.dtype.kind == "c":
        raise TypeError(f"expected real numbers, got dtype {x.dtype}")
    wanted = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    dtype = _SINGLE if wanted.itemsize < 4 else wanted
    (y,) = in_blocks(_erf_kernel, x if x.dtype == dtype else x.astype(dtype), 1)
    return y if dtype == wanted else y.astype(wanted)


erf = elementwise(
    lambda x: _erf(x if isinstance(x, np.ndarray) else np.asarray(x)),
    lambda g, x: g * (2 / math.sqrt(math.pi) * np.exp(-(x * x))),
    name="erf",
    doc="""Return the error function element by element: 2/sqrt(pi) times the integral of exp(-t²) from 0 to x.

    x  Tensor, array or number, of real numbers; integers give float64

    Within two units in the last place of the true value, in float32 and float64. Raises TypeError for complex numbers.

    >>> erf(Tensor([-np.inf, 0.0, 1.0])).numpy().round(6)
    array([-1.      ,  0.      ,  0.842701])
    """,
)
