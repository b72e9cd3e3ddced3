"""The tables, in plain text: one line for each row and number of threads."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .engines import ENGINES, LIBRARIES, OURS
from .targets import Found, standard_error, verdicts
from .timing import Summary, ratio, summary

WIDTH = 120
_UNITS = {"s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)), "B": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))}


@dataclass(frozen=True)
class Measurement:
    """What was measured in one row.

    row         its name on the command line
    table       the title of its table
    title       its name there
    threads     how many; None where it makes no difference
    unit        s or B
    samples     by library, one number a round
    why_not     by library, why it has no number
    how         how it was measured, where there is more than one way
    accuracies  of fits: by library, the share that each got right
    """

    row: str
    table: str
    title: str
    threads: int | None
    unit: str
    samples: Mapping[str, Sequence[float]]
    why_not: Mapping[str, str] = field(default_factory=dict)
    how: str = ""
    accuracies: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def ours(self) -> Summary:
        return summary(self.samples[OURS.key])

    @property
    def ratios(self) -> dict[str, Summary]:
        return {key: ratio(values, self.samples[OURS.key]) for key, values in self.samples.items() if key != OURS.key}

    @property
    def verdicts(self) -> list[str]:
        ratios = {key: found.median for key, found in self.ratios.items()}
        return verdicts(self.row, Found(self.ours.median, ratios, self.accuracies))

    def as_json(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "title": self.title,
            "threads": self.threads,
            "unit": self.unit,
            "samples": {key: list(values) for key, values in self.samples.items()},
            "ratios": {key: {"median": found.median, "spread": found.spread} for key, found in self.ratios.items()},
            "accuracies": {key: list(values) for key, values in self.accuracies.items()},
            "how": self.how,
            "targets": self.verdicts,
        }


def heading(about: Mapping[int, Mapping[str, Any]], load: tuple[float, float]) -> str:
    """Return what is known of the machine, the versions and the thread counts.

    about  by number of threads, what a process with that many said of itself
    load   the load of the machine before and after; nan where it is not known
    """
    lines = []
    if about:
        first = next(iter(about.values()))
        lines.append(f"{first['processor']}, {first['machine']}, {first['cores']} cores; Python {first['python']}")
        versions = {"NumPy": f"{first['numpy']} ({first['blas']})", **first["versions"]}
        if "BLAS of PyTorch" in first:
            versions["PyTorch"] += f" ({first['BLAS of PyTorch']})"
        lines += _wrapped("; ".join(f"{name} {version}" for name, version in versions.items()))
        for threads, found in about.items():
            torch_threads = f", PyTorch uses {found['threads of PyTorch']}" if "threads of PyTorch" in found else ""
            lines.append(f"threads {threads}: BLAS is limited to {found['threads']}{torch_threads}")
    if not math.isnan(load[0]):
        lines.append(f"load of the machine: {load[0]:.1f} before, {load[1]:.1f} after (this benchmark alone brings it to 1 or 2)")
        if about and max(load) > first["cores"] + 1:
            lines.append("BUSY MACHINE: others were computing too. Trust no row with several threads, and the others only roughly.")
    return "\n".join(lines)


def tables(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield one table after the other, each with its title above it."""
    for title in dict.fromkeys(found.table for found in measurements):
        yield f"{title}\n\n{table([found for found in measurements if found.table == title])}"


def table(measurements: Sequence[Measurement]) -> str:
    """Return an aligned table: our own value, then how many times as much each other library needs."""
    ratios = [found.ratios for found in measurements]
    others = [engine for key, engine in ENGINES.items() if any(key in found for found in ratios)]
    rows = [["work", "thr", "ours", *(engine.column for engine in others), "target"]]
    for found, by_key in zip(measurements, ratios, strict=True):
        lines = [[found.title, str(found.threads or ""), amount(found.ours.median, found.unit)]]
        lines[0] += [times(by_key[engine.key]) if engine.key in by_key else "-" for engine in others]
        if found.accuracies:
            rates = [found.accuracies.get(engine.key) for engine in (OURS, *others)]
            lines.append(["  accuracy", "", *("-" if rate is None else percent(rate) for rate in rates)])
        verdicts = found.verdicts or [""]
        lines += [[""] * len(lines[0]) for _ in verdicts[len(lines) :]]
        rows += [[*line, verdict] for line, verdict in zip(lines, [*verdicts, *[""] * len(lines)])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    text = ["  ".join(_aligned(cell, width, i, len(row)) for i, (cell, width) in enumerate(zip(row, widths))) for row in rows]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in text)


def _aligned(cell: str, width: int, column: int, columns: int) -> str:
    return cell.ljust(width) if column in (0, columns - 1) else cell.rjust(width)


def amount(value: float, unit: str) -> str:
    """Return `value` in the unit that gives the shortest number.

    >>> amount(0.00123, "s")
    '1.23 ms'
    """
    name, size = next(((name, size) for name, size in _UNITS[unit] if value >= size), _UNITS[unit][-1])
    return f"{_three(value / size)} {name}"


def times(found: Summary) -> str:
    """Return a ratio and its spread.

    >>> times(Summary(1.5, 0.07))
    '1.50 ±0.07'
    """
    return f"{_three(found.median)} ±{_three(found.spread)}" if found.spread else _three(found.median)


def percent(shares: Sequence[float]) -> str:
    """Return the mean of shares and its standard error.

    >>> percent([0.97, 0.98])
    '97.5 ±0.5 %'
    """
    return f"{100 * statistics.mean(shares):.1f} ±{100 * standard_error(shares):.1f} %"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def notes(measurements: Sequence[Measurement]) -> str:
    """Return what the tables cannot say: how to read them, what is missing and why."""
    lines = [
        "Ratios are other / ours: above 1, this library is faster, smaller or needs less.",
        "Medians of interleaved rounds, ± half the distance between the quartiles.",
        "Operations in float64 (micrograd computes with Python floats), MLPs in float32 where nothing else is said.",
        "Rounds: " + ", ".join(f"{name} {rounds}" for name, rounds in _rounds(measurements).items()) + ".",
    ]
    if any(found.accuracies for found in measurements):
        lines.append("Accuracy: mean of all rounds on samples held out, ± its standard error; each round has its own seed.")
    lines += dict.fromkeys(f"{found.title[0].upper()}{found.title[1:]}: {found.how}." for found in measurements if found.how)
    missing = [engine.title for engine in LIBRARIES if not engine.installed]
    if missing:
        lines.append(f"Not installed: {', '.join(missing)}.")
    absent: dict[str, list[str]] = {}
    for found in measurements:
        for key, why in found.why_not.items():
            if ENGINES[key].installed:
                names = absent.setdefault(f"{ENGINES[key].title}: {why}", [])
                if found.row not in names:
                    names.append(found.row)
    lines += [f"- {why} ({', '.join(rows)})" for why, rows in absent.items()]
    return "\n".join(short for line in lines for short in _wrapped(line))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _rounds(measurements: Sequence[Measurement]) -> dict[str, str]:
    rounds: dict[str, dict[int | None, str]] = {}
    for found in measurements:
        rounds.setdefault(found.row, {})[found.threads] = str(len(found.samples[OURS.key]))
    return {row: "/".join(counts.values()) for row, counts in rounds.items()}
