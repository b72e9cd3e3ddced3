"""NumPy's protocols: what happens when a NumPy function or ufunc is called with a Tensor.

What has a derivative records, what only looks returns untracked results, everything else raises and says so: nothing
leaves the graph silently or falls to object arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .declaration import FUNCTIONS, UFUNCS, as_untracked, plain, untracked
from .graph import Variable
from .ops.elementwise import logaddexp, maximum, minimum, multiply
from .ops.reduction import cummax, cummin, cumprod, cumsum, logsumexp, max, min, prod, sum
from .ops.shape import reshape

REDUCE: dict[np.ufunc, Callable[..., Any]] = {
    np.add: lambda x, axis, keepdims: sum(x, axis, None, None, keepdims),
    np.multiply: lambda x, axis, keepdims: prod(x, axis, None, None, keepdims),
    np.maximum: lambda x, axis, keepdims: max(x, axis, None, keepdims),
    np.minimum: lambda x, axis, keepdims: min(x, axis, None, keepdims),
    np.logaddexp: logsumexp,
}
ACCUMULATE: dict[np.ufunc, Callable[..., Any]] = {np.add: cumsum, np.multiply: cumprod, np.maximum: cummax, np.minimum: cummin}

_HOW = "declare one with autodiff.elementwise or autodiff.operation (docs: adding an operation), or pass it detached (detach())"


def is_tracked(values: Iterable[Any]) -> bool:
    """Return whether a tracked Tensor is among `values`, in lists, tuples and dicts too."""
    for value in values:
        if isinstance(value, Variable):
            if value._node is not None:
                return True
        elif isinstance(value, (list, tuple)):
            if is_tracked(value):
                return True
        elif isinstance(value, dict) and is_tracked(value.values()):
            return True
    return False


def ufunc(function: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a ufunc, called or by one of its methods."""
    call = UFUNCS.get(function)
    name = f"np.{function.__name__}" if method == "__call__" else f"np.{function.__name__}.{method}"
    outs = kwargs.get("out", ())
    if method == "__call__" and call is not None and not kwargs:
        return call(*inputs)
    if is_tracked((*inputs, *outs)):
        return _recorded(function, method, name, call, inputs, kwargs)
    raw_outs = tuple(_written(out) for out in outs) if outs else None
    arguments = {key: plain(value) for key, value in kwargs.items() if key != "out"}
    if raw_outs is not None:
        arguments["out"] = raw_outs
    if method == "at":
        getattr(function, method)(_written(inputs[0]), *plain(inputs[1:]), **arguments)
        return None
    result = getattr(function, method)(*plain(inputs), **arguments)
    if outs:
        return outs[0] if len(outs) == 1 else outs
    return as_untracked(result)


def _written(out: Any) -> Any:
    if not isinstance(out, Variable):
        return out
    out[...] = out.clone()  # type: ignore[index, attr-defined]  # moves it to memory that no graph has saved
    return out._data


def _recorded(function: np.ufunc, method: str, name: str, call: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = {key: value for key, value in kwargs.items() if not (key == "dtype" and value is None or key == "out" and value == (None,))}
    for key in ("out", "where"):
        if key in given:
            if key == "out" and not isinstance(given["out"][0], Variable):
                raise TypeError(
                    f"{name}: a tracked Tensor cannot be written into an ndarray (out=, or `array += tensor`), that would leave the "
                    "graph; write array = array + tensor, or tensor.numpy() for its value"
                )
            raise TypeError(f"{name}: {key}= is not supported with a tracked Tensor; " + (
                "assign the result instead" if key == "out" else "use autodiff.where on the result"))
    if method == "reduce" and function in REDUCE:
        axis, keepdims = given.pop("axis", 0), given.pop("keepdims", False)
        if len(inputs) > 1:
            axis = inputs[1]
        if not given:
            return REDUCE[function](inputs[0], axis, keepdims)
    elif method == "accumulate" and function in ACCUMULATE:
        axis = inputs[1] if len(inputs) > 1 else given.pop("axis", 0)
        if not given:
            return ACCUMULATE[function](inputs[0], axis)
    elif method == "outer" and call is not None and function.nin == 2 and not given:
        a, b = inputs
        return call(reshape(a, np.shape(plain(a)) + (1,) * np.ndim(plain(b))), b)
    elif method == "__call__" and call is not None and not given:
        return call(*inputs)
    if call is not None and given:
        raise TypeError(f"{name}: {', '.join(given)}= has no derivative with a tracked Tensor; leave it out, and use astype for dtypes")
    raise TypeError(f"{name} has no derivative; {_HOW}")


def function(called: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a NumPy function called with a Tensor somewhere among its arguments."""
    call = FUNCTIONS.get(called)
    if call is not None:
        return call(*args, **kwargs)
    name = f"{called.__module__}.{called.__name__}".replace("numpy", "np", 1)
    if called in _WRITERS:
        raise TypeError(f"{name} writes into its argument, which a Tensor cannot follow; use item assignment, x[...] = value")
    if is_tracked((args, kwargs)):
        raise TypeError(f"{name} has no derivative; {_HOW}")
    return as_untracked(called(*plain(args), **{key: plain(value) for key, value in kwargs.items()}))


_WRITERS = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}

untracked(
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type, np.common_type, np.iscomplexobj, np.isrealobj,
    np.iscomplex, np.isreal, np.isposinf, np.isneginf, np.isclose, np.allclose, np.array_equal, np.array_equiv,
    np.array2string, np.array_repr, np.array_str, np.zeros_like, np.ones_like, np.full_like, np.empty_like,
    np.may_share_memory, np.shares_memory, np.ix_, np.histogram, np.bincount, np.isin,
)  # fmt: skip

__all__ = ["function", "is_tracked", "logaddexp", "maximum", "minimum", "multiply", "ufunc"]
