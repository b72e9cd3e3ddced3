"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, check_betas, penalized


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
    decoupled_weight_decay  shrinks p by lr * weight_decay * p instead, as `AdamW` does

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
        decoupled_weight_decay: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        check_at_least_zero(name, group, "lr", "eps", "weight_decay")
        check_betas(name, group)

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        shrinks = group["weight_decay"] and group["decoupled_weight_decay"]
        penalty = group["weight_decay"] and not shrinks
        sign = -1 if group["maximize"] and not penalty else 1
        root = math.sqrt(1 - beta2**run.steps)  # √v̂ + eps = (√v + eps root) / root: one pass over the block less
        b1, rest1, b2, rest2, eps, lr, decay, shrink = run.numbers(
            beta1,
            sign * (1 - beta1),
            beta2,
            1 - beta2,
            group["eps"] * root,
            group["lr"] * root / (1 - beta1**run.steps),
            group["weight_decay"],
            1 - group["lr"] * group["weight_decay"],
        )
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")
        for g, p, m, v, *largest, t, u in run.blocks(gradient, *names, work=2):
            if shrinks:
                p *= shrink
            elif penalty:
                g = penalized(g, p, decay, group, u)
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


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p - lr weight_decay p before each step, whatever the gradient is.

    Unlike an L2 penalty, the decay is not divided by √v̂, so weights with large gradients decay as much as others.
    The arguments are those of `Adam`.

    Source: Loshchilov and Hutter 2019, Decoupled weight decay regularization.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = AdamW([p], lr=0.1, weight_decay=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.85
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`, also from one of `Adam`."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
