"""Hooks of modules: functions of a user's that see, and may change, what goes into a module and out of it.

Forward hooks run around `forward`. Backward hooks need a place in the graph: a call with such hooks passes its inputs
and outputs through two identity operations, and the hooks run when the gradients cross these. Names, order and meaning
are PyTorch's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor, is_grad_enabled
from autodiff.border import handed_out, inward
from autodiff.chain_rule import add_to, fitted
from autodiff.graph import Leaf, Node, current_mode, wrap
from autodiff.recording import Operation, record

Hook = Callable[..., Any]


class Hooks:
    """The hooks of one module, by key, in the order in which they run.

    before           (hook, with_kwargs): before `forward`, on its arguments
    after            (hook, with_kwargs, always_call): after it, on its result
    backward_before  on the gradients of the outputs
    backward         on the gradients of the inputs
    """

    __slots__ = ("after", "backward", "backward_before", "before")

    def __init__(self) -> None:
        self.before: dict[Any, tuple[Hook, bool]] = {}
        self.after: dict[Any, tuple[Hook, bool, bool]] = {}
        self.backward_before: dict[Any, Hook] = {}
        self.backward: dict[Any, Hook] = {}

    def call(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return what `module.forward` and the hooks around it make of the arguments."""
        called: set[Any] = set()
        result = None
        try:
            args, kwargs = self._prepared(module, args, kwargs)
            crossing = None
            if (self.backward or self.backward_before) and is_grad_enabled():
                crossing = _Crossing(module, self)
                args = crossing.enter(args)
            result = module.forward(*args, **kwargs)
            for key, (hook, with_kwargs, _) in tuple(self.after.items()):
                called.add(key)
                changed = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
                if changed is not None:
                    result = changed
            return result if crossing is None else crossing.leave(result)
        except Exception:
            for key, (hook, with_kwargs, always) in tuple(self.after.items()):
                if always and key not in called:
                    _despite_error(hook, (module, args, kwargs, result) if with_kwargs else (module, args, result))
            raise

    def _prepared(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for hook, with_kwargs in tuple(self.before.values()):
            if with_kwargs:
                changed = hook(module, args, kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict)):
                    raise TypeError(
                        "a forward pre-hook with with_kwargs=True must return None or a pair (args, kwargs) of a tuple and a dict, "
                        f"got {type(changed).__name__}"
                    )
                args, kwargs = changed
                args = args if isinstance(args, tuple) else (args,)
            else:
                changed = hook(module, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs


def _despite_error(hook: Hook, arguments: tuple[Any, ...]) -> None:
    """Call a hook that wants to be called although `forward`, or another hook, has raised an error."""
    try:
        hook(*arguments)
    except Exception as error:
        warnings.warn(
            f"a forward hook with always_call=True raised {type(error).__name__}: {error}; it gives way to the error before it",
            UserWarning,
            stacklevel=4,
        )


# ----------------------------------------------------------------------------------------------- backward


class _Crossing:
    """One call of a module with backward hooks: what is known of its inputs, its outputs, and their gradients."""

    def __init__(self, module: Any, hooks: Hooks):
        self.module = module
        self.backward_before, self.backward = tuple(hooks.backward_before.values()), tuple(hooks.backward.values())
        self.inputs: _Side | None = None
        self.outputs: _Side | None = None
        self.grad_outputs: tuple[Any, ...] | None = None
        self.differentiated = False  # whether a pass was recorded: a pass through that one comes by the inputs alone

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, the tracked ones through an identity that will see their gradients."""
        self.inputs = _Side(args)
        return tuple(self.inputs.passed(_INPUT, self._grads_of_inputs)) if self.inputs.tracked else args

    def leave(self, result: Any) -> Any:
        """Return the result, its tracked parts through an identity that will see their gradients."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                f"{type(self.module).__name__} has backward hooks, which need an output that is a Tensor or a tuple of Tensors; "
                f"this one is a {type(result).__name__}, and they will not be called",
                UserWarning,
                stacklevel=5,
            )
            return result
        self.outputs = _Side(result if isinstance(result, tuple) else (result,))
        if not self.outputs.tracked:
            return result
        passed = self.outputs.passed(_OUTPUT, self._grads_of_outputs)
        if not isinstance(result, tuple):
            return passed[0]
        return tuple(passed) if type(result) is tuple else type(result)(*passed)  # a named tuple stays one

    def _grads_of_outputs(self, parts: Sequence[Any], create_graph: bool) -> list[Any]:
        assert self.inputs is not None
        assert self.outputs is not None
        seen = self.outputs.seen(parts)
        grads = seen
        for hook in self.backward_before:
            changed = hook(self.module, grads)
            if changed is not None:
                grads = self._checked(changed, len(grads), "backward pre-hook", "grad_output")
        self.grad_outputs = grads
        if not self.inputs.tracked:  # nothing will arrive at an input: now is the time
            for hook in self.backward:
                changed = hook(self.module, (None,) * self.inputs.count, grads)
                if changed is not None and any(part is not None for part in changed):
                    raise RuntimeError(
                        f"a backward hook of {type(self.module).__name__} returned gradients, but no input of this call requires "
                        "one; return None"
                    )
        return self.outputs.taken(grads, seen, parts, f"a backward pre-hook of {type(self.module).__name__}", create_graph)

    def _grads_of_inputs(self, parts: Sequence[Any], create_graph: bool) -> list[Any]:
        assert self.inputs is not None
        name = type(self.module).__name__
        if self.grad_outputs is None:
            if self.differentiated:
                return list(parts)
            raise RuntimeError(
                f"the gradient of an input of {name}, which has backward hooks, does not come by way of its output: its forward "
                "hands a Tensor on in another way (an attribute, a list). Return it"
            )
        seen = self.inputs.seen(parts)
        grads = seen
        for hook in self.backward:
            changed = hook(self.module, grads, self.grad_outputs)
            if changed is not None:
                grads = self._checked(changed, len(grads), "backward hook", "grad_input")
        self.grad_outputs = None
        self.differentiated |= create_graph
        return self.inputs.taken(grads, seen, parts, f"a backward hook of {name}", create_graph)

    def _checked(self, changed: Any, count: int, kind: str, what: str) -> tuple[Any, ...]:
        grads: tuple[Any, ...] = changed if isinstance(changed, tuple) else (changed,)
        if len(grads) != count:
            name = type(self.module).__name__
            raise RuntimeError(f"a {kind} of {name} returned {len(grads)} gradients, expected {count}, as many as {what} has")
        return grads


class _Side:
    """The inputs, or the outputs, of a call: which of them are tracked, and what a gradient of each must look like."""

    def __init__(self, values: tuple[Any, ...]):
        self.values: tuple[Any, ...] | None = values
        self.count = len(values)
        self.tracked = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value._node is not None]
        self.like = [wrap(np.broadcast_to(np.empty((), values[i].dtype), values[i].shape)) for i in self.tracked]

    def passed(self, operation: Operation, attend: Callable[[Sequence[Any], bool], list[Any]]) -> list[Any]:
        """Return the values, the tracked ones as results of an identity whose gradients `attend` sees and may change."""
        values, self.values = self.values, None
        assert values is not None
        tensors = [values[i] for i in self.tracked]
        # Shared where a later write moves away from what graphs have kept; that of a leaf would not.
        arrays = tuple([t._data.copy() if isinstance(t._node, Leaf) or t._memory is not None else t._data for t in tensors])
        mode = current_mode()
        trace = None if mode is None else mode.trace
        results = record(operation, tuple([t._node for t in tensors]), attend, arrays, trace, tensors)
        passed = list(values)
        for i, tensor, result in zip(self.tracked, tensors, results, strict=True):
            passed[i] = result
            result.name = tensor.name
        return passed

    def seen(self, parts: Sequence[Any]) -> tuple[Any, ...]:
        """Return the gradients as hooks see them: one for each value, None where there is none."""
        grads: list[Any] = [None] * self.count
        for i, part in zip(self.tracked, parts, strict=True):
            grads[i] = None if part is None else handed_out(part)
        return tuple(grads)

    def taken(
        self, grads: tuple[Any, ...], seen: tuple[Any, ...], parts: Sequence[Any], what: str, create_graph: bool
    ) -> list[Any]:
        """Return the gradients as the pass goes on with them: the same where no hook gave others."""
        taken = []
        for i, part, like in zip(self.tracked, parts, self.like, strict=True):
            grad = grads[i]
            if grad is None or grad is seen[i]:
                taken.append(None if grad is None else part)
            else:
                taken.append(inward(grad, like, what, create_graph))
        return taken


def _cross(node: Node, parts: Any, pending: Any, owned: Any, needed: Any, create_graph: bool) -> bool:
    with np.errstate(all="warn"):  # a hook is the user's code, and no rule
        grads = node.saved(parts, create_graph)
    for parent, grad in zip(node.parents, grads, strict=True):
        if parent is not None and grad is not None and (needed is None or parent in needed):
            add_to(pending, owned, parent, fitted(grad, parent, node))
    return True


def _identity(name: str) -> Operation:
    operation = Operation(name, lambda tensors: tensors, ("tensors",), register=False)
    operation.sequence = True
    operation.set_special(_cross)
    return operation


_INPUT, _OUTPUT = _identity("module_input"), _identity("module_output")
