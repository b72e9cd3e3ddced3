"""What a transform is, and how transforms are joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from autodiff import Tensor
from autodiff.graph import wrap

from ...seeding import generator_or_default


class Transform:
    """A change of one sample: called with an array it returns an array, with a Tensor a Tensor, never changing its input.

    Derive from it and define `apply(x)`, from array to array. `batched = True` says that `apply` works on the last axes
    only, so that whole batches of a TensorDataset may be given to it at once, which is many times faster.
    Random transforms draw from the default generator, inside a DataLoader one of each sample's own.

    >>> class Invert(Transform):
    ...     batched = True
    ...
    ...     def apply(self, x):
    ...         return 255 - x
    >>> Invert()(np.array([0, 5], np.uint8))
    array([255, 250], dtype=uint8)
    """

    batched: ClassVar[bool] = False

    def apply(self, x: Any) -> Any:
        """Return the transformed array."""
        raise NotImplementedError(f"{type(self).__name__} has no apply: define `def apply(self, x)`, from array to array")

    def apply_many(self, batch: Any) -> Any:
        """Return a whole batch of arrays, transformed."""
        return self.apply(batch)

    def __call__(self, x: Any) -> Any:
        return _on_arrays(self.apply, self, x)

    @property
    def many(self) -> Callable[[Any], Any] | None:
        """The same for a whole batch at once; None where that is not possible."""
        return self._many if self.batched else None

    def _many(self, batch: Any) -> Any:
        return _on_arrays(self.apply_many, self, batch)

    def __repr__(self) -> str:
        values = {name: value for name, value in vars(self).items() if not name.startswith("_") and value is not None}
        return f"{type(self).__name__}({', '.join(f'{name}={_short(value)}' for name, value in values.items())})"


def _on_arrays(apply: Callable[[Any], Any], owner: Any, x: Any) -> Any:
    if isinstance(x, Tensor):
        if x._node is not None:
            raise TypeError(f"{type(owner).__name__}: a transform is not differentiated; give it detach() of this tracked Tensor")
        return wrap(apply(x._data))
    return apply(x if isinstance(x, np.ndarray) else np.asarray(x))


def _short(value: Any) -> str:
    return f"<array of shape {value.shape}>" if isinstance(value, np.ndarray) and value.size > 4 else repr(value)


class Compose:
    """Several transforms, one after the other.

    >>> from nn.data.transforms import Normalize, ToFloat
    >>> change = Compose([ToFloat(), Normalize(0.5, 0.5)])
    >>> change(np.array([[[0, 255]]], np.uint8))
    array([[[-1.,  1.]]], dtype=float32)
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        self.transforms = list(transforms)
        for step in self.transforms:
            if not callable(step):
                raise TypeError(f"Compose: expected a sequence of transforms, found {type(step).__name__} in it")

    def __call__(self, x: Any) -> Any:
        for step in self.transforms:
            x = step(x)
        return x

    @property
    def many(self) -> Callable[[Any], Any] | None:
        """The same for a whole batch at once; None where one of the transforms does not do that."""
        steps = [getattr(step, "many", None) for step in self.transforms]
        return None if None in steps else Compose(steps)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return "Compose([" + ", ".join(map(repr, self.transforms)) + "])"


class Lambda(Transform):
    """Any function of an array.

    batched  whether it works on the last axes only, and so on whole batches

    >>> Lambda(np.sqrt, batched=True)(np.array([4.0, 9.0]))
    array([2., 3.])
    """

    def __init__(self, lambd: Callable[[Any], Any], batched: bool = False):
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd, self._whole = lambd, batched

    @property
    def many(self) -> Callable[[Any], Any] | None:
        """The same for a whole batch at once, where it was said to be possible."""
        return self._many if self._whole else None

    def apply(self, x: Any) -> Any:
        """Return what the function returns."""
        return self.lambd(x)


class RandomApply:
    """Transforms that are applied, all together, with probability p.

    generator  numpy.random.Generator; None takes the default one

    >>> RandomApply([Lambda(lambda x: x + 1)], p=1.0)(np.zeros(2))
    array([1., 1.])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5, generator: np.random.Generator | None = None):
        self.inside, self.p, self.generator = Compose(transforms), check_probability(p, "RandomApply"), generator

    def __call__(self, x: Any) -> Any:
        return self.inside(x) if generator_or_default(self.generator).random() < self.p else x

    def __repr__(self) -> str:
        return f"RandomApply({self.inside.transforms!r}, p={self.p})"


def check_probability(p: float, owner: str) -> float:
    """Return `p` if it is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{owner}: p must be a probability, from 0 to 1, got {p!r}")
    return p


def check_image(x: Any, owner: str) -> tuple[int, int]:
    """Return height and width of an image of shape (..., height, width)."""
    if x.ndim < 2:
        raise ValueError(f"{owner}: expected an image (channels, height, width), got shape {x.shape}")
    return x.shape[-2], x.shape[-1]


def pair(size: Any, owner: str, name: str = "size") -> tuple[int, int]:
    """Return (height, width) of a number, which stands for both, or of a pair; each at least 1."""
    both = (size, size) if isinstance(size, (int, np.integer)) else tuple(size)
    if len(both) == 1:
        both = both * 2
    if len(both) != 2 or any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) or v < 1 for v in both):
        raise ValueError(f"{owner}: {name} must be a positive integer or (height, width), got {size!r}")
    return int(both[0]), int(both[1])
