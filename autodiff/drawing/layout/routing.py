"""The last step: rows at heights, and links as smooth curves between boxes.

A line leaves and enters at right angles to the rows. Through a row it runs in its lane, so it meets no box; between rows it
may swing from one place to another. As many lanes are passed in one swing as possible without coming too near to a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .boxes import Point
from .effort import FULL
from .layers import Layers, Segment
from .outside import Rows, around, outer_lanes
from .splines import go_on, swing, swing_at

CLEAR = 5.0  # distance from boxes that a swing keeps
SAMPLES = 5  # places in a row where a swing is looked at
STEEP = 0.14  # part of the widest swing between two rows by which they move apart
FAR = 1e9
BOW = 9.0  # distance between lines with the same ends


def heights(layers: Layers, x: Sequence[float], gap: float) -> Rows:
    """Return where the rows lie; where lines swing far, rows are farther apart."""
    top, bottom = [], []
    y = 0.0
    for row in layers.rows:
        height = max(layers.height[v] for v in row)
        top.append(y)
        bottom.append(y + height)
        swing = max((abs(x[s.upper] + s.below - x[s.lower] - s.above) for v in row for s in layers.down[v]), default=0.0)
        y += height + max(gap, min(STEEP * swing, 3 * gap))
    return Rows(top, bottom)


def curves(
    layers: Layers, x: Sequence[float], rows: Rows, ends: Sequence[tuple[int, int]], room: float, ahead: int = FULL.ahead
) -> list[list[Point]]:
    """Return the path of each link.

    ends   of the links, as positions of boxes
    room   beside a box that its lines may use
    ahead  lanes passed in one swing at most
    """
    pen = _Pen(layers, x, rows, ahead)
    outer = outer_lanes(layers, ends)
    width = max(x[v] + layers.width[v] / 2 for v in range(len(x)))
    paths: list[list[Point]] = []
    for i, (route, shared, (source, target)) in enumerate(zip(layers.routes, layers.shared, ends)):
        if route is None:
            below, above = layers.around[i]
            begin, end = (x[source] + below, pen.bottom(source)), (x[target] + above, pen.top(target))
            paths.append(around(rows, begin, end, (layers.row[source], layers.row[target] - 1), width, outer[i]))
        else:
            paths.append(pen.along(route, shared))
    _apart(paths, room)
    return paths


def limits(layers: Layers, x: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return how far to the left and to the right a line may go that passes a row in the place of a vertex."""
    n = len(layers.row)
    left, right = [-FAR] * n, [FAR] * n
    for row in layers.rows:
        for a, b in pairwise(row):
            if a >= layers.boxes and b >= layers.boxes:
                right[a] = left[b] = (x[a] + x[b]) / 2
            else:
                side_of_a, side_of_b = x[a] + layers.width[a] / 2, x[b] - layers.width[b] / 2
                right[a] = side_of_b - min(CLEAR, (side_of_b - x[a]) / 2)
                left[b] = side_of_a + min(CLEAR, (x[b] - side_of_a) / 2)
    return left, right


class _Pen:
    """Draws links, one after the other."""

    def __init__(self, layers: Layers, x: Sequence[float], rows: Rows, ahead: int):
        self.layers, self.x, self.rows, self.ahead = layers, x, rows, ahead
        self.left, self.right = limits(layers, x)

    def along(self, route: list[Segment], shared: bool) -> list[Point]:
        """Return the path through the lanes of a route."""
        layers, x, rows = self.layers, self.x, self.rows
        first, last = route[0], route[-1]
        start = x[first.upper] + first.below
        end = x[last.lower] + last.above
        ahead = 1 if shared else self.ahead
        # places that the line must pass: (x, y where it comes, y where it goes on, vertex)
        stops = [(start, 0.0, self.bottom(first.upper), first.upper)]
        for segment in route[:-1]:
            lane = segment.lower
            row = layers.row[lane]
            if len(stops) > 1 and abs(stops[-1][0] - x[lane]) < 0.5:
                stops[-1] = (stops[-1][0], stops[-1][1], rows.bottom[row], lane)
            else:
                stops.append((x[lane], rows.top[row], rows.bottom[row], lane))
        stops.append((end, self.top(last.lower), 0.0, last.lower))
        path: list[Point] = [(start, stops[0][2])]
        lanes = [first.upper, *(segment.lower for segment in route)]
        i = 0
        while i < len(stops) - 1:
            for j in range(min(i + ahead, len(stops) - 1), i, -1):
                begin, goal = (stops[i][0], stops[i][2]), (stops[j][0], stops[j][1])
                if self._free(begin, goal, lanes, stops[i][3], stops[j][3]):
                    break
            else:  # straight on to the edge of the row, swing between the rows, straight on
                j = i + 1
                below = rows.bottom[layers.row[stops[i][3]]]
                go_on(path, (stops[i][0], below))
                above = rows.top[layers.row[stops[i][3]] + 1]
                begin, goal = (stops[i][0], below), (stops[j][0], above)
            swing(path, goal)
            go_on(path, (stops[j][0], stops[j][1]))
            if j < len(stops) - 1:
                go_on(path, (stops[j][0], stops[j][2]))
            i = j
        return path

    def top(self, v: int) -> float:
        """Return where a vertex begins."""
        row = self.layers.row[v]
        return (self.rows.top[row] + self.rows.bottom[row] - self.layers.height[v]) / 2

    def bottom(self, v: int) -> float:
        """Return where a vertex ends."""
        row = self.layers.row[v]
        return (self.rows.top[row] + self.rows.bottom[row] + self.layers.height[v]) / 2

    def _free(self, begin: Point, goal: Point, lanes: list[int], u: int, v: int) -> bool:
        """Return whether a swing stays between the neighbours of the lanes in all rows that it passes."""
        rows, layers = self.rows, self.layers
        first = layers.row[lanes[0]]
        for row in range(layers.row[u], layers.row[v] + 1):
            low, high = max(begin[1], rows.top[row]), min(goal[1], rows.bottom[row])
            if low >= high:
                continue
            lane = lanes[row - first]
            left, right = self.left[lane], self.right[lane]
            for k in range(SAMPLES):
                at = swing_at(begin, goal, low + (high - low) * k / (SAMPLES - 1))
                if not left <= at <= right:
                    return False
        return True


def _apart(paths: list[list[Point]], room: float) -> None:
    """Bow out lines with the same ends, such that each can be seen; to the left and to the right there is so much room."""
    same: dict[tuple[tuple[float, float], ...], list[int]] = {}
    for i, path in enumerate(paths):
        same.setdefault(tuple((round(x, 1), round(y, 1)) for x, y in path), []).append(i)
    for which in same.values():
        bow = min(BOW, 2 * room / max(1, len(which) - 1))
        for k, i in enumerate(which):
            move = (k - (len(which) - 1) / 2) * bow
            path = paths[i]
            if move and len(path) >= 4:
                path[-3:-1] = [(x + move * 4 / 3, y) for x, y in path[-3:-1]]
