"""A backward pass that leaves nothing behind agrees with the one that does, term by term."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autodiff as ad
import nn
from autodiff import Tensor
from autodiff.flow import behind, flow_back, handed_on, unconsumed


def variable(value, name=None):
    return Tensor(value, dtype=float, requires_grad=True, name=name)


def flow_of(y):
    return flow_back({y._node: np.ones(y.shape, y.dtype)})


def terms(flow, leaf):
    return [d for (node, position), d in flow.contributions.items() if node.parents[position] is leaf._node]


def test_every_term_of_a_sum_is_told_apart():
    a, b = variable(2.0), variable(3.0)
    flow = flow_of((a + a) * b * a)
    assert sorted(d.item() for d in terms(flow, a)) == [6.0, 6.0, 12.0]
    assert flow.gradients[a._node].item() == 24.0
    assert terms(flow, b)[0].item() == flow.gradients[b._node].item() == 8.0


def test_it_touches_no_grad_runs_no_hook_and_consumes_nothing():
    x = variable([1.0, 2.0])
    seen = []
    y = x * x
    y.register_hook(lambda g: seen.append(g) or g * 100)
    y.retain_grad()
    total = y.sum()
    flow = flow_of(total)
    assert flow.gradients[x._node].tolist() == [2.0, 4.0]
    assert seen == []
    assert x.grad is None
    assert y.grad is None
    total.backward()
    assert x.grad.tolist() == [200.0, 400.0]


STEP = st.tuples(st.sampled_from(["add", "multiply", "tanh", "getitem", "sum", "matmul"]), st.integers(0, 9), st.integers(0, 9))


@given(st.lists(STEP, min_size=1, max_size=14))
@settings(deadline=None, max_examples=60)
def test_it_agrees_with_backward_and_terms_add_up(program):
    generator = np.random.default_rng(0)
    leaves = [variable(generator.normal(size=(3, 3))) for _ in range(2)]
    values = list(leaves)
    for name, i, j in program:
        p, q = values[i % len(values)], values[j % len(values)]
        values.append(
            {
                "add": lambda p, q: p + q,
                "multiply": lambda p, q: p * q * 0.5,
                "tanh": lambda p, q: np.tanh(p),
                "getitem": lambda p, q: p[[0, 0, 2]],
                "sum": lambda p, q: p.sum(axis=0) + q,
                "matmul": lambda p, q: p @ q * 0.3,
            }[name](p, q)
        )
    total = values[-1].sum()
    flow = flow_of(total)
    for node, gradient in flow.gradients.items():
        parts = [d for (user, position), d in flow.contributions.items() if user.parents[position] is node]
        if parts:
            np.testing.assert_allclose(sum(parts), gradient, rtol=1e-12, atol=1e-12)
    assert [node.number for node in flow.order] == sorted((node.number for node in behind([total._node])), reverse=True)
    total.backward()
    for leaf in leaves:
        if leaf.grad is None:
            assert leaf._node not in flow.gradients
        else:
            np.testing.assert_allclose(flow.gradients[leaf._node], leaf.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_a_trace_keeps_the_same_terms():
    a = variable([1.0, -2.0])
    with ad.trace() as seen:
        total = ((a + a) * np.tanh(a)).sum()
    flow = flow_of(total)
    total.backward()
    for node in seen.nodes:
        for position, d in node.notes.record.contributions.items():
            np.testing.assert_array_equal(d, flow.contributions[node, position])
    assert len(seen.nodes[0].notes.record.contributions) == 2


def test_a_second_pass_replaces_the_terms_of_the_first():
    a, b = variable(2.0), variable(3.0)
    with ad.trace() as seen:
        y = a * b
    y.backward(retain_graph=True)
    assert {k: v.item() for k, v in seen.nodes[0].notes.record.contributions.items()} == {0: 3.0, 1: 2.0}
    y.backward(Tensor(10.0))
    assert {k: v.item() for k, v in seen.nodes[0].notes.record.contributions.items()} == {0: 30.0, 1: 20.0}


def test_a_consumed_graph_is_read_from_its_trace():
    a = variable([1.0, 2.0])
    with ad.trace():
        total = (np.exp(a) * a).sum()
    total.backward()
    np.testing.assert_allclose(flow_of(total).gradients[a._node], a.grad.numpy())


def test_a_consumed_graph_without_a_trace_says_what_to_do():
    a = variable(2.0)
    y = a * a
    y.backward()
    with pytest.raises(RuntimeError, match=r"(?s)consumed.*'multiply'.*nothing was traced.*retain_graph=True"):
        flow_of(y)


def test_a_consumed_graph_of_large_arrays_says_what_to_do():
    a = variable(np.ones(1001))
    with ad.trace():
        total = (a * a).sum()
    total.backward()
    with pytest.raises(RuntimeError, match="too large for the trace to keep"):
        flow_of(total)


def test_a_changed_array_is_refused():
    w = variable([1.0, 2.0], "w")
    total = (w * w).sum()
    with ad.no_grad():
        w[0] = 5.0
    with pytest.raises(RuntimeError, match="was changed afterwards"):
        flow_of(total)


def test_operations_with_several_outputs():
    @ad.operation()
    def halves(x):
        return x[:1], x[1:]

    halves.rules(lambda g, x_shape: np.concatenate([np.zeros(1) if part is None else part for part in g]))
    x = variable([1.0, 2.0])
    first, second = halves(x)
    total = (first * 3 + second * second + second).sum()
    flow = flow_of(total)
    assert flow.gradients[x._node].tolist() == [3.0, 5.0]
    node = first._node.parents[0]
    assert [part.tolist() for part in flow.gradients[node]] == [[3.0], [5.0]]
    assert flow_of(first.sum()).gradients[node][1] is None


def test_complex_gradients_are_those_that_the_caller_sees():
    z = Tensor([1 + 2j, 3 - 1j], requires_grad=True)
    total = (z * np.conj(z)).real.sum()
    flow = flow_of(total)
    total.backward()
    np.testing.assert_allclose(flow.gradients[z._node], z.grad.numpy())


def test_false_nans_stay_away_here_too():
    x = variable([0.0, 4.0])
    y = np.where(x > 0, np.sqrt(x), 0.0).sum()
    assert flow_of(y).gradients[x._node].tolist() == [0.0, 0.25]


def test_a_deep_chain():
    x = y = variable(1.0)
    for _ in range(20_000):
        y = y * 1.0
    assert flow_of(y).gradients[x._node].item() == 1.0


def test_one_operations_share():
    a, b = variable(2.0), variable(5.0)
    y = a * b
    (first, one, d1), (second, two, d2) = handed_on(y._node, np.array(2.0))
    assert (first, second) == (0, 1)
    assert one is a._node
    assert two is b._node
    assert (d1.item(), d2.item()) == (10.0, 4.0)
    assert handed_on(a._node, np.array(1.0)) == []
    assert unconsumed(y._node) is y._node


def test_a_models_gradients():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 3))
    loss = nn.CrossEntropyLoss()(model(Tensor(np.ones((2, 4), np.float32))), np.array([0, 2]))
    flow = flow_of(loss)
    loss.backward()
    for p in model.parameters():
        np.testing.assert_allclose(flow.gradients[p._node], p.grad.numpy(), rtol=1e-6)
