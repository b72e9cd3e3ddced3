"""Weights on disk: a .npz file of plain arrays. No pickle, in either direction: reading a file runs no code of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_array, plain
from autodiff.graph import wrap


def save(state_dict: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write Tensors or arrays by name, such as `model.state_dict()`, into one .npz file.

    The file appears whole or not at all, and replaces an older one in one instant. `np.load` reads it too.

    >>> import nn, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(nn.Linear(2, 3).state_dict(), folder + "/weights.npz")
    ...     sorted(load(folder + "/weights.npz"))
    ['bias', 'weight']
    """
    import tempfile  # these three are imported where they are used: they cost more time than the rest of nn
    import zipfile

    if not isinstance(state_dict, Mapping):
        kind = type(state_dict).__name__
        raise TypeError(f"save: expected a mapping of names to Tensors or arrays, such as model.state_dict(), got {kind}")
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str) or isinstance(value, Mapping):
            raise TypeError(f"save: expected a flat mapping of names to Tensors or arrays; {name!r} holds {type(value).__name__}")
        if "\0" in name:
            raise ValueError(f"save: the name {name!r} holds a NUL character, where a .npz file would cut it off")
        arrays[name] = as_array(plain(value), f"save: '{name}'")
    folder, file = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{file}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            with zipfile.ZipFile(stream, "w") as archive:
                for name, array in arrays.items():
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own is for secrets
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the Tensors of a file that `save` (or `np.savez`) wrote, by name, for `load_state_dict`.

    Raises FileNotFoundError, and ValueError where the file is damaged or holds anything but arrays of numbers.
    """
    import zipfile

    result = {}
    with open(path, "rb") as stream:  # its errors are of the path; those below are of the bytes, and of a dozen classes
        try:
            with zipfile.ZipFile(stream) as archive:
                for name in archive.namelist():
                    with archive.open(name) as member:
                        array = np.lib.format.read_array(member, allow_pickle=False)
                        if member.read(1):
                            raise ValueError(f"'{name}' is longer than its header says")
                    if array.dtype.kind not in "biufc":
                        raise ValueError(f"'{name}' has dtype {array.dtype}, expected numbers")
                    if name.removesuffix(".npy") in result:
                        raise ValueError(f"'{name}' is there twice")
                    result[name.removesuffix(".npy")] = wrap(array)
        except Exception as error:
            raise ValueError(f"load: {os.fspath(path)} is damaged, or no file of weights (.npz): {error}") from error
    return result


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
