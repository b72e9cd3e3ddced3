"""Adamax, NAdam and RAdam: Adam with another scale, another momentum, and a careful start."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, check_betas, penalized


class Adamax(Optimizer):
    """Adam with the largest gradient of late, u, in the place of the root mean square:

        m ← β₁ m + (1 - β₁) g          u ← max(β₂ u, |g| + eps)
        p ← p - lr / (1 - β₁ᵗ) · m / u

    params        the parameters, or groups of them
    lr            how far a step goes, at most, in each element
    betas         β₁ and β₂, how much of m and u is kept
    eps           keeps the quotient finite
    weight_decay  adds weight_decay * p to the gradient (L2 penalty)
    maximize      walks up instead

    Source: Kingma and Ba 2015, Adam: a method for stochastic optimization, section 7.1.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = Adamax([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Adamax", group, "lr", "eps", "weight_decay")
        check_betas("Adamax", group)

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        changed = group["weight_decay"] or group["maximize"]
        b1, rest1, b2, eps, lr, decay = run.numbers(
            beta1, 1 - beta1, beta2, group["eps"], group["lr"] / (1 - beta1**run.steps), group["weight_decay"]
        )
        for g, p, m, largest, t, u in run.blocks(gradient, "exp_avg", "exp_inf", work=2):
            if changed:
                g = penalized(g, p, decay, group, u)
            m *= b1
            np.multiply(g, rest1, out=t)
            m += t
            largest *= b2
            np.abs(g, out=t)
            t += eps
            np.maximum(largest, t, out=largest)
            np.divide(m, largest, out=t)
            t *= lr
            p -= t


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which weighs this gradient and the mean m that the next step will see:

        μₜ = β₁ (1 - 0.96^(t · momentum_decay) / 2)
        p ← p - lr [(1 - μₜ) g / (1 - μ₁⋯μₜ) + μₜ₊₁ m / (1 - μ₁⋯μₜ₊₁)] / (√v̂ + eps)

    params                  the parameters, or groups of them
    lr                      how far a step goes, about, in each element
    betas                   β₁ and β₂, how much of the means m and v is kept
    eps                     keeps the quotient finite
    weight_decay            adds weight_decay * p to the gradient (L2 penalty)
    momentum_decay          how fast μ rises to β₁
    decoupled_weight_decay  shrinks p by lr * weight_decay * p instead, as `AdamW` does
    maximize                walks up instead

    Source: Dozat 2016, Incorporating Nesterov momentum into Adam.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = NAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.894
    """

    _scalars = frozenset({"mu_product"})

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
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
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("NAdam", group, "lr", "eps", "weight_decay", "momentum_decay")
        check_betas("NAdam", group)

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        shrinks = group["weight_decay"] and group["decoupled_weight_decay"]
        changed = group["maximize"] or (group["weight_decay"] and not shrinks)
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (run.steps, run.steps + 1))
        product = run.scalars["mu_product"] = run.scalars.get("mu_product", 1.0) * mu
        root = math.sqrt(1 - beta2**run.steps)
        b1, rest1, b2, rest2, eps, now, ahead, decay, shrink = run.numbers(
            beta1,
            1 - beta1,
            beta2,
            1 - beta2,
            group["eps"] * root,
            group["lr"] * root * (1 - mu) / (1 - product),
            group["lr"] * root * following / (1 - product * following),
            0.0 if shrinks else group["weight_decay"],
            1 - group["lr"] * group["weight_decay"],
        )
        for g, p, m, v, t, u in run.blocks(gradient, "exp_avg", "exp_avg_sq", work=2):
            if shrinks:
                p *= shrink
            if changed:
                g = penalized(g, p, decay, group, u)
            m *= b1
            np.multiply(g, rest1, out=t)
            m += t
            v *= b2
            np.multiply(g, g, out=t)
            t *= rest2
            v += t
            np.multiply(g, now, out=u)
            np.multiply(m, ahead, out=t)
            u += t
            np.sqrt(v, out=t)
            t += eps
            u /= t
            p -= u


class RAdam(Optimizer):
    """Adam that starts with plain momentum and divides by √v̂ only when v̂ has become certain, by a factor r:

        ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ),      ρ∞ = 2 / (1 - β₂) - 1
        r = √((ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ))
        p ← p - lr r m̂ / √v̂   where ρ > 5,      p ← p - lr m̂   before

    params                  the parameters, or groups of them
    lr                      how far a step goes, about, in each element
    betas                   β₁ and β₂, how much of the means m and v is kept
    eps                     keeps the quotient finite; added to √v before its bias is corrected
    weight_decay            adds weight_decay * p to the gradient (L2 penalty)
    decoupled_weight_decay  shrinks p by lr * weight_decay * p instead, as `AdamW` does
    maximize                walks up instead

    Source: Liu et al. 2020, On the variance of the adaptive learning rate and beyond.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = RAdam([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.8
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
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
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("RAdam", group, "lr", "eps", "weight_decay")
        check_betas("RAdam", group)

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        beta1, beta2 = group["betas"]
        shrinks = group["weight_decay"] and group["decoupled_weight_decay"]
        changed = group["maximize"] or (group["weight_decay"] and not shrinks)
        left = 1 - beta2**run.steps
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * run.steps * beta2**run.steps / left
        lr = group["lr"] / (1 - beta1**run.steps)
        if length > 5:
            lr *= math.sqrt(left * (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
        b1, rest1, b2, rest2, eps, rate, decay, shrink = run.numbers(
            beta1,
            1 - beta1,
            beta2,
            1 - beta2,
            group["eps"],
            lr,
            0.0 if shrinks else group["weight_decay"],
            1 - group["lr"] * group["weight_decay"],
        )
        for g, p, m, v, t, u in run.blocks(gradient, "exp_avg", "exp_avg_sq", work=2):
            if shrinks:
                p *= shrink
            if changed:
                g = penalized(g, p, decay, group, u)
            m *= b1
            np.multiply(g, rest1, out=t)
            m += t
            v *= b2
            np.multiply(g, g, out=t)
            t *= rest2
            v += t
            if length > 5:
                np.sqrt(v, out=t)
                t += eps
                np.divide(m, t, out=t)
                t *= rate
            else:
                np.multiply(m, rate, out=t)
            p -= t
