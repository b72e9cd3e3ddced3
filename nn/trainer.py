"""`Trainer`: the training loop, with what one would otherwise write around it.

The loop is `Trainer.fit`: read it first. Everything else here prepares it, or ends it.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from autodiff import Tensor, no_grad

from .callbacks.callback import Callback, listeners
from .callbacks.checkpoints import Checkpoint
from .callbacks.monitoring import checked_count
from .callbacks.not_finite import warn_of_loss
from .checkpoint import load_checkpoint
from .data import DataLoader, Dataset, IterableDataset
from .history import History
from .module import Module
from .progress import shown
from .training.batches import as_batches, checked, copied, count_of, in_groups, inputs_of, joined
from .training.evaluation import Totals
from .training.habits import says_how
from .training.lr_finder import LRCurve, range_test
from .training.metrics import metrics_by_name
from .training.parts import blame, check_parts, checked_callbacks, no_output
from .training.resuming import named, restore_model, restore_rest, state_of, undone_on_failure


class Trainer:
    """Trains a model: `fit` is PyTorch's loop, with metrics, validation, callbacks, checkpoints and a progress bar around it.

    model       a Module
    loss        a Module or function of (prediction, target) that returns a number: nn.CrossEntropyLoss()
    optimizer   an optimizer of the model's parameters
    metrics     names of `nn.metrics`, or functions f(input, target) of arrays, or a dict of names to these; computed once an
                epoch from all of its predictions and targets. Those of `nn.metrics` take the output as the loss does: after
                BCEWithLogitsLoss a number above 0 is a yes; F1 and the like are "macro" means where classes are several
    callbacks   `nn.callbacks`: what listens and takes part
    accumulate  make one step for the gradients of so many batches, as if they were one

    epoch, batch, steps  where the training is, counted from 1; `steps` of the optimizer, through all epochs
    epochs, batches      how many there will be; `batches` is None where a loader does not know
    loss_value           the loss of the last batch
    samples              the batch itself, while it is used: its inputs and, last, its target
    row                  the numbers of this epoch; what a callback adds, `trainer.row["mine"] = 1.0`, is a column of the history
    history              of the last `fit`, also where it was interrupted
    error                what ended `fit`, for `on_fit_end`; else None

    >>> import nn
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> _ = nn.manual_seed(0)
    >>> model = nn.Linear(1, 1)
    >>> trainer = Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit((x, 2 * x + 1), epochs=20, progress=False)
    >>> round(model.weight.item(), 1), round(model.bias.item(), 1)
    (1.9, 1.0)
    >>> history["loss"][-1] < 0.01
    True
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Tensor],
        optimizer: Any,
        metrics: Any = None,
        callbacks: Iterable[Callback] = (),
        *,
        accumulate: int = 1,
    ):
        check_parts(model, loss, optimizer)
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.metrics = metrics_by_name(metrics, loss)
        self.callbacks = checked_callbacks(callbacks)
        self.accumulate = checked_count(accumulate, "Trainer: accumulate", 1)
        self.loader: Any = None
        self.validation: Any = None
        self.epochs = 0
        self._begin_anew()
        self._listeners = listeners(self.callbacks)

    def _begin_anew(self) -> None:
        self.epoch = self.batch = self.steps = 0
        self.batches: int | None = None
        self.inside = False  # an epoch
        self.loss_value = float("nan")
        self.samples: Any = None
        self.row: dict[str, float] = {}
        self.history = History()
        self.totals = self._totals()
        self.stopping = False
        self.error: BaseException | None = None
        self.step_begins = self.step_ends = True
        self._share: float | None = None
        self._weight = 0.0  # of the batch, in the mean loss of the epoch
        self._whole = False  # whether all batches of the epoch were used
        self._source: Any = None
        self._warned = False  # of a loss that is not finite

    # ------------------------------------------------------------------------------------------- the loop

    @says_how
    def fit(
        self,
        data: Any,
        epochs: int = 1,
        *,
        validation: Any = None,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        generator: np.random.Generator | None = None,
        progress: bool | str | None = None,
        resume: str | os.PathLike[str] | bool | None = None,
    ) -> History:
        """Train the model, and return the history.

        data        arrays (X, y), a Dataset of such pairs, or a DataLoader; with more than two parts all but the last are inputs
        epochs      how often to go through the data
        validation  data to measure the model on after each epoch, without learning from it
        batch_size  samples in a batch, by default 32; a loader has its own
        shuffle     draw a new order for each epoch, by default yes; a loader has its own
        generator   numpy.random.Generator for the order; None takes the default one (`nn.manual_seed`)
        progress    None: a bar on a terminal or in a notebook, a line an epoch in a file; "bar", "lines"; False: nothing
        resume      file of a Checkpoint to go on from, until there are `epochs` in all; True: that of the Checkpoint callback,
                    if it is there

        Ctrl-C ends it with KeyboardInterrupt; model, `trainer.history` and callbacks are then as after the last batch. Modules
        have the modes (`train`, `eval`) again that they had before.
        """
        state = self._prepare(data, epochs, validation, batch_size, shuffle, generator, resume)
        with self._session(progress, state):
            for epoch in self._epochs():
                for *inputs, target in self._batches():
                    self._tell("on_batch_start")
                    if self.step_begins:  # with each batch, unless the gradients of several are accumulated
                        self.optimizer.zero_grad()
                    prediction = self.model(*inputs)
                    loss = self.loss(prediction, target)
                    loss.backward(self._share)
                    self._count(prediction, target, loss.item())
                    if self.step_ends:
                        self._tell("on_backward_end")
                        if self.stopping:
                            break
                        self.optimizer.step()
                        self.steps += 1
                    self._tell("on_batch_end")
                self._end_epoch(epoch)
        return self.history

    def stop(self, reason: str) -> None:
        """End the training, after this batch or epoch; said by a callback in `on_backward_end`, before the step."""
        if not self.stopping:
            self.stopping = True
            self.history.stopped = reason

    @property
    def stepped(self) -> bool:
        """Whether the optimizer has made its step for the gradients up to this batch."""
        return self.step_ends

    @property
    def validated(self) -> bool:
        """Whether `fit` measures the model on validation data."""
        return self.validation is not None

    # ------------------------------------------------------------------------------------------- around the loop

    def _prepare(
        self, data: Any, epochs: int, validation: Any, batch_size: int | None, shuffle: bool | None, generator: Any, resume: Any
    ) -> dict[str, Any] | None:
        """Check what `fit` was given; return the saved state to go on from, or None."""
        epochs = checked_count(epochs, "fit: epochs", 0)
        loader = as_batches("fit", data, batch_size, shuffle, generator, mixed=True)
        size = batch_size if isinstance(validation, (tuple, Dataset, IterableDataset)) else None
        checks = None if validation is None else as_batches("fit: validation", validation, size)
        if resume is True:
            paths = [callback.path for callback in self.callbacks if isinstance(callback, Checkpoint)]
            if not paths:
                raise ValueError("fit: resume=True goes on from the file of a Checkpoint callback, and there is none")
            resume = paths[0] if os.path.exists(paths[0]) else None
        state = None if resume is None or resume is False else load_checkpoint(resume)
        self._begin_anew()
        self.epochs, self.loader, self.validation = epochs, loader, checks
        self.batches = count_of(loader)
        return state

    @contextlib.contextmanager
    def _session(self, progress: bool | str | None, state: Mapping[str, Any] | None) -> Iterator[None]:
        modules = [*self.model.modules(), *(self.loss.modules() if isinstance(self.loss, Module) else ())]
        modes = [(module, module.training) for module in modules]
        self._listeners = listeners([*self.callbacks, *shown(progress)])
        try:
            if state is None:
                self._tell("on_fit_start")
            else:
                with undone_on_failure(self):
                    restore_model(self, state)
                    self._tell("on_fit_start")
                    restore_rest(self, state)
            yield
        except BaseException as error:
            self.error = error
            blame(self, error)
            if self.inside:
                of = f" of {self.batches}" if self.batches is not None else ""
                error.add_note(f"in Trainer.fit, epoch {self.epoch} of {self.epochs}, batch {self.batch}{of}")
            raise
        finally:
            if hasattr(self._source, "close"):  # ends the workers of a loader
                self._source.close()
            self._source = self.samples = None
            for module, training in modes:
                module.training = training
            try:
                self._tell_all("on_fit_end")
            finally:
                self._listeners = listeners(self.callbacks)

    def _epochs(self) -> Iterator[int]:
        """Yield the numbers of the epochs that are left."""
        while not self.stopping and (self.inside or self.epoch < self.epochs):
            if not self.inside:  # else the training was resumed in the middle of one
                self.epoch += 1
                self.batch, self.row, self.totals, self.inside = 0, {}, self._totals(), True
                self._tell("on_epoch_start")
            self._whole = False
            self.model.train()
            yield self.epoch

    def _batches(self) -> Iterator[Any]:
        """Yield the batches of an epoch, and note where each stands in the group that makes one step."""
        self._source = iter(self.loader)
        for group in in_groups(self._source, self.accumulate):
            weights = [self.totals.weight_of(checked(batch)) for batch in group]
            for place, batch in enumerate(group):
                self.batch += 1
                self.samples = batch
                self.step_begins, self.step_ends = place == 0, place == len(group) - 1
                self._weight = weights[place]
                alone = len(group) == 1 or self.totals.losses_are_sums
                self._share = None if alone else weights[place] / (sum(weights) or 1)  # so that it is the mean of all samples
                yield batch
                if self.stopping and self.batch != self.batches:
                    return
        self._whole = True

    def _count(self, prediction: Any, target: Any, loss: float) -> None:
        """Take a batch into the numbers of the epoch; before the step, which may write what was predicted."""
        self.loss_value = loss
        if loss - loss != 0 and not self._warned:  # nan or infinite
            self._warned = True
            warn_of_loss(self)
        self.totals.add(loss, self._weight, prediction, target)

    def _end_epoch(self, epoch: int) -> None:
        if not self._whole:  # stopped in its middle
            return
        if not self.batch:
            raise ValueError(
                "fit: there is no batch in the data"
                + ("; it seems that it can be gone through only once: its __iter__ must begin anew" if epoch > 1 else "")
            )
        numbers = self.totals.result()
        if self.validation is not None:
            numbers |= {f"val_{name}": value for name, value in self._measured(self.validation).items()}
        self.row = {**numbers, **self.row}
        self.history.append(epoch, self.row)
        self.inside = False
        for listener in self._listeners["on_epoch_end"]:
            listener(self)
            self.history.amend(self.row)  # at once: the next one may write the history to a file

    def _tell(self, event: str) -> None:
        for listener in self._listeners[event]:
            listener(self)

    def _tell_all(self, event: str) -> None:
        """Tell an event that ends something to every listener, also where one of them fails."""
        failures = []
        for listener in self._listeners[event]:
            try:
                listener(self)
            except BaseException as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _totals(self) -> Totals:
        return Totals(self.metrics, self.loss)

    # ------------------------------------------------------------------------------------------- using the model

    @says_how
    def evaluate(self, data: Any, batch_size: int | None = None) -> dict[str, float]:
        """Return the mean loss over all samples, and every metric, by name; nothing is learned.

        data        arrays (X, y), a Dataset, or a DataLoader
        batch_size  samples in a batch, by default 32; a loader has its own
        """
        return self._measured(as_batches("evaluate", self._apart(data), batch_size))

    def _measured(self, batches: Any) -> dict[str, float]:
        totals = self._totals()
        with self._evaluating():
            for batch in batches:
                *inputs, target = checked(batch)
                prediction = self.model(*inputs)
                totals.add(_item(self.loss(prediction, target)), totals.weight_of(batch), prediction, target)
        if not totals.batches:
            raise ValueError("evaluate: there is no batch in the data")
        return totals.result()

    @says_how
    def predict(self, x: Any, batch_size: int | None = None) -> Any:
        """Return the outputs of the model as one array, in the order of the samples; of several outputs as a tuple of arrays.

        x           an array, or a tuple of arrays where the model has several inputs; or a Dataset or DataLoader, of whose
                    batches the last part, the target, is left out
        batch_size  samples in a batch, by default 32; a loader has its own
        """
        is_arrays = isinstance(x, (tuple, np.ndarray, Tensor))
        batches = as_batches("predict", self._apart(x), batch_size, targets=False)
        with self._evaluating():
            outputs = [copied(self.model(*inputs_of(batch, targets=not is_arrays))) for batch in batches]
        if not outputs:
            raise ValueError("predict: there is no batch in the data")
        if outputs[0] is None:
            raise TypeError(f"predict: {no_output(self.model)}")
        return joined(outputs)

    def _apart(self, data: Any) -> Any:
        """Return data that can be gone through in the middle of an epoch without moving the training's place in it."""
        return copy.copy(data) if self.inside and data is self.loader and isinstance(data, DataLoader) else data

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        modules = [*self.model.modules(), *(self.loss.modules() if isinstance(self.loss, Module) else ())]
        modes = [(module, module.training) for module in modules]
        try:
            self._tell("on_evaluate_start")
            for module in modules:
                module.training = False
            with no_grad():
                yield
        except BaseException as error:
            blame(self, error)
            raise
        finally:
            for module, training in modes:
                module.training = training
            self._tell_all("on_evaluate_end")

    def evaluated_weights(self) -> dict[str, Tensor]:
        """Return the state_dict that evaluation uses: that of the model, or with EMA the averages."""
        try:
            self._tell("on_evaluate_start")
            return self.model.state_dict()
        finally:
            self._tell_all("on_evaluate_end")

    def find_lr(
        self,
        data: Any,
        start: float = 1e-6,
        end: float = 10.0,
        steps: int = 100,
        *,
        batch_size: int | None = None,
        shuffle: bool | None = None,
        generator: np.random.Generator | None = None,
        smoothing: float = 0.9,
        diverged: float = 4.0,
    ) -> LRCurve:
        """Try learning rates from `start` to `end`, one a step, and return how the loss went, with a suggestion.

        data       arrays (X, y), a Dataset, or a DataLoader; gone through again where it has less than `steps` batches
        smoothing  0 to 1, how much the curve is smoothed before its steepest fall is looked for
        diverged   end where the smoothed loss is so many times its lowest

        All is done on copies, without callbacks: model, optimizer, random generators and loader are as before. A penalty that
        a loss function takes from the model itself stays what it is meanwhile.

        >>> import nn
        >>> x = np.random.default_rng(0).normal(size=(256, 4))
        >>> model = nn.Linear(4, 1)
        >>> curve = nn.Trainer(model, nn.MSELoss(), nn.optim.SGD(model.parameters())).find_lr((x, x @ np.ones((4, 1))))
        >>> 1e-3 < curve.suggestion < 1
        True
        """
        if not 0 < start < end:
            raise ValueError(f"find_lr: expected 0 < start < end, got {start!r} and {end!r}")
        if not 0 <= smoothing < 1 or not diverged > 1:
            raise ValueError(f"find_lr: expected 0 <= smoothing < 1 and diverged > 1, got {smoothing!r} and {diverged!r}")
        batches = as_batches("find_lr", data, batch_size, shuffle, generator, mixed=True)
        steps = checked_count(steps, "find_lr: steps", 3)
        return range_test(self.model, self.loss, self.optimizer, batches, start, end, steps, smoothing, diverged)

    # ------------------------------------------------------------------------------------------- going on later

    def state_dict(self) -> dict[str, Any]:
        """Return all that `fit` needs to go on from here, as plain data, arrays and Tensors: what a Checkpoint writes."""
        return state_of(self)

    def __repr__(self) -> str:
        loss = self.loss if isinstance(self.loss, Module) else getattr(self.loss, "__name__", type(self.loss).__name__)
        count = sum(p.size for p in self.model.parameters())
        parts = [f"{type(self.model).__name__} of {count:,} parameters", str(loss), type(self.optimizer).__name__]
        parts += [f"metrics={list(self.metrics)}"] if self.metrics else []
        parts += [f"callbacks={list(named(self.callbacks))}"] if self.callbacks else []
        return f"Trainer({', '.join(parts)})"


def _item(loss: Any) -> float:
    if not isinstance(loss, Tensor):
        raise TypeError(f"the loss must return a Tensor of one number, got {type(loss).__name__}")
    return loss.item()  # type: ignore[no-any-return]
