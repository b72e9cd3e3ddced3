"""Linear algebra, under the names of `numpy.linalg`."""

from .ops.linear_algebra import matmul, norm, outer, tensordot

__all__ = ["matmul", "norm", "outer", "tensordot"]
