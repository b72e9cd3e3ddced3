"""The four ways to declare an operation, and what calling one does.

1. Formula: `elementwise(np.exp, lambda g, y: g * y)`, or `@operation(np.sum)` over a `def` and then `.rules(...)`.
2. Adjoint pair: a linear operation whose rule calls its partner (`getitem` and `scatter_add`).
3. Fused: `@fused(forward=..., backward=...)` over a readable reference, with fast kernels attached.
4. Composition: `@composition(np.trapezoid)` over a `def` written in other operations.

A rule is a function of the incoming gradient `g`; its further parameter names say what it needs, and only that is kept:
`y` is the output, `x_shape` the shape of argument `x`, any other name the argument of that name. Rules are written in
NumPy, operators and methods, so that they run on arrays and, when the backward pass is recorded, on Tensors.

Knows how calls are bound, recorded and explained when they fail. Knows no mathematics.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from operator import itemgetter
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

from . import graph
from .chain_rule import add_to, propagate
from .graph import Group, Node, Variable, add_group, current_mode, next_number, notes_of, wrap
from .memory import Memory, adopt_constant, adopt_view, kept

if TYPE_CHECKING:
    from .tensor import Tensor

_F = TypeVar("_F", bound=Callable[..., Any])

OPERATIONS: dict[str, Operation] = {}
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}

_new = object.__new__
_Tensor: type[Variable] = Variable


def bind(cls: type[Variable]) -> None:
    """Say which class is the Tensor."""
    global _Tensor
    _Tensor = cls
    graph.bind(cls)


class Function(Protocol):
    """What a declaration makes: a function of Tensors and arrays, which returns a Tensor (several where it has several outputs).

    operation  the declared operation
    either     the same on what is given, for use inside rules: arrays give arrays, Tensors give Tensors
    rules      says the rules, one for each argument up to the last that has a derivative
    """

    operation: Operation
    either: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor: ...

    def rules(self, *rules: Callable[..., Any] | None) -> None: ...


class Operation:
    """One declared operation.

    name        as in NumPy where NumPy has it
    forward     a function of arrays
    arguments   the names of its parameters
    rules       for each argument its rule, None where it has no derivative; None for a joint operation
    needs       for each rule, how many things it needs besides g; with one, a node saves it bare, else a tuple
    saves       the arguments that some rule needs, by position
    picks       for each rule, where its parameters come from: an argument's index, then n for y, then n + 1 + index for shapes
    elementwise whether strong zeros apply
    plain       whether its rules, one for each argument, are all there is to it
    joint       for others: a function (g, node, needs, create_graph) that returns the gradients of all arguments
    special     a way to hand cotangents on that rules cannot say (adding in place), see chain_rule.propagate
    index_only  whether its nodes save no array, so that they need not be consumed, and a drawing can still say which output one is
    """

    def __init__(self, name: str, forward: Callable[..., Any], arguments: Sequence[str], register: bool = True):
        self.name = name
        self.forward = forward
        self.arguments = tuple(arguments)
        self.rules: tuple[Callable[..., Any] | None, ...] | None = ()
        self.picks: tuple[tuple[int, ...], ...] = ()
        self.pickers: tuple[Callable[[Any], Any], ...] = ()
        self.needs: tuple[int, ...] = ()
        self.saves: frozenset[int] = frozenset()
        self.defaults: dict[str, Any] = {}
        self.elementwise = False
        self.sequence = False
        self.view: bool = False
        self.special: Callable[..., bool] | None = None
        self.joint: Callable[..., Any] | None = None
        self.reference: Callable[..., Any] | None = None
        self.shapes = False
        self.plain = False
        self.index_only = False
        if register:
            OPERATIONS[name] = self  # declaring a name again replaces it, as running a notebook cell again should

    def __repr__(self) -> str:
        return f"<operation {self.name}({', '.join(self.arguments)})>"

    def set_rules(self, rules: Sequence[Callable[..., Any] | None]) -> None:
        if len(rules) > len(self.arguments):
            raise TypeError(f"operation '{self.name}' has {len(self.arguments)} arguments but {len(rules)} rules")
        self.picks = tuple(() if rule is None else self._needs(rule, i) for i, rule in enumerate(rules))
        self.pickers = tuple(_picker(pick) for pick in self.picks)
        self.needs = tuple(len(pick) for pick in self.picks)
        self.saves = frozenset(k for pick in self.picks for k in pick if k < len(self.arguments))
        self.shapes = any(k > len(self.arguments) for pick in self.picks for k in pick)
        self.rules = tuple(rules)
        self.plain = not self.sequence and self.special is None
        self.joint = functools.partial(_sequence_gradients, self, rules[0]) if self.sequence else functools.partial(_each, self)
        if self.sequence:
            self.rules = None

    def set_special(self, way: Callable[..., bool]) -> None:
        """Hand cotangents on by `way` where it says (True) that it can, by the rules elsewhere."""
        self.special, self.plain = way, False

    def _needs(self, rule: Callable[..., Any], position: int) -> tuple[int, ...]:
        names = list(inspect.signature(rule).parameters)
        n = len(self.arguments)
        where = f"operation '{self.name}', rule for '{self.arguments[position]}'"
        if not names or names[0] != "g":
            raise TypeError(f"{where}: the first parameter must be g, the incoming gradient; got {names}")
        needs = []
        for name in names[1:]:
            if name in self.arguments:
                needs.append(self.arguments.index(name))
            elif name == "y":
                needs.append(n)
            elif name.endswith("_shape") and name.removesuffix("_shape") in self.arguments:
                needs.append(n + 1 + self.arguments.index(name.removesuffix("_shape")))
            else:
                known = ", ".join(self.arguments)
                raise TypeError(
                    f"{where}: no argument is named '{name}'; a rule may name g, y, an argument ({known}), or <argument>_shape"
                )
        return tuple(needs)

    def argument_of(self, node: Node, parent: Node) -> str:
        """Return the name of the argument that `parent` was, for messages."""
        position = node.parents.index(parent)
        return f"{self.arguments[0]}[{position}]" if self.sequence else self.arguments[position]

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return all arguments in order, as the operation's own `def` would take them."""
        names = self.arguments
        if len(args) > len(names):
            raise TypeError(f"{self.name}() takes at most {len(names)} arguments ({', '.join(names)}), got {len(args)}")
        values = list(args)
        for name in names[len(args) :]:
            if name in kwargs:
                values.append(kwargs.pop(name))
            elif name in self.defaults:
                values.append(self.defaults[name])
            else:
                raise TypeError(f"{self.name}() misses the argument '{name}'")
        if kwargs:
            extra = next(iter(kwargs))
            reason = "got it twice" if extra in names else f"takes {', '.join(names)}"
            raise TypeError(f"{self.name}() got an unexpected argument '{extra}' ({reason}); with a derivative there is no more")
        return tuple(values)

    def as_tensors(self, node: Node) -> tuple[Any, ...]:
        """Return what the rules need as Tensors of the graph, for a recorded backward pass."""
        saved = (node.saved,) if self.sequence else node.saved
        return tuple([self._wrapped(node, pick, arguments) for pick, arguments in zip(self.picks, saved)])

    def _wrapped(self, node: Node, pick: tuple[int, ...], arguments: Any) -> Any:
        n = len(self.arguments)
        values = []
        for k, value in zip(pick, (arguments,) if len(pick) == 1 else arguments or ()):
            if k == n:
                value = outputs_of(node, value)
            elif k < n and self.sequence:
                if k == 0:
                    value = [v if p is None else wrap(v, p) for v, p in zip(value, node.parents)]
            elif k < len(node.parents) and node.parents[k] is not None:
                value = wrap(value, node.parents[k])
            values.append(value)
        return values[0] if len(pick) == 1 else values


def _picker(pick: tuple[int, ...]) -> Callable[[Any], Any]:
    return itemgetter(*pick) if pick else itemgetter(slice(0))


def run_rule(rule: Callable[..., Any], g: Any, needs: int, saved: Any) -> Any:
    """Call a rule with the incoming gradient and what it asked for."""
    return rule(g, saved) if needs == 1 else rule(g, *saved)


def _each(operation: Operation, g: Any, node: Node, needs: tuple[bool, ...], create_graph: bool) -> Any:
    saved = operation.as_tensors(node) if create_graph else node.saved
    assert operation.rules is not None
    return [
        run_rule(rule, g, count, arguments) if need and rule is not None else None
        for rule, count, arguments, need in zip(operation.rules, operation.needs, saved, needs)
    ]


# ----------------------------------------------------------------------------------------------- recording


def new_node(operation: Operation, parents: tuple[Node | None, ...], saved: Any, shape: Any, dtype: Any) -> Node:
    node = Node()
    node.operation = operation
    node.parents = parents
    node.saved = saved
    node.shape = shape
    node.dtype = dtype
    node.number = next_number()
    node.notes = None
    return node


def _pick_output(node: Node, g: Any, pending: Any, owned: Any, needed: Any, create_graph: bool) -> bool:
    index, count = node.saved
    parent = node.parents[0]
    parts = pending.setdefault(parent, [None] * count)
    parts[index] = g if parts[index] is None else parts[index] + g  # a recorded pass reads an output anew
    return True


_OUTPUT = Operation("output", lambda *_: None, ("of",), register=False)
_OUTPUT.set_special(_pick_output)
_OUTPUT.index_only = True


def outputs_of(node: Node, y: Any) -> Any:
    """Return the value(s) `y` of `node` as Tensors of the graph; several for an operation with several outputs."""
    if node.shape is not None:
        return wrap(y, node)
    count = len(y)
    return tuple(
        wrap(part, new_node(_OUTPUT, (node,), (i, count), np.shape(part), part.dtype)) if part.dtype.kind in "fc" else wrap(part)
        for i, part in enumerate(y)
    )


def record(
    operation: Operation, parents: tuple[Node | None, ...], saved: Any, y: Any, trace: Any = None, inputs: Any = (), seconds: float = 0.0
) -> Any:
    """Return the result `y` of `operation` as Tensor(s) with a node."""
    if isinstance(y, (tuple, list)):
        node = new_node(operation, parents, saved, None, None)
    else:
        if y.dtype.kind not in "fc":
            return wrap(y)
        node = new_node(operation, parents, saved, y.shape, y.dtype)
    if trace is not None:
        notes_of(node).record = trace.record(node, y, inputs, seconds)
    return outputs_of(node, y)


def _untracked(y: Any) -> Any:
    return tuple(wrap(part) for part in y) if isinstance(y, (tuple, list)) else wrap(y)


def as_array(value: Any, operation: str = "asarray") -> np.ndarray:
    """Return `value` as an array of numbers, refusing what would fall to object arrays."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{operation}: masked arrays are not supported (the mask would be lost); fill it with .filled(value)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{operation}: {_shorten(value)} is not an array of numbers: {error}") from None
    if array.dtype.kind not in "biufc":
        if array.dtype.kind == "O" and isinstance(value, (list, tuple)) and any(isinstance(v, Variable) for v in value):
            raise TypeError(f"{operation}: got a sequence that holds Tensors; join them with autodiff.stack first")
        raise TypeError(f"{operation}: expected numbers, got {_shorten(value)} (dtype {array.dtype})")
    return array


def as_dtype(dtype: Any, operation: str) -> np.dtype[Any]:
    """Return `dtype` as a dtype of numbers."""
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{operation}: unknown dtype {dtype!r}; expected one of NumPy's, such as float, 'float32' or np.int64") from None
    if wanted.kind not in "biufc":
        raise TypeError(f"{operation}: dtype {wanted} holds no numbers; expected bool, int, float or complex")
    return wanted


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def apply(operation: Operation, args: Sequence[Any]) -> Any:
    """Run `operation` on all its arguments in order; record it where an argument is tracked."""
    mode = current_mode()
    recording = mode is None or mode.recording
    raw: list[Any] = []
    parents: list[Node | None] = []
    tracked = False
    rules = operation.rules or ()
    for i, value in enumerate(args):
        if isinstance(value, _Tensor):
            raw.append(value._data)
            parents.append(value._node)
            if value._node is not None and recording:
                tracked = True
                if i >= len(rules) or rules[i] is None:
                    raise TypeError(
                        f"{operation.name}: no derivative with respect to '{operation.arguments[i]}'; pass it detached (detach())"
                    )
        else:
            if i < len(rules) and rules[i] is not None and not _is_plain(value):
                value = as_array(value, operation.name)
            raw.append(value)
            parents.append(None)
    trace = None if mode is None else mode.trace
    started = 0.0 if trace is None else perf_counter()
    try:
        y = operation.forward(*raw)
    except Exception as error:
        raise failed(operation.name, args, error) from None
    seconds = 0.0 if trace is None else perf_counter() - started
    if not tracked:
        result = _untracked(y)
    else:
        if not isinstance(y, (np.ndarray, tuple, list)):
            y = np.asarray(y)
        for i, value in enumerate(args):
            if isinstance(value, _Tensor) and value._memory is not None and i in operation.saves:
                raw[i] = kept(value)
        environment = (*raw, y, *(getattr(a, "shape", ()) for a in raw)) if operation.shapes else (*raw, y)
        saved = tuple(
            None if parent is None else picker(environment) for parent, picker in zip(parents, operation.pickers)
        )
        result = record(operation, tuple(parents[: len(rules)]), saved, y, trace, args, seconds)
    if operation.view:
        _note_view(operation, result, args, recording)
    return result


def _is_plain(value: Any) -> bool:
    """Return whether `value` may be handed to a forward function as it is; a subclass (masked, matrix) may not."""
    if type(value) is np.ndarray:
        return value.dtype.kind in "biufc"
    return value is None or isinstance(value, (np.number, np.bool_, int, float, complex))


def _note_view(operation: Operation, result: Any, args: Sequence[Any], recording: bool) -> None:
    base, *statics = args
    if not isinstance(base, (_Tensor, np.ndarray)):
        return
    for i, part in enumerate(result if isinstance(result, tuple) else (result,)):
        if not np.may_share_memory(part._data, base if isinstance(base, np.ndarray) else base._data):
            continue
        if isinstance(base, np.ndarray):
            part._memory = Memory(part, foreign=True)
        elif not recording:
            adopt_constant(part, base, f"{operation.name} under no_grad()")
        elif isinstance(result, tuple):
            adopt_view(part, base, operation.name, lambda b, i=i: apply(operation, (b, *statics))[i])  # type: ignore[misc]
        else:
            index = None  # stands for: not by indexing; x[None] and x[(None,)] are the same
            if operation.name == "getitem":
                index = (None,) if statics[0] is None else statics[0]
            adopt_view(part, base, operation.name, lambda b: apply(operation, (b, *statics)), index)


def failed(name: str, args: Sequence[Any], error: Exception) -> Exception:
    """Return `error` in the caller's words: the operation, what it was given, and the cure where one is known."""
    text = str(error)
    given = ", ".join(_given(value) for value in args if isinstance(value, (Variable, np.ndarray, list, tuple)))
    if "could not be broadcast" in text or "shape mismatch" in text:
        shapes = " and ".join(_given(value) for value in args if isinstance(value, (Variable, np.ndarray)))
        text = (
            f"shapes do not broadcast: {shapes}. From the last axis backwards, sizes must be equal or 1; "
            "insert an axis with x[:, None] or reshape one of them"
        )
    elif "matmul" in text and "mismatch" in text:
        shapes = " @ ".join(_given(value) for value in args if isinstance(value, (Variable, np.ndarray)))
        text = f"shapes do not fit: {shapes}. The last axis of the first must be as long as the last but one of the second"
    elif given:
        text = f"{text} (given {given})"
    try:
        return type(error)(f"{name}: {text}")
    except Exception:
        error.add_note(f"{name}: {text}")
        return error


def _given(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__} of {len(value)}" if len(value) > 4 else "[" + ", ".join(_given(v) for v in value) + "]"
    if not isinstance(value, (Variable, np.ndarray)):
        return _shorten(value)
    data = value._data if isinstance(value, Variable) else value
    name = f"'{value.name}' " if isinstance(value, Variable) and value.name else ""
    return f"{name}{data.shape} {data.dtype}"


# ----------------------------------------------------------------------------------------------- 1. formula


def elementwise(ufunc: Callable[..., Any], *rules: Callable[..., Any] | None, name: str | None = None, doc: str | None = None) -> Function:
    """Declare an operation that works element by element: a ufunc, and a rule for each of its one or two arguments.

    The argument is called `x`; two are called `x1` and `x2`. Strong zeros apply to its rules.

    >>> cube = elementwise(lambda x: x * x * x, lambda g, x: 3 * x * x * g, name="cube")
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    Tensor([ 3., 12.], shape=(2,), dtype=float64)
    """
    name = name or ufunc.__name__
    if len(rules) not in (1, 2) or all(rule is None for rule in rules):
        raise TypeError(
            f"operation '{name}': an elementwise operation has a rule for its one argument, or one for each of two; got {len(rules)}"
        )
    operation = Operation(name, ufunc, ("x",) if len(rules) == 1 else ("x1", "x2"))
    operation.elementwise = True
    operation.set_rules(rules)
    call: Any = _unary(operation) if len(rules) == 1 else _binary(operation)
    _dress(call, operation, doc)
    if isinstance(ufunc, np.ufunc):
        UFUNCS[ufunc] = call
    return call  # type: ignore[no-any-return]


# The two functions below are the hot path: what `apply` does, for one or two arguments and without a trace.


def _unary(operation: Operation) -> Callable[..., Any]:
    forward, (picker,) = operation.forward, operation.pickers
    only_x, only_y = operation.picks[0] == (0,), operation.picks[0] == (1,)
    simple = not operation.shapes
    ndarray, asarray = np.ndarray, np.asarray

    def call(x: Any) -> Any:
        if not simple or not (type(x) is _Tensor or isinstance(x, _Tensor)):
            return apply(operation, (x,))
        mode = current_mode()
        node = x._node
        if mode is not None:
            if mode.trace is not None:
                return apply(operation, (x,))
            if not mode.recording:
                node = None
        a = x._data
        try:
            y = forward(a)
        except Exception as error:
            raise failed(operation.name, (x,), error) from None
        if type(y) is not ndarray:
            y = asarray(y)
        result = _new(_Tensor)
        result._data = y
        if node is None:
            result._node = None
        else:
            if x._memory is not None:
                a = kept(x)
            result._node = made = Node()
            made.operation = operation
            made.parents = (node,)
            made.saved = (y,) if only_y else (a,) if only_x else (picker((a, y)),)
            made.shape = y.shape
            made.dtype = y.dtype
            made.number = next_number()
            made.notes = None
        result._memory = result._grad = result.name = None
        return result

    return call


def _binary(operation: Operation) -> Callable[..., Any]:
    forward, (pick1, pick2) = operation.forward, operation.pickers
    # Most rules need the other argument or nothing: that is faster to say than to call. -1 stands for nothing, -2 for several.
    one1, one2 = (pick[0] if len(pick) == 1 else -2 if pick else -1 for pick in operation.picks)
    simple = not operation.shapes and None not in (operation.rules or ())
    ndarray, asarray = np.ndarray, np.asarray

    def call(x1: Any, x2: Any) -> Any:
        mode = current_mode()
        if mode is not None and mode.trace is not None or not simple:
            return apply(operation, (operand(x1, x2, operation.name), operand(x2, x1, operation.name)))
        node1 = node2 = memory1 = memory2 = None
        if type(x1) is _Tensor or isinstance(x1, _Tensor):
            a, node1, memory1 = x1._data, x1._node, x1._memory
        else:
            a = operand(x1, x2, operation.name)
        if type(x2) is _Tensor or isinstance(x2, _Tensor):
            b, node2, memory2 = x2._data, x2._node, x2._memory
        else:
            b = operand(x2, x1, operation.name)
        try:
            y = forward(a, b)
        except Exception as error:
            raise failed(operation.name, (x1, x2), error) from None
        if type(y) is not ndarray:
            y = asarray(y)
        result = _new(_Tensor)
        result._data = y
        if (node1 is None and node2 is None) or (mode is not None and not mode.recording):
            result._node = None
        else:
            if memory1 is not None:
                a = kept(x1)
            if memory2 is not None:
                b = kept(x2)
            result._node = made = Node()
            made.operation = operation
            made.parents = (node1, node2)
            made.saved = (
                None if node1 is None else b if one1 == 1 else () if one1 == -1 else pick1((a, b, y)),
                None if node2 is None else a if one2 == 0 else () if one2 == -1 else pick2((a, b, y)),
            )
            made.shape = y.shape
            made.dtype = y.dtype
            made.number = next_number()
            made.notes = None
        result._memory = result._grad = result.name = None
        return result

    return call


_constants: dict[str, dict[float, np.ndarray]] = {"f": {}, "d": {}}  # the 0-d arrays of recent Python floats, by dtype


def operand(value: Any, other: Any, name: str) -> Any:
    """Return the operand beside `other` as an array; a Python number stays weak, as NumPy has it.

    A float beside a floating array becomes a 0-d array of its dtype at once: the same result, computed faster, and
    faster again in the backward pass.
    """
    kind = type(value)
    if kind is float:
        if not isinstance(other, _Tensor):
            return value
        dtype = other._data.dtype
        constants = _constants.get(dtype.char)
        if constants is None:
            return value
        array = constants.get(value)
        if array is None:
            array = np.array(value, dtype)
            array.flags.writeable = False
            if value != 0:  # 0.0 and -0.0 are one key
                if len(constants) >= 256:
                    constants.clear()
                constants[value] = array
        return array
    if kind is np.ndarray:
        if value.dtype.kind in "biufc":
            return value
    elif kind is int or kind is bool or kind is complex or isinstance(value, (np.generic, _Tensor)):
        return value
    return as_array(value, name)


def _dress(call: Any, operation: Operation, doc: str | None = None) -> None:
    call.operation = operation
    call.__name__ = call.__qualname__ = operation.name
    if doc:
        call.__doc__ = doc
    elif call.__doc__ is None:
        call.__doc__ = f"Return `np.{operation.name}` of the arguments, recorded."

    def either(*args: Any) -> Any:
        """Run on what is given: arrays give arrays, Tensors give Tensors. For use inside rules."""
        for value in args:
            if isinstance(value, Variable) or (operation.sequence and value is args[0] and any(isinstance(v, Variable) for v in value)):
                return call(*args)
        return operation.forward(*args)

    call.either = either


def operation(
    *numpy_functions: Callable[..., Any], view: bool = False, sequence: bool = False, name: str | None = None
) -> Callable[[Callable[..., Any]], Function]:
    """Declare an operation over a `def` that computes it on arrays; then give its rules with `.rules(...)`.

    numpy_functions  the NumPy functions that shall dispatch to it
    view             whether its result may share memory with its first argument
    sequence         whether its first parameter is a sequence of arrays; it then has one rule, which returns one gradient each
    name             the name, where it is not that of the `def`

    >>> @operation()
    ... def scale(x, factor=2.0):
    ...     return x * factor
    >>> scale.rules(lambda g, factor: g * factor)
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> scale(x, factor=3.0).sum().backward()
    >>> x.grad
    Tensor([3., 3.], shape=(2,), dtype=float64)
    """

    def declare(function: Callable[..., Any]) -> Function:
        parameters = inspect.signature(function).parameters.values()
        names = [p.name for p in parameters]
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                raise TypeError(
                    f"operation '{function.__name__}': '{p.name}' stands for any number of arguments; name each, or take a sequence"
                )
        keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        forward = function
        if keywords:

            def forward(*values: Any) -> Any:
                split = len(names) - len(keywords)
                return function(*values[:split], **dict(zip(keywords, values[split:])))

        for reserved in ("g", "y"):
            if reserved in names:
                raise TypeError(f"operation '{function.__name__}': '{reserved}' is reserved for rules; give the argument another name")
        made = Operation(name or function.__name__, forward, names)
        made.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        made.view = view
        made.sequence = sequence
        count = len(names)
        run = _apply_sequence if sequence else apply

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) != count:
                args = made.bind(args, kwargs)
            return run(made, args)

        _dress(call, made)
        call.rules = lambda *rules: made.set_rules(rules)  # type: ignore[attr-defined]
        for numpy_function in numpy_functions:
            (UFUNCS if isinstance(numpy_function, np.ufunc) else FUNCTIONS)[numpy_function] = call  # type: ignore[index]
        return cast(Function, call)

    return declare


def _apply_sequence(operation: Operation, args: Sequence[Any]) -> Any:
    mode = current_mode()
    arrays, *statics = args
    if not isinstance(arrays, (list, tuple)):
        arrays = list(arrays)  # an array of arrays, or something that can be walked only once
    raw = [
        value._data if isinstance(value, _Tensor) else value if _is_plain(value) else as_array(value, operation.name) for value in arrays
    ]
    parents = tuple(value._node if isinstance(value, _Tensor) else None for value in arrays)
    trace = None if mode is None else mode.trace
    started = 0.0 if trace is None else perf_counter()
    try:
        y = operation.forward(raw, *statics)
    except Exception as error:
        raise failed(operation.name, arrays, error) from None
    seconds = 0.0 if trace is None else perf_counter() - started
    if all(node is None for node in parents) or not (mode is None or mode.recording):
        return _untracked(y)
    if not isinstance(y, (np.ndarray, tuple, list)):
        y = np.asarray(y)
    raw = [kept(value) if isinstance(value, _Tensor) and value._memory is not None else a for value, a in zip(arrays, raw)]
    shapes = ([np.shape(a) for a in raw], *(None for _ in statics)) if operation.shapes else ()
    saved = operation.pickers[0]((raw, *statics, y, *shapes))
    return record(operation, parents, saved, y, trace, arrays, seconds)


def _sequence_gradients(operation: Operation, rule: Any, g: Any, node: Node, needs: tuple[bool, ...], create_graph: bool) -> Any:
    found = run_rule(rule, g, operation.needs[0], operation.as_tensors(node)[0] if create_graph else node.saved)
    if len(found) != len(node.parents):
        raise TypeError(
            f"the rule of operation '{operation.name}' returned {len(found)} gradients, expected {len(node.parents)}, one for each array"
        )
    return found


# ----------------------------------------------------------------------------------------------- 3. fused


def fused(
    forward: Callable[..., Any], backward: Callable[..., Any], name: str | None = None
) -> Callable[[Callable[..., Any]], Function]:
    """Declare an operation by a readable reference, with fast kernels attached.

    forward   a function of the same arguments as arrays, returning the output and whatever `backward` needs
    backward  a function `(g, kept, needs)` of the incoming gradient, what `forward` kept, and for each argument whether its
              gradient is needed; returns the gradients in order, None where not needed. It must not write to what it gets.

    First order runs the kernels; a recorded backward pass differentiates the reference. It must be a pure function.

    >>> @fused(forward=lambda x: (np.tanh(x), np.tanh(x)), backward=lambda g, kept, needs: (g * (1 - kept * kept),))
    ... def squash(x):
    ...     return np.sinh(x) / np.cosh(x)
    >>> x = Tensor(0.5, requires_grad=True)
    >>> squash(x).backward()
    >>> round(float(x.grad), 4)
    0.7864
    """

    def declare(reference: Callable[..., Any]) -> Function:
        parameters = inspect.signature(reference).parameters.values()
        made = Operation(name or reference.__name__, forward, [p.name for p in parameters])
        made.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        made.rules = None
        made.reference = reference
        made.joint = functools.partial(_fused_gradients, made, backward)
        count = len(made.arguments)

        @functools.wraps(reference)
        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs or len(args) != count:
                args = made.bind(args, kwargs)
            return _apply_fused(made, args)

        _dress(call, made)
        call.reference = reference  # type: ignore[attr-defined]
        return cast(Function, call)

    return declare


def _apply_fused(operation: Operation, args: Sequence[Any]) -> Any:
    mode = current_mode()
    raw = [(value._data if value._memory is None else kept(value)) if isinstance(value, _Tensor) else value for value in args]
    parents = tuple([value._node if isinstance(value, _Tensor) else None for value in args])
    trace = None if mode is None else mode.trace
    started = 0.0 if trace is None else perf_counter()
    try:
        y, context = operation.forward(*raw)
    except Exception as error:
        raise failed(operation.name, args, error) from None
    seconds = 0.0 if trace is None else perf_counter() - started
    if not any(parents) or not (mode is None or mode.recording):
        return _untracked(y)
    if not isinstance(y, (np.ndarray, tuple, list)):
        y = np.asarray(y)
    return record(operation, parents, (raw, context), y, trace, args, seconds)


def _fused_gradients(operation: Operation, backward: Any, g: Any, node: Node, needs: tuple[bool, ...], create_graph: bool) -> Any:
    raw, context = node.saved
    if not create_graph:
        found = backward(g, context, needs)
        if not isinstance(found, (tuple, list)) or any(needs[len(found) :]):
            got = f"{len(found)} of them" if isinstance(found, (tuple, list)) else type(found).__name__
            raise TypeError(
                f"the backward kernel of operation '{operation.name}' returned {got}; expected a tuple of gradients, one for "
                f"each of the arguments ({', '.join(operation.arguments)}) up to the last tracked one"
            )
        return found
    # A recorded pass differentiates the reference, from fresh stand-ins for the tracked arguments: the walk ends at them.
    # They are joined to the arguments afterwards, so that it need not look at the graph beyond.
    stand_ins = [
        value if parent is None else wrap(value, new_node(_STAND_IN, (), ((),), value.shape, value.dtype))
        for value, parent in zip(raw, node.parents)
    ]
    assert operation.reference is not None
    y = operation.reference(*stand_ins)
    outputs = y if isinstance(y, (tuple, list)) else (y,)
    cotangents = g if isinstance(y, (tuple, list)) else (g,)
    seeds: dict[Node, Any] = {}
    for output, cotangent in zip(outputs, cotangents):
        if cotangent is not None and output._node is not None:
            add_to(seeds, set(), output._node, cotangent)
    nodes = [value._node if need else None for value, need in zip(stand_ins, needs)]
    arrived = propagate(seeds, [node for node in nodes if node is not None], retain_graph=True, create_graph=True)
    for value, parent in zip(stand_ins, node.parents):
        if parent is not None:
            value._node.parents = (parent,)
    return [None if node is None else arrived.get(node) for node in nodes]


_STAND_IN = Operation("argument", lambda x: x, ("x",), register=False)
_STAND_IN.set_rules((lambda g: g,))


# ----------------------------------------------------------------------------------------------- 4. composition


def composition(*numpy_functions: Callable[..., Any]) -> Callable[[_F], _F]:
    """Declare a function that is written in other operations: it needs no rule, and a drawing shows it as one group.

    numpy_functions  the NumPy functions that shall dispatch to it

    >>> @composition()
    ... def mean_square(x):
    ...     return (x * x).mean()
    >>> x = Tensor([1.0, 3.0], requires_grad=True)
    >>> mean_square(x).backward()
    >>> x.grad
    Tensor([1., 3.], shape=(2,), dtype=float64)
    """

    def declare(function: _F) -> _F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            first = next_number()
            result = function(*args, **kwargs)
            for part in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(part, _Tensor) and part._node is not None and part._node.number > first:
                    add_group(part._node, Group(function.__name__, function.__name__, "composition", first, next_number()))
            return result

        for numpy_function in numpy_functions:
            FUNCTIONS[numpy_function] = call
        return cast(_F, call)

    return declare


def untracked(*numpy_functions: Callable[..., Any]) -> Callable[..., Tensor]:
    """Declare NumPy functions that only look: they get plain arrays and return untracked results.

    Returns the last of them, as a function that always returns Tensors.
    """
    for function in numpy_functions:

        @functools.wraps(function)
        def call(*args: Any, function: Any = function, **kwargs: Any) -> Any:
            return looked_at(function, args, kwargs)

        (UFUNCS if isinstance(function, np.ufunc) else FUNCTIONS)[function] = call  # type: ignore[index]
    return call


def looked_at(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what `function` makes of the arrays of `args`, untracked and with memory of its own."""
    sources: list[np.ndarray] = []
    raw, options = _read_only(args, sources), {key: _read_only(value, sources) for key, value in kwargs.items()}
    return as_untracked(function(*raw, **options), sources)


def _read_only(value: Any, sources: list[np.ndarray]) -> Any:
    """Return `value` with every Tensor in it as a read-only array; the arrays found are added to `sources`."""
    if isinstance(value, Variable):
        value = value._data.view()
        value.flags.writeable = False
    if isinstance(value, np.ndarray):
        sources.append(value)
    elif type(value) in (list, tuple):
        return type(value)(_read_only(part, sources) for part in value)
    return value


def plain(value: Any) -> Any:
    """Return `value` with every Tensor in it, in lists and tuples too, as its array."""
    if isinstance(value, Variable):
        return value._data
    if type(value) in (list, tuple):
        return type(value)(plain(v) for v in value)
    return value


def as_untracked(value: Any, sources: Sequence[np.ndarray] = ()) -> Any:
    """Return `value` with every array of numbers in it as an untracked Tensor, copied where it shares memory with `sources`."""
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind not in "biufc":
            return value
        return wrap(value.copy() if any(np.may_share_memory(value, source) for source in sources) else value)
    if isinstance(value, tuple):
        parts = [as_untracked(v, sources) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [as_untracked(v, sources) for v in value]
    return value
