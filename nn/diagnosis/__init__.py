"""A lint for silent mistakes in training: what is wrong with a model, the evidence, and the cure."""

from .examination import CHECKS, health
from .finding import Finding
from .layers import LayerReport
from .report import Health

__all__ = ["CHECKS", "Finding", "Health", "LayerReport", "health"]
