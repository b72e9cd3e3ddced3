"""The second step: the order of the vertices in each row, such that few lines cross.

To find the best order is hard even for two rows (NP-hard), so this goes up and down, sorting each row by where the neighbours
of its vertices lie in the row before (Sugiyama et al. 1981: their mean; Gansner et al. 1993: their median) and exchanging
neighbours that cross less the other way around. The best order seen is kept. Knows no coordinates.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from .effort import FULL, Effort
from .layers import Layers, Segment

ROUNDS = 24
PATIENCE = 6  # rounds without a better order


def order_rows(layers: Layers, effort: Effort = FULL) -> int:
    """Put the rows in a good order; return how many lines cross."""
    best: list[list[int]] = []
    least = -1
    given = [list(row) for row in layers.rows]
    for start in (_walk(layers, False), _walk(layers, True)):
        layers.rows = [given[i] if i in layers.fixed else row for i, row in enumerate(start)]
        rows, crossings = _improve(layers, effort.ordering // 2)
        if least < 0 or crossings < least:
            best, least = rows, crossings
        if not least:
            break
    layers.rows = best
    return least


def _walk(layers: Layers, from_below: bool) -> list[list[int]]:
    """Return the rows in the order of a walk along all lines, depth first, which draws a tree without crossings."""
    seen = [False] * len(layers.row)
    rows: list[list[int]] = [[] for _ in layers.rows]
    starts = [v for row in (reversed(layers.rows) if from_below else layers.rows) for v in row]
    for start in starts:
        waiting = [start]
        while waiting:
            v = waiting.pop()
            if seen[v]:
                continue
            seen[v] = True
            rows[layers.row[v]].append(v)
            up = [segment.upper for segment in _by_side(layers.up[v], True)]
            down = [segment.lower for segment in _by_side(layers.down[v], False)]
            waiting.extend(reversed(up + down if from_below else down + up))
    return rows


def _by_side(segments: list[Segment], enters: bool) -> list[Segment]:
    return sorted(segments, key=lambda s: 0.5 if (at := s.enters if enters else s.leaves) is None else at)


def _improve(layers: Layers, budget: int) -> tuple[list[list[int]], int]:
    """Sweep down and up until that helps no more; return the best rows and their crossings."""
    place = [0] * len(layers.row)
    for row in layers.rows:
        _number(row, place)
    best, least = [list(row) for row in layers.rows], crossings(layers)
    cost = 3 * len(layers.segments) + 1
    idle = 0
    for sweep in range(ROUNDS):
        if not least or idle >= PATIENCE or budget < cost:
            break
        budget -= cost
        down = sweep % 2 == 0
        by_median = sweep // 2 % 2 == 0
        numbers = range(1, len(layers.rows)) if down else range(len(layers.rows) - 2, -1, -1)
        for i in numbers:
            if i not in layers.fixed:
                _sort(layers, i, place, down, by_median)
        for _ in range(4):
            better = sum(_exchange(layers, i, place) for i in range(len(layers.rows)) if i not in layers.fixed)
            budget -= cost
            if not better or budget < cost:
                break
        now = crossings(layers)
        idle += 1
        if now < least:
            best, least, idle = [list(row) for row in layers.rows], now, 0
    return best, least


def _number(row: list[int], place: list[int]) -> None:
    for i, v in enumerate(row):
        place[v] = i


def _shift(at: float | None) -> float:
    """Return how far from its vertex's place a line ends, such that lines at two vertices never change sides."""
    return 0.0 if at is None else (at - 0.5) * 0.9


def _uppers(layers: Layers, v: int, place: list[int]) -> list[float]:
    return sorted([place[s.upper] + _shift(s.leaves) for s in layers.up[v]])


def _lowers(layers: Layers, v: int, place: list[int]) -> list[float]:
    return sorted([place[s.lower] + _shift(s.enters) for s in layers.down[v]])


def _sort(layers: Layers, i: int, place: list[int], down: bool, by_median: bool) -> None:
    """Sort a row by the median or mean place of the neighbours above (or below); who has none stays where it is."""
    row = layers.rows[i]
    wishes: list[tuple[float, int, int]] = []
    free = []
    for k, v in enumerate(row):
        places = (_uppers if down else _lowers)(layers, v, place)
        if places:
            wishes.append((_median(places) if by_median else sum(places) / len(places), k, v))
            free.append(k)
    wishes.sort()
    for k, (_, _, v) in zip(free, wishes):
        row[k] = v
    _number(row, place)


def _median(places: list[float]) -> float:
    """Return the median; of an even number of places, the mean of the two middle ones, nearer to the side that is denser."""
    n = len(places)
    if n % 2:
        return places[n // 2]
    lower, upper = places[n // 2 - 1], places[n // 2]
    left, right = lower - places[0], places[-1] - upper
    if n == 2 or left + right == 0:
        return (lower + upper) / 2
    return (lower * right + upper * left) / (left + right)


def _exchange(layers: Layers, i: int, place: list[int]) -> int:
    """Exchange neighbours in a row wherever that takes crossings away; return how many it took."""
    row = layers.rows[i]
    if len(row) < 2:
        return 0
    uppers = [_uppers(layers, v, place) for v in row]
    lowers = [_lowers(layers, v, place) for v in row]
    gained = 0
    for k in range(len(row) - 1):
        now = _inversions(uppers[k], uppers[k + 1]) + _inversions(lowers[k], lowers[k + 1])
        if not now:
            continue
        then = _inversions(uppers[k + 1], uppers[k]) + _inversions(lowers[k + 1], lowers[k])
        if then < now:
            gained += now - then
            row[k], row[k + 1] = row[k + 1], row[k]
            uppers[k], uppers[k + 1] = uppers[k + 1], uppers[k]
            lowers[k], lowers[k + 1] = lowers[k + 1], lowers[k]
    if gained:
        _number(row, place)
    return gained


def _inversions(left: list[float], right: list[float]) -> int:
    """Return how many lines of the left vertex end to the right of a line of the right one."""
    if not left or not right or left[-1] <= right[0]:
        return 0
    return sum(bisect_left(right, end) for end in left)


def crossings(layers: Layers) -> int:
    """Return how many pairs of segments cross."""
    place = [0] * len(layers.row)
    for row in layers.rows:
        _number(row, place)
    count = 0
    for row in layers.rows[:-1]:
        pairs = sorted((place[v] + _shift(s.leaves), place[s.lower] + _shift(s.enters)) for v in row for s in layers.down[v])
        seen: list[float] = []
        for _, lower in pairs:
            count += len(seen) - bisect_right(seen, lower)
            insort(seen, lower)
    return count
