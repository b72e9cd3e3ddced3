"""Reverse-mode automatic differentiation on NumPy: Tensors that record, and the chain rule that walks back.

>>> import autodiff as ad
>>> x = ad.Tensor([1.0, 2.0], requires_grad=True)
>>> y = (ad.exp(x) * x).sum()
>>> y.backward()
>>> x.grad.shape
(2,)
"""

from . import linalg
from .checking import check_grads
from .creation import arange, asarray, empty, eye, full, full_like, linspace, ones, ones_like, stop_gradient, zeros, zeros_like
from .declaration import composition, elementwise, fused, operation, untracked
from .graph import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .ops.elementwise import (
    abs, add, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, astype, cbrt, ceil, clip, conj, cos, cosh, deg2rad, degrees,
    divide, exp, exp2, expm1, fabs, floor, floor_divide, heaviside, hypot, imag, log, log1p, log2, log10, logaddexp, maximum,
    minimum, multiply, negative, positive, power, rad2deg, radians, real, reciprocal, remainder, rint, round, sign, sin, sinh, sqrt,
    square, subtract, tan, tanh, trunc, where,
)  # fmt: skip
from .ops.indexing import argsort, getitem, scatter_add, setitem, sort, take, take_along_axis
from .ops.linear_algebra import dot, einsum, inner, matmul, norm, outer, tensordot
from .ops.reduction import all, any, argmax, argmin, count_nonzero, cummax, cummin, cumprod, cumsum, logsumexp, max, mean, min, prod, std, sum, var
from .ops.shape import (
    array_split, broadcast_to, concatenate, crop, expand_dims, flip, hstack, moveaxis, pad, ravel, repeat, reshape, roll, split,
    squeeze, stack, sum_to, swapaxes, tile, transpose, unstack, vstack,
)  # fmt: skip
from .tensor import Tensor
from .tracing import trace
from .transforms import grad, gradients, value_and_grad
