"""Whole models, ready to train."""

from .mlp import MLP
from .perceptron import Learning, Perceptron

__all__ = ["MLP", "Learning", "Perceptron"]
