"""nan and infinity: where the first one came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autodiff.graph import Node

from .case import Case
from .finding import Finding
from .observation import Observation, Step
from .samples import array_of, leaves


def not_finite(case: Case) -> Iterator[Finding]:
    """nan or infinity in the batch, the parameters, a result or a gradient."""
    found = [*_in_data(case), *_in_state(case)]
    if found:
        yield from found
        return
    run = case.training
    arrays = [a for _, a in case.outputs(run)] + ([] if run.loss is None else [run.loss._data]) + list(run.gradients.values())
    if all(np.isfinite(a).all() for a in arrays):
        return  # an infinity on the way that did no harm
    origin = next((step for step in run.all_steps() if _bad(step.values) and not _bad(step.inputs)), None)
    if origin is not None:
        yield Finding(
            "not_finite", origin.path or "model", "error",
            f"{origin} made {_bad(origin.values)} of finite numbers: {_range_of(origin)}",
            "keep its argument in the range where it is defined: a small eps under a log, a root, a division; a smaller scale "
            "before "
            "exp; the library's own losses and softmax are safe for any number",
        )  # fmt: skip
        return
    place, text = _in_backward(run)
    yield Finding(
        "not_finite", place, "error", text,
        "the derivative is infinite there, as that of a root or norm at 0: add a small eps inside; autodiff.detect_anomaly() names "
        "the rule",
    )  # fmt: skip


def _in_data(case: Case) -> Iterator[Finding]:
    for name, values in (("input", case.inputs), ("target", case.target)):
        for place, part in leaves(values, name):
            array = array_of(part)
            if array is not None and (kind := _bad([array])):
                rows = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).sum()) if array.ndim else 1
                yield Finding(
                    "not_finite", place, "error", f"{kind} in {rows} of {len(array) if array.ndim else 1} samples",
                    "look at the data: drop or fill what is missing before it comes to the model",
                )  # fmt: skip


def _in_state(case: Case) -> Iterator[Finding]:
    for kind, tensors in (("parameter", case.model.named_parameters()), ("buffer", case.model.named_buffers())):
        for name, tensor in tensors:
            if np.isnan(tensor._data).any() if tensor._data.dtype.kind in "fc" else False:
                yield Finding(
                    "not_finite", name, "error", f"the {kind} holds nan in {int(np.isnan(tensor._data).sum())} of {tensor.size} "
                    "places",
                    "an earlier step spoiled it: go back to saved weights; then a smaller lr, gradient clipping, TerminateOnNaN()",
                )  # fmt: skip


def _bad(values: Any) -> str | None:
    """Return "nan" or "infinity" where one is among these numbers."""
    infinite = False
    for value in values:
        if not isinstance(value, (np.ndarray, np.generic, float)):
            continue
        array = np.asarray(value)
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            if np.isnan(array).any():
                return "nan"
            infinite = True
    return "infinity" if infinite else None


def _range_of(step: Step) -> str:
    arrays = [v for v in step.inputs if isinstance(v, np.ndarray) and v.size and v.dtype.kind in "fiu"]
    return "; ".join(f"argument {i} from {a.min():.3g} to {a.max():.3g}" for i, a in enumerate(arrays)) or "of no arrays"


def _in_backward(run: Observation) -> tuple[str, str]:
    """Return where a gradient that is not finite was made of one that is."""
    bad: dict[Node, bool] = {run.leaves[key]: _bad([g]) is not None for key, g in run.gradients.items()}
    for step in run.all_steps():
        if step.gradient is not None:
            bad[step.node] = _bad([step.gradient]) is not None
    for step in reversed(run.all_steps()):
        into_bad = any(bad.get(parent, False) for parent in step.node.parents if parent)
        if step.gradient is not None and not bad[step.node] and into_bad:
            return step.path or "model", f"the backward pass of {step} made a gradient that is not finite of one that is"
    return "model", "a gradient is not finite, though all results are"
