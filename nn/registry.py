"""What a module is made of: its attributes are the whole truth, and all walks over a model read them.

Its parameters are the attributes that are a `Parameter`, its children those that are modules, its buffers those that
`register_buffer` named. Knows nothing of calls, modes or values.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from autodiff import Tensor
from autodiff.arguments import as_array

from .calling import note_structure
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module


class Registry:
    """Attributes that are registered as they are assigned, and found by walking."""

    _buffers: Mapping[str, bool] = {}  # name -> whether it is saved; a module with buffers has its own

    # ------------------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name)
        if isinstance(value, (Parameter, Registry)):
            if "." in name or not name:
                raise ValueError(f"{type(self).__name__}: the name {name!r} must not be empty or hold a dot")
            if isinstance(value, Parameter):
                if value.name is None:
                    value.name = name
            elif any(module is self for module in value.modules()):
                raise ValueError(
                    f"{type(self).__name__}.{name}: a module cannot be a part of itself, nor of its own parts. To refer to a "
                    f"module without making it a part, put it in a tuple: self.{name} = (module,)"
                )
            self._forget_buffer(name)
        elif isinstance(before, Parameter) and value is not None:
            raise TypeError(
                f"{type(self).__name__}.{name} is a parameter and cannot become a {type(value).__name__}. To change its values, "
                f"write `with no_grad(): module.{name}[...] = values`; to learn something else, assign a Parameter (or None)"
            )
        elif isinstance(before, Registry) and value is not None:
            raise TypeError(
                f"{type(self).__name__}.{name} is a module and cannot become a {type(value).__name__}, which would be neither "
                "learned nor saved; assign a Module (or None), or `del` it first"
            )
        elif name in self._buffers and not (value is None or isinstance(value, Tensor)):
            raise TypeError(f"{type(self).__name__}.{name} is a buffer: expected a Tensor or None, got {type(value).__name__}")
        elif isinstance(value, Tensor) and value.requires_grad and value.is_leaf and name not in self._buffers:
            warnings.warn(
                f"{type(self).__name__}.{name} is a Tensor that requires a gradient, but no Parameter: it is neither learned nor "
                "saved. Assign nn.Parameter(...); or a tensor with requires_grad=False",
                UserWarning,
                stacklevel=2,
            )
        elif isinstance(value, (list, dict, set)) and _holds_parts(value, ()):
            warnings.warn(
                f"{type(self).__name__}.{name} is a {type(value).__name__} that holds modules or parameters: they are not "
                "registered, so neither learned nor saved. Use nn.ModuleList, nn.ModuleDict, nn.ParameterList or nn.Sequential; a "
                "tuple says it is meant",
                UserWarning,
                stacklevel=2,
            )
        if isinstance(value, Registry) or isinstance(before, Registry):
            note_structure()
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if isinstance(self.__dict__.get(name), Registry):
            note_structure()
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

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Set a Tensor that belongs to the state but is not learned, such as a running mean.

        tensor      a Tensor; or numbers or an array, which are copied; or None
        persistent  whether it is part of `state_dict()`
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            tensor = Tensor(as_array(tensor, f"register_buffer: '{name}'"))
        if name not in self._buffers:
            self._check_new(name)
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set a child by its name; None stands for a child that this module does without."""
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"add_module: '{name}' must be a Module, got {type(module).__name__}")
        if not isinstance(self.__dict__.get(name), Registry):
            self._check_new(name)
        setattr(self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Set a child by its name, as `add_module`."""
        self.add_module(name, module)

    def _check_new(self, name: str) -> None:
        if "." in name or not name:
            raise ValueError(f"{type(self).__name__}: the name {name!r} must not be empty or hold a dot")
        if self.__dict__.get(name) is not None or hasattr(type(self), name):
            raise KeyError(f"{type(self).__name__} has an attribute '{name}' already")

    # ------------------------------------------------------------------------------------------- walking the model

    def _named_parts(self) -> list[tuple[str, Module]]:
        """Return all children with their names, one that has two names twice."""
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, Registry)]  # type: ignore[misc]

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules right below this one with their names, each once."""
        seen = set()
        for name, value in self._named_parts():
            if id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """Yield the modules right below this one."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield this module (path "") and all below it with their dotted paths, each once, parents first.

        memo              modules to leave out; those that are found are added
        prefix            what all paths begin with
        remove_duplicate  False to yield a shared module under each of its names
        """
        memo = set() if memo is None else memo
        seen = {id(module) for module in memo}
        waiting: list[tuple[str, Any]] = [(prefix, self)]
        while waiting:
            path, module = waiting.pop()
            if remove_duplicate:
                if id(module) in seen:
                    continue
                seen.add(id(module))
                memo.add(module)
            yield path, module
            waiting.extend(reversed([(joined(path, name), child) for name, child in module._named_parts()]))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """Yield this module and all below it, each once; with remove_duplicate=False a shared one as often as it is there."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield all parameters with their dotted names; one that is shared comes once, under its first name.

        prefix            what all names begin with
        recurse           False to yield only those of this module itself
        remove_duplicate  False to yield a shared one under each of its names

        >>> from nn import Linear, Sequential
        >>> [name for name, _ in Sequential(Linear(2, 3), Linear(3, 1)).named_parameters()]
        ['0.weight', '0.bias', '1.weight', '1.bias']
        """
        seen = set()
        for path, module in self._walked_modules(prefix, recurse, remove_duplicate):
            for name, value in tuple(module.__dict__.items()):
                if isinstance(value, Parameter) and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield joined(path, name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield all parameters, each once; with recurse=False only those of this module itself."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield all buffers with their dotted names; the options are those of `named_parameters`."""
        seen = set()
        for path, module in self._walked_modules(prefix, recurse, remove_duplicate):
            for name in module._buffers:
                value = module.__dict__[name]
                if value is not None and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield joined(path, name), value

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield all buffers, each once; with recurse=False only those of this module itself."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _walked_modules(self, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        return self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else iter([(prefix, self)])

    # ------------------------------------------------------------------------------------------- one part, by its path

    def get_submodule(self, target: str) -> Module:
        """Return the module at a dotted path, "" for this one; raises AttributeError where there is none.

        >>> from nn import Linear, ReLU, Sequential
        >>> Sequential(Linear(2, 3), Sequential(ReLU())).get_submodule("1.0")
        ReLU()
        """
        found: Any = self
        path = ""
        for name in target.split(".") if target else ():
            below = found.__dict__.get(name)
            if not isinstance(below, Registry):
                where = f"'{path}' ({type(found).__name__})" if path else type(found).__name__
                kind = f"is a {type(below).__name__}, not a module" if below is not None else "does not exist"
                known = ", ".join(repr(name) for name, _ in found._named_parts()) or "none"
                raise AttributeError(f"get_submodule: '{name}' of {where} {kind}; the modules there: {known}")
            found, path = below, joined(path, name)
        return found  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted path, in the place of what is there; raises AttributeError where nothing leads to it.

        strict  raise where there is no module at that path yet

        >>> from nn import Identity, Linear, ReLU, Sequential
        >>> model = Sequential(Sequential(Linear(2, 3), ReLU()))
        >>> model.set_submodule("0.1", Identity())
        >>> model[0][1]
        Identity()
        """
        path, _, name = target.rpartition(".")
        parent: Any = self.get_submodule(path)
        if not isinstance(module, Registry):
            raise TypeError(f"set_submodule: '{target}' must become a Module, got {type(module).__name__}")
        if strict:
            self.get_submodule(target)
        parent.add_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter of a dotted name; raises AttributeError where there is none."""
        found = self._named_value("get_parameter", target)
        if not isinstance(found, Parameter):
            raise AttributeError(f"get_parameter: '{target}' is {'missing' if found is None else f'a {type(found).__name__}'}")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer of a dotted name; raises AttributeError where there is none."""
        found = self._named_value("get_buffer", target)
        path, _, name = target.rpartition(".")
        if found is None or name not in self.get_submodule(path)._buffers:
            raise AttributeError(f"get_buffer: '{target}' is {'missing' if found is None else 'no buffer'}")
        return found  # type: ignore[no-any-return]

    def _named_value(self, what: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        try:
            return self.get_submodule(path).__dict__.get(name)
        except AttributeError as error:
            raise AttributeError(f"{what}: '{target}' is missing: {str(error).removeprefix('get_submodule: ')}") from None


def joined(path: str, name: str) -> str:
    """Return the dotted name of what is called `name` in the module at `path`."""
    return f"{path}.{name}" if path else name


def _holds_parts(value: Any, within: tuple[int, ...]) -> bool:
    """Return whether a list, dict or set holds a module or parameter, however deep; `within` are those around it, by id."""
    if id(value) in within:
        return False
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, (Parameter, Registry)):
            return True
        if isinstance(part, (list, dict, set, tuple)) and _holds_parts(part, (*within, id(value))):
            return True
    return False
