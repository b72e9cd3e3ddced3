"""Clipping: PyTorch's numbers for every norm, and no surprises at the ends of the number range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autodiff as ad
import nn
from nn.utils import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm

NORMS = [2.0, 2, 1.0, 3.0, 0.5, 0.0, math.inf, -math.inf]


def parameters(*gradients: Any, dtype: Any = np.float64) -> list[nn.Parameter]:
    made = []
    for gradient in gradients:
        array = np.asarray(0.0 if gradient is None else gradient, dtype)
        parameter = nn.Parameter(np.zeros_like(array))
        parameter.grad = None if gradient is None else array
        made.append(parameter)
    return made


def theirs(given: list[nn.Parameter]) -> Any:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    made = [torch.nn.Parameter(torch.tensor(parameter.numpy())) for parameter in given]
    for parameter, own in zip(made, given, strict=True):
        parameter.grad = None if own.grad is None else torch.tensor(own.grad.numpy())
    return torch, made


def compare(given: list[nn.Parameter], made: Any, rtol: float = 1e-12) -> None:
    for a, b in zip(given, made, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            assert str(a.grad.dtype) == str(b.grad.dtype).removeprefix("torch.")
            np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=rtol)


RNG = np.random.default_rng(0)
GRADIENTS = [RNG.standard_normal((3, 4)), None, RNG.standard_normal(5) * 10, np.zeros(2), RNG.standard_normal(())]


@pytest.mark.parametrize("norm_type", NORMS)
@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.filterwarnings("ignore:Casting complex values to real:UserWarning")  # PyTorch's, of its norm of order 0
def test_the_norm_and_the_clipped_gradients_are_those_of_pytorch(norm_type: float, max_norm: float, dtype: Any) -> None:
    own = parameters(*GRADIENTS, dtype=dtype)
    torch, made = theirs(own)
    found = clip_grad_norm_(own, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(made, max_norm, norm_type)
    rtol = 1e-12 if dtype != np.float32 else 2e-6
    assert found.shape == ()
    assert str(found.dtype) == str(expected.dtype).removeprefix("torch.")
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=rtol)
    compare(own, made, rtol)
    assert not found.requires_grad


@pytest.mark.parametrize("norm_type", NORMS)
def test_a_known_norm(norm_type: float) -> None:
    own = parameters(*GRADIENTS)
    torch, made = theirs(own)
    total = get_total_norm([p.grad for p in own if p.grad is not None], norm_type)
    expected = torch.nn.utils.get_total_norm([p.grad for p in made if p.grad is not None], norm_type)
    np.testing.assert_allclose(total.numpy(), expected.numpy(), rtol=1e-12)
    clip_grads_with_norm_(own, 0.25, total)
    torch.nn.utils.clip_grads_with_norm_(made, 0.25, expected)
    compare(own, made)


@pytest.mark.parametrize("value", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_clipping_by_value(value: float, dtype: Any) -> None:
    own = parameters(*GRADIENTS, [math.inf, -math.inf, math.nan], dtype=dtype)
    torch, made = theirs(own)
    clip_grad_value_(own, value)
    torch.nn.utils.clip_grad_value_(made, value)
    compare(own, made)


def test_one_parameter_stands_for_a_list_of_it() -> None:
    (parameter,) = parameters([3.0, 4.0])
    assert clip_grad_norm_(parameter, 100.0).item() == 5.0
    assert parameter.grad is not None
    assert parameter.grad.tolist() == [3.0, 4.0]
    clip_grad_value_(parameter, 3.5)
    assert parameter.grad.tolist() == [3.0, 3.5]
    assert get_total_norm(parameter.grad).item() == pytest.approx(math.hypot(3.0, 3.5))


def test_nothing_to_clip() -> None:
    own = parameters(None, None)
    for given_ in (own, []):
        total = clip_grad_norm_(given_, 1.0)
        assert total.item() == 0.0
        assert total.dtype == np.float32
    clip_grad_value_(own, 1.0)
    model = nn.Linear(2, 2)
    used_up = model.parameters()
    list(used_up)
    with pytest.warns(UserWarning, match=r"no Tensors; a generator such as model.parameters\(\) is empty"):
        clip_grad_norm_(used_up, 1.0)


def test_empty_gradients_count_nothing() -> None:
    for norm_type in NORMS[:-1]:
        own = parameters(np.zeros((0, 3)), [3.0, 4.0])
        assert clip_grad_norm_(own, 1.0, norm_type).item() > 0
    assert clip_grad_norm_(parameters(np.zeros(0)), 1.0, math.inf).item() == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_on_request_and_scaled_else(bad: float) -> None:
    own = parameters([1.0, bad], [2.0])
    with pytest.raises(RuntimeError, match=r"the norm of order 2 of the gradients is .*error_if_nonfinite=False"):
        clip_grad_norm_(own, 1.0, error_if_nonfinite=True)
    assert own[1].grad is not None
    assert own[1].grad.tolist() == [2.0]
    torch, made = theirs(own)
    with np.errstate(invalid="ignore"):
        clip_grad_norm_(own, 1.0)
    torch.nn.utils.clip_grad_norm_(made, 1.0)
    compare(own, made)


@pytest.mark.parametrize(
    ("gradient", "dtype"),
    [
        ([300.0, 400.0], np.float16),  # whose squares float16 does not know
        ([1e-7, 0.0], np.float16),
        ([3e30, 4e30], np.float32),
        ([3e-30, 4e-30], np.float32),
        ([3e200, 4e200], np.float64),
        ([3e-200, 4e-200], np.float64),
        (np.full(200_000, 0.1), np.float16),
    ],
)
def test_norms_at_the_ends_of_the_range(gradient: Any, dtype: Any) -> None:
    own = parameters(gradient, dtype=dtype)
    exact = np.asarray(gradient, dtype).astype(np.longdouble)
    expected = float(np.sqrt((exact * exact).sum()))
    total = clip_grad_norm_(own, expected * 2)
    assert total.item() == pytest.approx(expected, rel=1e-6)
    assert total.dtype == max(np.dtype(dtype), np.dtype(np.float32))
    if expected > 1:
        clip_grad_norm_(own, 1.0)
        assert get_total_norm([p.grad for p in own if p.grad is not None]).item() == pytest.approx(1.0, rel=2e-3)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0), elements=st.floats(-1e300, 1e300)),
    st.sampled_from([0.5, 1.0, 2.0, 3.0, math.inf]),
)
def test_a_norm_is_scaled_like_its_vector(gradient: np.ndarray, norm_type: float) -> None:
    norm = get_total_norm([ad.Tensor(gradient)], norm_type).item()
    half = get_total_norm([ad.Tensor(gradient * 0.5)], norm_type).item()
    largest = float(np.abs(gradient).max()) if gradient.size else 0.0
    assert norm >= largest * (1 - 1e-12)
    assert half == pytest.approx(norm * 0.5, rel=1e-9, abs=1e-300)


def test_graphs_that_keep_a_gradient_stay_right_or_say_so() -> None:
    for size, right in ((3, True), (100_000, False)):
        w = ad.Tensor(np.ones(size), requires_grad=True)
        parameter = nn.Parameter(np.zeros(size))
        parameter.grad = np.full(size, 2.0)
        y = (w * parameter.grad).sum()
        clip_grad_norm_(parameter, 1.0)
        if right:
            y.backward()
            assert w.grad is not None
            assert w.grad.tolist() == [2.0] * size
        else:
            with pytest.raises(RuntimeError, match="changed afterwards, by clipping of a gradient"):
                y.backward()


def test_the_gradient_of_a_recorded_pass_is_clipped_without_being_recorded() -> None:
    x = nn.Parameter([3.0])
    (x * x).sum().backward(create_graph=True)
    assert clip_grad_norm_([x], 1.0).item() == 6.0
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(1.0, abs=1e-5)


def test_views_of_a_gradient_show_the_clipped_one() -> None:
    (parameter,) = parameters([3.0, 4.0])
    assert parameter.grad is not None
    view = parameter.grad[:1]
    clip_grad_value_(parameter, 1.0)
    assert view.tolist() == [1.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: clip_grad_norm_(nn.Linear(1, 1), 1.0), TypeError, r"got Linear; give its parameters\(\)"),  # type: ignore[arg-type]
        (lambda: clip_grad_norm_([1.0], 1.0), TypeError, "expected Tensors, got float among them"),  # type: ignore[list-item]
        (lambda: clip_grad_norm_([], -1.0), ValueError, "max_norm must be at least 0, got -1.0"),
        (lambda: clip_grad_norm_([], math.nan), ValueError, "max_norm must be at least 0, got nan"),
        (lambda: clip_grad_value_([], -1.0), ValueError, "clip_value must be at least 0"),
        (lambda: get_total_norm(5), TypeError, "get_total_norm: expected Tensors, got int"),  # type: ignore[arg-type]
    ],
)
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
