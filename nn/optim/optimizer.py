"""`Optimizer`: what all optimizers share: groups, gradients to zero, the step around an update, and the state.

Knows no formula: a subclass has an `_update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, ClassVar, Self

import numpy as np

from autodiff import Tensor, enable_grad
from autodiff.arguments import as_array, plain
from autodiff.graph import wrap

from ..module import zero_gradients
from .flat import FlatGroup, Kept, Run, Saved
from .watch import Watch

# What PyTorch's optimizers take besides, to choose among implementations that do not exist here.
MEANINGLESS = frozenset({"foreach", "fused", "capturable", "differentiable"})
# What schedulers and users write into groups, besides the options.
NOTES = frozenset({"initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr", "name", "param_names"})
# Options that states saved by older optimizers lack.
RECENT = frozenset({"maximize", "nesterov", "decoupled_weight_decay"})


class Optimizer:
    """Changes parameters, in place, so that a loss falls.

    params    Tensors that require gradients, or pairs of a name and one (`model.named_parameters()`), or groups of them:
              mappings with "params" and options of their own. Those that require no gradient are left as they are.
    defaults  the options of groups that do not say otherwise

    param_groups  the groups, as mappings; options such as "lr" may be changed between steps

    A step that is likely a mistake warns once: where no parameter has a gradient although operations were recorded, where the
    gradients are those of the last step, where zero_grad() came between backward() and step(), and where gradients of three
    steps in a row were added up and never dropped.
    """

    param_groups: list[dict[str, Any]]
    _scalars: ClassVar[Set[str]] = frozenset()  # the numbers that a subclass keeps for each parameter
    _stepped = False  # whether a step was made, here or before the state was saved: schedules ask

    def __new__(cls, *args: Any, **options: Any) -> Self:
        for key in options:
            if key in MEANINGLESS:
                raise TypeError(
                    f"{cls.__name__}: leave out {key}=; here is one implementation of each optimizer, which is always fused"
                )
        return super().__new__(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("defaults", ()):
            raise AttributeError(
                f"{type(self).__name__}: options belong to the groups, write `for group in optimizer.param_groups: "
                f"group[{name!r}] = {value!r}`"
            )
        object.__setattr__(self, name, value)

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]):
        name = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{name}: params must be several tensors or groups of them, got one; write [tensor]")
        if not isinstance(params, Iterable) or isinstance(params, Mapping | Set):
            cure = (
                "a set has no order; write a list" if isinstance(params, Set)
                else "write [group] for a single group, or mapping.values()" if isinstance(params, Mapping)
                else "write model.parameters()"
            )  # fmt: skip
            raise TypeError(f"{name}: params must be several tensors or groups of them, got {type(params).__name__}; {cure}")
        self.defaults = defaults
        self.param_groups = []
        self._flat: list[FlatGroup] = []
        self._watch = Watch(name)
        given = list(params)
        if not given:
            raise ValueError(f"{name}: there are no parameters (was model.parameters() used up before?)")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own."""
        name = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"{name}: a group of parameters is a mapping with the key 'params', got {type(param_group).__name__}")
        group = dict(param_group)
        unknown = [key for key in group if key not in self.defaults and key not in NOTES and key != "params"]
        if unknown:
            raise ValueError(f"{name}: unknown option {unknown[0]!r} in a group; known are {', '.join(self.defaults)}")
        if isinstance(group["params"], Set):
            raise TypeError(f"{name}: the parameters of a group are a set, which has no order; write a list")
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        if params and all(isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) for p in params):
            group["param_names"] = [name for name, _ in params]
            params = [parameter for _, parameter in params]
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
        if not self._stepped:
            self._stepped = True
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        first = None
        with np.errstate(all="ignore"):  # a step that goes to infinity does so in silence, as in PyTorch
            for group, flat in self._followed():
                for run, gradient in flat.gradients():
                    if first is None:
                        first = run.params[0]._grad
                    run.steps += 1
                    self._update(group, run, gradient)
                    run.note_written()
        if first is not None:
            self._watch.used(first)
        else:
            self._watch.unused(p for group in self.param_groups for p in group["params"])
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
        self._watch.dropping(p for group in self.param_groups for p in group["params"])
        for group in self.param_groups:
            zero_gradients(group["params"], set_to_none)

    # ------------------------------------------------------------------------------------------- the state

    @property
    def state(self) -> Mapping[Tensor, Mapping[str, Any]]:
        """What is kept for each parameter that has had a step, by the parameter: a copy, to look at only.

        To change it, change a `state_dict()` and load it.
        """
        from types import MappingProxyType

        params = [parameter for group in self.param_groups for parameter in group["params"]]
        kept = self.state_dict()["state"]
        return MappingProxyType({params[number]: MappingProxyType(entry) for number, entry in kept.items()})

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the options and of what is kept for each parameter, numbered in order, as PyTorch does."""
        state: dict[int, dict[str, Any]] = {}
        groups = []
        first = 0
        for group, flat in self._followed():
            for position, (steps, kept) in flat.saved().items():
                state[first + position] = {
                    "step": steps,
                    **{k: wrap(v) if isinstance(v, np.ndarray) else v for k, v in kept.items()},
                }
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
                    entries[position] = self._entry(state_dict["state"][number], parameter, f"{name}: parameter {number}")
            restored.append(entries)
        options = self._options(groups)
        self._flat = []
        for group, option, entries in zip(self.param_groups, options, restored, strict=True):
            group.update(option)
            self._flat.append(FlatGroup(group["params"]))
            self._flat[-1].restore(entries)
        self._stepped = self._stepped or bool(state_dict["state"])

    def _options(self, groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the options of saved groups, checked."""
        name = type(self).__name__
        options = []
        for given, group in zip(groups, self.param_groups, strict=True):
            absent = [key for key in self.defaults if key not in given and key not in RECENT]
            if absent:
                has = ", ".join(key for key in given if key != "params")
                raise ValueError(f"{name}: the state has no '{absent[0]}'; it seems to be of another optimizer (it has {has})")
            options.append({key: value for key, value in given.items() if key in self.defaults or key in NOTES})
            self._check_options({**group, **options[-1]})
        return options

    def _entry(self, given: Mapping[str, Any], parameter: Tensor, where: str) -> Saved:
        """Return what is kept for `parameter`, checked."""
        kept: Kept = {}
        for key, value in given.items():
            if key == "step" or value is None:
                continue
            array = as_array(plain(value), where)
            if key in self._scalars:
                kept[key] = float(array)
                continue
            if array.shape != parameter.shape:
                raise ValueError(f"{where} has shape {parameter.shape}, its state '{key}' {array.shape}")
            kept[key] = array.astype(parameter.dtype)
        steps = given.get("step", 1 if kept else 0)
        return int(np.asarray(plain(steps))), kept

    def __getstate__(self) -> dict[str, Any]:
        kept = {key: value for key, value in self.__dict__.items() if key not in ("_flat", "_watch")}
        return {**kept, "_saved": [flat.saved() for _, flat in self._followed()]}  # views would come apart in a copy

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("_saved")
        self.__dict__.update(state)
        self._watch = Watch(type(self).__name__)
        self._flat = [FlatGroup(group["params"]) for group in self.param_groups]
        for flat, entries in zip(self._flat, saved, strict=True):
            flat.restore(entries)

    def __repr__(self) -> str:
        groups = []
        for group in self.param_groups:
            options = ", ".join(f"{key}={value!r}" for key, value in group.items() if key != "params")
            groups.append(f"{len(group['params'])} parameters, {options}")
        return f"{type(self).__name__}({'; '.join(groups)})"


def check_at_least_zero(name: str, group: Mapping[str, Any], *options: str) -> None:
    """Raise ValueError where an option is negative or nan, TypeError where it is no number."""
    for option in options:
        value = group[option]
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise TypeError(f"{name}: {option} must be a number, got {value!r} of type {type(value).__name__}")
        if not float(value) >= 0:
            raise ValueError(f"{name}: {option} must be at least 0, got {value}")


def check_betas(name: str, group: Mapping[str, Any]) -> None:
    """Raise ValueError where the betas are not two numbers from 0 to below 1."""
    betas = group["betas"]
    if not isinstance(betas, tuple | list) or len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"{name}: betas are two numbers from 0 to below 1, got {betas}")


def penalized(
    gradient: np.ndarray, values: np.ndarray, weight_decay: np.ndarray, group: Mapping[str, Any], out: np.ndarray
) -> np.ndarray:
    """Return the gradient to walk down along: that of the L2 penalty, weight_decay * values, ± `gradient`."""
    if not group["weight_decay"]:
        np.negative(gradient, out=out)
        return out
    np.multiply(values, weight_decay, out=out)
    if group["maximize"]:
        out -= gradient
    else:
        out += gradient
    return out
