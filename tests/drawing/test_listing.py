"""Graphs as text: a line for each node, a tree for modules, no more lines and columns than asked for."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing import describe_graph
from autodiff.drawing.description import Description, DrawnNode
from autodiff.drawing.folding import folded
from autodiff.drawing.listing import as_text
from autodiff.drawing.selecting import marked
from autodiff.drawing.shaping import collapsed

from .random_graphs import HOSTILE, Stack, made_up, recorded, stack_of_blocks


def test_a_small_expression_has_a_line_for_each_node() -> None:
    a, b = (Tensor(value, requires_grad=True, name=name) for name, value in (("a", 2.0), ("b", -3.0)))
    with ad.trace():
        c = a * b
        d = np.tanh(c) ** 2
    assert as_text(describe_graph([d])) == (
        "a = variable  scalar float64  value 2\n"
        "b = variable  scalar float64  value −3\n"
        "multiply = multiply(a, b)  scalar float64  value −6\n"
        "tanh = tanh(multiply)  scalar float64  value −1\n"
        "power = power(tanh, n=2)  scalar float64  value 1\n"
        "\n"
        "grad of 5 nodes: not computed yet"
    )
    c.backward()
    assert "a = variable  scalar float64  value 2  grad −3" in as_text(describe_graph([c]))


def test_a_model_is_a_tree() -> None:
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True, name="x")
    model = Stack([nn.Linear(2, 5), nn.ReLU()])
    text = as_text(describe_graph([model(x).sum() * 0.0]))
    assert re.search(r"\.weight = parameter  \(5, 2\) float32  value −0\.\d+ … 0\.\d+\n", text)
    assert re.sub(r"  value \S+ … \S+", "", text) == (  # the weights are random
        "x = variable  (3, 2) float32\n"
        "Stack  4 nodes → (3, 5) float32\n"
        "├─ parts.0: Linear  3 nodes → (3, 5) float32\n"
        "│  ├─ .weight = parameter  (5, 2) float32\n"
        "│  ├─ .bias = parameter  (5,) float32\n"
        "│  └─ .linear = linear(x, .weight, .bias)  (3, 5) float32  value not kept\n"
        "└─ parts.1: ReLU  1 node → (3, 5) float32\n"
        "   └─ .relu = relu(parts.0.linear)  (3, 5) float32\n"
        "sum = sum(parts.1.relu)  scalar float32  value not kept\n"
        "constant = constant  scalar float32  value 0\n"
        "multiply = multiply(sum, constant)  scalar float32  value 0\n"
        "\n"
        "grad of 7 nodes: not computed yet\n"
        "not kept: record under autodiff.trace()"
    )


def test_closed_and_folded_groups_say_what_they_stand_for() -> None:
    description = stack_of_blocks(12)
    closed = as_text(collapsed(description, depth=1))
    assert "├─ parts.0 = Block(x)  (3, 2) float32  4 parameters, 4 operations" in closed
    assert "parts.11 = Block(parts.10)" in closed
    assert "├─ parts.0: Block ×12  8 nodes → (3, 2) float32" in as_text(folded(description)) or (
        "└─ parts.0: Block ×12  8 nodes → (3, 2) float32" in as_text(folded(description))
    )
    assert "parts.0 = Block(x)  ×12  (3, 2) float32" in as_text(folded(collapsed(description, depth=1)))


def test_large_models_are_closed_until_they_fit_and_it_is_said() -> None:
    description = stack_of_blocks(12)
    text = as_text(description, most=30)
    assert len(text.splitlines()) <= 32
    assert re.search(rf"^\d+ of {len(description.nodes)} nodes shown, the others are inside closed groups$", text, re.MULTILINE)
    everything = as_text(description, most=None)
    assert len(everything.splitlines()) == len(description.nodes) + len(description.groups)
    assert "closed groups" not in everything


def test_long_graphs_without_groups_leave_out_the_middle() -> None:
    y = x = Tensor(1.0, requires_grad=True, name="x")
    for _ in range(200):
        y = np.negative(y)
    lines = as_text(describe_graph([y])).splitlines()
    assert len(lines) <= 45
    assert "... 161 nodes left out ..." in lines
    assert lines[0].startswith(f"{x.name} = variable")
    assert any(line.startswith("negative_200 = negative(negative_199)") for line in lines)


def test_long_calls_and_values_are_cut_between_parts_and_not_inside_numbers() -> None:
    tensors = [Tensor([1.123456, 2.123456, 3.123456, 4.123456], requires_grad=True, name=f"t{i}") for i in range(20)]
    text = as_text(describe_graph([np.concatenate(tensors)]), width=70)
    assert "concatenate(t0, t1, t2, t3, t4, t5, … 14 more)" in text
    y = np.exp(tensors[0])
    line = as_text(describe_graph([y]), width=44).splitlines()[0]
    assert line == "t0 = variable  (4,) float64  value …  grad …"


def test_a_long_reason_leaves_room_and_its_cure_is_said_once_below() -> None:
    x = Tensor(3.0, requires_grad=True, name="x" * 30)
    drawn = describe_graph([(x * 2.0 + 1.0).sum()], backward=True)
    assert as_text(drawn, width=200).splitlines()[2:] == [
        f"multiply = multiply({'x' * 30}, constant)  scalar float64  value not kept  grad 1",
        "constant_2 = constant  value not kept",
        "add = add(multiply, constant_2)  scalar float64  value not kept  grad 1",
        "sum = sum(add)  scalar float64  value 7  grad 1",
        "",
        "not kept: record under autodiff.trace()",
    ]
    narrow = as_text(drawn, width=96).splitlines()
    assert narrow[2] == f"multiply = multiply({'x' * 30}, constant)  scalar float64  value …  grad 1"
    assert narrow[-2:] == ["not kept: record under autodiff.trace()", "value …: not kept"]


def test_a_view_with_closed_groups_says_how_many_nodes_the_whole_graph_has() -> None:
    whole = stack_of_blocks(3)
    shown = collapsed(whole, "Block")
    assert f"{len(shown.nodes)} of {len(whole.nodes)} nodes shown" in as_text(shown, whole=whole)
    assert "nodes shown" not in as_text(whole, None)


def test_what_is_wrong_with_large_values_is_said() -> None:
    x = Tensor(np.where(np.arange(2000) < 3, np.nan, 1.0), requires_grad=True, name="x")
    small = Tensor(np.array([np.inf, 1.0, 2.0, 3.0, np.nan]), requires_grad=True, name="small")
    assert "value 1 … 1 with 3 nan" in as_text(describe_graph([x]))
    assert "value 1 … 3 with 1 nan, 1 inf" in as_text(describe_graph([small]))
    assert "value 7 nan" in as_text(describe_graph([Tensor(np.full(7, np.nan), requires_grad=True)]))
    assert "something is wrong here" in as_text(marked(describe_graph([x * 2.0]), "multiply"))


def test_parameters_come_with_their_layer_and_layers_in_the_order_of_the_call() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            self.late, self.early = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.late(self.early(x))

    x = Tensor(np.ones((3, 2), np.float32), name="x")
    model = Backwards()
    text = as_text(describe_graph([model(x).sum()]))
    assert text.index("early: Linear") < text.index("late: Linear")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_on_their_line(name: str) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    text = as_text(describe_graph([x * x]))
    assert len(text.split("\n\n")[0].splitlines()) == 2
    assert len(text.splitlines()) <= 6
    assert text.encode("utf-8")
    made = Description([DrawnNode(name or "x", "operation", operation=name, settings={name: name})], [], [])
    assert len(as_text(made).splitlines()) == 1


@settings(max_examples=25, deadline=None)
@given(st.one_of(recorded(), made_up()), st.sampled_from([0, 1, 9]))
def test_every_node_has_its_line(description: Description, depth: int) -> None:
    for view in (description, collapsed(description, depth=depth), folded(description)):
        lines = as_text(view, most=None, width=10_000).splitlines()
        held = {node.group for node in view.nodes}
        for group in reversed(view.groups):
            held |= {group.parent} if group.id in held else set()
        end = lines.index("") if "" in lines else len(lines)
        assert end == len(view.nodes) + sum(group.id in held for group in view.groups)
        assert sum(" = " in line for line in lines[:end]) >= len(view.nodes)
        bounded = as_text(view, most=20).splitlines()
        assert len(bounded) <= 20 + 2 + 12
        assert all(len(line) <= 100 for line in bounded)
