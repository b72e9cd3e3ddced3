"""Embedding: rows of a learned table, read by index. Functions first, the Module below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autodiff import Tensor, operation, scatter_add
from autodiff.chain_rule import own_buffer
from autodiff.graph import Node, wrap
from autodiff.memory import kept, log_write
from autodiff.ops.indexing import add_at

from . import init
from .module import Module, Parameter

if TYPE_CHECKING:
    import numpy.typing as npt


@operation(name="embedding")
def _read(weight: Any, indices: Any, padding_idx: Any, by_freq: Any) -> Any:
    """Return the rows of a table that `indices`, known to be in range, name."""
    return weight.take(indices, 0, mode="clip")


def _counted_once(g: Any, indices: Any, padding_idx: int | None, by_freq: bool) -> Any:
    """Return the gradient, zero at the padding, and each row's divided by how often it was read."""
    if padding_idx is not None:
        g = g * (indices != padding_idx)[..., None]
    if by_freq and indices.size:
        g = g / np.bincount(indices.ravel())[indices][..., None].astype(g.dtype)
    return g


_read.rules(
    lambda g, weight_shape, indices, padding_idx, by_freq: scatter_add.either(
        _counted_once(g, indices, padding_idx, by_freq), indices, weight_shape
    )
)


def _add_into_table(node: Node, g: Any, pending: Any, owned: Any, needed: Any, create_graph: bool) -> bool:
    # All readings of one table, and its other uses, add into one gradient array.
    parent = node.parents[0]
    if create_graph or parent is None or g.dtype != parent.dtype:
        return False
    if needed is None or parent in needed:
        _, indices, padding_idx, by_freq = node.saved[0]
        add_at(own_buffer(pending, owned, parent), indices, _counted_once(g, indices, padding_idx, by_freq))
    return True


_read.operation.set_special(_add_into_table)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of a table that the input names.

    input               integers from 0 to V - 1, of any shape
    weight              the table (V, D)
    padding_idx         a row that gets no gradient; a negative one counts from the end
    max_norm            rows that are read and are longer are first shortened to this length, in the table itself
    norm_type           of which norm that is the length
    scale_grad_by_freq  divide each row's gradient by how often it was read
    sparse              taken for the sake of PyTorch's signature: a gradient is an array of the table's shape, and only the rows
                        that were read are computed

    Returns (*input.shape, D). Raises TypeError unless the input holds integers, IndexError where one is out of range.

    >>> embedding([[0, 2]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).tolist()
    [[[1.0, 2.0], [5.0, 6.0]]]
    """
    table = weight._data if isinstance(weight, Tensor) else np.asarray(weight)
    if table.ndim != 2:
        raise ValueError(f"embedding: the weight has shape {table.shape}, expected a table (V, D)")
    rows = len(table)
    indices = _indices("embedding", input, rows)
    if padding_idx is not None:
        padding_idx = _padding("embedding", padding_idx, rows)
    if max_norm is not None:
        _shorten(weight if isinstance(weight, Tensor) else table, indices, max_norm, norm_type)
    return _read(weight if isinstance(weight, Tensor) else table, indices, padding_idx, scale_grad_by_freq)


_INT = np.dtype(np.intp)


def _indices(name: str, value: Any, rows: int) -> np.ndarray:
    """Return the indices as an array of NumPy's index type, all of them in range."""
    given: np.ndarray = kept(value) if isinstance(value, Tensor) else np.asarray(value)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(
            f"{name}: expected integer indices, got dtype {given.dtype}; cast them with .astype(int), if they are whole numbers"
        )
    indices = given if given.dtype is _INT else given.astype(_INT)
    if indices.size and np.maximum.reduce(indices.view(np.uintp), None) >= rows:  # read as unsigned, negative ones are huge
        wrong = (indices < 0) | (indices >= rows)
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        more = f" ({int(wrong.sum())} of {wrong.size} indices are)" if wrong.sum() > 1 else ""
        at = "" if not where else f" at position {where[0] if len(where) == 1 else where}"
        raise IndexError(
            f"{name}: index {int(indices[where])}{at} is out of range{more}; the table has {rows} rows, so indices go from 0 to "
            f"{rows - 1}"
        )
    return indices


def _padding(name: str, padding_idx: Any, rows: int) -> int:
    if isinstance(padding_idx, bool) or not isinstance(padding_idx, (int, np.integer)) or not -rows <= padding_idx < rows:
        raise ValueError(f"{name}: padding_idx must be one of the {rows} rows, {-rows} to {rows - 1}, got {padding_idx!r}")
    return int(padding_idx) % rows


def _shorten(weight: Any, indices: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Shorten the rows of the table that are read and longer than `max_norm`, in place."""
    table = weight._data if isinstance(weight, Tensor) else weight
    rows = np.unique(indices)
    lengths = np.linalg.norm(table[rows], norm_type, axis=1)
    long = lengths > max_norm
    if long.any():
        table[rows[long]] *= (max_norm / (lengths[long] + 1e-7))[:, None].astype(table.dtype)
        log_write(table, "an embedding's max_norm")


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Return zeros with a one at each index: integers (*shape, num_classes), untracked.

    tensor       integers from 0 to num_classes - 1, of any shape
    num_classes  by default one more than the largest index

    Raises TypeError unless the input holds integers, IndexError where one is out of range.

    >>> one_hot([0, 2]).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    given: np.ndarray = tensor._data if isinstance(tensor, Tensor) else np.asarray(tensor)
    if num_classes == -1:
        if not given.size:
            raise ValueError("one_hot: there is no index to tell the number of classes from; give num_classes")
        num_classes = int(given.max()) + 1 if given.dtype.kind in "iu" else 1
    elif isinstance(num_classes, bool) or not isinstance(num_classes, (int, np.integer)) or num_classes < 1:
        raise ValueError(f"one_hot: num_classes must be a positive integer, or -1 to take the largest index, got {num_classes!r}")
    indices = _indices("one_hot", tensor, max(num_classes, 0))
    out = np.zeros((indices.size, num_classes), np.int64)
    out[np.arange(indices.size), indices.ravel()] = 1
    return wrap(out.reshape(*indices.shape, num_classes))  # type: ignore[no-any-return]


class Embedding(Module):
    """A learned vector for each of a number of things: words, users, positions; drawn from N(0, 1) at first.

    num_embeddings      V, how many
    embedding_dim       D, the length of each vector
    padding_idx         a row that is zero at first and gets no gradient; a negative one counts from the end
    max_norm            rows that are read and are longer are first shortened to this length
    norm_type           of which norm that is the length
    scale_grad_by_freq  divide each row's gradient by how often it was read in the batch
    sparse              taken for the sake of PyTorch's signature: a gradient is an array of the table's shape
    dtype               of the table, float32 by default
    generator           numpy.random.Generator for the initial values

    Takes integers of any shape, and appends an axis of length D.

    >>> Embedding(10, 3)([[1, 2, 4], [4, 3, 9]]).shape
    (2, 3, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        dtype: npt.DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ):
        for name, n in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
                raise ValueError(f"Embedding: {name} must be a positive integer, got {n!r}")
        self._set(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), dtype or np.float32))
        self.reset_parameters(generator)

    def _set(self, rows: int, columns: int, padding_idx: Any, max_norm: Any, norm_type: Any, by_freq: bool, sparse: bool) -> None:
        self.num_embeddings, self.embedding_dim = int(rows), int(columns)
        self.padding_idx = None if padding_idx is None else _padding(type(self).__name__, padding_idx, self.num_embeddings)
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = max_norm, norm_type, by_freq, sparse

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Return an Embedding with a given table (V, D), copied.

        freeze  False to go on learning it; the other arguments are those of the class

        >>> Embedding.from_pretrained(np.eye(3))([2]).tolist()
        [[0.0, 0.0, 1.0]]
        """
        layer = cls.__new__(cls)
        weight = Parameter(embeddings, requires_grad=not freeze)
        if weight.ndim != 2:
            raise ValueError(f"{cls.__name__}.from_pretrained: expected a table (V, D), got shape {weight.shape}")
        layer._set(weight.shape[0], weight.shape[1], padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        layer.weight = weight
        return layer

    def reset_parameters(self, generator: np.random.Generator | None = None) -> None:
        """Draw the table anew; the padding is zero."""
        init.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight._data[self.padding_idx] = 0

    def forward(self, input: Tensor | np.ndarray | Sequence[Any]) -> Tensor:
        return embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, default in (("padding_idx", None), ("max_norm", None), ("norm_type", 2.0), ("scale_grad_by_freq", False)):
            value = getattr(self, name)
            text += "" if value == default else f", {name}={value}"
        return text + (", sparse=True" if self.sparse else "")
