"""`check_grads`: is the gradient right? Reverse mode against central differences, to any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .graph import enable_grad
from .tensor import Tensor
from .transforms import gradients

STEP = 1e-6  # about the cube root of float64's precision: rounding and truncation errors of a central difference balance


def check_grads(
    f: Callable[..., Any],
    *args: Any,
    order: int = 2,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    directions: int = 2,
    rng: np.random.Generator | int = 0,
) -> None:
    """Raise AssertionError unless the gradient of `f` agrees with central differences, up to `order`.

    f           a function of arrays; returns a Tensor or several
    args        float64 or complex128 arrays (others are passed through and not checked)
    order       1 checks the gradient, 2 also the gradient of the gradient, and so on
    rtol, atol  tolerated difference, relative to the largest derivative and absolute
    directions  how many random directions and cotangents to try
    rng         a Generator or a seed

    The message says which argument, which element is worst, and both values, the analytic and the numeric one.
    Raises TypeError for float32 arguments: a difference quotient has no correct digits left there.

    >>> check_grads(lambda x: (x * x).sum(), np.array([1.0, 2.0]))
    """
    generator = np.random.default_rng(rng)
    arrays = [a._data if isinstance(a, Tensor) else np.asarray(a) if isinstance(a, (float, complex)) else a for a in args]
    checked = [i for i, a in enumerate(arrays) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    for i in checked:
        if arrays[i].dtype not in (np.float64, np.complex128):
            raise TypeError(
                f"check_grads: argument {i} has dtype {arrays[i].dtype}; a difference quotient needs float64 (float32 has about 7 "
                "digits, of which it would lose all). Compare a float32 gradient with the float64 one instead"
            )
    if not checked:
        raise TypeError("check_grads: no argument is a floating array, so there is nothing to check")
    _check(f, arrays, checked, order, rtol, atol, directions, generator, f"{getattr(f, '__name__', 'f')}")


def _check(
    f: Callable[..., Any], arrays: list[Any], checked: Sequence[int], order: int, rtol: float, atol: float, directions: int,
    rng: np.random.Generator, what: str,
) -> None:  # fmt: skip
    for _ in range(directions):
        variables = _variables(arrays, checked)
        with enable_grad():
            outputs = _several(f(*variables))
        cotangents = [_random_like(y._data, rng) for y in outputs]
        tracked = [(y, c) for y, c in zip(outputs, cotangents) if y.requires_grad]
        if tracked:
            found = gradients([y for y, _ in tracked], [variables[i] for i in checked], [c for _, c in tracked], allow_unused=True)
        else:
            found = (None,) * len(checked)
        analytic = [np.zeros_like(arrays[i]) if d is None else d.numpy() for i, d in zip(checked, found)]

        def value(*perturbed: Any, cotangents: Any = cotangents) -> float:
            return builtins_sum(_pairing(c, y._data) for c, y in zip(cotangents, _several(f(*perturbed))))

        for i, gradient in zip(checked, analytic):
            if gradient.shape != arrays[i].shape:
                raise AssertionError(f"{what}: the gradient for argument {i} has shape {gradient.shape}, expected {arrays[i].shape}")
            direction = _random_like(arrays[i], rng)
            scale = np.max(np.abs(arrays[i]), initial=1.0)
            numeric = _central(value, arrays, i, direction, STEP * scale)
            slope = _pairing(gradient, direction)
            bound = atol + rtol * (np.abs(gradient).sum() * 1.0 if gradient.size else 0.0) / max_of_one(gradient.size) ** 0.5
            if not (abs(slope - numeric) <= bound or (np.isnan(slope) and np.isnan(numeric))):
                raise AssertionError(_worst(what, value, arrays, i, gradient, slope, numeric, scale))
    if order > 1:

        def derivative(*inner: Any) -> Any:
            tensors = [x if isinstance(x, Tensor) or k not in checked else Tensor(x, requires_grad=True) for k, x in enumerate(inner)]
            for k in checked:
                if not tensors[k].requires_grad:
                    tensors[k] = Tensor(tensors[k], requires_grad=True)
            with enable_grad():
                ys = _several(f(*tensors))
            pairs = [(y, c) for y, c in zip(ys, cotangents) if y.requires_grad]
            zeros = [Tensor(np.zeros_like(arrays[k])) for k in checked]
            if not pairs:
                return zeros
            ds = gradients([y for y, _ in pairs], [tensors[k] for k in checked], [c for _, c in pairs], create_graph=True, allow_unused=True)
            return [z if d is None else d for d, z in zip(ds, zeros)]

        _check(derivative, arrays, checked, order - 1, rtol * 10, atol * 10, directions, rng, f"gradient of {what}")


def _variables(arrays: list[Any], checked: Sequence[int]) -> list[Any]:
    return [Tensor(a, requires_grad=True) if i in checked else a for i, a in enumerate(arrays)]


def _several(y: Any) -> list[Tensor]:
    parts = list(y) if isinstance(y, (tuple, list)) else [y]
    return [part if isinstance(part, Tensor) else Tensor(part) for part in parts]


def _random_like(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return random numbers: uniform cotangents would hide errors that cancel."""
    values = rng.standard_normal(array.shape)
    return values + 1j * rng.standard_normal(array.shape) if array.dtype.kind == "c" else values


def _pairing(a: np.ndarray, b: np.ndarray) -> float:
    """Return Re(sum(conj(a) * b)): how much a change `b` moves a value of gradient `a`."""
    return float(np.sum(np.conj(a) * b).real)


def builtins_sum(values: Any) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def max_of_one(n: int) -> int:
    return n if n > 1 else 1


def _central(value: Callable[..., float], arrays: list[Any], i: int, direction: np.ndarray, step: float) -> float:
    ahead, behind = list(arrays), list(arrays)
    ahead[i], behind[i] = arrays[i] + step * direction, arrays[i] - step * direction
    with np.errstate(all="ignore"):
        return (value(*ahead) - value(*behind)) / (2 * step)


def _worst(
    what: str, value: Callable[..., float], arrays: list[Any], i: int, gradient: np.ndarray, slope: float, numeric: float, scale: float
) -> str:
    """Return the message of a failure, naming the element of argument `i` where the two gradients differ most."""
    worst, where, found = -1.0, (), (slope, numeric)
    for index in np.ndindex(arrays[i].shape):
        unit = np.zeros_like(arrays[i])
        unit[index] = 1
        expected = _central(value, arrays, i, unit, STEP * scale)
        difference = abs(gradient[index].real - expected)
        if not difference <= worst:
            worst, where, found = difference, index, (float(gradient[index].real), expected)
    return (
        f"check_grads: {what}, argument {i} of shape {arrays[i].shape}: along a random direction the analytic slope (reverse mode) is "
        f"{slope:.10g}, the numeric one (central difference) {numeric:.10g}. The worst element is {list(where)}: "
        f"analytic {found[0]:.10g}, numeric {found[1]:.10g}."
    )
