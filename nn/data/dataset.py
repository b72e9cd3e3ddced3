"""Data sets: samples that can be read by position, or only one after the other; parts and joins of such sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from autodiff import Tensor, asarray
from autodiff.graph import wrap

from ..seeding import generator_or_default

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Dataset(Protocol[T_co]):
    """Samples that can be counted and read by position: a number, an array or Tensor, a tuple or dict of these.

    Derive from it or not: whatever has these two methods is a Dataset. The optional third one, `__getitems__(indices)`,
    returns a list of samples where reading them together is faster.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def __getitem__(self, index):
    ...         return float(index), float(index**2)
    >>> Squares()[3]
    (3.0, 9.0)
    """

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__: define `def __len__(self) -> int`, the number of samples")

    def __getitem__(self, index: Any, /) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__: define `def __getitem__(self, index)`, one sample")


class IterableDataset(Generic[T_co]):
    """Samples that come one after the other: a stream, a generator, lines of a file. Derive from it, define `__iter__`.

    Each worker of a loader has a copy and goes through all of it, unless `__iter__` asks `get_worker_info()` for its share.

    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(5, 0, -1))
    >>> [batch.tolist() for batch in nn.data.DataLoader(Countdown(), batch_size=2)]
    [[5, 4], [3, 2], [1]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__: define `def __iter__(self)`, which yields samples")


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Arrays or Tensors of the same length; sample i is a tuple of the i-th row of each.

    tensors           arrays are not copied: a later change of yours to an array changes the data set. Samples and batches
                      are copies, so that what is done to them never reaches your arrays. Tracked Tensors stay in the graph.
    transform         applied to the first part of each sample (see `nn.data.transforms`)
    target_transform  applied to the last part

    `.tensors` has them all as Tensors. Raises ValueError where their lengths differ.

    >>> data = TensorDataset(np.zeros((5, 2)), np.arange(5))
    >>> len(data), data[3][1].item()
    (5, 3)
    """

    def __init__(
        self,
        *tensors: Any,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        if not tensors:
            raise ValueError("TensorDataset: give at least one array")
        self.tensors: tuple[Tensor, ...] = tuple(_shared(t) for t in tensors)
        shapes = [t.shape for t in self.tensors]
        if not all(shape and shape[:1] == shapes[0][:1] for shape in shapes):
            raise ValueError(f"TensorDataset: the arrays must be equally long, got shapes {', '.join(map(str, shapes))}")
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.tensors[0]._data)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples of shapes {', '.join(str(t.shape[1:]) for t in self.tensors)})"

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        sample = tuple([t[index] if t._node is not None else wrap(np.array(t._data[index])) for t in self.tensors])
        return sample if self.transform is self.target_transform is None else self._transformed(sample)

    def _transformed(self, sample: tuple[Any, ...]) -> tuple[Any, ...]:
        result: tuple[Any, ...] = transformed(sample, self.transform, self.target_transform)
        return result


def _shared(value: Any) -> Tensor:
    """Return an array as a Tensor on the same memory; anything else as `asarray` does."""
    return asarray(value, copy=False) if type(value) is np.ndarray and value.dtype.kind in "biufc" else asarray(value)


def transformed(sample: Any, transform: Callable[[Any], Any] | None, target_transform: Callable[[Any], Any] | None) -> Any:
    """Return a sample with its first part (or, if it has no parts, itself) and its last one transformed."""
    if transform is None and target_transform is None:
        return sample
    if not isinstance(sample, tuple):
        if target_transform is not None:
            raise TypeError(f"target_transform: a sample is a {type(sample).__name__}, expected a tuple of input and target")
        return sample if transform is None else transform(sample)
    parts = list(sample)
    if transform is not None:
        parts[0] = transform(parts[0])
    if target_transform is not None:
        if len(parts) < 2:
            raise TypeError("target_transform: a sample has one part, expected an input and a target")
        parts[-1] = target_transform(parts[-1])
    return tuple(parts)


class Subset(Dataset[T_co]):
    """Some samples of a data set, in an order of their own.

    dataset           any data set that is read by position
    indices           positions in it; negative ones count from its end
    transform         applied to the first part of each sample, target_transform to the last one. Both are attributes
                      that may be set later: so one of two parts of a data set is augmented and the other is not.

    >>> part = Subset(np.arange(10.0), [7, 1])
    >>> len(part), float(part[0])
    (2, 7.0)
    """

    def __init__(
        self,
        dataset: Any,
        indices: Sequence[int] | np.ndarray,
        *,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ):
        positions = np.asarray(indices)
        if positions.dtype.kind == "b" or positions.ndim != 1 or (positions.size and positions.dtype.kind not in "iu"):
            raise TypeError(
                f"Subset: indices must be a sequence of integers, got {positions.dtype} of shape {positions.shape}; "
                "np.flatnonzero(mask) makes them of a mask"
            )
        count = len(dataset)
        if positions.size and not (-count <= positions.min() and positions.max() < count):
            bad = positions.min() if positions.min() < -count else positions.max()
            raise IndexError(f"Subset: index {bad} is out of range for a data set of {count} samples")
        self.dataset = dataset
        self.indices = np.where(positions < 0, positions + count, positions).astype(np.int64)
        self.transform, self.target_transform = transform, target_transform

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} of {len(self.dataset)} samples of {type(self.dataset).__name__})"

    def __getitem__(self, index: Any) -> T_co:
        chosen = self.indices[index]
        sample = self.dataset[int(chosen) if np.ndim(chosen) == 0 else chosen]
        return transformed(sample, self.transform, self.target_transform)  # type: ignore[no-any-return]


class ConcatDataset(Dataset[T_co]):
    """Several data sets, one after the other.

    >>> both = ConcatDataset([np.arange(3.0), np.arange(10.0, 12.0)])
    >>> len(both), float(both[3]), float(both[-1])
    (5, 10.0, 11.0)
    """

    def __init__(self, datasets: Sequence[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: give at least one data set")
        if any(isinstance(part, IterableDataset) for part in self.datasets):
            raise TypeError("ConcatDataset: an IterableDataset cannot be read by position; itertools.chain joins streams")
        self.cumulative_sizes: list[int] = np.cumsum([len(part) for part in self.datasets]).tolist()

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples of {len(self.datasets)} data sets)"

    def __getitem__(self, index: int) -> T_co:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {count} samples")
        index = int(index) % count
        which = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]  # type: ignore[no-any-return]


def random_split(dataset: Any, lengths: Sequence[float], generator: np.random.Generator | None = None) -> list[Subset[Any]]:
    """Return parts of a data set, drawn at random and without overlap.

    lengths    numbers of samples, together all of them; or fractions that add up to 1 (what rounding down leaves over goes
               to the parts in turn)
    generator  numpy.random.Generator; None takes the default one (`nn.manual_seed`)

    >>> train, test = random_split(np.arange(10.0), [0.8, 0.2], np.random.default_rng(0))
    >>> len(train), len(test)
    (8, 2)
    """
    count, sizes = len(dataset), list(lengths)
    if any(not size >= 0 for size in sizes):
        raise ValueError(f"random_split: lengths must not be negative, got {sizes}")
    if abs(sum(sizes) - 1) < 1e-6 and not (count == 1 and all(size in (0, 1) for size in sizes)):
        counts = [int(count * size + 1e-9 * count) for size in sizes]  # 0.29 * 100 is 28.999999999999996
        for i in range(count - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [int(size) for size in sizes]
        if counts != sizes or sum(counts) != count:
            raise ValueError(f"random_split: lengths must add up to 1 (fractions) or to the {count} samples, got {sizes}")
    order, ends = generator_or_default(generator).permutation(count), np.cumsum(counts)
    return [Subset(dataset, order[end - size : end]) for size, end in zip(counts, ends, strict=True)]


def batch_reader(dataset: Any) -> Callable[[Any], Any] | None:
    """Return a function that reads a whole batch of rows at once, by an array of positions or a slice; None where none can.

    What it returns is what `default_collate` would make of the samples, in fresh memory.
    """
    if isinstance(dataset, np.ndarray):
        return partial(_tensor_rows, wrap(np.asarray(dataset)))
    if isinstance(dataset, Tensor):
        return partial(_tensor_rows, dataset)
    if isinstance(dataset, TensorDataset) and type(dataset).__getitem__ is TensorDataset.__getitem__:  # else items of its own
        steps = [dataset.transform, dataset.target_transform]
        many = [None if step is None else getattr(step, "many", None) for step in steps]
        if any(step is not None and whole is None for step, whole in zip(steps, many)):
            return None  # a transform of single samples
        return partial(_rows_of_all, dataset.tensors, *many)
    if type(dataset) is Subset and dataset.transform is None and dataset.target_transform is None:
        inner = batch_reader(dataset.dataset)
        return None if inner is None else partial(_chosen_rows, inner, dataset.indices)
    return None


def _rows_of_all(tensors: tuple[Tensor, ...], transform: Any, target_transform: Any, rows: Any) -> Any:
    return transformed(tuple([_tensor_rows(t, rows) for t in tensors]), transform, target_transform)


def _chosen_rows(read: Callable[[Any], Any], indices: np.ndarray, rows: Any) -> Any:
    return read(indices[rows])


def _tensor_rows(tensor: Tensor, rows: Any) -> Any:
    return wrap(_rows(tensor._data, rows)) if tensor._node is None else tensor[rows]


def _rows(array: np.ndarray, rows: Any) -> np.ndarray:
    if type(rows) is slice:
        return array[rows].copy()
    # take is faster for rows, indexing for single numbers; take would first copy an array that is not contiguous
    return array.take(rows, 0) if array.ndim > 1 and array.flags.c_contiguous else array[rows]  # type: ignore[no-any-return]
