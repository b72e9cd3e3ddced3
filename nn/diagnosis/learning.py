"""What is not learned: parameters that no gradient reaches, or no optimizer; and gradients of another batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from autodiff import Tensor

from ..module import Module
from .case import Case
from .finding import Finding, Skip

CLOSE = 1e-3  # two gradients of the same batch differ by less, relative to the larger: rounding; dropout makes them differ more


def no_gradient(case: Case) -> Iterator[Finding]:
    """Parameters that the loss does not depend on: frozen, unused, or cut off on the way."""
    run, named = case.with_loss(), list(case.model.named_parameters())
    if not named:
        yield Finding("no_gradient", "model", "error", "the model has no parameters", "assign layers and nn.Parameter to "
        "attributes of it")
        return
    frozen = [name for name, p in named if not p.requires_grad]
    if len(frozen) == len(named):
        yield Finding(
            "no_gradient", "model", "error", f"all {len(named)} parameters are frozen (requires_grad=False)",
            "call model.requires_grad_(), or that of the part that is to learn",
        )  # fmt: skip
        return
    without = [(name, p) for name, p in named if p.requires_grad and run.gradient_of(p) is None]
    met = {parent for step in run.all_steps() for parent in step.node.parents if parent is not None}
    cut_off = [name for name, p in without if p._node in met]
    unused = [name for name, p in without if p._node not in met]
    for place in grouped(case.model, cut_off):
        yield Finding(
            "no_gradient", place, "error", "operations use it, but the loss does not depend on their results",
            "somewhere between it and the loss is detach(), numpy(), no_grad() or argmax; or the result is never used",
        )  # fmt: skip
    for place in grouped(case.model, unused):
        yield Finding(
            "no_gradient", place, "warning", "no recorded operation of this run uses it",
            "call it in forward; drop it if it is left over; or freeze it (requires_grad_(False)). Within no_grad() nothing is "
            "recorded",
        )  # fmt: skip
    for place in grouped(case.model, frozen):
        yield Finding(
            "no_gradient", place, "note", "frozen (requires_grad=False): it will not learn", "fine where it is meant; else "
            "requires_grad_()"
        )


def grouped(model: Module, names: Iterable[str]) -> list[str]:
    """Return these names of parameters, those that are all there is of a module as the module's path.

    >>> from nn import Linear, Sequential
    >>> grouped(Sequential(Linear(2, 3), Linear(3, 1)), ["0.weight", "0.bias", "1.bias"])
    ['0', '1.bias']
    """
    left = dict.fromkeys(names)
    places: dict[str, None] = {}
    for path, module in model.named_modules():
        inside = [f"{path}.{name}" if path else name for name, _ in module.named_parameters()]
        if inside and all(name in left for name in inside) and (len(inside) > 1 or module is not model):
            places[path or "model"] = None
            for name in inside:
                del left[name]
    return [*places, *left]


def optimizer(case: Case) -> Iterator[Finding]:
    """Parameters that the optimizer does not have, and a learning rate of 0."""
    if case.optimizer is None:
        raise Skip("no optimizer was given")
    has = {id(p) for group in case.optimizer.param_groups for p in group["params"]}
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
    rates = [group.get("lr") for group in case.optimizer.param_groups]
    for i, rate in enumerate(rates):
        if rate is not None and float(rate) == 0:
            whole = len(rates) == 1
            yield Finding(
                "optimizer", "optimizer", "error" if whole else "note", f"lr {'' if whole else f'of group {i} '}is 0",
                "set group['lr'], and look at the schedule: a warm-up begins above 0",
            )  # fmt: skip


def zero_grad(case: Case) -> Iterator[Finding]:
    """Gradients of another batch that nothing has dropped."""
    run, before = case.with_gradients(), case.gradients_before
    there = [(p, before[id(p)]) for p in case.model.parameters() if before.get(id(p)) is not None]
    left = [(p, g) for p, g in there if g is not None and g.any()]
    if not left:
        return
    rounds, used = _of_optimizer(case, [p for p, _ in left])
    if rounds:
        yield Finding(
            "zero_grad", "optimizer", "error",
            f"the gradients of {rounds + 1} steps or more have added up: {type(case.optimizer).__name__} found gradients that "
            "were added to "
            "since its last step, and not dropped",
            "call optimizer.zero_grad() before loss.backward() in each round",
        )  # fmt: skip
        return
    if used:
        return  # those of the last step: the next round begins with zero_grad(), as most loops do
    new = [g if (g := run.gradient_of(p)) is not None else np.zeros(p.shape, p.dtype) for p, _ in left]
    size = float(np.sqrt(sum(float(np.square(g, dtype=float).sum()) for _, g in left)))
    own = float(np.sqrt(sum(float(np.square(g, dtype=float).sum()) for g in new)))
    apart = float(np.sqrt(sum(float(np.square(a - b, dtype=float).sum()) for (_, a), b in zip(left, new))))
    if apart <= CLOSE * max(size, own):
        return  # the gradients of this very batch
    yield Finding(
        "zero_grad", "model", "warning" if case.optimizer is not None else "note",
        f"{len(left)} parameters hold a gradient already, of norm {size:.3g}, and it is not that of this batch ({own:.3g}): the "
        "next "
        "backward() will add to it" + (", and no step of the optimizer has used it" if case.optimizer is not None else ""),
        "call zero_grad() before loss.backward(); fine where the gradients of several batches are added up on purpose",
    )  # fmt: skip


def _of_optimizer(case: Case, held: list[Tensor]) -> tuple[int, bool]:
    """Return for how many steps in a row the gradients were added to, and whether those that are there were used by a step."""
    watch = getattr(case.optimizer, "_watch", None)
    if watch is None or watch._gradient is None:
        return 0, False
    last = watch._gradient()
    same = any(p._grad is last for p in held) if last is not None else False
    return watch._rounds if same else 0, same
