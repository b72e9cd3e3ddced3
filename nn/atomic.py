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
    try:
        with _opened(folder, temporary) as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
            if not os.path.exists(temporary):
                _name(stream, folder, temporary)
        os.replace(temporary, target)
        _keep_name(folder)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _opened(folder: str, temporary: str) -> IO[bytes]:
    """Open a file that has no name and vanishes with the process, or where there is no such thing, `temporary`."""
    try:
        return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
    except (AttributeError, OSError):  # not Linux; not every file system has them
        return open(temporary, "x+b")


def _name(stream: IO[bytes], folder: str, temporary: str) -> None:
    """Give a file that has no name one."""
    place = os.open(folder, os.O_RDONLY)
    try:  # with a place, though the path is a whole one: else Python would link the link in /proc itself
        os.link(f"/proc/self/fd/{stream.fileno()}", temporary, src_dir_fd=place, follow_symlinks=True)
    except OSError:  # /proc is not everywhere
        import shutil

        stream.seek(0)
        with open(temporary, "xb") as named:
            shutil.copyfileobj(stream, named)
            named.flush()
            os.fsync(named.fileno())
    finally:
        os.close(place)


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
