"""What a saved state must be to fit a module, and the message where it does not."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.arguments import as_array, plain


def fitting(value: Any, own: Tensor, name: str) -> np.ndarray:
    """Return a saved value as an array for the tensor `own`, called `name`; raise where shape or dtype do not fit."""
    array = as_array(plain(value), f"load_state_dict: '{name}'")
    if array.shape != own.shape:
        raise ValueError(
            f"load_state_dict: '{name}' has shape {array.shape}, the module has {own.shape}; nothing was loaded. For the others "
            "alone, leave it out and say strict=False"
        )
    if not np.can_cast(array.dtype, own.dtype, "same_kind"):
        raise TypeError(
            f"load_state_dict: '{name}' has dtype {array.dtype}, the module has {own.dtype}; nothing was loaded. Make them alike "
            "with value.astype(...) or module.to(dtype)"
        )
    if not own._data.flags.writeable:
        raise ValueError(f"load_state_dict: '{name}' of the module is read-only; nothing was loaded. Assign a new Parameter first")
    return array.astype(own.dtype, copy=False)


def names_differ(model: str, missing: list[str], unexpected: list[str]) -> str:
    """Return the message for a state_dict of other names: the difference, short, and the cure where one is seen."""
    lines = [f"load_state_dict: the names do not fit {model}; nothing was loaded."]
    if missing:
        lines.append(f"  {len(missing)} missing (the module has them, the state_dict does not): {_shortly(missing)}")
    if unexpected:
        lines.append(f"  {len(unexpected)} unexpected (the state_dict has them, the module does not): {_shortly(unexpected)}")
    for more, fewer, cure in ((unexpected, missing, "key.removeprefix({0!r})"), (missing, unexpected, "{0!r} + key")):
        prefix = _lead(more[0], fewer[0]) if more and fewer else ""
        if prefix and {prefix + name for name in fewer} <= set(more):
            one = "the state_dict's" if more is unexpected else "the module's"
            cure = f"{{{cure.format(prefix)}: value for key, value in ...}}"
            lines.append(f"  They differ by the prefix '{prefix}' of {one} names: load {cure}")
            break
    else:
        lines.append("  strict=False loads what both have")
    return "\n".join(lines)


def _lead(longer: str, shorter: str) -> str:
    return longer.removesuffix(shorter) if longer.endswith("." + shorter) else ""


def _shortly(names: list[str], limit: int = 4) -> str:
    """Return a few of the names, and of more the beginning that they share."""
    if len(names) <= limit:
        return ", ".join(names)
    levels = zip(*(name.split(".") for name in names), strict=False)
    shared = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, levels)]
    begin = f"all begin with '{'.'.join(shared)}.': " if shared else ""
    return begin + ", ".join(names[: limit - 1]) + f", ... and {len(names) - limit + 1} more"
