"""The one random generator that is used where a caller gives none, and the seed that makes it repeatable."""

from __future__ import annotations

import numpy as np

_generator: np.random.Generator | None = None


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
            raise TypeError(
                f"generator: expected a numpy.random.Generator or None, got {type(generator).__name__}; make one with "
                "numpy.random.default_rng(seed)"
            )
        return generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator
