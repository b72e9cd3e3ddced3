"""`memory_report`: what a graph keeps alive, to the byte."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor, memory_report, trace
from autodiff.footprint import innermost_modules


def leaf(*shape: int, dtype: type = np.float64) -> Tensor:
    return Tensor(np.ones(shape, dtype), requires_grad=True)


KEPT: list[Tensor] = []


def living(*shape: int) -> Tensor:
    """Return a leaf that lives until the test is over."""
    KEPT[:] = [leaf(*shape)]
    return KEPT[0]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    KEPT.clear()


CASES: list[tuple[str, Callable[[], Tensor], dict[str, int]]] = [
    ("the output, once", lambda: np.exp(leaf(100)).sum(), {"exp": 800}),
    ("nothing", lambda: (leaf(100) + 1).sum(), {}),
    ("the leaf itself is not the graph's", lambda: np.sin(living(100)).sum(), {}),
    ("a result for two", lambda: shared(np.exp(leaf(100))), {"exp": 800}),
    ("a view", lambda: np.sin(np.exp(leaf(100))[:10]).sum(), {"exp": 800}),
    ("another's array", lambda: (leaf(100) * np.ones(100)).sum(), {"multiply": 800}),
    ("a broadcast one", lambda: (leaf(100) * np.broadcast_to(np.ones(1), 100)).sum(), {"multiply": 8}),
    ("float32", lambda: np.exp(leaf(100, dtype=np.float32)).sum(), {"exp": 400}),
    ("a part of a large array", lambda: (leaf(10) * np.ones(1000)[:10]).sum(), {"multiply": 8000}),
    ("powers", lambda: ((leaf(100) * 2) ** 3).sum(), {"power": 800}),
    ("an index", lambda: leaf(100)[np.arange(50)].sum(), {"getitem": 400}),
]


def shared(y: Tensor) -> Tensor:
    return (y * y + y * 2).sum()


@pytest.mark.parametrize(("make", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_known_sizes(make: Callable[[], Tensor], expected: dict[str, int]) -> None:
    y = make()
    report = memory_report(y)
    assert report.by_operation == expected
    assert report.saved == report.total == sum(expected.values())
    assert report.by_module == ({"": report.saved} if expected else {})
    assert (report.consumed, report.records) == (0, 0)


def test_it_is_what_is_freed_with_the_graph() -> None:
    def model(x: Tensor) -> Tensor:
        h = x
        for _ in range(5):
            h = np.tanh(h @ w)
            h = np.exp(-h * h)[:, ::-1]
        return h.sum()

    w, x = Tensor(np.eye(300), requires_grad=True), Tensor(np.ones((200, 300)))
    model(x)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = model(x)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    report = memory_report(y)
    assert report.leaves == w.nbytes
    assert report.total - x.nbytes == pytest.approx(kept, rel=0.01)  # x is the caller's, and kept by the graph too


def test_leaves_gradients_and_what_a_pass_consumed() -> None:
    x, w = leaf(100), leaf(100, dtype=np.float32)
    y = np.exp(x * w).sum()
    unconsumed = memory_report(y)
    assert (unconsumed.leaves, unconsumed.gradients, unconsumed.operations) == (1200, 0, 3)
    y.backward()
    report = memory_report(y)
    assert (report.total, report.leaves, report.gradients, report.consumed) == (0, 1200, 1200, 3)
    assert "all of them were consumed by a backward pass" in str(report)
    assert not report.advice
    assert memory_report(np.exp(y.detach() + x) * y).consumed == 3


def test_a_leaf_that_is_gone() -> None:
    y = np.sin(leaf(100)).sum()
    report = memory_report(y)
    assert (report.leaves, report.saved) == (0, 800)  # now the graph alone keeps its memory


def test_modules() -> None:
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.Sequential(nn.Tanh(), nn.Linear(64, 10)))
    y = (model(np.ones((128, 20), np.float32)) * np.ones((128, 1), np.float32)).sum()
    report = memory_report(y)
    assert report.by_module == {"1.0": 128 * 64 * 4, "0": 128 * 20 * 4, "": 128 * 4}
    assert report.leaves == sum(p.nbytes for p in model.parameters())
    assert [(e.module, e.operation) for e in report.entries] == [("1.0", "tanh"), ("0", "linear"), ("", "multiply")]
    assert [e.arrays for e in report.entries] == [1, 1, 1]
    assert sum(report.by_module.values()) == sum(report.by_operation.values()) == report.saved


def test_the_innermost_module_is_the_one_that_errors_name() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            self.linear = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return np.tanh(self.linear(np.tanh(self.linear(x)))) * 2

    model = nn.Sequential(Shared(), nn.Sequential(Shared(), nn.ReLU()))
    y = model(np.ones((1, 2))).sum()
    order = ad.flow.behind([y._node])[::-1]
    found = innermost_modules(order)
    for node in order:
        group = ad.graph.innermost(order, node)
        assert found[node] == (group.name if group is not None and node.operation is not None else found[node])
    assert {found[node] for node in order} >= {"", "0", "0.linear", "1.0", "1.0.linear", "1.1"}


def test_records_of_a_trace() -> None:
    x = leaf(100)
    with trace():
        y = np.exp(x).sum()
    report = memory_report(y)
    assert report.saved == 800
    assert report.records == 800 + 800 + 800 + 8 + 1  # inputs and values of exp and sum, and keepdims=False
    assert report.total == report.saved + report.records
    assert any("trace() keeps the values" in advice for advice in report.advice)
    with ad.detect_anomaly():
        assert memory_report(np.exp(x).sum()).records == 0


ADVICE: list[tuple[str, Callable[[], Tensor], list[str], list[str]]] = [
    ("a loss", lambda: np.exp(leaf(1000)).sum(), ["no_grad()", "total += loss.item()", "detach()", "float64"], ["trace()", "part"]),
    ("float32", lambda: np.exp(leaf(1000, dtype=np.float32)).sum(), ["no_grad()"], ["float64"]),
    ("no single number", lambda: np.exp(leaf(1000)), ["no_grad()"], ["loss.item()"]),
    ("a part", lambda: (leaf(10) * np.ones(1000)[:10]).sum(), ["copy the part"], []),
    ("activations", lambda: np.exp(leaf(10) * np.ones((100, 10))).sum(), ["a smaller batch"], []),
    ("parameters", lambda: np.exp(living(100, 100) @ np.ones(100)).sum(), ["no_grad()"], ["a smaller batch"]),
    ("create_graph", lambda: differentiated(), ["set .grad to None"], []),
    ("losses of several batches", lambda: batches(np.add), ["a sum of 5 results of 'sum',", "total += loss.item()"], ["to add up"]),
    ("a loss of two terms", lambda: batches(np.add, 2), ["to add up losses"], ["this is a sum"]),
    ("a product", lambda: batches(np.multiply), ["to add up losses"], ["this is a sum"]),
    ("retain_graph", lambda: retained(), ["retain_graph=True"], []),
]

def batches(together: Callable[[Tensor, Tensor], Tensor], count: int = 5) -> Tensor:
    total, w = Tensor(0.0), living(10)
    for _ in range(count):
        total = together(total, np.exp(w).sum())
    return total


def differentiated() -> Tensor:
    y = (living(10) ** 3).sum()
    y.backward(create_graph=True)
    return y


def retained() -> Tensor:
    y = np.exp(living(10)).sum()
    y.backward(retain_graph=True)
    return y


@pytest.mark.parametrize(("make", "said", "unsaid"), [case[1:] for case in ADVICE], ids=[case[0] for case in ADVICE])
def test_advice_is_given_where_it_applies(make: Callable[[], Tensor], said: list[str], unsaid: list[str]) -> None:
    text = "\n".join(memory_report(make()).advice)
    for words in said:
        assert words in text
    for words in unsaid:
        assert words not in text


def test_what_is_true_here_comes_first() -> None:
    advice = memory_report(batches(np.add)).advice
    assert [advice[0].split()[0], advice[1].split(":")[0]] == ["this", "400 B of it are float64"]


def test_an_untracked_tensor_keeps_no_graph() -> None:
    report = memory_report(Tensor([1.0]))
    assert str(report) == "0 B: the tensor is not tracked and keeps no graph"
    assert (report.untracked, report.total, report.advice) == (1, 0, [])
    assert str(memory_report(Tensor([1.0]), Tensor(2.0))) == "0 B: none of the 2 tensors is tracked, and they keep no graph"
    mixed = str(memory_report(Tensor([1.0]), np.exp(leaf(10))))
    assert mixed.splitlines()[1] == "1 of the tensors is not tracked: no graph"
    assert "not tracked" not in str(memory_report(leaf(3)))


def test_printed() -> None:
    x = Tensor(np.ones((1000, 10), np.float32))
    w = Tensor(np.ones((10, 50), np.float32), requires_grad=True)
    report = memory_report(np.tanh(x @ w).sum())
    assert repr(report) == str(report)
    assert str(report).splitlines()[:12] == [
        "240 kB kept alive by a graph of 3 operations (240,000 bytes)",
        "",
        "  module                 operation    kept  share  arrays",
        "  (outside all modules)  tanh       200 kB    83%       1",
        "  (outside all modules)  matmul      40 kB    17%       1",
        "",
        "apart from these",
        "  parameters and inputs        2 kB  they live without it",
        "",
        "to keep less",
        "  - where nothing is learned, as in evaluation, compute under no_grad(): no graph is made",
        "  - to add up losses take the numbers, total += loss.item(): adding the tensors keeps each one's graph",
    ]


def test_a_long_table_ends_with_the_rest() -> None:
    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return np.tanh(x)

    report = memory_report(nn.Sequential(*[Layer() for _ in range(30)])(leaf(1000)).sum())
    assert len(report.entries) == 30
    lines = str(report).splitlines()
    (rest,) = [row for row in lines if "and 10 more" in row]
    assert rest.split() == ["and", "10", "more", "80", "kB", "33%", "10"]
    assert sum("tanh" in row for row in lines) == 20


def test_untracked_and_wrong_ones() -> None:
    report = memory_report(Tensor(np.ones(3)))
    assert (report.total, report.operations, report.entries) == (0, 0, [])
    assert str(report) == "0 B: the tensor is not tracked and keeps no graph"
    with pytest.raises(TypeError, match="memory_report: expected Tensors, got Linear; give it a result"):
        memory_report(nn.Linear(1, 1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="at least one Tensor"):
        memory_report()


def test_several_share_a_graph() -> None:
    y = np.exp(leaf(100))
    assert memory_report(y.sum(), y.mean(), y).total == memory_report(y).total == 800
    assert memory_report(y, y).operations == 1


def test_several_outputs_and_a_deep_graph() -> None:
    x = leaf(4)
    a, b = ad.split(np.exp(x), 2)
    assert memory_report(a + b).by_operation == {"exp": 32}
    for _ in range(20_000):
        x = x * 1.0
    assert memory_report(x).operations == 20_000
