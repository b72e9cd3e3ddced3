"""From what a caller has, arrays or a data set or a loader, to batches; and what a batch is made of.

Knows no model. A batch is a tuple: the model's inputs, and last the target.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from autodiff import Tensor

from ..data import DataLoader, Dataset, IterableDataset


def as_batches(
    what: str,
    data: Any,
    batch_size: int | None,
    shuffle: bool | None = None,
    generator: Any = None,
    *,
    mixed: bool = False,
    targets: bool = True,
) -> Any:
    """Return something that yields batches, once through for each `for`.

    what        who asks, for messages
    batch_size  samples in a batch; None is 32, and all that goes with a loader, which makes batches of its own size
    shuffle     draw a new order for each epoch; None is `mixed`, and all that goes with a loader, which has an order of its own
    targets     whether a batch must have a target

    Raises TypeError and ValueError, naming the cure, for what cannot be cut into batches.
    """
    size, mixed = 32 if batch_size is None else batch_size, mixed if shuffle is None else shuffle
    if isinstance(data, DataLoader):
        loader = data
        for name, value in (("batch_size", batch_size), ("shuffle", shuffle)):
            if value is not None:
                raise ValueError(f"{what}: a DataLoader makes its own batches; say it there: DataLoader(..., {name}={value!r})")
        if generator is not None:
            raise ValueError(f"{what}: a DataLoader draws with its own generator; give it there: DataLoader(..., generator=...)")
    elif isinstance(data, (np.ndarray, Tensor)) or (isinstance(data, tuple) and len(data) < 2):
        if targets:
            raise TypeError(f"{what}: expected inputs and targets as a tuple (X, y), got only one array; to learn the input "
                            "itself (an autoencoder) give (X, X)")  # fmt: skip
        loader = DataLoader(data, size, shuffle=mixed, generator=generator)
    elif isinstance(data, list):
        raise TypeError(f"{what}: data is a list; give arrays as a tuple (X, y), samples as a Dataset")
    elif isinstance(data, IterableDataset):
        if shuffle:
            raise ValueError(f"{what}: an IterableDataset decides its own order; leave out shuffle=True")
        loader = DataLoader(data, size, generator=generator)  # it decides its own order
    elif isinstance(data, tuple) or (isinstance(data, Dataset) and not isinstance(data, (str, bytes, dict))):
        loader = DataLoader(data, size, shuffle=mixed, generator=generator)
    elif isinstance(data, Iterator):
        raise TypeError(f"{what}: a {type(data).__name__} can be gone through only once; give an object whose __iter__ begins anew")
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes, dict, os.PathLike)):
        if batch_size is not None:
            raise ValueError(f"{what}: a {type(data).__name__} makes its own batches; leave out batch_size, or give a Dataset")
        return data
    else:
        cure = "; split the data with nn.data.random_split" if isinstance(data, float) else ""
        raise TypeError(f"{what}: expected arrays (X, y), a Dataset or a DataLoader, got {type(data).__name__}{cure}")
    if count_of(loader) == 0:
        raise ValueError(f"{what}: there is no batch in the data ({_described(loader)})")
    return loader


def _described(loader: DataLoader) -> str:
    try:
        return f"{len(loader.dataset)} samples, batch_size={loader.batch_size}, drop_last={loader.drop_last}"
    except (TypeError, AttributeError):
        return "its length is 0"


def count_of(batches: Any) -> int | None:
    """Return how many batches an epoch has, where that is known."""
    try:
        return len(batches)
    except TypeError:
        return None


def in_groups(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of so many batches; the last may be shorter."""
    if size == 1:
        for batch in batches:
            yield [batch]
        return
    source = iter(batches)
    while group := list(islice(source, size)):
        yield group


def checked(batch: Any) -> Any:
    """Return a batch if it has inputs and a target; raises TypeError where it has not."""
    if isinstance(batch, (tuple, list)) and len(batch) > 1:
        return batch
    kind = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
    raise TypeError(f"expected batches (input, target), got {kind}; a sample of the data set must be such a tuple")


def inputs_of(batch: Any, targets: bool) -> Any:
    """Return the inputs of a batch as a list, without the target where there is one."""
    if isinstance(batch, (tuple, list)):
        return batch[:-1] if targets and len(batch) > 1 else batch
    return [batch]


def size_of(batch: Any) -> int:
    """Return how many samples are in a batch: the length of the first array, or list of texts, in it."""
    while isinstance(batch, (tuple, list, dict)):
        if isinstance(batch, list) and isinstance(batch[0], (str, bytes)):
            return len(batch)
        batch = next(iter(batch.values())) if isinstance(batch, dict) else batch[0]
    shape = batch._data.shape if isinstance(batch, Tensor) else np.shape(batch)
    return int(shape[0]) if shape else 1


def copied(value: Any) -> Any:
    """Return the arrays of an output as arrays of their own."""
    if isinstance(value, Tensor):
        return value._data.copy()
    if isinstance(value, (tuple, list)):
        return tuple(copied(part) for part in value)
    if isinstance(value, dict):
        return {key: copied(part) for key, part in value.items()}
    return None if value is None else np.array(value)


def joined(parts: list[Any]) -> Any:
    """Return the outputs of several batches as one, part by part."""
    first = parts[0]
    if isinstance(first, tuple):
        return tuple(joined(list(same)) for same in zip(*parts, strict=True))
    if isinstance(first, dict):
        return {key: joined([part[key] for part in parts]) for key in first}
    if first is None:
        return None
    if not first.ndim:
        return np.stack(parts)
    if any(part.shape[1:] != first.shape[1:] for part in parts):
        shapes = sorted({part.shape for part in parts})
        raise ValueError(f"outputs of different batches cannot be joined, their shapes are {', '.join(map(str, shapes))}; pad them")
    return np.concatenate(parts)
