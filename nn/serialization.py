"""Weights on disk, as safetensors or .npz files. No pickle, in either direction: reading a file runs no code of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_array, plain
from autodiff.graph import wrap

from . import safetensors
from .atomic import write_whole


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write Tensors or arrays by name, such as `model.state_dict()`, into one file.

    path  ending in .npz it becomes NumPy's format, which `np.load` reads too; else a safetensors file

    The file appears whole or not at all, and replaces an older one in one instant.

    >>> import nn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(nn.Linear(2, 3).state_dict(), folder + "/weights.safetensors")
    ...     sorted(load(folder + "/weights.safetensors"))
    ['bias', 'weight']
    """
    if not isinstance(state_dict, Mapping):
        kind = type(state_dict).__name__
        raise TypeError(f"save: expected a mapping of names to Tensors or arrays, such as model.state_dict(), got {kind}")
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str) or isinstance(value, Mapping):
            raise TypeError(
                f"save: expected a flat mapping of names to Tensors or arrays; {name!r} holds {type(value).__name__}. "
                "nn.save_checkpoint writes nested ones"
            )
        arrays[name] = as_array(plain(value), f"save: '{name}'")
        if arrays[name].dtype.kind not in "biufc":
            raise TypeError(f"save: '{name}' has dtype {arrays[name].dtype}, expected numbers")
    extension = os.path.splitext(os.fspath(path))[1].lower()
    if extension in (".pt", ".pth", ".pkl", ".pickle"):
        raise ValueError(f"save: {extension} is the name of pickled files, and this is none; call it .safetensors (or .npz)")
    write = _write_npz if extension == ".npz" else safetensors.write
    write_whole(path, lambda stream: write(stream, arrays))


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the Tensors of a safetensors or .npz file by name, for `load_state_dict`.

    The file's first bytes tell which of the two it is. A bfloat16 array becomes float32. Raises FileNotFoundError, and
    ValueError where the file is damaged or holds anything but arrays of numbers.

    >>> import nn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": np.ones((2, 3), np.float32)}, folder + "/weights.npz")
    ...     load(folder + "/weights.npz")["weight"].shape
    (2, 3)
    """
    with open(path, "rb") as stream:  # its errors are of the path; those below are of the bytes, and of a dozen classes
        try:
            zipped = stream.read(2) == b"PK"
            stream.seek(0)
            arrays = _read_npz(stream) if zipped else safetensors.read(stream)[0]
        except Exception as error:
            raise ValueError(f"load: {os.fspath(path)} is damaged, or no file of weights: {error}") from error
    return {name: wrap(array) for name, array in arrays.items()}


# ------------------------------------------------------------------------------------------------ .npz


def _write_npz(stream: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    import zipfile  # where it is used: it costs more time than much of nn

    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            if "\0" in name:
                raise ValueError(f"save: the name {name!r} holds a NUL character, where a .npz file would cut it off")
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)


def _read_npz(stream: IO[bytes]) -> dict[str, np.ndarray]:
    import zipfile

    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(stream) as archive:
        if any(name.endswith("data.pkl") for name in archive.namelist()):
            raise ValueError(
                "it is a pickle of PyTorch's, which could run any code. Write it there with "
                "safetensors.torch.save_file(model.state_dict(), path)"
            )
        for entry in archive.infolist():
            with archive.open(entry) as member:
                array = _read_npy(member, entry.file_size, entry.filename)
            name = entry.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"'{entry.filename}' is there twice")
            arrays[name] = array
    return arrays


def _read_npy(member: IO[bytes], size: int, name: str) -> np.ndarray:
    """Read one array of an archive; its header must fit the `size` in bytes before memory is asked for."""
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"'{name}' is of version {version} of the .npy format, which arrays of numbers do not need")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(member)
    if dtype.kind not in "biufc":
        raise ValueError(f"'{name}' has dtype {dtype}, expected numbers")
    count = 1
    for n in shape:
        count *= int(n)
    if any(n < 0 for n in shape) or member.tell() + count * dtype.itemsize != size:
        raise ValueError(f"'{name}' of shape {shape} and dtype {dtype} does not fit its {size} bytes")
    raw = member.read(count * dtype.itemsize)
    if len(raw) != count * dtype.itemsize:
        raise ValueError(f"'{name}' is cut off")
    array = np.frombuffer(raw, dtype).reshape(shape[::-1] if fortran else shape)
    native = (array.T if fortran else array).astype(dtype.newbyteorder("="), copy=True)
    if member.read(1):
        raise ValueError(f"'{name}' is longer than its header says")
    return native
