"""`health`: all checks on one model, the causes before what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from autodiff import Tensor
from autodiff.tracing import caller

from ..data import DataLoader
from ..module import Module
from ..optim import Optimizer
from ..rehearsal import rehearsal
from ..seeding import generator_or_default
from .case import Case
from .data import inputs, targets
from .evaluation import batch_leak, modes, randomness
from .finding import Finding, Skip
from .finiteness import not_finite
from .gradients import gradient_flow, no_gradient, zero_grad
from .layers import layer_reports
from .objective import loss_at_start, shapes, softmax_twice
from .precision import mixed_dtypes
from .report import Health
from .steps import optimizer, overfit, update_ratio
from .units import constant_output, dead_relu, saturation, symmetry

# In this order: a check may rely on what those before it found.
CHECKS: dict[str, Callable[[Case], Iterator[Finding]]] = {
    check.__name__: check
    for check in (
        not_finite, shapes, softmax_twice, targets, inputs, modes, randomness, batch_leak, no_gradient, optimizer, zero_grad,
        symmetry, dead_relu, saturation, gradient_flow, constant_output, mixed_dtypes, loss_at_start, update_ratio, overfit,
    )
}  # fmt: skip
# What can be said although there is nan.
_WITHOUT_NUMBERS = {"not_finite", "shapes", "targets", "modes", "no_gradient", "optimizer", "mixed_dtypes"}


def health(
    model: Module,
    loss: Callable[[Any, Any], Tensor],
    batch: Any,
    optimizer: Optimizer | None = None,
    *,
    checks: Iterable[str] | None = None,
    omit: Iterable[str] = (),
    evaluating: bool = False,
    generator: np.random.Generator | None = None,
) -> Health:
    """Look for silent mistakes in a model and its training, on one batch; return what was found, each with evidence and cure.

    model       a Module; it is run, in training and in evaluation mode, and left as it was
    loss        a loss module, or a function of (prediction, target)
    batch       (input, target), or with more inputs (input, ..., target), as a Trainer's batches; 8 samples or more, better 32
    optimizer   the one that trains the model: then also its steps are looked at
    checks      the names of the checks to make; None makes all
    omit        the names of checks to leave out
    evaluating  True where the model is about to be used: parts in training mode are then an error
    generator   numpy.random.Generator that draws the few samples that runs in eval() are made on; by default always the same

    Parameters, buffers, gradients, training modes and random generators are afterwards as they were, also after an error; steps
    are tried on copies. What the checks are: docs/diagnosis.md. Raises TypeError and ValueError for what is no model, loss or
    batch, and passes on errors of the model itself.

    >>> import nn
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(32, 4)), rng.integers(0, 3, 32)
    >>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax(1))
    >>> found = nn.health(model, nn.CrossEntropyLoss(), (x, y))
    >>> [(finding.check, finding.where) for finding in found.findings]
    [('softmax_twice', '3')]
    """
    _check_parts(model, loss, batch, optimizer)
    if generator is not None:
        generator_or_default(generator)  # refuses what is none
    chosen = _chosen(checks, omit)
    here = caller()
    with rehearsal(model, loss, parameters=True):  # each run is one of its own; this is for a forward that changes parameters
        case = Case(model, loss, batch, optimizer, generator=generator, evaluating=evaluating, here=here)
        return _examined(case, chosen)


def _examined(case: Case, chosen: list[str]) -> Health:
    assert case.training is not None  # the errors of the model itself are heard here
    skipped: dict[str, str] = {}
    for name in chosen:
        if name not in _WITHOUT_NUMBERS and case.found("not_finite"):
            skipped[name] = "there are numbers that are not finite"
            continue
        try:
            case.findings += CHECKS[name](case)
        except Skip as reason:
            skipped[name] = str(reason)
        except Exception as error:  # of the model, or of the loss
            error.add_note(f"in the check '{name}' of nn.health; omit=['{name}'] leaves it out")
            raise
    if case.loss_error is not None and not case.found("shapes", "targets", "softmax_twice"):  # nobody was to say so
        raise case.loss_error
    layers = layer_reports(case)
    return Health(case.findings, [name for name in chosen if name not in skipped], skipped, layers)


def _chosen(checks: Iterable[str] | None, omit: Iterable[str]) -> list[str]:
    if isinstance(checks, str) or isinstance(omit, str):
        raise TypeError("health: checks and omit are several names; write ['dead_relu']")
    wanted, without = None if checks is None else list(checks), list(omit)
    for name in [*(wanted or ()), *without]:
        if name not in CHECKS:
            raise ValueError(f"health: there is no check {name!r}; there are: {', '.join(CHECKS)}")
    return [name for name in CHECKS if (wanted is None or name in wanted) and name not in without]


def _check_parts(model: Any, loss: Any, batch: Any, optimizer: Any) -> None:
    if isinstance(model, type) or not isinstance(model, Module):
        what = f"the class {model.__name__}; make a model of it" if isinstance(model, type) else f"a {type(model).__name__}"
        raise TypeError(f"health: model must be a Module, got {what}")
    if isinstance(loss, type) or not callable(loss):
        what = f"the class {loss.__name__}; make a loss of it: {loss.__name__}()" if isinstance(loss, type) else f"{loss!r:.80}"
        raise TypeError(
            f"health: loss must be a loss such as nn.CrossEntropyLoss(), or a function of (prediction, target), got {what}"
        )
    if getattr(loss, "reduction", None) == "none":
        raise ValueError(f"health: {type(loss).__name__} has reduction='none', but one number is needed; use 'mean'")
    if isinstance(batch, DataLoader):
        raise TypeError("health: batch is a DataLoader; give one batch of it: next(iter(loader))")
    if not (isinstance(batch, (tuple, list)) and len(batch) > 1):
        got = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
        raise TypeError(f"health: batch must be (input, target), as the batches of a Trainer, got {got}")
    if isinstance(optimizer, type):
        name = optimizer.__name__
        raise TypeError(f"health: optimizer is the class {name}; write {name}(model.parameters(), lr=...)")
    if optimizer is not None and not all(hasattr(optimizer, name) for name in ("step", "zero_grad", "param_groups")):
        raise TypeError(
            f"health: optimizer must be one such as nn.optim.Adam(model.parameters()), got a {type(optimizer).__name__}"
        )
