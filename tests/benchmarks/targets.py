"""What is to be reached, row by row, and whether it was."""

from __future__ import annotations

from dataclasses import dataclass

from .engines import ENGINES


@dataclass(frozen=True)
class Faster:
    """This library is to be so many times as fast as another."""

    engine: str
    times: float

    def reached(self, ratios: dict[str, float], ours: float) -> bool | None:
        """Return whether it was reached; None where the other library was not measured."""
        return ratios[self.engine] >= self.times if self.engine in ratios else None

    def __str__(self) -> str:
        return f"{ENGINES[self.engine].title.split()[0]} {self.times:.1f}"


@dataclass(frozen=True)
class AtMostTimes:
    """This library is to need at most so many times what another needs."""

    engine: str
    times: float

    def reached(self, ratios: dict[str, float], ours: float) -> bool | None:
        return 1 / ratios[self.engine] <= self.times if self.engine in ratios else None

    def __str__(self) -> str:
        return f"at most {self.times:g}x"


@dataclass(frozen=True)
class Under:
    """This library is to stay under so many seconds."""

    seconds: float

    def reached(self, ratios: dict[str, float], ours: float) -> bool | None:
        return ours < self.seconds

    def __str__(self) -> str:
        return f"under {self.seconds:g} s"


Target = Faster | AtMostTimes | Under

TARGETS: dict[str, tuple[Target, ...]] = {
    "chain": (Faster("torch", 2.0), Faster("hips", 4.0), Faster("mygrad", 4.0)),
    "mlp-small": (Faster("torch", 2.0),),
    "mlp-middle": (Faster("torch", 1.2),),
    "mlp-large": (Faster("torch", 1.0),),
    "memory": (AtMostTimes("torch", 1.2),),
    "import": (Under(0.15),),
}


def verdicts(row: str, ratios: dict[str, float], ours: float) -> list[str]:
    """Return one line for each target of `row`: what it is, and whether it was reached."""
    words = {True: "reached", False: "MISSED", None: "not measured"}
    return [f"{target}: {words[target.reached(ratios, ours)]}" for target in TARGETS.get(row, ())]
