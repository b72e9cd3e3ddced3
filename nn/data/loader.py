"""The loader that cuts a data set into batches: shuffled, made ahead by workers, and resumable in the middle of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from autodiff import Tensor

from ..seeding import generator_or_default
from .dataset import Dataset, IterableDataset, TensorDataset
from .epoch import END, Epoch, Fetcher, described
from .sampler import BatchSampler, RandomSampler, SequentialSampler, order_of
from .workers import Pool


class DataLoader:
    """Goes through a data set in batches of Tensors; each `for` over it is one epoch.

    dataset        a Dataset, an IterableDataset, an array or Tensor, or a tuple of them
    batch_size     samples in a batch; None hands out the samples themselves
    shuffle        draw a new order for each epoch
    sampler        the order of reading, instead of shuffle (a Sampler, or any iterable of positions that can be iterated anew)
    batch_sampler  yields lists of positions, one a batch, instead of batch_size, shuffle, sampler and drop_last
    num_workers    how many threads or processes make batches ahead of time; 0 makes each when it is asked for
    collate_fn     makes a batch of a list of samples; None: `default_collate`
    drop_last      leave out a last batch that is not full
    timeout        seconds that a worker may take for a batch before TimeoutError is raised; 0 waits for ever
    worker_init_fn called with the worker's number in each worker, before its first batch
    worker_type    "process", for samples that cost much Python; or "thread", which starts at once and copies nothing, for
                   samples whose cost lies in NumPy, in files or in the network
    multiprocessing_context  how processes start: "fork", "spawn", "forkserver" or a context; None is Python's default
    generator      numpy.random.Generator for the order and for the samples' seed; None takes the default one (`nn.manual_seed`)
    prefetch_factor     how many batches each worker makes ahead; 2 by default
    persistent_workers  keep the workers from one epoch to the next
    pin_memory      is taken, as in PyTorch's programs, and does nothing: there is no other device to copy batches to

    Batches come in the sampler's order and are the same whatever the number of workers: when an epoch begins, its order is
    drawn, and a seed from which each sample's random numbers follow (those of `nn.data.transforms`, and all that a data set
    draws from the default generator). An error in a worker is raised here, with its traceback. `state_dict()` in the middle
    of an epoch, and later `load_state_dict()`, go on with the batches that were left.

    >>> loader = DataLoader((np.arange(5.0), np.arange(5)), batch_size=2)
    >>> [x.tolist() for x, y in loader]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    >>> len(loader)
    3
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        *,
        drop_last: bool = False,
        timeout: float = 0.0,
        worker_init_fn: Callable[[int], Any] | None = None,
        worker_type: str = "process",
        multiprocessing_context: Any = None,
        generator: np.random.Generator | None = None,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory: bool = False,
    ):
        if batch_size is not None:
            _check_integer(batch_size, "batch_size must be a positive integer", least=1)
        _check_integer(num_workers, "num_workers must be an integer, not negative", least=0)
        dataset = _checked(dataset, sampler is None and batch_sampler is None)
        if generator is not None:
            generator_or_default(generator)
        if not timeout >= 0:
            raise ValueError(f"DataLoader: timeout must be a number of seconds, 0 for none, got {timeout!r}")
        if worker_type not in ("process", "thread"):
            raise ValueError(f"DataLoader: worker_type must be 'process' or 'thread', got {worker_type!r}")
        if num_workers == 0 and (prefetch_factor is not None or persistent_workers):
            raise ValueError("DataLoader: prefetch_factor and persistent_workers need num_workers of at least 1")
        if prefetch_factor is not None:
            _check_integer(prefetch_factor, "prefetch_factor must be a positive integer", least=1)
        stream = isinstance(dataset, IterableDataset)
        if stream and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: an IterableDataset decides its own order; it takes no shuffle, sampler or batch_sampler")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: give a sampler or shuffle=True, not both")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("DataLoader: a batch_sampler decides alone; leave out batch_size, shuffle, sampler and drop_last")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: drop_last needs batches, and batch_size is None")

        self.dataset, self.collate_fn, self.generator = dataset, collate_fn, generator
        self.batch_size, self.drop_last = None if batch_size is None or batch_sampler is not None else int(batch_size), drop_last
        self.num_workers, self.worker_init_fn, self.worker_type = int(num_workers), worker_init_fn, worker_type
        self.multiprocessing_context, self.timeout = multiprocessing_context, timeout
        self.prefetch_factor, self.persistent_workers = prefetch_factor or 2, persistent_workers
        self.batch_sampler = batch_sampler
        self._own_order = sampler is None and batch_sampler is None
        self.sampler: Any = sampler
        if self._own_order and not stream:
            self.sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if type(batch_sampler) is BatchSampler:  # the same as its sampler, its size and drop_last, said in another way
            self.sampler, self.batch_size, self.drop_last = batch_sampler.sampler, batch_sampler.batch_size, batch_sampler.drop_last
        self._given = batch_sampler if batch_sampler is not None and self.batch_size is None else None  # batches as they are given
        self._epoch: Epoch | None = None  # the one under way, or the last that was left early
        self._resuming = False
        self._pool: Pool | None = None

    def __len__(self) -> int:
        if self._given is not None:
            return len(self._given)  # type: ignore[arg-type]
        if isinstance(self.dataset, IterableDataset) and not hasattr(self.dataset, "__len__"):
            raise TypeError(f"the length of this DataLoader is unknown: {type(self.dataset).__name__} is a stream without __len__")
        count = len(self.dataset if self.sampler is None else self.sampler)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __repr__(self) -> str:
        batches = self.sampler if self._given is None else self._given
        parts = [described(self.dataset), f"batch_size={self.batch_size}"]
        parts += [type(batches).__name__] if batches is not None else []
        parts += ["drop_last=True"] if self.drop_last else []
        parts += [f"num_workers={self.num_workers}"] if self.num_workers else []
        with suppress(TypeError):  # of a stream
            parts.append(f"{len(self)} batches")
        return f"DataLoader({', '.join(parts)})"

    def __iter__(self) -> Iterator[Any]:
        fetcher = Fetcher(*self._source()[:-1])
        if self._resuming and self._epoch is not None:
            epoch, self._resuming = self._epoch, False
        else:
            epoch = self._epoch = self._drawn(with_seed=fetcher.reader is None)
        if self.num_workers:
            return self._ahead(epoch)
        return self._one_by_one(epoch, fetcher) if epoch.count is not None else self._streamed(epoch, fetcher)

    def _source(self) -> tuple[Any, ...]:
        """Return what a worker needs to know: the arguments of Fetcher, and worker_init_fn."""
        batched = self.batch_size is not None or self._given is not None
        return self.dataset, self.collate_fn, self.batch_size, self.drop_last, batched, self.worker_init_fn

    def _drawn(self, with_seed: bool) -> Epoch:
        """Return a new epoch: its order and its seed are drawn here, and nothing is drawn later."""
        order: Any = None
        batches: list[Any] | None = None
        if self._given is not None:
            batches = [order_of(batch) for batch in self._given]
        elif type(self.sampler) is SequentialSampler:
            order = range(len(self.sampler))
        elif self.sampler is not None:
            order = order_of(self.sampler)
        seed = int(generator_or_default(self.generator).integers(0, 1 << 63)) if with_seed else None
        return Epoch(order, self.batch_size, self.drop_last, batches, seed)

    # ------------------------------------------------------------------------------------------- making batches

    def _one_by_one(self, epoch: Epoch, fetcher: Fetcher) -> Iterator[Any]:
        fetcher.begin(epoch.seed)
        batch_of, task = fetcher.batch, epoch.task
        for number in range(epoch.position, epoch.count or 0):
            try:
                batch = batch_of(*task(number))
            except IndexError as error:
                self._blame_sampler(error)
                raise
            epoch.position = number + 1
            yield batch
        self._finish(epoch)

    def _streamed(self, epoch: Epoch, fetcher: Fetcher) -> Iterator[Any]:
        fetcher.begin(epoch.seed)
        passed = 0
        while (batch := fetcher.following()) is not END:
            passed += 1
            if passed > epoch.position:  # a resumed stream is gone through from its start
                epoch.position = passed
                yield batch
        self._finish(epoch)

    def _ahead(self, epoch: Epoch) -> Iterator[Any]:
        """Yield the batches that workers make; batch k is made by worker k modulo their number."""
        workers, timeout = self.num_workers, self.timeout or None
        pool = self._workers()
        done = False
        try:
            if epoch.count is None:
                pool.begin(epoch.seed, [None] * workers)
                yield from self._ahead_streamed(epoch, pool, timeout)
            else:
                start, ahead = epoch.position, workers * self.prefetch_factor
                numbers = range(start, epoch.count)
                pool.begin(epoch.seed, [[epoch.task(k) for k in numbers[i::workers]] for i in range(workers)])
                for i in range(min(ahead, len(numbers))):
                    pool.ask(i % workers)
                for i, number in enumerate(numbers):
                    try:
                        batch = pool.take(i % workers, timeout)
                    except IndexError as error:
                        self._blame_sampler(error)
                        raise
                    if i + ahead < len(numbers):
                        pool.ask(i % workers)
                    epoch.position = number + 1
                    yield batch
            done = True
        except GeneratorExit:  # the loop was left early; the workers are well
            done = True
            raise
        finally:
            pool.busy = False
            if pool is not self._pool or not done:
                pool.close()
                if pool is self._pool:
                    self._pool = None
        self._finish(epoch)

    def _ahead_streamed(self, epoch: Epoch, pool: Pool, timeout: float | None) -> Iterator[Any]:
        live, passed = list(range(self.num_workers)), 0
        for number in live * self.prefetch_factor:
            pool.ask(number)
        while live:
            for number in tuple(live):
                batch = pool.take(number, timeout)
                if batch is END:
                    live.remove(number)
                    continue
                pool.ask(number)
                passed += 1
                if passed > epoch.position:
                    epoch.position = passed
                    yield batch

    def _workers(self) -> Pool:
        """Return workers for one epoch: those of the last one if they are kept and free."""
        source, kept = self._source(), self._pool
        if kept is not None and not kept.busy:
            if len(kept.workers) == self.num_workers and all(a is b for a, b in zip(kept.source, source)):
                kept.busy = True
                return kept
            kept.close()
            kept = self._pool = None
        pool = Pool(source, self.num_workers, self.worker_type, self.multiprocessing_context)
        pool.busy = True
        if self.persistent_workers and kept is None:
            self._pool = pool
        return pool

    def _blame_sampler(self, error: IndexError) -> None:
        """Add to an error of a position that the data set does not have who asked for it."""
        if not self._own_order:
            sampler = self.sampler if self._given is None else self._given
            error.add_note(f"the position is what the {type(sampler).__name__} gave; was it made for another data set?")

    def _finish(self, epoch: Epoch) -> None:
        if self._epoch is epoch:
            self._epoch = None

    # ------------------------------------------------------------------------------------------- resuming

    def state_dict(self) -> dict[str, Any]:
        """Return how far the epoch under way has come, as plain data and arrays, for `load_state_dict`.

        position           batches handed out in this epoch; 0 between epochs
        order              positions (or other keys) of all its samples in order; None between epochs
        batches            the batches of a batch_sampler, instead of an order
        batch_size         of this loader
        epoch_seed         of its samples' random numbers; None where none are drawn
        generator          state of the loader's own generator; None where it has none
        sampler_generator  state of the generator of the sampler that was given; None where it has none

        >>> loader = DataLoader(np.arange(6), batch_size=2, shuffle=True)
        >>> first = next(iter(loader))
        >>> state = loader.state_dict()
        >>> state["position"], len(state["order"])
        (1, 6)
        """
        epoch = self._epoch
        order = None if epoch is None else epoch.order
        sampler = self._sampler_generator()
        return {
            "position": 0 if epoch is None else epoch.position,
            "order": np.arange(len(order)) if isinstance(order, range) else order,
            "batches": None if epoch is None else epoch.batches,
            "batch_size": self.batch_size,
            "epoch_seed": None if epoch is None else epoch.seed,
            "generator": None if self.generator is None else self.generator.bit_generator.state,
            "sampler_generator": None if sampler is None else sampler.bit_generator.state,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next `iter` go on where a loader of the same kind was when it gave this state; draws nothing.

        Raises ValueError, and changes nothing, where the state does not fit this loader and its data set.
        """
        load = "DataLoader.load_state_dict"
        missing = {"position", "order", "epoch_seed", "generator"} - set(state_dict)
        if missing:
            raise ValueError(f"{load}: expected what state_dict() gave; it has no {', '.join(sorted(missing))}")
        position, seed, order = int(state_dict["position"]), state_dict["epoch_seed"], state_dict["order"]
        batches, size = state_dict.get("batches"), state_dict.get("batch_size", self.batch_size)
        if size != self.batch_size:
            raise ValueError(f"{load}: the state is of batches of {size}, this loader has {self.batch_size}")
        epoch: Epoch | None = None
        if order is not None or batches is not None or seed is not None or position:
            if (batches is None) != (self._given is None):
                raise ValueError(f"{load}: only one of the loader and the state has a batch_sampler")
            order = _restored(order)
            batches = None if batches is None else [_restored(batch) for batch in batches]
            if hasattr(self.dataset, "__len__") and not isinstance(self.dataset, IterableDataset):
                self._check_keys(order if batches is None else [key for batch in batches for key in batch])
            epoch = Epoch(order, self.batch_size, self.drop_last, batches, None if seed is None else int(seed))
            if position < 0 or (epoch.count is not None and position > epoch.count):
                raise ValueError(f"{load}: {position} batches were handed out, but there are {epoch.count} in an epoch")
            epoch.position = position
        pairs = [
            (self.generator, state_dict["generator"]),
            (self._sampler_generator(), state_dict.get("sampler_generator")),
        ]
        for generator, state in pairs:
            if state is not None:
                kind = None if generator is None else type(generator.bit_generator).__name__
                if kind != state["bit_generator"]:
                    raise ValueError(f"{load}: the state is of a generator {state['bit_generator']}, this loader has {kind}")
        for generator, state in pairs:
            if state is not None and generator is not None:
                generator.bit_generator.state = state
        self._epoch, self._resuming = epoch, epoch is not None

    def _sampler_generator(self) -> np.random.Generator | None:
        """Return the generator of the sampler that was given, where it shows one."""
        if self._own_order:
            return None
        generator = getattr(self.sampler if self._given is None else self._given, "generator", None)
        return generator if isinstance(generator, np.random.Generator) and generator is not self.generator else None

    def _check_keys(self, keys: Any) -> None:
        count = len(self.dataset)
        if not len(keys) or not all(isinstance(key, (int, np.integer)) for key in keys[:1]):
            return
        least, most = int(np.min(keys)), int(np.max(keys))
        if least < -count or most >= count:
            raise ValueError(
                f"DataLoader.load_state_dict: the state reads sample {most if most >= count else least}, the data set has {count}"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}  # workers are not copied


def _checked(dataset: Any, counted: bool) -> Any:
    """Return what was given as a data set."""
    if isinstance(dataset, tuple):
        return TensorDataset(*dataset)
    if isinstance(dataset, IterableDataset):
        return dataset
    if isinstance(dataset, np.ndarray) and dataset.dtype.kind not in "biufc":
        raise TypeError(f"DataLoader: expected arrays of numbers, got dtype {dataset.dtype}")
    if isinstance(dataset, (np.ndarray, Tensor)) and not dataset.ndim:
        raise TypeError("DataLoader: a single number has no samples; expected an array of at least one axis")
    readable = isinstance(dataset, Dataset) if counted else hasattr(dataset, "__getitem__")
    if not readable or isinstance(dataset, (str, bytes)) or (isinstance(dataset, Mapping) and counted):
        hint = "; derive a stream from nn.data.IterableDataset" if hasattr(dataset, "__iter__") and not readable else ""
        raise TypeError(f"DataLoader: expected arrays or a Dataset (len() and items), got {type(dataset).__name__}{hint}")
    return dataset


def _restored(order: Any) -> Any:
    """Return a saved order as it was drawn: an int64 array, or a list of other keys."""
    if order is None or isinstance(order, list):
        return order
    array = np.asarray(order)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array.tolist()


def _check_integer(value: Any, expected: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"DataLoader: {expected}, got {value!r}")
