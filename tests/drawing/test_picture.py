"""`draw` and `Drawing`: files, notebooks, and what happens without the program `dot`."""

from __future__ import annotations

import collections
import functools
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing import DotNotFoundError, Drawing, draw, picture
from autodiff.drawing.layout import programs

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
    monkeypatch.setattr(picture, "engines", lambda: ["own"])  # pygraphviz may be there
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


@pytest.mark.parametrize("name", ["graph", "graph.jpeg", "graph.pickle"])
def test_other_suffixes_are_refused(loss: Tensor, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"one of \.html, \.dot, \.gv, \.mmd, \.json, \.txt, \.svg, \.png, \.pdf; got"):
        draw(loss).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_without_dot_one_line_says_what_to_install(loss: Tensor, no_dot: Path, suffix: str) -> None:
    with pytest.raises(DotNotFoundError) as caught:
        draw(loss).save(f"graph.{suffix}")
    message = str(caught.value)
    assert "\n" not in message
    ways = ("apt install graphviz", "brew install graphviz", "winget install", "conda install", "pygraphviz")
    for part in (f".{suffix}", *ways, ".svg"):
        assert part in message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert len(caught.traceback) <= 3
    assert caught.value._render_traceback_() == [f"DotNotFoundError: {message}"]
    assert list(no_dot.iterdir()) == []


def test_without_dot_an_svg_is_laid_out_by_the_library(loss: Tensor, no_dot: Path) -> None:
    path = draw(loss).save("graph.svg")
    text = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag.endswith("svg")
    for name in ("loss", "multiply", ">x<"):
        assert name in text
    bundle = draw(loss)._repr_mimebundle_()
    assert bundle["image/svg+xml"] == text
    assert [p.name for p in no_dot.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["html", "mmd", "json", "txt"])
def test_the_other_formats_need_no_graphviz(loss: Tensor, no_dot: Path, suffix: str) -> None:
    path = draw(loss).save(f"graph.{suffix}")
    text = path.read_text(encoding="utf-8")
    assert "loss" in text
    assert "multiply" in text
    start = {"html": "<!doctype html>", "mmd": "flowchart LR", "json": "{", "txt": "x = variable"}[suffix]
    assert text.lower().startswith(start.lower())


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
def test_when_dot_fails_its_message_is_passed_on(
    loss: Tensor, no_dot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "dot"
    program.write_text("#!/bin/sh\necho 'out of memory' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(picture, "engines", lambda: ["dot", "own"])
    with pytest.raises(RuntimeError, match=r"as svg: out of memory \(a graph of 3 nodes\)\. \.dot, .* need no layout") as caught:
        draw(loss).save("graph.svg")
    assert not isinstance(caught.value, DotNotFoundError)
    assert caught.value.__context__ is None
    drawing = draw(loss)
    assert drawing._repr_svg_() is None
    shown = drawing._repr_mimebundle_()["text/plain"]
    assert "out of memory" in shown
    assert "loss = sum(multiply)  scalar float64  value 5  grad 1" in shown
    assert "x = variable  (2,) float64  value [1, 2]  grad [2, 4]" in shown
    assert list(no_dot.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
def test_dot_is_not_waited_for_without_end(no_dot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "dot"
    program.write_text("#!/bin/sh\nexec sleep 100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(picture, "engines", lambda: ["dot", "own"])
    monkeypatch.setattr(programs, "PATIENCE", 0.3)
    drawing = draw(nn.Sequential(*[Block() for _ in range(12)]), np.ones((2, 4), np.float32), depth=9)
    with pytest.raises(RuntimeError) as caught:
        drawing.save("graph.png")
    message = str(caught.value)
    assert "as png: it was not done after 0.3 seconds" in message
    assert re.search(r"Close groups: (depth|collapse)=.* leaves \d+.*\.json, \.txt need no layout", message)
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
    with pytest.raises(TypeError, match="draw: expected a Tensor or several, or a model and its inputs; got ndarray"):
        draw(np.zeros(2))
    with pytest.raises(TypeError, match="got int"):
        draw([loss, 3])
    with pytest.raises(TypeError, match=r"expected one Tensor or a list of them .* got Tensor followed by 1 more"):
        draw(loss, loss)
    with pytest.raises(ValueError, match="got no tensor"):
        draw([])
    with pytest.raises(ValueError, match=r"direction is 'right' or 'down', got 'LR' \(LR is 'right' here\)"):
        draw(loss, direction="LR")
    with pytest.raises(TypeError, match=r"draw\(\) takes no argument 'rankdir': write direction='right' or direction='down'"):
        draw(loss, rankdir="TB")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"draw\(\) takes no argument 'colour': did you mean color"):
        draw(loss, colour="time")  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match=r"no attribute 'view'; here it is drawing\.show\(\)"):
        draw(loss).view()
    with pytest.raises(ValueError, match="depth is how many levels of groups are open, 0 or more; got -1"):
        draw(loss, depth=-1)
    with pytest.raises(ValueError, match="depth"):
        draw(loss, depth=True)
    with pytest.raises(ValueError, match="color is one of 'role', 'gradient', 'memory', 'time'; got 'rainbow'"):
        draw(loss, color="rainbow")
    with pytest.raises(ValueError, match="the tensor 'other' given as wrt is not part of this graph"):
        draw(loss, wrt=Tensor(1.0, requires_grad=True, name="other"))
    with pytest.raises(TypeError, match="wrt is a tensor, a name, or several; got int"):
        draw(loss, wrt=3)


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


def test_text_names_arguments_in_the_order_of_the_call() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    assert "subtract = subtract(x, constant)" in str(draw(x - 1.0))
    assert "subtract = subtract(constant, x)" in str(draw(1.0 - x))


# ----------------------------------------------------------------------------------------------- models and functions


class Block(nn.Module):
    def __init__(self) -> None:
        self.norm, self.linear = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(self.norm(x))


def shown(drawing: Drawing) -> set[str]:
    return {node.id for node in drawing.shown.nodes}


def test_a_model_is_drawn_with_an_example_and_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    mean = model[1].running_mean.numpy().copy()
    state = nn.seeding.generator_or_default(None).bit_generator.state
    drawing = draw(model, np.ones((3, 4), np.float32))
    assert nn.seeding.generator_or_default(None).bit_generator.state == state
    np.testing.assert_array_equal(model[1].running_mean.numpy(), mean)
    assert all(p.grad is None for p in model.parameters())
    assert {"0.weight", "0.linear", "x"} <= shown(drawing)
    assert next(node for node in drawing.description.nodes if node.id == "x").role == "constant"


def test_a_model_without_parameters_has_its_input_tracked() -> None:
    drawing = draw(nn.Tanh(), [0.5, 1.0])
    assert [node.role for node in drawing.description.nodes] == ["variable", "operation"]


def test_a_function_is_drawn_with_its_inputs_tracked_and_named() -> None:
    drawing = draw(lambda a, b: np.sin(a) * b, 1.0, 2)
    assert {node.id: node.role for node in drawing.description.nodes} == {
        "a": "variable", "b": "variable", "sin": "operation", "multiply": "operation",
    }  # fmt: skip
    with pytest.raises(TypeError, match=r"is a function: give it example inputs"):
        draw(np.sin)
    with pytest.raises(RuntimeError, match="no result of <lambda> is tracked"):
        draw(lambda a: 3.0, 1.0)
    with pytest.raises(TypeError, match=r"Block is a model: give it example inputs, draw\(Block, x\); there is no graph before"):
        draw(Block())
    with pytest.raises(TypeError, match=r"Block is a class: make one .* draw\(Block\(\.\.\.\), x\)"):
        draw(Block, np.ones(4))


class Pair(nn.Module):
    """Takes inputs in a list or a dict and one by keyword; returns a dict with a list in it."""

    def __init__(self) -> None:
        self.a, self.b, self.norm = nn.Linear(2, 2), nn.Linear(3, 2), nn.BatchNorm1d(2)

    def forward(self, x: Any, more: Any, *, scale: float = 1.0) -> Any:
        return {"y": self.norm(self.a(x)) * scale, "z": [self.b(more["left"]), (self.b(more["right"][0]), None)]}


def pair_inputs() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 2)), {"left": rng.normal(size=(1, 3)), "right": [rng.normal(size=(4, 3)), "text", None]}


def test_inputs_in_lists_and_dicts_keep_their_places_and_get_names() -> None:
    drawing = draw(functools.partial(Pair(), scale=3.0), *pair_inputs())
    nodes = {node.id: node for node in drawing.description.nodes}
    assert {"x", "more.left", "more.right[0]"} <= nodes.keys()
    assert sum(node.is_output for node in nodes.values()) == 3
    sums = draw(lambda p: (p["w"] * p["b"][0]).sum(), {"w": np.ones(2), "b": [np.ones(2), None]}).description.nodes
    assert [(node.id, node.role) for node in sums[:2]] == [("p.w", "variable"), ("p.b[0]", "variable")]
    ragged = draw(lambda rows: np.concatenate(rows), [[1.0, 2.0], [3.0]]).description.nodes
    assert [node.id for node in ragged] == ["rows[0]", "rows[1]", "concatenate"]
    Row = collections.namedtuple("Row", "u v")
    assert len(draw(lambda row: row.u * row.v, Row(np.ones(2), np.ones(2))).description.nodes) == 3


def test_tensors_in_a_dict_are_drawn_together() -> None:
    x = Tensor(2.0, requires_grad=True, name="x")
    assert [node.id for node in draw({"a": x * 2, "b": np.exp(x)}).description.nodes if node.is_output] == ["multiply", "exp"]


GLOBAL = Pair()


def test_a_model_is_left_as_it_was_however_it_is_called() -> None:
    model, (x, more) = Pair(), pair_inputs()
    kept = [{key: value.numpy().copy() for key, value in one.state_dict().items()} for one in (model, GLOBAL)]
    draw(model, x, more)
    draw(model.forward, x, more)
    draw(functools.partial(model, scale=2.0), x, more)
    draw(functools.partial(model.forward, x), more)
    draw(lambda x: (model(x, more)["y"] ** 2).sum(), x)
    draw(lambda x: (GLOBAL(x, more)["y"] ** 2).sum(), x, backward=True)
    for one, before in zip((model, GLOBAL), kept, strict=True):
        for key, value in one.state_dict().items():
            assert value.numpy().tobytes() == before[key].tobytes(), key
        assert all(parameter.grad is None for parameter in one.parameters())
        assert one.training


def test_indices_are_inputs_too() -> None:
    drawing = draw(nn.Sequential(nn.Embedding(5, 2)), [[1, 2]])
    assert [(node.id, node.role) for node in drawing.description.nodes if node.role == "constant"] == [("x", "constant")]
    assert {edge.argument: edge.source for edge in drawing.description.edges} == {"weight": "0.weight", "indices": "x"}
    assert drawing.description.nodes[-1].settings == {}


def test_the_text_file_has_every_node_that_is_shown(tmp_path: Path) -> None:
    x = Tensor(1.0, requires_grad=True, name="x")
    y = x
    for _ in range(100):
        y = np.sin(y)
    assert "nodes left out" in str(draw(y))
    lines = draw(y).save(tmp_path / "graph.txt").read_text(encoding="utf-8").splitlines()
    assert sum(" = " in line for line in lines) == 101


def test_groups_are_closed_by_depth_name_class_or_predicate() -> None:
    model = nn.Sequential(Block(), Block())
    x = np.ones((2, 4), np.float32)
    assert shown(draw(model, x, depth=0)) == {"Sequential", "x"}
    assert shown(draw(model, x, depth=1)) == {"0", "1", "x"}
    assert "0.linear.linear" in shown(draw(model, x, depth=3))
    assert {"0", "1.linear.linear"} <= shown(draw(model, x, collapse="0"))
    assert {"0", "1"} <= shown(draw(model, x, collapse="Block"))
    assert {"0.norm", "1.norm"} <= shown(draw(model, x, collapse=lambda group: group.title == "LayerNorm"))


def test_repeated_blocks_are_folded_on_request() -> None:
    model = nn.Sequential(*[Block() for _ in range(6)])
    drawing = draw(model, np.ones((2, 4), np.float32), fold=True, collapse="Block")
    (block,) = [node for node in drawing.shown.nodes if node.role == "group"]
    assert block.times == 6
    assert "×6" in drawing.source
    assert "×6" in str(drawing)
    assert all(group.times == 1 for group in draw(model, np.ones((2, 4), np.float32)).shown.groups)


def test_only_what_leads_from_a_parameter() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    x = np.ones((2, 4), np.float32)
    assert shown(draw(model, x, wrt="2.weight")) == {"2.weight", "2.linear"}
    assert shown(draw(model, x, wrt=model[0].weight)) == {"0.weight", "0.linear", "1.tanh", "2.linear"}
    with pytest.raises((KeyError, ValueError), match=r"2\.weight"):
        draw(model, x, wrt="2.weihgt")


def test_only_gradient_paths() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    assert shown(draw(x * 2.0 + 1.0, gradient_paths=True)) == {"x", "multiply", "add"}


def test_fused_operations_are_opened_into_their_reference() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    x = np.ones((2, 4), np.float32)
    closed, opened = draw(model, x), draw(model, x, expand="layer_norm")
    assert "1.layer_norm" in shown(closed)
    assert "1.layer_norm" not in shown(opened)
    assert any(group.kind == "fused" for group in opened.shown.groups)
    with pytest.raises(ValueError, match="expand='softplus'"):
        draw(model, x, expand="softplus")


def test_a_pass_of_its_own_touches_no_grad() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = (x * x).sum()
    drawing = draw(y, backward=True)
    assert x.grad is None
    assert {node.id: node.gradient.tolist() for node in drawing.description.nodes} == {
        "x": [2.0, 4.0], "multiply": [1.0, 1.0], "sum": 1.0,
    }  # fmt: skip
    y.backward()
    assert x.grad.tolist() == [2.0, 4.0]
    several = draw([x * 2, x * x], backward=True)  # of the sum of all that is drawn
    assert next(node for node in several.description.nodes if node.id == "x").gradient.tolist() == [4.0, 6.0]


def test_too_many_nodes_are_refused_with_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(picture, "MOST_DRAWN", 10)
    model = nn.Sequential(*[Block() for _ in range(6)])
    drawing = draw(model, np.ones((2, 4), np.float32), depth=9)
    with pytest.raises(ValueError, match=r"a picture of \d+ nodes is too large .*(depth|collapse)"):
        drawing.save(tmp_path / "graph.svg")
    assert list(tmp_path.iterdir()) == []
    drawing.save(tmp_path / "graph.json")


def test_a_deep_model_is_a_page_and_not_a_wall() -> None:
    model = nn.Sequential(*[nn.Sequential(Block(), Block(), Block()) for _ in range(12)])
    drawing = draw(model, np.ones((2, 4), np.float32))
    assert len(drawing.description.nodes) > 250
    assert 10 < len(drawing.shown.nodes) <= 60


def test_a_page_is_called_like_its_model_or_its_output(loss: Tensor) -> None:
    assert draw(loss)._title == "loss"
    assert draw(Block(), np.ones((2, 4), np.float32))._title == "Block"


def test_text_tells_what_the_look_shows(loss: Tensor) -> None:
    assert "value" not in str(draw(loss, show="shapes, gradients"))
    assert "grad [2, 4]" in str(draw(loss, show="gradients"))


def test_show_opens_the_page(loss: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    import webbrowser

    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    path = draw(loss).show()
    assert path is not None
    assert opened == [path.as_uri()]
    assert path.read_text(encoding="utf-8") == draw(loss).html()
