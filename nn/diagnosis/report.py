"""`Health`: the findings on a model as a table, in a terminal and in a notebook, and its layers as a picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .finding import SEVERITIES, Finding
from .layers import LayerReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 100  # columns of the table
_SEVERITY, _WHERE, _EVIDENCE = 15, 15, 34  # of it; the cure has the rest
_MARKS = {"error": "✗", "warning": "!", "note": "·"}
_COLORS = {"error": "#b5420a", "warning": "#8a6100", "note": "#56646c"}  # the mark and the word say it too


class Health:
    """What `nn.health` found: print it, or look at its parts.

    findings  a list of `Finding`, the worst first
    ok        whether there is no error and no warning; notes may be meant
    checks    the names of the checks that were made
    skipped   why the others could say nothing, by name
    layers    a `LayerReport` for each layer of a training step, in order
    """

    def __init__(self, findings: list[Finding], checks: list[str], skipped: dict[str, str], layers: list[LayerReport]):
        self.findings = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
        self.checks, self.skipped, self.layers = checks, skipped, layers

    @property
    def ok(self) -> bool:
        return all(finding.severity == "note" for finding in self.findings)

    def __iter__(self) -> Any:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:
        return True  # else `if health(...)` would be true where there is something wrong; ask for `ok`

    def _headline(self) -> str:
        counts = {severity: sum(f.severity == severity for f in self.findings) for severity in SEVERITIES}
        said = ", ".join(f"{n} {severity}{'s' if n > 1 else ''}" for severity, n in counts.items() if n)
        made = f"{len(self.checks)} check{'s' if len(self.checks) != 1 else ''}"
        return f"health: {said or 'nothing found'} ({made}{f', {len(self.skipped)} could say nothing' if self.skipped else ''})"

    def _reasons(self) -> list[str]:
        """Return the checks that could say nothing, those with one reason together."""
        by_reason: dict[str, list[str]] = {}
        for name, why in self.skipped.items():
            by_reason.setdefault(why, []).append(name)
        return [f"{', '.join(names)}: {why}" for why, names in by_reason.items()]

    def __repr__(self) -> str:
        lines = [self._headline()]
        if self.findings:
            lines += ["", _row(["finding"], ["where"], ["evidence"], ["cure"])[0], "─" * WIDTH]
        for i, finding in enumerate(self.findings):
            first = [f"{_MARKS[finding.severity]} {finding.severity}", *_wrapped(finding.check, _SEVERITY)]
            cells = _wrapped(finding.where, _WHERE), _wrapped(finding.evidence, _EVIDENCE), _wrapped(finding.cure, _cure_width())
            lines += ([""] if i else []) + _row(first, *cells)
        if self.skipped:
            lines += ["", "could say nothing:"]
            for text in self._reasons():
                lines += [f"  {line}" if j == 0 else f"    {line}" for j, line in enumerate(_wrapped(text, WIDTH - 4))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        cell = "text-align:left;vertical-align:top;padding:4px 12px 4px 0;border-bottom:1px solid #8884"
        head = "".join(f'<th style="{cell}">{name}</th>' for name in ("finding", "where", "evidence", "cure"))
        rows = ""
        for f in self.findings:
            mark = f'<span style="color:{_COLORS[f.severity]};font-weight:600">{_MARKS[f.severity]} {escape(f.severity)}</span>'
            first = f'{mark}<br><span style="opacity:.75">{escape(f.check)}</span>'
            texts = [first, f"<code>{escape(f.where)}</code>", escape(f.evidence), escape(f.cure)]
            rows += "<tr>" + "".join(f'<td style="{cell};max-width:24em">{text}</td>' for text in texts) + "</tr>"
        table = f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        skipped = "".join(f"<li>{escape(text)}</li>" for text in self._reasons())
        return (
            f"<div><p>{escape(self._headline())}</p>{table if self.findings else ''}"
            + (f"<details><summary>could say nothing</summary><ul>{skipped}</ul></details>" if skipped else "")
            + "</div>"
        )

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Return a matplotlib Figure with the histograms of activations and gradients, a row for each layer. Needs matplotlib.

        path  a file to write it to as well, in the format of its ending
        """
        from .picture import layers_drawn

        places: dict[str, str] = {}
        for finding in self.findings:
            places.setdefault(finding.where, finding.severity)
            places.setdefault(finding.where.rpartition(".")[0] or finding.where, finding.severity)
        figure = layers_drawn(self.layers, places)
        if path is not None:
            figure.savefig(path)
        return figure


def _cure_width() -> int:
    return WIDTH - _SEVERITY - _WHERE - _EVIDENCE - 6


def _wrapped(text: str, width: int) -> list[str]:
    from textwrap import wrap

    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.replace("\n", " "))
    return wrap(printable, width) or [""]


def _row(*cells: list[str]) -> list[str]:
    """Return the lines of a row of wrapped cells."""
    widths = (_SEVERITY, _WHERE, _EVIDENCE, _cure_width())
    height = max(map(len, cells))
    columns = [[*cell, *[""] * (height - len(cell))] for cell in cells]
    return ["  ".join(part.ljust(width) for part, width in zip(line, widths)).rstrip() for line in zip(*columns)]
