"""One piece of work done by one library, and the check that all libraries compute the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .engines import ENGINES, OURS

OPERATIONS = "Operations"  # the title of the table of small computations


@dataclass(frozen=True)
class Work:
    """The work of one row, done by one library.

    engine  the library's key
    run     do it once; this is what is timed
    answer  do it from the start, and return every loss and gradient by name
    """

    engine: str
    run: Callable[[], object]
    answer: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """One row of a table: the same work, written for each library that can do it.

    table      the table's title
    title      its name there
    tolerance  how far the answers of two libraries may lie apart, relative to the largest number
    makers     by library, a function that prepares the work
    why_not    by library, why it is missing
    """

    table: str
    title: str
    tolerance: float
    makers: Mapping[str, Callable[[], Work]]
    why_not: Mapping[str, str]

    def works(self, engines: Collection[str] | None = None) -> list[Work]:
        """Prepare the work of each library that is installed, this one first, or of those among `engines`."""
        keys = [key for key in self.makers if ENGINES[key].installed and (engines is None or key in engines)]
        return [self.makers[key]() for key in keys]


class Disagreement(AssertionError):
    """Two libraries computed different numbers for the same work: their times say nothing."""


def check_equal(row: Row, works: Sequence[Work]) -> None:
    """Raise Disagreement unless all works give the answer of this library."""
    answers = {work.engine: work.answer() for work in works}
    expected = answers[OURS.key]
    for engine, answer in answers.items():
        if set(answer) != set(expected):
            raise Disagreement(f"{row.title}: {ENGINES[engine].title} reports {sorted(answer)}, this library {sorted(expected)}")
        for name, ours in expected.items():
            ours, theirs = np.asarray(ours, np.float64), np.asarray(answer[name], np.float64)
            if ours.shape != theirs.shape:
                raise Disagreement(f"{row.title}: {name} has shape {ours.shape} here, {theirs.shape} in {ENGINES[engine].title}")
            scale = np.abs(ours).max()
            difference = np.abs(ours - theirs).max()
            if not (np.isfinite(scale) and scale > 0 and difference <= row.tolerance * scale):
                raise Disagreement(
                    f"{row.title}: {name} of {ENGINES[engine].title} differs by {difference:.3g} where the largest is {scale:.3g} "
                    f"(allowed: {row.tolerance:g} of it)"
                )
