"""Embedding: values and gradients against the definition and PyTorch, the padding, max_norm, large tables, bad indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn import functional as F

TABLE = np.random.default_rng(0).standard_normal((7, 3))
INDICES = {
    "one number": np.array(3),
    "a row": np.array([0, 6, 2]),
    "repeated": np.array([[1, 1, 4], [1, 4, 2]]),
    "small type": np.array([5, 5, 0], np.uint8),
    "every other": np.arange(7)[::2],
    "Fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "none": np.zeros((0, 2), int),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"padding_idx": 1},
    {"padding_idx": -3},
    {"scale_grad_by_freq": True},
    {"padding_idx": 4, "scale_grad_by_freq": True},
]


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_value_and_gradient_are_those_of_the_definition(name: str, options: dict[str, Any]) -> None:
    indices = INDICES[name]
    weight = ad.Tensor(TABLE, requires_grad=True)
    y = F.embedding(indices, weight, **options)
    np.testing.assert_array_equal(y.numpy(), TABLE[indices])
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(g)
    expected = np.zeros_like(TABLE)
    for place in np.ndindex(indices.shape):
        index = int(indices[place])
        if index != options.get("padding_idx", -100) % 7 or "padding_idx" not in options:
            share = (indices == index).sum() if options.get("scale_grad_by_freq") else 1
            expected[index] += g[place] / share
    np.testing.assert_allclose(weight.grad.numpy(), expected, rtol=1e-12, atol=1e-12)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", [name for name in INDICES if name != "none"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_value_and_gradient_are_those_of_pytorch(name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    indices = INDICES[name].astype(int).copy()
    ours, theirs = ad.Tensor(TABLE, requires_grad=True), torch.tensor(TABLE, requires_grad=True)
    y, z = F.embedding(indices, ours, **options), torch.nn.functional.embedding(torch.tensor(indices), theirs, **options)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_array_equal(y.numpy(), z.detach().numpy())
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}], ids=str)
def test_gradients_to_second_order(options: dict[str, Any]) -> None:
    if options:  # the gradient of the padding is not the true one: all others
        weight = ad.Tensor(TABLE, requires_grad=True)
        y = F.embedding(INDICES["repeated"], weight, **options)
        (first,) = ad.gradients((y**3).sum(), [weight], create_graph=True)
        second = ad.gradients(first.sum(), weight)
        counts = np.array([0, 0, 1, 0, 2, 0, 0])[:, None]
        np.testing.assert_allclose(second.numpy(), 6 * TABLE * counts, rtol=1e-12)
    else:
        ad.check_grads(lambda w: F.embedding(INDICES["repeated"], w) ** 3, TABLE)


@pytest.mark.parametrize("kind", ["even", "a few again and again", "one", "distinct"])
def test_large_batches_add_up_as_one_row_after_the_other(kind: str) -> None:
    rng = np.random.default_rng(0)
    n = 3000
    indices = {
        "even": rng.integers(0, 500, n),
        "a few again and again": np.minimum(rng.zipf(1.3, n), 499),
        "one": np.full(n, 499),
        "distinct": rng.permutation(n),
    }[kind]
    table = np.zeros((3000 if kind == "distinct" else 500, 8))
    weight = ad.Tensor(table, requires_grad=True)
    g = rng.standard_normal((n, 8))
    F.embedding(indices.reshape(30, 100), weight).backward(g.reshape(30, 100, 8))
    expected = np.zeros_like(table)
    np.add.at(expected, indices, g)
    np.testing.assert_allclose(weight.grad.numpy(), expected, atol=1e-12)  # type: ignore[union-attr]
    assert weight.grad.numpy().flags.c_contiguous  # type: ignore[union-attr]


def test_a_table_that_is_used_twice_gets_both_gradients() -> None:
    weight = ad.Tensor(TABLE, requires_grad=True)
    h = F.embedding([1, 2], weight)
    (h @ weight.T).sum().backward()  # as a language model ties its input and output
    once = ad.Tensor(TABLE, requires_grad=True)
    (once[np.array([1, 2])] @ once.T).sum().backward()
    np.testing.assert_allclose(weight.grad.numpy(), once.grad.numpy())  # type: ignore[union-attr]


def test_single_precision_stays_so() -> None:
    layer = nn.Embedding(5, 4, generator=np.random.default_rng(0))
    y = layer([[1, 2]])
    y.sum().backward()
    assert y.dtype == layer.weight.grad.dtype == np.float32  # type: ignore[union-attr]
    assert nn.Embedding(5, 4, dtype=np.float64)(np.array([0])).dtype == np.float64


def test_the_first_values_are_normal_and_the_padding_zero() -> None:
    layer = nn.Embedding(1000, 64, padding_idx=-1, generator=np.random.default_rng(0))
    values = layer.weight.numpy()
    assert layer.padding_idx == 999
    assert not values[999].any()
    assert abs(values[:999].mean()) < 0.02
    assert values[:999].std() == pytest.approx(1, rel=0.02)
    layer(np.array([999, 3])).sum().backward()
    grad = layer.weight.grad.numpy()  # type: ignore[union-attr]
    assert not grad[999].any()
    assert grad[3].all()
    nn.manual_seed(0)
    first = nn.Embedding(4, 2).weight.tolist()
    nn.manual_seed(0)
    assert nn.Embedding(4, 2).weight.tolist() == first


def test_given_tables_are_copied_and_frozen() -> None:
    table = TABLE.copy()
    layer = nn.Embedding.from_pretrained(table, padding_idx=2)
    table[...] = 0
    assert layer.weight.tolist() == TABLE.tolist()
    assert not layer.weight.requires_grad
    assert (layer.num_embeddings, layer.embedding_dim, layer.padding_idx) == (7, 3, 2)
    assert nn.Embedding.from_pretrained(TABLE, freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match=r"expected a table \(V, D\), got shape \(3,\)"):
        nn.Embedding.from_pretrained(np.zeros(3))


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0])
def test_max_norm_shortens_what_is_read_as_in_pytorch(norm_type: float) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = nn.Embedding(7, 3, max_norm=1.0, norm_type=norm_type, dtype=np.float64)
    theirs = torch.nn.Embedding(7, 3, max_norm=1.0, norm_type=norm_type, dtype=torch.float64)
    ours.load_state_dict({"weight": TABLE})
    theirs.load_state_dict({"weight": torch.tensor(TABLE)})
    indices = np.array([[0, 1], [1, 4]])
    y, z = ours(indices), theirs(torch.tensor(indices))
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.weight.numpy(), theirs.weight.detach().numpy(), rtol=1e-6)
    y.sum().backward()
    earlier = (ours.weight * ours.weight).sum()
    ours.weight._data[2] *= 100
    ours(np.array([2]))
    with pytest.raises(RuntimeError, match="max_norm"):
        earlier.backward()


def test_state_and_repr_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    for arguments in ((7, 3), (7, 3, 1), (7, 3, None, 2.0, 1.0, True, True)):
        ours, theirs = nn.Embedding(*arguments), torch.nn.Embedding(*arguments)
        assert repr(ours) == repr(theirs)
        assert {k: v.shape for k, v in ours.state_dict().items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}


def test_one_hot() -> None:
    y = F.one_hot(ad.Tensor([[0, 2], [1, 0]]))
    assert y.dtype == np.int64
    assert y.tolist() == np.eye(3, dtype=int)[[[0, 2], [1, 0]]].tolist()
    assert F.one_hot(np.array(1), 3).tolist() == [0, 1, 0]
    assert F.one_hot(np.zeros((0, 2), int), 3).shape == (0, 2, 3)
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    assert F.one_hot([3, 1], 5).tolist() == torch.nn.functional.one_hot(torch.tensor([3, 1]), 5).tolist()


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([[0, 1], [7, 2]], r"embedding: index 7 at position \(1, 0\) is out of range; the table has 7 rows, .* from 0 to 6"),
        ([3, -1], "index -1 at position 1 is out of range"),
        ([9, 8, 1], r"index 9 at position 0 is out of range \(2 of 3 indices are\)"),
        (7, "embedding: index 7 is out of range"),
        (np.array([2, 200], np.uint8), "index 200 at position 1"),
    ],
)  # fmt: skip
def test_an_index_out_of_range_is_named_with_its_position(indices: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        F.embedding(indices, TABLE)
    with pytest.raises(IndexError):
        nn.Embedding(7, 3)(indices)


@pytest.mark.parametrize("indices", [[1.0, 2.0], [True, False], np.array([1j])])
def test_only_integers_are_indices(indices: Any) -> None:
    with pytest.raises(TypeError, match=r"expected integer indices, got dtype .*; cast them with \.astype\(int\)"):
        F.embedding(indices, TABLE)
    with pytest.raises(TypeError, match="one_hot: expected integer indices"):
        F.one_hot(indices)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"the weight has shape \(3,\), expected a table \(V, D\)"):
        F.embedding([0], np.zeros(3))
    with pytest.raises(ValueError, match="padding_idx must be one of the 7 rows, -7 to 6, got 7"):
        nn.Embedding(7, 3, padding_idx=7)
    with pytest.raises(ValueError, match="num_embeddings must be a positive integer, got 0"):
        nn.Embedding(0, 3)
    with pytest.raises(IndexError, match="one_hot: index 3 at position 0"):
        F.one_hot([3], 3)
    with pytest.raises(ValueError, match="give num_classes"):
        F.one_hot(np.zeros(0, int))
    with pytest.raises(ValueError, match="num_classes must be a positive integer, or -1"):
        F.one_hot([0], 0)
