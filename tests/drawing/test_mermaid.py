"""Mermaid flowcharts: every line fits the grammar, every node is there once, and no name breaks out of its label."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing import describe_graph
from autodiff.drawing.description import Description, DrawnEdge, DrawnNode
from autodiff.drawing.folding import folded
from autodiff.drawing.mermaid import LOOKS, SHAPES, as_mermaid, escaped
from autodiff.drawing.selecting import marked
from autodiff.drawing.shaping import collapsed

from .random_graphs import HOSTILE, Stack, made_up, recorded, stack_of_blocks

ID = r"[ng]_[A-Za-z0-9_]*"
# What may stand in a label: letters and digits of any language, a few signs, entity codes and line breaks.
LABEL = r'(?:[^\x00-\x1f"#<>&`\[\]{}|\\%;:/@$*~^!?\'+-]|#[a-z0-9]+;|<br/>)+'
NODE = re.compile(
    rf'(?P<id>{ID})(?P<open>\[\[|\[/|\[|\(|>)"(?P<label>{LABEL})"(?P<close>\]\]|/\]|\]|\)):::(?P<role>[a-z]+)'
)
EDGE = re.compile(rf'(?P<source>{ID}) -->(?:\|"{LABEL}"\|)? (?P<target>{ID})')
FRAME = re.compile(rf'subgraph (?P<id>{ID})\["(?P<label>{LABEL})"\]')
CLASS = re.compile(rf"class (?P<ids>{ID}(?:,{ID})*) (?P<look>[a-z]+)")
LOOK = re.compile(r"classDef (?P<look>[a-z]+) (?:[a-z-]+:[#0-9A-Za-z ]+)(?:,[a-z-]+:[#0-9A-Za-z ]+)*")


class Parsed:
    """A flowchart taken apart by a strict reader of the part of the grammar that is used."""

    def __init__(self, text: str):
        assert text.endswith("\n")
        first, *lines = text[:-1].split("\n")
        assert first in ("flowchart LR", "flowchart TB")
        self.nodes: dict[str, dict[str, str]] = {}
        self.frames: dict[str, str | None] = {}
        self.home: dict[str, str | None] = {}
        self.edges: list[tuple[str, str]] = []
        self.classes: dict[str, list[str]] = {}
        self.looks: list[str] = []
        self.comments: list[str] = []
        within: list[str] = []
        for line in lines:
            line = line.strip(" ")
            if found := NODE.fullmatch(line):
                assert found["id"] not in self.nodes
                assert (found["open"], found["close"]) == SHAPES[found["role"]]
                self.nodes[found["id"]] = found.groupdict()
                self.home[found["id"]] = within[-1] if within else None
            elif found := EDGE.fullmatch(line):
                assert {found["source"], found["target"]} <= self.nodes.keys()
                self.edges.append((found["source"], found["target"]))
            elif found := FRAME.fullmatch(line):
                assert found["id"] not in self.frames
                assert found["id"] not in self.nodes
                self.frames[found["id"]] = within[-1] if within else None
                within.append(found["id"])
            elif found := CLASS.fullmatch(line):
                self.classes[found["look"]] = found["ids"].split(",")
            elif found := LOOK.fullmatch(line):
                self.looks.append(found["look"])
            elif line.startswith("%% "):
                self.comments.append(line)
            else:
                assert line == "end", line
                within.pop()
        assert not within
        used = {node["role"] for node in self.nodes.values()} | self.classes.keys()
        assert sorted(used) == sorted(self.looks)
        held = {*self.home.values(), *self.frames.values()}
        assert self.frames.keys() <= held  # an empty frame would be drawn as a node


def shown(label: str) -> str:
    """Return what Mermaid makes of a label: codes are signs again."""
    return html.unescape(re.sub(r"#(\d+);", r"&#\1;", re.sub(r"#([a-z]+);", r"&\1;", label)))


def test_an_expression() -> None:
    a, b = (Tensor(value, requires_grad=True, name=name) for name, value in (("a", 2.0), ("b", -3.0)))
    with ad.trace():
        y = a - b * 2.0
    y.name = "loss"
    y.backward()
    assert as_mermaid(describe_graph([y]), "right").startswith(
        "flowchart LR\n"
        '    n_a["a<br/>2, ∂ 1"]:::variable\n'
        '    n_b["b<br/>−3, ∂ −2"]:::variable\n'
        '    n_constant>"2"]:::constant\n'
        '    n_multiply("× multiply<br/>−6, ∂ −1"):::operation\n'
        '    n_loss("loss<br/>− subtract<br/>8, ∂ 1"):::operation\n'
    )
    text = as_mermaid(describe_graph([y]), "down")
    assert text.startswith("flowchart TB\n")
    assert '    n_a -->|"x1"| n_loss\n' in text
    assert "    n_b --> n_multiply\n" in text  # the order of factors does not matter
    assert "    class n_loss output\n" in text


def test_modules_are_frames_and_layers_say_what_their_parameters_are() -> None:
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True, name="x")
    model = Stack([nn.Linear(2, 4), nn.ReLU()])
    text = as_mermaid(describe_graph([model(x).sum()]))
    parsed = Parsed(text)
    assert parsed.frames == {"g_Stack": None, "g_parts_0": "g_Stack", "g_parts_1": "g_Stack"}
    assert parsed.home["n_parts_0_weight"] == "g_parts_0"
    assert 'subgraph g_parts_0["parts.0 · Linear"]' in text
    assert "n_parts_0_weight --> n_parts_0_linear" in text  # its label says weight
    assert "class g_Stack,g_parts_0,g_parts_1 frame" in text


def test_closed_folded_and_marked_nodes() -> None:
    text = as_mermaid(folded(collapsed(marked(stack_of_blocks(4), "loss"), depth=1)))
    Parsed(text)
    assert 'n_parts_0[["parts.0<br/>Block<br/>(3, 2)<br/>×4"]]:::group' in text
    assert "class n_loss marked" in text
    assert 'subgraph g_parts_0["parts.0 · Block · ×4"]' in as_mermaid(folded(stack_of_blocks(4)))


def test_ids_that_would_be_the_same_get_numbers() -> None:
    nodes = [DrawnNode(id, "variable") for id in ("a.b", "a-b", "a_b", "a_b_2", "é", "ü", "end")]
    parsed = Parsed(as_mermaid(Description(nodes, [DrawnEdge("a.b", "end", "x", 0)], [])))
    assert len(parsed.nodes) == len(nodes)
    assert parsed.edges == [("n_a_b", "n_end")]


def test_a_chart_that_mermaid_refuses_says_so() -> None:
    x = Tensor(1.0, requires_grad=True, name="x")
    assert Parsed(as_mermaid(describe_graph([np.exp(x)]))).comments == []
    for _ in range(501):
        x = np.negative(x)
    (comment,) = Parsed(as_mermaid(describe_graph([x]))).comments
    assert "501 edges" in comment
    assert "up to 500 edges" in comment


def test_another_direction_is_refused() -> None:
    with pytest.raises(ValueError, match="direction is 'right' or 'down', got 'LR'"):
        as_mermaid(Description([], [], []), "LR")


@pytest.mark.parametrize("look", [look for look in LOOKS if look != "frame"])
def test_text_is_legible_on_its_fill(look: str) -> None:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    style = dict(part.split(":") for part in LOOKS[look].split(","))
    assert (luminance(style["fill"]) + 0.05) / (luminance(style["color"]) + 0.05) > 7


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_they_are(name: str) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name=name)
    parsed = Parsed(as_mermaid(describe_graph([x * x])))
    (leaf,) = [node for node in parsed.nodes.values() if node["role"] == "variable"]
    if name and name.isprintable() and len(name) <= 32:
        assert shown(leaf["label"]).split("<br/>")[0] == name.strip()


@pytest.mark.parametrize("text", ["1. a", "12) b", "www.a.b", "_a_", "a_b", "__init__", "3.5", "layers.0"])
def test_what_would_be_markdown_is_not(text: str) -> None:
    made = escaped(text, 40)
    assert shown(made) == text
    assert not re.match(r"\d+[.)] |.*www\.|_|.*_$", made)
    if text in ("a_b", "3.5", "layers.0"):
        assert made == text


@settings(max_examples=40, deadline=None)
@given(st.one_of(recorded(), made_up()), st.sampled_from([0, 1, 9]), st.sampled_from(["right", "down"]))
def test_every_node_and_edge_is_there_once(description: Description, depth: int, direction: str) -> None:
    for view in (description, collapsed(description, depth=depth), folded(description)):
        parsed = Parsed(as_mermaid(view, direction))
        assert sorted(node["role"] for node in parsed.nodes.values()) == sorted(node.role for node in view.nodes)
        assert len(parsed.edges) == len(view.edges)
        assert len(parsed.classes.get("output", [])) == sum(node.is_output for node in view.nodes)
        assert sum(home is None for home in parsed.home.values()) == sum(node.group is None for node in view.nodes)
