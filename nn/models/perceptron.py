"""The perceptron: one neuron, as Rosenblatt trained it in 1958, and as calculus trains it.

Both weigh the inputs, add a bias, and say 1 or 0. Rosenblatt's fires by a step, whose derivative is 0 wherever it has one;
his rule needs none. The other fires by a sigmoid, and walks down the gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autodiff import Tensor, no_grad
from autodiff.arguments import as_array, plain

from ..activation import sigmoid, step
from ..linear import linear
from ..loss import binary_cross_entropy_with_logits
from ..module import Module, Parameter, matching
from ..optim import SGD
from ..seeding import generator_or_default

if TYPE_CHECKING:
    import numpy.typing as npt


class Learning(NamedTuple):
    """What `Perceptron.fit` reports.

    converged  whether the last epoch had no mistake
    epochs     how many times it went through the data, the last one included
    mistakes   how many samples were wrong in each epoch; Rosenblatt's rule corrects the weights at each
    separable  True where a line (a plane ...) between the classes was found, False where it is proven that there is none,
               None where it is not known

    >>> print(Learning(True, 3, [2, 1, 0], True))
    converged in epoch 3, after 3 mistakes
    """

    converged: bool
    epochs: int
    mistakes: list[int]
    separable: bool | None

    def __str__(self) -> str:
        if self.converged:
            return f"converged in epoch {self.epochs}, after {sum(self.mistakes)} mistakes"
        last = f"epoch {self.epochs} still made {self.mistakes[-1]} mistakes"
        if self.separable is False:
            return (
                f"not separable: {last} and came back to weights that were there before, so it would go round for ever. No line "
                "(or plane) has all of one class on one side; a hidden layer can do it: nn.models.MLP"
            )
        return (
            f"not converged: {last}. More epochs may help, if a line (or plane) between the classes exists; if none does, a "
            "hidden layer can do it: nn.models.MLP"
        )


class Perceptron(Module):
    """A single neuron: the weighted sum z = w · x + b, and 1 where it fires.

    in_features  how many inputs it has
    activation   "step": it says 1 where z > 0, else 0, and learns by Rosenblatt's rule
                 "sigmoid": it says how probable class 1 is, 1 / (1 + exp(-z)), and learns by gradient descent
    dtype        of the weights, float32 by default

    weight (in_features,) and bias () begin at zero.

    Source: Rosenblatt 1958, The perceptron: a probabilistic model for information storage and organization in the brain.

    >>> and_gate = Perceptron(2)
    >>> report = and_gate.fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1])
    >>> print(report)
    converged in epoch 6, after 10 mistakes
    >>> and_gate.predict([[1, 1], [1, 0]])
    array([1, 0])
    """

    def __init__(self, in_features: int, activation: str = "step", *, dtype: npt.DTypeLike | None = None):
        if isinstance(in_features, bool) or not isinstance(in_features, (int, np.integer)) or in_features < 1:
            raise ValueError(f"Perceptron: in_features must be a positive integer, got {in_features!r}")
        if activation not in ("step", "sigmoid"):
            raise ValueError(f"Perceptron: activation is 'step' or 'sigmoid', got {activation!r}")
        self.in_features, self.activation = int(in_features), activation
        self.weight = Parameter(np.zeros(in_features, dtype or np.float32))
        self.bias = Parameter(np.zeros((), dtype or np.float32))

    def weighted_sum(self, x: Any) -> Tensor:
        """Return z = w · x + b for samples x (..., in_features): above 0 where it fires."""
        x = matching(x, self.weight)
        if not x.ndim or x.shape[-1] != self.in_features:
            raise ValueError(f"Perceptron: expected {self.in_features} inputs on the last axis, got shape {x.shape}")
        return linear(x, self.weight[None], self.bias[None])[..., 0]

    def forward(self, x: Any) -> Tensor:
        z = self.weighted_sum(x)
        return step(z) if self.activation == "step" else sigmoid(z)

    def predict(self, x: Any) -> np.ndarray:
        """Return the class of each sample, 0 or 1, as an array of integers: 1 where it fires, that is where p > 0.5."""
        with no_grad():
            return (self.weighted_sum(x).numpy() > 0).astype(int)

    def fit(
        self,
        x: Any,
        y: Any,
        epochs: int = 1000,
        lr: float = 1.0,
        *,
        shuffle: bool = False,
        pocket: bool = False,
        generator: np.random.Generator | None = None,
    ) -> Learning:
        """Learn from samples until an epoch has no mistake, or for so many epochs; the report says which.

        x          (N, in_features)
        y          (N,), classes 0 and 1
        lr         how far a correction (or a step down the gradient) goes
        shuffle    go through the samples in a new order in each epoch (of the step's rule, which takes them one by one)
        pocket     of the step's rule: where it does not converge, keep the weights of the epoch that left fewest samples wrong
                   (Gallant 1990), not the last ones
        generator  numpy.random.Generator for the order; None takes the default one

        If a line (or plane) between the classes exists, Rosenblatt's rule finds one after a finite number of mistakes
        (Novikoff 1962). Without `shuffle`, an epoch is a function of the weights that it starts from: where these come back,
        it goes round for ever, which proves that there is no such line.

        The sigmoid learns from all samples at once, by the gradient of the mean cross-entropy; it has converged where none
        is on the wrong side.
        """
        samples, classes = _samples(x, self.in_features), _classes(y)
        if len(samples) != len(classes):
            raise ValueError(f"Perceptron: {len(samples)} samples, but {len(classes)} classes")
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 1:
            raise ValueError(f"Perceptron: epochs must be a positive integer, got {epochs!r}")
        if not (lr > 0 and np.isfinite(lr)):
            raise ValueError(f"Perceptron: lr must be a positive number, got {lr!r}")
        if self.activation == "sigmoid":
            return self._descend(samples, classes, epochs, lr)
        return self._correct(samples, classes, epochs, lr, generator_or_default(generator) if shuffle else None, pocket)

    def _correct(
        self,
        samples: np.ndarray,
        classes: np.ndarray,
        epochs: int,
        lr: float,
        order: np.random.Generator | None,
        pocket: bool,
    ) -> Learning:
        """Rosenblatt's rule: at each mistake, add the sample to the weights or take it from them."""
        w, b = self.weight.numpy().astype(float), self.bias.item()
        mistakes: list[int] = []
        before: set[bytes] = set()
        separable = None
        lost = False  # whether a correction was too small to change anything
        best = (len(samples) + 1, w, b)
        while len(mistakes) < epochs and separable is None:
            before.add(np.append(w, b).tobytes())
            mistakes.append(0)
            for i in range(len(samples)) if order is None else order.permutation(len(samples)):
                fires = w @ samples[i] + b > 0
                error = classes[i] - fires  # 1 where it should have fired, -1 where it should not have
                if error:
                    lost |= b + lr * error == b
                    w += lr * error * samples[i]
                    b += lr * error
                    mistakes[-1] += 1
            if pocket and (wrong := int(((samples @ w + b > 0) != classes).sum())) < best[0]:
                best = wrong, w.copy(), b
            if not mistakes[-1]:
                separable = True
            elif order is None and not lost and np.append(w, b).tobytes() in before:
                separable = False
        with no_grad():
            self.weight[...], self.bias[...] = best[1:] if pocket else (w, b)
        return Learning(separable is True, len(mistakes), mistakes, separable)

    def _descend(self, samples: np.ndarray, classes: np.ndarray, epochs: int, lr: float) -> Learning:
        """Gradient descent: walk against the derivative of the mean cross-entropy."""
        optimizer = SGD(self.parameters(), lr=lr)
        mistakes: list[int] = []
        while len(mistakes) < epochs:
            optimizer.zero_grad()
            z = self.weighted_sum(samples)
            mistakes.append(int(((z.numpy() > 0) != classes).sum()))
            if not mistakes[-1]:
                break
            binary_cross_entropy_with_logits(z, classes).backward()
            optimizer.step()
        converged = not mistakes[-1]
        return Learning(converged, len(mistakes), mistakes, True if converged else None)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, activation={self.activation!r}"


def _samples(x: Any, in_features: int) -> np.ndarray:
    samples = as_array(plain(x), "Perceptron: x").astype(float)
    if samples.ndim != 2 or samples.shape[1] != in_features:
        raise ValueError(f"Perceptron: expected samples of shape (N, {in_features}), got {samples.shape}")
    if not len(samples):
        raise ValueError("Perceptron: there are no samples")
    if not np.isfinite(samples).all():
        raise ValueError("Perceptron: the samples hold nan or infinity, from which nothing can be learned")
    return samples


def _classes(y: Any) -> np.ndarray:
    classes = as_array(plain(y), "Perceptron: y")
    if classes.ndim != 1:
        raise ValueError(f"Perceptron: expected one class for each sample, of shape (N,), got {classes.shape}")
    if not np.isin(classes, (0, 1)).all():
        found = ", ".join(map(str, np.unique(classes)[:5].tolist()))
        raise ValueError(f"Perceptron: the classes must be 0 and 1, got {found}; write (y == positive).astype(int)")
    return classes.astype(int)
