"""The libraries that are compared: how each is called, installed and imported. Knows nothing of the work they do."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """One library.

    key           its name in this package
    title         its name in sentences
    column        its name over a column of the table
    module        the package that must be importable
    distribution  the name it is installed by
    imports       what a program that uses it imports
    """

    key: str
    title: str
    column: str
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


OURS = Engine("ours", "this library", "ours", "autodiff", "glassgrad", "import autodiff, nn")
PYTORCH = Engine("torch", "PyTorch", "PyTorch", "torch", "torch", "import torch")
HIPS = Engine("hips", "HIPS autograd", "HIPS", "autograd", "autograd", "import autograd, autograd.numpy")
MYGRAD = Engine("mygrad", "MyGrad", "MyGrad", "mygrad", "mygrad", "import mygrad, mygrad.nnet")
MICROGRAD = Engine("micrograd", "micrograd", "micrograd", "micrograd", "micrograd", "import micrograd.engine, micrograd.nn")
SKLEARN = Engine("sklearn", "scikit-learn", "scikit-learn", "sklearn", "scikit-learn", "import sklearn.neural_network")

# Other ways to use the same libraries. PyTorch's one-kernel optimizers must be asked for; its users who find its DataLoader
# slow cut their batches out of a permutation by hand.
PYTORCH_FUSED = Engine("torch-fused", "PyTorch, fused=True", "fused=True", "torch", "torch", "import torch")
PYTORCH_BY_HAND = Engine("torch-by-hand", "PyTorch without its DataLoader", "no loader", "torch", "torch", "import torch")
OUR_TRAINER = Engine("trainer", "nn.Trainer", "Trainer", "autodiff", "glassgrad", "import autodiff, nn")
OUR_CLASSIFIER = Engine("classifier", "nn.sklearn.NeuralClassifier", "classifier", "sklearn", "glassgrad", "import nn.sklearn")

PEERS = (PYTORCH, HIPS, MYGRAD, MICROGRAD)  # whose import and size are measured
LIBRARIES = (OURS, *PEERS, SKLEARN)
ENGINES = {
    engine.key: engine
    for engine in (OURS, OUR_TRAINER, OUR_CLASSIFIER, PYTORCH, PYTORCH_FUSED, PYTORCH_BY_HAND, HIPS, MYGRAD, MICROGRAD, SKLEARN)
}
