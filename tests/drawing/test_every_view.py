"""Random graphs in every format: each can be written, and has every node once."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodiff.drawing.description import Description
from autodiff.drawing.folding import folded
from autodiff.drawing.listing import as_text
from autodiff.drawing.look import COLORS, SHOWS, Look
from autodiff.drawing.picture import Drawing
from autodiff.drawing.svg import as_svg

from .random_graphs import made_up, recorded, stack_of_blocks
from .test_dot import statements
from .test_mermaid import Parsed


def in_dot(drawing: Drawing) -> int:
    return len(statements(drawing.source)[0])


def in_svg(drawing: Drawing) -> int:
    tree = ElementTree.fromstring(as_svg(drawing.shown, drawing.look, drawing.direction))
    return sum("data-node" in element.attrib for element in tree.iter())


def in_mermaid(drawing: Drawing) -> int:
    return len(Parsed(drawing.mermaid).nodes)


def in_text(drawing: Drawing) -> int:
    lines = as_text(drawing.shown, None, 10_000).split("\n\n")[0].splitlines()
    held = {node.group for node in drawing.shown.nodes}
    for group in reversed(drawing.shown.groups):
        held |= {group.parent} if group.id in held else set()
    return len(lines) - len(held - {None})


def in_json(drawing: Drawing) -> int:
    return len({node["id"] for node in json.loads(drawing.json())["nodes"]})


def in_html(drawing: Drawing) -> int:
    return len(set(re.findall(r'data-node="([^"]*)"', drawing.html())))


VIEWS: dict[str, tuple[Callable[[Drawing], int], bool]] = {  # with whether it has all nodes, or those that are shown
    "dot": (in_dot, False), "svg": (in_svg, False), "mermaid": (in_mermaid, False), "text": (in_text, False),
    "json": (in_json, True), "html": (in_html, True),
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=15, deadline=None)
@given(
    description=st.one_of(recorded(), made_up()), fold=st.booleans(), depth=st.sampled_from([None, 0, 1, 9]),
    show=st.sets(st.sampled_from(sorted(SHOWS))), color=st.sampled_from(sorted(COLORS)), theme=st.sampled_from(["light", "dark"]),
)  # fmt: skip
def test_every_node_is_there_once(
    view: str, description: Description, fold: bool, depth: int | None, show: set[str], color: str, theme: str
) -> None:
    count, whole = VIEWS[view]
    drawing = Drawing(folded(description) if fold else description, None, Look.of(show, color, theme), None, depth)
    assert count(drawing) == len((drawing.description if whole else drawing.shown).nodes)


@pytest.mark.parametrize("view", VIEWS)
@settings(max_examples=3, deadline=None)
@given(description=recorded())
def test_a_lost_node_would_be_noticed(view: str, description: Description) -> None:
    count, whole = VIEWS[view]
    drawing = Drawing(description, None, None, None, 9)
    expected = len((drawing.description if whole else drawing.shown).nodes)
    for part in {id(part): part for part in (drawing.description, drawing.shown)}.values():
        last = part.nodes.pop()
        part.edges = [edge for edge in part.edges if last.id not in (edge.source, edge.target)]
    assert count(drawing) == expected - 1


def test_ids_are_the_same_from_run_to_run() -> None:
    first, second = (stack_of_blocks(4) for _ in range(2))
    assert [node.id for node in first.nodes] == [node.id for node in second.nodes]
    assert [group.id for group in first.groups] == [group.id for group in second.groups]
    assert len({node.id for node in first.nodes}) == len(first.nodes)


def test_every_graph_looks_the_same_drawn_twice() -> None:
    description: Any = stack_of_blocks(2)
    for write in (lambda d: d.source, lambda d: d.mermaid, lambda d: d.json(), str):
        assert write(Drawing(description)) == write(Drawing(description))
