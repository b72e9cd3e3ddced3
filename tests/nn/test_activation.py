"""Activations element by element: one table of cases (activation_cases.py), and what must hold for each."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff import Tensor, blocks

from .activation_cases import CASES, Case

EXTREME = np.array([-1e4, -300.0, -90.0, -21.0, 21.0, 90.0, 300.0, 1e4])

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def with_gradient(call: Any, data: np.ndarray, weights: Any = 1.0) -> tuple[Any, Any]:
    x = Tensor(data, requires_grad=True)
    y = call(x)
    (y * np.asarray(weights, y.dtype)).sum().backward()
    assert x.grad is not None
    return y.numpy(), x.grad.numpy()


# ------------------------------------------------------------------------------------------------ values and gradients


@every_case
def test_value_is_that_of_the_definition(case: Case) -> None:
    x = case.points(50, 40)
    np.testing.assert_allclose(case(x).numpy(), case.defined(x), rtol=1e-13, atol=1e-15)


@every_case
def test_gradients_to_second_order(case: Case) -> None:
    call = case if case.function is not nn.functional.step else (lambda x: case(x) + 0 * x)
    for x in (case.points(3, 4), case.points(3, 8)[:, ::2], case.points(3, 4).T, case.points(), case.points(0, 2)):
        ad.check_grads(call, x)


@every_case
def test_values_and_gradients_are_those_of_pytorch(case: Case) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    if case.torch_name is None:
        assert not hasattr(torch.nn.functional, case.function.__name__)
        return
    data = np.concatenate([case.points(30, 8), np.broadcast_to(EXTREME, (1, 8))])
    weights = np.random.default_rng(1).standard_normal(data.shape)
    y, dx = with_gradient(case, data, weights)
    theirs = torch.tensor(data, requires_grad=True)
    z = getattr(torch.nn.functional, case.torch_name)(theirs, **case.options)
    (z * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(y, z.detach().numpy(), rtol=1e-12, atol=1e-14)
    rtol = 4e-8 if case.function is nn.functional.hardsigmoid else 1e-11  # PyTorch's slope is a sixth in float32
    np.testing.assert_allclose(dx, theirs.grad.numpy(), rtol=rtol, atol=1e-14)


@every_case
def test_repr_is_that_of_pytorch(case: Case) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    if case.torch_name is not None:
        assert repr(getattr(torch.nn, case.module.__name__)(**case.options)) == case.shown


# ------------------------------------------------------------------------------------------------ the extremes


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_two_derivatives_at_the_extremes(case: Case, dtype: Any) -> None:
    x = Tensor(EXTREME.astype(dtype), requires_grad=True)
    with np.errstate(all="raise", under="ignore"):
        y = case(x)
    weights = np.arange(1, 9, dtype=dtype)
    (first,) = ad.gradients((y * weights).sum(), [x], create_graph=True)
    tolerance = 1e-6 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(y.numpy(), case.defined(EXTREME), rtol=tolerance, atol=1e-8)
    left, right = case(np.array([-50.0, -51.0])).numpy(), case(np.array([51.0, 50.0])).numpy()
    slopes = np.repeat([left[0] - left[1], right[0] - right[1]], [3, 4])  # of the straight lines that all of them become
    np.testing.assert_allclose(
        first.numpy()[[0, 1, 2, 4, 5, 6, 7]], (slopes * weights[[0, 1, 2, 4, 5, 6, 7]]), rtol=1e-3, atol=2e-2
    )
    assert np.isfinite(first.numpy()).all()
    if first.requires_grad:
        second = ad.gradients((first * weights).sum(), x, allow_unused=True)
        assert second is None or np.isfinite(second.numpy()).all()
    else:
        assert case.straight


@every_case
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_at_infinity_and_nan(case: Case, dtype: Any) -> None:
    for x, limit in zip((-np.inf, np.inf), case.limits, strict=True):
        if limit is not None:
            y = case(np.array([x], dtype)).numpy()
            np.testing.assert_allclose(y, [limit], rtol=1e-3 if dtype is np.float16 else 1e-6)
    assert np.isnan(case(np.array([np.nan], dtype)).numpy()).all(), "nan in the data is not hidden"


@every_case
def test_two_derivatives_of_float16_at_the_extremes(case: Case) -> None:
    x = Tensor(EXTREME.astype(np.float16), requires_grad=True)
    ones = np.ones(x.shape, np.float16)
    with np.errstate(all="raise", under="ignore"):
        first = ad.gradients(case(x), x, ones, create_graph=True)
    assert first.dtype == np.float16
    np.testing.assert_allclose(first.numpy(), with_gradient(case, EXTREME)[1], rtol=2e-3, atol=1e-3)
    if first.requires_grad:
        second = ad.gradients(first, x, ones, allow_unused=True)
        assert second is None or np.isfinite(second.numpy()).all()


def test_infinities_of_both_signs_are_no_nan() -> None:
    """Warnings are errors in tests."""
    assert nn.functional.step([np.inf, -np.inf]).tolist() == [1, 0]
    assert nn.functional.step(np.full(3, 6e4, np.float16)).tolist() == [1, 1, 1]
    for value in (-np.inf, np.inf):
        x = Tensor([0.0, 0.5, 1.0], requires_grad=True)
        y = nn.functional.threshold(x, 0.5, value)
        assert y.tolist() == [value, value, 1.0]
        assert ad.gradients(y, x, np.ones(3)).tolist() == [0, 0, 1]
    assert nn.functional.threshold([-np.inf, 0.5], -np.inf, 3.0).tolist() == [3.0, 0.5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_softplus_is_its_input_above_a_negative_threshold_too(beta: float, dtype: Any) -> None:
    x = Tensor(np.array([-3.0, -0.6, -0.2, 0.5, 3.0], dtype), requires_grad=True)
    call = nn.functional.softplus
    y = call(x, beta, -1.0)
    above = beta * x.numpy() > -1
    np.testing.assert_array_equal(y.numpy(), np.where(above, x.numpy(), call(x.numpy(), beta).numpy()))
    kernel = ad.gradients(y, x, np.ones(5, dtype), retain_graph=True)
    np.testing.assert_array_equal(kernel.numpy()[above], 1)
    np.testing.assert_allclose(ad.gradients(y, x, np.ones(5, dtype), create_graph=True).numpy(), kernel.numpy(), rtol=1e-6)


# ------------------------------------------------------------------------------------------------ dtypes, shapes, layouts


@every_case
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float16, 2e-3), (np.longdouble, 1e-14)])
def test_other_precisions_are_close_to_double_and_stay_what_they_are(case: Case, dtype: Any, tolerance: float) -> None:
    data = case.points(40, 30, seed=3).astype(np.float16)  # which all of them can hold
    weights = np.random.default_rng(1).standard_normal(data.shape).astype(np.float16)
    exact = with_gradient(case, data.astype(np.float64), weights)
    close = with_gradient(case, data.astype(dtype), weights)
    for a, b in zip(exact, close, strict=True):
        assert b.dtype == dtype
        np.testing.assert_allclose(b, a, rtol=tolerance * 3, atol=tolerance)


RELATIVE = ["sigmoid", "logsigmoid", "softplus", "elu", "celu", "gelu", "gelu-tanh", "silu", "mish", "tanh", "softsign"]


@pytest.mark.parametrize("name", RELATIVE)
def test_float32_keeps_its_digits_where_the_value_is_small(name: str) -> None:
    """1 + erf, log(1 + z) and exp - 1 would leave none."""
    case = CASES[name]
    x = np.concatenate([-np.logspace(-6, 0.9, 300), np.linspace(-8, 8, 400)])
    x = x.astype(np.float32)
    y, dx = with_gradient(case, x)
    exact, slope = with_gradient(case, x.astype(float))
    np.testing.assert_allclose(y, exact, rtol=8e-6)
    np.testing.assert_allclose(dx, slope, rtol=1e-5, atol=3e-7)


@every_case
def test_integers_and_numbers(case: Case) -> None:
    keep = case.function in (nn.functional.relu, nn.functional.relu6)
    for data in (np.array([-4, -1, 0, 2, 9]), [-4, -1, 0, 2, 9]):
        y = case(data)
        assert y.dtype == (np.int64 if keep else np.float64)
        np.testing.assert_allclose(y.numpy(), case(np.array(data, float)).numpy(), rtol=1e-14)
    for number in (1.25, 2, np.float64(1.25), np.array(1.25)):
        y = case(number)
        assert y.shape == ()
        assert y.item() == pytest.approx(float(case.defined(np.array(float(number)))), rel=1e-14)
    assert case(np.float32(1.25)).dtype == np.float32


COMPLEX = ("relu", "relu6", "sigmoid", "tanh")  # these leave it to NumPy


@pytest.mark.parametrize("name", [name for name in CASES if name not in COMPLEX])
def test_complex_numbers_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="expected real numbers, got dtype complex128"):
        CASES[name](np.array([1j]))


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arrays_of_any_layout_are_computed_in_parts_that_fit(case: Case, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    data = case.points(4, 30, 50).astype(dtype)
    weights = np.random.default_rng(1).standard_normal(data.shape).astype(dtype)
    y, dx = with_gradient(case, data, weights)
    one_by_one = [with_gradient(case, part, w) for part, w in zip(data.reshape(-1, 50), weights.reshape(-1, 50), strict=True)]
    np.testing.assert_allclose(y, np.reshape([part for part, _ in one_by_one], y.shape), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(dx, np.reshape([part for _, part in one_by_one], y.shape), rtol=1e-5, atol=1e-6)
    for turn in ((2, 0, 1), (1, 0, 2), (0, 2, 1)):
        turned = with_gradient(case, data.transpose(turn), weights.transpose(turn))
        np.testing.assert_array_equal(turned[0], y.transpose(turn))
        np.testing.assert_allclose(turned[1], dx.transpose(turn), rtol=1e-6, atol=1e-7)
    thin = with_gradient(lambda x: case(x[:, ::-2, ::3]), data, weights[:, ::-2, ::3])
    np.testing.assert_allclose(thin[0], y[:, ::-2, ::3], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(thin[1][:, ::-2, ::3], dx[:, ::-2, ::3], rtol=1e-5, atol=1e-6)


@every_case
def test_under_no_grad_the_value_is_the_same(case: Case) -> None:
    x = Tensor(case.points(7, 9), requires_grad=True)
    with ad.no_grad():
        y = case(x)
    assert not y.requires_grad
    np.testing.assert_array_equal(y.numpy(), case(x).numpy())


# ------------------------------------------------------------------------------------------------ kernels, kinks, modules


@every_case
def test_a_recorded_pass_gives_the_same_gradient_at_the_kinks_too(case: Case) -> None:
    """Of fused operations it differentiates the reference."""
    points = np.concatenate([case.points(50), case.kinks, [0.0, -0.0], EXTREME])
    for dtype in (np.float64, np.float32):
        x = Tensor(points.astype(dtype), requires_grad=True)
        weights = np.random.default_rng(1).standard_normal(points.shape).astype(dtype)
        plain = ad.gradients((case(x) * weights).sum(), x)
        recorded = ad.gradients((case(x) * weights).sum(), x, create_graph=True)
        assert plain.dtype == recorded.dtype == dtype
        tolerance = 1e-13 if dtype is np.float64 else 4e-6
        np.testing.assert_allclose(plain.numpy(), recorded.numpy(), rtol=tolerance, atol=tolerance)


@every_case
def test_references_have_the_values_of_their_kernels(case: Case) -> None:
    x = Tensor(case.points(20), requires_grad=True)
    y = case(x)
    operation = y._node.operation  # type: ignore[union-attr]
    if operation.reference is not None:
        raw, _ = y._node.saved  # type: ignore[union-attr]
        np.testing.assert_allclose(
            ad.asarray(operation.reference(Tensor(raw[0]), *raw[1:])).numpy(), y.numpy(), rtol=1e-14, atol=1e-15
        )


KINKED = {name: case for name, case in CASES.items() if case.kinks and case.function is not nn.functional.softplus}  # as PyTorch


@pytest.mark.parametrize("case", KINKED.values(), ids=KINKED.keys())
def test_at_a_kink_the_derivative_is_the_least_slope_nearby(case: Case) -> None:
    for kink in case.kinks:
        apart = np.array([kink - 1e-7, kink + 1e-7])
        _, (left, right) = with_gradient(case, apart)
        _, at = with_gradient(case, np.array([kink]))
        jump = np.abs(np.diff(case(apart).numpy())).item() > 1e-3
        least = 0.0 if left * right < 0 else min(left, right, key=abs)
        assert at == pytest.approx(0.0 if jump else least, abs=1e-6)


@every_case
def test_a_module_is_its_function(case: Case) -> None:
    module = case.make().eval()
    x = case.points(3, 4)
    assert repr(module) == case.shown
    np.testing.assert_array_equal(module(Tensor(x)).numpy(), case(x).numpy())
    assert list(module.parameters()) == []
    assert module.state_dict() == {}
    positional = case.module(*case.options.values()) if case.function is not nn.functional.step else module
    assert repr(positional) == case.shown


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (70, 100), (100, 70), (5000,)])
def test_relu_of_every_size(shape: tuple[int, ...]) -> None:
    data = np.random.default_rng(0).standard_normal(shape)
    y, dx = with_gradient(nn.functional.relu, data)
    np.testing.assert_array_equal(y, np.where(data > 0, data, 0))
    np.testing.assert_array_equal(dx, (data > 0).astype(float))


# ------------------------------------------------------------------------------------------------ as PyTorch is called

# those that have it in PyTorch
INPLACE = ["ReLU", "ReLU6", "Hardtanh", "Threshold", "LeakyReLU", "RReLU", "ELU", "CELU", "SELU", "SiLU", "Mish"]
INPLACE += ["Hardswish", "Hardsigmoid"]  # which do not show it there


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_is_taken_and_has_no_effect(name: str) -> None:
    options = (0.2, -1.5) if name == "Threshold" else ()
    data = np.linspace(-4, 7, 12)
    for module in (getattr(nn, name)(*options, inplace=True), getattr(nn, name)(*options)):
        x = Tensor(data, requires_grad=True)
        y = module.eval()(x)
        np.testing.assert_array_equal(x.numpy(), data)
        for inplace in (True, False):
            again = getattr(nn.functional, name.lower() if name != "LeakyReLU" else "leaky_relu")(x, *options, inplace=inplace)
            np.testing.assert_array_equal(again.numpy(), y.numpy())
        np.testing.assert_array_equal(x.numpy(), data)
    assert repr(nn.ReLU(True)) == "ReLU(inplace=True)"


@pytest.mark.parametrize("name", nn.activation.__all__)
def test_arguments_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = getattr(nn, name) if name[0].isupper() else getattr(nn.functional, name)
    theirs = getattr(torch.nn if name[0].isupper() else torch.nn.functional, name, None)
    if theirs is None:
        assert name in ("Step", "step")
        return
    try:
        wanted = inspect.signature(theirs).parameters
    except ValueError:  # written in C++
        wanted = inspect.signature(lambda input: None).parameters
    left_out = ("args", "kwargs", "_stacklevel", "device", "min_value", "max_value")  # the last two are deprecated there
    wanted_names = [key for key in wanted if key not in left_out]
    mine = inspect.signature(ours).parameters
    assert [key for key in mine if key in wanted_names] == wanted_names
    for key in wanted_names:
        if key != "dim":  # the last axis, where PyTorch warns
            assert mine[key].default == wanted[key].default
    assert ("inplace" in mine) == ("inplace" in wanted_names)
    if name in INPLACE[:-2]:
        options = (0.2, -1.5) if name == "Threshold" else ()
        assert repr(ours(*options, inplace=True)) == repr(theirs(*options, inplace=True))


@every_case
def test_the_input_may_be_named(case: Case) -> None:
    x = case.points(3)
    np.testing.assert_array_equal(case.function(input=x, **case.options).numpy(), case(x).numpy())


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.functional.gelu([1.0], approximate="erf"), "gelu: approximate must be 'none' or 'tanh', got 'erf'"),
        (lambda: nn.GELU("erf"), "GELU: approximate must be"),
        (lambda: nn.functional.hardtanh([1.0], 1.0, 1.0), "hardtanh: .*expected min_val < max_val, got 1.0 and 1.0"),
        (lambda: nn.Hardtanh(2, 1), "Hardtanh: expected min_val < max_val"),
        (lambda: nn.functional.softshrink([1.0], -1.0), "softshrink: .*expected lambd >= 0, got -1.0"),
        (lambda: nn.Softshrink(-0.5), "Softshrink: expected lambd >= 0"),
        (lambda: nn.functional.celu([1.0], 0.0), "celu: expected a positive alpha, got 0.0"),
        (lambda: nn.CELU(-1.0), "CELU: expected a positive alpha"),
        (lambda: nn.functional.softplus([1.0], beta=0), "softplus: beta must not be 0"),
        (lambda: nn.Softplus(0), "Softplus: beta must not be 0"),
        (lambda: nn.functional.rrelu([1.0], 1.0, 0.5), "rrelu: expected lower <= upper, got 1.0 and 0.5"),
        (lambda: nn.RReLU(1.0, 0.5), "RReLU: expected lower <= upper"),
        (lambda: nn.PReLU(0), "PReLU: num_parameters must be a positive integer, got 0"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
