"""`functional_call`: a module as a function of its parameters.

What makes a model the argument of a transform: `grad`, `value_and_grad` and `check_grads` differentiate by what a function
is given, not by what it finds in a module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor

from ..module import Module, Parameter
from ..registry import joined
from . import parametrize


def functional_call(
    module: Module,
    parameters_and_buffers: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with these Tensors in the place of its parameters and buffers; return its output.

    parameters_and_buffers  Tensors (or arrays) by dotted name, each of the shape of what it replaces, of any dtype; or several
                            such mappings
    args                    the positional arguments as a tuple; or the only one
    kwargs                  the keyword arguments
    tie_weights             a Tensor given for a shared parameter stands for it under all its names; False to replace it under
                            the given name alone
    strict                  also raise where a parameter or buffer of the module is not given, under any of its names

    Gradients flow into the given Tensors. Afterwards, also after an error, the module has its own again. What is not given is
    the module's own; buffers are written as in any call (running statistics), the given ones in place of the module's. The
    module is changed during the call: threads must not call the same one meanwhile.

    Raises ValueError for a name that the module does not have, another shape, different Tensors for one place, and where
    `strict` misses one.

    All gradients of a model, checked:

    >>> import autodiff as ad, nn
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    >>> names, values = zip(*model.named_parameters())
    >>> x = np.array([[0.5, -1.0], [2.0, 0.3]])
    >>> ad.check_grads(lambda *p: functional_call(model, dict(zip(names, p)), x), *values)

    and computed by a function:

    >>> bias = np.zeros(1)
    >>> ad.grad(lambda bias: functional_call(model, {"2.bias": bias}, x).sum())(bias)
    array([2.])
    """
    if not isinstance(module, Module):
        raise TypeError(f"functional_call: expected a Module, got {type(module).__name__}")
    given: dict[str, Any] = {}
    several = isinstance(parameters_and_buffers, (list, tuple))
    mappings: Any = parameters_and_buffers if several else (parameters_and_buffers,)
    for mapping in mappings:
        if not isinstance(mapping, Mapping):
            raise TypeError(
                f"functional_call: expected a mapping of names to Tensors, got {type(mapping).__name__}; "
                "dict(module.named_parameters()) is one"
            )
        if twice := given.keys() & mapping.keys():
            raise ValueError(f"functional_call: '{min(twice)}' is given twice")
        given.update(mapping)
    places = _places(module)
    chosen = _chosen(type(module).__name__, places, given, tie_weights)
    if strict:
        missing = [name for name, place in places.items() if place not in chosen]
        shared = {id(_own(place)) for place in chosen}
        missing = [name for name in missing if not tie_weights or id(_own(places[name])) not in shared]
        if missing:
            raise ValueError(f"functional_call: strict=True, but {', '.join(missing)} of {type(module).__name__} are not given")
    before = {place: _own(place) for place in chosen}
    arguments = () if args is None else args if isinstance(args, tuple) else (args,)
    with parametrize.afresh():  # a weight that was computed from the module's own is not that of the given ones
        try:
            for (holder, name), value in chosen.items():
                holder.__dict__[name] = value  # not by assignment: a parameter would refuse to become a plain Tensor
            return module(*arguments, **(kwargs or {}))
        finally:
            for (holder, name), value in before.items():
                holder.__dict__[name] = value


_Place = tuple[Module, str]  # a module and the name of its attribute


def _own(place: _Place) -> Any:
    return place[0].__dict__[place[1]]


def _places(module: Module) -> dict[str, _Place]:
    """Return where each parameter and buffer is, by its dotted name; a shared one under each of its names."""
    places = {}
    for path, holder in module.named_modules(remove_duplicate=False):
        for name, value in holder.__dict__.items():
            if isinstance(value, Parameter) or (name in holder._buffers and value is not None):
                places[joined(path, name)] = (holder, name)
    return places


def _chosen(model: str, places: dict[str, _Place], given: dict[str, Any], tie_weights: bool) -> dict[_Place, Tensor]:
    """Return what shall stand at each place."""
    by_tensor: dict[int, list[_Place]] = {}
    for place in places.values():
        by_tensor.setdefault(id(_own(place)), []).append(place)
    chosen: dict[_Place, Tensor] = {}
    for name, value in given.items():
        if name not in places:
            known = ", ".join(places) if len(places) <= 8 else ", ".join([*list(places)[:7], f"... ({len(places)} in all)"])
            raise ValueError(f"functional_call: {model} has no parameter or buffer '{name}'; it has {known or 'none'}")
        own = _own(places[name])
        if not isinstance(value, (Tensor, np.ndarray, np.generic)):
            raise TypeError(f"functional_call: '{name}' must be a Tensor, got {type(value).__name__}")
        if value.shape != own.shape:
            raise ValueError(f"functional_call: '{name}' has shape {value.shape}, the module has {own.shape}")
        value = value if isinstance(value, Tensor) else Tensor(value)
        for place in by_tensor[id(own)] if tie_weights else (places[name],):
            if chosen.setdefault(place, value) is not value:
                raise ValueError(
                    f"functional_call: '{name}' is shared with another name that is given another Tensor; give one of them, or "
                    "the same Tensor for both"
                )
    return chosen
