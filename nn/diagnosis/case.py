"""What the checks look at: model, loss, batch and optimizer, and the runs that several of them share, made when first asked for.

Every run is a rehearsal: nothing of it is left behind.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from autodiff import Tensor, enable_grad
from autodiff.graph import listening, next_number

from ..module import Module
from ..rehearsal import generators_of, rehearsal
from ..training.batches import checked, size_of
from .finding import Finding, Skip
from .observation import Listener, Observation
from .samples import apart, leaves, samples_at, tracked

FEW = 8  # samples are enough to see whether one depends on another


class Case:
    """A model under examination.

    model, loss, optimizer  as they were given; optimizer may be None
    inputs, target          the parts of the batch; inputs is a list
    size                    the number of samples
    few                     the places of some of them, for the runs in eval(); fewer than all, so that axes of samples are known
    generators              all random generators that a run may draw from
    evaluating              whether the model is about to be used, not trained
    overfit_samples         how many samples are learned by heart
    overfit_steps           in how many steps
    update_sizes            what a step of the optimizer would change, once that is known
    inner                   the paths of modules that have modules in them
    here                    the line that asked
    findings                what has been found so far: a check may hold its tongue where an earlier one named the cause
    """

    def __init__(
        self,
        model: Any,
        loss: Any,
        batch: Any,
        optimizer: Any = None,
        *,
        generator: np.random.Generator | None = None,
        evaluating: bool = False,
        overfit_samples: int = 8,
        overfit_steps: int = 60,
        here: str = "",
    ):
        self.model: Module = model
        self.loss, self.optimizer, self.evaluating, self.here = loss, optimizer, evaluating, here
        generator = np.random.default_rng(0) if generator is None else generator
        self.overfit_samples, self.overfit_steps = overfit_samples, overfit_steps
        *inputs, self.target = checked(batch)
        self.inputs: list[Any] = inputs
        self.size = size_of(batch)
        some = min(FEW, self.size - 1 if self.size > 2 else self.size)
        self.few = sorted(int(i) for i in generator.permutation(self.size)[:some])
        self.generators = generators_of(model, loss)
        named = model.named_modules()
        self.inner = {path or type(model).__name__ for path, module in named if any(True for _ in module.children())}
        self.findings: list[Finding] = []
        self.update_sizes: dict[str, float] | None = None
        self.loss_error: Exception | None = None
        self._training: Observation | None = None
        self._using: Observation | None = None
        self._trackable = True
        self.gradients_before = {id(p): None if p._grad is None else p._grad._data.copy() for p in model.parameters()}

    def found(self, *checks: str, severities: tuple[str, ...] = ("error", "warning")) -> bool:
        """Return whether one of these checks (of any, where none is named) has found something bad already."""
        return any(f.severity in severities and (not checks or f.check in checks) for f in self.findings)

    # ------------------------------------------------------------------------------------------- runs

    @contextlib.contextmanager
    def untouched(self, *parts: Any) -> Iterator[None]:
        """Put back what a run changes in model and loss, or in `parts`, and be quiet: it warns in training too."""
        parts = parts or (self.model, self.loss)
        with rehearsal(*parts), warnings.catch_warnings(), np.errstate(all="ignore"), enable_grad(), listening(None):
            warnings.simplefilter("ignore")
            yield

    def run(self, train: bool, inputs: Any = None, with_loss: bool = False) -> Observation:
        """Run the model in a rehearsal of its own, in the mode for training or for use."""
        with self.untouched():
            self.set_mode(self.model, train)
            return self.observe(self.inputs if inputs is None else inputs, with_loss)

    def set_mode(self, model: Module, train: bool) -> None:
        """Prepare for training, parts that were put into eval() on purpose left as they are, or for use."""
        if not train:
            model.eval()
        elif not model.training:
            model.train()
        if isinstance(self.loss, Module):
            self.loss.train(train)

    def observe(self, inputs: Any, with_loss: bool = False) -> Observation:
        """Run the model as it is; within `untouched()`."""
        if self._trackable:
            try:
                with rehearsal(self.model):
                    return self._observed(tracked(inputs), with_loss)
            except _LossFailed as failure:
                raise failure.error from None
            except Exception:  # e.g. it makes an array of its input: then it gets what the caller would give it
                pass
        try:
            observation = self._observed(apart(inputs), with_loss)
            self._trackable = False
            return observation
        except _LossFailed as failure:
            raise failure.error from None
        except Exception as error:
            error.add_note("nn.health: the model could not be run on this batch")
            raise

    def _observed(self, inputs: Any, with_loss: bool) -> Observation:
        with listening(Listener()) as listener:
            prediction = self.model(*inputs)
            border = next_number()
            loss = self._loss_of(prediction) if with_loss else None
        observation = Observation(listener, inputs, prediction, border, self.here, self.inner)
        if loss is not None:
            observation.differentiate(loss)
        return observation

    def _loss_of(self, prediction: Any) -> Tensor | None:
        try:
            loss = self.loss(prediction, apart(self.target))
            self._check_loss(loss, prediction)
        except _LossFailed:
            raise
        except (ValueError, TypeError) as error:
            if not self.loss_is_of_library() or prediction is None:
                error.add_note("nn.health: the loss could not be computed from the model's output and the targets of this batch")
                raise _LossFailed(error) from None
            self.loss_error = error  # a check will say it
            return None
        except Exception as error:
            raise _LossFailed(error) from None
        return loss  # type: ignore[no-any-return]

    def _check_loss(self, loss: Any, prediction: Any) -> None:
        if isinstance(loss, Tensor) and loss.size == 1 and loss.dtype.kind == "f":
            return
        name = self.loss_name
        if not isinstance(loss, Tensor):
            raise _LossFailed(TypeError(
                f"health: the loss {name} must return a Tensor of one number, got {type(loss).__name__}; compute it by "
                "operations on "
                "Tensors, without float(), .item() and .numpy()"
            ))  # fmt: skip
        raise _LossFailed(ValueError(
            f"health: the loss {name} must return one real number, got {loss.dtype} of shape {loss.shape}; use reduction='mean'"
        ))  # fmt: skip

    @property
    def training(self) -> Observation:
        """A training step without the step: forward, loss and backward."""
        if self._training is None:
            self._training = self.run(train=True, with_loss=True)
        return self._training

    @property
    def using(self) -> Observation:
        """The model in eval(), on a few samples; on all where it is made for batches of one size."""
        if self._using is None:
            try:
                self._using = self.run(train=False, inputs=self.some_inputs())
            except Exception:
                self.few = list(range(self.size))
                self._using = self.run(train=False, inputs=self.some_inputs())
        return self._using

    def some_inputs(self) -> Any:
        """Return the inputs of the few samples."""
        return samples_at(self.inputs, self.size, self.few)

    def with_loss(self) -> Observation:
        """Return the training run; raise Skip where the loss could not be computed."""
        if self.training.loss is None:
            raise Skip("the loss could not be computed")
        return self.training

    def with_gradients(self) -> Observation:
        """Return the training run; raise Skip where there is no gradient."""
        run = self.with_loss()
        if run.loss is not None and not run.gradients:
            raise Skip("the loss depends on no parameter")
        return run

    def copies(self) -> tuple[Module, Any, Any]:
        """Return copies of model, loss and optimizer, to be changed; raise Skip where they cannot be copied."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return copy.deepcopy((self.model, self.loss, self.optimizer))
        except Exception as error:
            raise Skip(f"the model cannot be copied ({type(error).__name__}: {error})") from error

    # ------------------------------------------------------------------------------------------- what is known of the parts

    @property
    def loss_name(self) -> str:
        return getattr(self.loss, "__name__", type(self.loss).__name__)

    def loss_is_of_library(self) -> bool:
        """Return whether the loss is one of `nn`, or derives from one: its errors then speak of prediction and target."""
        kinds = (self.loss,) if hasattr(self.loss, "__name__") else type(self.loss).__mro__
        return any((getattr(kind, "__module__", None) or "").startswith("nn.loss.") for kind in kinds)

    def prediction(self, run: Observation | None = None) -> np.ndarray | None:
        """Return what the model predicts as an array; None where that is not one floating Tensor."""
        output = (run or self.training).prediction
        return output._data if isinstance(output, Tensor) and output.dtype.kind == "f" else None

    def outputs(self, run: Observation) -> list[tuple[str, np.ndarray]]:
        """Return all floating outputs that have a row for each sample: as many as there are samples, also in a larger batch."""
        found = [(place, part._data) for place, part in leaves(run.prediction, "output") if isinstance(part, Tensor)]
        whole = {place: (part.shape[:1], part.shape[1:]) for place, part in leaves(self.training.prediction, "output")}
        return [
            (place, array) for place, array in found
            if array.dtype.kind == "f" and array.ndim and len(array) == run.size
            and whole.get(place, ((self.size,), array.shape[1:])) == ((self.size,), array.shape[1:])
        ]  # fmt: skip


class _LossFailed(Exception):
    def __init__(self, error: Exception):
        self.error = error
