"""What a caller gave: arrays of numbers out of anything NumPy takes, and words for an error message.

Knows conversions in and out. Knows nothing of operations or recording.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from .graph import Variable, wrap

_F = TypeVar("_F", bound=Callable[..., Any])


def as_array(value: Any, operation: str = "asarray") -> np.ndarray:
    """Return `value` as an array of numbers, refusing what would fall to object arrays."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{operation}: masked arrays are not supported (the mask would be lost); fill it with .filled(value)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{operation}: {_shorten(value)} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "biufc":
        if array.dtype.kind == "O" and isinstance(value, (list, tuple)) and any(isinstance(v, Variable) for v in value):
            raise TypeError(f"{operation}: got a sequence that holds Tensors; join them with autodiff.stack first")
        raise TypeError(f"{operation}: expected numbers, got {_shorten(value)} (dtype {array.dtype})")
    return array


def as_dtype(dtype: Any, operation: str) -> np.dtype[Any]:
    """Return `dtype` as a dtype of numbers."""
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(
            f"{operation}: unknown dtype {dtype!r}; expected one of NumPy's, such as float, 'float32' or np.int64"
        ) from None
    if wanted.kind not in "biufc":
        raise TypeError(f"{operation}: dtype {wanted} holds no numbers; expected bool, int, float or complex")
    return wanted


def is_plain(value: Any) -> bool:
    """Return whether `value` may be handed to a forward function as it is; a subclass (masked, matrix) may not."""
    if type(value) is np.ndarray:
        return value.dtype.kind in "biufc"
    return value is None or isinstance(value, (np.number, np.bool_, int, float, complex))


_constants: dict[str, dict[float, np.ndarray]] = {"f": {}, "d": {}}  # the 0-d arrays of recent Python floats, by dtype


def operand(value: Any, other: Any, name: str) -> Any:
    """Return the operand beside `other` as an array; a Python number stays weak, as NumPy has it.

    A float beside a floating array becomes a 0-d array of its dtype at once: the same result, computed faster, and
    faster again in the backward pass.
    """
    kind = type(value)
    if kind is float:
        if not isinstance(other, Variable):
            return value
        dtype = other._data.dtype
        constants = _constants.get(dtype.char)
        if constants is None:
            return value
        array = constants.get(value)
        if array is None:
            array = np.array(value, dtype)
            array.flags.writeable = False
            if value != 0:  # 0.0 and -0.0 are one key
                if len(constants) >= 256:
                    constants.clear()
                constants[value] = array
        return array
    if kind is np.ndarray:
        if value.dtype.kind in "biufc":
            return value
    elif kind is int or kind is bool or kind is complex or isinstance(value, (np.generic, Variable)):
        return value
    return as_array(value, name)


_KNOWN = (int, float, complex, np.ndarray, np.generic, Variable, list, tuple)


def operand_of_operator(value: Any, other: Any, name: str) -> Any:
    """Return the operand, or NotImplemented for a foreign type, which then gets its turn."""
    return operand(value, other, name) if type(value) is float or isinstance(value, _KNOWN) else NotImplemented


def weak(value: Any) -> Any:
    """Return a NumPy number as Python's, which leaves the dtype of the array that it meets as it is; the rest unchanged.

    >>> from autodiff.arguments import weak
    >>> (np.ones(1, np.float32) * weak(np.float64(2.0))).dtype
    dtype('float32')
    """
    return value.item() if isinstance(value, np.generic) else value


def plain(value: Any) -> Any:
    """Return `value` with every Tensor in it, in lists and tuples too, as its array."""
    if isinstance(value, Variable):
        return value._data
    if type(value) in (list, tuple):
        return type(value)(plain(v) for v in value)
    return value


def as_untracked(value: Any, sources: Sequence[np.ndarray] = ()) -> Any:
    """Return `value` with every array of numbers in it as an untracked Tensor, copied where it shares memory with `sources`."""
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biufc":
            return value
        return wrap(value.copy() if any(np.may_share_memory(value, source) for source in sources) else value)
    if isinstance(value, tuple):
        parts = [as_untracked(v, sources) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [as_untracked(v, sources) for v in value]
    return value


def read_only(value: Any, sources: list[np.ndarray]) -> Any:
    """Return `value` with every Tensor in it as a read-only array; the arrays found are added to `sources`."""
    if isinstance(value, Variable):
        value = value._data.view()
        value.flags.writeable = False
    if isinstance(value, np.ndarray):
        sources.append(value)
    elif type(value) in (list, tuple):
        return type(value)(read_only(part, sources) for part in value)
    return value


def failed(name: str, args: Sequence[Any], error: Exception) -> Exception:
    """Return `error` in the caller's words: the operation, what it was given, and the cure where one is known."""
    name = name.removesuffix("_constant")  # power with a constant exponent is power to its caller
    text = str(error).removeprefix(f"{name}: ")
    arrays = [_given(value) for value in args if isinstance(value, (Variable, np.ndarray, list, tuple))]
    if "broadcast together" in text and len(arrays) > 1 and "remapped" not in text:  # remapped shapes are broadcast_to's
        text = (
            f"shapes do not broadcast: {' and '.join(arrays)}. From the last axis backwards, sizes must be equal or 1; "
            "insert an axis with x[:, None] or reshape one of them"
        )
    elif "mismatch in its core dimension" in text:
        cure = "The last axis of the first must be as long as the last but one of the second"
        text = f"shapes do not fit: {' @ '.join(arrays)}. {cure}"
    elif "not have enough dimensions" in text:
        text = f"a single number has no axis to sum over; multiply by it with * (given {', '.join(arrays)})"
    elif arrays:
        text = f"{text} (given {', '.join(arrays)})"
    try:
        return type(error)(f"{name}: {text}")
    except Exception:
        error.add_note(f"{name}: {text}")
        return error


def _given(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} of {len(value)}" if len(value) > 4 else "[" + ", ".join(_given(v) for v in value) + "]"
    if not isinstance(value, (Variable, np.ndarray)):
        return _shorten(value)
    data = value._data if isinstance(value, Variable) else value
    name = f"'{value.name}' " if isinstance(value, Variable) and value.name else ""
    return f"{name}{data.shape} {data.dtype}"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def hinted(hints: Mapping[str, str]) -> Callable[[_F], _F]:
    """Let a function say, of an argument that it does not take but other libraries do, what to write here.

    hints  the other library's argument, and what to write
    """

    def decorate(function: _F) -> _F:
        taken = set(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name not in taken:
                    import difflib  # here: only a mistake needs it

                    near = difflib.get_close_matches(name, taken, 1)
                    hint = hints.get(name, f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(taken))}")
                    raise TypeError(f"{function.__name__}() takes no argument '{name}': {hint}")
            return function(*args, **kwargs)

        return cast(_F, call)

    return decorate
