"""Losses of predicted distributions: each function, written in plain operations, and its Module below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autodiff import Tensor, asarray, composition, stop_gradient
from autodiff.arguments import weak

from ..module import Module
from .targets import REDUCTIONS, Loss, check_range, fitted, reduced

# ------------------------------------------------------------------------------------------------ Kullback-Leibler divergence


@composition()
def kl_div(input: Tensor, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Return the Kullback-Leibler divergence of predicted from true probabilities, term by term: t (log t - input).

    input       log-probabilities, of `log_softmax` for example, of any shape
    target      probabilities t of the shape of the input; 0 log 0 is 0
    reduction   "batchmean" (the sum divided by the number of samples, which is the divergence of the mathematicians),
                "mean" (of all terms, classes too), "sum" or "none"
    log_target  whether the target, too, is given as log-probabilities

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> p, t = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    >>> kl_div(Tensor(np.log(p)), t, reduction="batchmean").item()
    0.6931471805599453
    """
    if reduction not in (*REDUCTIONS, "batchmean"):
        raise _unknown_reduction_of_kl("kl_div", reduction)
    x, target = fitted("kl_div", input, target, "mean" if reduction == "batchmean" else reduction)
    if log_target:
        check_range("kl_div", "log-probabilities", target, -math.inf, 1e-6, "; probabilities go with log_target=False")
        never = target == -math.inf
        losses = np.exp(target) * (np.where(never, 0, target) - np.where(never, 0, x))
    else:
        check_range("kl_div", "probabilities", target, 0, 1 + 1e-6, "; log-probabilities go with log_target=True")
        never = target == 0
        losses = target * (np.log(np.where(never, 1, target)) - np.where(never & (x == -math.inf), 0, x))
    if reduction == "batchmean":
        if not x.ndim:
            raise ValueError("kl_div: a single number is no batch; use reduction='sum'")
        return losses.sum() / x.shape[0]  # type: ignore[no-any-return]
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def _unknown_reduction_of_kl(name: str, reduction: Any) -> ValueError:
    return ValueError(f"{name}: reduction is 'batchmean', 'mean', 'sum' or 'none', got {reduction!r}")


class KLDivLoss(Module):
    """The Kullback-Leibler divergence, see `nn.functional.kl_div`.

    >>> KLDivLoss("batchmean")(Tensor([[0.0, -np.inf]]), [[1.0, 0.0]]).item()
    0.0
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        if reduction not in (*REDUCTIONS, "batchmean"):
            raise _unknown_reduction_of_kl("KLDivLoss", reduction)
        self.reduction, self.log_target = reduction, log_target

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return kl_div(input, target, self.reduction, self.log_target)


# ------------------------------------------------------------------------------------------------ Poisson


@composition()
def poisson_nll_loss(
    input: Tensor, target: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
) -> Tensor:
    """Return the negative log-likelihood of counts under Poisson distributions: rate - t log(rate), up to a constant.

    input      log(rate); with log_input=False the rate itself, of any shape
    target     counts t, 0 or more, of the shape of the input
    full       whether to add the constant log(t!), by Stirling's formula, for t > 1
    eps        what is added to a rate before its logarithm is taken
    reduction  "mean", "sum" or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit.

    >>> poisson_nll_loss(Tensor([0.0, 0.0]), [1, 5], reduction="none").tolist()
    [1.0, 1.0]
    """
    x, target = fitted("poisson_nll_loss", input, target, reduction)
    check_range("poisson_nll_loss", "counts", target, 0, math.inf)
    if log_input:
        losses = np.exp(x) - target * x
    else:
        if not eps > 0:
            raise ValueError(f"poisson_nll_loss: eps is a positive number, got {eps}")
        check_range("poisson_nll_loss", "rates", x, 0, math.inf, "; logarithms of rates go with log_input=True")
        losses = x - target * np.log(x + weak(eps))
    if full:
        large = target > 1
        t = np.where(large, target, 1)
        losses = losses + np.where(large, t * np.log(t) - t + 0.5 * np.log(2 * math.pi * t), 0)
    return reduced(losses, reduction)  # type: ignore[no-any-return]


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts, see `nn.functional.poisson_nll_loss`.

    >>> PoissonNLLLoss(log_input=False, eps=1.0)(Tensor([0.0]), [3]).item()
    0.0
    """

    def __init__(self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"):
        super().__init__(reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return poisson_nll_loss(input, target, self.log_input, self.full, self.eps, self.reduction)


# ------------------------------------------------------------------------------------------------ Gaussian


@composition()
def gaussian_nll_loss(
    input: Tensor, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """Return the negative log-likelihood of numbers under normal distributions: (log var + (input - target)**2 / var) / 2.

    input      means, of any shape
    target     of the shape of the input
    var        variances, 0 or more: one number, or the shape of the input, with length 1 on one axis where that axis shares
               its variance, or without the last axis
    full       whether to add the constant log(2 pi) / 2
    eps        variances count as this much at least; their gradient does not notice
    reduction  "mean", "sum" or "none"

    Raises ValueError or TypeError where shape, range or dtype do not fit. Source: Nix and Weigend, Estimating the Mean and
    Variance of the Target Probability Distribution, 1994.

    >>> gaussian_nll_loss(Tensor([1.0, 2.0]), [1.0, 4.0], [1.0, 4.0], reduction="none").tolist()
    [0.0, 1.1931471805599454]
    """
    if not eps > 0:
        raise ValueError(f"gaussian_nll_loss: eps is a positive number, got {eps}")
    x, target = fitted("gaussian_nll_loss", input, target, reduction)
    var = _variances(x, asarray(var))
    var = var + stop_gradient(np.maximum(weak(eps) - var, 0))
    d = x - target
    losses = 0.5 * (np.log(var) + d / var * d)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)  # type: ignore[no-any-return]


def _variances(x: Tensor, var: Tensor) -> Tensor:
    if var.dtype.kind not in "biuf":
        raise TypeError(f"gaussian_nll_loss: var has dtype {var.dtype}, expected real numbers")
    if var.ndim and var.shape != x.shape:
        if var.shape == x.shape[:-1]:
            var = var.reshape((*var.shape, 1))
        elif var.ndim != x.ndim or [n for n, m in zip(var.shape, x.shape, strict=True) if n != m] != [1]:
            cure = f"; write var.reshape({x.shape})" if var.size == x.size else ""
            raise ValueError(
                f"gaussian_nll_loss: var has shape {var.shape}, expected that of the input, {x.shape}, perhaps with length 1 on "
                f"one axis or without the last one{cure}"
            )
    check_range("gaussian_nll_loss", "variances", var, 0, math.inf, "; predict the logarithm of var, or softplus(var)")
    return var if var.dtype == x.dtype else var.astype(x.dtype)


class GaussianNLLLoss(Loss):
    """The negative log-likelihood of numbers under normal distributions, see `nn.functional.gaussian_nll_loss`.

    >>> GaussianNLLLoss()(Tensor([1.0]), [3.0], [1.0]).item()
    2.0
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction)
        if not eps > 0:
            raise ValueError(f"GaussianNLLLoss: eps is a positive number, got {eps}")
        self.full, self.eps = full, eps

    def forward(self, input: Tensor, target: Any, var: Any) -> Tensor:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)
