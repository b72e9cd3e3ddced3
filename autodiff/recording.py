"""Operations, and what running one does: bind the arguments, compute, and record a node where one of them is tracked.

Knows what an operation is and how its call becomes part of the graph. Knows no mathematics, and nothing of how
operations are declared.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from operator import itemgetter
from time import perf_counter
from typing import Any

import numpy as np

from .arguments import as_array, failed, is_plain
from .graph import Node, Variable, current_mode, next_number, notes_of, wrap
from .memory import Memory, adopt_constant, adopt_view, apart, kept

OPERATIONS: dict[str, Operation] = {}
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {}
FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}


class Operation:
    """One declared operation.

    name        as in NumPy where NumPy has it
    forward     a function of arrays
    arguments   the names of its parameters
    rules       for each argument its rule, None where it has no derivative; None for a joint operation
    needs       for each rule, how many things it needs besides g; with one, a node saves it bare, else a tuple
    saves       the arguments that some rule needs, by position
    picks       for each rule, where its parameters come from: an argument's index, then n for y, then the shapes
    elementwise whether strong zeros apply
    plain       whether its rules, one for each argument, are all there is to it
    joint       for others: a function (g, node, needs, create_graph) that returns the gradients of all arguments
    asks_needs  whether the rule of a sequence wants to know which members need a gradient
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
        self.shapes: tuple[int, ...] = ()
        self.ruled: tuple[int, ...] = ()
        self.ruleless = tuple(range(len(self.arguments)))
        self.plain = False
        self.asks_needs = False
        self.index_only = False
        if register:
            OPERATIONS[name] = self  # declaring a name again replaces it, as running a notebook cell again should

    def __repr__(self) -> str:
        return f"<operation {self.name}({', '.join(self.arguments)})>"

    def set_rules(self, rules: Sequence[Callable[..., Any] | None]) -> None:
        if len(rules) > len(self.arguments):
            raise TypeError(f"operation '{self.name}' has {len(self.arguments)} arguments but {len(rules)} rules")
        self.shapes = ()
        self.picks = tuple(() if rule is None else self._needs(rule, i) for i, rule in enumerate(rules))
        self.pickers = tuple(_picker(pick) for pick in self.picks)
        self.needs = tuple(len(pick) for pick in self.picks)
        self.saves = frozenset(k for pick in self.picks for k in pick if k < len(self.arguments))
        self.rules = tuple(rules)
        self.ruled = tuple(i for i, rule in enumerate(rules) if rule is not None)
        self.ruleless = tuple(i for i in range(len(self.arguments)) if i not in self.ruled)
        self.plain = not self.sequence and self.special is None
        self.joint = functools.partial(_sequence_gradients, self, rules[0]) if self.sequence else functools.partial(_each, self)
        if self.sequence:
            self.rules = None

    def set_special(self, way: Callable[..., bool]) -> None:
        """Hand cotangents on by `way` where it says (True) that it can, by the rules elsewhere."""
        self.special, self.plain = way, False

    def _needs(self, rule: Callable[..., Any], position: int) -> tuple[int, ...]:
        names = _parameter_names(rule)
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
            elif name == "needs" and self.sequence and name == names[-1]:
                self.asks_needs = True
            elif name.endswith("_shape") and name.removesuffix("_shape") in self.arguments:
                argument = self.arguments.index(name.removesuffix("_shape"))
                if argument not in self.shapes:
                    self.shapes = (*self.shapes, argument)
                needs.append(n + 1 + self.shapes.index(argument))
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
            if extra in names:
                raise TypeError(f"{self.name}() got the argument '{extra}' twice")
            ours = {"dim": "axis", "keepdim": "keepdims", "unbiased": "ddof"}.get(extra)
            cure = f" (what PyTorch calls {extra} is {ours} here)" if ours in names else ""
            raise TypeError(f"{self.name}() takes no argument '{extra}'; it takes {', '.join(names)}{cure}")
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


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    # What inspect says too, a hundred times slower.
    if isinstance(function, types.FunctionType) and not hasattr(function, "__wrapped__"):
        code = function.__code__
        if not code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
            return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    return list(inspect.signature(function).parameters)


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
    operation: Operation,
    parents: tuple[Node | None, ...],
    saved: Any,
    y: Any,
    trace: Any = None,
    inputs: Any = (),
    seconds: float = 0.0,
) -> Any:
    """Return the result `y` of `operation` as Tensor(s) with a node."""
    if isinstance(y, (tuple, list)):
        node = new_node(operation, parents, saved, None, None)
    elif (dtype := y.dtype).kind in "fc":
        node = new_node(operation, parents, saved, y.shape, dtype)
        if trace is None:
            return wrap(y, node)
    else:
        return wrap(y)
    if trace is not None:
        notes_of(node).record = trace.record(node, y, inputs, seconds)
    return outputs_of(node, y)


def heard(trace: Any, operation: Operation, inputs: Any, error: Exception) -> Exception:
    """Return `error` after `trace`, if there is one, has heard of it."""
    if trace is not None:
        trace.failed(operation, inputs, error)
    return error


def untracked_result(y: Any) -> Any:
    return tuple(wrap(part) for part in y) if isinstance(y, (tuple, list)) else wrap(y)


def apply(operation: Operation, args: Sequence[Any]) -> Any:
    """Run `operation` on all its arguments in order; record it where an argument is tracked."""
    mode = current_mode()
    recording = mode is None or mode.recording
    raw: list[Any] = []
    parents: list[Node | None] = []
    tracked = shared = False
    for value in args:
        if isinstance(value, Variable):
            raw.append(value._data)
            node = value._node
            parents.append(node)
            if node is not None and recording:
                tracked = True
            if value._memory is not None:
                shared = True
        else:
            if value is not None:
                if type(value) is list:
                    value = _copied(value)
                if len(raw) in operation.ruled and not is_plain(value):
                    value = as_array(value, operation.name)
            raw.append(value)
            parents.append(None)
    if tracked:
        for i in operation.ruleless:
            if parents[i] is not None:
                raise TypeError(_no_rule(operation, i))
    trace = None if mode is None else mode.trace
    started = 0.0 if trace is None else perf_counter()
    try:
        y = operation.forward(*raw)
    except Exception as error:
        raise heard(trace, operation, args, failed(operation.name, args, error)) from None
    seconds = 0.0 if trace is None else perf_counter() - started
    if shared and not operation.view:
        y = _apart(y, args)
    if not tracked:
        result = untracked_result(y)
        if trace is not None:
            trace.untracked(operation, y, args)
    else:
        if not isinstance(y, (np.ndarray, tuple, list)):
            y = np.asarray(y)
        if shared:
            for i in operation.saves:
                if isinstance(args[i], Variable) and args[i]._memory is not None:
                    raw[i] = kept(args[i])
        raw.append(y)
        for i in operation.shapes:
            raw.append(getattr(raw[i], "shape", ()))
        saved = tuple([None if parent is None else picker(raw) for parent, picker in zip(parents, operation.pickers)])
        result = record(operation, tuple(parents[: len(operation.pickers)]), saved, y, trace, args, seconds)
    if operation.view:
        _note_view(operation, result, args, recording)
    return result


def _no_rule(operation: Operation, i: int) -> str:
    return f"{operation.name}: no derivative with respect to '{operation.arguments[i]}'; pass it detached (detach())"


def _copied(value: Any) -> Any:
    """Return a list argument as the graph may keep it: the caller may change the list before the backward pass."""
    return [_copied(part) for part in value] if type(value) is list else value


def _apart(y: Any, args: Sequence[Any]) -> Any:
    if isinstance(y, (tuple, list)):
        return tuple(_apart(part, args) for part in y)
    if isinstance(y, np.ndarray):
        for value in args:
            if isinstance(value, Variable) and value._memory is not None:
                y = apart(y, value)
    return y


def _note_view(operation: Operation, result: Any, args: Sequence[Any], recording: bool) -> None:
    base, *statics = args
    if not isinstance(base, (Variable, np.ndarray)):
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


def apply_sequence(operation: Operation, args: Sequence[Any]) -> Any:
    mode = current_mode()
    arrays, *statics = args
    if not isinstance(arrays, (list, tuple)):
        arrays = list(arrays)  # an array of arrays, or something that can be walked only once
    recording = mode is None or mode.recording
    for i, value in enumerate(statics):
        if isinstance(value, Variable):
            if value._node is not None and recording:
                raise TypeError(_no_rule(operation, i + 1))
            statics[i] = kept(value)
        elif type(value) is list:
            statics[i] = _copied(value)
    raw = [
        value._data if isinstance(value, Variable) else value if is_plain(value) else as_array(value, operation.name)
        for value in arrays
    ]
    parents = tuple(value._node if isinstance(value, Variable) else None for value in arrays)
    trace = None if mode is None else mode.trace
    started = 0.0 if trace is None else perf_counter()
    try:
        y = operation.forward(raw, *statics)
    except Exception as error:
        raise heard(trace, operation, arrays, failed(operation.name, arrays, error)) from None
    seconds = 0.0 if trace is None else perf_counter() - started
    y = _apart(y, arrays)
    if all(node is None for node in parents) or not recording:
        if trace is not None:
            trace.untracked(operation, y, arrays)
        return untracked_result(y)
    if not isinstance(y, (np.ndarray, tuple, list)):
        y = np.asarray(y)
    raw = [kept(value) if isinstance(value, Variable) and value._memory is not None else a for value, a in zip(arrays, raw)]
    shapes = [[np.shape(a) for a in raw] if i == 0 else np.shape(statics[i - 1]) for i in operation.shapes]
    saved = operation.pickers[0]((raw, *statics, y, *shapes))
    return record(operation, parents, saved, y, trace, arrays, seconds)


def _sequence_gradients(operation: Operation, rule: Any, g: Any, node: Node, needs: tuple[bool, ...], create_graph: bool) -> Any:
    if operation.asks_needs:
        rule = functools.partial(rule, needs=needs)
    found = run_rule(rule, g, operation.needs[0], operation.as_tensors(node)[0] if create_graph else node.saved)
    if len(found) != len(node.parents):
        raise TypeError(
            f"the rule of operation '{operation.name}' returned {len(found)} gradients, expected {len(node.parents)}, one for each "
            "array"
        )
    if any(need and d is None for need, d in zip(needs, found)):
        raise TypeError(f"the rule of operation '{operation.name}' returned None for an array whose gradient is needed")
    return found
