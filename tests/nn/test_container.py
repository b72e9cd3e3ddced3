"""Containers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn


def test_modules_are_called_in_order_also_twice() -> None:
    double = nn.Linear(1, 1)
    double.load_state_dict({"weight": [[2.0]], "bias": [0.0]})
    model = nn.Sequential(double, nn.ReLU(), double, double)
    assert model(ad.Tensor([3.0])).tolist() == [24.0]
    assert len(list(model.parameters())) == 2
    assert nn.Sequential()(ad.Tensor([3.0])).tolist() == [3.0]


def test_names_come_from_a_mapping() -> None:
    model = nn.Sequential({"first": nn.Linear(2, 3), "act": nn.Tanh()})
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.act is model[1] is model[-1]


def test_indexing_slicing_appending_iterating() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).append(nn.Linear(3, 1))
    assert len(model) == 3
    assert [type(module).__name__ for module in model] == ["Linear", "ReLU", "Linear"]
    assert model[:2](ad.Tensor(np.ones(2))).shape == (3,)
    assert model[:2][0] is model[0]
    with pytest.raises(IndexError, match="index 5, but there are 3 modules"):
        model[5]


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'1' is the class ReLU; make it a module: ReLU\(...\)"):
        nn.Sequential(nn.Linear(2, 3), nn.ReLU)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'0' must be a Module, got ndarray"):
        nn.Sequential(np.ones(3))  # type: ignore[arg-type]


def test_a_list_in_place_of_modules_names_the_cure() -> None:
    with pytest.raises(TypeError, match=r"must be a Module, got list; write Sequential\(\*modules\)"):
        nn.Sequential([nn.ReLU()])  # type: ignore[arg-type]


def test_a_slice_keeps_the_names() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    assert list(model[1:].state_dict()) == ["2.weight", "2.bias"]  # as PyTorch does


def test_append_never_replaces() -> None:
    model = nn.Sequential({"1": nn.Linear(2, 2)}).append(nn.ReLU())
    assert [name for name, _ in model.named_children()] == ["1", "2"]
    part = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))[1:].append(nn.ReLU())
    assert len(part) == 3


# ------------------------------------------------------------------------------------------------ as lists


def tanh(lib: Any) -> Any:
    return lib.Tanh()


def delete(model: Any, index: Any) -> None:
    del model[index]


def put(model: Any, index: int, module: Any) -> None:
    model[index] = module


def check_pop(model: Any, index: int) -> None:
    expected = model[index]
    assert model.pop(index) is expected


EDITS: dict[str, Callable[[Any, Any], Any]] = {
    "append": lambda m, lib: m.append(tanh(lib)),
    "extend": lambda m, lib: m.extend([tanh(lib), lib.Linear(1, 1)]),
    "insert first": lambda m, lib: m.insert(0, tanh(lib)),
    "insert last": lambda m, lib: m.insert(len(m), tanh(lib)),
    "insert between": lambda m, lib: m.insert(1, tanh(lib)),
    "set": lambda m, lib: put(m, 1, tanh(lib)),
    "set last": lambda m, lib: put(m, -1, tanh(lib)),
    "del": lambda m, lib: delete(m, 0),
    "del last": lambda m, lib: delete(m, -1),
    "del slice": lambda m, lib: delete(m, slice(0, 3, 2)),
    "del all": lambda m, lib: delete(m, slice(None)),
    "pop": lambda m, lib: check_pop(m, 1),
    "pop last": lambda m, lib: check_pop(m, -1),
    "slice": lambda m, lib: m[1:],
    "slice backwards": lambda m, lib: m[-1:],
    "add": lambda m, lib: m + type(m)(*([[tanh(lib)]] if type(m).__name__ == "ModuleList" else [tanh(lib)])),
    "iadd": lambda m, lib: m.__iadd__(type(m)(*([[tanh(lib)]] if type(m).__name__ == "ModuleList" else [tanh(lib)]))),
    "pop from a part, then append": lambda m, lib: (check_pop(m, 0), m.append(tanh(lib)))[1],
}


def listed(model: Any) -> list[tuple[str, str]]:
    parts = model._modules.items() if hasattr(model, "_modules") else model._named_parts()  # one that is there twice comes twice
    return [(name, type(module).__name__) for name, module in parts]


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_edits_are_those_of_pytorch(kind: str, edit: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    found = []
    for lib in (nn, torch.nn):
        parts = [lib.Linear(2, 3), lib.ReLU(), lib.Linear(3, 1)]
        model = getattr(lib, kind)(*([parts] if kind == "ModuleList" else parts))
        result = EDITS[edit](model, lib)
        made = result if isinstance(result, lib.Module) else model
        found.append((listed(model), listed(made), len(made), list(made.state_dict())))
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_what_edits_return_and_where_pytorch_gives_up(kind: str) -> None:
    parts = [nn.ReLU(), nn.Linear(1, 1)]
    model = getattr(nn, kind)(*([parts] if kind == "ModuleList" else parts))
    assert model.append(nn.ReLU()) is model.extend([]) is model.insert(-1, nn.Tanh()) is model
    assert listed(model) == [("0", "ReLU"), ("1", "Linear"), ("2", "Tanh"), ("3", "ReLU")]
    assert len(model.extend(model)) == 8
    assert model[4] is model[0]


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
def test_indices_that_lead_nowhere(kind: str) -> None:
    parts = [nn.ReLU(), nn.Tanh()]
    model = getattr(nn, kind)(*([parts] if kind == "ModuleList" else parts))
    for what in (lambda: model[2], lambda: put(model, -3, nn.ReLU()), lambda: delete(model, 2), lambda: model.insert(3, nn.ReLU())):
        with pytest.raises(IndexError, match=f"{kind}.*index .*there are 2 modules"):
            what()
    with pytest.raises(TypeError, match=f"{kind}: '2' must be a Module, got int"):
        model.append(5)
    with pytest.raises(TypeError, match=f"{kind}: '0' is the class ReLU; make it a module"):
        model[0] = nn.ReLU
    with pytest.raises(TypeError, match=f"{kind}.extend: expected several modules, got ReLU"):
        model.extend(nn.ReLU())
    assert [type(part) for part in model] == [nn.ReLU, nn.Tanh]


def test_repetition() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert [type(part) for part in model * 2] == [type(part) for part in 2 * model] == [nn.Linear, nn.ReLU] * 2
    assert (model * 2)[2] is model[0]
    model *= 3
    assert len(model) == 6
    for wrong, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="Sequential: expected"):
            model * wrong  # type: ignore[operator]
    with pytest.raises(TypeError, match="unsupported operand"):
        model + 1  # type: ignore[operator]


def test_names_that_a_caller_gave_stay() -> None:
    model = nn.Sequential({"first": nn.Linear(2, 2), "act": nn.ReLU(), "last": nn.Linear(2, 1)})
    del model[1]
    assert [name for name, _ in model.named_children()] == ["first", "last"]
    model.insert(1, nn.Tanh())
    assert [name for name, _ in model.named_children()] == ["first", "2", "last"]
    model[0] = nn.Linear(2, 2)
    assert model.first is model[0]


def test_a_list_of_modules_is_learned_saved_and_copied_but_not_called() -> None:
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert list(layers.state_dict()) == [f"{i}.{name}" for i in range(3) for name in ("weight", "bias")]
    assert len(list(copy.deepcopy(layers).parameters())) == 6
    assert layers[1] in layers
    assert next(reversed(layers)) is layers[2]
    assert [*layers[::2]] == [layers[0], layers[2]]
    assert len(nn.ModuleList()) == 0
    with pytest.raises(NotImplementedError, match="ModuleList has no forward"):
        layers(1)
    nested = nn.ModuleList([nn.ModuleList([nn.ReLU()]), nn.ModuleDict({"a": nn.Linear(1, 1)})])
    assert [name for name, _ in nested.named_modules()] == ["", "0", "0.0", "1", "1.a"]


def test_the_paths_of_calls_follow_edits() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = ad.Tensor(np.ones((1, 2)))
    model(x)
    model.insert(0, nn.Tanh())
    with pytest.raises(ValueError, match="expected 2 features") as caught:
        model(ad.Tensor(np.ones((1, 3))))
    assert caught.value.__notes__ == ["in Sequential.1 (Linear)"]


# ------------------------------------------------------------------------------------------------ by name


def test_a_dictionary_of_modules() -> None:
    model = nn.ModuleDict([("a", nn.Linear(1, 2)), ("b", nn.ReLU())])
    assert (len(model), list(model), model.keys(), "a" in model, "c" in model) == (2, ["a", "b"], ["a", "b"], True, False)
    assert model["a"] is model.a is model.values()[0] is model.items()[0][1]
    assert list(model.state_dict()) == ["a.weight", "a.bias"]
    model["a"] = nn.Tanh()  # stays where it was
    model.update({"c": nn.ReLU(), "b": nn.Tanh()})
    assert [(name, type(module)) for name, module in model.items()] == [("a", nn.Tanh), ("b", nn.Tanh), ("c", nn.ReLU)]
    popped = model["b"]
    assert model.pop("b") is popped
    del model["a"]
    assert list(model) == ["c"]
    assert list(nn.ModuleDict(model)) == ["c"]
    model.clear()
    assert len(model) == 0
    assert repr(nn.ModuleDict({"x": nn.ReLU()})) == "ModuleDict(\n  (x): ReLU()\n)"


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda m: m["z"], KeyError, "no module is called 'z'; there are 'a'"),
        (lambda m: delete(m, "z"), KeyError, "no module is called 'z'"),
        (lambda m: m.pop("training"), KeyError, "no module is called 'training'"),
        (lambda m: m.update({"keys": nn.ReLU()}), KeyError, "has an attribute 'keys' already"),
        (lambda m: m.update({"a.b": nn.ReLU()}), ValueError, "must not be empty or hold a dot"),
        (lambda m: m.update({1: nn.ReLU()}), TypeError, "a name must be a str, got int"),
        (lambda m: m.update({"b": 1}), TypeError, "'b' must be a Module, got int"),
        (lambda m: m.update([nn.ReLU()]), TypeError, "expected a mapping of names, or pairs"),
        (lambda m: m.update(5), TypeError, "expected a mapping of names, or pairs of a name and a value, got int"),
    ],
)
def test_what_a_dictionary_of_modules_refuses(edit: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    model = nn.ModuleDict({"a": nn.ReLU()})
    with pytest.raises(error, match=message):
        edit(model)
    assert list(model) == ["a"]


# ------------------------------------------------------------------------------------------------ parameters


def test_a_list_of_parameters() -> None:
    tied = nn.Parameter([1.0])
    values = nn.ParameterList([tied, np.ones((2, 3)), ad.Tensor([2.0]), tied])
    assert all(isinstance(value, nn.Parameter) for value in values)
    assert list(values.state_dict()) == ["0", "1", "2", "3"]
    assert len(list(values.parameters())) == 3
    assert values[0] is values[-1] is values[3] is tied
    assert [value.shape for value in values[1:3]] == [(2, 3), (1,)]
    values[1] = np.zeros(4)
    values += [3.0]
    assert [value.shape for value in values.append(1.0)] == [(1,), (4,), (1,), (1,), (), ()]
    sum((value * value).sum() for value in values).backward()  # type: ignore[union-attr]
    assert all(value.grad is not None for value in values)
    assert repr(nn.ParameterList([np.ones(2)])) == "ParameterList(\n  (0): float64 of shape (2,)\n)"
    assert repr(nn.ParameterList()) == "ParameterList()"
    for index in (6, -7):
        with pytest.raises(IndexError, match=f"ParameterList: index {index}, but there are 6 parameters"):
            values[index]


def test_a_dictionary_of_parameters() -> None:
    values = nn.ParameterDict({"left": np.ones(2), "right": 3.0})
    assert (len(values), list(values), list(reversed(values)), "left" in values) == (2, ["left", "right"], ["right", "left"], True)
    assert values.left is values["left"] is values.get("left")
    assert (values.get("no"), values.get("no", 1)) == (None, 1)
    assert list(values.state_dict()) == ["left", "right"]
    assert values.setdefault("left", 5.0) is values["left"]
    assert values.setdefault("new", 5.0).item() == 5.0
    assert list(values | {"more": 1.0}) == ["left", "right", "new", "more"]
    other = values.copy()
    other |= {"left": np.zeros(7)}
    assert (other["left"].shape, values["left"].shape) == ((7,), (2,))
    assert other["right"] is values["right"]
    assert values.popitem()[0] == "new"
    assert values.pop("left").shape == (2,)
    assert [name for name, _ in values.items()] == values.keys() == ["right"]
    del values["right"]
    values.clear()
    assert values.values() == []
    with pytest.raises(KeyError, match="there are no parameters"):
        values.popitem()


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda: nn.ParameterDict()["a"], KeyError, "no parameter is called 'a'; there are none"),
        (lambda: nn.ParameterDict({"pop": 1.0}), KeyError, "has an attribute 'pop' already"),
        (lambda: nn.ParameterDict({1: 1.0}), TypeError, "a name must be a str, got int"),  # type: ignore[dict-item]
        (lambda: nn.ParameterDict({"a": nn.ReLU()}), TypeError, "'a' must be a parameter, got the module ReLU"),
        (lambda: nn.ParameterList([nn.ReLU()]), TypeError, "'0' must be a parameter, got the module ReLU"),
        (lambda: nn.ParameterList(nn.Parameter([1.0])), TypeError, "expected several parameters, got Parameter"),
        (lambda: nn.ParameterList(["a"]), TypeError, "expected numbers"),
    ],
)
def test_what_containers_of_parameters_refuse(edit: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        edit()


def test_parameters_in_containers_are_named_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    found = []
    for lib, tensor in ((nn, ad.Tensor), (torch.nn, torch.tensor)):
        model = lib.Module()
        model.weights = lib.ParameterList([lib.Parameter(tensor([1.0])), lib.Parameter(tensor([2.0]))])
        model.named = lib.ParameterDict({"a": lib.Parameter(tensor([1.0])), "b": lib.Parameter(tensor([2.0]))})
        found.append([(name, value.tolist()) for name, value in model.state_dict().items()])
    assert found[0] == found[1]
