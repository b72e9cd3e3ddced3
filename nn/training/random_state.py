"""Where the random generators stand that a training draws from, so that it can be put back or gone on with.

Those are the default generator, and every `numpy.random.Generator` that a model, a loss, a data set, a sampler or a transform
keeps as an attribute.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from autodiff import Tensor

from ..module import Module
from ..seeding import generator_or_default

_DEPTH, _LENGTH = 8, 1000  # of what is searched: a list of a million samples holds no generators
_LEAVES = (Tensor, np.ndarray, np.generic, str, bytes, int, float, type, types.ModuleType, types.FunctionType, types.MethodType)


def generators_in(**roots: Any) -> dict[str, np.random.Generator]:
    """Return the generators that these objects keep, by a path of attributes; each once, and the default one as "default"."""
    found: dict[str, np.random.Generator] = {"default": generator_or_default(None)}
    seen = {id(found["default"])}
    waiting = [(name, root, 0) for name, root in reversed(roots.items())]
    while waiting:
        path, value, depth = waiting.pop()
        if value is None or isinstance(value, _LEAVES) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.random.Generator):
            found[path] = value
        elif depth < _DEPTH or isinstance(value, Module):
            parts: Any = ()
            if isinstance(value, Mapping):
                parts = value.items() if len(value) <= _LENGTH else ()
            elif isinstance(value, (list, tuple)):
                parts = enumerate(value) if len(value) <= _LENGTH else ()
            else:
                parts = getattr(value, "__dict__", {}).items()
            inside = 1 if isinstance(value, Module) else depth + 1  # models may be nested as deep as they like
            waiting += reversed([(f"{path}.{name}", part, inside) for name, part in parts if name != "_pool"])  # of workers
    return found


def states_of(generators: Mapping[str, np.random.Generator]) -> dict[str, Any]:
    """Return where each generator stands, as plain data."""
    return {path: generator.bit_generator.state for path, generator in generators.items()}


def restore(generators: Mapping[str, np.random.Generator], states: Mapping[str, Any]) -> None:
    """Put each generator where it stood; raises ValueError where there are others than then."""
    for path, state in states.items():
        if path not in generators:
            raise ValueError(f"the state of a random generator at '{path}' was saved, but there is none now; it seems that the "
                             "training was put together in another way")  # fmt: skip
        here = generators[path].bit_generator
        if type(here).__name__ != state["bit_generator"]:
            raise ValueError(f"the random generator at '{path}' was a {state['bit_generator']}, and is a {type(here).__name__} now")
    for path, state in states.items():
        generators[path].bit_generator.state = state
