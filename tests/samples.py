"""The table of sample inputs: a row for each operation, which every proof about operations runs through.

A row is declared over a generator of `Sample`s:

    @row("sin", ad.sin, np.sin, method=None)
    def _(draw):
        yield Sample(draw.normal(3, 4))

The rows of autodiff are in tests/ops/rows_*.py; other packages declare their own with the same `row`. Knows how a sample
is run: on arrays, on Tensors of any dtype, and with its gradients. Knows no proof; those are in the tests.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autodiff as ad

Generator = Callable[["Draw"], Iterator["Sample"]]


class Sample:
    """One call: positional and keyword arguments. Arrays of float64 or complex128 are differentiated, the rest is as it is.

    times  how often to differentiate in check_grads
    """

    def __init__(self, *arguments: Any, times: int = 2, **keywords: Any):
        self.arguments, self.keywords, self.times = arguments, keywords, times
        self.variables = [i for i, a in enumerate(arguments) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]

    @property
    def is_complex(self) -> bool:
        return any(self.arguments[i].dtype.kind == "c" for i in self.variables)

    def arrays(self) -> list[np.ndarray]:
        return [self.arguments[i] for i in self.variables]

    def with_arrays(self, arrays: Any) -> tuple[Any, ...]:
        """Return the arguments with others in place of its arrays."""
        arguments = list(self.arguments)
        for i, array in zip(self.variables, arrays, strict=True):
            arguments[i] = array
        return tuple(arguments)

    def __repr__(self) -> str:
        parts = [f"{a.dtype.char}{list(a.shape)}" if isinstance(a, np.ndarray) else str(a) for a in self.arguments]
        return ", ".join(parts + [f"{k}={v}" for k, v in self.keywords.items()]).replace(" ", "")


@dataclass
class Row:
    """An operation and its samples.

    name       of the operation, or of the composition
    call       the library's function, as Tensors are given to it
    reference  the NumPy function (or one written in NumPy) with the same arguments
    ways       other ways that a user reaches it, by name
    tolerance  of a float32 gradient, relative to the largest element of the float64 one
    dtypes     the dtypes in which values and dtypes must agree with the reference
    generator  of the samples
    """

    name: str
    call: Callable[..., Any]
    reference: Callable[..., Any]
    ways: dict[str, Callable[..., Any]]
    tolerance: float
    dtypes: tuple[str, ...]
    generator: Generator
    cache: list[Sample] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        if not self.cache:
            self.cache = list(self.generator(Draw(self.name)))
        return self.cache


SAMPLES: dict[str, Row] = {}
DTYPES = ("float64", "float32", "int64", "int8", "bool")


def row(
    name: str,
    call: Callable[..., Any],
    reference: Callable[..., Any],
    *,
    method: str | None = None,
    operator: Callable[..., Any] | None = None,
    tolerance: float = 1e-5,
    dtypes: tuple[str, ...] = DTYPES,
    **ways: Callable[..., Any],
) -> Callable[[Generator], Generator]:
    """Declare the row of an operation over the generator of its samples.

    method    the Tensor method of that meaning, with the same further arguments
    operator  the function of Python's module `operator`
    ways      whatever else reaches it; a NumPy function given as `reference` is one of them by itself
    """
    owner = getattr(reference, "__self__", reference)  # of np.maximum.accumulate it is np.maximum
    if isinstance(owner, np.ufunc) or owner.__module__.startswith("numpy"):
        ways["numpy"] = reference
    if method is not None:
        ways["method"] = lambda x, *args, **kwargs: getattr(x if isinstance(x, ad.Tensor) else ad.Tensor(x), method)(
            *args, **kwargs
        )
    if operator is not None:
        ways["operator"] = operator

    def declare(generator: Generator) -> Generator:
        assert name not in SAMPLES, name
        SAMPLES[name] = Row(name, call, reference, ways, tolerance, dtypes, generator)
        return generator

    return declare


def samples(name: str) -> list[Sample]:
    """Return the samples of an operation."""
    return SAMPLES[name].samples


class Draw:
    """Random arrays, the same for a row whatever other rows there are."""

    def __init__(self, name: str):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape) if shape else np.array(self.rng.standard_normal())

    def between(self, low: float, high: float, *shape: int) -> np.ndarray:
        return np.array(self.rng.uniform(low, high, shape))

    def positive(self, *shape: int) -> np.ndarray:
        return self.between(0.5, 2.0, *shape)

    def nonzero(self, *shape: int) -> np.ndarray:
        """Numbers of either sign, none near zero."""
        return np.array(self.positive(*shape) * self.rng.choice([-1.0, 1.0], shape))

    def apart(self, *shape: int) -> np.ndarray:
        """Numbers of which no two are near each other, nor near zero or any multiple of a half."""
        n = int(np.prod(shape))
        return np.array((self.rng.permutation(n) - n // 2) * 0.5 + self.between(0.15, 0.35, n)).reshape(shape)

    def complex(self, *shape: int) -> np.ndarray:
        """Numbers off the axes, on which the cuts of complex functions lie."""
        return np.array(self.nonzero(*shape) + 1j * self.nonzero(*shape))


# ------------------------------------------------------------------------------------------------ running a sample


def outputs(result: Any) -> list[Any]:
    """Return the result of an operation as a list."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def gradients_of(
    call: Callable[..., Any], sample: Sample, arrays: list[np.ndarray], cotangents: list[np.ndarray] | None = None
) -> tuple[list[ad.Tensor], list[np.ndarray]]:
    """Run the call on tracked Tensors; return its outputs, and the gradient of each (zeros where nothing arrives)."""
    tensors = [ad.Tensor(a, requires_grad=True) for a in arrays]
    results = outputs(call(*sample.with_arrays(tensors), **sample.keywords))
    return results, backward(results, tensors, cotangents)


def backward(results: list[ad.Tensor], tensors: list[ad.Tensor], cotangents: list[np.ndarray] | None = None) -> list[np.ndarray]:
    if cotangents is None:
        cotangents = random_cotangents(results)
    pairs = [(y, c) for y, c in zip(results, cotangents, strict=True) if y.requires_grad]
    if not pairs:
        return [np.zeros(t.shape, t.dtype) for t in tensors]
    found = ad.gradients([y for y, _ in pairs], tensors, [c for _, c in pairs], allow_unused=True)
    return [np.zeros(t.shape, t.dtype) if d is None else d.numpy() for t, d in zip(tensors, found, strict=True)]


def random_cotangents(results: list[Any], seed: int = 0) -> list[np.ndarray]:
    """Return a random incoming gradient for each result, the same for every dtype."""
    rng = np.random.default_rng(seed)
    made = []
    for y in results:
        c = rng.standard_normal(y.shape)
        if y.dtype.kind == "c":
            c = c + 1j * rng.standard_normal(y.shape)
        made.append(np.asarray(c).astype(y.dtype) if y.dtype.kind in "fc" else np.asarray(c))
    return made
