"""A step of the optimizer, and a short training, tried on copies: how much it would change, and whether the loss falls."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor, enable_grad
from autodiff.border import outward
from autodiff.chain_rule import propagate
from autodiff.graph import wrap

from .. import optim
from ..module import Module
from .case import Case
from .evaluation import DROPOUTS
from .finding import Finding, Skip, listed, share
from .gradients import grouped, rms
from .objective import LEARNED, has_learned, knowing_nothing
from .samples import apart, samples_at

# A weight should change by about a thousandth of its size in a step (Karpathy, CS231n, Babysitting the learning process). The first
# step of Adam is larger, lr for each weight whatever its gradient, and fine up to some tenths, as is one of SGD where the weights
# are few; beyond 1, the initial weights are overwritten. Below 1e-7, float32 cannot tell it from none.
IDEAL = 1e-3
LARGE, OVERWRITTEN, SMALL = 1.0, 10.0, 1e-7
FALLS = 0.8  # of what it was: a few samples can be learned by heart, so the loss must fall below that in so many steps


def optimizer(case: Case) -> Iterator[Finding]:
    """Parameters that the optimizer does not have, and a learning rate of 0."""
    if case.optimizer is None:
        raise Skip("no optimizer was given")
    has = {id(p) for group in _groups(case) for p in group["params"]}
    learning = [(name, p) for name, p in case.model.named_parameters() if p.requires_grad]
    absent = [name for name, p in learning if id(p) not in has]
    kind = type(case.optimizer).__name__
    if absent and len(absent) == len(learning):
        yield Finding(
            "optimizer", "optimizer", "error", f"{kind} has none of the model's {len(learning)} parameters",
            f"make it of this model: {kind}(model.parameters(), lr=...), after the model was made, copied or changed for the "
            "last time",
        )  # fmt: skip
        return
    for place in grouped(case.model, absent):
        yield Finding(
            "optimizer", place, "warning", f"{kind} does not have it, though it asks for a gradient: it will not learn",
            "make the optimizer after the last layer was put in, or freeze it (requires_grad_(False)) where that is meant",
        )  # fmt: skip
    groups = _groups(case)
    for i, group in enumerate(groups):
        which = f"of group {i} " if len(groups) > 1 else ""
        if "lr" in group and float(group["lr"]) == 0:
            scheduled = group.get("initial_lr", 0) > 0
            yield Finding(
                "optimizer", "optimizer", "note" if which or scheduled else "error",
                f"lr {which}is 0" + (f", set by a schedule; it began with {group['initial_lr']:g}" if scheduled else ""),
                "fine where a warm-up begins or a schedule ends; else set group['lr']",
            )  # fmt: skip
        if group.get("maximize"):
            yield Finding(
                "optimizer", "optimizer", "warning", f"maximize=True {which}: its steps make the loss larger".replace("  ", " "),
                "leave it out; omit=['optimizer'] where that is meant",
            )  # fmt: skip


def _groups(case: Case) -> list[dict[str, Any]]:
    return list(case.optimizer.param_groups)


def updates(case: Case) -> dict[str, float]:
    """Return by how much a step of the optimizer would change each weight, relative to its size; no biases: they begin at 0.

    A weight that is smaller than usual counts as one of usual size.
    """
    if case.update_sizes is not None:
        return case.update_sizes
    if case.optimizer is None:
        raise Skip("no optimizer was given")
    if isinstance(case.optimizer, optim.LBFGS):
        raise Skip("LBFGS computes the loss several times in a step")
    run = case.with_gradients()
    model, _, optimizer = case.copies()
    changes: dict[str, float] = {}
    pairs = list(zip(case.model.named_parameters(), model.parameters()))
    for (_, own), copy in pairs:
        g = run.gradient_of(own)
        copy._grad = None if g is None else wrap(g.copy())
    with case.untouched(case.model, case.loss), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer.step()
    for (name, own), copy in pairs:
        if own.ndim < 2 or copy._grad is None:
            continue
        felt = copy._grad._data != 0  # rows of an embedding that the batch does not look up stay as they are
        size = rms(own._data[felt])
        if size > 0:
            usual = 0.5 / np.sqrt(own.size / len(own))  # about that of an initial weight: one made small is soon larger
            changes[name] = rms((copy._data - own._data)[felt]) / max(size, float(usual))
    case.update_sizes = changes
    return changes


def update_ratio(case: Case) -> Iterator[Finding]:
    """Steps that are too large or too small for the weights."""
    if case.found("not_finite", "optimizer"):
        raise Skip("what was found above changes the steps")
    ratios = updates(case)
    if not ratios:
        return
    large = {name: ratio for name, ratio in ratios.items() if not ratio <= LARGE}
    if large:
        name = max(large, key=lambda key: large[key])
        yield Finding(
            "update_ratio", name, "error" if large[name] > OVERWRITTEN else "warning",
            f"the first step would change the weight by {large[name]:.3g} of its size (about {IDEAL:g} is usual)"
            + (f"; too large also in {listed([n for n in large if n != name])}" if len(large) > 1 else ""),
            f"a smaller learning rate: about lr × {IDEAL * 10 / large[name]:.1g}; trainer.find_lr(data) looks for one",
        )  # fmt: skip
        return
    if has_learned(case) or any(group["lr"] < group.get("initial_lr", 0) for group in _groups(case)):
        return  # what is left to learn is little, or a schedule is at work
    small = {name: ratio for name, ratio in ratios.items() if ratio < SMALL}
    if small and not case.found("gradient_flow", "dead_relu", "saturation"):
        name = min(small, key=lambda key: small[key])
        yield Finding(
            "update_ratio", name, "warning",
            f"a step would change the weight by {small[name]:.2g} of its size (about {IDEAL:g} is usual)"
            + (f"; too small also in {listed([n for n in small if n != name])}" if len(small) > 1 else ""),
            "a larger learning rate; trainer.find_lr(data) looks for one" if len(small) == len(ratios) else
            "the gradient is small just there: see health(...).layers; Adam gives each weight a step of its own size",
        )  # fmt: skip


def overfit(case: Case) -> Iterator[Finding]:
    """A loss that does not fall even when a few samples are learned again and again, by copies."""
    if any(finding.severity != "note" and finding.check not in ("mixed_dtypes", "modes") for finding in case.findings):
        raise Skip("the findings above come first")
    case.with_gradients()
    few = min(case.size, case.overfit_samples)
    before, after, rate = 0.0, 0.0, 0.0
    for rate in (1e-2, 1e-3):
        try:
            before, after = _tried(case, few, rate)
        except Skip:
            raise
        except Exception:  # a model for batches of a fixed size
            few = case.size
            before, after = _tried(case, few, rate)
        if np.isfinite(after) and after <= before - (1 - FALLS) * abs(before):
            return
    nothing = knowing_nothing(case)
    if nothing is not None and max(before, after) < LEARNED * nothing:
        return  # it knows them already
    yield Finding(
        "overfit", "model", "note" if nothing is None and after < before else "warning",
        f"{case.overfit_steps} steps of Adam (lr {rate:g}) on {few} samples took the loss from {before:.4g} to {after:.4g}; a "
        "model that can "
        f"learn takes it well below {share(FALLS)} of what it was",
        "is a gradient wrong (autodiff.check_grads), the target another sample's, the model too small even for these, or the "
        "loss of "
        "something else than the output?",
    )  # fmt: skip


def _tried(case: Case, few: int, rate: float) -> tuple[float, float]:
    """Return the loss before and after some steps on the first `few` samples, by copies of model and loss."""
    model, loss, _ = case.copies()
    with case.untouched():
        case.set_mode(model, True)
        for module in model.modules():
            if isinstance(module, DROPOUTS):
                module.training = False  # noise hides whether it falls
        inputs, target = (samples_at(part, case.size, range(few)) for part in (case.inputs, case.target))
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = optim.Adam(parameters, lr=rate)
        first = last = None
        for _ in range(case.overfit_steps):
            last = _backward(model, loss, inputs, target, parameters)
            first = last if first is None else first
            if not np.isfinite(last) or last <= first - 2 * (1 - FALLS) * abs(first):
                break
            optimizer.step()
        else:
            last = _backward(model, loss, inputs, target, parameters)
    assert first is not None
    assert last is not None
    return first, last


def _backward(model: Module, loss: Any, inputs: Any, target: Any, parameters: Sequence[Tensor]) -> float:
    with enable_grad():
        value = loss(model(*apart(inputs)), apart(target))
    arrived = propagate({value._node: np.ones_like(value._data)}, None, False, False, store=False)
    for p in parameters:
        g = arrived.get(p._node) if p._node is not None else None
        p._grad = None if g is None else wrap(np.array(outward(g)))
    return float(value._data.reshape(()))
