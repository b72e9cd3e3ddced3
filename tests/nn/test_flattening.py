"""Flatten and Unflatten: shapes as PyTorch has them, gradients, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn

FLATTEN = [
    ((2, 3, 4), {}),
    ((2, 3, 4), {"start_dim": 0}),
    ((2, 3, 4, 5), {"start_dim": 1, "end_dim": 2}),
    ((2, 3, 4, 5), {"start_dim": -3, "end_dim": -2}),
    ((2, 3), {}),
    ((0, 3, 4), {}),
    ((2, 0, 4), {}),
    ((5,), {"start_dim": 0}),
    ((), {"start_dim": 0}),
]
UNFLATTEN = [
    ((2, 12), 1, (3, 4)),
    ((2, 12), -1, (3, -1)),
    ((12, 2), 0, (2, -1, 3)),
    ((2, 12, 3), 1, [12]),
    ((0, 12), 1, (3, -1)),
    ((2, 0), 1, (0, 3)),
]


@pytest.mark.parametrize(("shape", "options"), FLATTEN)
def test_flatten(shape: tuple[int, ...], options: dict[str, int]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    expected = torch.nn.Flatten(**options)(torch.tensor(data)).numpy()
    np.testing.assert_array_equal(nn.Flatten(**options)(ad.Tensor(data)).numpy(), expected)
    assert repr(nn.Flatten(**options)) == repr(torch.nn.Flatten(**options))
    ad.check_grads(lambda x: nn.Flatten(**options)(x) ** 2, data + 1)


@pytest.mark.parametrize(("shape", "dim", "sizes"), UNFLATTEN)
def test_unflatten(shape: tuple[int, ...], dim: int, sizes: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    data = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    expected = torch.nn.Unflatten(dim, tuple(sizes))(torch.tensor(data)).numpy()
    np.testing.assert_array_equal(nn.Unflatten(dim, sizes)(ad.Tensor(data)).numpy(), expected)
    assert repr(nn.Unflatten(dim, sizes)) == repr(torch.nn.Unflatten(dim, tuple(sizes)))
    ad.check_grads(lambda x: nn.Unflatten(dim, sizes)(x) ** 2, data + 1)


def test_arrays_and_lists_are_taken() -> None:
    assert isinstance(nn.Flatten()(np.ones((2, 3, 4))), ad.Tensor)  # type: ignore[arg-type]
    assert nn.Unflatten(0, (2, 2))([1, 2, 3, 4]).tolist() == [[1, 2], [3, 4]]  # type: ignore[arg-type]


def test_flatten_refuses() -> None:
    with pytest.raises(IndexError, match=r"Flatten: there is no axis 1 in an input of shape \(3,\)"):
        nn.Flatten()(ad.Tensor(np.ones(3)))
    with pytest.raises(ValueError, match="start_dim=2 comes after end_dim=1"):
        nn.Flatten(2, 1)(ad.Tensor(np.ones((3, 4, 5))))
    with pytest.raises(TypeError, match=r"Flatten: start_dim must be an integer, got 1\.5"):
        nn.Flatten(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [(5, -1), (3, 5), (0, -1)])
def test_unflatten_refuses_lengths_that_do_not_fit(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Unflatten: axis 1 of an input of shape \(2, 12\) has length 12, which cannot be split"):
        nn.Unflatten(1, sizes)(ad.Tensor(np.ones((2, 12))))


@pytest.mark.parametrize(
    ("sizes", "error"), [((-1, -1), ValueError), ((-2, 3), ValueError), (5, TypeError), ("ab", TypeError), ((), TypeError)]
)
def test_unflatten_refuses_lengths_without_meaning(sizes: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"Unflatten: .*lengths"):
        nn.Unflatten(1, sizes)


def test_unflatten_refuses_an_axis_that_is_not_there() -> None:
    with pytest.raises(IndexError, match="Unflatten: there is no axis 3"):
        nn.Unflatten(3, (1, 1))(ad.Tensor(np.ones((2, 3))))
