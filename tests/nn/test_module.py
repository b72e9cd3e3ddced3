"""Modules: what they register, how they are walked, called, saved, loaded and copied."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from autodiff.graph import Group


class Tower(nn.Module):
    """A module with everything: parameters, a buffer, children two levels deep."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(2.0)
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.register_buffer("offset", ad.Tensor([0.5]))
        self.register_buffer("cache", ad.Tensor([1.0]), persistent=False)
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return self.head(self.layers(x) * self.scale) + self.offset


class Tied(nn.Module):
    """Two layers that share one weight, and one layer under two names."""

    def __init__(self) -> None:
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.again = self.first

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return self.again(self.second(self.first(x)))


# ------------------------------------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, np.float32),
        (1.5, np.float32),
        ([1, 2], np.float32),
        (np.ones(2), np.float64),
        (np.float64(1), np.float64),
        (np.ones(2, np.float32), np.float32),
        (np.ones(2, complex), np.complex128),
        (ad.Tensor([1.0]), np.float64),
        (1 + 2j, np.complex64),
        ([1.0, 2j], np.complex64),
    ],
)
def test_a_parameter_of_numbers_is_float32_and_of_an_array_has_its_dtype(data: object, dtype: type) -> None:
    parameter = nn.Parameter(data)
    assert parameter.dtype == dtype
    assert parameter.requires_grad
    assert parameter.is_leaf


def test_a_parameter_copies_its_data() -> None:
    data = np.ones(2)
    parameter = nn.Parameter(data)
    data[0] = 7
    assert parameter.tolist() == [1.0, 1.0]


def test_a_parameter_of_integers_is_refused() -> None:
    with pytest.raises(TypeError, match="only floating and complex numbers have a gradient"):
        nn.Parameter(np.arange(3))


def test_what_is_computed_from_a_parameter_is_a_plain_tensor() -> None:
    assert type(nn.Parameter([1.0]) * 2) is ad.Tensor


def test_a_parameter_is_called_as_its_attribute_unless_it_has_a_name() -> None:
    layer = nn.Linear(2, 2)
    assert layer.weight.name == "weight"
    layer.weight = nn.Parameter(np.ones((2, 2)), name="w")
    assert layer.weight.name == "w"


# ------------------------------------------------------------------------------------------------ registration


def test_parameters_buffers_and_children_are_found_in_order() -> None:
    model = Tower()
    assert [name for name, _ in model.named_parameters()] == ["scale", "layers.0.weight", "layers.0.bias", "head.weight"]
    assert [name for name, _ in model.named_buffers()] == ["offset", "cache"]
    assert [name for name, _ in model.named_children()] == ["layers", "head"]
    assert [name for name, _ in model.named_modules()] == ["", "layers", "layers.0", "layers.1", "head"]
    assert list(model.state_dict()) == ["scale", "offset", "layers.0.weight", "layers.0.bias", "head.weight"]


def test_names_and_shapes_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")

    class Theirs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(2.0))
            self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
            self.register_buffer("offset", torch.tensor([0.5]))
            self.register_buffer("cache", torch.tensor([1.0]), persistent=False)
            self.head = torch.nn.Linear(4, 2, bias=False)

    ours, theirs = Tower().state_dict(), Theirs().state_dict()
    assert [(k, v.shape) for k, v in ours.items()] == [(k, tuple(v.shape)) for k, v in theirs.items()]


def test_a_shared_parameter_or_module_comes_once_but_is_saved_under_all_its_names() -> None:
    model = Tied()
    assert [name for name, _ in model.named_parameters()] == ["first.weight", "first.bias"]
    assert [name for name, _ in model.named_modules()] == ["", "first", "second"]
    assert set(model.state_dict()) == {"first.weight", "first.bias", "second.weight", "again.weight", "again.bias"}


OPTIONS: list[dict[str, Any]] = [
    {"prefix": prefix, "recurse": recurse, "remove_duplicate": unique}
    for prefix in ("", "model")
    for recurse in (True, False)
    for unique in (True, False)
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_walks_are_those_of_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")

    def build(lib: Any, tensor: Any) -> Any:
        class Net(lib.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.scale = lib.Parameter(tensor([1.0]))
                self.first = lib.Linear(2, 2)
                self.inner = lib.Sequential(lib.Linear(2, 2), self.first)
                self.again = self.first
                self.scale2 = self.scale
                self.register_buffer("mean", tensor([0.0]))
                self.register_buffer("mean2", self.mean)
                self.inner.register_buffer("mean", self.mean)

        return Net()

    ours, theirs = build(nn, ad.Tensor), build(torch.nn, torch.tensor)
    for walk in ("named_parameters", "named_buffers"):
        assert [name for name, _ in getattr(ours, walk)(**options)] == [name for name, _ in getattr(theirs, walk)(**options)]
    modules = {key: value for key, value in options.items() if key != "recurse"}
    assert [name for name, _ in ours.named_modules(**modules)] == [name for name, _ in theirs.named_modules(**modules)]
    assert [name for name, _ in ours.named_children()] == [name for name, _ in theirs.named_children()]
    recurse = options["recurse"]
    assert len(list(ours.parameters(recurse))) == len(list(theirs.parameters(recurse)))
    assert len(list(ours.buffers(recurse))) == len(list(theirs.buffers(recurse)))
    assert list(ours.state_dict(prefix="a.")) == list(theirs.state_dict(prefix="a."))


def test_a_memo_leaves_out_what_was_seen() -> None:
    model = Tower()
    memo = {model.layers}
    assert [name for name, _ in model.named_modules(memo)] == ["", "head"]
    assert memo == {model, model.layers, model.head}


def test_one_part_by_its_path() -> None:
    model = Tower()
    assert model.get_submodule("") is model
    assert model.get_submodule("layers.0") is model.layers[0]
    assert model.get_parameter("layers.0.weight") is model.layers[0].weight
    assert model.get_parameter("scale") is model.scale
    assert model.get_buffer("offset") is model.offset


@pytest.mark.parametrize(
    ("what", "path", "message"),
    [
        ("get_submodule", "layers.5", r"'5' of 'layers' \(Sequential\) does not exist; the modules there: '0', '1'"),
        ("get_submodule", "scale", "'scale' of Tower is a Parameter, not a module"),
        ("get_submodule", "layers.1.x", r"'x' of 'layers.1' \(ReLU\) does not exist; the modules there: none"),
        ("get_parameter", "layers.0.wait", "get_parameter: 'layers.0.wait' is missing"),
        ("get_parameter", "nothing.weight", "get_parameter: 'nothing.weight' is missing: 'nothing' of Tower does not exist"),
        ("get_parameter", "offset", "get_parameter: 'offset' is a Tensor"),
        ("get_buffer", "scale", "get_buffer: 'scale' is no buffer"),
        ("get_buffer", "other", "get_buffer: 'other' is missing"),
    ],
)
def test_a_path_that_leads_nowhere(what: str, path: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(Tower(), what)(path)


def test_putting_a_module_at_a_path() -> None:
    model = Tower()
    model.set_submodule("layers.1", nn.Tanh())
    assert model.layers[1].__class__ is nn.Tanh
    assert [name for name, _ in model.named_modules()] == ["", "layers", "layers.0", "layers.1", "head"]  # in the same place
    model.set_submodule("layers.more", nn.ReLU())
    assert len(model.layers) == 3
    for path, module, strict, error in (
        ("layers.x", nn.ReLU(), True, AttributeError),
        ("nothing.x", nn.ReLU(), False, AttributeError),
        ("layers.0", ad.Tensor([1.0]), False, TypeError),
        ("scale", nn.ReLU(), False, KeyError),
        ("", nn.ReLU(), False, ValueError),
    ):
        with pytest.raises(error):
            model.set_submodule(path, module, strict)  # type: ignore[arg-type]
    assert len(model.layers) == 3


@pytest.mark.parametrize("name", ["_state", "_parts", "_get", "_walked", "_hooks", "_add", "_children", "_parameters", "_modules"])
def test_a_user_may_have_private_names_of_their_own(name: str) -> None:
    class Model(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(2, 2))
            setattr(self, name, "mine")
            self.append(nn.ReLU())

    model = Model()
    model.load_state_dict(model.state_dict())
    assert model(np.ones((1, 2))).shape == (1, 2)
    assert model.get_parameter("0.weight") is next(model.parameters())
    assert getattr(copy.deepcopy(model), name) == "mine"


def test_init_of_the_base_class_need_not_be_called() -> None:
    assert [name for name, _ in Tied().named_children()] == ["first", "second"]


def test_deleting_and_replacing_attributes() -> None:
    model = Tower()
    del model.layers
    del model.offset
    model.head = nn.Linear(4, 1)
    model.scale = None  # type: ignore[assignment]
    assert list(model.state_dict()) == ["head.weight", "head.bias"]
    assert [name for name, _ in model.named_buffers()] == ["cache"]


def test_a_parameter_cannot_silently_stop_being_one() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"Linear.weight is a parameter and cannot become a Tensor.*no_grad"):
        layer.weight = layer.weight - 0.1  # type: ignore[assignment]
    with pytest.raises(TypeError, match="buffer: expected a Tensor or None, got float"):
        Tower().offset = 1.0  # type: ignore[assignment]


def test_modules_in_a_list_are_not_registered_and_a_warning_says_so() -> None:
    module = nn.Module()
    with pytest.warns(UserWarning, match="Module.layers is a list that holds modules or parameters: they are not registered"):
        module.layers = [nn.ReLU()]
    with pytest.warns(UserWarning, match="Module.parts is a dict"):
        module.parts = {"a": nn.Parameter(1.0)}
    module.sizes = [1, 2]
    module.hidden = (nn.Linear(1, 1),)
    assert list(module.parameters()) == []


@pytest.mark.parametrize(
    "value",
    [
        lambda layer: [[layer]],
        lambda layer: [1, [2, ("named", layer)]],
        lambda layer: {"a": [layer.weight]},
        lambda layer: {layer},
        lambda layer: [{"deep": [[layer]]}],
    ],
)
def test_modules_in_nested_lists_are_not_registered_either(value: Any) -> None:
    module = nn.Module()
    with pytest.warns(UserWarning, match=r"holds modules or parameters: they are not registered.*nn\.ModuleList"):
        module.blocks = value(nn.Linear(1, 1))
    endless: list[Any] = [1]
    endless.append(endless)
    module.endless = endless
    assert list(module.parameters()) == []


def test_a_module_is_no_part_of_itself() -> None:
    outer = nn.Sequential(nn.Sequential(nn.ReLU()))
    for make_cycle in (
        lambda: setattr(outer, "self", outer),
        lambda: setattr(outer[0], "parent", outer),
        lambda: outer[0].append(outer),
        lambda: outer[0].add_module("parent", outer),
    ):
        with pytest.raises(ValueError, match=r"a module cannot be a part of itself, nor of its own parts.*\(module,\)"):
            make_cycle()
    outer[0].parent = (outer,)
    assert list(outer.state_dict()) == []
    assert len(list(outer.modules())) == 3
    assert "Sequential" in repr(outer)
    twin = copy.deepcopy(outer)
    assert twin[0].parent[0] is twin


@pytest.mark.parametrize("name", ["", "a.b"])
def test_names_without_meaning_are_refused(name: str) -> None:
    module = nn.Module()
    with pytest.raises(ValueError, match="must not be empty or hold a dot"):
        setattr(module, name, nn.Parameter(1.0))
    with pytest.raises(ValueError, match="must not be empty or hold a dot"):
        module.register_buffer(name, ad.Tensor(1.0))


def test_registering_by_name() -> None:
    module = nn.Module()
    module.register_parameter("a", nn.Parameter(1.0))
    module.register_parameter("b", None)
    module.register_buffer("c", None)
    module.add_module("d", nn.ReLU())
    assert list(module.state_dict()) == ["a"]
    with pytest.raises(KeyError, match="has an attribute 'a' already"):
        module.register_buffer("a", ad.Tensor(1.0))
    with pytest.raises(KeyError, match="has an attribute 'forward' already"):
        module.register_parameter("forward", nn.Parameter(1.0))
    with pytest.raises(TypeError, match="must be a Parameter or None, got Tensor"):
        module.register_parameter("e", ad.Tensor(1.0))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="register_buffer: 'e': expected numbers"):
        module.register_buffer("e", "text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a Module, got int"):
        module.add_module("e", 1)  # type: ignore[arg-type]
    module.register_module("f", None)
    module.register_module("f", nn.ReLU())
    assert [name for name, _ in module.named_children()] == ["d", "f"]


# ------------------------------------------------------------------------------------------------ modes, gradients


def test_train_and_eval_reach_every_module() -> None:
    model = Tower()
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.train()
    assert all(module.training for module in model.modules())


class HalfFrozen(nn.Module):
    """Keeps its normalisation in use while the rest is trained, in the way that PyTorch's users write it."""

    def __init__(self) -> None:
        self.norm, self.layer = nn.BatchNorm1d(3), nn.Linear(3, 2)

    def train(self, mode: bool = True) -> HalfFrozen:
        super().train(mode)
        self.norm.eval()
        return self


def test_a_part_with_a_train_of_its_own_is_asked_wherever_it_is() -> None:
    model = nn.Sequential(nn.Sequential(HalfFrozen()), nn.ReLU()).train()
    part = model[0][0]
    assert (part.training, part.layer.training, part.norm.training) == (True, True, False)
    assert not any(module.training for module in model.eval().modules())


def test_zero_grad_and_freezing() -> None:
    model = Tower()
    model(ad.Tensor(np.ones((1, 3)))).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.zero_grad(set_to_none=False)
    assert all(not parameter.grad.numpy().any() for parameter in model.parameters() if parameter.grad is not None)
    model.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())
    model.head.requires_grad_(False)
    model(ad.Tensor(np.ones((1, 3)))).sum().backward()
    assert model.head.weight.grad is None
    assert model.scale.grad is not None


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    Tower().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Sequential", "Linear", "Tower"]


def test_a_float32_model_stays_float32_whatever_the_input() -> None:
    model = Tower()
    for data in (np.ones((2, 3)), np.ones((2, 3), np.float32), np.ones((2, 3), int), np.ones((2, 3), bool)):
        y = model.layers(ad.Tensor(data))
        assert y.dtype == np.float32
        y.sum().backward()
    assert all(parameter.grad.dtype == np.float32 for parameter in model.layers.parameters() if parameter.grad is not None)


# ------------------------------------------------------------------------------------------------ repr


def test_repr_is_that_of_pytorch() -> None:
    assert repr(Tower()) == (
        "Tower(\n  (layers): Sequential(\n    (0): Linear(in_features=3, out_features=4, bias=True)\n    (1): ReLU()\n  )\n"
        "  (head): Linear(in_features=4, out_features=2, bias=False)\n)"
    )
    assert repr(nn.Module()) == "Module()"


# ------------------------------------------------------------------------------------------------ calls


def groups(tensor: ad.Tensor) -> list[Group]:
    """All groups of the graph of `tensor`, from the output to the input."""
    found: list[Group] = []
    node = tensor._node
    while node is not None:
        if node.notes is not None:
            found.extend(node.notes.groups)
        node = next((parent for parent in node.parents if parent is not None and parent.operation is not None), None)
    return found


def test_each_call_is_noted_once_with_its_path_and_interval() -> None:
    model = Tower()
    y = model(ad.Tensor(np.ones((1, 3))))
    found = {group.name: group for group in groups(y)}
    assert set(found) == {"Tower", "layers", "layers.0", "layers.1", "head"}
    assert {name: group.title for name, group in found.items()} == {
        "Tower": "Tower", "layers": "Sequential", "layers.0": "Linear", "layers.1": "ReLU", "head": "Linear"
    }  # fmt: skip
    assert all(group.kind == "module" for group in found.values())
    outer, inner = found["Tower"], found["layers.0"]
    assert outer.first < found["layers"].first < inner.first < inner.last < found["layers"].last < found["head"].first < outer.last
    node = y._node
    assert node is not None
    assert outer.first < node.number < outer.last


def test_paths_begin_at_the_outermost_module_that_is_called() -> None:
    model = Tower()
    assert [group.name for group in groups(model.layers(ad.Tensor(np.ones((1, 3)))))] == ["1", "Sequential", "0"]
    assert [group.name for group in groups(model.head(ad.Tensor(np.ones((1, 4)))))] == ["Linear"]


def test_paths_follow_the_structure() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2)))
    x = ad.Tensor(np.ones((1, 2)))
    model(x)
    model[0].append(nn.Tanh())
    assert [group.name for group in groups(model(x))] == ["0.1", "0", "Sequential", "0.0"]
    model.extra = model[0]
    assert "0.0" in [group.name for group in groups(model(x))]


def test_a_module_outside_the_tree_has_its_class_for_a_path() -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            self.child = nn.ReLU()

        def forward(self, x: ad.Tensor) -> ad.Tensor:
            return self.child(nn.Tanh()(x))

    found = groups(Hidden()(ad.Tensor([1.0], requires_grad=True)))
    assert [group.name for group in found] == ["child", "Hidden", "Tanh"]


def test_results_of_several_parts_are_noted_at_each() -> None:
    class Two(nn.Module):
        def forward(self, x: ad.Tensor) -> dict[str, object]:
            return {"a": x * 2, "b": [x + 1, 5], "same": x}

    x = ad.Tensor([1.0], requires_grad=True)
    y = Two()(x)
    assert [group.title for group in groups(y["a"])] == ["Two"]
    assert [group.title for group in groups(y["b"][0])] == ["Two"]
    assert groups(y["same"]) == []


def test_a_module_that_returns_its_input_or_runs_without_recording_notes_nothing() -> None:
    class Identity(nn.Module):
        def forward(self, x: ad.Tensor) -> ad.Tensor:
            return x

    x = ad.Tensor([1.0], requires_grad=True)
    assert groups(Identity()(x * 1)) == []
    with ad.no_grad():
        assert not nn.Linear(1, 1)(x).requires_grad


def test_an_error_names_the_module_it_passed_through_once() -> None:
    model = Tower()
    with pytest.raises(ValueError, match="expected 3 features on the last axis of the input") as caught:
        model(ad.Tensor(np.ones((1, 5))))
    assert caught.value.__notes__ == ["in Tower.layers.0 (Linear)"]
    with pytest.raises(ValueError, match="expected 4 features") as caught:
        model.head(ad.Tensor(np.ones((1, 5))))
    assert caught.value.__notes__ == ["in Linear"]
    model(ad.Tensor(np.ones((1, 3))))  # an error leaves nothing behind
    assert [group.name for group in groups(model.head(ad.Tensor(np.ones((1, 4)))))] == ["Linear"]


def test_an_error_that_refuses_attributes_goes_through() -> None:
    class FrozenError(Exception):
        def __setattr__(self, name: str, value: Any) -> None:
            raise AttributeError("frozen")

    class Failing(nn.Module):
        def forward(self, x: Any) -> Any:
            raise FrozenError

    with pytest.raises(FrozenError):
        nn.Sequential(Failing())(1)


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Module has no forward: define"):
        nn.Module()(1)


# ------------------------------------------------------------------------------------------------ the state


def test_state_dict_is_a_copy_and_load_writes_in_place() -> None:
    model = Tower()
    state = model.state_dict()
    weight, data = model.head.weight, model.head.weight._data
    with ad.no_grad():
        model.head.weight[...] = 0
    assert state["head.weight"].numpy().any()
    assert not state["head.weight"].requires_grad
    result = model.load_state_dict(state)
    assert result == ([], [])
    assert model.head.weight is weight
    assert model.head.weight._data is data
    np.testing.assert_array_equal(weight.numpy(), state["head.weight"].numpy())


def test_a_state_dict_goes_into_a_dictionary_or_holds_the_tensors_themselves() -> None:
    model = nn.Linear(2, 1)
    into: dict[str, ad.Tensor] = {"other": ad.Tensor(1.0)}
    assert model.state_dict(destination=into, prefix="a.") is into
    assert list(into) == ["other", "a.weight", "a.bias"]
    assert model.state_dict(keep_vars=True)["weight"] is model.weight


def test_a_shared_parameter_is_loaded_under_any_of_its_names() -> None:
    whole = Tied().state_dict()
    for left_out in ({"second.weight", "again.weight", "again.bias"}, {"first.weight", "first.bias", "second.weight"}):
        model = Tied()
        once = {name: value for name, value in whole.items() if name not in left_out}
        assert model.load_state_dict(once) == ([], [])
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), whole[name].numpy())
    with pytest.raises(ValueError, match=r"2 missing .*: first.bias, again.bias"):
        Tied().load_state_dict({"second.weight": whole["second.weight"]})


def test_load_takes_arrays_and_casts_them() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": np.array([[1, 2]]), "bias": [3.0]})
    assert layer.weight.dtype == np.float32
    assert layer(ad.Tensor([1.0, 1.0])).tolist() == [6.0]


def test_load_takes_a_state_dict_of_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    theirs = torch.nn.Linear(3, 2).double()
    ours = nn.Linear(3, 2, dtype=np.float64)
    ours.load_state_dict(theirs.state_dict())
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    np.testing.assert_allclose(ours(ad.Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-12, atol=1e-15)


def test_load_of_the_tensors_themselves_crosswise() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    one, two = model[0].weight.tolist(), model[1].weight.tolist()
    model.load_state_dict({"0.weight": model[1].weight.detach(), "1.weight": model[0].weight.detach()}, strict=False)
    assert model[0].weight.tolist() == two
    assert model[1].weight.tolist() == one


def test_load_between_forward_and_backward_is_reported() -> None:
    layer = nn.Linear(2, 2)
    x = ad.Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    y = layer(x).sum()
    layer.load_state_dict(layer.state_dict())
    with pytest.raises(RuntimeError, match="changed afterwards, by load_state_dict into 'weight'"):
        y.backward()


def changed(state: dict[str, ad.Tensor], **values: object) -> dict[str, object]:
    return {**state, **{key.replace("__", "."): value for key, value in values.items()}}


def test_nothing_is_loaded_after_an_error() -> None:
    model = Tower()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    other = {name: value + 1 for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"'head.weight' has shape \(9,\), the module has \(2, 4\); nothing was loaded"):
        model.load_state_dict(changed(other, head__weight=np.ones(9)))
    with pytest.raises(TypeError, match=r"'head\.weight' has dtype complex128, the module has float32; nothing was loaded"):
        model.load_state_dict(changed(other, head__weight=np.ones((2, 4), complex)))
    with pytest.raises(TypeError, match=r"'head\.weight': expected numbers"):
        model.load_state_dict(changed(other, head__weight=[["a"]]))
    with pytest.raises(ValueError, match="nothing was loaded"):
        model.load_state_dict({name: value for name, value in other.items() if name != "scale"})
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_different_names_are_shown_shortly_with_the_cure() -> None:
    model = nn.Sequential(*[nn.Linear(1, 1) for _ in range(50)])
    state = {"module." + name: value for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="the names do not fit Sequential") as caught:
        model.load_state_dict(state)
    text = str(caught.value)
    assert len(text) < 600
    assert "100 missing (the module has them, the state_dict does not): 0.weight, 0.bias, 1.weight, ... and 97 more" in text
    assert "100 unexpected (the state_dict has them, the module does not): all begin with 'module.': module.0.weight" in text
    assert "{key.removeprefix('module.'): value for key, value in ...}" in text


def test_the_cure_for_a_prefix_that_is_missing_or_none_at_all() -> None:
    wrapped = nn.Module()
    wrapped.net = nn.Linear(1, 1)
    with pytest.raises(ValueError, match=r"\{'net.' \+ key: value for key"):
        wrapped.load_state_dict(nn.Linear(1, 1).state_dict())
    with pytest.raises(ValueError, match=r"1 unexpected .*: extra\n  strict=False loads what both have"):
        wrapped.load_state_dict({**wrapped.state_dict(), "extra": np.ones(1)})


def test_not_strict_loads_what_both_have() -> None:
    layer = nn.Linear(1, 1)
    result = layer.load_state_dict({"weight": [[7.0]], "other": 1.0}, strict=False)
    assert result.missing_keys == ["bias"]
    assert result.unexpected_keys == ["other"]
    assert layer.weight.tolist() == [[7.0]]


# ------------------------------------------------------------------------------------------------ copies


@pytest.mark.parametrize("through", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_stand_alone(through: object) -> None:
    model = Tied()
    x = ad.Tensor(np.ones((2, 3)))
    model(x).sum().backward()
    twin = through(model)  # type: ignore[operator]
    np.testing.assert_array_equal(twin(x).numpy(), model(x).numpy())
    assert twin.second.weight is twin.first.weight
    assert twin.again is twin.first
    assert isinstance(twin.first.weight, nn.Parameter)
    assert twin.first.weight.grad is not None
    with ad.no_grad():
        twin.first.weight[...] = 0
    assert model.first.weight.numpy().any()
    assert [group.name for group in groups(twin(x))][:2] == ["first", "Tied"]


def test_a_module_becomes_nothing_but_a_module() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    holder = nn.Module()
    holder.layer = model
    with pytest.raises(TypeError, match=r"Module.layer is a module and cannot become a int"):
        holder.layer = 5
    holder.layer = None
    assert not list(holder.children())
    holder.layer = 5  # it is an ordinary attribute by now


def test_a_parameter_in_place_of_a_buffer_is_none_any_more() -> None:
    holder = nn.Module()
    holder.register_buffer("scale", ad.Tensor([1.0]), persistent=False)
    holder.scale = nn.Parameter([2.0])
    assert [name for name, _ in holder.named_buffers()] == []
    assert list(holder.state_dict()) == ["scale"]


@pytest.mark.filterwarnings("error")
def test_nothing_is_loaded_where_a_value_cannot_be_written() -> None:
    fixed = np.zeros(2)
    fixed.flags.writeable = False
    holder = nn.Module()
    holder.first = nn.Parameter([1.0, 2.0])
    holder.register_buffer("last", ad.asarray(fixed, copy=False))
    with pytest.raises(ValueError, match="'last' of the module is read-only"):
        holder.load_state_dict({"first": [5.0, 6.0], "last": [1.0, 1.0]})
    assert holder.first.tolist() == [1.0, 2.0]
    holder.last = nn.Parameter([3.0])
    with pytest.raises(RuntimeWarning, match="overflow"):  # an error here
        holder.load_state_dict({"first": [5.0, 6.0], "last": np.array([1e300])})
    assert holder.first.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("state", [None, [1]])
def test_a_state_is_a_mapping(state: Any) -> None:
    with pytest.raises(TypeError, match="load_state_dict: expected a mapping"):
        nn.Linear(1, 1).load_state_dict(state)
    with pytest.raises(ValueError, match=r"1 unexpected .*: 5"):
        nn.Linear(1, 1).load_state_dict({5: [1.0]})  # type: ignore[dict-item]


def test_no_graph_is_copied_along() -> None:
    layer = nn.Linear(2, 1)
    (layer(np.ones((1, 2))) ** 2).sum().backward(create_graph=True)  # type: ignore[arg-type]
    assert layer.weight.grad is not None
    assert layer.weight.grad.requires_grad
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.weight.grad.tolist() == layer.weight.grad.tolist()
        assert not twin.weight.grad.requires_grad
    layer.cache = layer(np.ones((1, 2)))  # type: ignore[arg-type]
    for copied in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match=r"the result of 'linear' and belongs to a graph.*detach\(\)"):
            copied(layer)


def trained(model: nn.Module, x: np.ndarray) -> list[Any]:
    """What a worker process does: three steps, and the values afterwards."""
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()
    return [parameter.tolist() for parameter in model.parameters()]


@pytest.mark.slow
def test_models_go_to_worker_processes_and_back() -> None:
    joblib = pytest.importorskip("joblib", reason="workers are joblib's")
    model = nn.Sequential(nn.Linear(300, 40), nn.Tanh(), nn.Linear(40, 1))
    x = np.random.default_rng(0).standard_normal((8, 300)).astype(np.float32)
    # The limit makes joblib hand the arrays over as read-only maps of a file, as it does with large ones.
    found = joblib.Parallel(n_jobs=2, max_nbytes=100)(joblib.delayed(trained)(model, x) for _ in range(2))
    expected = trained(copy.deepcopy(model), x)
    for values in found:
        for a, b in zip(values, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_an_array_that_cannot_be_written_becomes_one_that_can(tmp_path: Any) -> None:
    function, (kind, data, *others) = nn.Parameter(np.ones(3)).__reduce_ex__(4)
    np.save(tmp_path / "data.npy", data)
    parameter = function(kind, np.load(tmp_path / "data.npy", mmap_mode="r"), *others)
    assert type(parameter._data) is np.ndarray
    with ad.no_grad():
        parameter[0] = 5.0
    assert parameter.tolist() == [5.0, 1.0, 1.0]


def test_scikit_learn_clones_an_estimator_with_a_model() -> None:
    base = pytest.importorskip("sklearn.base", reason="clones with scikit-learn")

    class Estimator(base.BaseEstimator):  # type: ignore[misc]
        def __init__(self, module: Any = None):
            self.module = module

    estimator = Estimator(Tied())
    twin = base.clone(estimator)
    assert twin.module is not estimator.module
    assert twin.module.second.weight is twin.module.first.weight
    assert twin.module.first.weight.tolist() == estimator.module.first.weight.tolist()


def test_a_buffer_is_made_of_an_array_or_a_number_too() -> None:
    module = nn.Module()
    mean = np.arange(3.0)
    module.register_buffer("mean", mean)
    module.register_buffer("count", 0)
    mean[0] = 9.0
    assert {name: value.tolist() for name, value in module.state_dict().items()} == {"mean": [0.0, 1.0, 2.0], "count": 0}


def test_a_tensor_that_wants_a_gradient_but_is_no_parameter_warns() -> None:
    module = nn.Module()
    with pytest.warns(UserWarning, match=r"Module.w is a Tensor that requires a gradient, but no Parameter"):
        module.w = ad.Tensor([1.0], requires_grad=True)
    module.v = ad.Tensor([1.0])
    module.u = module.w * 2.0
