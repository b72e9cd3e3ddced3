"""Transforms that cut, frame and cover images (channels, height, width)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...seeding import generator_or_default
from .transform import Transform, check_image, check_probability, pair

MODES = ("constant", "edge", "reflect", "symmetric")


class Pad(Transform):
    """A frame around an image.

    padding       a number for all sides, (left and right, top and bottom), or (left, top, right, bottom)
    fill          what the frame is filled with
    padding_mode  "constant" (fill), "edge" (the border's pixels), "reflect" (mirrored, without the border), "symmetric"

    >>> Pad(1)(np.ones((1, 1, 1))).tolist()
    [[[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]
    """

    batched = True

    def __init__(self, padding: int | Sequence[int], fill: float = 0, padding_mode: str = "constant"):
        sides = [padding] if isinstance(padding, (int, np.integer)) else list(padding)
        if len(sides) not in (1, 2, 4) or any(not isinstance(side, (int, np.integer)) or side < 0 for side in sides):
            raise ValueError(f"Pad: padding must be one, two or four integers, not negative, got {padding!r}")
        if padding_mode not in MODES:
            raise ValueError(f"Pad: padding_mode must be one of {', '.join(MODES)}, got {padding_mode!r}")
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode
        left, top, right, bottom = (sides * 4)[:4] if len(sides) < 4 else sides
        self._sides = ((top, bottom), (left, right))

    def apply(self, x: Any) -> Any:
        """Return the framed image."""
        check_image(x, "Pad")
        widths = [(0, 0)] * (x.ndim - 2) + list(self._sides)
        if self.padding_mode == "constant":
            return np.pad(x, widths, constant_values=self.fill)
        return np.pad(x, widths, mode=self.padding_mode)  # type: ignore[call-overload]


class CenterCrop(Transform):
    """The middle of an image; one that is smaller is framed with zeros first.

    size  height and width, or one number for both

    >>> CenterCrop(1)(np.arange(9).reshape(1, 3, 3)).tolist()
    [[[4]]]
    """

    batched = True

    def __init__(self, size: int | Sequence[int]):
        self.size = pair(size, "CenterCrop")

    def apply(self, x: Any) -> Any:
        """Return the middle."""
        x = _at_least(x, self.size, 0, "constant", "CenterCrop", both_sides=False)
        (height, width), (h, w) = x.shape[-2:], self.size
        top, left = round((height - h) / 2), round((width - w) / 2)
        return x[..., top : top + h, left : left + w].copy()


class RandomCrop(Transform):
    """A part of an image, at a random place.

    size           height and width, or one number for both
    padding        a frame that is put around it first, as for `Pad`
    pad_if_needed  frame an image that is smaller than size, instead of raising ValueError
    fill, padding_mode  as for `Pad`
    generator      numpy.random.Generator; None takes the default one

    >>> RandomCrop(28, padding=2)(np.zeros((1, 28, 28))).shape
    (1, 28, 28)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float = 0,
        padding_mode: str = "constant",
        generator: np.random.Generator | None = None,
    ):
        self.size, self.padding, self.pad_if_needed = pair(size, "RandomCrop"), padding, pad_if_needed
        self.fill, self.padding_mode, self.generator = fill, padding_mode, generator
        self._frame = Pad(0 if padding is None else padding, fill, padding_mode)

    def apply(self, x: Any) -> Any:
        """Return the part."""
        check_image(x, "RandomCrop")
        if self.padding is not None:
            x = self._frame.apply(x)
        if self.pad_if_needed:
            x = _at_least(x, self.size, self.fill, self.padding_mode, "RandomCrop", both_sides=True)
        (height, width), (h, w) = x.shape[-2:], self.size
        if h > height or w > width:
            raise ValueError(f"RandomCrop: a crop of {h} x {w} is larger than the image, {height} x {width}; see pad_if_needed")
        draw = generator_or_default(self.generator)
        top, left = int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1))
        return x[..., top : top + h, left : left + w].copy()


def _at_least(x: Any, size: tuple[int, int], fill: float, mode: str, owner: str, both_sides: bool) -> Any:
    """Return the image, framed where it is smaller than `size`; by all that is missing on both sides, or by half of it."""
    height, width = check_image(x, owner)
    short, narrow = max(size[0] - height, 0), max(size[1] - width, 0)
    if not short and not narrow:
        return x
    if both_sides:
        return Pad((narrow, short), fill, mode).apply(x)
    return Pad((narrow // 2, short // 2, (narrow + 1) // 2, (short + 1) // 2), fill, mode).apply(x)


class RandomErasing(Transform):
    """A random rectangle of an image covered, with probability p.

    p          probability
    scale      least and greatest share of the area
    ratio      least and greatest height divided by width
    value      what it is covered with: a number, one for each channel, or "random" for normal noise
    generator  numpy.random.Generator; None takes the default one

    Source: Zhong et al. 2017, Random Erasing Data Augmentation.

    >>> covered = RandomErasing(p=1.0)(np.ones((1, 20, 20)))
    >>> bool(0 < covered.sum() < 400)
    True
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Any = 0,
        generator: np.random.Generator | None = None,
    ):
        self.p = check_probability(p, "RandomErasing")
        if not 0 <= scale[0] <= scale[1] <= 1:
            raise ValueError(f"RandomErasing: scale must be two shares of the area, from 0 to 1, rising, got {scale!r}")
        if not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"RandomErasing: ratio must be two positive numbers, rising, got {ratio!r}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value must be a number, one for each channel, or 'random', got {value!r}")
        self.scale, self.ratio, self.value, self.generator = scale, ratio, value, generator

    def apply(self, x: Any) -> Any:
        """Return the image, covered in part or not."""
        height, width = check_image(x, "RandomErasing")
        draw = generator_or_default(self.generator)
        if draw.random() >= self.p:
            return x.copy()
        for _ in range(10):  # a rectangle that is higher or wider than the image is drawn again
            area = height * width * draw.uniform(*self.scale)
            ratio = math.exp(draw.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                break
        else:
            return x.copy()
        top, left = int(draw.integers(height - h + 1)), int(draw.integers(width - w + 1))
        result = x.copy()
        part = result[..., top : top + h, left : left + w]
        if isinstance(self.value, str):
            part[...] = draw.standard_normal(part.shape)
        else:
            value = np.asarray(self.value, x.dtype)
            part[...] = value.reshape(-1, 1, 1) if value.ndim else value
        return result
