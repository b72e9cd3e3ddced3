"""Import time: seconds that a fresh Python needs for a library's imports, beyond what it needs to start.

This library is imported from a copy with byte code, as it is once installed, whatever the state of the checkout.
"""

from __future__ import annotations

import compileall
import shutil
import tempfile
from pathlib import Path

from . import launching
from .engines import OURS, PEERS

TITLE = "import, beyond bare Python"

_PROGRAM = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def measure(repeat: int) -> dict[str, list[float]]:
    """Return, for each library that is installed, the seconds of its imports in `repeat` fresh processes, interleaved."""
    engines = [engine for engine in (OURS, *PEERS) if engine.installed]
    found: dict[str, list[float]] = {engine.key: [] for engine in engines}
    with tempfile.TemporaryDirectory() as folder:
        for package in launching.PACKAGES:
            shutil.copytree(launching.ROOT / package, Path(folder, package), ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(folder, quiet=2)
        for engine in engines:
            _seconds(engine.imports, folder)  # fills the file cache
        for _ in range(repeat):
            for engine in engines:
                found[engine.key].append(_seconds(engine.imports, folder))
    return found


def _seconds(imports: str, folder: str) -> float:
    return float(launching.python("-c", _PROGRAM.format(imports), threads=1, folder=folder))
