"""The scalar expression that micrograd's README differentiates, forward and backward, in float64.

micrograd computes with Python floats, the others with 0-d arrays; every `+=` is written out, since not all have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .work import OPERATIONS, Row, Work

A, B = -4.0, 2.0


def expression(a: Any, b: Any, relu: Callable[[Any], Any]) -> Any:
    c = a + b
    d = a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + relu(b + a))
    d = d + (3 * d + relu(b - a))
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


def ours() -> Work:
    import autodiff
    from nn import functional

    a, b = autodiff.Tensor(A, requires_grad=True), autodiff.Tensor(B, requires_grad=True)

    def run() -> Any:
        a.grad = b.grad = None
        value = expression(a, b, functional.relu)
        value.backward()
        return value

    return Work("ours", run, lambda: {"value": run().item(), "gradient of a": a.grad.item(), "gradient of b": b.grad.item()})


def torch() -> Work:
    import torch

    a, b = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (A, B))

    def run() -> Any:
        a.grad = b.grad = None
        value = expression(a, b, torch.relu)
        value.backward()
        return value

    return Work("torch", run, lambda: {"value": run().item(), "gradient of a": a.grad.item(), "gradient of b": b.grad.item()})


def hips() -> Work:
    import autograd
    import autograd.numpy as anp

    value_and_gradients = autograd.value_and_grad(lambda a, b: expression(a, b, lambda x: anp.maximum(x, 0.0)), argnum=(0, 1))

    def answer() -> dict[str, Any]:
        value, (gradient_a, gradient_b) = value_and_gradients(A, B)
        return {"value": value, "gradient of a": gradient_a, "gradient of b": gradient_b}

    return Work("hips", lambda: value_and_gradients(A, B), answer)


def mygrad() -> Work:
    import mygrad
    from mygrad.nnet import relu

    a, b = mygrad.tensor(A), mygrad.tensor(B)

    def run() -> Any:
        value = expression(a, b, relu)
        value.backward()
        return value

    return Work("mygrad", run, lambda: {"value": run().item(), "gradient of a": a.grad, "gradient of b": b.grad})


def micrograd() -> Work:
    from micrograd.engine import Value

    a, b = Value(A), Value(B)

    def run() -> Any:
        a.grad = b.grad = 0
        value = expression(a, b, Value.relu)
        value.backward()
        return value

    return Work("micrograd", run, lambda: {"value": run().data, "gradient of a": a.grad, "gradient of b": b.grad})


ROW = Row(
    table=OPERATIONS,
    title="scalar expression (micrograd's)",
    tolerance=1e-12,
    makers={"ours": ours, "torch": torch, "hips": hips, "mygrad": mygrad, "micrograd": micrograd},
    why_not={},
)
