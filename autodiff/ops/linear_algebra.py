"""Products of vectors, matrices and tensors, and the norm, each beside its derivative."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..arguments import as_array, failed, plain
from ..declaration import composition, operation
from ..graph import Variable
from ..recording import FUNCTIONS
from .elementwise import abs as absolute
from .elementwise import multiply, refuse_out
from .indexing import scatter_add
from .reduction import add_reduce, kept_dims, max, min, spread, sum
from .shape import reshape

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_axis_index = np.lib.array_utils.normalize_axis_index  # negative axes counted from the end, others checked

# ------------------------------------------------------------------------------------------------ products


@operation(np.matmul)
def matmul(x1: Any, x2: Any) -> Any:
    """Return the matrix product: 1-d arguments are vectors, leading axes are batches and broadcast.

    >>> matmul(Tensor([[1.0, 2.0]]), Tensor([3.0, 4.0]))
    Tensor([11.], shape=(1,), dtype=float64)
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
        return g.reshape((g.size,)) @ x1.reshape((g.size, x1.shape[-1]))  # (rows,) @ (rows, k)
    if x1.ndim == 1:
        return x1[:, None] * g[..., None, :]
    if len(x2_shape) == 2 and x1.ndim > 2:  # batches add up: one product instead of many
        rows = int(np.prod(x1.shape[:-1]))
        return x1.reshape((rows, x1.shape[-1])).swapaxes(0, 1) @ g.reshape((rows, g.shape[-1]))
    return x1.swapaxes(-1, -2) @ g


matmul.rules(_matmul_by_first, _matmul_by_second)


# ------------------------------------------------------------------------------------------------ einsum and its kin


@operation(name="einsum", sequence=True)
def _einsum(operands: Any, subscripts: str, optimize: Any = False) -> Any:
    y = np.einsum(subscripts, *operands, optimize=optimize)
    return y.copy() if len(operands) == 1 and np.may_share_memory(y, operands[0]) else y  # NumPy makes a view of a transpose


def _einsum_rule(g: Any, operands: Any, subscripts: str, optimize: Any, needs: tuple[bool, ...]) -> list[Any]:
    """By each operand: the einsum of `g` with the other operands, its own letters as the output."""
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    gradients: list[Any] = [None] * len(terms)
    for i, term in enumerate(terms):
        if not needs[i]:
            continue
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
        # A letter that only this operand has, or has at full length, was summed away: its gradient is the same all along.
        found = dict(zip(known, d.shape, strict=True))
        d = d.reshape(tuple(found.get(letter, 1) for letter in unique))
        d = np.broadcast_to(d, tuple(size[letter] for letter in unique))
        if len(unique) != len(term):  # a repeated letter reads a diagonal
            index = [np.arange(size[c]).reshape([-1 if k == a else 1 for k in range(len(unique))]) for a, c in enumerate(unique)]
            d = scatter_add.either(d, tuple(index[unique.index(c)] for c in term), shape)
        gradients[i] = d
    return gradients


_einsum.rules(_einsum_rule)


def _explicit(subscripts: str, ndims: list[int]) -> str:
    """Return the subscripts with an output and with letters in place of each ellipsis."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: '{subscripts}' names {len(terms)} operands, got {len(ndims)}")
    if arrow and "..." not in output and "..." in inputs:
        raise ValueError(f"einsum: '{subscripts}' has an ellipsis in its inputs but none in its output; sum those axes afterwards")
    free = [c for c in _LETTERS if c not in text]
    widths = [ndim - len(t.replace("...", "")) if "..." in t else 0 for t, ndim in zip(terms, ndims, strict=True)]
    for term, ndim, width in zip(terms, ndims, widths, strict=True):
        if width < 0 or ("..." not in term and len(term) != ndim):
            named = len(term.replace("...", ""))
            raise ValueError(f"einsum: '{term}' in '{subscripts}' names {named} axes, its operand has {ndim}")
    widest = "".join(free[: builtins.max(widths)])
    terms = [t.replace("...", widest[len(widest) - w :]) for t, w in zip(terms, widths, strict=True)]
    if not arrow:
        letters = "".join(terms)
        output = widest + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in widest))
    else:
        output = output.replace("...", widest)
    return ",".join(terms) + "->" + output


def _check_lengths(subscripts: str, operands: tuple[Any, ...]) -> None:
    """Raise ValueError where one letter stands for axes of different lengths."""
    lengths: dict[str, int] = {}
    for term, value in zip(subscripts.partition("->")[0].split(","), operands):
        for letter, n in zip(term, value.shape):
            if n != 1 and lengths.setdefault(letter, n) != n:
                text = f"'{letter}' in '{subscripts}' has length {lengths[letter]} in one place and {n} in another"
                raise failed("einsum", operands, ValueError(text))


def einsum(subscripts: Any, *operands: Any, out: None = None, optimize: Any = False) -> Any:
    """Return the sum of products that `subscripts` describes, as in NumPy: "ij,jk->ik" is a matrix product.

    >>> einsum("ij->j", Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([4., 6.], shape=(2,), dtype=float64)
    """
    refuse_out("einsum", out)
    if not isinstance(subscripts, str):  # einsum(a, [0, 1], b, [1, 2], [0, 2])
        values = [subscripts, *operands]
        names = [_letters(v) for v in values[1::2]]
        output = "->" + _letters(values[-1]) if len(values) % 2 else ""
        operands = tuple(values[0 : len(values) - len(values) % 2 : 2])
        subscripts = ",".join(names[: len(operands)]) + output
    operands = tuple(v if isinstance(v, Variable) else as_array(v, "einsum") for v in operands)
    explicit = _explicit(subscripts, [np.ndim(plain(v)) for v in operands])
    _check_lengths(explicit, operands)
    return _einsum(operands, explicit, optimize)


def _letters(axes: Any) -> str:
    return "".join("..." if a is Ellipsis else _LETTERS[a] for a in axes)


FUNCTIONS[np.einsum] = einsum


@composition(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sum of products over `axes`: so many last of `a` and first of `b`, or a pair of lists of axes."""
    nd_a, nd_b = np.ndim(plain(a)), np.ndim(plain(b))
    if isinstance(axes, (int, np.integer)):
        if axes > builtins.min(nd_a, nd_b):
            raise ValueError(f"tensordot: {axes} axes to sum over, but the arrays have {nd_a} and {nd_b}")
        axes_a, axes_b = list(range(nd_a - int(axes), nd_a)), list(range(int(axes)))
    else:
        axes_a, axes_b = (list(s) if isinstance(s, (list, tuple)) else [s] for s in axes)
    axes_a, axes_b = [_axis_index(x, nd_a, "a") for x in axes_a], [_axis_index(x, nd_b, "b") for x in axes_b]
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
    refuse_out("outer", out)
    return multiply(reshape(a, (-1, 1)), reshape(b, (1, -1)))


@composition(np.linalg.outer)
def outer_of_vectors(x1: Any, x2: Any) -> Any:
    """Return all products of an element of one vector with one of another; unlike `outer`, it flattens nothing."""
    if np.ndim(plain(x1)) != 1 or np.ndim(plain(x2)) != 1:
        raise ValueError(f"linalg.outer: expected two vectors, got shapes {np.shape(plain(x1))} and {np.shape(plain(x2))}")
    return outer(x1, x2)


def _arrays(a: Any, b: Any) -> tuple[Any, Any]:
    # These functions of NumPy make arrays of Python numbers at once: none stays weak.
    return tuple(v if isinstance(v, Variable) else as_array(v) for v in (a, b))  # type: ignore[return-value]


@composition(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """Return the product over the last axis of `a` and the last but one of `b` (the only one of a vector)."""
    refuse_out("dot", out)
    a, b = _arrays(a, b)
    nd_a, nd_b = np.ndim(plain(a)), np.ndim(plain(b))
    if nd_a == 0 or nd_b == 0:
        return multiply(a, b)
    if nd_b <= 2 and nd_a <= 2:
        return matmul(a, b)
    return tensordot(a, b, (nd_a - 1, 0 if nd_b == 1 else nd_b - 2))


@composition(np.inner)
def inner(a: Any, b: Any) -> Any:
    """Return the product over the last axes of both."""
    a, b = _arrays(a, b)
    nd_a, nd_b = np.ndim(plain(a)), np.ndim(plain(b))
    return multiply(a, b) if nd_a == 0 or nd_b == 0 else tensordot(a, b, (nd_a - 1, nd_b - 1))


# ------------------------------------------------------------------------------------------------ norm


@operation(name="norm")
def _euclidean(x: Any, axis: Any, keepdims: bool) -> Any:
    squares = x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x
    return np.sqrt(add_reduce(squares, axis, None, None, keepdims))


def _per_length(g: Any, y: Any) -> Any:
    # g / y, and constantly 0 where y is 0: the minimum-norm choice there
    return np.where(y == 0, 0, g) / np.where(y == 0, 1, y)


_euclidean.rules(lambda g, x, axis, keepdims, y: spread(_per_length(g, y), x.shape, axis, keepdims) * x.conj())


@operation()
def p_norm(x: Any, p: Any, axis: Any, keepdims: bool = False) -> Any:
    """Return sum(|x|**p) ** (1/p) over `axis`; where an element, or the whole, is 0, the derivative is 0."""
    return add_reduce(np.abs(x) ** p, axis, None, None, keepdims) ** (1 / p)


def _p_norm_rule(g: Any, x: Any, p: Any, axis: Any, keepdims: bool, y: Any) -> Any:
    # (|x| / y) ** (p-1) * sign(x)
    y = kept_dims(y, x.shape, axis, keepdims)
    nothing = (x == 0) | (y == 0)
    share = np.where(nothing, 1, np.abs(x)) / np.where(nothing, 1, y)
    return spread(g, x.shape, axis, keepdims) * np.where(nothing, 0, share ** (p - 1)) * np.sign(x).conj()


p_norm.rules(_p_norm_rule)


@composition(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors (or, over two axes, of matrices); at zero the derivative is 0.

    ord   None and 'fro' are Euclidean; for vectors also 1, 2, inf, -inf, 0 and any p; for matrices 1, -1, inf, -inf
    axis  one axis: vectors; two: matrices; None: all (with an `ord`, of an array of one or two axes)
    """
    x = x if isinstance(x, Variable) else as_array(x, "norm")
    if plain(x).dtype.kind not in "fc":
        x = x.astype(float)
    ndim = np.ndim(plain(x))
    given = tuple(range(ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(_axis_index(a, ndim) for a in given)
    if ord is None and (axis is None or len(axes) <= 2):
        return _euclidean(x, axes, keepdims)
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2 and axes[0] != axes[1]:
        if ord in ("fro", "f"):
            return _euclidean(x, axes, keepdims)
        if ord in (1, -1, np.inf, -np.inf):
            along, over = axes if ord in (1, -1) else axes[::-1]
            sums = sum(absolute(x), along, None, None, True)
            return _extremum(sums, ord > 0, (over,) if keepdims else axes, keepdims)
        if ord in (2, -2, "nuc"):
            raise NotImplementedError(f"norm: ord={ord!r} of matrices, a norm of singular values, has no derivative here")
    raise ValueError(f"norm: there is no norm of order {ord!r} over axes {axes} of an array of shape {np.shape(plain(x))}")


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord == 2:
        return _euclidean(x, axes, keepdims)
    if ord in (np.inf, -np.inf):
        return _extremum(absolute(x), ord > 0, axes, keepdims)
    if ord == 0:  # how many are not zero: untracked, as comparisons are
        return sum(np.not_equal(x, 0).astype(np.abs(plain(x)).dtype), axes, None, None, keepdims)
    if ord == 1:
        return sum(absolute(x), axes, None, None, keepdims)
    return p_norm(x, float(ord), axes, keepdims)


def _extremum(sizes: Any, largest: bool, axes: tuple[int, ...], keepdims: bool) -> Any:
    shape = np.shape(plain(sizes))
    if largest and 0 in [shape[a] for a in axes]:
        return sum(sizes, axes, None, None, keepdims)  # of nothing the largest is 0
    return (max if largest else min)(sizes, axes, None, keepdims)


FUNCTIONS[np.linalg.matmul] = matmul
FUNCTIONS[np.linalg.tensordot] = tensordot
