"""The table of activations: each with its definition, its counterpart in PyTorch, and its kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf
from typing import Any

import numpy as np

import nn
from nn import functional as F


@dataclass(frozen=True)
class Case:
    """An activation with its options.

    function  of nn.functional
    options   keyword arguments of function and module, and of PyTorch's
    module    the class
    shown     its repr
    defined   the function as a formula of float64 arrays
    kinks     where it has no derivative
    torch     name in torch.nn.functional, None where PyTorch has none
    limits    values at -inf and inf; None where that is nan
    straight  whether the slope is constant between the kinks: then there is no second derivative to ask for
    """

    function: Callable[..., Any]
    options: dict[str, Any]
    module: type[nn.Module]
    shown: str
    defined: Callable[[np.ndarray], Any]
    kinks: tuple[float, ...] = ()
    torch: str | None = ""
    limits: tuple[float | None, float | None] = (None, None)
    straight: bool = False

    def __call__(self, x: Any) -> Any:
        return self.function(x, **self.options)

    def make(self) -> nn.Module:
        return self.module(**self.options)

    @property
    def torch_name(self) -> str | None:
        return self.function.__name__ if self.torch == "" else self.torch

    def points(self, *shape: int, seed: int = 0) -> np.ndarray:
        """Return random numbers, none near a kink."""
        x = np.random.default_rng(seed).standard_normal(shape) * 2.5
        for _ in range(20):
            for kink in self.kinks:
                x = np.where(np.abs(x - kink) < 0.05, x + 0.13, x)
        return np.asarray(x)


inf = np.inf


def logistic(x: Any) -> Any:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def log1pexp(x: Any) -> Any:
    return np.logaddexp(x, 0)


def phi(x: Any) -> Any:
    return np.vectorize(lambda v: 0.5 * (1 + erf(v / np.sqrt(2))), otypes=[float])(x)


def exponential(x: Any, alpha: float = 1.0, rate: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(rate * np.minimum(x, 0)))


SELU = 1.0507009873554805, 1.6732632423543772

CASES = {
    "step": Case(F.step, {}, nn.Step, "Step()", lambda x: np.heaviside(x, 0), (0.0,), None, (0, 1), True),
    "sigmoid": Case(F.sigmoid, {}, nn.Sigmoid, "Sigmoid()", logistic, limits=(0, 1)),
    "hardsigmoid": Case(
        F.hardsigmoid, {}, nn.Hardsigmoid, "Hardsigmoid()", lambda x: np.clip(x + 3, 0, 6) / 6, (-3.0, 3.0), limits=(0, 1),
        straight=True,
    ),
    "logsigmoid": Case(F.logsigmoid, {}, nn.LogSigmoid, "LogSigmoid()", lambda x: -log1pexp(-x), limits=(-inf, 0)),
    "tanh": Case(F.tanh, {}, nn.Tanh, "Tanh()", np.tanh, limits=(-1, 1)),
    "hardtanh": Case(
        F.hardtanh, {}, nn.Hardtanh, "Hardtanh(min_val=-1.0, max_val=1.0)", lambda x: np.clip(x, -1, 1), (-1.0, 1.0),
        limits=(-1, 1), straight=True,
    ),
    "hardtanh-0.3-1.7": Case(
        F.hardtanh, {"min_val": 0.3, "max_val": 1.7}, nn.Hardtanh, "Hardtanh(min_val=0.3, max_val=1.7)",
        lambda x: np.clip(x, 0.3, 1.7), (0.3, 1.7), limits=(0.3, 1.7), straight=True,
    ),
    "softsign": Case(F.softsign, {}, nn.Softsign, "Softsign()", lambda x: x / (1 + np.abs(x)), (0.0,), limits=(-1, 1)),
    "softplus": Case(F.softplus, {}, nn.Softplus, "Softplus(beta=1.0, threshold=20.0)", log1pexp, limits=(0, inf)),
    "softplus-2-3": Case(
        F.softplus, {"beta": 2.0, "threshold": 3.0}, nn.Softplus, "Softplus(beta=2.0, threshold=3.0)",
        lambda x: np.where(2 * x > 3, x, log1pexp(2 * x) / 2), (1.5,), limits=(0, inf),
    ),
    "relu": Case(F.relu, {}, nn.ReLU, "ReLU()", lambda x: np.maximum(x, 0), (0.0,), limits=(0, inf), straight=True),
    "relu6": Case(F.relu6, {}, nn.ReLU6, "ReLU6()", lambda x: np.clip(x, 0, 6), (0.0, 6.0), limits=(0, 6), straight=True),
    "leaky_relu": Case(
        F.leaky_relu, {}, nn.LeakyReLU, "LeakyReLU(negative_slope=0.01)", lambda x: np.where(x > 0, x, 0.01 * x), (0.0,),
        limits=(-inf, inf), straight=True,
    ),
    "leaky_relu-1.5": Case(
        F.leaky_relu, {"negative_slope": 1.5}, nn.LeakyReLU, "LeakyReLU(negative_slope=1.5)", lambda x: np.where(x > 0, x, 1.5 * x),
        (0.0,), limits=(-inf, inf), straight=True,
    ),
    "leaky_relu--0.5": Case(
        F.leaky_relu, {"negative_slope": -0.5}, nn.LeakyReLU, "LeakyReLU(negative_slope=-0.5)",
        lambda x: np.where(x > 0, x, -0.5 * x), (0.0,), limits=(inf, inf), straight=True,
    ),
    "rrelu": Case(
        F.rrelu, {}, nn.RReLU, "RReLU(lower=0.125, upper=0.3333333333333333)",
        lambda x: np.where(x > 0, x, (1 / 8 + 1 / 3) / 2 * x), (0.0,), limits=(-inf, inf), straight=True,
    ),
    "elu": Case(F.elu, {}, nn.ELU, "ELU(alpha=1.0)", exponential, (0.0,), limits=(-1, inf)),
    "elu-0.5": Case(
        F.elu, {"alpha": 0.5}, nn.ELU, "ELU(alpha=0.5)", lambda x: exponential(x, 0.5), (0.0,), limits=(-0.5, inf)
    ),
    "elu--0.5": Case(
        F.elu, {"alpha": -0.5}, nn.ELU, "ELU(alpha=-0.5)", lambda x: exponential(x, -0.5), (0.0,), limits=(0.5, inf)
    ),
    "celu": Case(F.celu, {}, nn.CELU, "CELU(alpha=1.0)", exponential, (0.0,), limits=(-1, inf)),
    "celu-2.5": Case(
        F.celu, {"alpha": 2.5}, nn.CELU, "CELU(alpha=2.5)", lambda x: exponential(x, 2.5, 0.4), (0.0,), limits=(-2.5, inf)
    ),
    "selu": Case(
        F.selu, {}, nn.SELU, "SELU()", lambda x: SELU[0] * exponential(x, SELU[1]), (0.0,), limits=(-SELU[0] * SELU[1], inf)
    ),
    "gelu": Case(F.gelu, {}, nn.GELU, "GELU(approximate='none')", lambda x: x * phi(x), limits=(0, inf)),
    "gelu-tanh": Case(
        F.gelu, {"approximate": "tanh"}, nn.GELU, "GELU(approximate='tanh')",
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), limits=(None, inf),
    ),
    "silu": Case(F.silu, {}, nn.SiLU, "SiLU()", lambda x: x * logistic(x), limits=(None, inf)),
    "mish": Case(F.mish, {}, nn.Mish, "Mish()", lambda x: x * np.tanh(log1pexp(x)), limits=(None, inf)),
    "hardswish": Case(
        F.hardswish, {}, nn.Hardswish, "Hardswish()", lambda x: x * np.clip(x + 3, 0, 6) / 6, (-3.0, 3.0), limits=(0, inf)
    ),
    "hardshrink": Case(
        F.hardshrink, {}, nn.Hardshrink, "Hardshrink(0.5)", lambda x: np.where(np.abs(x) > 0.5, x, 0), (-0.5, 0.5),
        limits=(-inf, inf), straight=True,
    ),
    "hardshrink-1.2": Case(
        F.hardshrink, {"lambd": 1.2}, nn.Hardshrink, "Hardshrink(1.2)", lambda x: np.where(np.abs(x) > 1.2, x, 0), (-1.2, 1.2),
        limits=(-inf, inf), straight=True,
    ),
    "softshrink": Case(
        F.softshrink, {}, nn.Softshrink, "Softshrink(0.5)", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), (-0.5, 0.5),
        limits=(-inf, inf), straight=True,
    ),
    "softshrink-0.2": Case(
        F.softshrink, {"lambd": 0.2}, nn.Softshrink, "Softshrink(0.2)", lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.2, 0),
        (-0.2, 0.2), limits=(-inf, inf), straight=True,
    ),
    "tanhshrink": Case(F.tanhshrink, {}, nn.Tanhshrink, "Tanhshrink()", lambda x: x - np.tanh(x), limits=(-inf, inf)),
    "threshold": Case(
        F.threshold, {"threshold": 0.2, "value": -1.5}, nn.Threshold, "Threshold(threshold=0.2, value=-1.5)",
        lambda x: np.where(x > 0.2, x, -1.5), (0.2,), limits=(-1.5, inf), straight=True,
    ),
}  # fmt: skip
