"""Linear algebra, under the names of `numpy.linalg`."""

from .ops.linear_algebra import matmul, norm, tensordot
from .ops.linear_algebra import outer_of_vectors as outer

__all__ = ["matmul", "norm", "outer", "tensordot"]
