"""Fused operations: kernels at first order, the reference at second, and both the same."""

from __future__ import annotations

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, check_grads, fused, gradients

RNG = np.random.default_rng(0)


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


calls: list[str] = []


@pytest.fixture(autouse=True)
def _count_afresh():
    calls.clear()


# A layer norm as DESIGN has it: optional arguments, a static, and kernels that work in place.


def _norm_forward(x, weight=None, bias=None, eps=1e-5):
    calls.append("forward")
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)
    centred *= scale
    y = centred if weight is None else centred * weight
    return (y if bias is None else y + bias), (centred, scale, weight)


def _norm_backward(g, kept, needs):
    calls.append("backward")
    normal, scale, weight = kept
    to_weight = (g * normal).reshape(-1, g.shape[-1]).sum(axis=0) if needs[1] else None
    to_bias = g.reshape(-1, g.shape[-1]).sum(axis=0) if needs[2] else None
    if not needs[0]:
        return None, to_weight, to_bias
    inner = g if weight is None else g * weight
    mean, slope = inner.mean(axis=-1, keepdims=True), (inner * normal).mean(axis=-1, keepdims=True)
    return scale * (inner - mean - normal * slope), to_weight, to_bias


@fused(forward=_norm_forward, backward=_norm_backward)
def normalise(x, weight=None, bias=None, eps=1e-5):
    """Return x with mean 0 and variance 1 along its last axis."""
    calls.append("reference")
    centred = x - x.mean(axis=-1, keepdims=True)
    y = centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def _polar_forward(x1, x2):
    r = np.sqrt(x1 * x1 + x2 * x2)
    return (r, np.arctan2(x2, x1), r * r), (x1, x2, r)


seen_by_polar: list[list[bool]] = []


def _polar_backward(g, kept, needs):
    x1, x2, r = kept
    seen_by_polar.append([part is not None for part in g])
    to_r, to_angle, to_square = (np.zeros_like(r) if part is None else part for part in g)
    to_r = to_r + 2 * r * to_square
    return to_r * x1 / r - to_angle * x2 / (r * r), to_r * x2 / r + to_angle * x1 / (r * r)


@fused(forward=_polar_forward, backward=_polar_backward)
def polar(x1, x2):
    """Return radius, angle and squared radius."""
    square = x1 * x1 + x2 * x2
    return np.sqrt(square), np.arctan2(x2, x1), square


ARGUMENTS = [RNG.normal(size=(3, 5)), RNG.normal(size=5), RNG.normal(size=5)]


class TestFirstAndSecondOrder:
    def test_first_order_runs_the_kernels_alone(self):
        x, w, b = map(leaf, ARGUMENTS)
        normalise(x, w, b).sum().backward()
        assert calls == ["forward", "backward"]

    def test_a_recorded_pass_runs_the_reference(self):
        x, w, b = map(leaf, ARGUMENTS)
        g = gradients((normalise(x, w, b) ** 2).sum(), x, create_graph=True)
        assert calls == ["forward", "reference"]
        gradients(g.sum(), w)
        assert calls == ["forward", "reference", "backward"]  # by w the result also depends on y itself, saved by the power

    def test_untracked_and_under_no_grad_nothing_is_recorded(self):
        y = normalise(*ARGUMENTS)
        assert isinstance(y, Tensor)
        assert not y.requires_grad
        with ad.no_grad():
            assert not normalise(leaf(ARGUMENTS[0])).requires_grad

    def test_arrays_in_either_give_arrays(self):
        y = normalise.reference(*ARGUMENTS)
        assert isinstance(y, np.ndarray)

    @pytest.mark.parametrize("chosen", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
    def test_kernel_and_reference_are_equal(self, chosen):
        variables = [leaf(a) if i in chosen else a for i, a in enumerate(ARGUMENTS)]
        wanted = [variables[i] for i in chosen]
        g = RNG.normal(size=(3, 5))
        y, reference = normalise(*variables), normalise.reference(*variables)
        np.testing.assert_allclose(y.numpy(), reference.numpy(), rtol=1e-13)
        by_kernel = gradients(y, wanted, g, retain_graph=True)
        recorded = gradients(y, wanted, g, create_graph=True)
        by_reference = gradients(reference, wanted, g)
        for a, b, c in zip(by_kernel, recorded, by_reference, strict=True):
            np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(b.numpy(), c.numpy(), rtol=1e-11, atol=1e-13)

    def test_against_differences_to_third_order(self):
        check_grads(normalise, *ARGUMENTS, order=3)
        check_grads(polar, np.array([1.0, -0.5]), np.array([0.3, 0.8]), order=3)

    def test_a_gradient_by_one_argument_still_depends_on_the_others(self):
        """d²/dx dw of a fused operation, where the first pass asked for x alone."""
        x, w = leaf(ARGUMENTS[0]), leaf(ARGUMENTS[1])

        def mixed(f):
            g = gradients((f(x, w) ** 2).sum(), x, create_graph=True)
            return gradients((g * np.arange(5.0)).sum(), w).numpy()

        assert mixed(normalise).any()
        np.testing.assert_allclose(mixed(normalise), mixed(normalise.reference), rtol=1e-11)

    def test_arguments_that_depend_on_each_other(self):
        def through(f):
            def loss(x):
                w = np.tanh(x[0]) + 2
                return (f(x, w, w * x[1]) ** 2).sum()

            x = leaf(ARGUMENTS[0])
            first = gradients(loss(x), x, create_graph=True)
            second = gradients((first**2).sum(), x, create_graph=True)
            return first.numpy(), second.numpy(), gradients((second * np.arange(5.0)).sum(), x).numpy()

        for a, b in zip(through(normalise), through(normalise.reference), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8)

    def test_one_tensor_as_two_arguments(self):
        x = leaf([1.0, 2.0])
        g = gradients(polar(x, x)[2].sum(), x, create_graph=True)
        assert g.tolist() == [4, 8]
        assert gradients(g.sum(), x).tolist() == [4, 4]

    def test_under_the_transforms(self):
        def f(x):
            return polar(x, x * x)[0]  # sqrt(x² + x⁴)

        exact = ad.grad(ad.grad(lambda x: np.sqrt(x**2 + x**4)))(0.8)
        assert ad.grad(ad.grad(f))(0.8) == pytest.approx(exact, rel=1e-12)

    def test_a_chain_of_many_costs_as_many_and_not_their_square(self):
        """A recorded pass looks at each fused operation's own reference, not at the graph before it."""
        visited = []
        original = ad.chain_rule._ordered

        def counting(seeds):
            order = original(seeds)
            visited.append(len(order))
            return order

        x = leaf(ARGUMENTS[0])
        y = x
        for _ in range(30):
            y = normalise(y)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ad.chain_rule, "_ordered", counting)
            gradients(y.sum(), x, create_graph=True)
        assert len(visited) == 31
        assert max(visited[1:]) < 15

    def test_fused_inside_a_reference(self):
        def forward(x):
            calls.append("outer forward")
            y, kept = _norm_forward(x)
            return y * y, (y, kept)

        def backward(g, kept, needs):
            y, inner = kept
            return (_norm_backward(2 * g * y, inner, (True, False, False))[0],)

        @fused(forward=forward, backward=backward)
        def squared(x):
            return normalise(x) ** 2

        check_grads(squared, ARGUMENTS[0], order=3)


class TestArguments:
    def test_optional_ones(self):
        x, b = leaf(ARGUMENTS[0]), leaf(ARGUMENTS[2])
        for f in (normalise, normalise.reference):
            np.testing.assert_allclose(gradients(f(x, bias=b).sum(), b).numpy(), 3)
        check_grads(lambda x: normalise(x), ARGUMENTS[0])
        check_grads(lambda x, b: normalise(x, None, b), ARGUMENTS[0], ARGUMENTS[2])

    def test_statics(self):
        x = leaf(ARGUMENTS[0])
        wide = normalise(x, eps=100.0)
        np.testing.assert_allclose(wide.numpy(), normalise.reference(ARGUMENTS[0], eps=100.0))
        by_kernel = gradients((wide**2).sum(), x, retain_graph=True)
        np.testing.assert_allclose(by_kernel.numpy(), gradients((wide**2).sum(), x, create_graph=True).numpy(), rtol=1e-12)

    def test_binding(self):
        with pytest.raises(TypeError, match=r"normalise.. misses the argument 'x'"):
            normalise()
        with pytest.raises(TypeError, match=r"takes at most 4 arguments \(x, weight, bias, eps\), got 5"):
            normalise(1, 2, 3, 4, 5)
        with pytest.raises(TypeError, match="takes no argument 'epsilon'"):
            normalise(np.ones(3), epsilon=1.0)
        with pytest.raises(TypeError, match=r"got the argument 'x' twice"):
            normalise(np.ones(3), x=1.0)

    def test_a_kernel_sees_what_is_needed(self):
        needs_seen = []

        def backward(g, kept, needs):
            needs_seen.append(needs)
            return g, g, g

        @fused(forward=lambda a, b, c: (a * b * c, ()), backward=backward)
        def product(a, b, c):
            return a * b * c

        a, c = leaf(2.0), leaf(4.0)
        product(a, 3.0, c).backward(retain_graph=True)
        gradients(product(a, 3.0, c), [c])
        assert needs_seen == [(True, False, True), (False, False, True)]

    def test_gradients_that_were_not_asked_for_are_ignored(self):
        @fused(forward=lambda a, b: (a * b, (a, b)), backward=lambda g, k, needs: (g * k[1], g * k[0]))
        def product(a, b):
            return a * b

        a, b = leaf(2.0), Tensor(3.0)
        product(a, b).backward()
        assert a.grad.item() == 3
        assert b.grad is None

    def test_none_for_a_needed_one_is_zero(self):
        @fused(forward=lambda a, b: (a * 1, ()), backward=lambda g, k, needs: (g, None))
        def first(a, b):
            return a * 1

        a, b = leaf(2.0), leaf(3.0)
        first(a, b).backward()
        assert a.grad.item() == 1
        assert b.grad is None

    @pytest.mark.parametrize(
        ("returned", "got"), [((1.0,), "1 of them"), ((), "0 of them"), (np.ones(2), "ndarray"), (None, "NoneType")]
    )
    def test_a_kernel_that_returns_too_little(self, returned, got):
        @fused(forward=lambda a, b: (a * b, ()), backward=lambda g, k, needs: returned)
        def product(a, b):
            return a * b

        with pytest.raises(TypeError, match=rf"kernel of operation 'product' returned {got}; expected a tuple of .*\(a, b\)"):
            product(leaf(2.0), leaf(3.0)).backward()

    def test_a_kernel_that_returns_a_wrong_shape(self):
        @fused(forward=lambda a: (a * 2, ()), backward=lambda g, k, needs: (np.ones(3),))
        def double(a):
            return a * 2

        with pytest.raises(ValueError, match=r"operation 'double' for argument 'a' returned shape \(3,\), expected \(2,\)"):
            double(leaf([1.0, 2.0])).sum().backward()

    def test_a_broken_kernel_names_the_operation(self):
        with pytest.raises(ValueError, match=r"normalise: shapes do not broadcast: \(3, 5\) float64 and \(4,\) float64"):
            normalise(ARGUMENTS[0], np.ones(4))

    def test_the_dtype_of_the_argument(self):
        x = leaf(ARGUMENTS[0].astype(np.float32))
        normalise(x, leaf(ARGUMENTS[1])).sum().backward()
        assert x.grad.dtype == np.float32

    def test_an_invalid_intermediate_of_a_kernel_is_no_error(self):
        @fused(forward=lambda x: (x * 0 + 1, x), backward=lambda g, x, needs: (np.where(x == 0, 0, g * (x / x - 1)),))
        def one(x):
            return x * 0 + 1

        x = leaf([0.0, 2.0])
        one(x).sum().backward()
        assert x.grad.tolist() == [0, 0]

    def test_writes_after_saving_are_noticed(self):
        x, w = leaf(ARGUMENTS[0]), leaf(ARGUMENTS[1], name="w")
        y = normalise(x, w)
        with ad.no_grad():
            w += 1
        with pytest.raises(RuntimeError, match=r"operation 'normalise' .* saved was changed afterwards, by .*'w'"):
            y.sum().backward()

    def test_what_is_written_afterwards_does_not_change_what_was_saved(self):
        v = leaf([1.0, 2.0, 4.0])
        x = ad.zeros((2, 3))
        x[0] = v
        y = normalise(x)
        x[1] = 7.0
        x[0, 0] = 9.0
        weights = np.array([[1.0, 0, 0], [0, 0, 0]])
        by_kernel = gradients(y, v, weights, retain_graph=True)
        by_reference = gradients(y, v, weights, create_graph=True)
        expected = gradients(normalise(v), v, weights[0])
        np.testing.assert_allclose(by_kernel.numpy(), expected.numpy(), rtol=1e-12)
        np.testing.assert_allclose(by_reference.numpy(), expected.numpy(), rtol=1e-12)


class TestSeveralOutputs:
    @pytest.mark.parametrize("create_graph", [False, True])
    @pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
    def test_some_used(self, used, create_graph):
        x1, x2 = leaf(np.array([1.0, -0.5])), leaf(np.array([0.3, 0.8]))
        seen_by_polar.clear()

        def loss(f):
            outputs = f(x1, x2)
            return sum((outputs[i] ** 2).sum() * (i + 1) for i in used)

        found = gradients(loss(polar), [x1, x2], create_graph=create_graph)
        expected = gradients(loss(polar.reference), [x1, x2])
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13)
        assert seen_by_polar == ([] if create_graph else [[i in used for i in range(3)]])

    def test_one_used_twice(self):
        x1, x2 = leaf([1.0]), leaf([2.0])
        r, _, square = polar(x1, x2)
        (square + square * 2 + r * 0).sum().backward()
        np.testing.assert_allclose(x1.grad.numpy(), [6])

    def test_each_a_tensor_of_its_own(self):
        outputs = polar(leaf([1.0]), np.array([2.0]))
        assert isinstance(outputs, tuple)
        assert len({id(o._node) for o in outputs}) == 3
        assert len({o._node.parents[0] for o in outputs}) == 1

    def test_backward_on_two_outputs_one_after_the_other(self):
        x1 = leaf([1.0])
        r, _, square = polar(x1, np.array([2.0]))
        square.backward(retain_graph=True)
        r.backward()
        np.testing.assert_allclose(x1.grad.numpy(), 2 + 1 / np.sqrt(5))
        with pytest.raises(RuntimeError, match=r"'polar' \(several outputs\)"):
            square.backward()

    def test_untracked(self):
        outputs = polar(np.array([1.0]), np.array([2.0]))
        assert [type(o) for o in outputs] == [Tensor] * 3
        assert not any(o.requires_grad for o in outputs)

    def test_an_integer_output_is_untracked(self):
        @fused(forward=lambda x: ((x * 2, np.argsort(x)), ()), backward=lambda g, k, needs: (2 * g[0],))
        def double_and_order(x):
            return x * 2, np.argsort(x)

        x = leaf([3.0, 1.0])
        y, order = double_and_order(x)
        assert not order.requires_grad
        assert gradients(y.sum(), x, create_graph=True).tolist() == [2, 2]


def test_declaring_without_a_name_takes_that_of_the_reference():
    assert normalise.operation.name == "normalise"
    assert normalise.__doc__.startswith("Return x with mean 0")
    renamed = fused(forward=lambda x: (x, ()), backward=lambda g, k, n: (g,), name="other")(lambda x: x)
    assert renamed.operation.name == "other"
    assert ad.recording.OPERATIONS["other"] is renamed.operation
