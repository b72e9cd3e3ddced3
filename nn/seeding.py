"""The one random generator that is used where a caller gives none, and the seed that makes it repeatable."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

import numpy as np

_generator: np.random.Generator | None = None
_numbered: ContextVar[Draws | None] = ContextVar("nn_numbered_draws", default=None)


def manual_seed(seed: int) -> np.random.Generator:
    """Seed the generator that initialisation and shuffling use by default; return it.

    Without a call, it starts from the entropy of the operating system, so that runs differ. Everything that draws random
    numbers also takes a `generator`, which is the better way in larger programs.

    >>> import nn
    >>> _ = nn.manual_seed(0)
    >>> first = nn.Linear(2, 2).weight.tolist()
    >>> _ = nn.manual_seed(0)
    >>> nn.Linear(2, 2).weight.tolist() == first
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def generator_or_default(generator: np.random.Generator | None) -> np.random.Generator:
    """Return `generator`, or the default one where it is None."""
    global _generator
    if generator is not None:
        if not isinstance(generator, np.random.Generator):
            kind = type(generator)
            given = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
            raise TypeError(
                f"generator: expected a numpy.random.Generator or None, got {given.replace('torch._C', 'torch')}; make one with "
                "numpy.random.default_rng(seed)"
            )
        return generator
    numbered = _numbered.get()
    if numbered is not None:
        return numbered.generator()
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


class Draws:
    """Random numbers that depend on a seed and on the number of what is being made, and on nothing else.

    Inside `with Draws(seed) as draws`, the default generator is the one of `draws.number`, so that a sample's random
    numbers are the same whoever makes it, and in whatever order. Counter-based (Philox), and made only when asked for.

    seed  of the whole series, less than 2**64

    >>> with Draws(5) as draws:
    ...     draws.number = 7
    ...     first = generator_or_default(None).random()
    ...     draws.number = 8
    ...     other = generator_or_default(None).random()
    ...     draws.number = 7
    ...     again = generator_or_default(None).random()
    >>> first == again, first == other
    (True, False)
    """

    __slots__ = ("_bits", "_generator", "_number", "_ready", "_start", "_token", "seed")

    def __init__(self, seed: int):
        self.seed = seed
        self._number, self._ready = 0, False
        self._generator: np.random.Generator | None = None
        self._token: Token[Draws | None] | None = None

    @property
    def number(self) -> int:
        """Which of the series is drawn from; setting it begins that one anew."""
        return self._number

    @number.setter
    def number(self, number: int) -> None:
        self._number, self._ready = number, False

    def generator(self) -> np.random.Generator:
        """Return the generator of the present number."""
        if self._generator is None:
            self._bits = np.random.Philox(key=np.array([self.seed, 0], np.uint64))
            self._start: Any = self._bits.state
            self._generator = np.random.Generator(self._bits)
        if not self._ready:
            self._start["state"]["key"][1] = self._number
            self._bits.state = self._start  # five times faster than a new generator
            self._ready = True
        return self._generator

    def __enter__(self) -> Draws:
        self._token = _numbered.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _numbered.reset(self._token)
            self._token = None
