"""Functions of functions: gradients of a Python function of arrays, nested to any order.

A transform records its own backward pass where another transform runs around it, where its input is tracked, or on
request; otherwise its rules run on plain arrays.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arguments import as_array
from .border import implicit_seed, inward, outward, own_tensor
from .chain_rule import add_to, propagate
from .dispatch import is_tracked
from .graph import enable_grad, is_grad_enabled, wrap
from .ops.elementwise import positive
from .tensor import Tensor

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("autodiff_transform_depth", default=0)


def gradients(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    cotangents: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    retain_graph: bool | None = None,
) -> Any:
    """Return the gradient of `outputs` with respect to `inputs`, without touching any `.grad`.

    outputs       a Tensor or several, whose gradients add up
    inputs        a Tensor, or a list or tuple of Tensors; leaves or results
    cotangents    the incoming gradient of each output; may be left out where an output is a single element
    create_graph  record the pass, for higher derivatives, also within `no_grad`
    allow_unused  give None for an input that no output depends on, instead of raising
    retain_graph  keep the graph for another pass; the value of `create_graph` where None

    Returns a Tensor for one Tensor, a tuple for several; each has memory of its own. Raises RuntimeError where an output or
    input is not tracked, a cotangent is missing, or the graph was walked before.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> dy = gradients(x**3, x, create_graph=True)
    >>> float(gradients(dy, x).item())
    12.0
    """
    several = not isinstance(inputs, Tensor)
    wanted: list[Tensor] = list(inputs) if several else [inputs]  # type: ignore[list-item]
    roots: list[Tensor] = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given = [cotangents] if isinstance(outputs, Tensor) else [None] * len(roots) if cotangents is None else list(cotangents)
    if len(given) != len(roots):
        raise ValueError(f"gradients: {len(roots)} outputs but {len(given)} cotangents")
    for i, tensor in enumerate(wanted):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"gradients: input {i} is {type(tensor).__name__}, expected a Tensor")
        if tensor._node is None:
            raise RuntimeError(f"gradients: input {i} is not tracked; make it with requires_grad=True, before the outputs")
    for i, root in enumerate(roots):
        if not isinstance(root, Tensor):
            raise TypeError(f"gradients: output {i} is {type(root).__name__}, expected a Tensor")
    seeds: dict[Any, Any] = {}
    for i, (root, cotangent) in enumerate(zip(roots, given, strict=True)):
        if root._node is None:
            raise RuntimeError(f"gradients: output {i} is not tracked; it depends on no tensor with requires_grad=True")
        if cotangent is None:
            cotangent = implicit_seed(root, f"gradients: output {i}", "give its cotangent")
        add_to(seeds, set(), root._node, inward(cotangent, root, "gradients", create_graph))
    retain = create_graph if retain_graph is None else retain_graph
    nodes = [tensor._node for tensor in wanted if tensor._node is not None]
    arrived = propagate(seeds, nodes, retain, create_graph, store=False)
    results = []
    for i, (tensor, node) in enumerate(zip(wanted, nodes, strict=True)):
        g = arrived.get(node)
        if g is None and not allow_unused:
            called = f" ('{tensor.name}')" if tensor.name else ""
            raise RuntimeError(f"gradients: no output depends on input {i}{called}; give allow_unused=True to get None for it")
        if g is not None:
            g = own_tensor(outward(g)) if isinstance(g, Tensor) else wrap(np.array(outward(g), order="C"))
        results.append(g)
    return tuple(results) if several else results[0]


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, create_graph: bool = False) -> Callable[..., Any]:
    """Return a function that gives the value of `f` and its gradient.

    f             a function of arrays that returns a single real number
    argnums       the position of the argument to differentiate by, or several positions
    create_graph  record the backward pass, and return Tensors, also where no transform runs around and no input is tracked

    Arrays and numbers in give arrays and numbers out, Tensors in give Tensors out; inside another transform, what depends on its
    variables stays a Tensor. A function that ignores its argument has gradient zero. Under `no_grad` the results are constants.
    Raises TypeError for integer arrays and complex values, ValueError where the value is not a single number.

    >>> value, gradient = value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    >>> gradient
    array([2., 4.])
    """
    if not callable(f):
        raise TypeError(f"grad: expected a function, got {type(f).__name__}; grad(f)(x) differentiates f at x")
    several = not isinstance(argnums, (int, np.integer))
    positions: tuple[int, ...] = tuple(argnums) if several else (argnums,)  # type: ignore[arg-type, assignment]
    if not positions or not all(isinstance(position, (int, np.integer)) for position in positions):
        raise TypeError(f"grad: argnums must be an int or several, got {argnums!r}")

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen = [_position(position, len(args)) for position in positions]
        recorded = create_graph or (is_grad_enabled() and (_depth.get() > 0 or is_tracked((args, kwargs))))
        variables = {position: _variable(args[position], position, recorded) for position in chosen}
        token = _depth.set(_depth.get() + 1)
        try:
            with enable_grad():
                y = f(*[variables.get(i, value) for i, value in enumerate(args)], **kwargs)
            if not isinstance(y, (Tensor, np.ndarray, np.number, int, float, complex)):
                raise TypeError(f"grad: the function must return a single number, got {type(y).__name__}")
            if not isinstance(y, Tensor):
                y = Tensor(y)
            if y.size != 1:
                raise ValueError(
                    f"grad: the function must return a single number, got shape {y.shape}; reduce it, with sum() or mean()"
                )
            if y.dtype.kind == "c":
                raise TypeError(f"grad: the function must return a real number, got {y.dtype}; take .real or abs of it")
            wanted = list(variables.values())
            found = gradients(y, wanted, create_graph=recorded, allow_unused=True) if y.requires_grad else [None] * len(wanted)
        finally:
            _depth.reset(token)
        by_position = dict(zip(variables, found, strict=True))
        results = []
        for position in chosen:
            variable, d = variables[position], by_position[position]
            results.append(_handed_back(Tensor(np.zeros(variable.shape, variable.dtype)) if d is None else d, args[position]))
        value = _handed_back(y if recorded else y.detach(), args[chosen[0]])
        return value, tuple(results) if several else results[0]

    return wrapper


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, create_graph: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of `f`; it may be differentiated again.

    f             a function of arrays that returns a single real number
    argnums       the position of the argument to differentiate by, or several positions
    create_graph  record the backward pass, and return Tensors, also where no transform runs around and no input is tracked

    What goes in and out, and the errors, are those of `value_and_grad`.

    >>> grad(lambda x: grad(lambda y: x * y * y)(2.0))(3.0).item()
    4.0
    """
    both = value_and_grad(f, argnums, create_graph=create_graph)

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return wrapper


def _position(position: int, count: int) -> int:
    if not -count <= position < count:
        raise TypeError(f"grad: argnums {position}, but the function was called with {count} positional arguments")
    return int(position) % count


def _variable(value: Any, position: int, recorded: bool) -> Tensor:
    """Return a fresh variable at `value`, connected to it where it is tracked and the pass is recorded."""
    if recorded and isinstance(value, Tensor) and value.requires_grad:
        with enable_grad():
            return positive(value)
    array = value.numpy() if isinstance(value, Tensor) else as_array(value, "grad")
    if array.dtype.kind in "iub":
        if isinstance(value, (int, float)):
            array = array.astype(float)
        else:
            raise TypeError(f"grad: argument {position} has dtype {array.dtype}; integers have no gradient, give floating numbers")
    return Tensor(array, requires_grad=True)


def _handed_back(result: Tensor, given: Any) -> Any:
    if isinstance(given, Tensor) or result.requires_grad:
        return result
    return result._data[()]
