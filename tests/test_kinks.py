"""The table of meanings at kinks, steps and strong zeros: a test on each line, and PyTorch's choice beside ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad

inf, nan = np.inf, np.nan


def slope(f: Callable[..., Any], *values: Any) -> list[Any]:
    """Return the gradient of the sum of `f` by each argument."""
    tensors = [ad.Tensor(v, dtype=float, requires_grad=True) for v in values]
    f(*tensors).sum().backward()
    return [np.zeros(t.shape).tolist() if t.grad is None else t.grad.tolist() for t in tensors]


# name: (function of arrays, arguments, our gradients, the same in PyTorch, PyTorch's gradients)
KINKS: dict[str, tuple[Any, tuple[Any, ...], list[Any], Any, list[Any]]] = {
    "abs(0)": (np.abs, (0.0,), [0.0], lambda t, x: t.abs(x), [0.0]),
    "fabs(0)": (np.fabs, (0.0,), [0.0], lambda t, x: t.abs(x), [0.0]),
    "maximum(x, 0.) at 0": (lambda x: np.maximum(x, 0.0), (0.0,), [0.5], lambda t, x: t.maximum(x, t.zeros_like(x)), [0.5]),
    "maximum(x, x')": (np.maximum, (2.0, 2.0), [0.5, 0.5], lambda t, x, y: t.maximum(x, y), [0.5, 0.5]),
    "minimum(x, x')": (np.minimum, (2.0, 2.0), [0.5, 0.5], lambda t, x, y: t.minimum(x, y), [0.5, 0.5]),
    "clip at the lower bound": (lambda x: np.clip(x, 0.0, 1.0), (0.0,), [0.0], lambda t, x: t.clamp(x, 0.0, 1.0), [1.0]),
    "clip at the upper bound": (lambda x: np.clip(x, 0.0, 1.0), (1.0,), [0.0], lambda t, x: t.clamp(x, 0.0, 1.0), [1.0]),
    "clip at an array": (lambda x, b: np.clip(x, b, None), (1.0, 1.0), [0.5, 0.5], lambda t, x, b: t.clamp(x, min=b), [1.0, 0.0]),
    "max of ties": (np.max, ([3.0, 1.0, 3.0],), [[0.5, 0.0, 0.5]], lambda t, x: t.amax(x), [[0.5, 0.0, 0.5]]),
    "min of ties": (
        np.min,
        ([[1.0, 1.0], [1.0, 2.0]],),
        [[[1 / 3, 1 / 3], [1 / 3, 0.0]]],
        lambda t, x: t.amin(x),
        [[[1 / 3, 1 / 3], [1 / 3, 0.0]]],
    ),
    "running maximum of ties": (
        np.maximum.accumulate,
        ([2.0, 2.0],),
        [[1.0, 1.0]],
        lambda t, x: t.cummax(x, 0).values,
        [[1.0, 1.0]],
    ),
    "norm(0)": (np.linalg.norm, ([0.0, 0.0],), [[0.0, 0.0]], lambda t, x: t.linalg.vector_norm(x), [[0.0, 0.0]]),
    "1-norm at 0": (
        lambda x: np.linalg.norm(x, 1),
        ([0.0, 2.0],),
        [[0.0, 1.0]],
        lambda t, x: t.linalg.vector_norm(x, 1),
        [[0.0, 1.0]],
    ),
    "3-norm(0)": (
        lambda x: np.linalg.norm(x, 3),
        ([0.0, 0.0],),
        [[0.0, 0.0]],
        lambda t, x: t.linalg.vector_norm(x, 3),
        [[0.0, 0.0]],
    ),
    "half-norm at a 0": (
        lambda x: np.linalg.norm(x, 0.5),
        ([0.0, 4.0],),
        [[0.0, 1.0]],
        lambda t, x: t.linalg.vector_norm(x, 0.5),
        [[0.0, 1.0]],
    ),
    "inf-norm of ties": (
        lambda x: np.linalg.norm(x, inf),
        ([2.0, -2.0],),
        [[0.5, -0.5]],
        lambda t, x: t.linalg.vector_norm(x, inf),
        [[0.5, -0.5]],
    ),
    "hypot(0, 0)": (np.hypot, (0.0, 0.0), [0.0, 0.0], lambda t, x, y: t.hypot(x, y), [nan, nan]),
    "std of a constant": (np.std, ([2.0, 2.0, 2.0],), [[0.0] * 3], lambda t, x: t.std(x, correction=0), [[0.0] * 3]),
    "std of a constant that is rounded": (
        np.std,
        ([0.1, 0.1, 0.1],),
        [[0.0] * 3],
        None,  # -1/3 each, or whatever the rounding of the mean makes of it
        [],
    ),
    "sqrt(0)": (np.sqrt, (0.0,), [inf], lambda t, x: t.sqrt(x), [inf]),
    "log(0)": (np.log, (0.0,), [inf], lambda t, x: t.log(x), [inf]),
    "sign": (np.sign, ([-1.0, 0.0, 1.0],), [[0.0, 0.0, 0.0]], lambda t, x: t.sign(x), [[0.0, 0.0, 0.0]]),
    "floor": (np.floor, ([1.0, 1.5],), [[0.0, 0.0]], lambda t, x: t.floor(x), [[0.0, 0.0]]),
    "ceil": (np.ceil, ([1.0, 1.5],), [[0.0, 0.0]], lambda t, x: t.ceil(x), [[0.0, 0.0]]),
    "rint": (np.rint, ([1.0, 1.5],), [[0.0, 0.0]], lambda t, x: t.round(x), [[0.0, 0.0]]),
    "round": (np.round, ([1.0, 1.5],), [[0.0, 0.0]], lambda t, x: t.round(x), [[0.0, 0.0]]),
    "trunc": (np.trunc, ([1.0, 1.5],), [[0.0, 0.0]], lambda t, x: t.trunc(x), [[0.0, 0.0]]),
    "heaviside": (np.heaviside, ([-1.0, 0.0, 1.0], 0.3), [[0.0, 0.0, 0.0], 1.0], None, []),
    "floor_divide": (np.floor_divide, ([4.0, 5.0], 2.0), [[0.0, 0.0], 0.0], None, []),
    "remainder": (np.remainder, (4.0, 2.0), [1.0, -2.0], lambda t, x, y: t.remainder(x, y), [1.0, -2.0]),
    "logaddexp(-inf, -inf)": (np.logaddexp, (-inf, -inf), [0.5, 0.5], lambda t, x, y: t.logaddexp(x, y), [nan, nan]),
    "logaddexp(inf, 0)": (np.logaddexp, (inf, 0.0), [1.0, 0.0], lambda t, x, y: t.logaddexp(x, y), [1.0, 0.0]),
    "logsumexp with -inf": (
        ad.logsumexp,
        ([-inf, 0.0, 0.0],),
        [[0.0, 0.5, 0.5]],
        lambda t, x: t.logsumexp(x, 0),
        [[0.0, 0.5, 0.5]],
    ),
    "logsumexp of -inf": (ad.logsumexp, ([-inf, -inf],), [[0.0, 0.0]], lambda t, x: t.logsumexp(x, 0), [[nan, nan]]),
    "0 ** 2": (np.power, (0.0, 2.0), [0.0, 0.0], lambda t, x, y: t.pow(x, y), [0.0, 0.0]),
    "0 ** 1": (np.power, (0.0, 1.0), [1.0, 0.0], lambda t, x, y: t.pow(x, y), [1.0, 0.0]),
    "0 ** 0.5": (np.power, (0.0, 0.5), [inf, 0.0], lambda t, x, y: t.pow(x, y), [inf, 0.0]),
    "0 ** 0": (np.power, (0.0, 0.0), [0.0, -inf], lambda t, x, y: t.pow(x, y), [0.0, 0.0]),
    "0 ** 0, a constant exponent": (lambda x: x**0, (0.0,), [0.0], lambda t, x: x**0, [0.0]),
    "(-2) ** 3": (np.power, (-2.0, 3.0), [12.0, nan], lambda t, x, y: t.pow(x, y), [12.0, nan]),
    "prod with one zero": (np.prod, ([2.0, 0.0, 3.0],), [[0.0, 6.0, 0.0]], lambda t, x: t.prod(x), [[0.0, 6.0, 0.0]]),
    "prod with two zeros": (np.prod, ([0.0, 0.0, 3.0],), [[0.0, 0.0, 0.0]], lambda t, x: t.prod(x), [[0.0, 0.0, 0.0]]),
    "maximum of nothing less than inf": (
        lambda x: np.log(np.maximum(x, 0.0)),
        (-1.0,),
        [0.0],
        lambda t, x: t.log(t.maximum(x, t.zeros_like(x))),
        [0.0],
    ),
    "clip below log": (lambda x: np.log(np.clip(x, 0.0, 1.0)), (-1.0,), [0.0], lambda t, x: t.log(t.clamp(x, 0.0, 1.0)), [0.0]),
    "max below log": (lambda x: np.log(np.max(x)), ([0.0, -1.0],), [[inf, 0.0]], lambda t, x: t.log(t.amax(x)), [[inf, nan]]),
}


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_gradient_at_a_kink(name: str) -> None:
    f, arguments, expected, _, _ = KINKS[name]
    for found, known in zip(slope(f, *arguments), expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name, entry in KINKS.items() if entry[3] is not None])
def test_the_table_tells_the_truth_about_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the column of PyTorch's choices is checked where PyTorch is installed")
    _, arguments, _, theirs, expected = KINKS[name]
    tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arguments]
    theirs(torch, *tensors).sum().backward()
    for tensor, known in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), known, rtol=1e-12)


def hessian(f: Callable[..., Any], x: Any) -> np.ndarray:
    tensor = ad.Tensor(x, dtype=float, requires_grad=True)
    g = ad.gradients(f(tensor).sum(), tensor, create_graph=True)
    rows = []
    for i in range(tensor.size):
        row = ad.gradients(g.reshape(-1)[i], tensor, retain_graph=True, allow_unused=True) if g.requires_grad else None
        rows.append(np.zeros(tensor.size) if row is None else row.numpy().ravel())
    return np.array(rows)


@pytest.mark.parametrize("f", [np.abs, np.linalg.norm, np.std, lambda x: np.hypot(x[0], x[1]), lambda x: np.linalg.norm(x, 3)])
def test_second_derivative_where_the_first_was_chosen_to_be_zero(f: Any) -> None:
    np.testing.assert_array_equal(hessian(f, [0.0, 0.0]), np.zeros((2, 2)))


def test_zero_to_a_power_to_second_order() -> None:
    def power(v: Any) -> Any:
        return v[0] ** v[1]

    np.testing.assert_array_equal(hessian(power, [0.0, 2.0]), [[2.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(hessian(power, [0.0, 3.0]), np.zeros((2, 2)))
    np.testing.assert_allclose(hessian(power, [2.0, 0.0]), [[0.0, 0.5], [0.5, np.log(2) ** 2]])
    np.testing.assert_array_equal(hessian(lambda x: x**2, [0.0]), [[2.0]])
    np.testing.assert_array_equal(hessian(lambda x: x**0, [0.0]), [[0.0]])
    np.testing.assert_array_equal(hessian(lambda x: x**1, [0.0]), [[0.0]])


def test_products_with_zeros_to_second_order() -> None:
    np.testing.assert_array_equal(hessian(np.prod, [0.0, 0.0, 3.0]), [[0, 3, 0], [3, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(hessian(np.prod, [0.0, 0.0, 0.0]), np.zeros((3, 3)))
    np.testing.assert_array_equal(hessian(lambda x: np.cumprod(x)[-1], [0.0, 2.0, 3.0]), [[0, 3, 2], [3, 0, 0], [2, 0, 0]])


def test_logsumexp_with_minus_infinity_to_second_order() -> None:
    np.testing.assert_allclose(hessian(ad.logsumexp, [-inf, 0.0, 0.0]), [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]], atol=1e-15)
    np.testing.assert_array_equal(hessian(ad.logsumexp, [-inf, -inf]), np.zeros((2, 2)))
    np.testing.assert_allclose(hessian(ad.logsumexp, [1e4, 1e4]), [[0.25, -0.25], [-0.25, 0.25]])


# ------------------------------------------------------------------------------------------------ strong zeros

# name: (function, arguments: the element whose gradient is expected to be 0 is the singular one, gradient, second derivatives)
STRONG: dict[str, tuple[Any, list[float], list[float], list[float]]] = {
    "where of sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    "where of log": (lambda x: np.where(x > 0, np.log(x), 0.0), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 16]),
    "where of 1/x": (lambda x: np.where(x > 0, 1 / x, 0.0), [0.0, 2.0], [0.0, -0.25], [0.0, 0.25]),
    "where of a fractional power": (lambda x: np.where(x > 0, x**0.5, 0.0), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    "where of a power of arrays": (
        lambda x: np.where(x > 0, np.power(x, np.full(2, 0.5)), 0.0),
        [0.0, 4.0],
        [0.0, 0.25],
        [0.0, -1 / 32],
    ),
    "zero times sqrt": (lambda x: np.sqrt(x) * np.array([0.0, 1.0]), [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    "a part not taken": (lambda x: np.sqrt(x)[1:], [0.0, 4.0], [0.0, 0.25], [0.0, -1 / 32]),
    "the smaller of two": (lambda x: np.maximum(np.cbrt(x), 1.0), [0.0, 8.0], [0.0, 1 / 12], [0.0, -1 / 144]),
    "arcsin at the edge": (lambda x: np.where(x < 1, np.arcsin(x), 0.0), [1.0, 0.5], [0.0, 0.75**-0.5], [0.0, 0.5 * 0.75**-1.5]),
}


@pytest.mark.parametrize("name", STRONG)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_strong_zero(name: str) -> None:
    f, x, first, second = STRONG[name]
    np.testing.assert_allclose(slope(f, x)[0], first, rtol=1e-12)
    np.testing.assert_allclose(hessian(f, x), np.diag(second), rtol=1e-12)


def test_strong_zero_does_not_break_the_second_derivative() -> None:
    np.testing.assert_allclose(hessian(lambda x: (np.exp(x) - 1) ** 2, [0.0]), [[2.0]])
    np.testing.assert_allclose(hessian(lambda x: x**3, [0.0, 1.0]), [[0, 0], [0, 6]])


def test_nan_in_the_data_is_never_hidden() -> None:
    assert np.isnan(slope(np.sin, [nan])[0][0])
    assert np.isnan(slope(lambda x: x * nan, [1.0])[0][0])
    assert np.isnan(slope(lambda x: np.where([True], x * nan, 0.0), [1.0])[0][0])
    assert np.isnan(slope(lambda x: np.sqrt(x) * np.array([0.0]), [nan])[0][0])


def test_nan_of_infinite_times_zero_without_a_zero_gradient_stays() -> None:
    """sqrt(x * x) at 0: the incoming gradient is inf, the local derivative 0: nothing says which of them wins."""
    assert np.isnan(slope(lambda x: np.sqrt(x * x), [0.0])[0][0])


# ------------------------------------------------------------------------------------------------ tracked, untracked, zero


@pytest.mark.parametrize(
    "f",
    [
        np.argmax,
        np.argmin,
        np.argsort,
        np.isnan,
        lambda x: x > 0,
        lambda x: x == x,
        lambda x: x.astype(int),
        np.any,
        np.nonzero,
    ],
)
def test_integers_and_booleans_are_untracked(f: Any) -> None:
    result = f(ad.Tensor([1.0, 2.0], requires_grad=True))
    for part in result if isinstance(result, tuple) else (result,):
        assert isinstance(part, ad.Tensor)
        assert not part.requires_grad


@pytest.mark.parametrize(
    "f", [np.sign, np.floor, np.ceil, np.round, np.rint, np.trunc, lambda x: np.heaviside(x, 0.5), lambda x: x // 2]
)
def test_steps_are_tracked_with_zero_gradient(f: Any) -> None:
    x = ad.Tensor([1.3, -2.7], requires_grad=True)
    y = f(x)
    assert y.requires_grad
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0])


def test_sort_has_a_gradient() -> None:
    assert slope(lambda x: np.sort(x) * np.array([1.0, 2.0, 3.0]), [2.0, 0.0, 1.0]) == [[3.0, 1.0, 2.0]]


def test_a_nan_wins_a_maximum_and_gets_its_gradient() -> None:
    np.testing.assert_array_equal(slope(np.max, [1.0, nan, 2.0])[0], [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(slope(np.maximum.accumulate, [1.0, nan, 2.0])[0], [1.0, 2.0, 0.0])
