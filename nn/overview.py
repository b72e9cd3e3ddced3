"""`summary`: a model at a glance, module by module: output shapes, parameters, memory, multiply-adds.

Knows what an operation multiplies. Knows no layer: what it says is seen while the model runs.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autodiff import Tensor, enable_grad
from autodiff.arguments import hinted
from autodiff.chain_rule import arrays_in
from autodiff.drawing.naming import size_text
from autodiff.graph import listening
from autodiff.memory import owner_of
from autodiff.tracing import Trace

from .module import Module
from .rehearsal import rehearsal

__all__ = ["Summary", "SummaryRow", "summary"]


class SummaryRow:
    """One module of a `Summary`.

    path           its dotted name, "" for the model itself
    title          its class
    depth          how deep it lies
    output_shapes  the shapes of the Tensors that its last call returned; empty where it was not called
    calls          how often it was called
    parameters     elements of its own parameters, those of its children left out, each counted where it comes first
    shared         names of its own parameters that were counted before
    bytes          their size
    multiply_adds  products that were added up in all of its calls, those of its children included
    """

    def __init__(self, path: str, title: str, depth: int):
        self.path, self.title, self.depth = path, title, depth
        self.output_shapes: list[tuple[int, ...]] = []
        self.calls = self.parameters = self.bytes = self.multiply_adds = 0
        self.shared: list[str] = []

    def __repr__(self) -> str:
        return f"SummaryRow({self.path!r}, {self.title}, parameters={self.parameters}, multiply_adds={self.multiply_adds})"


class Summary:
    """What `summary` found; print it, or read its numbers.

    rows              a `SummaryRow` for each module, outer ones first
    parameters        all elements of all parameters, shared ones once
    trainable         those that require a gradient
    buffers           elements of all buffers
    parameter_bytes   size of the parameters
    buffer_bytes      size of the buffers
    input_bytes       size of the inputs
    activation_bytes  what a training step keeps for its backward pass besides parameters and inputs; None without an input
    multiply_adds     of one forward pass; None without an input
    uncounted         calls of einsum without any tracked array: their multiply-adds are not known
    """

    def __init__(self, rows: list[SummaryRow]):
        self.rows = rows
        self.parameters = self.trainable = self.buffers = self.parameter_bytes = self.buffer_bytes = self.input_bytes = 0
        self.activation_bytes: int | None = None
        self.multiply_adds: int | None = None
        self.uncounted = 0

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return the heads of the columns, and the cells row by row."""
        ran = self.multiply_adds is not None
        heads = ["module", *(["output shape"] if ran else []), "parameters", "size", *(["multiply-adds"] if ran else [])]
        cells = []
        for row in self.rows:
            name = row.path.rpartition(".")[2]
            called = f" ×{row.calls}" if row.calls > 1 else ""
            line = ["  " * row.depth + (f"{name}: {row.title}" if name else row.title) + called]
            if ran:
                line.append(", ".join(str(shape) for shape in row.output_shapes) if row.calls else "not called")
            counted = f"{row.parameters:,}" if row.parameters else "" if row.shared else "–"
            counted += f"{' ' if counted else ''}({', '.join(row.shared)} shared)" if row.shared else ""
            line += [counted, size_text(row.bytes) if row.bytes else "–"]
            cells.append([*line, *([f"{row.multiply_adds:,}" if row.multiply_adds else "–"] if ran else [])])
        return heads, cells

    def totals(self) -> list[tuple[str, str]]:
        """Return the lines below the table: what, and how much."""
        frozen = self.parameters - self.trainable
        lines = [("parameters", f"{self.parameters:,}" + (f" ({self.trainable:,} trainable, {frozen:,} frozen)" if frozen else ""))]
        if self.buffers:
            lines.append(("buffers", f"{self.buffers:,}"))
        if self.multiply_adds is not None:
            lines.append(("multiply-adds, one forward pass", f"{self.multiply_adds:,}"))
            lines.append(("memory of the inputs", size_text(self.input_bytes)))
        lines.append(("memory of parameters and buffers", size_text(self.parameter_bytes + self.buffer_bytes)))
        if self.uncounted:
            lines.append(("einsum of untracked arrays, not counted", f"{self.uncounted} call{'s' if self.uncounted > 1 else ''}"))
        if self.activation_bytes is not None:
            lines.append(("kept for the backward pass besides", size_text(self.activation_bytes)))
            lines.append(("gradients, once computed", size_text(self._gradient_bytes)))
        return lines

    _gradient_bytes = 0

    def __str__(self) -> str:
        heads, cells = self.table()
        widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
        left = 1 if self.multiply_adds is None else 2  # columns of text; numbers stand to the right

        def line(parts: Sequence[str]) -> str:
            cells = enumerate(zip(parts, widths, strict=True))
            return "  ".join(text.ljust(width) if i < left else text.rjust(width) for i, (text, width) in cells).rstrip()

        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        totals = self.totals()
        width = max(len(what) for what, _ in totals)
        return "\n".join([line(heads), rule, *map(line, cells), rule, *(f"{what.ljust(width)}  {much}" for what, much in totals)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        heads, cells = self.table()

        def row(parts: Sequence[str], left: int, tag: str = "td") -> str:
            aligned = (f'<{tag} align="{"left" if i < left else "right"}">{_verbatim(t)}</{tag}>' for i, t in enumerate(parts))
            return f"<tr>{''.join(aligned)}</tr>"

        left = 1 if self.multiply_adds is None else 2
        table = row(heads, left, "th") + "".join(row(line, left) for line in cells)
        return f"<table>{table}</table><table>{''.join(row(line, 1) for line in self.totals())}</table>"


ELSEWHERE = {
    "input_size": "the input comes second, as an example or its shape: summary(model, (16, 784))",
    "input_shape": "the input comes second, as an example or its shape: summary(model, (16, 784))",
    "input_data": "the input comes second: summary(model, x)",
    "batch_size": "the batch axis is part of the shape: summary(model, (16, 784))",
    "col_names": "all columns are shown; the numbers are attributes of the result",
    "device": "there is one device, the CPU",
    "verbose": "print the result, or do not",
}  # what other libraries call it


@hinted(ELSEWHERE)
def summary(model: Module, input: Any = None, *, depth: int | None = None) -> Summary:
    """Return a table of the modules of `model`: output shapes, parameters, memory and multiply-adds.

    input  an example: an array or Tensor, a tuple of them for a model with several inputs, or the shape of one, batch axis
           included (then zeros), or several shapes; None to look at parameters only
    depth  how many levels of modules the table shows; all by default. Numbers of what lies deeper belong to the last one shown

    The model runs once, as it stands (training or not), and is left as it was. Shared parameters count once. Multiply-adds are
    those of matrix products (linear, matmul, dot, einsum ...): what works element by element is not counted. Raises TypeError for
    what is no Module, ValueError for a shape with None in it, and what the model itself raises.

    >>> from nn import Linear, ReLU, Sequential
    >>> summary(Sequential(Linear(4, 8), ReLU(), Linear(8, 2)), (16, 4))
    module       output shape  parameters   size  multiply-adds
    ───────────────────────────────────────────────────────────
    Sequential   (16, 2)                –      –            768
      0: Linear  (16, 8)               40  160 B            512
      1: ReLU    (16, 8)                –      –              –
      2: Linear  (16, 2)               18   72 B            256
    ───────────────────────────────────────────────────────────
    parameters                          58
    multiply-adds, one forward pass     768
    memory of the inputs                256 B
    memory of parameters and buffers    232 B
    kept for the backward pass besides  512 B
    gradients, once computed            232 B
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}")
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"summary: depth is how many levels are shown, 0 or more; got {depth!r}")
    rows: dict[int, SummaryRow] = {}
    above: dict[str, SummaryRow] = {}
    order = []
    for path, module in model.named_modules():
        level = path.count(".") + 1 if path else 0
        if depth is not None and level > depth:
            rows[id(module)] = above[".".join(path.split(".")[:depth])]
            continue
        rows[id(module)] = above[path] = SummaryRow(path, type(module).__name__, level)
        order.append(above[path])
    found = Summary(order)
    _count_parameters(model, rows, found)
    if input is not None:
        _run(model, _inputs(input), rows, found)
    return found


def _count_parameters(model: Module, rows: dict[int, SummaryRow], found: Summary) -> None:
    seen: set[int] = set()
    for module in model.modules():
        row = rows[id(module)]
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                row.shared.append(name)
                continue
            seen.add(id(parameter))
            row.parameters += parameter.size
            row.bytes += parameter._data.nbytes
            found.parameters += parameter.size
            found.parameter_bytes += parameter._data.nbytes
            if parameter.requires_grad:
                found.trainable += parameter.size
                found._gradient_bytes += parameter._data.nbytes
    for buffer in model.buffers():
        found.buffers += buffer.size
        found.buffer_bytes += buffer._data.nbytes


def _inputs(given: Any) -> tuple[Any, ...]:
    if isinstance(given, (tuple, list)) and None in [n for n in given if n is None or isinstance(n, int)]:
        raise ValueError(f"summary: a shape has numbers only, the size of the batch too: (16, 784); got {tuple(given)}")
    if _is_shape(given):
        return (Tensor(np.zeros(given, np.float32)),)
    if isinstance(given, (tuple, list)) and given and all(map(_is_shape, given)):
        return tuple(Tensor(np.zeros(shape, np.float32)) for shape in given)
    if isinstance(given, tuple):
        return given
    return (given,)


def _is_shape(given: Any) -> bool:
    return isinstance(given, (tuple, list)) and bool(given) and all(isinstance(n, int) and not isinstance(n, bool) for n in given)


# ----------------------------------------------------------------------------------------------- the run


class _Counter(Trace):
    """Hears of every operation, tracked or not, and adds up its multiply-adds for the modules that are being called."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[SummaryRow] = []
        self.total = self.uncounted = 0

    def record(self, node: Any, y: Any, inputs: Any, seconds: float) -> Any:
        self.nodes.append(node)
        subscripts = [value for value in node.saved if isinstance(value, str)] if node.operation.name == "einsum" else []
        self._add(_einsum(subscripts[0], inputs) if subscripts else multiply_adds(node.operation.name, y, inputs))

    def untracked(self, operation: Any, y: Any, inputs: Any) -> None:
        self.uncounted += operation.name == "einsum"  # what it sums over is kept of recorded calls only
        self._add(multiply_adds(operation.name, y, inputs))

    def _add(self, count: int) -> None:
        self.total += count
        for row in {id(row): row for row in self.inside}.values():
            row.multiply_adds += count


def _run(model: Module, inputs: tuple[Any, ...], rows: dict[int, SummaryRow], found: Summary) -> None:
    counter = _Counter()
    handles: list[Any] = []

    def before(module: Any, _: Any) -> None:
        counter.inside.append(rows[id(module)])

    def after(module: Any, _: Any, result: Any) -> None:
        row = counter.inside.pop()
        if row not in counter.inside:  # not of a module that lies deeper than the table goes
            row.calls += 1
            row.output_shapes = [tensor.shape for tensor in _tensors(result)]

    with rehearsal(model):
        try:
            for module in model.modules():
                handles += [module.register_forward_pre_hook(before, prepend=True), module.register_forward_hook(after)]
            with enable_grad(), listening(counter):
                model(*inputs)
        finally:
            for handle in handles:
                handle.remove()
    found.multiply_adds, found.uncounted = counter.total, counter.uncounted
    arrays = [value._data if isinstance(value, Tensor) else value for value in inputs]
    found.input_bytes = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    apart = {id(owner_of(array)) for array in arrays if isinstance(array, np.ndarray)}
    apart |= {id(owner_of(tensor._data)) for tensor in (*model.parameters(), *model.buffers())}
    kept = {id(owner_of(array)): owner_of(array) for node in counter.nodes for array in arrays_in(node.saved)}
    found.activation_bytes = sum(array.nbytes for key, array in kept.items() if key not in apart)


def _tensors(result: Any) -> list[Any]:
    if isinstance(result, (Tensor, np.ndarray)):
        return [result]
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, (list, tuple)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


# ----------------------------------------------------------------------------------------------- what is multiplied


def multiply_adds(operation: str, y: Any, inputs: Sequence[Any]) -> int:
    """Return how many products an operation added up that computed `y` from `inputs`; 0 where it is no matrix product."""
    count = _PRODUCTS.get(operation)
    if count is None:
        return 0
    return count(y, [value._data if isinstance(value, Tensor) else value for value in inputs])


def _contraction(y: Any, inputs: Sequence[Any]) -> int:
    # Sizes multiply to (kept of a) k (kept of b) k and (kept of a)(kept of b), where k is what is summed over.
    a, b = np.asarray(inputs[0]), np.asarray(inputs[1])
    return math.isqrt(a.size * b.size * np.size(y))


def _einsum(subscripts: str, inputs: Sequence[Any]) -> int:
    """Return the products of an einsum as it is written: every combination of its letters, once for each operand but the first."""
    sizes: dict[str, int] = {}
    for term, value in zip(subscripts.replace(" ", "").split("->")[0].split(","), inputs, strict=True):
        shape = np.shape(value._data if isinstance(value, Tensor) else value)
        before, dots, behind = term.partition("...")
        middle = len(shape) - len(before) - len(behind)
        letters = [*before, *(f"...{i - middle}" for i in range(middle) if dots), *behind]
        for letter, n in zip(letters, shape, strict=True):
            sizes[letter] = max(n, sizes.get(letter, 1))
    return math.prod(sizes.values()) * (len(inputs) - 1)


_PRODUCTS: dict[str, Callable[[Any, Sequence[Any]], int]] = {
    "linear": lambda y, inputs: np.size(y) * inputs[1].shape[-1],
    "matmul": lambda y, inputs: np.size(y) * np.shape(inputs[0])[-1],
    "dot": lambda y, inputs: np.size(y) * np.shape(inputs[0])[-1] if np.ndim(inputs[0]) and np.ndim(inputs[1]) else 0,
    "inner": lambda y, inputs: np.size(y) * np.shape(inputs[0])[-1] if np.ndim(inputs[0]) and np.ndim(inputs[1]) else 0,
    "tensordot": _contraction,
}


def _verbatim(text: str) -> str:
    return html.escape(text).replace("  ", "&nbsp;&nbsp;")
