"""Item assignment and in-place operators: the memory is written, and the graph says so.

Every tensor that shows the written memory has the new value and the new gradient afterwards, or the write is refused
with what to write instead. The rules that keep saved arrays right are in memory.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from .arguments import as_array, failed
from .graph import Leaf, Node, Variable, current_mode, is_grad_enabled, notes_of, rebind, wrap
from .memory import Memory, View, family_of, is_constant, log_write, memory_of, move
from .ops.elementwise import astype
from .ops.indexing import is_basic, setitem
from .ops.shape import reshape
from .recording import heard, new_node

_T = TypeVar("_T", bound=Variable)


def assign(tensor: Variable, index: Any, value: Any, what: str = "item assignment") -> None:
    """Carry out `tensor[index] = value`.

    index  as NumPy takes it: without Tensors, and with arrays in place of lists
    what   the user's words for it, for messages
    """
    if isinstance(value, Variable):
        raw: Any = value._data
        node = value._node
    else:
        raw = value if isinstance(value, (np.generic, int, float, complex)) else as_array(value, what)
        node = None
    family = family_of(tensor)
    mode = current_mode()
    recording = mode is None or mode.recording
    recorded = False
    if recording:
        _refuse_leaves(family, what)
        recorded = node is not None or any(member._node is not None for member in family)
        if recorded:
            _refuse_indirect_views(family, what)
        if is_constant(family[-1]):
            _refuse_to_part(family[-1], tensor, recorded, what)
    _check_fits(tensor, raw, node is not None, what)
    _check_writable(tensor, what)
    if isinstance(value, Variable) and _is_itself(tensor, index, value, recording):
        return  # `x[i] += 1` has already written through the view x[i]
    memory = memory_of(tensor)
    in_place = memory.in_place
    if not in_place and not memory.written:
        move(memory)
    before = wrap(tensor._data.copy()) if recorded and mode is not None and mode.trace is not None else None
    try:
        region = _region(tensor._data, index)
        if np.ndim(raw) and np.shape(raw)[0] == 1:
            extra = np.ndim(raw) - (region.ndim if is_basic(index) else tensor._data[index].ndim)
            if extra > 0 and np.shape(raw)[:extra] == (1,) * extra:  # NumPy drops leading axes of length 1
                value = reshape(value, np.shape(raw)[extra:])
                raw, node = value._data, value._node
        tensor._data[index] = raw
    except Exception as error:
        trace = None if mode is None else mode.trace
        raise heard(trace, setitem.operation, (tensor, index, value), failed(what, (tensor, value), error)) from None
    if not recorded and mode is not None and mode.trace is not None:
        mode.trace.untracked(setitem.operation, tensor._data[index], (None, index, value))
    if in_place:
        root = memory.root()
        log_write(region, f"{what} to the tensor{_called(tensor if root is None else root)}")
    if recorded:
        made = _written(tensor, index, node)
        if before is not None:
            before.name = tensor.name
            assert mode is not None
            notes_of(made).record = mode.trace.record(made, tensor._data, (before, index, value), 0.0)
        rebind(tensor, made)
        for view, base in pairwise(family):
            rebind(base, _written(base, view._memory.index, view._node))
        _refresh_views(memory, family, region)


def _written(tensor: Variable, index: Any, node: Node | None) -> Node:
    return new_node(setitem.operation, (tensor._node, None, node), (index, None, index), tensor._data.shape, tensor._data.dtype)


def _refresh_views(memory: Memory, family: list[Variable], region: np.ndarray) -> None:
    """Give the new gradient to the other tensors that show `region`."""
    root = family[-1]
    for view in memory.living():
        if any(view is member for member in family) or not np.may_share_memory(view._data, region):
            continue
        shared = view._memory
        if isinstance(shared, View) and shared.again is not None and family_of(view)[-1] is root:
            rebind(view, shared.again(shared.base)._node)


def _called(tensor: Variable) -> str:
    return f" '{tensor.name}'" if tensor.name else ""


def _refuse_leaves(family: list[Variable], what: str) -> None:
    for member in family:
        if isinstance(member._node, Leaf):
            raise RuntimeError(
                f"{what}: the leaf{_called(member)} requires grad, so a recorded write would lose the variable its gradient "
                "belongs to. Update it under no_grad(), or write to a copy: y = x.clone()"
            )


def _refuse_indirect_views(family: list[Variable], what: str) -> None:
    for member in family[:-1]:
        if member._memory.index is None:
            raise RuntimeError(
                f"{what}: this tensor{_called(member)} is a view made by {member._memory.how}; a recorded write through it is "
                f"not supported. Write to the tensor it was taken from{_called(member._memory.base)}, or to a copy (clone())"
            )


def _refuse_to_part(constant: Variable, tensor: Variable, recorded: bool, what: str) -> None:
    """Refuse a write through a constant where it would change values of a tensor behind the back of its gradient."""
    for other in memory_of(tensor).living():
        top = family_of(other)[-1]
        if top is constant or is_constant(top) or not np.may_share_memory(other._data, tensor._data):
            continue
        if recorded or other._node is not None:
            raise RuntimeError(
                f"{what}: this tensor{_called(constant)} is a constant (made by {constant._memory.how}) that shares memory with "
                f"the tensor{_called(other)} of shape {other._data.shape}; a recorded write would give that one the new value but "
                "not the new gradient. Write to that tensor, to a copy (clone()), or under no_grad()"
            )


def _check_fits(tensor: Variable, raw: Any, tracked: bool, what: str) -> None:
    dtype = tensor._data.dtype
    if tracked and dtype.kind not in "fc":
        raise TypeError(f"{what}: the tensor{_called(tensor)} of dtype {dtype} cannot hold tracked values; use astype(float)")
    if dtype.kind != "c" and (isinstance(raw, complex) or getattr(raw, "dtype", dtype).kind == "c"):
        raise TypeError(f"{what}: complex values do not fit into the tensor{_called(tensor)} of dtype {dtype}; take .real")


def _check_writable(tensor: Variable, what: str) -> None:
    if not tensor._data.flags.writeable:
        reason = f"a view made by {tensor._memory.how}" if isinstance(tensor._memory, View) else "a read-only array"
        raise ValueError(f"{what}: the tensor{_called(tensor)} is {reason} and cannot be written; write to a copy (clone())")


def _is_itself(tensor: Variable, index: Any, value: Variable, recording: bool) -> bool:
    shared = value._memory
    if not isinstance(shared, View) or shared.memory is not memory_of(tensor) or not is_basic(index):
        return False
    if recording and (shared.base is not tensor or shared.index is None):
        return False  # the same values, but another gradient
    part = tensor._data[index]
    if not isinstance(part, np.ndarray) or part.dtype != value._data.dtype:
        return False
    here, there = part.__array_interface__, value._data.__array_interface__
    return bool(here["data"] == there["data"] and part.shape == value._data.shape and part.strides == value._data.strides)


def _region(array: np.ndarray, index: Any) -> np.ndarray:
    """Return the part of `array` that a write to `index` touches, as a view; all of it where the index is no basic one."""
    if not is_basic(index):
        return array
    part: np.ndarray = array[index]
    if not isinstance(part, np.ndarray):  # one element: NumPy reads a copy of it, unless an ellipsis asks for a view
        part = array[(*index, ...) if isinstance(index, tuple) else (index, ...)]
    return part


def update(tensor: _T, operation: Callable[[Any, Any], Any], other: Any, symbol: str) -> _T:
    """Carry out `tensor += other` and its kin: the same tensor, with the new value and gradient."""
    what = f"in-place {symbol}"
    if is_grad_enabled():
        _refuse_leaves(family_of(tensor), what)
    _check_writable(tensor, what)
    result = operation(tensor, other)
    if result is NotImplemented:
        return NotImplemented  # type: ignore[no-any-return]  # what Python expects of an operator
    data = tensor._data
    if result._data.shape != data.shape:
        raise ValueError(
            f"{what}: the result has shape {result._data.shape}, which does not fit into the tensor{_called(tensor)} of shape "
            f"{data.shape}"
        )
    if result._data.dtype != data.dtype:
        if not np.can_cast(result._data.dtype, data.dtype, "same_kind"):
            raise TypeError(
                f"{what}: a result of dtype {result._data.dtype} does not fit into the tensor{_called(tensor)} of dtype "
                f"{data.dtype}; use x = x {symbol[:-1]} ..."
            )
        result = astype(result, data.dtype)
    if isinstance(tensor._node, Leaf) or _is_shared(tensor):
        assign(tensor, Ellipsis, result, what)
        return tensor
    tensor._data = result._data
    if tensor._memory is not None:
        tensor._memory.written = False
    if is_grad_enabled():
        rebind(tensor, result._node)
    return tensor


def _is_shared(tensor: Variable) -> bool:
    memory = tensor._memory
    if memory is None or isinstance(memory, View):
        return memory is not None
    return memory.foreign or any(other is not tensor for other in memory.living())


def opened(tensor: Variable, what: str) -> np.ndarray:
    """Return the array of `tensor` for NumPy to write into; what graphs saved of it stays as it was."""
    family = family_of(tensor)
    if is_grad_enabled():
        _refuse_leaves(family, what)
        if any(member._node is not None for member in family):
            raise RuntimeError(f"{what}: the tensor{_called(tensor)} is tracked; use item assignment, or write to a copy (clone())")
        if is_constant(family[-1]):
            _refuse_to_part(family[-1], tensor, False, what)
    _check_writable(tensor, what)
    memory = memory_of(tensor)
    if memory.in_place:
        root = memory.root()
        log_write(tensor._data, f"{what} to the tensor{_called(tensor if root is None else root)}")
    elif not memory.written:
        move(memory)
    return tensor._data
