"""The four declarations: what each accepts, what it refuses at once, and that all of them differentiate to any order."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, check_grads, composition, elementwise, gradients, operation
from autodiff.recording import FUNCTIONS, OPERATIONS, UFUNCS


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


@pytest.fixture(autouse=True)
def _registers_as_they_were():
    before = [(register, dict(register)) for register in (OPERATIONS, UFUNCS, FUNCTIONS)]
    yield
    for register, content in before:
        register.clear()
        register.update(content)


# ------------------------------------------------------------------------------------------------ 1. formula, elementwise


class TestElementwise:
    def test_one_argument(self):
        cube = elementwise(lambda x: x * x * x, lambda g, x: 3 * x * x * g, name="cube")
        check_grads(cube, np.array([0.5, -2.0]), order=4)
        assert cube.operation.name == cube.__name__ == "cube"
        assert cube(2.0).item() == 8

    def test_an_operation_that_computes_with_a_ufunc_of_another_leaves_numpys_function_to_it(self):
        before = UFUNCS[np.multiply]
        masked = elementwise(np.multiply, lambda g, x2: g * x2, lambda g, x1: g * x1, name="masked")
        assert UFUNCS[np.multiply] is before
        with pytest.raises(ValueError, match="multiply: shapes do not broadcast"):
            np.ones(2) * Tensor(np.ones(3))
        assert masked(2.0, 3.0).item() == 6

    def test_two_arguments_with_broadcasting(self):
        scaled = elementwise(lambda x1, x2: x1 * np.exp(x2), lambda g, x2: g * np.exp(x2), lambda g, y: g * y, name="scaled")
        check_grads(scaled, np.ones((3, 1)), np.array([0.1, 0.2]), order=3)
        check_grads(scaled, np.array(2.0), np.ones((2, 2)), order=2)

    @pytest.mark.parametrize("forward", [lambda x1, x2: x1, lambda x1, x2: x2[:]])
    @pytest.mark.parametrize("recorded", [True, False])
    def test_what_returns_an_argument_itself_is_safe_from_later_writes(self, forward, recorded):
        straight = elementwise(forward, lambda g: g, lambda g: g, name="straight")
        single = elementwise(lambda x: forward(x, x), lambda g: g, name="single")
        several = operation(name="several")(lambda x1, x2: forward(x1, x2))
        several.rules(lambda g: g, lambda g: g)
        for call in (lambda x: straight(x, x), single, lambda x: several(x, x)):
            a = leaf([1.0, 1.0])
            x = ad.zeros(2)
            x[:] = a * 3 if recorded else 3.0
            y = call(x)
            z = y * y * a
            x[0] = 100.0
            assert y.tolist() == [3, 3]
            constant = gradients(z.sum(), a).tolist()
            assert constant[0] == constant[1]

    def test_a_ufunc_dispatches_to_it(self):
        def gradient():
            x = leaf(0.25)
            np.spacing(x).backward()
            return x.grad.item()

        elementwise(np.spacing, lambda g: g * 5)
        assert gradient() == 5

    def test_every_combination_of_what_a_rule_may_name(self):
        for names in ("", "x1", "x2", "y", "x1_shape", "x1, x2", "x1, y", "x1, x2, y", "y, x1", "x2, x1_shape", "x2_shape, y, x1"):
            seen = []
            parameters, values = (f"g, {names}", f"({names},)") if names else ("g", "()")
            rule = eval(f"lambda {parameters}: (seen.append({values}), g)[1]", {"seen": seen})
            add = elementwise(lambda a, b: a + b, rule, rule, name="add_and_look")
            x1, x2 = leaf([1.0, 2.0]), leaf([[3.0], [4.0]])
            expected = {"x1": x1, "x2": x2, "y": x1 + x2, "x1_shape": (2,), "x2_shape": (2, 1)}
            y = add(x1, x2)
            for create_graph in (False, True):
                gradients(y, [x1, x2], np.ones((2, 2)), create_graph=create_graph, retain_graph=True)
            assert len(seen) == 4
            for values, create_graph in zip(seen, (False, False, True, True), strict=True):
                for name, value in zip(filter(None, names.split(", ")), values, strict=True):
                    if name.endswith("shape"):
                        assert value == expected[name]
                    else:
                        assert isinstance(value, Tensor if create_graph else np.ndarray)
                        np.testing.assert_array_equal(value.numpy() if create_graph else value, expected[name].numpy())
            x1.requires_grad = False
            add(x1, x2).sum().backward()
            assert x2.grad.tolist() == [[2], [2]]

    def test_only_what_a_rule_names_is_kept(self):
        x, w = leaf(np.ones(1000)), Tensor(np.ones(1000))
        assert (x + w)._node.saved == ((), None)
        saved = (x * w)._node.saved
        assert saved[0] is w._data
        assert saved[1] is None  # w is not tracked: what its rule would need is not kept

    def test_a_rule_whose_argument_needs_no_gradient_never_runs(self):
        def refuse(g):
            raise AssertionError

        first = elementwise(lambda a, b: a + b, lambda g: g, refuse, name="first_only")
        x, w = leaf(1.0), leaf(2.0)
        first(x, 2.0).backward()
        first(x, Tensor(2.0)).backward()
        gradients(first(x, w), x)
        gradients(first(x, w), x, create_graph=True)
        assert x.grad.item() == 2

    def test_without_a_rule_for_an_argument(self):
        scale = elementwise(np.ldexp, lambda g, x2: g * 2.0**x2, None)
        x = leaf([1.0, 2.0])
        scale(x, 3).sum().backward()
        assert x.grad.tolist() == [8, 8]
        half = elementwise(lambda a, b: a * b, lambda g, x2: g * x2, None, name="half")
        with pytest.raises(TypeError, match=r"half: no derivative with respect to 'x2'; pass it detached"):
            half(x, leaf(1.0))
        half(x, Tensor(1.0))

    @pytest.mark.parametrize("rules", [(), (None,), (None, None), (lambda g: g,) * 3])
    def test_a_wrong_number_of_rules(self, rules):
        with pytest.raises(TypeError, match=f"operation 'wrong': an elementwise operation has a rule .* got {len(rules)}"):
            elementwise(np.add, *rules, name="wrong")

    def test_strong_zeros_apply(self):
        root = elementwise(np.sqrt, lambda g, y: g / (2 * y), name="root")
        x = leaf([0.0, 1.0])
        np.where(x > 0, root(x), 0).sum().backward()
        assert x.grad.tolist() == [0, 0.5]

    def test_shapes_that_do_not_fit(self):
        with pytest.raises(ValueError, match=r"add: shapes do not broadcast: 'a' \(2,\) float64 and \(3,\) float64"):
            leaf([1.0, 2.0], name="a") + np.ones(3)

    def test_a_rule_that_returns_a_wrong_shape(self):
        wrong = elementwise(lambda x: x + 1, lambda g: np.ones((4, 5)), name="wrong")
        with pytest.raises(ValueError, match=r"operation 'wrong' for argument 'x' returned shape \(4, 5\), expected \(2,\)"):
            wrong(leaf([1.0, 2.0])).sum().backward()
        wrong = elementwise(lambda x: x + 1, lambda g: np.float64(3), name="wrong")
        with pytest.raises(ValueError, match=r"argument 'x' returned shape \(\), expected \(2,\)"):
            wrong(leaf([1.0, 2.0])).sum().backward()

    @pytest.mark.parametrize("create_graph", [False, True])
    def test_a_rule_that_returns_nothing(self, create_graph):
        wrong = elementwise(lambda x1, x2: x1 + x2, lambda g: g, lambda g: None, name="wrong")
        with pytest.raises(TypeError, match="rule of operation 'wrong' for argument 'x2' returned None"):
            wrong(leaf(1.0), leaf(1.0)).backward(create_graph=create_graph)

    def test_a_rule_may_return_a_number_or_another_dtype(self):
        same = elementwise(lambda x: x + 1, lambda g: 3, name="same")
        x = leaf(np.float32(1))
        same(x).backward()
        assert x.grad.item() == 3
        assert x.grad.dtype == np.float32


# ------------------------------------------------------------------------------------------------ 1. formula, operation


class TestOperation:
    def test_arguments_defaults_and_statics(self):
        @operation()
        def weighted(x, weights, power=2, scale=1.0):
            return (weights * x**power).sum() * scale

        weighted.rules(
            lambda g, x, weights, power, scale: g * scale * power * weights * x ** (power - 1),
            lambda g, x, power, scale: g * scale * x**power,
        )
        x, w = np.array([1.0, 2.0]), np.array([3.0, 4.0])
        check_grads(weighted, x, w)
        check_grads(lambda x, w: weighted(x, w, 3), x, w, order=3)
        check_grads(lambda x, w: weighted(weights=w, x=x, scale=0.5), x, w)
        assert weighted(x, w, scale=2.0).item() == 2 * (3 + 16)

    def test_keyword_only_parameters(self):
        @operation()
        def stretched(x, *, factor=2.0):
            return x * factor

        stretched.rules(lambda g, factor: g * factor)
        x = leaf([1.0, 2.0])
        stretched(x, factor=5.0).sum().backward()
        stretched(x).sum().backward()
        assert x.grad.tolist() == [7, 7]

    @pytest.mark.parametrize("mark", ["*", "**"])
    def test_any_number_of_parameters_is_refused(self, mark):
        with pytest.raises(TypeError, match="operation '<lambda>': 'xs' stands for any number of arguments"):
            operation()(eval(f"lambda {mark}xs: 0"))

    def test_unknown_names_fail_when_they_are_declared(self):
        @operation()
        def f(x, axis=None):
            return x

        with pytest.raises(TypeError, match=r"operation 'f', rule for 'x': no argument is named 'axes'; .*\(x, axis\)"):
            f.rules(lambda g, axes: g)
        with pytest.raises(TypeError, match="no argument is named 'keepdims_shape'"):
            f.rules(lambda g, keepdims_shape: g)
        with pytest.raises(TypeError, match=r"the first parameter must be g, the incoming gradient; got \['x', 'g'\]"):
            f.rules(lambda x, g: g)
        with pytest.raises(TypeError, match=r"the first parameter must be g, the incoming gradient; got \[\]"):
            f.rules(lambda: 0)
        with pytest.raises(TypeError, match="operation 'f' has 2 arguments but 3 rules"):
            f.rules(*(lambda g: g,) * 3)
        with pytest.raises(TypeError, match="'x': no argument is named 'x1'"):
            elementwise(np.sin, lambda g, x1: g, name="wrong")

    @pytest.mark.parametrize("reserved", ["g", "y"])
    def test_reserved_names(self, reserved):
        with pytest.raises(TypeError, match=f"'{reserved}' is reserved for rules; give the argument another name"):
            operation()(eval(f"lambda x, {reserved}: x"))

    def test_an_argument_without_a_rule(self):
        @operation()
        def shifted(x, by):
            return x + by

        shifted.rules(lambda g: g)
        x = leaf([1.0, 2.0])
        shifted(x, 3.0).sum().backward()
        assert x.grad.tolist() == [1, 1]
        with pytest.raises(TypeError, match="shifted: no derivative with respect to 'by'"):
            shifted(x, leaf(3.0))

    def test_before_its_rules_are_given(self):
        @operation()
        def early(x):
            return x + 1

        assert early(1.0).item() == 2
        with pytest.raises(TypeError, match="early: no derivative with respect to 'x'"):
            early(leaf(1.0))

    def test_numpy_dispatches_to_it(self):
        @operation(np.trace)
        def trace_(a, offset=0):
            return np.asarray(a).trace(offset)

        trace_.rules(lambda g, a_shape, offset: g * np.eye(*a_shape, k=offset))
        x = leaf(np.ones((2, 3)))
        np.trace(x, offset=1).backward()
        assert x.grad.tolist() == [[0, 1, 0], [0, 0, 1]]

    def test_lists_and_numbers_become_arrays(self):
        @operation()
        def total(x):
            return x.sum()

        total.rules(lambda g, x_shape: np.broadcast_to(g, x_shape))
        assert total([1.0, 2.0]).item() == 3
        with pytest.raises(TypeError, match="total: expected numbers, got 'text'"):
            total("text")
        with pytest.raises(ValueError, match="is not an array of numbers"):
            total([[1.0], [1.0, 2.0]])
        with pytest.raises(TypeError, match=r"use numpy\(\) or detach\(\) for the value, or autodiff\.stack"):
            total([leaf(1.0), leaf(2.0)])
        with pytest.raises(TypeError, match=r"holds Tensors; join them with autodiff\.stack"):
            total([Tensor(1.0), None])
        with pytest.raises(TypeError, match="masked arrays are not supported"):
            total(np.ma.array([1.0, 2.0], mask=[True, False]))
        for array in (np.array(["a"]), np.array([None, 1]), np.str_("a"), np.array(["2020-01-01"], "M8[D]")):
            with pytest.raises(TypeError, match=r"total: expected numbers, got .*dtype"):
                total(array)
            with pytest.raises(TypeError, match=r"concatenate: expected numbers, got .*dtype"):
                ad.concatenate([leaf([1.0]), array])

    def test_subclasses_of_arrays_become_arrays(self):
        class Subclass(np.ndarray):
            pass

        y = ad.reshape(np.ones(4).view(Subclass), (2, 2))
        assert type(y._data) is np.ndarray

    def test_an_error_speaks_of_operation_and_arguments(self):
        @operation()
        def picky(x, n=0):
            raise ValueError("not today")

        picky.rules(lambda g: g)
        with pytest.raises(ValueError, match=r"picky: not today \(given 'x' \(2,\) float64\)"):
            picky(leaf([1.0, 2.0], name="x"))

        class OddError(Exception):
            def __init__(self, a, b):
                super().__init__(a, b)

        @operation()
        def odd(x):
            raise OddError(1, 2)

        odd.rules(lambda g: g)
        with pytest.raises(OddError) as caught:
            odd(leaf(1.0))
        assert "odd: " in caught.value.__notes__[0]

    def test_an_integer_result_is_untracked(self):
        @operation()
        def rank(x):
            return np.argsort(x)

        rank.rules(lambda g: g)
        assert not rank(leaf([2.0, 1.0])).requires_grad

    def test_declaring_a_name_again_replaces_it(self):
        def declare(factor):
            @operation()
            def cell(x):
                return x * factor

            cell.rules(lambda g: g * factor)
            return cell

        old, new = declare(2.0), declare(3.0)
        assert OPERATIONS["cell"] is new.operation
        assert old(1.0).item() == 2

    def test_repr(self):
        assert repr(ad.multiply.operation) == "<operation multiply(x1, x2)>"

    def test_the_rule_of_a_sequence_may_ask_which_gradients_are_needed(self):
        asked = []

        @operation(sequence=True)
        def total(arrays):
            return sum(arrays)

        def rule(g, arrays_shape, needs):
            asked.append(needs)
            return [g if need else None for need in needs]

        total.rules(rule)
        a = leaf([1.0, 2.0])
        total([np.ones(2), a, leaf([5.0, 6.0])]).sum().backward(inputs=a)
        assert asked == [(False, True, False)]
        assert a.grad.tolist() == [1, 1]
        check_grads(lambda x, y: total([x, np.ones(2), y]), np.ones(2), np.ones(2))

    def test_a_sequence_of_arrays(self):
        @operation(sequence=True)
        def weighted_sum(arrays, weights):
            return sum(w * a for a, w in zip(arrays, weights, strict=True))

        weighted_sum.rules(lambda g, weights: [g * w for w in weights])
        a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        y = weighted_sum([a, np.ones(2), b], [1.0, 2.0, 3.0])
        assert y.tolist() == [12, 16]
        y.sum().backward()
        assert a.grad.tolist() == [1, 1]
        assert b.grad.tolist() == [3, 3]
        assert weighted_sum(np.ones((2, 2)), [1.0, 1.0]).tolist() == [2, 2]
        check_grads(lambda a, b: weighted_sum([a, b * a], [0.5, 2.0]), np.ones(2), np.ones(2), order=3)
        assert weighted_sum.either([np.ones(2)], [2.0]).tolist() == [2, 2]
        assert isinstance(weighted_sum.either([a], [2.0]), Tensor)
        with pytest.raises(ValueError, match=r"weighted_sum: shapes do not broadcast: \(2,\) float64 and \(3,\) float64"):
            weighted_sum([a, np.ones(3)], [1.0, 1.0])

    def test_a_sequence_with_a_nonlinear_rule(self):
        @operation(sequence=True)
        def product(arrays):
            y = 1.0
            for a in arrays:
                y = y * a
            return y

        product.rules(lambda g, arrays, y, arrays_shape: [g * y / a for a in arrays])
        check_grads(lambda a, b, c: product([a, b, c]), *np.random.default_rng(0).uniform(1, 2, (3, 4)), order=3)

    def test_a_sequence_whose_rule_returns_too_few(self):
        @operation(sequence=True)
        def short(arrays):
            return arrays[0] + arrays[1]

        short.rules(lambda g: [g])
        with pytest.raises(TypeError, match="rule of operation 'short' returned 1 gradients, expected 2, one for each array"):
            short([leaf(1.0), leaf(2.0)]).backward()


    def test_a_sequence_whose_rule_returns_none(self):
        @operation(sequence=True)
        def joined(arrays):
            return arrays[0] + arrays[1]

        joined.rules(lambda g: [g, None])
        joined([leaf(1.0), 2.0]).backward()
        with pytest.raises(TypeError, match="rule of operation 'joined' returned None for an array whose gradient is needed"):
            joined([leaf(1.0), leaf(2.0)]).backward()

    def test_a_sequence_with_a_tensor_among_its_further_arguments(self):
        @operation(sequence=True)
        def blend(arrays, weight):
            assert type(weight) is np.ndarray
            return arrays[0] * weight + arrays[1] * (1 - weight)

        blend.rules(lambda g, weight: [g * weight, g * (1 - weight)])
        x = leaf([2.0])
        blend([x, 3.0], Tensor([0.25])).sum().backward()
        assert x.grad.tolist() == [0.25]
        with pytest.raises(TypeError, match="blend: no derivative with respect to 'weight'; pass it detached"):
            blend([x, 3.0], leaf([0.25]))
        with ad.no_grad():
            assert blend([x, 3.0], leaf([0.25])).tolist() == [2.75]

    def test_a_list_argument_may_be_changed_before_the_backward_pass(self):
        x, indices, widths = leaf([1.0, 2.0, 3.0]), [0, 1], [[1, 1]]
        y, z = np.take(x, indices), np.pad(x, widths)
        indices[0], widths[0][:] = 2, [2, 0]
        (y.sum() + (z * np.arange(5.0)).sum()).backward()
        assert x.grad.tolist() == [2, 3, 3]


class TestSeveralOutputs:
    @pytest.fixture
    def halves(self):
        @operation()
        def halves(x):
            n = len(x) // 2
            return np.exp(x[:n]), x[n:] ** 2

        def rule(g, x, y):
            n = len(x) // 2
            to_first = np.zeros_like(x[:n]) if g[0] is None else g[0] * y[0]
            to_second = np.zeros_like(x[n:]) if g[1] is None else g[1] * 2 * x[n:]
            return np.concatenate([to_first, to_second])

        halves.rules(rule)
        return halves

    def test_differentiates_to_any_order(self, halves):
        x = np.array([0.1, 0.2, 0.3, 0.4])
        check_grads(lambda x: halves(x), x, order=3)
        check_grads(lambda x: halves(x)[0], x, order=3)
        check_grads(lambda x: halves(x)[1], x, order=3)
        check_grads(lambda x: halves(x)[0] * halves(x)[1], x, order=2)

    def test_what_arrives_where_an_output_is_not_used(self):
        seen = []

        @operation()
        def three(x):
            return x * 1, x * 2, x * 3

        def rule(g):
            seen.append([None if part is None else part.item() for part in g])
            return sum(part for part in g if part is not None)

        three.rules(rule)
        x = leaf(2.0)
        a, _, c = three(x)
        (a + c * 5).backward()
        assert seen == [[1, None, 5]]

    def test_one_output_is_kept_alive_without_the_others(self, halves):
        x = leaf([0.1, 0.2, 0.3, 0.4])
        second = halves(x)[1]
        second.sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), [0, 0, 0.6, 0.8])

    def test_a_list_is_as_good_as_a_tuple(self):
        @operation()
        def both(x):
            return [x + 1, x * 2]

        both.rules(lambda g: (0 if g[0] is None else g[0]) + (0 if g[1] is None else 2 * g[1]))
        x = leaf(2.0)
        a, b = both(x)
        (a * b).backward()
        assert x.grad.item() == 4 + 2 * 3
        assert [type(part) for part in both(1.0)] == [Tensor, Tensor]


# ------------------------------------------------------------------------------------------------ 2. adjoint pairs


class TestAdjointPairs:
    def test_a_pair_declared_by_a_user(self):
        @operation()
        def decimate(x, step):
            return x[::step]

        @operation()
        def interleave(x, step, length):
            out = np.zeros(length)
            out[::step] = x
            return out

        decimate.rules(lambda g, x_shape, step: interleave.either(g, step, x_shape[0]))
        interleave.rules(lambda g, step: decimate.either(g, step))
        check_grads(lambda x: decimate(x, 3) ** 2, np.arange(8.0), order=3)
        check_grads(lambda x: interleave(x, 3, 8) ** 2, np.arange(3.0), order=3)

    @pytest.mark.parametrize("kind", ["either on arrays", "either on tensors", "call"])
    def test_either(self, kind):
        x = np.arange(3.0)
        if kind == "either on arrays":
            assert isinstance(ad.getitem.either(x, 1), np.floating)
        elif kind == "either on tensors":
            assert isinstance(ad.getitem.either(Tensor(x), 1), Tensor)
        else:
            assert isinstance(ad.getitem(x, 1), Tensor)

    def test_reading_all_rows_costs_one_gradient_array(self):
        """The engine adds in place into one buffer: as many allocations of the whole as passes, not as rows."""
        made = []
        original = np.zeros
        x = leaf(np.ones((50, 4)))
        rows = [row * (i + 1.0) for i, row in enumerate(x)]
        total = rows[0]
        for row in rows[1:]:
            total = total + row
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np, "zeros", lambda shape, *rest, **more: (made.append(shape), original(shape, *rest, **more))[1])
            total.sum().backward()
        assert made.count((50, 4)) == 1
        assert x.grad.tolist() == [[i + 1.0] * 4 for i in range(50)]


# ------------------------------------------------------------------------------------------------ 4. composition


class TestComposition:
    def test_needs_no_rule(self):
        @composition()
        def root_mean_square(x, axis=None):
            return np.sqrt((x * x).mean(axis=axis))

        check_grads(root_mean_square, np.array([1.0, 2.0, 3.0]), order=3)
        assert root_mean_square(Tensor([3.0, 4.0, 0.0, 0.0])).item() == 2.5

    def test_numpy_dispatches_to_it(self):
        @composition(np.ptp)
        def ptp(a, axis=None):
            return ad.max(a, axis) - ad.min(a, axis)

        x = leaf([1.0, 5.0, 3.0])
        np.ptp(x).backward()
        assert x.grad.tolist() == [-1, 1, 0]

    def test_is_one_group(self):
        @composition()
        def inner_part(x):
            return np.exp(x) * 2

        @composition()
        def outer_part(x):
            return inner_part(x + 1)

        x = leaf(1.0)
        before = x * 1
        y = outer_part(before)
        after = y * 1
        inner, outer = y._node.notes.groups
        assert (inner.name, outer.name) == ("inner_part", "outer_part")
        assert outer.kind == "composition"
        add = y._node.parents[0].parents[0]
        assert before._node.number < outer.first < add.number < inner.first
        assert inner.first < y._node.number < inner.last < outer.last < after._node.number
        assert before._node.notes is None
        assert after._node.notes is None
        assert "inner_part" in repr(inner)

    def test_several_results_and_results_that_are_no_tensors(self):
        @composition()
        def both(x):
            return x + 1, (x * 2).numpy(), x

        x = leaf(1.0)
        a, b, c = both(x)
        assert [g.name for g in a._node.notes.groups] == ["both"]
        assert isinstance(b, np.ndarray)
        assert c is x
        assert x._node.notes is None  # what came in is not a result of the group

    def test_the_group_shows_in_messages(self):
        @composition()
        def part(x):
            return np.exp(x)

        y = part(leaf(1.0))
        y.backward()
        with pytest.raises(RuntimeError, match=r"'exp' \(shape \(\), the result of part\)"):
            y.backward()


class TestUntracked:
    def test_functions_that_only_look(self):
        assert isinstance(np.isclose(leaf([1.0, 2.0]), 1.0), Tensor)
        assert np.shape(leaf(np.ones((2, 3)))) == (2, 3)
        values = np.unique_counts(Tensor([1.0, 1.0, 2.0]))
        assert values.values.tolist() == [1, 2]
        assert values.counts.tolist() == [2, 1]

    def test_declared_by_a_user(self):
        call = ad.untracked(np.vander)
        result = np.vander(leaf([1.0, 2.0]))
        assert isinstance(result, Tensor)
        assert not result.requires_grad
        assert isinstance(call([1.0, 2.0]), Tensor)
