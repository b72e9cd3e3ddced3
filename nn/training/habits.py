"""What users of other libraries write, and how it is written here: errors that name the cure.

Looked at before a call, by the names of arguments and the kinds of their values; no argument means anything else for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from autodiff import Tensor

from ..module import Module

_Method = TypeVar("_Method", bound=Callable[..., Any])

_TUPLE = "inputs and targets are one tuple: {method}((X, y), ...)"
_OF_TRAINER = "it belongs to the Trainer: nn.Trainer(model, loss, optimizer, {given}=...)"
_SPLIT = "split the data with nn.data.random_split, and give fit(train, validation=rest)"
_WEIGHTS = "a loss takes weights: nn.CrossEntropyLoss(weight=...) for classes; or nn.data.WeightedRandomSampler in a DataLoader"
_CURES = {
    "x": _TUPLE,
    "X": _TUPLE,
    "y": _TUPLE,
    "validation_data": "it is called validation: fit((X, y), validation=(X_val, y_val))",
    "val_data": "it is called validation: fit((X, y), validation=(X_val, y_val))",
    "val_dataloaders": "it is called validation: fit(train_loader, validation=val_loader)",
    "train_dataloaders": "the data comes first: fit(train_loader, validation=val_loader)",
    "validation_split": _SPLIT,
    "validation_fraction": _SPLIT,
    "verbose": "progress=False is silent, progress='lines' prints a line an epoch, progress='bar' a bar",
    "callbacks": _OF_TRAINER,
    "metrics": _OF_TRAINER,
    "loss": _OF_TRAINER,
    "optimizer": _OF_TRAINER,
    "max_epochs": "it is called epochs: fit((X, y), epochs=...)",
    "n_epochs": "it is called epochs: fit((X, y), epochs=...)",
    "ckpt_path": "it is called resume: fit(data, epochs, resume=path)",
    "initial_epoch": "fit(data, epochs, resume=path) goes on from the file of a nn.callbacks.Checkpoint",
    "steps_per_epoch": "an epoch goes through all of the data; a DataLoader with RandomSampler(num_samples=...) is different",
    "class_weight": _WEIGHTS,
    "sample_weight": _WEIGHTS,
}


def says_how(method: _Method) -> _Method:
    """Let a method of the Trainer raise TypeError with the cure, where it is called as in other libraries."""
    name = method.__name__
    known = method.__code__.co_varnames[: method.__code__.co_argcount + method.__code__.co_kwonlyargcount]
    foreign = {given: cure for given, cure in _CURES.items() if given not in known}

    @functools.wraps(method)
    def checked(*arguments: Any, **options: Any) -> Any:
        for given in options:
            if given in foreign:
                raise TypeError(f"{name}: there is no argument {given!r}; {foreign[given].format(method=name, given=given)}")
        _check_data(name, arguments[1:], options)
        return method(*arguments, **options)

    return checked  # type: ignore[return-value]


def _check_data(name: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    if arguments and isinstance(arguments[0], Module):
        raise TypeError(f"{name}: the Trainer has its model already; give the data alone: trainer.{name}(data)")
    second = arguments[1] if len(arguments) > 1 else options.get("epochs", options.get("batch_size"))
    if not (isinstance(second, (Tensor, np.ndarray, list, tuple)) or (np.ndim(second) and hasattr(second, "__array__"))):
        if len(arguments) > 2 and name == "fit":
            raise TypeError("fit: only data and epochs go by position; the others by name: fit(data, 10, validation=...)")
        return
    if name == "predict":
        raise TypeError("predict: it takes inputs only, and targets are not needed: predict(X)")
    epochs = ", epochs" if name == "fit" else ""
    raise TypeError(f"{name}: expected inputs and targets as one tuple: {name}((X, y){epochs})")
