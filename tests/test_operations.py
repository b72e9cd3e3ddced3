"""Every operation, on every sample of the table: gradients to second order, float32, complex, layouts, values, dtypes, ways."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest

import autodiff as ad
from autodiff.recording import FUNCTIONS, OPERATIONS, UFUNCS, Operation

from .samples import SAMPLES, Row, Sample, backward, gradients_of, outputs, random_cotangents

for family in ("elementwise", "reduction", "shape", "linear_algebra", "special"):
    importlib.import_module(f".ops.rows_{family}", __package__)

CASES = [
    pytest.param(row, sample, id=f"{row.name}-{sample!r}")
    for row in SAMPLES.values()
    if row.generator.__module__.startswith("tests.ops.")
    for sample in row.samples
]
every_sample = pytest.mark.parametrize(("row", "sample"), CASES)
of_several_arrays = pytest.mark.parametrize(("row", "sample"), [case for case in CASES if len(case.values[1].variables) > 1])


def run(call: Any, sample: Sample, arrays: list[Any]) -> list[Any]:
    return outputs(call(*sample.with_arrays(arrays), **sample.keywords))


# ------------------------------------------------------------------------------------------------ gradients


@every_sample
def test_gradient_agrees_with_central_differences(row: Row, sample: Sample) -> None:
    def call(*tensors: Any) -> Any:
        return row.call(*sample.with_arrays(tensors), **sample.keywords)

    ad.check_grads(call, *sample.arrays(), order=sample.times)


@every_sample
def test_single_precision_gives_the_gradient_of_double_precision(row: Row, sample: Sample) -> None:
    single = [a.astype(np.complex64 if a.dtype.kind == "c" else np.float32) for a in sample.arrays()]
    results, found = gradients_of(row.call, sample, single)
    cotangents = [c.astype(np.complex128 if c.dtype.kind == "c" else np.float64) for c in random_cotangents(results)]
    double = [a.astype(np.complex128 if a.dtype.kind == "c" else np.float64) for a in single]
    _, expected = gradients_of(row.call, sample, double, cotangents)
    for a, d32, d64 in zip(single, found, expected, strict=True):
        assert d32.dtype == a.dtype
        scale = np.max(np.abs(d64), initial=np.finfo(np.float32).tiny)
        np.testing.assert_allclose(d32 / scale, d64 / scale, rtol=0, atol=row.tolerance)


@every_sample
def test_layout_of_the_memory_makes_no_difference(row: Row, sample: Sample) -> None:
    expected, gradients = gradients_of(row.call, sample, sample.arrays())
    leaves = [ad.Tensor(_rearranged(a), requires_grad=True) for a in sample.arrays()]
    views = [_rearranged(leaf) for leaf in leaves]
    assert all(view.numpy().flags.c_contiguous is False for view in views if view.size > 1)
    results = run(row.call, sample, views)
    found = backward(results, leaves)
    for y1, y2 in zip(results, expected, strict=True):
        np.testing.assert_allclose(y1.numpy(), y2.numpy(), rtol=1e-13, atol=1e-14)
    for d1, d2 in zip(found, gradients, strict=True):
        np.testing.assert_allclose(_rearranged(d1), d2, rtol=1e-12, atol=1e-13)


def _rearranged(x: Any) -> Any:
    """Return `x` transposed and backwards; twice over, it is `x` again, in other memory."""
    return x.T[(slice(None, None, -1),) * x.ndim]


# ------------------------------------------------------------------------------------------------ values and dtypes

TOLERANCE = {"float64": 1e-13, "complex128": 1e-13, "float32": 2e-6, "complex64": 2e-6}


def in_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bool":
        return array.real > 0
    if dtype in ("int64", "int8"):
        return np.trunc(array.real * 3).clip(-100, 100).astype(dtype)
    if array.dtype.kind == "c":
        return array.astype({"float64": "complex128", "float32": "complex64"}[dtype])
    return array.astype(dtype)


@every_sample
def test_values_and_dtypes_are_those_of_numpy(row: Row, sample: Sample) -> None:
    for dtype in row.dtypes:
        if sample.is_complex and not dtype.startswith("float"):
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            arrays = [in_dtype(a, dtype) for a in sample.arrays()]
            try:
                expected = [np.asarray(y) for y in run(row.reference, sample, arrays)]
            except (TypeError, ValueError):
                with pytest.raises((TypeError, ValueError)):
                    run(row.call, sample, [ad.Tensor(a) for a in arrays])
                continue
            tracked = dtype.startswith("float")
            results = run(row.call, sample, [ad.Tensor(a, requires_grad=tracked) for a in arrays])
            assert len(results) == len(expected)
            for y, known in zip(results, expected, strict=True):
                assert isinstance(y, ad.Tensor)
                assert (y.dtype, y.shape) == (known.dtype, known.shape), dtype
                rtol = TOLERANCE.get(str(known.dtype), 0)
                np.testing.assert_allclose(y.numpy(), known, rtol=rtol, atol=rtol, err_msg=dtype)


@every_sample
def test_every_way_to_an_operation_gives_the_same(row: Row, sample: Sample) -> None:
    expected, gradients = gradients_of(row.call, sample, sample.arrays())
    for name, way in row.ways.items():
        results, found = gradients_of(way, sample, sample.arrays())
        assert all(isinstance(y, ad.Tensor) for y in results), name
        for y1, y2 in zip(results, expected, strict=True):
            np.testing.assert_array_equal(y1.numpy(), y2.numpy(), err_msg=name)
            assert y1.requires_grad == y2.requires_grad, name
        for d1, d2 in zip(found, gradients, strict=True):
            np.testing.assert_allclose(d1, d2, rtol=1e-14, atol=1e-14, err_msg=name)


@of_several_arrays
def test_one_tracked_argument_among_arrays(row: Row, sample: Sample) -> None:
    """An ndarray on either side of a Tensor is a constant; the gradient of the Tensor does not change."""
    arrays = sample.arrays()
    expected, gradients = gradients_of(row.call, sample, arrays)
    for way in (row.call, *row.ways.values()):
        for i, array in enumerate(arrays):
            tensor = ad.Tensor(array, requires_grad=True)
            if way is row.ways.get("item_assignment") and i == 1:
                continue  # an array's own item assignment would take the Tensor out of the graph, and says so
            results = run(way, sample, [tensor if k == i else a for k, a in enumerate(arrays)])
            np.testing.assert_allclose(
                backward(results, [tensor], random_cotangents(expected))[0], gradients[i], rtol=1e-13, atol=1e-14
            )


# ------------------------------------------------------------------------------------------------ nothing is forgotten


def declared_in(operation: Operation) -> str:
    """Return the module that declares an operation."""
    functions = [*(operation.rules or ()), operation.reference, operation.forward]
    return next(f.__module__ for f in functions if f is not None and not isinstance(f, np.ufunc))


REGISTERED = {name for name, operation in OPERATIONS.items() if declared_in(operation).startswith("autodiff.")}


def test_every_registered_operation_has_a_row() -> None:
    assert REGISTERED - SAMPLES.keys() == set()


@pytest.mark.parametrize("name", sorted(REGISTERED))
def test_a_row_runs_the_operation_it_is_named_after(name: str) -> None:
    recorded = set()
    row = SAMPLES[name]
    for sample in row.samples:
        with ad.trace() as seen:
            run(row.call, sample, [ad.Tensor(a, requires_grad=True) for a in sample.arrays()])
        recorded |= {node.operation.name for node in seen.nodes}
    assert name in recorded


def test_every_numpy_function_with_a_derivative_is_reached_by_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    called = set()

    def spy(function: Any, call: Any) -> Any:
        def listening(*args: Any, **kwargs: Any) -> Any:
            called.add(function)
            return call(*args, **kwargs)

        return listening

    expected = set()
    for table in (FUNCTIONS, UFUNCS):
        for function, call in list(table.items()):
            if getattr(call, "__wrapped__", None) is not function and function is not np.full_like:  # else it only looks
                expected.add(function)
                monkeypatch.setitem(table, function, spy(function, call))
    for row, sample in (case.values for case in CASES):
        for way in row.ways.values():
            run(way, sample, [ad.Tensor(a, requires_grad=True) for a in sample.arrays()])
    assert {f"{f.__module__ if hasattr(f, '__module__') else 'numpy'}.{f.__name__}" for f in expected - called} == set()
