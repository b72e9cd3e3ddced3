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

from .chain_rule import add_to, inward, outward, propagate
from .declaration import as_array
from .graph import enable_grad, wrap
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
    create_graph  record the pass, for higher derivatives
    allow_unused  give None for an input that no output depends on, instead of raising
    retain_graph  keep the graph for another pass; the value of `create_graph` where None

    Returns a Tensor for one Tensor, a tuple for several.

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
            raise RuntimeError(f"gradients: input {i} is not tracked; make it with requires_grad=True before the outputs are computed")
    seeds: dict[Any, Any] = {}
    for i, (root, cotangent) in enumerate(zip(roots, given)):
        if root._node is None:
            raise RuntimeError(f"gradients: output {i} is not tracked; it depends on no tensor with requires_grad=True")
        if cotangent is None:
            if root.size != 1:
                raise RuntimeError(f"gradients: output {i} has shape {root.shape}, not a single element; give its cotangent")
            cotangent = np.ones(root.shape, root.dtype)
        add_to(seeds, set(), root._node, inward(cotangent, root, "gradients", create_graph))
    retain = create_graph if retain_graph is None else retain_graph
    nodes = [tensor._node for tensor in wanted if tensor._node is not None]
    arrived = propagate(seeds, nodes, retain, create_graph)
    results = []
    for i, (tensor, node) in enumerate(zip(wanted, nodes)):
        g = arrived.get(node)
        if g is None and not allow_unused:
            called = f" ('{tensor.name}')" if tensor.name else ""
            raise RuntimeError(f"gradients: no output depends on input {i}{called}; give allow_unused=True to get None for it")
        results.append(None if g is None else outward(g) if isinstance(g, Tensor) else wrap(np.array(outward(g))))
    return tuple(results) if several else results[0]


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the value of `f` and its gradient.

    f        a function of arrays that returns a single number
    argnums  the position of the argument to differentiate by, or several positions

    Arrays and numbers in give arrays out, Tensors in give Tensors out. A function that ignores its argument has gradient zero.

    >>> value, gradient = value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 2.0]))
    >>> gradient
    array([2., 4.])
    """
    several = not isinstance(argnums, (int, np.integer))
    positions = tuple(argnums) if several else (argnums,)  # type: ignore[arg-type]

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        variables, arguments = {}, list(args)
        around = _depth.get() > 0
        for position in positions:
            try:
                value = args[position]
            except IndexError:
                raise TypeError(f"grad: argnums {position}, but the function was called with {len(args)} positional arguments") from None
            variables[position] = arguments[position] = _variable(value, position)
        recorded = around or any(isinstance(a, Tensor) and a.requires_grad for a in args)
        token = _depth.set(_depth.get() + 1)
        try:
            with enable_grad():
                y = f(*arguments, **kwargs)
            if not isinstance(y, Tensor):
                y = Tensor(y)
            if y.size != 1:
                raise ValueError(f"grad: the function must return a single number, got shape {y.shape}; sum it, or use a Jacobian")
            wanted = [variables[position] for position in positions]
            if y.requires_grad:
                found = gradients(y, wanted, create_graph=recorded, allow_unused=True)
            else:
                found = [None] * len(wanted)
        finally:
            _depth.reset(token)
        # The argument may itself be a constant, while the function closes over something tracked by another transform.
        results = []
        for position, d in zip(positions, found):
            if d is None:
                d = Tensor(np.zeros(variables[position].shape, variables[position].dtype))
            results.append(_handed_back(d, args[position]))
        return _handed_back(y if recorded else y.detach(), args[positions[0]]), tuple(results) if several else results[0]

    return wrapper


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of `f`; it may be differentiated again.

    f        a function of arrays that returns a single number
    argnums  the position of the argument to differentiate by, or several positions

    >>> float(grad(grad(np.sin))(0.5)) == -np.sin(0.5)
    True
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return wrapper


def _variable(value: Any, position: int) -> Tensor:
    """Return a fresh variable at `value`, connected to it where it is tracked."""
    if isinstance(value, Tensor) and value.requires_grad:
        with enable_grad():
            return positive(value)  # type: ignore[no-any-return]
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
