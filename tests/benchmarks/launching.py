"""Fresh Python processes with a given number of threads, and where the library's own files are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("autodiff", "nn")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def python(*arguments: str, threads: int, folder: str | Path = ROOT) -> Any:
    """Run Python with `arguments` in `folder`, from which it imports first, and return what it printed, read as JSON.

    Its messages go to this process's standard error; where it fails, so does this, with CalledProcessError.
    """
    limits = dict.fromkeys(THREAD_VARIABLES, str(threads))
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=os.environ | limits, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(finished.stdout)
