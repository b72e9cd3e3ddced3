"""Whether model, loss, optimizer and callbacks make a training, and the cure where they do not."""

from __future__ import annotations

import warnings
from typing import Any

from .. import optim
from ..callbacks.callback import Callback
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
    return result
