"""The library's own layout: what holds for every picture of boxes and links."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.drawing.layout import Arrangement, Box, Link, arrange, boxes, layers, ordering, ranking, sides, simplex
from autodiff.drawing.layout.boxes import numbered

from .boxes_and_links import NEAR, box, check, check_ports, dag, graph, is_straight, problems, unrolled

# ------------------------------------------------------------------------------- what holds for all


@settings(max_examples=80, deadline=None)
@given(problems(), st.sampled_from(["down", "right"]))
def test_every_picture_is_sound(problem: tuple[list[Box], list[Link]], direction: str) -> None:
    made, links = problem
    found = arrange(made, links, direction)
    check(found, made, links, direction)
    check_ports(found, made, direction)
    again = arrange(made, links, direction)
    assert (again.corners, again.paths) == (found.corners, found.paths)


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([(5.0, 12.0), (40.0, 70.0)]))
def test_neighbours_keep_their_distance(problem: tuple[list[Box], list[Link]], gap: tuple[float, float]) -> None:
    made, links = problem
    found = arrange(made, links, gap=gap)
    check(found, made, links, "down")
    at = {one.id: one for one in made}
    middle = {one.id: found.corners[one.id][1] + one.height / 2 for one in made}
    for one, other in itertools.combinations(made, 2):
        if abs(middle[one.id] - middle[other.id]) < NEAR:
            first, second = sorted((one, other), key=lambda b: found.corners[b.id][0])
            assert found.corners[second.id][0] >= found.corners[first.id][0] + first.width + gap[0] - 0.5
    for link in links:
        below = found.corners[link.target][1] - found.corners[link.source][1] - at[link.source].height
        assert below >= gap[1] - NEAR


def test_a_picture_of_150_boxes_is_sound() -> None:
    made, links = dag(150, 10, 0)
    check(arrange(made, links), made, links, "down")


# ---------------------------------------------------------------------------------------- the steps


def ranks(made: list[Box], links: list[Link]) -> dict[str, int]:
    return dict(zip([one.id for one in made], ranking.ranks_of(made, links, numbered(made, links))))


def test_a_parameter_lies_right_above_its_use() -> None:
    made, links = graph("x>a>b>c>d", "W>d", "V>b")
    assert ranks(made, links) == {"x": 0, "a": 1, "b": 2, "c": 3, "d": 4, "W": 3, "V": 1}


def test_links_that_want_to_be_short_are() -> None:
    made, _ = graph("a>b>c>d", "a>m>d")
    links = [Link("a", "b"), Link("b", "c"), Link("c", "d"), Link("a", "m"), Link("m", "d", straight=2)]
    assert ranks(made, links)["m"] == 2
    links[3] = Link("a", "m", straight=5)
    assert ranks(made, links)["m"] == 1


def test_ports_have_ranks_of_their_own() -> None:
    made, links = graph("p>a>q", "W>a", "b>c>d>e")
    made = [Box(one.id, 40, 20, {"p": "first", "q": "last", "r": "last"}.get(one.id, "")) for one in [*made, box("r")]]
    found = ranks(made, links)
    assert found["p"] == 0
    assert found["q"] == found["r"] == max(found.values())
    assert all(0 < found[name] < found["q"] for name in "aWbcde")


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 7), st.data())
def test_the_simplex_finds_the_optimum(n: int, data: st.DataObject) -> None:
    pairs = [(i, j) for j in range(n) for i in range(j)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=10)) + [(i, i + 1) for i in range(n - 1)]
    constraints = [(a, b, float(data.draw(st.integers(0, 4))), data.draw(st.integers(-1, 2))) for a, b in chosen]
    start = [2 * i for i in range(n)]

    def cost(x: list[int]) -> float:
        return sum(weight * (x[b] - x[a]) for a, b, weight, _ in constraints)

    found = simplex.shortest(start, constraints, 10_000)
    assert all(found[b] - found[a] >= least for a, b, _, least in constraints)
    assert cost(found) == pytest.approx(linear_program(n, constraints))


def linear_program(n: int, constraints: list[tuple[int, int, float, int]]) -> float:
    optimize = pytest.importorskip("scipy.optimize", reason="scipy finds the optimum by another method")
    weights = [0.0] * n
    rows, bounds = [], []
    for a, b, weight, least in constraints:
        weights[a] -= weight
        weights[b] += weight
        row = [0.0] * n
        row[a], row[b] = 1.0, -1.0
        rows.append(row)
        bounds.append(-least)
    return float(optimize.linprog(weights, rows, bounds, bounds=[(0, 0)] + [(None, None)] * (n - 1)).fun)


def layered(made: list[Box], links: list[Link]) -> layers.Layers:
    ends = numbered(made, links)
    return layers.cut_into_layers(made, links, ends, ranking.ranks_of(made, links, ends))


@settings(max_examples=40, deadline=None)
@given(problems())
def test_ordering_never_makes_it_worse(problem: tuple[list[Box], list[Link]]) -> None:
    found = layered(*problem)
    before = ordering.crossings(found)
    given_rows = [sorted(row) for row in found.rows]
    after = ordering.order_rows(found)
    assert after == ordering.crossings(found)
    assert after <= before
    assert [sorted(row) for row in found.rows] == given_rows


def test_ordering_takes_most_crossings_away() -> None:
    found = layered(*dag(150, 8, 1))
    before = ordering.crossings(found)
    assert ordering.order_rows(found) < before / 3


def crossings_by_definition(found: layers.Layers) -> int:
    place = {v: i for row in found.rows for i, v in enumerate(row)}
    count = 0
    for s, t in itertools.combinations(found.segments, 2):
        if found.row[s.upper] == found.row[t.upper]:
            count += (place[s.upper] - place[t.upper]) * (place[s.lower] - place[t.lower]) < 0
    return count


@pytest.mark.parametrize("seed", range(5))
def test_crossings_are_counted_as_defined(seed: int) -> None:
    found = layered(*dag(60, 6, seed))
    assert ordering.crossings(found) == crossings_by_definition(found) > 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.booleans())
def test_trees_are_drawn_without_crossings(parents: list[int], towards_the_root: bool) -> None:
    n = len(parents) + 1
    pairs = [(parent % (i + 1), i + 1) for i, parent in enumerate(parents)]
    links = [Link(f"{b}", f"{a}") if towards_the_root else Link(f"{a}", f"{b}") for a, b in pairs]
    made = [box(f"{i}") for i in (range(n - 1, -1, -1) if towards_the_root else range(n))]
    assert ordering.order_rows(layered(made, links)) == 0


def test_given_ends_count_as_crossings() -> None:
    made, _ = graph("a>c", "b>c")
    links = [Link("a", "c", enters_at=0.9), Link("b", "c", enters_at=0.1)]
    found = arrange(made, links)
    assert found.corners["b"][0] < found.corners["a"][0]


# ----------------------------------------------------------------------------------------- calmness


def test_a_diamond_is_symmetric() -> None:
    made, links = graph("a>b>d", "a>c>d")
    found = arrange(made, links)
    x = {name: corner[0] for name, corner in found.corners.items()}
    assert x["a"] == x["d"] == pytest.approx((x["b"] + x["c"]) / 2)
    assert (found.width, found.height) == (98.0, 116.0)


def test_a_chain_is_straight_and_so_is_the_main_flow() -> None:
    assert all(map(is_straight, arrange(*graph("a>b>c>d>e")).paths))
    made, links = graph("x>l1>r1>l2>r2>l3>loss", straight=3.0)
    more_boxes, more = graph("W1>l1", "b1>l1", "W2>l2", "b2>l2", "W3>l3", "b3>l3", "x>l3", "target>loss")
    names = {one.id for one in made}
    made += [one for one in more_boxes if one.id not in names]
    for direction in ("down", "right"):
        found = arrange(made, [*links, *more], direction)
        paths = (found if direction == "down" else found.turned()).paths
        assert all(map(is_straight, paths[: len(links)]))


def test_the_two_lines_of_a_plus_a_are_symmetric() -> None:
    found = arrange([box("a"), box("a + a")], [Link("a", "a + a")] * 2)
    (left, _), (right, _) = (path[-1] for path in found.paths)
    assert (left + right) / 2 == found.paths[0][0][0] == found.paths[1][0][0]
    assert right - left >= 10


def test_a_long_computation_does_not_drift() -> None:
    """What comes from the step before enters in the middle, what comes from outside beside it."""
    made, links = unrolled(30, inputs=True)
    found = arrange(made, links)
    bent = {link.source for link, path in zip(links, found.paths) if link.source[0] in "mh" and not is_straight(path)}
    assert bent <= {"h0", "h29", "m30"}  # only where it begins and ends
    skips = graph("x>a>b>c>d>e", "a>c", "c>e")
    assert all(map(is_straight, arrange(*skips).paths[:5]))


def test_a_line_enters_beside_the_middle_rather_than_bend_a_little() -> None:
    found = layered(*graph("a>c", "b>c"))
    sides.meet_sides(found)
    before = [segment.above for segment in found.segments]
    assert before == [-7.0, 7.0]
    sides.straighten(found, [94.0, 100.0, 160.0])  # a is almost above its end, b is far to the right
    assert [segment.above for segment in found.segments] == [-6.0, 7.0]
    sides.straighten(found, [103.0, 100.0, 160.0])  # too near to the other end
    assert [segment.above for segment in found.segments] == [-6.0, 7.0]


def test_long_links_are_straight_where_they_can_be() -> None:
    made, links = graph("a>b>c>d>e>f", "a>f")
    path = arrange(made, links).paths[-1]
    places = [round(x, 3) for x, _ in path]
    assert sum(a != b for a, b in itertools.pairwise(places)) <= 4  # out of the middle, down, and back


def test_links_from_one_place_share_their_way() -> None:
    made, links = graph("W>a>b>c>d>e>f>g", "W>c", "W>d", "W>e", "W>f", "W>g")
    found = arrange(made, links)
    lanes = {round(x, 3) for path in found.paths[-3:] for x, y in path[1:-3] if y > 100}
    assert len(lanes) == 1


def test_what_does_not_hang_together_lies_side_by_side() -> None:
    made, links = graph("a>b>c", "d>e", "f>g", "h>i")
    found = arrange(made, links)
    assert len({found.corners[name][1] for name in "adfh"}) == 1
    assert [name for name, _ in sorted(found.corners.items(), key=lambda item: item[1][0])][:3] in (["a", "b", "c"],)
    found = arrange([box(f"{i}") for i in range(100)], [])
    assert 1 < found.width / found.height < 8


def test_nothing_and_one() -> None:
    assert arrange([], []) == Arrangement(0.0, 0.0, {}, [])
    assert arrange([box("a")], []) == Arrangement(40.0, 20.0, {"a": (0.0, 0.0)}, [])


def test_parallel_links_to_a_given_place_can_be_told_apart() -> None:
    made, _ = graph("a>b")
    found = arrange(made, [Link("a", "b", 0.5, 0.5)] * 3)
    assert len({tuple(path) for path in found.paths}) == 3
    assert {path[0] for path in found.paths} == {(20.0, 20.0)}


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("made", "links", "message"),
    [
        ([box("a"), box("a")], [], "two boxes have the id 'a'"),
        ([box("a")], [Link("a", "b")], "names 'b', which is no box"),
        ([Box("a", math.nan, 1)], [], "has the size nan x 1"),
        ([Box("a", 1, 1, "top")], [], "'first', 'last' or '', got 'top'"),
        ([box("a")], [Link("a", "a")], "run in a circle"),
        (*graph("a>b>c>a"), "run in a circle"),
        ([box("a"), box("b")], [Link("a", "b", 1.5)], "at 0 to 1, got 1.5"),
        ([box("a"), box("b")], [Link("a", "b", straight=-1)], "straight is 0 or more, got -1"),
        ([box("a"), box("b", rank="first")], [Link("a", "b")], "enters the first rank"),
        ([box("a", rank="last"), box("b")], [Link("a", "b")], "leaves the last one"),
    ],
)
def test_what_cannot_be_placed_is_refused(made: list[Box], links: list[Link], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        arrange(made, links)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"direction": "up"}, "direction is 'right' or 'down', got 'up'"),
        ({"gap": (-1.0, 3.0)}, "two distances of 0 or more"),
    ],
)
def test_settings_that_are_none_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        arrange([box("a")], [], **settings)  # type: ignore[arg-type]


def test_an_order_of_what_is_no_circle() -> None:
    assert boxes.in_order(4, [(3, 1), (1, 0), (0, 2)]) == [3, 1, 0, 2]
    assert boxes.in_order(3, [(0, 1), (1, 2), (2, 1)]) == [0]
