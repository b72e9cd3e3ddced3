"""Activations: each function beside its derivative, and its Module below."""

from .normalizing import log_softmax, softmax
from .rectified import ReLU, relu
from .saturating import Sigmoid, Tanh, sigmoid, tanh

__all__ = ["ReLU", "Sigmoid", "Tanh", "log_softmax", "relu", "sigmoid", "softmax", "tanh"]
