"""What must be known of a training to go on with it bit by bit: taken from a Trainer, and put back."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks.callback import Callback
from ..data import DataLoader
from ..module import Module
from .random_state import generators_in, restore, states_of

if TYPE_CHECKING:
    from ..trainer import Trainer


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Return all that `fit` needs to go on from here."""
    return {
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "steps": trainer.steps,
        "inside": trainer.inside,
        "row": dict(trainer.row) if trainer.inside else {},
        "totals": trainer.totals.state_dict() if trainer.inside else None,
        "history": trainer.history.state_dict(),
        "model": trainer.model.state_dict(),
        "loss": trainer.loss.state_dict() if isinstance(trainer.loss, Module) else {},
        "optimizer": trainer.optimizer.state_dict(),
        "callbacks": {name: state for name, callback in named(trainer.callbacks).items() if (state := callback.state_dict())},
        "loader": _place(trainer.loader, trainer.inside),
        "validation": _place(trainer.validation, False),
        "generators": states_of(_generators(trainer)),
    }


@contextlib.contextmanager
def undone_on_failure(trainer: Trainer) -> Iterator[None]:
    """Give model, loss and optimizer back what they had, where going on fails: they never have one part of a file."""
    taking_part: tuple[Any, ...] = (trainer.model, trainer.loss, trainer.optimizer)
    parts = [part for part in taking_part if hasattr(part, "load_state_dict")]
    before = [(part, copy.deepcopy(part.state_dict())) for part in parts]
    try:
        yield
    except BaseException:
        for part, state in before:
            part.load_state_dict(state)
        raise


def restore_model(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Put back what callbacks may look at when the training starts."""
    absent = [key for key in ("epoch", "batch", "model", "optimizer", "generators") if key not in state]
    if absent:
        raise ValueError(f"fit: the file to resume from has no '{absent[0]}'; it was not written by a Checkpoint callback")
    if state["inside"] and state["loader"] is None:
        raise ValueError(
            "fit: the file was written within an epoch, and its loader could not tell where it was: a loader of your own needs "
            "state_dict() and load_state_dict(). Checkpoint(path) without every_batches writes at the ends of epochs"
        )
    callbacks = named(trainer.callbacks)
    unknown = [name for name in state["callbacks"] if name not in callbacks]
    if unknown:
        raise ValueError(f"fit: the training to resume had a callback {unknown[0]}, which is missing now")
    trainer.model.load_state_dict(state["model"])
    if isinstance(trainer.loss, Module):
        trainer.loss.load_state_dict(state["loss"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.history.load_state_dict(state["history"])
    trainer.epoch, trainer.batch, trainer.steps = state["epoch"], state["batch"], state["steps"]
    trainer.inside, trainer.row = state["inside"], dict(state["row"])
    trainer.stopping = trainer.history.stopped is not None
    if trainer.inside:
        trainer.totals.load_state_dict(state["totals"])


def restore_rest(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Put back what the callbacks have had their chance to change: their own states, the places in the data, randomness last."""
    for name, callback in named(trainer.callbacks).items():
        if name in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][name])
    for batches, place in ((trainer.loader, state["loader"]), (trainer.validation, state["validation"])):
        if place is not None and hasattr(batches, "load_state_dict"):
            batches.load_state_dict(place)
    restore(_generators(trainer), state["generators"])


def _generators(trainer: Trainer) -> dict[str, np.random.Generator]:
    return generators_in(model=trainer.model, loss=trainer.loss, data=trainer.loader, validation=trainer.validation)


def named(callbacks: Iterable[Callback]) -> dict[str, Callback]:
    """Return callbacks by the names of their classes, numbered where there are several."""
    found: dict[str, Callback] = {}
    for callback in callbacks:
        name = kind = type(callback).__name__
        number = 1
        while name in found:
            number += 1
            name = f"{kind} {number}"
        found[name] = callback
    return found


def _place(batches: Any, inside: bool) -> Any:
    """Return where a loader is in its data; between epochs a DataLoader is nowhere, and its generators tell the rest."""
    return batches.state_dict() if hasattr(batches, "state_dict") and (inside or type(batches) is not DataLoader) else None
