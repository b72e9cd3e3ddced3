"""`grad` and `value_and_grad`: nested to any order, without confusing one perturbation with another."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, grad, gradients, value_and_grad


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


# ------------------------------------------------------------------------------------------------ what goes in and out


class TestInAndOut:
    def test_numbers(self):
        value, gradient = value_and_grad(lambda x: x**3)(2.0)
        assert (value, gradient) == (8, 12)
        assert isinstance(value, np.floating)
        assert isinstance(gradient, np.floating)

    @pytest.mark.parametrize("number", [2, True, np.float32(2), np.float64(2)])
    def test_kinds_of_numbers(self, number):
        gradient = grad(lambda x: x * x)(number)
        assert gradient == 2 * number
        assert gradient.dtype == (np.float32 if isinstance(number, np.float32) else np.float64)

    def test_arrays(self):
        x = np.array([1.0, 2.0], np.float32)
        value, gradient = value_and_grad(lambda x: (x * x).sum())(x)
        assert isinstance(gradient, np.ndarray)
        assert gradient.dtype == np.float32
        assert gradient.tolist() == [2, 4]
        assert value == 5
        assert not isinstance(value, Tensor)

    def test_lists(self):
        assert grad(lambda x: (x * x).sum())([1.0, 2.0]).tolist() == [2, 4]

    def test_the_gradient_is_writable_and_its_own(self):
        x = np.array([1.0, 2.0])
        gradient = grad(lambda x: x.sum())(x)
        gradient += 1
        assert x.tolist() == [1, 2]

    def test_untracked_tensors(self):
        value, gradient = value_and_grad(lambda x: (x * x).sum())(Tensor([1.0, 2.0]))
        for result in (value, gradient):
            assert isinstance(result, Tensor)
            assert not result.requires_grad
        assert gradient.tolist() == [2, 4]

    def test_tracked_tensors_stay_connected(self):
        x = leaf(2.0)
        value, gradient = value_and_grad(lambda x: x**3)(x)
        assert gradients(gradient, x, retain_graph=True).item() == 12
        assert gradients(value, x).item() == 12
        assert x.grad is None

    def test_each_gradient_is_of_the_kind_of_its_own_argument(self):
        a, b = grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(np.ones(2), Tensor([3.0, 4.0]))
        assert isinstance(a, np.ndarray)
        assert isinstance(b, Tensor)

    def test_a_single_element_of_any_shape(self):
        assert grad(lambda x: x * 2)(np.ones((1, 1))).tolist() == [[2]]

    def test_other_arguments_pass_through(self):
        marker = object()

        def f(x, y, *, z):
            assert y is marker
            return x * z

        assert grad(f)(2.0, marker, z=5.0) == 5

    def test_the_wrapped_name(self):
        def loss(x):
            """Its own words."""
            return x

        assert grad(loss).__name__ == "loss"
        assert value_and_grad(loss).__doc__ == "Its own words."

    def test_the_argument_is_not_written(self):
        x = np.array([1.0, 2.0])

        def f(x):
            y = x * 1
            y[0] = 0
            y += 1
            return (y * y).sum()

        assert grad(f)(x).tolist() == [0, 6]
        assert x.tolist() == [1, 2]


class TestArgnums:
    def f(self, x, y):
        return x * x * y

    def test_positions(self):
        assert grad(self.f, 1)(2.0, 3.0) == 4
        assert grad(self.f, -1)(2.0, 3.0) == 4
        assert grad(self.f, (0, 1))(2.0, 3.0) == (12, 4)
        assert grad(self.f, [1, 0])(2.0, 3.0) == (4, 12)
        assert grad(self.f, (0,))(2.0, 3.0) == (12,)
        assert grad(self.f, np.int64(1))(2.0, 3.0) == 4

    def test_one_position_named_twice(self):
        assert grad(self.f, (0, 0))(2.0, 3.0) == (12, 12)
        assert grad(self.f, (0, -2))(2.0, 3.0) == (12, 12)

    def test_the_same_array_at_two_positions(self):
        x = np.array(2.0)
        assert grad(self.f, (0, 1))(x, x) == (8, 4)
        t = leaf(2.0)
        a, b = grad(self.f, (0, 1))(t, t)
        assert (a.item(), b.item()) == (8, 4)
        assert gradients(a, t).item() == 8  # d(2 x y) along both

    @pytest.mark.parametrize("argnums", [2, -3, (0, 5)])
    def test_out_of_range(self, argnums):
        with pytest.raises(TypeError, match=r"argnums .*, but the function was called with 2 positional arguments"):
            grad(self.f, argnums)(2.0, 3.0)

    def test_by_keyword(self):
        with pytest.raises(TypeError, match="argnums 0, but the function was called with 0 positional arguments"):
            grad(self.f)(x=2.0, y=3.0)

    @pytest.mark.parametrize("argnums", [(), "x", 1.0, (0, "x"), None])
    def test_nonsense(self, argnums):
        with pytest.raises(TypeError, match=r"argnums|iterable"):
            grad(self.f, argnums)


class TestBadInput:
    def test_a_value_that_is_no_single_number(self):
        with pytest.raises(ValueError, match=r"must return a single number, got shape \(2,\)"):
            grad(lambda x: x * 2)(np.ones(2))

    def test_a_complex_value(self):
        with pytest.raises(TypeError, match=r"must return a real number, got complex128; take \.real or abs of it"):
            grad(lambda x: x * 2j)(1.0)

    def test_integers(self):
        with pytest.raises(TypeError, match="argument 1 has dtype int64; integers have no gradient"):
            grad(lambda x, n: x, argnums=1)(1.0, np.arange(3))
        with pytest.raises(TypeError, match="argument 0 has dtype bool"):
            grad(lambda x: x.sum())(np.array([True]))

    def test_what_is_no_array(self):
        with pytest.raises(TypeError, match="grad: expected numbers, got 'text'"):
            grad(lambda x: x)("text")

    def test_an_error_of_the_function_leaves_no_trace(self):
        def fail(x):
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            grad(fail)(1.0)
        assert not isinstance(grad(lambda x: x * x)(1.0), Tensor)  # no transform runs around any more


# ------------------------------------------------------------------------------------------------ zeros


class TestIgnoredInput:
    @pytest.mark.parametrize("f", [lambda x: 3.0, lambda x: np.float64(3), lambda x: Tensor(3.0), lambda x: leaf(3.0) * 2])
    def test_zeros(self, f):
        value, gradient = value_and_grad(f)(np.ones((2, 3), np.float32))
        assert gradient.shape == (2, 3)
        assert gradient.dtype == np.float32
        assert not gradient.any()
        assert value in (3, 6)

    def test_one_of_two(self):
        a, b = grad(lambda a, b: a * a, argnums=(0, 1))(2.0, np.ones(3))
        assert a == 4
        assert b.tolist() == [0, 0, 0]

    def test_detached_and_compared(self):
        assert grad(lambda x: (ad.stop_gradient(x) > 0) * 1.0)(2.0) == 0
        assert grad(lambda x: x.detach() * 5)(2.0) == 0

    def test_tensors_in_tensors_out(self):
        gradient = grad(lambda x: 3.0)(leaf([1.0, 2.0]))
        assert isinstance(gradient, Tensor)
        assert gradient.tolist() == [0, 0]

    def test_zero_derivatives_of_higher_order(self):
        assert grad(grad(lambda x: 3 * x))(2.0) == 0
        assert grad(grad(grad(lambda x: x * x)))(2.0) == 0
        assert grad(lambda x: grad(lambda y: 3.0)(x))(2.0) == 0


# ------------------------------------------------------------------------------------------------ nesting


class TestPerturbations:
    """Each transform differentiates by its own variable and by nothing else."""

    def test_the_classic(self):
        assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1

    def test_of_the_design(self):
        assert grad(lambda x: grad(lambda y: x * y * y)(2.0))(3.0) == 4

    def test_the_inner_point_is_the_outer_variable(self):
        # d/dx [ d/dy (x y²) at y = x ] = d/dx 2x² = 4x
        assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12

    def test_the_inner_point_depends_on_the_outer_variable(self):
        # d/dx [ 2 x (x²) ] = 6x²
        assert grad(lambda x: grad(lambda y: x * y * y)(x * x))(3.0) == 54

    def test_the_same_name_all_the_way(self):
        assert grad(lambda x: grad(lambda x: grad(lambda x: x**4)(x))(x))(2.0) == 48

    def test_the_inner_function_is_constant_in_its_own_variable(self):
        assert grad(lambda x: grad(lambda y: x * x)(1.0) + x)(3.0) == 1

    def test_the_inner_function_is_constant_in_the_outer_one(self):
        assert grad(lambda x: x * grad(lambda y: y * y)(5.0))(3.0) == 10

    def test_three_levels_over_each_other(self):
        # f = x y² z³; d/dz at z=y, d/dy at y=x, d/dx
        def outer(x):
            def middle(y):
                def inner(z):
                    return x * y * y * z**3

                return grad(inner)(y)  # 3 x y⁴

            return grad(middle)(x)  # 12 x y³ = 12 x⁴

        assert grad(outer)(2.0) == 48 * 8

    def test_a_gradient_used_as_a_step_of_the_outer_function(self):
        """One step of gradient descent, differentiated by the step size."""

        def loss(w):
            return (w - 3) ** 2

        def after_one_step(rate):
            w = 1.0
            return loss(w - rate * grad(loss)(w))

        # w1 = 1 + 4 rate; loss = (4 rate - 2)²; d/d rate = 8 (4 rate - 2)
        assert grad(after_one_step)(0.25) == pytest.approx(-8)

    def test_many_steps(self):
        def train(w0):
            w = w0
            for _ in range(10):
                w = w - 0.1 * grad(lambda w: np.cos(w) + w**2)(w)
            return w

        h = 1e-6
        assert grad(train)(0.7) == pytest.approx((train(0.7 + h) - train(0.7 - h)) / (2 * h), rel=1e-7)

    def test_value_and_grad_inside(self):
        def outer(x):
            value, gradient = value_and_grad(lambda y: x * y**3)(x)
            return value * gradient  # x⁴ * 3x³

        assert grad(outer)(2.0) == pytest.approx(21 * 2**6)

    def test_value_and_grad_around(self):
        value, gradient = value_and_grad(lambda x: grad(np.sin)(x) * x)(0.5)
        assert value == pytest.approx(math.cos(0.5) * 0.5)
        assert gradient == pytest.approx(math.cos(0.5) - 0.5 * math.sin(0.5))

    def test_the_inner_value_does_not_leak_the_inner_variable(self):
        # The value x y at y=2 has derivative 2 by x, although it was computed with a variable y inside.
        assert grad(lambda x: value_and_grad(lambda y: x * y)(2.0)[0])(5.0) == 2

    def test_an_outer_variable_in_a_list(self):
        assert grad(lambda x: grad(lambda v: (v * v).sum() * x)(np.ones(3)).sum())(2.0) == 6

    def test_both_argnums_and_closures(self):
        def outer(a, b):
            p, q = grad(lambda p, q: a * p * q * q + b * p, argnums=(0, 1))(b, a)  # a q² + b, 2 a p q
            return p * q  # (a³ + b) (2 a² b)

        a, b = grad(outer, argnums=(0, 1))(2.0, 3.0)
        assert a == 5 * 2 * 3 * 2**4 + 2 * 9 * 2 * 2
        assert b == 2 * 2**5 + 4 * 3 * 2**2

    def test_an_outer_variable_as_a_keyword(self):
        assert grad(lambda x: grad(lambda y, k: y * y * k)(2.0, k=x))(3.0) == 4
        k = leaf(3.0)
        found = grad(lambda y, k: y * y * k)(2.0, k=k)
        assert gradients(found, k).item() == 4

    def test_an_outer_variable_inside_a_list_that_is_passed(self):
        k = leaf(3.0)
        found = grad(lambda y, ks: y * y * ks[0])(2.0, [k])
        assert gradients(found, k).item() == 4

    def test_functions_with_several_calls(self):
        square = grad(lambda x: x**3 / 3)
        assert grad(lambda x: square(x) * square(2 * x))(1.0) == 16  # 4 x⁴

    def test_grad_of_a_function_that_returns_a_stored_tensor(self):
        stored = []

        def keep(y):
            stored.append(y * y)
            return stored[-1]

        def outer(x):
            grad(keep)(x)
            return stored.pop() * 3

        assert grad(outer)(2.0) == 12

    def test_a_vector_of_seconds(self):
        x = np.array([0.1, 0.2, 0.3])
        found = grad(lambda x: grad(lambda x: np.sin(x).sum())(x).sum())(x)
        np.testing.assert_allclose(found, -np.sin(x), rtol=1e-14)

    @pytest.mark.parametrize("order", range(1, 9))
    def test_orders(self, order):
        f = np.sin
        for _ in range(order):
            f = grad(f)
        expected = [math.sin, math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x)][order % 4](0.7)
        assert f(0.7) == pytest.approx(expected, rel=1e-12)

    def test_mixed_orders_by_argnums(self):
        def f(x, y):
            return np.sin(x * y) * y

        xy = grad(grad(f, 0), 1)(0.3, 0.4)
        yx = grad(grad(f, 1), 0)(0.3, 0.4)
        assert xy == pytest.approx(yx, rel=1e-13)

    def test_inside_backward_of_a_users_graph(self):
        """A penalty on a gradient by a transform, inside an ordinary loss."""
        w = leaf([1.0, 2.0])
        penalty = (grad(lambda w: (w**3).sum())(w) ** 2).sum()  # 9 w⁴
        penalty.backward()
        assert w.grad.tolist() == [36, 36 * 8]

    def test_numbers_inside_a_transform_stay_numbers_where_nothing_depends(self):
        def outer(x):
            inner = grad(lambda y: 3 * y)(1.0)
            assert not isinstance(inner, Tensor)
            return x * inner

        assert grad(outer)(2.0) == 3


# ------------------------------------------------------------------------------------------------ recording


class TestRecording:
    def test_a_plain_call_does_not_record_its_pass(self):
        """Rules run on arrays, not on Tensors, where nothing asks for more."""
        kinds = []
        spy = ad.elementwise(lambda x: x * x, lambda g, x: (kinds.append(type(g)), 2 * x * g)[1], name="spy")
        grad(spy)(2.0)
        grad(spy)(Tensor(2.0))
        assert kinds == [np.ndarray, np.ndarray]
        grad(spy)(leaf(2.0))
        grad(lambda x: grad(spy)(2.0) * x)(1.0)
        grad(spy, create_graph=True)(2.0)
        assert kinds[2:] == [Tensor, Tensor, Tensor]

    def test_on_request(self):
        w = leaf(3.0)
        plain = grad(lambda x: w * x * x)(2.0)
        assert not isinstance(plain, Tensor)
        value, recorded = value_and_grad(lambda x: w * x * x, create_graph=True)(2.0)
        assert gradients(recorded, w, retain_graph=True).item() == 4
        assert gradients(value, w).item() == 4

    def test_under_no_grad_it_works_and_the_result_is_a_constant(self):
        x = leaf(2.0)
        with ad.no_grad():
            value, gradient = value_and_grad(lambda x: x**3)(x)
            assert not ad.is_grad_enabled()
        assert gradient.item() == 12
        assert not gradient.requires_grad
        assert not value.requires_grad

    def test_under_no_grad_nested(self):
        with ad.no_grad():
            assert grad(lambda x: grad(lambda y: x * y * y)(2.0))(3.0) == 4

    def test_a_constant_by_no_grad_inside_a_transform(self):
        def outer(x):
            with ad.no_grad():
                slope = grad(lambda y: y**3)(x)
            return slope * x

        assert grad(outer)(2.0) == 12  # the slope counts as a constant

    def test_touches_no_grad(self):
        w = leaf(3.0)
        grad(lambda x: x * w)(2.0)
        grad(lambda x: x * w)(w)
        assert w.grad is None

    def test_does_not_consume_what_the_function_closes_over(self):
        w = leaf(3.0)
        outside = ad.exp(w)
        assert grad(lambda x: x * outside)(2.0) == np.exp(3.0)
        outside.backward()
        assert w.grad.item() == np.exp(3.0)

    def test_dies_with_its_last_reference(self):
        import gc
        import weakref

        gc.disable()
        try:
            seen = []

            def f(x):
                y = np.exp(x)
                seen.append(weakref.ref(y._data))
                return (y * y).sum()

            grad(f)(np.ones(3))
            grad(lambda x: grad(f)(x).sum())(np.ones(3))
            assert [reference() for reference in seen] == [None, None]
        finally:
            gc.enable()

    def test_item_assignment_inside(self):
        def f(x):
            y = ad.zeros(3)
            for i in range(3):
                y[i] = x**i
            return (y * y).sum()  # 1 + x² + x⁴

        assert grad(f)(2.0) == 2 * 2 + 4 * 8
        assert grad(grad(f))(2.0) == 2 + 12 * 4
