"""The recorded graph itself: deep ones, large ones, and how they die."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, gradients
from autodiff.graph import Group, Leaf, Node, label, notes_of


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# ------------------------------------------------------------------------------------------------ depth


@pytest.mark.slow
def test_a_chain_of_a_million_operations():
    """Forward, backward and freed, within the default recursion limit."""
    assert sys.getrecursionlimit() <= 1000 or "pydevd" in sys.modules
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 1e-6
    y.backward(retain_graph=True)
    assert x.grad.item() == 1
    assert y.item() == pytest.approx(2.0)
    first = weakref.ref(y._node)
    del y  # and so the whole chain, at once
    assert first() is None


def test_a_chain_deeper_than_the_recursion_limit_in_a_thread():
    """What holds for a million must hold for fewer in a thread, whose stack may be smaller."""
    failures = []

    def work():
        try:
            x = leaf(0.5)
            y = x
            for _ in range(30_000):
                y = np.sin(y) + 0.5
            y.backward()
            assert np.isfinite(x.grad.item())
            del y
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []


def test_a_recorded_backward_pass_over_a_deep_chain():
    x = leaf(1.0)
    y = x
    for _ in range(5_000):
        y = y * 1.0001
    first = gradients(y * y, x, create_graph=True)
    assert first.item() == pytest.approx(2 * 1.0001**10_000)
    assert gradients(first, x).item() == pytest.approx(2 * 1.0001**10_000)


def test_views_of_views_far_down():
    x = leaf(np.ones(3))
    y = x
    for _ in range(5_000):
        y = y[:]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_many_writes_to_one_tensor():
    x = leaf(1.0)
    y = ad.zeros(10)
    for i in range(5_000):
        y[i % 10] = x * i
    y.sum().backward()
    assert x.grad.item() == sum(range(4_990, 5_000))


def test_a_wide_graph():
    x = leaf(1.0)
    total = x * 0
    for i in range(2_000):
        total = total + x * float(i)
    total.backward()
    assert x.grad.item() == sum(range(2_000))


def test_a_graph_of_diamonds_is_walked_once():
    """2**60 paths, 60 nodes."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.item() == 1


# ------------------------------------------------------------------------------------------------ life and death


@pytest.mark.usefixtures("no_collector")
class TestLifetimes:
    def test_a_leaf_dies_with_its_last_reference(self):
        x = leaf([1.0, 2.0])
        (x * x).sum().backward()
        watched = [weakref.ref(x), weakref.ref(x._node), weakref.ref(x._data), weakref.ref(x.grad)]
        del x
        assert [reference() for reference in watched] == [None] * 4

    def test_a_graph_does_not_keep_its_leaves(self):
        x = leaf([1.0, 2.0])
        y = (x + 1).sum()
        watched = weakref.ref(x)
        del x
        assert watched() is None
        y.backward()  # nobody is there to receive it

    def test_a_graph_dies_with_its_last_reference(self):
        x = leaf([1.0, 2.0])
        nodes = []
        y = x
        for f in (np.exp, np.sin, lambda t: t[:1], lambda t: np.concatenate([t, t]), lambda t: ad.split(t, 2)[0], np.sum):
            y = f(y)
            nodes.append(weakref.ref(y._node))
        del y
        assert [reference() for reference in nodes] == [None] * len(nodes)

    def test_after_backward_too(self):
        x = leaf([1.0, 2.0])
        y = (np.exp(x) * x).sum()
        node = weakref.ref(y._node.parents[0])
        y.backward()
        assert node() is not None
        del y
        assert node() is None

    def test_written_tensors_and_views(self):
        x = leaf([1.0, 2.0, 3.0])
        y = x * 1
        view = y[:2]
        y[0] = x[1]
        view[1] = 5.0
        y += x
        watched = [weakref.ref(y), weakref.ref(view), weakref.ref(y._node), weakref.ref(y._data)]
        del y, view
        assert [reference() for reference in watched] == [None] * 4

    def test_after_a_failed_pass(self):
        x = leaf([1.0, 2.0])
        y = np.exp(x)
        y.register_hook(lambda g: 1 / 0)
        watched = weakref.ref(y._data)
        with pytest.raises(ZeroDivisionError):
            (y * y).sum().backward()
        del y
        assert watched() is None

    def test_recorded_passes_by_gradients(self):
        x = leaf([1.0, 2.0])
        y = (x**3).sum()
        g = gradients(y, x, create_graph=True)
        watched = [weakref.ref(y._node), weakref.ref(g._node)]
        gradients(g.sum(), x)
        del y, g
        assert [reference() for reference in watched] == [None, None]

    def test_a_recorded_grad_does_not_keep_its_leaf(self):
        """x.grad was computed from x, but its graph knows x weakly: no cycle."""
        x = leaf([1.0, 2.0])
        (x**3).sum().backward(create_graph=True)
        watched = [weakref.ref(x), weakref.ref(x._node), weakref.ref(x._data), weakref.ref(x.grad._node)]
        del x
        assert [reference() for reference in watched] == [None] * 4

    def test_traced_graphs(self):
        x = leaf([1.0, 2.0])
        with ad.trace() as seen:
            y = (np.exp(x) * x).sum()
        y.backward()
        node = weakref.ref(y._node)
        del y, seen
        assert node() is None

    def test_fused_recorded(self):
        @ad.fused(forward=lambda x: (x * x, x), backward=lambda g, x, needs: (2 * g * x,))
        def squared(x):
            return x * x

        x = leaf([1.0, 2.0])
        y = squared(x).sum()
        g = gradients(y, x, create_graph=True)
        watched = [weakref.ref(y._node), weakref.ref(g._node), weakref.ref(x)]
        del x, y, g
        assert [reference() for reference in watched] == [None] * 3


# ------------------------------------------------------------------------------------------------ what a node tells


class TestNodes:
    def test_what_is_kept(self):
        x, w = leaf(np.ones((2, 3)), name="x"), leaf(np.ones(3, np.float32), name="w")
        y = x * w
        node = y._node
        assert type(node) is Node
        assert isinstance(x._node, Leaf)
        assert node.parents == (x._node, w._node)
        assert (node.shape, node.dtype) == ((2, 3), np.float64)
        assert (w._node.shape, w._node.dtype) == ((3,), np.float32)
        assert node.number > w._node.number > x._node.number
        assert node.notes is None
        assert label(node) == "multiply"
        assert label(x._node) == "x"
        assert repr(node) == f"<multiply #{node.number} shape=(2, 3)>"

    def test_labels_of_leaves(self):
        x = leaf(1.0)
        assert label(x._node) == "leaf"
        node = x._node
        x.name = "later"
        assert label(node) == "later"
        del x
        assert label(node) == "leaf"
        assert repr(node).startswith("<leaf #")

    def test_untracked_arguments_have_no_node(self):
        x = leaf(1.0)
        assert (x * 2)._node.parents == (x._node, None)
        assert (Tensor(1.0) * 2)._node is None

    def test_numbers_rise_so_that_parents_come_before(self):
        x = leaf(np.arange(6.0))
        a, _ = ad.split(np.sin(x), 2)
        y = (a * ad.concatenate([a[:1], a[1:]])).sum()
        stack, seen = [y._node], set()
        while stack:
            node = stack.pop()
            for parent in node.parents:
                if parent is not None:
                    assert parent.number < node.number
                    if parent not in seen:
                        seen.add(parent)
                        stack.append(parent)

    def test_notes_are_made_on_first_use(self):
        node = (leaf(1.0) * 2)._node
        notes = notes_of(node)
        assert notes_of(node) is notes
        assert (notes.hooks, notes.retained, notes.record, notes.groups) == ({}, None, None, ())

    def test_group_repr(self):
        assert repr(Group("Linear", "layer1", "module", 3, 9)) == "Group('Linear', 'layer1', 3..9)"
