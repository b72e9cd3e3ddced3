"""`trace()`: the one record of what happened, operation by operation."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, fused, gradients, operation, trace
from autodiff.tracing import Statistics, summed_up


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


def records(seen):
    return [node.notes.record for node in seen.nodes]


def line():
    return inspect.currentframe().f_back.f_lineno


class TestWhatIsKept:
    def test_operations_in_order(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            y = (np.exp(x) * x).sum()
        assert [node.operation.name for node in seen.nodes] == ["exp", "multiply", "sum"]
        assert seen.nodes[-1] is y._node
        assert len(seen) == 3
        assert repr(seen) == "<trace of 3 operations>"

    def test_only_inside(self):
        x = leaf(1.0)
        before = x * 2
        with trace() as seen:
            inside = before * 3
        after = inside * 4
        assert before._node.notes is None
        assert after._node.notes is None
        assert seen.nodes == [inside._node]

    def test_not_what_is_not_recorded(self):
        with trace() as seen:
            Tensor(1.0) * 2
            with ad.no_grad():
                leaf(1.0) * 2
        assert len(seen) == 0

    def test_values_inputs_and_names(self):
        x, w = leaf([1.0, 2.0], name="x"), Tensor([3.0, 4.0], name="w")
        with trace() as seen:
            x * w
            x * 2
            x.sum(axis=0)
        product, doubled, total = records(seen)
        assert product.value.tolist() == [3, 8]
        assert [v.tolist() for v in product.inputs] == [[1, 2], [3, 4]]
        assert product.names == ("x", "w")
        assert doubled.inputs[1] == 2
        assert doubled.names == ("x", None)
        assert total.value == 3
        assert total.names[0] == "x"
        assert total.inputs[0].tolist() == [1, 2]

    def test_values_are_copies(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            y = x * 1
        y.detach()._data[0] = 9
        assert records(seen)[0].value.tolist() == [1, 2]

    def test_gradients_arrive_with_backward(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            y = (x * x).sum()
        assert [record.gradient for record in records(seen)] == [None, None]
        y.backward(np.array(3.0))
        assert records(seen)[0].gradient.tolist() == [3, 3]
        assert records(seen)[1].gradient == 3

    def test_the_gradient_is_what_the_hooks_made_of_it(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            y = x * x
        y.register_hook(lambda g: g * 10)
        y.sum().backward()
        assert records(seen)[0].gradient.tolist() == [10, 10]

    def test_gradients_of_complex_results_are_as_the_user_sees_them(self):
        z = leaf(np.array([1 + 2j]))
        with trace() as seen:
            w = z * 1
        w.retain_grad()
        (w * 1j).imag.sum().backward()
        assert records(seen)[0].gradient.tolist() == w.grad.tolist()
        z.grad = None
        (z * 1j).real.sum().backward()
        assert z.grad.tolist() == [-1j]

    def test_several_outputs(self):
        x = leaf([1.0, 2.0, 3.0])
        with trace() as seen:
            a, b, c = ad.split(x, 3)
        (a + c * 2).sum().backward()
        (record,) = records(seen)
        assert [v.tolist() for v in record.value] == [[1], [2], [3]]
        assert record.gradient[0].tolist() == [1]
        assert record.gradient[1] is None
        assert record.gradient[2].tolist() == [2]
        assert b.tolist() == [2]

    def test_sequences_and_fused_operations(self):
        @fused(forward=lambda x, n=2: (x * n, n), backward=lambda g, n, needs: (g * n,))
        def times(x, n=2):
            return x * n

        x = leaf([1.0, 2.0], name="x")
        with trace() as seen:
            ad.concatenate([x, np.ones(1)])
            times(x, n=3).sum().backward()
        joined, multiplied, _ = records(seen)
        assert [v.tolist() for v in joined.inputs] == [[1, 2], [1]]
        assert joined.names == ("x", None)
        assert multiplied.value.tolist() == [3, 6]
        assert multiplied.gradient.tolist() == [1, 1]

    def test_a_recorded_backward_pass_inside(self):
        x = leaf(2.0)
        with trace() as seen:
            g = gradients(x**3, x, create_graph=True)
        assert seen.nodes[0].operation.name == "power_constant"
        assert g._node in seen.nodes
        assert records(seen)[0].gradient == 1

    def test_time(self):
        x = leaf(np.ones(1000))
        with trace() as seen:
            np.exp(x)
            ad.concatenate([x, x])
        assert all(0 < record.seconds < 10 for record in records(seen))

    def test_nested_traces_each_hear_their_own(self):
        x = leaf(1.0)
        with trace() as outer:
            x * 2
            with trace() as inner:
                x * 3
            x * 4
        assert (len(outer), len(inner)) == (2, 1)

    def test_ends_with_an_error(self):
        with pytest.raises(KeyError), trace():
            raise KeyError
        assert (leaf(1.0) * 2)._node.notes is None

    def test_results_and_gradients_are_the_same_with_and_without(self):
        def run():
            x, w = leaf(np.linspace(-1, 1, 12).reshape(3, 4)), leaf(np.linspace(0, 1, 8).reshape(4, 2))
            y = ad.zeros((3, 2))
            y[1:] = np.tanh(x @ w)[1:]
            y += np.where(y > 0, y, y * 0.1)
            a, b = ad.split(ad.concatenate([y, y * 2], axis=1), 2, axis=1)
            loss = (a * b - np.maximum(a, 0.1) ** 2).sum()
            loss.backward()
            return loss.item(), x.grad.tolist(), w.grad.tolist()

        plain = run()
        with trace():
            assert run() == plain

    def test_filling_by_rows_and_in_place(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            y = ad.zeros((2, 2))
            y[0] = x * 2
            y += 1
        (y * y).sum().backward()
        assert x.grad.tolist() == [2 * 3 * 2, 2 * 5 * 2]
        assert len(seen) >= 2

    def test_a_rule_that_returns_nothing_is_reported_here_too(self):
        @operation()
        def forgotten(x):
            return x * 1

        forgotten.rules(lambda g: None)
        x = leaf([1.0, 2.0])
        with trace(), pytest.raises(TypeError, match="the rule of operation 'forgotten' for argument 'x' returned None"):
            forgotten(x).sum().backward()


class TestSizes:
    def test_whole_to_a_thousand_else_statistics(self):
        x = leaf(np.arange(1001.0))
        with trace() as seen:
            small, large = x[:1000] * 1, x * 2
        by_node = {node: node.notes.record for node in seen.nodes}
        assert by_node[small._node].value.shape == (1000,)
        statistics = by_node[large._node].value
        std = pytest.approx(np.std(np.arange(1001) * 2))
        assert statistics == Statistics((1001,), "float64", 0.0, 2000.0, 1000.0, std, 0, 0, (*19 * (50,), 51))
        large.sum().backward()
        histogram = (*10 * (0,), 1001, *9 * (0,))
        assert by_node[large._node].gradient == Statistics((1001,), "float64", 1.0, 1.0, 1.0, 0.0, 0, 0, histogram)

    def test_figures_are_over_the_finite(self):
        a = np.ones(2000)
        a[:3], a[3:7], a[7:9] = np.nan, np.inf, -np.inf
        found = summed_up(a)
        assert (found.nans, found.infinities, found.min, found.max, found.mean, found.std) == (3, 6, 1, 1, 1, 0)

    def test_nothing_finite(self):
        found = summed_up(np.full(2000, np.nan))
        assert (found.nans, found.infinities) == (2000, 0)
        assert np.isnan([found.min, found.max, found.mean, found.std]).all()

    def test_half_precision_does_not_overflow(self):
        found = summed_up(np.full(2000, 60000, np.float16))
        assert (found.dtype, found.mean, found.std) == ("float16", 60000, 0)

    def test_complex_and_integers(self):
        found = summed_up(np.full(2000, 3 + 4j))
        assert (found.dtype, found.min, found.max, found.nans) == ("complex128", 5, 5, 0)
        found = summed_up(np.arange(2000))
        assert (found.dtype, found.max, found.mean) == ("int64", 1999, 999.5)
        found = summed_up(np.arange(2000) % 2 == 0)
        assert (found.dtype, found.max, found.mean) == ("bool", 1, 0.5)

    def test_tensors_and_numbers(self):
        assert summed_up(leaf([1.0])).tolist() == [1]
        assert summed_up(2.0) == 2


class TestSource:
    def test_the_line_of_the_caller(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            y = x * 2; here = line()  # noqa: E702
        assert records(seen)[0].source == f"{__file__}:{here}"
        assert y._node is seen.nodes[0]

    def test_through_numpy_methods_compositions_and_writes(self):
        x = leaf(np.ones((2, 2)))
        lines = []
        with trace() as seen:
            np.sin(x); lines.append(line())  # noqa: E702
            np.concatenate([x, x]); lines.append(line())  # noqa: E702
            np.linalg.norm(x); lines.append(line())  # noqa: E702
            x.mean(); lines.append(line())  # noqa: E702
            ad.tensordot(x, x); lines.append(line())  # noqa: E702
        sources = {record.source for record in records(seen)}
        assert sources == {f"{__file__}:{n}" for n in lines}

    def test_a_recorded_backward_pass_is_where_it_was_asked_for(self):
        x = leaf(2.0)
        y = x**3
        with trace() as seen:
            gradients(y, x, create_graph=True); here = line()  # noqa: E702
        assert {record.source for record in records(seen)} == {f"{__file__}:{here}"}

    def test_errors_name_it(self):
        x = leaf(2.0)
        with trace():
            y = np.exp(x); here = line()  # noqa: E702
        y.backward()
        with pytest.raises(RuntimeError, match=rf"'exp' \(shape \(\), at .*test_tracing\.py:{here}\)"):
            y.backward()

    def test_in_a_script_and_interactively(self):
        program = textwrap.dedent("""
            import autodiff as ad
            x = ad.Tensor(1.0, requires_grad=True)
            with ad.trace() as seen:
                x * 2
            print(seen.nodes[0].notes.record.source)
        """)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
        assert done.stdout.strip() == "<string>:5"


class TestForeignArrays:
    @pytest.mark.parametrize(
        "use",
        [
            lambda x, a: x * a,
            lambda x, a: a * x,
            lambda x, a: np.maximum(x, a),
            lambda x, a: x * ad.asarray(a, copy=False),
            lambda x, a: ad.concatenate([x, a]),
            lambda x, a: x @ a,
            lambda x, a: x[a.astype(int) * 0] * a,
        ],
    )
    def test_a_change_before_backward_is_reported(self, use):
        x, a = leaf([1.0, 2.0]), np.array([3.0, 4.0])
        with trace():
            y = use(x, a)
        a[0] = 100
        here = use.__code__.co_firstlineno
        with pytest.raises(RuntimeError, match=rf"array given to operation '.*' at .*:{here} was changed between the forward and"):
            y.sum().backward()

    def test_unchanged_is_silent(self):
        x, a = leaf([1.0, 2.0]), np.array([3.0, 4.0])
        with trace():
            y = x * a + a[::-1] + np.float64(2) + 1.5 + np.zeros((0, 2)).sum()
        y.sum().backward()
        a[0] = 100
        assert x.grad.tolist() == [3, 4]

    def test_changed_after_backward_is_silent(self):
        x, a = leaf([1.0, 2.0]), np.array([3.0, 4.0])
        with trace():
            (x * a).sum().backward()
            a[0] = 100
        assert x.grad.tolist() == [3, 4]

    def test_empty_and_strided_and_0d(self):
        x = leaf(np.ones((0, 3)))
        with trace():
            y = (x * np.ones((0, 3))).sum() + leaf(1.0) * np.array(2.0) + (leaf(np.ones((2, 3))) * np.ones((3, 4)).T[1:3]).sum()
        y.backward()
        assert x.grad.shape == (0, 3)

    def test_numbers_of_the_library_are_not_watched(self):
        x = leaf([1.0, 2.0])
        with trace() as seen:
            x * 2.5
        assert records(seen)[0].foreign == []
