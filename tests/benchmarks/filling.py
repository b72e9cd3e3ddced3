"""Filling a (1000, 100) tensor row by row, forward and backward, in float64: does item assignment cost time per row?"""

from __future__ import annotations

from typing import Any

import numpy as np

from .work import OPERATIONS, Row, Work

SHAPE = (1000, 100)
V = np.linspace(-1.0, 1.0, SHAPE[1])


def fill(buffer: Any, v: Any) -> Any:
    for i in range(len(buffer)):
        buffer[i] = v * (1.0 + i)
    return (buffer * buffer).mean()


def ours() -> Work:
    import autodiff

    v = autodiff.Tensor(V, requires_grad=True)

    def run() -> Any:
        v.grad = None
        loss = fill(autodiff.zeros(SHAPE), v)
        loss.backward()
        return loss

    return Work("ours", run, lambda: {"loss": run().item(), "gradient": v.grad.numpy()})


def torch() -> Work:
    import torch

    v = torch.tensor(V, requires_grad=True)

    def run() -> Any:
        v.grad = None
        loss = fill(torch.zeros(SHAPE, dtype=torch.float64), v)
        loss.backward()
        return loss

    return Work("torch", run, lambda: {"loss": run().item(), "gradient": v.grad.numpy()})


def mygrad() -> Work:
    import mygrad

    v = mygrad.tensor(V)

    def run() -> Any:
        loss = fill(mygrad.zeros(SHAPE, dtype=float), v)
        loss.backward()
        return loss

    return Work("mygrad", run, lambda: {"loss": run().item(), "gradient": v.grad})


ROW = Row(
    table=OPERATIONS,
    title="filling (1000, 100) by rows",
    tolerance=1e-10,
    makers={"ours": ours, "torch": torch, "mygrad": mygrad},
    why_not={"hips": "it has no item assignment", "micrograd": "it has scalars only"},
)
