"""Closing, folding and selecting: nothing is lost or drawn twice, paths stay paths, and what was given is not changed."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.drawing import describe_graph
from autodiff.drawing.description import NOT_ARRIVED, Description, DrawnEdge, DrawnGroup, DrawnNode
from autodiff.drawing.folding import folded
from autodiff.drawing.interchange import as_json
from autodiff.drawing.listing import as_text
from autodiff.drawing.mermaid import as_mermaid
from autodiff.drawing.selecting import gradient_paths, leading_from, marked, neighbourhood
from autodiff.drawing.shaping import SEVERAL_EDGES, advice, collapsed, depths, fitting

from .random_graphs import Block, Heads, Stack, made_up, reachable, recorded, stack_of_blocks


def ids(description: Description) -> list[str]:
    return [node.id for node in description.nodes]


def node(description: Description, id: str) -> DrawnNode:
    return next(node for node in description.nodes if node.id == id)


def edges(description: Description) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.target, edge.argument) for edge in description.edges]


def whole(description: Description) -> None:
    """Check that a description holds together: ids once, edges forward, groups that exist, outer ones first, none empty."""
    place = {id: i for i, id in enumerate(ids(description))}
    assert len(place) == len(description.nodes)
    assert all(place[edge.source] < place[edge.target] for edge in description.edges)
    targets = [place[edge.target] for edge in description.edges]
    assert targets == sorted(targets)
    known: set[str | None] = {None}
    for group in description.groups:
        assert group.parent in known
        assert group.id not in known
        known.add(group.id)
    assert all(node.group in known for node in description.nodes)


def described(*outputs: Any) -> Description:
    return describe_graph(list(outputs))


# ----------------------------------------------------------------------------------------------- collapsed


def test_a_closed_group_has_name_class_shape_value_gradient_and_counts_of_what_it_stands_for() -> None:
    x = Tensor(np.ones((1, 2)), requires_grad=True, name="x")
    model = Stack([nn.Linear(2, 3), nn.ReLU()])
    with ad.trace():
        loss = model(x).sum()
    loss.backward()
    description = described(loss)
    closed = collapsed(description, "Linear")
    linear = node(closed, "parts.0")
    inner = node(description, "parts.0.linear")
    assert (linear.role, linear.name, linear.operation, linear.group) == ("group", "parts.0", "Linear", "Stack")
    assert (linear.shape, linear.dtype, linear.module) == ((1, 3), "float32", "parts.0")
    np.testing.assert_array_equal(linear.value, inner.value)
    np.testing.assert_array_equal(linear.gradient, inner.gradient)
    assert linear.inside["parameter"] == 2
    held = [n for n in description.nodes if n.group == "parts.0"]
    assert sum(linear.inside.values()) == len(held)
    assert linear.seconds == pytest.approx(sum(n.seconds for n in held if n.seconds is not None))
    assert linear.saved_bytes == sum(n.saved_bytes or 0 for n in held)
    assert "parts.0.weight" not in ids(closed)
    assert [group.id for group in closed.groups] == ["Stack", "parts.1"]
    assert ("parts.0", "parts.1.relu", "x") in edges(closed)


@pytest.mark.parametrize(
    ("collapse", "closed"),
    [
        ("parts.0", ["parts.0"]),
        ("Linear", ["parts.0.up", "parts.0.down", "parts.1.up", "parts.1.down"]),
        ("parts.*.act", ["parts.0.act", "parts.1.act"]),
        (["parts.0", "ReLU"], ["parts.0", "parts.1.act"]),
        (("Stack",), ["Stack"]),
        (lambda group: group.name.endswith(".up"), ["parts.0.up", "parts.1.up"]),
        (lambda group: False, []),
        (None, []),
        ([], []),
    ],
)
def test_groups_are_chosen_by_name_path_class_pattern_or_function(collapse: Any, closed: list[str]) -> None:
    description = stack_of_blocks(2)
    found = collapsed(description, collapse)
    assert sorted(n.id for n in found.nodes if n.role == "group") == sorted(closed)
    whole(found)


@pytest.mark.parametrize(
    ("depth", "closed"),
    [
        (0, ["Stack"]),
        (1, ["parts.0", "parts.1"]),
        (2, [f"parts.{i}.{layer}" for i in (0, 1) for layer in ("up", "act", "down")]),
        (9, []),
    ],
)
def test_depth_says_how_many_levels_are_open(depth: int, closed: list[str]) -> None:
    found = collapsed(stack_of_blocks(2), depth=depth)
    assert [n.id for n in found.nodes if n.role == "group"] == closed
    assert {n.inside.get("operation") for n in found.nodes if n.role == "group"} <= {1, 4, 8}  # all of them, one block, one layer


@pytest.mark.parametrize("depth", [-1, 1.5, True, "1"])
def test_a_depth_that_is_none_is_refused(depth: Any) -> None:
    with pytest.raises(ValueError, match="depth is how many levels of groups are open, 0 or more; got"):
        collapsed(stack_of_blocks(1), depth=depth)


def test_names_that_no_group_has_are_refused_with_the_nearest() -> None:
    description = stack_of_blocks(2)
    with pytest.raises(ValueError, match="no group is called 'Linaer'; did you mean 'Linear'"):
        collapsed(description, "Linaer")
    with pytest.raises(TypeError, match="expected names, or a function of a group, got int"):
        collapsed(description, [3])  # type: ignore[list-item]
    x = Tensor(1.0, requires_grad=True)
    with pytest.raises(ValueError, match="there are none"):
        collapsed(described(x * x), "Linear")


def test_edges_into_a_closed_group_are_named_after_its_arguments_and_drawn_once() -> None:
    def group(name: str) -> DrawnNode:
        return DrawnNode(name, "operation", operation="add", group="g")

    nodes = [DrawnNode("a", "variable"), DrawnNode("b", "variable"), DrawnNode("c", "variable"), group("p"), group("q")]
    nodes += [DrawnNode("r", "operation", operation="subtract")]
    g = [np.array([1.0]), np.array([10.0]), np.array([100.0])]
    wires = [
        DrawnEdge("a", "p", "x1", 0, gradient=g[0]), DrawnEdge("b", "p", "x2", 1), DrawnEdge("p", "q", "x1", 0),
        DrawnEdge("a", "q", "x2", 1, gradient=g[1]), DrawnEdge("c", "q", "x2", 2),
        DrawnEdge("q", "r", "x1", 0, gradient=g[2], local=g[0]), DrawnEdge("p", "r", "x2", 1, gradient=g[0]),
    ]  # fmt: skip
    description = Description(nodes, wires, [DrawnGroup("g", "g", "G", "module", None)])
    closed = collapsed(description, "g")
    assert edges(closed) == [("a", "g", "x1"), ("b", "g", "add.x2"), ("c", "g", "add.x2_2"), ("g", "r", "x1, x2")]
    assert [edge.position for edge in closed.edges] == [0, 1, 2, 0]
    assert closed.edges[0].gradient == 11.0  # of both ways in
    assert (closed.edges[3].gradient, closed.edges[3].no_gradient) == (None, SEVERAL_EDGES)  # of two different outputs
    assert closed.edges[3].local is None
    assert (node(closed, "g").shape, node(closed, "g").value) == (None, None)


def test_an_id_that_a_node_has_too_gets_a_number() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="outer")
    closed = collapsed(described(np.outer(x, x)), "outer")
    assert ids(closed) == ["outer", "outer_2"]
    assert edges(closed) == [("outer", "outer_2", "x")]


def test_what_is_asked_for_or_wrong_shows_on_the_closed_group() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    description = described(np.outer(x, x))
    closed = collapsed(marked(description, "multiply"), depth=0)
    assert node(closed, "outer").is_output
    assert node(closed, "outer").marked
    assert not any(n.marked for n in description.nodes)
    with pytest.raises(ValueError, match="no node has the id 'multiplu'; did you mean 'multiply'"):
        marked(description, "multiplu")


def test_groups_whose_nodes_were_not_made_in_one_go_end_up_in_a_possible_order() -> None:
    nodes = [DrawnNode(name, "operation", operation=name, group=g) for name, g in zip("abcd", ("g", None, "h", "g"), strict=True)]
    wires = [DrawnEdge("a", "b", "x", 0), DrawnEdge("a", "c", "x", 0)]
    groups = [DrawnGroup("g", "g", "G", "module", None), DrawnGroup("h", "h", "H", "module", None)]
    whole(collapsed(Description(nodes, wires, groups), depth=0))


@settings(max_examples=40, deadline=None)
@given(st.one_of(recorded(), made_up()), st.integers(0, 3))
def test_closing_loses_no_node_and_no_path(description: Description, depth: int) -> None:
    before = copy.deepcopy(description)
    closed = collapsed(description, depth=depth)
    assert as_json(description) == as_json(before)
    whole(closed)
    level = depths(description.groups)
    parent = {group.id: group.parent for group in description.groups}
    times = {group.id: group.times for group in description.groups}
    homes: dict[str, str] = {}  # where each node is now
    made = iter([n.id for n in closed.nodes if n.role == "group"])
    stands: dict[str, str] = {}
    counts: dict[str, int] = {}
    for n in description.nodes:
        group, count = n.group, n.times
        while group is not None and level[group] > depth:
            count *= times[group]
            group = parent[group]
        if group is None or level[group] < depth:
            homes[n.id] = n.id
        else:
            homes[n.id] = group
            counts[group] = counts.get(group, 0) + count
    assert sorted(counts.values()) == sorted(sum(n.inside.values()) for n in closed.nodes if n.role == "group")
    names = {n.name: n.id for n in closed.nodes if n.role == "group"}
    stay = {id for id, home in homes.items() if id == home}
    assert stay | set(made) == set(ids(closed))
    groups = {group.id: group for group in description.groups}
    by_order = [n.id for n in closed.nodes if n.role == "group"]
    for group in counts:  # ids are the groups' own, but for numbers where a node has the same
        candidates = [id for id in by_order if id == group or id.startswith(f"{group}_")]
        assert candidates
        stands[group] = group if group in candidates else candidates[0]
    assert names.keys() == {groups[group].name for group in counts}
    if set(stands.values()) != set(by_order):
        return
    after, old = reachable(closed), reachable(description)
    for source, reached in old.items():
        for target in reached:
            ends = [one if homes[one] == one else stands[homes[one]] for one in (source, target)]
            assert ends[0] == ends[1] or ends[1] in after[ends[0]]
    pairs = {(edge.source, edge.target) for edge in closed.edges}
    touching = [edge for edge in closed.edges if edge.source in by_order or edge.target in by_order]
    assert len({(edge.source, edge.target) for edge in touching}) == len(touching)
    now = {one: one if home == one else stands[home] for one, home in homes.items()}
    wired = {(now[edge.source], now[edge.target]) for edge in description.edges}
    assert pairs == {(a, b) for a, b in wired if a != b}


# ----------------------------------------------------------------------------------------------- fitting and advice


def test_a_small_description_is_shown_as_it_is() -> None:
    description = stack_of_blocks(2)
    assert fitting(description, most=len(description.nodes)) is description
    x = Tensor(1.0, requires_grad=True)
    for _ in range(100):
        x = np.negative(x)
    chain = described(x)
    assert fitting(chain) is chain  # without groups, nothing can be closed


def test_a_model_of_twelve_blocks_becomes_a_page() -> None:
    x = Tensor(np.ones((3, 2)), requires_grad=True, name="x")
    model = Stack([nn.Linear(2, 2), *(Block(2) for _ in range(12)), nn.Linear(2, 1)])
    description = described(model(x).sum())
    assert len(description.nodes) > 100
    assert len(fitting(description).nodes) <= 60
    page = fitting(description, most=40)
    whole(page)
    assert len(page.nodes) <= 40
    assert [n.id for n in page.nodes if n.role == "group"] == [f"parts.{i}" for i in range(1, 13)]  # all alike
    assert {"parts.0.weight", "parts.13.weight"} <= set(ids(page))  # what fits is open
    assert len(fitting(description, most=16).nodes) <= 16
    assert [n.role for n in fitting(description, most=1).nodes] == ["variable", "group", "operation"]


@settings(max_examples=20, deadline=None)
@given(recorded(), st.integers(1, 80))
def test_what_is_shown_fits_or_cannot_be_closed_further(description: Description, most: int) -> None:
    shown = fitting(description, most)
    whole(shown)
    assert len(shown.nodes) <= max(most, len(collapsed(description, depth=0).nodes))
    if len(description.nodes) <= most:
        assert shown is description


def test_advice_names_what_to_close_and_is_right_about_it() -> None:
    description = stack_of_blocks(12)
    said = advice(description, 40)
    assert said.startswith(f"The graph has {len(description.nodes)} nodes, and more than 40 are hard to draw")
    assert f"depth=1 leaves {len(collapsed(description, depth=1).nodes)}" in said
    assert f"collapse='Block' leaves {len(collapsed(description, 'Block').nodes)}" in said
    assert "\n" not in said
    assert advice(description, 1000) == ""
    assert "depth=0 leaves 4" in advice(description, 1)
    x = Tensor(1.0, requires_grad=True)
    for _ in range(100):
        x = np.negative(x)
    assert "no groups that could be closed" in advice(described(x))


@settings(max_examples=30, deadline=None)
@given(st.one_of(made_up(), recorded()))
def test_advice_never_fails(description: Description) -> None:
    assert (advice(description, 3) == "") == (len(description.nodes) <= 3)


# ----------------------------------------------------------------------------------------------- folded


def test_a_chain_of_identical_groups_becomes_the_first_twelve_times() -> None:
    description = stack_of_blocks(12)
    found = folded(description)
    whole(found)
    assert [(group.id, group.times) for group in found.groups] == [
        ("Stack", 1), ("parts.0", 12), ("parts.0.up", 1), ("parts.0.act", 1), ("parts.0.down", 1),
    ]  # fmt: skip
    assert {n.group for n in found.nodes} >= {"parts.0", "parts.0.up"}
    assert ("parts.0.add", "power", "x") in edges(found)
    last = next(edge for edge in found.edges if edge.target == "power")
    assert (last.gradient, last.no_gradient) == (None, "of the last of 12")
    np.testing.assert_array_equal(node(found, "parts.0.up.weight").value, node(description, "parts.0.up.weight").value)
    assert all(group.times == 1 for group in description.groups)


def test_closed_groups_fold_like_open_ones() -> None:
    found = folded(collapsed(stack_of_blocks(12), depth=1))
    assert [(n.id, n.times) for n in found.nodes] == [("x", 1), ("parts.0", 12), ("power", 1), ("loss", 1)]
    closed = collapsed(folded(stack_of_blocks(12)), depth=1)
    assert node(closed, "parts.0").times == 12
    top, honest = (collapsed(view, depth=0).nodes[1] for view in (folded(stack_of_blocks(12)), stack_of_blocks(12)))
    assert top.inside == honest.inside


def test_folding_is_nested() -> None:
    x = Tensor(np.ones((3, 2)), requires_grad=True, name="x")
    inner = [Stack([Block(2) for _ in range(3)]) for _ in range(4)]
    found = folded(described(Stack(inner)(Stack([nn.Linear(2, 2)])(x)).sum()))
    whole(found)
    times = {group.title: group.times for group in found.groups if group.id.startswith("parts.0")}
    assert times["Stack"] == 4
    assert times["Block"] == 3
    assert {group.times for group in folded(found).groups} == {group.times for group in found.groups}  # nothing is left to fold


def test_groups_side_by_side_fold() -> None:
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True, name="x")
    found = folded(described(Heads(2, 12)(x).sum()))
    whole(found)
    assert {group.id: group.times for group in found.groups} == {"Heads": 1, "heads.0": 12}
    assert ("heads.0.linear", "Heads.concatenate", "arrays[0] … arrays[11]") in edges(found)
    closed = folded(collapsed(described(Heads(2, 12)(x).sum()), "Linear"))
    assert node(closed, "heads.0").times == 12


def test_masks_drawn_for_each_block_do_not_keep_blocks_apart() -> None:
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True, name="x")
    model = Stack([nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)) for _ in range(5)])
    for view in (described(model(x).sum()), collapsed(described(model(x).sum()), "Sequential")):
        found = folded(view)
        whole(found)
        assert {group.times for group in found.groups} | {n.times for n in found.nodes} == {1, 5}
        assert len([n for n in found.nodes if n.role == "constant"]) <= len([n for n in view.nodes if n.role == "constant"]) / 5


def test_branches_with_inputs_of_their_own_are_not_folded() -> None:
    a, b = (np.full((3, 2), value, np.float32) for value in (1.0, 2.0))
    model = nn.Linear(2, 2)
    for x, y in ((a, b), (Tensor(a, requires_grad=True, name="a"), Tensor(b, requires_grad=True, name="b"))):
        description = described((model(x) - model(y)).sum())
        assert ids(folded(description)) == ids(description)


@pytest.mark.parametrize(
    "model",
    [
        Stack([nn.Linear(2, 3), nn.Linear(3, 2)]),  # shapes differ
        Stack([nn.Linear(2, 2), nn.Linear(2, 2, bias=False)]),  # structure differs
        Stack([nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)]),  # a setting differs
        Stack([nn.ReLU(), nn.Tanh(), nn.ReLU()]),  # not one after the other
    ],
    ids=["shapes", "structure", "settings", "order"],
)
def test_what_differs_is_not_folded(model: Any) -> None:
    x = Tensor(np.ones((3, 2), np.float32), requires_grad=True, name="x")
    description = described(model(x).sum())
    assert ids(folded(description)) == ids(description)


def test_what_is_used_in_between_is_not_folded_away() -> None:
    class Skips(nn.Module):
        def __init__(self) -> None:
            self.parts = nn.ModuleList([nn.Tanh() for _ in range(3)])

        def forward(self, x: Any) -> Any:
            a = self.parts[0](x)
            b = self.parts[1](a)
            return self.parts[2](b) * np.exp(a)

    x = Tensor([1.0], requires_grad=True, name="x")
    found = folded(described(Skips()(x).sum()))
    assert [(group.id, group.times) for group in found.groups] == [("Skips", 1), ("parts.0", 1), ("parts.1", 2)]
    a = nn.Tanh()(x)
    assert all(group.times == 1 for group in folded(described(nn.Tanh()(a), a)).groups if group.id == "Tanh")


def test_a_marked_node_is_not_folded_away() -> None:
    description = marked(stack_of_blocks(4), "parts.2.up.linear")
    found = folded(description)
    assert sum(n.marked for n in found.nodes) == 1
    assert {group.id: group.times for group in found.groups if group.title == "Block"} == {"parts.0": 2, "parts.2": 1, "parts.3": 1}


def test_an_output_at_the_end_of_a_chain_keeps_its_value() -> None:
    x = Tensor([0.5, 1.0], requires_grad=True, name="x")
    y = Stack([nn.Tanh() for _ in range(3)])(x)
    description = described(y)
    found = folded(description)
    (output,) = [n for n in found.nodes if n.is_output]
    assert {group.times for group in found.groups} == {1, 3}
    np.testing.assert_array_equal(output.value, y.numpy())


@settings(max_examples=40, deadline=None)
@given(st.one_of(recorded(), made_up()), st.one_of(st.none(), st.integers(0, 2)))
def test_folding_loses_no_path_between_what_is_not_folded(description: Description, depth: int | None) -> None:
    if depth is not None:
        description = collapsed(description, depth=depth)
    before = as_json(description)
    found = folded(description)
    assert as_json(description) == before
    whole(found)
    times = {group.id: group.times for group in description.groups}
    parent = {group.id: group.parent for group in found.groups}
    more = {group.id for group in found.groups if group.times > times[group.id]}
    old_times = {n.id: n.times for n in description.nodes}

    def outside(n: DrawnNode) -> bool:
        group = n.group
        while group is not None and group not in more:
            group = parent[group]
        return group is None and n.times == old_times[n.id]

    kept = [n.id for n in found.nodes if outside(n)]
    before_paths, after_paths = reachable(description), reachable(found)
    for id in kept:
        assert before_paths[id] & set(kept) == after_paths[id] & set(kept)
    assert any(n.is_output for n in found.nodes) == any(n.is_output for n in description.nodes)
    assert as_json(folded(found)) == as_json(found) or len(folded(found).nodes) < len(found.nodes)


# ----------------------------------------------------------------------------------------------- selecting


def test_gradient_paths_leave_out_constants_and_where_nothing_arrived() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    with ad.trace():
        p, _q = ad.split(x * 3.0, 2)
        p.sum().backward()
    description = described(p.sum(), _q)
    assert any(n.no_gradient == NOT_ARRIVED for n in description.nodes)
    found = gradient_paths(description)
    whole(found)
    assert not any(n.role == "constant" or (n.gradient is None and n.no_gradient == NOT_ARRIVED) for n in found.nodes)
    assert {"x", "multiply"} <= set(ids(found))
    assert len(ids(found)) < len(ids(description)) - 1


def test_leading_from_takes_names_ids_groups_and_patterns() -> None:
    description = stack_of_blocks(3)
    behind = ids(leading_from(description, "parts.2.down.weight"))
    assert behind == ["parts.2.down.weight", "parts.2.down.linear", "parts.2.add", "power", "loss"]
    assert ids(leading_from(description, "parts.2.down.w*")) == behind
    assert ids(leading_from(description, ["parts.2.down.weight", "loss"])) == behind
    assert set(ids(leading_from(description, "parts.2.down"))) == {*behind, "parts.2.down.bias"}
    assert "x" in ids(leading_from(description, "x"))
    assert "parts.0.up.weight" not in ids(leading_from(description, "x"))
    with pytest.raises(ValueError, match=r"nothing .* is called 'parts\.2\.down\.wieght'; did you mean 'parts\.2\.down\.weight'"):
        leading_from(description, "parts.2.down.wieght")
    with pytest.raises(TypeError, match="expected the names of tensors or parameters, got float"):
        leading_from(description, [1.0])  # type: ignore[list-item]


def test_a_name_with_brackets_is_not_taken_for_a_pattern() -> None:
    x = Tensor(1.0, requires_grad=True, name="w[0]")
    assert ids(leading_from(described(np.exp(x)), "w[0]")) == ["w[0]", "exp"]


def test_neighbourhood_counts_edges_in_both_directions() -> None:
    x = Tensor(1.0, requires_grad=True, name="x")
    y = np.exp(np.log(np.sin(np.cos(x))))
    assert ids(neighbourhood(described(y), "log", 1)) == ["sin", "log", "exp"]
    assert ids(neighbourhood(described(y), "log", 0)) == ["log"]
    assert ids(neighbourhood(described(y), "log")) == ["cos", "sin", "log", "exp"]
    with pytest.raises(ValueError, match="no node has the id 'lag'; did you mean 'log'"):
        neighbourhood(described(y), "lag")


@settings(max_examples=40, deadline=None)
@given(st.one_of(recorded(), made_up()), st.data())
def test_selections_hold_together(description: Description, data: st.DataObject) -> None:
    if not description.nodes:
        return
    one = data.draw(st.sampled_from(description.nodes))
    before = as_json(description)
    near = neighbourhood(description, one.id, 2)
    for found in (gradient_paths(description), leading_from(description, one.id), near):
        whole(found)
    assert one.id in ids(near)
    assert as_json(description) == before


# ----------------------------------------------------------------------------------------------- large and deep


def made_large(depth: int, width: int) -> Description:
    """Return `width` chained groups of ten nodes, and `depth` groups inside one another with a node each."""
    nodes, wires, groups = [DrawnNode("x", "variable")], [], []
    last = "x"

    def add(id: str, group: str) -> None:
        nonlocal last
        nodes.append(DrawnNode(id, "operation", operation="exp", group=group))
        wires.append(DrawnEdge(last, id, "x", 0))
        last = id

    for i in range(width):
        groups.append(DrawnGroup(f"g{i}", f"g{i}", "G", "module", None))
        for j in range(10):
            add(f"n{i}.{j}", f"g{i}")
    above = None
    for i in range(depth):
        groups.append(DrawnGroup(f"d{i}", f"d{i}", "D", "module", above))
        above = f"d{i}"
        add(f"m{i}", f"d{i}")
    return Description(nodes, wires, groups)


@pytest.mark.parametrize(("depth", "width"), [(0, 500), (2000, 0), (1, 100)])
def test_large_and_deep_graphs_need_no_recursion(depth: int, width: int) -> None:
    description = made_large(depth, width)
    views: list[Any] = [
        collapsed(description, depth=0), fitting(description), folded(description), gradient_paths(description),
        leading_from(description, "x"), neighbourhood(description, "x"), advice(description), as_text(description),
        as_text(description, None), as_mermaid(description),
    ]  # fmt: skip
    assert len(views[0].nodes) == 1 + width + bool(depth)
    assert len(views[2].nodes) == 1 + (10 if width else 0) + depth
    assert len(views[4].nodes) == len(description.nodes)
    assert len(as_text(description).splitlines()) < 60
