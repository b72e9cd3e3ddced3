"""The safetensors format: a length, a JSON header that says where each array lies, and the arrays' bytes.

Written here since weights must be saved with NumPy alone; the format is small. Reading trusts nothing: the arrays must
tile the file exactly, so a file is refused before memory for it is asked for.

Source: the format's description in the safetensors project.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

LONGEST_HEADER = 100_000_000  # bytes; the limit of the format

_CODES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}
_DTYPES = {code: np.dtype(name).newbyteorder("<") for name, code in _CODES.items()}
_BFLOAT16 = "BF16"  # NumPy has no such type: it is read as float32, of which it is the upper half


def write(stream: IO[bytes], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name, and texts beside them.

    Raises TypeError for a dtype that the format does not have.
    """
    import json

    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, array in arrays.items():
        code = _CODES.get(array.dtype.name)
        if code is None:
            raise TypeError(f"'{name}' has dtype {array.dtype}, which a safetensors file cannot hold; a .npz file can")
        if name == "__metadata__":
            raise ValueError("'__metadata__' is a reserved name of safetensors files")
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [0, 0]}
    start = 0
    names = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)  # so that each lies aligned to its items
    for name in names:
        header[name]["data_offsets"] = [start, start + arrays[name].nbytes]
        start += arrays[name].nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LONGEST_HEADER:
        raise ValueError(f"the header would have {len(text)} bytes, the format allows {LONGEST_HEADER}")
    stream.write(len(text).to_bytes(8, "little"))
    stream.write(text)
    for name in names:
        array = arrays[name]
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        stream.write(little.reshape(-1).view(np.uint8).data)


def read(stream: IO[bytes]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays of a file by name, and its texts.

    Raises ValueError where the file is not exactly what the format demands.
    """
    import json

    total = os.fstat(stream.fileno()).st_size
    length = int.from_bytes(stream.read(8), "little")
    if total < 8 or not 2 <= length <= min(LONGEST_HEADER, total - 8):
        raise ValueError("it does not begin with the length of a header")
    header = json.loads(stream.read(length).decode(), object_pairs_hook=_without_doubles, parse_constant=_no_number)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its __metadata__ is no mapping of texts")
    places = {name: _place(name, entry) for name, entry in header.items()}
    end = 0
    for name, (_, _, start, stop) in sorted(places.items(), key=lambda item: item[1][2:]):
        if start != end:
            raise ValueError(f"'{name}' begins at byte {start}, where the one before it ends at {end}")
        end = stop
    if end != total - 8 - length:
        raise ValueError(f"its arrays take {end} bytes, and {total - 8 - length} are there")
    arrays = {}
    for name, (code, shape, start, stop) in places.items():
        stream.seek(8 + length + start)
        raw = np.empty(stop - start, np.uint8)
        if stream.readinto(raw.data) != stop - start:  # type: ignore[attr-defined]  # IO[bytes] of a file has it
            raise ValueError(f"'{name}' is cut off")
        arrays[name] = _as_numbers(raw, code, name).reshape(shape)
    return arrays, metadata


def _place(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Return dtype, shape and place of an array as its entry in the header tells them."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"the entry of '{name}' is not made of dtype, shape and data_offsets")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    itemsize = 2 if code == _BFLOAT16 else _DTYPES[code].itemsize if isinstance(code, str) and code in _DTYPES else 0
    if not itemsize:
        raise ValueError(f"'{name}' has dtype {code!r}, which NumPy does not have; convert it before it is saved")
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            raise ValueError(f"'{name}' has the shape {shape!r} at {offsets!r}")
    if len(offsets) != 2 or len(shape) > 64 or offsets[1] - offsets[0] != math.prod(shape) * itemsize:
        raise ValueError(f"'{name}' of dtype {code} and shape {shape} does not fit its place {offsets}")
    return code, tuple(shape), offsets[0], offsets[1]


def _as_numbers(raw: np.ndarray, code: str, name: str) -> np.ndarray:
    if code == _BFLOAT16:
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    if code == "BOOL":
        if raw.size and raw.max() > 1:
            raise ValueError(f"'{name}' holds bytes that are no booleans")
        return raw.view(bool)
    little = raw.view(_DTYPES[code])
    return little.astype(little.dtype.newbyteorder("="), copy=False)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
