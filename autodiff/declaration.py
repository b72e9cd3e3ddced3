"""The four ways to declare an operation, and what calling one does.

1. Formula: `elementwise(np.exp, lambda g, y: g * y)`, or `@operation(np.sum)` over a `def` and then `.rules(...)`.
2. Adjoint pair: a linear operation whose rule calls its partner (`getitem` and `scatter_add`).
3. Fused: `@fused(forward=..., backward=...)` over a readable reference, with fast kernels attached.
4. Composition: `@composition(np.trapezoid)` over a `def` written in other operations.

A rule is a function of the incoming gradient `g`; its further parameter names say what it needs, and only that is kept:
`y` is the output, `x_shape` the shape of argument `x`, any other name the argument of that name. Rules are written in
NumPy, operators and methods, so that they run on arrays and, when the backward pass is recorded, on Tensors. A rule
never writes into what it gets: `g` may be the gradient of others too.

Knows the syntax of each, and the two functions on the hot path. Knows no mathematics.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np

from . import graph
from .arguments import as_untracked, failed, operand, operand_of_operator, read_only
from .chain_rule import add_to, propagate
from .graph import Group, Node, Variable, add_group, current_mode, next_number, wrap
from .memory import apart, kept
from .recording import FUNCTIONS, UFUNCS, Operation, apply, apply_sequence, heard, new_node, record, untracked_result

if TYPE_CHECKING:
    from .tensor import Tensor

_F = TypeVar("_F", bound=Callable[..., Any])

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
    operator   of an elementwise operation with two arguments: what Python's operator calls; lets foreign types have their turn
    reflected  the same with its arguments exchanged
    """

    operation: Operation
    either: Callable[..., Any]
    operator: Callable[..., Any]
    reflected: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor: ...

    def rules(self, *rules: Callable[..., Any] | None) -> None: ...


# ----------------------------------------------------------------------------------------------- 1. formula


def elementwise(
    ufunc: Callable[..., Any], *rules: Callable[..., Any] | None, name: str | None = None, doc: str | None = None
) -> Function:
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
            f"operation '{name}': an elementwise operation has a rule for its one argument, or one for each of two; "
            f"got {len(rules)}"
        )
    operation = Operation(name, ufunc, ("x",) if len(rules) == 1 else ("x1", "x2"))
    operation.elementwise = True
    operation.set_rules(rules)
    call: Any = _unary(operation) if len(rules) == 1 else _binary(operation)
    if len(rules) == 2:
        call.operator = forth = _binary(operation, operand_of_operator)
        call.reflected = lambda self, other: forth(other, self)
    _dress(call, operation, doc)
    if isinstance(ufunc, np.ufunc):
        UFUNCS.setdefault(ufunc, call)  # an operation that computes with a ufunc of another does not take its place
    return call  # type: ignore[no-any-return]


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
        if x._memory is not None:
            y = apart(y, x)
            if node is not None:
                a = kept(x)
        result = _new(_Tensor)
        result._data = y
        if node is None:
            result._node = None
        else:
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


def _binary(operation: Operation, operand: Callable[[Any, Any, str], Any] = operand) -> Callable[..., Any]:
    forward, (pick1, pick2) = operation.forward, operation.pickers
    # Most rules need the other argument or nothing: that is faster to say than to call. -1 stands for nothing, -2 for several.
    one1, one2 = (pick[0] if len(pick) == 1 else -2 if pick else -1 for pick in operation.picks)
    simple = not operation.shapes and None not in (operation.rules or ())
    ndarray, asarray = np.ndarray, np.asarray

    def call(x1: Any, x2: Any) -> Any:
        mode = current_mode()
        if (mode is not None and mode.trace is not None) or not simple:
            a, b = operand(x1, x2, operation.name), operand(x2, x1, operation.name)
            return NotImplemented if a is NotImplemented or b is NotImplemented else apply(operation, (a, b))
        node1 = node2 = memory1 = memory2 = None
        if type(x1) is _Tensor or isinstance(x1, _Tensor):
            a, node1, memory1 = x1._data, x1._node, x1._memory
        else:
            a = operand(x1, x2, operation.name)
            if a is NotImplemented:
                return a
        if type(x2) is _Tensor or isinstance(x2, _Tensor):
            b, node2, memory2 = x2._data, x2._node, x2._memory
        else:
            b = operand(x2, x1, operation.name)
            if b is NotImplemented:
                return b
        try:
            y = forward(a, b)
        except Exception as error:
            raise failed(operation.name, (x1, x2), error) from None
        if type(y) is not ndarray:
            y = asarray(y)
        if memory1 is not None:
            y = apart(y, x1)
        if memory2 is not None:
            y = apart(y, x2)
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


def _dress(call: Any, operation: Operation, doc: str | None = None) -> None:
    call.operation = operation
    call.__name__ = call.__qualname__ = operation.name
    if doc:
        call.__doc__ = doc
    elif call.__doc__ is None:
        call.__doc__ = (
            f"Return `np.{operation.name}({', '.join(operation.arguments)})` element by element, as a Tensor, recorded.\n\n"
            "Takes Tensors, arrays and numbers, of any shapes that broadcast; raises ValueError where they do not."
        )

    def either(*args: Any) -> Any:
        """Run on what is given: arrays give arrays, Tensors give Tensors. For use inside rules."""
        for value in args:
            inside = value if operation.sequence and value is args[0] else (value,)
            if any(isinstance(v, Variable) for v in inside):
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
                raise TypeError(
                    f"operation '{function.__name__}': '{reserved}' is reserved for rules; give the argument another name"
                )
        made = Operation(name or function.__name__, forward, names)
        made.defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
        made.view = view
        made.sequence = sequence
        count = len(names)
        run = apply_sequence if sequence else apply

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


# ----------------------------------------------------------------------------------------------- 3. fused


def fused(
    forward: Callable[..., Any], backward: Callable[..., Any], name: str | None = None
) -> Callable[[Callable[..., Any]], Function]:
    """Declare an operation by a readable reference, with fast kernels attached.

    forward   a function of the same arguments as arrays, returning the output and whatever `backward` needs
    backward  a function `(g, kept, needs)` of the incoming gradient, what `forward` kept, and for each argument whether its
              gradient is needed; returns the gradients in order, None where not needed or zero. It must not write to what it gets.

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
    raw: list[Any] = []
    parents: list[Node | None] = []
    tracked = False
    for value in args:
        if isinstance(value, _Tensor):
            raw.append(value._data if value._memory is None else kept(value))
            node = value._node
            parents.append(node)
            if node is not None:
                tracked = True
        else:
            raw.append(value)
            parents.append(None)
    trace = None if mode is None else mode.trace
    started = 0.0 if trace is None else perf_counter()
    try:
        y, context = operation.forward(*raw)
    except Exception as error:
        raise heard(trace, operation, args, failed(operation.name, args, error)) from None
    seconds = 0.0 if trace is None else perf_counter() - started
    if not tracked or not (mode is None or mode.recording):
        if trace is not None:
            trace.untracked(operation, y, args)
        return untracked_result(y)
    if not isinstance(y, (np.ndarray, tuple, list)):
        y = np.asarray(y)
    return record(operation, tuple(parents), (raw, context), y, trace, args, seconds)


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
    raw, options = read_only(args, sources), {key: read_only(value, sources) for key, value in kwargs.items()}
    return as_untracked(function(*raw, **options), sources)
