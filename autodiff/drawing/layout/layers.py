"""A layered graph: every rank a row of vertices, every line cut into segments from one row to the next.

A link that passes ranks gets a *lane* in each, a vertex without size, so that boxes make room for it (Sugiyama's "dummies").
Several long links from one place share their lanes and branch off one by one, as a tree does. Knows nothing of positions.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from .boxes import Box, Link
from .effort import MOST_APART, MOST_LANES, MOST_STEPS

BESIDE = 0.85  # where along the side of its target a link from around everything enters, lest it hide what comes down the middle


@dataclass(slots=True)
class Segment:
    """A line from a vertex to one in the next row.

    weight          how much it wants to be straight
    straight        the same of its link: of the one that it was made for, where several share it
    leaves, enters  where it meets the sides of the boxes at its ends, 0 to 1; None where that is free, or the end is a lane
    below, above    the same as distances from the centre of the box; see sides.py
    """

    upper: int
    lower: int
    weight: float
    straight: float
    leaves: float | None = None
    enters: float | None = None
    below: float = 0.0
    above: float = 0.0


@dataclass
class Layers:
    """Rows of vertices and the segments between them.

    boxes     how many vertices are boxes: 0 ... boxes-1; the others are lanes
    row       of each vertex
    width     of each vertex; lanes have none
    height    of each vertex
    rows      the vertices of each row, from left to right
    segments  all of them
    down, up  for each vertex, the segments below it and above it
    routes    for each link its segments, from source to target; None where it runs around everything
    around    where those meet the sides of their boxes: distances from the centres, by number of the link
    shared    whether the link shares its lanes
    fixed     rows whose order is given
    """

    boxes: int
    row: list[int]
    width: list[float]
    height: list[float]
    rows: list[list[int]] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    down: list[list[Segment]] = field(default_factory=list)
    up: list[list[Segment]] = field(default_factory=list)
    routes: list[list[Segment] | None] = field(default_factory=list)
    around: dict[int, tuple[float, float]] = field(default_factory=dict)
    shared: list[bool] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)

    def lane(self, row: int) -> int:
        """Add a lane to a row."""
        self.row.append(row)
        self.width.append(0.0)
        self.height.append(0.0)
        self.down.append([])
        self.up.append([])
        self.rows[row].append(len(self.row) - 1)
        return len(self.row) - 1

    def connect(self, upper: int, lower: int, straight: float, leaves: float | None, enters: float | None) -> Segment:
        """Add a segment; lines want to be straight most in the lanes, and least where they turn into them."""
        weight = straight * straight * (1.5, 1.0, 8.0)[(upper >= self.boxes) + (lower >= self.boxes)]
        segment = Segment(upper, lower, weight, straight, leaves, enters)
        self.segments.append(segment)
        self.down[upper].append(segment)
        self.up[lower].append(segment)
        return segment


def cut_into_layers(
    boxes: Sequence[Box],
    links: Sequence[Link],
    ends: Sequence[tuple[int, int]],
    ranks: Sequence[int],
    room: int = MOST_LANES,
) -> Layers:
    """Return boxes and links as a layered graph.

    ranks    of the boxes
    room     how many lanes there may be; the longest links beyond run around everything
    """
    n = len(boxes)
    layers = Layers(n, list(ranks), [box.width for box in boxes], [box.height for box in boxes])
    layers.rows = [[] for _ in range(max(ranks) + 1)]
    layers.down, layers.up = [[] for _ in range(n)], [[] for _ in range(n)]
    for i, rank in enumerate(ranks):
        layers.rows[rank].append(i)
        if boxes[i].rank:
            layers.fixed.add(rank)
    long: dict[tuple[int, float | None], list[int]] = {}
    for i, (source, target) in enumerate(ends):
        if ranks[target] - ranks[source] > 1:
            long.setdefault((source, links[i].leaves_at), []).append(i)
    trunks: dict[tuple[int, float | None], list[Segment]]  # shared lanes, as far as they have grown
    trunks = {key: [] for key, which in long.items() if len(which) > MOST_APART}
    around = _too_long(room, ends, ranks, long, trunks)
    for i, (link, (source, target)) in enumerate(zip(links, ends)):
        trunk = trunks.get((source, link.leaves_at))
        shares = trunk is not None and ranks[target] - ranks[source] > 1
        layers.shared.append(shares)
        if i in around:
            layers.routes.append(None)
            leaving = 0.5 if link.leaves_at is None else link.leaves_at
            entering = BESIDE if link.enters_at is None else link.enters_at
            layers.around[i] = (leaving - 0.5) * boxes[source].width, (entering - 0.5) * boxes[target].width
            continue
        route: list[Segment] = []
        at, leaves = source, link.leaves_at
        for row in range(ranks[source] + 1, ranks[target]):
            if trunk is not None and len(trunk) > len(route):
                segment = trunk[len(route)]
                segment.weight += link.straight
            else:
                segment = layers.connect(at, layers.lane(row), link.straight, leaves, None)
                if trunk is not None:
                    trunk.append(segment)
            route.append(segment)
            at, leaves = segment.lower, None
        route.append(layers.connect(at, target, link.straight, leaves, link.enters_at))
        layers.routes.append(route)
    return layers


def _too_long(
    room: int,
    ends: Sequence[tuple[int, int]],
    ranks: Sequence[int],
    long: dict[tuple[int, float | None], list[int]],
    shared: Container[tuple[int, float | None]],
) -> set[int]:
    """Return the links for which there is no room: the longest, or those of the longest shared lanes."""

    def length(i: int) -> int:
        return ranks[ends[i][1]] - ranks[ends[i][0]] - 1

    needs: list[tuple[int, list[int]]] = []
    for key, which in long.items():
        if key in shared:
            needs.append((max(map(length, which)), which))
        else:
            needs += [(length(i), [i]) for i in which]
    around: set[int] = set()
    for need, which in sorted(needs):
        room -= need
        if room < 0:
            around.update(which)
    steps = MOST_STEPS
    for i in sorted((i for which in long.values() for i in which if i not in around), key=length):
        steps -= length(i)
        if steps < 0:
            around.add(i)
    return around
