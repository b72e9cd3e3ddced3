"""Parametrizations: a parameter that is computed, at each use, from others that are learned in its place.

`register_parametrization(layer, "weight", Symmetric())` makes `layer.weight` the result of `Symmetric().forward` on what
was the weight, which is learned from then on as `layer.parametrizations.weight.original`.

The layer changes its class to one that computes the attribute; everything else of it stays as it was.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor, no_grad
from autodiff.memory import log_write

from ..container import ModuleDict, ModuleList
from ..module import Module, Parameter
from ..registry import Registry

# Values computed under `cached()`, by the parametrization; None where nothing is kept.
_kept: contextvars.ContextVar[dict[int, Any] | None] = contextvars.ContextVar("nn_parametrize", default=None)


class ParametrizationList(ModuleList[Module]):
    """The parametrizations of one attribute, in the order in which they are applied, and what they are computed from.

    original                  the Tensor they start from
    original0, original1 ...  where the first one starts from several
    """

    def __init__(self, modules: Sequence[Module], original: Tensor):
        super().__init__(modules)
        value: Any = original
        with no_grad():
            for module in reversed(list(self)):
                inverse = getattr(module, "right_inverse", None)
                if inverse is not None:
                    value = inverse(value)
        if isinstance(value, Tensor):
            self.ntensors = 0
            _place(self, "original", original)
            _write(original, value, "right_inverse")
            return
        if not isinstance(value, Sequence) or not all(isinstance(part, Tensor) for part in value):
            raise TypeError(f"right_inverse must return a Tensor or several, got {type(value).__name__}")
        self.ntensors = len(value)
        for i, part in enumerate(value):
            _place(self, f"original{i}", _like(original, part))

    @property
    def is_tensor(self) -> bool:
        """Whether there is a single original."""
        return not self.ntensors

    def originals(self) -> list[Tensor]:
        """Return what the value is computed from."""
        names = [f"original{i}" for i in range(self.ntensors)] or ["original"]
        return [self.__dict__[name] for name in names]

    def right_inverse(self, value: Tensor) -> None:
        """Write into the originals so that the attribute becomes `value`; each parametrization must have a `right_inverse`."""
        found: Any = value.detach()
        with no_grad():
            for module in reversed(list(self)):
                inverse = getattr(module, "right_inverse", None)
                if inverse is None:
                    raise RuntimeError(
                        f"{type(module).__name__} has no right_inverse, so a value cannot be assigned through it; write to the "
                        "original, or remove the parametrization first"
                    )
                found = inverse(found)
        parts = [found] if self.is_tensor else list(found)
        originals = self.originals()
        for original, part in zip(originals, parts, strict=True):
            if part.shape != original.shape:
                raise ValueError(f"assigning a parametrized tensor: expected shape {original.shape}, got {part.shape}")
        for original, part in zip(originals, parts, strict=True):
            _write(original, part, "an assignment to a parametrized tensor")

    def forward(self) -> Tensor:
        first, *others = list(self)
        value = first(*self.originals())
        for module in others:
            value = module(value)
        return value  # type: ignore[no-any-return]


class Parametrized:
    """What a module becomes whose attributes are computed; its class is made of this one and its own."""

    def __getattr__(self, name: str) -> Any:  # asked only where there is no such attribute
        parametrizations = self.__dict__.get("parametrizations")
        if parametrizations is None or name not in parametrizations:
            return object.__getattribute__(self, name)  # raises as usual
        made = parametrizations[name]
        kept = _kept.get()
        if kept is None:
            return made()
        value = kept.get(id(made))
        if value is None:
            kept[id(made)] = value = (made, made())  # kept alive: its id means nothing afterwards
        return value[1]

    def __setattr__(self, name: str, value: Any) -> None:
        parametrizations = self.__dict__.get("parametrizations")
        if parametrizations is None or name not in parametrizations:
            super().__setattr__(name, value)
            return
        if not isinstance(value, Tensor):
            raise TypeError(f"{type(self).__name__}.{name} is parametrized: expected a Tensor, got {type(value).__name__}")
        parametrizations[name].right_inverse(value)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _restored, (type(self).__mro__[2],), self.__getstate__()


_classes: dict[type, type] = {}


def _parametrized(cls: type) -> type:
    made = _classes.get(cls)
    if made is None:
        made = _classes[cls] = type(f"Parametrized{cls.__name__}", (Parametrized, cls), {"__module__": cls.__module__})
    return made


def _restored(cls: type) -> Any:
    made: Any = _parametrized(cls)
    return made.__new__(made)


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """Let an attribute of a module be computed by `parametrization`, at each use, from what it was; return the module.

    module           the module
    tensor_name      a parameter or buffer of it; one that is parametrized already gets one more step
    parametrization  a module whose `forward` takes the Tensor and returns one of the same shape and dtype. Where it has a
                     `right_inverse`, the attribute keeps its value, and can be assigned to; that may return several Tensors,
                     which `forward` then takes
    unsafe           do not check shape and dtype

    The parameter is learned, and saved, as `parametrizations.<tensor_name>.original`, and stays the same object, so that an
    optimizer that has it goes on with it; several are new parameters, `original0` and so on.

    >>> from nn import Linear
    >>> class Symmetric(Module):
    ...     def forward(self, x: Tensor) -> Tensor:
    ...         return (x + x.T) / 2
    >>> layer = register_parametrization(Linear(3, 3), "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all())
    True
    >>> [name for name, _ in layer.named_parameters()]
    ['bias', 'parametrizations.weight.original']
    """
    if not isinstance(module, Module) or not isinstance(parametrization, Module):
        wrong = parametrization if isinstance(module, Module) else module
        raise TypeError(f"register_parametrization: expected a Module, got {type(wrong).__name__}")
    if is_parametrized(module, tensor_name):
        parametrizations: Any = module.__dict__["parametrizations"]
        before = getattr(module, tensor_name)
        if not unsafe:
            _check_fits(parametrization(before), before, parametrization)
        steps = parametrizations[tensor_name]
        inverse = getattr(parametrization, "right_inverse", None)
        if inverse is not None:
            with no_grad():
                given = inverse(before)
            if not isinstance(given, Tensor):
                raise ValueError(
                    f"register_parametrization: right_inverse of a further step must return one Tensor, got {type(given).__name__}"
                )
            steps.right_inverse(given)
        steps.append(parametrization)
        return module
    value = module.__dict__.get(tensor_name)
    if not (isinstance(value, Parameter) or tensor_name in module._buffers) or value is None:
        raise ValueError(f"register_parametrization: {type(module).__name__} has no parameter or buffer '{tensor_name}'")
    before = value.detach().clone()
    made = ParametrizationList([parametrization], value)
    if not unsafe:
        try:
            _check_fits(made(), before, parametrization)
        except Exception:
            _write(value, before, "register_parametrization")
            raise
    delattr(module, tensor_name)
    if "parametrizations" not in module.__dict__:
        module.add_module("parametrizations", ModuleDict())
        module.__class__ = _parametrized(type(module))
    module.__dict__["parametrizations"][tensor_name] = made
    return module


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized attribute a parameter (or buffer) again; return the module.

    leave_parametrized  keep its present value; else that of the original, where there is a single one

    >>> from nn import Linear
    >>> from nn.utils.parametrizations import weight_norm
    >>> [name for name, _ in remove_parametrizations(weight_norm(Linear(2, 3)), "weight").named_parameters()]
    ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"remove_parametrizations: '{tensor_name}' of {type(module).__name__} is not parametrized")
    parametrizations: Any = module.__dict__["parametrizations"]
    steps = parametrizations[tensor_name]
    originals = steps.originals()
    if not steps.is_tensor and not leave_parametrized:
        raise ValueError(
            f"remove_parametrizations: '{tensor_name}' is computed from {len(originals)} Tensors, so there is no single original "
            "to go back to; leave_parametrized=True keeps its value"
        )
    original = originals[0]
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name)
        if not steps.is_tensor:
            original = _like(original, value)
        elif value.shape == original.shape:
            _write(original, value, "remove_parametrizations")
        else:
            original = _like(original, value)
    del parametrizations[tensor_name]
    if not len(parametrizations):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__mro__[2]
    _place(module, tensor_name, original)
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Return whether an attribute of a module, or any where none is named, is parametrized.

    >>> from nn import Linear
    >>> is_parametrized(Linear(2, 3))
    False
    """
    if not isinstance(module, Parametrized):
        return False
    return tensor_name is None or tensor_name in module.__dict__["parametrizations"]


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized attribute once inside, and use that value again: for one that is read many times in a step.

    Values are kept here and now: other threads have their own, and what is written to an original inside goes unseen.

    >>> from nn import Linear
    >>> from nn.utils.parametrizations import weight_norm
    >>> layer = weight_norm(Linear(2, 3))
    >>> with cached():
    ...     layer.weight is layer.weight
    True
    """
    if _kept.get() is not None:
        yield
        return
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


@contextlib.contextmanager
def afresh() -> Iterator[None]:
    """Compute parametrized attributes anew inside, whatever a `cached()` around it keeps."""
    token = _kept.set(None)
    try:
        yield
    finally:
        _kept.reset(token)


def _check_fits(value: Any, before: Tensor, parametrization: Module) -> None:
    name = type(parametrization).__name__
    if not isinstance(value, Tensor):
        raise TypeError(f"register_parametrization: {name} must return a Tensor, got {type(value).__name__}")
    if value.shape != before.shape or value.dtype != before.dtype:
        raise ValueError(
            f"register_parametrization: {name} makes shape {value.shape} and dtype {value.dtype} of shape {before.shape} and dtype "
            f"{before.dtype}; a parametrization that may do so is registered with unsafe=True"
        )


def _place(module: Module, name: str, tensor: Tensor) -> None:
    """Set a parameter, or else a buffer."""
    if isinstance(tensor, Parameter):
        Registry.__setattr__(module, name, tensor)
    else:
        module.register_buffer(name, tensor)


def _like(original: Tensor, value: Tensor) -> Tensor:
    """Return a parameter of this value where `original` is one, learned or frozen as that is; else a plain Tensor."""
    array = np.array(value._data)
    return Parameter(array, requires_grad=original.requires_grad) if isinstance(original, Parameter) else Tensor(array)


def _write(tensor: Tensor, value: Tensor, what: str) -> None:
    if value._data is not tensor._data:
        if value.shape != tensor.shape:
            raise ValueError(f"{what}: expected shape {tensor.shape}, got {value.shape}")
        tensor._data[...] = value._data
        log_write(tensor._data, what)
