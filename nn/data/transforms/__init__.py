"""Transforms of samples: arrays in, arrays out; images are (channels, height, width). torchvision's names where it has one."""

from .cropping import CenterCrop, Pad, RandomCrop, RandomErasing
from .geometry import RandomHorizontalFlip, RandomRotation, RandomRotation90, RandomVerticalFlip, Resize
from .transform import Compose, Lambda, RandomApply, Transform
from .values import Flatten, GaussianNoise, Normalize, OneHot, Standardize, ToFloat, ToTensor

__all__ = [
    "CenterCrop",
    "Compose",
    "Flatten",
    "GaussianNoise",
    "Lambda",
    "Normalize",
    "OneHot",
    "Pad",
    "RandomApply",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomRotation90",
    "RandomVerticalFlip",
    "Resize",
    "Standardize",
    "ToFloat",
    "ToTensor",
    "Transform",
]
