"""Where things stand: every node once, every edge at each level that it crosses, nothing upon anything else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.drawing.description import Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.drawing.levels import End, counts_of, levels_of
from autodiff.drawing.look import SHOWS, Look
from autodiff.drawing.placed import Scene
from autodiff.drawing.scene import LEAST_SCALE, OUTER_ROOM, ROOM, TITLE, direction_of, scenes
from autodiff.drawing.text_width import is_exact, shortened, text_width
from autodiff.drawing.typesetting import Block

ROLES = ("parameter", "variable", "constant", "operation", "part", "group")
MODES = ("page", "static")
NAMES = ("x", "a rather long name of a tensor that no box has room for", "<script>alert(1)</script>", "名前 Δ größe", "]]>", "&")


def node(id: str, role: str = "operation", group: str | None = None, **more: object) -> DrawnNode:
    operation = id if role in ("operation", "group") else None
    return DrawnNode(id, role, operation=operation, group=group, shape=(), dtype="float64", **more)  # type: ignore[arg-type]


def group(id: str, parent: str | None = None, kind: str = "module") -> DrawnGroup:
    return DrawnGroup(id, id, id.title(), kind, parent)


def nested() -> Description:
    """Two groups in one: x -> (outer: (first: a, b, with w) -> (second: c)) -> d, and a skips to d."""
    nodes = [
        node("x", "variable"), node("w", "parameter", "first"), node("a", group="first"), node("b", group="first"),
        node("c", group="second"), node("d", is_output=True),
    ]  # fmt: skip
    edges = [
        DrawnEdge("x", "a", "x1", 0), DrawnEdge("w", "a", "x2", 1), DrawnEdge("x", "b", "x1", 0), DrawnEdge("a", "b", "x2", 1),
        DrawnEdge("b", "c", "x", 0), DrawnEdge("c", "d", "x1", 0), DrawnEdge("a", "d", "x2", 1),
    ]  # fmt: skip
    return Description(nodes, edges, [group("outer"), group("first", "outer"), group("second", "outer")])


@st.composite
def descriptions(draw: st.DrawFn, contiguous: bool = False) -> Description:
    """Random graphs with random nesting; `contiguous` where a group's nodes follow one another, as those of a call do."""
    count = draw(st.integers(1, 14))
    groups: list[DrawnGroup] = []
    for i in range(draw(st.integers(0, 5))):
        parent = draw(st.sampled_from([None, *(g.id for g in groups)]))
        kind = draw(st.sampled_from(["module", "composition", "fused"]))
        groups.append(DrawnGroup(f"g{i}", draw(st.sampled_from(NAMES)), f"Class{i}", kind, parent, draw(st.integers(1, 3))))
    homes: list[str | None]
    if contiguous:  # walk up or down the tree of groups, and never back into one that was left
        above = {g.id: g.parent for g in groups}
        homes, here, left = [], None, set()
        for _ in range(count):
            inner = [g.id for g in groups if g.parent == here and g.id not in left]
            step = draw(st.sampled_from(["stay", "in", "out"]))
            if step == "in" and inner:
                here = draw(st.sampled_from(inner))
            elif step == "out" and here is not None:
                left.add(here)
                here = above[here]
            homes.append(here)
    else:
        homes = [draw(st.sampled_from([None, *(g.id for g in groups)])) for _ in range(count)]
    nodes, edges = [], []
    for i, home in enumerate(homes):
        sources = draw(st.lists(st.integers(0, i - 1), max_size=3)) if i else []
        role = draw(st.sampled_from(ROLES[3:] if sources else ROLES))
        made = node(f"n{i}", role, home, is_output=i == count - 1, marked=draw(st.booleans()), times=1)
        made.name = draw(st.sampled_from([None, *NAMES]))
        if draw(st.booleans()):
            made.shape = draw(st.sampled_from([(), (3,), (2, 2), (40,), (9, 9)]))
            made.value = np.arange(int(np.prod(made.shape)), dtype=float).reshape(made.shape)
            made.gradient = -made.value
        nodes.append(made)
        edges += [DrawnEdge(f"n{source}", f"n{i}", f"x{k}", k) for k, source in enumerate(sources)]
    return Description(nodes, edges, groups)


def around(description: Description, id: str | None) -> list[str]:
    """The groups around a node's group, outermost first, with that group."""
    above = {g.id: g.parent for g in description.groups}
    found: list[str] = []
    while id is not None:
        found.insert(0, id)
        id = above[id]
    return found


def crossed(description: Description, edge: DrawnEdge) -> list[str]:
    """The levels at which an edge must be seen: the innermost that holds both ends, and each one further in."""
    homes = {n.id: n.group for n in description.nodes}
    source, target = around(description, homes[edge.source]), around(description, homes[edge.target])
    shared = [a for a, b in zip(source, target) if a == b]
    return [shared[-1] if shared else "", *source[len(shared) :], *target[len(shared) :]]


def boxes_of(scene: Scene) -> list[tuple[float, float, float, float]]:
    boxes = [(n.x, n.y, n.block.width, n.block.height) for n in scene.nodes]
    boxes += [(g.x, g.y, g.width, g.height) for g in scene.groups]
    return boxes + [(p.x, p.y, p.name.width, p.name.height) for p in scene.ports]


def check_inside(block: Block) -> None:
    for words in block.words:
        left = words.x - (words.width if words.anchor == "end" else 0.0)
        assert left >= 0
        assert left + words.width <= block.width + 0.01
        assert words.y - 0.8 * words.size >= 0
        assert words.y + 0.2 * words.size <= block.height
    for (_, one), (_, other) in itertools.combinations([(w.text, w) for w in block.words], 2):
        if abs(one.y - other.y) < 0.5 * min(one.size, other.size):  # on one line
            starts = [(w.x - (w.width if w.anchor == "end" else 0.0), w.width) for w in (one, other)]
            (a, wide), (b, _) = sorted(starts)
            assert a + wide <= b + 0.01, (one.text, other.text)


# ----------------------------------------------------------------------------------------------- levels


def test_a_line_for_each_level_and_a_port_for_each_value() -> None:
    levels = levels_of(nested())
    assert list(levels) == ["", "outer", "first", "second"]
    lines = {id: {(*line.source, *line.target, *line.edges) for line in level.lines} for id, level in levels.items()}
    assert lines[""] == {
        ("node", "x", "group", "outer", 0, 2), ("group", "outer", "node", "d", 5), ("group", "outer", "node", "d", 6),
    }  # fmt: skip
    assert lines["outer"] == {
        ("in", "x", "group", "first", 0, 2), ("group", "first", "group", "second", 4), ("group", "first", "out", "a", 6),
        ("group", "second", "out", "c", 5),
    }  # fmt: skip
    assert levels["first"].ins == {"x": ["x"]}
    assert levels["first"].outs == {"b": ["c"], "a": ["d"]}
    assert levels["second"].ins == {"b": ["b"]}
    assert {end for end in levels["first"].ends if end.kind == "node"} == {End("node", "w"), End("node", "a"), End("node", "b")}
    assert counts_of(levels)["outer"] == {"parameter": 1, "operation": 3}
    assert [levels[id].depth for id in levels] == [0, 1, 2, 2]


def test_the_terms_of_a_sum_are_lines_of_their_own_and_many_are_one() -> None:
    twice = Description([node("a", "variable"), node("add")], [DrawnEdge("a", "add", f"x{i}", i) for i in range(2)], [])
    assert [line.edges for line in levels_of(twice)[""].lines] == [[0], [1]]
    often = Description(twice.nodes, [DrawnEdge("a", "add", f"x{i}", i) for i in range(9)], [])
    assert [line.edges for line in levels_of(often)[""].lines] == [list(range(9))]
    assert scenes(often, Look())[""].lines[0].text == "×9"


# ----------------------------------------------------------------------------------------------- scenes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("direction", ["down", "right"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_random_graphs(data: st.DataObject, mode: str, direction: str) -> None:
    description = data.draw(descriptions())
    found = scenes(description, Look(frozenset(SHOWS)), direction, mode=mode)
    assert list(found) == ["", *(g.id for g in description.groups)]
    placed = [n.node.id for scene in found.values() for n in scene.nodes]
    assert sorted(placed) == sorted(n.id for n in description.nodes)
    assert sorted(g.group.id for scene in found.values() for g in scene.groups) == sorted(g.id for g in description.groups)
    homes = {n.id: around(description, n.group) for n in description.nodes}
    for id, scene in found.items():
        expected = [i for i, edge in enumerate(description.edges) if id in crossed(description, edge)]
        assert sorted(number for each in scene.lines for number in each.line.edges) == expected
        for port in scene.ports:
            assert (id in homes[port.value]) == (port.side == "out")
            assert not any(id in homes[beyond] for beyond in port.beyond)
        boxes = boxes_of(scene)
        for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(boxes, 2):
            assert x + w <= x2 + 0.1 or x2 + w2 <= x + 0.1 or y + h <= y2 + 0.1 or y2 + h2 <= y + 0.1
        for x, y, w, h in boxes:
            assert x >= -0.1
            assert y >= -0.1 - (TITLE if mode == "static" and id else 0.0)  # there its ports lie beside its title
            assert x + w <= scene.width + 0.1
            assert y + h <= scene.height + 0.1
        for each in scene.lines:
            assert len(each.path) % 3 == 1
        for n in scene.nodes:
            check_inside(n.block)
        for g in scene.groups:
            inner = found[g.group.id]
            if g.opens:
                assert g.slot[0] + inner.width * g.scale <= g.width + 0.1
                assert g.slot[1] + inner.height * g.scale <= g.height + 0.1
                assert g.scale >= LEAST_SCALE
            else:
                assert mode == "page"
                room = ROOM if g.group.parent else OUTER_ROOM
                alike = [found[other.group.id] for other in scene.groups if other.group.title == g.group.title]
                assert any(other.width > room[0] or other.height > room[1] for other in alike)


@pytest.mark.parametrize("direction", ["down", "right"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_lines_meet_at_the_frames_of_open_groups(data: st.DataObject, direction: str) -> None:
    description = data.draw(descriptions(contiguous=True))
    found = scenes(description, Look(), direction, mode="static")
    for scene in found.values():
        for g in scene.groups:
            inner = found[g.group.id]
            x, y = g.x + g.slot[0], g.y + g.slot[1]
            for each in inner.lines:
                if each.line.source.kind == "in":
                    start = each.path[0][0] + x, each.path[0][1] + y
                    (outer,) = {
                        other.path[-1] for other in scene.lines if other.line.target == ("group", g.group.id)
                        and other.line.value == each.line.value
                    }  # fmt: skip
                    assert start == pytest.approx(outer, abs=0.5)
                if each.line.target.kind == "out":
                    end = each.path[-1][0] + x, each.path[-1][1] + y
                    (outer,) = {
                        other.path[0] for other in scene.lines if other.line.source == ("group", g.group.id)
                        and other.line.value == each.line.value
                    }  # fmt: skip
                    assert end == pytest.approx(outer, abs=0.5)


def test_ports_are_named_after_the_other_side() -> None:
    found = scenes(nested(), Look())

    def names(id: str, side: str) -> dict[str, str]:
        return {port.value: port.name.words[0].text for port in found[id].ports if port.side == side}

    assert names("first", "in") == {"x": "x"}
    assert names("first", "out") == {"a": "d", "b": "c"}
    assert names("second", "in") == {"b": "b"}
    assert names("outer", "out") == {"a": "d", "c": "d"}
    assert not found[""].ports


def test_a_bare_number_is_the_name_of_its_port() -> None:
    two = node("constant", "constant")
    two.value = np.array(2.0)
    description = Description([two, node("a", group="g")], [DrawnEdge("constant", "a", "x", 0)], [group("g")])
    assert [words.text for port in scenes(description, Look())["g"].ports for words in port.name.words] == ["2"]


def chain(count: int, group: str) -> Description:
    """x -> n0 -> n1 ... -> y, all but the ends in the group."""
    nodes = [node("x", "variable"), *(node(f"n{i}", group=group) for i in range(count)), node("y")]
    return Description(nodes, [DrawnEdge(a.id, b.id, "x", 0) for a, b in itertools.pairwise(nodes)], [])


def test_the_room_of_a_group() -> None:
    def opened(count: int, *groups: DrawnGroup) -> bool:
        description = chain(count, "g")
        description.groups[:] = [*groups, group("beside", groups[0].id if groups[0].id != "g" else None)]
        scene = scenes(description, Look(), "down")[groups[-1].parent or ""]
        return next(box.opens for box in scene.groups if box.group.id == "g")

    inner = (group("model"), group("g", "model"))
    assert [opened(count, *inner) for count in (6, 14)] == [True, False]
    assert [opened(count, group("g")) for count in (14, 60)] == [True, False]


def test_groups_that_are_alike_open_alike() -> None:
    def opened(least: int, most: int) -> list[bool]:
        homes = {"c": "three", "d": "three", "a": "one", "b": "two"}
        nodes = [node("x", "variable"), *(node(id, group=home) for id, home in homes.items())]
        nodes[3].name, nodes[4].name = "n" * least, "n" * most
        edges = [DrawnEdge(source, target, "x", 0) for source, target in ("xc", "cd", "da", "db")]
        groups = [group("all"), *(DrawnGroup(id, id, "Same", "module", "all") for id in ("one", "two", "three"))]
        found = scenes(Description(nodes, edges, groups), Look(), "down")
        return [box.opens for box in found["all"].groups]

    assert opened(1, 1) == [True, True, True]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autodiff.drawing.scene.ROOM", (90.0, 430.0))
        assert opened(1, 20) == [False, False, True]  # the third holds more, and is not like the others


def test_a_group_without_another_beside_it_opens_at_full_size() -> None:
    description = chain(60, "g")
    description.groups[:] = [group("model"), group("g", "model")]
    found = scenes(description, Look(), "down")
    assert [(box.opens, box.scale) for id in ("", "model") for box in found[id].groups] == [(True, 1.0)] * 2


def test_titles_leave_out_what_the_frame_around_says() -> None:
    description = chain(2, "net.0")
    description.groups[:] = [group("net"), group("net.0", "net")]
    found = scenes(description, Look())
    assert [box.title.words[0].text for box in (*found[""].groups, *found["net"].groups)] == ["net", "0"]


def test_a_closed_group_of_one_kind_says_how_many() -> None:
    def closed(**titles: str) -> list[str]:
        nodes = [node("x", "variable"), *(node(f"{id}{i}", group=id) for id in titles for i in range(70))]
        edges = [DrawnEdge(a.id, b.id, "x", 0) for a, b in itertools.pairwise(nodes)]
        groups = [group("net"), *(DrawnGroup(id, id, title, "module", "net") for id, title in titles.items())]
        groups[0].parent = "all"
        groups = [group("all"), *groups, group("beside", "all")]
        box, _ = scenes(Description(nodes, edges, groups), Look(), "right")["all"].groups
        return [words.text for words in box.closed.words]

    assert closed(a="Block", b="Block", c="Block", d="Block", e="Block", f="Block") == ["Net", "6 × Block", "420 operations"]
    assert closed(a="Block", b="Block", c="Block", d="Block", e="Block", f="Other") == ["Net", "420 operations"]


def test_a_large_group_is_a_small_box_and_says_how_much_it_holds() -> None:
    count = 60
    description = chain(count, "g")
    description.groups[:] = [group("g"), group("beside")]
    box, _ = scenes(description, Look())[""].groups
    assert not box.opens
    assert box.width < 200
    assert [words.text for words in box.title.words] == ["g"]
    assert [words.text for words in box.closed.words] == ["G", f"{count} operations"]
    opened, _ = scenes(description, Look(), mode="static")[""].groups
    assert opened.opens
    assert opened.scale == 1


@pytest.mark.parametrize("mode", MODES)
def test_what_feeds_itself_has_a_line(mode: str) -> None:
    nodes = [node("x", "variable"), node("a", "group"), node("b", "group"), node("y")]
    ends = [("x", "a"), ("a", "b"), ("b", "a"), ("b", "b"), ("b", "y")]
    description = Description(nodes, [DrawnEdge(source, target, "x", 0) for source, target in ends], [])
    (scene,) = scenes(description, Look(), mode=mode).values()
    places = {n.node.id: n for n in scene.nodes}
    assert sorted(number for each in scene.lines for number in each.line.edges) == [0, 1, 2, 3, 4]
    for each in scene.lines:  # from its source to its target, whichever lies above
        for end, (x, y) in ((each.line.source, each.path[0]), (each.line.target, each.path[-1])):
            box = places[end.id]
            assert box.x - 0.1 <= x <= box.x + box.block.width + 0.1
            assert box.y - 0.1 <= y <= box.y + box.block.height + 0.1
            assert 0 <= x <= scene.width


def test_stubs_lead_from_the_frame_to_the_ports() -> None:
    found = scenes(nested(), Look())
    (outer,) = found[""].groups
    (first,) = [g for g in found["outer"].groups if g.group.id == "first"]
    assert sorted(edges for _, edges in first.stubs) == [[0, 2], [4], [6]]
    for path, _ in first.stubs:
        assert path[0][1] == 0 or path[-1][1] == pytest.approx(first.height)
    assert outer.group.id == "outer"


def test_no_line_crosses_a_title() -> None:
    description = nested()
    description.groups[1].name = "a title that is much wider than what the group holds"
    for box in scenes(description, Look(), "down", mode="static")["outer"].groups:
        inner = scenes(description, Look(), "down", mode="static")[box.group.id]
        left = min(words.x for words in box.title.words)
        right = max(words.x + words.width for words in box.title.words)
        for port in inner.ports:
            if port.side == "in":
                assert not left - 5 < box.slot[0] + port.x < right + 5


def test_the_direction_suits_the_graph() -> None:
    chain = [node(f"n{i}") for i in range(12)]
    edges = [DrawnEdge(a.id, b.id, "x", 0) for a, b in itertools.pairwise(chain)]
    assert direction_of(Description(chain, edges, [])) == "down"
    assert direction_of(Description(chain[:5], edges[:4], [])) == "right"
    assert direction_of(nested()) == "down"
    with pytest.raises(ValueError, match="mode is 'page' or 'static'"):
        scenes(nested(), Look(), mode="other")


@pytest.mark.parametrize("mode", MODES)
def test_no_nesting_is_too_deep(mode: str) -> None:
    depth = 300
    groups = [group(f"g{i}", f"g{i - 1}" if i else None) for i in range(depth)]
    description = Description([node("x", "variable"), node("y", group=f"g{depth - 1}")], [DrawnEdge("x", "y", "x", 0)], groups)
    found = scenes(description, Look(), mode=mode)
    assert len(found) == depth + 1
    assert all(len(scene.lines) == 1 for scene in found.values())


# ----------------------------------------------------------------------------------------------- text


def test_widths_of_text() -> None:
    assert text_width("", 10) == 0
    assert text_width("iiii", 10) < text_width("mmmm", 10)
    assert text_width("weight", 10) < text_width("weight", 10, bold=True)
    assert text_width("é", 10) == text_width("e", 10)
    assert text_width("e\N{COMBINING ACUTE ACCENT}", 10) == text_width("e", 10)
    assert text_width("iW", 10, monospace=True) == pytest.approx(12.04)
    assert text_width("abc", 20) == pytest.approx(2 * text_width("abc", 10))
    assert is_exact("value 3.14 … −2")
    assert not is_exact("名前")


@given(st.text(max_size=40), st.floats(20, 200))
def test_shortened_text_fits(text: str, room: float) -> None:
    short = shortened(text, 10, room)
    assert text_width(short, 10) <= room
    assert short == text or "…" in short
