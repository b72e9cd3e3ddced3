"""Reverse-mode automatic differentiation on NumPy: Tensors that record, and the chain rule that walks back.

>>> import autodiff as ad
>>> x = ad.Tensor([1.0, 2.0], requires_grad=True)
>>> y = (ad.exp(x) * x).sum()
>>> y.backward()
>>> x.grad.shape
(2,)
"""

import sys
import types
from typing import TYPE_CHECKING

from . import linalg
from .checking import check_grads
from .creation import arange, asarray, empty, eye, full, full_like, linspace, ones, ones_like, stop_gradient, zeros, zeros_like
from .declaration import composition, elementwise, fused, operation, untracked
from .graph import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .ops.elementwise import (
    abs,
    add,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    astype,
    cbrt,
    ceil,
    clip,
    conj,
    cos,
    cosh,
    deg2rad,
    degrees,
    divide,
    exp,
    exp2,
    expm1,
    fabs,
    floor,
    floor_divide,
    heaviside,
    hypot,
    imag,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    maximum,
    minimum,
    multiply,
    negative,
    positive,
    power,
    rad2deg,
    radians,
    real,
    reciprocal,
    remainder,
    rint,
    round,
    sign,
    sin,
    sinh,
    sqrt,
    square,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)  # fmt: skip
from .ops.indexing import argsort, getitem, scatter_add, setitem, sort, take, take_along_axis
from .ops.linear_algebra import dot, einsum, inner, matmul, norm, outer, tensordot
from .ops.reduction import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cummax,
    cummin,
    cumprod,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from .ops.shape import (
    array_split,
    broadcast_to,
    concatenate,
    crop,
    expand_dims,
    flip,
    hstack,
    moveaxis,
    pad,
    ravel,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    sum_to,
    swapaxes,
    tile,
    transpose,
    unstack,
    vstack,
)  # fmt: skip
from .ops.special import erf
from .tensor import Tensor
from .tracing import trace
from .transforms import grad, gradients, value_and_grad

__all__ = [
    "AnomalyError", "DotNotFoundError", "Drawing", "Explanation", "MemoryReport", "Tensor", "abs", "add", "all", "any", "arange",
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort", "array_split",
    "asarray", "astype", "broadcast_to", "cbrt", "ceil", "check_grads", "clip", "composition", "concatenate", "conj", "cos", "cosh",
    "count_nonzero", "crop", "cummax", "cummin", "cumprod", "cumsum", "deg2rad", "degrees", "detect_anomaly", "divide", "dot",
    "draw", "einsum", "elementwise", "empty", "enable_grad", "erf", "exp", "exp2", "expand_dims", "explain", "expm1", "eye", "fabs",
    "flip", "floor", "floor_divide", "full", "full_like", "fused", "getitem", "grad", "gradients", "heaviside", "hstack",
    "hypot", "imag", "inner", "is_grad_enabled", "linalg", "linspace", "log", "log1p", "log2", "log10", "logaddexp",
    "logsumexp", "matmul", "max", "maximum", "mean", "memory_report", "min", "minimum", "moveaxis", "multiply", "negative",
    "no_grad", "norm", "ones", "ones_like", "operation", "outer", "pad", "positive", "power", "prod", "rad2deg", "radians",
    "ravel", "real", "reciprocal", "remainder", "repeat", "reshape", "rint", "roll", "round", "scatter_add", "set_grad_enabled",
    "setitem", "sign", "sin", "sinh", "sort", "split", "sqrt", "square", "squeeze", "stack", "std", "stop_gradient", "subtract",
    "sum", "sum_to", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "trace", "transpose", "trunc",
    "unstack", "untracked", "value_and_grad", "var", "vstack", "where", "zeros", "zeros_like",
]  # fmt: skip

if TYPE_CHECKING:
    from .anomaly import detect_anomaly
    from .culprit import AnomalyError
    from .drawing import DotNotFoundError, Drawing, Explanation, draw, explain
    from .footprint import MemoryReport, memory_report
else:
    # What a training run does without is imported when it is first asked for: its file, or folder, by name.
    _LATER = {
        "AnomalyError": "culprit", "DotNotFoundError": "drawing", "Drawing": "drawing", "Explanation": "drawing",
        "MemoryReport": "footprint", "explain": "drawing",
        "detect_anomaly": "anomaly", "draw": "drawing", "memory_report": "footprint",
    }  # fmt: skip

    class _TensorFile(types.ModuleType):
        """The file tensor.py, which PyTorch's users call."""

        def __call__(self, *args: object, **kwargs: object) -> None:
            raise TypeError(
                "autodiff.tensor is the file that defines Tensor; what PyTorch calls tensor(data) is Tensor(data) here, with the "
                "arguments dtype, requires_grad and name"
            )

    sys.modules[f"{__name__}.tensor"].__class__ = _TensorFile

    def __getattr__(name: str) -> object:
        """Import what looks at graphs when it is first asked for."""
        if name in _LATER:
            import importlib

            return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        from .operators import elsewhere

        theirs = {  # what PyTorch has in torch, beside what it also has as methods
            "as_tensor": "autodiff.asarray", "autograd": "autodiff itself: autodiff.gradients, autodiff.no_grad",
            "set_detect_anomaly": "autodiff.detect_anomaly(), in a with statement or as a decorator",
            "bfloat16": "np.float32: NumPy has no bfloat16", "double": "np.float64", "float": "np.float32",
            "from_numpy": "autodiff.asarray(array, copy=False)", "half": "np.float16", "inference_mode": "autodiff.no_grad",
            "func": "autodiff.grad, autodiff.value_and_grad and nn.utils.functional_call", "int": "np.int32", "long": "np.int64",
            "is_tensor": "isinstance(x, Tensor)", "load": "nn.load, for weights",
            "make_dot": "autodiff.draw", "draw_dot": "autodiff.draw", "draw_graph": "autodiff.draw",
            "manual_seed": "nn.manual_seed",
            "nn": "a package of its own: import nn", "optim": "nn.optim: import nn", "permute": "autodiff.transpose",
            "rand": "Tensor(rng.random(shape)), of rng = np.random.default_rng()", "rand_like": "Tensor(rng.random(x.shape))",
            "randint": "Tensor(rng.integers(low, high, shape)), of rng = np.random.default_rng()",
            "randn": "Tensor(rng.normal(size=shape)), of rng = np.random.default_rng()",
            "randn_like": "Tensor(rng.normal(size=x.shape))", "save": "nn.save, for weights", "t": "autodiff.transpose",
            "randperm": "rng.permutation(n), of rng = np.random.default_rng()", "type": "x.dtype",
            "utils": "nn.utils, and nn.data for torch.utils.data",
        }  # fmt: skip
        hint = elsewhere(name, theirs)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")

    def __dir__() -> list[str]:
        return [*globals(), *_LATER]
