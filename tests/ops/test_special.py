"""The kernels of special functions, digit by digit, and the blocks in which they run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import blocks
from autodiff.ops.special import scaled_erfc

GRID = np.concatenate([np.linspace(-6.5, 6.5, 26001), np.linspace(0.98, 1.02, 2001), np.logspace(-300, 1, 2001)])


@pytest.mark.parametrize(("dtype", "ulps"), [(np.float64, 2.0), (np.float32, 2.0), (np.float16, 0.51)])
def test_erf_is_within_two_units_in_the_last_place(dtype: Any, ulps: float) -> None:
    x = GRID.astype(dtype)
    x = x[np.abs(x) >= np.finfo(dtype).tiny]
    exact = np.array([math.erf(value) for value in x.astype(float)])
    y = ad.erf(x).numpy()
    assert y.dtype == dtype
    error = np.abs(y.astype(float) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert error.max() <= ulps


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_erf_of_the_extremes(dtype: Any) -> None:
    x = np.array([-np.inf, -1e4, -0.0, 0.0, 1e4, np.finfo(dtype).max, np.inf, np.nan], dtype)
    with np.errstate(all="raise", under="ignore"):
        y = ad.erf(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), [-1, -1, -0.0, 0, 1, 1, 1, np.nan])
    assert np.signbit(y.numpy()[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_derivatives_of_erf_at_the_extremes(dtype: Any) -> None:
    x = ad.Tensor(np.array([-1e4, -30.0, 30.0, 1e4, np.finfo(dtype).max], dtype), requires_grad=True)
    (first,) = ad.gradients(ad.erf(x).sum(), [x], create_graph=True)
    assert first.tolist() == [0.0] * 5
    assert ad.gradients(first.sum(), x).tolist() == [0.0] * 5


def test_erf_of_integers_and_of_complex_numbers() -> None:
    assert ad.erf([0, 1]).dtype == np.float64
    assert ad.erf(1).item() == pytest.approx(math.erf(1), rel=1e-15)
    with pytest.raises(TypeError, match="expected real numbers, got dtype complex128"):
        ad.erf(1j)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 4e-15), (np.float32, 1e-6)])
def test_the_scaled_tail(dtype: Any, rtol: float) -> None:
    z = np.linspace(0, 5, 1001).astype(dtype)  # beyond, math.erfc and math.exp(z * z) leave too few digits to compare
    exact = [math.erfc(v) * math.exp(v * v) for v in z.astype(float)]
    np.testing.assert_allclose(scaled_erfc(z), exact, rtol=rtol)


def test_the_scaled_tail_far_out() -> None:
    z = np.array([1e2, 1e4, 1e8])
    np.testing.assert_allclose(scaled_erfc(z), 1 / (z * math.sqrt(math.pi)) * (1 - 1 / (2 * z * z)), rtol=1e-8)


# ------------------------------------------------------------------------------------------------ blocks


def doubled_and_squared(x: np.ndarray, doubled: np.ndarray, squared: np.ndarray, factor: float) -> None:
    assert x.ndim
    np.multiply(x, 2 * factor, out=doubled)
    np.multiply(x, x, out=squared)


@pytest.mark.parametrize("bytes_in_a_block", [64, 1000, 2**18])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_fill_arrays_of_any_layout(monkeypatch: pytest.MonkeyPatch, bytes_in_a_block: int, dtype: Any) -> None:
    monkeypatch.setattr(blocks, "BLOCK", bytes_in_a_block)
    base = np.arange(2 * 3 * 5 * 7, dtype=dtype).reshape(2, 3, 5, 7)
    turned = [base.T, base.transpose(0, 3, 1, 2), base[:, :, ::2], base[:, ::-1, :, ::-2]]
    for x in [base, *turned, base[0, 0, 0, 0:0], base.sum()[...], np.broadcast_to(base[:, :1], base.shape)]:
        doubled, squared = blocks.in_blocks(doubled_and_squared, np.asarray(x), 2, 3.0)
        np.testing.assert_array_equal(doubled, x * 6)
        np.testing.assert_array_equal(squared, x * x)
        assert doubled.dtype == dtype


def test_blocks_keep_the_order_of_axes() -> None:
    x = np.zeros((4, 64, 64, 8), np.float32).transpose(0, 3, 1, 2)  # channels last in memory
    (y,) = blocks.in_blocks(lambda x, y: np.copyto(y, x), x, 1)
    assert y.strides == x.strides
