"""ASGD: stochastic gradient descent, and the average of where it went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, penalized


class ASGD(Optimizer):
    """Walks down the gradient g with a falling step size η, and keeps the mean of the values after the step t0:

        p ← p - η (g + lambd p)                 ax ← ax + μ (p - ax)
        η ← lr / (1 + lambd lr t)^alpha         μ ← 1 / max(1, t - t0)

    The mean ax is in `state_dict()`; the parameters themselves are the last values, as in PyTorch. For means that are put into
    the model see the moving averages.

    params        the parameters, or groups of them
    lr            how far the first step goes
    lambd         how fast η falls, and a decay of p
    alpha         the power with which η falls
    t0            the step at which averaging starts
    weight_decay  adds weight_decay * p to the gradient (L2 penalty)
    maximize      walks up instead

    Source: Polyak and Juditsky 1992, Acceleration of stochastic approximation by averaging; the rates of Bottou 2010.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = ASGD([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.8
    """

    _scalars = frozenset({"eta", "mu"})

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay, "maximize": maximize},
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("ASGD", group, "lr", "weight_decay")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        changed = group["weight_decay"] or group["maximize"]
        eta, mu = run.scalars.get("eta", float(group["lr"])), run.scalars.get("mu", 1.0)
        rate, share, decay, shrink = run.numbers(eta, mu, group["weight_decay"], 1 - group["lambd"] * eta)
        for g, p, mean, t in run.blocks(gradient, "ax", work=1):
            if changed:
                g = penalized(g, p, decay, group, t)
            p *= shrink
            np.multiply(g, rate, out=t)
            p -= t
            if mu == 1:
                mean[...] = p
            else:
                np.subtract(p, mean, out=t)
                t *= share
                mean += t
        run.scalars["eta"] = group["lr"] / (1 + group["lambd"] * group["lr"] * run.steps) ** group["alpha"]
        run.scalars["mu"] = 1 / max(1, run.steps - group["t0"])
