"""What a loader reads in one epoch: its batches by number, how far it has come, and how one batch is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import numpy as np

from ..seeding import Draws
from .collation import default_collate, default_convert
from .dataset import IterableDataset, batch_reader

END = object()  # instead of a batch, when a stream has no more
_COLLATION = 1 << 63  # added to a batch's number, so that collate_fn draws other numbers than the samples


class Epoch:
    """The batches of one epoch and how many of them were handed out.

    order     what the sampler yielded: an int64 array, a range where nothing was drawn, a list of other keys; None for a
              stream, or where the batches are given
    size      samples in a batch; None where samples are not batched
    batches   what a batch sampler yielded, instead of order and size
    seed      of the samples' random numbers; None where none are drawn
    position  batches handed out
    """

    __slots__ = ("batches", "count", "order", "position", "seed", "size", "starts")

    def __init__(self, order: Any, size: int | None, drop_last: bool, batches: list[Any] | None, seed: int | None):
        self.order, self.size, self.batches, self.seed, self.position = order, size, batches, seed, 0
        self.starts = [0, *accumulate(map(len, batches))] if batches is not None else []
        self.count: int | None
        if batches is not None:
            self.count = len(batches)
        elif order is None:
            self.count = None
        elif size is None:
            self.count = len(order)
        else:
            self.count = len(order) // size if drop_last else -(-len(order) // size)

    def task(self, number: int) -> tuple[int, Any]:
        """Return the running number of the first sample of a batch, and the keys of its samples."""
        if self.batches is not None:
            return self.starts[number], self.batches[number]
        if self.size is None:
            key = self.order[number]
            return number, int(key) if isinstance(key, np.integer) else key
        start = number * self.size
        if type(self.order) is range:
            return start, slice(start, min(start + self.size, len(self.order)))
        return start, self.order[start : start + self.size]


class Fetcher:
    """Makes batches of a data set: in the loader itself, in a thread, or in another process.

    dataset     read by position, or an IterableDataset
    collate_fn  makes a batch of samples (or converts a sample, if not batched); None for the usual one
    size        samples in a batch of a stream; None where samples are not batched
    drop_last   leave out a stream's last batch if it is not full
    batched     whether samples are put together at all
    """

    def __init__(self, dataset: Any, collate_fn: Callable[[Any], Any] | None, size: int | None, drop_last: bool, batched: bool):
        self.dataset, self.size, self.drop_last, self.batched = dataset, size, drop_last, batched
        self.is_stream = isinstance(dataset, IterableDataset)
        self.reader = batch_reader(dataset) if batched and collate_fn is None and not self.is_stream else None
        self.collate = collate_fn or (default_collate if batched else default_convert)
        self.draws = Draws(0)
        self._stream: Iterator[Any] | None = None
        self._first = self._read = 0

    def begin(self, seed: int | None, worker: int = 0) -> None:
        """Begin an epoch; the samples of a stream are numbered differently in each worker."""
        self.draws = Draws(seed or 0)
        if self.is_stream:
            self._first, self._read = worker << 48, 0
            with self.draws as draws:
                draws.number = _COLLATION - 1 - worker
                self._stream = iter(self.dataset)

    def batch(self, first: int, keys: Any) -> Any:
        """Return the batch (or the sample) of these keys, whose first is the `first`-th of the epoch."""
        dataset = self.dataset
        if self.reader is not None:
            try:
                return self.reader(keys)
            except IndexError as error:
                error.add_note(f"in reading {described(dataset)} at {_outside(keys, len(dataset))}")
                raise
        key: Any = None
        with self.draws as draws:
            try:
                draws.number = first
                if not self.batched:
                    key = keys
                    sample, key = dataset[keys], None
                    return self.collate(sample)
                if type(keys) is slice:
                    keys = range(keys.start, keys.stop)
                elif isinstance(keys, np.ndarray):
                    keys = keys.tolist()
                if hasattr(dataset, "__getitems__"):
                    samples = dataset.__getitems__(list(keys))
                else:
                    samples = []
                    for draws.number, key in enumerate(keys, first):
                        samples.append(dataset[key])
                key = None
                draws.number = first + _COLLATION
                return self.collate(samples)
            except Exception as error:
                if key is not None:
                    error.add_note(f"in reading {described(dataset)} at index {key!r}")
                if not isinstance(error, StopIteration):
                    raise
                raise RuntimeError(f"{type(dataset).__name__} raised StopIteration where a sample was asked for") from error

    def following(self) -> Any:
        """Return the next batch (or sample) of a stream, or END."""
        assert self._stream is not None
        with self.draws as draws:
            samples = []
            for _ in range(self.size if self.batched and self.size else 1):
                draws.number = self._first + self._read
                try:
                    samples.append(next(self._stream))
                except StopIteration:
                    break
                self._read += 1
            if not samples or (self.batched and self.drop_last and len(samples) != self.size):
                return END
            draws.number = self._first + self._read - len(samples) + _COLLATION
            return self.collate(samples if self.batched else samples[0])


def described(dataset: Any) -> str:
    """Return a data set's class, and how many samples it says to have."""
    try:
        return f"{type(dataset).__name__} of {len(dataset)} samples"
    except Exception:
        return type(dataset).__name__


def _outside(keys: Any, count: int) -> str:
    """Return the first of the positions that is beyond a data set of so many samples, else all of them."""
    positions = np.asarray([] if type(keys) is slice else keys)
    wrong = positions[(positions < -count) | (positions >= count)] if positions.dtype.kind in "iu" else positions
    return f"index {wrong[0]}" if wrong.size else f"{keys!r:.80}"
