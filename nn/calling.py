"""Where a call of a module stands: the path below the outermost module that is being called, for drawings and errors.

Knows that modules have `named_modules`, and nothing else of them.
"""

from __future__ import annotations

import contextvars
from typing import Any

from autodiff import Tensor
from autodiff.graph import Group, add_group

Paths = dict[int, tuple[str, str]]

# Path and class of all modules under the outermost one that is being called here, by id.
calling: contextvars.ContextVar[Paths | None] = contextvars.ContextVar("nn_calling", default=None)
structure = [0]  # raised whenever a module gets, loses or exchanges a child


def note_structure() -> None:
    """Say that a module got, lost or exchanged a child."""
    structure[0] += 1


def paths_of(module: Any) -> Paths:
    """Return path and class of each module in `module` by its id, and keep them with it until the structure changes."""
    root = type(module).__name__
    now = structure[0]
    paths = {id(part): (path or root, type(part).__name__) for path, part in module.named_modules()}
    module.__dict__["_cached_paths"] = (now, paths)
    return paths


def note_parts(result: Any, module: Any, paths: Paths, first: int, last: int) -> None:
    """Note the call of `module` at each Tensor in a result of several parts."""
    if isinstance(result, Tensor):
        if result._node is not None and result._node.number > first:
            path, title = paths.get(id(module)) or (type(module).__name__,) * 2
            add_group(result._node, Group(path, title, "module", first, last))
    elif isinstance(result, (tuple, list, dict)):
        for part in result.values() if isinstance(result, dict) else result:
            note_parts(part, module, paths, first, last)


def say_where(error: Exception, module: Any, paths: Paths) -> None:
    """Add the path of `module` to `error`, unless a module further inside has done so."""
    if not getattr(error, "_module_named", False):
        path, title = paths.get(id(module)) or (type(module).__name__,) * 2
        root, _ = next(iter(paths.values()))  # the outermost module comes first
        if hasattr(error, "stands_in"):  # an anomaly says for itself where it is
            error.stands_in(path, title)
            return
        try:
            error.add_note(f"in {title}" if path in (title, root) else f"in {root}.{path} ({title})")
            error._module_named = True  # type: ignore[attr-defined]
        except AttributeError:
            pass  # of a class that refuses attributes: the error itself matters more
