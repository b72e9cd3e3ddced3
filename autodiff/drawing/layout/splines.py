"""Pieces of cubic Bézier splines: straight lines, and swings from one vertical line to another. Knows nothing of layers."""

from __future__ import annotations

from .boxes import Point


def go_on(path: list[Point], to: Point) -> None:
    """Go on in a straight line."""
    x, y = path[-1]
    if abs(to[0] - x) + abs(to[1] - y) > 1e-6:
        path += [(x + (to[0] - x) / 3, y + (to[1] - y) / 3), (x + (to[0] - x) * 2 / 3, y + (to[1] - y) * 2 / 3), to]


def swing(path: list[Point], to: Point) -> None:
    """Go on to a place below, leaving and arriving straight down."""
    x, y = path[-1]
    if abs(to[0] - x) < 1e-6:
        go_on(path, to)
    else:
        middle = (y + to[1]) / 2
        path += [(x, middle), (to[0], middle), to]


def swing_at(begin: Point, goal: Point, y: float) -> float:
    """Return the x of a swing at height y: its y is begin + (1.5 t - 1.5 t² + t³) of the way, its x is (3 t² - 2 t³) of it."""
    part = (y - begin[1]) / (goal[1] - begin[1])
    t = part
    for _ in range(4):  # Newton's method
        t -= (1.5 * t - 1.5 * t * t + t * t * t - part) / (1.5 - 3 * t + 3 * t * t)
    return begin[0] + (goal[0] - begin[0]) * t * t * (3 - 2 * t)
