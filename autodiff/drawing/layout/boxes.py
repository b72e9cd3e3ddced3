"""What is to be placed, and where it came to lie: boxes, links between them, an arrangement of both.

Plain geometry in points of a plane whose x runs right and y runs down. Knows nothing of graphs of operations, nor of how
boxes are placed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Something to place.

    id             unique among the boxes
    width, height  its size
    rank           "first" or "last" for the ports of a frame: they lie on the first or last rank, alone, in the order given
    """

    id: str
    width: float
    height: float
    rank: str = ""

    def turned(self) -> Box:
        """Return the box with width and height exchanged."""
        return Box(self.id, self.height, self.width, self.rank)


@dataclass(frozen=True)
class Link:
    """A line from the box `source` to the box `target`, both by id.

    leaves_at  where along the side of the source the line leaves, from 0 (left; top where the picture runs to the right) to 1;
               None for wherever it looks best
    enters_at  the same at the target
    straight   how much it wants to be straight and short, compared with other links
    """

    source: str
    target: str
    leaves_at: float | None = None
    enters_at: float | None = None
    straight: float = 1.0


@dataclass
class Arrangement:
    """Where boxes and links came to lie.

    width, height  of the whole; nothing sticks out
    corners        the top left corner of each box, by id
    paths          for each link, in order, the points of a cubic Bézier spline: the start, then three points for each segment
    """

    width: float
    height: float
    corners: dict[str, Point]
    paths: list[list[Point]]

    def turned(self) -> Arrangement:
        """Return the arrangement with x and y exchanged."""
        corners = {name: (y, x) for name, (x, y) in self.corners.items()}
        return Arrangement(self.height, self.width, corners, [[(y, x) for x, y in path] for path in self.paths])


def numbered(boxes: Sequence[Box], links: Sequence[Link]) -> list[tuple[int, int]]:
    """Return the two ends of each link as positions in `boxes`; raise ValueError for what cannot be placed."""
    place: dict[str, int] = {}
    for i, box in enumerate(boxes):
        if box.id in place:
            raise ValueError(f"arrange: two boxes have the id {box.id!r}, and links could not tell them apart")
        if not (0 <= box.width < math.inf and 0 <= box.height < math.inf):
            raise ValueError(f"arrange: the box {box.id!r} has the size {box.width} x {box.height}, expected two finite numbers")
        if box.rank not in ("", "first", "last"):
            raise ValueError(f"arrange: the rank of the box {box.id!r} is 'first', 'last' or '', got {box.rank!r}")
        place[box.id] = i
    ends = []
    for link in links:
        for end in (link.source, link.target):
            if end not in place:
                raise ValueError(f"arrange: the link {link.source!r} -> {link.target!r} names {end!r}, which is no box")
        if not 0 <= link.straight < math.inf:
            raise ValueError(f"arrange: straight is 0 or more, got {link.straight!r} ({link.source!r} -> {link.target!r})")
        for at in (link.leaves_at, link.enters_at):
            if at is not None and not 0 <= at <= 1:
                raise ValueError(
                    f"arrange: a link leaves and enters a side at 0 to 1, got {at!r} ({link.source!r} -> {link.target!r})"
                )
        if boxes[place[link.target]].rank == "first" or boxes[place[link.source]].rank == "last":
            raise ValueError(f"arrange: {link.source!r} -> {link.target!r} enters the first rank or leaves the last one")
        ends.append((place[link.source], place[link.target]))
    if len(in_order(len(boxes), ends)) < len(boxes):
        raise ValueError("arrange: the links run in a circle, so there is no first box; leave out one of them")
    return ends


def in_order(n: int, ends: Sequence[tuple[int, int]]) -> list[int]:
    """Return 0 ... n-1 such that every link's source comes before its target; what lies on a circle, or behind one, is missing."""
    targets: list[list[int]] = [[] for _ in range(n)]
    missing = [0] * n
    for source, target in ends:
        targets[source].append(target)
        missing[target] += 1
    order = [i for i in range(n) if not missing[i]]
    for i in order:  # grows while it is read
        for target in targets[i]:
            missing[target] -= 1
            if not missing[target]:
                order.append(target)
    return order
