"""Losses: each function beside its derivative, and its Module below. They refuse to broadcast, and say what would fit."""

from .classification import CrossEntropyLoss, cross_entropy
from .regression import MSELoss, mse_loss

__all__ = ["CrossEntropyLoss", "MSELoss", "cross_entropy", "mse_loss"]
