"""Floating dtypes that are mixed, and the operation that first made a wider one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from autodiff.graph import Leaf, Node

from ..parameter import Parameter
from .case import Case
from .finding import Finding
from .gradients import grouped
from .observation import Step


def mixed_dtypes(case: Case) -> Iterator[Finding]:
    """Parameters of different floating dtypes; a result that is wider than the parameters it was made of."""
    named = [(name, p) for name, p in case.model.named_parameters() if p.dtype.kind == "f"]
    counts: Counter[np.dtype[np.generic]] = Counter()
    for _, p in named:
        counts[p.dtype] += p.size
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        for other in counts:
            for place in grouped(case.model, [name for name, p in named if p.dtype == other != usual]):
                yield Finding(
                    "mixed_dtypes", place, "warning", f"its parameters are {other}, most are {usual}",
                    f"model.to({usual.name!r}) after everything was put together; Parameter(array) keeps the dtype of the array",
                )  # fmt: skip
        return
    step = _first_wider(case.training.steps)  # in the loss it costs one number
    if step is None:
        return
    narrow = min((p.dtype for p in step.node.parents if p is not None and p.dtype is not None), key=lambda d: d.itemsize)
    others = [v for v in step.inputs if isinstance(v, (np.ndarray, np.generic)) and v.dtype == step.node.dtype]
    number = next((v for v in others if v.ndim == 0), None)
    given = f"the number {number:.4g}" if number is not None else f"an argument of shape {others[0].shape}" if others else ""
    culprit = f", since {given} is {step.node.dtype}" if given and step.name != "astype" else ""
    meant = step.name == "astype"  # asked for
    yield Finding(
        "mixed_dtypes", step.path or "model", "note" if meant else "warning",
        f"{step} is the first to make {step.node.dtype} of {narrow}{culprit}; everything after it that is not cast back is "
        "computed so, in twice the memory or more",
        "make it a Python number, which does not widen: float(...), math.sqrt in place of np.sqrt" if number is not None else
        f"make that argument {narrow}: array.astype(np.{narrow}), Tensor(..., dtype=np.{narrow}); Python numbers do not widen",
    )  # fmt: skip


def _first_wider(steps: list[Step]) -> Step | None:
    """Return the first step whose result is wider than an argument that was computed from parameters."""
    of_parameters: set[Node] = set()
    for step in steps:
        parents = [parent for parent in step.node.parents if parent is not None]
        own = [p for p in parents if p in of_parameters or (isinstance(p, Leaf) and isinstance(p.tensor(), Parameter))]
        own = [p for p in own if p.dtype is not None and p.dtype.kind == "f"]
        if not own:
            continue
        of_parameters.add(step.node)
        made = step.node.dtype
        if made is not None and made.kind == "f" and any(p.dtype.itemsize < made.itemsize for p in own):
            if any(p.dtype == made and isinstance(p, Leaf) for p in own):
                continue  # between parameters: said of these
            return step
    return None
