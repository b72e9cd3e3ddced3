"""The third step: where in its row each vertex lies.

Brandes and Köpf, "Fast and simple horizontal coordinate assignment" (2001): vertices are strung together into *blocks*, each
a straight line through several rows, and blocks are pushed together. That is done four times, with blocks made from above or
from below, pushed to the left or to the right; a vertex goes to the middle of the four. Here blocks go from side to side of
boxes of any size (as in Rüegg et al., "Size- and port-aware horizontal node coordinate assignment", 2015), what wants most to
be straight is strung first. From there on lines are made as straight as can be, all together, by the network simplex (Gansner et
al. 1993, section 4.2), and what may slide at no cost goes to the middle of where it may.
Knows the order of the rows, and nothing of heights or curves.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

from .effort import FULL, Effort
from .layers import Layers, Segment
from .simplex import Constraint, shortest

UNIT = 4  # the simplex counts in quarters of a point
STRAIGHT = 0.01  # what differs by less is straight
BETWEEN = (1.0, 0.75, 0.5)  # parts of the gap between two boxes, a box and a lane, two lanes


def place_in_rows(layers: Layers, gap: float, effort: Effort = FULL) -> list[float]:
    """Return the x of the centre of each vertex; the leftmost side of a box lies at 0 or beyond."""
    apart = _distances(layers, gap)
    found = []
    for from_above in (True, False):
        for leftwards in (True, False):
            root, shift = _strung(layers, from_above, leftwards)
            found.append(_pushed(layers, root, shift, apart, leftwards))
    x = _middle(found, layers)
    x = _shortened(layers, x, apart, effort.placing)
    _slide(layers, x, apart, effort.slides)
    left = min(x[v] - layers.width[v] / 2 for v in range(len(x)))
    return [at - left for at in x]


def _distances(layers: Layers, gap: float) -> list[float]:
    """Return for each vertex how far its centre must lie from that of its left neighbour."""
    apart = [0.0] * len(layers.row)
    for row in layers.rows:
        for a, b in pairwise(row):
            lanes = (a >= layers.boxes) + (b >= layers.boxes)
            apart[b] = (layers.width[a] + layers.width[b]) / 2 + gap * BETWEEN[lanes]
    return apart


# ------------------------------------------------------------------------------------------- blocks


def _strung(layers: Layers, from_above: bool, leftwards: bool) -> tuple[list[int], list[float]]:
    """String vertices together; return for each the first vertex of its block, and how far to the right of that it lies.

    A vertex may be strung to its median neighbours in the row before; where two such lines cross, one must give way.
    """
    n = len(layers.row)
    root, shift = list(range(n)), [0.0] * n
    place = [0] * n
    for row in layers.rows:
        for i, v in enumerate(row):
            place[v] = i
    for row in layers.rows[1:] if from_above else layers.rows[-2::-1]:
        candidates = []
        for v in row:
            segments = layers.up[v] if from_above else layers.down[v]
            for choice, segment in enumerate(_medians(segments, place, from_above, leftwards)):
                candidates.append((-segment.weight, choice, place[v] if leftwards else -place[v], segment))
        candidates.sort(key=lambda candidate: candidate[:3])
        before: list[int] = []  # places of the vertices of the row before that are taken, and of those that took them
        here: list[int] = []
        taken: set[int] = set()
        for _, _, _, segment in candidates:
            u, v = (segment.upper, segment.lower) if from_above else (segment.lower, segment.upper)
            i = bisect_left(before, place[u])
            crosses = (i and here[i - 1] >= place[v]) or (i < len(here) and here[i] <= place[v])
            if v in taken or crosses or (i < len(before) and before[i] == place[u]):
                continue
            before.insert(i, place[u])
            here.insert(i, place[v])
            taken.add(v)
            root[v] = root[u]
            step = segment.below - segment.above
            shift[v] = shift[u] + (step if from_above else -step)
    return root, shift


def _medians(segments: list[Segment], place: list[int], from_above: bool, leftwards: bool) -> list[Segment]:
    """Return the segment whose other end is the weighted median, or the two between which it lies."""
    if len(segments) < 2:
        return segments
    if from_above:
        segments = sorted(segments, key=lambda s: (place[s.upper], s.above))
    else:
        segments = sorted(segments, key=lambda s: (place[s.lower], s.below))
    half = sum(s.weight for s in segments) / 2
    for i, segment in enumerate(segments):
        half -= segment.weight
        if half < 0:
            return [segment]
        if half == 0:
            return segments[i : i + 2] if leftwards else segments[i : i + 2][::-1]
    return segments[-1:]


def _pushed(layers: Layers, root: list[int], shift: list[float], apart: list[float], leftwards: bool) -> list[float]:
    """Return places with all blocks pushed to one side, then each pulled back towards its neighbours on the other."""
    sign = 1.0 if leftwards else -1.0
    after: dict[int, list[tuple[int, float]]] = {}
    missing: dict[int, int] = dict.fromkeys(root, 0)
    for row in layers.rows:
        for a, b in pairwise(row):
            least = apart[b] + (shift[a] - shift[b])
            first, second = (a, b) if leftwards else (b, a)
            after.setdefault(root[first], []).append((root[second], least))
            missing[root[second]] += 1
    order = [block for block, count in missing.items() if not count]
    x = dict.fromkeys(root, 0.0)
    for block in order:  # grows while it is read
        for other, least in after.get(block, ()):
            x[other] = max(x[other], x[block] + least)
            missing[other] -= 1
            if not missing[other]:
                order.append(other)
    for block in reversed(order):
        if block in after:
            x[block] = max(x[block], min(x[other] - least for other, least in after[block]))
    return [sign * x[root[v]] + shift[v] for v in range(len(root))]


def _middle(found: list[list[float]], layers: Layers) -> list[float]:
    """Return the mean of the two middle ones of four places, all moved to where the narrowest picture lies."""
    spans = []
    for x in found:
        left = min(x[v] - layers.width[v] / 2 for v in range(len(x)))
        right = max(x[v] + layers.width[v] / 2 for v in range(len(x)))
        spans.append((left, right))
    left, right = min(spans, key=lambda span: span[1] - span[0])
    moves = [(left - a) if i % 2 == 0 else (right - b) for i, (a, b) in enumerate(spans)]
    middle = []
    for v in range(len(layers.row)):
        places = sorted(x[v] + move for x, move in zip(found, moves))
        middle.append((places[1] + places[2]) / 2)
    return middle


# --------------------------------------------------------------------------------------- shortening


def _shortened(layers: Layers, x: list[float], apart: list[float], budget: int) -> list[float]:
    """Return places where lines swing least, the straightest wishes counted most (Gansner et al. 1993, section 4.2).

    Each line gets a number of its own, that lies left of both its ends: the sum of its distances from them is least where it is
    the smaller one, and then it is how far the line swings.
    """
    n = len(x)
    whole = [round(at * UNIT) for at in x]
    constraints: list[Constraint] = []
    for row in layers.rows:
        for a, b in pairwise(row):
            least = math.ceil(apart[b] * UNIT)
            whole[b] = max(whole[b], whole[a] + least)
            constraints.append((a, b, 0.0, least))
    for i, s in enumerate(layers.segments):
        below, above = round(s.below * UNIT), round(s.above * UNIT)
        constraints += [(n + i, s.upper, s.weight, -below), (n + i, s.lower, s.weight, -above)]
        whole.append(min(whole[s.upper] + below, whole[s.lower] + above))
    return [at / UNIT for at in shortest(whole, constraints, budget)[:n]]


# ------------------------------------------------------------------------------------------ sliding


@dataclass
class _Room:
    """Who the neighbours of each vertex are, and how far away they must stay."""

    left: list[int]
    right: list[int]
    apart: list[float]


def _slide(layers: Layers, x: list[float], apart: list[float], rounds: int) -> None:
    """Slide straight lines, and single vertices, to where the lines to others are shortest; in place."""
    n = len(x)
    room = _Room([-1] * n, [-1] * n, apart)
    for row in layers.rows:
        for a, b in pairwise(row):
            room.right[a], room.left[b] = b, a
    for sweep in range(rounds):
        moved = 0.0
        blocks = _straight_blocks(layers, x)
        for block in blocks if sweep % 2 == 0 else reversed(blocks):
            moved = max(moved, _slide_block(layers, x, room, block))
        singles = [[v] for row in layers.rows for v in row]
        for block in singles if sweep % 2 == 0 else reversed(singles):
            moved = max(moved, _slide_block(layers, x, room, block))
        if moved < 1:
            break


def _straight_blocks(layers: Layers, x: list[float]) -> list[list[int]]:
    """Return the vertices in sets that straight segments connect."""
    seen = [False] * len(x)
    blocks = []
    for row in layers.rows:
        for start in row:
            if seen[start]:
                continue
            seen[start] = True
            block = [start]
            for v in block:  # grows while it is read
                for s in layers.up[v] + layers.down[v]:
                    other = s.upper if s.lower == v else s.lower
                    if not seen[other] and abs(x[s.upper] + s.below - x[s.lower] - s.above) < STRAIGHT:
                        seen[other] = True
                        block.append(other)
            blocks.append(block)
    return blocks


def _slide_block(layers: Layers, x: list[float], room: _Room, block: list[int]) -> float:
    """Slide a block to the middle of where its lines to others are shortest, as far as there is room; return how far."""
    inside = set(block)
    wishes: list[tuple[float, float]] = []
    for v in block:
        for s in layers.up[v]:
            if s.upper not in inside:
                wishes.append((x[s.upper] + s.below - x[v] - s.above, s.weight))
        for s in layers.down[v]:
            if s.lower not in inside:
                wishes.append((x[s.lower] + s.above - x[v] - s.below, s.weight))
    if not wishes:
        return 0.0
    wishes.sort()
    half = sum(weight for _, weight in wishes) / 2
    wish = wishes[-1][0]
    for i, (distance, weight) in enumerate(wishes):
        half -= weight
        if half < 0:
            wish = distance
            break
        if half == 0 and i + 1 < len(wishes):
            wish = (distance + wishes[i + 1][0]) / 2
            break
    if abs(wish) < STRAIGHT:
        return 0.0
    for v in block:
        a, b = room.left[v], room.right[v]
        if wish < 0 and a >= 0 and a not in inside:
            wish = max(wish, min(0.0, x[a] + room.apart[v] - x[v]))
        elif wish > 0 and b >= 0 and b not in inside:
            wish = min(wish, max(0.0, x[b] - room.apart[b] - x[v]))
    if abs(wish) < STRAIGHT:
        return 0.0
    for v in block:
        x[v] += wish
    return abs(wish)
