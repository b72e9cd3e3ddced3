"""`draw` and `Drawing`: files, notebooks, and what happens without the program `dot`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor
from autodiff.drawing import DotNotFoundError, Drawing, draw, picture

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")


@pytest.fixture
def loss() -> Iterator[Tensor]:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    with ad.trace():
        y = (x * x).sum()
    y.name = "loss"
    y.backward()
    yield y
    assert x.grad is not None  # x stays alive until the test is over


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_what_draw_returns(loss: Tensor) -> None:
    import graphviz

    drawing = draw(loss)
    assert isinstance(drawing, Drawing)
    assert isinstance(drawing.graphviz, graphviz.Digraph)
    assert drawing.source == drawing.graphviz.source
    assert repr(drawing) == "Drawing(3 nodes: 1 variable, 2 operations)"


def test_it_is_part_of_the_package() -> None:
    assert ad.draw is draw
    assert ad.Drawing is Drawing
    assert ad.DotNotFoundError is DotNotFoundError
    with pytest.raises(AttributeError, match="no attribute 'drow'"):
        ad.drow  # type: ignore[attr-defined]  # noqa: B018


def test_importing_and_computing_does_not_import_graphviz() -> None:
    program = (
        "import sys, autodiff as ad; x = ad.Tensor(1.0, requires_grad=True); (x * x).backward(); "
        "assert 'graphviz' not in sys.modules; d = ad.draw(x * x); assert 'graphviz' not in sys.modules; d.source; "
        "assert 'graphviz' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("suffix", [".dot", ".gv", ".GV"])
def test_text_is_saved_without_the_program(loss: Tensor, no_dot: Path, suffix: str) -> None:
    path = draw(loss).save(f"graph{suffix}")
    assert path == Path(f"graph{suffix}")
    assert path.read_text(encoding="utf-8") == draw(loss).source
    assert [p.name for p in no_dot.iterdir()] == [path.name]


@needs_dot
@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures_are_saved_in_the_format_of_the_suffix(loss: Tensor, tmp_path: Path, suffix: str, start: bytes) -> None:
    path = draw(loss).save(tmp_path / f"a folder.{suffix}")
    assert path.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["graph", "graph.jpeg", "graph.html"])
def test_other_suffixes_are_refused(loss: Tensor, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"one of \.dot, \.gv, \.svg, \.png, \.pdf; got"):
        draw(loss).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_without_dot_one_line_says_what_to_install(loss: Tensor, no_dot: Path, suffix: str) -> None:
    with pytest.raises(DotNotFoundError) as caught:
        draw(loss).save(f"graph.{suffix}")
    message = str(caught.value)
    assert "\n" not in message
    for part in (f".{suffix}", "apt install graphviz", "brew install graphviz", "winget install", "conda install", ".dot"):
        assert part in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert len(caught.traceback) <= 3
    assert caught.value._render_traceback_() == [f"DotNotFoundError: {message}"]
    assert list(no_dot.iterdir()) == []


def test_a_notebook_without_dot_gets_text(loss: Tensor, no_dot: Path) -> None:
    drawing = draw(loss)
    bundle = drawing._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "apt install graphviz" in bundle["text/plain"]
    assert "loss = sum(multiply)  scalar float64  value 5  grad 1" in bundle["text/plain"]
    assert "x = variable  (2,) float64  value [1, 2]  grad [2, 4]" in bundle["text/plain"]
    assert drawing._repr_svg_() is None
    assert list(no_dot.iterdir()) == []


@needs_dot
def test_a_notebook_gets_an_svg(loss: Tensor) -> None:
    drawing = draw(loss)
    bundle = drawing._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert bundle["image/svg+xml"] == drawing._repr_svg_()
    assert ElementTree.fromstring(bundle["image/svg+xml"].encode()).tag.endswith("svg")


def test_a_notebook_is_not_given_what_would_take_minutes() -> None:
    y = Tensor(1.0, requires_grad=True, name="x")
    for _ in range(picture.MOST_INLINE):
        y = np.negative(y)
    bundle = draw(y)._repr_mimebundle_()
    assert list(bundle) == ["text/plain"]
    assert "nodes left out" in bundle["text/plain"]
    assert "drawing.save('graph.svg')" in bundle["text/plain"]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
def test_when_dot_fails_its_message_is_passed_on(loss: Tensor, no_dot: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "dot"
    program.write_text("#!/bin/sh\necho 'out of memory' >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match="dot could not draw the graph of 3 nodes as svg: out of memory") as caught:
        draw(loss).save("graph.svg")
    assert not isinstance(caught.value, DotNotFoundError)
    assert draw(loss)._repr_svg_() is None
    assert list(no_dot.iterdir()) == []


def test_shallow_graphs_run_to_the_right_and_deep_ones_down(loss: Tensor) -> None:
    assert draw(loss).direction == "right"
    assert "rankdir=LR" in draw(loss).source
    deep = loss
    for _ in range(20):
        deep = np.negative(deep)
    assert draw(deep).direction == "down"
    assert "rankdir=TB" in draw(deep).source
    assert draw(deep, direction="right").direction == "right"


def test_bad_input_is_refused_in_clear_words(loss: Tensor) -> None:
    with pytest.raises(RuntimeError, match=r"draw: the tensor 'data' is not tracked.*requires_grad=True"):
        draw(Tensor(1.0, name="data"))
    with pytest.raises(TypeError, match="draw: expected a Tensor or several, got ndarray"):
        draw(np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got int"):
        draw([loss, 3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="got no tensor"):
        draw([])
    with pytest.raises(ValueError, match="direction is 'right' or 'down', got 'LR'"):
        draw(loss, direction="LR")


@needs_dot
@pytest.mark.parametrize("name", ["]", "]]", "] ]", "[", "x[0]", "-->", "]]>", "\\N", "&amp;", "\0", "\ud800"])
def test_dot_reads_every_name(name: str) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    assert draw(x * x)._repr_svg_() is not None


def test_a_name_that_is_no_text_is_written_as_text() -> None:
    x = Tensor(1.0, requires_grad=True)
    x.name = 5  # type: ignore[assignment]
    assert "<B>5</B>" in draw(x * x).source


@pytest.mark.parametrize("count", [20, 2000])
def test_figures_of_huge_values_do_not_warn(count: int) -> None:
    assert "mean inf" in draw(Tensor(np.full(count, 1e308), requires_grad=True) * 1.0).source


def test_text_names_arguments_in_the_order_of_the_call(no_dot: Path) -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    assert "subtract = subtract(x, constant)" in draw(x - 1.0)._repr_mimebundle_()["text/plain"]
    assert "subtract = subtract(constant, x)" in draw(1.0 - x)._repr_mimebundle_()["text/plain"]
