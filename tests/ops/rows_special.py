"""Samples of the special functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

import autodiff as ad

from ..samples import Draw, Sample, row


def erf(x: Any) -> np.ndarray:
    """The error function of the standard library, element by element."""
    if np.iscomplexobj(x):
        raise TypeError("the error function of complex numbers is not there")
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(float)
    return np.array([math.erf(value) for value in np.ravel(x)], dtype).reshape(np.shape(x))


@row("erf", ad.erf, erf)
def _(draw: Draw) -> Iterator[Sample]:
    for shape in ((3, 4), (), (0,), (2, 1, 3)):
        yield Sample(draw.normal(*shape), times=3 if shape == (3, 4) else 2)
    yield Sample(draw.between(-6.0, 6.0, 10))
