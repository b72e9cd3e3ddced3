"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, penalized


class SGD(Optimizer):
    """Walks down the gradient: p ← p - lr v, where v is the gradient g, or with momentum μ:

        v ← μ v + (1 - dampening) g        (v = g at the first step)
        p ← p - lr v                       (nesterov: p ← p - lr (g + μ v))

    params        the parameters, or groups of them
    lr            how far a step goes
    momentum      how much of the last step goes on, 0 to 1
    dampening     how much less of the gradient goes into v
    weight_decay  adds weight_decay * p to the gradient (L2 penalty)
    nesterov      looks ahead along the momentum
    maximize      walks up instead

    Source: Sutskever et al. 2013, On the importance of initialization and momentum in deep learning; in PyTorch's form.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.8
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("SGD", group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError("SGD: nesterov needs a momentum above 0, and no dampening")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        momentum, nesterov = group["momentum"], group["nesterov"]
        changed, dampened = group["weight_decay"] or group["maximize"], group["dampening"]
        lr, mu, share, decay = run.numbers(group["lr"], momentum, 1 - dampened, group["weight_decay"])
        if not momentum:
            for g, p, t in run.blocks(gradient, work=1):
                np.multiply(penalized(g, p, decay, group, t) if changed else g, lr, out=t)
                p -= t
            return
        first = "momentum_buffer" not in run.state
        for g, p, v, t in run.blocks(gradient, "momentum_buffer", work=1):
            if changed:
                g = penalized(g, p, decay, group, t)
            if first:
                v[...] = g
            else:
                v *= mu
                v += g * share if dampened else g
            if nesterov:
                np.multiply(g, lr, out=t)
                p -= t
                np.multiply(v, mu * lr, out=t)
            else:
                np.multiply(v, lr, out=t)
            p -= t
