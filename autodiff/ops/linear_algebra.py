"""Products of vectors, matrices and tensors, and the norm, each beside its derivative."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ..declaration import FUNCTIONS, UFUNCS, composition, operation, plain
from .elementwise import abs as absolute
from .elementwise import multiply, sqrt
from .reduction import kept_dims, max, min, spread, sum
from .shape import reshape


def _matmul(x1: Any, x2: Any) -> Any:
    return np.matmul(x1, x2)


@operation(np.matmul)
def matmul(x1: Any, x2: Any) -> Any:
    """Return the matrix product: 1-d arguments are vectors, leading axes are batches and broadcast.

    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([3.0, 4.0]))
    Tensor([11.])
    """
    return np.matmul(x1, x2)


def _matmul_by_first(g: Any, x1_shape: Any, x2: Any) -> Any:
    if len(x1_shape) == 1:
        return g * x2 if x2.ndim == 1 else (x2 @ g[..., None])[..., 0]  # (..., k, n) @ (..., n, 1)
    if x2.ndim == 1:
        return g[..., None] * x2  # (..., m, 1) * (k,)
    return g @ x2.swapaxes(-1, -2)


def _matmul_by_second(g: Any, x1: Any, x2_shape: Any) -> Any:
    if len(x2_shape) == 1:
        if x1.ndim == 1:
            return g * x1
        return (g[..., None] * x1).sum(axis=tuple(range(x1.ndim - 1)))
    if x1.ndim == 1:
        return x1[:, None] * g[..., None, :]
    if len(x2_shape) == 2 and x1.ndim > 2:  # batches add up: one product instead of many
        return x1.reshape((-1, x1.shape[-1])).swapaxes(0, 1) @ g.reshape((-1, g.shape[-1]))
    return x1.swapaxes(-1, -2) @ g


matmul.rules(_matmul_by_first, _matmul_by_second)


# ------------------------------------------------------------------------------------------------ einsum and its kin


@operation(name="einsum", sequence=True)
def _einsum(operands: Any, subscripts: str, optimize: Any = False) -> Any:
    return np.einsum(subscripts, *operands, optimize=optimize)


def _einsum_rule(g: Any, operands: Any, subscripts: str, optimize: Any) -> list[Any]:
    """By each operand: the einsum of `g` with the other operands, its own letters as the output."""
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    gradients = []
    for i, term in enumerate(terms):
        others = [t for j, t in enumerate(terms) if j != i]
        values = [v for j, v in enumerate(operands) if j != i]
        shape = operands[i].shape
        unique = "".join(dict.fromkeys(term))
        present = set(output).union(*others)
        known = "".join(letter for letter in unique if letter in present)
        d = np.einsum(",".join([output, *others]) + "->" + known, g, *values, optimize=optimize)
        size = {letter: shape[term.index(letter)] for letter in unique}
        # An axis of length 1 that broadcast against others was summed along: bring it back to length 1.
        wide = tuple(a for a, letter in enumerate(known) if size[letter] == 1 and d.shape[a] != 1)
        if wide:
            d = d.sum(axis=wide, keepdims=True)
        # A letter that only this operand has was summed away: its gradient is the same all along.
        d = d.reshape(tuple(size[letter] if letter in known else 1 for letter in unique))
        d = np.broadcast_to(d, tuple(size[letter] for letter in unique))
        if len(unique) != len(term):  # a repeated letter reads a diagonal
            index = [np.arange(size[c]).reshape([-1 if k == a else 1 for k in range(len(unique))]) for a, c in enumerate(unique)]
            from .indexing import scatter_add

            d = scatter_add.either(d, tuple(index[unique.index(c)] for c in term), shape)
        gradients.append(d)
    return gradients


_einsum.rules(_einsum_rule)


def _explicit(subscripts: str, ndims: list[int]) -> str:
    """Return the subscripts with an output and with letters in place of each ellipsis."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: '{subscripts}' names {len(terms)} operands, got {len(ndims)}")
    free = [c for c in string.ascii_letters if c not in text]
    widths = [ndim - len(t.replace("...", "")) if "..." in t else 0 for t, ndim in zip(terms, ndims)]
    for term, ndim, width in zip(terms, ndims, widths):
        if width < 0 or ("..." not in term and len(term) != ndim):
            raise ValueError(f"einsum: '{term}' in '{subscripts}' names {len(term.replace('...', ''))} axes, its operand has {ndim}")
    widest = "".join(free[: builtin_max(widths)])
    terms = [t.replace("...", widest[len(widest) - w :]) for t, w in zip(terms, widths)]
    if not arrow:
        letters = "".join(terms)
        output = widest + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in widest))
    else:
        output = output.replace("...", widest)
    return ",".join(terms) + "->" + output


def builtin_max(values: list[int]) -> int:
    return sorted(values)[-1]


def einsum(subscripts: Any, *operands: Any, out: None = None, optimize: Any = False) -> Any:
    """Return the sum of products that `subscripts` describes, as in NumPy: "ij,jk->ik" is a matrix product.

    >>> einsum("ij->j", Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([4., 6.])
    """
    if out is not None:
        raise TypeError("einsum: out= is not supported with Tensors; assign the result instead")
    if not isinstance(subscripts, str):  # einsum(a, [0, 1], b, [1, 2], [0, 2])
        values = [subscripts, *operands]
        names = [_letters(v) for v in values[1::2]]
        output = "->" + _letters(values[-1]) if len(values) % 2 else ""
        operands = tuple(values[0 : len(values) - len(values) % 2 : 2])
        subscripts = ",".join(names[: len(operands)]) + output
    return _einsum(operands, _explicit(subscripts, [np.ndim(plain(v)) for v in operands]), optimize)


def _letters(axes: Any) -> str:
    return "".join("..." if a is Ellipsis else string.ascii_letters[a] for a in axes)


FUNCTIONS[np.einsum] = einsum


@composition(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sum of products over `axes`: so many last of `a` and first of `b`, or a pair of lists of axes."""
    nd_a, nd_b = np.ndim(plain(a)), np.ndim(plain(b))
    if isinstance(axes, (int, np.integer)):
        axes_a, axes_b = list(range(nd_a - int(axes), nd_a)), list(range(int(axes)))
    else:
        axes_a, axes_b = (list(s) if isinstance(s, (list, tuple)) else [s] for s in axes)
    axes_a, axes_b = [x % nd_a for x in axes_a], [x % nd_b for x in axes_b]
    rest_a, rest_b = ([x for x in range(n) if x not in used] for n, used in ((nd_a, axes_a), (nd_b, axes_b)))
    shape_a, shape_b = np.shape(plain(a)), np.shape(plain(b))
    if [shape_a[x] for x in axes_a] != [shape_b[x] for x in axes_b]:
        raise ValueError(f"tensordot: axes {axes_a} of {shape_a} and {axes_b} of {shape_b} do not have the same lengths")
    n = int(np.prod([shape_a[x] for x in axes_a], dtype=int))
    left = reshape(np.transpose(a, rest_a + axes_a), (int(np.prod([shape_a[x] for x in rest_a], dtype=int)), n))
    right = reshape(np.transpose(b, axes_b + rest_b), (n, int(np.prod([shape_b[x] for x in rest_b], dtype=int))))
    return reshape(matmul(left, right), tuple(shape_a[x] for x in rest_a) + tuple(shape_b[x] for x in rest_b))


@composition(np.outer)
def outer(a: Any, b: Any, out: None = None) -> Any:
    """Return all products of an element of `a` with one of `b`, both flattened."""
    return multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


@composition(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """Return the product over the last axis of `a` and the last but one of `b` (the only one of a vector)."""
    nd_a, nd_b = np.ndim(plain(a)), np.ndim(plain(b))
    if nd_a == 0 or nd_b == 0:
        return multiply(a, b)
    if nd_b <= 2 and nd_a <= 2:
        return matmul(a, b)
    return tensordot(a, b, (nd_a - 1, 0 if nd_b == 1 else nd_b - 2))


@composition(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Return the product over the last axes of both."""
    nd_a, nd_b = np.ndim(plain(a)), np.ndim(plain(b))
    return multiply(a, b) if nd_a == 0 or nd_b == 0 else tensordot(a, b, (nd_a - 1, nd_b - 1))


# ------------------------------------------------------------------------------------------------ norm


@operation(name="norm")
def _euclidean(x: Any, axis: Any, keepdims: bool) -> Any:
    return np.sqrt(np.add.reduce(x * x, axis, None, None, keepdims))


_euclidean.rules(  # x / norm(x); of a zero vector the minimum-norm choice is 0
    lambda g, x, axis, keepdims, y: spread(g / np.where(y == 0, 1, y), x.shape, axis, keepdims) * x
)


@composition(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors (or, over two axes, of matrices); at zero the derivative is 0.

    ord  None and 'fro' are Euclidean; for vectors also 1, 2, inf, -inf, 0 and any p; for matrices 1, -1, inf, -inf
    """
    ndim = np.ndim(plain(x))
    axes = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return _euclidean(x, axes, keepdims)
    if len(axes) == 1:
        size = absolute(x)
        if ord == np.inf:
            return max(size, axes, None, keepdims)
        if ord == -np.inf:
            return min(size, axes, None, keepdims)
        if ord == 0:
            return sum(np.not_equal(x, 0) * absolute(np.sign(x)), axes, None, None, keepdims)
        if ord == 1:
            return sum(size, axes, None, None, keepdims)
        if isinstance(ord, (int, float)):
            total = sum(size**ord, axes, None, None, keepdims)
            return total ** (1 / ord)
    elif len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        rows, columns = axes[0] % ndim, axes[1] % ndim
        along, over = (rows, columns) if abs_is_one(ord) else (columns, rows)
        sums = sum(absolute(x), along, None, None, True)
        result = (max if ord > 0 else min)(sums, over, None, True)
        return result if keepdims else result.squeeze((rows, columns))
    raise NotImplementedError(f"norm: ord={ord!r} over {len(axes)} axes has no derivative here")


def abs_is_one(order: float) -> bool:
    return order in (1, -1)


UFUNCS[np.matmul] = matmul
__all__ = ["dot", "einsum", "inner", "kept_dims", "matmul", "norm", "outer", "sqrt", "tensordot"]
