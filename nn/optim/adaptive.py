"""Adagrad, RMSprop and Adadelta: a step size for each element, from the squares of its gradients so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .flat import Run
from .optimizer import Optimizer, check_at_least_zero, penalized


class Adagrad(Optimizer):
    """Divides each gradient g by the root of the sum of all its squares:

        s ← s + g²
        p ← p - lr / (1 + (t - 1) lr_decay) · g / (√s + eps)

    params                     the parameters, or groups of them
    lr                         how far the first step goes, in each element
    lr_decay                   how fast lr falls with the steps t
    weight_decay               adds weight_decay * p to the gradient (L2 penalty)
    initial_accumulator_value  what s is at first
    eps                        keeps the quotient finite
    maximize                   walks up instead

    Source: Duchi, Hazan and Singer 2011, Adaptive subgradient methods for online learning and stochastic optimization.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = Adagrad([p], lr=0.1)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Adagrad", group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        changed = group["weight_decay"] or group["maximize"]
        lr, eps, decay = run.numbers(
            group["lr"] / (1 + (run.steps - 1) * group["lr_decay"]), group["eps"], group["weight_decay"]
        )  # fmt: skip
        run.array("sum", group["initial_accumulator_value"])
        for g, p, s, t, u in run.blocks(gradient, "sum", work=2):
            if changed:
                g = penalized(g, p, decay, group, u)
            np.multiply(g, g, out=t)
            s += t
            np.sqrt(s, out=t)
            t += eps
            np.divide(g, t, out=t)
            t *= lr
            p -= t


class RMSprop(Optimizer):
    """Divides the gradient g by a running root mean square of it:

        v ← alpha v + (1 - alpha) g²
        p ← p - lr g / (√v + eps)           (with momentum μ: b ← μ b + g / (√v + eps), p ← p - lr b)

    params        the parameters, or groups of them
    lr            how far a step goes, about, in each element
    alpha         how much of the mean is kept
    eps           keeps the quotient finite
    weight_decay  adds weight_decay * p to the gradient (L2 penalty)
    momentum      how much of the last step goes on
    centered      takes the square of a running mean of g from v: divides by an estimate of the standard deviation
    maximize      walks up instead

    Source: Tieleman and Hinton 2012, Lecture 6.5 of Neural networks for machine learning; centered: Graves 2013,
    Generating sequences with recurrent neural networks.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = RMSprop([p], lr=0.01)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 3)
    0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("RMSprop", group, "lr", "alpha", "eps", "weight_decay", "momentum")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        alpha, momentum, centered = group["alpha"], group["momentum"], group["centered"]
        changed = group["weight_decay"] or group["maximize"]
        kept, rest, lr, eps, decay, mu = run.numbers(
            alpha, 1 - alpha, group["lr"], group["eps"], group["weight_decay"], momentum
        )  # fmt: skip
        names = ["square_avg"]
        if momentum:
            names.append("momentum_buffer")
        if centered:
            names.append("grad_avg")
        for g, p, v, *others, t, u in run.blocks(gradient, *names, work=2):
            if changed:
                g = penalized(g, p, decay, group, u)
            v *= kept
            np.multiply(g, g, out=t)
            t *= rest
            v += t
            if centered:
                mean = others[-1]
                np.subtract(g, mean, out=t)
                t *= rest
                mean += t
                np.multiply(mean, mean, out=t)
                np.subtract(v, t, out=t)
                np.maximum(t, 0, out=t)  # rounding may leave a little less
                np.sqrt(t, out=t)
            else:
                np.sqrt(v, out=t)
            t += eps
            np.divide(g, t, out=t)
            if momentum:
                b = others[0]
                b *= mu
                b += t
                np.multiply(b, lr, out=t)
            else:
                t *= lr
            p -= t


class Adadelta(Optimizer):
    """Scales the gradient g by the ratio of two running root mean squares, that of the steps d and that of g:

        v ← rho v + (1 - rho) g²
        d = g √(a + eps) / √(v + eps)
        a ← rho a + (1 - rho) d²
        p ← p - lr d

    params        the parameters, or groups of them
    lr            scales the step, which has the unit of the parameters by itself
    rho           how much of the means is kept, 0 to 1
    eps           keeps the quotient finite, and the first steps from being zero
    weight_decay  adds weight_decay * p to the gradient (L2 penalty)
    maximize      walks up instead

    Source: Zeiler 2012, ADADELTA: an adaptive learning rate method.

    >>> from nn import Parameter
    >>> p = Parameter([1.0])
    >>> optimizer = Adadelta([p])
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> round(p.item(), 4)
    0.9968
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ):
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Adadelta", group, "lr", "rho", "eps", "weight_decay")
        if group["rho"] > 1:
            raise ValueError(f"Adadelta: rho must be from 0 to 1, got {group['rho']}")

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        changed = group["weight_decay"] or group["maximize"]
        rho, rest, lr, eps, decay = run.numbers(
            group["rho"], 1 - group["rho"], group["lr"], group["eps"], group["weight_decay"]
        )  # fmt: skip
        for g, p, v, a, t, u in run.blocks(gradient, "square_avg", "acc_delta", work=2):
            if changed:
                g = penalized(g, p, decay, group, u)
            v *= rho
            np.multiply(g, g, out=t)
            t *= rest
            v += t
            np.add(v, eps, out=t)
            np.divide(g, np.sqrt(t, out=t), out=u)
            np.add(a, eps, out=t)
            u *= np.sqrt(t, out=t)
            a *= rho
            np.multiply(u, u, out=t)
            t *= rest
            a += t
            u *= lr
            p -= u
