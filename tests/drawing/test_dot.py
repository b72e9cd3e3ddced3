"""The DOT text: its structure, how things are told apart, and that text stays text."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor
from autodiff.drawing import draw
from autodiff.drawing.dot import escaped
from autodiff.graph import Group, add_group, next_number

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = [
    "<script>alert(1)</script>", 'say "hi"', "back\\slash \\N \\G \\l", "{a|b} <p>", "two\nlines", "&lt;b&gt; &amp; &",
    "größe 名前 Δ", "<b>", "a:b:c", "\x00\x1b[31m", "\ud800", "a" * 300, "node", "graph", "--> x; y", "<!-- c -->", "]]>",
    "%s {0}", "\u202eabc", "<<>>", "\\",
]  # fmt: skip


def variable(value: Any, name: str | None = None) -> Tensor:
    return Tensor(value, dtype=float, requires_grad=True, name=name)


def statements(source: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the ids of the nodes and the pairs of the edges, in order; ports and layout hints left out."""
    nodes, edges = [], []
    word = r'("(?:[^"\\]|\\.)*"|[\w.]+)'
    for line in source.splitlines():
        line = line.strip()
        edge = re.match(rf"{word}(?::\w+)*(?::\w+)* -> {word}", line)
        node = re.match(rf"{word} \[label=", line)
        if edge and "style=invis" not in line:
            edges.append((edge[1].strip('"'), edge[2].strip('"')))
        elif node:
            nodes.append(node[1].strip('"'))
    return nodes, edges


def line_of(source: str, id: str) -> str:
    (line,) = [line for line in source.splitlines() if re.match(rf'\s*"?{re.escape(id)}"? \[label=', line)]
    return line


def test_every_node_and_every_edge_is_there_once() -> None:
    a = variable(3, "a")
    nodes, edges = statements(draw(a * a + a).source)
    assert nodes == ["a", "multiply", "add"]
    assert sorted(edges) == [("a", "add"), ("a", "multiply"), ("a", "multiply"), ("multiply", "add")]


def test_modules_are_nested_clusters() -> None:
    def module(name: str, title: str, x: Tensor, *functions: Any) -> Tensor:
        first = next_number()
        for function in functions:
            x = function(x)
        assert x._node is not None
        add_group(x._node, Group(name, title, "module", first, next_number()))
        return x

    x = variable(1, "x")
    y = module("net", "Net", x, lambda x: module("net.layer", "Layer", x, np.sin, np.exp), np.tanh)
    lines = [line.strip() for line in draw(y).source.splitlines()]
    outer, inner = lines.index("subgraph cluster_net {"), lines.index('subgraph "cluster_net.layer" {')
    first_end = lines.index("}", inner)
    second_end = lines.index("}", first_end + 1)
    labels = [re.match(r'"?([\w.]+)"? \[label', line) for line in lines]
    position = {label[1]: i for i, label in enumerate(labels) if label}
    assert inner < position["net.layer.sin"] < first_end < second_end
    assert outer < position["net.tanh"] < second_end
    assert not outer < position["x"] < second_end
    assert "<B>net.layer</B>" in lines[inner + 1]
    assert "Layer" in lines[inner + 1]


def test_roles_differ_in_more_than_colour() -> None:
    class Weight(Tensor):
        __slots__ = ()

    w, x = Weight(2.0, requires_grad=True, name="w"), variable(3, "x")
    y = w * x + 1.0 + 2.0
    source = draw(y).source
    looks = []
    for id in ("w", "x", "constant", "multiply", "add_2"):
        attributes = line_of(source, id).rsplit(">", 1)[1]
        looks.append(tuple(sorted(re.findall(r'(?:style|penwidth|peripheries|shape)="?[\w.,]+"?', attributes))))
    assert len(set(looks)) == 5, looks
    for id, word in (("w", "parameter"), ("x", "variable"), ("add_2", "output")):
        assert word in line_of(source, id)


def test_names_shapes_dtypes_values_and_gradients_are_shown() -> None:
    x = variable([[1, -2], [3, 4.56789]], "x")
    i = Tensor(np.float32(2), requires_grad=True, name="i")
    with ad.trace():
        y = (x * i).sum()
        y.name = "y"
    y.backward()
    source = draw(y).source
    x_line = line_of(source, "x")
    for text in ("<B>x</B>", "(2, 2)", "float64", ">−2<", ">4.568<"):
        assert text in x_line
    assert x_line.count(">2<") == 4  # the gradient
    assert "float32" in line_of(source, "i")
    assert "<B>y</B>" in line_of(source, "y")


def test_a_dtype_that_everything_has_is_said_once() -> None:
    source = draw(np.exp(variable(1, "x"))).source
    assert source.count("float64 scalars") == 1
    assert "float64" not in re.sub(r'tooltip="[^"]*"', "", line_of(source, "exp"))


def test_operations_carry_their_sign_and_their_name() -> None:
    x, y = variable([1, 2], "x"), variable([3, 4], "y")
    source = draw((((x + y) * x - y) / y) @ x + ad.sum(x) ** 2).source
    signs = {"add": "+", "multiply": "×", "subtract": "−", "divide": "÷", "matmul": "@", "sum": "Σ", "power": "x²"}
    for name, sign in signs.items():
        line = line_of(source, name)
        assert f">{sign}</FONT>" in line
        assert f">{name}</FONT>" in line


def test_arguments_that_cannot_be_exchanged_are_named() -> None:
    a, b = variable(1, "a"), variable(2, "b")
    source = draw(b - a).source
    assert "b -> subtract:0:w" in source
    assert "a -> subtract:1:w" in source
    assert 'PORT="0"' in line_of(source, "subtract")
    assert "b -> add\n" in draw(b + a).source


@pytest.mark.parametrize(
    ("traced", "backward", "expected", "absent"),
    [
        (False, False, ["not computed yet", "not kept (record under autodiff.trace())"], []),
        (True, False, ["not computed yet"], ["not kept"]),
        (False, True, ["not kept (record under autodiff.trace())"], ["not computed yet"]),
        (True, True, [], ["not kept", "not computed yet"]),
    ],
)
def test_the_reason_why_something_is_missing(traced: bool, backward: bool, expected: list[str], absent: list[str]) -> None:
    x = variable(2, "x")
    if traced:
        with ad.trace():
            y = np.exp(x) * 3.0 + x
    else:
        y = np.exp(x) * 3.0 + x
    if backward:
        y.backward()
    source = draw(y).source
    for text in expected:
        assert text in source
    for text in absent:
        assert text not in source


def test_large_and_odd_arrays_have_figures() -> None:
    x = variable(np.append(np.arange(1999.0), np.nan), "x")
    z = Tensor(np.full((3, 3, 3), 1 + 1j), requires_grad=True, name="z")
    e = variable(np.zeros((0, 3)), "e")
    n = variable(np.full(9, np.inf), "n")
    source = draw([x.sum(), z.sum(), e.sum(), n.sum()]).source
    assert "0 … 2e3, mean 999, 1 not finite" in line_of(source, "x")
    assert "1.41 … 1.41, mean 1.41" in line_of(source, "z")
    assert "empty" in line_of(source, "e")
    assert "nothing finite" in line_of(source, "n")


def test_sources_name_no_folders() -> None:
    x = variable(2, "x")
    with ad.trace():
        y = np.exp(x)
    source = draw(y).source
    assert "test_dot.py:" in source
    assert str(Path(__file__).parent) not in source


def test_a_deep_chain_becomes_text() -> None:
    y = variable(1, "x")
    for _ in range(10_000):
        y = np.negative(y)
    drawing = draw(y)
    assert drawing.source.count(" -> ") == 10_000


# ----------------------------------------------------------------------------------------------- names are text


@pytest.mark.parametrize("name", HOSTILE)
def test_markup_in_a_name_is_escaped(name: str) -> None:
    x = variable(1, name)
    source = draw(np.exp(x)).source
    assert "<script" not in source
    label = re.search(r"<B>(.*?)</B>", source)
    assert label is not None
    assert not re.search(r"[<>\n\x00\x1b]", label[1])
    assert statements(source)[1] == [(statements(source)[0][0], "exp")]
    source.encode("utf-8")


def test_escaping() -> None:
    assert escaped('<a href="x">&\\') == "&lt;a href=&quot;x&quot;&gt;&amp;\\\\"


@needs_dot
def test_hostile_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    def group(name: str, x: Tensor) -> Tensor:
        first = next_number()
        y = np.negative(x)
        add_group(y._node, Group(name, f"{name} title", "module", first, next_number()))
        return y

    total = variable(0, "start")
    with ad.trace():
        for name in HOSTILE:
            total = group(name, total - variable(1, name))
            total.name = name
    tree = ElementTree.parse(draw(total).save(tmp_path / "hostile.svg"))
    tags = {element.tag.removeprefix(SVG) for element in tree.iter()}
    assert tags <= {"svg", "g", "a", "title", "text", "path", "polygon", "polyline"}
    shown = [(element.text or "").replace("\xa0", " ") for element in tree.iter(f"{SVG}text")]
    for name in (
        "<script>alert(1)</script>", 'say "hi"', "back\\slash \\N \\G \\l", "{a|b} <p>", "two\\nlines", "&lt;b&gt; &amp; &",
        "größe 名前 Δ", "\\x00\\x1b[31m", "\\ud800", "]]>", "\\",
    ):  # fmt: skip
        assert shown.count(name) >= 2, name
    links = [value for element in tree.iter() for key, value in element.attrib.items() if key.endswith("href")]
    assert links == []


@needs_dot
def test_dot_draws_every_node_and_every_edge(tmp_path: Path) -> None:
    x = variable(np.arange(6.0).reshape(3, 2), "x")
    with ad.trace():
        p, q, r = ad.split(x, 3)
        y = (ad.outer(p[0], q[0]) - r).mean() / 2.0
    y.backward()
    for direction in ("right", "down"):
        drawing = draw(y, direction=direction)
        tree = ElementTree.parse(drawing.save(tmp_path / f"{direction}.svg"))
        titles: dict[str, list[str]] = {"node": [], "edge": [], "cluster": []}
        for g in tree.iter(f"{SVG}g"):
            titles.setdefault(g.get("class", ""), []).append(g.findtext(f"{SVG}title", ""))
        assert sorted(titles["node"]) == sorted(node.id for node in drawing.description.nodes)
        ends = [re.sub(r"(:\d+)?:[nw]$", "", title) for title in titles["edge"]]
        assert sorted(ends) == sorted(f"{edge.source}->{edge.target}" for edge in drawing.description.edges)
        assert titles["cluster"] == ["cluster_outer"]
