"""Large and tangled graphs: the layout's work stays within bounds, and so do its pictures."""

from __future__ import annotations

import collections
import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.drawing.layout import Box, Link, arrange, effort, layers, ordering, outside, ranking
from autodiff.drawing.layout.boxes import numbered

from .boxes_and_links import NEAR, box, check, dag, graph, problems, star, unrolled

Problem = tuple[list[Box], list[Link]]


def skips(n: int) -> Problem:
    """y = tanh(y) * 2 + x, again and again: from x, links of all lengths."""
    steps = n // 4
    made, links = [box("x"), box("y0")], [Link("x", "y0")]
    for i in range(1, steps + 1):
        made += [box(f"{part}{i}") for part in ("tanh", "two", "times", "y")]
        links += [Link(f"y{i - 1}", f"tanh{i}"), Link(f"tanh{i}", f"times{i}"), Link(f"two{i}", f"times{i}")]
        links += [Link(f"times{i}", f"y{i}", enters_at=0.3), Link("x", f"y{i}", enters_at=0.7)]
    return made, links


def recurrent(n: int) -> Problem:
    """Steps tanh(x @ U + h @ W + b) with shared parameters, ends given as those of arguments, and a main stream."""
    made, links = [box(name) for name in ("U", "W", "b", "h0")], []
    for i in range(1, n // 6 + 1):
        made += [box(f"{part}{i}", 90.0) for part in ("x", "xU", "hW", "sum", "shifted", "h")]
        links += [Link(f"x{i}", f"xU{i}", enters_at=0.3), Link("U", f"xU{i}", enters_at=0.7)]
        links += [Link(f"h{i - 1}", f"hW{i}", enters_at=0.3, straight=3.0), Link("W", f"hW{i}", enters_at=0.7)]
        links += [Link(f"hW{i}", f"sum{i}", straight=3.0), Link(f"xU{i}", f"sum{i}")]
        links += [Link(f"sum{i}", f"shifted{i}", straight=3.0), Link("b", f"shifted{i}")]
        links.append(Link(f"shifted{i}", f"h{i}", straight=3.0))
    return made, links


def far_back(n: int) -> Problem:
    """A chain in which every step also uses any one before."""
    made, links = dag(n, n, 0, 1)
    return made, [*links, *(Link(f"{i}", f"{i + 1}") for i in range(n - 1))]


def dense(n: int) -> Problem:
    """A few boxes, each of which uses all before."""
    few = int((2 * n) ** 0.5)
    return [box(f"{i}") for i in range(few)], [Link(f"{i}", f"{j}") for j in range(few) for i in range(j)]


def mesh(n: int, wide: int = 20) -> Problem:
    made = [box(f"{row} {i}") for row in range(n // wide) for i in range(wide)]
    pairs = [(row, i, to) for row in range(n // wide - 1) for i in range(wide) for to in {i, (i + 1) % wide, (7 * i + row) % wide}]
    return made, [Link(f"{row} {i}", f"{row + 1} {to}") for row, i, to in pairs]


def hubs(n: int) -> Problem:
    """Many boxes that all go into a few."""
    return [box(f"{i}") for i in range(n)], [Link(f"{i}", f"{n - 40 + i * k % 40}") for i in range(n - 40) for k in (1, 7, 11)]


def stacked(n: int) -> Problem:
    """One box used by many, that all go into one."""
    links = [link for i in range(1, n - 1) for link in (Link("0", f"{i}"), Link(f"{i}", f"{n - 1}"))]
    return [box(f"{i}") for i in range(n)], links


def pairs(n: int) -> Problem:
    return [box(f"{i}") for i in range(n)], [Link(f"{i}", f"{i + 1}") for i in range(0, n, 2)]


def seven(n: int) -> Problem:
    """Tangles that do not hang together."""
    made, links = dag(n // 7, n // 7, 0)
    copies = range(7)
    return (
        [Box(f"{k} {one.id}", one.width, one.height) for k in copies for one in made],
        [Link(f"{k} {link.source}", f"{k} {link.target}") for k in copies for link in links],
    )


LARGE: dict[str, Callable[[int], Problem]] = {
    "chain": lambda n: graph(">".join(map(str, range(n)))),
    "near": lambda n: dag(n, 4, 0),
    "far": lambda n: dag(n, n / 3, 0),
    "far back": far_back,
    "star": star,
    "stacked": stacked,
    "funnel": lambda n: ([box(f"{i}") for i in range(n)], [Link(f"{i}", f"{n - 1}") for i in range(n - 1)]),
    "hubs": hubs,
    "isolated": lambda n: ([box(f"{i}") for i in range(n)], []),
    "pairs": pairs,
    "seven": seven,
    "unrolled": lambda n: unrolled(n // 2),
    "recurrent": recurrent,
    "skips": skips,
    "mesh": mesh,
    "dense": dense,
    "parallel": lambda n: ([box("a"), box("b")], [Link("a", "b")] * n),
}


def calls(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `work` returns, and how many functions were called for it: a measure that is the same on every machine."""
    count = 0

    def called(*_: Any) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        found = work()
    finally:
        sys.setprofile(before)
    return found, count // 2  # a call and a return


def check_large(made: list[Box], links: list[Link]) -> int:
    """Everything that is promised of large pictures; return the calls for it."""
    found, count = calls(lambda: arrange(made, links))
    at = {one.id: one for one in made}
    for link, path in zip(links, found.paths):
        assert path[-1][1] > path[0][1]
        assert found.corners[link.target][1] >= found.corners[link.source][1] + at[link.source].height
        assert all(-NEAR <= x <= found.width + NEAR and -NEAR <= y <= found.height + NEAR for x, y in path)
    bands = collections.defaultdict[int, list[tuple[float, float, float]]](list)  # all boxes are 20 high
    for name, (x, y) in found.corners.items():
        for band in (int(y // 20), int(y // 20) + 1):
            bands[band].append((x, y, at[name].width))
    for near in bands.values():
        near.sort()
        for i, (x, y, width) in enumerate(near):
            for other_x, other_y, _ in itertools.islice(near, i + 1, None):
                if other_x >= x + width - NEAR:
                    break
                assert abs(y - other_y) >= 20 - NEAR
    return count


@pytest.mark.parametrize("name", ["far back", "recurrent", "skips", "seven", "pairs", "stacked"])
def test_2000_boxes_are_placed_with_bounded_work(name: str) -> None:
    made, links = LARGE[name](2000)
    assert len(made) >= 1950
    assert check_large(made, links) < 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_5000_boxes_are_placed_with_bounded_work(name: str) -> None:
    made, links = LARGE[name](5000)
    assert len(made) + len(links) >= 5000
    assert check_large(made, links) < 6_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_boxes_that_are_just_few_enough_for_full_effort_are_placed_with_bounded_work(name: str) -> None:
    made, links = LARGE[name](effort.FEW // 2)
    assert check_large(made, links) < 10_000_000


# ------------------------------------------------------------------------------------- with less effort


def with_less(patch: pytest.MonkeyPatch, lanes: int) -> None:
    """Let every picture be treated as a large one."""
    patch.setattr(effort, "FEW", 0)
    patch.setattr(effort, "MOST_LANES", lanes)
    patch.setattr(effort, "LEAST_LANES", lanes)


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(["down", "right"]), st.sampled_from([0, 6, 100]))
def test_with_less_effort_pictures_are_as_sound(problem: Problem, direction: str, lanes: int) -> None:
    made, links = problem
    with pytest.MonkeyPatch.context() as patch:
        with_less(patch, lanes)
        found = arrange(made, links, direction)
        assert arrange(made, links, direction) == found
    check(found, made, links, direction)


@pytest.mark.parametrize("name", ["far back", "recurrent", "skips", "mesh"])
def test_with_less_effort_no_line_runs_through_a_box(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_less(monkeypatch, 60)
    made, links = LARGE[name](80)
    check(arrange(made, links), made, links, "down")


def test_effort_is_full_where_boxes_and_lanes_are_few() -> None:
    assert effort.effort_for(effort.FEW) is effort.FULL
    assert effort.effort_for(effort.FEW - 10, 10) is effort.FULL
    assert effort.effort_for(effort.FEW + 1) == effort.LESS
    halves = effort.effort_for(effort.FEW, effort.FEW)
    assert halves.ordering == effort.LESS.ordering / 2
    assert effort.lanes_for(300, 300) > 3 * 300
    assert effort.lanes_for(5000, 5000) == 2 * effort.lanes_for(2500, 5000) == effort.LEAST_LANES


def test_a_large_computation_neither_drifts_nor_spreads() -> None:
    """A thousand steps aside are as wide as one, and what is made from a shared parameter lies near its use."""
    found = arrange(*recurrent(5000))
    places = [x for x, _ in found.corners.values()]
    assert max(places) - min(places) < 5 * 90


def layered(made: list[Box], links: list[Link], room: int) -> tuple[layers.Layers, list[tuple[int, int]]]:
    ends = numbered(made, links)
    return layers.cut_into_layers(made, links, ends, ranking.ranks_of(made, links, ends), room), ends


def test_links_too_long_for_lanes_run_around(monkeypatch: pytest.MonkeyPatch) -> None:
    made, links = graph("a>b>c>d>e>f>g", "a>g", "b>f", "a>d")
    links[-3:] = [Link("a", "g", leaves_at=0.2), Link("b", "f", enters_at=0.9), links[-1]]
    monkeypatch.setattr(effort, "MOST_LANES", 4)
    monkeypatch.setattr(effort, "LEAST_LANES", 4)
    found = arrange(made, links)
    check(found, made, links, "down")
    assert [route is None for route in layered(made, links, 4)[0].routes[-3:]] == [True, True, False]
    right = [max(x for x, _ in path) for path in found.paths]
    assert min(right[-3:-1]) > max(*right[:-3], right[-1])


def test_links_from_one_place_share_an_outer_lane_and_leave_it_free_for_others() -> None:
    made, links = graph("a>b>c>d>e>f>g>h", "a>c", "a>d", "b>d", "e>g", "f>h")
    cut, ends = layered(made, links, 0)
    names = [f"{link.source}{link.target}" for link in links]
    found = {names[i]: lane for i, lane in outside.outer_lanes(cut, ends).items()}
    assert found == {"ac": 0, "ad": 0, "bd": 1, "eg": 0, "fh": 1}


def test_less_effort_still_takes_crossings_away() -> None:
    cut, _ = layered(*dag(300, 10, 1), effort.MOST_LANES)
    before = ordering.crossings(cut)
    assert ordering.order_rows(cut, effort.LESS) < before / 3
