"""The rows whose time is taken, by the names that the command line knows."""

from __future__ import annotations

from . import chain, filling, fitting, optimizing, scalar, training
from .work import Row

STEPS: dict[str, Row] = {"chain": chain.ROW, "scalar": scalar.ROW, "filling": filling.ROW, **training.ROWS, **optimizing.ROWS}
TIMED: dict[str, Row | fitting.FitRow] = {**STEPS, **fitting.ROWS}
