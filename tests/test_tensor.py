"""The Tensor itself: how it is made, what it is, its operators and methods, and Python's protocols."""

from __future__ import annotations

import copy
import gc
import inspect
import math
import operator
import pickle
import re
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import autodiff as ad
from autodiff import Tensor, check_grads, no_grad, operators

DTYPES = ["?", "b", "B", "h", "H", "i", "I", "l", "L", "e", "f", "d", "g", "F", "D", "G", ">f8", "<i2", ">c16"]


class Parameter(Tensor):
    """A subclass with attributes of its own, as nn has one."""

    __slots__ = ("__dict__",)


# ------------------------------------------------------------------------------------------------ making one


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_dtype_of_numbers_is_kept(dtype: str) -> None:
    array = np.array([[0, 1], [1, 0]], dtype=dtype)
    tensor = Tensor(array)
    assert tensor.dtype == array.dtype
    assert tensor.shape == (2, 2)
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert Tensor([[0, 1]], dtype=dtype).dtype == np.dtype(dtype)
    assert (tensor == array).all()
    assert repr(tensor).endswith(f"shape=(2, 2), dtype={array.dtype})")


@pytest.mark.parametrize("dtype", ["e", "f", "d", "g", "F", "D", ">f8"])
def test_every_floating_dtype_has_a_gradient_of_its_own_dtype(dtype: str) -> None:
    x = Tensor([1.0, 2.0], dtype=dtype, requires_grad=True)
    (x * x + x / 2).sum().real.backward()
    assert x.grad is not None
    assert x.grad.dtype == x.dtype.newbyteorder("=")  # arithmetic always returns the machine's byte order
    np.testing.assert_array_equal(x.grad.numpy(), [2.5, 4.5])


@pytest.mark.parametrize(
    "data",
    [
        3, 2.5, True, 1j, np.float32(1.5), np.int8(3), np.array(2.0), [1, 2], [1, 2.5], [], [[1.0], [2.0]], (1, 2),
        [np.arange(2), [3, 4]], range(3), np.arange(6).reshape(2, 3).T, np.arange(6)[::-2], np.zeros((0, 2)),
        memoryview(np.arange(3.0)), bytearray(b"abc"),
    ],
)  # fmt: skip
def test_numpys_own_choice_of_dtype_and_shape(data: Any) -> None:
    expected = np.array(data)
    tensor = Tensor(data)
    assert tensor.dtype == expected.dtype
    assert tensor.shape == expected.shape
    assert type(tensor.numpy()) is np.ndarray
    np.testing.assert_array_equal(tensor.numpy(), np.asarray(expected))


def test_data_is_copied() -> None:
    array = np.array([1.0, 2.0])
    tensor, twin = Tensor(array), Tensor(Tensor(array))
    array[0] = 7.0
    assert tensor.tolist() == twin.tolist() == [1.0, 2.0]
    inner = Tensor([1.0])
    outer = Tensor(inner)
    inner[0] = 5.0
    assert outer.tolist() == [1.0]
    assert Tensor(np.arange(6.0).reshape(2, 3).T).numpy().flags.c_contiguous


def test_tensors_in_lists_are_joined_where_nothing_is_lost() -> None:
    assert Tensor([Tensor(1.0), 2.0, np.float64(3.0)]).tolist() == [1.0, 2.0, 3.0]
    assert Tensor([Tensor([1, 2]), (3, 4)]).tolist() == [[1, 2], [3, 4]]


def test_asarray_without_a_copy_shares_memory() -> None:
    array = np.zeros(3)
    tensor = ad.asarray(array, copy=False)
    array[0] = 7.0
    assert tensor.tolist() == [7.0, 0.0, 0.0]
    tensor[1] = 8.0
    assert array.tolist() == [7.0, 8.0, 0.0]


# ------------------------------------------------------------------------------------------------ operators

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
    "**": operator.pow, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt,
    ">=": operator.ge,
}  # fmt: skip
BITWISE: dict[str, Callable[[Any, Any], Any]] = {
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift,
}  # fmt: skip
OTHERS: list[Any] = [
    2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int32(2), np.array(2.0), np.array([2.0, 3.0, 1.0]), [2.0, 3.0, 1.0],
    (1, 2, 3), np.array([[1.0], [2.0]], dtype=np.float32), np.array([3, 1, 2]), 1 + 2j,
]  # fmt: skip


def plainly(value: Any) -> Any:
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("symbol", BINARY)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_operators_both_ways_with_everything_agree_with_numpy(symbol: str, dtype: Any) -> None:
    f = BINARY[symbol]
    array = np.array([1, 2, 4], dtype=dtype)
    for other in OTHERS:
        if isinstance(other, complex) and symbol in ("//", "%", "<", "<=", ">", ">="):
            continue
        for operands, tensors in (
            ((array, plainly(other)), (Tensor(array), other)),
            ((plainly(other), array), (other, Tensor(array))),
            ((array, plainly(other)), (Tensor(array), Tensor(other) if not np.isscalar(other) else other)),
        ):
            # For powers NumPy before 2.1 has an operator of its own mind about scalars; the function is the same everywhere.
            expected, result = np.power(*operands) if symbol == "**" else f(*operands), f(*tensors)
            assert type(result) is Tensor, (symbol, other)
            assert result.dtype == expected.dtype, (symbol, other)
            np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("symbol", BITWISE)
def test_bitwise_operators_both_ways(symbol: str) -> None:
    f, array = BITWISE[symbol], np.array([1, 2, 3])
    for other in (2, np.array([0, 1, 2]), [1, 1, 1], np.int64(1)):
        forth, back = f(Tensor(array), other), f(other, Tensor(array))
        assert type(forth) is type(back) is Tensor
        np.testing.assert_array_equal(forth.numpy(), f(array, plainly(other)))
        np.testing.assert_array_equal(back.numpy(), f(plainly(other), array))
    assert (~Tensor([True, False])).tolist() == [False, True]


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "%", "**"])
def test_the_gradient_of_operators_both_ways(symbol: str) -> None:
    f, x = BINARY[symbol], np.array([1.3, 2.625, 3.75])
    for other in (2, 2.5, np.float64(2.5), np.array([2.0, 3.0, 1.5]), [2.0, 3.0, 1.5], np.array([[2.0], [1.5]])):
        check_grads(lambda x, other=other: f(x, other), x)
        check_grads(lambda x, other=other: f(other, x), x)
    check_grads(f, x, np.array([[2.0], [1.5]]))


def test_matrix_product_both_ways() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    for result in (Tensor(a) @ Tensor(b), Tensor(a) @ b, a @ Tensor(b), Tensor(a) @ b.tolist(), a.tolist() @ Tensor(b)):
        np.testing.assert_array_equal(result.numpy(), a @ b)
        assert type(result) is Tensor
    check_grads(lambda a: a @ b, a)
    check_grads(lambda b: a @ b, b)


def test_unary_operators_and_builtins() -> None:
    array = np.array([-1.5, 0.25, 2.75])
    x = Tensor(array)
    for f in (operator.neg, operator.pos, abs, round):
        np.testing.assert_array_equal(f(x).numpy(), f(array) if f is not round else np.round(array))
    np.testing.assert_array_equal(round(x, 1).numpy(), np.round(array, 1))
    quotient, rest = divmod(x, 2)
    np.testing.assert_array_equal([quotient.numpy(), rest.numpy()], np.divmod(array, 2))
    quotient, rest = divmod(7.0, x)
    np.testing.assert_array_equal([quotient.numpy(), rest.numpy()], np.divmod(7.0, array))
    for left in (np.array([7.1, 8.1, 9.1]), np.float64(7.1)):  # off the jumps
        check_grads(lambda x, left=left: divmod(left, x)[1], array)
    assert pow(x, 2).tolist() == (array**2).tolist()
    assert sum([x, x]).tolist() == (array * 2).tolist()


def test_operands_that_are_no_numbers_are_left_to_python() -> None:
    x = Tensor([1.0])
    for other in ("a", None, {}, object()):
        for f in (operator.add, operator.mul, operator.matmul, operator.lt, operator.and_, operator.pow):
            with pytest.raises(TypeError):
                f(x, other)
            with pytest.raises(TypeError):
                f(other, x)
        assert (x == other) is False
        assert (x != other) is True

    class Reflecting:
        def __radd__(self, other: Any) -> str:
            return "reflected"

        __rmatmul__ = __rpow__ = __ror__ = __radd__

    assert [f(x, Reflecting()) for f in (operator.add, operator.matmul, operator.pow, operator.or_)] == ["reflected"] * 4


def test_comparisons_are_untracked_and_boolean() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for symbol in ("==", "!=", "<", "<=", ">", ">="):
        result = BINARY[symbol](x, x)
        assert result.dtype == np.bool_
        assert not result.requires_grad


# ------------------------------------------------------------------------------------------------ dtypes (NEP 50)


@pytest.mark.parametrize(
    "other", [2.5, 2, True, np.float32(2), np.float64(2), np.array(2.0), np.int64(2), np.float16(1), 1j], ids=repr
)
@pytest.mark.parametrize("dtype", ["e", "f", "d", "b", "q", "F", "?"])
def test_promotion_is_that_of_numpy_python_numbers_weak_everything_else_not(other: Any, dtype: str) -> None:
    array = np.ones(3, dtype=dtype)
    for f in (operator.add, operator.mul, operator.truediv, np.maximum, np.hypot):
        try:
            expected = f(array, other)
        except TypeError:
            with pytest.raises(TypeError):
                f(Tensor(array), other)
            continue
        assert f(Tensor(array), other).dtype == expected.dtype
        assert f(other, Tensor(array)).dtype == expected.dtype
        if isinstance(other, (np.ndarray, np.generic)):
            assert f(Tensor(array), Tensor(other)).dtype == expected.dtype


def test_defaults_and_zero_dimensional_tensors() -> None:
    assert Tensor([1.0]).dtype == np.float64
    assert Tensor(1).dtype == np.int64
    single = Tensor([1.0], dtype=np.float32)
    assert (single * Tensor(2.0)).dtype == np.float64  # a 0-d float64 Tensor is not weak
    assert (single * 2.0).dtype == np.float32
    assert (single * np.float64(2.0)).dtype == np.float64
    assert (single * float("inf")).dtype == np.float32


def test_gradients_have_the_dtype_of_their_argument() -> None:
    x, y = Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    (x * y).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=3), elements=st.floats(-10, 10)),
    st.sampled_from(sorted(BINARY)),
    st.one_of(st.floats(-5, 5), st.integers(-5, 5)),
)
@settings(max_examples=100, deadline=None)
def test_python_numbers_give_the_very_result_of_numpy(array: np.ndarray, symbol: str, number: float) -> None:
    for dtype in (np.float64, np.float32):
        values = array.astype(dtype)
        with np.errstate(all="ignore"):
            result, expected = BINARY[symbol](Tensor(values), number), BINARY[symbol](values, number)
        assert result.dtype == expected.dtype
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6 if symbol == "**" else 0)


# ------------------------------------------------------------------------------------------------ ways out


def test_numbers_and_lists() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert type(x.tolist()[0][0]) is float
    assert Tensor(3).item() == 3
    assert type(Tensor(3).item()) is int
    assert type(x.sum().item()) is float
    assert x.item(3) == x.item(1, 1) == 4.0
    assert x.item((0, 1)) == 2.0
    with pytest.raises(ValueError, match=r"item: the tensor has shape \(2, 2\), not a single element"):
        x.item()


def test_float_int_complex_index_and_bool_of_one_element() -> None:
    assert float(Tensor(2.5)) == float(Tensor([[2.5]])) == 2.5
    assert int(Tensor(2.5)) == 2
    assert complex(Tensor(1 + 2j)) == 1 + 2j
    assert [10, 20, 30][Tensor(1)] == 20
    assert list(range(Tensor(3))) == [0, 1, 2]
    assert bool(Tensor([True]))
    assert not Tensor(0.0)
    for f, error in ((float, TypeError), (int, TypeError), (complex, TypeError), (bool, ValueError)):
        with pytest.raises(error, match=r"shape \(2,\)"):
            f(Tensor([1.0, 2.0]))
    with pytest.raises(TypeError):
        [10, 20][Tensor(1.0)]
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor([]))


def test_float_of_a_tracked_tensor_warns_once_a_line_and_points_at_the_caller() -> None:
    x = Tensor(2.0, requires_grad=True, name="speed")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        for _ in range(3):
            assert math.sin(x) == math.sin(2.0)
        float(x)  # another accident is another warning
    assert [Path(warning.filename).name for warning in seen] == ["test_tensor.py"] * 2
    text = r"float\(\) of a tracked Tensor 'speed' of shape \(\) leaves the graph.*np\.sin\(t\), .*\.stack.*item\(\).*numpy\(\)"
    assert all(re.match(text, str(warning.message)) for warning in seen)
    with pytest.warns(UserWarning, match=r"int\(\) of a tracked"):
        int(x)
    with pytest.warns(UserWarning, match=r"complex\(\) of a tracked"):
        complex(x)
    assert x.item() == 2.0


def test_numpys_assignment_of_a_tracked_number_to_an_element_warns() -> None:
    array = np.zeros(2)
    with pytest.warns(UserWarning, match="leaves the graph"):
        array[0] = Tensor(2.0, requires_grad=True)
    assert array[0] == 2.0


def test_an_attribute_of_pytorch_is_told_its_name_here() -> None:
    x = Tensor([1.0, 2.0])
    hints = {
        "view": "reshape", "unsqueeze": "expand_dims", "add_": r"x \+= y", "exp": r"np\.exp\(x\)", "data": "numpy",
        "cuda": "device", "to": "astype", "clamp": "clip", "masked_fill": "where", "mm": "x @ y", "bmm": "x @ y",
        "mul": r"x \* y", "add": r"x \+ y", "sub": "x - y", "div": "x / y", "expand": "broadcast_to", "gather": "take_along_axis",
        "contiguous": "itself",
        "type": "dtype", "double": "float64", "half": "float16", "long": "int64", "new_zeros": "zeros", "permute": "transpose",
        "t": "T", "norm": "norm", "softmax": "nn", "zero_": "no_grad", "unbind": "unstack", "topk": "argsort", "item_": "in-place",
    }  # fmt: skip
    for name, hint in hints.items():
        with pytest.raises(AttributeError, match=f"a Tensor has no attribute '{name}'; here it is .*{hint}"):
            getattr(x, name)
    with pytest.raises(AttributeError, match=r"a Tensor has no attribute 'colour'$"):
        x.colour  # noqa: B018
    assert not hasattr(x, "__array_interface__")


def test_detach_clone_copy_and_astype() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert not x.detach().requires_grad
    assert x.detach().is_leaf
    assert np.shares_memory(x.detach(), x)
    for copied in (x.clone(), x.copy(), x * 1, +x, x.flatten()):
        assert copied.requires_grad
        assert not copied.is_leaf
        assert not np.shares_memory(copied, x)
    assert Tensor([True]).clone().dtype == np.bool_
    assert Tensor([[True]]).flatten().tolist() == [True]
    single = x.astype(np.float32)
    assert single.dtype == np.float32
    (single * 3).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float64
    assert x.grad.tolist() == [3.0, 3.0]
    assert x.astype(float, copy=False) is x
    assert x.astype(float) is not x
    assert x.astype(int).tolist() == [1, 2]
    assert not x.astype(int).requires_grad


def test_the_array_protocol_of_an_untracked_tensor() -> None:
    x = Tensor([1.0, 2.0])
    view = np.asarray(x)
    assert not view.flags.writeable
    assert np.array(x).flags.writeable
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert np.array(x, copy=None).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.float32, copy=False)
    assert np.array([Tensor(1.0), Tensor(2.0)]).tolist() == [1.0, 2.0]


# ------------------------------------------------------------------------------------------------ Python's protocols


def test_length_iteration_and_containment() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2
    assert [row.tolist() for row in x] == x.tolist()
    assert all(row.requires_grad for row in x)
    first, second = x
    (first * second).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert 3.0 in x
    assert 5.0 not in x
    assert Tensor(4.0) in x
    assert list(Tensor([])) == []
    assert [row.tolist() for row in reversed(x)] == [[3.0, 4.0], [1.0, 2.0]]
    for f in (len, iter):
        with pytest.raises(TypeError, match="0-d tensor"):
            f(Tensor(1.0))


def test_hash_is_by_identity() -> None:
    x, y = Tensor([1.0]), Tensor([1.0])
    table = {x: "x", y: "y"}
    assert table[x] == "x"
    assert table[y] == "y"
    assert len({x, y, x}) == 2


def test_weak_references_and_no_cycles() -> None:
    gc.collect()
    gc.disable()
    try:
        x = Tensor([1.0, 2.0], requires_grad=True)
        y = (x[0] * x.T + x.reshape(2, 1).detach()).sum()
        y.backward()
        y.register_hook(print)
        y.retain_grad()
        references = [weakref.ref(x), weakref.ref(y), weakref.ref(y._node), weakref.ref(x.grad)]
        del x, y
        assert [reference() for reference in references] == [None] * 4
    finally:
        gc.enable()


def test_copies_of_leaves_are_independent_leaves() -> None:
    x = Parameter([1.0, 2.0], requires_grad=True, name="weights")
    x.extra = ["anything"]
    (x * x).sum().backward()
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy.deepcopy([x, x])[1]):
        assert type(twin) is Parameter
        assert twin.requires_grad
        assert twin.is_leaf
        assert twin.name == "weights"
        assert twin.extra == ["anything"]
        assert twin.extra is not x.extra
        assert twin.tolist() == [1.0, 2.0]
        assert twin.grad.tolist() == [2.0, 4.0]
        assert twin.grad is not x.grad
        with no_grad():
            twin[0] = 7.0
            twin.grad[0] = 7.0
        twin.sum().backward()
        assert twin.grad.tolist() == [8.0, 5.0]
    assert x.tolist() == [1.0, 2.0]
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]
    both = copy.deepcopy([x, x])
    assert both[0] is both[1]
    assert copy.copy(x) is not x


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_pickles_of_every_protocol_shape_and_layout(protocol: int, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=shape)
    single = Tensor(array, dtype="f", requires_grad=True)
    for tensor in (Tensor(array), Tensor(array).T, single, ad.broadcast_to(array, (2, *shape))):
        loaded = pickle.loads(pickle.dumps(tensor, protocol))
        np.testing.assert_array_equal(loaded.numpy(), tensor.numpy())
        assert (loaded.dtype, loaded.shape, loaded.requires_grad) == (tensor.dtype, tensor.shape, tensor.requires_grad)
        with no_grad():
            loaded[...] = 1.0  # it has memory of its own


def test_a_result_of_recorded_operations_is_not_copied_nor_pickled() -> None:
    y = Tensor([1.0], requires_grad=True, name="x") * 2
    y.name = "y"
    for what, f in (("copy.deepcopy", copy.deepcopy), ("copy.copy", copy.copy), ("pickle", pickle.dumps)):
        words = rf"^{what}: the tensor 'y' of shape .* the result of 'multiply' .* plots it, give numpy\(\) or detach\(\)"
        with pytest.raises(RuntimeError, match=words):
            f(y)
    assert copy.deepcopy(y.detach()).tolist() == [2.0]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1.0, 2.0]), "Tensor([1., 2.], shape=(2,), dtype=float64)"),
        (Tensor(2), "Tensor(2, shape=(), dtype=int64)"),
        (Tensor([], dtype="f"), "Tensor([], shape=(0,), dtype=float32)"),
        (Tensor([True]), "Tensor([ True], shape=(1,), dtype=bool)"),
        (Tensor([1.0], requires_grad=True, name="x"), "Tensor([1.], shape=(1,), dtype=float64, requires_grad=True, name='x')"),
        (Tensor([1.0], requires_grad=True) * 2, "Tensor([2.], shape=(1,), dtype=float64, grad_fn=<multiply>)"),
        (Tensor([[1, 2], [3, 4]]), "Tensor([[1, 2],\n        [3, 4]], shape=(2, 2), dtype=int64)"),
        (Parameter([0.5]), "Parameter([0.5], shape=(1,), dtype=float64)"),
        (Tensor([1 + 2j]), "Tensor([1.+2.j], shape=(1,), dtype=complex128)"),
    ],
)
def test_repr_shows_values_shape_dtype_gradient_and_name(tensor: Tensor, text: str) -> None:
    assert repr(tensor) == text


def test_str_and_format() -> None:
    x = Tensor(2.71828, requires_grad=True)
    assert str(Tensor([1.0, 2.0])) == "[1. 2.]"
    assert f"{x:.2f} {x} {Tensor([1, 2])!s:>6}" == "2.72 2.71828  [1 2]"
    assert len(repr(Tensor(np.zeros(10**6)))) < 200
    with pytest.raises(ValueError, match="format"):
        f"{Tensor([1.0, 2.0]):.2f}"


# ------------------------------------------------------------------------------------------------ attributes and methods


def test_every_hint_names_what_there_is() -> None:
    for name, hint in operators._ELSEWHERE.items():
        assert not hasattr(Tensor, name), name
        for found in re.findall(r"autodiff\.(\w+)", hint):
            assert hasattr(ad, found), hint
        for found in re.findall(r"np\.(\w+)", hint):
            assert hasattr(np, found), hint


ABSENT = {
    "base": "memory is the engine's own affair", "ctypes": "as base", "data": "as base", "flags": "as base", "strides": "as base",
    "flat": "use ravel() or iterate", "byteswap": "bytes have no derivative", "dump": "use pickle", "dumps": "use pickle",
    "tobytes": "use numpy().tobytes()", "tofile": "use numpy().tofile()", "view": "bytes have no derivative",
    "getfield": "bytes have no derivative", "setfield": "bytes have no derivative", "setflags": "as base",
    "resize": "use pad or concatenate", "put": "use item assignment", "itemset": "use item assignment",
    "newbyteorder": "use astype", "tostring": "use numpy()", "device": "there is one", "to_device": "there is one",
    "ptp": "use max() - min()", "choose": "comes with the rest of the calculus",
    "compress": "comes with the rest of the calculus", "diagonal": "comes with the rest of the calculus",
    "trace": "comes with the rest of the calculus", "partition": "comes with the rest of the calculus",
    "argpartition": "use np.argpartition", "searchsorted": "use np.searchsorted",
}  # fmt: skip


def test_every_attribute_of_an_array_is_there_or_absent_for_a_reason() -> None:
    missing = [name for name in dir(np.ndarray) if not name.startswith("_") and not hasattr(Tensor, name)]
    assert sorted(set(missing) - set(ABSENT)) == []


METHODS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: x.sum(0), "sum all": lambda x: x.sum(), "sum keepdims": lambda x: x.sum(axis=(0, 1), keepdims=True),
    "mean": lambda x: x.mean(axis=-1, keepdims=True), "prod": lambda x: x.prod(1), "var": lambda x: x.var(0, ddof=1),
    "std": lambda x: x.std(1), "max": lambda x: x.max(0), "min": lambda x: x.min(1, keepdims=True),
    "cumsum": lambda x: x.cumsum(), "cumprod": lambda x: x.cumprod(1), "clip": lambda x: x.clip(-0.5, 0.5),
    "round": lambda x: x.round(1), "conj": lambda x: x.conj(), "conjugate": lambda x: x.conjugate(),
    "dot": lambda x: x.dot(np.arange(3.0)), "reshape": lambda x: x.reshape(3, -1), "reshape tuple": lambda x: x.reshape((6,)),
    "reshape order": lambda x: x.reshape(6, order="F"), "ravel": lambda x: x.ravel(), "ravel order": lambda x: x.ravel("F"),
    "flatten": lambda x: x.flatten(), "transpose": lambda x: x.transpose(), "transpose axes": lambda x: x.transpose(1, 0),
    "transpose tuple": lambda x: x.transpose((1, 0)), "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[:, :1].squeeze(1), "repeat": lambda x: x.repeat(2, axis=1),
    "repeat array": lambda x: x.repeat([1, 2], 0), "take": lambda x: x.take([0, 0, 2], axis=1), "T": lambda x: x.T,
    "mT": lambda x: x.mT, "real": lambda x: x.real, "imag": lambda x: x.imag, "copy": lambda x: x.copy(),
    "astype": lambda x: x.astype(np.float64),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_agree_with_ndarrays_and_have_their_gradient(name: str) -> None:
    f, array = METHODS[name], np.random.default_rng(0).normal(size=(2, 3))
    result = f(Tensor(array))
    assert type(result) is Tensor
    np.testing.assert_allclose(result.numpy(), f(array), rtol=1e-14)
    check_grads(f, array)


UNTRACKED: dict[str, Callable[[Any], Any]] = {
    "argmax": lambda x: x.argmax(), "argmax axis": lambda x: x.argmax(1, keepdims=True), "argmin": lambda x: x.argmin(axis=0),
    "argsort": lambda x: x.argsort(), "argsort axis": lambda x: x.argsort(0, stable=True), "any": lambda x: x.any(),
    "any axis": lambda x: x.any(0, keepdims=True), "all": lambda x: x.all(axis=1), "nonzero": lambda x: x.nonzero(),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTRACKED)
def test_methods_that_only_look_are_untracked(name: str) -> None:
    f, array = UNTRACKED[name], np.random.default_rng(0).normal(size=(2, 3))
    result, expected = f(Tensor(array, requires_grad=True)), f(array)
    for part, other in zip(result, expected, strict=True) if isinstance(expected, tuple) else ((result, expected),):
        assert type(part) is Tensor
        assert not part.requires_grad
        np.testing.assert_array_equal(part.numpy(), other)


def test_sizes() -> None:
    x = Tensor(np.zeros((2, 3), dtype=np.float32))
    assert (x.shape, x.ndim, x.size, x.itemsize, x.nbytes, x.dtype) == ((2, 3), 2, 6, 4, 24, np.float32)
    with pytest.raises(AttributeError):
        x.shape = (3, 2)  # type: ignore[misc]


def test_requires_grad_can_be_asked_for_and_given_up() -> None:
    x = Tensor([1.0])
    assert not x.requires_grad
    assert x.is_leaf
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert x.requires_grad_() is x
    x.requires_grad = False
    assert not (x * 2).requires_grad
    y = Tensor([1.0], requires_grad=True) * 2
    assert not y.is_leaf
    with pytest.raises(RuntimeError, match=r"requires_grad_\(False\): .* use detach\(\)"):
        y.requires_grad_(False)


def test_the_gradient_can_be_set_and_is_the_tensors_own() -> None:
    x, y = Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
    given = Tensor([3.0, 4.0])
    x.grad = given
    y.grad = given
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    x.sum().backward()
    assert x.grad.tolist() == [4.0, 5.0]
    assert y.grad is not None
    assert y.grad.tolist() == given.tolist() == [3.0, 4.0]
    x.grad = [1, 2]
    assert x.grad.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match=r"grad: expected shape \(2,\), that of the tensor, got \(3,\)"):
        x.grad = [1, 2, 3]
    x.grad = None
    assert x.grad is None


def test_reading_the_gradient_of_a_result_warns() -> None:
    y = Tensor([1.0], requires_grad=True) * 2
    with pytest.warns(UserWarning, match=r"no leaf: the backward pass does not keep it. Call retain_grad\(\)") as seen:
        assert y.grad is None
    assert Path(seen[0].filename).name == "test_tensor.py"


def test_public_methods_have_docstrings() -> None:
    bare = [name for name, member in inspect.getmembers(Tensor) if not name.startswith("_") and not inspect.getdoc(member)]
    assert bare == ["name"]  # a slot, which the class describes


# ------------------------------------------------------------------------------------------------ types

TYPED = """
from typing import assert_type
import numpy as np
import autodiff as ad
from autodiff import Tensor

def f(x: Tensor, a: np.ndarray) -> Tensor:
    assert_type(x + 1, Tensor)
    assert_type(2.0 * x - x / a, Tensor)
    assert_type(x @ x, Tensor)
    assert_type(x**2, Tensor)
    assert_type(-x, Tensor)
    assert_type(abs(x), Tensor)
    assert_type(x == 1, Tensor)
    assert_type(x < a, Tensor)
    assert_type(x[0, 1:], Tensor)
    assert_type(x.sum(axis=0, keepdims=True), Tensor)
    assert_type(x.reshape(2, 3).T, Tensor)
    assert_type(x.grad, Tensor | None)
    assert_type(x.shape, tuple[int, ...])
    assert_type(x.detach().clone().astype(np.float32), Tensor)
    assert_type(ad.exp(x), Tensor)
    assert_type(ad.sum(x, axis=0), Tensor)
    x += 1
    x[0] = 2.0
    assert_type(x, Tensor)
    for row in x:
        assert_type(row, Tensor)
    return x

class Parameter(Tensor):
    pass

p = Parameter([1.0])
p -= 0.1
assert_type(p, Parameter)
assert_type(p.requires_grad_(), Parameter)
"""
WRONG = """
from autodiff import Tensor
x = Tensor([1.0])
number: float = x + 1
x.sum(axes=0)
x.backwards()
"""


@pytest.mark.slow
def test_a_users_code_is_typed_under_mypy_strict(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api", reason="mypy is not installed")
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(TYPED)
    wrong.write_text(WRONG)
    output, errors, _ = api.run(["--strict", "--no-incremental", "--config-file=", str(right), str(wrong)])
    assert errors == ""
    found = [line.split(": error: ")[1] for line in output.splitlines() if ": error: " in line]
    assert not [line for line in output.splitlines() if "right.py" in line], output
    assert len(found) == 3, output
    assert "Tensor" in found[0]
    assert "axes" in found[1]
    assert "backwards" in found[2]
