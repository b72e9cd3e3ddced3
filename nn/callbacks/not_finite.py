"""nan and infinities in a training: where they came from, and the callback that stops before they reach the weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autodiff import Tensor

from .callback import Callback

if TYPE_CHECKING:
    from autodiff import AnomalyError

    from ..trainer import Trainer


class _Used:
    """A batch since the last step, with what it takes to run it again; `loss` is 0 until it has one."""

    def __init__(self, number: int, samples: Any, share: float | None, states: dict[str, Any]):
        self.number, self.samples, self.share, self.states = number, samples, share, states
        self.loss = 0.0


class TerminateOnNaN(Callback):
    """Stops before the step at which the loss or a gradient is not finite, and says which operation made that.

    gradients  look at all gradients too, not only at the loss

    The batch, of several whose gradients are accumulated the one that it was, is run again, with the same random numbers, under
    `autodiff.detect_anomaly`; the model is not changed by it. The weights are those before the step, so still finite. The reason
    is in `history.stopped`, and a RuntimeWarning.

    culprit  the `autodiff.AnomalyError`, with all that is known of that operation; None where nothing was found
    """

    order = -10  # before clipping, which would make all gradients nan

    def __init__(self, gradients: bool = True):
        self.gradients = gradients
        self.culprit: AnomalyError | None = None
        self._generators: dict[str, np.random.Generator] = {}
        self._batches: list[_Used] = []

    def on_fit_start(self, trainer: Trainer) -> None:
        from ..training.random_state import generators_in

        self.culprit = None
        self._generators = generators_in(model=trainer.model, loss=trainer.loss)

    def on_batch_start(self, trainer: Trainer) -> None:
        if trainer.step_begins:
            self._batches = []
        states = {path: generator.bit_generator.state for path, generator in self._generators.items()}
        self._batches.append(_Used(trainer.batch, trainer.samples, trainer._share, states))

    def on_batch_end(self, trainer: Trainer) -> None:
        if not trainer.stepped:  # of several whose gradients are accumulated: looked at when all are there
            self._batches[-1].loss = trainer.loss_value

    def on_fit_end(self, trainer: Trainer) -> None:
        self._generators, self._batches = {}, []

    def on_backward_end(self, trainer: Trainer) -> None:
        self._batches[-1].loss = trainer.loss_value
        suspects, culprit = [used for used in self._batches if not math.isfinite(used.loss)][:1], None
        if suspects:
            culprit = f"the loss is {suspects[0].loss}"
        elif self.gradients:
            suspects, culprit = self._batches, _bad_gradient(trainer)
        if culprit is not None:
            for used in suspects:
                self.culprit = self._found_again(trainer, used)
                if self.culprit is not None:
                    break
            else:
                used = suspects[-1]
            reason = f"{culprit} in epoch {trainer.epoch}, batch {used.number}; {_origin(trainer, used.samples)}"
            if self.culprit is not None:
                reason += f". When the batch was run again, {self.culprit.summed_up()}"
            trainer.stop(reason)
            warnings.warn(f"TerminateOnNaN: {reason}; training ends, and the step is not taken", RuntimeWarning, stacklevel=2)

    def _found_again(self, trainer: Trainer, used: _Used) -> AnomalyError | None:
        """Run a batch once more, watched, and return what was found; the model stays as it is."""
        from autodiff import AnomalyError, detect_anomaly

        from ..rehearsal import rehearsal
        from ..training.random_state import restore

        *inputs, target = used.samples
        try:
            with rehearsal(trainer.model, trainer.loss), detect_anomaly():
                restore(self._generators, used.states)
                trainer.loss(trainer.model(*inputs), target).backward(used.share)
        except AnomalyError as error:
            error.node = None  # nor does it hold the graph
            error.can_be_drawn(None, None)
            return error.with_traceback(None)
        except Exception:  # of a model that cannot be run twice: what is known is said all the same
            return None
        return None


def warn_of_loss(trainer: Trainer) -> None:
    """Warn that the loss of this batch is not finite, and say what held nan already; not where TerminateOnNaN will say it."""
    if any(isinstance(callback, TerminateOnNaN) for callback in trainer.callbacks):
        return
    of = f" of {trainer.batches}" if trainer.batches is not None else ""
    warnings.warn(
        f"fit: the loss is {trainer.loss_value} in epoch {trainer.epoch}, batch {trainer.batch}{of}; "
        f"{_origin(trainer, trainer.samples)}. nn.callbacks.TerminateOnNaN() stops there, before the weights are spoiled",
        RuntimeWarning,
        stacklevel=5,  # the line that called fit
    )


def _origin(trainer: Trainer, samples: Any) -> str:
    """Return what of the batch or the weights is not finite; else that all of these are."""
    *inputs, target = samples
    for name, part in (("inputs", inputs), ("target", target)):
        if found := _not_finite(part):
            return f"the {name} of this batch held {found} already: look at the data"
    for name, parameter in trainer.model.named_parameters():
        if found := _not_finite(parameter):
            return f"the inputs are finite, but '{name}' holds {found} already: an earlier step was too large, or its gradient nan"
    return "inputs and weights are finite, so it arose in the model or the loss: log(0), a division by 0, too large a number"


def _not_finite(value: Any) -> str | None:
    """Return "nan" or "inf" where a number among these arrays is that, else None."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for part in value if (found := _not_finite(part))), None)
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fc" or np.isfinite(array).all():
        return None
    return "nan" if np.isnan(array).any() else "inf"


def _bad_gradient(trainer: Trainer) -> str | None:
    for name, parameter in trainer.model.named_parameters():
        if parameter._grad is not None and not np.isfinite(parameter._grad._data).all():
            return f"the gradient of '{name}' is not finite"
    return None
