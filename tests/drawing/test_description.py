"""The graph as plain data: every node once, edges, groups, values, gradients, and the reason why one is missing."""

from __future__ import annotations

import contextlib
import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import (
    NOT_ARRIVED,
    NOT_COMPUTED,
    NOT_IN_GRAD,
    NOT_KEPT,
    OTHER_PASS,
    PERHAPS,
    TENSOR_GONE,
    Description,
    DrawnNode,
)  # fmt: skip
from autodiff.drawing.rules import written
from autodiff.graph import Group, add_group, next_number
from autodiff.tracing import Statistics


def variable(value: Any, name: str | None = None) -> Tensor:
    return Tensor(value, dtype=float, requires_grad=True, name=name)


def by_id(description: Description) -> dict[str, DrawnNode]:
    nodes = {node.id: node for node in description.nodes}
    assert len(nodes) == len(description.nodes)
    return nodes


def edges(description: Description) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.target, edge.argument) for edge in description.edges]


class Weight(Tensor):
    """A parameter, as far as a drawing can tell."""

    __slots__ = ()


# ----------------------------------------------------------------------------------------------- nodes and edges


def test_a_node_used_twice_is_drawn_once_with_two_edges() -> None:
    a = variable(3, "a")
    description = describe_graph([a + a])
    assert [node.id for node in description.nodes] == ["a", "add"]
    assert edges(description) == [("a", "add", "x1"), ("a", "add", "x2")]


def test_nodes_come_after_what_they_are_computed_from_and_ids_repeat_from_run_to_run() -> None:
    def ids() -> list[str]:
        x, y = variable(2, "x"), variable(3, "y")
        return [node.id for node in describe_graph([(x * y + x * y) * 2.0]).nodes]

    assert ids() == ["x", "y", "multiply", "multiply_2", "add", "constant", "multiply_3"] == ids()


def test_several_outputs_share_a_picture() -> None:
    x = variable(2, "x")
    y, z = np.exp(x), np.sin(x)
    nodes = by_id(describe_graph([y, z]))
    assert [node.id for node in nodes.values() if node.is_output] == ["exp", "sin"]
    assert len(nodes) == 3


def test_a_leaf_alone_is_a_picture() -> None:
    x = variable(2, "x")
    (node,) = describe_graph([x]).nodes
    assert (node.role, node.is_output, node.name, node.shape, node.dtype) == ("variable", True, "x", (), "float64")


def test_roles_of_leaves_and_constants() -> None:
    w, x = Weight([1.0, 2.0], requires_grad=True, name="w"), variable([1, 1], "x")
    nodes = by_id(describe_graph([(w * x * np.array([1.0, 2.0])).sum()]))
    assert {node.id: node.role for node in nodes.values()} == {
        "w": "parameter", "x": "variable", "multiply": "operation", "constant": "constant", "multiply_2": "operation",
        "sum": "operation",
    }  # fmt: skip


def test_user_names_become_ids_that_cannot_be_mistaken() -> None:
    a, b, c = variable(1, "loss"), variable(2, "loss"), variable(3, 'x:"\\<b>')
    d = variable(4, "loss_2")
    ids = [node.id for node in describe_graph([a * b * c * d]).nodes if node.role == "variable"]
    assert ids == ["loss", "loss_2", "x____b_", "loss_2_2"]


def test_parts_of_an_operation_with_several_outputs() -> None:
    x = variable(np.arange(6.0), "x")
    with ad.trace():
        p, q, r = ad.split(x, 3)
        y = (p * r).sum()
    for backward in (False, True):
        if backward:
            y.backward()
        description = describe_graph([y])
        nodes = by_id(description)
        parts = [node for node in nodes.values() if node.role == "part"]
        assert [node.part for node in parts] == [0, 2]
        assert [node.value.tolist() for node in parts] == [[0, 1], [4, 5]]
        assert nodes["split"].shape is None
        assert nodes["split"].settings == {"indices_or_sections": "3"}
        assert [(e.source, e.target) for e in description.edges if e.source == "split"] == [("split", "part"), ("split", "part_2")]
        assert [node.no_gradient for node in parts] == (["", ""] if backward else [NOT_COMPUTED] * 2)
    assert [node.gradient.tolist() for node in parts] == [[4, 5], [0, 1]]
    assert q.shape == (2,)


def test_a_part_to_which_no_gradient_comes_says_so() -> None:
    x = variable([1, 2], "x")
    with ad.trace():
        p, q = ad.split(x, 2)
        p.sum().backward()
    assert by_id(describe_graph([q]))["part"].no_gradient == NOT_ARRIVED


def test_settings_that_are_not_the_default_are_told() -> None:
    x = variable(np.ones((2, 3)), "x")
    with ad.trace():
        y = ad.sum(x, axis=0) ** 3
        z = y[1:] * ad.sum(y)
    nodes = by_id(describe_graph([z]))
    assert nodes["sum"].settings == {"axis": "0"}
    assert nodes["sum_2"].settings == {}
    assert nodes["power"].settings == {"n": "3"}
    assert nodes["getitem"].settings == {"index": "1:"}


def test_sequences_have_an_edge_for_each_array() -> None:
    x = variable([1, 2], "x")
    description = describe_graph([ad.concatenate([x, np.zeros(1), x])])
    assert edges(description) == [
        ("constant", "concatenate", "arrays[1]"), ("x", "concatenate", "arrays[0]"), ("x", "concatenate", "arrays[2]"),
    ]  # fmt: skip


def test_item_assignment_is_an_operation_like_others() -> None:
    v = variable(5, "v")
    with ad.trace():
        y = Tensor([1.0, 2.0])
        y[0] = v * 1.0
    node = by_id(describe_graph([y]))["setitem"]
    assert node.settings == {"index": "0"}
    assert node.value.tolist() == [5, 2]


def test_arguments_of_a_fused_operation_that_are_no_arrays_are_settings() -> None:
    @ad.fused(forward=lambda x, c, eps=0.5: (x * c + eps, c), backward=lambda g, c, needs: (g * c, None))
    def affine(x: Any, c: Any, eps: float = 0.5) -> Any:
        return x * c + eps

    x = variable([1, 2], "x")
    for scope in (contextlib.nullcontext(), ad.trace()):
        with scope:
            description = describe_graph([affine(x, np.array([3.0, 4.0]), eps=0.25)])
        assert edges(description) == [("constant", "affine", "c"), ("x", "affine", "x")]
        assert by_id(description)["affine"].settings == {"eps": "0.25"}


# ----------------------------------------------------------------------------------------------- values and gradients


def test_before_backward_gradients_are_not_computed_yet() -> None:
    x = variable(2, "x")
    y = np.exp(x) * 3.0
    nodes = by_id(describe_graph([y]))
    assert {node.no_gradient for node in nodes.values() if node.role != "constant"} == {NOT_COMPUTED}
    assert nodes["constant"].no_gradient == ""


def test_what_the_graph_still_holds_is_known_without_a_trace() -> None:
    x, z = variable(2, "x"), variable(5, "z")
    y = np.exp(x) * z + z
    nodes = by_id(describe_graph([y]))
    assert nodes["exp"].value == np.exp(2)  # its own rule keeps it
    assert nodes["multiply"].value is None
    assert nodes["multiply"].no_value == NOT_KEPT
    assert nodes["add"].value == np.exp(2) * 5 + 5  # the output is there


def test_after_backward_without_a_trace_values_and_gradients_were_not_kept() -> None:
    x = variable(2, "x")
    y = np.exp(x) * 3.0
    y.backward()
    nodes = by_id(describe_graph([y]))
    assert nodes["x"].gradient == 3 * np.exp(2)
    assert nodes["exp"].no_gradient == nodes["exp"].no_value == nodes["multiply"].no_gradient == NOT_KEPT
    assert nodes["constant"].no_value == NOT_KEPT


def test_a_pass_that_retains_the_graph_keeps_no_gradients_either() -> None:
    x = variable(2, "x")
    y = np.exp(x) * 3.0
    y.backward(retain_graph=True)
    assert by_id(describe_graph([y]))["exp"].no_gradient == PERHAPS  # not walked, with an older .grad, it would look the same
    assert by_id(describe_graph([y]))["x"].gradient == np.exp(2) * 3


def test_the_gradient_of_another_pass_is_not_taken_for_that_of_this_graph() -> None:
    w = variable(2, "w")
    (w * 100.0).backward()
    with ad.trace():
        y = w * w
    node = by_id(describe_graph([y]))["w"]
    assert (node.gradient, node.no_gradient) == (None, OTHER_PASS)
    y.backward()
    assert by_id(describe_graph([y]))["w"].gradient == 104.0  # .grad adds up


def test_under_a_trace_everything_is_known_after_backward() -> None:
    x = variable(2, "x")
    with ad.trace():
        y = np.exp(x) * 3.0
    before = by_id(describe_graph([y]))
    assert before["exp"].value == np.exp(2)
    assert before["exp"].no_gradient == NOT_COMPUTED
    y.backward()
    after = by_id(describe_graph([y]))
    assert all(node.no_value == node.no_gradient == "" for node in after.values())
    assert (after["exp"].gradient, after["multiply"].gradient, after["constant"].value) == (3, 1, 3)
    assert after["exp"].seconds is not None
    assert "test_description.py:" in after["exp"].source


def test_a_leaf_whose_gradient_was_cleared_says_so() -> None:
    x = variable(2, "x")
    y = np.exp(x)
    y.backward()
    x.grad = None
    assert by_id(describe_graph([y]))["x"].no_gradient == NOT_IN_GRAD


def test_gradients_taken_without_grad_are_not_in_grad() -> None:
    x = variable(2, "x")
    y = np.exp(x)
    ad.gradients(y, x)
    assert by_id(describe_graph([y]))["x"].no_gradient == NOT_IN_GRAD


def test_a_leaf_that_is_gone_still_has_its_node() -> None:
    y = np.sin(variable(2, "x"))
    gc.collect()
    node = by_id(describe_graph([y]))["variable"]
    assert (node.shape, node.dtype, node.no_gradient) == ((), "float64", TENSOR_GONE)
    assert node.value == 2  # sin keeps its argument
    y.backward()
    assert by_id(describe_graph([y]))["variable"].no_value == TENSOR_GONE


def test_a_retained_gradient_is_shown_without_a_trace() -> None:
    x = variable(2, "x")
    y = np.exp(x)
    y.name = "y"
    y.retain_grad()
    (y * 3.0).backward()
    node = by_id(describe_graph([y]))["y"]
    assert node.gradient == 3


def test_results_are_named_by_what_the_trace_saw() -> None:
    x = variable(2, "x")
    with ad.trace():
        y = np.exp(x)
        y.name = "inner"
        z = y * 2.0
    assert "inner" in by_id(describe_graph([z]))


def test_a_saved_array_that_was_overwritten_is_not_passed_off_as_the_value() -> None:
    x = variable(2, "x")
    w = variable(3, "w")
    y = x * (w * 1.0) + np.sin(w)
    with ad.no_grad():
        w[...] = 7.0
    assert by_id(describe_graph([y]))["w"].value == 7


def test_large_arrays_are_summed_up() -> None:
    x = variable(np.arange(2000.0), "x")
    node = by_id(describe_graph([x.sum()]))["x"]
    assert isinstance(node.value, Statistics)
    assert (node.value.max, node.shape) == (1999, (2000,))


def test_a_description_does_not_change_with_the_tensors() -> None:
    x = variable([2, 3], "x")
    description = describe_graph([x.sum()])
    with ad.no_grad():
        x[0] = 9.0
    assert by_id(description)["x"].value.tolist() == [2, 3]


def test_complex_gradients_are_shown_as_backward_hands_them_out() -> None:
    z = Tensor(1 + 2j, requires_grad=True, name="z")
    with ad.trace():
        w = z * (3 + 1j)
        y = ad.real(w)
    y.backward()
    nodes = by_id(describe_graph([y]))
    assert nodes["z"].gradient == z.grad.item() == 3 - 1j  # type: ignore[union-attr]
    assert nodes["multiply"].gradient == 1


def test_a_recorded_backward_pass_can_be_drawn_too() -> None:
    x = variable(2, "x")
    (d,) = ad.gradients(x**3, [x], create_graph=True)
    assert by_id(describe_graph([d]))["x"].role == "variable"


# ----------------------------------------------------------------------------------------------- groups


def grouped(name: str, function: Any, kind: str = "module", title: str = "") -> Any:
    def call(x: Tensor) -> Tensor:
        first = next_number()
        y: Tensor = function(x)
        assert y._node is not None
        add_group(y._node, Group(name, title or name, kind, first, next_number()))
        return y

    return call


def test_groups_nest_by_their_intervals() -> None:
    w = Weight(2.0, requires_grad=True, name="weight")
    inner = grouped("model.0", lambda x: x * w + 1.0, title="Scale")
    outer = grouped("model", lambda x: np.tanh(inner(x)), title="Model")
    x = variable(1, "x")
    description = describe_graph([outer(x) - 1.0])
    groups = [(group.id, group.title, group.parent) for group in description.groups]
    assert groups == [("model", "Model", None), ("model.0", "Scale", "model")]
    where = {node.id: node.group for node in description.nodes}
    assert where == {
        "x": None, "model.0.weight": "model.0", "model.0.multiply": "model.0", "model.0.constant": "model.0",
        "model.0.add": "model.0", "model.tanh": "model", "constant": None, "subtract": None,
    }  # fmt: skip


def test_a_parameter_that_two_modules_share_lies_where_both_do() -> None:
    w = Weight(2.0, requires_grad=True, name="w")
    a, b = grouped("m.a", lambda x: x * w), grouped("m.b", lambda x: x + w)
    outer = grouped("m", lambda x: b(a(x)))
    nodes = by_id(describe_graph([outer(variable(1, "x"))]))
    assert nodes["m.w"].group == "m"


def test_a_module_called_twice_is_two_groups() -> None:
    layer = grouped("layer", np.tanh)
    description = describe_graph([layer(layer(variable(1, "x")))])
    assert [(group.id, group.name) for group in description.groups] == [("layer", "layer"), ("layer_2", "layer")]
    assert [node.group for node in description.nodes] == [None, "layer", "layer_2"]


def test_a_composition_is_one_group_also_with_several_results() -> None:
    @ad.composition()
    def both(x: Any) -> Any:
        return np.sin(x), np.cos(x)

    s, c = both(variable(1, "x"))
    description = describe_graph([s * c])
    assert [(group.name, group.kind) for group in description.groups] == [("both", "composition")]
    assert [node.id for node in description.nodes if node.group == "both"] == ["sin", "cos"]


def test_real_modules_make_groups() -> None:
    nn = pytest.importorskip("nn", reason="the drawing of a model needs nn")
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    description = describe_graph([model(Tensor(np.ones((4, 2)), name="data")).sum()])
    names = [group.name for group in description.groups]
    assert names[1:] == ["0", "1", "2"]
    nodes = by_id(description)
    assert (nodes["0.weight"].group, nodes["0.weight"].role, nodes["0.weight"].shape) == ("0", "parameter", (3, 2))
    assert [node.group for node in nodes.values() if node.role == "constant"] == [None]


# ----------------------------------------------------------------------------------------------- size


def test_a_long_chain_needs_no_recursion() -> None:
    x = variable(1, "x")
    y = x
    for i in range(10_000):
        y = grouped(f"m{i}", np.negative)(y)
    description = describe_graph([y])
    assert len(description.nodes) == 10_001
    assert len(description.groups) == 10_000


Steps = list[tuple[int, int, int]]  # an operation and which two of the values so far it takes


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=25),
    traced=st.booleans(),
    backward=st.booleans(),
)
def test_any_graph_has_every_node_once_and_edges_between_them(steps: Steps, traced: bool, backward: bool) -> None:
    values: list[Tensor] = [variable([0.5, 1.5], "a"), variable([1.0, 2.0], "b")]
    operations: list[Any] = [
        lambda x, y: x + y, lambda x, y: x * 2.0, lambda x, y: ad.stack([x, y]).sum(axis=0), lambda x, y: ad.split(x, 2)[1] + y,
        lambda x, y: np.tanh(x - y), lambda x, y: ad.outer(x, y)[0],
    ]  # fmt: skip
    with ad.trace() if traced else contextlib.nullcontext():
        for which, i, j in steps:
            values.append(operations[which](values[i % len(values)], values[j % len(values)]))
        y = values[-1].sum()
    if backward:
        y.backward()
    nodes, waiting = set(), [y._node]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            waiting.extend(node.parents)
    description = describe_graph([y])
    ids = [node.id for node in description.nodes]
    constants = [node for node in description.nodes if node.role == "constant"]
    assert len(set(ids)) == len(ids) == len(nodes) + len(constants)
    assert len(description.edges) == sum(sum(p is not None for p in node.parents) for node in nodes) + len(constants)  # type: ignore[union-attr]
    place = {name: i for i, name in enumerate(ids)}
    assert all(place[edge.source] < place[edge.target] for edge in description.edges)
    for drawn in description.nodes:
        assert (drawn.value is None) == bool(drawn.no_value) or drawn.shape is None


# ----------------------------------------------------------------------------------------------- rules, memory, edges


def test_rules_stand_as_they_are_written() -> None:
    x, w = variable([1.0, 2.0], "x"), variable([3.0, 4.0], "w")
    nodes = by_id(describe_graph([np.tanh(x * w)]))
    assert nodes["multiply"].rules == {"x1": "lambda g, x2: g * x2", "x2": "lambda g, x1: g * x1"}
    assert nodes["tanh"].rules == {"x": "lambda g, y: g - g * (y * y)"}
    assert nodes["tanh"].written_at.rpartition(":")[0] == "autodiff/ops/elementwise.py"
    assert nodes["x"].rules == {}
    assert by_id(describe_graph([x * np.ones(2)]))["multiply"].rules == {"x1": "lambda g, x2: g * x2"}


def test_a_fused_operation_shows_its_kernel_and_its_reference() -> None:
    nodes = by_id(describe_graph([nn.functional.layer_norm(variable(np.ones((2, 3))), 3)]))
    node = nodes["layer_norm"]
    assert list(node.rules) == [""]
    assert "def " in node.rules[""]
    assert "sqrt" in node.reference
    assert '"""' not in node.reference


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda g: g + 1, "lambda g: g + 1"),
        ((lambda g: g, lambda g: -g)[1], "lambda g: -g"),
        (lambda g, y: (g * y), "lambda g, y: (g * y)"),
        (np.sin, ""),
        (len, ""),
    ],
    ids=["lambda", "second_of_a_line", "brackets", "ufunc", "builtin"],
)
def test_the_text_of_a_function(function: Any, text: str) -> None:
    assert written(function).text == text


def test_the_text_of_what_was_never_in_a_file() -> None:
    assert written(eval("lambda g: g")).text == ""


def test_what_is_saved_is_counted() -> None:
    x = variable(np.ones(10), "x")
    y = np.exp(x)
    assert by_id(describe_graph([y * 1.0]))["exp"].saved_bytes == 80
    total = (y * 2.0).sum()
    total.backward()
    assert by_id(describe_graph([total]))["exp"].saved_bytes is None
    with ad.trace():
        total = np.exp(x).sum()
    total.backward()
    assert by_id(describe_graph([total]))["exp"].saved_bytes == 80


def test_each_edge_has_its_term_and_its_local_derivative() -> None:
    a = variable(3.0, "a")
    with ad.trace():
        y = (a + a) * a
    found = describe_graph([y]).edges
    assert [(edge.source, edge.target, edge.gradient, edge.no_gradient) for edge in found] == [
        ("a", "add", None, NOT_COMPUTED), ("a", "add", None, NOT_COMPUTED), ("add", "multiply", None, NOT_COMPUTED),
        ("a", "multiply", None, NOT_COMPUTED),
    ]  # fmt: skip
    assert [float(edge.local) for edge in found] == [1.0, 1.0, 3.0, 6.0]
    y.backward()
    found = describe_graph([y]).edges
    assert [float(edge.gradient) for edge in found] == [3.0, 3.0, 3.0, 6.0]
    assert [float(edge.local) for edge in found] == [1.0, 1.0, 3.0, 6.0]


def test_a_local_derivative_is_not_told_where_an_array_cannot_say_it() -> None:
    x, w = variable([[1.0, 2.0]], "x"), variable([[3.0], [4.0]], "w")
    y = x + w  # both are broadcast
    assert [edge.local for edge in describe_graph([y]).edges] == [None, None]
    assert [edge.local for edge in describe_graph([w @ x]).edges] == [None, None]
    total = describe_graph([np.exp(x).sum()]).edges
    assert [edge.local.tolist() for edge in total] == [np.exp([[1.0, 2.0]]).tolist(), [[1.0, 1.0]]]


def test_the_gradient_of_a_tensor_that_is_gone_is_the_sum_of_its_terms() -> None:
    def run() -> Tensor:
        a = variable(3.0, "a")
        with ad.trace():
            y = a * a + a
        y.backward()
        return y

    nodes = by_id(describe_graph([run()]))
    assert nodes["a"].value == 3.0
    assert nodes["a"].gradient == 7.0


def test_a_named_constant_used_twice_is_one_node() -> None:
    x = variable([1.0, 2.0], "x")
    data, other = Tensor([5.0, 6.0], name="data"), Tensor([7.0, 8.0], name="data")
    with ad.trace():
        y = x * data + data * other
    nodes = by_id(describe_graph([y]))
    assert [id for id, node in nodes.items() if node.role == "constant"] == ["data", "constant"]
    with ad.trace():
        y = (x * data + data) * other
    assert [node.id for node in describe_graph([y]).nodes if node.role == "constant"] == ["data", "data_2"]


def test_the_module_of_each_node() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))
    nodes = by_id(describe_graph([model(Tensor(np.ones((1, 2), np.float32))) * 2.0]))
    assert {id: node.module for id, node in nodes.items()} == {
        "0.weight": "0", "0.bias": "0", "constant": "", "0.linear": "0", "1.0.tanh": "1.0", "multiply": "", "constant_2": "",
    }  # fmt: skip


def test_fused_operations_taken_apart_have_the_same_gradients() -> None:
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2))
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    loss = nn.CrossEntropyLoss()(model(x), np.array([0, 1, 1, 0, 1]))
    whole, parts = describe_graph([loss], backward=True), describe_graph([loss], backward=True, expand=True)
    assert len(parts.nodes) > len(whole.nodes) + 10
    assert {group.name for group in parts.groups if group.kind == "fused"} >= {"layer_norm", "cross_entropy"}
    for id, node in by_id(whole).items():
        if node.role == "parameter":
            np.testing.assert_allclose(by_id(parts)[id].gradient, node.gradient, rtol=1e-5, atol=1e-7)
    for node in parts.nodes:
        assert node.gradient is not None or node.role == "constant"
    sums = {}
    for edge in parts.edges:
        if edge.gradient is not None and not edge.no_gradient:
            sums[edge.source] = sums.get(edge.source, 0) + np.asarray(edge.gradient, float)
    for id, total in sums.items():
        np.testing.assert_allclose(total, by_id(parts)[id].gradient, rtol=1e-4, atol=1e-6)
    (output,) = [node for node in parts.nodes if node.is_output]
    np.testing.assert_allclose(output.value, loss.numpy(), rtol=1e-6)


def test_a_consumed_fused_operation_stays_whole() -> None:
    x = variable(np.ones((40, 30)))
    y = nn.functional.layer_norm(x, 30).sum()
    y.backward()
    assert "layer_norm" in by_id(describe_graph([y], expand="layer_norm"))


def test_describing_changes_nothing() -> None:
    x = variable([1.0, 2.0], "x")
    y = (np.tanh(x) * x).sum()
    describe_graph([y], backward=True, expand=True)
    assert x.grad is None
    y.backward()
    assert x.grad is not None


@pytest.mark.parametrize("traced", [False, True])
def test_a_model_that_is_gone_is_still_one_of_parameters(traced: bool) -> None:
    def output() -> Tensor:
        model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        return model(Tensor(np.ones((1, 2), np.float32)))  # type: ignore[no-any-return]

    with ad.trace() if traced else ad.enable_grad():
        y = output()
    gc.collect()
    nodes = {node.id: node for node in describe_graph([y]).nodes if node.role == "parameter"}
    assert {node.group for node in nodes.values()} == {"0", "1"}
    assert set(nodes) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert all(node.no_gradient == "gone with its tensor" for node in nodes.values())
    assert ad.draw(y).source


def test_switches_that_are_off_and_arrays_are_no_settings() -> None:
    x = Tensor(np.ones((4, 3)), requires_grad=True, name="x")
    norm = nn.BatchNorm1d(3).double()
    settings = [node.settings for node in describe_graph([norm.eval()(x[np.array([0, 1])])]).nodes if node.operation]
    assert settings == [{"index": "array of shape (2,)"}, {"eps": "1e−5"}]
    looked_up = describe_graph([nn.functional.embedding([[0, 1]], x)])
    assert [(edge.source, edge.argument) for edge in looked_up.edges if edge.source != "x"] == [("constant", "indices")]
    assert [node.settings for node in looked_up.nodes] == [{}, {}, {}]
