"""A recorded graph as plain data: nodes, edges and nested groups, from which every picture is made.

Plain data and nothing else: how it comes about is in describing.py, what is made of it in the files below. Later changes of
the graph do not change it. For each value or gradient that is missing it says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..tracing import Statistics

LEAVES = ("parameter", "variable", "constant")  # roles of what is not computed
NOT_COMPUTED = "not computed yet"
OTHER_PASS = "not computed yet (.grad is of another pass)"
PERHAPS = "not computed yet, or not kept (record under autodiff.trace())"
NOT_KEPT = "not kept (record under autodiff.trace())"
NOT_IN_GRAD = "not in .grad (cleared since, or not asked for)"
NOT_ARRIVED = "none arrived"
TENSOR_GONE = "gone with its tensor"


@dataclass
class DrawnNode:
    """One node of the picture.

    id                human and unique within the picture, such as "layers.0.weight" or "loss"
    role              "parameter", "variable" (any other leaf), "constant", "operation", "part" (one of several outputs of one), or
                      "group" (a group drawn as one node, see shaping.py)
    is_output         whether the picture was asked for it
    name              the Tensor's name, where one is known
    operation         the operation's name; None for leaves and constants
    settings          arguments of the operation that are no arrays, such as axis, where known and not the default
    part              for a part, which output it is, counted from 0
    shape, dtype      of the value; None where unknown, and for an operation with several outputs
    value, gradient   an array of up to 1,000 elements, `Statistics` of a larger one, None where unknown
    no_value, no_gradient  why it is unknown; "" where it is known, or there can be none
    group             id of the innermost group that it lies in, or None
    module            path of the innermost module call that it lies in, "" outside all
    seconds, source   time of the forward pass, and "file:line" of the caller, where traced
    saved_bytes       size of the arrays that it keeps, or kept, for its rules, in bytes; None where unknown
    rules             for each argument with a derivative, the rule as it is written in the source
    written_at        "file:line" of the rules, below the library's folder where they are its own
    reference         for a fused operation, the source of its readable reference
    inside            for a group: how many nodes of each role it stands for
    times             for a group: how many identical ones it stands for
    marked            whether something is wrong with it
    """

    id: str
    role: str
    is_output: bool = False
    name: str | None = None
    operation: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    part: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    value: np.ndarray | Statistics | None = None
    no_value: str = ""
    gradient: np.ndarray | Statistics | None = None
    no_gradient: str = ""
    group: str | None = None
    module: str = ""
    seconds: float | None = None
    source: str = ""
    saved_bytes: int | None = None
    rules: dict[str, str] = field(default_factory=dict)
    written_at: str = ""
    reference: str = ""
    inside: dict[str, int] = field(default_factory=dict)
    times: int = 1
    marked: bool = False


@dataclass
class DrawnEdge:
    """From the node `source` to the argument `argument` of the node `target` (both by id); `position` counts arguments.

    gradient     what went back along this edge in the last backward pass: one term of the sum that is the gradient of `source`
    no_gradient  why it is unknown; "" where it is known, or there can be none (`source` is a constant)
    local        the derivative of target by source, where an array can say it: of an elementwise operation, or of a single
                 number; of the shape of `source` or `target`; else None
    """

    source: str
    target: str
    argument: str
    position: int
    gradient: np.ndarray | Statistics | None = None
    no_gradient: str = ""
    local: np.ndarray | Statistics | None = None


@dataclass
class DrawnGroup:
    """A module call ("module"), a composition ("composition"), or a fused operation shown as its reference ("fused").

    id      human and unique
    name    the module's path, or the function's name
    title   the module's class, or the function's name
    parent  id of the group that it lies in, if any
    times   how many identical ones it stands for
    """

    id: str
    name: str
    title: str
    kind: str
    parent: str | None
    times: int = 1


@dataclass
class Description:
    """A whole picture: nodes in the order in which they were made, edges, and groups, outer ones first.

    The nodes that are no constants, read backwards, are the order of the backward pass.
    """

    nodes: list[DrawnNode]
    edges: list[DrawnEdge]
    groups: list[DrawnGroup]
