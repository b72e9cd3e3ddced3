"""The loader that cuts a data set into shuffled batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, stack
from autodiff.graph import wrap

from ..seeding import generator_or_default
from .dataset import Dataset, TensorDataset


class DataLoader:
    """Goes through a data set in batches of Tensors; each `for` over it is one epoch.

    dataset     a Dataset, or an array or Tensor, or a tuple of them
    batch_size  samples in a batch
    shuffle     draw a new order for each epoch
    generator   numpy.random.Generator for the order; None takes the default one (`nn.manual_seed`)
    drop_last   leave out a last batch that is not full

    >>> loader = DataLoader((np.arange(5.0), np.arange(5)), batch_size=2)
    >>> [x.tolist() for x, y in loader]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    >>> len(loader)
    3
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        generator: np.random.Generator | None = None,
        drop_last: bool = False,
    ):
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be a positive integer, got {batch_size!r}")
        if isinstance(dataset, tuple):
            dataset = TensorDataset(*dataset)
        if isinstance(dataset, np.ndarray) and dataset.dtype.kind not in "biufc":
            raise TypeError(f"DataLoader: expected arrays of numbers, got dtype {dataset.dtype}")
        if isinstance(dataset, (np.ndarray, Tensor)) and not dataset.ndim:
            raise TypeError("DataLoader: a single number has no samples; expected an array of at least one axis")
        if not isinstance(dataset, Dataset) or isinstance(dataset, (Mapping, str)):
            raise TypeError(f"DataLoader: expected arrays or a Dataset (len() and items), got {type(dataset).__name__}")
        if generator is not None:
            generator_or_default(generator)
        self.dataset, self.batch_size, self.shuffle = dataset, int(batch_size), shuffle
        self.generator, self.drop_last = generator, drop_last

    def __len__(self) -> int:
        count = len(self.dataset)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        count = len(self.dataset)
        order = generator_or_default(self.generator).permutation(count) if self.shuffle else np.arange(count)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield self._batch(order[start : start + self.batch_size])

    def _batch(self, positions: np.ndarray) -> Any:
        if type(self.dataset) is TensorDataset:  # a subclass may have items of its own
            return tuple(wrap(t._data[positions]) if t._node is None else t[positions] for t in self.dataset.tensors)
        if isinstance(self.dataset, Tensor):
            return self.dataset[positions]
        if isinstance(self.dataset, np.ndarray):
            return wrap(np.asarray(self.dataset)[positions])
        return collate([self.dataset[int(i)] for i in positions])


def collate(samples: list[Any]) -> Any:
    """Return one batch of several samples: arrays and numbers stacked into a Tensor, tuples and dicts part by part.

    >>> x, y = collate([(np.zeros(3), 0), (np.ones(3), 1)])
    >>> x.shape, y.tolist()
    ((2, 3), [0, 1])
    """
    first = samples[0]
    if isinstance(first, (tuple, list, dict)):
        for sample in samples:
            alike = type(sample) is type(first) and len(sample) == len(first)
            if not alike or (isinstance(first, dict) and sample.keys() != first.keys()):
                raise ValueError(f"DataLoader: the samples of a batch differ in their parts: {_parts(first)} and {_parts(sample)}")
    if isinstance(first, (tuple, list)):
        return tuple(collate(list(parts)) for parts in zip(*samples, strict=True))
    if isinstance(first, dict):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    try:
        return stack([asarray(sample) for sample in samples])
    except ValueError as error:
        shapes = sorted({np.shape(sample) for sample in samples})
        raise ValueError(f"DataLoader: the samples of a batch differ in shape: {', '.join(map(str, shapes))}; pad them") from error


def _parts(sample: Any) -> str:
    kind = type(sample).__name__
    if isinstance(sample, dict):
        return f"a {kind} of {', '.join(map(repr, sample))}"
    return f"a {kind} of {len(sample)}" if isinstance(sample, (tuple, list)) else f"a {kind}"
