"""A model tried without being changed: what a call or a backward pass leaves behind is put back.

Knows where a model keeps what it changes. Knows nothing of what is tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.memory import log_write

from .module import Module


@contextlib.contextmanager
def rehearsal(*models: Any, parameters: bool = False) -> Iterator[None]:
    """Put back, at the end of the `with` block, buffers, training modes, gradients and random generators of `models`.

    models      modules, or anything that holds some; the default generator is put back in any case
    parameters  also put back the values of parameters, for which they are copied

    >>> from nn import Dropout
    >>> layer = Dropout(0.5).train()
    >>> with rehearsal(layer):
    ...     _ = layer.eval()
    >>> layer.training
    True
    """
    from .training.random_state import generators_in, restore, states_of  # here: a model can be called without all that

    modules = [module for model in models if isinstance(model, Module) for module in model.modules()]
    generators = generators_in(**{f"model{i}": model for i, model in enumerate(models)})
    states = states_of(generators)
    modes = [(module, module.training) for module in modules]
    own = [p for module in modules for p in module.parameters(recurse=False)]
    gradients = [(p, p._grad, None if p._grad is None else p._grad._data.copy()) for p in own]
    kept = [(m, name, *_copy(getattr(m, name))) for m in modules for name in m._buffers]
    values = [_copy(p) for p, _, _ in gradients] if parameters else []
    try:
        yield
    finally:
        restore(generators, states)
        for module, training in modes:
            module.__dict__["training"] = training
        for p, gradient, copy in gradients:
            p._grad = gradient
            if copy is not None:
                gradient._data = copy
        for module, name, buffer, data, copy in kept:
            module.__dict__[name] = buffer
            _put_back(buffer, data, copy)
        for parameter, data, copy in values:
            _put_back(parameter, data, copy)


def _copy(tensor: Tensor | None) -> tuple[Any, Any, Any]:
    return (tensor, None, None) if tensor is None else (tensor, tensor._data, tensor._data.copy())


def _put_back(tensor: Any, data: np.ndarray, copy: np.ndarray) -> None:
    if tensor is None:
        return
    tensor._data = data
    if data.tobytes() != copy.tobytes():
        np.copyto(data, copy)
        log_write(data, "the end of a rehearsal")


Module._rehearsal = rehearsal  # `autodiff.draw(model, x)` asks for it, and knows no Module
