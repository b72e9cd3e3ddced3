"""Neural networks on `autodiff`: modules, losses, optimizers and data, under PyTorch's names.

>>> import numpy as np, nn
>>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
>>> model(np.zeros((5, 2))).shape
(5, 1)
"""

import os

from autodiff.tracing import library_folders

from . import data, functional, init, optim
from .activation import ReLU, Sigmoid, Tanh
from .checkpoint import load_checkpoint, save_checkpoint
from .container import Sequential
from .linear import Linear
from .loss import CrossEntropyLoss, MSELoss
from .module import Module, Parameter
from .seeding import manual_seed
from .serialization import load, save

library_folders.add(os.path.dirname(os.path.abspath(__file__)) + os.sep)  # a trace names the user's line, not the library's

__all__ = [
    "CrossEntropyLoss",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "data",
    "functional",
    "init",
    "load",
    "load_checkpoint",
    "manual_seed",
    "optim",
    "save",
    "save_checkpoint",
]
