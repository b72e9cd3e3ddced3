"""Rprop and Lion: only the signs of the gradient count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, check_betas


class Rprop(Optimizer):
    """Gives each element a step size s of its own, that grows while the sign of its gradient stays and shrinks when it turns:

        s ← s η₊  where g has the sign it had,    s η₋  where it turned (and g counts as 0 this time)
        p ← p - s sign(g)

    For gradients of the whole data: batches turn signs by chance.

    params      the parameters, or groups of them
    lr          the first s
    etas        η₋ and η₊
    step_sizes  the least and the greatest s
    maximize    walks up instead

    Source: Riedmiller and Braun 1993, A direct adaptive method for faster backpropagation learning: the RPROP algorithm.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = Rprop([p], lr=0.1)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (p * p).sum().backward()
    ...     optimizer.step()
    >>> round(p.item(), 3)
    0.636
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize})

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Rprop", group, "lr")
        if len(group["etas"]) != 2 or not 0 < group["etas"][0] < 1 < group["etas"][1]:
            raise ValueError(f"Rprop: etas are a number between 0 and 1, and one above 1, got {group['etas']}")
        if len(group["step_sizes"]) != 2 or not 0 <= group["step_sizes"][0] <= group["step_sizes"][1]:
            raise ValueError(f"Rprop: step_sizes are the least and the greatest step, at least 0, got {group['step_sizes']}")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        less, more, least, greatest = run.numbers(*group["etas"], *group["step_sizes"])
        run.array("step_size", group["lr"])
        for g, p, before, s, t in run.blocks(gradient, "prev", "step_size", work=1):
            if group["maximize"]:
                g = -g
            np.multiply(g, before, out=t)
            turned = t < 0
            np.multiply(s, more, out=s, where=t > 0)
            np.multiply(s, less, out=s, where=turned)
            np.clip(s, least, greatest, out=s)
            before[...] = g
            np.copyto(before, 0, where=turned)
            np.sign(before, out=t)
            t *= s
            p -= t


class Lion(Optimizer):
    """Walks by the sign of a momentum m: the same length in every element, with one array of state.

        p ← p - lr (sign(β₁ m + (1 - β₁) g) + weight_decay p)
        m ← β₂ m + (1 - β₂) g

    params        the parameters, or groups of them
    lr            how far a step goes in each element: a third to a tenth of that for AdamW
    betas         β₁, of the step, and β₂, of the momentum
    weight_decay  decoupled, as in `AdamW`: three to ten times that for AdamW, as it is multiplied by lr
    maximize      walks up instead

    Source: Chen et al. 2023, Symbolic discovery of optimization algorithms.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = Lion([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Lion", group, "lr", "weight_decay")
        check_betas("Lion", group)

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        sign = -1 if group["maximize"] else 1
        b1, rest1, b2, rest2, lr, shrink = run.numbers(
            beta1, sign * (1 - beta1), beta2, sign * (1 - beta2), group["lr"], 1 - group["lr"] * group["weight_decay"]
        )
        for g, p, m, t, u in run.blocks(gradient, "exp_avg", work=2):
            if group["weight_decay"]:
                p *= shrink
            np.multiply(m, b1, out=t)
            np.multiply(g, rest1, out=u)
            t += u
            np.sign(t, out=t)
            t *= lr
            p -= t
            m *= b2
            np.multiply(g, rest2, out=u)
            m += u
