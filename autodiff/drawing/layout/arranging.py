"""`arrange`: boxes and links in a plane, downwards or to the right."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .boxes import Arrangement, Box, Link, numbered
from .layered import arrange_layers


def arrange(
    boxes: Sequence[Box],
    links: Sequence[Link],
    direction: str = "down",
    gap: tuple[float, float] = (18.0, 28.0),
) -> Arrangement:
    """Return places for boxes, in ranks, and for links curves that run from rank to rank.

    boxes      in the order in which they were made
    links      from earlier boxes to later ones; two links may have the same ends
    direction  "down" or "right"
    gap        least distances between neighbours in a rank, and between ranks

    It does less for each box where there are many, so that time grows hardly faster than the graph: lines
    cross more often, and the longest links run beside everything. No line runs through a box.

    Everything is deterministic. Raises ValueError for boxes with the same id, unknown ids and links that run in a circle.

    >>> found = arrange([Box("x", 40, 20), Box("y", 60, 20)], [Link("x", "y")])
    >>> found.corners, found.paths[0][0], found.paths[0][-1]
    ({'x': (10.0, 0.0), 'y': (0.0, 48.0)}, (30.0, 20.0), (30.0, 48.0))
    """
    ends = numbered(boxes, links)
    if direction not in ("down", "right"):
        raise ValueError(f"arrange: direction is 'right' or 'down', got {direction!r}")
    if not (0 <= gap[0] < math.inf and 0 <= gap[1] < math.inf):
        raise ValueError(f"arrange: gap is two distances of 0 or more, got {gap!r}")
    if not boxes:
        return Arrangement(0.0, 0.0, {}, [])
    down = direction == "down"
    found = arrange_layers(boxes if down else [box.turned() for box in boxes], links, ends, gap)
    return found if down else found.turned()
