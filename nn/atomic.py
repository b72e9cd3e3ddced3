"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a new file, then put it in the place of `path` in one instant.

    However the process ends, killed or without power, `path` is the old file or the new one, never a part of either.
    """
    import tempfile  # where it is used: it costs more time than much of nn

    folder, file = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"the folder {folder} is not there; make it first, e.g. with os.makedirs")
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{file}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own is for secrets
        os.replace(temporary, path)
        _keep_name(folder)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _keep_name(folder: str) -> None:
    """Ask that the folder's entry, too, survives a loss of power; not every system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:
        pass  # nor does every file system write them on demand
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
