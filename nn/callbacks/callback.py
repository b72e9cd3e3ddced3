"""`Callback`: what may listen to a training, and the events that it hears.

Knows no training: `nn.Trainer` calls the events, and gives itself along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..trainer import Trainer

EVENTS = (
    "on_fit_start",
    "on_epoch_start",
    "on_batch_start",
    "on_backward_end",
    "on_batch_end",
    "on_evaluate_start",
    "on_evaluate_end",
    "on_epoch_end",
    "on_fit_end",
)
_ELSEWHERE = {
    "on_train_start": "on_fit_start",
    "on_train_end": "on_fit_end",
    "on_after_backward": "on_backward_end",
    "on_before_optimizer_step": "on_backward_end",
    "on_before_zero_grad": "on_batch_start",
}


class Callback:
    """Listens to a training: a subclass defines those events that it wants to hear.

    order  who comes first at an event; callbacks of the same order come as they were given. Checkpoints come last

    Each event gets the Trainer, whose attributes tell where the training is: `epoch`, `batch`, `steps`, `loss_value`, `row`,
    `history`, `model`, `optimizer`. `trainer.stop(reason)` ends the training, `trainer.row["mine"] = 1.0` adds a column to
    the history. A method whose name begins with on_ and is no event is refused with TypeError: it would never be called.

    >>> import numpy as np, nn
    >>> class Announce(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print("epoch", trainer.epoch, "took", trainer.batch, "batches")
    >>> model = nn.Linear(1, 1)
    >>> trainer = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters()), callbacks=[Announce()])
    >>> _ = trainer.fit((np.zeros((6, 1)), np.zeros((6, 1))), batch_size=4, progress=False)
    epoch 1 took 2 batches
    """

    order: int = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_events(cls, dir(cls), cls.__name__)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch; also where a training is resumed."""

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Before the first batch of an epoch."""

    def on_batch_start(self, trainer: Trainer) -> None:
        """Before a batch is used."""

    def on_backward_end(self, trainer: Trainer) -> None:
        """Between `backward` and `step`: all gradients of this step are there."""

    def on_batch_end(self, trainer: Trainer) -> None:
        """After the step of a batch; `trainer.stepped` is False where gradients are still being accumulated."""

    def on_evaluate_start(self, trainer: Trainer) -> None:
        """Before the model is used and not trained: validation, `evaluate`, `predict`."""

    def on_evaluate_end(self, trainer: Trainer) -> None:
        """After it was used, also where that failed."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch and its validation; its numbers are in `trainer.row`, and what is added there is in the history."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """At the end, also where an error (`trainer.error`) or Ctrl-C ended the training: close here what you opened."""

    def __repr__(self) -> str:
        """Return the class, and those of its arguments that it keeps under their names as plain values."""
        code = getattr(type(self).__init__, "__code__", None)
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount] if code is not None else ()
        given = [(name, getattr(self, name)) for name in names if hasattr(self, name)]
        kept = [f"{name}={value!r}" for name, value in given if value is None or isinstance(value, (bool, int, float, str))]
        return f"{type(self).__name__}({', '.join(kept)})"

    def state_dict(self) -> dict[str, Any]:
        """Return what must be known to go on from here, as plain data, arrays and Tensors."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict()` returned; called after `on_fit_start`."""


def check_events(owner: Any, names: Iterable[str], called: str) -> None:
    """Raise TypeError where one of these names looks like an event and is none, or is one that wants more than the Trainer."""
    for name in names:
        method = getattr(owner, name) if name.startswith("on_") else None
        if method is None or not callable(method):
            continue
        if name not in EVENTS:
            near = _nearest(name)
            raise TypeError(
                f"{called}: {name} is no event and would never be called{f'; {near} is near' if near else ''}. The events are "
                f"{', '.join(EVENTS)}; a method that is none must not begin with on_"
            )
        if isinstance(method, FunctionType) and isinstance(owner, type):
            code = method.__code__
            if code.co_argcount - len(method.__defaults__ or ()) > 2 or "logs" in code.co_varnames[: code.co_argcount]:
                given = ", ".join(code.co_varnames[: code.co_argcount])
                raise TypeError(f"{called}: {name}({given}) gets the Trainer alone: def {name}(self, trainer). Epoch and numbers "
                                "are trainer.epoch, trainer.batch, trainer.row, the model trainer.model")  # fmt: skip


def _nearest(name: str) -> str | None:
    """Return the event that is meant by a name of Keras, Lightning or a slip of the pen; None where that cannot be told."""
    name = name.replace("begin", "start")
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    for word in ("validation", "test", "val", "predict"):
        if name in (f"on_{word}_start", f"on_{word}_end"):
            return name.replace(word, "evaluate")
    from difflib import get_close_matches

    return next(iter(get_close_matches(name.replace("_train_", "_"), EVENTS, n=1)), None)


def listeners(callbacks: Any) -> dict[str, list[Any]]:
    """Return for each event the methods that are to be called, in their order; those that do nothing are left out."""
    ordered = sorted(callbacks, key=lambda callback: callback.order)
    return {
        event: [getattr(callback, event) for callback in ordered if _defines(callback, event)]
        for event in EVENTS
    }  # fmt: skip


def _defines(callback: Callback, event: str) -> bool:
    return getattr(type(callback), event) is not getattr(Callback, event) or event in vars(callback)
