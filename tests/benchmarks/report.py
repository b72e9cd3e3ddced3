"""The table, in plain text: one line for each row and number of threads."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .engines import ENGINES, OURS, PEERS, PYTORCH_FUSED
from .targets import verdicts
from .timing import Summary, ratio, summary

WIDTH = 120
_UNITS = {"s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)), "B": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))}


@dataclass(frozen=True)
class Measurement:
    """What was measured in one row.

    row      its name on the command line
    title    its name in the table
    threads  how many; None where it makes no difference
    unit     s or B
    samples  by library, one number a round
    why_not  by library, why it has no number
    how      how it was measured, where there is more than one way
    """

    row: str
    title: str
    threads: int | None
    unit: str
    samples: Mapping[str, Sequence[float]]
    why_not: Mapping[str, str]
    how: str = ""

    @property
    def ours(self) -> Summary:
        return summary(self.samples[OURS.key])

    @property
    def ratios(self) -> dict[str, Summary]:
        return {key: ratio(values, self.samples[OURS.key]) for key, values in self.samples.items() if key != OURS.key}

    @property
    def verdicts(self) -> list[str]:
        return verdicts(self.row, {key: found.median for key, found in self.ratios.items()}, self.ours.median)

    def as_json(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "title": self.title,
            "threads": self.threads,
            "unit": self.unit,
            "samples": {key: list(values) for key, values in self.samples.items()},
            "ratios": {key: {"median": found.median, "spread": found.spread} for key, found in self.ratios.items()},
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


def table(measurements: Sequence[Measurement]) -> str:
    """Return the aligned table: our own value, then how many times as much each peer needs."""
    header = ["work", "thr", "ours", *(peer.title.split()[0] for peer in PEERS), "target"]
    rows = [header]
    for found in measurements:
        ratios = found.ratios
        cells = [found.title, str(found.threads or ""), amount(found.ours.median, found.unit)]
        cells += [times(ratios[peer.key]) if peer.key in ratios else "-" for peer in PEERS]
        first, *others = found.verdicts or [""]
        rows.append([*cells, first])
        rows += [[*[""] * len(cells), verdict] for verdict in others]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join(map(_aligned, row, widths, range(len(header)))).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if 1 <= column <= 2 + len(PEERS) else cell.ljust(width)


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


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def notes(measurements: Sequence[Measurement]) -> str:
    """Return what the table cannot say: how to read it, what is missing and why, PyTorch's fused optimizers."""
    lines = [
        "Ratios are peer / ours: above 1, this library is faster, smaller or needs less.",
        "Medians of interleaved rounds, ± half the distance between the quartiles.",
        "Chain, scalar expression and filling in float64 (micrograd computes with Python floats), MLPs in float32.",
        "Rounds: " + ", ".join(f"{name} {rounds}" for name, rounds in _rounds(measurements).items()) + ".",
    ]
    lines += dict.fromkeys(f"{found.title[0].upper()}{found.title[1:]}: {found.how}." for found in measurements if found.how)
    missing = [peer.title for peer in PEERS if not peer.installed]
    if missing:
        lines.append(f"Not installed, shown as -: {', '.join(missing)}.")
    absent: dict[str, list[str]] = {}
    for found in measurements:
        for key, why in found.why_not.items():
            if ENGINES[key].installed:
                names = absent.setdefault(f"{ENGINES[key].title}: {why}", [])
                if found.row not in names:
                    names.append(found.row)
    lines += [f"- {why} ({', '.join(rows)})" for why, rows in absent.items()]
    for found in measurements:
        if PYTORCH_FUSED.key in found.ratios:
            threads = f"{found.threads} thread{'s' if found.threads != 1 else ''}"
            fused = times(found.ratios[PYTORCH_FUSED.key])
            lines.append(f"{found.title}, {threads}, against PyTorch's optimizer with fused=True: {fused}")
    return "\n".join(short for line in lines for short in _wrapped(line))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _rounds(measurements: Sequence[Measurement]) -> dict[str, str]:
    rounds: dict[str, list[str]] = {}
    for found in measurements:
        rounds.setdefault(found.row, []).append(str(len(found.samples[OURS.key])))
    return {row: "/".join(counts) for row, counts in rounds.items()}
