"""Gradients: parameters that none reaches, those that vanish or explode on their way, and those of another batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from autodiff import Tensor
from autodiff.graph import Leaf

from ..module import Module
from ..parameter import Parameter
from .case import Case
from .finding import Finding, Skip, listed
from .objective import has_learned
from .observation import Observation, Step
from .units import alike_weights

# With the default initialisation each ReLU layer takes a gradient down to 0.4 of it: ten layers are 1e-4. Beyond that the first
# layers learn nothing while the last are done; beyond 1e-7 float32 cannot tell their updates from none.
VANISHING, LOST = 1e-4, 1e-7
EXPLODING, WILD = 1e3, 1e6  # that the other way round: a learning rate right for the last layers throws the first away
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
    yield from _not_registered(case, run)
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


def _not_registered(case: Case, run: Observation) -> Iterator[Finding]:
    """Parameters that the loss depends on, and that neither model nor loss knows of."""
    parts = [part for part in (case.model, case.loss) if isinstance(part, Module)]
    known = {p._node for part in parts for p in part.parameters()}
    places: dict[str, list[str]] = {}
    for step in run.all_steps():
        for node in step.node.parents:
            if isinstance(node, Leaf) and node not in known and isinstance(tensor := node.tensor(), Parameter):
                known.add(node)
                places.setdefault(step.path or "model", []).append(f"{step.name} of shape {tensor.shape}")
    for place, used in places.items():
        yield Finding(
            "no_gradient", place, "error",
            f"it uses {len(used)} parameter{'s' if len(used) > 1 else ''} that model.parameters() does not have: {listed(used)}",
            "make layers in __init__, as attributes, in nn.ModuleList or nn.ModuleDict: an optimizer sees only those",
        )  # fmt: skip


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


def gradient_flow(case: Case) -> Iterator[Finding]:
    """Gradients that shrink or grow from layer to layer, or are exactly 0."""
    run = case.with_gradients()
    if case.found("not_finite", "dead_relu", "symmetry", "saturation"):
        raise Skip("what was found above changes the gradients")
    if alike_weights(case) or (run.loss is not None and run.loss.item() == 0):
        return  # one step mends the first; of the second nothing is left to learn
    layers = [(calls[0], rms(np.stack([rms(call.gradient) for call in calls]))) for calls in _layers(run)]
    blocked = [step for step, size in layers if size == 0]
    if blocked:
        step, others = blocked[-1], len(blocked) - 1
        yield Finding(
            "gradient_flow", step.path or "model", "error", f"the gradient of the loss is exactly 0 at the output of {step}"
            + (f", and at {others} layer{'s' if others > 1 else ''} before it" if others else ""),
            "look at what stands between it and the loss: a step, rounding, clamp or comparison, a where() that never chooses it",
        )  # fmt: skip
        return
    if len(layers) > 1 and not has_learned(case):
        yield from _from_layer_to_layer(layers)
    yield from _from_call_to_call(run)


def _from_layer_to_layer(layers: list[tuple[Step, float]]) -> Iterator[Finding]:
    last, reference = layers[-1]
    for (step, size), low in ((min(layers, key=_size), True), (max(layers, key=_size), False)):
        ratio = size / reference
        bad, worse = (ratio < VANISHING, ratio < LOST) if low else (ratio > EXPLODING, ratio > WILD)
        if not bad:
            continue
        count = layers.index((last, reference)) - layers.index((step, size))
        pace = f", about {ratio ** (1 / count):.2g} times with each of the {count} layers between" if count > 1 else ""
        beyond = [s.path or s.name for s, g in layers if (g / reference < VANISHING if low else g / reference > EXPLODING)]
        yield Finding(
            "gradient_flow", step.path or "model", "error" if worse else "warning",
            f"the gradient {'vanishes' if low else 'explodes'}: {size:.2g} at the output of {step}, {reference:.2g} at that of "
            f"the last layer ({last.path or last.name}); a ratio of {ratio:.2g}{pace}. Beyond the limit: {listed(beyond)}",
            "residual connections, or a normalisation layer in each block; ReLU or GELU in place of sigmoid and tanh; weights by "
            "nn.init.kaiming_normal_" if low else
            "smaller weights (nn.init.kaiming_normal_, xavier_normal_), a normalisation layer in each block, gradient clipping",
        )  # fmt: skip


def _from_call_to_call(run: Observation) -> Iterator[Finding]:
    """A recurrent net: the same weight, call after call. What lies far back may well not matter."""
    for calls in _layers(run):
        first, last = rms(calls[0].gradient), rms(calls[-1].gradient)
        if len(calls) > 2 and 0 < first < LOST * last:
            yield Finding(
                "gradient_flow", calls[0].path or "model", "note",
                f"of {len(calls)} calls, the first gets a gradient of {first:.2g}, the last one of {last:.2g}: what lies so far "
                "back is not learned",
                "fine where only the recent past matters; else gates that stay open (a bias of 1 or more), orthogonal weights "
                "(nn.init.orthogonal_), attention",
            )  # fmt: skip
            return


def _size(pair: tuple[Step, float]) -> float:
    return pair[1]


def rms(array: np.ndarray | None) -> float:
    """Return the root mean square of an array's elements; 0 where there are none."""
    if array is None or not array.size:
        return 0.0
    largest = float(np.abs(array).max())
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.mean(np.square(np.abs(array) / largest, dtype=float))))  # no square underflows


def _layers(run: Observation) -> list[list[Step]]:
    """Return the steps in which a weight of two axes or more acts, in order; those of one weight together."""
    found: dict[tuple[int, ...], list[Step]] = {}
    for step in run.steps:
        own = [parent for parent in step.node.parents if isinstance(parent, Leaf) and _is_weight(parent)]
        if own and step.gradient is not None:
            found.setdefault(tuple(id(parent) for parent in own), []).append(step)
    return list(found.values())


def _is_weight(leaf: Leaf) -> bool:
    tensor = leaf.tensor()
    return isinstance(tensor, Parameter) and tensor.ndim > 1


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
