"""Data sets: samples that can be counted and read by position."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from autodiff import Tensor, asarray


@runtime_checkable
class Dataset(Protocol):
    """Samples that can be counted and read by position: a number, an array or Tensor, or a tuple of these."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class TensorDataset:
    """Arrays or Tensors of the same length; sample i is a tuple of the i-th row of each.

    >>> data = TensorDataset(np.zeros((5, 2)), np.arange(5))
    >>> len(data), data[3][1].item()
    (5, 3)
    """

    def __init__(self, *tensors: Any):
        if not tensors:
            raise ValueError("TensorDataset: give at least one array")
        self.tensors: tuple[Tensor, ...] = tuple(asarray(t) for t in tensors)
        shapes = [t.shape for t in self.tensors]
        if not all(shape and shape[:1] == shapes[0][:1] for shape in shapes):
            raise ValueError(f"TensorDataset: the arrays must be equally long, got shapes {', '.join(map(str, shapes))}")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)
