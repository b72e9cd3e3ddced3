"""Values and gradients beside PyTorch's, on the same table, wherever PyTorch has the operation. Kinks are in test_kinks.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .samples import Row, Sample, gradients_of, outputs, random_cotangents
from .test_operations import CASES, REGISTERED

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")


def direct(name: str) -> Any:
    """Return PyTorch's function of that name, given Tensors where Python numbers are."""
    return lambda *args: getattr(torch, name)(*map(as_tensor, args))


def as_tensor(value: Any) -> Any:
    return (
        value
        if isinstance(value, torch.Tensor)
        else torch.tensor(value, dtype=None if isinstance(value, np.ndarray) else torch.float64)
    )


def reduced(f: Any) -> Any:
    """Return a reduction that takes NumPy's axis and keepdims, from one of PyTorch with dim and keepdim."""

    def reduction(x: Any, axis: Any = None, keepdims: bool = False, **keywords: Any) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return f(x, axes, keepdims, **keywords) if axes else f(x[None], (0,), False, **keywords)

    return reduction


def each_axis(f: Any) -> Any:
    """Return a reduction over several axes from one that takes one axis at a time."""

    def one_by_one(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
        for axis in axes:
            x = f(x, axis, True)
        return x if keepdims else x.squeeze(axes)

    return reduced(one_by_one)


def scanned(f: Any) -> Any:
    return lambda x, axis=None: f(x.reshape(-1), 0) if axis is None or x.ndim == 0 else f(x, axis)


def moment(f: Any) -> Any:
    return reduced(lambda x, axes, keepdims, ddof=0: f(x, axes, correction=ddof, keepdim=keepdims))


def indexed(x: Any, index: Any) -> Any:
    return x[_torch_index(index)]


def _torch_index(index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    return tuple(torch.tensor(_wide(np.asarray(p))) if isinstance(p, (np.ndarray, list)) else p for p in parts)


def _wide(index: np.ndarray) -> np.ndarray:
    return index if index.dtype == bool else index.astype(np.int64)  # PyTorch reads uint8 as a mask, and wraps within int8


def scattered(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    places = torch.arange(int(np.prod(shape))).reshape(shape)[_torch_index(index)]
    return torch.zeros(int(np.prod(shape)), dtype=x.dtype).index_add(0, places.reshape(-1), x.reshape(-1)).reshape(shape)


def written(x: Any, value: Any, index: Any) -> Any:
    y = x.clone()
    y[_torch_index(index)] = value
    return y


def taken(x: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Any:
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis % x.ndim)
    n, indices = x.shape[axis], _wide(np.asarray(indices))
    indices = indices % n if mode in ("wrap", "raise") else indices.clip(0, n - 1)
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return x.index_select(axis, torch.tensor(indices.reshape(-1))).reshape(shape)


def taken_along(x: Any, indices: Any, axis: Any) -> Any:
    indices = torch.tensor(indices)
    if axis is None:
        return x.reshape(-1)[indices]
    indices = torch.where(indices < 0, indices + x.shape[axis], indices)
    return torch.take_along_dim(x, indices, axis)


def transposed(x: Any, axes: Any = None) -> Any:
    return x.permute(axes or tuple(reversed(range(x.ndim))))


def reshaped(x: Any, shape: Any, order: str = "C") -> Any:
    shape = (shape,) if isinstance(shape, int) else shape
    if order == "C":
        return x.reshape(shape)
    shape = np.empty(tuple(x.shape)).reshape(shape).shape
    return transposed(transposed(x).reshape(tuple(reversed(shape))))


def joined(f: Any) -> Any:
    def join(*arrays: Any, axis: Any = 0) -> Any:
        arrays = tuple(a if isinstance(a, torch.Tensor) else torch.tensor(a) for a in arrays)
        return f([a.reshape(-1) for a in arrays], 0) if axis is None else f(arrays, axis)

    return join


def cut(x: Any, sections: Any, axis: int = 0) -> Any:
    return torch.tensor_split(x, sections, axis)


def rolled(x: Any, shift: Any, axis: Any = None) -> Any:
    if isinstance(shift, tuple) and isinstance(axis, int):
        axis = (axis,) * len(shift)
    return torch.roll(x, shift, axis)


def padded(x: Any, width: Any, mode: str = "constant", constant_values: float = 0) -> Any:
    pairs = np.broadcast_to(width, (x.ndim, 2))[::-1]
    return torch.nn.functional.pad(x, tuple(pairs.ravel().tolist()), mode, constant_values)


def cropped(x: Any, width: Any) -> Any:
    return x[tuple(slice(a, n - b) for (a, b), n in zip(width, x.shape, strict=True))]


def repeated(x: Any, repeats: Any, axis: Any = None) -> Any:
    repeats = repeats if isinstance(repeats, int) else torch.tensor(np.broadcast_to(repeats, x.shape[axis or 0]).copy())
    return torch.repeat_interleave(x, repeats, dim=axis)


def summed_to(x: Any, shape: tuple[int, ...]) -> Any:
    return x.sum_to_size(shape)


def clipped(x: Any, a_min: Any = None, a_max: Any = None, **bounds: Any) -> Any:
    low, high = bounds.get("min", a_min), bounds.get("max", a_max)
    if isinstance(low, torch.Tensor) or isinstance(high, torch.Tensor):
        low, high = (b if b is None else as_tensor(b) for b in (low, high))
    return torch.clamp(x, low, high)


def normed(x: Any, order: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    axes = tuple(range(x.ndim)) if axis is None else axis
    if isinstance(axes, tuple) and len(axes) == 2 and order not in (None, "fro"):
        return torch.linalg.matrix_norm(x, order, axes, keepdims)
    return torch.linalg.vector_norm(x, 2 if order in (None, "fro") else order, axes, keepdims)


PARITY: dict[str, Any] = {
    name: direct(name)
    for name in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "hypot",
        "logaddexp",
        "arctan2",
        "maximum",
        "minimum",
        "floor_divide",
        "remainder",
        "negative",
        "positive",
        "reciprocal",
        "square",
        "sqrt",
        "exp",
        "exp2",
        "expm1",
        "erf",
        "log",
        "log2",
        "log10",
        "log1p",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "deg2rad",
        "rad2deg",
        "abs",
        "floor",
        "ceil",
        "trunc",
        "matmul",
    )
} | {
    "power": lambda x1, x2: torch.pow(as_tensor(x1), as_tensor(x2)),
    "power_constant": lambda x, n: x**n,
    "radians": torch.deg2rad,
    "degrees": torch.rad2deg,
    "fabs": torch.abs,
    "sign": lambda x: torch.sgn(x) if x.is_complex() else torch.sign(x),
    "rint": torch.round,
    "round": lambda x, decimals=0: torch.round(x, decimals=decimals),
    "conj": lambda x: torch.conj(x).resolve_conj(),
    "real": torch.real,
    "clip": clipped,
    "where": lambda x1, x2, condition: torch.where(torch.tensor(condition), as_tensor(x1), as_tensor(x2)),
    "sum": reduced(lambda x, axes, keepdims: x.sum(axes, keepdims)),
    "mean": reduced(lambda x, axes, keepdims: x.mean(axes, keepdims)),
    "var": moment(torch.var),
    "std": moment(torch.std),
    "prod": each_axis(torch.prod),
    "max": reduced(torch.amax),
    "min": reduced(torch.amin),
    "logsumexp": reduced(torch.logsumexp),
    "cumsum": scanned(torch.cumsum),
    "cumprod": scanned(torch.cumprod),
    "cummax": lambda x, axis=0: torch.cummax(x, axis).values,
    "cummin": lambda x, axis=0: torch.cummin(x, axis).values,
    "reshape": reshaped,
    "transpose": transposed,
    "swapaxes": torch.swapaxes,
    "moveaxis": torch.moveaxis,
    "expand_dims": lambda x, axis: x.reshape(np.expand_dims(np.empty(tuple(x.shape)), axis).shape),
    "squeeze": lambda x, axis=None: x.squeeze() if axis is None else x.squeeze(axis),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, (shape,) if isinstance(shape, int) else shape),
    "sum_to": summed_to,
    "concatenate": joined(torch.cat),
    "stack": joined(torch.stack),
    "vstack": lambda *a: torch.vstack(a),
    "hstack": lambda *a: torch.hstack(a),
    "split": cut,
    "split_equally": lambda x, sections, axis=0: cut(x, sections, axis),
    "unstack": lambda x, axis=0: torch.unbind(x, axis),
    "flip": lambda x, axis=None: torch.flip(
        x, tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    ),
    "roll": rolled,
    "pad": padded,
    "crop": cropped,
    "repeat": repeated,
    "tile": lambda x, reps: torch.tile(x, tuple(np.atleast_1d(reps).tolist())),
    "getitem": indexed,
    "scatter_add": scattered,
    "setitem": written,
    "take": taken,
    "take_along_axis": taken_along,
    "sort": lambda x, axis=-1, kind=None: torch.sort(x.reshape(-1) if axis is None else x, -1 if axis is None else axis).values,
    "einsum": lambda *operands, subscripts, optimize=False: torch.einsum(subscripts, *map(as_tensor, operands)),
    "tensordot": lambda a, b, axes=2: torch.tensordot(
        a, b, axes if isinstance(axes, int) or isinstance(axes[0], list) else [[n] for n in axes]
    ),
    "outer": lambda a, b: torch.outer(a.reshape(-1), as_tensor(b).reshape(-1)),
    "inner": torch.inner,
    "norm": normed,
    "p_norm": normed,
}

ABSENT = {
    "cbrt": "PyTorch has no cube root",
    "heaviside": "PyTorch's is not differentiable",
    "imag": "PyTorch refuses real numbers",
    "astype": "PyTorch's dtypes are others",
}

# Samples, by row, that PyTorch cannot run or answers otherwise; each with its reason.
REFUSED = {
    "where": (lambda sample: sample.is_complex, "PyTorch fails on one real and one complex argument"),
    "matmul": (lambda sample: len({a.dtype for a in sample.arrays()}) > 1, "PyTorch fails on one real and one complex argument"),
    "clip": (lambda sample: sample.arrays()[0].ndim == 0, "PyTorch does not broadcast the number to its bounds"),
    "floor_divide": (lambda sample: True, "PyTorch's floor_divide has no derivative"),
    "getitem": (lambda sample: _steps_back(sample.arguments[1]), "PyTorch slices forwards only"),
    "scatter_add": (lambda sample: _steps_back(sample.arguments[1]), "PyTorch slices forwards only"),
    "setitem": (
        lambda sample: _steps_back(sample.keywords["index"]) or _names_twice(sample),
        "PyTorch lets overwritten values have a gradient",
    ),
}


def _steps_back(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, slice) and p.step is not None and p.step < 0 for p in parts)


def _names_twice(sample: Sample) -> bool:
    x, index = sample.arguments[0], sample.keywords["index"]
    places = np.arange(x.size).reshape(x.shape)[index]
    return bool(np.unique(places).size < places.size)


def test_every_operation_is_compared_or_has_a_reason() -> None:
    assert REGISTERED - PARITY.keys() == ABSENT.keys()


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")  # PyTorch says so of empty arrays too
@pytest.mark.parametrize(("row", "sample"), [case for case in CASES if case.values[0].name in PARITY])
def test_values_and_gradients_are_those_of_pytorch(row: Row, sample: Sample) -> None:
    refused, reason = REFUSED.get(row.name, (lambda sample: False, ""))
    if refused(sample):
        pytest.skip(reason)
    arrays = sample.arrays()
    results, gradients = gradients_of(row.call, sample, arrays)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    theirs = outputs(PARITY[row.name](*sample.with_arrays(tensors), **sample.keywords))
    for y, known in zip(results, theirs, strict=True):
        np.testing.assert_allclose(y.numpy(), known.numpy(force=True), rtol=1e-12, atol=1e-13)
    pairs = [(y, torch.tensor(c)) for y, c in zip(theirs, random_cotangents(results), strict=True) if y.requires_grad]
    expected = (
        torch.autograd.grad([y for y, _ in pairs], tensors, [c for _, c in pairs], allow_unused=True)
        if pairs
        else [None] * len(tensors)
    )
    for found, known in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(
            found, np.zeros(found.shape) if known is None else known.resolve_conj().numpy(force=True), rtol=1e-10, atol=1e-12
        )
