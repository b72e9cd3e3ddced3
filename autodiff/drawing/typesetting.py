"""From what a label says to where its words and small pictures stand: a block of marks with a width and a height.

Knows sizes of fonts and distances, in pixels. Colours are names, see inks.py. Knows nothing of graphs, nor of how marks are
written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .labels import Content, Grid, HeatMap, Histogram, Label, Row, Text
from .text_width import text_width

NAME, SIGN, LONG_SIGN, OPERATION, FACT, SMALL, TINY = 13.0, 19.0, 15.0, 14.0, 12.0, 11.0, 9.5  # sizes of fonts
LINE = 1.3  # height of a line, as a multiple of the size of the font
BASELINE = 0.35  # how far below the middle of a line its letters stand
SIDE, TOP = 9.0, 6.0  # between a block and its frame
APART = 8.0  # between columns
MOST_TONES = 12  # shades on either side of zero in a heat map
BAR, BARS_HIGH = 4.0, 26.0  # of a histogram
CELL, SMALL_CELL = 9.0, 5.0  # of a heat map
SANS_SLACK = 1.03  # fonts of nearly the same widths exist


@dataclass(slots=True)
class Words:
    """One line of text: where it starts (or its middle, or its end, by `anchor`) and its baseline."""

    text: str
    x: float
    y: float
    size: float
    ink: str
    width: float
    bold: bool = False
    style: str = "plain"
    anchor: str = "start"


@dataclass(frozen=True)
class Shape:
    """A path, filled, or drawn with a line of some thickness."""

    path: str
    fill: str = ""
    stroke: str = ""
    thickness: float = 1.0


@dataclass
class Block:
    """Marks, from the top left corner of a box of this size.

    entrances  for each argument that has a place of its own, where that is along the side: from 0 to 1
    """

    width: float = 0.0
    height: float = 0.0
    words: list[Words] = field(default_factory=list)
    shapes: list[tuple[float, float, Shape]] = field(default_factory=list)
    entrances: dict[int, float] = field(default_factory=dict)

    def add(self, block: Block, x: float, y: float) -> None:
        """Move another block into this one; it is not to be used again."""
        for words in block.words:
            words.x += x
            words.y += y
        self.words += block.words
        self.shapes += [(x + left, y + top, shape) for left, top, shape in block.shapes]


def line(text: str, size: float, ink: str = "ink", bold: bool = False, style: str = "plain") -> Block:
    """Return a block of one line of text."""
    if not text:
        return Block()
    width = text_width(text, size, bold, style == "code") * SANS_SLACK
    height = size * LINE
    return Block(width, height, [Words(text, 0.0, height / 2 + size * BASELINE, size, ink, width, bold, style)])


def below(blocks: list[Block], gap: float = 0.0, align: float = 0.0) -> Block:
    """Return the blocks one below the other; `align` is 0 for the left, 0.5 for the middle, 1 for the right."""
    blocks = [block for block in blocks if block.height]
    whole = Block(max((block.width for block in blocks), default=0.0))
    for i, block in enumerate(blocks):
        whole.height += gap if i else 0.0
        whole.add(block, (whole.width - block.width) * align, whole.height)
        whole.height += block.height
    return whole


def beside(blocks: list[Block], gap: float = APART, align: float = 0.5) -> Block:
    """Return the blocks side by side."""
    blocks = [block for block in blocks if block.width]
    whole = Block(height=max((block.height for block in blocks), default=0.0))
    for i, block in enumerate(blocks):
        whole.width += gap if i else 0.0
        whole.add(block, whole.width, (whole.height - block.height) * align)
        whole.width += block.width
    return whole


def typeset(label: Label, down: bool, inset: float = 0.0) -> Block:
    """Return the whole of a label with its margins; `inset` is what a double frame takes on each side."""
    if label.sign or label.operation:
        chip = below(_chip(label), align=0.5)
        body = beside([chip, _table(label)])
    else:
        body = _table(label)
    entrances = list(label.arguments.values())
    if not entrances:
        return _framed(body, inset)
    if down:
        return _with_entrances_above(body, label.arguments, inset)
    names = below([line(name, TINY, "quiet") for name in entrances], 3.0)
    whole = _framed(beside([names, body]), inset)
    top = (whole.height - names.height) / 2
    step = (names.height + 3.0) / len(entrances)
    whole.entrances = {p: (top + step * (i + 0.5) - 1.5) / whole.height for i, p in enumerate(label.arguments)}
    return whole


def _framed(body: Block, inset: float) -> Block:
    whole = Block(math.ceil(max(body.width + 2 * (SIDE + inset), 28.0)), math.ceil(max(body.height + 2 * (TOP + inset), 26.0)))
    whole.add(body, (whole.width - body.width) / 2, (whole.height - body.height) / 2)
    return whole


def _with_entrances_above(body: Block, arguments: dict[int, str], inset: float) -> Block:
    names = [line(name, TINY, "quiet") for name in arguments.values()]
    needed = sum(name.width + 12.0 for name in names)
    column = max(body.width + 2 * (SIDE + inset), needed) / len(names)
    column = max(column, *(name.width + 10.0 for name in names))
    whole = Block(math.ceil(column * len(names)))
    for i, (position, name) in enumerate(zip(arguments, names)):
        whole.add(name, column * (i + 0.5) - name.width / 2, inset + 3.0)
        whole.entrances[position] = column * (i + 0.5) / whole.width
    top = inset + 3.0 + names[0].height + 1.0
    whole.add(body, (whole.width - body.width) / 2, top)
    whole.height = math.ceil(top + body.height + TOP + inset)
    return whole


def _chip(label: Label) -> list[Block]:
    """Return the sign and the name of an operation, and its settings."""
    if label.sign:
        lines = [line(label.sign, SIGN if len(label.sign) < 3 else LONG_SIGN), line(label.operation, SMALL, "quiet")]
    else:
        lines = [line(label.operation, OPERATION)]
    return lines + [line(setting, TINY, "quiet") for setting in label.settings]


def _table(label: Label) -> Block:
    name = beside([line(label.name, NAME, bold=True), line(label.times, SMALL, "quiet", True)], 5.0)
    if label.marked:
        name = beside([line("⚠", NAME, "wrong", True), name], 4.0)
    lines = [name, line(label.about, SMALL, "quiet")]
    if len(label.rows) == 1 and not label.rows[0].name:
        lines.append(_content(label.rows[0].content, _ink(label.rows[0])))
    elif label.rows:
        lines.append(_facts(label.rows))
    return below([*lines, *(line(note, SMALL, "quiet") for note in label.notes)], 1.0)


def _facts(rows: tuple[Row, ...]) -> Block:
    """Return names on the left, contents on the right; two pictures or tables of numbers are set a little apart."""
    names = [line(row.name, SMALL, "quiet") for row in rows]
    column = max(name.width for name in names) + 6.0
    whole = Block()
    large = False
    for name, row in zip(names, rows):
        content = _content(row.content, _ink(row))
        is_large = not isinstance(row.content, Text)
        whole.height += 3.0 if is_large and large else 1.0 if whole.height else 0.0
        large = is_large
        left = column if row.name else 0.0
        height = max(name.height, content.height)
        top = (height - name.height) / 2 if not is_large or height < 30 else 2.0
        whole.add(name, 0.0, whole.height + top)
        whole.add(content, left, whole.height + (height - content.height) / 2)
        whole.width = max(whole.width, left + content.width)
        whole.height += height
    return whole


def _ink(row: Row) -> str:
    return row.kind if row.kind in ("value", "gradient") else "ink"


def _content(content: Content, ink: str) -> Block:
    if isinstance(content, Text):
        if content.style == "reason":
            return below([line(text, SMALL, "quiet", style="reason") for text in content.lines])
        size = SMALL if content.style == "code" or len(content.lines) > 1 or len(content.lines[0]) > 14 else FACT
        return below([line(text, size, ink, style=content.style) for text in content.lines])
    if isinstance(content, Grid):
        return _grid(content, ink)
    return _histogram(content, ink) if isinstance(content, Histogram) else _heat_map(content)


def _grid(grid: Grid, ink: str) -> Block:
    cells = [[line(text, SMALL, ink) for text in row] for row in grid.rows]
    columns = [max(cell.width for cell in column) + 10.0 for column in zip(*cells)]
    high = SMALL * LINE + 3.0
    whole = Block(sum(columns), high * len(cells))
    for i, row in enumerate(cells):
        right = 0.0
        for cell, column in zip(row, columns):
            right += column
            for words in cell.words:
                words.x, words.y, words.anchor = right - 5.0, words.y + i * high + 1.5, "end"
            whole.words += cell.words
    lines = [f"M0 {length(i * high)}h{length(whole.width)}" for i in range(len(cells) + 1)]
    x = 0.0
    for column in (0.0, *columns):
        x += column
        lines.append(f"M{length(x)} 0v{length(whole.height)}")
    whole.shapes.append((0.0, 0.0, Shape("".join(lines), stroke="grid", thickness=0.8)))
    return whole


def _histogram(histogram: Histogram, ink: str) -> Block:
    most = max(histogram.counts, default=0) or 1
    width = BAR * len(histogram.counts)
    bars = []
    for i, count in enumerate(histogram.counts):
        if count:
            high = max(1.0, BARS_HIGH * count / most)
            bars.append(_rectangle(i * BAR, BARS_HIGH - high, BAR - 0.8, high))
    picture = Block(width, BARS_HIGH + 1.0)
    picture.shapes.append((0.0, 0.0, Shape("".join(bars), fill=ink)))
    picture.shapes.append((0.0, 0.0, Shape(f"M0 {length(BARS_HIGH)}h{length(width)}", stroke="quiet", thickness=0.8)))
    low, high_end = line(histogram.low, TINY, ink), line(histogram.high, TINY, ink)
    feet = Block(max(width, low.width + high_end.width + 8.0), low.height)
    feet.add(low, 0.0, 0.0)
    feet.add(high_end, feet.width - high_end.width, 0.0)
    return below([picture, feet, line(histogram.note, TINY, ink)], align=0.0)


def _heat_map(picture: HeatMap) -> Block:
    columns = len(picture.cells[0])
    cell = CELL if len(picture.cells) <= 8 and columns <= 14 else SMALL_CELL
    tones: dict[str, list[str]] = {}
    for i, row in enumerate(picture.cells):
        for j, value in enumerate(row):
            tone = "tone-none" if math.isnan(value) else f"tone{round(value * MOST_TONES)}"
            tones.setdefault(tone, []).append(_rectangle(j * cell, i * cell, cell, cell))
    block = Block(cell * columns, cell * len(picture.cells))
    block.shapes += [(0.0, 0.0, Shape("".join(paths), fill=tone)) for tone, paths in sorted(tones.items())]
    block.shapes.append((0.0, 0.0, Shape(_rectangle(0.0, 0.0, block.width, block.height), stroke="grid", thickness=0.8)))
    return below([block, line(picture.note, TINY, "quiet")], 1.0)


def _rectangle(x: float, y: float, width: float, height: float) -> str:
    return f"M{length(x)} {length(y)}h{length(width)}v{length(height)}h-{length(width)}z"


def length(value: float) -> str:
    """Return a length as text, with at most one decimal.

    >>> length(2.0), length(-0.04), length(7.25)
    ('2', '0', '7.2')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
