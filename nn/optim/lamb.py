"""LAMB: Adam's direction, with a length that fits each layer. For very large batches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, check_betas


class LAMB(Optimizer):
    """Gives each parameter tensor p a step that is as long, relative to p, as that of any other:

        m ← β₁ m + (1 - β₁) g          v ← β₂ v + (1 - β₂) g²
        r = m̂ / (√v̂ + eps) + weight_decay p
        p ← p - lr φ(‖p‖) / ‖r‖ · r    (the factor is 1 where ‖p‖ or ‖r‖ is 0)

    params        the parameters, or groups of them
    lr            how long a step is, relative to p
    betas         β₁ and β₂, how much of the means is kept
    eps           keeps the quotient finite
    weight_decay  adds weight_decay * p to the direction, as `AdamW` does
    norm_bounds   φ is the norm, kept between these two; None for the norm itself
    maximize      walks up instead

    Source: You et al. 2020, Large batch optimization for deep learning: training BERT in 76 minutes.

    >>> from nn import Parameter
    >>> p = Parameter([3.0, 4.0])
    >>> optimizer = LAMB([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(((p - [3.0, 4.0]) ** 2).sum().item() ** 0.5, 3)  # a tenth of the norm of p
    0.5
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
        norm_bounds: tuple[float, float] | None = None,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "norm_bounds": norm_bounds,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("LAMB", group, "lr", "eps", "weight_decay")
        check_betas("LAMB", group)
        bounds = group["norm_bounds"]
        if bounds is not None and (len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]):
            raise ValueError(f"LAMB: norm_bounds are the least and the greatest norm, at least 0, or None, got {bounds}")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        sign = -1 if group["maximize"] else 1
        root = math.sqrt(1 - beta2**run.steps)
        b1, rest1, b2, rest2, eps, correction, decay = run.numbers(
            beta1,
            sign * (1 - beta1),
            beta2,
            1 - beta2,
            group["eps"] * root,
            root / (1 - beta1**run.steps),
            group["weight_decay"],
        )
        direction = np.empty_like(run.values)
        start = 0
        for g, p, m, v, t in run.blocks(gradient, "exp_avg", "exp_avg_sq", work=1):
            r = direction[start : start + len(p)]
            start += len(p)
            m *= b1
            np.multiply(g, rest1, out=t)
            m += t
            v *= b2
            np.multiply(g, g, out=t)
            t *= rest2
            v += t
            np.sqrt(v, out=t)
            t += eps
            np.divide(m, t, out=r)
            r *= correction
            if group["weight_decay"]:
                np.multiply(p, decay, out=t)
                r += t
        for p, r in zip(run.spans(run.values), run.spans(direction), strict=True):
            r *= group["lr"] * _trust(math.sqrt(p.dot(p)), math.sqrt(r.dot(r)), group["norm_bounds"])
            p -= r


def _trust(norm: float, length: float, bounds: tuple[float, float] | None) -> float:
    """Return by how much a direction of this length is scaled for a parameter of this norm."""
    if bounds is not None:
        norm = min(max(norm, bounds[0]), bounds[1])
    return norm / length if norm > 0 and length > 0 else 1.0
