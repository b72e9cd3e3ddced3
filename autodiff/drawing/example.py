"""What `draw(model, x)` draws: the model, or another function, run once on example inputs and left as it was.

Knows how a model is called. Knows nothing of modules but that they can be tried without being changed.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import enable_grad
from ..tensor import Tensor
from ..tracing import trace


def run_example(function: Callable[..., Any], inputs: Sequence[Any]) -> tuple[list[Tensor], list[Any]]:
    """Return the tracked tensors among the results of `function(*inputs)`, run under `trace()`, and the Tensors that went in.

    The inputs of a model stay as they are, as long as its parameters are tracked; those of another function are tracked. Inputs are
    named after the function's parameters; those in a list or dict also after their place there.
    """
    base = function
    while isinstance(base, functools.partial):
        base = base.func
    what = getattr(base, "__name__", type(base).__name__)
    is_model = hasattr(base, "_rehearsal")
    if isinstance(function, type):
        raise TypeError(f"draw: {what} is a class: make one and give it example inputs, draw({what}(...), x)")
    if not inputs:
        kind = "model" if is_model else "function"
        raise TypeError(f"draw: {what} is a {kind}: give it example inputs, draw({what}, x); there is no graph before it runs")
    names = _parameters(function)
    with contextlib.ExitStack() as stack:
        for model in _models(base):
            stack.enter_context(model._rehearsal())
        for tracked in (False, True) if is_model else (True,):
            given = [_input(value, name, tracked) for value, name in zip(inputs, names, strict=False)]
            with enable_grad(), trace():
                found = [tensor for tensor in _tensors(function(*given)) if tensor._node is not None]
            if found:
                return found, _tensors(given)  # whoever draws holds them meanwhile: a leaf that is gone cannot be asked
    raise RuntimeError(
        f"draw: no result of {what} is tracked, so there is no graph; it is computed from no floating-point input, or detached"
    )


def _models(function: Any) -> list[Any]:
    """Return the models that a function is, is a method of, or knows by name: those that it may call."""
    known = [function, getattr(function, "__self__", None)]
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is not None:
        names = getattr(function, "__globals__", {})
        known += [names[name] for name in code.co_names if name in names]
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # a name that has no value yet
                known.append(cell.cell_contents)
    found = {id(one): one for one in known if hasattr(one, "_rehearsal") and not isinstance(one, type)}
    return list(found.values())


def _input(value: Any, name: str, tracked: bool) -> Any:
    if isinstance(value, Tensor) and (value._node is not None or value.dtype.kind not in "fc" or (value.name and not tracked)):
        return value
    if isinstance(value, (list, tuple)) and not _is_array(value):
        parts = [_input(part, f"{name}[{i}]", tracked) for i, part in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if type(value) is dict:
        return {key: _input(part, f"{name}.{key}", tracked) for key, part in value.items()}
    if not isinstance(value, (Tensor, np.ndarray, np.generic, int, float, complex, list, tuple)) or isinstance(value, bool):
        return value
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    own = (value.name if isinstance(value, Tensor) else None) or name
    if array.dtype.kind in "iu" and tracked and isinstance(value, (int, list, tuple)):
        array = array.astype(float)
    if array.dtype.kind not in "fc":
        return Tensor(array, name=own) if array.dtype.kind in "biu" and not isinstance(value, (int, np.generic)) else value
    return Tensor(array, requires_grad=tracked, name=own)


def _is_array(value: Any) -> bool:
    """Return whether nested lists of numbers stand for one array: all are as long as their neighbours."""
    inner = list(value)
    while inner and all(isinstance(part, (list, tuple)) and len(part) == len(inner[0]) for part in inner):
        inner = [one for part in inner for one in part]
    return bool(inner) and all(isinstance(one, (int, float, complex, np.number)) for one in inner)


def _parameters(function: Any) -> list[str]:
    """Return a name for each positional argument of a function, of a model's `forward`."""
    if isinstance(function, functools.partial):
        base = function.func
        call: Any = functools.partial(getattr(base, "forward", base), *function.args, **function.keywords)
    else:
        call = getattr(function, "forward", function)
    try:
        named = [p for p in inspect.signature(call).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        named = []
    return [p.name for p in named] + [f"input{i}" for i in range(len(named), 64)]


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, Mapping) else result if isinstance(result, (list, tuple)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
