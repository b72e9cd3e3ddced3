"""`explain`: totals are gradients, counts are exact, the paths are the largest, and the text is only text."""

from __future__ import annotations

import heapq
import itertools
import math
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Explanation, Tensor, explain
from autodiff.drawing import draw, explanation, paths
from autodiff.drawing.telling import COLUMNS, count_text
from autodiff.flow import handed_on
from autodiff.graph import Node


def variable(value: Any, name: str | None = None, dtype: Any = float) -> Tensor:
    return Tensor(value, dtype=dtype, requires_grad=True, name=name)


def check(e: Explanation, output: Tensor, wrt: Tensor, cotangent: Any = None, rtol: float = 1e-9) -> None:
    """The total is the gradient, contributions and rest add up to it, paths are sorted, the text fits."""
    expected = ad.gradients(output, wrt, cotangent, retain_graph=True, allow_unused=True)
    expected = np.zeros(wrt.shape) if expected is None else expected.numpy()
    np.testing.assert_array_equal(e.gradient, expected)
    np.testing.assert_equal(e.total, expected[e.element].item())
    size = max([abs(path.contribution) for path in e.paths] + [abs(e.total)])
    assert abs(sum(path.contribution for path in e.paths) + e.rest - e.total) <= rtol * size
    sizes = [abs(path.contribution) for path in e.paths]
    assert sizes == sorted(sizes, reverse=True)
    assert len(e.paths) <= e.count
    if len(e.paths) == e.count:
        assert abs(e.rest) <= rtol * size
    for path in e.paths:
        assert len(path.nodes) == len(path.factors) + 1 == len(path.arguments) + 1
        assert (path.nodes[0], path.nodes[-1]) == (e.wrt, e.output)
        if not path.pushed:
            product = math.prod(path.factors) * (1 if cotangent is None else float(cotangent))
            assert math.isclose(product, path.contribution, rel_tol=1e-12) or {0, math.inf} <= set(path.factors)
        else:
            assert len(path.pushed) == len(path.nodes)
            assert path.pushed[0][e.element] == path.contribution
    assert max(map(len, str(e).splitlines())) <= COLUMNS
    assert repr(e).startswith("Explanation(∂")
    latex = e._repr_latex_()
    assert latex.startswith("$")
    assert latex.endswith("$")
    assert latex.count("$") == 2
    assert len(latex) < 10_000
    check_latex(latex)


def check_latex(latex: str) -> None:
    """Brackets and environments are closed, rows have columns that fit together, and no sign of a name has a meaning."""
    body = latex.removeprefix(r"$\displaystyle ").removesuffix("$")
    depth, open_ones, fields = 0, [], [1]
    for command, name, one in re.findall(r"\\(begin|end)\{(\w+)\}|(\\[A-Za-z]+|\\.|.)", body):
        if command == "begin":
            open_ones.append(name)
        elif command == "end":
            assert open_ones.pop() == name
        elif one == "{":
            depth += 1
        elif one == "}":
            depth -= 1
            assert depth >= 0
        elif one == "&":
            assert (open_ones, depth) == (["aligned"], 0)
            fields[-1] += 1
        elif one == r"\\":
            assert depth == 0
            fields.append(1)
        elif one.startswith("\\"):
            assert one in TYPESET, one
        else:
            assert one.isalnum() or one in " ()[].,:+-=^", one
    assert depth == 0
    assert not open_ones
    assert set(fields) <= {2, 4}
    assert set(re.findall(r"(?:\\frac|\\mathrm|\\text|\^)(.)", body)) <= {"{"}
    assert body.count(r"\left") == body.count(r"\right")


TYPESET = {
    r"\frac", r"\partial", r"\mathrm", r"\text", r"\cdot", r"\cdots", r"\quad", r"\times", r"\infty", r"\left", r"\right", r"\_",
}  # fmt: skip


def listed(root: Node, target: Node, seed: Any) -> list[tuple[Any, tuple[tuple[Node, int], ...]]]:
    """All paths by going back along every one of them: what is pushed along it, and its edges."""
    found, waiting = [], [(root, seed, ())]
    while waiting:
        node, g, edges = waiting.pop()
        if node is target:
            found.append((g, edges))
            continue
        for position, parent, d in handed_on(node, g):
            waiting.append((parent, d, (*edges, (node, position))))
    return found


# ----------------------------------------------------------------------------------------------- small cases by hand


def test_one_path() -> None:
    w = variable(2.0, "w")
    loss = np.tanh(w * 3.0)
    loss.name = "loss"
    e = explain(loss, wrt=w)
    check(e, loss, w)
    (path,) = e.paths
    assert path.nodes == ("w", "multiply", "loss")
    assert path.factors == (3.0, pytest.approx(1 - math.tanh(6) ** 2))
    assert (e.count, e.rest, e.exact) == (1, 0, True)
    assert [node.id for node in draw(loss).description.nodes if node.role != "constant"] == list(path.nodes)
    assert w.grad is None
    loss.backward()  # nothing was consumed


def test_both_edges_of_a_plus_a_count() -> None:
    a = variable(3, "a")
    e = explain(a + a, wrt=a)
    check(e, a + a, a)
    assert e.count == 2
    assert e.total == 2
    assert [(path.nodes, path.factors, path.arguments) for path in e.paths] == [
        (("a", "add"), (1,), ("x1",)),
        (("a", "add"), (1,), ("x2",)),
    ]
    text = str(e)
    assert "a ─x1→ add:  ∂add/∂x1 = 1" in text
    assert "the 2 paths together: 1 + 1 = 2" in text
    assert "2  a    2  = 1 from add + 1 from add" in text


def test_a_shared_node_is_told_to_wait() -> None:
    x = variable(2, "x")
    shared = x * 3
    y = np.sin(shared) + shared * shared
    e = explain(y, x)
    check(e, y, x)
    assert e.count == 3
    assert e.waited is not None
    assert e.waited.node == "multiply"
    assert sum(term for _, term in e.waited.terms) == pytest.approx(float(e.waited.gradient))
    assert "multiply had to wait for its 3 terms" in str(e)
    assert [arrival.node for arrival in e.walk] == ["add", "multiply_2", "sin", "multiply", "x"]


def test_forty_squarings_have_two_to_the_forty_paths() -> None:
    x = variable(1, "x")
    y = x
    for _ in range(40):
        y = y * y
    e = explain(y, x, paths=5)
    check(e, y, x)
    assert (e.total, e.rest) == (2**40, 2**40 - 5)
    assert e.count == 2**40 == 1_099_511_627_776
    assert len(e.paths) == 5
    assert e.exact
    assert "2⁴⁰ = 1,099,511,627,776" in str(e)


def test_counts_of_any_length_are_written() -> None:
    x = variable(1, "x")
    y = x
    for _ in range(5000):
        y = (y + y + y) * (1 / 3)
    e = explain(y, x, paths=2)
    assert e.count == 3**5000  # 2,386 digits; str() would refuse from 4,300 on
    assert "about 4.04 × 10²³⁸⁵ paths" in str(e) + repr(e)
    assert len(str(e)) < 10_000
    assert count_text(2**100_000) == "2¹⁰⁰⁰⁰⁰"
    assert count_text(3**100_000).startswith("about 1.33 × 10⁴⁷⁷¹²")
    assert count_text(7) == "7"


def test_the_output_itself_is_a_path_of_no_step() -> None:
    x = variable(3, "x")
    e = explain(x, x)
    check(e, x, x)
    assert (e.count, e.paths[0].nodes, e.paths[0].factors, e.total) == (1, ("x",), (), 1)


def test_a_result_on_the_way() -> None:
    x = variable(2, "x")
    h = np.exp(x)
    y = h * h + x
    e = explain(y, h)
    check(e, y, h)
    assert e.wrt == "exp"
    assert e.count == 2
    assert {path.nodes for path in e.paths} == {("exp", "multiply", "add")}
    assert explain(y, "exp").total == e.total


def test_beyond_a_result_on_the_way_the_graph_may_be_consumed() -> None:
    x = variable(2, "x")
    h = np.exp(x)
    (h * 2).backward()
    y = h * h
    assert explain(y, h).total == 2 * h.item()
    with pytest.raises(RuntimeError, match=r"consumed.*retain_graph=True.*trace\(\)"):
        explain(y, x)


def test_the_only_variable_need_not_be_named_and_several_give_several() -> None:
    x, w = variable(2, "x"), variable(3, "w")
    assert explain(x * x).wrt == "x"
    with pytest.raises(ValueError, match=r"wrt=.*its variables are x, w;"):
        explain(x * w)
    both = explain(x * w, ["w", x])
    assert [e.wrt for e in both] == ["w", "x"]
    assert [e.total for e in both] == [2, 3]
    assert explain(x * w, iter([x]))[0].total == 3
    assert explain(x * w, []) == ()


def test_chosen_elements_of_both_sides() -> None:
    x = variable([1, 2, 3], "x")
    y = x * x
    e = explain(y, x, of=1, element=-2)
    check(e, y, x, np.array([0.0, 1.0, 0.0]))
    assert (e.of, e.element, e.total, e.count) == ((1,), (1,), 4, 2)
    assert str(e).startswith("∂multiply[1]/∂x[1] = 4\n")
    assert explain(y, x, of=1, element=0).total == 0
    e = explain(y, x, cotangent=[1.0, 1.0, 10.0])
    check(e, y, x, np.array([1.0, 1.0, 10.0]))
    assert (e.element, e.total) == ((2,), 60)
    assert "∂(c·multiply)/∂x[2] = 60" in str(e)
    assert "has the largest gradient" in str(e)


def test_a_cotangent_of_a_single_number_stands_in_front_of_the_product() -> None:
    x = variable(3, "x")
    y = x * 2
    e = explain(y, x, cotangent=5.0)
    check(e, y, x, 5.0)
    assert e.total == e.paths[0].contribution == 10
    assert e.paths[0].factors == (2.0,)
    assert "c · ∂multiply/∂x = 5 · 2 = 10" in str(e)


def test_what_arrives_is_told_on_the_way_back_with_the_rules() -> None:
    w, x = variable([1.0, 2.0], "w"), variable([3.0, 4.0], "x")
    loss = (w * x).sum()
    loss.name = "loss"
    e = explain(loss, w, element=1)
    check(e, loss, w, rtol=1e-9)
    assert [rule.partition(":")[0] for rule in e.paths[0].rules] == ["multiply", "sum"]
    told = [" ".join(row.split()) for row in str(e).splitlines()]
    start = told.index("loss 1 where it starts")
    assert told[start + 1].startswith("multiply [1 1] sum: ")
    assert told[start + 2 : start + 4] == ["w [3 4] multiply: g * x2", "w[1] gets 1 · 4 = 4"]


def test_a_long_id_is_its_last_part_where_nothing_else_is_called_so() -> None:
    x = variable(2.0, "a_very_long_model_name.layers.x")
    y = np.sin(x)
    y.name = "another_very_long_model_name.y"
    assert str(explain(y, x)).startswith("∂y/∂x = ")
    assert repr(explain(y, x)).startswith("Explanation(∂y/∂x = ")
    assert explain(y, x).wrt == x.name
    y.name = "another_very_long_model_name.x"
    assert "…" in str(explain(y, x))


def test_numbers_of_short_and_long_paths_stand_below_each_other() -> None:
    x = variable(2.0, "x")
    rows = [row for row in str(explain(np.sin(x) + x, x)).splitlines() if "∂add" in row and ":" in row]
    assert len({row.index(" = ") for row in rows}) == 1


def test_an_element_that_there_is_none_of_is_told_how_one_is_written() -> None:
    w = variable(np.ones((2, 2)), "w")
    with pytest.raises(IndexError, match=r"counted row by row, that is element=\(1, 1\)"):
        explain((w * w).sum(), w, element=3)
    with pytest.raises(IndexError, match=r"one integer for each axis, such as element=\(1, 1\)"):
        explain((w * w).sum(), w, element=(0, 5))


def test_how_many_paths() -> None:
    x = variable(1, "x")
    y = x * 1 + x * 2 + x * 3 + x * 4
    e = explain(y, x, paths=2)
    check(e, y, x)
    assert [path.contribution for path in e.paths] == [4, 3]
    assert (e.count, e.rest, e.total, e.exact) == (4, 3, 10, True)
    none = explain(y, x, paths=0)
    assert (none.paths, none.rest) == ((), 10)
    assert "all 4 paths  10" in str(none)
    check(none, y, x)


# ----------------------------------------------------------------------------------------------- any graph of numbers

OPERATIONS: list[Callable[..., Tensor]] = [
    lambda a, b: a + b, lambda a, b: a * np.tanh(b), lambda a, b: a - b, lambda a, b: a + a, lambda a, b: np.sin(a),
    lambda a, b: np.maximum(a, b), lambda a, b: a * 0.0, lambda a, b: np.tanh(a) * 1.5,
]  # fmt: skip
PROGRAM = st.lists(st.tuples(st.integers(0, len(OPERATIONS) - 1), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=9)


def run(program: list[tuple[int, int, int]], start: list[Tensor]) -> Tensor:
    made = list(start)
    for operation, i, j in program:
        made.append(OPERATIONS[operation](made[-1 - i % len(made)], made[-1 - j % len(made)]))
    return made[-1]


@settings(deadline=None, max_examples=60)
@given(PROGRAM, st.sampled_from([1, 3, 20]), st.sampled_from([np.float64, np.float32]))
def test_random_graphs_of_numbers_against_all_paths(program: Any, most: int, dtype: Any) -> None:
    x, z = variable(0.7, "x", dtype), variable(-1.3, "z", dtype)
    y = run(program, [x, z])
    for wrt in (x, z):
        try:
            e = explain(y, wrt, paths=most)
        except ValueError:
            assert ad.gradients(y, wrt, retain_graph=True, allow_unused=True) is None
            continue
        check(e, y, wrt, rtol=1e-9 if dtype is np.float64 else 1e-4)
        assert wrt._node is not None
        everything = listed(y._node, wrt._node, np.ones((), dtype))  # type: ignore[arg-type]
        assert e.count == len(everything)
        assert e.exact
        largest = heapq.nlargest(most, (abs(float(d)) for d, _ in everything))
        np.testing.assert_allclose([abs(path.contribution) for path in e.paths], largest, rtol=1e-5, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(PROGRAM, st.sampled_from([1, 20]), st.integers(0, 5))
def test_random_graphs_of_arrays_against_all_paths(program: Any, most: int, place: int) -> None:
    x, z = variable([[0.7, -0.2, 1.1], [0.3, 2.0, -1.0]], "x"), variable([-1.3, 0.4, 0.9], "z")
    y = (run(program, [x, z]) * np.array([1.0, 2.0, 3.0])).sum()
    element = (place // 3, place % 3)
    for wrt, index in ((x, element), (z, element[1:])):
        try:
            e = explain(y, wrt, element=index, paths=most)
        except ValueError:
            assert ad.gradients(y, wrt, retain_graph=True, allow_unused=True) is None
            continue
        check(e, y, wrt)
        assert wrt._node is not None
        everything = listed(y._node, wrt._node, np.ones(()))  # type: ignore[arg-type]
        assert e.count == len(everything)
        assert e.exact
        largest = heapq.nlargest(most, (abs(d[index]) for d, _ in everything))
        np.testing.assert_allclose([abs(path.contribution) for path in e.paths], largest, rtol=1e-9, atol=1e-12)


def test_paths_are_told_apart_by_their_edges() -> None:
    x = variable(0.5, "x")
    y = (x * x) * (x * x)
    e = explain(y, x)
    seen = {(path.nodes, path.arguments) for path in e.paths}
    assert len(seen) == e.count == 4


# ----------------------------------------------------------------------------------------------- arrays


def test_factors_of_arrays() -> None:
    x, w = variable([1, 2], "x"), variable([[1, 2], [3, 4], [5, 6]], "w")
    y = np.tanh(w @ x / 10).sum() * 2
    e = explain(y, w)
    check(e, y, w)
    (path,) = e.paths
    assert path.nodes == ("w", "matmul", "divide", "tanh", "sum", "multiply")
    assert path.factors[0] == "matmul"
    np.testing.assert_allclose(path.factors[1], np.full(3, 0.1))
    np.testing.assert_allclose(path.factors[2], 1 - np.tanh((w.numpy() @ x.numpy()) / 10) ** 2)
    np.testing.assert_allclose(path.factors[3], np.ones(3))
    assert path.factors[4] == 2
    assert [row.split()[1:5] for row in str(e).splitlines() if "where it starts" in row] == [["1", "where", "it", "starts"]]
    assert "  tanh      [2 2 2] " in str(e)


def test_several_outputs_of_one_operation() -> None:
    x = variable([1, 2, 3, 4], "x")
    p, q = ad.split(x * 1.0, 2)
    y = (p * q).sum() + p[0]
    e = explain(y, x, element=0)
    check(e, y, x)
    assert e.count == 3
    assert ("x", "multiply", "split", "part", "multiply_2", "sum", "add") in {path.nodes for path in e.paths}
    assert sum(path.contribution == 0 for path in e.paths) == 1  # by way of q: not of x[0]
    x = variable([3], "x")
    (single,) = ad.split(x, 1)
    e = explain(single * single, x)
    check(e, single * single, x)
    assert [path.factors for path in e.paths] == [(1, 1, 3), (1, 1, 3)]
    assert "x" in [arrival.node for arrival in e.walk]


def test_a_term_of_several_parts_is_one_term() -> None:
    x = variable([1, 2, 3, 4], "x")
    p, q = ad.split(x, 2)
    e = explain((p * q).sum(), x)
    (arrival,) = [arrival for arrival in e.walk if arrival.node == "x"]
    assert [sender for sender, _ in arrival.terms] == ["split"]
    assert arrival.terms[0][1] == e.total == arrival.gradient


def test_too_many_paths_of_arrays_are_searched_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    x = variable([0.3, -0.2], "x")
    y = x
    for _ in range(40):
        y = y + 0.5 * np.tanh(y)
    y = y.sum()
    e = explain(y, x, paths=4)
    check(e, y, x)
    assert e.count == 2**40
    assert not e.exact
    assert "the largest found" in str(e)
    few = explain(x.sum(), x)
    assert few.exact
    # The search finds the largest where its own guide is right, as it is here.
    y = x
    for _ in range(5):
        y = y + 0.5 * np.tanh(y)
    y = y.sum()
    exact = explain(y, x, paths=3)
    monkeypatch.setattr(paths, "LISTED", 0)
    monkeypatch.setattr(paths, "BEAM", 3)
    searched = explain(y, x, paths=3)
    assert exact.exact
    assert not searched.exact
    assert [path.nodes for path in searched.paths] == [path.nodes for path in exact.paths]
    check(searched, y, x)


def test_a_model() -> None:
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    loss = (model(Tensor(np.ones((5, 3), np.float32))) ** 2).mean()
    loss.name = "loss"
    e = explain(loss, "0.weight")
    check(e, loss, model[0].weight, rtol=1e-5)
    assert e.count == 1
    assert e.paths[0].nodes == tuple(node for node in e.paths[0].nodes if node in {n.id for n in draw(loss).description.nodes})
    assert [one.wrt for one in explain(loss, model.parameters())] == ["0.weight", "0.bias", "2.weight", "2.bias"]


# ----------------------------------------------------------------------------------------------- numbers that are none


def test_strong_zeros() -> None:
    x = variable([0, 4], "x")
    with np.errstate(all="ignore"):
        y = np.where(x > 0, np.sqrt(x), 0.0).sum()
    e = explain(y, x, element=0)
    check(e, y, x)
    assert [path.contribution for path in e.paths] == [0]
    z = variable(0, "z")
    y = np.sqrt(z) * 0.0 + z
    e = explain(y, z)
    check(e, y, z)
    assert sorted(path.contribution for path in e.paths) == [0, 1]
    assert math.inf in e.paths[1].factors


@pytest.mark.parametrize(
    ("make", "total", "contributions"),
    [
        (lambda x: np.sqrt(x) + x, math.inf, [math.inf, 1.0]),
        (lambda x: x * math.nan + x, math.nan, [math.nan, 1.0]),
        (lambda x: np.sqrt(x) + x * math.nan + x, math.nan, [math.nan, math.inf, 1.0]),
        (lambda x: np.sqrt(x) - np.sqrt(x), math.nan, [-math.inf, math.inf]),
    ],
)
def test_nan_and_infinity_are_shown_first(make: Any, total: float, contributions: list[float]) -> None:
    for x in (variable(0, "x"), variable([0], "x"), variable([0, 1], "x")):
        y = make(x) if x.size == 1 else make(x)[0]
        e = explain(y, x, of=0 if y.ndim else None, element=0 if x.ndim else None)
        np.testing.assert_equal(e.total, total)
        np.testing.assert_equal([path.contribution for path in e.paths], contributions)
        assert e.rest == 0
        assert ("nan" if math.isnan(total) else "inf") in str(e).splitlines()[0]
        assert r"\mathrm{nan}" in e._repr_latex_() or r"\infty" in e._repr_latex_()


def test_infinities_that_cancel_before_they_reach_the_root() -> None:
    x = variable(0, "x")
    h = np.sqrt(x)
    y = h * 2 - h * 2
    e = explain(y, x)
    assert e.total == 0  # 2 - 2 arrives at the root: an exact zero stays one
    assert [path.contribution for path in e.paths] == [-math.inf, math.inf]
    assert math.isnan(e.rest)
    assert "Some paths bring no finite number alone" in str(e)


def test_a_path_that_is_cut_off_is_no_path() -> None:
    x = variable(2.0, "x")
    y = x * ad.stop_gradient(x)
    e = explain(y, x)
    check(e, y, x)
    assert e.count == 1
    y = np.floor(x) + x
    e = explain(y, x)
    check(e, y, x)
    assert sorted(path.contribution for path in e.paths) == [0, 1]


def test_complex_numbers_follow_the_convention_outside() -> None:
    z = Tensor(1.0 + 2.0j, requires_grad=True, name="z")
    y = (z * z * (2 - 1j)).real + np.abs(z) ** 2
    e = explain(y, z)
    check(e, y, z)
    assert e.count == 3
    assert isinstance(e.total, complex)
    w = Tensor([1.0 + 2.0j, 3.0], requires_grad=True, name="w")
    y = w * w
    cotangent = np.array([1j, 2.0])
    e = explain(y, w, cotangent=cotangent)
    check(e, y, w, cotangent)
    with pytest.raises(RuntimeError, match="complex number"):
        explain(y, w, of=0)
    with pytest.raises(RuntimeError, match="complex number"):
        explain(z * z, z)


def test_hooks_take_no_part_and_that_is_said() -> None:
    x = variable(2, "x")
    h = x * 3
    called: list[Any] = []
    h.register_hook(called.append)
    e = explain(h * h, x)
    assert e.total == 36
    assert not called
    assert "Hooks are left out" in str(e)
    assert "Hooks" not in str(explain(x * x, x))


# ----------------------------------------------------------------------------------------------- after backward


def test_after_backward_under_a_trace() -> None:
    x = variable([1, 2], "x")
    with ad.trace():
        y = (np.tanh(x) * x).sum()
    before = explain(y, x)
    y.backward()
    after = explain(y, x)
    assert str(before) == str(after)
    np.testing.assert_array_equal(after.gradient, x.grad)
    np.testing.assert_array_equal(x.grad, before.gradient)


def test_after_backward_without_one_says_what_to_do() -> None:
    x = variable(1, "x")
    y = x * x
    y.backward(retain_graph=True)
    assert explain(y, x).total == 2
    y.backward()
    with pytest.raises(RuntimeError, match=r"consumed by an earlier backward pass.*'multiply'.*retain_graph=True.*trace\(\)"):
        explain(y, x)


# ----------------------------------------------------------------------------------------------- refusals


def test_refusals() -> None:
    x, v = variable([1, 2], "x"), variable(1, "v")
    y = (x * x).sum()
    with pytest.raises(TypeError, match="expected a Tensor to explain; got float"):
        explain(1.0, x)  # type: ignore[call-overload]
    with pytest.raises(RuntimeError, match="'k' is not tracked"):
        explain(Tensor(1.0, name="k"), x)
    with pytest.raises(ValueError, match=r"'v' is not in the graph of sum \(sum was not computed from it\); its variables are x;"):
        explain(y, v)
    with pytest.raises(ValueError, match="not tracked"):
        explain(y, Tensor(1.0))
    with pytest.raises(ValueError, match=r"nothing in the graph of sum is called 'w'; its variables are x;"):
        explain(y, "w")
    with pytest.raises(TypeError, match="wrt is a Tensor, a name, or several; got int"):
        explain(y, [3])
    with pytest.raises(RuntimeError, match=r"not a single number; say which element to explain, of="):
        explain(x * x, x)
    with pytest.raises(ValueError, match="either of"):
        explain(x * x, x, of=0, cotangent=[1.0, 1.0])
    with pytest.raises(ValueError, match=r"has shape \(3,\), expected \(2,\)"):
        explain(x * x, x, cotangent=np.ones(3))
    for index in (2, -3, (0, 0), ()):
        with pytest.raises(IndexError, match=r"element=.* is no index of an element of shape \(2,\)"):
            explain(y, x, element=index)
    with pytest.raises(TypeError, match=r"integers; got 0\.5"):
        explain(y, x, element=0.5)
    with pytest.raises(TypeError, match="integers"):
        explain(y, x, element=slice(1))
    with pytest.raises(ValueError, match="one by one"):
        explain(y, [x], element=0)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="how many to list, got -1"):
        explain(y, x, paths=-1)
    empty = variable(np.zeros((0, 3)), "empty")
    with pytest.raises(ValueError, match=r"empty has shape \(0, 3\), no element to explain"):
        explain(empty.sum(), empty)


def test_names_that_two_tensors_share() -> None:
    a, b = variable(1, "w"), variable(2, "w")
    y = a * b
    assert explain(y, "w").total == 2  # an id goes before a name
    assert explain(y, "w_2").total == 1
    c, d = variable(1, "e:1"), variable(1, "e:1")
    with pytest.raises(ValueError, match="several are called 'e:1'; they are told apart as e_1, e_1_2"):
        explain(c * d, "e:1")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", r"$x$ \input{/etc/passwd} \\", "a\nb" * 40, "名前" * 30, "%#&_^~{}", 5, [1]]
)
def test_hostile_names_stay_text(name: Any) -> None:
    x = variable([1, 2], "x")
    x.name = name
    y = (x * x).sum() + x[0]
    y.name = name
    e = explain(y, x)
    text, latex = str(e), e._repr_latex_()
    for bad in ("<", "\\", "{", "$", "\nba\n"):
        assert bad not in text
    assert latex.count("$") == 2
    assert "script>" not in latex
    assert r"\input" not in latex
    assert latex.count("{") == latex.count("}")
    assert all(len(line) <= COLUMNS for line in text.splitlines())
    assert explain(y, x).count == 3


def test_two_wide_columns_of_a_wide_character() -> None:
    import unicodedata

    x = variable(1, "名前のとても長いテンソルの名前です")
    for line in str(explain(np.exp(x) * x + x, x)).splitlines():
        assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line) <= COLUMNS


# ----------------------------------------------------------------------------------------------- large graphs


@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_long_chain(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "MOST_DESCRIBED", 100)
    x = variable(np.ones(shape), "x")
    y = x
    for _ in range(3000):  # three times as deep as Python recurses
        y = y * 1.001
    y = y.sum()
    e = explain(y, x)
    check(e, y, x, rtol=1e-9)
    assert e.count == 1
    assert len(e.paths[0].nodes) == 3002
    assert e.walk_length == 3002
    assert len(str(e).splitlines()) < 60
    assert "2,978 more" in str(e)
    assert len(repr(e.paths)) < 300
    assert explain(y, "x").total == e.total


def test_the_work_for_a_long_chain_grows_with_its_length_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "MOST_DESCRIBED", 100)

    def calls(n: int) -> int:
        x = variable(1.0, "x")
        y = x
        for _ in range(n):
            y = y * 1.0
        count = 0

        def one_more(*_: Any) -> None:
            nonlocal count
            count += 1

        sys.setprofile(one_more)
        try:
            assert explain(y, x).count == 1
        finally:
            sys.setprofile(None)
        return count

    few, many = calls(1000), calls(4000)
    assert many < 4.2 * few


@pytest.mark.slow
def test_the_paths_of_a_chain_of_a_million_operations_are_counted() -> None:
    x = variable(1.0, "x")
    y = x
    for _ in range(500_000):
        y = y * 1.0 + x
    e = explain(y, x, paths=0)
    assert e.count == e.total == 500_001
    assert e.walk_length == 1_000_001
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == e.total


def test_names_in_a_graph_too_large_to_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "MOST_DESCRIBED", 1)
    x = variable([1, 2], "x")
    p, q = ad.split(x, 2)
    y = (p * q).sum()
    e = explain(y, x)
    assert e.paths[0].nodes == ("x", "split", "part", "multiply", "sum")
    assert explain(y, "part_2").count == 1


def test_a_node_with_many_consumers() -> None:
    x = variable(1, "x")
    factors = np.random.default_rng(0).permutation(2000) + 1.0
    y = x * 0
    for factor in factors:
        y = y + x * float(factor)
    e = explain(y, x, paths=3)
    check(e, y, x)
    assert [path.contribution for path in e.paths] == [2000, 1999, 1998]
    assert e.count == 2001
    assert "terms" in str(e) or "more" in str(e)


def test_text_is_bounded_whatever_is_asked_for() -> None:
    x = variable(1, "x")
    y = x * 0
    for i in range(100):
        y = y + x * float(i)
    e = explain(y, x, paths=1000)
    check(e, y, x)
    assert len(e.paths) == e.count == 101
    assert len(str(e).splitlines()) < 80
    assert "more, in .paths" in str(e)
    assert len(list(itertools.chain(*(path.nodes for path in e.paths)))) > 5000


def test_it_is_imported_when_it_is_asked_for() -> None:
    program = (
        "import sys, autodiff as ad; assert 'autodiff.drawing' not in sys.modules; "
        "x = ad.Tensor(2.0, requires_grad=True); assert ad.explain(x * x).total == 4; ad.Explanation"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
