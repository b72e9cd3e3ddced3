"""`Parameter` and `Module`: what learns, and how parts make up a model.

A module's attributes are the whole truth: its parameters are those that are a `Parameter`, its children those that are
a `Module`, its buffers those that `register_buffer` named. Knows how a model is walked, called, saved and loaded. Knows
no layer.
"""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_array
from autodiff.graph import Group, add_group, next_number, wrap
from autodiff.memory import log_write

from .state import fitting, names_differ

_P = ParamSpec("_P")
_R_co = TypeVar("_R_co", covariant=True)


class Parameter(Tensor):
    """A Tensor that a module learns: it requires a gradient, and assigning it to a module's attribute registers it.

    data           numbers (float32 then), or an array or Tensor (its dtype); copied
    requires_grad  False for a parameter that is frozen
    dtype          a NumPy dtype, to choose another
    name           for messages and drawings; the attribute's name by default

    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.], shape=(2,), dtype=float32, requires_grad=True)
    """

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: npt.DTypeLike | None = None, name: str | None = None):
        if dtype is None and not isinstance(data, (np.ndarray, np.generic, Tensor)):
            dtype = np.float32
        super().__init__(data, dtype=dtype, requires_grad=requires_grad, name=name)


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found on one side only."""

    missing_keys: list[str]
    unexpected_keys: list[str]


if TYPE_CHECKING:
    import numpy.typing as npt

    class _HasForward(Protocol[_P, _R_co]):
        def forward(self, *args: _P.args, **kwargs: _P.kwargs) -> _R_co: ...

    class _TypedCall:
        """Gives `module(...)` the parameters and the result of the class's own `forward`."""

        def __get__(self, instance: _HasForward[_P, _R_co], owner: Any = None) -> Callable[_P, _R_co]: ...


# Path and class of all modules under the outermost one that is being called here, by id.
_calling: contextvars.ContextVar[dict[int, tuple[str, str]] | None] = contextvars.ContextVar("nn_calling", default=None)
_structure = 0  # raised whenever a module gets, loses or exchanges a child


class Module:
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
    _buffers: Mapping[str, bool] = {}  # name -> whether it is saved; a module with buffers has its own

    if TYPE_CHECKING:
        forward: Callable[..., Any]
        __call__ = _TypedCall()
    else:

        def forward(self, *args, **kwargs):
            """Compute the output; each module defines its own."""
            raise NotImplementedError(f"{type(self).__name__} has no forward: define `def forward(self, x: Tensor) -> Tensor`")

        def __call__(self, *args, **kwargs):
            paths = _calling.get()
            token = None
            if paths is None:  # the outermost call
                cached = self.__dict__.get("_cached_paths")
                paths = cached[1] if cached is not None and cached[0] == _structure else self._find_paths()
                if len(paths) > 1:
                    token = _calling.set(paths)
            first = next_number()
            try:
                result = self.forward(*args, **kwargs)
            except Exception as error:
                _say_where(error, self, paths)
                raise
            finally:
                if token is not None:
                    _calling.reset(token)
            if isinstance(result, Tensor):
                node = result._node
                if node is not None and node.number > first:
                    path, title = paths.get(id(self)) or (type(self).__name__,) * 2
                    add_group(node, Group(path, title, "module", first, next_number()))
            elif result is not None:
                _note_parts(result, self, paths, first, next_number())
            return result

    def _find_paths(self) -> dict[int, tuple[str, str]]:
        """Return path and class of each module in here by its id: made once, and again when the structure has changed."""
        root = type(self).__name__
        paths = {id(module): (path or root, type(module).__name__) for path, module in self.named_modules()}
        self.__dict__["_cached_paths"] = (_structure, paths)
        return paths

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_cached_paths"}  # ids mean nothing in a copy

    # ------------------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name)
        if isinstance(value, (Parameter, Module)):
            if "." in name or not name:
                raise ValueError(f"{type(self).__name__}: the name {name!r} must not be empty or hold a dot")
            if isinstance(value, Parameter) and value.name is None:
                value.name = name
            self._forget_buffer(name)
        elif isinstance(before, Parameter) and value is not None:
            raise TypeError(
                f"{type(self).__name__}.{name} is a parameter and cannot become a {type(value).__name__}. To change its values, "
                f"write `with no_grad(): module.{name}[...] = values`; to learn something else, assign a Parameter (or None)"
            )
        elif isinstance(before, Module) and value is not None:
            raise TypeError(
                f"{type(self).__name__}.{name} is a module and cannot become a {type(value).__name__}, which would be neither "
                "learned nor saved; assign a Module (or None), or `del` it first"
            )
        elif name in self._buffers and not (value is None or isinstance(value, Tensor)):
            raise TypeError(f"{type(self).__name__}.{name} is a buffer: expected a Tensor or None, got {type(value).__name__}")
        elif isinstance(value, (list, dict)) and any(
            isinstance(part, (Parameter, Module)) for part in (value.values() if isinstance(value, dict) else value)
        ):
            warnings.warn(
                f"{type(self).__name__}.{name} is a {type(value).__name__} that holds modules or parameters: they are not "
                "registered, so neither learned nor saved. Use nn.Sequential or an attribute for each; a tuple says it is meant",
                UserWarning,
                stacklevel=2,
            )
        if isinstance(value, Module) or isinstance(before, Module):
            _note_structure()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if isinstance(self.__dict__.get(name), Module):
            _note_structure()
        object.__delattr__(self, name)
        self._forget_buffer(name)

    def _forget_buffer(self, name: str) -> None:
        if name in self._buffers:
            self._buffers = {key: saved for key, saved in self._buffers.items() if key != name}

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set a parameter by its name; None stands for a parameter that this module does without."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: '{name}' must be a Parameter or None, got {type(param).__name__}")
        self._check_new(name)
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set a Tensor that belongs to the state but is not learned, such as a running mean.

        persistent  whether it is part of `state_dict()`
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: '{name}' must be a Tensor or None, got {type(tensor).__name__}")
        if name not in self._buffers:
            self._check_new(name)
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module) -> None:
        """Set a child by its name."""
        if not isinstance(module, Module):
            raise TypeError(f"add_module: '{name}' must be a Module, got {type(module).__name__}")
        if not isinstance(self.__dict__.get(name), Module):
            self._check_new(name)
        setattr(self, name, module)

    def _check_new(self, name: str) -> None:
        if "." in name or not name:
            raise ValueError(f"{type(self).__name__}: the name {name!r} must not be empty or hold a dot")
        if self.__dict__.get(name) is not None or hasattr(type(self), name):
            raise KeyError(f"{type(self).__name__} has an attribute '{name}' already")

    # ------------------------------------------------------------------------------------------- walking the model

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules right below this one with their names, each once."""
        seen = set()
        for name, value in tuple(self.__dict__.items()):
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the modules right below this one."""
        return (module for _, module in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module (path "") and all below it with their dotted paths, each once, parents first."""
        seen: set[int] = set()
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            path, module = waiting.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                below = [(_joined(path, name), child) for name, child in module.named_children()]
                waiting.extend(reversed(below))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield all parameters with their dotted names; one that is shared comes once, under its first name.

        >>> from nn import Linear, Sequential
        >>> [name for name, _ in Sequential(Linear(2, 3), Linear(3, 1)).named_parameters()]
        ['0.weight', '0.bias', '1.weight', '1.bias']
        """
        seen = set()
        for path, module in self.named_modules():
            for name, value in tuple(module.__dict__.items()):
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield _joined(path, name), value

    def parameters(self) -> Iterator[Parameter]:
        """Yield all parameters, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Yield all buffers with their dotted names."""
        for path, module in self.named_modules():
            for name in module._buffers:
                if module.__dict__[name] is not None:
                    yield _joined(path, name), module.__dict__[name]

    def buffers(self) -> Iterator[Tensor]:
        """Yield all buffers."""
        return (buffer for _, buffer in self.named_buffers())

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with each module in here, children first; return the module."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    # ------------------------------------------------------------------------------------------- modes and gradients

    def train(self, mode: bool = True) -> Self:
        """Say that the model is being trained (it changes dropout and batch normalisation); return the module."""
        for module in self.modules():
            module.training = bool(mode)
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

    # ------------------------------------------------------------------------------------------- the state

    def _state(self) -> dict[str, Tensor]:
        """Return parameters and saved buffers themselves under all their names, as PyTorch orders them."""
        state: dict[str, Tensor] = {}

        def collect(module: Module, path: str) -> None:
            values = module.__dict__
            saved = [name for name, persistent in module._buffers.items() if persistent and values[name] is not None]
            for name in [*(name for name, value in values.items() if isinstance(value, Parameter)), *saved]:
                state[_joined(path, name)] = values[name]
            for name, child in values.items():
                if isinstance(child, Module):  # a shared one under each of its names
                    collect(child, _joined(path, name))

        collect(self, "")
        return state

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of every parameter and buffer by its dotted name, untracked.

        >>> from nn import Linear
        >>> {name: value.shape for name, value in Linear(2, 3).state_dict().items()}
        {'weight': (3, 2), 'bias': (3,)}
        """
        return {name: wrap(tensor._data.copy()) for name, tensor in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Write saved values into the parameters and buffers, in place; all of them or, after an error, none.

        state_dict  Tensors or arrays by dotted name; they are cast to the dtypes of the module
        strict      raise where the names differ; else load those that both have

        Returns the missing and the unexpected names. Raises ValueError where names or shapes do not fit.
        """
        if not isinstance(state_dict, Mapping):
            cure = "; give its state_dict()" if isinstance(state_dict, Module) else "; nn.load(path) reads a file"
            raise TypeError(
                f"load_state_dict: expected a mapping of names to Tensors or arrays, got {type(state_dict).__name__}{cure}"
            )
        own = self._state()
        missing = [name for name in own if name not in state_dict]
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
        children = [f"({name}): {child!r}" for name, child in self.__dict__.items() if isinstance(child, Module)]
        extra = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = "\n".join(([extra] if extra else []) + children)
        return f"{type(self).__name__}(\n  " + lines.replace("\n", "\n  ") + "\n)"


def _note_structure() -> None:
    global _structure
    _structure += 1


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _note_parts(result: Any, module: Module, paths: dict[int, tuple[str, str]], first: int, last: int) -> None:
    """Note the call of `module` at each Tensor in a result of several parts."""
    if isinstance(result, Tensor):
        if result._node is not None and result._node.number > first:
            path, title = paths.get(id(module)) or (type(module).__name__,) * 2
            add_group(result._node, Group(path, title, "module", first, last))
    elif isinstance(result, (tuple, list, dict)):
        for part in result.values() if isinstance(result, dict) else result:
            _note_parts(part, module, paths, first, last)


def _say_where(error: Exception, module: Module, paths: dict[int, tuple[str, str]]) -> None:
    """Add the path of `module` to `error`, unless a module further inside has done so."""
    if not getattr(error, "_module_named", False):
        path, title = paths.get(id(module)) or (type(module).__name__,) * 2
        root, _ = next(iter(paths.values()))  # the outermost module comes first
        error.add_note(f"in {title}" if path in (title, root) else f"in {root}.{path} ({title})")
        error._module_named = True  # type: ignore[attr-defined]


def zero_gradients(parameters: Any, set_to_none: bool) -> None:
    """Drop the gradients of `parameters`, or set them to zeros."""
    for parameter in parameters:
        if set_to_none or parameter._grad is None:
            parameter._grad = None
        else:
            parameter._grad = wrap(np.zeros_like(parameter._data))


def matching(x: Any, parameter: Tensor) -> Any:
    """Return a layer's input in the dtype of its parameter, recorded where it is tracked."""
    dtype = parameter._data.dtype
    given = x._data.dtype if isinstance(x, Tensor) else getattr(x, "dtype", None)
    if given is dtype:
        return x
    if not isinstance(x, Tensor):
        x = as_array(x, "the input of a layer")
    if x.dtype.kind == "c" and dtype.kind != "c":
        raise TypeError(f"the input is complex ({x.dtype}), the layer real ({dtype}); give its real part or its modulus")
    if x.dtype == dtype:
        return x
    cast = x.astype(dtype)
    if isinstance(x, Tensor):
        cast.name = x.name
    return cast
