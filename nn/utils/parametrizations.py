"""Weights that are computed: direction and length apart, and divided by the largest singular value."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodiff import Tensor, maximum, sqrt
from autodiff.graph import wrap
from autodiff.memory import log_write

from ..module import Module, Parameter
from ..seeding import generator_or_default
from .parametrize import register_parametrization, remove_parametrizations


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a weight be learned as length and direction: w = g v / ‖v‖; return the module.

    name  of the weight
    dim   the axis along which each part has a length of its own (0: each output); None for one length in all

    The length is learned as `parametrizations.<name>.original0`, the direction as `original1`.

    Source: Salimans and Kingma 2016, Weight Normalization.

    >>> from nn import Linear
    >>> layer = weight_norm(Linear(20, 40))
    >>> {name: p.shape for name, p in layer.named_parameters() if name != "bias"}
    {'parametrizations.weight.original0': (40, 1), 'parametrizations.weight.original1': (40, 20)}
    """
    weight = _weight("weight_norm", module, name)
    return register_parametrization(module, name, _WeightNorm(_axis("weight_norm", dim, weight)), unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None):
        self.dim = dim

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        return direction * (length / self._norm(direction))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self._norm(weight), weight

    def _norm(self, v: Tensor) -> Tensor:
        """Return the length of each part along `dim`, the other axes kept with length 1."""
        if self.dim is None:
            return sqrt((v * v).sum())
        axes = tuple(axis for axis in range(v.ndim) if axis != self.dim)
        return sqrt((v * v).sum(axis=axes, keepdims=True))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
    *,
    generator: np.random.Generator | None = None,
) -> Module:
    """Divide a weight, as a matrix, by its largest singular value, so that the layer stretches nothing; return the module.

    name                of the weight
    n_power_iterations  how many rounds improve the estimate of the singular value at each use in training mode
    eps                 keeps lengths that are divided by away from zero
    dim                 the axis of the outputs: 0 by default, 1 for transposed convolutions
    generator           numpy.random.Generator for the vectors that the estimate starts from

    The weight is learned as `parametrizations.<name>.original`; the estimate's vectors u and v are buffers, saved with the
    model. In evaluation mode they stay as they are. A weight with one axis is divided by its length.

    Source: Miyato et al. 2018, Spectral Normalization for Generative Adversarial Networks.

    >>> from nn import Linear
    >>> layer = spectral_norm(Linear(20, 40)).eval()
    >>> largest = np.linalg.norm(layer.weight.numpy(), 2)
    >>> 0.9 < largest < 1.2
    np.True_
    """
    weight = _weight("spectral_norm", module, name)
    if dim is None:
        dim = 1 if getattr(module, "transposed", False) else 0
    if isinstance(n_power_iterations, bool) or not isinstance(n_power_iterations, (int, np.integer)) or n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations must be a positive integer, got {n_power_iterations!r}")
    axis = _axis("spectral_norm", dim, weight)
    assert axis is not None
    return register_parametrization(module, name, _SpectralNorm(weight, int(n_power_iterations), axis, eps, generator))


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight that `weight_norm` computes a parameter again, of its present value; return the module."""
    return remove_parametrizations(module, name)


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make a weight that `spectral_norm` computes a parameter again, of its present value; return the module."""
    return remove_parametrizations(module, name)


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float, generator: np.random.Generator | None):
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps
        if weight.ndim == 1:
            return
        rng = generator_or_default(generator)
        matrix = self._as_matrix(weight)._data
        for name, length in zip(("_u", "_v"), matrix.shape, strict=True):
            self.register_buffer(name, wrap(_normalized(rng.standard_normal(length).astype(matrix.dtype), eps)))
        self._iterate(matrix, 15)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return weight / maximum(sqrt((weight * weight).sum()), self.eps)
        matrix = self._as_matrix(weight)
        if self.training:
            self._iterate(matrix._data, self.n_power_iterations)
        buffers: Any = self.__dict__
        u, v = buffers["_u"]._data.copy(), buffers["_v"]._data.copy()  # the buffers change at the next use, the graph keeps these
        largest: Tensor = matrix.dot(v).dot(u)
        return weight / largest

    def right_inverse(self, value: Tensor) -> Tensor:
        return value  # of which the largest singular value need not be 1: it is divided again

    def _as_matrix(self, weight: Tensor) -> Tensor:
        moved = weight if self.dim == 0 else weight.transpose((self.dim, *(i for i in range(weight.ndim) if i != self.dim)))
        return moved if moved.ndim == 2 else moved.reshape((moved.shape[0], moved.size // moved.shape[0]))

    def _iterate(self, matrix: np.ndarray, rounds: int) -> None:
        """Walk u and v towards the singular vectors of the largest singular value, by the power method."""
        buffers: Any = self.__dict__
        u, v = buffers["_u"]._data, buffers["_v"]._data
        for _ in range(rounds):
            u_new = _normalized(matrix.dot(v), self.eps)
            v_new = _normalized(u_new.dot(matrix), self.eps)
            u[...], v[...] = u_new, v_new
        log_write(u, "a power iteration of spectral_norm")
        log_write(v, "a power iteration of spectral_norm")


def _normalized(x: np.ndarray, eps: float) -> Any:
    return x / max(float(np.sqrt(np.vdot(x, x).real)), eps)


def _weight(what: str, module: Any, name: str) -> Tensor:
    if not isinstance(module, Module):
        raise TypeError(f"{what}: expected a Module, got {type(module).__name__}")
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{what}: {type(module).__name__} has no parameter or buffer '{name}'")
    if isinstance(weight, Parameter) and weight.ndim == 0:
        raise ValueError(f"{what}: '{name}' of {type(module).__name__} is a single number; there is nothing to normalize")
    return weight


def _axis(what: str, dim: int | None, weight: Tensor) -> int | None:
    if dim is None or (dim == -1 and what == "weight_norm"):  # -1 is PyTorch's other word for None
        return None
    if not -weight.ndim <= dim < weight.ndim:
        raise IndexError(f"{what}: there is no axis {dim} in a weight of shape {weight.shape}")
    return dim % weight.ndim
