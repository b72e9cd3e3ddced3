"""What is said of nodes, groups, edges and whole pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import (
    NOT_COMPUTED,
    NOT_IN_GRAD,
    NOT_KEPT,
    Description,
    DrawnEdge,
    DrawnGroup,
    DrawnNode,
)
from autodiff.drawing.labels import (
    CODE_LINES,
    CODE_WIDTH,
    MOST_CELLS_ALONG,
    MOST_CELLS_DOWN,
    SAID_OFTEN,
    Context,
    Grid,
    HeatMap,
    Histogram,
    Label,
    Row,
    Text,
    caption,
    code,
    edge_label,
    group_label,
    label_of,
    name_of,
    tooltip,
)
from autodiff.drawing.look import SHOWS, Look
from autodiff.drawing.selecting import leading_from
from autodiff.drawing.told_apart import signs
from autodiff.tracing import Statistics, summed_up

EVERYTHING = Look.of(tuple(SHOWS))


def label(node: DrawnNode, show: Any = None, **options: str) -> Label:
    look = show if isinstance(show, Look) else Look.of(show, **options)
    return label_of(node, look, Context.of(Description([node], [], []), look))


def content(value: Any, show: str = "values") -> Any:
    """What a label says of a value."""
    value = value if isinstance(value, Statistics) else np.asarray(value)
    (row,) = label(DrawnNode("x", "variable", name="x", value=value, shape=value.shape, dtype=str(value.dtype)), show).rows
    return row.content


def operation(**fields: Any) -> DrawnNode:
    whole: dict[str, Any] = {
        "operation": "multiply", "shape": (2,), "dtype": "float64", "value": np.array([1.0, 2.0]), "gradient": np.array([3.0, 4.0]),
        "seconds": 4.2e-6, "source": "/home/me/model.py:12", "saved_bytes": 1600, "rules": {"x1": "lambda g, x2: g * x2"},
    }  # fmt: skip
    return DrawnNode("multiply", "operation", **{**whole, **fields})


# ----------------------------------------------------------------------------------------------- what is asked for


@pytest.mark.parametrize(
    ("show", "kinds"),
    [
        ("", []),
        ("values", ["value"]),
        ("gradients", ["gradient"]),
        ("rules", ["rule"]),
        ("saved", ["saved"]),
        ("time", ["time"]),
        ("source", ["source"]),
        ("values gradients rules saved time source", ["value", "gradient", "rule", "saved", "time", "source"]),
    ],
)
def test_a_label_has_the_rows_that_were_asked_for(show: str, kinds: list[str]) -> None:
    assert [row.kind for row in label(operation(), show).rows] == kinds


def test_everything_that_can_be_said_of_an_operation() -> None:
    made = label(operation(name="y", settings={"axis": "0"}, marked=True, is_output=True), EVERYTHING)
    assert (made.name, made.sign, made.operation, made.settings) == ("y", "×", "multiply", ("axis=0",))
    assert made.about == "output  (2,)"  # the dtype stands in the caption
    assert made.marked
    assert made.rows == (
        Row("value", "value", Grid((("1", "2"),))),
        Row("gradient", "grad", Grid((("3", "4"),))),
        Row("rule", "∂x1", Text(("g * x2",), "code")),
        Row("saved", "saved", Text(("1.6 kB",))),
        Row("time", "time", Text(("4.2 µs",))),
        Row("source", "at", Text(("model.py:12",))),
    )


def test_what_is_not_known_is_left_out() -> None:
    bare = DrawnNode("x", "variable")
    assert label(bare, EVERYTHING).rows == ()


def test_shapes_are_shown_where_asked_for() -> None:
    node = DrawnNode("w", "parameter", shape=(2, 3), dtype="float32")
    assert label(node, "shapes").about == "parameter  (2, 3)"
    assert label(node, "values").about == "parameter"


@pytest.mark.parametrize("color", ["time", "memory", "gradient"])
def test_what_a_colour_stands_for_is_also_written(color: str) -> None:
    rows = label(operation(), "", color=color).rows
    assert [row.kind for row in rows] == [{"time": "time", "memory": "saved", "gradient": "scale"}[color]]
    (row,) = rows
    assert row.content == Text(({"time": "4.2 µs", "memory": "1.6 kB", "gradient": "3.5"}[color],))


def test_the_gradient_of_a_scalar_is_not_written_twice() -> None:
    node = operation(shape=(), gradient=np.array(2.0))
    assert [row.kind for row in label(node, "gradients", color="gradient").rows] == ["gradient"]
    assert [row.kind for row in label(node, "", color="gradient").rows] == ["scale"]


# ----------------------------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize(("reason", "short"), [(NOT_COMPUTED, NOT_COMPUTED), (NOT_KEPT, "not kept"), (NOT_IN_GRAD, "not in .grad")])
def test_a_missing_gradient_has_its_reason(reason: str, short: str) -> None:
    node = operation(gradient=None, no_gradient=reason)
    assert label(node).rows[1] == Row("gradient", "grad", Text((short,), "reason"))
    assert [row.kind for row in label(node, "values").rows] == ["value"]


def test_one_reason_for_both_is_said_once() -> None:
    node = operation(value=None, gradient=None, no_value=NOT_KEPT, no_gradient=NOT_KEPT)
    assert label(node).rows == (Row("value", "value, grad", Text(("not kept",), "reason")),)
    assert label(node, "gradients").rows == (Row("gradient", "grad", Text(("not kept",), "reason")),)


# ----------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3.14159, Text(("3.142",))),
        (True, Text(("True",))),
        (1 - 2j, Text(("1−2j",))),
        (np.zeros((0, 3)), Text(("empty",))),
        ([1, -2], Grid((("1", "−2"),))),
        ([[1.0], [0.5]], Grid((("1",), ("0.5",)))),
        ([np.nan, np.inf, -np.inf], Grid((("nan", "inf", "−inf"),))),
        (np.arange(6), Text(("0 … 5, mean 2.5",))),
        (np.arange(10).reshape(5, 2), Text(("0 … 9, mean 4.5",))),
        (np.ones((1, 1, 2)), Text(("1 … 1, mean 1",))),
        (np.append(np.arange(9.0), np.nan), Text(("0 … 8, mean 4, 1 not finite",))),
        (np.full(9, np.nan), Text(("nothing finite",))),
        (summed_up(np.arange(2000)), Text(("0 … 2e3, mean 1e3",))),
    ],
)
def test_small_values_are_shown_in_full_and_larger_ones_as_figures(value: Any, expected: Any) -> None:
    assert content(value) == expected


def test_thumbnails_leave_small_values_as_they_are() -> None:
    assert content([1.0, 2.0], "values thumbnails") == Grid((("1", "2"),))
    assert content(2.0, "values thumbnails") == Text(("2",))


def test_a_vector_becomes_a_histogram() -> None:
    made = content(np.repeat([0.0, 10.0, 4.9], [3, 5, 1]), "values thumbnails")
    assert isinstance(made, Histogram)
    assert (made.low, made.high, made.note) == ("0", "10", "")
    assert made.counts == (3, *[0] * 8, 1, *[0] * 9, 5)


@pytest.mark.parametrize("value", [np.full(9, 7.0), np.full(9, 1e308), np.array([-1e308, 1e308] * 4), np.array([0, 5e-324] * 4)])
def test_a_histogram_counts_everything(value: np.ndarray) -> None:
    made = content(value, "values thumbnails")
    assert isinstance(made, Histogram)
    assert sum(made.counts) == value.size
    assert len(made.counts) == 20


def test_statistics_have_their_own_histogram() -> None:
    x = np.append(np.random.default_rng(0).normal(size=1999), np.inf)
    made = content(summed_up(x), "values thumbnails")
    assert isinstance(made, Histogram)
    assert made.counts == summed_up(x).histogram
    assert made.note == "1 not finite"
    assert isinstance(content(summed_up(np.full(2000, np.nan)), "values thumbnails"), Text)


def test_a_matrix_becomes_a_heat_map() -> None:
    x = np.arange(-10.0, 20.0).reshape(6, 5)
    x[0, 1] = np.nan
    made = content(x, "values thumbnails")
    assert isinstance(made, HeatMap)
    assert made.note == "−10 … 19, 1 not finite"
    cells = np.array(made.cells)
    assert np.isnan(cells[0, 1])
    cells[0, 1] = x[0, 1] = 0
    np.testing.assert_allclose(cells, x / 19, atol=1e-4)


@pytest.mark.parametrize("shape", [(17, 2), (2, 25), (40, 25), (16, 24), (500, 2)])
def test_a_large_matrix_shows_the_largest_of_neighbours(shape: tuple[int, int]) -> None:
    x = np.zeros(shape)
    x[-1, -1], x[0, 0] = -4.0, 2.0
    made = content(x, "values thumbnails")
    assert isinstance(made, HeatMap)
    cells = np.array(made.cells)
    assert cells.shape == (min(shape[0], MOST_CELLS_DOWN), min(shape[1], MOST_CELLS_ALONG))
    assert (cells[0, 0], cells[-1, -1]) == (0.5, -1.0)
    assert np.count_nonzero(cells) == 2


@pytest.mark.parametrize("value", [np.zeros((6, 6)), np.full((6, 6), 1e308), np.ones((9, 9), bool), np.arange(36).reshape(6, 6)])
def test_cells_of_a_heat_map_lie_between_minus_one_and_one(value: np.ndarray) -> None:
    made = content(value, "values thumbnails")
    assert isinstance(made, HeatMap)
    assert np.abs(made.cells).max() <= 1


def test_complex_arrays_and_single_rows_become_histograms() -> None:
    assert isinstance(content(np.full((9, 9), 1j), "values thumbnails"), Histogram)
    assert isinstance(content(np.ones((1, 9)), "values thumbnails"), Histogram)
    assert isinstance(content(np.ones((3, 3, 3)), "values thumbnails"), Histogram)


# ----------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("lambda g, y: g * y", ("g * y",)),
        ("lambda g: -g", ("-g",)),
        ("lambda: 0", ("0",)),
        ("def rule(g, x):\n    return g * x", ("return g * x",)),
        ("def rule(g: Any, x: Any = {1: 2}) -> Any:\n    a = x\n    return g * a", ("a = x", "return g * a")),
        ("def rule(\n    g,\n    x,\n):\n    return g", ("return g",)),
        ("", ()),
        ("a\x00b", ("a\\x00b",)),
    ],
)
def test_rules_are_written_by_what_they_return(source: str, expected: tuple[str, ...]) -> None:
    assert code(source) == expected


@pytest.mark.parametrize(
    "source", ["lambda g: " + " + ".join(["g * x"] * 40), "lambda g: " + "g" * 500, "def f(g):\n" + "    x = 1\n" * 9, "x\n" * 99]
)
def test_long_rules_are_cut(source: str) -> None:
    lines = code(source)
    assert len(lines) == CODE_LINES
    assert all(len(line) <= CODE_WIDTH for line in lines)
    assert lines[-1].endswith("…")


def test_rules_are_those_of_the_source() -> None:
    x, y = (Tensor([2.0, 3.0], requires_grad=True, name=name) for name in "xy")
    description = describe_graph([x * y])
    made = label_of(description.nodes[-1], EVERYTHING, Context.of(description, EVERYTHING))
    rules = {row.name: row.content for row in made.rows if row.kind == "rule"}
    assert rules == {"∂x1": Text(("g * x2",), "code"), "∂x2": Text(("g * x1",), "code")}


def test_the_kernel_of_a_fused_operation_has_no_argument() -> None:
    (row,) = label(operation(rules={"": "def backward(g, x):\n    return g"}), "rules").rows
    assert (row.name, row.content) == ("rule", Text(("return g",), "code"))


# ----------------------------------------------------------------------------------------------- kinds of nodes


def test_a_constant_number_is_only_that() -> None:
    node = DrawnNode("constant", "constant", value=np.array(2.0), shape=(), dtype="float64")
    assert label(node) == Label(rows=(Row("value", "", Text(("2",))),))


def test_a_part_says_which_it_is() -> None:
    assert label(DrawnNode("part", "part", part=1)).sign == "[1]"
    assert label(DrawnNode("part", "part")).sign == "[?]"


def test_a_group_says_what_is_inside() -> None:
    node = DrawnNode(
        "layers.0", "group", name="layers.0", operation="Block", shape=(2, 3), dtype="float32",
        inside={"operation": 7, "parameter": 1, "constant": 3}, times=12, seconds=0.0015, saved_bytes=2500,
    )  # fmt: skip
    made = label(node, "shapes time saved")
    assert (made.name, made.operation, made.times, made.about) == ("layers.0", "Block", "×12", "(2, 3)")
    assert made.notes == ("7 operations, 1 parameter each",)
    assert [row.content for row in made.rows] == [Text(("2.5 kB",)), Text(("1.5 ms",))]
    node.times, node.name = 1, "Block"
    assert (label(node).times, label(node).operation) == ("", "")
    assert label(node).notes == ("7 operations, 1 parameter",)
    assert label(DrawnNode("g", "group", name="g")).notes == ()


def test_frames_of_groups() -> None:
    assert group_label(DrawnGroup("a", "layers.0", "Linear", "module", None, times=3)) == Label(
        "layers.0", operation="Linear", times="×3"
    )
    assert group_label(DrawnGroup("a", "trapezoid", "trapezoid", "composition", None)) == Label("trapezoid")


def test_powers_say_their_exponent_once() -> None:
    assert label(DrawnNode("p", "operation", operation="power", settings={"n": "2"})).settings == ()
    assert label(DrawnNode("p", "operation", operation="power", settings={"n": "2"})).sign == "x²"
    assert label(DrawnNode("p", "operation", operation="power", settings={"n": "1e−5"})).settings == ("n=1e−5",)


# ----------------------------------------------------------------------------------------------- the whole picture


def graph(*edges: tuple[str, str, str], roles: dict[str, str]) -> Description:
    nodes = [DrawnNode(id, role, name=id.rpartition(".")[2] if role == "parameter" else None) for id, role in roles.items()]
    for node in nodes:
        node.operation = node.id.partition("_")[0] if node.role == "operation" else None
    counts: dict[str, int] = {}
    drawn = []
    for source, target, argument in edges:
        drawn.append(DrawnEdge(source, target, argument, counts.setdefault(target, 0)))
        counts[target] += 1
    return Description(nodes, drawn, [])


def test_arguments_are_named_where_they_cannot_be_exchanged() -> None:
    roles = {"a": "variable", "b": "variable", "subtract": "operation", "add": "operation"}
    edges = [("a", "subtract", "x1"), ("b", "subtract", "x2"), ("a", "add", "x1"), ("b", "add", "x2")]
    assert Context.of(graph(*edges, roles=roles), Look()).named == {"subtract": {0: "x1", 1: "x2"}}


def test_arguments_that_are_called_so_need_no_name() -> None:
    roles = {"x": "variable", "0.weight": "parameter", "0.bias": "parameter", "linear": "operation"}
    edges = [("x", "linear", "x"), ("0.weight", "linear", "weight"), ("0.bias", "linear", "bias")]
    assert Context.of(graph(*edges, roles=roles), Look()).named == {}
    tied = [("x", "linear", "x"), ("0.bias", "linear", "weight"), ("0.weight", "linear", "bias")]
    assert Context.of(graph(*tied, roles=roles), Look()).named == {"linear": {0: "x", 1: "weight", 2: "bias"}}


def test_parameters_of_one_name_in_one_place_are_told_apart() -> None:
    description = graph(roles={"weight": "parameter", "weight_2": "parameter", "bias": "parameter"})
    for node in description.nodes:
        node.name = node.id.removesuffix("_2")
    context = Context.of(description, Look())
    assert [label_of(node, Look(), context).name for node in description.nodes] == ["weight", "weight_2", "bias"]
    description.nodes[1].group = "layer"
    context = Context.of(description, Look())
    assert [label_of(node, Look(), context).name for node in description.nodes] == ["weight", "weight", "bias"]


@pytest.mark.parametrize(
    ("dtypes", "shapes", "expected"),
    [
        (("float32", "float32"), ((), ()), ("all values are float32 scalars",)),
        (("float32", "float32"), ((), (2,)), ("all values are float32",)),
        (("float32", "float64"), ((), ()), ()),
    ],
)
def test_what_all_have_in_common_stands_in_the_caption(
    dtypes: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], expected: tuple[str, ...]
) -> None:
    nodes = [DrawnNode(str(i), "variable", shape=s, dtype=d) for i, (s, d) in enumerate(zip(shapes, dtypes, strict=True))]
    assert caption(Description(nodes, [], []), Look()) == expected
    assert caption(Description(nodes, [], []), Look.of("values")) == ()


def test_the_caption_explains_what_is_missing_and_what_is_marked() -> None:
    nodes = [
        operation(gradient=None, no_gradient=NOT_COMPUTED, dtype="a"),
        operation(value=None, no_value=NOT_KEPT, dtype="b"),
        operation(gradient=None, no_gradient=NOT_IN_GRAD, marked=True),
    ]
    lines = ("gradients not computed yet: call backward()", NOT_KEPT, NOT_IN_GRAD, "⚠ marks what is wrong")
    assert caption(Description(nodes, [], []), Look()) == lines
    assert caption(Description(nodes, [], []), Look.of("rules")) == lines[-1:]


def test_the_caption_says_when_there_is_nothing_to_colour() -> None:
    x = Tensor(1.0, requires_grad=True, name="x")
    description = describe_graph([ad.exp(x)])
    assert "no colours for the time of the forward pass: nothing is known of it" in caption(description, Look.of(color="time"))
    with ad.trace():
        y = ad.exp(x)
    assert not any("no colours" in line for line in caption(describe_graph([y]), Look.of(color="time")))


def test_shapes_along_edges() -> None:
    edge = DrawnEdge("x", "y", "x", 0)
    node = DrawnNode("x", "variable", shape=(2, 3))
    assert edge_label(edge, node, Look.of("edges")) == "(2, 3)"
    assert edge_label(edge, node, Look()) == ""
    assert edge_label(edge, DrawnNode("x", "variable", shape=()), Look.of("edges")) == "scalar"
    assert edge_label(edge, DrawnNode("x", "operation"), Look.of("edges")) == ""


def test_a_tooltip_has_what_the_label_has_no_room_for() -> None:
    assert tooltip(operation()) == "multiply: multiply · (2,) float64 · 4.2 µs · keeps 1.6 kB · model.py:12"
    assert tooltip(DrawnNode("x", "variable", no_value=NOT_KEPT, no_gradient=NOT_COMPUTED)) == (
        f"x · value {NOT_KEPT} · gradient {NOT_COMPUTED}"
    )


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[31m", "\ud800", "x" * 500, "\u202eabc"])
def test_every_text_is_one_line_that_can_be_printed(hostile: str) -> None:
    node = operation(
        name=hostile, operation=hostile, settings={hostile: hostile}, rules={hostile: hostile}, source=hostile, dtype=hostile,
        value=None, no_value=hostile,
    )  # fmt: skip
    edge = DrawnEdge("multiply", "multiply", hostile, 0)
    made = label(node, EVERYTHING)
    texts = [made.name, made.sign, made.operation, *made.settings, made.about, *made.notes, tooltip(node)]
    texts += [text for row in made.rows for text in (row.name, *(row.content.lines if isinstance(row.content, Text) else ()))]
    texts += caption(Description([node], [edge], []), EVERYTHING)
    grouped = group_label(DrawnGroup("g", hostile, hostile, "module", None))
    for text in (*texts, grouped.name, grouped.operation):
        assert text.isprintable()
        assert len(text) < 600


# ------------------------------------------------------------------------------------------- what is around a node


def test_a_linear_layer_without_bias_has_none_in_its_sign() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    drawn = describe_graph([model(Tensor(np.ones((1, 2), np.float32)))])
    assert signs(drawn) == {"0.linear": "xWᵀ+b", "1.linear": "xWᵀ"}
    context = Context.of(drawn, Look())
    assert [label_of(node, Look(), context).sign for node in drawn.nodes if node.operation] == ["xWᵀ+b", "xWᵀ"]
    part = leading_from(drawn, "0.weight")  # where the bias is cut away with the rest, it is still one with a bias
    assert signs(part)["0.linear"] == "xWᵀ+b"


def test_a_parameter_that_several_calls_share_is_known_by_its_module() -> None:
    shared, alone = nn.Linear(2, 2), nn.Linear(2, 2)
    x = Tensor(np.ones((1, 2), np.float32))

    class Twice(nn.Module):
        def __init__(self) -> None:
            self.shared, self.alone = shared, alone

        def forward(self, x: Any) -> Any:
            return self.shared(self.alone(self.shared(x)))

    drawn = describe_graph([Twice()(x)])
    context = Context.of(drawn, Look())
    names = {node.id: name_of(node, context) for node in drawn.nodes if node.role == "parameter"}
    assert names == {
        "shared.weight": "shared.weight", "shared.bias": "shared.bias", "alone.weight": "weight", "alone.bias": "bias",
    }  # fmt: skip
    assert {node.group for node in drawn.nodes if node.id.startswith("shared.") and node.role == "parameter"} == {"Twice"}


@pytest.mark.parametrize(("count", "said"), [(SAID_OFTEN // 2, True), (SAID_OFTEN, False)])
def test_in_a_large_picture_it_is_said_once_that_no_gradient_is_known(count: int, said: bool) -> None:
    x = y = Tensor(1.0, requires_grad=True, name="x")
    with ad.trace():
        for _ in range(count):
            y = np.sin(y)
    drawn, look = describe_graph([y]), Look()
    context = Context.of(drawn, look)
    assert all(("gradient" in {row.kind for row in label_of(node, look, context).rows}) is said for node in drawn.nodes)
    assert "gradients not computed yet: call backward()" in caption(drawn, look)
    y.backward()
    assert x.grad is not None
    after = describe_graph([y])
    context = Context.of(after, look)
    assert all("gradient" in {row.kind for row in label_of(node, look, context).rows} for node in after.nodes)
