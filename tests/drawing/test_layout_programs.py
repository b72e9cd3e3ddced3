"""Graphviz as an engine of the layout, where it is installed, and what is said where it is not."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from autodiff.drawing.layout import Box, Link, arrange, engines, programs, render

from .boxes_and_links import check, check_ports, dag, graph, is_straight, problems

HERE = engines()
EACH = [
    pytest.param(name, marks=pytest.mark.skipif(name not in HERE, reason=f"{name} is not installed"))
    for name in ("dot", "pygraphviz")
]
DOT = 'digraph { a -> b; a [label="<script>"] }'


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither program nor package."""

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "version", version)


def test_the_own_engine_is_always_there(nowhere: None) -> None:
    assert HERE[-1] == "own"
    assert set(HERE) <= {"dot", "pygraphviz", "own"}
    assert engines() == ["own"]


@pytest.mark.parametrize(("engine", "cure"), [("dot", "sudo apt install graphviz"), ("pygraphviz", "'glassgrad[pygraphviz]'")])
def test_a_missing_engine_says_how_to_get_it(nowhere: None, engine: str, cure: str) -> None:
    with pytest.raises(RuntimeError, match="arrange: ") as caught:
        arrange(*graph("a>b"), engine=engine)
    assert cure in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None
    assert render(DOT, "svg") is None


def test_an_old_pygraphviz_is_none(monkeypatch: pytest.MonkeyPatch, nowhere: None) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.14")
    assert engines() == ["own"]


@pytest.mark.parametrize("engine", EACH)
@pytest.mark.parametrize("direction", ["down", "right"])
def test_a_picture_is_sound(engine: str, direction: str) -> None:
    @settings(max_examples=15, deadline=None)
    @given(problems())
    def sound(problem: tuple[list[Box], list[Link]]) -> None:
        made, links = problem
        found = arrange(made, links, direction, engine)
        check(found, made, links, direction)
        check_ports(found, made, direction)

    sound()


@pytest.mark.parametrize("engine", EACH)
def test_it_is_much_like_our_own(engine: str) -> None:
    """The same ranks, hence nearly the same height; no longer lines than twice those of Graphviz."""
    for made, links in (graph("a>b>d", "a>c>d"), graph("x>l>r>k>s", "W>l", "b>l", "V>k", "x>s"), dag(60, 5, 3)):
        ours, theirs = arrange(made, links), arrange(made, links, engine=engine)
        rows = [{round(y + 10) for _, y in found.corners.values()} for found in (ours, theirs)]
        assert abs(len(rows[0]) - len(rows[1])) <= 1
        swings = [
            sum(abs(a[0] - b[0]) for path in found.paths for a, b in itertools.pairwise(path[::3])) for found in (ours, theirs)
        ]
        assert swings[0] <= 2 * swings[1] + 40


@pytest.mark.parametrize("engine", EACH)
def test_distances_are_those_asked_for(engine: str) -> None:
    found = arrange(*graph("a>b", "a>c"), engine=engine, gap=(30.0, 50.0))
    (_, ya), (xb, yb), (xc, yc) = (found.corners[name] for name in "abc")
    assert yb == yc == pytest.approx(ya + 20 + 50, abs=0.5)
    assert abs(xc - xb) == pytest.approx(40 + 30, abs=0.5)
    assert all(map(is_straight, arrange(*graph("a>b>c>d"), engine=engine).paths))


@pytest.mark.parametrize("engine", EACH)
def test_ids_are_nothing_but_names(engine: str) -> None:
    names = ['"', "a -> b", "<script>", "n0", "\\N", "ü:n", ""]
    made = [Box(name, 30, 20) for name in names]
    links = [Link(a, b) for a, b in itertools.pairwise(names)]
    found = arrange(made, links, engine=engine)
    check(found, made, links, "down")


@pytest.mark.parametrize("engine", EACH)
def test_texts_become_pictures(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_is_there", lambda name: name == engine)
    picture = render(DOT, "svg")
    assert picture is not None
    assert b"<svg" in picture
    assert b"<script>" not in picture
    assert json.loads(render(DOT, "json0") or b"")["directed"] is True
    assert (render(DOT, "png") or b"")[:4] == b"\x89PNG"
    assert (render(DOT, "pdf") or b"")[:4] == b"%PDF"


@pytest.mark.parametrize("engine", EACH)
def test_what_cannot_be_drawn_is_told_in_one_error(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_is_there", lambda name: name == engine)
    for source, format in (("digraph { a -> ", "svg"), (DOT, "nonsense")):
        with pytest.raises(RuntimeError, match=f"{engine} could not draw this as {format}: ."):
            render(source, format)
