"""Parameters in a list, or by name: for a module that has many of them, or a number that varies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from autodiff import Tensor

from .container import pairs
from .module import Module, Parameter

_HELD: Any = Tensor  # parameters, and what `nn.utils.functional_call` puts in the place of one


class _Parameters(Module):
    """What both containers of parameters share."""

    def _held(self) -> list[tuple[str, Parameter]]:
        return [(name, value) for name, value in self.__dict__.items() if isinstance(value, _HELD)]

    def _set(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: a name must be a str, got {type(name).__name__}")
        if isinstance(value, Module):
            raise TypeError(f"{type(self).__name__}: '{name}' must be a parameter, got the module {type(value).__name__}")
        if not isinstance(self.__dict__.get(name), Parameter):
            self._check_new(name)
        setattr(self, name, value if isinstance(value, Parameter) else Parameter(value))

    def __len__(self) -> int:
        return len(self._held())

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): {value.dtype} of shape {value.shape}" for name, value in self._held())

    def __repr__(self) -> str:
        lines = self.extra_repr().replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)" if lines else f"{type(self).__name__}()"


class ParameterList(_Parameters):
    """A list of parameters that are learned and saved.

    values  Parameters, or what makes one: Tensors, arrays, numbers; called "0", "1" ...

    >>> import numpy as np
    >>> weights = ParameterList([np.ones((2, 3)), np.ones(3)])
    >>> [weight.shape for weight in weights], list(weights.state_dict())
    ([(2, 3), (3,)], ['0', '1'])
    """

    def __init__(self, values: Iterable[Any] | None = None):
        if values is not None:
            self.extend(values)

    def append(self, value: Any) -> Self:
        """Add a parameter at the end; return the list."""
        self._set(str(len(self)), value)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several parameters at the end; return the list."""
        if isinstance(values, Parameter) or not isinstance(values, Iterable):
            raise TypeError(f"ParameterList.extend: expected several parameters, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def __iter__(self) -> Iterator[Parameter]:
        return iter([value for _, value in self._held()])

    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...
    def __getitem__(self, index: int | slice) -> Parameter | ParameterList:
        if isinstance(index, slice):
            return ParameterList([value for _, value in self._held()[index]])
        return self._held()[self._position(index)][1]

    def __setitem__(self, index: int, value: Any) -> None:
        self._set(str(self._position(index)), value)

    def _position(self, index: int) -> int:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"ParameterList: index {index}, but there are {count} parameters")
        return index % count

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)


class ParameterDict(_Parameters):
    """Parameters by name, learned and saved, in the order in which they came.

    values  a mapping of names to Parameters, or to what makes one; or pairs of the two

    >>> import numpy as np
    >>> weights = ParameterDict({"left": np.ones(2), "right": np.zeros(3)})
    >>> weights["left"].shape, list(weights)
    ((2,), ['left', 'right'])
    """

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None):
        if values is not None:
            self.update(values)

    def __getitem__(self, key: str) -> Any:
        value = self.__dict__.get(key)
        if not isinstance(value, _HELD):
            raise KeyError(f"ParameterDict: no parameter is called {key!r}; there are {', '.join(map(repr, self)) or 'none'}")
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._set(key, value)

    def __delitem__(self, key: str) -> None:
        self[key]  # raises where there is none
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._held()])

    def __reversed__(self) -> Iterator[str]:
        return reversed([name for name, _ in self._held()])

    def __contains__(self, key: object) -> bool:
        return isinstance(self.__dict__.get(key), _HELD)  # type: ignore[call-overload]

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self)

    def values(self) -> list[Parameter]:
        """Return the parameters."""
        return [value for _, value in self._held()]

    def items(self) -> list[tuple[str, Parameter]]:
        """Return pairs of name and parameter."""
        return self._held()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the parameter of a name, or `default` where there is none."""
        value = self.__dict__.get(key)
        return value if isinstance(value, _HELD) else default

    def setdefault(self, key: str, default: Any = None) -> Parameter:
        """Return the parameter of a name, which is made of `default` where there is none."""
        if key not in self:
            self[key] = default
        value: Parameter = self[key]
        return value

    def update(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add parameters; those of a name that is there already are replaced."""
        for key, value in pairs("ParameterDict", values):
            self[key] = value

    def pop(self, key: str) -> Parameter:
        """Remove the parameter of a name and return it."""
        value: Parameter = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Parameter]:
        """Remove the last parameter and return its name and it."""
        if not len(self):
            raise KeyError("ParameterDict: there are no parameters")
        key = self.keys()[-1]
        return key, self.pop(key)

    def clear(self) -> None:
        """Remove all parameters."""
        for key in self.keys():
            del self[key]

    def copy(self) -> ParameterDict:
        """Return another dictionary of the same parameters."""
        return ParameterDict(self.items())

    def __or__(self, other: Mapping[str, Any] | ParameterDict) -> ParameterDict:
        joined = self.copy()
        joined.update(other)  # type: ignore[arg-type]
        return joined

    def __ior__(self, other: Mapping[str, Any] | ParameterDict) -> Self:
        self.update(other)  # type: ignore[arg-type]
        return self
