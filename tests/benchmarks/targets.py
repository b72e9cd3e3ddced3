"""What is to be reached, row by row, and whether it was."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import fitting, optimizing, training
from .engines import ENGINES, OURS


@dataclass(frozen=True)
class Found:
    """What was measured in one row.

    ours        the value of this library
    ratios      by other library, how many times as much
    accuracies  of fits: by library, the share that each got right
    """

    ours: float
    ratios: Mapping[str, float]
    accuracies: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Faster:
    """This library is to be so many times as fast as another."""

    engine: str
    times: float

    def reached(self, found: Found) -> bool | None:
        """Return whether it was reached; None where the other library was not measured."""
        return found.ratios[self.engine] >= self.times if self.engine in found.ratios else None

    def __str__(self) -> str:
        return f"{ENGINES[self.engine].column} {self.times:.1f}"


@dataclass(frozen=True)
class AtMostTimes:
    """This library is to need at most so many times what another needs."""

    engine: str
    times: float

    def reached(self, found: Found) -> bool | None:
        return 1 / found.ratios[self.engine] <= self.times if self.engine in found.ratios else None

    def __str__(self) -> str:
        return f"at most {self.times:g}x"


@dataclass(frozen=True)
class Under:
    """This library is to stay under so many seconds."""

    seconds: float

    def reached(self, found: Found) -> bool | None:
        return found.ours < self.seconds

    def __str__(self) -> str:
        return f"under {self.seconds:g} s"


@dataclass(frozen=True)
class AsAccurate:
    """Models trained by this library are to be right as often as those of another: three standard errors less is noise."""

    engine: str

    def reached(self, found: Found) -> bool | None:
        if self.engine not in found.accuracies:
            return None
        ours, theirs = found.accuracies[OURS.key], found.accuracies[self.engine]
        noise = math.hypot(standard_error(ours), standard_error(theirs))
        return statistics.mean(ours) >= statistics.mean(theirs) - 3 * noise

    def __str__(self) -> str:
        return "as accurate"


def standard_error(values: Sequence[float]) -> float:
    """Return how far the mean of `values` may be off; 0 where there is only one."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


Target = Faster | AtMostTimes | Under | AsAccurate

TARGETS: dict[str, tuple[Target, ...]] = {
    **dict.fromkeys((*training.ROWS, *optimizing.ROWS), (Faster("torch", 1.0),)),
    **{
        name: (Faster("torch", 1.0), Faster("sklearn", 1.5), AsAccurate("sklearn"))
        for name, row in fitting.ROWS.items()
    },
    "chain": (Faster("torch", 2.0), Faster("hips", 4.0), Faster("mygrad", 4.0)),
    "mlp-small": (Faster("torch", 2.0),),
    "mlp-middle": (Faster("torch", 1.2),),
    "memory": (AtMostTimes("torch", 1.2),),
    "import": (Under(0.15),),
}


def verdicts(row: str, found: Found) -> list[str]:
    """Return one line for each target of `row`: what it is, and whether it was reached."""
    words = {True: "reached", False: "MISSED", None: "not measured"}
    return [f"{target}: {words[target.reached(found)]}" for target in TARGETS.get(row, ())]
