"""Whether model, loss, optimizer and callbacks make a training, and the cure where they do not."""

from __future__ import annotations

import warnings
from typing import Any

from autodiff import Tensor

from .. import optim
from ..callbacks.callback import Callback, check_events
from ..module import Module


def check_parts(model: Any, loss: Any, optimizer: Any) -> None:
    """Raise TypeError or ValueError, naming the cure, where these do not make a training."""
    if isinstance(model, type):
        raise TypeError(f"Trainer: model is the class {model.__name__}; make a model of it: {model.__name__}(...)")
    if not isinstance(model, Module):
        raise TypeError(f"Trainer: model must be a Module, got {type(model).__name__}")
    if isinstance(loss, type):
        raise TypeError(f"Trainer: loss is the class {loss.__name__}; make a loss of it: {loss.__name__}()")
    if not callable(loss):
        raise TypeError(
            f"Trainer: loss must be a loss such as nn.CrossEntropyLoss(), or a function of (prediction, target), got {loss!r}"
        )
    if getattr(loss, "reduction", None) == "none":
        raise ValueError(f"Trainer: {type(loss).__name__} has reduction='none', but one number is needed; use 'mean'")
    if isinstance(optimizer, type):
        raise TypeError(
            f"Trainer: optimizer is the class {optimizer.__name__}; write {optimizer.__name__}(model.parameters(), lr=...)"
        )
    if isinstance(optimizer, str):
        raise TypeError(
            f"Trainer: optimizer is the text {optimizer!r}; write one such as nn.optim.Adam(model.parameters(), lr=1e-3)"
        )
    if not all(hasattr(optimizer, name) for name in ("step", "zero_grad", "param_groups", "state_dict")):
        raise TypeError(f"Trainer: optimizer must be one such as nn.optim.Adam(model.parameters()), got {type(optimizer).__name__}")
    if isinstance(optimizer, getattr(optim, "LBFGS", ())):
        raise TypeError("Trainer: LBFGS computes the loss several times in a step, which this loop does not; write "
                        "optimizer.step(closure) in a loop of your own")  # fmt: skip
    own = {id(p) for p in model.parameters()}
    of_loss = {id(p) for p in loss.parameters()} if isinstance(loss, Module) else set()
    given = [p for group in optimizer.param_groups for p in group["params"]]
    if own and not any(id(p) in own for p in given):
        raise ValueError(
            "Trainer: the optimizer has none of the model's parameters, so nothing would be learned. Make it of this model: "
            f"{type(optimizer).__name__}(model.parameters()), after the model was made, copied or changed for the last time"
        )
    strange = [p for p in given if id(p) not in own | of_loss]
    if strange:
        called = ", ".join(p.name or f"one of shape {p.shape}" for p in strange[:3])
        warnings.warn(
            f"Trainer: {len(strange)} of the optimizer's parameters ({called}{', ...' if len(strange) > 3 else ''}) belong "
            "neither to the model nor to the loss. Was a layer exchanged after the optimizer was made?",
            UserWarning,
            stacklevel=3,
        )


def checked_callbacks(callbacks: Any) -> list[Callback]:
    if isinstance(callbacks, Callback):
        raise TypeError(f"Trainer: callbacks must be several; write [{type(callbacks).__name__}(...)]")
    result = list(callbacks)
    for callback in result:
        if isinstance(callback, type):
            raise TypeError(f"Trainer: a callback is the class {callback.__name__}; make one of it: {callback.__name__}(...)")
        if not isinstance(callback, Callback):
            cure = "; wrap it: nn.callbacks.LRScheduler(...)" if hasattr(callback, "step") else ""
            raise TypeError(f"Trainer: a callback must be a nn.callbacks.Callback, got {type(callback).__name__}{cure}")
        check_events(callback, vars(callback), type(callback).__name__)
    return result


def no_output(model: Module) -> str:
    return f"the model {type(model).__name__} returned None; its forward seems to have no `return`"


def blame(trainer: Any, error: BaseException) -> None:
    """Add to an error of a training which part of it is to blame, where what the loop had at hand tells that."""
    place = error.__traceback__
    at_hand: dict[str, Any] = {}
    while place is not None:
        if place.tb_frame.f_globals.get("__name__") == "nn.trainer":
            at_hand |= place.tb_frame.f_locals
        place = place.tb_next
    if isinstance(error, Exception):
        note = _complaint(trainer, error, at_hand)
        if note is not None and note not in getattr(error, "__notes__", ()):
            error.add_note(note)


def _complaint(trainer: Any, error: Exception, at_hand: dict[str, Any]) -> str | None:
    prediction, loss = at_hand.get("prediction", trainer), at_hand.get("loss", trainer)  # a trainer is neither
    if prediction is None:
        return no_output(trainer.model)
    if isinstance(at_hand.get("x"), tuple) and len(at_hand["x"]) > 1 and isinstance(error, TypeError):
        return f"predict takes inputs only, and each of the {len(at_hand['x'])} arrays was one; without the targets: predict(X)"
    if loss is trainer:
        return None
    name = getattr(trainer.loss, "__name__", type(trainer.loss).__name__)
    if not isinstance(loss, Tensor):
        return (f"the loss {name} returned a {type(loss).__name__}; it must return a Tensor of one number, computed from the "
                "prediction by operations on Tensors: without float(), .item() and .numpy()")  # fmt: skip
    if loss.requires_grad:
        return None
    count = sum(1 for _ in trainer.model.parameters())
    if not any(p.requires_grad for p in trainer.model.parameters()):
        return (f"all {count} parameters of the model are frozen (requires_grad=False), so there is nothing to learn"
                if count else "the model has no parameters, so there is nothing to learn")  # fmt: skip
    part = f"the loss {name}" if getattr(prediction, "requires_grad", False) else f"the model {type(trainer.model).__name__}"
    return f"what {part} returned does not depend on the parameters: somewhere in it is .detach(), .numpy() or no_grad()"
