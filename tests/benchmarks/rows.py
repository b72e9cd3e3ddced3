"""The rows whose time is taken, by the names that the command line knows."""

from __future__ import annotations

from . import chain, filling, scalar, training
from .work import Row

TIMED: dict[str, Row] = {"chain": chain.ROW, "scalar": scalar.ROW, **training.ROWS, "filling": filling.ROW}
