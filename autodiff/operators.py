"""What Python's operators and ndarray's methods mean for a Tensor: one line each onto the operations.

Knows which operation an operator stands for, and when another type shall have its turn. Knows no derivative.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from .arguments import failed, plain
from .graph import Variable, wrap
from .ops import elementwise as el
from .ops import indexing, linear_algebra, reduction, shape
from .ops.elementwise import floor_divide as quotient
from .ops.linear_algebra import matmul
from .writing import assign, update

if TYPE_CHECKING:
    import numpy.typing as npt

    from .tensor import Tensor

Axis = int | tuple[int, ...] | None
DType: TypeAlias = "npt.DTypeLike | None"

_Operator = Callable[[Any, Any], "Tensor"]
_OPERANDS: tuple[type, ...] = (int, float, complex, np.ndarray, np.generic, list, tuple)


def bind(cls: type[Variable]) -> None:
    """Say which class is the Tensor."""
    global _OPERANDS
    _OPERANDS = (cls, *_OPERANDS)


class Operators(Variable):
    """The operators and the methods that Tensors and arrays have in common."""

    __slots__ = ()
    __hash__ = object.__hash__  # by identity: == compares elements

    # fmt: off
    __add__: ClassVar[_Operator] = el.add.operator
    __radd__: ClassVar[_Operator] = el.add.reflected
    __sub__: ClassVar[_Operator] = el.subtract.operator
    __rsub__: ClassVar[_Operator] = el.subtract.reflected
    __mul__: ClassVar[_Operator] = el.multiply.operator
    __rmul__: ClassVar[_Operator] = el.multiply.reflected
    __truediv__: ClassVar[_Operator] = el.divide.operator
    __rtruediv__: ClassVar[_Operator] = el.divide.reflected
    __floordiv__: ClassVar[_Operator] = quotient.operator
    __rfloordiv__: ClassVar[_Operator] = quotient.reflected
    __mod__: ClassVar[_Operator] = el.remainder.operator
    __rmod__: ClassVar[_Operator] = el.remainder.reflected
    def __pow__(self, other: Any) -> Tensor: return el.power(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rpow__(self, other: Any) -> Tensor: return el.power(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __matmul__(self, other: Any) -> Tensor: return matmul(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rmatmul__(self, other: Any) -> Tensor: return matmul(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: return self // other, self % other
    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: return other // self, other % self

    def __neg__(self) -> Tensor: return el.negative(self)
    def __pos__(self) -> Tensor: return el.positive(self)
    def __abs__(self) -> Tensor: return el.abs(self)
    def __round__(self, ndigits: int | None = None) -> Tensor: return el.round(self, ndigits or 0)
    def __invert__(self) -> Tensor: return _untracked(np.invert, self)

    def __iadd__(self, other: Any) -> Self: return update(self, Operators.__add__, other, "+=")
    def __isub__(self, other: Any) -> Self: return update(self, Operators.__sub__, other, "-=")
    def __imul__(self, other: Any) -> Self: return update(self, Operators.__mul__, other, "*=")
    def __itruediv__(self, other: Any) -> Self: return update(self, Operators.__truediv__, other, "/=")
    def __ifloordiv__(self, other: Any) -> Self: return update(self, Operators.__floordiv__, other, "//=")
    def __imod__(self, other: Any) -> Self: return update(self, Operators.__mod__, other, "%=")
    def __ipow__(self, other: Any) -> Self: return update(self, Operators.__pow__, other, "**=")
    def __imatmul__(self, other: Any) -> Self: return update(self, Operators.__matmul__, other, "@=")
    def __iand__(self, other: Any) -> Self: return update(self, Operators.__and__, other, "&=")
    def __ior__(self, other: Any) -> Self: return update(self, Operators.__or__, other, "|=")
    def __ixor__(self, other: Any) -> Self: return update(self, Operators.__xor__, other, "^=")
    def __ilshift__(self, other: Any) -> Self: return update(self, Operators.__lshift__, other, "<<=")
    def __irshift__(self, other: Any) -> Self: return update(self, Operators.__rshift__, other, ">>=")

    def __eq__(self, other: object) -> Tensor: return _untracked(np.equal, self, other)  # type: ignore[override]
    def __ne__(self, other: object) -> Tensor: return _untracked(np.not_equal, self, other)  # type: ignore[override]
    def __lt__(self, other: Any) -> Tensor: return _untracked(np.less, self, other)
    def __le__(self, other: Any) -> Tensor: return _untracked(np.less_equal, self, other)
    def __gt__(self, other: Any) -> Tensor: return _untracked(np.greater, self, other)
    def __ge__(self, other: Any) -> Tensor: return _untracked(np.greater_equal, self, other)
    def __and__(self, other: Any) -> Tensor: return _untracked(np.bitwise_and, self, other)
    def __or__(self, other: Any) -> Tensor: return _untracked(np.bitwise_or, self, other)
    def __xor__(self, other: Any) -> Tensor: return _untracked(np.bitwise_xor, self, other)
    def __lshift__(self, other: Any) -> Tensor: return _untracked(np.left_shift, self, other)
    def __rshift__(self, other: Any) -> Tensor: return _untracked(np.right_shift, self, other)
    def __rand__(self, other: Any) -> Tensor: return _untracked(np.bitwise_and, other, self)
    def __ror__(self, other: Any) -> Tensor: return _untracked(np.bitwise_or, other, self)
    def __rxor__(self, other: Any) -> Tensor: return _untracked(np.bitwise_xor, other, self)
    def __rlshift__(self, other: Any) -> Tensor: return _untracked(np.left_shift, other, self)
    def __rrshift__(self, other: Any) -> Tensor: return _untracked(np.right_shift, other, self)

    # ------------------------------------------------------------------------------------------- methods, as ndarray has them

    def sum(self, axis: Axis = None, dtype: DType = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return the sum over `axis`."""
        return reduction.sum(self, axis, dtype, out, keepdims)

    def mean(self, axis: Axis = None, dtype: DType = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return the arithmetic mean over `axis`."""
        return reduction.mean(self, axis, dtype, out, keepdims)

    def prod(self, axis: Axis = None, dtype: DType = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return the product over `axis`."""
        return reduction.prod(self, axis, dtype, out, keepdims)

    def var(self, axis: Axis = None, dtype: DType = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Return the variance over `axis`, with divisor n - ddof."""
        return reduction.var(self, axis, dtype, out, ddof, keepdims)

    def std(self, axis: Axis = None, dtype: DType = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Return the standard deviation over `axis`, with divisor n - ddof."""
        return reduction.std(self, axis, dtype, out, ddof, keepdims)

    def max(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return the largest element over `axis`."""
        return reduction.max(self, axis, out, keepdims)

    def min(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return the smallest element over `axis`."""
        return reduction.min(self, axis, out, keepdims)

    def cumsum(self, axis: int | None = None, dtype: DType = None, out: None = None) -> Tensor:
        """Return the running sums along `axis`, of the flattened tensor where None."""
        return reduction.cumsum(self, axis, dtype, out)

    def cumprod(self, axis: int | None = None, dtype: DType = None, out: None = None) -> Tensor:
        """Return the running products along `axis`, of the flattened tensor where None."""
        return reduction.cumprod(self, axis, dtype, out)

    def clip(self, min: Any = None, max: Any = None, out: None = None) -> Tensor:
        """Return it limited to the interval from `min` to `max`."""
        clipped: Tensor = el.clip(self, min, max, out)
        return clipped

    def round(self, decimals: int = 0, out: None = None) -> Tensor:
        """Return it rounded to so many decimals."""
        return el.round(self, decimals, out)

    def conj(self) -> Tensor:
        """Return the complex conjugate; of a real tensor, itself."""
        return el.conj(self) if self._data.dtype.kind == "c" else self  # type: ignore[return-value]

    conjugate = conj

    def dot(self, other: Any, out: None = None) -> Tensor:
        """Return the product over the last axis and the last but one of `other`."""
        product: Tensor = linear_algebra.dot(self, other, out)
        return product

    def reshape(self, *shape_: Any, order: str = "C") -> Tensor:
        """Return it in another shape of the same size; one entry may be -1."""
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_, order)

    def ravel(self, order: str = "C") -> Tensor:
        """Return it with one axis, as a view where possible."""
        return shape.reshape(self, (-1,), order)

    def flatten(self, order: str = "C") -> Tensor:
        """Return a copy with one axis."""
        try:
            return self.ravel(order).clone()
        except (TypeError, ValueError):
            if isinstance(order, str):
                raise
            raise TypeError(
                f"flatten: order must be 'C' or 'F', got {order!r}; PyTorch's flatten(start_dim) is nn.Flatten(start_dim), or "
                "x.reshape(len(x), -1)"
            ) from None

    def transpose(self, *axes: Any) -> Tensor:
        """Return it with its axes permuted, reversed where none are given."""
        return shape.transpose(self, None if not axes else axes[0] if len(axes) == 1 else axes)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Return it with two axes exchanged."""
        return shape.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Return it without axes of length 1: all, or those of `axis`."""
        return shape.squeeze(self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        """Return it with each element repeated so many times along `axis`."""
        return shape.repeat(self, repeats, axis)

    def take(self, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Tensor:
        """Return the elements at `indices` along `axis`, of the flattened tensor where None."""
        return indexing.take(self, indices, axis, out, mode)

    def argmax(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Tensor:
        """Return the position of the largest element along `axis`."""
        return reduction.argmax(self, axis, out, keepdims=keepdims)

    def argmin(self, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Tensor:
        """Return the position of the smallest element along `axis`."""
        return reduction.argmin(self, axis, out, keepdims=keepdims)

    def argsort(self, axis: int | None = -1, kind: Any = None, order: None = None, *, stable: bool | None = None) -> Tensor:
        """Return the positions of the elements in ascending order along `axis`."""
        return indexing.argsort(self, axis, kind, order, stable=stable)

    def any(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return whether some element is true, over `axis`."""
        return reduction.any(self, axis, out, keepdims)

    def all(self, axis: Axis = None, out: None = None, keepdims: bool = False) -> Tensor:
        """Return whether every element is true, over `axis`."""
        return reduction.all(self, axis, out, keepdims)

    def nonzero(self) -> tuple[Tensor, ...]:
        """Return the positions of the elements that are not zero, one tensor for each axis."""
        return tuple(wrap(positions) for positions in self._data.nonzero())

    # fmt: on
    def sort(self, axis: int = -1, kind: Any = None, order: None = None, *, stable: bool | None = None) -> None:
        """Sort this tensor itself along `axis`; `autodiff.sort` returns a sorted copy."""
        assign(self, Ellipsis, indexing.sort(self, axis, kind, order, stable=stable), "sort()")

    def fill(self, value: Any) -> None:
        """Write `value` everywhere."""
        assign(self, Ellipsis, value, "fill()")

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return shape.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        if self._data.ndim < 2:
            raise ValueError(f"mT: a matrix has at least two axes, this tensor has shape {self._data.shape}")
        return shape.swapaxes(self, -1, -2)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return el.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return el.imag(self)

    if not TYPE_CHECKING:  # else a type checker would believe in every name

        def __getattr__(self, name: str) -> Any:  # asked only where nothing of the name exists
            raise AttributeError(f"a Tensor has no attribute '{name}'{elsewhere(name)}")


def elsewhere(name: str, others: Mapping[str, str] | None = None) -> str:
    """Return words for what is here called otherwise, to end a message with; "" where nothing is known."""
    hint = (others or {}).get(name) or _ELSEWHERE.get(name, "")
    if not hint and name.endswith("_") and not name.startswith("_"):
        hint = "an in-place operator (x += y) or item assignment (x[...] = y)"
    elif not hint and not name.startswith("_"):
        found = getattr(np, name, None)
        hint = f"np.{name}" if isinstance(found, (type, float)) else f"np.{name}(x)" if callable(found) else ""
    return f"; here it is {hint}" if hint else ""


# What users of PyTorch reach for, and what it is called here. Methods that NumPy has as functions are told from np.
_ONE_DEVICE = "the tensor itself: there is no other device"
_ELSEWHERE = {
    "add": "x + y",
    "bfloat16": "astype('float32'): NumPy has no bfloat16",
    "bmm": "x @ y",
    "bool": "astype(bool)",
    "cat": "autodiff.concatenate([x, y], axis)",
    "chunk": "autodiff.array_split(x, count, axis)",
    "clamp": "clip(min, max)",
    "contiguous": "the tensor itself: order of memory is no concern here",
    "cpu": _ONE_DEVICE,
    "cuda": _ONE_DEVICE,
    "data": "numpy() for the value, detach() for a constant; write under no_grad() with x[...] = value",
    "device": "nothing: there is no other device than the CPU",
    "dim": "ndim",
    "div": "x / y",
    "double": "astype('float64')",
    "eq": "x == y",
    "erf": "autodiff.erf(x)",
    "expand": "autodiff.broadcast_to(x, shape)",
    "expand_as": "autodiff.broadcast_to(x, y.shape)",
    "float": "astype('float32')",
    "gather": "autodiff.take_along_axis(x, indices, axis)",
    "ge": "x >= y",
    "grad_fn": "autodiff.draw(x), which shows what made it",
    "gt": "x > y",
    "half": "astype('float16')",
    "index_select": "autodiff.take(x, indices, axis)",
    "int": "astype('int32')",
    "is_cuda": "nothing: there is no other device",
    "le": "x <= y",
    "log_softmax": "nn.functional.log_softmax(x)",
    "logsumexp": "autodiff.logsumexp(x, axis)",
    "long": "astype('int64')",
    "lt": "x < y",
    "masked_fill": "autodiff.where(mask, value, x)",
    "masked_select": "x[mask]",
    "matmul": "x @ y",
    "mm": "x @ y",
    "mul": "x * y",
    "mv": "x @ y",
    "ndimension": "ndim",
    "ne": "x != y",
    "neg": "-x",
    "new_ones": "autodiff.ones(shape, dtype=x.dtype)",
    "new_tensor": "autodiff.Tensor(data, dtype=x.dtype)",
    "new_zeros": "autodiff.zeros(shape, dtype=x.dtype)",
    "norm": "autodiff.norm(x)",
    "numel": "size",
    "permute": "transpose(...)",
    "pow": "x ** y",
    "relu": "nn.functional.relu(x)",
    "retains_grad": "nothing to ask; retain_grad() may be called again",
    "rsqrt": "1 / np.sqrt(x)",
    "scatter_add": "autodiff.scatter_add",
    "sigmoid": "nn.functional.sigmoid(x)",
    "softmax": "nn.functional.softmax(x)",
    "stride": "nothing: order of memory is no concern here",
    "sub": "x - y",
    "t": "T",
    "to": "astype(dtype), where a dtype is meant; there is no other device than the CPU",
    "topk": "autodiff.argsort(x), and autodiff.take_along_axis of its last entries",
    "type": "dtype, or astype(dtype)",
    "type_as": "astype(y.dtype)",
    "unbind": "autodiff.unstack(x, axis=axis)",
    "unsqueeze": "x[:, None] or autodiff.expand_dims(x, axis)",
    "view": "reshape(...)",
    "view_as": "reshape(y.shape)",
    "zero_": "x[...] = 0, under no_grad(); zero_grad() of an optimizer or a model for gradients",
}
# The same for arguments: what has one of these parameters, or the name.
_THEIR_ARGUMENTS = {
    "axis": "dim is axis", "keepdims": "keepdim is keepdims", "ddof": "unbiased=True is ddof=1",
    "flatten": "start_dim is nn.Flatten",
}  # fmt: skip


for _name, _method in vars(Operators).items():
    if isinstance(_method, types.FunctionType) and _method.__qualname__.startswith("Operators."):
        # The name that an error about arguments shows: the one place to say, at no cost to a call, what they are.
        _method.__qualname__ = f"Tensor.{_name}"
        _names = _method.__code__.co_varnames[1 : _method.__code__.co_argcount + _method.__code__.co_kwonlyargcount]
        _theirs = [words for ours, words in _THEIR_ARGUMENTS.items() if ours == _name or ours in _names]
        if _theirs and not _name.startswith("_"):
            _method.__qualname__ += f"({', '.join(_names)}; PyTorch's {', '.join(_theirs)})"


def _untracked(ufunc: np.ufunc, *values: Any) -> Tensor:
    for value in values:
        if not isinstance(value, _OPERANDS):
            return NotImplemented  # type: ignore[no-any-return]  # what Python expects of an operator
    try:
        result: Tensor = wrap(ufunc(*plain(values)))
    except Exception as error:
        raise failed(ufunc.__name__, values, error) from None
    return result
