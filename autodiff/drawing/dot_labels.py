"""Labels in the language of Graphviz: tables that look like HTML.

Knows how text is escaped there, so that a name stays a name, and how numbers and small pictures become tables. Knows nothing
of graphs.
"""

from __future__ import annotations

import math

from .labels import Grid, HeatMap, Histogram, Label, Row, Text
from .look import Colors, Legend, Palette, legible

MONOSPACE = "Menlo,Consolas,DejaVu Sans Mono,monospace"
BAR_HEIGHT, BAR_WIDTH, CELL = 22, 5, 7  # of small pictures, in points


class LabelWriter:
    """Writes the labels of one picture, in the colours of its palette; `down` says whether it runs from top to bottom."""

    def __init__(self, palette: Palette, down: bool):
        self.palette, self.down = palette, down

    def group(self, label: Label) -> str:
        """Return what stands on the frame of a group."""
        texts = [f"<B>{escaped(label.name)}</B>"] if label.name else []
        texts += [_font(label.operation, self.palette.quiet)] if label.operation else []
        texts += [f"<B>{escaped(label.times)}</B>"] if label.times else []
        return "  ".join(texts)

    def caption(self, lines: tuple[str, ...], legend: Legend | None) -> str:
        """Return what holds for all of the picture, and what the colours mean."""
        written = [escaped(line) for line in lines]
        if legend is not None:
            cells = "".join(f'<TD BGCOLOR="{fill}" WIDTH="52">{_font(text, ink)}</TD>' for fill, ink, text in legend.stops)
            written += [escaped(legend.title), _table([f"<TR>{cells}</TR>"], 3)]
        return _stacked(written) if written else ""

    def node(self, role: str, label: Label, colors: Colors) -> str:
        """Return the label of a node: the names of its arguments, its sign, and beside it what there is to say."""
        if not label.name and not label.about and len(label.rows) == 1 and not label.rows[0].name and not label.marked:
            return "".join(self._content(label.rows[0], colors))
        heading = [f'<FONT COLOR="{legible(self.palette.wrong, colors.fill)}" POINT-SIZE="13">⚠</FONT>'] if label.marked else []
        heading += [f"<B>{escaped(label.name)}</B>"] if label.name else []
        if role == "group":
            heading += [_font(label.operation, colors.quiet)] if label.operation else []
            heading += [f"<B>{escaped(label.times)}</B>"] if label.times else []
        lines = ["  ".join(heading)] if heading else []
        lines += [_font(label.about, colors.quiet)] if label.about else []
        facts = [line for row in label.rows for line in self._row(row, colors)]
        lines += [_table(facts)] if facts else []
        lines += [_font(note, colors.quiet, 8) for note in label.notes]
        body = _stacked(lines) if lines else ""
        chip = self._chip(label, colors) if role in ("operation", "part") else ""
        cells = [f'<TD PORT="{position}">{_font(name, colors.quiet, 8)}</TD>' for position, name in label.arguments.items()]
        if not cells:
            return _beside([chip, body]) if chip else body
        if self.down:
            above = _table([f"<TR>{''.join(cells)}</TR>"])
            return _table([f"<TR><TD>{part}</TD></TR>" for part in (above, _beside([chip, body]))], 0)
        return _beside([_table([f"<TR>{cell}</TR>" for cell in cells], 3), chip, body])

    def _chip(self, label: Label, colors: Colors) -> str:
        """Return the sign and the name of an operation, and its settings."""
        if label.sign:
            size = 11 if not label.operation else 16 if len(label.sign) < 3 else 13
            lines = [_font(label.sign, colors.ink, size)] + ([_font(label.operation, colors.quiet)] if label.operation else [])
        else:
            lines = [_font(label.operation, colors.ink, 12)]
        lines = [line for line in lines if line]
        return "<BR/>".join(lines + [_font(setting, colors.quiet, 8) for setting in label.settings])

    def _row(self, row: Row, colors: Colors) -> list[str]:
        """Return the lines of a table that hold one fact."""
        lines = ['<TR><TD HEIGHT="3"></TD></TR>'] if not isinstance(row.content, Text) else []  # two grids should not look like one
        parts = self._content(row, colors)
        if not row.name:
            return [*lines, *(f'<TR><TD ALIGN="LEFT" COLSPAN="2">{part}</TD></TR>' for part in parts)]
        place = "MIDDLE" if isinstance(row.content, Text) and len(parts) == 1 else "TOP"
        for i, part in enumerate(parts):
            name = _font(row.name + "\u00a0", colors.quiet) if i == 0 else ""
            lines.append(f'<TR><TD ALIGN="LEFT" VALIGN="{place}">{name}</TD><TD ALIGN="LEFT">{part}</TD></TR>')
        return lines

    def _content(self, row: Row, colors: Colors) -> list[str]:
        """Return what a row says, as lines of a table."""
        content = row.content
        ink = {"value": colors.value, "gradient": colors.gradient}.get(row.kind, colors.quiet)
        if isinstance(content, Grid):
            return [_grid(content, ink, self.palette.grid)]
        if isinstance(content, Histogram):
            return [_bars(content, ink, colors.quiet)]
        if isinstance(content, HeatMap):
            return [_heat(content, self.palette, ink)]
        if content.style == "reason":
            return [f"<I>{_font(line, colors.quiet)}</I>" for line in content.lines if line]
        if content.style == "code":
            spaced = (line.replace(" ", "\u00a0") for line in content.lines)  # dot would swallow an indent
            font = f'FACE="{MONOSPACE}" COLOR="{colors.ink}" POINT-SIZE="8"'
            return [f"<FONT {font}>{escaped(line)}</FONT>" if line else "" for line in spaced]
        single = len(content.lines) == 1 and row.kind in ("value", "gradient") and "…" not in content.lines[0]
        return [_font(line, ink, 11 if single else 9) for line in content.lines]


# ----------------------------------------------------------------------------------------------- text


def escaped(text: str) -> str:
    """Return `text` such that an HTML-like label shows it as it is; dot would replace \\N and its kin in there, too."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("\\", "\\\\")
    return text if text.strip("] ") else text.replace("]", "&#93;")  # dot's reader of labels stumbles over a lone ]


def _font(text: str, color: str, size: int = 9) -> str:
    return f'<FONT COLOR="{color}" POINT-SIZE="{size}">{escaped(text)}</FONT>' if text else ""  # dot wants none that are empty


# ----------------------------------------------------------------------------------------------- tables


def _table(rows: list[str], padding: int = 1) -> str:
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="{padding}">{"".join(rows)}</TABLE>'


def _beside(parts: list[str]) -> str:
    cells = '<TD WIDTH="3"></TD>'.join(f"<TD>{part}</TD>" for part in parts if part)
    return _table([f"<TR>{cells}</TR>"], 1)


def _grid(grid: Grid, ink: str, lines: str) -> str:
    cells = "".join("<TR>" + "".join(f'<TD ALIGN="RIGHT">{_font(v, ink, 10)}</TD>' for v in row) + "</TR>" for row in grid.rows)
    return f'<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="2" COLOR="{lines}">{cells}</TABLE>'


def _bars(histogram: Histogram, ink: str, quiet: str) -> str:
    """Return a histogram: each bar a table of what is above it and itself, since dot aligns no tables within cells."""
    most = max(histogram.counts, default=0) or 1
    heights = [math.ceil(BAR_HEIGHT * count / most) for count in histogram.counts]  # what occurs at all can be seen
    bars = "".join(f"<TD>{_bar(height, ink)}</TD>" for height in heights)
    half = BAR_WIDTH * len(heights) // 2
    ends = (
        f'<TD ALIGN="LEFT" WIDTH="{half}">{_font(histogram.low, quiet, 8)}</TD>'
        f'<TD ALIGN="RIGHT" WIDTH="{half}">{_font(histogram.high, quiet, 8)}</TD>'
    )
    bars = _fixed([f"<TR>{bars}</TR>"], BAR_WIDTH * len(heights), BAR_HEIGHT)
    return _stacked([bars, _fixed([f"<TR>{ends}</TR>"], 2 * half, 10), *_note(histogram.note, quiet)])


def _bar(height: int, ink: str) -> str:
    parts = [(BAR_HEIGHT - height, ""), (height, f' BGCOLOR="{ink}"')]
    return _table([f"<TR>{_cell(BAR_WIDTH, part, color)}</TR>" for part, color in parts if part], 0)


def _heat(heat: HeatMap, palette: Palette, ink: str) -> str:
    rows = []
    for row in heat.cells:
        colors = (palette.heat(cell) for cell in row)
        rows.append("<TR>" + "".join(_cell(CELL, CELL, f' BGCOLOR="{color}"') for color in colors) + "</TR>")
    return _stacked([_fixed(rows, CELL * len(heat.cells[0]), CELL * len(rows)), *_note(heat.note, ink)])


def _fixed(rows: list[str], width: int, height: int) -> str:
    """Return a table that does not grow with what it stands in."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}" ALIGN="LEFT"'
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" {size}>{"".join(rows)}</TABLE>'


def _cell(width: int, height: int, more: str) -> str:
    return f'<TD FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"{more}></TD>'


def _note(text: str, ink: str) -> list[str]:
    return [_font(text, ink, 8)] if text else []


def _stacked(parts: list[str]) -> str:
    return _table([f'<TR><TD ALIGN="LEFT">{part}</TD></TR>' for part in parts])
