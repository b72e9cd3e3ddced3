"""What optimizers say to mistakes: steps without fresh gradients, bad options, parameters that cannot be optimized."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autodiff as ad
import nn
from nn.optim import LBFGS, SGD, Adam

ALL = [getattr(nn.optim, name) for name in nn.optim.__all__ if name not in ("Optimizer", "LBFGS") and name[0].isupper()]
ALL = [kind for kind in ALL if isinstance(kind, type) and issubclass(kind, nn.optim.Optimizer)]
X = np.random.default_rng(0).standard_normal((5, 3))


def model_and_optimizer(**options: Any) -> tuple[nn.Sequential, SGD]:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    return model, SGD(model.parameters(), lr=0.01, **options)


def loss_of(model: Any) -> ad.Tensor:
    loss: ad.Tensor = (model(ad.Tensor(X)) ** 2).sum()
    return loss


# ------------------------------------------------------------------------------------------------ mistakes


def no_backward(model: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    loss_of(model)
    optimizer.step()


def no_backward_after_some(model: Any, optimizer: Any) -> None:
    loss_of(model).backward()
    optimizer.step()
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(model)
        optimizer.step()


def backward_outside_of_the_loop(model: Any, optimizer: Any) -> None:
    if model[0].weight.grad is None:
        loss_of(model).backward()
    optimizer.step()


def zero_grad_in_the_wrong_place(model: Any, optimizer: Any) -> None:
    loss_of(model).backward()
    optimizer.zero_grad()
    optimizer.step()


def no_zero_grad(model: Any, optimizer: Any) -> None:
    loss_of(model).backward()
    optimizer.step()


def another_models_parameters(model: Any, optimizer: Any) -> None:
    loss_of(copy.deepcopy(model)).backward()
    optimizer.step()


def the_modules_zero_grad_in_the_wrong_place(model: Any, optimizer: Any) -> None:
    loss_of(model).backward()
    model.zero_grad()
    optimizer.step()


MISTAKES: list[tuple[Callable[[Any, Any], None], str, int]] = [  # with the round in which it is told
    (no_backward, r"no parameter has a gradient: backward\(\) has not been called since the last step", 2),
    (no_backward_after_some, "no parameter has a gradient: backward", 1),
    (backward_outside_of_the_loop, "used the gradients of the last step once more", 2),
    (zero_grad_in_the_wrong_place, r"zero_grad\(\) was called between backward\(\) and step\(\)", 1),
    (no_zero_grad, r"add up, because nothing drops them. Call optimizer.zero_grad\(\) before loss.backward", 4),
    (another_models_parameters, "Is this optimizer made of the parameters of the model in use", 10),
    (the_modules_zero_grad_in_the_wrong_place, r"Or does model.zero_grad\(\) come between", 10),
]


@pytest.mark.parametrize(("mistake", "message", "told"), MISTAKES)
def test_a_mistake_is_told_once_and_where_it_is(mistake: Callable[[Any, Any], None], message: str, told: int) -> None:
    model, optimizer = model_and_optimizer()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(1, 25):
            mistake(model, optimizer)
            assert len(caught) == (number >= told), number
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=f"SGD.step: .*{message}"):
        warnings.warn_explicit(caught[0].message, UserWarning, "", 0)


# ------------------------------------------------------------------------------------------------ no mistakes


def ordinary(model: Any, optimizer: Any, i: int) -> None:
    optimizer.zero_grad()
    loss_of(model).backward()
    optimizer.step()


def zeros(model: Any, optimizer: Any, i: int) -> None:
    loss_of(model).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


def by_the_model(model: Any, optimizer: Any, i: int) -> None:
    model.zero_grad()
    loss_of(model).backward()
    optimizer.step()


def by_hand(model: Any, optimizer: Any, i: int) -> None:
    for p in model.parameters():
        p.grad = None
    loss_of(model).backward()
    optimizer.step()


def by_writing(model: Any, optimizer: Any, i: int) -> None:
    loss_of(model).backward()
    optimizer.step()
    for p in model.parameters():
        p.grad[...] = 0


def accumulation(model: Any, optimizer: Any, i: int) -> None:
    loss_of(model).backward()
    if i % 4 == 3:
        optimizer.step()
        optimizer.zero_grad()


def a_bad_batch_left_out(model: Any, optimizer: Any, i: int) -> None:
    loss_of(model).backward()
    if i % 2:
        optimizer.zero_grad()
        return
    optimizer.step()
    optimizer.zero_grad()


def a_closure(model: Any, optimizer: Any, i: int) -> None:
    def closure() -> ad.Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    optimizer.step(closure)


def gradients_of_a_transform(model: Any, optimizer: Any, i: int) -> None:
    for p in model.parameters():
        p.grad = ad.Tensor(np.ones(p.shape, p.dtype))
    optimizer.step()


def the_same_gradient_on_purpose(model: Any, optimizer: Any, i: int) -> None:
    if i == 0:
        for p in model.parameters():
            p.grad = ad.Tensor(np.ones(p.shape, p.dtype))
    optimizer.step()


def frozen(model: Any, optimizer: Any, i: int) -> None:
    model.requires_grad_(i >= 15)
    optimizer.zero_grad()
    (loss_of(model) + ad.Tensor(1.0, requires_grad=True)).backward()
    optimizer.step()


def half_frozen(model: Any, optimizer: Any, i: int) -> None:
    model[0].requires_grad_(i % 3 == 1)
    ordinary(model, optimizer, i)


def a_part_that_is_not_always_used(model: Any, optimizer: Any, i: int) -> None:
    optimizer.zero_grad()
    (loss_of(model) if i % 12 == 0 else ad.Tensor(1.0, requires_grad=True) * 2).backward()
    optimizer.step()


def a_schedule_alone(model: Any, optimizer: Any, i: int) -> None:
    optimizer.step()
    optimizer.param_groups[0]["lr"] *= 0.9


def evaluation_between(model: Any, optimizer: Any, i: int) -> None:
    ordinary(model, optimizer, i)
    loss_of(model)
    with ad.no_grad():
        loss_of(model)


def gradients_of_the_input(model: Any, optimizer: Any, i: int) -> None:
    x = ad.Tensor(X, requires_grad=True)
    model(x).sum().backward(inputs=[x])
    ordinary(model, optimizer, i)


FINE = [
    ordinary, zeros, by_the_model, by_hand, by_writing, accumulation, a_bad_batch_left_out, a_closure, gradients_of_a_transform,
    the_same_gradient_on_purpose, frozen, half_frozen, a_part_that_is_not_always_used, a_schedule_alone, evaluation_between,
    gradients_of_the_input,
]  # fmt: skip


@pytest.mark.parametrize("work", FINE)
def test_right_code_hears_nothing(work: Callable[[Any, Any, int], None]) -> None:
    model, optimizer = model_and_optimizer()  # warnings are errors
    for i in range(24):
        work(model, optimizer, i)


def test_two_optimizers_hear_nothing() -> None:
    """A generator and a discriminator: each one's pass also leaves gradients in the other."""
    generator, discriminator = nn.Linear(3, 3), nn.Linear(3, 1)
    first, second = Adam(generator.parameters()), Adam(discriminator.parameters())
    both = SGD([*generator.parameters(), *discriminator.parameters()], lr=1e-3)
    for i in range(24):
        first.zero_grad()
        discriminator(generator(ad.Tensor(X))).sum().backward()
        first.step()
        second.zero_grad()
        (discriminator(ad.Tensor(X)) - discriminator(generator(ad.Tensor(X)).detach())).mean().backward()
        second.step()
        if i % 2:
            both.step()  # once more with the same gradients, but this one's first time
        discriminator.requires_grad_(i % 3 == 0)
        discriminator.requires_grad_()


def test_optimizers_of_parts_that_take_turns_hear_nothing() -> None:
    parts = [nn.Linear(3, 1) for _ in range(3)]
    optimizers = [SGD(part.parameters(), lr=0.1) for part in parts]
    for i in range(30):
        for optimizer in optimizers:
            optimizer.zero_grad()
        parts[i % 3](ad.Tensor(X)).sum().backward()
        for optimizer in optimizers:
            optimizer.step()


def test_copies_forget_the_last_step() -> None:
    model, optimizer = model_and_optimizer()
    ordinary(model, optimizer, 0)
    for twin, other in (copy.deepcopy((model, optimizer)) for _ in range(2)):
        other.step()  # gradients were copied along; that they are old is not known
        ordinary(twin, other, 0)


# ------------------------------------------------------------------------------------------------ options and parameters


@pytest.mark.parametrize("kind", [*ALL, LBFGS])
def test_options_out_of_range_are_refused(kind: Any) -> None:
    p = nn.Parameter([1.0])
    defaults = kind([p]).defaults
    free = {"dampening", "lambd", "t0"} | ({"alpha"} if kind is nn.optim.ASGD else set())
    for key in [key for key, value in defaults.items() if type(value) in (int, float) and key not in free]:
        for bad in (-1, float("nan"), -1e-12):
            with pytest.raises(ValueError, match=f"{kind.__name__}: {key} must be at least 0, got"):
                kind([p], **{key: bad})
        with pytest.raises(TypeError, match=f"{kind.__name__}: {key} must be a number, got '1e-3' of type str"):
            kind([p], **{key: "1e-3"})
    if "betas" in defaults:
        for betas in ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, float("nan")), (0.9,), 0.9):
            with pytest.raises(ValueError, match=f"{kind.__name__}: betas are two numbers from 0 to below 1"):
                kind([p], betas=betas)
        kind([p], betas=[0.0, 0.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: nn.optim.RMSprop([p], alpha=-0.1), "RMSprop: alpha must be at least 0"),
        (lambda p: nn.optim.Adadelta([p], rho=1.1), "Adadelta: rho must be from 0 to 1, got 1.1"),
        (lambda p: nn.optim.Rprop([p], etas=(0.5, 0.9)), "Rprop: etas are a number between 0 and 1, and one above 1"),
        (lambda p: nn.optim.Rprop([p], etas=(0.0, 1.2)), "Rprop: etas"),
        (lambda p: nn.optim.Rprop([p], step_sizes=(1.0, 0.1)), "Rprop: step_sizes are the least and the greatest"),
        (lambda p: nn.optim.LAMB([p], norm_bounds=(2.0, 1.0)), "LAMB: norm_bounds"),
        (lambda p: LBFGS([p], line_search_fn="armijo"), "LBFGS: line_search_fn must be 'strong_wolfe' or None, got 'armijo'"),
        (lambda p: LBFGS([{"params": [p]}, {"params": [nn.Parameter([1.0])]}]), "LBFGS: a step goes over all parameters together"),
    ],
)
def test_bad_options_are_refused(make: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(nn.Parameter([1.0]))


@pytest.mark.parametrize("kind", [*ALL, LBFGS])
def test_every_optimizer_refuses_what_it_cannot_optimize(kind: Any) -> None:
    p = nn.Parameter([1.0])
    layer = nn.Linear(2, 2)
    parameters = layer.parameters()
    kind(parameters)
    for params, error, message in [
        (parameters, ValueError, "there are no parameters .was model.parameters.. used up before"),
        ([], ValueError, "there are no parameters"),
        (p, TypeError, r"got one; write \[tensor\]"),
        (layer, TypeError, r"got Linear; write model.parameters\(\)"),
        (layer.parameters, TypeError, r"got method; write model.parameters\(\)"),
        ({p}, TypeError, "got set; a set has no order; write a list"),
        ([{"params": {p}}], TypeError, "the parameters of a group are a set"),
        ({"params": [p]}, TypeError, r"got dict; write \[group\]"),
        ([p, p], ValueError, "parameter 1 of shape .* is given twice"),
        ([p * 2], ValueError, "parameter 0 is the result of recorded operations"),
        ([np.ones(2)], TypeError, "parameter 0 is a ndarray"),
    ]:
        with pytest.raises(error, match=f"{kind.__name__}: .*{message}"):
            kind(params)


@pytest.mark.parametrize("key", ["foreach", "fused", "capturable", "differentiable"])
@pytest.mark.parametrize("kind", ALL)
def test_arguments_that_have_no_meaning_here_are_named(kind: Any, key: str) -> None:
    with pytest.raises(TypeError, match=f"{kind.__name__}: leave out {key}="):
        kind([nn.Parameter([1.0])], **{key: True})


def test_named_parameters_and_notes_in_groups_are_kept() -> None:
    layer = nn.Linear(2, 1)
    optimizer = Adam(layer.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["params"] == list(layer.parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    other = Adam([{"params": layer.parameters(), "name": "all of it", "initial_lr": 0.5}])
    assert (other.param_groups[0]["name"], other.param_groups[0]["initial_lr"]) == ("all of it", 0.5)
    other.load_state_dict(optimizer.state_dict())
    assert other.param_groups[0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_parameters_that_require_no_gradient_are_taken_and_left_alone(kind: Any) -> None:
    fixed, p = ad.Tensor([1.0, 2.0]), nn.Parameter([3.0])
    optimizer = kind([fixed, p], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (p * fixed).sum().backward()
        optimizer.step()
    assert fixed.tolist() == [1.0, 2.0]
    assert p.item() < 3


def test_a_parameter_that_changed_its_shape_is_told_and_nothing_is_lost() -> None:
    p, q = nn.Parameter(np.ones(3)), nn.Parameter(np.ones(2))
    optimizer = Adam([p, q], lr=0.1)
    (p.sum() + q.sum()).backward()
    optimizer.step()
    p._data, p.grad = np.ones(4), None
    p.grad = ad.Tensor(np.ones(4))
    with pytest.raises(ValueError, match=r"a parameter has shape \(4,\) by now, but what the optimizer keeps for it .* has \(3,\)"):
        optimizer.step()
    assert {number: entry["step"] for number, entry in optimizer.state_dict()["state"].items()} == {0: 1, 1: 1}


def test_options_of_other_kinds_of_numbers() -> None:
    for lr in (np.float32(0.5), np.array(0.5), ad.Tensor(0.5)):
        p = nn.Parameter([1.0])
        for kind in (SGD, Adam):
            p.grad = ad.Tensor(np.ones(1, np.float32))
            kind([p], lr=lr).step()
        assert p.item() == pytest.approx(0.0, abs=1e-6)
        assert p.dtype == np.float32


def test_an_option_set_on_the_optimizer_itself_is_refused() -> None:
    optimizer = nn.optim.SGD([nn.Parameter([1.0])], lr=0.1)
    with pytest.raises(AttributeError, match=r"for group in optimizer.param_groups: group\['lr'\] = 0.5"):
        optimizer.lr = 0.5  # type: ignore[attr-defined]
    optimizer.note = "kept"  # type: ignore[attr-defined]
