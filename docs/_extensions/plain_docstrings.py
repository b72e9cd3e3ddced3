"""Turns the library's docstrings, which are written to be read as they are, into what Sphinx reads.

Knows four things of them: `code` in single backticks is code; everything else is plain text in which no sign has a
meaning of its own; a paragraph of lines `name  explanation` is a list of terms; an indented paragraph is kept as it is.
"""

import itertools
import re
from typing import Any

from sphinx.application import Sphinx

_TERM = re.compile(r"^(?P<name>\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*) {2,}(?P<text>\S.*)$")
_CODE = re.compile(r"(`[^`]+`)")
_DTYPE_LIKE = re.compile(r"type\[~typing\.Any\] \| ~numpy\.dtype.*?_DTypeDict \| str")
_SIGNS = re.compile(r"([\\*_|])")


def as_text(line: str) -> str:
    """Return `line` with every sign that reStructuredText would take for markup escaped, outside of backticks."""
    parts = _CODE.split(line)
    return "".join(part if i % 2 else _SIGNS.sub(r"\\\1", part) for i, part in enumerate(parts))


def converted(lines: list[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText."""
    out: list[str] = []
    for is_blank, group in itertools.groupby(lines, key=lambda line: not line.strip()):
        out += [""] if is_blank else _paragraph(list(group))
    return [*out, ""]


def _paragraph(lines: list[str]) -> list[str]:
    if lines[0].startswith(">>>"):
        return lines
    if all(line.startswith("    ") for line in lines):  # a formula, or code
        return [".. code-block:: text", "", *lines]
    if not _TERM.match(lines[0]):
        return [as_text(line) for line in lines]
    out: list[str] = []
    for line in lines:
        term = _TERM.match(line)
        if term:
            out += [", ".join(f"``{name}``" for name in term["name"].split(", ")), f"    {as_text(term['text'])}"]
        else:
            out.append(f"    {as_text(line.strip())}")
    return out


def process_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = converted(lines)


def process_signature(app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None) -> Any:
    """Leave out `Any`, which says nothing, and call NumPy's `DTypeLike` by its name."""
    if signature is not None:
        signature = _DTYPE_LIKE.sub("DTypeLike", signature)
        signature = re.sub(r": (?:~typing\.|~?)Any = ", "=", signature)
        signature = re.sub(r": (?:~typing\.|~?)Any(?=[,)])", "", signature)
    if returns is not None and returns.rsplit(".", 1)[-1] == "Any":
        returns = None
    return signature, returns


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
