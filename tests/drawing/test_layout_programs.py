"""Pictures by Graphviz, where it is installed, and what is said where it is not."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from autodiff.drawing.layout import HOW_TO_GET, engines, programs, render

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
def test_how_to_get_what_is_missing_is_a_line(nowhere: None, engine: str, cure: str) -> None:
    assert cure in HOW_TO_GET[engine]
    assert "\n" not in HOW_TO_GET[engine]
    assert render(DOT, "svg") is None


def test_an_old_pygraphviz_is_none(monkeypatch: pytest.MonkeyPatch, nowhere: None) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.14")
    assert engines() == ["own"]


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
