"""Installed size: the bytes of a library's own files, without byte code and without what it depends on."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from .engines import OURS, PEERS
from .launching import PACKAGES, ROOT

TITLE = "installed size, own files"


def measure() -> dict[str, list[float]]:
    """Return the bytes of each library that is installed."""
    found = {OURS.key: [float(_bytes_of_folders(*PACKAGES))]}
    for engine in PEERS:
        if engine.installed:
            found[engine.key] = [float(_bytes_of_distribution(engine.distribution))]
    return found


def _bytes_of_folders(*names: str) -> int:
    files = (path for name in names for path in (ROOT / name).rglob("*") if path.is_file() and path.suffix != ".pyc")
    return sum(path.stat().st_size for path in files)


def _bytes_of_distribution(name: str) -> int:
    files = importlib.metadata.files(name) or ()
    paths = (Path(path.locate()) for path in files if path.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())
