"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, overload

from autodiff import Tensor

from .module import Module


class Sequential(Module):
    """Modules called one after the other, each with the result of the one before.

    modules  the modules, which are then called "0", "1" ..., or one mapping of names to modules

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
            if isinstance(module, type):
                raise TypeError(f"Sequential: '{name}' is the class {module.__name__}; make it a module: {module.__name__}(...)")
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            x = module(x)
        return x

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; return the container."""
        number = len(self)
        while str(number) in self.__dict__:  # of a part of a longer one, or of names that a caller gave
            number += 1
        self.add_module(str(number), module)
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter([value for value in self.__dict__.values() if isinstance(value, Module)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):  # each keeps its name, and so its names in a state_dict
            return Sequential(dict([(name, value) for name, value in self.__dict__.items() if isinstance(value, Module)][index]))
        modules = list(self)
        try:
            return modules[index]
        except IndexError:
            raise IndexError(f"Sequential: index {index}, but there are {len(modules)} modules") from None
