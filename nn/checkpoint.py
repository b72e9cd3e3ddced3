"""Checkpoints: nested plain data with arrays in it, in one safetensors file whose texts hold the nesting.

Any program for safetensors files can look into it. Nothing but data can be in it, so reading one runs no code.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.graph import wrap

from . import safetensors
from .atomic import write_whole

_FORMAT = "nn.checkpoint 1"


def save_checkpoint(state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a nested mapping, such as one of several `state_dict()`, into one file.

    state  dicts (keys are strings or integers), lists and tuples of None, booleans, integers, floats, strings, arrays and
           Tensors (their values)

    The file appears whole or not at all, and replaces an older one in one instant: a crash leaves the old one or the new.
    Raises TypeError for anything else in it, with the place.

    >>> import nn, tempfile
    >>> model = nn.Linear(2, 3)
    >>> optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}
    ...     nn.save_checkpoint(state, folder + "/run.safetensors")
    ...     nn.load_checkpoint(folder + "/run.safetensors")["epoch"]
    7
    """
    import json

    if not isinstance(state, Mapping):
        raise TypeError(f"save_checkpoint: expected a mapping of names to what is to be kept, got {type(state).__name__}")
    arrays: dict[str, np.ndarray] = {}
    nested = _taken_apart(state, "", arrays, ())
    metadata = {"format": _FORMAT, "state": json.dumps(nested, ensure_ascii=False, separators=(",", ":"))}
    write_whole(path, lambda stream: safetensors.write(stream, arrays, metadata))


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote: equal data, arrays and Tensors, each in its place.

    Raises FileNotFoundError, and ValueError where the file is damaged or no checkpoint.

    >>> import nn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_checkpoint({"epoch": 3, "losses": [0.5, 0.25]}, folder + "/run.safetensors")
    ...     nn.load_checkpoint(folder + "/run.safetensors")
    {'epoch': 3, 'losses': [0.5, 0.25]}
    """
    import json

    with open(path, "rb") as stream:
        try:
            arrays, metadata = safetensors.read(stream)
            if metadata.get("format") != _FORMAT:
                raise ValueError("it has no nested data; nn.load reads files of weights")
            state = _put_together(json.loads(metadata["state"]), arrays)
            if not isinstance(state, dict):
                raise ValueError("its data is no mapping")
            return state
        except Exception as error:
            raise ValueError(f"load_checkpoint: {os.fspath(path)} is damaged, or no checkpoint: {error}") from error


# None, booleans and strings stand for themselves in JSON; everything else is a list that begins with its kind.


def _taken_apart(value: Any, path: str, arrays: dict[str, np.ndarray], around: tuple[int, ...]) -> Any:
    """Return `value` as JSON data, with the arrays in it put into `arrays`."""
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if type(value) in (int, float):
        return [type(value).__name__, value if type(value) is int else float(value).hex()]
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        kind = "tensor" if isinstance(value, Tensor) else "array" if isinstance(value, np.ndarray) else "scalar"
        array = value._data if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.kind not in "biufc" or array.dtype.char in "gG":
            raise TypeError(f"save_checkpoint: '{path}' has dtype {array.dtype}, expected numbers")
        name = path
        while name in arrays:
            name += "'"
        if array.dtype != np.complex128:
            arrays[name] = array
            return [kind, name]
        arrays[name] = np.stack([array.real, array.imag], axis=-1)  # safetensors files have no such dtype
        return [kind, name, "complex128"]
    if id(value) in around:
        raise ValueError(f"save_checkpoint: '{path}' holds itself")
    if isinstance(value, (Mapping, list, tuple)):
        around = (*around, id(value))
        if len(around) > 100:
            raise ValueError(f"save_checkpoint: '{path}' is nested more than 100 deep")
        if not isinstance(value, Mapping):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return [kind, *(_taken_apart(part, _joined(path, i), arrays, around) for i, part in enumerate(value))]
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"save_checkpoint: '{path}' has the key {key!r}, expected strings or integers")
        return ["dict", *([key, _taken_apart(part, _joined(path, key), arrays, around)] for key, part in value.items())]
    raise TypeError(
        f"save_checkpoint: '{path}' is a {type(value).__name__}; expected plain data (dict, list, tuple, None, bool, int, float, "
        "str), arrays or Tensors. An object's state_dict() is such data"
    )


def _joined(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _put_together(data: Any, arrays: dict[str, np.ndarray]) -> Any:
    if data is None or isinstance(data, (bool, str)):
        return data
    kind, *parts = data
    if kind == "dict":
        return {key: _put_together(part, arrays) for key, part in parts}
    if kind in ("list", "tuple"):
        values = [_put_together(part, arrays) for part in parts]
        return values if kind == "list" else tuple(values)
    if kind == "int":
        return int(parts[0])
    if kind == "float":
        return float.fromhex(parts[0])
    array = arrays[parts[0]]
    if len(parts) == 2:
        array = array.view(np.complex128).reshape(array.shape[:-1])
    if kind not in ("array", "tensor", "scalar"):
        raise ValueError(f"its data holds an unknown {kind!r}")
    return array if kind == "array" else wrap(array) if kind == "tensor" else array[()]
