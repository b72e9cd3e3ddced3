"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero


class Adam(Optimizer):
    """Divides a running mean of the gradient g by a running root mean square of it, element by element:

        m ← β₁ m + (1 - β₁) g          v ← β₂ v + (1 - β₂) g²
        p ← p - lr m̂ / (√v̂ + eps)      m̂ = m / (1 - β₁ᵗ),  v̂ = v / (1 - β₂ᵗ)

    params        the parameters, or groups of them
    lr            how far a step goes, about, in each element
    betas         β₁ and β₂, how much of the means is kept
    eps           keeps the quotient finite
    weight_decay  adds weight_decay * p to the gradient (L2 penalty)
    amsgrad       divides by the largest v̂ so far
    maximize      walks up instead

    Source: Kingma and Ba 2015, Adam: a method for stochastic optimization; amsgrad: Reddi et al. 2018.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad, "maximize": maximize}
        super().__init__(params, options)

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Adam", group, "lr", "eps", "weight_decay")
        if len(group["betas"]) != 2 or not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(f"Adam: betas are two numbers from 0 to below 1, got {group['betas']}")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        weight_decay, maximize = group["weight_decay"], group["maximize"]
        root = math.sqrt(1 - beta2**run.steps)  # √v̂ + eps = (√v + eps root) / root: one pass over the block less
        lr = group["lr"] * root / (1 - beta1**run.steps)
        b1, rest1, b2, rest2, eps, lr, decay, minus = run.numbers(
            beta1, 1 - beta1, beta2, 1 - beta2, group["eps"] * root, lr, weight_decay, -1.0
        )
        arrays = [run.values, gradient, run.array("exp_avg"), run.array("exp_avg_sq")]
        if group["amsgrad"]:
            arrays.append(run.array("max_exp_avg_sq"))
        if run.values.dtype.kind == "c":  # real and imaginary part are numbers of their own
            arrays = [np.ascontiguousarray(array).view(array.real.dtype) for array in arrays]
        for p, g, m, v, *largest, t, u in run.blocks(*arrays, work=2):
            if maximize:
                g = np.multiply(g, minus, out=u)
            if weight_decay:
                np.multiply(p, decay, out=t)
                g = np.add(g, t, out=u)
            m *= b1
            np.multiply(g, rest1, out=t)
            m += t
            v *= b2
            np.multiply(g, g, out=t)
            t *= rest2
            v += t
            if largest:
                v = np.maximum(largest[0], v, out=largest[0])
            np.sqrt(v, out=t)
            t += eps
            np.divide(m, t, out=t)
            t *= lr
            p -= t
