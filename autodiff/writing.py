"""Item assignment and in-place operators: the memory is written, and the graph says so.

Every tensor that shows the written memory has the new value and the new gradient afterwards, or the write is refused
with what to write instead. The rules that keep saved arrays right are in memory.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .declaration import as_array, failed, new_node, plain
from .graph import Leaf, Variable, is_grad_enabled, wrap
from .memory import View, living_views, log_write, memory_of, root_of
from .ops.elementwise import astype
from .ops.indexing import is_basic, setitem


def _called(tensor: Variable) -> str:
    return f" '{tensor.name}'" if tensor.name else ""


def _family(tensor: Variable) -> list[Variable]:
    """Return the tensor, the one it is a view of, and so on to the root."""
    family = [tensor]
    while isinstance(family[-1]._memory, View):
        family.append(family[-1]._memory.base)
    return family


def _refuse_leaves(family: list[Variable], what: str) -> None:
    for member in family:
        if isinstance(member._node, Leaf):
            raise RuntimeError(
                f"{what}: the leaf{_called(member)} requires grad, so a recorded write would lose the variable its gradient belongs "
                "to. Update it under no_grad(), or write to a copy: y = x.clone()"
            )


def _refuse_other_views(family: list[Variable], what: str) -> None:
    for member in family[:-1]:
        if member._memory.index is None:
            raise RuntimeError(
                f"{what}: this tensor{_called(member)} is a view made by {member._memory.how}; a recorded write through it is not "
                f"supported. Write to the tensor it was taken from{_called(member._memory.base)}, or to a copy (clone())"
            )


def assign(tensor: Variable, index: Any, value: Any) -> None:
    """Carry out `tensor[index] = value`."""
    index = plain(index)
    family = _family(tensor)
    root = family[-1]
    node = value._node if isinstance(value, Variable) else None
    recording = is_grad_enabled()
    if recording:
        _refuse_leaves(family, "item assignment")
    recorded = recording and (node is not None or any(member._node is not None for member in family))
    if recorded:
        _refuse_other_views(family, "item assignment")
        if tensor._data.dtype.kind not in "fc":
            raise TypeError(f"item assignment: a tensor{_called(tensor)} of dtype {tensor._data.dtype} cannot hold tracked values")
    raw = plain(value)
    if not isinstance(raw, (np.ndarray, np.generic, int, float, complex)):
        raw = as_array(raw, "item assignment")
    _check_writable(tensor)
    if isinstance(value, Variable) and _is_itself(tensor, index, value):
        return  # `x[i] += 1` has already written through the view x[i]
    in_place = any(isinstance(member._node, Leaf) for member in family) or memory_of(root).foreign
    if not in_place and not memory_of(root).written:
        _move(root, recording)
    if isinstance(raw, np.ndarray) and np.may_share_memory(raw, tensor._data):
        raw = raw.copy()
    try:
        tensor._data[index] = raw
    except Exception as error:
        raise failed("item assignment", (tensor, value), error) from None
    region = tensor._data[index] if is_basic(index) else tensor._data
    if in_place:
        log_write(np.asarray(region), f"item assignment to the tensor{_called(root)}")
    if recorded:
        made = new_node(setitem.operation, (tensor._node, None, node), ((index,), None, (index,)), tensor._data.shape, tensor._data.dtype)
        tensor._node = made
        for view, base in zip(family, family[1:]):
            made = new_node(
                setitem.operation, (base._node, None, made), ((view._memory.index,), None, (view._memory.index,)), base._data.shape, base._data.dtype
            )
            base._node = made
        for view in living_views(root):
            if not any(view is member for member in family) and np.may_share_memory(view._data, region):
                _take_again(view, True)


def _check_writable(tensor: Variable) -> None:
    if not tensor._data.flags.writeable:
        how = tensor._memory.how if isinstance(tensor._memory, View) else None
        reason = f"a view made by {how}" if how else "a read-only array"
        raise ValueError(f"item assignment: the tensor{_called(tensor)} is {reason} and cannot be written; write to a copy (clone())")


def _is_itself(tensor: Variable, index: Any, value: Variable) -> bool:
    if not (isinstance(value._memory, View) and value._memory.base is tensor and is_basic(index)):
        return False
    part = tensor._data[index]
    if not isinstance(part, np.ndarray) or not isinstance(value._data, np.ndarray):
        return False
    here, there = part.__array_interface__, value._data.__array_interface__
    return bool(here["data"] == there["data"] and part.shape == value._data.shape and part.strides == value._data.strides)


def _move(root: Variable, recording: bool) -> None:
    """Give `root` fresh memory, so that what graphs saved stays as it was; its views follow."""
    root._data = root._data.copy(order="K")
    memory_of(root).written = True
    for view in living_views(root):
        _take_again(view, recording)


def _take_again(view: Variable, with_gradient: bool) -> None:
    fresh = view._memory.again(view._memory.base)
    view._data = fresh._data
    if with_gradient:
        view._node = fresh._node


def update(tensor: Variable, operation: Callable[[Any, Any], Any], other: Any, symbol: str) -> Any:
    """Carry out `tensor += other` and its kin: the same tensor, with the new value and gradient."""
    what = f"in-place {symbol}"
    family = _family(tensor)
    recording = is_grad_enabled()
    if recording:
        _refuse_leaves(family, what)
    result = operation(tensor, other)
    if result is NotImplemented:
        return NotImplemented
    data = tensor._data
    if result._data.shape != data.shape:
        raise ValueError(f"{what}: the result has shape {result._data.shape}, which does not fit into the tensor{_called(tensor)} of shape {data.shape}")
    if result._data.dtype != data.dtype:
        if not np.can_cast(result._data.dtype, data.dtype, "same_kind"):
            raise TypeError(f"{what}: a result of dtype {result._data.dtype} does not fit into the tensor{_called(tensor)} of dtype {data.dtype}; use x = x {symbol[0]} ...")
        result = astype(result, data.dtype)
    if len(family) > 1:
        assign(tensor, Ellipsis, result)
        return tensor
    if isinstance(tensor._node, Leaf) or memory_of(tensor).foreign:
        _check_writable(tensor)
        data[...] = result._data
        log_write(data, f"{what} on the tensor{_called(tensor)}")
    else:
        tensor._data = result._data
        memory_of(tensor).written = False
    if recording and not isinstance(tensor._node, Leaf):
        tensor._node = result._node
    for view in living_views(tensor):
        _take_again(view, recording)
    return tensor


def detached(tensor: Variable) -> Any:
    """Return an untracked tensor on the same memory, for `Tensor.detach`."""
    return wrap(tensor._data)


def root_owner(tensor: Variable) -> Variable:
    return root_of(tensor)
