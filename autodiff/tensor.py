"""`Tensor`: an array that remembers how it was made, and the ways into the graph and out of it.

Knows Python's and NumPy's protocols. Knows no derivative; operators and ndarray's methods are in operators.py.
"""

from __future__ import annotations

import copy as copying
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import numpy as np

from . import declaration, dispatch, operators
from .arguments import as_array, as_dtype, plain
from .border import accumulate, deposit, implicit_seed, inward, outward
from .chain_rule import propagate
from .graph import Leaf, Variable, keeps_its_gradient, label, notes_of, wrap
from .memory import Memory, View, adopt_constant, kept, separate
from .operators import Operators
from .ops import elementwise as el
from .ops import indexing
from .writing import assign

if TYPE_CHECKING:
    import numpy.typing as npt



class Tensor(Operators):
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

    def __init__(self, data: Any, dtype: npt.DTypeLike | None = None, requires_grad: bool = False, name: str | None = None):
        if isinstance(data, Variable) and data._node is not None:
            raise TypeError(
                f"Tensor: the data is a tracked Tensor {_named(data)}, whose gradient would be lost; clone() stays in the graph, "
                "detach() leaves it"
            )
        if isinstance(data, (list, tuple)) and dispatch.is_tracked(data):
            raise TypeError("Tensor: the data holds tracked Tensors, whose gradient would be lost; join them with autodiff.stack")
        wanted = None if dtype is None else as_dtype(dtype, "Tensor")
        self._data = np.array(as_array(plain(data), "Tensor"), dtype=wanted, order="C")
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
        if self._grad is None and not self.is_leaf and not keeps_its_gradient(self):
            warnings.warn(
                f"reading .grad of a tensor {_named(self)} that is no leaf: the backward pass does not keep it. Call retain_grad() "
                "on it before backward(), or read the gradient of the leaf",
                UserWarning,
                stacklevel=2,
            )
        return self._grad  # type: ignore[no-any-return]

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor) or value._node is None:
                value = Tensor(value, dtype=self._data.dtype)  # memory of its own
            if value.shape != self.shape:
                raise ValueError(f"grad: expected shape {self.shape}, that of the tensor, got {value.shape}")
        self._grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for a gradient, or no longer (which forgets its hooks); return the tensor. Floating and complex leaves only."""
        if not requires_grad:
            if not self.is_leaf:
                raise RuntimeError("requires_grad_(False): the tensor is the result of recorded operations; use detach()")
            self._node = None
        elif self._node is None:
            if self._data.dtype.kind not in "fc":
                called = f" '{self.name}'" if self.name else ""
                raise TypeError(
                    f"requires_grad: the tensor{called} has dtype {self._data.dtype}; only floating and complex numbers have a "
                    "gradient. Make it Tensor(data, dtype=float)"
                )
            if isinstance(self._memory, View):  # a leaf has memory of its own
                separate(self)
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
            cure = "reduce it first (loss.sum() or loss.mean()), or give the incoming gradient of that shape: backward(gradient)"
            seed: Any = implicit_seed(self, "backward", cure)
            seed = wrap(seed) if create_graph else seed
        else:
            seed = inward(gradient, self, "backward", create_graph)
        retain = create_graph if retain_graph is None else retain_graph
        if inputs is None:
            accumulate(propagate({node: seed}, None, retain, create_graph), create_graph)
            return
        wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        wanted = list({id(tensor): tensor for tensor in wanted}.values())  # one named twice still gets its gradient once
        for tensor in wanted:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"backward: inputs= must be a Tensor or several, got {type(tensor).__name__}")
            if tensor._node is None:
                raise RuntimeError(f"backward: an input of inputs= {_named(tensor)} does not require grad")
        arrived = propagate({node: seed}, [t._node for t in wanted if t._node is not None], retain, create_graph)
        for tensor in wanted:
            if tensor._node in arrived and not keeps_its_gradient(tensor):
                deposit(tensor, outward(arrived[tensor._node]), create_graph, shared=True)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor, although it is no leaf, at the next backward passes."""
        if self._node is None:
            raise RuntimeError("retain_grad: the tensor is not tracked, so it will never have a gradient")
        if not isinstance(self._node, Leaf):
            notes_of(self._node).retained = weakref.ref(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call `hook` with the accumulated gradient in each backward pass; what it returns, if anything, replaces it.

        Returns a handle whose `remove()` takes the hook away.
        """
        if self._node is None:
            raise RuntimeError("register_hook: the tensor is not tracked, so no gradient will arrive")
        if not callable(hook):
            raise TypeError(f"register_hook: expected a function of the gradient, got {type(hook).__name__}")
        return Handle(notes_of(self._node).hooks, hook)

    # ------------------------------------------------------------------------------------------- leaving the graph

    def numpy(self) -> np.ndarray:
        """Return the value as a read-only array; also of a tracked tensor.

        It is a view where that is safe: of a tensor that was written by item assignment it is a copy, so that nobody sees the
        next write who did not ask for it.
        """
        view = kept(self).view()
        view.flags.writeable = False
        return view

    def detach(self) -> Tensor:
        """Return an untracked tensor on the same memory."""
        result: Tensor = wrap(self._data)
        adopt_constant(result, self, "detach")
        return result

    def item(self, *args: Any) -> Any:
        """Return the only element (or the one at the given position) as a Python number."""
        try:
            return self._data.item(*args)
        except ValueError:
            raise ValueError(
                f"item: the tensor has shape {self.shape}, not a single element; give its position or reduce it first"
            ) from None

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._node is not None:
            raise TypeError(
                f"a tracked Tensor {_named(self)} would leave the graph here, and its gradient be lost: use numpy() or detach() "
                "for the value, or autodiff.stack([...]) to join Tensors into one"
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

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
            # Python shows it once for each line that does it, not once a process: another accident is another warning.
            warnings.warn(
                f"{what}() of a tracked Tensor {_named(self)} leaves the graph, and its gradient is lost. math.sin(t) and "
                "array[0] = t call it unseen: use np.sin(t), autodiff.stack([...]) or a Tensor in place of the array; item() where "
                "the number is meant, numpy() or detach() for a library that plots or counts",
                UserWarning,
                stacklevel=3,
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
        wanted = as_dtype(dtype, "astype")
        return self if not copy and wanted == self.dtype else el.astype(self, wanted)

    def __copy__(self) -> Tensor:
        self._refuse_non_leaf("copy.copy")
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        self._refuse_non_leaf("copy.deepcopy")
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made._data, made._node, made._memory, made.name = self._data.copy(), None, None, self.name
        made._grad = None
        if self._node is not None:
            made._node = Leaf(made, made._data)
        made._grad = copying.deepcopy(self._constant_grad(), memo)
        for key, value in getattr(self, "__dict__", {}).items():
            made.__dict__[key] = copying.deepcopy(value, memo)
        return made

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        self._refuse_non_leaf("pickle")
        extra = dict(getattr(self, "__dict__", {}))
        grad = self._constant_grad()
        return _rebuild, (type(self), self._data.copy(order="C"), self.requires_grad, self.name, grad, extra)

    def _constant_grad(self) -> Any:
        """Return the gradient without the graph that `create_graph` gave it: a copy of a model drags none along."""
        return self._grad if self._grad is None or self._grad._node is None else wrap(self._grad._data)

    def _refuse_non_leaf(self, what: str) -> None:
        if self._node is not None and not isinstance(self._node, Leaf):
            raise RuntimeError(
                f"{what}: the tensor {_named(self)} is the result of '{label(self._node)}' and belongs to a graph, which cannot be "
                "copied. Where only its value is meant, as by a library that plots it, give numpy() or detach() of it; clone() is "
                "a copy within the graph"
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
        return indexing.getitem(self, _as_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        assign(self, _as_index(index), value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("deletion of elements is not possible; take those that shall stay, as in x[mask]")


def _as_index(index: Any) -> Any:
    """Return `index` as the graph may keep it: without Tensors, and with arrays in place of lists."""
    if type(index) is tuple:
        return tuple([_as_index(part) for part in index])
    if isinstance(index, Variable):
        if index._data.dtype.kind not in "biu":
            raise IndexError(
                f"indexing: a Tensor used as an index must hold integers or booleans, the one {_named(index)} has dtype "
                f"{index._data.dtype}"
            )
        return kept(index) if index._data.ndim else index._data[()]
    if isinstance(index, list):
        array = as_array(index, "indexing")
        return array if array.size else array.astype(np.intp)
    return index


def _named(tensor: Variable) -> str:
    return f"'{tensor.name}' of shape {tensor._data.shape}" if tensor.name else f"of shape {tensor._data.shape}"


def _rebuild(
    cls: type[Tensor], data: np.ndarray, requires_grad: bool, name: str | None, grad: Any, extra: dict[str, Any]
) -> Tensor:
    if type(data) is not np.ndarray or not data.flags.writeable:  # joblib hands its workers read-only maps of files
        data = np.array(data, order="C")
    made = cls.__new__(cls)
    made._data, made._node, made._memory, made._grad, made.name = data, None, None, grad, name
    if requires_grad:
        made._node = Leaf(made, made._data)
    if extra:
        made.__dict__.update(extra)
    return made


class Handle:
    """What registering a hook returns; `remove()`, or the end of a `with` block, takes the hook away.

    table    where the hooks are, by key, in the order in which they are called
    hook     the new one
    prepend  whether it comes first
    """

    __slots__ = ("_key", "_table")

    def __init__(self, table: dict[Any, Any], hook: Any, prepend: bool = False):
        self._table, self._key = table, object()  # an object stays unique when hooks are copied or pickled; a number would not
        others = dict(table) if prepend else {}
        if prepend:
            table.clear()
        table[self._key] = hook
        table.update(others)

    def remove(self) -> None:
        """Take the hook away; doing so twice is no error."""
        self._table.pop(self._key, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def from_foreign(array: np.ndarray) -> Tensor:
    """Return a Tensor on the memory of `array` itself."""
    made: Tensor = wrap(array)
    made._memory = Memory(made, foreign=True)
    return made


declaration.bind(Tensor)
operators.bind(Tensor)
