"""`Optimizer`: what all optimizers share: groups, gradients to zero, the step around an update, and the state.

Knows no formula: a subclass has an `_update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, enable_grad
from autodiff.arguments import as_array, plain
from autodiff.graph import wrap

from ..module import zero_gradients
from .flat import FlatGroup, Run, Saved


class Optimizer:
    """Changes parameters, in place, so that a loss falls.

    params    Tensors that require gradients, or groups of them: mappings with "params" and options of their own
    defaults  the options of groups that do not say otherwise

    param_groups  the groups, as mappings; options such as "lr" may be changed between steps
    """

    param_groups: list[dict[str, Any]]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError(f"{type(self).__name__}: params must be several tensors or groups of them, got one; write [tensor]")
        self.defaults = defaults
        self.param_groups = []
        self._flat: list[FlatGroup] = []
        given = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__}: there are no parameters (was model.parameters() used up before?)")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own."""
        name = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"{name}: a group of parameters is a mapping with the key 'params', got {type(param_group).__name__}")
        group = dict(param_group)
        unknown = [key for key in group if key not in self.defaults and key != "params"]
        if unknown:
            raise ValueError(f"{name}: unknown option {unknown[0]!r} in a group; known are {', '.join(self.defaults)}")
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        for i, parameter in enumerate(params):
            if not isinstance(parameter, Tensor):
                raise TypeError(f"{name}: parameter {i} is a {type(parameter).__name__}, expected a Tensor")
            if not parameter.is_leaf:
                raise ValueError(f"{name}: parameter {i} is the result of recorded operations; only leaves can be optimized")
            if id(parameter) in seen:
                raise ValueError(f"{name}: parameter {i} of shape {parameter.shape} is given twice; each may be in one place only")
            seen.add(id(parameter))
        group["params"] = params
        for key, value in self.defaults.items():
            group.setdefault(key, value)
        self._check_options(group)
        self.param_groups.append(group)
        self._flat.append(FlatGroup(params))

    def _check_options(self, group: dict[str, Any]) -> None:
        """Raise ValueError where an option is out of its range."""

    def _update(self, group: dict[str, Any], run: Run, gradient: np.ndarray) -> None:
        """Write the new values of `run` in place; `gradient` is laid out as they are and is not to be written."""
        raise NotImplementedError(f"{type(self).__name__} has no _update: define how a step changes the parameters")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        closure  computes the loss anew (zero_grad, loss, backward) and returns it; then so does `step`
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group, flat in self._followed():
            for run, gradient in flat.gradients():
                run.steps += 1
                self._update(group, run, gradient)
                run.note_written()
        return loss

    def _followed(self) -> list[tuple[dict[str, Any], FlatGroup]]:
        """Return each group with its flat arrays, which follow what a caller did to the group's list of parameters."""
        if len(self.param_groups) != len(self._flat):
            raise RuntimeError(f"{type(self).__name__}: param_groups was given or lost a group; add one with add_param_group()")
        pairs = list(zip(self.param_groups, self._flat, strict=True))
        for group, flat in pairs:
            flat.follow(group["params"])
        return pairs

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop all gradients, or set them to zeros."""
        for group in self.param_groups:
            zero_gradients(group["params"], set_to_none)

    # ------------------------------------------------------------------------------------------- the state

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the options and of what is kept for each parameter, numbered in order, as PyTorch does."""
        state: dict[int, dict[str, Any]] = {}
        groups = []
        first = 0
        for group, flat in self._followed():
            for position, (steps, arrays) in flat.saved().items():
                state[first + position] = {"step": steps, **{name: wrap(array) for name, array in arrays.items()}}
            count = len(group["params"])
            groups.append({**group, "params": list(range(first, first + count))})
            first += count
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`; raises ValueError, and changes nothing, where it does not fit the parameters."""
        name = type(self).__name__
        groups = state_dict["param_groups"]
        sizes, expected = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise ValueError(f"{name}: the state is of groups of {sizes} parameters, expected {expected}")
        restored: list[dict[int, Saved]] = []
        for given, group in zip(groups, self.param_groups, strict=True):
            entries = {}
            for position, (number, parameter) in enumerate(zip(given["params"], group["params"], strict=True)):
                if number in state_dict["state"]:
                    entries[position] = _entry(state_dict["state"][number], parameter, f"{name}: parameter {number}")
            restored.append(entries)
        for given in groups:
            absent = [key for key in self.defaults if key not in given]
            if absent:
                has = ", ".join(key for key in given if key != "params")
                raise ValueError(f"{name}: the state has no '{absent[0]}'; it seems to be of another optimizer (it has {has})")
        options = [{key: value for key, value in given.items() if key in self.defaults} for given in groups]
        for group, option in zip(self.param_groups, options, strict=True):
            self._check_options({**group, **option})
        self._flat = []
        for group, option, entries in zip(self.param_groups, options, restored, strict=True):
            group.update(option)
            self._flat.append(FlatGroup(group["params"]))
            self._flat[-1].restore(entries)

    def __getstate__(self) -> dict[str, Any]:
        kept = {key: value for key, value in self.__dict__.items() if key != "_flat"}
        return {**kept, "_saved": [flat.saved() for _, flat in self._followed()]}  # views would come apart in a copy

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_saved")
        self.__dict__.update(state)
        self._flat = [FlatGroup(group["params"]) for group in self.param_groups]
        for flat, entries in zip(self._flat, saved, strict=True):
            flat.restore(entries)

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            options = ", ".join(f"{key}={value!r}" for key, value in group.items() if key != "params")
            groups.append(f"{len(group['params'])} parameters, {options}")
        return f"{type(self).__name__}({'; '.join(groups)})"


def _entry(given: Mapping[str, Any], parameter: Tensor, where: str) -> Saved:
    arrays = {}
    for key, value in given.items():
        if key == "step" or value is None:
            continue
        array = as_array(plain(value), where)
        if array.shape != parameter.shape:
            raise ValueError(f"{where} has shape {parameter.shape}, its state '{key}' {array.shape}")
        arrays[key] = array.astype(parameter.dtype)
    steps = given.get("step", 1 if arrays else 0)
    return int(np.asarray(plain(steps))), arrays


def check_at_least_zero(name: str, group: Mapping[str, Any], *options: str) -> None:
    """Raise ValueError where an option is negative or nan."""
    for option in options:
        if not group[option] >= 0:
            raise ValueError(f"{name}: {option} must be at least 0, got {group[option]}")
