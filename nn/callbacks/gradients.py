"""The callback that keeps gradients within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .callback import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer


class GradientClipping(Callback):
    """Limits the gradients before each step: their common Euclidean norm, or each entry.

    norm   the largest norm of all gradients together; a longer gradient is scaled down, its direction kept
    value  the largest size of an entry; larger ones are cut

    last_norm  the norm before clipping, at the last step (where norm is given)

    Source: Pascanu et al. 2013, On the difficulty of training recurrent neural networks.
    """

    def __init__(self, norm: float | None = None, value: float | None = None):
        if (norm is None) == (value is None):
            raise ValueError("GradientClipping: give either norm or value")
        limit = norm if value is None else value
        if isinstance(limit, bool) or not isinstance(limit, (int, float, np.integer, np.floating)) or not limit > 0:
            raise ValueError(f"GradientClipping: expected a number above 0, got {limit!r}")
        self.norm, self.value = norm, value
        self.last_norm: float | None = None

    def on_backward_end(self, trainer: Trainer) -> None:
        parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
        gradients = [p._grad._data for p in parameters if p._grad is not None]
        if self.value is not None:
            for gradient in gradients:
                np.clip(gradient, -self.value, self.value, out=gradient)
        elif self.norm is not None:
            flat = [gradient.reshape(-1) for gradient in gradients]
            self.last_norm = float(np.sqrt(sum(float(np.vdot(g, g).real) for g in flat)))
            share = self.norm / (self.last_norm + 1e-6)  # PyTorch's small number, for the same results
            if share < 1:
                for gradient in gradients:
                    gradient *= gradient.dtype.type(share)
