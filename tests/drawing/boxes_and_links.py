"""Boxes and links for the tests of the layout, and what holds for every arrangement of them."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import strategies as st

from autodiff.drawing.layout import Arrangement, Box, Link

NEAR = 1e-6


def box(name: str, width: float = 40.0, height: float = 20.0, rank: str = "") -> Box:
    return Box(name, width, height, rank)


def graph(*links: str, straight: float = 1.0) -> tuple[list[Box], list[Link]]:
    """Boxes and links of texts such as "a>b>c"; boxes in the order of their first appearance."""
    names: dict[str, None] = {}
    found = []
    for chain in links:
        parts = chain.split(">")
        names.update(dict.fromkeys(parts))
        found += [Link(a, b, straight=straight) for a, b in itertools.pairwise(parts)]
    return [box(name) for name in names], found


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Box], list[Link]]:
    """Random graphs: sizes, parallel links, isolated boxes, ports on the first and last rank, ends given and free."""
    n = draw(st.integers(1, 24))
    firsts, lasts = draw(st.sampled_from([(0, 0), (0, 0), (1, 2), (3, 0), (0, 2)]))
    ranks = ["first"] * firsts + [""] * n + ["last"] * lasts
    sizes = st.sampled_from([0.0, 12.0, 30.0, 55.0, 120.0])
    made = [Box(f"{i}", draw(sizes), draw(sizes), rank) for i, rank in enumerate(ranks)]
    links = []
    ends = st.none() | st.sampled_from([0.0, 0.2, 0.5, 1.0])
    for i, rank in enumerate(ranks):
        sources = [j for j in range(i) if ranks[j] != "last"]
        if rank != "first" and sources:
            for source in draw(st.lists(st.sampled_from(sources), max_size=3)):
                links.append(Link(f"{source}", f"{i}", draw(ends), draw(ends), draw(st.sampled_from([1.0, 3.0]))))
    return made, links


def dag(n: int, far: float, seed: int, each: int = 2) -> tuple[list[Box], list[Link]]:
    """A large random graph; `far` says how far back links reach."""
    generator = random.Random(seed)
    found = [Link(f"{max(0, i - 1 - int(generator.expovariate(1 / far)))}", f"{i}") for i in range(1, n) for _ in range(each)]
    return [box(f"{i}", generator.choice([30.0, 50.0, 80.0])) for i in range(n)], found


def star(n: int) -> tuple[list[Box], list[Link]]:
    return [box(f"{i}") for i in range(n)], [Link("0", f"{i}") for i in range(1, n)]


def unrolled(n: int, inputs: bool = False) -> tuple[list[Box], list[Link]]:
    """A recurrent network: every step uses the same parameter, and an input of its own on request."""
    names = ["W", "h0", *(f"{part}{i}" for i in range(1, n + 1) for part in ("xmh" if inputs else "mh"))]
    links = []
    for i in range(1, n + 1):
        links += [Link(f"h{i - 1}", f"m{i}"), Link("W", f"m{i}"), Link(f"m{i}", f"h{i}")]
        links += [Link(f"x{i}", f"h{i}")] if inputs else []
    return [box(name) for name in names], links


def spline(path: list[tuple[float, float]], each: int = 12) -> list[tuple[float, float]]:
    """Points along a path."""
    points = [path[0]]
    for i in range(0, len(path) - 1, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = path[i : i + 4]
        for k in range(1, each + 1):
            t = k / each
            a, b, c, d = (1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3
            points.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return points


def check(found: Arrangement, made: list[Box], links: list[Link], direction: str) -> None:
    """Everything that is promised, whatever the engine."""
    if direction == "right":
        found, made = found.turned(), [one.turned() for one in made]
    at = {one.id: one for one in made}
    assert list(found.corners) == [one.id for one in made]
    assert len(found.paths) == len(links)
    for one in made:
        x, y = found.corners[one.id]
        assert x >= 0
        assert y >= 0
        assert x + one.width <= found.width + NEAR
        assert y + one.height <= found.height + NEAR
    for one, other in itertools.combinations(made, 2):
        (x1, y1), (x2, y2) = found.corners[one.id], found.corners[other.id]
        beside = x1 + one.width <= x2 + NEAR or x2 + other.width <= x1 + NEAR
        assert beside or y1 + one.height <= y2 + NEAR or y2 + other.height <= y1 + NEAR, f"{one} lies on {other}"
    for link, path in zip(links, found.paths):
        check_path(path, link, at, found)
    for (link, path), (other_link, other_path) in itertools.combinations(zip(links, found.paths), 2):
        if (link.source, link.target) == (other_link.source, other_link.target) and at[link.target].width:
            assert path != other_path, "two links that nobody can tell apart"


def check_path(path: list[tuple[float, float]], link: Link, at: dict[str, Box], found: Arrangement) -> None:
    assert len(path) >= 4
    assert len(path) % 3 == 1
    assert all(math.isfinite(x) and math.isfinite(y) for x, y in path)
    source, target = at[link.source], at[link.target]
    (sx, sy), (tx, ty) = found.corners[source.id], found.corners[target.id]
    (x1, y1), (x2, y2) = path[0], path[-1]
    assert y1 == pytest.approx(sy + source.height)
    assert y2 == pytest.approx(ty)
    assert y2 > y1  # along the direction
    assert sx - NEAR <= x1 <= sx + source.width + NEAR
    assert tx - NEAR <= x2 <= tx + target.width + NEAR
    if link.leaves_at is not None:
        assert x1 == pytest.approx(sx + link.leaves_at * source.width)
    if link.enters_at is not None:
        assert x2 == pytest.approx(tx + link.enters_at * target.width)
    points = spline(path)
    assert all(0 <= x <= found.width + NEAR and y1 - NEAR <= y <= y2 + NEAR for x, y in points)
    for other in at.values():
        x, y = found.corners[other.id]
        if other is source or other is target or min(other.width, other.height) < 2:
            continue
        for px, py in points:
            inside = x + 0.5 < px < x + other.width - 0.5 and y + 0.5 < py < y + other.height - 0.5
            assert not inside, f"{link} runs through {other}"


def check_ports(found: Arrangement, made: list[Box], direction: str) -> None:
    """Ports lie on the first and last rank, in the order given."""
    if direction == "right":
        found, made = found.turned(), [one.turned() for one in made]
    middle = {one.id: found.corners[one.id][1] + one.height / 2 for one in made}
    for rank, sign in (("first", 1), ("last", -1)):
        ports = [one for one in made if one.rank == rank]
        if ports:
            heights = [middle[one.id] for one in ports]
            assert max(heights) - min(heights) < 1.5
            assert all(sign * (middle[one.id] - heights[0]) > -1.5 for one in made)
            places = [found.corners[one.id][0] for one in ports]
            assert places == sorted(places)


def is_straight(path: list[tuple[float, float]]) -> bool:
    return max(x for x, _ in path) - min(x for x, _ in path) < NEAR
