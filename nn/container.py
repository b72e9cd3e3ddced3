"""Modules made of modules: one after the other, in a list, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar, overload

from autodiff import Tensor

from .module import Module

_M = TypeVar("_M", bound=Module)


class _Numbered(Module, Generic[_M]):
    """Modules in an order, called "0", "1" ... unless a caller gave names."""

    def _add_checked(self, name: str, module: Any) -> None:
        if isinstance(module, type):
            made = f"make it a module: {module.__name__}(...)"
            raise TypeError(f"{type(self).__name__}: '{name}' is the class {module.__name__}; {made}")
        if not isinstance(module, Module):
            cure = "; write Sequential(*modules)" if isinstance(self, Sequential) and isinstance(module, (list, tuple)) else ""
            raise TypeError(f"{type(self).__name__}: '{name}' must be a Module, got {type(module).__name__}{cure}")
        self.add_module(name, module)

    def append(self, module: _M) -> Self:
        """Add a module at the end; return the container."""
        number = len(self)
        while str(number) in self.__dict__:  # of a part of a longer one, or of names that a caller gave
            number += 1
        self._add_checked(str(number), module)
        return self

    def extend(self, modules: Iterable[_M]) -> Self:
        """Add several modules at the end; return the container."""
        if isinstance(modules, Tensor) or not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}.extend: expected several modules, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: _M) -> Self:
        """Put a module before the one at `index`; return the container. Those behind it are numbered anew."""
        parts = self._named_parts()
        if not -len(parts) <= index <= len(parts):
            raise IndexError(f"{type(self).__name__}.insert: index {index}, but there are {len(parts)} modules")
        self.append(module)  # which checks it
        new = self._named_parts()[-1]
        parts.insert(index, new)
        self._arrange(parts)
        return self

    def pop(self, key: int = -1) -> _M:
        """Remove the module at a position and return it."""
        module: _M = self[key]
        del self[key]
        return module

    def _arrange(self, parts: list[tuple[str, Any]]) -> None:
        """Hold these modules in this order; numbers count anew, names that a caller gave stay."""
        if all(name.isdecimal() for name, _ in parts):
            parts = [(str(i), module) for i, (_, module) in enumerate(parts)]
        for name, _ in self._named_parts():
            delattr(self, name)
        for name, module in parts:
            self.add_module(name, module)

    def __len__(self) -> int:
        return len(self._named_parts())

    def __iter__(self) -> Iterator[_M]:
        return iter([module for _, module in self._named_parts()])  # type: ignore[misc]

    def __getitem__(self, index: Any) -> Any:
        parts = self._named_parts()
        try:
            return parts[index][1]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index}, but there are {len(parts)} modules") from None

    def __setitem__(self, index: int, module: _M) -> None:
        parts = self._named_parts()
        try:
            name = parts[index][0]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index}, but there are {len(parts)} modules") from None
        self._add_checked(name, module)

    def __delitem__(self, index: int | slice) -> None:
        parts = self._named_parts()
        try:
            del parts[index]
        except IndexError:
            raise IndexError(f"{type(self).__name__}: index {index}, but there are {len(parts)} modules") from None
        self._arrange(parts)

    def __iadd__(self, other: Iterable[_M]) -> Self:
        return self.extend(other)


class Sequential(_Numbered[Any]):
    """Modules called one after the other, each with the result of the one before.

    modules  the modules, which are then called "0", "1" ..., or one mapping of names to modules

    It is also a list: indices, slices (in which each keeps its name, and so its names in a state_dict), `append`, `insert`,
    `extend`, `pop`, `del`, `+` and `*`.

    >>> from nn import Linear, ReLU
    >>> model = Sequential(Linear(784, 128), ReLU(), Linear(128, 10))
    >>> model
    Sequential(
      (0): Linear(in_features=784, out_features=128, bias=True)
      (1): ReLU()
      (2): Linear(in_features=128, out_features=10, bias=True)
    )
    >>> len(model), model[1]
    (3, ReLU())
    """

    def __init__(self, *modules: Module | Mapping[str, Module]):
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = dict(modules[0])
        else:
            named = {str(i): module for i, module in enumerate(modules)}  # type: ignore[misc]
        for name, module in named.items():
            self._add_checked(name, module)

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            x = module(x)
        return x

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        return Sequential(dict(self._named_parts()[index])) if isinstance(index, slice) else super().__getitem__(index)

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *other) if isinstance(other, Sequential) else NotImplemented

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*(list(self) * _count(times)))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self.extend(list(self) * (_count(times) - 1))


def _count(times: Any) -> int:
    if isinstance(times, bool) or not isinstance(times, int):
        raise TypeError(f"Sequential: expected a number of repetitions, got {type(times).__name__}")
    if times < 1:
        raise ValueError(f"Sequential: expected at least 1 repetition, got {times}")
    return times


class ModuleList(_Numbered[_M]):
    """A list of modules whose parameters are learned and saved; what to do with them is up to the `forward` around it.

    modules  the modules, called "0", "1" ...

    >>> from nn import Linear
    >>> layers = ModuleList([Linear(2, 4), Linear(4, 3)])
    >>> x = Tensor([1.0, 2.0])
    >>> for layer in layers:
    ...     x = layer(x)
    >>> x.shape, list(layers.state_dict())
    ((3,), ['0.weight', '0.bias', '1.weight', '1.bias'])
    """

    def __init__(self, modules: Iterable[_M] | None = None):
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, index: int) -> _M: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList[_M]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ModuleList([module for _, module in self._named_parts()[index]])
        return super().__getitem__(index)

    def __add__(self, other: Iterable[_M]) -> ModuleList[_M]:
        return ModuleList([*self, *other])


class ModuleDict(Module, Generic[_M]):
    """Modules by name, learned and saved, in the order in which they came.

    modules  a mapping of names to modules, or pairs of the two

    >>> from nn import ReLU, Tanh
    >>> activations = ModuleDict({"relu": ReLU(), "tanh": Tanh()})
    >>> activations["relu"](Tensor([-1.0, 1.0])).tolist()
    [0.0, 1.0]
    >>> "tanh" in activations, list(activations)
    (True, ['relu', 'tanh'])
    """

    def __init__(self, modules: Mapping[str, _M] | Iterable[tuple[str, _M]] | None = None):
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> _M:
        module = self.__dict__.get(key)
        if not isinstance(module, Module):
            raise KeyError(f"ModuleDict: no module is called {key!r}; there are {', '.join(map(repr, self)) or 'none'}")
        return module  # type: ignore[return-value]

    def __setitem__(self, key: str, module: _M) -> None:
        if not isinstance(key, str):
            raise TypeError(f"ModuleDict: a name must be a str, got {type(key).__name__}")
        if not isinstance(module, Module):
            raise TypeError(f"ModuleDict: '{key}' must be a Module, got {type(module).__name__}")
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]  # raises where there is none
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._named_parts())

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._named_parts()])

    def __contains__(self, key: object) -> bool:
        return isinstance(self.__dict__.get(key), Module)  # type: ignore[call-overload]

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self)

    def values(self) -> list[_M]:
        """Return the modules."""
        return [module for _, module in self._named_parts()]  # type: ignore[misc]

    def items(self) -> list[tuple[str, _M]]:
        """Return pairs of name and module."""
        return self._named_parts()  # type: ignore[return-value]

    def update(self, modules: Mapping[str, _M] | Iterable[tuple[str, _M]]) -> None:
        """Add modules; those of a name that is there already are replaced."""
        for key, module in pairs("ModuleDict", modules):
            self[key] = module

    def pop(self, key: str) -> _M:
        """Remove the module of a name and return it."""
        module = self[key]
        del self[key]
        return module

    def clear(self) -> None:
        """Remove all modules."""
        for name in self:
            del self[name]


def pairs(what: str, given: Any) -> list[tuple[Any, Any]]:
    """Return what makes up a dictionary, given as a mapping or as pairs."""
    if isinstance(given, (Mapping, ModuleDict)) or hasattr(given, "items"):
        return list(given.items())
    found = list(given) if isinstance(given, Iterable) else []
    if not isinstance(given, Iterable) or any(not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in found):
        raise TypeError(f"{what}: expected a mapping of names, or pairs of a name and a value, got {type(given).__name__}")
    return [(pair[0], pair[1]) for pair in found]
