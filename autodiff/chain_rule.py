"""The chain rule: cotangents walk from the outputs of a graph to its inputs.

Knows nodes and what a declared operation offers: `rules` (one for each argument) or `joint` (one for all). Does on
behalf of every rule what no rule should have to: sums over broadcast axes, casts to the argument's dtype, checks
shapes, and keeps an exact zero zero. Knows no mathematics beyond adding up.

Complex numbers: in here a cotangent is the plain transpose, without conj. Whoever hands cotangents in or out applies
conj, and so gets PyTorch's convention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from .border import deposit, handed_out, outward, raw
from .graph import Node, Variable, current_mode, enable_grad, innermost, is_grad_enabled, label, listening, wrap
from .memory import newest_write, written_since

_by_number = attrgetter("number")


def propagate(
    seeds: Mapping[Node, Any],
    targets: Iterable[Node] | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    store: bool = True,
) -> dict[Node, Any]:
    """Return the cotangent that arrives at each leaf, or at each of `targets`, when `seeds` start at the outputs.

    seeds         cotangents by node: arrays, or Tensors under create_graph
    targets       nodes to stop at; only paths that lead to them are walked
    retain_graph  keep what the nodes saved, for another pass
    create_graph  give the rules Tensors, so that the pass is itself recorded, also within `no_grad`
    store         fill `.grad` of the results that `retain_grad` asked for
    """
    if create_graph and not is_grad_enabled():
        with enable_grad():
            return propagate(seeds, targets, retain_graph, create_graph, store)
    order = _ordered(seeds)
    wanted = None if targets is None else set(targets)
    needed = None if wanted is None else leading_to(wanted, order)
    _check_unconsumed(order, needed, wanted)
    mode = current_mode()
    trace = None if mode is None else mode.trace
    watched: Any = None if trace is None else trace.walk(order, seeds)
    last_write = newest_write()
    pending: dict[Node, Any] = dict(seeds)
    # Whose pending cotangent is memory of this pass alone, free to be added to in place; never so when that is recorded.
    owned: set[Node] = Nobody() if create_graph else set()
    arrived: dict[Node, Any] = {}
    ndarray = np.ndarray
    # invalid='raise' reports 0*inf and 0/0, the makings of a false nan; a rule that raises is run again with care.
    try:
        with np.errstate(invalid="raise", divide="ignore", over="ignore", under="ignore"):
            for node in order:
                if needed is not None and node not in needed:
                    continue
                g = pending.pop(node, None)
                if g is None:
                    continue
                notes = node.notes
                if notes is not None and (notes.hooks or notes.retained is not None or notes.record is not None):
                    g = _attend(node, g, create_graph, store)
                    owned.discard(node)  # a hook may have kept it
                operation = node.operation
                if operation is None if wanted is None else node in wanted:
                    arrived[node] = g
                    owned.discard(node)
                    if operation is None or not any(parent in needed for parent in node.parents):  # type: ignore[operator]
                        continue  # the walk ends here, and leaves what lies beyond as it is
                if node.number < last_write:
                    _check_unwritten(node)
                if not operation.plain or (notes is not None and notes.record is not None):
                    record = None if notes is None else notes.record
                    special = operation.special is not None and (record is None or operation.joint is None)
                    if not special or not _specially(node, g, pending, owned, needed, create_graph):
                        for position, argument, d in contributions(node, g, needed, create_graph):
                            if record is not None:
                                record.note_contribution(position, d, node, g, pending.get(argument))
                            add_to(pending, owned, argument, d)
                    if operation.index_only:
                        continue
                    if record is not None and not retain_graph:
                        record.keep(node.saved)
                else:
                    saved = node.saved if not create_graph else operation.as_tensors(node)
                    rules, counts = operation.rules, operation.needs
                    i = -1  # counting by hand: a zip of four costs more than a multiplication
                    for parent in node.parents:
                        i += 1
                        if parent is None or (needed is not None and parent not in needed):
                            continue
                        kept, count = saved[i], counts[i]
                        try:
                            d = rules[i](g, kept) if count == 1 else rules[i](g) if count == 0 else rules[i](g, *kept)
                        except FloatingPointError:
                            d = _carefully(operation, rules[i], g, (kept,) if counts[i] == 1 else kept)
                        if type(d) is not ndarray or d.dtype is not parent.dtype or d.shape != parent.shape:
                            d = fitted(d, parent, node)
                        so_far = pending.get(parent)
                        if so_far is None:
                            pending[parent] = d
                        elif parent in owned:
                            try:
                                so_far += d
                            except FloatingPointError:
                                pending[parent] = so_far  # inf - inf: the nan has been written by the time NumPy says so
                        else:
                            try:
                                pending[parent] = so_far = so_far + d
                            except FloatingPointError:
                                pending[parent] = so_far = quiet_sum(so_far, d)
                            if type(so_far) is ndarray:
                                owned.add(parent)
                if not retain_graph:
                    node.saved = None
    except Exception as error:
        say_where(error, node, order)
        raise
    finally:
        if trace is not None:
            trace.walked(watched)
    return arrived


def contributions(
    node: Node, g: Any, needed: set[Node] | None = None, create_graph: bool = False
) -> list[tuple[int, Node, Any]]:
    """Return what `node` hands on when `g` has arrived at it: (position of the argument, its node, the term of its gradient).

    One operation's share of the chain rule; `propagate` does the same with less ado.
    """
    mode = current_mode()
    if mode is not None and mode.trace is not None and mode.trace.in_rules is not mode.trace:
        with listening(mode.trace.in_rules):
            return contributions(node, g, needed, create_graph)
    operation = node.operation
    if not operation.plain:
        return [
            (position, parent, fitted(d, parent, node))
            for position, (parent, d) in enumerate(zip(node.parents, _jointly(node, g, needed, create_graph)))
            if parent is not None and d is not None and (needed is None or parent in needed)
        ]
    saved = node.saved if not create_graph else operation.as_tensors(node)
    found: list[tuple[int, Node, Any]] = []
    position = -1
    for parent, rule, count, kept in zip(node.parents, operation.rules, operation.needs, saved):
        position += 1
        if parent is None or rule is None or (needed is not None and parent not in needed):
            continue
        try:
            d = rule(g, kept) if count == 1 else rule(g) if count == 0 else rule(g, *kept)
        except FloatingPointError:
            d = _carefully(operation, rule, g, (kept,) if count == 1 else kept)
        if type(d) is not np.ndarray or d.dtype is not parent.dtype or d.shape != parent.shape:
            d = fitted(d, parent, node)
        found.append((position, parent, d))
    return found


def say_where(error: Exception, node: Node, order: Iterable[Node]) -> None:
    """Add to `error` at which operation of a backward pass it was raised, in which module, and the caller's line where traced."""
    if node.operation is None:
        return
    group = innermost(order, node)
    if hasattr(error, "stands_in"):  # an anomaly says for itself where it is
        if group is not None:
            error.stands_in(group.name, group.title)
        return
    record = None if node.notes is None else node.notes.record
    if record is not None:
        record.note_failure(error, node)
    which = describe(node)
    parts = ["in the backward pass" if which in str(error) else f"in the backward pass, at operation {which}"]
    if group is not None:
        parts.append(f"in {group.name} ({group.title})")
    if len(parts) > 1 or which not in str(error):
        error.add_note(" ".join(parts))


class Nobody(set[Node]):
    """Whose cotangents are memory of their own, where none are."""

    def add(self, node: Node) -> None:
        pass


def _ordered(seeds: Iterable[Node]) -> list[Node]:
    order = list(seeds)
    seen = set(order)
    see, append = seen.add, order.append
    for node in order:  # the list grows as it is walked: no recursion, whatever the depth
        for parent in node.parents:
            if parent is not None and parent not in seen:
                see(parent)
                append(parent)
    order.sort(key=_by_number, reverse=True)
    return order


def leading_to(targets: set[Node], order: list[Node]) -> set[Node]:
    """Return the nodes of `order`, newest first, that were computed from `targets`, and these."""
    needed = set(targets)
    for node in reversed(order):
        if any(parent in needed for parent in node.parents):
            needed.add(node)
    return needed


def _check_unconsumed(order: list[Node], needed: set[Node] | None, wanted: set[Node] | None) -> None:
    consumed = None
    for node in order:
        if node.saved is None and (needed is None or node in needed):
            if wanted is not None and node in wanted and not any(p in needed for p in node.parents if p):  # type: ignore[operator]
                continue  # the walk stops here: nothing of it is needed
            consumed = node
            break
    if consumed is not None:
        raise RuntimeError(
            f"backward: the graph was already consumed; the first consumed operation is {describe(consumed)}. Usually a "
            "part of the graph was built once, outside the loop, and is walked again in each round: build it inside. (Or an "
            "earlier pass over it failed midway: run the forward pass again.) "
            "To walk one graph twice on purpose, give the first pass retain_graph=True."
        )


def describe(node: Node) -> str:
    """Return words that tell a reader which node this is."""
    shape = "several outputs" if node.shape is None else f"shape {node.shape}"
    text = f"'{label(node)}' ({shape}"
    if node.notes is not None and node.notes.groups:
        text += f", the result of {node.notes.groups[-1].name}"
    if node.notes is not None and node.notes.record is not None and node.notes.record.source:
        text += f", at {node.notes.record.source}"
    return text + ")"


def _check_unwritten(node: Node) -> None:
    for array in arrays_in(node.saved):
        what = written_since(array, node.number)
        if what is not None:
            raise RuntimeError(
                f"backward: an array that operation {describe(node)} saved was changed afterwards, by {what}. Its "
                "derivative can no longer be computed. Change a copy (clone()), or make the change after backward()."
            )


def arrays_in(saved: Any) -> list[np.ndarray]:
    """Return the arrays in what a node saved."""
    if isinstance(saved, np.ndarray):
        return [saved]
    if isinstance(saved, dict):
        saved = saved.values()
    elif not isinstance(saved, (tuple, list)):
        return []
    return [array for part in saved for array in arrays_in(part)]


def _specially(node: Node, *arguments: Any) -> bool:
    with np.errstate(invalid="ignore"):  # such ways only add up: a nan out of them (inf - inf) is a true one
        return bool(node.operation.special(node, *arguments))


def quiet_sum(a: Any, b: Any) -> Any:
    """Return `a + b`, whose nan (inf - inf) is a true one."""
    with np.errstate(invalid="ignore"):
        return a + b


def _jointly(node: Node, g: Any, needed: set[Node] | None, create_graph: bool) -> Any:
    needs = tuple([parent is not None and (needed is None or parent in needed) for parent in node.parents])
    try:
        return node.operation.joint(g, node, needs, create_graph)
    except FloatingPointError:
        with np.errstate(all="ignore"):
            return node.operation.joint(g, node, needs, create_graph)


def add_to(pending: dict[Node, Any], owned: set[Node], parent: Node, d: Any) -> None:
    """Add `d` to what has arrived at `parent` so far; in place where the sum is memory of this pass."""
    so_far = pending.get(parent)
    if so_far is None:
        pending[parent] = d
    elif parent in owned:
        with np.errstate(invalid="ignore"):
            so_far += d
    else:
        pending[parent] = so_far = quiet_sum(so_far, d)
        if type(so_far) is np.ndarray:
            owned.add(parent)


def own_buffer(pending: dict[Node, Any], owned: set[Node], parent: Node) -> np.ndarray:
    """Return the pending cotangent of `parent` as an array that may be added to in place."""
    buffer = pending.get(parent)
    if buffer is None:
        buffer = pending[parent] = np.zeros(parent.shape, parent.dtype)
    elif parent not in owned:
        buffer = pending[parent] = np.array(buffer)
    owned.add(parent)
    return buffer


def fitted(d: Any, parent: Node, node: Node) -> Any:
    """Return the contribution `d` of `node` in the shape and dtype of `parent`."""
    if not hasattr(d, "dtype"):
        if d is None:
            argument = node.operation.argument_of(node, parent)
            raise TypeError(f"the rule of operation '{node.operation.name}' for argument '{argument}' returned None")
        d = np.asarray(d)
    if d.shape != parent.shape:
        d = _summed_to(d, parent, node)
    if d.dtype != parent.dtype:
        if d.dtype.kind == "c" and parent.dtype.kind != "c":
            d = d.real
        d = d.astype(parent.dtype)
    return d


def _summed_to(d: Any, parent: Node, node: Node) -> Any:
    shape, have = parent.shape, d.shape
    lead = len(have) - len(shape)
    trailing = have[lead:] if lead >= 0 else ()
    if lead < 0 or any(m != n and n != 1 for m, n in zip(trailing, shape)):
        raise ValueError(
            f"the rule of operation '{node.operation.name}' for argument '{node.operation.argument_of(node, parent)}' "
            f"returned shape {have}, expected {shape} (or a shape that broadcasting makes of it)"
        )
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and have[lead + i] != 1))
    with np.errstate(invalid="ignore"):
        return d.sum(axis=axes).reshape(shape)


def _carefully(operation: Any, rule: Any, g: Any, arguments: Any) -> Any:
    """Run `rule` again where it met 0*inf or 0/0: an incoming zero stays zero where the local derivative is infinite."""
    with np.errstate(all="ignore"):
        d = rule(g, *arguments)
        if not operation.elementwise:
            return d
        raw_g, raw_d = raw(g), raw(d)
        local = raw(rule(np.ones_like(raw_g), *(raw(a) for a in arguments)))
        false_nan = (raw_g == 0) & np.isnan(raw_d) & np.isinf(local)
        if not false_nan.any():
            return d
        zero = np.zeros((), raw_d.dtype)
        return np.where(false_nan, zero, d if d is raw_d else _where_not(false_nan, rule, g, arguments, zero))


def _where_not(excluded: np.ndarray, rule: Any, g: Any, arguments: Any, filling: np.ndarray) -> Any:
    """Run an elementwise rule on Tensors, but not on the elements `excluded`: no derivative of it, of any order, sees those."""
    included = ~excluded

    def select(value: Any) -> Any:
        if not isinstance(value, (Variable, np.ndarray)):
            return value
        wide: Any = np.broadcast_to(value, included.shape)  # type: ignore[arg-type]
        return wide[included]

    if not included.any():
        return filling
    position = (np.cumsum(included) - 1).clip(0).reshape(included.shape)
    return rule(select(g), *map(select, arguments))[position]


def _attend(node: Node, g: Any, create_graph: bool, store: bool) -> Any:
    """Run the hooks of `node` on its accumulated gradient, then keep it where that was asked for."""
    notes = node.notes
    assert notes is not None
    before = g
    if notes.hooks:
        with np.errstate(all="warn"):
            for hook in tuple(notes.hooks.values()):
                replacement = hook(handed_out(g))
                if replacement is not None:
                    g = _replacement(replacement, node, create_graph)
    if store and notes.retained is not None:
        tensor = notes.retained()
        if tensor is not None:
            with np.errstate(all="warn"):
                deposit(tensor, outward(g), create_graph, shared=True)
    record = notes.record  # which another thread may take away
    if record is not None:
        record.note_gradient(g, node, before)
    return g


def _replacement(value: Any, node: Node, create_graph: bool) -> Any:
    data = raw(value)
    array = np.asarray(data)
    kinds = "fiuc" if node.dtype.kind == "c" else "fiu"
    if array.shape != node.shape or array.dtype.kind not in kinds:
        raise ValueError(
            f"a gradient hook of {describe(node)} returned shape {array.shape} and dtype {array.dtype}; "
            f"expected shape {node.shape} and dtype {node.dtype} (or None, to leave the gradient as it is)"
        )
    if not create_graph:
        return outward(array.astype(node.dtype))
    return outward(fitted(value if isinstance(value, Variable) else wrap(array), node, node))
