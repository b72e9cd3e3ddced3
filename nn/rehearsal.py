"""A model tried without being changed: what a call or a backward pass leaves behind is put back.

Knows where a model keeps what it changes. Knows nothing of what is tried.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.memory import log_write

from .module import Module


@contextlib.contextmanager
def rehearsal(*models: Any, parameters: bool = False) -> Iterator[None]:
    """Put back, at the end of the `with` block, what a call changes in `models`: also after an error or an interrupt.

    models      modules, or anything that holds some; the default generator is put back in any case
    parameters  also put back the values of parameters, for which they are copied

    Put back are attributes of modules (training modes, what forward keeps there, also inside of lists, dictionaries and arrays),
    buffers, gradients, and random generators: those of the models, those that their functions know by name, and the global ones
    of NumPy and Python.

    >>> from nn import Dropout
    >>> layer = Dropout(0.5).train()
    >>> with rehearsal(layer):
    ...     _ = layer.eval()
    >>> layer.training
    True
    """
    import random

    from .training.random_state import restore, states_of  # here: a model can be called without all that

    modules = [module for model in models if isinstance(model, Module) for module in model.modules()]
    generators = generators_of(*models)
    states = states_of(generators)
    drawn = np.random.get_state(), random.getstate()  # noqa: NPY002  # a model may draw from these too
    attributes = [(module, dict(module.__dict__)) for module in modules]
    contents = [(value, value.copy()) for _, kept in attributes for value in kept.values() if isinstance(value, _CONTAINERS)]
    own = [p for module in modules for p in module.parameters(recurse=False)]
    gradients = [(p, p._grad) for p in own]
    buffers = [getattr(m, name) for m in modules for name in m._buffers]
    tensors = [*buffers, *(gradient for _, gradient in gradients), *(own if parameters else ())]
    kept = [(tensor, tensor._data, tensor._data.copy()) for tensor in tensors if tensor is not None]
    try:
        yield
    finally:
        restore(generators, states)
        np.random.set_state(drawn[0])  # noqa: NPY002
        random.setstate(drawn[1])
        for module, names in attributes:
            module.__dict__.clear()
            module.__dict__.update(names)
        for value, content in contents:
            _refill(value, content)
        for p, gradient in gradients:
            p._grad = gradient
        for tensor, data, copy in kept:
            _put_back(tensor, data, copy)


_CONTAINERS = (list, dict, set, np.ndarray)



def _refill(value: Any, content: Any) -> None:
    if isinstance(value, np.ndarray):
        if value.flags.writeable and value.tobytes() != content.tobytes():
            np.copyto(value, content)
    elif isinstance(value, list):
        value[:] = content
    else:
        value.clear()
        value.update(content)


def _put_back(tensor: Tensor, data: np.ndarray, copy: np.ndarray) -> None:
    tensor._data = data
    if data.tobytes() != copy.tobytes():
        np.copyto(data, copy)
        log_write(data, "the end of a rehearsal")


def generators_of(*models: Any) -> dict[str, np.random.Generator]:
    """Return the generators that a call of `models` may draw from, each once, and the default one."""
    from .training.random_state import generators_in

    parts = [part for model in models for part in (model.modules() if isinstance(model, Module) else [model])]
    named = [generator for part in parts for generator in _known_by_name(part)]
    return generators_in(**{f"model{i}": model for i, model in enumerate(models)}, named=named)


def _known_by_name(part: Any) -> list[np.random.Generator]:
    """Return the generators that a function, or the forward of a module, knows by a global name or from around it."""
    function = getattr(part, "forward", part)
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType):
        return []
    found = list(map(function.__globals__.get, function.__code__.co_names))
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # of a name that has no value yet
            found.append(cell.cell_contents)
    return [value for value in found if isinstance(value, np.random.Generator)]


Module._rehearsal = rehearsal  # `autodiff.draw(model, x)` asks for it, and knows no Module
