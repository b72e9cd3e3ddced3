"""`backward` and `gradients`: what arrives where, what is freed, and whose memory it is."""

from __future__ import annotations

import sys
import threading
import weakref

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, gradients


def leaf(data, **keywords):
    return Tensor(data, requires_grad=True, **keywords)


# ------------------------------------------------------------------------------------------------ what arrives


def test_a_sum_of_paths():
    x = leaf(3.0)
    y = x * x
    (y * x + y + x).backward()  # x³ + x² + x
    assert x.grad.item() == 3 * 9 + 2 * 3 + 1


def test_a_second_pass_adds_to_grad_and_keeps_the_tensor():
    x = leaf([1.0, 2.0])
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 5]
    assert first is x.grad  # as PyTorch: one accumulator


def test_an_accumulated_gradient_shows_in_its_views():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    (x * 2).sum().backward()
    flat = x.grad.reshape(-1)
    (x * 3).sum().backward()
    assert flat.tolist() == [5, 5, 5, 5]


def test_an_array_saved_from_grad_is_not_changed_by_a_later_pass():
    x, w = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    (x * 2).sum().backward()
    penalty = (x.grad * w).sum()
    (x * 3).sum().backward()
    penalty.backward()
    assert w.grad.tolist() == [2, 2]


def test_the_root_may_be_a_leaf():
    x = leaf(2.0)
    x.backward()
    x.backward(np.array(3.0))
    assert x.grad.item() == 4


def test_leaves_that_the_root_does_not_depend_on_keep_none():
    x, unused = leaf(2.0), leaf(2.0)
    (x * 2).backward()
    assert unused.grad is None


def test_a_gradient_may_be_any_array_of_numbers():
    x = leaf(np.ones((2, 2), np.float32))
    (x * 1).backward([[1, 2], [3, 4]])
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [[1, 2], [3, 4]]


def test_gradients_take_the_dtype_of_their_argument():
    x32, x64 = leaf(np.ones(3, np.float32)), leaf(np.ones(3))
    (x32 * x64).sum().backward()
    assert x32.grad.dtype == np.float32
    assert x64.grad.dtype == np.float64


def test_size_zero():
    x = leaf(np.zeros((0, 3)))
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_inputs_restrict_where_gradients_accumulate():
    x, w, b = leaf(2.0), leaf(3.0), leaf(1.0)
    h = x * w
    (h * h + b).backward(inputs=[w, h])
    assert w.grad.item() == 2 * 6 * 2
    assert h.grad.item() == 12
    assert x.grad is None
    assert b.grad is None


def test_inputs_may_be_one_tensor_and_one_named_twice_counts_once():
    x = leaf(2.0)
    (x * 3).backward(inputs=x)
    (x * 3).backward(inputs=[x, x])
    assert x.grad.item() == 6


def test_an_input_that_keeps_its_gradient_gets_it_once():
    x = leaf(2.0)
    h = x * 3
    h.retain_grad()
    (h * 5).backward(inputs=[h])
    assert h.grad.item() == 5


def test_inputs_leave_the_graph_beyond_them_whole():
    x = leaf(2.0)
    h = ad.exp(x)
    (h * h).backward(inputs=[h])
    h.backward()
    assert x.grad.item() == np.exp(2.0)


def test_inputs_that_lie_behind_each_other():
    x = leaf(2.0)
    h = x * x
    y = h * h
    y.backward(inputs=[x, h])
    assert h.grad.item() == 8
    assert x.grad.item() == 32


# ------------------------------------------------------------------------------------------------ bad input


def test_an_untracked_root():
    with pytest.raises(RuntimeError, match=r"backward: the tensor 'loss' is not tracked.*requires_grad=True.*detach\(\)"):
        Tensor(1.0, name="loss").backward()


def test_a_root_that_is_no_single_number():
    with pytest.raises(RuntimeError, match=r"shape \(2,\) is not a single number; reduce it first \(loss.sum\(\)"):
        (leaf([1.0, 2.0]) * 2).backward()


def test_a_complex_root():
    with pytest.raises(RuntimeError, match=r"a complex number \(complex128\) has no direction of its own; take .real or abs"):
        (leaf(1 + 2j) * 2).backward()


@pytest.mark.parametrize("gradient", [1.0, np.ones(1), np.ones((1, 2)), np.ones(3)])
def test_a_gradient_of_the_wrong_shape(gradient):
    y = leaf([1.0, 2.0]) * 2
    y.name = "y"
    with pytest.raises(ValueError, match=r"backward: the gradient has shape .*, expected \(2,\), that of the tensor 'y'"):
        y.backward(gradient)


def test_a_gradient_of_the_wrong_dtype():
    y = leaf([1.0, 2.0]) * 2
    with pytest.raises(TypeError, match="backward: the gradient has dtype <U1, expected numbers"):
        y.backward(np.array(["a", "b"]))
    with pytest.raises(TypeError, match=r"the gradient is complex \(complex128\), the tensor real \(float64\)"):
        y.backward(np.array([1j, 0]))


def test_inputs_that_are_no_tracked_tensors():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=r"inputs= 'c' of shape .* does not require grad"):
        (x * 2).backward(inputs=[Tensor(1.0, name="c")])
    with pytest.raises(TypeError, match="inputs= must be a Tensor or several, got ndarray"):
        (x * 2).backward(inputs=[np.ones(3)])


# ------------------------------------------------------------------------------------------------ walking twice


def test_a_second_pass_names_the_first_freed_operation_and_the_usual_cause():
    x, w = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    part = ad.exp(x)  # built once, outside the loop
    (part * w).sum().backward()
    with pytest.raises(RuntimeError, match=r"already consumed.*'exp' \(shape \(2,\)\).*outside the loop.*retain_graph=True"):
        (part * w).sum().backward()


def test_a_failed_second_pass_changes_nothing():
    x, w = leaf([1.0, 2.0]), leaf([1.0, 1.0])
    part = ad.exp(x)
    (part * w).sum().backward()
    before = w.grad.tolist()
    with pytest.raises(RuntimeError, match="consumed"):
        (part * w).sum().backward()
    assert w.grad.tolist() == before


def test_the_message_names_what_was_freed_first_not_what_is_reached_first():
    x = leaf(1.0)
    a = ad.sin(x)
    b = ad.cos(a)
    b.backward()
    with pytest.raises(RuntimeError, match="first consumed operation is 'cos'"):
        (b * 2).backward()


def test_retain_graph_allows_another_pass():
    x = leaf(2.0)
    y = x**3
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 24
    with pytest.raises(RuntimeError, match="consumed"):
        y.backward()


def test_retain_graph_none_follows_create_graph():
    x = leaf(2.0)
    y = x**3
    y.backward(create_graph=True)
    x.grad = None
    y.backward(retain_graph=None)
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="consumed"):
        y.backward()


def test_create_graph_without_retain_graph_consumes():
    x = leaf(2.0)
    y = x**3
    g = gradients(y, x, create_graph=True, retain_graph=False)
    assert gradients(g, x).item() == 12
    with pytest.raises(RuntimeError, match="consumed"):
        y.backward()


def test_operations_that_save_nothing_are_consumed_too():
    x = leaf(2.0)
    y = x + 1
    y.backward()
    with pytest.raises(RuntimeError, match="'add'"):
        y.backward()


def test_a_consumed_input_is_as_good_as_another():
    """The walk stops at it, and needs nothing of what it had saved."""
    h = ad.exp(leaf(2.0))
    h.backward()
    assert gradients(h * 3, h).item() == 3


def test_an_unrelated_consumed_part_does_no_harm():
    x, w = leaf(2.0), leaf(3.0)
    consumed = ad.exp(x)
    consumed.backward()
    y = consumed * w
    y.backward(inputs=[w])
    assert w.grad.item() == np.exp(2.0)
    assert gradients(consumed * w, [w])[0].item() == np.exp(2.0)


# ------------------------------------------------------------------------------------------------ memory


def test_saved_arrays_are_freed_as_the_pass_goes():
    x = leaf(np.ones(3))
    h = x * 1
    first = ad.exp(h)
    second = ad.exp(first)
    third = ad.exp(second)
    watched = [weakref.ref(t._data) for t in (first, second, third)]
    alive = []
    h.register_hook(lambda g: alive.extend(reference() is not None for reference in watched))
    y = third.sum()
    del first, second, third
    assert all(reference() is not None for reference in watched)
    y.backward()
    # The rule of `first` has just run when the hook of `h` does; what came after it is gone.
    assert alive[1:] == [False, False]
    assert [reference() for reference in watched] == [None, None, None]


def test_a_retained_graph_keeps_its_arrays_until_it_dies():
    x = leaf(np.ones(3))
    h = ad.exp(x)
    watched = weakref.ref(h._data)
    y = (h * h).sum()
    del h
    y.backward(retain_graph=True)
    assert watched() is not None
    del y
    assert watched() is None


def test_a_consumed_graph_can_still_be_looked_at():
    x = leaf(2.0)
    y = ad.exp(x) * 3
    y.backward()
    node = y._node
    assert node.saved is None
    assert (node.operation.name, node.shape, node.dtype) == ("multiply", (), np.float64)
    assert node.parents[0].operation.name == "exp"
    assert node.parents[0].parents == (x._node,)


def memory_is_its_own(gradient, *others):
    array = gradient._data
    assert array.flags.writeable
    assert array.flags.c_contiguous
    for other in others:
        assert not np.shares_memory(array, other)


@pytest.mark.parametrize("create_graph", [False, True])
class TestMemoryOfGrad:
    def test_not_the_seed(self, create_graph):
        x, seed = leaf([1.0, 2.0]), np.ones(2)
        (x + 0).backward(seed, create_graph=create_graph)
        memory_is_its_own(x.grad, seed)

    def test_not_the_seed_given_as_a_tensor(self, create_graph):
        x, seed = leaf([1.0, 2.0]), Tensor([1.0, 1.0])
        x.backward(seed, create_graph=create_graph)
        memory_is_its_own(x.grad, seed._data)
        assert x.grad is not seed

    def test_not_a_tracked_leaf_as_the_seed(self, create_graph):
        x, seed = leaf([1.0, 2.0]), leaf([1.0, 1.0])
        x.backward(seed, create_graph=create_graph)
        memory_is_its_own(x.grad, seed._data)
        assert x.grad._node is not seed._node
        if create_graph:
            assert gradients(x.grad.sum(), seed).tolist() == [1, 1]

    def test_not_the_gradient_of_another_leaf(self, create_graph):
        a, b, c = leaf([1.0, 2.0]), leaf([1.0, 2.0]), leaf([1.0, 2.0])
        (a + b + c).backward(np.array([1.0, 2.0]), create_graph=create_graph)
        memory_is_its_own(a.grad, b.grad._data, c.grad._data)
        memory_is_its_own(b.grad, c.grad._data)
        a.grad[0] = 7.0
        assert b.grad.tolist() == [1, 2]

    def test_not_a_view_of_the_gradient_of_another_leaf(self, create_graph):
        a, b = leaf(np.ones((2, 3))), leaf(np.ones((3, 2)))
        (a.T + b).backward(np.arange(6.0).reshape(3, 2), create_graph=create_graph)
        memory_is_its_own(a.grad, b.grad._data)
        memory_is_its_own(b.grad)

    def test_not_a_broadcast_view(self, create_graph):
        x = leaf(np.ones((100, 100)))
        x.sum().backward(create_graph=create_graph)
        memory_is_its_own(x.grad)
        x.grad[0, 0] = 5.0
        assert x.grad.numpy().sum() == 9999 + 5

    def test_not_what_the_rule_saved(self, create_graph):
        x, w = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
        shares = ad.elementwise(lambda x1, x2: x1 * x2, lambda g, x2: x2, None, name="hands_out_what_it_saved")
        shares(x, w).sum().backward(create_graph=create_graph)
        memory_is_its_own(x.grad, w._data)

    def test_not_what_a_hook_keeps_or_returns(self, create_graph):
        x, h = leaf([1.0, 2.0]), []
        replacement = np.array([5.0, 6.0])
        x.register_hook(h.append)
        x.register_hook(lambda g: replacement)
        x.register_hook(h.append)
        (x * 2).sum().backward(create_graph=create_graph)
        memory_is_its_own(x.grad, replacement, *(kept._data for kept in h))
        assert x.grad.tolist() == [5, 6]

    def test_not_what_retain_grad_stores(self, create_graph):
        x = leaf([1.0, 2.0])
        h = x + 0
        h.retain_grad()
        h.sum().backward(create_graph=create_graph)
        memory_is_its_own(h.grad, x.grad._data)
        memory_is_its_own(x.grad)

    def test_contiguous_after_a_transposed_accumulation(self, create_graph):
        x = leaf(np.ones((2, 3)))
        for _ in range(3):
            x.T.backward(np.arange(6.0).reshape(3, 2), create_graph=create_graph)
            memory_is_its_own(x.grad)
        assert x.grad.tolist() == (3 * np.arange(6.0).reshape(3, 2).T).tolist()

    def test_inputs(self, create_graph):
        x, seed = leaf([1.0, 2.0]), np.ones(2)
        h = x + 0
        (h + 0).backward(seed, inputs=[x, h], create_graph=create_graph)
        memory_is_its_own(x.grad, seed, h.grad._data)
        memory_is_its_own(h.grad, seed)

    def test_gradients(self, create_graph):
        a, b, seed = leaf([1.0, 2.0]), leaf([1.0, 2.0]), np.ones(2)
        y = a + b
        to_a, to_b, to_y = gradients(y, [a, b, y], seed, create_graph=create_graph)
        memory_is_its_own(to_a, seed, to_b._data, to_y._data)
        memory_is_its_own(to_y, seed, to_b._data)
        memory_is_its_own(to_b, seed)
        assert to_a is not to_b


def test_the_gradient_of_a_large_leaf_is_not_copied(monkeypatch):
    """Memory of the pass that nobody else holds becomes .grad as it is."""
    made = []

    def rule(g, x):
        made.append(np.array(2 * x))
        return made[-1] if keep else made.pop()

    double = ad.elementwise(lambda x: x * x, rule, name="double_the_input")
    address = []
    x = leaf(np.ones(1000))
    hook = ad.border.deposit
    monkeypatch.setattr(ad.border, "deposit", lambda t, g, c, shared: (address.append(shared), hook(t, g, c, shared)))
    keep = False
    double(x).sum().backward()
    keep = True
    double(x).sum().backward()
    assert address == [False, True]


def test_threads_that_add_to_one_leaf_lose_nothing():
    x, rounds = leaf(np.zeros(20_000)), 100  # so large that NumPy lets other threads run while it adds
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def work():
            for _ in range(rounds):
                (x * 1.0).sum().backward()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert (x.grad.numpy() == 4 * rounds).all()


def test_assigning_grad_copies():
    a, b = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    (a * 2).sum().backward()
    b.grad = a.grad
    (b * 5).sum().backward()
    assert a.grad.tolist() == [2, 2]
    assert b.grad.tolist() == [7, 7]
    source = np.ones(2)
    a.grad = source
    memory_is_its_own(a.grad, source)


def test_what_a_hook_keeps_is_not_changed_by_writes_into_the_buffer():
    """The cotangent of a written tensor goes from write to write in one buffer: not once somebody has seen it."""
    x, kept = leaf([1.0, 2.0]), []
    h = x * 2
    h[0] = 5.0
    h.register_hook(kept.append)
    (h * 2 + h * 3).sum().backward()
    assert kept[0].tolist() == [5, 5]
    assert x.grad.tolist() == [0, 10]


def test_what_gradients_returns_is_not_changed_by_writes_into_the_buffer():
    x = leaf([1.0, 2.0])
    h = x * 2
    h[0] = 5.0
    to_h, to_x = gradients((h * 2 + h * 3).sum(), [h, x])
    assert to_h.tolist() == [5, 5]
    assert to_x.tolist() == [0, 10]


# ------------------------------------------------------------------------------------------------ infinities and strong zeros


def test_an_invalid_intermediate_of_a_rule_is_no_error():
    def rule(g, x):
        return np.where(x == 0, 5, g * (x / x))  # 0/0, and not looked at

    one = ad.elementwise(lambda x: x * 1, rule, name="one")

    @ad.operation()
    def total(x):
        return x.sum()

    total.rules(rule)
    for f in (one, total):
        for create_graph in (False, True):
            x = leaf([0.0, 2.0])
            g = gradients(f(x).sum(), x, create_graph=create_graph)
            assert g.tolist() == [5, 1]


def test_a_rule_may_be_written_with_the_functions_of_the_library():
    square = ad.elementwise(lambda x: x * x, lambda g, x: ad.multiply(g, 2 * x), name="by_the_library")
    x = leaf([1.0, 2.0])
    (square(x) + square(x)).sum().backward()
    assert x.grad.tolist() == [4, 8]
    assert not x.grad.requires_grad
    memory_is_its_own(x.grad)
    ad.check_grads(square, np.array([1.0, 2.0]), order=3)


def test_infinities_that_cancel_give_nan_not_an_error():
    with np.errstate(all="ignore"):
        x = leaf([0.0, 1.0])
        (np.sqrt(x) - np.sqrt(x)).sum().backward()
        assert np.isnan(x.grad.numpy()[0])
        assert x.grad.numpy()[1] == 0
        x.grad = None
        (np.sqrt(x) + np.sqrt(x) - np.sqrt(x)).sum().backward()
        assert np.isnan(x.grad.numpy()[0])
        assert x.grad.numpy()[1] == 0.5
        x.grad = None
        (np.sqrt(x) * -1 + np.sqrt(x) + np.sqrt(x)).sum().backward()  # the pass goes backwards: -inf is added to inf in place
        assert np.isnan(x.grad.numpy()[0])
        assert x.grad.numpy()[1] == 0.5


def test_infinities_that_cancel_over_a_broadcast_axis():
    x = leaf([0.0])
    (np.sqrt(x + np.zeros(2)) * np.array([1.0, -1.0])).sum().backward()
    assert np.isnan(x.grad.numpy()[0])


@pytest.mark.parametrize("index", [0, slice(1), np.array([True, False]), np.array([0]), [0, 0]])
def test_infinities_that_cancel_in_a_buffer(index):
    x = leaf([0.0, 1.0])
    h = x * 1
    (np.sqrt(h[index]).sum() - np.sqrt(h[0])).backward()
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.numpy()[1] == 0


def test_infinities_that_cancel_between_outputs():
    with np.errstate(all="ignore"):
        x = leaf(0.0)
        y = np.sqrt(x)
        assert gradients([y, y], [x], [1.0, -2.0])[0].item() == -np.inf  # the cotangents of one output add up first
        assert np.isnan(gradients([np.sqrt(x), -np.sqrt(x)], [x], [1.0, 1.0])[0].item())


def test_where_shields_from_an_infinite_derivative():
    x = leaf([0.0, 4.0])
    np.where(x > 0, np.sqrt(x), 0).sum().backward()
    assert x.grad.tolist() == [0, 0.25]


def test_nan_in_the_data_is_never_hidden():
    x, mask = leaf([np.nan, 1.0]), np.array([False, True])
    np.where(mask, x * x, 0).sum().backward()
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.numpy()[1] == 2


def test_strong_zeros_leave_the_other_elements_alone():
    x = leaf([0.0, 0.0, 1.0])
    (np.sqrt(x) * np.array([0.0, 1.0, 1.0])).sum().backward()
    assert x.grad.tolist() == [0, np.inf, 0.5]


def derivative(f, order):
    for _ in range(order):
        f = ad.grad(f)
    return f


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda x: np.where(x > 0, np.sqrt(x), 0), 0.0),
        (lambda x: np.where(x > 0, x**1.5, 0), 0.0),
        (lambda x: np.where(x < 1, np.arcsin(x), 0), 1.0),
        (lambda x: np.where(x > 1, np.arccosh(x), 0), 1.0),
        (lambda x: np.where(x != 0, 1 / (x * x), 0), 0.0),
        (lambda x: np.where(x > 0, x * np.log(x), 0), 0.0),
        (lambda x: np.where(x > 0, np.sqrt(np.sqrt(x)), 0), 0.0),
    ],
)
def test_strong_zeros_hold_to_every_order(f, at, order):
    with np.errstate(all="ignore"):
        assert derivative(f, order)(at) == 0


def test_strong_zeros_in_a_recorded_pass_leave_the_other_elements_alone():
    with np.errstate(all="ignore"):
        x = leaf([0.0, 4.0, 9.0])
        y = np.where(x > 0, np.sqrt(x), 0).sum()
        first = gradients(y, x, create_graph=True)
        second = gradients(first.sum(), x, create_graph=True)
        third = gradients(second.sum(), x)
    np.testing.assert_allclose(first.numpy(), [0, 1 / 4, 1 / 6])
    np.testing.assert_allclose(second.numpy(), [0, -1 / 32, -1 / 108])
    np.testing.assert_allclose(third.numpy(), [0, 3 / 8 * 4**-2.5, 3 / 8 * 9**-2.5])


def test_strong_zeros_of_a_power_in_a_recorded_pass():
    with np.errstate(all="ignore"):
        x = leaf([0.0, 4.0])
        g = np.where(x > 0, x**1.5, 0).sum()
        found = []
        for _ in range(4):
            g = gradients(g.sum(), x, create_graph=True)
            found.append(g.tolist())
    np.testing.assert_allclose(found, [[0, 3], [0, 3 / 8], [0, -3 / 64], [0, 9 / 512]], rtol=1e-12)


def test_strong_zeros_in_a_recorded_pass_with_broadcasting():
    with np.errstate(all="ignore"):
        x, scale = leaf([[0.0], [4.0]]), leaf([2.0, 3.0])
        y = np.where(x > 0, np.sqrt(x) * scale, 0).sum()
        to_x, to_scale = gradients(y, [x, scale], create_graph=True)
        mixed = gradients(to_x.sum(), scale)
    np.testing.assert_allclose(to_x.numpy(), [[0], [5 / 4]])
    np.testing.assert_allclose(to_scale.numpy(), [2, 2])
    np.testing.assert_allclose(mixed.numpy(), [1 / 4, 1 / 4])


def test_a_zero_gradient_with_a_finite_derivative_is_differentiated():
    """The Hessian of (exp(x) - 1)² at 0 is 2, although the gradient that comes in is 0."""
    assert derivative(lambda x: (np.exp(x) - 1) ** 2, 2)(0.0) == 2


# ------------------------------------------------------------------------------------------------ gradients()


class TestGradients:
    def test_touches_no_grad(self):
        x = leaf(2.0)
        assert gradients(x**2, x).item() == 4
        assert x.grad is None

    def test_one_or_several(self):
        x, w = leaf(2.0), leaf(3.0)
        y = x * w
        single, pair, array = gradients(y, x, retain_graph=True), gradients(y, (x, w), retain_graph=True), gradients(y, [x])
        assert single.item() == 3
        assert [g.item() for g in pair] == [3, 2]
        assert [g.item() for g in array] == [3]

    def test_outputs_add_up(self):
        x = leaf([1.0, 2.0])
        a, b = x * 2, x * x
        (g,) = gradients([a, b], [x], [np.array([1.0, 0.0]), np.array([0.0, 1.0])])
        assert g.tolist() == [2, 4]

    def test_an_output_that_depends_on_another(self):
        x = leaf(2.0)
        a = x * x
        b = a * a
        assert gradients([a, b], x).item() == 4 + 32

    def test_the_same_output_twice(self):
        x = leaf(2.0)
        y = x * x
        assert gradients([y, y], x, [1.0, 10.0]).item() == 44

    def test_inputs_may_be_results(self):
        x = leaf(2.0)
        h = x * x
        y = h * x
        to_h, to_x = gradients(y, [h, x])
        assert to_h.item() == 2
        assert to_x.item() == 12

    def test_an_output_may_be_an_input(self):
        x = leaf(2.0)
        y = x * x
        to_y, to_x = gradients(y, [y, x])
        assert to_y.item() == 1
        assert to_x.item() == 4

    def test_unused_inputs(self):
        x, other = leaf(2.0), leaf(2.0, name="other")
        with pytest.raises(RuntimeError, match=r"no output depends on input 1 \('other'\); give allow_unused=True"):
            gradients(x * 2, [x, other])
        to_x, to_other = gradients(x * 2, [x, other], allow_unused=True)
        assert to_x.item() == 2
        assert to_other is None

    def test_create_graph_also_under_no_grad(self):
        x = leaf(2.0)
        y = x**3
        with ad.no_grad():
            g = gradients(y, x, create_graph=True)
            assert not ad.is_grad_enabled()
        assert gradients(g, x).item() == 12

    def test_any_order(self):
        x = leaf(0.5)
        y = np.exp(2 * x)
        for order in range(1, 7):
            y = gradients(y, x, create_graph=True)
            assert y.item() == pytest.approx(2**order * np.e)

    def test_a_cotangent_that_is_tracked(self):
        x, v = leaf([1.0, 2.0]), leaf([1.0, 1.0])
        g = gradients(x**2, x, v, create_graph=True)
        assert gradients(g.sum(), v).tolist() == [2, 4]

    def test_without_create_graph_the_result_is_untracked(self):
        x = leaf(2.0)
        assert not gradients(x**2, x).requires_grad

    def test_bad_input(self):
        x = leaf([1.0, 2.0])
        with pytest.raises(RuntimeError, match="input 0 is not tracked"):
            gradients(x.sum(), Tensor(1.0))
        with pytest.raises(TypeError, match="input 0 is ndarray, expected a Tensor"):
            gradients(x.sum(), [np.ones(2)])
        with pytest.raises(TypeError, match="output 0 is float, expected a Tensor"):
            gradients([1.0], x)
        with pytest.raises(RuntimeError, match="output 0 is not tracked"):
            gradients(Tensor(1.0), x)
        with pytest.raises(RuntimeError, match=r"output 0: a tensor of shape \(2,\) is not a single number; give its cotangent"):
            gradients(x * 2, x)
        with pytest.raises(RuntimeError, match=r"output 0: a complex number .* or give its cotangent"):
            gradients(x.sum() * 1j, x)
        with pytest.raises(ValueError, match="2 outputs but 1 cotangents"):
            gradients([x.sum(), x.sum()], x, [1.0])
        with pytest.raises(ValueError, match=r"gradients: the gradient has shape \(3,\), expected \(2,\)"):
            gradients(x * 2, x, np.ones(3))


# ------------------------------------------------------------------------------------------------ create_graph


def test_grad_of_a_recorded_pass_is_tracked_and_differentiable():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    first, x.grad = x.grad, None
    first.backward()
    assert x.grad.item() == 12


def test_recorded_and_plain_passes_accumulate_into_each_other():
    x = leaf(2.0)
    (x**2).backward()
    (x**3).backward(create_graph=True)
    (x**2).backward()
    assert x.grad.item() == 4 + 12 + 4
    assert gradients(x.grad, x).item() == 12
    memory_is_its_own(x.grad)


def test_rules_that_return_constants_in_a_recorded_pass():
    constant = ad.elementwise(lambda x: x + 1, lambda g: np.ones(2), name="constant_rule")
    x = leaf([1.0, 2.0])
    y = (x * x + constant(x) + constant(x) + constant(x)).sum()
    first = gradients(y, x, create_graph=True)
    assert first.tolist() == [5, 7]
    assert gradients(first.sum(), x).tolist() == [2, 2]


def test_gradient_penalty():
    """|dy/dx|² as a part of the loss: its gradient by the weights, through a recorded pass."""
    rng = np.random.default_rng(0)
    x, w = leaf(rng.normal(size=(4, 3))), leaf(rng.normal(size=(3, 2)))

    def penalty(w):
        g = gradients(np.tanh(x @ w).sum(), x, create_graph=True)
        return (g * g).sum()

    found = gradients(penalty(w), w).numpy()
    for index in np.ndindex(3, 2):
        step = np.zeros((3, 2))
        step[index] = 1e-6
        numeric = (penalty(leaf(w.numpy() + step)).item() - penalty(leaf(w.numpy() - step)).item()) / 2e-6
        assert found[index] == pytest.approx(numeric, rel=1e-6, abs=1e-8)
