"""The DOT text: its structure, how things are told apart, what lies beside what, and that text stays text."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Tensor
from autodiff.drawing import draw
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.drawing.dot import FAR, FAR_FROM_LEAF, MANY, MOST_PLACES, as_digraph
from autodiff.drawing.dot_labels import escaped
from autodiff.drawing.look import PALETTES, SHOWS, Look
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
    """Return the ids of the nodes and the pairs of the edges, in order; ports and layout hints left out.

    A tag, which stands for a node that is far away, is no node, and an edge from one is an edge from that node.
    """
    nodes, edges = [], []
    word = r'("(?:[^"\\]|\\.)*"|[\w.]+)'
    for line in source.splitlines():
        line = line.strip()
        edge = re.match(rf"{word}(?::\w+)*(?::\w+)* -> {word}", line)
        node = re.match(rf"{word} \[label=", line)
        if edge:
            ends = [end.strip('"').partition(" ")[0] for end in (edge[1], edge[2])]
            source, target = reversed(ends) if "dir=back" in line else ends
            edges.append((source, target))
        elif node and "class=tag" not in line:
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


# ----------------------------------------------------------------------------------------------- looks


def small() -> Tensor:
    """x * x + 1, after backward and with everything known."""
    x = variable([1, 2, 3], "x")
    with ad.trace():
        y = (x * x + 1.0).sum()
    y.name = "y"
    y.backward()
    small.kept = x  # type: ignore[attr-defined]  # else its node would not know it any more
    return y


def test_the_default_look_is_that_of_the_options() -> None:
    description = describe_graph([small()])
    assert as_digraph(description, "down").source == as_digraph(description, "down", Look.of()).source


@pytest.mark.parametrize(
    ("show", "present", "absent"),
    [
        ("", ["<B>x</B>", "multiply"], ["value", "grad", "(3,)", ">14<"]),
        ("values", ["value"], ["grad", "(3,)"]),
        ("gradients", ["grad"], ["value", "(3,)"]),
        ("shapes", ["(3,)"], ["value", "grad"]),
        ("rules", ["∂x1", "g * x2", "monospace"], ["value"]),
        ("source", ["test_dot.py:"], ["value"]),
        ("time", ["µs"], ["value"]),
    ],
)
def test_what_is_shown_is_what_was_asked_for(show: str, present: list[str], absent: list[str]) -> None:
    source = as_digraph(describe_graph([small()]), "right", Look.of(show)).source
    labels = re.sub(r'tooltip="[^"]*"', "", source).replace("all values are", "").replace("\N{NO-BREAK SPACE}", " ")
    for text in present:
        assert text in labels
    for text in absent:
        assert text not in labels


def test_shapes_are_written_along_edges() -> None:
    source = as_digraph(describe_graph([small()]), "right", Look.of("edges")).source
    assert 'x -> multiply [label=" (3,) "' in source
    assert 'constant -> add [label=" scalar "' in source
    assert " -> " in draw(small()).source
    assert "label=" not in "".join(line for line in draw(small()).source.splitlines() if " -> " in line)


@pytest.mark.parametrize("theme", PALETTES)
def test_themes(theme: str) -> None:
    palette, other = PALETTES[theme], PALETTES["light" if theme == "dark" else "dark"]
    source = as_digraph(describe_graph([small()]), "right", Look.of(theme=theme)).source
    assert f'bgcolor="{palette.paper}"' in source
    for color in (palette.ink, palette.edge, palette.roles["variable"][0], palette.output[1]):
        assert color in source
    for color in (other.paper, other.ink, other.edge) if theme == "dark" else (other.paper,):
        assert color not in source


@pytest.mark.parametrize(("color", "title", "unit"), [("time", "time of the forward pass", "µs"), ("memory", "bytes kept", "B")])
def test_what_colours_stand_for_is_explained(color: str, title: str, unit: str) -> None:
    description = describe_graph([small()])
    for i, node in enumerate(node for node in description.nodes if node.role == "operation"):
        node.seconds, node.saved_bytes = (i + 1) * 1e-6, (i + 1) * 10
    source = as_digraph(description, "right", Look.of("", color=color)).source
    (head,) = [line for line in source.splitlines() if "rankdir" in line]
    scale = PALETTES["light"].scales[color]
    assert title in head
    assert head.count("BGCOLOR=") == 5
    for stop in (scale[0], scale[-1]):
        assert f'BGCOLOR="{stop}"' in head
    assert f'fillcolor="{scale[0]}"' in line_of(source, "multiply")
    assert f'fillcolor="{scale[-1]}"' in line_of(source, "y")
    assert f'fontcolor="{PALETTES["light"].ink}"' not in line_of(source, "y")  # white on the darkest
    assert unit in line_of(source, "y")


def test_what_is_wrong_is_red_and_has_a_sign() -> None:
    description = describe_graph([small()])
    description.nodes[1].marked = True
    source = as_digraph(description, "right").source
    line = line_of(source, description.nodes[1].id)
    assert "⚠" in line
    assert "penwidth=4" in line
    assert PALETTES["light"].wrong in line
    assert source.count("⚠") == 2  # the other one in the caption


def test_groups_that_stand_for_several_have_a_second_sheet() -> None:
    nodes = [
        DrawnNode("x", "variable", name="x", shape=(), dtype="float64"),
        DrawnNode("blocks", "group", name="blocks.0", operation="Block", inside={"operation": 3, "parameter": 2}, times=12),
        DrawnNode("head", "group", name="head", operation="Linear", is_output=True),
    ]
    edges = [DrawnEdge("x", "blocks", "x", 0), DrawnEdge("blocks", "head", "x", 0)]
    source = as_digraph(Description(nodes, edges, []), "down").source
    line = line_of(source, "blocks")
    for text in ("<B>blocks.0</B>", "Block", "<B>×12</B>", "3 operations, 2 parameters each", "peripheries=2"):
        assert text in line
    assert "×" not in line_of(source, "head")
    assert "Linear" in line_of(source, "head")


def test_frames_of_fused_operations_are_dashed_and_those_of_several_heavy() -> None:
    nodes = [DrawnNode("y", "operation", operation="exp", group="fused")]
    groups = [
        DrawnGroup("layer", "layer", "Layer", "module", None, times=3),
        DrawnGroup("fused", "softmax", "fused", "fused", "layer"),
    ]
    lines = as_digraph(Description(nodes, [], groups), "down").source.splitlines()
    start = lines.index("\tsubgraph cluster_layer {")
    assert "dashed" not in lines[start + 1]
    assert "penwidth=2" in lines[start + 1]
    assert "<B>×3</B>" in lines[start + 1]
    start = lines.index("\tsubgraph cluster_fused {")
    assert "dashed" in lines[start + 1]
    assert "penwidth=1" in lines[start + 1]


def test_thumbnails_are_tables_of_coloured_cells() -> None:
    x, w = variable(np.linspace(-1, 1, 30), "x"), variable(np.arange(48.0).reshape(6, 8), "w")
    source = as_digraph(describe_graph([x.sum() + w.sum()]), "right", Look.of("values thumbnails")).source
    assert line_of(source, "w").count("BGCOLOR=") == 48
    assert line_of(source, "w").count(f'BGCOLOR="{PALETTES["light"].diverging[-1]}"') == 1
    assert line_of(source, "x").count("BGCOLOR=") == 20
    assert "0 … 47" in line_of(source, "w")


# ----------------------------------------------------------------------------------------------- what lies where


def layers(n: int, shared: bool = False) -> Description:
    """n linear layers in a chain, each in a group of its own."""
    nodes, edges, groups = [DrawnNode("x", "variable", name="x")], [], []
    flow = "x"
    for i in range(n):
        groups.append(DrawnGroup(str(i), str(i), "Linear", "module", None))
        for name in ("weight", "bias") if i == 0 or not shared else ():
            home = None if shared else str(i)
            nodes.append(DrawnNode(f"{i}.{name}", "parameter", name=name, group=home))
        nodes.append(DrawnNode(f"{i}.linear", "operation", operation="linear", group=str(i), is_output=i == n - 1))
        owner = 0 if shared else i
        sources = (flow, f"{owner}.weight", f"{owner}.bias")
        edges += [DrawnEdge(s, f"{i}.linear", a, k) for k, (s, a) in enumerate(zip(sources, ("x", "weight", "bias"), strict=True))]
        flow = f"{i}.linear"
    return Description(nodes, edges, groups)


@pytest.mark.parametrize("direction", ["right", "down"])
def test_parameters_lie_on_both_sides_of_their_layer(direction: str) -> None:
    description = layers(2)
    source = as_digraph(description, direction).source
    for i in range(2):
        assert f'{{rank=same; "{i}.linear"; "{i}.weight"; "{i}.bias"}}' in source
        weight_first = direction == "down"  # a rank is counted from the left, and from below
        assert (f'"{i}.weight" -> "{i}.linear"' in source) is weight_first
        assert (f'"{i}.bias" -> "{i}.linear"' in source) is not weight_first
    _, edges = statements(source)
    assert edges == [(edge.source, edge.target) for edge in description.edges]


@needs_dot
@pytest.mark.parametrize("direction", ["right", "down"])
def test_what_flows_from_layer_to_layer_runs_straight_on(direction: str) -> None:
    places = {}
    for line in as_digraph(layers(4), direction).pipe(format="plain", encoding="utf-8").splitlines():
        word = shlex.split(line)
        if word[0] == "node":
            places[word[1]] = (float(word[2]), float(word[3]))
    across, along = (0, 1) if direction == "down" else (1, 0)
    chain = ["x", *(f"{i}.linear" for i in range(4))]
    line = [places[id][across] for id in chain]
    assert max(line) - min(line) < 0.1  # inches
    steps = [places[id][along] for id in chain]
    assert steps == sorted(steps, reverse=direction == "down")
    for i in range(4):
        weight, linear, bias = (places[f"{i}.{name}"] for name in ("weight", "linear", "bias"))
        assert weight[along] == pytest.approx(linear[along], abs=0.01) == bias[along]
        sides = (weight[across] - linear[across], bias[across] - linear[across])
        assert sides[0] < 0 < sides[1] if direction == "down" else sides[1] < 0 < sides[0]  # to the left, or above


@needs_dot
def test_a_layer_that_is_used_again_and_again_does_not_turn_the_flow_around() -> None:
    """In Graphviz, a cluster may go above another that feeds it, when that makes other edges shorter."""
    for n in (3, 12):
        rows = {}
        for line in as_digraph(layers(n, shared=True), "down").pipe(format="plain", encoding="utf-8").splitlines():
            word = shlex.split(line)
            if word[0] == "node":
                rows[word[1]] = float(word[3])
        chain = [rows[f"{i}.linear"] for i in range(n)]
        assert chain == sorted(chain, reverse=True)
        assert len(set(chain)) == n


def test_tags_stand_for_leaves_that_are_used_in_many_places() -> None:
    description = layers(MOST_PLACES, shared=True)
    assert "class=tag" not in as_digraph(description, "down").source
    description = layers(MOST_PLACES + 2, shared=True)
    source = as_digraph(description, "down").source
    assert source.count("class=tag") == 2 * (MOST_PLACES + 1)
    assert "<0.weight>" in line_of(source, "0.weight 1.linear 1")  # elsewhere "weight" would say too little
    assert '"0.weight" -> "0.linear"' in source
    assert "a name in a small frame stands for the node of that name" in source
    nodes, edges = statements(source)
    assert sorted(nodes) == sorted(node.id for node in description.nodes)
    assert edges == [(edge.source, edge.target) for edge in description.edges]


@pytest.mark.parametrize(("length", "tags"), [(FAR_FROM_LEAF - 1, 0), (FAR_FROM_LEAF, 1), (FAR_FROM_LEAF + 9, 1)])
def test_a_tag_stands_for_a_leaf_that_is_far_away(length: int, tags: int) -> None:
    x = variable(1, "x")
    y = x
    for _ in range(length):
        y = np.negative(y)
    assert draw(y + x).source.count("class=tag") == tags


@pytest.mark.parametrize(("length", "tags"), [(FAR - 1, 0), (FAR, 1)])
def test_a_tag_stands_for_a_result_only_if_it_is_very_far_away(length: int, tags: int) -> None:
    start = np.exp(variable(1, "x"))
    y = start
    for _ in range(length):
        y = np.negative(y)
    source = draw(y + start).source
    assert source.count("class=tag") == tags
    assert statements(source)[1].count(("exp", "add")) == 1


def test_large_graphs_are_drawn_with_less_effort() -> None:
    y = variable(1, "x")
    for _ in range(MANY - 1):
        y = np.negative(y)
    assert "nslimit" not in draw(y).source
    assert "nslimit" in draw(np.negative(y)).source
    look = Look.of("values thumbnails")
    for count, bars in ((MANY, 9), (MANY + 1, 0)):  # one for each bin that is not empty
        nodes = [DrawnNode(str(i), "variable", value=np.arange(9.0) if i == 0 else None) for i in range(count)]
        assert as_digraph(Description(nodes, [], []), "down", look).source.count("BGCOLOR=") == bars


# ----------------------------------------------------------------------------------------------- any graph


@st.composite
def graphs(make: st.DrawFn) -> list[Tensor]:
    """Outputs of a random computation: shared nodes, scalars and arrays, with and without names."""
    shape = make(st.sampled_from([(), (3,), (2, 3), (40, 30)]))
    known = [variable(np.ones(shape), make(st.sampled_from([None, "x", "a b", "<b>"]))) for _ in range(make(st.integers(1, 3)))]
    for _ in range(make(st.integers(1, 25))):
        a, b = (known[make(st.integers(0, len(known) - 1))] for _ in range(2))
        kind = make(st.integers(0, 5))
        made = a + b if kind == 0 else a - b if kind == 1 else a * 0.5 if kind == 2 else np.tanh(a) if kind == 3 else a
        known.append(made if kind < 4 else ad.split(ad.concatenate([ad.ravel(a), ad.ravel(b)]), 2)[0].reshape(shape))
    return [known[-1], known[make(st.integers(0, len(known) - 1))]]


@settings(max_examples=60, deadline=None)
@given(
    outputs=graphs(), direction=st.sampled_from(["right", "down"]), show=st.sets(st.sampled_from(sorted(SHOWS))),
    color=st.sampled_from(["role", "gradient", "memory", "time"]), theme=st.sampled_from(["light", "dark"]),
)  # fmt: skip
def test_any_graph_has_every_node_and_every_edge_once(
    outputs: list[Tensor], direction: str, show: set[str], color: str, theme: str
) -> None:
    description = describe_graph(outputs)
    source = as_digraph(description, direction, Look.of(show, color, theme)).source
    nodes, edges = statements(source)
    assert sorted(nodes) == sorted(node.id for node in description.nodes)
    assert sorted(edges) == sorted((edge.source, edge.target) for edge in description.edges)


@needs_dot
@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("theme", PALETTES)
def test_dot_reads_all_that_can_be_shown(direction: str, theme: str) -> None:
    x, w = variable(np.linspace(-1, 1, 60).reshape(10, 6), "x"), variable(np.ones((40, 30)), "w")
    with ad.trace():
        y = (x * x).mean() + np.exp(w).sum() / 3.0
    y.backward()
    description = describe_graph([y])
    description.nodes[-1].marked = True
    for color in ("role", "gradient", "memory", "time"):
        drawing = as_digraph(description, direction, Look.of(tuple(SHOWS), color, theme))
        tree = ElementTree.fromstring(drawing.pipe(format="svg"))
        shown = {(element.text or "").strip() for element in tree.iter(f"{SVG}text")}
        assert {"⚠", "(10, 6)", "∂x1"} <= shown


@needs_dot
def test_ids_from_elsewhere_do_no_harm() -> None:
    """What was read from a file may have any ids."""
    ids = ["a:b", "a_b", "<b>", "x\\", 'say "hi"', "a b 0", "\ud800", ""]
    nodes = [DrawnNode(id, "variable" if i == 0 else "operation", operation="exp", group=id) for i, id in enumerate(ids)]
    edges = [DrawnEdge(a, b, "x", 0) for a, b in itertools.pairwise(ids)]
    drawing = as_digraph(Description(nodes, edges, [DrawnGroup(id, id, id, "module", None) for id in ids]), "down")
    tree = ElementTree.fromstring(drawing.pipe(format="svg"))
    classes = [element.get("class") for element in tree.iter(f"{SVG}g")]
    assert (classes.count("node"), classes.count("edge"), classes.count("cluster")) == (8, 7, 8)


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
