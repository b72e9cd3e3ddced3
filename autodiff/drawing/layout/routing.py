"""The last step: rows at heights, and links as smooth curves between boxes.

A line leaves and enters at right angles to the rows. Through a row it runs in its lane, so it meets no box; between rows it
may swing from one place to another. As many lanes are passed in one swing as possible without coming too near to a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .boxes import Point
from .layers import Layers, Segment

CLEAR = 5.0  # distance from boxes that a swing keeps
LOOKAHEAD = 10  # lanes passed in one swing at most
SAMPLES = 5  # places in a row where a swing is looked at
STEEP = 0.14  # part of the widest swing between two rows by which they move apart
FAR = 1e9
BOW = 9.0  # distance between lines with the same ends


@dataclass
class Rows:
    """The heights of rows: from `top` to `bottom`, boxes in the middle."""

    top: list[float]
    bottom: list[float]


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


def curves(layers: Layers, x: Sequence[float], rows: Rows, ends: Sequence[tuple[int, int]], room: float) -> list[list[Point]]:
    """Return the path of each link.

    ends  of the links, as positions of boxes
    room  beside a box that its lines may use
    """
    pen = _Pen(layers, x, rows)
    width = max(x[v] + layers.width[v] / 2 for v in range(len(x)))
    paths: list[list[Point]] = []
    for i, (route, shared, (source, target)) in enumerate(zip(layers.routes, layers.shared, ends)):
        if route is None:
            below, above = layers.around[i]
            lane = width + CLEAR + 2 * (1 + len(paths) % 20)
            paths.append(pen.around((source, x[source] + below), (target, x[target] + above), lane))
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

    def __init__(self, layers: Layers, x: Sequence[float], rows: Rows):
        self.layers, self.x, self.rows = layers, x, rows
        self.left, self.right = limits(layers, x)

    def along(self, route: list[Segment], shared: bool) -> list[Point]:
        """Return the path through the lanes of a route."""
        layers, x, rows = self.layers, self.x, self.rows
        first, last = route[0], route[-1]
        start = x[first.upper] + first.below
        end = x[last.lower] + last.above
        ahead = 1 if shared else LOOKAHEAD
        # places that the line must pass: (x, y where it comes, y where it goes on, vertex)
        stops = [(start, 0.0, self._bottom(first.upper), first.upper)]
        for segment in route[:-1]:
            lane = segment.lower
            row = layers.row[lane]
            if len(stops) > 1 and abs(stops[-1][0] - x[lane]) < 0.5:
                stops[-1] = (stops[-1][0], stops[-1][1], rows.bottom[row], lane)
            else:
                stops.append((x[lane], rows.top[row], rows.bottom[row], lane))
        stops.append((end, self._top(last.lower), 0.0, last.lower))
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
                _line(path, (stops[i][0], below))
                above = rows.top[layers.row[stops[i][3]] + 1]
                begin, goal = (stops[i][0], below), (stops[j][0], above)
            _swing(path, goal)
            _line(path, (stops[j][0], stops[j][1]))
            if j < len(stops) - 1:
                _line(path, (stops[j][0], stops[j][2]))
            i = j
        return path

    def _top(self, v: int) -> float:
        row = self.layers.row[v]
        return (self.rows.top[row] + self.rows.bottom[row] - self.layers.height[v]) / 2

    def _bottom(self, v: int) -> float:
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
                at = _swing_at(begin, goal, low + (high - low) * k / (SAMPLES - 1))
                if not left <= at <= right:
                    return False
        return True

    def around(self, begin: tuple[int, float], end: tuple[int, float], lane: float) -> list[Point]:
        """Return a path that runs beside everything, for links too long for lanes; a box and an x at each end."""
        (source, x1), (target, x2) = begin, end
        rows, layers = self.rows, self.layers
        out, back = layers.row[source], layers.row[target] - 1
        y1 = (rows.bottom[out] + rows.top[out + 1]) / 2
        y2 = (rows.bottom[back] + rows.top[back + 1]) / 2
        r = min(y1 - rows.bottom[out], rows.top[back + 1] - y2) * 0.9
        path: list[Point] = [(x1, self._bottom(source))]
        _line(path, (x1, y1 - r))
        for corner, to in (
            ((x1, y1), (x1 + r, y1)),
            ((lane, y1), (lane, y1 + r)),
            ((lane, y2), (lane - r, y2)),
            ((x2, y2), (x2, y2 + r)),
        ):
            _line(path, (corner[0] - r, y1) if corner == (lane, y1) else path[-1])
            if corner == (lane, y2):
                _line(path, (lane, y2 - r))
            if corner == (x2, y2):
                _line(path, (x2 + r, y2))
            path += [corner, corner, to]
        _line(path, (x2, self._top(target)))
        return path


def _line(path: list[Point], to: Point) -> None:
    """Go on in a straight line."""
    x, y = path[-1]
    if abs(to[0] - x) + abs(to[1] - y) > 1e-6:
        path += [(x + (to[0] - x) / 3, y + (to[1] - y) / 3), (x + (to[0] - x) * 2 / 3, y + (to[1] - y) * 2 / 3), to]


def _swing(path: list[Point], to: Point) -> None:
    """Go on to a place below, leaving and arriving straight down."""
    x, y = path[-1]
    if abs(to[0] - x) < 1e-6:
        _line(path, to)
    else:
        middle = (y + to[1]) / 2
        path += [(x, middle), (to[0], middle), to]


def _swing_at(begin: Point, goal: Point, y: float) -> float:
    """Return the x of a swing at height y: its y is begin + (1.5 t - 1.5 t² + t³) of the way, its x is (3 t² - 2 t³) of it."""
    part = (y - begin[1]) / (goal[1] - begin[1])
    t = part
    for _ in range(4):  # Newton's method
        t -= (1.5 * t - 1.5 * t * t + t * t * t - part) / (1.5 - 3 * t + 3 * t * t)
    return begin[0] + (goal[0] - begin[0]) * t * t * (3 - 2 * t)


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
