"""`Tensor`: an array that remembers how it was made. Operators and methods are one line each onto the operations.

Knows Python's and NumPy's protocols and what leaves the graph. Knows no derivative.
"""

from __future__ import annotations

import copy as copying
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from . import declaration, dispatch
from .chain_rule import accumulate, inward, outward, propagate
from .declaration import as_array, plain
from .graph import Leaf, Node, Variable, label, notes_of, wrap
from .memory import Memory, View, adopt_view
from .ops import elementwise as el
from .ops import indexing, linear_algebra, reduction, shape
from .writing import assign, update

_NUMBERS = (int, float, complex, np.ndarray, np.generic, list, tuple)
_warned: set[str] = set()


class Tensor(Variable):
    """An array with a gradient: `backward()` fills `.grad` of every leaf that asked for one.

    data           anything that NumPy makes an array of; it is copied (`asarray(..., copy=False)` shares)
    dtype          a NumPy dtype; NumPy's own choice by default
    requires_grad  whether to accumulate a gradient; floating and complex dtypes only
    name           for messages and drawings

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    Tensor([2., 4., 6.], shape=(3,), dtype=float64)
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __init__(self, data: Any, dtype: npt.DTypeLike | None = None, requires_grad: bool = False, name: str | None = None):
        source = data._data if isinstance(data, Variable) else data
        if isinstance(source, (list, tuple)) and dispatch.is_tracked(source):
            raise TypeError("Tensor: the data holds tracked Tensors, whose gradient would be lost; join them with autodiff.stack")
        array = as_array(plain(source), "Tensor")
        try:
            array = np.array(array, dtype=dtype, order="C")
        except TypeError as error:
            raise TypeError(f"Tensor: unknown dtype {dtype!r}: {error}") from None
        if array.dtype.kind not in "biufc":
            raise TypeError(f"Tensor: dtype {array.dtype} holds no numbers; expected bool, int, float or complex")
        self._data = array
        self._node = self._memory = self._grad = None
        self.name = name
        if requires_grad:
            self.requires_grad_()

    # ------------------------------------------------------------------------------------------- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the elements."""
        return self._data.nbytes

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, not by a recorded operation."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, an untracked Tensor with memory of its own; None before the first backward pass."""
        if self._grad is None and self._node is not None and not isinstance(self._node, Leaf):
            notes = self._node.notes
            if notes is None or notes.retained is None:
                _warn_once(
                    "grad",
                    "reading .grad of a tensor that is no leaf: the backward pass does not keep it. Call retain_grad() on it before "
                    "backward(), or read the gradient of the leaf",
                )
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(value, dtype=self._data.dtype)
            if value.shape != self.shape:
                raise ValueError(f"grad: expected shape {self.shape}, that of the tensor, got {value.shape}")
        self._grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient, or no longer; return the tensor. Floating and complex leaves only."""
        if not requires_grad:
            if not self.is_leaf:
                raise RuntimeError("requires_grad_(False): the tensor is the result of recorded operations; use detach()")
            self._node = None
        elif self._node is None:
            if self._data.dtype.kind not in "fc":
                called = f" '{self.name}'" if self.name else ""
                raise TypeError(
                    f"requires_grad: the tensor{called} has dtype {self._data.dtype}; only floating and complex numbers have a gradient. "
                    "Make it Tensor(data, dtype=float)"
                )
            if isinstance(self._memory, View):  # a leaf has memory of its own
                self._data, self._memory = self._data.copy(), None
            self._node = Leaf(self, self._data)
        return self

    # ------------------------------------------------------------------------------------------- the backward pass

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor to `.grad` of the leaves it depends on.

        gradient      the incoming gradient, of this tensor's shape; may be left out for a single element
        retain_graph  keep the graph for another pass; the value of `create_graph` where None
        create_graph  record the pass, for higher derivatives
        inputs        the only leaves (or kept tensors) to accumulate in

        Raises RuntimeError on an untracked tensor, a missing gradient, or a graph walked before.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> (x**2).backward()
        >>> float(x.grad)
        6.0
        """
        node = self._node
        if node is None:
            called = f" '{self.name}'" if self.name else ""
            raise RuntimeError(
                f"backward: the tensor{called} is not tracked, so there is nothing to differentiate. Make an input with "
                "requires_grad=True, and check that no no_grad(), detach() or numpy() lies between"
            )
        if gradient is None:
            if self._data.size != 1:
                raise RuntimeError(
                    f"backward: a tensor of shape {self.shape} is not a single number; reduce it first (loss.sum() or loss.mean()), or "
                    "give the incoming gradient of that shape: backward(gradient)"
                )
            seed: Any = np.ones(self._data.shape, self._data.dtype)
            seed = wrap(seed) if create_graph else seed
        else:
            seed = inward(gradient, self, "backward", create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        if inputs is None:
            accumulate(propagate({node: seed}, None, retain, create_graph), create_graph)
            return
        wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        for tensor in wanted:
            if tensor._node is None:
                raise RuntimeError(f"backward: an input of inputs= {_named(tensor)} does not require grad")
        arrived = propagate({node: seed}, [t._node for t in wanted if t._node is not None], retain, create_graph)
        from .chain_rule import deposit

        for tensor in wanted:
            if tensor._node in arrived:
                deposit(tensor, outward(arrived[tensor._node]), create_graph, shared=True)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor, although it is no leaf, at the next backward passes."""
        if self._node is None:
            raise RuntimeError("retain_grad: the tensor is not tracked, so it will never have a gradient")
        if not isinstance(self._node, Leaf):
            import weakref

            notes_of(self._node).retained = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call `hook` with the accumulated gradient in each backward pass; what it returns, if anything, replaces it.

        Returns a handle whose `remove()` takes the hook away.
        """
        if self._node is None:
            raise RuntimeError("register_hook: the tensor is not tracked, so no gradient will arrive")
        return Handle(self._node, hook)

    # ------------------------------------------------------------------------------------------- leaving the graph

    def numpy(self) -> np.ndarray:
        """Return the value as a read-only view of the array; also of a tracked tensor."""
        view = self._data.view()
        view.flags.writeable = False
        return view

    def detach(self) -> Tensor:
        """Return an untracked tensor on the same memory."""
        return _detach(self)

    def item(self, *args: Any) -> Any:
        """Return the only element (or the one at the given position) as a Python number."""
        try:
            return self._data.item(*args)
        except ValueError:
            raise ValueError(f"item: the tensor has shape {self.shape}, not a single element; give its position or reduce it first") from None

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._node is not None:
            raise TypeError(
                f"a tracked Tensor {_named(self)} would leave the graph here, and its gradient be lost: use numpy() or detach() for the "
                "value, or autodiff.stack([...]) to join Tensors into one"
            )
        if copy:
            return np.array(self._data, dtype=dtype)
        return self.numpy() if dtype is None else np.asarray(self.numpy(), dtype=dtype)

    def __float__(self) -> float:
        self._warn_leaving("float")
        return float(self._single("float"))

    def __int__(self) -> int:
        self._warn_leaving("int")
        return int(self._single("int"))

    def __complex__(self) -> complex:
        self._warn_leaving("complex")
        return complex(self._single("complex"))

    def __index__(self) -> int:
        return self._data.__index__()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"the truth value of a tensor of shape {self.shape} is ambiguous; use .any() or .all()")
        return bool(self._data.item())

    def _single(self, what: str) -> Any:
        if self._data.size != 1:
            raise TypeError(f"{what}: only a tensor with one element is a number, this one has shape {self.shape}")
        return self._data.item()

    def _warn_leaving(self, what: str) -> None:
        if self._node is not None:
            _warn_once(
                what,
                f"{what}() of a tracked Tensor leaves the graph (NumPy and math call it silently); use item() where that is meant",
            )

    # ------------------------------------------------------------------------------------------- copies

    def clone(self) -> Tensor:
        """Return a recorded copy with memory of its own."""
        return el.positive(self) if self._data.dtype != bool else wrap(self._data.copy())

    def copy(self) -> Tensor:
        """Return a recorded copy, as `clone`."""
        return self.clone()

    def astype(self, dtype: npt.DTypeLike, copy: bool = True) -> Tensor:
        """Return it in another dtype; the gradient is cast back."""
        try:
            wanted = np.dtype(dtype)
        except TypeError:
            raise TypeError(f"astype: unknown dtype {dtype!r}") from None
        if wanted.kind not in "biufc":
            raise TypeError(f"astype: dtype {wanted} holds no numbers")
        return self if not copy and wanted == self.dtype else el.astype(self, wanted)

    def __copy__(self) -> Tensor:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        self._refuse_non_leaf("deepcopy")
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made._data, made._node, made._memory, made.name = self._data.copy(), None, None, self.name
        made._grad = None
        if self._node is not None:
            made._node = Leaf(made, made._data)
        made._grad = copying.deepcopy(self._grad, memo)
        for key, value in getattr(self, "__dict__", {}).items():
            made.__dict__[key] = copying.deepcopy(value, memo)
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        self._refuse_non_leaf("pickle")
        extra = dict(getattr(self, "__dict__", {}))
        return _rebuild, (type(self), np.ascontiguousarray(self._data).reshape(self.shape), self.requires_grad, self.name, self._grad, extra)

    def _refuse_non_leaf(self, what: str) -> None:
        if not self.is_leaf:
            raise RuntimeError(
                f"{what}: the tensor {_named(self)} is the result of '{label(self._node)}' and belongs to a graph, which cannot be copied; "  # type: ignore[arg-type]
                f"{what} detach() of it, or the leaves it was made of"
            )

    # ------------------------------------------------------------------------------------------- NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return dispatch.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return dispatch.function(func, args, kwargs)

    def __repr__(self) -> str:
        prefix = type(self).__name__ + "("
        values = np.array2string(self._data, separator=", ", prefix=prefix)
        parts = [values, f"shape={self.shape}", f"dtype={self.dtype}"]
        if isinstance(self._node, Leaf):
            parts.append("requires_grad=True")
        elif self._node is not None:
            parts.append(f"grad_fn=<{label(self._node)}>")
        if self.name:
            parts.append(f"name={self.name!r}")
        return prefix + ", ".join(parts) + ")"

    def __str__(self) -> str:
        return str(self._data)

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if spec and self._data.size == 1 else format(str(self), spec)

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if self._data.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return bool((self._data == plain(value)).any())

    def __getitem__(self, index: Any) -> Tensor:
        index = plain(index)
        if isinstance(index, list):
            index = as_array(index, "indexing") if index else np.array(index, dtype=np.intp)
        return indexing.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        assign(self, index, value)

    # ------------------------------------------------------------------------------------------- operators
    # fmt: off

    def __add__(self, other: Any) -> Tensor: return el.add(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __radd__(self, other: Any) -> Tensor: return el.add(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __sub__(self, other: Any) -> Tensor: return el.subtract(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rsub__(self, other: Any) -> Tensor: return el.subtract(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __mul__(self, other: Any) -> Tensor: return el.multiply(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rmul__(self, other: Any) -> Tensor: return el.multiply(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __truediv__(self, other: Any) -> Tensor: return el.divide(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rtruediv__(self, other: Any) -> Tensor: return el.divide(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __floordiv__(self, other: Any) -> Tensor: return el.floor_divide(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rfloordiv__(self, other: Any) -> Tensor: return el.floor_divide(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __mod__(self, other: Any) -> Tensor: return el.remainder(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rmod__(self, other: Any) -> Tensor: return el.remainder(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __pow__(self, other: Any) -> Tensor: return el.power(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rpow__(self, other: Any) -> Tensor: return el.power(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __matmul__(self, other: Any) -> Tensor: return linear_algebra.matmul(self, other) if isinstance(other, _OPERANDS) else NotImplemented
    def __rmatmul__(self, other: Any) -> Tensor: return linear_algebra.matmul(other, self) if isinstance(other, _OPERANDS) else NotImplemented
    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: return self // other, self % other
    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: return other // self, other % self

    def __neg__(self) -> Tensor: return el.negative(self)
    def __pos__(self) -> Tensor: return el.positive(self)
    def __abs__(self) -> Tensor: return el.abs(self)
    def __round__(self, ndigits: int = 0) -> Tensor: return el.round(self, ndigits or 0)
    def __invert__(self) -> Tensor: return np.invert(self)  # type: ignore[call-overload, no-any-return]

    def __iadd__(self, other: Any) -> Tensor: return update(self, Tensor.__add__, other, "+=")
    def __isub__(self, other: Any) -> Tensor: return update(self, Tensor.__sub__, other, "-=")
    def __imul__(self, other: Any) -> Tensor: return update(self, Tensor.__mul__, other, "*=")
    def __itruediv__(self, other: Any) -> Tensor: return update(self, Tensor.__truediv__, other, "/=")
    def __ifloordiv__(self, other: Any) -> Tensor: return update(self, Tensor.__floordiv__, other, "//=")
    def __imod__(self, other: Any) -> Tensor: return update(self, Tensor.__mod__, other, "%=")
    def __ipow__(self, other: Any) -> Tensor: return update(self, Tensor.__pow__, other, "**=")
    def __imatmul__(self, other: Any) -> Tensor: return update(self, Tensor.__matmul__, other, "@=")

    def __eq__(self, other: object) -> Tensor: return _compare(np.equal, self, other)  # type: ignore[override]
    def __ne__(self, other: object) -> Tensor: return _compare(np.not_equal, self, other)  # type: ignore[override]
    def __lt__(self, other: Any) -> Tensor: return _compare(np.less, self, other)
    def __le__(self, other: Any) -> Tensor: return _compare(np.less_equal, self, other)
    def __gt__(self, other: Any) -> Tensor: return _compare(np.greater, self, other)
    def __ge__(self, other: Any) -> Tensor: return _compare(np.greater_equal, self, other)
    def __and__(self, other: Any) -> Tensor: return _compare(np.bitwise_and, self, other)
    def __or__(self, other: Any) -> Tensor: return _compare(np.bitwise_or, self, other)
    def __xor__(self, other: Any) -> Tensor: return _compare(np.bitwise_xor, self, other)
    def __lshift__(self, other: Any) -> Tensor: return _compare(np.left_shift, self, other)
    def __rshift__(self, other: Any) -> Tensor: return _compare(np.right_shift, self, other)
    def __rand__(self, other: Any) -> Tensor: return _compare(np.bitwise_and, other, self)
    def __ror__(self, other: Any) -> Tensor: return _compare(np.bitwise_or, other, self)
    def __rxor__(self, other: Any) -> Tensor: return _compare(np.bitwise_xor, other, self)
    def __rlshift__(self, other: Any) -> Tensor: return _compare(np.left_shift, other, self)
    def __rrshift__(self, other: Any) -> Tensor: return _compare(np.right_shift, other, self)

    # ------------------------------------------------------------------------------------------- methods, as ndarray has them

    def sum(self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Tensor: return reduction.sum(self, axis, dtype, out, keepdims)
    def mean(self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Tensor: return reduction.mean(self, axis, dtype, out, keepdims)
    def prod(self, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Tensor: return reduction.prod(self, axis, dtype, out, keepdims)
    def var(self, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Tensor: return reduction.var(self, axis, dtype, out, ddof, keepdims)
    def std(self, axis: Any = None, dtype: Any = None, out: None = None, ddof: float = 0, keepdims: bool = False) -> Tensor: return reduction.std(self, axis, dtype, out, ddof, keepdims)
    def max(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Tensor: return reduction.max(self, axis, out, keepdims)
    def min(self, axis: Any = None, out: None = None, keepdims: bool = False) -> Tensor: return reduction.min(self, axis, out, keepdims)
    def cumsum(self, axis: Any = None, dtype: Any = None, out: None = None) -> Tensor: return reduction.cumsum(self, axis, dtype, out)
    def cumprod(self, axis: Any = None, dtype: Any = None, out: None = None) -> Tensor: return reduction.cumprod(self, axis, dtype, out)
    def clip(self, min: Any = None, max: Any = None) -> Tensor: return el.clip(self, min, max)
    def round(self, decimals: int = 0) -> Tensor: return el.round(self, decimals)
    def conj(self) -> Tensor: return el.conj(self) if self._data.dtype.kind == "c" else self
    def dot(self, other: Any) -> Tensor: return linear_algebra.dot(self, other)

    def reshape(self, *shape_: Any, order: str = "C") -> Tensor: return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_, order)
    def ravel(self, order: str = "C") -> Tensor: return shape.ravel(self, order)
    def flatten(self, order: str = "C") -> Tensor: return shape.ravel(self, order).clone()
    def transpose(self, *axes: Any) -> Tensor: return shape.transpose(self, None if not axes else axes[0] if len(axes) == 1 else axes)
    def swapaxes(self, axis1: int, axis2: int) -> Tensor: return shape.swapaxes(self, axis1, axis2)
    def squeeze(self, axis: Any = None) -> Tensor: return shape.squeeze(self, axis)
    def repeat(self, repeats: Any, axis: Any = None) -> Tensor: return shape.repeat(self, plain(repeats), axis)
    def take(self, indices: Any, axis: Any = None, mode: str = "raise") -> Tensor: return indexing.take(self, plain(indices), axis, None, mode)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> Tensor: return np.argmax(self, axis, keepdims=keepdims)  # type: ignore[call-overload, no-any-return]
    def argmin(self, axis: Any = None, keepdims: bool = False) -> Tensor: return np.argmin(self, axis, keepdims=keepdims)  # type: ignore[call-overload, no-any-return]
    def argsort(self, axis: Any = -1, kind: Any = None, stable: Any = None) -> Tensor: return np.argsort(self, axis, kind=kind, stable=stable)  # type: ignore[call-overload, no-any-return]
    def any(self, axis: Any = None, keepdims: bool = False) -> Tensor: return np.any(self, axis, keepdims=keepdims)  # type: ignore[call-overload, no-any-return]
    def all(self, axis: Any = None, keepdims: bool = False) -> Tensor: return np.all(self, axis, keepdims=keepdims)  # type: ignore[call-overload, no-any-return]
    def nonzero(self) -> tuple[Tensor, ...]: return np.nonzero(self)  # type: ignore[call-overload, no-any-return]

    # fmt: on
    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return shape.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        if self._data.ndim < 2:
            raise ValueError(f"mT: a matrix has at least two axes, this tensor has shape {self.shape}")
        return shape.swapaxes(self, -1, -2)

    @property
    def real(self) -> Tensor:
        """The real part."""
        return el.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return el.imag(self)


_OPERANDS = (Tensor, *_NUMBERS)


def _compare(ufunc: np.ufunc, x1: Any, x2: Any) -> Any:
    if not isinstance(x1, _OPERANDS) or not isinstance(x2, _OPERANDS):
        return NotImplemented
    a, b = plain(x1), plain(x2)
    try:
        return wrap(ufunc(a, b))
    except Exception as error:
        raise declaration.failed(ufunc.__name__, (x1, x2), error) from None


def _named(tensor: Variable) -> str:
    return f"'{tensor.name}' of shape {tensor._data.shape}" if tensor.name else f"of shape {tensor._data.shape}"


def _warn_once(key: str, text: str) -> None:
    if key not in _warned:
        _warned.add(key)
        warnings.warn(text, UserWarning, stacklevel=4)


def _detach(tensor: Tensor) -> Tensor:
    result: Tensor = wrap(tensor._data)
    adopt_view(result, tensor, _detach_again, "detach")
    return result


def _detach_again(base: Tensor) -> Tensor:
    result: Tensor = wrap(base._data)
    return result


def _rebuild(cls: type[Tensor], data: np.ndarray, requires_grad: bool, name: str | None, grad: Any, extra: dict[str, Any]) -> Tensor:
    made = cls.__new__(cls)
    made._data, made._node, made._memory, made._grad, made.name = data, None, None, grad, name
    if not data.flags.writeable:
        made._data = data.copy()
    if requires_grad:
        made._node = Leaf(made, made._data)
    if extra:
        made.__dict__.update(extra)
    return made


class Handle:
    """What `register_hook` returns; `remove()` takes the hook away."""

    _numbers = itertools.count()

    def __init__(self, node: Node, hook: Callable[[Any], Any]):
        self._node, self._key = node, next(Handle._numbers)
        notes_of(node).hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook away; doing so twice is no error."""
        notes_of(self._node).hooks.pop(self._key, None)


def from_foreign(array: np.ndarray) -> Tensor:
    """Return a Tensor on the memory of `array` itself."""
    made: Tensor = wrap(array)
    made._memory = Memory(foreign=True)
    return made


declaration.bind(Tensor)
