"""Random graphs for the tests of views: recorded from real Tensors and modules, or made up field by field."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing.describing import describe_graph
from autodiff.drawing.description import Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.tracing import Statistics

HOSTILE = [
    "", "end", "graph", "a\nb", "\r\n\t", '"', "'", "`", "<script>alert(1)</script>", "</script>", "%%{init: {}}%%", "--> x",
    "#quot;", "&lt;", "a;b", "]", '"]', "[/", "{{", "|", "\\N", "\0", "\u202e", "\ud800", "é∂日本", "😀", "1. x", "- x", "_x_",
    "*x*", "$$x$$", "fa:fa-car", "www.example.org", "https://example.org", "a" * 500, "classDef x", ":::", "nan", "Infinity",
    "__proto__",
]  # fmt: skip


class Block(nn.Module):
    """A residual block."""

    def __init__(self, n: int) -> None:
        self.up, self.act, self.down = nn.Linear(n, 2 * n), nn.ReLU(), nn.Linear(2 * n, n)

    def forward(self, x: Any) -> Any:
        return x + self.down(self.act(self.up(x)))


class Heads(nn.Module):
    """Branches side by side."""

    def __init__(self, n: int, count: int) -> None:
        self.heads = nn.ModuleList([nn.Linear(n, n) for _ in range(count)])

    def forward(self, x: Any) -> Any:
        return np.concatenate([head(x) for head in self.heads], axis=-1).reshape((*x.shape[:-1], -1, x.shape[-1])).sum(axis=-2)


class Stack(nn.Module):
    """Parts one after the other."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x


def stack_of_blocks(count: int, n: int = 2) -> Description:
    """Return the description of a model of `count` residual blocks, traced, after backward."""
    x = Tensor(np.ones((3, n), np.float32), requires_grad=True, name="x")
    model = Stack([Block(n) for _ in range(count)])
    with ad.trace():
        loss = (model(x) ** 2).sum()
    loss.name = "loss"
    loss.backward()
    return describe_graph([loss])


N = 2
parts = st.deferred(
    lambda: st.one_of(
        st.builds(lambda: nn.Linear(N, N)),
        st.builds(nn.ReLU),
        st.builds(lambda: Block(N)),
        st.builds(lambda count: Heads(N, count), st.integers(1, 4)),
        st.builds(lambda count: Stack([Block(N) for _ in range(count)]), st.integers(1, 4)),
        st.builds(lambda count: Stack([Stack([Block(N), nn.Tanh()]) for _ in range(count)]), st.integers(1, 3)),
        st.builds(lambda few: Stack(few), st.lists(parts, min_size=1, max_size=3)),
    )
)


@st.composite
def recorded(draw: Any) -> Description:
    """Draw the description of a graph recorded from modules and operations."""
    found = [Tensor(np.ones((2, N)), requires_grad=True, name=draw(st.sampled_from(["x", *HOSTILE])))]
    traced, backward = draw(st.booleans()), draw(st.booleans())
    with ad.trace() if traced else ad.enable_grad():
        for _ in range(draw(st.integers(1, 6))):
            step = draw(st.one_of(parts, st.sampled_from(["add", "sin", "scale", "split"])))
            x = draw(st.sampled_from(found))
            if step == "add":
                found.append(x + draw(st.sampled_from(found)))
            elif step == "sin":
                found.append(np.sin(x))
            elif step == "scale":
                found.append(x * 0.5)
            elif step == "split":
                found.append(np.concatenate(ad.split(x, 2)[::-1]))
            else:
                found.append(step(x))
        outputs = [functools.reduce(lambda a, b: a + b, found).sum()]
        if draw(st.booleans()):
            outputs.append(draw(st.sampled_from(found)))
    if backward:
        outputs[0].backward()
    return describe_graph(outputs)


# ------------------------------------------------------------------------------------------- made up

texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=8))
floats = st.floats(allow_nan=True, allow_infinity=True)
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def arrays(draw: Any) -> Any:
    """Draw an array of any dtype that a value can have, or statistics."""
    shape = draw(shapes)
    if draw(st.booleans()):
        counts = [draw(st.integers(0, 9)) for _ in range(2)]
        return Statistics(shape, draw(texts), *[draw(floats) for _ in range(4)], *counts, (1, 2) if draw(st.booleans()) else ())
    kind = draw(st.sampled_from(["?", "b", "i8", "u8", "f2", "f4", "f8", "c8", "c16", "g", "G"]))
    size = int(np.prod(shape))
    if kind in "b?i8u8":
        info = None if kind == "?" else np.iinfo(kind)
        numbers = st.booleans() if info is None else st.integers(int(info.min), int(info.max))
        return np.array([draw(numbers) for _ in range(size)], dtype=kind).reshape(shape)
    with np.errstate(all="ignore"):
        array = np.array([draw(floats) for _ in range(size)]).astype(kind)
        if array.dtype.kind == "c":
            array.imag = np.array([draw(floats) for _ in range(size)])
        return (array / 3 if kind in "gG" else array).reshape(shape)


@st.composite
def made_up(draw: Any, most: int = 12) -> Description:
    """Draw a description with any text and any number in every field; groups hold what was made in one go, as in real ones."""
    nodes: list[DrawnNode] = []
    groups: list[DrawnGroup] = []
    open_groups: list[DrawnGroup] = []
    values = st.one_of(st.none(), arrays())
    for i in range(draw(st.integers(0, most))):
        action = draw(st.sampled_from(["node", "node", "open", "close"]))
        parent = open_groups[-1].id if open_groups else None
        if action == "open":
            kind = draw(st.sampled_from(["module", "composition", "fused"]))
            group = DrawnGroup(f"{draw(texts)}{i}", draw(texts), draw(texts), kind, parent, draw(st.integers(1, 3)))
            groups.append(group)
            open_groups.append(group)
        elif action == "close" and open_groups:
            open_groups.pop()
        else:
            role = draw(st.sampled_from(["parameter", "variable", "constant", "operation", "part"]))
            nodes.append(DrawnNode(
                f"{draw(texts)}{i}", role, draw(st.booleans()), draw(st.none() | texts),
                draw(texts) if role in ("operation", "part") else None, draw(st.dictionaries(texts, texts, max_size=2)),
                draw(st.none() | st.integers(0, 3)), draw(st.none() | shapes), draw(st.none() | texts), draw(values), draw(texts),
                draw(values), draw(texts), parent, draw(texts), draw(st.none() | floats), draw(texts),
                draw(st.none() | st.integers(0, 10**12)), draw(st.dictionaries(texts, texts, max_size=2)), draw(texts), draw(texts),
                {}, draw(st.integers(1, 3)), draw(st.booleans()),
            ))  # fmt: skip
    edges = []
    for target in range(1, len(nodes)):
        if nodes[target].role in ("operation", "part"):
            for position in range(draw(st.integers(0, 3))):
                source = nodes[draw(st.integers(0, target - 1))].id
                edges.append(DrawnEdge(source, nodes[target].id, draw(texts), position, draw(values), draw(texts), draw(values)))
    return Description(nodes, edges, groups)


def reachable(description: Description) -> dict[str, set[str]]:
    """Return for each node the ids of all that follow from it."""
    after: dict[str, set[str]] = {node.id: set() for node in description.nodes}
    for edge in reversed(description.edges):  # in the order of their targets
        after[edge.source] |= {edge.target} | after[edge.target]
    return after
