"""The libraries that are compared: how each is called, installed and imported. Knows nothing of the work they do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """One library.

    key           its name in this package and on the command line
    title         its name in the table
    module        the package that must be importable
    distribution  the name it is installed by
    imports       what a program that uses it imports
    """

    key: str
    title: str
    module: str
    distribution: str
    imports: str

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self) -> str:
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "not installed" if not self.installed else "from this folder"


OURS = Engine("ours", "this library", "autodiff", "glassgrad", "import autodiff, nn")
PYTORCH = Engine("torch", "PyTorch", "torch", "torch", "import torch")
HIPS = Engine("hips", "HIPS autograd", "autograd", "autograd", "import autograd, autograd.numpy")
MYGRAD = Engine("mygrad", "MyGrad", "mygrad", "mygrad", "import mygrad, mygrad.nnet")
MICROGRAD = Engine("micrograd", "micrograd", "micrograd", "micrograd", "import micrograd.engine, micrograd.nn")
# Not a column of its own: PyTorch's one-kernel optimizers, which must be asked for, are reported below the table.
PYTORCH_FUSED = Engine("torch-fused", "PyTorch, fused=True", "torch", "torch", "import torch")

PEERS = (PYTORCH, HIPS, MYGRAD, MICROGRAD)
ENGINES = {engine.key: engine for engine in (OURS, *PEERS, PYTORCH_FUSED)}
