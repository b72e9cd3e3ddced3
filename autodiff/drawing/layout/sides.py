"""Where along the sides of boxes lines leave and enter, where that is free.

All lines leave from the middle, for they carry the same thing; they enter side by side, in the order in which they come, the
one that most wants to be straight in the middle. Knows the order of the rows, and only in the end where boxes lie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .layers import Layers, Segment

APART = 14.0  # between lines that enter the same box
GOING_ON = 0.01
CLOSEST = 7.0  # after straightening
NUDGE = 10.0  # by which an end moves at most to make a line straight
USED = 0.7  # of the side, at most


def meet_sides(layers: Layers) -> None:
    """Set `below` and `above` of all segments: how far from the centre of its box each end lies."""
    place = [0] * len(layers.row)
    for row in layers.rows:
        for i, v in enumerate(row):
            place[v] = i
    for v in range(layers.boxes):
        for segment in layers.down[v]:
            segment.below = 0.0 if segment.leaves is None else (segment.leaves - 0.5) * layers.width[v]
        entering = sorted(layers.up[v], key=lambda s: (place[s.upper], 0.5 if s.leaves is None else s.leaves))
        if not entering:
            continue
        for segment, offset in zip(entering, side_by_side([_wish(layers, s) for s in entering], layers.width[v])):
            segment.above = offset if segment.enters is None else (segment.enters - 0.5) * layers.width[v]


def _wish(layers: Layers, segment: Segment) -> float:
    """Return how much a line wants to enter in the middle: among equals, one that goes on from what was computed right before."""
    goes_on = segment.upper < layers.boxes and bool(layers.up[segment.upper])
    return segment.straight + GOING_ON * goes_on


def straighten(layers: Layers, x: Sequence[float]) -> None:
    """Move free ends a little along the sides where that makes lines straight, now that boxes have places."""
    for v in range(layers.boxes):
        entering = sorted(layers.up[v], key=lambda s: s.above)
        lines = Counter(s.upper for s in entering)
        for i, segment in sorted(enumerate(entering), key=lambda item: -item[1].weight):
            if lines[segment.upper] > 1:
                continue  # two of a kind stay symmetric
            wish = x[segment.upper] + segment.below - x[v]
            if segment.enters is not None or abs(wish - segment.above) > NUDGE or abs(wish) > USED / 2 * layers.width[v]:
                continue
            left = entering[i - 1].above + CLOSEST if i else wish
            right = entering[i + 1].above - CLOSEST if i + 1 < len(entering) else wish
            if left <= wish <= right:
                segment.above = wish


def side_by_side(wishes: list[float], width: float) -> list[float]:
    """Return distances from the centre of a side; the strongest wish, if only one is, gets the centre."""
    n = len(wishes)
    if n == 1:
        return [0.0]
    strongest = max(wishes)
    middle = float(wishes.index(strongest)) if wishes.count(strongest) == 1 else (n - 1) / 2
    apart = min(APART, USED * width / 2 / max(middle, n - 1 - middle))
    return [(i - middle) * apart for i in range(n)]
