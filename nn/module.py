"""`Module`: a part of a model that can be called, trained, saved and loaded.

What it is made of is in registry.py, how a call is noted in calling.py, what a user may hang on one in hooks.py. Knows
no layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_dtype
from autodiff.graph import Group, Leaf, Notes, next_number, wrap
from autodiff.memory import log_write
from autodiff.tensor import Handle

from .calling import calling, note_parts, paths_of, say_where, structure
from .hooks import Hooks
from .parameter import Parameter, is_device, matching, recast, zero_gradients
from .registry import Registry, joined
from .state import fitting, names_differ

__all__ = ["IncompatibleKeys", "Module", "Parameter", "matching", "zero_gradients"]

_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found on one side only."""

    missing_keys: list[str]
    unexpected_keys: list[str]


if TYPE_CHECKING:

    class _HasForward(Protocol[_P, _R_co]):
        def forward(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

    class _TypedCall:
        """Gives `module(...)` the parameters and the result of the class's own `forward`."""

        def __get__(self, instance: _HasForward[_P, _R_co], owner: Any = None) -> Callable[_P, _R_co]: ...


class Module(Registry):
    """A part of a model: parameters, buffers and other modules as attributes, and a `forward` that uses them.

    training  whether it is being trained (`train()`, `eval()`); True at first

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter(2.0)
    ...
    ...     def forward(self, x: Tensor) -> Tensor:
    ...         return self.factor * x
    >>> model = Scale()
    >>> [name for name, _ in model.named_parameters()]
    ['factor']
    >>> model(Tensor([1.0, 3.0])).tolist()
    [2.0, 6.0]
    """

    training: bool = True
    _rehearsal: Any = None  # how to try it without changing it: see rehearsal.py
    _module_hooks: Hooks | None = None  # made with the first hook: a module without hooks pays nothing for them

    if TYPE_CHECKING:
        forward: Callable[..., Any]
        __call__ = _TypedCall()
    else:

        def forward(self, *args, **kwargs):
            """Compute the output; each module defines its own."""
            raise NotImplementedError(f"{type(self).__name__} has no forward: define `def forward(self, x: Tensor) -> Tensor`")

        def __call__(self, *args, **kwargs):
            paths = calling.get()
            token = None
            if paths is None:  # the outermost call
                cached = self.__dict__.get("_cached_paths")
                paths = cached[1] if cached is not None and cached[0] == structure[0] else paths_of(self)
                if len(paths) > 1:
                    token = calling.set(paths)
            first = next_number()
            try:
                hooks = self._module_hooks
                result = self.forward(*args, **kwargs) if hooks is None else hooks.call(self, args, kwargs)
            except Exception as error:
                say_where(error, self, paths)
                raise
            finally:
                if token is not None:
                    calling.reset(token)
            if isinstance(result, Tensor):
                node = result._node
                if node is not None and node.number > first:
                    path, title = paths.get(id(self)) or (type(self).__name__,) * 2
                    notes = node.notes
                    if notes is None:
                        notes = node.notes = Notes()
                    notes.groups += (Group(path, title, "module", first, next_number()),)
            elif result is not None:
                note_parts(result, self, paths, first, next_number())
            return result

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_cached_paths"}  # ids mean nothing in a copy

    # ------------------------------------------------------------------------------------------- hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before each `forward`; what it returns, if anything, replaces the positional arguments.

        hook         returns None, the new arguments as a tuple, or a single one
        prepend      run it before the hooks that are there already
        with_kwargs  call `hook(module, args, kwargs)`, which returns None or both anew: `(args, kwargs)`

        Returns a handle; its `remove()`, or the end of a `with` block, takes the hook away.

        >>> from nn import ReLU
        >>> module = ReLU()
        >>> with module.register_forward_pre_hook(lambda module, args: (args[0] + 1,)):
        ...     module(Tensor([-0.5])).tolist()
        [0.5]
        """
        return Handle(self._own_hooks(hook).before, (hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> Handle:
        """Call `hook(module, args, output)` after each `forward`; what it returns, if anything, replaces the output.

        prepend      run it before the hooks that are there already
        with_kwargs  call `hook(module, args, kwargs, output)`
        always_call  call it after an error too, with the output None; errors of its own are then warnings

        Returns a handle; its `remove()`, or the end of a `with` block, takes the hook away.
        """
        return Handle(self._own_hooks(hook).after, (hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs of a call are known.

        hook     gets two tuples: the gradients of the positional arguments, and of the outputs (None where there is none); what
                 it returns, if anything, replaces grad_input. They are read-only
        prepend  run it before the hooks that are there already

        Where no argument requires a gradient it is called with the gradients of the outputs known. The output must be a Tensor or
        a tuple of them. Returns a handle; its `remove()`, or the end of a `with` block, takes the hook away.

        >>> from nn import ReLU
        >>> module, x = ReLU(), Tensor([-1.0, 1.0], requires_grad=True)
        >>> with module.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 10,)):
        ...     module(x).sum().backward()
        >>> x.grad.tolist()
        [0.0, 10.0]
        """
        return Handle(self._own_hooks(hook).backward, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when the gradients of the outputs of a call are known.

        What it returns, if anything, replaces them. Else as `register_full_backward_hook`.
        """
        return Handle(self._own_hooks(hook).backward_before, hook, prepend)

    def _own_hooks(self, hook: Any) -> Hooks:
        if not callable(hook):
            raise TypeError(f"{type(self).__name__}: a hook must be a function, got {type(hook).__name__}")
        if self._module_hooks is None:
            self._module_hooks = Hooks()
        return self._module_hooks

    # ------------------------------------------------------------------------------------------- modes, dtypes, gradients

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with each module in here, children first; return the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Say that the model is being trained (it changes dropout and batch normalisation); return the module."""
        self.training = bool(mode)
        for module in self.children():
            module.train(mode)  # its own: one that keeps a part of itself in eval() may have another
        return self

    def eval(self) -> Self:
        """Say that the model is being used; return the module."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or set them to zeros."""
        zero_gradients(self.parameters(), set_to_none)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Learn all parameters, or freeze them; return the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self, *args: Any, dtype: Any = None, device: Any = None) -> Self:
        """Give all floating parameters and buffers, and their gradients, another dtype, where they are; return the module.

        dtype   floating or complex, as NumPy names it; or a Tensor, whose dtype is meant
        device  "cpu", which changes nothing: there is no other device

        Either may be given by its name or, as in PyTorch, without: `to("cpu", "float64")`. Optimizers, ties and hooks
        stay as they are. Integers stay integers, and complex numbers stay complex.

        >>> from nn import Linear
        >>> Linear(2, 3).to("float64").weight.dtype
        dtype('float64')
        """
        if device is not None and not is_device(device):
            raise ValueError(f"to: device is 'cpu', got {device!r}")
        dtypes = [given for given in (*args, dtype) if given is not None and not is_device(given)]
        if not dtypes:
            return self
        if len(dtypes) > 1:
            raise TypeError(f"to: expected one dtype, got {len(dtypes)}")
        wanted = as_dtype(dtypes[0].dtype if isinstance(dtypes[0], Tensor) else dtypes[0], "to")
        if wanted.kind not in "fc":
            raise TypeError(f"to: a module computes with floating or complex numbers, expected such a dtype, got {wanted}")
        kinds = "fc" if wanted.kind == "c" else "f"
        for module in self.modules():
            for name, value in tuple(module.__dict__.items()):
                if not (isinstance(value, Parameter) or name in module._buffers) or value is None or value.dtype.kind not in kinds:
                    continue
                if value._node is None or isinstance(value._node, Leaf):
                    recast(value, wanted)
                else:  # a buffer that is the result of recorded operations
                    setattr(module, name, value.astype(wanted))
        return self

    def cpu(self) -> Self:
        """Return the module: there is no other device."""
        return self

    def float(self) -> Self:
        """Give all floating parameters and buffers the dtype float32; return the module."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Give all floating parameters and buffers the dtype float64; return the module."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Give all floating parameters and buffers the dtype float16; return the module."""
        return self.to(np.float16)

    # ------------------------------------------------------------------------------------------- the state

    def _live_state(self, prefix: str = "") -> dict[str, Tensor]:
        """Return parameters and saved buffers themselves under all their names, as PyTorch orders them."""
        state: dict[str, Tensor] = {}

        def collect(module: Module, path: str) -> None:
            values = module.__dict__
            saved = [name for name, persistent in module._buffers.items() if persistent and values[name] is not None]
            for name in [*(name for name, value in values.items() if isinstance(value, Parameter)), *saved]:
                state[joined(path, name)] = values[name]
            for name, child in module._named_parts():  # a shared one under each of its names
                collect(child, joined(path, name))

        collect(self, "")
        return {prefix + name: tensor for name, tensor in state.items()} if prefix else state

    def state_dict(
        self, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Return a copy of every parameter and buffer by its dotted name, untracked; a shared one under each of its names.

        destination  a dictionary to put them into, which is then returned
        prefix       what all names begin with
        keep_vars    True for the parameters and buffers themselves in place of copies

        >>> from nn import Linear
        >>> {name: value.shape for name, value in Linear(2, 3).state_dict().items()}
        {'weight': (3, 2), 'bias': (3,)}
        """
        state = self._live_state(prefix)
        if not keep_vars:
            state = {name: wrap(tensor._data.copy()) for name, tensor in state.items()}
        if destination is None:
            return state
        destination.update(state)
        return destination

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Write saved values into the parameters and buffers, in place; all of them or, after an error, none.

        state_dict  Tensors or arrays by dotted name; they are cast to the dtypes of the module
        strict      raise where the names differ; else load those that both have

        A shared parameter needs one of its names only: files may leave out what they would hold twice.

        Returns the missing and the unexpected names. Raises ValueError where names or shapes do not fit.
        """
        if not isinstance(state_dict, Mapping):
            cure = "; give its state_dict()" if isinstance(state_dict, Module) else "; nn.load(path) reads a file"
            raise TypeError(
                f"load_state_dict: expected a mapping of names to Tensors or arrays, got {type(state_dict).__name__}{cure}"
            )
        own = self._live_state()
        given = {id(tensor) for name, tensor in own.items() if name in state_dict}
        missing = [name for name, tensor in own.items() if id(tensor) not in given]
        unexpected = [str(name) for name in state_dict if name not in own]
        if strict and (missing or unexpected):
            raise ValueError(names_differ(type(self).__name__, missing, unexpected))
        arrays = {name: fitting(state_dict[name], own[name], name) for name in own if name in state_dict}
        for name, array in arrays.items():  # what is itself about to be written is copied first
            if any(np.may_share_memory(array, tensor._data) for tensor in own.values()):
                arrays[name] = array.copy()
        for name, array in arrays.items():
            data = own[name]._data
            data[...] = array
            log_write(data, f"load_state_dict into '{name}'")
        return IncompatibleKeys(missing, unexpected)

    # ------------------------------------------------------------------------------------------- repr

    def extra_repr(self) -> str:
        """Return what the repr says in parentheses."""
        return ""

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}" for name, child in self._named_parts()]
        extra = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = "\n".join(([extra] if extra else []) + children)
        return f"{type(self).__name__}(\n  " + lines.replace("\n", "\n  ") + "\n)"
