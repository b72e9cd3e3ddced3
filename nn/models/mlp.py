"""The multi-layer perceptron: linear layers with activations between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor, no_grad

from .. import activation as activations
from .. import init
from ..activation import sigmoid, softmax
from ..container import Sequential
from ..dropout import Dropout
from ..linear import Linear
from ..loss import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from ..module import Module
from ..normalization import BatchNorm1d, LayerNorm, RMSNorm

if TYPE_CHECKING:
    import numpy.typing as npt

TASKS = ("multiclass", "binary", "multilabel", "regression")
NORMALIZATIONS: dict[str, Callable[..., Module]] = {"batch": BatchNorm1d, "layer": LayerNorm, "rms": RMSNorm}


class MLP(Module):
    """Linear layers of any number and width; after each but the last: normalisation, activation, dropout.

    sizes           how many numbers go in, come out of each layer, and come out at last: [64, 128, 10]
    activation      its name ("relu", "tanh", "gelu" ...), a Module class, or a function that makes a Module
    dropout         the probability of dropping a hidden number in training
    normalization   "batch", "layer", "rms" or None, before each activation
    initialization  a function of `nn.init` or its name ("kaiming_normal"), for the weights; the biases are then zero.
                    None draws both as `Linear` does
    task            what the outputs mean, for `loss()`, `predict` and `predict_proba`:
                    "multiclass"  logits of the classes, of which one is true
                    "binary"      one logit, of class 1
                    "multilabel"  logits of labels, of which any number is true
                    "regression"  the numbers themselves
    dtype, generator  as in `Linear`

    forward takes (..., sizes[0]) and returns (..., sizes[-1]). A single output of "binary" or "regression" has no axis of its
    own: it returns (...), the shape that targets have.

    >>> model = MLP([2, 16, 16, 3], activation="tanh", dropout=0.1)
    >>> model(np.zeros((5, 2))).shape
    (5, 3)
    >>> MLP([2, 8, 1], task="binary")(np.zeros((5, 2))).shape
    (5,)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Callable[[], Module] = "relu",
        dropout: float = 0.0,
        normalization: str | None = None,
        initialization: str | Callable[..., Any] | None = None,
        task: str = "multiclass",
        *,
        dtype: npt.DTypeLike | None = None,
        generator: np.random.Generator | None = None,
    ):
        sizes = list(sizes) if isinstance(sizes, (Sequence, np.ndarray)) and not isinstance(sizes, str) else [sizes]
        if len(sizes) < 2 or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in sizes):
            raise ValueError(f"MLP: sizes are at least two positive integers, from inputs to outputs, got {sizes}")
        if task not in TASKS:
            raise ValueError(f"MLP: task is one of {', '.join(map(repr, TASKS))}, got {task!r}")
        if task == "binary" and sizes[-1] != 1:
            raise ValueError(f"MLP: a binary task has one output, got sizes {sizes}; for two logits say task='multiclass'")
        if task == "multiclass" and sizes[-1] == 1:
            raise ValueError("MLP: one output cannot choose between classes; say task='binary' or task='regression'")
        if normalization is not None and normalization not in NORMALIZATIONS:
            raise ValueError(f"MLP: normalization is one of {', '.join(NORMALIZATIONS)} or None, got {normalization!r}")
        self.sizes, self.task = tuple(int(n) for n in sizes), task
        make_activation = activation_of(activation)
        layers: list[Module] = []
        for inputs, outputs in pairwise(self.sizes):
            if layers:  # what stands between two linear layers
                if normalization is not None:
                    layers.append(NORMALIZATIONS[normalization](inputs, dtype=dtype))
                layers.append(_module_of(make_activation))
                if dropout:
                    layers.append(Dropout(dropout))
            layers.append(Linear(inputs, outputs, dtype=dtype, generator=generator))
        self.layers = Sequential(*layers)
        if initialization is not None:
            self._initialize(initialization, generator)

    def _initialize(self, initialization: str | Callable[..., Any], generator: np.random.Generator | None) -> None:
        if isinstance(initialization, str):
            fill = getattr(init, initialization.removesuffix("_") + "_", None)
            if fill is None:
                known = ", ".join(sorted(name.removesuffix("_") for name in dir(init) if name.endswith("_") and name[0] != "_"))
                raise ValueError(f"MLP: nn.init has no {initialization!r}; it has {known}")
        else:
            fill = initialization
        for layer in self.layers:
            if isinstance(layer, Linear):
                if generator is not None and _takes_generator(fill):
                    fill(layer.weight, generator=generator)
                else:
                    fill(layer.weight)
                if layer.bias is not None:
                    init.zeros_(layer.bias)

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.layers(x)
        return y[..., 0] if self.sizes[-1] == 1 and self.task in ("binary", "regression") else y

    def loss(self) -> Module:
        """Return the usual loss for the task: cross-entropy, of two or of many classes, or the mean squared error."""
        if self.task == "regression":
            return MSELoss()
        return CrossEntropyLoss() if self.task == "multiclass" else BCEWithLogitsLoss()

    def predict(self, x: Any) -> np.ndarray:
        """Return classes (...,), labels 0 and 1 (..., outputs), or the numbers of a regression, as an array.

        The model is put into `eval()` mode for it, and back.
        """
        y = self._evaluated(x)
        if self.task == "regression":
            return y.numpy()
        return y.numpy().argmax(-1) if self.task == "multiclass" else (y.numpy() > 0).astype(int)

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return how probable each class or label is, as an array: (..., outputs), or (...,) of class 1 where binary."""
        if self.task == "regression":
            raise TypeError("MLP: a regression has no probabilities; use predict")
        y = self._evaluated(x)
        return (softmax(y, -1) if self.task == "multiclass" else sigmoid(y)).numpy()

    def _evaluated(self, x: Any) -> Tensor:
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with no_grad():
                result: Tensor = self(x)
                return result
        finally:
            for module, training in modes:
                module.training = training

    def extra_repr(self) -> str:
        return f"task={self.task!r}"


def activation_of(activation: str | Callable[[], Module]) -> Callable[[], Module]:
    """Return what makes a Module of the activation called `activation`, such as "relu" or "leaky_relu".

    >>> activation_of("leaky_relu")()
    LeakyReLU(negative_slope=0.01)
    """
    if isinstance(activation, Module):
        raise TypeError(f"MLP: give the class, not a module of it, since each layer has its own: {type(activation).__name__}")
    if isinstance(activation, str):
        found = {name.lower(): getattr(activations, name) for name in activations.__all__ if name[0].isupper()}
        name = activation.replace("_", "").lower()
        if name not in found:
            raise ValueError(f"MLP: unknown activation {activation!r}; known are {', '.join(sorted(found))}")
        made: Callable[[], Module] = found[name]
        return made
    if not callable(activation):
        raise TypeError(f"MLP: activation is a name, a Module class or a function, got {type(activation).__name__}")
    return activation


def _module_of(make: Callable[[], Module]) -> Module:
    """Return a module of an activation; raise TypeError where `make` is a function of numbers."""
    cause: TypeError | None = None
    try:
        module = make()
        if isinstance(module, Module):
            return module
    except TypeError as error:  # a function of numbers misses its argument; or a mistake of the caller's own, which is shown
        cause = error
    name = getattr(make, "__name__", type(make).__name__)
    raise TypeError(
        f"MLP: activation {name!r} makes no Module when called without arguments. Give a name such as 'relu', a class such as "
        "nn.ReLU, or a function that returns a Module; a function of numbers becomes one in a class with a forward"
    ) from cause


def _takes_generator(fill: Callable[..., Any]) -> bool:
    import inspect

    return "generator" in inspect.signature(fill).parameters
