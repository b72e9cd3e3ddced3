"""A step length along a direction that satisfies the strong Wolfe conditions. Knows numbers only, no parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SUFFICIENT = 1e-4  # how much of the decrease that the first slope promises must come true
FLATTER = 0.9  # how much of the first slope may be left


class Point(NamedTuple):
    """A place on the line: the step that leads there, the loss, the gradient, and the slope of the loss along the line."""

    step: float
    loss: float
    gradient: np.ndarray
    slope: float


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, step: float, longest: float, tolerance: float, most: int
) -> tuple[Point, int]:
    """Return a point where the loss has fallen enough and is flat enough, and how often the loss was evaluated.

    evaluate   the point of a step
    start      the point of the step 0, where the slope is negative
    step       the first one to try
    longest    the largest element of the direction, by magnitude
    tolerance  a bracket that moves no element by more is not narrowed further
    most       evaluations, besides the first

    A loss that is not finite counts as too large. After a first step far too long, where the loss is lower all the same but not
    by enough, the search stays near it, as PyTorch's does.

    Source: Nocedal and Wright 2006, Numerical optimization, algorithms 3.5 and 3.6, with the safeguards of Schmidt's minFunc.
    """

    def is_lower(point: Point) -> bool:
        return point.loss <= start.loss + SUFFICIENT * point.step * start.slope

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -FLATTER * start.slope

    before, point = start, evaluate(step)
    tries = 0
    ends = [start, point]  # what is there where no minimum gets bracketed
    while tries < most:
        if not is_lower(point) or (tries > 1 and not point.loss < before.loss):
            ends = [before, point]
            break
        if is_flat(point):
            return point, tries + 1
        if point.slope >= 0:
            ends = [before, point]
            break
        further = point.step + 0.01 * (point.step - before.step), 10 * point.step
        before, point = point, evaluate(_cubic_minimum(before, point, *further))
        tries += 1
        ends = [start, point]
    low = 1 if ends[1].loss < ends[0].loss else 0
    stuck = False
    while tries < most and not abs(ends[1].step - ends[0].step) * longest < tolerance:
        left, right = sorted((ends[0].step, ends[1].step))
        step = _cubic_minimum(ends[0], ends[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - step, step - left) < margin:
            if stuck or step >= right or step <= left:
                step = right - margin if abs(step - right) < abs(step - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = evaluate(step)
        tries += 1
        if not is_lower(point) or not point.loss < ends[low].loss:
            ends[1 - low] = point
            low = 1 if ends[1].loss < ends[0].loss else 0
            continue
        if point.slope * (ends[1 - low].step - ends[low].step) >= 0 and not is_flat(point):
            ends[1 - low] = ends[low]
        ends[low] = point
        if is_flat(point):
            break
    return ends[low], tries + 1


def _cubic_minimum(a: Point, b: Point, left: float, right: float) -> float:
    """Return where the cubic through two points, with their slopes, is least, kept between `left` and `right`."""
    middle = (left + right) / 2
    if a.step == b.step:
        return middle
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < math.inf:
        return middle
    d2 = math.sqrt(square)
    a, b = (a, b) if a.step <= b.step else (b, a)
    across = b.slope - a.slope + 2 * d2
    if across == 0:
        return middle
    return min(max(b.step - (b.step - a.step) * ((b.slope + d2 - d1) / across), left), right)
