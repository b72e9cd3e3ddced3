"""`detect_anomaly()`: an error at the operation, forward or backward, that made the first nan or infinity.

Knows what goes into an operation or a rule and what comes out, looks at it, and keeps none of it: graphs live no longer than
without. What is said of an anomaly is in culprit.py.
"""

from __future__ import annotations

import collections
import contextvars
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .border import outward
from .culprit import AnomalyError, picture_of, saved_to, standing_in
from .finiteness import Bad, array_of, floats_in, found_in, holder_of_nan, without
from .graph import Mode, Node, Variable, _Switch, label, left_out, notes_of
from .recording import Operation
from .tracing import Trace, caller, statistics_of

CHECKS = ("nan+inf", "nan")

# NumPy's settings before each block that is entered here and not yet left, as graph.py keeps its modes.
_silenced: contextvars.ContextVar[Any] = contextvars.ContextVar("autodiff_silenced", default=None)


class detect_anomaly(_Switch):
    """Raise `AnomalyError` at the operation, forward or backward, that makes the first nan, or an infinity from finite numbers.

    check    "nan+inf", or "nan" to let infinities pass
    picture  a path such as "anomaly.svg": draw what is around that operation, which is marked, and around an operation that raises
             any other error inside

    A context manager and a decorator. Infinities that come in as constants or data pass freely, and so does what follows from them:
    masks have them. A nan that comes in with data raises at the first operation whose result has it, which says so. The backward
    pass of what was recorded inside is watched wherever it runs, and inside so is that of any other graph. Inside, NumPy does not
    warn of overflow, division by zero and invalid values. It takes time: each result is looked at.

    >>> x = Tensor([4.0, 0.0], requires_grad=True, name="x")
    >>> with detect_anomaly():
    ...     (1.0 / np.sqrt(x)).sum()
    Traceback (most recent call last):
    ...
    autodiff.culprit.AnomalyError: operation 'divide' made inf in 1 of 2 elements, from finite inputs
    ...
    >>> with detect_anomaly():
    ...     np.sqrt(x).sum().backward()
    Traceback (most recent call last):
    ...
    autodiff.culprit.AnomalyError: the rule of operation 'sqrt' for 'x' made inf in 1 of 2 elements, from a finite gradient
    ...
    """

    def __init__(self, check: str = "nan+inf", picture: str | os.PathLike[str] | None = None):
        if not isinstance(check, str) or check not in CHECKS:
            raise ValueError(f"detect_anomaly: check is 'nan+inf', or 'nan' to let infinities pass; got {check!r}")
        self.check, self.picture = check, picture

    def _new(self) -> detect_anomaly:
        return type(self)(self.check, self.picture)

    def _inside(self, before: Mode | None) -> tuple[bool, Any]:
        outer = None if before is None else before.trace
        inner = outer.inner if isinstance(outer, Watch) else outer
        return before is None or before.recording, Watch(self.check, self.picture, inner)

    def _enter(self, before: Mode | None) -> None:
        super()._enter(before)
        _silenced.set((self, np.seterr(divide="ignore", over="ignore", invalid="ignore"), _silenced.get()))

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        silenced = _silenced.get()
        if silenced is not None and silenced[0] is self:
            np.seterr(**silenced[1])
            _silenced.set(silenced[2])
        else:
            _silenced.set(left_out(self, silenced))


class Sentry:
    """What a watched node carries where no trace records: who hears of its backward pass, and where it was called.

    watch   the Watch
    names   for each argument: the Tensor's name, or None
    source  "file:line" of the caller, "" where the node is older than the watch
    """

    __slots__ = ("names", "source", "watch")

    saved = None

    def __init__(self, watch: Watch, names: tuple[str | None, ...] = (), source: str = ""):
        self.watch, self.names, self.source = watch, names, source

    def note_gradient(self, g: Any, node: Node, before: Any) -> None:
        self.watch.note_gradient(g, node, before)

    def note_contribution(self, position: int, d: Any, node: Node, g: Any, so_far: Any) -> None:
        self.watch.note_contribution(position, d, node, g, so_far)

    def note_failure(self, error: Exception, node: Node) -> None:
        self.watch.note_failure(error, node)

    def keep(self, saved: Any) -> None:
        """Keep nothing."""


class Watch(Trace):
    """Looks at every result and every gradient inside a block.

    inner  the trace of the user's that also listens, if there is one
    """

    def __init__(self, check: str, picture: Any, inner: Trace | None):
        super().__init__()
        self.check, self.picture, self.inner = check, picture, inner
        self.keeper = inner
        if inner is None and picture is not None:  # a picture shows values: they are recorded, but no node is kept
            self.keeper = Trace()
            self.keeper.nodes = collections.deque(maxlen=0)  # type: ignore[assignment]

    def joined_by(self, other: Trace) -> Trace:
        return Watch(self.check, self.picture, other)

    @property
    def in_rules(self) -> Any:
        return self.inner  # what rules make on the way is judged by what they return: 0 * inf may yet become 0

    # ------------------------------------------------------------------------------------------- forward

    def record(self, node: Node, y: Any, inputs: Any, seconds: float) -> Any:
        made: Any
        if self.keeper is None:
            made = Sentry(self, tuple([v.name if isinstance(v, Variable) else None for v in inputs]), caller())
        else:
            made = self.keeper.record(node, y, inputs, seconds)
            made.watch = self
        self._check_forward(node.operation, y, inputs, made.source, node)
        return made

    def untracked(self, operation: Operation, y: Any, inputs: Any) -> None:
        self._check_forward(operation, y, inputs, "", None)

    def failed(self, operation: Operation, inputs: Any, error: Exception) -> None:
        super().failed(operation, inputs, error)
        if self.picture is not None:
            path, trouble = saved_to(self.picture, lambda: picture_of(standing_in(operation, None, inputs)))
            error.add_note(f"picture: {path or trouble}")

    def _check_forward(self, operation: Operation, y: Any, inputs: Any, source: str, node: Node | None) -> None:
        for part in y if isinstance(y, (tuple, list)) else (y,):
            if self._is_fine(part):
                continue
            given, named = list(floats_in(inputs)), _named(operation, inputs)
            bad = self._bad(np.asarray(part), given, operation.elementwise)
            if bad is None:  # an infinity that follows from one that came in
                continue
            called, came_in = called_by_users(operation), None
            if bad.made:
                summary = f"operation '{called}' made {bad.kind} {bad.extent}, from {without(bad.kind, given)} inputs"
            else:
                came_in = holder_of_nan(named)
                summary = (
                    f"operation '{called}' passed nan on, {bad.of_its_result}: it was not made here, but came in with its "
                    f"argument '{came_in}'"
                )
            self._raise(
                AnomalyError(
                    summary, called, "forward", came_in, source=source or caller(), inputs=_statistics(named),
                    output=statistics_of(np.asarray(part)), node=node,
                    names={name: value.name for name, value in named if isinstance(value, Variable) and value.name},
                ),
                lambda: picture_of(standing_in(operation, y, inputs, node)),
            )  # fmt: skip

    # ------------------------------------------------------------------------------------------- backward

    def walk(self, order: list[Node], seeds: Any) -> Any:
        for node, seed in seeds.items():
            for part in seed if isinstance(seed, list) else (seed,):
                if not self._is_fine(part):
                    self._raise_of_gradient(node, part, "the gradient given to the backward pass holds {}")
        before: list[Any] = []
        for node in order:
            notes = node.notes
            if (node.operation is None or node.operation.index_only) and (notes is None or not notes.hooks):
                continue
            record = None if notes is None else notes.record
            if record is None:
                notes_of(node).record = Sentry(self)
                before.append((node, None))
            elif record.watch is not self:
                before.append((node, (record, record.watch)))
                record.watch = self
        return before

    def walked(self, watched: Any) -> None:
        """Leave behind what was there before: outside of the block only what was recorded inside is watched."""
        for node, before in watched:
            if before is None:
                node.notes.record = None
            else:
                record, record.watch = before

    def note_gradient(self, g: Any, node: Node, before: Any) -> None:
        """Look at the gradient that has arrived at `node`, and at what its hooks made of it.

        All that was handed on to it has been looked at already.
        """
        if g is not before and not self._is_fine(g):
            array, given = array_of(g), array_of(before)
            if np.isnan(array).any() or self._bad(array, [given], True) is not None:
                self._raise_of_gradient(node, g, f"the gradient of {_called(node)} after its hooks holds {{}}")
        for part in g if isinstance(g, list) else (g,):
            if part is not None and np.isnan(array_of(part)).any():
                how = "holds {}: it was given, or comes from where nothing is watched"
                self._raise_of_gradient(node, part, f"the gradient of {_called(node)} {how}")

    def note_contribution(self, position: int, d: Any, node: Node, g: Any, so_far: Any) -> None:
        """Look at what `node` hands on to its argument at `position`, and at the sum of that and `so_far`."""
        term = array_of(d)
        if not self._is_fine(term):
            self._check_rule(position, term, node, g, isinstance(d, Variable))
        if so_far is not None:
            with np.errstate(all="ignore"):
                total = array_of(so_far) + term
            if not self._is_fine(total):
                self._check_sum(position, [array_of(so_far), term], total, node)

    def note_failure(self, error: Exception, node: Node) -> None:
        """Draw where a rule raised an error."""
        if self.picture is not None:
            path, trouble = saved_to(self.picture, lambda: picture_of(node))
            error.add_note(f"picture: {path or trouble}")

    def _check_rule(self, position: int, d: np.ndarray, node: Node, g: Any, recorded: bool) -> None:
        operation = node.operation
        parts = [(f"g[{i}]", part) for i, part in enumerate(g)] if isinstance(g, list) else [("g", g)]
        arrived = {name: array_of(part) for name, part in parts if part is not None}
        kept = dict(_kept(node, position))
        given = [*arrived.values(), *floats_in(kept), *floats_in(_context(node))]
        bad = self._bad(d, given, operation.elementwise and all(array.shape in (d.shape, ()) for array in given))
        if bad is None:
            return
        argument = _argument(operation, position)
        rule = "rule" if operation.reference is None else "reference" if recorded else "kernel"
        where = f"{rule} of operation '{called_by_users(operation)}' for '{argument}'"
        if not bad.made:
            holder = holder_of_nan([*arrived.items(), *kept.items()])
            summary = f"the {where} passed nan on, {bad.extent}: it was not made here, but came in with {holder or 'what it kept'}"
        elif without(bad.kind, given) == "finite":
            summary = f"the {where} made {bad.kind} {bad.extent}, from a finite gradient"
        else:
            summary = f"the {where} made {bad.kind} {bad.extent}, from what held no {bad.kind}"
        outside = {name: outward(array) for name, array in arrived.items()}
        self._raise(
            AnomalyError(
                summary, called_by_users(operation), "backward", argument,
                "" if rule == "reference" else _rule_text(operation, argument), _source(node),
                _statistics([*outside.items(), *kept.items()]), statistics_of(outward(d)), node, _names(node),
            ),
            lambda: picture_of(node, outside.get("g"), (position, outward(d))),
        )  # fmt: skip

    def _check_sum(self, position: int, terms: list[np.ndarray], total: np.ndarray, node: Node) -> None:
        bad = self._bad(total, terms, True)
        if bad is None or not bad.made:
            return
        operation, parent = node.operation, node.parents[position]
        assert parent is not None
        called = called_by_users(operation)
        how = "it is too large a number" if bad.kind == "inf" else "inf and -inf met"
        became = f"became {bad.kind} {bad.extent}: {how}; the last term came from '{called}'"
        summary = f"the sum of the gradients of {_called(parent)} {became}"
        terms = [outward(term) for term in terms]
        self._raise(
            AnomalyError(
                summary, called, "backward", _argument(operation, position), source=_source(node),
                inputs=_statistics([("before", terms[0]), ("added", terms[1])]), output=statistics_of(outward(total)), node=node,
            ),
            lambda: picture_of(node),
        )  # fmt: skip

    def _raise_of_gradient(self, node: Node, g: Any, summary: str) -> None:
        array = outward(array_of(g))
        bad = self._bad(array, [], True)
        assert bad is not None
        self._raise(
            AnomalyError(
                summary.format(f"{bad.kind} {bad.extent}"), label(node), "backward", source=_source(node),
                inputs={"g": statistics_of(array)}, node=node,
            ),
            lambda: picture_of(node, array),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- looking

    def _is_fine(self, value: Any) -> bool:
        array = array_of(value)
        if array.dtype.kind not in "fc":
            return True
        return bool(np.isfinite(array).all()) or (self.check == "nan" and not np.isnan(array).any())

    def _bad(self, result: np.ndarray, given: list[np.ndarray], each: bool) -> Bad | None:
        return found_in(result, given, each, self.check)

    def _raise(self, error: AnomalyError, draw: Callable[[], Any]) -> None:
        error.can_be_drawn(draw, self.picture)
        try:
            raise error
        finally:
            del error, draw  # its traceback has this frame: a circle, that would keep the graph alive


def _called(node: Node) -> str:
    return f"'{label(node)}'" if node.operation is None else f"the result of operation '{label(node)}'"


def called_by_users(operation: Operation) -> str:
    return operation.name.removesuffix("_constant")


def _argument(operation: Operation, position: int) -> str:
    return f"{operation.arguments[0]}[{position}]" if operation.sequence else operation.arguments[position]


def _named(operation: Operation, inputs: Any) -> list[tuple[str, Any]]:
    return [(_argument(operation, i), value) for i, value in enumerate(inputs)]


def _statistics(named: Any) -> dict[str, Any]:
    """Return the statistics of those of the arguments that are arrays or floating numbers."""
    return {
        name: statistics_of(array_of(value))
        for name, value in named
        if isinstance(value, (Variable, np.ndarray, np.generic, float, complex)) and array_of(value).dtype.kind in "biufc"
    }


def _kept(node: Node, position: int) -> Iterator[tuple[str, Any]]:
    """Yield what the rule of the argument at `position` gets besides g, by name."""
    operation = node.operation
    arguments = operation.arguments
    if operation.reference is not None:
        yield from zip(arguments, node.saved[0])
    elif operation.picks:
        pick, saved = (operation.picks[0], node.saved) if operation.sequence else (operation.picks[position], node.saved[position])
        for k, value in zip(pick, (saved,) if len(pick) == 1 else saved or ()):
            if k <= len(arguments):
                yield arguments[k] if k < len(arguments) else "y", value


def _context(node: Node) -> Any:
    return node.saved[1] if node.operation.reference is not None else ()


def _source(node: Node) -> str:
    record = None if node.notes is None else node.notes.record
    return "" if record is None else str(record.source)


def _names(node: Node) -> dict[str, str]:
    """Return the names that the Tensors have that were arguments, where these are known."""
    record = None if node.notes is None else node.notes.record
    return {} if record is None else {_argument(node.operation, i): name for i, name in enumerate(record.names) if name}


def _rule_text(operation: Operation, argument: str) -> str:
    from .drawing.rules import rules_of

    try:
        rules = rules_of(operation)
    except Exception:  # of code that cannot be read: no reason to hide the error
        return ""
    return rules.get(argument) or rules.get(operation.arguments[0] if operation.sequence else "", "")
