"""Optimizers: PyTorch's trajectories, and parameters that change between two steps in every way."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.optim import SGD, Adam, Optimizer
from nn.optim.flat import BLOCK

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd momentum": ("SGD", {"lr": 0.05, "momentum": 0.9}),
    "sgd dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    "sgd nesterov": ("SGD", {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    "sgd decay": ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    "sgd maximize": ("SGD", {"lr": 0.01, "maximize": True}),
    "sgd all": ("SGD", {"lr": 0.01, "momentum": 0.7, "dampening": 0.2, "weight_decay": 0.1, "maximize": True}),
    "adam": ("Adam", {"lr": 0.02}),
    "adam betas": ("Adam", {"lr": 0.02, "betas": (0.5, 0.8), "eps": 1e-3}),
    "adam decay": ("Adam", {"lr": 0.02, "weight_decay": 0.1}),
    "adam amsgrad": ("Adam", {"lr": 0.02, "amsgrad": True}),
    "adam maximize": ("Adam", {"lr": 0.02, "maximize": True}),
    "adam all": ("Adam", {"lr": 0.02, "betas": (0.8, 0.9), "weight_decay": 0.2, "amsgrad": True, "maximize": True}),
    "adam decoupled": ("Adam", {"lr": 0.02, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    "adamw": ("AdamW", {"lr": 0.02}),
    "adamw all": ("AdamW", {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    "adamax": ("Adamax", {"lr": 0.02}),
    "adamax all": ("Adamax", {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.3, "maximize": True}),
    "nadam": ("NAdam", {"lr": 0.02}),
    "nadam all": ("NAdam", {"lr": 0.02, "betas": (0.8, 0.9), "weight_decay": 0.3, "momentum_decay": 0.05, "maximize": True}),
    "nadam decoupled": ("NAdam", {"lr": 0.02, "weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True}),
    "radam": ("RAdam", {"lr": 0.02}),
    "radam all": ("RAdam", {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.3, "maximize": True}),
    "radam decoupled": ("RAdam", {"lr": 0.02, "weight_decay": 0.3, "decoupled_weight_decay": True, "maximize": True}),
    "adagrad": ("Adagrad", {"lr": 0.05}),
    "adagrad all": (
        "Adagrad",
        {"lr": 0.05, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3, "maximize": True},
    ),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.9, "alpha": 0.8}),
    "rmsprop centered": ("RMSprop", {"lr": 0.01, "centered": True, "eps": 1e-3}),
    "rmsprop all": (
        "RMSprop",
        {"lr": 0.01, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5, "centered": True, "maximize": True},
    ),
    "adadelta": ("Adadelta", {}),
    "adadelta all": ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    "rprop": ("Rprop", {}),
    "rprop all": ("Rprop", {"lr": 0.02, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.1), "maximize": True}),
    "asgd": ("ASGD", {"lr": 0.05}),
    "asgd all": ("ASGD", {"lr": 0.05, "lambd": 0.01, "alpha": 0.6, "t0": 5, "weight_decay": 0.1, "maximize": True}),
}
BY_HAND = [case for case, (name, _) in OPTIONS.items() if name in ("SGD", "Adam")]  # the others: test_optim_formulas.py
EACH = [  # one case of each kind, with all its state
    "sgd momentum", "adam", "adam amsgrad", "adamw", "adamax", "nadam", "radam", "adagrad", "rmsprop all", "adadelta", "rprop",
    "asgd all",
]  # fmt: skip
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((12, 3)), RNG.integers(0, 4, 12)


def small(dtype: Any = np.float64) -> nn.Sequential:
    """A small model: its parameters are packed into one array."""
    rng = np.random.default_rng(1)
    return nn.Sequential(nn.Linear(3, 5, dtype=dtype, generator=rng), nn.Tanh(), nn.Linear(5, 4, dtype=dtype, generator=rng))


def gradient_step(model: Any, optimizer: Any) -> float:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(ad.Tensor(X)), Y)
    loss.backward()
    optimizer.step()
    return loss.item()


class Theirs:
    """The same model and optimizer in PyTorch."""

    def __init__(self, model: nn.Sequential, name: str, groups: Callable[[Any], Any] | None = None, **options: Any):
        self.torch = pytest.importorskip("torch", reason="compares with PyTorch")
        t = self.torch
        self.model = t.nn.Sequential(t.nn.Linear(3, 5), t.nn.Tanh(), t.nn.Linear(5, 4)).double()
        self.load(model)
        self.optimizer = getattr(t.optim, name)(groups(self.model) if groups else self.model.parameters(), **options)

        t.set_default_dtype(t.float32)

    def load(self, model: nn.Sequential) -> None:
        self.model.load_state_dict({k: self.torch.tensor(v.numpy().copy()) for k, v in model.state_dict().items()})

    def step(self) -> float:
        t = self.torch
        self.optimizer.zero_grad()
        loss = t.nn.functional.cross_entropy(self.model(t.tensor(X)), t.tensor(Y))
        loss.backward()
        t.set_default_dtype(t.float64)  # else it keeps the numbers of NAdam and ASGD in single precision
        try:
            self.optimizer.step()
        finally:
            t.set_default_dtype(t.float32)
        return float(loss.item())

    def assert_same(self, model: nn.Sequential, tolerance: float = 1e-10) -> None:
        for (name, ours), theirs in zip(model.named_parameters(), self.model.parameters(), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


# ------------------------------------------------------------------------------------------------ formulas


@pytest.mark.parametrize("case", OPTIONS)
def test_fifty_steps_follow_pytorch(case: str) -> None:
    name, options = OPTIONS[case]
    model = small()
    theirs = Theirs(model, name, **options)
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    for _ in range(50):
        assert gradient_step(model, optimizer) == pytest.approx(theirs.step(), rel=1e-9)
    theirs.assert_same(model, 1e-9)


@pytest.mark.parametrize("case", BY_HAND)
def test_one_step_is_the_formula(case: str) -> None:
    """The first two steps on one number, worked out by hand; PyTorch is not needed."""
    name, options = OPTIONS[case]
    p = nn.Parameter(np.array([3.0]))
    optimizer = getattr(nn.optim, name)([p], **options)
    value, v, m, s, top = 3.0, None, 0.0, 0.0, 0.0
    for t in (1, 2, 3):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
        decay = 0 if options.get("decoupled_weight_decay") else options.get("weight_decay", 0)
        g = (-2 if options.get("maximize") else 2) * value + decay * value
        lr = options["lr"]
        if name == "SGD":
            mu = options.get("momentum", 0)
            v = g if v is None else mu * v + (1 - options.get("dampening", 0)) * g
            value -= lr * (g + mu * v if options.get("nesterov") else v if mu else g)
        else:
            b1, b2 = options.get("betas", (0.9, 0.999))
            m, s = b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g * g
            top = max(top, s)
            root = np.sqrt((top if options.get("amsgrad") else s) / (1 - b2**t))
            if options.get("decoupled_weight_decay"):
                value *= 1 - lr * options["weight_decay"]
            value -= lr * (m / (1 - b1**t)) / (root + options.get("eps", 1e-8))
        assert p.item() == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("case", ["sgd all", "sgd nesterov", "adam all", "adam", *EACH[3:]])
def test_large_parameters_go_in_blocks_and_small_ones_packed_with_one_result(case: str) -> None:
    name, options = OPTIONS[case]
    rng = np.random.default_rng(0)
    sizes = [(BLOCK * 2 + 7,), (3, 5), (BLOCK,), (2,), (), (BLOCK // 2,), (BLOCK // 2 + 1,), (0, 4)]
    values = [rng.standard_normal(size) for size in sizes]
    together = [nn.Parameter(value) for value in values]
    alone = [nn.Parameter(value) for value in values]
    one = getattr(nn.optim, name)(together, **options)
    many = [getattr(nn.optim, name)([p], **options) for p in alone]
    assert [len(run.params) for run in one._flat[0].runs] == []
    for _ in range(3):
        for p, q in zip(together, alone, strict=True):
            p.grad = q.grad = ad.Tensor(rng.standard_normal(p.shape))
        one.step()
        for optimizer in many:
            optimizer.step()
    assert sorted(len(run.params) for run in one._flat[0].runs) == [1, 1, 2, 4]
    for p, q in zip(together, alone, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_float32_parameters_stay_float32_and_follow_float64() -> None:
    for name, options in OPTIONS.values():
        exact, close = small(), small(np.float32)
        close.load_state_dict(exact.state_dict())
        optimizers = [getattr(nn.optim, name)(model.parameters(), **options) for model in (exact, close)]
        for _ in range(10):
            gradient_step(exact, optimizers[0])
            gradient_step(close, optimizers[1])
        for p, q in zip(exact.parameters(), close.parameters(), strict=True):
            assert q.dtype == np.float32
            np.testing.assert_allclose(q.numpy(), p.numpy(), rtol=1e-3, atol=1e-4)


def test_a_step_does_not_touch_the_gradients() -> None:
    for name, options in OPTIONS.values():
        model = small()
        optimizer = getattr(nn.optim, name)(model.parameters(), **options)
        for again in range(2):
            gradient_step(model, optimizer)
            held = [p.grad for p in model.parameters()]
            copies = [g.numpy().copy() for g in held if g is not None]
            with pytest.warns(UserWarning, match="used the gradients of the last step once more") if not again else nullcontext():
                optimizer.step()
            assert [p.grad for p in model.parameters()] == held
            for g, before in zip(held, copies, strict=True):
                assert g is not None
                np.testing.assert_array_equal(g.numpy(), before)


def test_options_may_change_between_steps() -> None:
    model = small()
    theirs = Theirs(model, "Adam", lr=0.01)
    ours = Adam(model.parameters(), lr=0.01)
    for i in range(6):
        for optimizer in (ours, theirs.optimizer):
            optimizer.param_groups[0]["lr"] = 0.01 * (i + 1)
            optimizer.param_groups[0]["betas"] = (0.9 - 0.1 * i, 0.99)
        gradient_step(model, ours)
        theirs.step()
    theirs.assert_same(model)


def test_groups_have_options_of_their_own() -> None:
    def groups(model: Any) -> Any:
        return [{"params": model[0].parameters(), "lr": 0.1}, {"params": [model[2].weight]}]

    model = small()
    theirs = Theirs(model, "SGD", groups, lr=0.01, momentum=0.5)
    ours = SGD(groups(model), lr=0.01, momentum=0.5)
    for i in range(6):
        if i == 3:
            ours.add_param_group({"params": model[2].bias, "momentum": 0.0})
            theirs.optimizer.add_param_group({"params": theirs.model[2].bias, "momentum": 0.0})
        gradient_step(model, ours)
        theirs.step()
    theirs.assert_same(model)
    assert [group["lr"] for group in ours.param_groups] == [0.1, 0.01, 0.01]


def test_a_closure_computes_the_loss() -> None:
    p = nn.Parameter([1.0])
    optimizer = SGD([p], lr=0.5)

    def closure() -> ad.Tensor:
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with ad.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert p.item() == 0.0


# ------------------------------------------------------------------------------------------------ changes between steps


def load(model: nn.Sequential) -> None:
    model.load_state_dict({name: value * 0.5 for name, value in model.state_dict().items()})


def write_item(model: nn.Sequential) -> None:
    with ad.no_grad():
        model[0].weight[0] = 0
        model[2].bias += 1


def exchange_parameter(model: nn.Sequential) -> None:
    # as `optimizer.param_groups` still holds the old one, put the new values into the same object
    model[0].weight._data = model[0].weight._data * 2


def write_through_a_view(model: nn.Sequential) -> None:
    with ad.no_grad():
        model[0].weight.T[1] = 3
        model[2].weight.detach()[0] = -1


def nothing(model: nn.Sequential) -> None:
    pass


@pytest.mark.parametrize("change", [nothing, load, write_item, exchange_parameter, write_through_a_view])
@pytest.mark.parametrize("case", EACH)
def test_values_changed_between_steps_count(case: str, change: Callable[[nn.Sequential], None]) -> None:
    name, options = OPTIONS[case]
    model = small()
    theirs = Theirs(model, name, **options)
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    for i in range(9):
        gradient_step(model, optimizer)
        theirs.step()
        if i % 3 == 1:
            change(model)
            theirs.load(model)
    theirs.assert_same(model)


@pytest.mark.parametrize("case", EACH)
def test_after_to_it_goes_on_in_the_new_dtype(case: str) -> None:
    """As if a model and an optimizer of that dtype had been given the values and the state; PyTorch raises."""
    name, options = OPTIONS[case]
    model, twin = small(), small(np.float32)
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    for _ in range(3):
        gradient_step(model, optimizer)
    twin.load_state_dict(model.state_dict())
    other = getattr(nn.optim, name)(twin.parameters(), **options)
    other.load_state_dict(optimizer.state_dict())
    model.to(np.float32)
    for _ in range(3):
        gradient_step(model, optimizer)
        gradient_step(twin, other)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert p.dtype == np.float32
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize("case", EACH)
def test_a_parameter_that_a_module_exchanged_stands_still_until_the_optimizer_is_told(case: str) -> None:
    name, options = OPTIONS[case]
    model = small()
    theirs = Theirs(model, name, **options)
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    values = np.random.default_rng(3).standard_normal((4, 5))
    for i in range(9):
        if i == 3:
            old = model[2].weight
            model[2].weight = nn.Parameter(values)
            theirs.model[2].weight = theirs.torch.nn.Parameter(theirs.torch.tensor(values))
        if i == 6:
            optimizer.add_param_group({"params": model[2].weight})
            theirs.optimizer.add_param_group({"params": theirs.model[2].weight})
            assert old.grad is None
        gradient_step(model, optimizer)
        theirs.step()
        assert not 3 <= i < 6 or model[2].weight.tolist() == values.tolist()
        if 3 <= i < 6:
            model[2].weight.grad = theirs.model[2].weight.grad = None
    theirs.assert_same(model)


def test_views_taken_before_and_after_the_first_step_follow() -> None:
    model = small()
    optimizer = Adam(model.parameters(), lr=0.1)
    early, transposed = model[0].weight.detach(), model[0].weight.T
    for _ in range(3):
        gradient_step(model, optimizer)
        late = model[2].weight.detach()
        np.testing.assert_array_equal(early.numpy(), model[0].weight.numpy())
        np.testing.assert_array_equal(transposed.numpy(), model[0].weight.numpy().T)
    gradient_step(model, optimizer)
    np.testing.assert_array_equal(late.numpy(), model[2].weight.numpy())


def test_parameters_in_foreign_or_scattered_memory_stay_there() -> None:
    outside = np.asfortranarray(np.ones((2, 3)))
    strided = np.ones((4, 4))[::2, ::2]
    tensors = [ad.asarray(a, copy=False).requires_grad_() for a in (outside, strided)]
    for Kind in (SGD, Adam):
        optimizer = Kind(tensors, lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            sum((t * t).sum() for t in tensors).backward()  # type: ignore[union-attr]
            optimizer.step()
            outside *= 1.5
    assert np.shares_memory(tensors[0].numpy(), outside)
    twin = np.ones((2, 3))
    p = nn.Parameter(twin)
    for Kind in (SGD, Adam):
        optimizer = Kind([p], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
            with ad.no_grad():
                p *= 1.5
    np.testing.assert_allclose(outside, p.numpy(), rtol=1e-14)
    assert strided.max() < 1


@pytest.mark.parametrize("case", EACH)
def test_parameters_without_a_gradient_are_left_out_and_count_their_own_steps(case: str) -> None:
    name, options = OPTIONS[case]
    model = small()
    theirs = Theirs(model, name, **options)
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    for i in range(12):
        for net in (model, theirs.model):
            net[0].requires_grad_(i % 3 != 1)
            net[2].bias.requires_grad_(i >= 4)
        gradient_step(model, optimizer)
        theirs.step()
    theirs.assert_same(model)


@pytest.mark.parametrize("case", ["sgd", "adam"])
def test_a_step_without_any_gradient_changes_nothing(case: str) -> None:
    name, options = OPTIONS[case]
    model = small()
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    before = model.state_dict()
    optimizer.step()
    gradient_step(model, optimizer)
    after = model.state_dict()
    optimizer.zero_grad()
    optimizer.step()
    assert before["0.weight"].tolist() != after["0.weight"].tolist()
    assert after["0.weight"].tolist() == model.state_dict()["0.weight"].tolist()


@pytest.mark.parametrize("case", EACH)
def test_two_optimizers_share_parameters(case: str) -> None:
    name, options = OPTIONS[case]
    model = small()
    theirs = Theirs(model, name, **options)
    second = theirs.torch.optim.SGD(theirs.model.parameters(), lr=0.1)
    ours, other = getattr(nn.optim, name)(model.parameters(), **options), SGD(model.parameters(), lr=0.1)
    for i in range(8):
        theirs.optimizer, keep = (second, theirs.optimizer) if i % 2 else (theirs.optimizer, second)
        gradient_step(model, other if i % 2 else ours)
        theirs.step()
        if i % 2:
            theirs.optimizer = keep
    theirs.assert_same(model)


def test_tied_weights_are_updated_once() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    one, two = nn.Linear(3, 3, dtype=np.float64), nn.Linear(3, 3, dtype=np.float64)
    two.weight = one.weight
    model = nn.Sequential(one, two)
    a, b = torch.nn.Linear(3, 3).double(), torch.nn.Linear(3, 3).double()
    a.load_state_dict({k: torch.tensor(v.numpy()) for k, v in one.state_dict().items()})
    b.load_state_dict({k: torch.tensor(v.numpy()) for k, v in two.state_dict().items()})
    b.weight = a.weight
    theirs = torch.nn.Sequential(a, b)
    ours, other = Adam(model.parameters(), lr=0.1), torch.optim.Adam(theirs.parameters(), lr=0.1)
    for _ in range(5):
        ours.zero_grad()
        other.zero_grad()
        (model(ad.Tensor(X)) ** 2).sum().backward()
        (theirs(torch.tensor(X)) ** 2).sum().backward()
        ours.step()
        other.step()
    np.testing.assert_allclose(one.weight.numpy(), a.weight.detach().numpy(), rtol=1e-10)
    assert two.weight is one.weight


@pytest.mark.parametrize("through", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("case", EACH)
def test_copies_of_model_and_optimizer_go_on_alike_and_apart(case: str, through: Callable[[Any], Any]) -> None:
    name, options = OPTIONS[case]
    model = small()
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    for _ in range(3):
        gradient_step(model, optimizer)
    twin, copied = through((model, optimizer))
    assert copied.param_groups[0]["params"][0] is twin[0].weight
    for _ in range(3):
        gradient_step(model, optimizer)
    between = twin.state_dict()
    for _ in range(3):
        gradient_step(twin, copied)
    assert between["0.weight"].tolist() != model[0].weight.tolist()
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def test_a_deepcopy_of_the_model_alone_has_memory_of_its_own() -> None:
    model = small()
    optimizer = Adam(model.parameters(), lr=0.1)
    gradient_step(model, optimizer)
    twin = copy.deepcopy(model)
    kept = twin.state_dict()
    gradient_step(model, optimizer)
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), kept[name].numpy())


def test_a_step_between_forward_and_backward_is_reported() -> None:
    model = small()
    optimizer = SGD(model.parameters(), lr=0.1)
    gradient_step(model, optimizer)
    loss = (model(ad.Tensor(X, requires_grad=True)) ** 2).sum()
    with pytest.warns(UserWarning, match="once more"):
        optimizer.step()
    with pytest.raises(RuntimeError, match="changed afterwards, by an optimizer's step"):
        loss.backward()


def test_an_accumulated_gradient_is_the_sum() -> None:
    p, q = nn.Parameter([1.0]), nn.Parameter([1.0])
    for _ in range(3):
        (p * 2).sum().backward()
    (q * 6).sum().backward()
    for parameter in (p, q):
        SGD([parameter], lr=0.1).step()
    assert p.item() == pytest.approx(q.item())


# ------------------------------------------------------------------------------------------------ the state


@pytest.mark.parametrize("case", OPTIONS)
def test_a_state_dict_goes_on_where_it_was_taken(case: str) -> None:
    name, options = OPTIONS[case]
    model, twin = small(), small()
    optimizer, other = (getattr(nn.optim, name)(m.parameters(), **options) for m in (model, twin))
    for _ in range(3):
        gradient_step(model, optimizer)
    gradient_step(twin, other)
    twin.load_state_dict(model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        gradient_step(model, optimizer)
        gradient_step(twin, other)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize("case", EACH)
def test_the_state_dict_has_the_form_of_pytorch_and_takes_its_values(case: str) -> None:
    name, options = OPTIONS[case]
    model = small()
    theirs = Theirs(model, name, **options)
    optimizer = getattr(nn.optim, name)(model.parameters(), **options)
    for _ in range(4):
        gradient_step(model, optimizer)
        theirs.step()
    ours, other = optimizer.state_dict(), theirs.optimizer.state_dict()
    assert ours["param_groups"][0]["params"] == other["param_groups"][0]["params"] == [0, 1, 2, 3]
    assert set(ours["state"]) == set(other["state"])
    for number, entry in other["state"].items():
        assert set(ours["state"][number]) == {"step", *entry}
        for key, value in entry.items():
            np.testing.assert_allclose(np.asarray(ours["state"][number][key]), value.numpy(), rtol=1e-9, atol=1e-15)
    fresh = getattr(nn.optim, name)(model.parameters(), **options)
    fresh.load_state_dict(other)
    gradient_step(model, fresh)
    theirs.step()
    theirs.assert_same(model)


def test_the_state_dict_is_a_copy() -> None:
    model = small()
    optimizer = Adam(model.parameters())
    gradient_step(model, optimizer)
    state = optimizer.state_dict()
    before = state["state"][0]["exp_avg"].tolist()
    gradient_step(model, optimizer)
    assert state["state"][0]["exp_avg"].tolist() == before
    assert state["state"][0]["step"] == 1


@pytest.mark.parametrize("cls", [Adam, nn.optim.LBFGS])
def test_the_state_of_each_parameter_can_be_looked_at(cls: Any) -> None:
    first, unused = nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])
    optimizer = cls([first, unused])
    assert not optimizer.state

    def closure() -> ad.Tensor:
        optimizer.zero_grad()
        loss = (first * first).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert list(optimizer.state) == [first]
    expected = optimizer.state_dict()["state"][0]
    assert optimizer.state[first].keys() == expected.keys()
    with pytest.raises(TypeError, match="does not support item assignment"):  # which would be lost
        optimizer.state[first]["step"] = 0
    with pytest.raises(AttributeError):
        optimizer.state = {}


def test_a_state_dict_that_does_not_fit_changes_nothing() -> None:
    model = small()
    optimizer = Adam(model.parameters(), lr=0.1)
    gradient_step(model, optimizer)
    with pytest.raises(ValueError, match=r"the state is of groups of \[1\] parameters, expected \[4\]"):
        optimizer.load_state_dict(Adam([nn.Parameter([1.0])]).state_dict())
    wrong = optimizer.state_dict()
    wrong["param_groups"][0]["lr"] = 5.0
    wrong["state"][2]["exp_avg"] = np.ones(3)
    with pytest.raises(ValueError, match=r"parameter 2 has shape \(4, 5\), its state 'exp_avg' \(3,\)"):
        optimizer.load_state_dict(wrong)
    wrong = optimizer.state_dict()
    wrong["param_groups"][0]["lr"] = -5.0
    with pytest.raises(ValueError, match="lr must be at least 0"):
        optimizer.load_state_dict(wrong)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state_dict()["state"][0]["step"] == 1


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: SGD([]), ValueError, "there are no parameters"),
        (lambda p: SGD(p), TypeError, r"params must be several tensors or groups of them, got one; write \[tensor\]"),
        (lambda p: SGD([p, np.ones(2)]), TypeError, "parameter 1 is a ndarray, expected a Tensor"),
        (lambda p: SGD([("name", p), p]), TypeError, "parameter 0 is a tuple, expected a Tensor"),
        (lambda p: SGD([p * 2]), ValueError, "parameter 0 is the result of recorded operations; only leaves"),
        (lambda p: SGD([p, p]), ValueError, "parameter 1 of shape .* is given twice"),
        (lambda p: SGD([{"params": [p]}, {"params": [p]}]), ValueError, "is given twice"),
        (lambda p: SGD([{"params": [p], "rate": 1}]), ValueError, "unknown option 'rate' in a group; known are lr, momentum"),
        (lambda p: SGD([{"params": [p]}, [p]]), TypeError, "a group of parameters is a mapping with the key 'params', got list"),
        (lambda p: SGD([p], lr=-1), ValueError, "SGD: lr must be at least 0, got -1"),
        (lambda p: SGD([p], lr=float("nan")), ValueError, "SGD: lr must be at least 0, got nan"),
        (lambda p: SGD([p], nesterov=True), ValueError, "nesterov needs a momentum above 0, and no dampening"),
        (lambda p: Adam([p], betas=(0.9, 1.0)), ValueError, "betas are two numbers from 0 to below 1"),
        (lambda p: Adam([p], betas=(0.9,)), ValueError, "betas are two numbers"),
        (lambda p: Adam([p], eps=-1), ValueError, "Adam: eps must be at least 0"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(nn.Parameter([1.0]))


def test_an_optimizer_without_a_formula_says_so() -> None:
    p = nn.Parameter([1.0])
    p.grad = ad.Tensor(np.ones(1, np.float32))
    with pytest.raises(NotImplementedError, match="Optimizer has no _update"):
        Optimizer([p], {}).step()


def test_repr_says_what_it_does() -> None:
    assert repr(SGD([nn.Parameter([1.0])], lr=0.5)) == (
        "SGD(1 parameters, lr=0.5, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False)"
    )


def test_a_gradient_of_another_dtype_is_cast() -> None:
    for count in (1, 2):
        parameters = [nn.Parameter([1.0, 2.0]) for _ in range(count)]
        for p in parameters:
            p.grad = ad.Tensor(np.array([1.0, -1.0]))
        SGD(parameters, lr=0.5).step()
        for p in parameters:
            assert p.dtype == np.float32
            assert p.tolist() == [0.5, 2.5]


def test_empty_parameters_among_others() -> None:
    params = [nn.Parameter(np.zeros((2, 0))), nn.Parameter(np.ones(3)), nn.Parameter(np.ones(2))]
    optimizer = nn.optim.SGD(params, lr=1.0)
    for p in params:
        p.grad = ad.Tensor(np.ones(p.shape))
    optimizer.step()
    assert [p.tolist() for p in params] == [[[], []], [0.0, 0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "amsgrad": True, "maximize": True}])
@pytest.mark.parametrize("reverse", [False, True])
def test_adam_of_complex_parameters_is_that_of_pytorch(options: dict[str, Any], reverse: bool) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    rng = np.random.default_rng(0)
    start, *gradients = rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3))
    p = nn.Parameter(start)
    if reverse:  # memory that cannot be seen as pairs of real numbers
        p = ad.asarray(start[::-1].copy()[::-1], copy=False).requires_grad_()
    theirs = torch.nn.Parameter(torch.tensor(start))
    optimizer, other = nn.optim.Adam([p], lr=0.1, **options), torch.optim.Adam([theirs], lr=0.1, **options)
    for gradient in gradients:
        p.grad, theirs.grad = ad.Tensor(gradient[::-1].copy())[::-1] if reverse else ad.Tensor(gradient), torch.tensor(gradient)
        optimizer.step()
        other.step()
    np.testing.assert_allclose(p.numpy(), theirs.detach().numpy(), rtol=1e-12)


def test_parameters_that_a_group_is_given_later_learn_too() -> None:
    first, second, third = (nn.Parameter([1.0]) for _ in range(3))
    optimizer = nn.optim.SGD([first], lr=1.0, momentum=0.5)

    def step() -> list[float]:
        for p in (first, second, third):
            p.grad = ad.Tensor(np.ones(1, np.float32))
        optimizer.step()
        return [p.item() for p in (first, second, third)]

    assert step() == [0.0, 1.0, 1.0]
    optimizer.param_groups[0]["params"].append(second)
    assert step() == [-1.5, 0.0, 1.0]  # the first one kept its momentum
    optimizer.param_groups[0]["params"] = [third, first]
    optimizer.load_state_dict(optimizer.state_dict())
    step()
    assert (second.item(), third.item()) == (0.0, 0.0)
    optimizer.param_groups.append({"params": [second], "lr": 1.0})
    with pytest.raises(RuntimeError, match=r"add one with add_param_group"):
        optimizer.step()


def test_the_state_of_another_optimizer_is_refused() -> None:
    p = nn.Parameter(np.ones(2))
    adam = nn.optim.Adam([p], lr=0.1)
    with pytest.raises(ValueError, match="Adam: the state has no 'betas'; it seems to be of another optimizer"):
        adam.load_state_dict(nn.optim.SGD([p], lr=0.5).state_dict())
    assert adam.param_groups[0]["lr"] == 0.1
