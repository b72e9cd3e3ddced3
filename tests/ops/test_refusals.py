"""Bad input to an operation: what was expected, what came, what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autodiff as ad

X = ad.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="weight")
V = ad.Tensor([1.0, 2.0, 3.0], requires_grad=True)

REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "shapes that do not broadcast": (
        lambda: X + V,
        ValueError,
        r"add: shapes do not broadcast: 'weight' \(2, 2\) float64 and \(3,\) float64.*insert an axis",
    ),
    "matmul": (lambda: X @ V, ValueError, r"matmul: shapes do not fit: 'weight' \(2, 2\) float64 @ \(3,\) float64"),
    "matmul of a number": (lambda: X @ ad.Tensor(1.0), ValueError, "matmul: "),
    "axis of a sum": (
        lambda: X.sum(axis=2),
        ValueError,
        r"sum: axis 2 is out of bounds for array of dimension 2 .*'weight' \(2, 2\)",
    ),
    "axis of a split": (lambda: ad.split(X, 2, axis=2), ValueError, "axis 2 is out of bounds for array of dimension 2"),
    "axis of an array_split": (
        lambda: np.array_split(X, 2, axis=-3),
        ValueError,
        "axis -3 is out of bounds for array of dimension 2",
    ),
    "unequal parts": (
        lambda: np.split(V, 2),
        ValueError,
        "split: 2 equal parts cannot be cut from axis 0 of length 3; give indices, or use array_split",
    ),
    "no parts": (lambda: np.split(V, 0), ValueError, "split: number sections must be larger than 0"),
    "reshape": (
        lambda: X.reshape(3),
        ValueError,
        r"reshape: cannot reshape array of size 4 into shape \(3,\) \(given 'weight' \(2, 2\)",
    ),
    "order of memory": (
        lambda: X.reshape(4, order="A"),
        ValueError,
        "reshape: order 'A' would depend on how the memory is laid out; give 'C' or 'F'",
    ),
    "order of memory in ravel": (lambda: X.ravel(order="K"), ValueError, "order 'K' would depend on how the memory is laid out"),
    "where with one branch": (lambda: np.where([True, False, True], V), ValueError, "where: give both x1 and x2, or neither"),
    "where with one branch, directly": (
        lambda: ad.where([True, False, True], V),
        ValueError,
        "where: give both x1 and x2, or neither",
    ),
    "a tracked condition": (
        lambda: ad.where(V, 1.0, 2.0),
        TypeError,
        "where: no derivative with respect to 'condition'; pass it detached",
    ),
    "a tracked exponent of two": (
        lambda: ad.roll(V, ad.Tensor(1.0, requires_grad=True)),
        TypeError,
        "roll: no derivative with respect to 'shift'",
    ),
    "mode of pad": (lambda: np.pad(V, 1, mode="reflect"), NotImplementedError, "pad: mode 'reflect' has no derivative here"),
    "order of sort": (lambda: np.sort(V, order="field"), TypeError, "sort: order= is for structured arrays"),
    "einsum: number of operands": (lambda: np.einsum("ij,jk", X), ValueError, "einsum: 'ij,jk' names 2 operands, got 1"),
    "einsum: number of axes": (
        lambda: np.einsum("ijk->i", X),
        ValueError,
        "einsum: 'ijk' in 'ijk->i' names 3 axes, its operand has 2",
    ),
    "einsum: too many axes for an ellipsis": (lambda: np.einsum("ijk...->i...", X), ValueError, "its operand has 2"),
    "einsum: lost ellipsis": (
        lambda: np.einsum("...i->i", X),
        ValueError,
        "einsum: '...i->i' has an ellipsis in its inputs but none in its output",
    ),
    "einsum: lengths": (lambda: np.einsum("ij,j->i", X, V), ValueError, "einsum: "),
    "tensordot: lengths": (
        lambda: np.tensordot(X, V, 1),
        ValueError,
        r"tensordot: axes \[1\] of \(2, 2\) and \[0\] of \(3,\) do not have the same lengths",
    ),
    "tensordot: too many axes": (
        lambda: np.tensordot(X, V, 2),
        ValueError,
        "tensordot: 2 axes to sum over, but the arrays have 2 and 1",
    ),
    "tensordot: no such axis": (
        lambda: np.tensordot(X, X, ([2], [0])),
        ValueError,
        "a: axis 2 is out of bounds for array of dimension 2",
    ),
    "linalg.outer of matrices": (
        lambda: np.linalg.outer(X, V),
        ValueError,
        r"linalg.outer: expected two vectors, got shapes \(2, 2\) and \(3,\)",
    ),
    "norm: singular values": (
        lambda: np.linalg.norm(X, 2),
        NotImplementedError,
        "norm: ord=2 of matrices, a norm of singular values",
    ),
    "norm: no such order": (
        lambda: np.linalg.norm(V, "fro"),
        ValueError,
        r"norm: there is no norm of order 'fro' over axes \(0,\) of an array of shape \(3,\)",
    ),
    "norm: order of three axes": (
        lambda: np.linalg.norm(ad.Tensor(np.ones((1, 1, 1))), 1),
        ValueError,
        "there is no norm of order 1 over axes",
    ),
    "norm: no such axis": (lambda: np.linalg.norm(V, axis=1), ValueError, "axis 1 is out of bounds for array of dimension 1"),
    "max of nothing": (
        lambda: np.max(ad.Tensor(np.zeros(0), requires_grad=True)),
        ValueError,
        "max: zero-size array to reduction operation",
    ),
    "stack of different shapes": (lambda: ad.stack([X, V]), ValueError, "stack: all input arrays must have the same shape"),
    "words": (lambda: ad.sin(["a"]), TypeError, "sin: expected numbers"),
    "an index out of range": (
        lambda: V[3],
        IndexError,
        r"getitem: index 3 is out of bounds for axis 0 with size 3 \(given \(3,\) float64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_in_the_words_of_the_caller(name: str) -> None:
    call, error, text = REFUSED[name]
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    "f",
    [
        *(np.sum, np.mean, np.var, np.std, np.prod, np.max, np.min, np.cumsum, np.cumprod, np.round),
        lambda x, out: np.clip(x, 0, 1, out=out),
        lambda x, out: np.take(x, 0, out=out),
        lambda x, out: np.concatenate([x, x], out=out),
        lambda x, out: np.stack([x, x], out=out),
        lambda x, out: np.dot(x, x, out=out),
        lambda x, out: np.outer(x, x, out=out),
        lambda x, out: np.einsum("i->", x, out=out),
    ],
)
def test_out_is_refused(f: Any) -> None:
    with pytest.raises(TypeError, match="out= is not supported with Tensors; assign the result instead"):
        f(V, out=np.zeros(3))


def test_where_without_branches_tells_where() -> None:
    (found,) = np.where(V > 1.5)
    assert isinstance(found, ad.Tensor)
    np.testing.assert_array_equal(found.numpy(), [1, 2])


def test_parts_that_nothing_depends_on_bring_zeros() -> None:
    for parts in (np.split(V, 3), np.array_split(V, [1, 2]), ad.unstack(V)):
        assert ad.gradients(parts[1] * 2, V, np.ones(parts[1].shape)).tolist() == [0.0, 2.0, 0.0]
    overlapping = np.array_split(V, [2, 1])
    assert ad.gradients(overlapping[2].sum(), V).tolist() == [0.0, 1.0, 1.0]


def test_pad_widths_by_axis() -> None:
    """NumPy takes a dict of widths since version 2.4; the rule understands it, whoever calls."""
    if np.lib.NumpyVersion(np.__version__) < "2.4.0":
        pytest.skip("np.pad takes no dict before NumPy 2.4")
    x = ad.Tensor(np.ones((2, 3)), requires_grad=True)
    y = np.pad(x, {-1: (1, 2), 0: 1})
    assert y.shape == (4, 6)
    weights = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(ad.gradients(y, x, weights).numpy(), weights[1:3, 1:4])


def test_many_rows_of_a_table_add_up() -> None:
    """The sorted way of adding rows gives what np.add.at gives."""
    table = ad.Tensor(np.zeros((5, 3)), requires_grad=True)
    rows = np.random.default_rng(0).integers(-5, 5, 200)
    weights = np.random.default_rng(1).standard_normal((200, 3))
    expected = np.zeros((5, 3))
    np.add.at(expected, rows, weights)
    for index in (rows, (rows,), ad.Tensor(rows)):
        np.testing.assert_allclose(ad.gradients(table[index], table, weights).numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(ad.scatter_add(weights, rows, (5, 3)).numpy(), expected, rtol=1e-12)
