"""An optimizer's step alone, in float32: the same parameters and gradients, the same change of the parameters."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .work import Row, Work

TABLE = "An optimizer's step alone"
CHECKED_STEPS = 3
LR = 1e-3
MODELS = {"small": (2, 16, 16, 2), "middle": (784, 128, 10), "large": (1024, 1024, 1024, 10)}


@dataclass(frozen=True)
class Stepping:
    """An optimizer with its options, and the widths of the MLP whose parameters it changes."""

    optimizer: str
    sizes: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Weights and biases."""
        return [shape for n, m in itertools.pairwise(self.sizes) for shape in ((m, n), (m,))]

    @property
    def title(self) -> str:
        return f"{' '.join([self.optimizer, *self.options])}, {sum(map(math.prod, self.shapes)):,} numbers"

    def arrays(self, seed: int) -> list[np.ndarray]:
        """Return random numbers in the shapes of the parameters."""
        rng = np.random.default_rng(seed)
        return [rng.standard_normal(shape, np.float32) for shape in self.shapes]


def _work(engine: str, optimizer: Any, parameters: Iterable[Any]) -> Work:
    def answer() -> dict[str, Any]:
        before = [parameter.detach().numpy().copy() for parameter in parameters]
        for _ in range(CHECKED_STEPS):
            optimizer.step()
        return {f"change of {i}": p.detach().numpy() - b for i, (p, b) in enumerate(zip(parameters, before, strict=True))}

    return Work(engine, optimizer.step, answer)


def ours(stepping: Stepping) -> Work:
    import autodiff
    import nn

    parameters = [nn.Parameter(array) for array in stepping.arrays(0)]
    for parameter, gradient in zip(parameters, stepping.arrays(1), strict=True):
        parameter.grad = autodiff.Tensor(gradient)
    return _work("ours", getattr(nn.optim, stepping.optimizer)(parameters, lr=LR, **stepping.options), parameters)


def torch(stepping: Stepping, engine: str = "torch", **options: Any) -> Work:
    import torch

    parameters = [torch.nn.Parameter(torch.tensor(array)) for array in stepping.arrays(0)]
    for parameter, gradient in zip(parameters, stepping.arrays(1), strict=True):
        parameter.grad = torch.tensor(gradient)
    make = getattr(torch.optim, stepping.optimizer)
    return _work(engine, make(parameters, lr=LR, **stepping.options, **options), parameters)


def _row(stepping: Stepping) -> Row:
    makers = {"ours": functools.partial(ours, stepping), "torch": functools.partial(torch, stepping)}
    why_not: dict[str, str] = {}
    if stepping.optimizer == "RMSprop":
        why_not["torch-fused"] = "it has no such RMSprop"
    else:
        makers["torch-fused"] = functools.partial(torch, stepping, engine="torch-fused", fused=True)
    return Row(TABLE, stepping.title, tolerance=1e-4, makers=makers, why_not=why_not)


OPTIMIZERS: dict[str, dict[str, Any]] = {"SGD": {"momentum": 0.9}, "Adam": {}, "AdamW": {}, "RMSprop": {}}
ROWS = {
    f"step-{optimizer.lower()}-{size}": _row(Stepping(optimizer, sizes, options))
    for optimizer, options in OPTIMIZERS.items()
    for size, sizes in MODELS.items()
}
