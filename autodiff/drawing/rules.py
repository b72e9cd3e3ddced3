"""The rules of an operation as they are written in the source.

Finds the text of a function that stands in a file, in a notebook cell or in a docstring's example; knows nothing of graphs.
"""

from __future__ import annotations

import ast
import functools
import linecache
import os
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

_LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Written(NamedTuple):
    """A function's text, and "file:line" where it stands; both "" where it cannot be found."""

    text: str
    at: str


def rules_of(operation: Any) -> dict[str, str]:
    """Return for each argument of an operation that has a derivative the rule as it is written, such as "lambda g, y: g * y".

    A fused operation has one backward kernel for all arguments, under the key "".

    >>> rules_of(autodiff.multiply.operation)
    {'x1': 'lambda g, x2: g * x2', 'x2': 'lambda g, x1: g * x1'}
    """
    return {argument: written(rule).text for argument, rule in _rules(operation).items() if written(rule).text}


def written_at(operation: Any) -> str:
    """Return "file:line" of the first rule of an operation; of a file of the library, from its folder on.

    >>> written_at(autodiff.exp.operation).rpartition(":")[0]
    'autodiff/ops/elementwise.py'
    """
    return next((written(rule).at for rule in _rules(operation).values()), "")


def reference_of(operation: Any) -> str:
    """Return the source of a fused operation's readable reference, "" for other operations."""
    return "" if operation.reference is None else written(operation.reference).text


def _rules(operation: Any) -> dict[str, Callable[..., Any]]:
    if operation.rules:
        return {name: rule for name, rule in zip(operation.arguments, operation.rules, strict=False) if rule is not None}
    joint = operation.joint
    if isinstance(joint, functools.partial):  # of a sequence its one rule, of a fused operation its backward kernel
        rule = joint.args[-1]
        if callable(rule):
            return {operation.arguments[0] if operation.sequence else "": rule}
    return {}


def written(function: Any) -> Written:
    """Return the text of a function: a lambda by itself, a `def` whole, without decorators and docstring.

    >>> written(lambda g: g * 2).text
    'lambda g: g * 2'
    """
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    if code is None:
        return Written("", "")
    return _written(code)


@functools.lru_cache(maxsize=1024)
def _written(code: Any) -> Written:
    at = f"{_place(code.co_filename)}:{code.co_firstlineno}"
    functions, source = _functions(code.co_filename, tuple(linecache.getlines(code.co_filename)))
    kinds = (ast.Lambda,) if code.co_name == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    # A line may hold several lambdas: the instructions of this one's body say between which columns it stands.
    spots = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None and column > 0]
    for node in functions.get(code.co_firstlineno, ()):
        if not isinstance(node, kinds):
            continue
        if isinstance(node, ast.Lambda):
            body = node.body
            start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
            if [a.arg for a in node.args.args] != list(code.co_varnames[: code.co_argcount]):
                continue
            if not all(start <= spot <= end for spot in spots):
                continue
            text = ast.get_source_segment(source, node) or ""
            return Written(" ".join(text.split()), at)
        return Written(_def(source, node), at)
    return Written("", at)


@functools.lru_cache(maxsize=64)
def _functions(filename: str, lines: tuple[str, ...]) -> tuple[dict[int, list[Any]], str]:
    """Return the functions in a file by their first line, and its text."""
    source = "".join(lines)
    found: dict[int, list[Any]] = {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return found, source
    for node in ast.walk(tree):
        if isinstance(node, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            found.setdefault(first, []).append(node)
    return found, source


def _def(source: str, node: Any) -> str:
    lines = source.splitlines()
    start, end = node.lineno - 1, node.end_lineno
    documented = isinstance(node.body[0], ast.Expr) and isinstance(getattr(node.body[0], "value", None), ast.Constant)
    if documented and len(node.body) > 1:
        doc = node.body[0]
        kept = lines[start : doc.lineno - 1] + lines[doc.end_lineno : end]
    else:
        kept = lines[start:end]
    return textwrap.dedent("\n".join(kept)).strip()


def _place(filename: str) -> str:
    """Return a file's path, of a file of the library from the library's folder on: what a reader can find on any machine."""
    path = os.path.abspath(filename) if not filename.startswith("<") else filename
    for folder in (_LIBRARY, os.path.join(os.path.dirname(_LIBRARY), "nn")):
        if path.startswith(folder + os.sep):
            path = os.path.relpath(path, os.path.dirname(_LIBRARY))
    return path.replace(os.sep, "/")
