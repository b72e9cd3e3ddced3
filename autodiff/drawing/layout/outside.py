"""Links that run beside everything: those too long for lanes of their own between boxes.

Such a link leaves its box, turns right in the space below its row, runs down in an outer lane, and comes back in the space
above the row of its target, so it meets no box. All that leave one place share one outer lane, as the wires of a bus do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from .boxes import Point
from .layers import Layers
from .splines import go_on

CLEAR = 8.0  # between the boxes and the first outer lane
LANES_APART = 4.0
MOST_BESIDE = 60  # outer lanes; more lie on one another
LEVELS = 5  # heights between two rows at which lines of different lanes come and go


@dataclass
class Rows:
    """The heights of rows: from `top` to `bottom`, boxes in the middle."""

    top: list[float]
    bottom: list[float]


def outer_lanes(layers: Layers, ends: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return the outer lane of each link that runs around, by the number of the link; what is over frees its lane for others.

    ends  of all links, as positions of boxes
    """
    leaving: dict[tuple[int, float], list[int]] = {}
    for i, (below, _) in layers.around.items():
        leaving.setdefault((ends[i][0], below), []).append(i)
    row = layers.row
    spans = [(row[source], max(row[ends[i][1]] for i in which), which) for (source, _), which in leaving.items()]
    found: dict[int, int] = {}
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    for first, last, which in sorted(spans):
        while busy and busy[0][0] < first:
            heappush(free, heappop(busy)[1])
        lane = heappop(free) if free else len(busy)
        heappush(busy, (last, lane))
        found.update(dict.fromkeys(which, lane))
    return found


def around(rows: Rows, begin: Point, end: Point, between: tuple[int, int], width: float, lane: int) -> list[Point]:
    """Return the path of a link.

    begin, end  where it leaves its source, and where it enters its target
    between     the rows below which it turns: that of the source, and the one above its target
    width       of all boxes
    lane        the number of its outer lane
    """
    x1, x2 = begin[0], end[0]
    right = width + CLEAR + LANES_APART * (lane % MOST_BESIDE)
    heights, radius = [], (right - max(x1, x2)) / 2
    for row in between:
        bottom, top = rows.bottom[row], rows.top[row + 1]
        level = (lane % LEVELS + 1) / (LEVELS + 1)
        heights.append(bottom + (top - bottom) * level)
        radius = min(radius, (top - bottom) * min(level, 1 - level))
    y1, y2 = heights
    path: list[Point] = [begin]
    for before, corner, after in (
        ((x1, y1 - radius), (x1, y1), (x1 + radius, y1)),
        ((right - radius, y1), (right, y1), (right, y1 + radius)),
        ((right, y2 - radius), (right, y2), (right - radius, y2)),
        ((x2 + radius, y2), (x2, y2), (x2, y2 + radius)),
    ):
        go_on(path, before)
        path += [corner, corner, after]
    go_on(path, end)
    return path
