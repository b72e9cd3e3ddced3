"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any


def write_whole(path: str | os.PathLike[str], write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a new file, then put it in the place of `path` in one instant.

    However the process ends, killed or without power, `path` is the old file or the new one, never a part of either. Where
    the system can make a file without a name (Linux), a killed process leaves nothing else behind.
    """
    folder, file = os.path.split(os.path.realpath(path))  # a link stays one, and what it leads to is replaced
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"the folder {folder} is not there; make it first, e.g. with os.makedirs")
    target, temporary = os.path.join(folder, file), os.path.join(folder, f".{file}.{os.urandom(6).hex()}.part")
    handle = _nameless(folder)
    named = handle is None
    if handle is None:
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
            if not named:
                os.link(f"/proc/self/fd/{stream.fileno()}", temporary, follow_symlinks=True)
        os.replace(temporary, target)
        _keep_name(folder)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _nameless(folder: str) -> int | None:
    """Return an open file that has no name yet, and vanishes with the process; None where the system has no such files."""
    if not hasattr(os, "O_TMPFILE") or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:  # not every file system has them
        return None


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
