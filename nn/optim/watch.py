"""What tells that a step was called by mistake: gradients that are missing, used before, or never dropped.

Looks at one gradient of an optimizer and at how many backward passes there have been, so that a step costs no more.
Says nothing where a program can be right: parts without a gradient, gradients added up before a step, gradients that a
caller wrote, several optimizers, steps that only move a schedule on.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable

from autodiff import Tensor
from autodiff.border import passes
from autodiff.graph import next_number

ROUNDS = 3  # steps in a row that are needed for the guess that nobody ever drops the gradients
UNREACHED = 10  # backward passes that never reached a parameter, before that is said

_looks = 0  # how many running numbers this file has taken


class Watch:
    """What an optimizer remembers of its last step."""

    __slots__ = ("_array", "_dropped", "_gradient", "_looks", "_number", "_passes", "_rounds", "_said", "_unreached", "name")

    def __init__(self, name: str):
        self.name = name
        self._gradient: weakref.ref[Tensor] | None = None  # the first gradient of the last step
        self._array = 0  # the id of the array that it had
        self._passes = passes.count  # the backward passes before the last step
        self._rounds = 0  # steps in a row in which that gradient was added to
        self._dropped = -1  # the backward passes when gradients were dropped that no step had used
        self._number: int | None = None  # the running number at the last step without a gradient
        self._looks = 0
        self._unreached = 0
        self._said: set[str] = set()

    def used(self, gradient: Tensor) -> None:
        """Note a step with gradients, of which `gradient` is the first."""
        count = passes.count
        array = id(gradient._data)
        if self._gradient is not None and self._gradient() is gradient and gradient._memory is None:
            if count == self._passes and array == self._array:
                self._say(
                    "used the gradients of the last step once more: backward() has not been called since. Call zero_grad(), "
                    "loss.backward() and step() in each round"
                )
            elif count != self._passes and array != self._array:
                self._rounds += 1
                if self._rounds == ROUNDS:
                    self._say(
                        "the gradients of all steps so far add up, because nothing drops them. Call optimizer.zero_grad() before "
                        "loss.backward() (to add up several batches on purpose: after each step)"
                    )
        else:
            self._rounds = 0
            if count != self._passes:  # else a caller assigned it, and may mean to use it again
                self._gradient = weakref.ref(gradient)
        self._array, self._passes = array, count
        self._number, self._unreached = None, -1

    def unused(self, parameters: Iterable[Tensor]) -> None:
        """Note a step without any gradient."""
        global _looks
        number, before, looks = next_number(), self._number, self._looks
        _looks += 1
        self._number, self._looks = number, _looks
        count, last = passes.count, self._passes
        self._passes = count
        if all(parameter._node is None for parameter in parameters):
            return  # all are frozen
        if count != last:
            if count == self._dropped:
                self._say(
                    "no parameter has a gradient: zero_grad() was called between backward() and step(). Call it before backward(), "
                    "or after step()"
                )
            elif self._unreached >= 0:
                self._unreached += 1
                if self._unreached == UNREACHED:
                    self._say(
                        f"no parameter has had a gradient in {UNREACHED} steps, though backward() was called. Is this optimizer "
                        "made of the parameters of the model in use (not of a copy, or of layers that were exchanged later), and "
                        "does the loss depend on them? Or does model.zero_grad() come between backward() and step()?"
                    )
        elif before is not None and number - before > _looks - looks:  # operations were recorded since
            self._say("no parameter has a gradient: backward() has not been called since the last step. Call loss.backward() first")

    def dropping(self, parameters: Iterable[Tensor]) -> None:
        """Note that gradients are dropped."""
        if passes.count != self._passes and any(parameter._grad is not None for parameter in parameters):
            self._dropped = passes.count

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            warnings.warn(f"{self.name}.step: {what}", UserWarning, stacklevel=4)
