"""Where gradients enter the engine and leave it: the convention outside, and what becomes `.grad`.

Complex numbers: in the engine a cotangent is the plain transpose, outside it follows PyTorch's convention; `outward` leads across,
either way. Knows Tensors as variables with a `_grad`. Knows nothing of how cotangents walk.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from .graph import Leaf, Node, Variable, wrap


def raw(value: Any) -> Any:
    """Return the array of a Tensor, and an array as it is."""
    return value._data if isinstance(value, Variable) else value


def outward(g: Any) -> Any:
    """Cross the border between the plain transpose (inside) and PyTorch's convention (outside), either way."""
    return g.conj() if g.dtype.kind == "c" else g


def handed_out(g: Any) -> Any:
    """Return a cotangent as a caller sees it: a Tensor, read-only, in PyTorch's convention."""
    seen = outward(g)
    array = np.asarray(raw(seen)).view()
    array.flags.writeable = False
    return wrap(array, seen._node if isinstance(seen, Variable) else None)


def inward(gradient: Any, tensor: Any, what: str, create_graph: bool) -> Any:
    """Return a caller's cotangent for `tensor` as a seed, checked against its shape."""
    array = np.asarray(raw(gradient))
    if array.shape != tensor._data.shape:
        called = f" '{tensor.name}'" if tensor.name else ""
        raise ValueError(f"{what}: the gradient has shape {array.shape}, expected {tensor._data.shape}, that of the tensor{called}")
    if array.dtype.kind not in "fciub":
        raise TypeError(f"{what}: the gradient has dtype {array.dtype}, expected numbers")
    dtype = tensor._data.dtype
    if array.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(f"{what}: the gradient is complex ({array.dtype}), the tensor real ({dtype})")
    if create_graph:
        seed: Any = gradient if isinstance(gradient, Variable) else wrap(array)
        return outward(seed if array.dtype == dtype else seed.astype(dtype))
    return outward(array.astype(dtype, copy=False))


def deposit(tensor: Any, g: Any, create_graph: bool, shared: bool) -> None:
    """Add `g` to `tensor.grad`, which has writable, contiguous memory of its own.

    shared  whether somebody besides the caller may hold the memory of `g`
    """
    with _depositing:
        _deposit(tensor, g, create_graph, shared)


# Backward passes of several threads may add to one leaf; a finalizer may start a pass within a pass.
_depositing = threading.RLock()


def _deposit(tensor: Any, g: Any, create_graph: bool, shared: bool) -> None:
    before = tensor._grad
    if create_graph:
        tensor._grad = own_tensor(g if before is None else before + g)
        return
    if isinstance(g, Variable):
        g = g._data
    if before is not None:
        if before._node is not None:
            tensor._grad = own_tensor(before + wrap(g))
        elif before._memory is not None:  # it has views, which must show the sum too
            tensor._grad += wrap(g)
        else:
            before._data = np.asarray(np.add(before._data, g, order="C"))
        return
    if shared or type(g) is not np.ndarray or g.base is not None or not (g.flags.c_contiguous and g.flags.writeable):
        g = np.array(g, order="C")
    tensor._grad = wrap(g)


def own_tensor(g: Any) -> Any:
    """Return the recorded gradient `g` as a Tensor of its own, with writable, contiguous memory of its own."""
    if not isinstance(g, Variable):  # a rule may return a constant
        return wrap(np.array(g, order="C"))
    if isinstance(g._node, Leaf):
        g = +g  # type: ignore[operator]
    return wrap(np.array(g._data, order="C"), g._node)


def implicit_seed(tensor: Any, what: str, cure: str) -> np.ndarray:
    """Return the cotangent that is meant where none was given: 1 for a single real number; else raise."""
    if tensor._data.size != 1:
        raise RuntimeError(f"{what}: a tensor of shape {tensor._data.shape} is not a single number; {cure}")
    if tensor._data.dtype.kind == "c":
        dtype = tensor._data.dtype
        raise RuntimeError(f"{what}: a complex number ({dtype}) has no direction of its own; take .real or abs of it, or {cure}")
    return np.array(1, tensor._data.dtype).reshape(tensor._data.shape)  # np.ones takes four times as long


_cell = [np.empty(0)]
_ALONE = sys.getrefcount(_cell[0])  # of an object that one container holds: Pythons count the call itself differently


class _Passes:
    """How many backward passes have filled gradients, so that an optimizer can tell that there was none."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


passes = _Passes()


def accumulate(arrived: dict[Node, Any], create_graph: bool) -> None:
    """Add what has arrived at leaves to their `.grad`."""
    passes.count += 1
    for node in list(arrived):
        shared = sys.getrefcount(arrived[node]) > _ALONE  # else nobody holds this array besides: no copy is needed
        g = outward(arrived.pop(node))
        tensor = node.tensor() if isinstance(node, Leaf) else None
        if tensor is not None:
            deposit(tensor, g, create_graph, shared)
