"""The recorded graph: what a node and a variable keep, and the switch that turns recording on and off.

Knows nothing of how operations are declared, of derivatives, or of what a `Tensor` can do.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

import numpy as np

next_number: Callable[[], int] = itertools.count(1).__next__


class Variable:
    """The state of a Tensor, as the engine sees it.

    _data    the array, always an ndarray
    _node    the node that recorded it, or its leaf; None while it is not tracked
    _memory  who else shares its memory (see memory.py); None for nearly all
    _grad    the accumulated gradient of a leaf
    name     for messages and drawings
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_memory", "_node", "name")

    _data: np.ndarray
    _node: Node | None
    _memory: Any
    _grad: Any
    name: str | None


_new = object.__new__
_variable_class: type[Variable] = Variable


def bind(cls: type[Variable]) -> None:
    """Say which class the engine makes for its results."""
    global _variable_class
    _variable_class = cls


def wrap(data: Any, node: Node | None = None) -> Any:
    """Return a new Tensor that holds `data` itself (no copy) and belongs to `node`."""
    tensor = _new(_variable_class)
    tensor._data = data if isinstance(data, np.ndarray) else np.asarray(data)
    tensor._node = node
    tensor._memory = tensor._grad = tensor.name = None
    return tensor


class Node:
    """One recorded operation: what the chain rule, a drawing or an explanation needs to know about it.

    A node never refers to the Tensor it belongs to (that would be a cycle, and graphs die with their last reference).
    Numbers rise in order of creation, so descending numbers are an order in which the chain rule can walk.

    operation  the declared operation; None for a leaf
    parents    the node of each argument, None where an argument is not tracked
    saved      for each argument, what its rule needs; None once the node has been consumed
    shape      of the output; None where the operation has several
    dtype      of the output
    number     running number
    notes      hooks, groups and the record of `autodiff.trace()`; None for most nodes
    """

    __slots__ = ("__weakref__", "dtype", "notes", "number", "operation", "parents", "saved", "shape")

    operation: Any
    parents: tuple[Node | None, ...]
    saved: Any
    shape: Any
    dtype: Any
    number: int
    notes: Notes | None

    def __repr__(self) -> str:
        return f"<{label(self)} #{self.number} shape={self.shape}>"


class Leaf(Node):
    """The node of a Tensor that asks for a gradient; it knows its Tensor weakly, so that no graph keeps a leaf alive.

    tensor  a weak reference to it
    kind    its class: what a drawing says of it when it is gone
    """

    __slots__ = ("kind", "tensor")

    tensor: weakref.ref[Any]

    def __init__(self, tensor: Any, data: np.ndarray):
        self.operation = None
        self.parents = ()
        self.saved = ()
        self.shape = data.shape
        self.dtype = data.dtype
        self.number = next_number()
        self.notes = None
        self.tensor = weakref.ref(tensor)
        self.kind = type(tensor)


class Notes:
    """What only some nodes carry.

    hooks     functions of the accumulated gradient, in the order of their registration
    retained  the Tensor (weakly) that asked to keep its gradient
    record    what `autodiff.trace()` saw, else None
    groups    the module calls and compositions whose result this node is, innermost first
    """

    __slots__ = ("groups", "hooks", "record", "retained")

    def __init__(self) -> None:
        self.hooks: dict[Any, Callable[[Any], Any]] = {}
        self.retained: weakref.ref[Any] | None = None
        self.record: Any = None
        self.groups: tuple[Group, ...] = ()


class Group:
    """A named interval of running numbers: the operations recorded inside one module call or composition."""

    __slots__ = ("first", "kind", "last", "name", "title")

    def __init__(self, name: str, title: str, kind: str, first: int, last: int):
        self.name, self.title, self.kind, self.first, self.last = name, title, kind, first, last

    def __repr__(self) -> str:
        return f"Group({self.name!r}, {self.title!r}, {self.first}..{self.last})"


def notes_of(node: Node) -> Notes:
    """Return the notes of `node`, made on first use."""
    if node.notes is None:
        node.notes = Notes()
    return node.notes


def keeps_its_gradient(tensor: Variable) -> bool:
    """Return whether the backward pass itself stores the gradient of `tensor`, a result, because `retain_grad` asked for it."""
    notes = None if tensor._node is None else tensor._node.notes
    return notes is not None and notes.retained is not None and notes.retained() is tensor


def rebind(tensor: Variable, node: Node | None) -> None:
    """Make `node` the node of `tensor`, whose memory was written; what `retain_grad` asked for moves along."""
    if node is not None and keeps_its_gradient(tensor):
        before = tensor._node
        assert before is not None
        notes_of(node).retained, notes_of(before).retained = notes_of(before).retained, None
    tensor._node = node


def add_group(node: Node, group: Group) -> None:
    """Say that `node` is the result of `group` (whose operations have the numbers from first to last)."""
    notes = notes_of(node)
    notes.groups = (*notes.groups, group)


def innermost(nodes: Iterable[Node], node: Node, kind: str = "module") -> Group | None:
    """Return the innermost group of `kind` that `node` was made in, of those that `nodes` know of."""
    found: Group | None = None
    for one in nodes:
        for group in one.notes.groups if one.notes is not None else ():
            inside = group.first <= node.number <= group.last and group.kind == kind
            if inside and (found is None or group.first >= found.first):
                found = group
    return found


def label(node: Node) -> str:
    """Return what to call `node` in a message: the operation's name, or the leaf's own."""
    if isinstance(node, Leaf):
        tensor = node.tensor()
        return (tensor.name if tensor is not None and tensor.name else "") or "leaf"
    return str(node.operation.name)


# ---------------------------------------------------------------------------------------------- the recording switch


class Mode:
    """Whether operations are recorded, and the trace that listens, if any. The usual case is written None."""

    __slots__ = ("recording", "trace")

    def __init__(self, recording: bool, trace: Any):
        self.recording, self.trace = recording, trace


# Context variables, so that threads and async tasks each have their own.
_mode: contextvars.ContextVar[Mode | None] = contextvars.ContextVar("autodiff_mode", default=None)
current_mode = _mode.get
# The switches entered here and not yet left, innermost first: (switch, the mode before it, the rest).
_Entered = tuple["_Switch", Mode | None, Any]
_entered: contextvars.ContextVar[_Entered | None] = contextvars.ContextVar("autodiff_entered", default=None)


def set_mode(recording: bool, trace: Any) -> None:
    _mode.set(None if recording and trace is None else Mode(recording, trace))


def is_grad_enabled() -> bool:
    """Return whether operations on tracked tensors are recorded here and now.

    >>> with no_grad():
    ...     is_grad_enabled()
    False
    """
    mode = current_mode()
    return mode is None or mode.recording


_F = TypeVar("_F", bound=Callable[..., Any])


class _Switch:
    """A context manager that is also a decorator, for plain functions, generators and coroutines."""

    recording = True

    def _new(self) -> _Switch:
        return type(self)()

    def __enter__(self) -> None:
        self._enter(current_mode())

    def _enter(self, before: Mode | None) -> None:
        _entered.set((self, before, _entered.get()))
        set_mode(*self._inside(before))

    def _inside(self, before: Mode | None) -> tuple[bool, Any]:
        """Return whether operations inside are recorded, and the trace that listens."""
        return self.recording, None if before is None else before.trace

    def __exit__(self, *exception: object) -> None:
        entered = _entered.get()
        if entered is not None and entered[0] is self:
            _mode.set(entered[1])
            _entered.set(entered[2])
        else:
            _entered.set(left_out(self, entered))

    def __call__(self, function: _F) -> _F:
        wrapper: Callable[..., Any]
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                with self._new():
                    return await function(*args, **kwargs)

            wrapper = coroutine
        elif inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def async_generator(*args: Any, **kwargs: Any) -> Any:
                inner = function(*args, **kwargs)
                advance: Callable[[], Any] = inner.__anext__
                try:
                    while True:
                        with self._new():
                            try:
                                value = await advance()
                            except StopAsyncIteration:
                                return
                        try:
                            sent = yield value
                            advance = functools.partial(inner.asend, sent)
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            advance = functools.partial(inner.athrow, error)
                finally:
                    with self._new():
                        await inner.aclose()

            wrapper = async_generator
        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                # The switch holds while the body runs, not while the caller works between two yields.
                inner = function(*args, **kwargs)
                advance: Callable[[], Any] = functools.partial(next, inner)
                while True:
                    try:
                        with self._new():
                            value = advance()
                    except StopIteration as stop:
                        return stop.value
                    try:
                        sent = yield value
                        advance = functools.partial(inner.send, sent)
                    except GeneratorExit:
                        with self._new():
                            inner.close()
                        raise
                    except BaseException as error:
                        advance = functools.partial(inner.throw, error)

            wrapper = generator
        else:

            @functools.wraps(function)
            def plain(*args: Any, **kwargs: Any) -> Any:
                with self._new():
                    return function(*args, **kwargs)

            wrapper = plain
        return cast(_F, wrapper)


def left_out(switch: _Switch, entered: _Entered | None) -> Any:
    """Return `entered` less `switch`, which is left out of turn (a generator closed late, or in another context).

    The switches entered after it stay in force; the next of them restores the mode that was before `switch`.
    """
    if entered is None:
        return None
    inner, before, rest = entered
    if rest is not None and rest[0] is switch:
        return inner, rest[1], rest[2]
    return inner, before, left_out(switch, rest)


class no_grad(_Switch):
    """Context manager and decorator: operations inside are not recorded.

    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    recording = False


class enable_grad(_Switch):
    """Context manager and decorator: operations inside are recorded, also within `no_grad`.

    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    recording = True


class set_grad_enabled(_Switch):
    """Turn recording on or off at once; as a context manager, until its end; as a decorator, during calls.

    mode  whether to record

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    """

    def __init__(self, mode: bool):
        self.recording = bool(mode)
        self._outside = current_mode()
        set_mode(self.recording, None if self._outside is None else self._outside.trace)

    def _new(self) -> _Switch:
        return enable_grad() if self.recording else no_grad()

    def __enter__(self) -> None:
        self._enter(self._outside)

    def __call__(self, function: _F) -> _F:
        _mode.set(self._outside)
        return super().__call__(function)


@contextlib.contextmanager
def listening(trace: Any) -> Iterator[Any]:
    """Let `trace` hear of every operation recorded inside."""
    before = current_mode()
    set_mode(before is None or before.recording, trace)
    try:
        yield trace
    finally:
        _mode.set(before)
