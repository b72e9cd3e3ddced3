"""Files of data sets as arrays: IDX, CIFAR's binary records, the SMS collection. Nothing is unpacked to disk, nothing trusted."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
LARGEST = 1 << 32  # bytes; a header that promises more is not believed
LARGEST_TEXT = 1 << 26


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array of an IDX file, such as MNIST's; a name that ends in .gz is read through gzip.

    Raises FileNotFoundError, and ValueError where the file is damaged, longer or shorter than it says, or no IDX file.
    """
    import gzip
    import zlib

    name = os.fspath(path)
    with open(path, "rb") as raw:
        try:
            with gzip.GzipFile(fileobj=raw) if name.endswith(".gz") else raw as stream:
                start = stream.read(4)
                if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _IDX_TYPES or not start[3]:
                    raise ValueError(f"it begins with the bytes {start.hex(' ') or '(none)'}, not as an IDX file does")
                lengths = stream.read(4 * start[3])
                if len(lengths) < 4 * start[3]:
                    raise ValueError("it ends within its header")
                shape = tuple(np.frombuffer(lengths, ">u4").tolist())
                dtype = np.dtype(_IDX_TYPES[start[2]])
                wanted = math.prod(shape) * dtype.itemsize
                if wanted > LARGEST:
                    raise ValueError(f"its header promises an array of shape {shape}, of more than {LARGEST >> 30} GiB")
                content = _read_up_to(stream, wanted + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"read_idx: {name} is damaged: {error}") from error
        except ValueError as error:
            raise ValueError(f"read_idx: {name} is damaged, or no IDX file: {error}") from None
    if len(content) != wanted:
        more = "more" if len(content) > wanted else f"only {len(content)}"
        raise ValueError(f"read_idx: {name} is damaged: {wanted} bytes are expected for shape {shape}, it has {more}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_up_to(stream: Any, count: int) -> bytearray:
    """Return `count` bytes or what there is; memory grows with what comes, not with what was promised."""
    content = bytearray()
    while len(content) < count and (block := stream.read(min(count - len(content), 1 << 22))):
        content += block
    return content


class _Sparing:
    """A file in which nobody reads very much at once, as a header of an archive may ask for."""

    def __init__(self, stream: Any):
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, size: int) -> Any:
        if size > 1 << 24:
            raise ValueError(f"it has a header of {size} bytes")
        return self._read(size)


def read_cifar(path: str | os.PathLike[str], members: Sequence[str], label_bytes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 3, 32, 32) uint8 and labels (N,) int64 of files in CIFAR's binary archive (.tar.gz).

    members      names of the files in the archive, in order
    label_bytes  how many bytes before each image are labels; the last of them is returned

    Raises FileNotFoundError, and ValueError where the archive is damaged or lacks a file.
    """
    import gzip
    import tarfile
    import zlib

    name, record = os.fspath(path), label_bytes + 3 * 32 * 32
    found: dict[str, bytearray] = {}
    with open(path, "rb") as raw:
        try:
            sparing: Any = _Sparing(gzip.GzipFile(fileobj=raw))
            with tarfile.open(fileobj=sparing, mode="r:") as archive:
                for member in archive:  # in the archive's order: seeking back would decompress it again
                    if member.name in members and member.isreg():
                        if member.size > LARGEST:
                            raise ValueError(f"'{member.name}' would have {member.size} bytes")
                        stream = archive.extractfile(member)
                        content = _read_up_to(stream, member.size)
                        if len(content) != member.size:
                            raise ValueError(f"it ends within '{member.name}'")
                        found[member.name] = content
                    if len(found) == len(members):
                        break
        except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
            raise ValueError(f"read_cifar: {name} is damaged: {error}") from error
    parts = []
    for member_name in members:
        if member_name not in found:
            raise ValueError(f"read_cifar: {name} is damaged, or another archive: it has no file '{member_name}'")
        content = found[member_name]
        if not content or len(content) % record:
            raise ValueError(f"read_cifar: {name}: '{member_name}' has {len(content)} bytes, no multiple of {record}")
        parts.append(np.frombuffer(content, np.uint8).reshape(-1, record))
    records = np.concatenate(parts)
    images = np.ascontiguousarray(records[:, label_bytes:]).reshape(-1, 3, 32, 32)
    return images, records[:, label_bytes - 1].astype(np.int64)


def read_sms(path: str | os.PathLike[str], member: str = "SMSSpamCollection") -> tuple[list[str], np.ndarray]:
    """Return the texts and the labels (1 spam, 0 not) of the SMS spam collection (.zip).

    Raises FileNotFoundError, and ValueError where the archive is damaged or its lines are not `ham` or `spam`, a
    tabulator and a text.
    """
    import zipfile
    import zlib

    name = os.fspath(path)
    with open(path, "rb") as raw:
        try:
            with zipfile.ZipFile(raw) as archive:
                if archive.getinfo(member).file_size > LARGEST_TEXT:
                    raise ValueError(f"'{member}' would have {archive.getinfo(member).file_size} bytes")
                content = archive.read(member).decode("utf-8")
        except (
            OSError,
            EOFError,
            KeyError,
            zlib.error,
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise ValueError(f"read_sms: {name} is damaged, or another archive: {error}") from error
    texts, labels = [], []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        label, tabulator, text = line.rstrip("\r").partition("\t")
        if not tabulator or label not in ("ham", "spam"):
            raise ValueError(
                f"read_sms: {name}, line {number}: expected 'ham' or 'spam', a tabulator and a text, got {line[:40]!r}"
            )
        texts.append(text)
        labels.append(label == "spam")
    if not texts:
        raise ValueError(f"read_sms: {name}: '{member}' is empty")
    return texts, np.array(labels, np.int64)
