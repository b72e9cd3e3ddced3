"""Interleaved repetitions: every library takes its turn in every round, so that all see the same machine.

Ratios are taken within a round and then their median, so that slow drifts of the machine cancel out.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .work import Work

SAMPLE = 0.004  # seconds: work that takes less is done several times in a sample
SLOW = 0.3  # seconds: work that takes more is not done once untimed before each sample


def interleaved(works: Sequence[Work], repeat: int, budget: float, pause: float) -> dict[str, list[float]]:
    """Return, for each library, the seconds that its work took in each round.

    repeat  rounds
    budget  seconds after which no new round starts (three rounds are always taken)
    pause   seconds of rest before a sample: BLAS threads go on spinning a while after their work, and would disturb the next
    """
    times: dict[str, list[float]] = {work.engine: [] for work in works}
    calls = {work.engine: _calls(work.run) for work in works}
    gc.collect()
    started = time.perf_counter()
    for done in range(repeat):
        if done >= 3 and time.perf_counter() - started > budget:
            break
        start = done % len(works)
        for work in (*works[start:], *works[:start]):
            if pause:
                time.sleep(pause)
            taken = times[work.engine]
            if not taken or taken[-1] < SLOW:
                work.run()  # warms caches and threads
            taken.append(_seconds(work.run, calls[work.engine]))
    return times


def _calls(run: Callable[[], object]) -> int:
    if _seconds(run, 1) > SLOW:
        return 1
    return max(1, math.ceil(SAMPLE / min(_seconds(run, 1) for _ in range(3))))


def _seconds(run: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


@dataclass(frozen=True)
class Summary:
    """A median and half the distance between the quartiles."""

    median: float
    spread: float


def summary(values: Sequence[float]) -> Summary:
    """Return median and spread of `values`."""
    if len(values) < 2:
        return Summary(values[0], 0.0)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(middle, (high - low) / 2)


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Summary:
    """Return how many times as long (as large, as much) as ours theirs is, round by round."""
    return summary([a / b for a, b in zip(theirs, ours, strict=True)])
