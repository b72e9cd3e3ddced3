"""Normalisation: each function beside its derivative, and its Module below."""

from .batch import BatchNorm1d, BatchNorm2d, BatchNorm3d, batch_norm
from .group import GroupNorm, group_norm
from .instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, instance_norm
from .layer import LayerNorm, layer_norm
from .length import RMSNorm, normalize, rms_norm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "normalize",
    "rms_norm",
]
