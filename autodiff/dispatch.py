"""NumPy's protocols: what happens when a NumPy function or ufunc is called with a Tensor.

What has a derivative records, what only looks returns untracked results, everything else raises and says so: nothing
leaves the graph silently or falls to object arrays. Where nothing is tracked, or nothing is recorded, NumPy itself runs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .arguments import as_untracked, plain
from .declaration import looked_at, untracked
from .graph import Variable, is_grad_enabled
from .ops.reduction import cummax, cummin, cumprod, cumsum, logsumexp, max, min, prod, sum
from .ops.shape import reshape
from .recording import FUNCTIONS, UFUNCS
from .writing import opened

REDUCE: dict[np.ufunc, Callable[..., Any]] = {
    np.add: lambda x, axis, keepdims: sum(x, axis, None, None, keepdims),
    np.multiply: lambda x, axis, keepdims: prod(x, axis, None, None, keepdims),
    np.maximum: lambda x, axis, keepdims: max(x, axis, None, keepdims),
    np.minimum: lambda x, axis, keepdims: min(x, axis, None, keepdims),
    np.logaddexp: logsumexp,
}
ACCUMULATE: dict[np.ufunc, Callable[..., Any]] = {np.add: cumsum, np.multiply: cumprod, np.maximum: cummax, np.minimum: cummin}

# Functions that write into one of their arguments, and its name.
WRITERS: dict[Callable[..., Any], str] = {
    np.copyto: "dst", np.put: "a", np.place: "arr", np.putmask: "a", np.fill_diagonal: "a", np.put_along_axis: "arr",
}  # fmt: skip

# Functions of values that save, count or compare them, or sort them out: a gradient of theirs is not what their caller misses.
LOOKERS = frozenset({
    np.save, np.savetxt, np.savez, np.savez_compressed, np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges,
    np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values, np.intersect1d, np.union1d,
    np.setdiff1d, np.setxor1d, np.linalg.matrix_rank,
})  # fmt: skip

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
    if call is not None and method == "__call__" and not kwargs:
        return call(*inputs)
    name = f"np.{function.__name__}" if getattr(np, function.__name__, None) is function else f"the ufunc '{function.__name__}'"
    if method != "__call__":
        name += f".{method}"
    if is_grad_enabled() and is_tracked((inputs, kwargs)):
        return _recorded(function, method, name, call, inputs, kwargs)
    arguments = {key: plain(value) for key, value in kwargs.items() if key != "out"}
    outs = kwargs.get("out", ())
    if outs:
        arguments["out"] = tuple(_target(out, f"{name} with out=") for out in outs)
    if method == "at":
        function.at(_target(inputs[0], name), *plain(inputs[1:]), **arguments)
        return None
    result = getattr(function, method)(*plain(inputs), **arguments)
    if not outs or all(out is None for out in outs):
        return as_untracked(result)
    results = result if isinstance(result, tuple) else (result,)
    given = tuple(as_untracked(made) if out is None else out for made, out in zip(results, outs, strict=True))
    return given if isinstance(result, tuple) else given[0]


def _target(out: Any, what: str) -> Any:
    """Return the array that NumPy shall write into."""
    return opened(out, what) if isinstance(out, Variable) else out


def _recorded(
    function: np.ufunc, method: str, name: str, call: Callable[..., Any] | None, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    given = {key: value for key, value in kwargs.items() if value is not None}
    outs = given.pop("out", ())
    if any(out is not None and not isinstance(out, Variable) for out in outs):
        raise TypeError(
            f"{name}: a tracked Tensor cannot be written into an ndarray (out=, or `array += tensor`), that would leave the graph; "
            "write array = array + tensor, or tensor.numpy() for its value"
        )
    if any(out is not None for out in outs):
        raise TypeError(f"{name}: out= is not supported with a tracked Tensor; assign the result instead")
    if "where" in given:
        place = "result" if method == "__call__" else "argument"
        raise TypeError(f"{name}: where= is not supported with a tracked Tensor; use autodiff.where on the {place}")
    if method == "at":
        raise TypeError(f"{name} writes into its argument, which has no derivative; use autodiff.scatter_add, or item assignment")
    if method == "reduce" and function in REDUCE and given.keys() <= {"axis", "keepdims"}:
        return REDUCE[function](inputs[0], kwargs.get("axis", 0), given.get("keepdims", False))
    if method == "accumulate" and function in ACCUMULATE and given.keys() <= {"axis"}:
        return ACCUMULATE[function](inputs[0], given.get("axis", 0))
    if method == "outer" and call is not None and not given:
        a, b = inputs
        return call(reshape(a, np.shape(plain(a)) + (1,) * np.ndim(plain(b))), b)
    if method == "__call__" and call is not None:
        if not given:
            return call(*inputs)
        raise TypeError(f"{name}: {', '.join(given)}= is not supported with a tracked Tensor; leave it out, use astype for dtypes")
    raise TypeError(f"{name} has no derivative; {_HOW}")


def function(called: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a NumPy function called with a Tensor somewhere among its arguments."""
    call = FUNCTIONS.get(called)
    if call is not None and (not kwargs or (kwargs.get("out") is None and kwargs.keys() <= _parameters(call))):
        return call(*args, **kwargs)
    name = f"{called.__module__}.{called.__name__}".replace("numpy", "np", 1)
    if is_grad_enabled() and is_tracked((args, kwargs)):
        if called in WRITERS:
            raise TypeError(
                f"{name} writes into an array, where a tracked Tensor would leave the graph; use item assignment, x[...] = value, "
                "with a Tensor x"
            )
        if call is not None:
            return call(*args, **kwargs)  # which says what it does not take
        if called in LOOKERS:
            raise TypeError(f"{name} has no derivative: it looks at values alone; give it those, numpy() or detach() of the Tensor")
        raise TypeError(f"{name} has no derivative; {_HOW}")
    if called in WRITERS:
        arguments = dict(kwargs)
        target = args[0] if args else arguments.pop(WRITERS[called])
        looked_at(functools.partial(called, _target(target, name)), args[1:], arguments)
        return None
    out = kwargs.get("out")
    if out is None:
        return looked_at(called, args, kwargs)
    arguments = {key: value for key, value in kwargs.items() if key != "out"}
    looked_at(functools.partial(called, out=_target(out, f"{name} with out=")), args, arguments)
    return out


@functools.cache
def _parameters(call: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the arguments that `call` takes."""
    operation = getattr(call, "operation", None)
    return frozenset(inspect.signature(call).parameters if operation is None else operation.arguments)


untracked(
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type, np.common_type, np.iscomplexobj, np.isrealobj,
    np.iscomplex, np.isreal, np.isposinf, np.isneginf, np.isclose, np.allclose, np.array_equal, np.array_equiv,
    np.array2string, np.array_repr, np.array_str, np.zeros_like, np.ones_like, np.empty_like,
    np.may_share_memory, np.shares_memory, np.ix_, np.isin,
)  # fmt: skip
