"""One batch of several samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, stack
from autodiff.arguments import as_array
from autodiff.graph import wrap


def default_collate(samples: list[Any]) -> Any:
    """Return one batch of several samples: arrays and numbers stacked into a Tensor, tuples and dicts part by part.

    Texts become a list. Raises ValueError where samples differ in shape or parts, TypeError for what cannot be stacked.

    >>> x, y = default_collate([(np.zeros(3), 0), (np.ones(3), 1)])
    >>> x.shape, y.tolist()
    ((2, 3), [0, 1])
    """
    if not samples:
        raise ValueError("DataLoader: a batch of no samples; a batch sampler must not yield empty batches")
    first = samples[0]
    if isinstance(first, (tuple, list, Mapping)):
        for sample in samples:
            alike = type(sample) is type(first) and len(sample) == len(first)
            if not alike or (isinstance(first, Mapping) and sample.keys() != first.keys()):
                raise ValueError(f"DataLoader: the samples of a batch differ in their parts: {_parts(first)} and {_parts(sample)}")
        if isinstance(first, Mapping):
            return {key: default_collate([sample[key] for sample in samples]) for key in first}
        parts = tuple(default_collate(list(part)) for part in zip(*samples))
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    if isinstance(first, (str, bytes)):
        return list(samples)
    try:
        if any(isinstance(sample, Tensor) and sample._node is not None for sample in samples):
            return stack([asarray(sample) for sample in samples])
        arrays = [sample._data if isinstance(sample, Tensor) else as_array(sample, "DataLoader") for sample in samples]
        return wrap(np.stack(arrays))
    except TypeError as error:
        raise TypeError(
            f"DataLoader: a sample is or holds a {type(first).__name__}; expected numbers, arrays, Tensors, texts, or tuples "
            f"and dicts of these; or give a collate_fn ({error})"
        ) from None
    except ValueError as error:
        shapes = sorted({np.shape(sample) for sample in samples})
        raise ValueError(f"DataLoader: the samples of a batch differ in shape: {', '.join(map(str, shapes))}; pad them") from error


def default_convert(sample: Any) -> Any:
    """Return a sample that is not batched: its arrays as Tensors, all else as it is.

    >>> default_convert({"x": np.zeros(2), "name": "a"})
    {'x': Tensor([0., 0.], shape=(2,), dtype=float64), 'name': 'a'}
    """
    if isinstance(sample, np.ndarray) and sample.dtype.kind in "biufc":
        return asarray(sample)
    if isinstance(sample, Mapping):
        return {key: default_convert(value) for key, value in sample.items()}
    if isinstance(sample, (tuple, list)):
        parts = tuple(default_convert(part) for part in sample)
        return type(sample)(*parts) if hasattr(sample, "_fields") else parts
    return sample


def _parts(sample: Any) -> str:
    kind = type(sample).__name__
    if isinstance(sample, Mapping):
        return f"a {kind} of {', '.join(map(repr, sample))}"
    return f"a {kind} of {len(sample)}" if isinstance(sample, (tuple, list)) else f"a {kind}"
