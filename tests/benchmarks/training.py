"""Training steps of three MLPs, from the same weights on the same data, in float32: forward, backward and update.

The step is the same program for `nn` and for `torch.nn`. HIPS autograd and MyGrad, which bring no optimizers, train the
smallest one by plain gradient descent.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .work import Row, Work

CHECKED_STEPS = 4
BATCHES = 4


@dataclass(frozen=True)
class Task:
    """A model, a batch size and an optimizer.

    sizes  the widths of the layers, input first
    """

    sizes: tuple[int, ...]
    batch: int
    optimizer: str
    lr: float

    @property
    def title(self) -> str:
        return f"MLP {'-'.join(map(str, self.sizes))}, {self.optimizer}"

    def weights(self) -> dict[str, np.ndarray]:
        """Return the initial weights under the names that a Sequential gives them (every second layer is a ReLU)."""
        rng = np.random.default_rng(0)
        weights = {}
        for i, (inputs, outputs) in enumerate(itertools.pairwise(self.sizes)):
            bound = inputs**-0.5
            weights[f"{2 * i}.weight"] = rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
            weights[f"{2 * i}.bias"] = rng.uniform(-bound, bound, outputs).astype(np.float32)
        return weights

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return batches of inputs and class labels."""
        rng = np.random.default_rng(1)
        return [
            (rng.standard_normal((self.batch, self.sizes[0]), np.float32), rng.integers(0, self.sizes[-1], self.batch))
            for _ in range(BATCHES)
        ]


TASKS = {
    "mlp-small": Task((2, 16, 16, 2), 16, "SGD", 0.01),
    "mlp-middle": Task((784, 128, 10), 64, "Adam", 1e-4),
    "mlp-large": Task((1024, 1024, 1024, 10), 256, "Adam", 1e-5),
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
        """Return the losses of the first steps, and the gradients of the very first."""
        result = {"loss of step 1": self.step().item()}
        for name, parameter in self.model.named_parameters():
            result[f"gradient of {name}"] = parameter.grad.numpy().copy()
        for i in range(2, CHECKED_STEPS + 1):
            result[f"loss of step {i}"] = self.step().item()
        return result


def _layers(library: Any, task: Task) -> Iterator[Any]:
    for i, (inputs, outputs) in enumerate(itertools.pairwise(task.sizes)):
        if i:
            yield library.ReLU()
        yield library.Linear(inputs, outputs)


def ours_training(task: Task) -> Training:
    import autodiff
    import nn

    model = nn.Sequential(*_layers(nn, task))
    model.load_state_dict(task.weights())
    optimizer = getattr(nn.optim, task.optimizer)(model.parameters(), lr=task.lr)
    batches = [(autodiff.Tensor(x), autodiff.Tensor(labels)) for x, labels in task.batches()]
    return Training(model, nn.CrossEntropyLoss(), optimizer, itertools.cycle(batches))


def torch_training(task: Task, **options: Any) -> Training:
    import torch

    model = torch.nn.Sequential(*_layers(torch.nn, task))
    model.load_state_dict({name: torch.tensor(value) for name, value in task.weights().items()})
    optimizer = getattr(torch.optim, task.optimizer)(model.parameters(), lr=task.lr, **options)
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
    why_not = {"micrograd": "it has scalars only"}
    if task.optimizer == "SGD":
        makers |= {"hips": hips, "mygrad": mygrad}
    else:
        why_not |= dict.fromkeys(("hips", "mygrad"), "it brings no Adam")
    bound = {key: functools.partial(make, task) for key, make in makers.items()}
    return Row(task.title, tolerance=1e-4, makers=bound, why_not=why_not)  # float32, summed in different orders


ROWS = {name: _row(task) for name, task in TASKS.items()}
