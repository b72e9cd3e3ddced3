"""Takes the times of some rows with one number of threads, in a process of its own, and prints them as JSON.

The number of threads is fixed by the environment before NumPy and PyTorch load: see `launching`.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .engines import LIBRARIES, PYTORCH
from .fitting import FitRow
from .rows import TIMED
from .timing import interleaved
from .work import check_equal


def measure(row_name: str, repeat: int, budget: float, pause: float) -> dict[str, dict[str, list[float]]]:
    """Return the times of a row by library, and for fits how accurate they were.

    Where the work has one right answer, it is checked first that all libraries compute the same.
    """
    row = TIMED[row_name]
    if isinstance(row, FitRow):
        seconds, accuracies = row.measure(repeat, budget, pause)
        return {"seconds": seconds, "accuracies": accuracies}
    works = row.works()
    check_equal(row, works)
    return {"seconds": interleaved(works, repeat, budget, pause), "accuracies": {}}


def about() -> dict[str, Any]:
    """Return the machine, the versions and the thread counts as they hold in this process."""
    from autodiff import runtime

    found = {"processor": _processor(), **runtime.describe()}
    found["versions"] = {engine.title: engine.version for engine in LIBRARIES}
    if PYTORCH.installed:
        import torch

        found["threads of PyTorch"] = torch.get_num_threads()
        found["BLAS of PyTorch"] = "MKL" if torch.backends.mkl.is_available() else "not MKL"
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeat", type=int, required=True)
    parser.add_argument("--budget", type=float, required=True)
    options = parser.parse_args()
    if PYTORCH.installed:
        import torch

        torch.set_num_threads(options.threads)
    pause = 0.04 if options.threads > 1 else 0.0
    rows = {}
    for name in filter(None, options.rows.split(",")):
        print(f"{TIMED[name].title}, {options.threads} thread(s)", file=sys.stderr, flush=True)
        rows[name] = measure(name, options.repeat, options.budget, pause)
    json.dump({"about": about(), "rows": rows}, sys.stdout)


if __name__ == "__main__":
    main()
