"""Samplers: in which order a data set is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ..seeding import generator_or_default

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order of reading: iterating yields positions (or whatever the data set is indexed with), `len` counts them.

    Derive from it, or give a DataLoader anything with these two methods. A loader goes through it once, at the start of an
    epoch, and must come to its end.

    >>> class Backwards(Sampler):
    ...     def __init__(self, data_source):
    ...         self.count = len(data_source)
    ...
    ...     def __iter__(self):
    ...         return iter(range(self.count - 1, -1, -1))
    ...
    ...     def __len__(self):
    ...         return self.count
    >>> [batch.tolist() for batch in nn.data.DataLoader(np.arange(3), sampler=Backwards(range(3)))]
    [[2], [1], [0]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} has no __iter__: define `def __iter__(self)`, which yields positions")


class ArraySampler(Sampler[int]):
    """A sampler that has its whole order as one array."""

    def order(self) -> np.ndarray:
        """Return the positions of an epoch, as int64."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())


class SequentialSampler(ArraySampler):
    """Every sample once, from the first to the last.

    >>> list(SequentialSampler(np.zeros(3)))
    [0, 1, 2]
    """

    def __init__(self, data_source: Any):
        self.data_source = data_source

    def order(self) -> np.ndarray:
        """Return 0, 1, 2, ..."""
        return np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(ArraySampler):
    """Samples in random order: every one once, or each drawn from all of them.

    replacement  draw from all samples each time, so that one may come again and another never
    num_samples  how many an epoch has; the length of the data set by default. Without replacement, more than that begin
                 another permutation.
    generator    numpy.random.Generator; None takes the default one (`nn.manual_seed`)

    >>> sorted(RandomSampler(np.zeros(3), generator=np.random.default_rng(0)))
    [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: np.random.Generator | None = None,
    ):
        if num_samples is not None:
            _check_count(num_samples, "RandomSampler", "num_samples", least=0)
        if generator is not None:
            generator_or_default(generator)
        self.data_source, self.replacement, self.generator = data_source, bool(replacement), generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many samples an epoch has."""
        return len(self.data_source) if self._num_samples is None else int(self._num_samples)

    def order(self) -> np.ndarray:
        """Draw the positions of an epoch."""
        draw, count, wanted = generator_or_default(self.generator), len(self.data_source), self.num_samples
        if not count and wanted:
            raise ValueError(f"RandomSampler: {wanted} samples are wanted of an empty data set")
        if self.replacement:
            return draw.integers(0, count, wanted) if wanted else np.zeros(0, np.int64)
        if wanted == count:
            return draw.permutation(count)
        rounds = [draw.permutation(count) for _ in range(-(-wanted // count))] if wanted else []
        return np.concatenate(rounds)[:wanted] if rounds else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(ArraySampler):
    """The samples at the given positions, in random order.

    >>> sorted(SubsetRandomSampler([5, 2, 8], np.random.default_rng(0)))
    [2, 5, 8]
    """

    def __init__(self, indices: Sequence[int] | np.ndarray, generator: np.random.Generator | None = None):
        positions = np.asarray(indices)
        if positions.ndim != 1 or (positions.size and positions.dtype.kind not in "iu"):
            raise TypeError(f"SubsetRandomSampler: indices must be a sequence of integers, got {positions.dtype} {positions.shape}")
        if generator is not None:
            generator_or_default(generator)
        self.indices, self.generator = positions.astype(np.int64), generator

    def order(self) -> np.ndarray:
        """Draw the positions of an epoch."""
        return generator_or_default(self.generator).permutation(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(ArraySampler):
    """Samples drawn with the given weights, for classes of very different sizes.

    weights      a weight for each sample, not negative; they need not add up to 1
    num_samples  how many an epoch has
    replacement  False draws none twice, which needs that many positive weights
    generator    numpy.random.Generator; None takes the default one (`nn.manual_seed`)

    >>> list(WeightedRandomSampler([0.0, 3.0, 0.0], 4))
    [1, 1, 1, 1]
    """

    def __init__(self, weights: Any, num_samples: int, replacement: bool = True, generator: np.random.Generator | None = None):
        _check_count(num_samples, "WeightedRandomSampler", "num_samples", least=1)
        w = np.asarray(weights, dtype=np.float64)
        if w.ndim != 1 or not w.size or not np.isfinite(w).all() or (w < 0).any() or not w.any():
            raise ValueError(
                "WeightedRandomSampler: weights must be one finite number, not negative, for each sample, and not all 0; got "
                f"shape {w.shape}" + (f", from {w.min()} to {w.max()}" if w.size else "")
            )
        positive = int(np.count_nonzero(w))
        if not replacement and num_samples > positive:
            raise ValueError(
                f"WeightedRandomSampler: {num_samples} samples without replacement of {positive} with a weight above 0; "
                "draw fewer, or set replacement=True"
            )
        if generator is not None:
            generator_or_default(generator)
        self.weights, self.num_samples, self.replacement, self.generator = w, int(num_samples), bool(replacement), generator

    def order(self) -> np.ndarray:
        """Draw the positions of an epoch."""
        draw, p = generator_or_default(self.generator), self.weights / self.weights.sum()
        return draw.choice(len(p), self.num_samples, replace=self.replacement, p=p).astype(np.int64, copy=False)

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """The positions of another sampler, in groups.

    >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool = False):
        _check_count(batch_size, "BatchSampler", "batch_size", least=1)
        self.sampler, self.batch_size, self.drop_last = sampler, int(batch_size), bool(drop_last)

    def __iter__(self) -> Iterator[list[Any]]:
        batch: list[Any] = []
        for position in self.sampler:
            batch.append(position)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def order_of(sampler: Any) -> Any:
    """Return all that a sampler yields: an int64 array of positions where they are whole numbers, else a list."""
    if isinstance(sampler, ArraySampler) and type(sampler).__iter__ is ArraySampler.__iter__:
        return np.asarray(sampler.order(), np.int64)
    drawn = list(sampler)
    if all(isinstance(key, (int, np.integer)) and not isinstance(key, bool) for key in drawn):
        return np.array(drawn, np.int64)
    return drawn


def _check_count(value: Any, owner: str, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        kind = "a positive integer" if least else "an integer, not negative"
        raise ValueError(f"{owner}: {name} must be {kind}, got {value!r}")
