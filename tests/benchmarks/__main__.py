"""Measure speed and memory beside other libraries, and print a table.

python -m tests.benchmarks
python -m tests.benchmarks --rows chain,mlp-small --repeat 50 --threads 1 --json chain.json
python -m tests.benchmarks --rows 'mlp-*,fit-*' --threads 1,2
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import importing, installed, launching, memory, report
from .fitting import OWN, FitRow
from .report import Measurement
from .rows import TIMED

APART = ("memory", "import", "size")
APART_TABLE = "Memory, import and size"
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
    print(report.heading(about, load), *report.tables(found), report.notes(found), sep="\n\n")
    if options.json:
        everything = {"about": about, "load": load, "measurements": [measurement.as_json() for measurement in found]}
        options.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Speed and memory beside other libraries.")
    which = f"which, separated by commas, * for any text: {', '.join(ALL)}; all by default"
    parser.add_argument("--rows", type=_rows, default=ALL, help=which)
    parser.add_argument("--repeat", type=_at_least_one, default=50, help="rounds at most; all libraries take turns in each (50)")
    parser.add_argument("--budget", type=float, default=4.0, help="seconds for one row and number of threads (4)")
    parser.add_argument("--threads", type=_numbers, default=(1, 2), help="numbers of threads, separated by commas (1,2)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write all samples there")
    return parser.parse_args()


def _rows(text: str) -> tuple[str, ...]:
    patterns = text.split(",")
    unknown = [pattern for pattern in patterns if not fnmatch.filter(ALL, pattern)]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row is called {', '.join(unknown)}; the rows are {', '.join(ALL)}")
    return tuple(name for name in ALL if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))


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
    timed = [name for name in options.rows if name in TIMED and not _left_out(name)]
    for threads in options.threads:
        # even without a timed row, a process with so many threads is asked what it runs on
        arguments = ["--rows", ",".join(timed), "--threads", threads, "--repeat", options.repeat, "--budget", options.budget]
        answer = launching.python("-m", "tests.benchmarks.worker", *map(str, arguments), threads=threads)
        about[threads] = answer["about"]
        for name, measured in answer["rows"].items():
            found[name] += _measurements(name, threads, **measured)
        if "memory" in options.rows:
            _say(f"{memory.TITLE}, {threads} thread(s)")
            samples, how = memory.measure(threads, repeat=min(5, options.repeat))
            found["memory"].append(Measurement("memory", APART_TABLE, memory.TITLE, threads, "B", samples, memory.WHY_NOT, how))
    if "import" in options.rows:
        _say(importing.TITLE)
        seconds = importing.measure(min(9, options.repeat))
        found["import"].append(Measurement("import", APART_TABLE, importing.TITLE, None, "s", seconds))
    if "size" in options.rows:
        found["size"].append(Measurement("size", APART_TABLE, installed.TITLE, None, "B", installed.measure()))
    return about, [measurement for name in ALL for measurement in found[name]]


def _left_out(name: str) -> bool:
    row = TIMED[name]
    missing = row.missing if isinstance(row, FitRow) else ""
    if missing:
        _say(f"{row.title}: left out, {missing}")
    return bool(missing)


def _measurements(
    name: str, threads: int, seconds: dict[str, list[float]], accuracies: dict[str, list[float]]
) -> list[Measurement]:
    """Return what was measured in one timed row: one measurement, of a fit one for each way of this library."""
    row = TIMED[name]
    if not isinstance(row, FitRow):
        return [Measurement(name, row.table, row.title, threads, "s", seconds, row.why_not)]
    theirs = {key: values for key, values in seconds.items() if key not in OWN}
    rates = {key: values for key, values in accuracies.items() if key not in OWN}
    return [
        Measurement(
            name, row.table, f"{row.title}, {way}", threads, "s", {"ours": seconds[key], **theirs},
            accuracies={"ours": accuracies[key], **rates},
        )
        for key, way in OWN.items()
        if key in seconds
    ]  # fmt: skip


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
