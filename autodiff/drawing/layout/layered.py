"""The library's own layered layout: the four steps one after the other, and parts that do not hang together side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .boxes import Arrangement, Box, Link, Point
from .effort import FULL, Effort, effort_for, lanes_for
from .layers import Layers, cut_into_layers
from .ordering import order_rows
from .outside import Rows
from .placing import place_in_rows
from .ranking import ranks_of
from .routing import curves, heights
from .sides import meet_sides, straighten

IN_ONE_ROW = 6  # parts side by side, before they are wrapped like words
BROAD = 2.0  # width of wrapped parts, as a multiple of the square root of their area
PARTS_APART = 2.0  # as a multiple of the gap


def arrange_layers(
    boxes: Sequence[Box], links: Sequence[Link], ends: Sequence[tuple[int, int]], gap: tuple[float, float]
) -> Arrangement:
    """Return the arrangement from top to bottom; `ends` are those of the links, as positions in `boxes`."""
    parts = _parts(boxes, ends)
    arranged = []
    at, its_part = [0] * len(boxes), [0] * len(boxes)
    for number, part in enumerate(parts):
        for i, box in enumerate(part):
            at[box], its_part[box] = i, number
    its_links: list[list[int]] = [[] for _ in parts]
    for i, (source, _) in enumerate(ends):
        its_links[its_part[source]].append(i)
    for part, which in zip(parts, its_links):
        inner = [(at[ends[i][0]], at[ends[i][1]]) for i in which]
        arranged.append((which, _one_part([boxes[i] for i in part], [links[i] for i in which], inner, gap, len(boxes))))
    corners: dict[str, Point] = {}
    paths: list[list[Point]] = [[] for _ in links]
    places, width, height = _side_by_side([found for _, found in arranged], gap)
    for (which, found), (right, down) in zip(arranged, places):
        for name, (x, y) in found.corners.items():
            corners[name] = x + right, y + down
        for i, path in zip(which, found.paths):
            paths[i] = [(x + right, y + down) for x, y in path]
    return Arrangement(width, height, {box.id: corners[box.id] for box in boxes}, paths)


def _one_part(
    boxes: list[Box], links: list[Link], ends: list[tuple[int, int]], gap: tuple[float, float], all_boxes: int
) -> Arrangement:
    """Return the arrangement of boxes that hang together; `all_boxes` is how many there are in all parts."""
    ranks = ranks_of(boxes, links, ends, effort_for(len(boxes) + len(links), all_boxes - len(boxes)))
    layers = cut_into_layers(boxes, links, ends, ranks, lanes_for(len(boxes), all_boxes))
    effort = effort_for(len(layers.row), all_boxes - len(boxes))
    order_rows(layers, effort)
    if effort.ends_first:
        meet_sides(layers)
        x = place_in_rows(layers, gap[0], effort)
    else:
        x = place_in_rows(layers, gap[0], effort)
        meet_sides(layers)
    straighten(layers, x)
    return finished(boxes, layers, x, heights(layers, x, gap[1]), ends, gap[0], effort)


def finished(
    boxes: Sequence[Box],
    layers: Layers,
    x: Sequence[float],
    rows: Rows,
    ends: Sequence[tuple[int, int]],
    gap: float,
    effort: Effort = FULL,
) -> Arrangement:
    """Return the arrangement with all lines drawn, moved so that nothing lies left of 0 or above it."""
    paths = curves(layers, x, rows, ends, gap / 2, effort.ahead)
    corners = {}
    for i, box in enumerate(boxes):
        middle = (rows.top[layers.row[i]] + rows.bottom[layers.row[i]]) / 2
        corners[box.id] = x[i] - box.width / 2, middle - box.height / 2
    left = min(x for points in (corners.values(), *paths) for x, _ in points)
    top = rows.top[0]
    corners = {name: (x - left, y - top) for name, (x, y) in corners.items()}
    paths = [[(x - left, y - top) for x, y in path] for path in paths]
    right = [corners[box.id][0] + box.width for box in boxes]
    return Arrangement(max([*right, *(x for path in paths for x, _ in path)]), rows.bottom[-1] - top, corners, paths)


def _parts(boxes: Sequence[Box], ends: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the boxes in sets that links connect; all in one where some are ports, for ports lie on ranks of the whole."""
    n = len(boxes)
    if any(box.rank for box in boxes):
        return [list(range(n))]
    near: list[list[int]] = [[] for _ in range(n)]
    for source, target in ends:
        near[source].append(target)
        near[target].append(source)
    seen = [False] * n
    parts = []
    for start in range(n):
        if seen[start]:
            continue
        seen[start] = True
        part = [start]
        for i in part:  # grows while it is read
            for j in near[i]:
                if not seen[j]:
                    seen[j] = True
                    part.append(j)
        parts.append(sorted(part))
    return parts


def _side_by_side(parts: list[Arrangement], gap: tuple[float, float]) -> tuple[list[Point], float, float]:
    """Return where each part goes, and the size of the whole; many parts are wrapped like words."""
    between = PARTS_APART * gap[0], PARTS_APART * gap[1] / 2
    most = math.inf
    if len(parts) > IN_ONE_ROW:
        area = sum((part.width + between[0]) * (part.height + between[1]) for part in parts)
        most = max(BROAD * math.sqrt(area), *(part.width for part in parts))
    places = []
    x = y = row = width = 0.0
    for part in parts:
        if x and x + part.width > most:
            x, y, row = 0.0, y + row + between[1], 0.0
        places.append((x, y))
        width, row = max(width, x + part.width), max(row, part.height)
        x += part.width + between[0]
    return places, width, y + row
