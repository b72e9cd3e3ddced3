"""Transforms that mirror, turn and resize images (channels, height, width)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...seeding import generator_or_default
from .transform import Transform, check_image, check_probability, pair


class _RandomFlip(Transform):
    def __init__(self, p: float = 0.5, generator: np.random.Generator | None = None):
        self.p, self.generator = check_probability(p, type(self).__name__), generator

    def apply(self, x: Any) -> Any:
        """Return the image, mirrored or not."""
        check_image(x, type(self).__name__)
        return self._mirrored(x).copy() if generator_or_default(self.generator).random() < self.p else x.copy()

    def _mirrored(self, x: Any) -> Any:
        raise NotImplementedError


class RandomHorizontalFlip(_RandomFlip):
    """Left and right exchanged, with probability p.

    generator  numpy.random.Generator; None takes the default one

    >>> RandomHorizontalFlip(p=1.0)(np.array([[[1, 2, 3]]])).tolist()
    [[[3, 2, 1]]]
    """

    def _mirrored(self, x: Any) -> Any:
        return x[..., ::-1]


class RandomVerticalFlip(_RandomFlip):
    """Top and bottom exchanged, with probability p.

    generator  numpy.random.Generator; None takes the default one

    >>> RandomVerticalFlip(p=1.0)(np.array([[[1], [2]]])).tolist()
    [[[2], [1]]]
    """

    def _mirrored(self, x: Any) -> Any:
        return x[..., ::-1, :]


class RandomRotation90(Transform):
    """An image turned by 0, 90, 180 or 270 degrees, each as likely.

    generator  numpy.random.Generator; None takes the default one

    >>> RandomRotation90()(np.zeros((3, 4, 4))).shape
    (3, 4, 4)
    """

    def __init__(self, generator: np.random.Generator | None = None):
        self.generator = generator

    def apply(self, x: Any) -> Any:
        """Return the turned image; one that is not square may exchange height and width."""
        check_image(x, "RandomRotation90")
        return np.rot90(x, int(generator_or_default(self.generator).integers(4)), axes=(-2, -1)).copy()


class RandomRotation(Transform):
    """An image turned around its middle by a random angle.

    degrees        the angle is drawn between -degrees and degrees, or between the two that are given; counter-clockwise
    interpolation  "nearest" or "bilinear"
    fill           what comes into the corners
    generator      numpy.random.Generator; None takes the default one

    >>> turned = RandomRotation((90, 90))(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    >>> turned.tolist()
    [[[2.0, 4.0], [1.0, 3.0]]]
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: str = "nearest",
        fill: float = 0,
        generator: np.random.Generator | None = None,
    ):
        low, high = (-degrees, degrees) if isinstance(degrees, (int, float)) else tuple(degrees)
        if not low <= high:
            raise ValueError(f"RandomRotation: degrees must be a number, not negative, or two that rise, got {degrees!r}")
        self.degrees, self.interpolation = (low, high), _interpolation(interpolation, "RandomRotation")
        self.fill, self.generator = fill, generator

    def apply(self, x: Any) -> Any:
        """Return the turned image."""
        height, width = check_image(x, "RandomRotation")
        angle = math.radians(generator_or_default(self.generator).uniform(*self.degrees))
        rows = np.arange(height)[:, None] - (height - 1) / 2
        columns = np.arange(width) - (width - 1) / 2
        cosine, sine = math.cos(angle), math.sin(angle)
        # where each pixel of the result comes from; a last digit must not put it outside
        i = (rows * cosine + columns * sine + (height - 1) / 2).round(9)
        j = (columns * cosine - rows * sine + (width - 1) / 2).round(9)
        if self.interpolation == "nearest":
            i, j = np.floor(i + 0.5).astype(np.intp), np.floor(j + 0.5).astype(np.intp)
            outside = (i < 0) | (i >= height) | (j < 0) | (j >= width)
            result = x[..., i.clip(0, height - 1), j.clip(0, width - 1)]
            result[..., outside] = self.fill
            return result
        framed = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1), (1, 1)], constant_values=self.fill)
        i, j = (i + 1).clip(0, height + 1), (j + 1).clip(0, width + 1)
        top, left = np.minimum(i.astype(np.intp), height), np.minimum(j.astype(np.intp), width)
        down, right = i - top, j - left
        upper = framed[..., top, left] * (1 - right) + framed[..., top, left + 1] * right
        lower = framed[..., top + 1, left] * (1 - right) + framed[..., top + 1, left + 1] * right
        return _as_dtype(upper * (1 - down) + lower * down, x.dtype)


class Resize(Transform):
    """An image of another size.

    size           height and width; one number is the new length of the shorter side, the other one follows
    interpolation  "bilinear" or "nearest". No smoothing comes before: to shrink an image much, average it first.

    Pixels are areas: the image's corners stay where they are, as PyTorch has it with align_corners=False.

    >>> Resize((1, 4))(np.array([[[0.0, 1.0]]])).tolist()
    [[[0.0, 0.25, 0.75, 1.0]]]
    """

    batched = True

    def __init__(self, size: int | Sequence[int], interpolation: str = "bilinear"):
        self.size = pair(size, "Resize") if not isinstance(size, (int, np.integer)) or size < 1 else int(size)
        if isinstance(size, Sequence) and len(size) == 1:
            self.size = int(size[0])
        self.interpolation = _interpolation(interpolation, "Resize")

    def apply(self, x: Any) -> Any:
        """Return the resized image."""
        height, width = check_image(x, "Resize")
        if not height or not width:
            raise ValueError(f"Resize: the image is empty, of shape {x.shape}")
        if isinstance(self.size, tuple):
            h, w = self.size
        else:
            shorter = min(height, width)
            h, w = max(1, self.size * height // shorter), max(1, self.size * width // shorter)
        if self.interpolation == "nearest":
            return x[..., (np.arange(h) * height // h)[:, None], np.arange(w) * width // w]
        exact = np.result_type(x.dtype, np.float32)
        top, bottom, down = (part.astype(exact) if part.dtype.kind == "f" else part for part in _neighbours(height, h))
        left, right, aside = (part.astype(exact) if part.dtype.kind == "f" else part for part in _neighbours(width, w))
        rows = x[..., top, :] * (1 - down[:, None]) + x[..., bottom, :] * down[:, None]
        return _as_dtype(rows[..., left] * (1 - aside) + rows[..., right] * aside, x.dtype)


def _neighbours(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each new pixel the two old ones beside its centre, and its distance from the first."""
    centres = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    first = centres.astype(np.intp)
    return first, np.minimum(first + 1, old - 1), centres - first


def _as_dtype(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    return values.astype(dtype, copy=False) if dtype.kind == "f" else np.rint(values).astype(dtype)


def _interpolation(name: str, owner: str) -> str:
    if name not in ("nearest", "bilinear"):
        raise ValueError(f"{owner}: interpolation must be 'nearest' or 'bilinear', got {name!r}")
    return name
