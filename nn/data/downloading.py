"""Files from the internet: fetched once, checked, kept in a folder; a download that breaks off goes on where it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 1 << 18
LARGEST = 1 << 32  # bytes that a file may have
RETRIES = 4  # attempts for each address
PAUSE = 0.5  # seconds before the second attempt, doubled before each further one


def data_folder(root: str | os.PathLike[str] | None = None) -> Path:
    """Return where data sets are kept: `root`, else $GLASSGRAD_DATA, else a folder `glassgrad` in the user's cache folder.

    >>> data_folder("somewhere").name
    'somewhere'
    """
    from pathlib import Path

    if root is not None:
        return Path(root).expanduser()
    if chosen := os.environ.get("GLASSGRAD_DATA"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        cache = "~/Library/Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "glassgrad"


def checksum(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    import hashlib

    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch_file(
    urls: Sequence[str], path: str | os.PathLike[str], sha256: str, *, timeout: float = 30.0, progress: bool = True
) -> Path:
    """Return `path`, downloaded from the first address that has it, unless it is there already.

    urls      addresses of the same file, tried in turn (http or https)
    sha256    its checksum: nothing else is ever found at `path`
    timeout   seconds without an answer after which an attempt ends
    progress  show a bar (tqdm, where it is installed and the output is a terminal)

    What has arrived is kept beside it as `path` + ".part", and a later attempt asks for the rest only. The file appears
    whole or not at all. Raises ConnectionError where no address gives it, ValueError where the checksum is another one.
    """
    from pathlib import Path

    path = Path(path)
    if path.is_file() and checksum(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "ab") as stream:
        _lock(stream)  # another process at the same file waits here, and then finds it
        if path.is_file() and checksum(path) == sha256:
            if part.exists() and os.path.samestat(os.fstat(stream.fileno()), part.stat()):
                part.unlink()
            return path
        failures = []
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"fetch_file: expected an address that begins with http:// or https://, got {url!r}")
            failure = _attempts(url, stream, sha256, timeout, progress)
            if failure is None:
                stream.flush()
                os.fsync(stream.fileno())
                if sys.platform == "win32":
                    stream.close()  # an open file has no other name there
                os.replace(part, path)
                return path
            failures.append((url, failure))
    wrong = [failure for _, failure in failures if isinstance(failure, ValueError)]
    reasons = "; ".join(f"{url}: {failure}" for url, failure in failures)
    message = f"{path.name} could not be downloaded ({reasons}). Get it in another way and put it at {path}"
    raise ValueError(message) if wrong else ConnectionError(message)


def _attempts(url: str, stream: Any, sha256: str, timeout: float, progress: bool) -> Exception | None:
    """Load one address into `stream`, several times where it breaks off; return why it failed, or None."""
    import http.client
    import time
    from urllib.error import HTTPError

    failure: Exception | None = None
    for attempt in range(RETRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        resumed = stream.seek(0, os.SEEK_END)
        try:
            _load(url, stream, timeout, progress)
        except HTTPError as error:
            error.close()
            failure = ConnectionError(f"the server says {error.code} {error.reason}")
            if error.code == 416:  # nothing after what is there: it is whole, or of another file
                failure = None
            elif error.code not in (408, 425, 429) and error.code < 500:
                return failure
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", error)
            failure = ConnectionError(str(getattr(reason, "strerror", None) or reason) or type(error).__name__)
            if not _may_pass(reason):
                return failure
        else:
            failure = None
        if failure is None:
            stream.flush()
            found = checksum(stream.name)
            if found == sha256:
                return None
            stream.truncate(0)
            failure = ValueError(f"its SHA-256 is {found}, expected {sha256}")
            if not resumed:
                return failure  # the server has another file; the beginning of another one was not to blame
    return failure


def _may_pass(reason: Any) -> bool:
    """Return whether a failure is one that another attempt may not meet: not that of a name or a certificate."""
    import socket
    import ssl

    return not isinstance(reason, (socket.gaierror, ssl.SSLCertVerificationError, ConnectionRefusedError))


def _load(url: str, stream: Any, timeout: float, progress: bool) -> None:
    """Append to `stream` what an address has beyond it; from the start where the server does not give parts."""
    from urllib.request import Request, urlopen

    done = stream.seek(0, os.SEEK_END)
    headers = {"User-Agent": "glassgrad", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with urlopen(Request(url, headers=headers), timeout=timeout) as answer:
        if answer.status != 206 or not (answer.headers.get("Content-Range") or "").startswith(f"bytes {done}-"):
            stream.truncate(0)
            if answer.status == 206:
                raise ConnectionResetError("the server sent another part than was asked for")
            done = 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else None
        with _bar(os.path.basename(stream.name).removesuffix(".part"), total, done, progress) as bar:
            while block := answer.read(BLOCK):
                stream.write(block)
                done += len(block)
                bar.update(len(block))
                if done > LARGEST:
                    raise ValueError(f"{url} does not end: more than {LARGEST >> 30} GiB have come")
        stream.flush()
        if total is not None and done < total:
            raise ConnectionResetError(f"the connection broke off after {done} of {total} bytes")


def _bar(name: str, total: int | None, done: int, progress: bool) -> Any:
    if progress:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            pass
        else:  # disable=None: silent unless it is seen on a terminal
            return tqdm(total=total, initial=done, desc=name, unit="B", unit_scale=True, disable=None, leave=False)
    return _NoBar()


class _NoBar:
    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: int) -> None:
        """Show nothing."""


def _lock(stream: Any) -> None:
    """Wait until no other process writes this file, where the system can tell."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(stream, fcntl.LOCK_EX)
