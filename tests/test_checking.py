"""check_grads finds wrong gradients of every kind, says where they are, and raises no false alarm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import declaration

X, Y = np.array([0.6, -1.3, 2.1]), np.array([[1.7], [-0.4]])


def planted(forward: Any, *rules: Any) -> Any:
    return declaration.elementwise(lambda *arrays: forward(*arrays), *rules, name="planted")  # a ufunc itself would be taken over


WRONG = {
    "wrong sign": (planted(np.cos, lambda g, x: g * np.sin(x)), (X,)),
    "wrong by a constant factor": (planted(np.sin, lambda g, x: g * np.cos(x) * 1.0001), (X,)),
    "a missing factor": (planted(lambda x: x**3, lambda g, x: g * x * x), (X,)),
    "a forgotten incoming gradient": (planted(np.sin, lambda g, x: np.cos(x)), (X,)),
    "the square of the incoming gradient": (planted(np.sin, lambda g, x: g * g * np.cos(x)), (X,)),
    "zero": (planted(np.sin, lambda g: np.zeros_like(g)), (X,)),
    "swapped arguments": (planted(np.multiply, lambda g, x1: g * x1, lambda g, x2: g * x2), (X, Y)),
    "swapped rules": (planted(np.divide, lambda g, x2, y: -g * y / x2, lambda g, x2: g / x2), (X, Y)),
    "one argument wrong": (planted(np.subtract, lambda g: g, lambda g: g), (X, Y)),
    "one element wrong": (planted(np.exp, lambda g, x, y: np.where(x == 2.1, 0, g * y)), (X,)),
    "a mixed-up order": (planted(np.sin, lambda g, x: (g * np.cos(x))[::-1]), (X,)),
    "nan": (planted(np.sin, lambda g, x: g * np.cos(x) * np.nan), (X,)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rule_is_found_at_first_order(name: str) -> None:
    f, arguments = WRONG[name]
    with pytest.raises(AssertionError, match="check_grads: planted, argument"):
        ad.check_grads(f, *arguments, order=1)


def _cut(value: Any) -> Any:
    return ad.stop_gradient(value)


SECOND = {
    "an argument taken as a constant": planted(np.square, lambda g, x: g * 2 * _cut(x)),
    "an output taken as a constant": planted(np.exp, lambda g, y: g * _cut(y)),
    "an incoming gradient taken as a constant": planted(np.sin, lambda g, x: _cut(g) * np.cos(x)),
    "a recorded pass that differs": planted(np.sin, lambda g, x: g * np.cos(x) * (2.0 if isinstance(g, ad.Tensor) else 1.0)),
    "a constant factor in the second derivative": planted(np.square, lambda g, x: g * (3 * x - _cut(x))),
}


@pytest.mark.parametrize("name", SECOND)
def test_error_of_second_order_alone_is_found(name: str) -> None:
    f = SECOND[name]
    ad.check_grads(f, X, order=1)
    with pytest.raises(AssertionError, match=r"check_grads: .*planted"):
        ad.check_grads(f, X, order=2)


def test_error_of_third_order_alone_is_found() -> None:
    f = planted(lambda x: x**3, lambda g, x: g * 3 * (x * x + (x - _cut(x)) ** 2))
    ad.check_grads(f, X, order=2)
    with pytest.raises(AssertionError, match="gradient of gradient of planted"):
        ad.check_grads(f, X, order=3)


def test_kernel_that_differs_from_its_reference_is_found() -> None:
    f = ad.fused(forward=lambda x: (np.sin(x), x), backward=lambda g, x, needs: (g * np.cos(x),), name="planted")(
        lambda x: np.sin(x) * 1.01
    )
    ad.check_grads(f, X, order=1)
    with pytest.raises(AssertionError, match=r"argument 0.*a recorded backward pass \(create_graph=True\) gives another gradient"):
        ad.check_grads(f, X)


def test_output_that_left_the_graph_is_found() -> None:
    with pytest.raises(AssertionError, match="analytic 0, numeric"):
        ad.check_grads(lambda x: np.asarray(np.sin(x.numpy())), X)


def test_wrong_complex_rule_is_found() -> None:
    z = X + 1j * X[::-1]
    ad.check_grads(planted(np.conj, lambda g: g.conj()), z)
    with pytest.raises(AssertionError, match=r"analytic .*j, numeric .*j"):
        ad.check_grads(planted(np.conj, lambda g: g), z)


# ------------------------------------------------------------------------------------------------ what it says


def test_message_names_argument_element_and_both_values() -> None:
    f = planted(np.multiply, lambda g, x2: g * x2, lambda g, x1: g * np.where(x1 == 3.0, 2 * x1, x1))

    def product(weight: Any, signal: Any) -> Any:
        return f(weight, signal).sum()

    with pytest.raises(AssertionError) as caught:
        ad.check_grads(product, np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.5, 0.5], [0.5, 0.5]]))
    text = str(caught.value)
    assert "product, argument 1 ('signal') of shape (2, 2)" in text
    assert "the worst element is [1, 0]" in text
    analytic, numeric = (float(text.split(f"{word} ")[1].split()[0].rstrip(",.")) for word in ("analytic", "numeric"))
    assert analytic == pytest.approx(2 * numeric, rel=1e-6)


def test_message_names_the_second_order() -> None:
    with pytest.raises(AssertionError, match=r"gradient of planted, argument 0 .*\[\d\]: analytic .*, numeric "):
        ad.check_grads(SECOND["an argument taken as a constant"], X)
    with pytest.raises(
        AssertionError, match=r"gradient of planted, the incoming gradient of output 0 of shape \(3,\).*: analytic 0, numeric "
    ):
        ad.check_grads(SECOND["an incoming gradient taken as a constant"], X)


def test_one_wrong_element_among_many_is_found() -> None:
    x = np.linspace(0.1, 0.9, 5000).reshape(50, 100)
    f = planted(np.sin, lambda g, x: np.where(x == 0.1, 0.9 * g, g * np.cos(x)))
    ad.check_grads(np.sin, x)
    with pytest.raises(AssertionError, match="the worst element of 1000 looked at"):
        ad.check_grads(planted(np.sin, lambda g, x: g * np.cos(x) * 1.01), x, order=1)
    with pytest.raises(AssertionError, match="analytic"):
        ad.check_grads(f, x, order=1)


# ------------------------------------------------------------------------------------------------ no false alarm


def test_right_gradients_pass_at_hard_places() -> None:
    ad.check_grads(np.log, np.array([1e-7, 1e-3, 1.0, 1e8]))  # steps must fit both ends
    ad.check_grads(np.exp, np.array([-30.0, 0.0, 30.0]))
    ad.check_grads(lambda x: np.sin(50 * x), X)  # strongly curved
    ad.check_grads(lambda x: 1e7 + np.sin(x), X)  # a value far larger than its changes
    ad.check_grads(lambda x: 1e-9 * np.sin(x), X)
    ad.check_grads(lambda x: np.where(x > 0, np.sqrt(np.maximum(x, 1e-9)), 0).sum(), X)


def test_small_gradients_are_checked_too() -> None:
    f = planted(np.sin, lambda g, x: g * np.cos(x) * 1.5)
    with pytest.raises(AssertionError):
        ad.check_grads(lambda x: f(x) * 1e-3, X)


def test_sums_that_cancel_are_no_excuse() -> None:
    """The slope of x.sum() weighted by equal numbers would hide errors of opposite sign."""
    f = planted(np.positive, lambda g: g + np.array([0.1, -0.1]))
    with pytest.raises(AssertionError):
        ad.check_grads(lambda x: f(x).sum(), np.array([1.0, 2.0]))


def test_several_outputs_and_arguments_of_every_kind() -> None:
    def f(x: Any, n: int, z: Any, k: float) -> Any:
        return x * n, (z * z.conj()).real * k, np.argmax(x)

    ad.check_grads(f, X, 3, X + 1j, 0.5)
    ad.check_grads(lambda x: (x[:0], x.sum()), X)
    ad.check_grads(lambda x, y: x * 2, X, np.zeros((0, 2)))
    ad.check_grads(lambda x: np.floor(x), np.array([0.3, 1.6]))
    ad.check_grads(lambda x: x * 2, ad.Tensor(X))


def test_kinks_agree_where_the_minimum_norm_choice_lies_in_the_middle() -> None:
    ad.check_grads(np.abs, np.array([0.0, 1.0]), order=1)
    ad.check_grads(lambda x: np.maximum(x, 0.0), np.array([0.0, 1.0]), order=1)
    with pytest.raises(AssertionError, match=r"\[0\]: analytic 0, numeric"):
        ad.check_grads(lambda x: np.clip(x, 0.0, 2.0), np.array([0.0, 1.0]), order=1)


def test_noise_is_not_called_a_wrong_gradient() -> None:
    rng = np.random.default_rng(0)

    def noisy(x: Any) -> Any:
        return x * x + 1e-3 * rng.standard_normal(x.shape)

    with pytest.raises(AssertionError, match="no steps of the difference quotient agree"):
        ad.check_grads(noisy, X, order=1)


# ------------------------------------------------------------------------------------------------ what it refuses


def test_a_function_that_uses_the_given_tensor_in_place_of_its_argument_is_refused() -> None:
    w = ad.Tensor(X, requires_grad=True)
    wrong = planted(np.sin, lambda g, x: 2 * g)
    with pytest.raises(ValueError, match=r"does not depend on argument 0: it uses the Tensor that was given .* could never fail"):
        ad.check_grads(lambda *p: wrong(w).sum(), w)
    with pytest.raises(ValueError, match=r"check the parameters of a model: .*nn\.utils\.functional_call\(model, dict\("):
        ad.check_grads(lambda *p: wrong(w).sum(), w)
    with pytest.raises(AssertionError, match="analytic"):
        ad.check_grads(lambda *p: wrong(p[0]).sum(), w)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: x * 2, lambda x, y: x.sum() + 0 * len(y), lambda x, y: x * np.zeros_like(y), lambda x, y: x * np.ones(3),
        lambda x, y: (x, np.argmax(x)), lambda x, y: x * np.ones(y.shape),
    ],
)  # fmt: skip
def test_an_argument_without_influence_is_refused(f: Any) -> None:
    with pytest.raises(ValueError, match=r"does not depend on argument 1 \('y'\): no recorded operation leads from there"):
        ad.check_grads(f, X, X)


@pytest.mark.parametrize(
    "f",
    [
        np.sign, np.floor, np.rint, np.trunc, np.argmax, np.count_nonzero, np.isnan, lambda x: x > 0,
        lambda x: ad.heaviside(x, 0.5), lambda x: np.where(x > 0, 1.0, 2.0), lambda x: (x > 0).astype(float),
        lambda x: np.argsort(x).astype(float), lambda x: x // 1, lambda x: x * 0.0,
        lambda x: (np.sin(x), np.argmax(x)), lambda x: ad.Tensor(np.rint(x.numpy())), lambda x: ad.norm(x, 0),
    ],
)  # fmt: skip
def test_a_gradient_that_is_zero_by_right_passes(f: Any) -> None:
    ad.check_grads(f, X)


def test_an_argument_that_is_looked_at_but_objected_to_counts_as_used() -> None:
    def f(x: Any) -> Any:
        if x.numpy().tolist() != X.tolist() and abs(x.numpy() - X).max() > 0.1:
            raise ValueError("another one")
        return ad.Tensor(1.0)

    ad.check_grads(f, X)


def test_a_float32_result_is_refused_with_the_cure() -> None:
    w = ad.Tensor(X, dtype=np.float32)
    with pytest.raises(TypeError, match=r"returned float32 for float64 arguments.*model\.double\(\)"):
        ad.check_grads(lambda x: x.astype(np.float32) * w, X)
    with pytest.raises(TypeError, match="returned complex64 as output 1"):
        ad.check_grads(lambda x: (x, x.astype(np.complex64)), X)
    with pytest.raises(AssertionError, match=r"result on the way, of 'astype', is float32.*may well be right.*model\.double\(\)"):
        ad.check_grads(lambda x: np.exp((x.astype(np.float32) * w).astype(float)), X)
    ad.check_grads(lambda x: x * w, X)  # float32 constants are exact
    with pytest.raises(AssertionError) as error:
        ad.check_grads(planted(np.sin, lambda g: g), X)
    assert "on the way" not in str(error.value)


def test_float32_is_refused_with_the_reason() -> None:
    with pytest.raises(
        TypeError, match=r"argument 1 \('y'\) has dtype float32, expected float64 or complex128: a difference quotient loses"
    ):
        ad.check_grads(lambda x, y: x * y, X, X.astype(np.float32))


def test_integers_alone_are_refused() -> None:
    with pytest.raises(TypeError, match="no argument is a floating array"):
        ad.check_grads(lambda x: x * 2, np.array([1, 2]))


def test_order_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        ad.check_grads(np.sin, X, order=0)


def test_value_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite at these arguments"), np.errstate(divide="ignore"):
        ad.check_grads(np.log, np.array([0.0, 1.0]))


def test_directions_come_from_the_given_generator() -> None:
    state = np.random.default_rng(7)
    before = state.bit_generator.state
    ad.check_grads(np.sin, X, rng=state)
    assert state.bit_generator.state != before
