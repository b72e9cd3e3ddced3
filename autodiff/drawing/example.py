"""What `draw(model, x)` draws: the model, or another function, run once on example inputs and left as it was.

Knows how a model is called. Knows nothing of modules but that they can be tried without being changed.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..graph import enable_grad
from ..tensor import Tensor
from ..tracing import trace


def run_example(function: Callable[..., Any], inputs: Sequence[Any]) -> tuple[list[Tensor], list[Any]]:
    """Return the tracked tensors among the results of `function(*inputs)`, run under `trace()`, and the inputs as it got them.

    The inputs of a model stay as they are, as long as its parameters are tracked; those of another function are tracked. Inputs are
    named after the function's parameters.
    """
    what = getattr(function, "__name__", type(function).__name__)
    rehearsal = getattr(function, "_rehearsal", None)
    if not inputs:
        raise TypeError(f"draw: {what} is a function: give it example inputs, draw({what}, x)")
    names = _parameters(function)
    with contextlib.nullcontext() if rehearsal is None else rehearsal():
        for tracked in (False, True) if rehearsal is not None else (True,):
            given = [_input(value, name, tracked) for value, name in zip(inputs, names, strict=False)]
            with enable_grad(), trace():
                found = [tensor for tensor in _tensors(function(*given)) if tensor._node is not None]
            if found:
                return found, given  # whoever draws holds them meanwhile: a leaf that is gone cannot be asked
    raise RuntimeError(
        f"draw: no result of {what} is tracked, so there is no graph; it is computed from no floating-point input, or detached"
    )


def _input(value: Any, name: str, tracked: bool) -> Any:
    if isinstance(value, Tensor) and (value._node is not None or value.dtype.kind not in "fc" or (value.name and not tracked)):
        return value
    if not isinstance(value, (Tensor, np.ndarray, np.generic, int, float, complex, list, tuple)) or isinstance(value, bool):
        return value
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    own = (value.name if isinstance(value, Tensor) else None) or name
    if array.dtype.kind in "iu" and tracked and isinstance(value, (int, list, tuple)):
        array = array.astype(float)
    if array.dtype.kind not in "fc":
        return Tensor(array, name=own) if array.dtype.kind in "biu" and not isinstance(value, (int, np.generic)) else value
    return Tensor(array, requires_grad=tracked, name=own)


def _parameters(function: Any) -> list[str]:
    """Return a name for each positional argument of a function, of a model's `forward`."""
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
