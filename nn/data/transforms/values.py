"""Transforms of values: scales, statistics, noise, classes as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor
from autodiff.graph import wrap

from ...seeding import generator_or_default
from .transform import Transform

if TYPE_CHECKING:
    import numpy.typing as npt


class ToFloat(Transform):
    """Floating numbers; those of an integer dtype are divided by its largest number (0..255 becomes 0..1).

    dtype  float32 by default
    scale  False only casts

    >>> ToFloat()(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """

    batched = True

    def __init__(self, dtype: npt.DTypeLike = np.float32, scale: bool = True):
        self.dtype, self.scale = np.dtype(dtype), scale
        if self.dtype.kind != "f":
            raise TypeError(f"ToFloat: expected a floating dtype, got {self.dtype}")

    def apply(self, x: Any) -> Any:
        """Return it as floating numbers."""
        result = x.astype(self.dtype)
        if self.scale and x.dtype.kind in "iu":
            result /= np.iinfo(x.dtype).max
        return result


class ToTensor(Transform):
    """An image as other libraries have it, (height, width) or (height, width, channels), as a Tensor (channels, height, width).

    Integers are scaled to 0..1, as in `ToFloat`. Anything that NumPy makes an array of is taken, a PIL image too. Raises
    ValueError for other shapes: the images of `nn.data` have their channels first already, and need only `ToFloat`.

    >>> ToTensor()(np.full((2, 3, 1), 255, np.uint8)).shape
    (1, 2, 3)
    """

    def __init__(self) -> None:
        self._float = ToFloat()

    def __call__(self, x: Any) -> Tensor:
        array = x._data if isinstance(x, Tensor) else np.asarray(x)
        if array.ndim == 2:
            array = array[..., None]
        if array.ndim != 3 or array.shape[-1] > 4:
            cure = "; it has its channels first: use ToFloat" if array.ndim == 3 and array.shape[0] <= 4 else ""
            raise ValueError(f"ToTensor: expected an image (height, width) or (height, width, channels), got {array.shape}{cure}")
        return wrap(np.ascontiguousarray(self._float.apply(array).transpose(2, 0, 1)))  # type: ignore[no-any-return]


class Normalize(Transform):
    """(x - mean) / std, for each channel of an image (channels, height, width).

    mean, std  a number, or one for each channel; std must not be 0

    Raises TypeError for integers: `ToFloat` comes first.

    >>> Normalize(mean=[1.0, 2.0], std=[1.0, 2.0])(np.full((2, 1, 1), 4.0)).tolist()
    [[[3.0]], [[1.0]]]
    """

    batched = True

    def __init__(self, mean: Any, std: Any):
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if self.mean.ndim > 1 or self.std.ndim > 1:
            raise ValueError(f"Normalize: a number or one for each channel, got shapes {self.mean.shape} and {self.std.shape}")
        if not (self.std > 0).all():
            raise ValueError(f"Normalize: std must be greater than 0, got {std!r}")

    def apply(self, x: Any) -> Any:
        """Return the normalised image."""
        if x.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floating numbers, got {x.dtype}; put ToFloat() before it")
        mean, std = self.mean.astype(x.dtype), self.std.astype(x.dtype)
        channels = max(mean.size, std.size)
        if channels > 1:
            if x.ndim < 3 or x.shape[-3] != channels:
                raise ValueError(f"Normalize: expected an image of {channels} channels (channels, height, width), got {x.shape}")
            mean, std = mean.reshape(-1, 1, 1), std.reshape(-1, 1, 1)
        result = x - mean
        result /= std
        return result


class Standardize(Transform):
    """Each feature with mean 0 and standard deviation 1, by statistics of the training data.

    data  array (samples, ...) whose statistics are taken, over the samples; a feature that does not vary is only centred
    eps   added to the variance

    `.mean` and `.std` are the statistics; `inverse(x)` gives back the original values. Floating numbers keep their dtype.

    >>> train = np.array([[1.0, 10.0], [3.0, 10.0]])
    >>> scale = Standardize(train)
    >>> scale(train)
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> scale.inverse(scale(train)).tolist() == train.tolist()
    True
    """

    batched = True

    def __init__(self, data: Any, eps: float = 0.0):
        array = np.asarray(data._data if isinstance(data, Tensor) else data)
        if array.ndim < 1 or not len(array):
            raise ValueError(f"Standardize: expected an array (samples, ...), got shape {array.shape}")
        self.mean = array.mean(axis=0, dtype=np.float64)
        std = np.sqrt(array.var(axis=0, dtype=np.float64) + eps)
        # rounding leaves a constant feature a variance of about the square of its last digit
        self.std = np.where(std <= 1e-7 * np.abs(self.mean), 1.0, std) if eps == 0 else std
        self.std = np.where(self.std == 0, 1.0, self.std)

    def apply(self, x: Any) -> Any:
        """Return the standardised features."""
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        return (x - self.mean.astype(dtype)) / self.std.astype(dtype)

    def inverse(self, x: Any) -> Any:
        """Return the features that `x` is the standardised form of."""
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        return x * self.std.astype(dtype) + self.mean.astype(dtype)


class Flatten(Transform):
    """A sample as one vector.

    >>> Flatten()(np.zeros((1, 28, 28))).shape
    (784,)
    """

    batched = True

    def apply(self, x: Any) -> Any:
        """Return a vector."""
        return x.reshape(-1)

    def apply_many(self, batch: Any) -> Any:
        """Return a vector for each sample."""
        return batch.reshape(len(batch), -1)


class OneHot(Transform):
    """A class index as a vector with a 1 at its place; for `target_transform`.

    >>> OneHot(3)(2)
    array([0., 0., 1.], dtype=float32)
    """

    batched = True

    def __init__(self, num_classes: int, dtype: npt.DTypeLike = np.float32):
        self.num_classes, self.dtype = int(num_classes), np.dtype(dtype)
        if self.num_classes < 1:
            raise ValueError(f"OneHot: num_classes must be a positive integer, got {num_classes!r}")

    def apply(self, x: Any) -> Any:
        """Return the vector, or one for each index."""
        if x.dtype.kind not in "iu" or (x.size and (x.min() < 0 or x.max() >= self.num_classes)):
            found = f"from {x.min()} to {x.max()}" if x.size and x.dtype.kind in "iu" else f"of dtype {x.dtype}"
            raise ValueError(f"OneHot: expected class indices from 0 to {self.num_classes - 1}, got numbers {found}")
        return np.eye(self.num_classes, dtype=self.dtype)[x]


class GaussianNoise(Transform):
    """Normal noise added to each number.

    mean, sigma  of the noise
    clip         keep the result between 0 and 1
    generator    numpy.random.Generator; None takes the default one

    >>> GaussianNoise(sigma=0.0)(np.array([0.5]))
    array([0.5])
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True, generator: np.random.Generator | None = None):
        if not sigma >= 0:
            raise ValueError(f"GaussianNoise: sigma must not be negative, got {sigma!r}")
        self.mean, self.sigma, self.clip, self.generator = mean, sigma, clip, generator

    def apply(self, x: Any) -> Any:
        """Return it with noise."""
        if x.dtype.kind != "f":
            raise TypeError(f"GaussianNoise: expected floating numbers, got {x.dtype}; put ToFloat() before it")
        draw, dtype = generator_or_default(self.generator), np.float32 if x.dtype.itemsize < 8 else np.float64
        noise = np.asarray(draw.standard_normal(x.shape, dtype))
        result = x + (noise * self.sigma + self.mean).astype(x.dtype, copy=False)
        return np.clip(result, 0, 1, out=result) if self.clip else result
