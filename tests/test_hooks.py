"""`register_hook` and `retain_grad`: when they see a gradient, and what they may do with it."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, gradients


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


class TestHooks:
    def test_runs_once_on_the_accumulated_gradient(self):
        x, seen = leaf([1.0, 2.0]), []
        h = x * 1
        h.register_hook(lambda g: seen.append(g.tolist()))
        (h * 2 + h * 3 + h.reshape((2,)) * 4).sum().backward()
        assert seen == [[9, 9]]

    def test_on_a_leaf_that_is_used_many_times(self):
        x, seen = leaf(2.0), []
        x.register_hook(lambda g: seen.append(g.item()))
        (x * x + x).backward()
        assert seen == [5]

    def test_on_a_leaf_sees_this_pass_alone(self):
        x, seen = leaf(2.0), []
        x.register_hook(lambda g: seen.append(g.item()))
        (x * 3).backward()
        (x * 4).backward()
        assert seen == [3, 4]
        assert x.grad.item() == 7

    def test_on_the_root(self):
        x, seen = leaf(2.0), []
        y = x * 3
        y.register_hook(lambda g: seen.append(g.item()))
        y.backward(np.array(5.0))
        assert seen == [5]

    def test_a_returned_value_replaces_the_gradient(self):
        x = leaf([1.0, -2.0])
        h = x * 3
        h.register_hook(lambda g: g.clip(-1, 1))
        (h * np.array([10.0, -0.5])).sum().backward()
        assert x.grad.tolist() == [3, -1.5]

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_what_it_does_to_its_argument_reaches_nobody_else(self, create_graph):
        x, y, c = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.array([5.0, 6.0])

        def greedy(g):
            with pytest.raises(ValueError, match="cannot be written"):
                g[0] = 100.0
            with pytest.raises(ValueError, match="cannot be written"):  # it would look as if it scaled the gradient
                g *= 10

        h = x * 1
        h.register_hook(greedy)
        dx, dy = gradients(((h + y * 1) * c).sum(), [x, y], create_graph=create_graph)
        assert dx.tolist() == dy.tolist() == [5, 6]

    @pytest.mark.parametrize("value", [np.array([7.0, 8.0]), [7, 8], Tensor([7.0, 8.0]), Tensor([7, 8], dtype=np.int32)])
    def test_what_may_be_returned(self, value):
        x = leaf(np.ones(2, np.float32))
        x.register_hook(lambda g: value)
        (x * 3).sum().backward()
        assert x.grad.tolist() == [7, 8]
        assert x.grad.dtype == np.float32

    def test_none_leaves_the_gradient(self):
        x = leaf(2.0)
        x.register_hook(lambda g: None)
        (x * 3).backward()
        assert x.grad.item() == 3

    def test_run_in_order_each_on_what_the_one_before_returned(self):
        x, seen = leaf(2.0), []
        x.register_hook(lambda g: g + 1)
        x.register_hook(lambda g: seen.append(g.item()))
        x.register_hook(lambda g: g * 10)
        (x * 3).backward()
        assert seen == [4]
        assert x.grad.item() == 40

    def test_the_gradient_is_read_only(self):
        x = leaf([1.0, 2.0])

        def write(g):
            g.numpy()[0] = 5

        x.register_hook(write)
        with pytest.raises(ValueError, match="read-only"):
            (x * 3).sum().backward()

    def test_the_gradient_cannot_be_written_through_the_tensor(self):
        x = leaf([1.0, 2.0])
        h = x * 1
        other = h * 1

        def write(g):
            g = g + 1  # a new value for the hook's own name
            g = other.grad
            g.detach()[0] = 5.0

        other.retain_grad()
        h.register_hook(write)
        (other * 3).sum().backward(retain_graph=True)
        assert x.grad.tolist() == [3, 3]

        h.register_hook(lambda g: g.__setitem__(0, 5.0))
        with pytest.raises(ValueError, match=r"read-only array and cannot be written; write to a copy \(clone\(\)\)"):
            (h * 3).sum().backward()

    def test_remove(self):
        x, seen = leaf(2.0), []
        first = x.register_hook(lambda g: seen.append(1))
        x.register_hook(lambda g: seen.append(2))
        first.remove()
        first.remove()
        (x * 3).backward()
        assert seen == [2]

    def test_remove_while_running(self):
        x, seen = leaf(2.0), []

        def once(g):
            seen.append(g.item())
            handle.remove()

        handle = x.register_hook(once)
        x.register_hook(lambda g: seen.append(-1))
        (x * 3).backward()
        (x * 3).backward()
        assert seen == [3, -1, -1]

    def test_survives_a_retained_pass(self):
        x, seen = leaf(2.0), []
        h = x * 3
        h.register_hook(lambda g: seen.append(g.item()))
        h.backward(retain_graph=True)
        h.backward()
        assert seen == [1, 1]

    def test_runs_before_retain_grad_stores(self):
        x = leaf(2.0)
        h = x * 3
        h.retain_grad()
        h.register_hook(lambda g: g * 10)
        (h * 2).backward()
        assert h.grad.item() == 20
        assert x.grad.item() == 60

    def test_does_not_run_where_no_gradient_arrives(self):
        x, seen = leaf(2.0), []
        h = x * 3
        h.register_hook(seen.append)
        (x * 2).backward()
        assert seen == []

    def test_does_not_run_off_the_paths_that_inputs_asks_for(self):
        x, w, seen = leaf(2.0), leaf(3.0), []
        h = x * 3
        h.register_hook(seen.append)
        (h * w).backward(inputs=[w])
        assert seen == []

    def test_on_one_of_several_outputs(self):
        x, seen = leaf([1.0, 2.0, 3.0, 4.0]), []
        a, b = ad.split(x, 2)
        a.register_hook(lambda g: seen.append(g.tolist()))
        b.register_hook(lambda g: g * 10)
        (a * 2 + a + b).sum().backward()
        assert seen == [[3, 3]]
        assert x.grad.tolist() == [3, 3, 10, 10]

    def test_in_gradients(self):
        x = leaf(2.0)
        h = x * 3
        h.register_hook(lambda g: g * 10)
        assert gradients(h * 2, x).item() == 60

    def test_in_a_recorded_pass_it_can_be_differentiated(self):
        x = leaf(2.0)
        h = x * 1
        handle = h.register_hook(lambda g: g * g)
        g = gradients(h**3, x, create_graph=True)  # (3 x²)²
        assert g.item() == 144
        handle.remove()  # else it would act on the second pass too, which comes by here again
        assert gradients(g, x).item() == 36 * 8

    def test_in_a_recorded_pass_an_array_is_a_constant(self):
        x = leaf(2.0)
        h = x * x
        h.register_hook(lambda g: np.array(5.0))
        g = gradients(h**3, x, create_graph=True)  # 5 * 2 x
        assert g.item() == 20
        assert gradients(g, x).item() == 10

    def test_sees_the_warnings_that_the_pass_turns_off(self):
        x = leaf([0.0])
        x.register_hook(lambda g: Tensor([1.0]) / g)
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            (x * 0.0).sum().backward()

    def test_an_error_in_it_comes_through(self):
        x = leaf(2.0)

        def fail(g):
            raise KeyError("mine")

        x.register_hook(fail)
        with pytest.raises(KeyError, match="mine"):
            (x * 3).backward()
        assert x.grad is None

    def test_may_call_backward_itself(self):
        x, w = leaf(2.0), leaf(5.0)

        def inner(g):
            (w * g).backward()

        x.register_hook(inner)
        (x * 3).backward()
        assert w.grad.item() == 3
        assert x.grad.item() == 3

    @pytest.mark.parametrize("value", [np.ones(3), 1.0, np.array(["a", "b"])])
    def test_a_bad_return_value(self, value):
        x = leaf([1.0, 2.0])
        h = ad.exp(x)
        h.register_hook(lambda g: value)
        with pytest.raises(ValueError, match=r"hook of 'exp' \(shape \(2,\)\) returned shape .* expected shape \(2,\) and dtype"):
            h.sum().backward()

    def test_a_complex_return_value_for_a_real_tensor(self):
        x = leaf([1.0, 2.0], name="x")
        x.register_hook(lambda g: g * 1j)
        with pytest.raises(ValueError, match=r"hook of 'x' .* returned .* dtype complex128; expected shape .* dtype float64"):
            x.sum().backward()

    def test_bad_input(self):
        with pytest.raises(RuntimeError, match="register_hook: the tensor is not tracked"):
            Tensor(1.0).register_hook(print)
        with pytest.raises(TypeError, match="register_hook: expected a function of the gradient, got int"):
            leaf(1.0).register_hook(3)

    def test_keeps_no_tensor_alive(self):
        gc.disable()
        try:
            x = leaf(2.0)
            x.register_hook(lambda g: None)
            h = x * 2
            h.register_hook(lambda g: None)
            h.retain_grad()
            references = [weakref.ref(x), weakref.ref(h)]
            del x, h
            assert [reference() for reference in references] == [None, None]
        finally:
            gc.enable()


class TestRetainGrad:
    def test_stores_and_accumulates_as_a_leaf_does(self):
        x = leaf(2.0)
        h = x * 3
        h.retain_grad()
        h.retain_grad()
        (h * 2).backward(retain_graph=True)
        (h * 5).backward()
        assert h.grad.item() == 7
        assert not h.grad.requires_grad

    def test_without_it_reading_grad_warns_and_says_how(self):
        h = leaf(2.0) * 3
        (h * 2).backward()
        with pytest.warns(UserWarning, match=r"no leaf.*retain_grad\(\)"):
            assert h.grad is None

    def test_before_the_pass_there_is_nothing_and_no_warning(self):
        h = leaf(2.0) * 3
        h.retain_grad()
        assert h.grad is None

    def test_on_the_root_and_on_a_leaf(self):
        x = leaf(2.0)
        x.retain_grad()
        y = x * 3
        y.retain_grad()
        y.backward()
        assert y.grad.item() == 1
        assert x.grad.item() == 3

    def test_on_one_of_several_outputs(self):
        a, b = ad.split(leaf([1.0, 2.0]), 2)
        a.retain_grad()
        (a * 3 + b).sum().backward()
        assert a.grad.tolist() == [3]

    def test_in_a_recorded_pass(self):
        x = leaf(2.0)
        h = x * x
        h.retain_grad()
        (h * h).backward(create_graph=True)
        assert h.grad.item() == 8
        assert gradients(h.grad, x).item() == 8

    def test_gradients_touch_it_not(self):
        x = leaf(2.0)
        h = x * x
        h.retain_grad()
        z = h * 3
        gradients(z, x, retain_graph=True)
        gradients(z, x, create_graph=True)
        assert h.grad is None
        z.backward()
        assert h.grad.item() == 3

    def test_infinities_that_cancel_give_nan_not_an_error(self):
        x = leaf([1.0])
        h = x * 1
        h.retain_grad()
        up, down = (h * np.inf).sum(), (h * -np.inf).sum()
        up.backward(retain_graph=True)
        with pytest.warns(RuntimeWarning, match="invalid value"):
            down.backward()
        assert np.isnan(h.grad.item())

    def test_is_of_the_value_that_the_tensor_has_after_writes(self):
        x = leaf([1.0, 2.0])
        h = x * 1
        h.retain_grad()
        h[0] = 5.0
        h += 1
        (h * 3).sum().backward()
        assert h.grad.tolist() == [3, 3]
        assert x.grad.tolist() == [0, 3]

    def test_of_a_view_of_what_is_written(self):
        x = leaf([1.0, 2.0])
        h = x * 1
        view = h[:1]
        view.retain_grad()
        h[0] = x[1]
        (view * 3).sum().backward()
        assert view.grad.tolist() == [3]
        assert x.grad.tolist() == [0, 3]

    def test_of_a_tensor_that_is_gone(self):
        x = leaf(2.0)
        h = x * 3
        h.retain_grad()
        y = h * 2
        del h
        y.backward()
        assert x.grad.item() == 6

    def test_untracked(self):
        with pytest.raises(RuntimeError, match="retain_grad: the tensor is not tracked"):
            Tensor(1.0).retain_grad()
