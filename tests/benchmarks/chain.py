"""A chain of 100 operations on 4 elements, forward and backward: what an operation costs besides its arithmetic.

A round of four (times a Python number, plus a tensor, tanh, times a tensor) is repeated 25 times, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .work import OPERATIONS, Row, Work

ROUNDS = 25
X = np.linspace(-0.5, 0.5, 4)
B = np.linspace(0.9, 1.1, 4)


def chain(x: Any, b: Any, tanh: Callable[[Any], Any]) -> Any:
    for _ in range(ROUNDS):
        x = x * 1.01
        x = x + b
        x = tanh(x)
        x = x * b
    return x.sum()


def ours() -> Work:
    import autodiff

    x, b = autodiff.Tensor(X, requires_grad=True), autodiff.Tensor(B, requires_grad=True)

    def run() -> Any:
        x.grad = b.grad = None
        loss = chain(x, b, autodiff.tanh)
        loss.backward()
        return loss

    return Work("ours", run, lambda: {"loss": run().item(), "gradient of x": x.grad.numpy(), "gradient of b": b.grad.numpy()})


def torch() -> Work:
    import torch

    x, b = torch.tensor(X, requires_grad=True), torch.tensor(B, requires_grad=True)

    def run() -> Any:
        x.grad = b.grad = None
        loss = chain(x, b, torch.tanh)
        loss.backward()
        return loss

    return Work("torch", run, lambda: {"loss": run().item(), "gradient of x": x.grad.numpy(), "gradient of b": b.grad.numpy()})


def hips() -> Work:
    import autograd
    import autograd.numpy as anp

    value_and_gradients = autograd.value_and_grad(lambda x, b: chain(x, b, anp.tanh), argnum=(0, 1))

    def answer() -> dict[str, Any]:
        loss, (gradient_x, gradient_b) = value_and_gradients(X, B)
        return {"loss": loss, "gradient of x": gradient_x, "gradient of b": gradient_b}

    return Work("hips", lambda: value_and_gradients(X, B), answer)


def mygrad() -> Work:
    import mygrad

    x, b = mygrad.tensor(X), mygrad.tensor(B)

    def run() -> Any:
        loss = chain(x, b, mygrad.tanh)
        loss.backward()
        return loss

    return Work("mygrad", run, lambda: {"loss": run().item(), "gradient of x": x.grad, "gradient of b": b.grad})


ROW = Row(
    table=OPERATIONS,
    title="chain of 100 on 4 elements",
    tolerance=1e-10,
    makers={"ours": ours, "torch": torch, "hips": hips, "mygrad": mygrad},
    why_not={"micrograd": "it has scalars only, and no tanh"},
)
