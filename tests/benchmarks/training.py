"""Training steps of MLPs, from the same weights on the same data, in float32: forward, backward and update.

The step is the same program for `nn` and for `torch.nn`. HIPS autograd and MyGrad, which bring no optimizers, train the
smallest one by plain gradient descent.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .work import Row, Work

TABLE = "Training steps"
CHECKED_STEPS = 4
BATCHES = 4


@dataclass(frozen=True)
class Task:
    """A model, a batch size and an optimizer.

    sizes    the widths of the linear layers, input first
    batch    samples in a batch
    hidden   what stands between two linear layers, under the names that both libraries have
    options  of the optimizer
    """

    sizes: tuple[int, ...]
    batch: int
    optimizer: str
    lr: float
    options: Mapping[str, Any] = field(default_factory=dict)
    hidden: tuple[str, ...] = ("ReLU",)

    @property
    def title(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        if self.hidden != ("ReLU",):
            return f"{sizes}, {self.hidden[0]}, {self.hidden[-1]}"
        return f"MLP {sizes}, {' '.join([self.optimizer, *self.options])}"

    def layers(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the name and the arguments of each layer."""
        last = len(self.sizes) - 2
        for i, (inputs, outputs) in enumerate(itertools.pairwise(self.sizes)):
            has_bias = i == last or self.hidden[0] != "BatchNorm1d"  # which would take a bias away again
            yield "Linear", (inputs, outputs, has_bias)
            for name in self.hidden if i < last else ():
                yield name, (outputs,) if name.startswith(("BatchNorm", "LayerNorm")) else ()

    def weights(self) -> dict[str, np.ndarray]:
        """Return the initial weights under the names that a Sequential gives them."""
        rng = np.random.default_rng(0)
        weights = {}
        for i, (name, arguments) in enumerate(self.layers()):
            if arguments:
                shape = arguments[:2][::-1]
                bound = shape[-1] ** -0.5
                middle = 0.0 if name == "Linear" else 1.0  # a normalisation multiplies by its weight
                weights[f"{i}.weight"] = (middle + rng.uniform(-bound, bound, shape)).astype(np.float32)
                if arguments[2:] != (False,):
                    weights[f"{i}.bias"] = rng.uniform(-bound, bound, shape[0]).astype(np.float32)
        return weights

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return batches of inputs and class labels."""
        rng = np.random.default_rng(2)
        return [
            (rng.standard_normal((self.batch, self.sizes[0]), np.float32), rng.integers(0, self.sizes[-1], self.batch))
            for _ in range(BATCHES)
        ]


MOMENTUM = {"momentum": 0.9}
TASKS = {
    "mlp-small": Task((2, 16, 16, 2), 16, "SGD", 0.01),
    "mlp-small-momentum": Task((2, 16, 16, 2), 16, "SGD", 0.01, MOMENTUM),
    "mlp-small-adam": Task((2, 16, 16, 2), 16, "Adam", 1e-4),
    "mlp-digits-momentum": Task((64, 128, 64, 10), 32, "SGD", 1e-3, MOMENTUM),
    "mlp-digits": Task((64, 128, 64, 10), 32, "Adam", 1e-4),
    "mlp-middle-momentum": Task((784, 128, 10), 64, "SGD", 1e-3, MOMENTUM),
    "mlp-middle": Task((784, 128, 10), 64, "Adam", 1e-4),
    "mlp-wide-momentum": Task((784, 512, 512, 10), 128, "SGD", 1e-3, MOMENTUM),
    "mlp-wide": Task((784, 512, 512, 10), 128, "Adam", 1e-5),
    "mlp-large-momentum": Task((1024, 1024, 1024, 10), 256, "SGD", 1e-3, MOMENTUM),
    "mlp-large": Task((1024, 1024, 1024, 10), 256, "Adam", 1e-5),
    "batch-norm": Task((256, 256, 256, 10), 128, "Adam", 1e-5, hidden=("BatchNorm1d", "ReLU", "Dropout")),
    "layer-norm": Task((256, 256, 256, 10), 128, "Adam", 1e-5, hidden=("LayerNorm", "GELU")),
}


@dataclass(frozen=True)
class Training:
    """A model under training by `nn` or `torch.nn`, which are told apart by nothing in here."""

    model: Any
    criterion: Any
    optimizer: Any
    batches: Iterator[tuple[Any, Any]]

    def step(self) -> Any:
        x, labels = next(self.batches)
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(x), labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def answer(self) -> dict[str, Any]:
        """Return the losses of the first steps, and the gradients of the very first; without dropout, which is random."""
        dropouts = [module for module in self.model.modules() if type(module).__name__ == "Dropout"]
        for dropout in dropouts:
            dropout.eval()
        result = {"loss of step 1": self.step().item()}
        for name, parameter in self.model.named_parameters():
            result[f"gradient of {name}"] = parameter.grad.numpy().copy()
        for i in range(2, CHECKED_STEPS + 1):
            result[f"loss of step {i}"] = self.step().item()
        for dropout in dropouts:
            dropout.train()
        return result


def _model(library: Any, task: Task, as_tensor: Callable[[Any], Any]) -> Any:
    model = library.Sequential(*[getattr(library, name)(*arguments) for name, arguments in task.layers()])
    weights = {name: as_tensor(value) for name, value in task.weights().items()}
    model.load_state_dict({**model.state_dict(), **weights})
    return model


def ours_training(task: Task) -> Training:
    import autodiff
    import nn

    model = _model(nn, task, autodiff.Tensor)
    optimizer = getattr(nn.optim, task.optimizer)(model.parameters(), lr=task.lr, **task.options)
    batches = [(autodiff.Tensor(x), autodiff.Tensor(labels)) for x, labels in task.batches()]
    return Training(model, nn.CrossEntropyLoss(), optimizer, itertools.cycle(batches))


def torch_training(task: Task, **options: Any) -> Training:
    import torch

    model = _model(torch.nn, task, torch.tensor)
    optimizer = getattr(torch.optim, task.optimizer)(model.parameters(), lr=task.lr, **task.options, **options)
    batches = [(torch.tensor(x), torch.tensor(labels)) for x, labels in task.batches()]
    return Training(model, torch.nn.CrossEntropyLoss(), optimizer, itertools.cycle(batches))


def ours(task: Task) -> Work:
    training = ours_training(task)
    return Work("ours", training.step, training.answer)


def torch(task: Task) -> Work:
    training = torch_training(task)
    return Work("torch", training.step, training.answer)


def torch_fused(task: Task) -> Work:
    training = torch_training(task, fused=True)
    return Work("torch-fused", training.step, training.answer)


def _answer(step: Callable[[], tuple[Any, dict[str, Any]]]) -> dict[str, Any]:
    loss, gradients = step()
    result = {"loss of step 1": loss} | {f"gradient of {name}": gradient for name, gradient in gradients.items()}
    return result | {f"loss of step {i}": step()[0] for i in range(2, CHECKED_STEPS + 1)}


def hips(task: Task) -> Work:
    import autograd
    import autograd.numpy as anp
    from autograd.scipy.special import logsumexp

    def loss_of(weights: dict[str, Any], x: Any, labels: Any) -> Any:
        for i in range(len(task.sizes) - 1):
            if i:
                x = anp.maximum(x, 0)
            x = x @ weights[f"{2 * i}.weight"].T + weights[f"{2 * i}.bias"]
        return anp.mean(logsumexp(x, axis=1) - x[anp.arange(len(x)), labels])

    value_and_gradients = autograd.value_and_grad(loss_of)
    weights = task.weights()
    batches = itertools.cycle(task.batches())

    def step() -> tuple[Any, dict[str, Any]]:
        loss, gradients = value_and_gradients(weights, *next(batches))
        for name, gradient in gradients.items():
            weights[name] = weights[name] - task.lr * gradient
        return loss, gradients

    return Work("hips", step, functools.partial(_answer, step))


def mygrad(task: Task) -> Work:
    import mygrad
    from mygrad.nnet import relu, softmax_crossentropy

    weights = {name: mygrad.tensor(value) for name, value in task.weights().items()}
    batches = itertools.cycle([(mygrad.tensor(x, constant=True), labels) for x, labels in task.batches()])

    def step() -> tuple[Any, dict[str, Any]]:
        x, labels = next(batches)
        for i in range(len(task.sizes) - 1):
            if i:
                x = relu(x)
            x = mygrad.matmul(x, weights[f"{2 * i}.weight"].T) + weights[f"{2 * i}.bias"]
        loss = softmax_crossentropy(x, labels)
        loss.backward()
        gradients = {}
        for name, weight in weights.items():
            gradients[name] = weight.grad
            weight.data -= task.lr * weight.grad
        return loss.item(), gradients

    return Work("mygrad", step, functools.partial(_answer, step))


def _row(task: Task) -> Row:
    makers = {"ours": ours, "torch": torch, "torch-fused": torch_fused}
    why_not: dict[str, str] = {}
    if task.optimizer == "SGD" and not task.options:
        makers |= {"hips": hips, "mygrad": mygrad}
    else:
        why_not |= dict.fromkeys(("hips", "mygrad"), "it brings no optimizers")
    bound = {key: functools.partial(make, task) for key, make in makers.items()}
    return Row(TABLE, task.title, tolerance=1e-4, makers=bound, why_not=why_not)  # float32, summed in different orders


ROWS = {name: _row(task) for name, task in TASKS.items()}
