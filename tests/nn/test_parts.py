"""Kernels that take large arrays part by part: the parts together are what the whole is, value and gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff import Tensor, blocks
from nn import functional as F

RNG = np.random.default_rng(0)
WEIGHT, BIAS = RNG.standard_normal((2, 6))

OPERATIONS: dict[str, Callable[..., Any]] = {
    "sigmoid": F.sigmoid,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "gelu": F.gelu,
    "elu": F.elu,
    "selu": F.selu,
    "leaky_relu": F.leaky_relu,
    "threshold": lambda x: F.threshold(x, 0.5, -2.0),
    "softmax": lambda x: F.softmax(x, 1),
    "softmax, last axis": F.softmax,
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "log_softmax, last axis": F.log_softmax,
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "group_norm": lambda x: F.group_norm(x, 3, Tensor(WEIGHT), Tensor(BIAS)),
    "group_norm, bias alone": lambda x: F.group_norm(x, 3, None, Tensor(BIAS)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, Tensor(WEIGHT), Tensor(BIAS), training=True),
}


def shapes() -> list[np.ndarray]:
    far = RNG.standard_normal((70, 6)) + 1000 * (RNG.random((70, 1)) > 0.5)  # some means far from zero beside the spread
    return [RNG.standard_normal((70, 6, 3)) * 2, far, RNG.standard_normal((20, 3, 6)).transpose(0, 2, 1), far[:0]]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("spread_gradient", [False, True])
def test_parts_are_what_the_whole_is(monkeypatch: pytest.MonkeyPatch, operation: str, spread_gradient: bool) -> None:
    for data in shapes():
        if not data.size and "batch" in operation:
            continue
        g = np.broadcast_to(0.5, data.shape) if spread_gradient else RNG.standard_normal(data.shape)

        def run(data: np.ndarray = data, g: np.ndarray = g) -> list[np.ndarray]:
            x = Tensor(np.tile(data, (12, *[1] * (data.ndim - 1))), requires_grad=True)
            y = OPERATIONS[operation](x)
            (dx,) = ad.gradients((y * np.tile(g, (12, *[1] * (data.ndim - 1)))).sum(), [x])
            return [y.numpy(), dx.numpy()]

        monkeypatch.setattr(blocks, "BLOCK", 2**30)
        whole = run()
        for size in (1000, 2**14):
            monkeypatch.setattr(blocks, "BLOCK", size)
            for part, expected in zip(run(), whole, strict=True):
                np.testing.assert_allclose(part, expected, rtol=1e-9, atol=1e-12)


def test_parameters_collect_from_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data, g = RNG.standard_normal((2, 50, 6, 4))
    for operation in (
        lambda x, w, b: F.layer_norm(x.swapaxes(1, 2), 6, w, b).swapaxes(1, 2),
        lambda x, w, b: F.group_norm(x, 2, w, b),
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    ):
        results = []
        for size in (2**30, 64):
            monkeypatch.setattr(blocks, "BLOCK", size)
            tensors = [Tensor(a, requires_grad=True) for a in (data, WEIGHT, BIAS)]
            results.append(ad.gradients((operation(*tensors) * g).sum(), tensors))
        for whole, parts in zip(*results, strict=True):
            np.testing.assert_allclose(parts.numpy(), whole.numpy(), rtol=1e-12, atol=1e-12)


def test_long_rows_leave_the_settings_as_they_were() -> None:
    before = np.getbufsize()
    with np.errstate(over="raise"), blocks.long_rows(512):
        assert np.getbufsize() == 16
        assert np.geterr()["over"] == "raise"
        np.testing.assert_array_equal(np.ones((3, 600)) * np.arange(3.0)[:, None], np.arange(3.0).repeat(600).reshape(3, 600))
    assert np.getbufsize() == before
    with blocks.long_rows(511):
        assert np.getbufsize() == before
