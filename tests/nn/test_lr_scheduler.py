"""Schedules: PyTorch's rates and momenta, step by step, their state, and what they refuse."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from nn import optim
from nn.optim import lr_scheduler as schedules

Make = Callable[[Any, Any], Any]  # from a library's schedules and an optimizer to a schedule

CASES: dict[str, Make] = {
    "StepLR": lambda s, o: s.StepLR(o, 7, 0.3),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [10, 3, 3, 20], 0.5),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.25, 6),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.2, 0.9, 8),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 12, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 9, 0.01),
    "CosineAnnealingLR, to zero and back": lambda s, o: s.CosineAnnealingLR(o, 5),
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda e: 0.95),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.01),
    "CosineAnnealingWarmRestarts, equal": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, [1.0, 2.0], total_steps=45),
    "OneCycleLR, three phases": lambda s, o: s.OneCycleLR(
        o, 1.0, epochs=9, steps_per_epoch=5, three_phase=True, anneal_strategy="linear"
    ),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, [0.1, 0.2], 4, 6),
    "CyclicLR, triangular2": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="triangular2"),
    "CyclicLR, exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, mode="exp_range", gamma=0.95),
    "CyclicLR, its own scale": lambda s, o: s.CyclicLR(o, 0.01, 0.1, 5, scale_fn=lambda x: 1 / x, cycle_momentum=False),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 20)]
    ),
    "warm-up, then cosine": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 35)], [5]
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 3), s.StepLR(o, 4, 0.5), s.MultiplicativeLR(o, lambda e: 0.9), s.PolynomialLR(o, 9)], [4, 14, 20]
    ),
    "SequentialLR, restarting": lambda s, o: s.SequentialLR(
        o, [s.ExponentialLR(o, 0.9), s.CosineAnnealingWarmRestarts(o, 5)], [6]
    ),
    "SWALR": lambda s, o: s.SWALR(o, 0.05, 5),
    "SWALR, linear": lambda s, o: s.SWALR(o, [0.05, 1.0], 5, "linear"),
    "SWALR, at once": lambda s, o: s.SWALR(o, 0.05, 0),
}


class Ours:
    def __getattr__(self, name: str) -> Any:
        return optim.swa_utils.SWALR if name == "SWALR" else getattr(schedules, name)

    def optimizer(self, name: str, **options: Any) -> Any:
        groups = [{"params": [nn.Parameter(np.ones(2))], "lr": 0.5}, {"params": [nn.Parameter(np.ones(3))]}]
        return getattr(optim, name)(groups, lr=0.1, **options)


class Theirs:
    def __init__(self, torch: Any):
        self.torch = torch

    def __getattr__(self, name: str) -> Any:
        from torch.optim import swa_utils

        return swa_utils.SWALR if name == "SWALR" else getattr(self.torch.optim.lr_scheduler, name)

    def optimizer(self, name: str, **options: Any) -> Any:
        groups = [{"params": [self.torch.nn.Parameter(self.torch.ones(n, dtype=self.torch.float64))]} for n in (2, 3)]
        groups[0]["lr"] = 0.5
        return getattr(self.torch.optim, name)(groups, lr=0.1, **options)


def rates(library: Any, make: Make, optimizer: str, measured: Any = None, steps: int = 40) -> list[list[float]]:
    """Return what stands in the groups before each step: rate, momentum or betas."""
    made = library.optimizer(optimizer, **({"momentum": 0.9} if optimizer == "SGD" else {}))
    schedule = make(library, made)
    found = []
    for i in range(steps):
        found.append([v for g in made.param_groups for v in (g["lr"], g.get("momentum", 0.0), *g.get("betas", ()))])
        made.zero_grad()
        for group in made.param_groups:
            for parameter in group["params"]:
                (parameter * parameter).sum().backward()
        made.step()
        schedule.step(*([measured[i]] if measured is not None else []))
        assert schedule.get_last_lr() == [g["lr"] for g in made.param_groups]
    return found


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", CASES)
def test_rates_and_momenta_are_those_of_pytorch(name: str, optimizer: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch deprecates some of its own
        expected = rates(Theirs(torch), CASES[name], optimizer)
    np.testing.assert_allclose(rates(Ours(), CASES[name], optimizer), expected, rtol=1e-12, atol=1e-15)


PLATEAUS: list[dict[str, Any]] = [
    {},
    {"mode": "max", "factor": 0.5, "patience": 2, "cooldown": 3, "min_lr": [0.01, 0.02]},
    {"threshold": 0.1, "threshold_mode": "abs", "patience": 1},
    {"patience": 0, "factor": 0.9, "eps": 0.02},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateaus_are_those_of_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    measured = np.random.default_rng(0).random(40)
    expected = rates(Theirs(torch), lambda s, o: s.ReduceLROnPlateau(o, **options), "SGD", measured)
    assert rates(Ours(), lambda s, o: s.ReduceLROnPlateau(o, **options), "SGD", measured) == expected


def test_warm_restarts_take_a_fractional_epoch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    found = []
    for library in (Ours(), Theirs(torch)):
        optimizer = library.optimizer("SGD")
        schedule = library.CosineAnnealingWarmRestarts(optimizer, 3, 2)
        optimizer.step()
        for epoch in (0.0, 0.5, 2.9, 3.0, 7.25, 9.0, 25.5, 1.0):
            schedule.step(epoch)
            found.append(schedule.get_last_lr())
    np.testing.assert_allclose(found[:8], found[8:], rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("done", [0, 1, 5, 11])
def test_a_schedule_goes_on_from_its_state(name: str, done: int) -> None:
    expected = run(name, done, interrupted=False)
    assert run(name, done, interrupted=True) == expected


def run(name: str, done: int, interrupted: bool) -> list[list[float]]:
    """Return the rates of 25 steps; after `done` of them, go on with new objects from the states of the old."""
    optimizer = Ours().optimizer("SGD", momentum=0.9)
    schedule = CASES[name](Ours(), optimizer)
    found = []
    for i in range(25):
        if interrupted and i == done:
            states = {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
            optimizer = Ours().optimizer("SGD", momentum=0.9)
            schedule = CASES[name](Ours(), optimizer)
            optimizer.load_state_dict(states["optimizer"])
            schedule.load_state_dict(states["schedule"])
        found.append([g["lr"] for g in optimizer.param_groups])
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["params"][0].sum().backward()
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_state_is_plain_data_that_a_checkpoint_holds(name: str, tmp_path: Any) -> None:
    schedule = CASES[name](Ours(), Ours().optimizer("Adam"))
    nn.save_checkpoint({"schedule": schedule.state_dict()}, tmp_path / "a")
    assert nn.load_checkpoint(tmp_path / "a")["schedule"] == schedule.state_dict()


def test_the_state_of_another_schedule_is_refused_and_nothing_changes() -> None:
    optimizer = Ours().optimizer("SGD")
    step, cosine = schedules.StepLR(optimizer, 3), schedules.CosineAnnealingLR(optimizer, 3)
    with pytest.raises(ValueError, match="the state is of another schedule; on one side only: T_max, eta_min, gamma, step_size"):
        step.load_state_dict(cosine.state_dict())
    both = schedules.ChainedScheduler([step, cosine])
    before = both.state_dict()
    with pytest.raises(ValueError, match="the state is not of 2 schedules"):
        both.load_state_dict({**before, "schedulers": []})
    with pytest.raises(ValueError, match="the state is of another schedule"):
        both.load_state_dict({**before, "schedulers": [{**before["schedulers"][0], "last_epoch": 9}, step.state_dict()]})
    assert both.state_dict() == before


# All that goes on from its number alone, as PyTorch's scripts resume: the optimizer's state holds the rates.
RESUMED: dict[str, Callable[[Any, Any, int], Any]] = {
    "StepLR": lambda s, o, last: s.StepLR(o, 3, 0.3, last_epoch=last),
    "MultiStepLR": lambda s, o, last: s.MultiStepLR(o, [2, 5, 9], 0.5, last_epoch=last),
    "ConstantLR": lambda s, o, last: s.ConstantLR(o, 0.25, 5, last_epoch=last),
    "LinearLR": lambda s, o, last: s.LinearLR(o, 0.2, 0.9, 8, last_epoch=last),
    "ExponentialLR": lambda s, o, last: s.ExponentialLR(o, 0.9, last_epoch=last),
    "PolynomialLR": lambda s, o, last: s.PolynomialLR(o, 12, 2.0, last_epoch=last),
    "CosineAnnealingLR": lambda s, o, last: s.CosineAnnealingLR(o, 9, 0.01, last_epoch=last),
    "LambdaLR": lambda s, o, last: s.LambdaLR(o, lambda e: 0.9**e, last_epoch=last),
    "MultiplicativeLR": lambda s, o, last: s.MultiplicativeLR(o, lambda e: 0.95, last_epoch=last),
    "CosineAnnealingWarmRestarts": lambda s, o, last: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.01, last_epoch=last),
    "OneCycleLR": lambda s, o, last: s.OneCycleLR(o, 1.0, total_steps=45, last_epoch=last),
    "CyclicLR": lambda s, o, last: s.CyclicLR(o, 0.01, 0.1, 4, 6, last_epoch=last),
    "SWALR": lambda s, o, last: s.SWALR(o, 0.05, 9, last_epoch=last),
}


@pytest.mark.parametrize("done", [1, 3, 5, 8])
@pytest.mark.parametrize("name", RESUMED)
def test_a_schedule_goes_on_from_its_number_and_the_optimizers_state(name: str, done: int) -> None:
    found: list[list[list[float]]] = []
    for stop in (None, done):
        optimizer = Ours().optimizer("SGD", momentum=0.9)
        schedule = RESUMED[name](Ours(), optimizer, -1)
        rates = []
        for i in range(12):
            optimizer._stepped = True
            if i == stop:
                state = optimizer.state_dict()
                optimizer = Ours().optimizer("SGD", momentum=0.9)
                optimizer.load_state_dict(state)
                schedule = RESUMED[name](Ours(), optimizer, schedule.last_epoch - 1)
            assert schedule.last_epoch == i
            rates.append(schedule.get_last_lr())
            assert rates[-1] == [group["lr"] for group in optimizer.param_groups]
            schedule.step()
        found.append(rates)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


@pytest.mark.parametrize("name", ["LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR", "MultiplicativeLR", "LambdaLR"])
def test_going_on_from_a_number_is_that_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    found = []
    for library in (Ours(), Theirs(torch)):
        optimizer = library.optimizer("SGD")
        for group in optimizer.param_groups:
            group["initial_lr"] = 0.5
        schedule = RESUMED[name](library, optimizer, 4)
        optimizer.step()
        rates = [schedule.get_last_lr()]
        for _ in range(6):
            schedule.step()
            rates.append(schedule.get_last_lr())
        found.append(rates)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_schedules_of_schedules_begin_at_their_own_beginning() -> None:
    def joined(make: Callable[[Any], Any]) -> list[float]:
        optimizer = optim.SGD([nn.Parameter([1.0])], lr=1.0)
        optimizer._stepped = True
        schedule = schedules.SequentialLR(optimizer, [schedules.ConstantLR(optimizer, 0.5, 9), make(optimizer)], [2])
        rates = []
        for _ in range(7):
            rates += schedule.get_last_lr()
            schedule.step()
        return rates

    def warm_up(o: Any) -> list[Any]:
        return [schedules.LinearLR(o, 0.1, total_iters=3), schedules.ExponentialLR(o, 0.5)]

    np.testing.assert_allclose(joined(lambda o: schedules.SequentialLR(o, warm_up(o), [3])), [0.5, 0.5, 0.1, 0.4, 0.7, 1.0, 0.5])
    np.testing.assert_allclose(
        joined(lambda o: schedules.ChainedScheduler(warm_up(o))), [0.5, 0.5, 0.1, 0.4 / 2, 0.7 / 4, 1 / 8, 1 / 16]
    )


def test_a_rate_of_zero_ends_where_it_should() -> None:
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.5)
    optimizer._stepped = True
    schedule = schedules.ConstantLR(optimizer, 0.0, 2)
    rates = []
    for _ in range(4):
        rates += schedule.get_last_lr()
        schedule.step()
    assert rates == [0.0, 0.0, 0.5, 0.5]


@pytest.mark.parametrize("name", ["StepLR", "LambdaLR", "CosineAnnealingLR", "OneCycleLR"])
def test_a_group_that_came_later_is_named(name: str) -> None:
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=0.5, momentum=0.9)
    schedule = RESUMED[name](Ours(), optimizer, -1)
    optimizer.add_param_group({"params": [nn.Parameter([1.0])]})
    optimizer._stepped = True
    with pytest.raises(ValueError, match="made for 1 groups of parameters, and now the optimizer has 2; make a new schedule after"):
        schedule.step()


def test_a_step_before_the_optimizer_has_made_one_warns() -> None:
    optimizer = Ours().optimizer("SGD")
    schedule = schedules.StepLR(optimizer, 3)
    with pytest.warns(UserWarning, match=r"call optimizer.step\(\) first, then scheduler.step\(\)"):
        schedule.step()
    schedule.step()  # only once


def test_steps_before_the_state_was_saved_count() -> None:
    optimizer, again = Ours().optimizer("SGD"), Ours().optimizer("SGD")
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    again.load_state_dict(optimizer.state_dict())
    schedules.StepLR(again, 3).step()  # without a warning


REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda o: schedules.StepLR(o, 0), ValueError, "StepLR: step_size must be a positive integer, got 0"),
    (lambda o: schedules.StepLR("SGD", 3), TypeError, "expected an optimizer, got str"),  # type: ignore[arg-type]
    (lambda o: schedules.StepLR(o, 3, last_epoch=4), KeyError, "has no 'initial_lr' to go on from"),
    (lambda o: schedules.LambdaLR(o, [abs]), ValueError, "one for each group of parameters; got 1"),
    (lambda o: schedules.LambdaLR(o, 0.5), TypeError, "lr_lambda is a function"),
    (lambda o: schedules.ConstantLR(o, 2.0), ValueError, "factor lies between 0 and 1"),
    (lambda o: schedules.LinearLR(o, 0.0), ValueError, "start_factor lies above 0"),
    (lambda o: schedules.CosineAnnealingLR(o, 0), ValueError, "T_max must be a positive integer"),
    (lambda o: schedules.CosineAnnealingWarmRestarts(o, 3).step(-1), ValueError, "epoch must be at least 0"),
    (lambda o: schedules.OneCycleLR(o, 1.0), ValueError, "give total_steps, or epochs and steps_per_epoch"),
    (lambda o: schedules.OneCycleLR(o, 1.0, 10, anneal_strategy="cosine"), ValueError, "'cos' or 'linear'"),
    (lambda o: schedules.OneCycleLR(o, 1.0, 10, pct_start=3), ValueError, "pct_start lies between"),
    (lambda o: schedules.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "mode is 'triangular'"),
    (
        lambda o: schedules.OneCycleLR(optim.Adagrad([nn.Parameter([1.0])]), 1.0, 10),
        ValueError,
        "Adagrad has no momentum to move; say cycle_momentum=False",
    ),
    (lambda o: schedules.ReduceLROnPlateau(o, factor=1.5), ValueError, "factor must be below 1"),
    (lambda o: schedules.ReduceLROnPlateau(o, mode="least"), ValueError, "mode is 'min' or 'max'"),
    (lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 3)], [3]), ValueError, "1 schedules need 0 milestones"),
    (lambda o: schedules.ChainedScheduler([]), ValueError, "there are no schedules"),
    (lambda o: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(o)]), TypeError, r"whose step\(\) takes nothing"),
    (
        lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 3)], Ours().optimizer("SGD")),
        ValueError,
        "all schedules must be of one optimizer",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_makes_no_sense_is_refused(call: Callable[[Any], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(Ours().optimizer("SGD"))


def test_a_cycle_that_is_over_says_so() -> None:
    optimizer = Ours().optimizer("SGD", momentum=0.9)
    schedule = schedules.OneCycleLR(optimizer, 1.0, total_steps=2)
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    schedule.step()
    schedule.step()  # after the second batch of two, as every loop does
    with pytest.raises(ValueError, match="step 3, but it was made for 2 steps"):
        schedule.step()
