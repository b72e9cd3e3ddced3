"""Measure speed and memory beside other libraries, and print a table.

    python -m tests.benchmarks
    python -m tests.benchmarks --rows chain,mlp-small --repeat 50 --threads 1 --json chain.json
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import importing, installed, launching, memory, report
from .report import Measurement
from .rows import TIMED

APART = ("memory", "import", "size")
ALL = (*TIMED, *APART)


def main() -> int:
    options = _options()
    load_before = _load()
    try:
        about, found = _measure(options)
    except subprocess.CalledProcessError as error:
        _say(f"\nThe benchmark stopped: a process that measured failed with exit status {error.returncode}; see above.")
        return 1
    load = (load_before, _load())
    print(report.heading(about, load), report.table(found), report.notes(found), sep="\n\n")
    if options.json:
        everything = {"about": about, "load": load, "measurements": [measurement.as_json() for measurement in found]}
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Speed and memory beside other libraries.")
    parser.add_argument("--rows", type=_rows, default=ALL, help=f"which, separated by commas: {', '.join(ALL)}; all by default")
    parser.add_argument("--repeat", type=_at_least_one, default=50, help="rounds at most; all libraries take turns in each (50)")
    parser.add_argument("--budget", type=float, default=7.0, help="seconds for one row and number of threads (7)")
    parser.add_argument("--threads", type=_numbers, default=(1, 2), help="numbers of threads, separated by commas (1,2)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write all samples there")
    return parser.parse_args()


def _rows(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row is called {', '.join(unknown)}; the rows are {', '.join(ALL)}")
    return tuple(name for name in ALL if name in names)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_at_least_one(number) for number in text.split(","))


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def _measure(options: argparse.Namespace) -> tuple[dict[int, Any], list[Measurement]]:
    about: dict[int, Any] = {}
    found: dict[str, list[Measurement]] = {name: [] for name in ALL}
    timed = [name for name in options.rows if name in TIMED]
    for threads in options.threads:
        # even without a timed row, a process with so many threads is asked what it runs on
        arguments = ["--rows", ",".join(timed), "--threads", threads, "--repeat", options.repeat, "--budget", options.budget]
        answer = launching.python("-m", "tests.benchmarks.worker", *map(str, arguments), threads=threads)
        about[threads] = answer["about"]
        for name, samples in answer["rows"].items():
            row = TIMED[name]
            found[name].append(Measurement(name, row.title, threads, "s", samples, row.why_not))
        if "memory" in options.rows:
            _say(f"{memory.TITLE}, {threads} thread(s)")
            samples, how = memory.measure(threads, repeat=min(5, options.repeat))
            found["memory"].append(Measurement("memory", memory.TITLE, threads, "B", samples, memory.WHY_NOT, how))
    if "import" in options.rows:
        _say(importing.TITLE)
        found["import"].append(Measurement("import", importing.TITLE, None, "s", importing.measure(min(9, options.repeat)), {}))
    if "size" in options.rows:
        found["size"].append(Measurement("size", installed.TITLE, None, "B", installed.measure(), {}))
    return about, [measurement for name in ALL for measurement in found[name]]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
