"""Peak memory of training steps: how much more than the model, the optimizer and the data a step needs.

Peak memory is the highest resident size of a fresh process during steps 3 to 10, less that after imports and
construction. Run as a program, this file measures one library and prints the bytes as JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from . import launching, training
from .engines import ENGINES

TITLE = "peak memory of the large MLP"
TASK = training.TASKS["mlp-large"]
TRAININGS = {"ours": training.ours_training, "torch": training.torch_training}
WHY_NOT = {"hips": "it brings no Adam", "mygrad": "it brings no Adam", "micrograd": "it has scalars only"}

WARM_UP, MEASURED = 2, 8  # steps 1 and 2, steps 3 to 10

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def measure(threads: int, repeat: int) -> tuple[dict[str, list[float]], str]:
    """Return each library's peak memory in bytes in each of `repeat` fresh processes, and how it was measured."""
    found: dict[str, list[float]] = {key: [] for key in TRAININGS if ENGINES[key].installed}
    how = ""
    for _ in range(repeat):
        for key, values in found.items():
            answer = launching.python("-m", "tests.benchmarks.memory", key, str(threads), threads=threads)
            values.append(answer["bytes"])
            how = answer["how"]
    return found, how


def peak_of(step: Callable[[], object]) -> tuple[int, str]:
    """Return the bytes that steps 3 to 10 need at most beyond what is resident now, and how they were measured."""
    _give_back()
    if not _STATUS.exists():
        import resource  # not on Windows

        # Not Linux: only the peak since the process began is known, which is too high where imports needed more.
        unit = 1 if sys.platform == "darwin" else 1024
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        _repeat(step, WARM_UP + MEASURED)
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit, "ru_maxrss, since the process began"
    before = _resident("VmRSS")
    _repeat(step, WARM_UP)
    try:
        _CLEAR.write_text("5")  # sets the high-water mark back to what is resident now
    except OSError:
        return _sampled(step) - before, "VmRSS, sampled"
    _repeat(step, MEASURED)
    return _resident("VmHWM") - before, "VmHWM, reset after step 2"


def _give_back() -> None:
    """Free what construction left behind: the steps would use it again, and seem to need less than they do."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None  # glibc's
    if trim is not None:
        trim(0)


def _repeat(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


def _resident(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _sampled(step: Callable[[], object]) -> int:
    """Return the largest resident size that a thread beside the steps has seen."""
    pages: list[int] = []
    over = threading.Event()

    def watch() -> None:
        with open("/proc/self/statm", "rb", buffering=0) as statm:
            while not over.wait(0.0002):
                statm.seek(0)
                pages.append(int(statm.read().split()[1]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _repeat(step, MEASURED)
    finally:
        over.set()
        watcher.join()
    return max(pages, default=0) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=TRAININGS)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    if options.engine == "torch":
        import torch

        torch.set_num_threads(options.threads)
    peak, how = peak_of(TRAININGS[options.engine](TASK).step)
    json.dump({"bytes": peak, "how": how}, sys.stdout)


if __name__ == "__main__":
    main()
