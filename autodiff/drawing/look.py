"""How a picture looks: what it shows, its colours, and the scale that they may stand for.

Knows the options of `draw` and the palettes. Knows nothing of any format.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..tracing import Statistics
from .description import Description, DrawnNode
from .naming import number, seconds_text, size_text

SHOWS = {
    "values": "what was computed",
    "gradients": "what came back",
    "shapes": "shapes in nodes",
    "edges": "shapes along edges",
    "rules": "derivative rules as they are written in the source",
    "saved": "bytes kept for the backward pass",
    "time": "time of each operation",
    "source": "file and line of the caller",
    "thumbnails": "small pictures of larger arrays, instead of figures",
}
COLORS = {
    "role": "what a node is",
    "gradient": "size of the gradient (root mean square)",
    "memory": "bytes kept for the backward pass",
    "time": "time of the forward pass",
}
DEFAULT_SHOW = frozenset({"values", "gradients", "shapes"})


@dataclass(frozen=True)
class Look:
    """How a picture looks; made by `Look.of`, which checks its arguments.

    show   which of `SHOWS` are shown
    color  one of `COLORS`: what the colour of a node stands for
    theme  "light" or "dark"
    """

    show: frozenset[str] = DEFAULT_SHOW
    color: str = "role"
    theme: str = "light"

    @classmethod
    def of(cls, show: str | Iterable[str] | None = None, color: str = "role", theme: str = "light") -> Look:
        """Return the look that a caller asked for.

        show   words, or one text with commas; None for values, gradients and shapes. A word with a plus adds to these
        color  "role", "gradient", "memory" or "time"
        theme  "light" or "dark"

        Raises ValueError for a word that is not known, and TypeError for what is no word.

        >>> sorted(Look.of("values, rules").show)
        ['rules', 'values']
        >>> sorted(Look.of("+time").show)
        ['gradients', 'shapes', 'time', 'values']
        """
        if show is not None and not isinstance(show, str) and not isinstance(show, Iterable):
            raise TypeError(f"draw: show is a word or several, of {_choices(SHOWS)}; got {type(show).__name__}")
        words = [] if show is None else show.replace(",", " ").split() if isinstance(show, str) else list(show)
        shown = set(DEFAULT_SHOW) if show is None else set()
        for word in words:
            if not isinstance(word, str):
                raise TypeError(f"draw: show is a word or several, of {_choices(SHOWS)}; got {type(word).__name__} among them")
            if word.startswith("+"):
                shown |= DEFAULT_SHOW
            if word.removeprefix("+") not in SHOWS:
                raise ValueError(f"draw: show knows {_choices(SHOWS)}; got {word!r}{_near(word.removeprefix('+'), SHOWS)}")
            shown.add(word.removeprefix("+"))
        for name, value, known in (("color", color, COLORS), ("theme", theme, PALETTES)):
            if value not in tuple(known):  # a tuple can be asked about what has no hash
                raise ValueError(f"draw: {name} is one of {_choices(known)}; got {value!r}{_near(value, known)}")
        return cls(frozenset(shown), color, theme)

    @property
    def palette(self) -> Palette:
        """The colours of the theme."""
        return PALETTES[self.theme]


def _near(word: object, known: Iterable[str]) -> str:
    import difflib  # here: only a mistake needs it

    near = difflib.get_close_matches(str(word).lower(), list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _choices(known: Iterable[str]) -> str:
    return ", ".join(map(repr, known))


# ----------------------------------------------------------------------------------------------- palettes


@dataclass(frozen=True)
class Colors:
    """How one node is drawn: colours as #RRGGBB, and what tells roles apart where colours cannot be seen.

    fill, frame, ink  the face, its frame, and text upon it
    quiet             secondary text
    value, gradient   figures of the two kinds
    width             of the frame, in points
    dashed, rounded, double  the frame's style
    stacked           whether a second sheet shows behind: it stands for several
    """

    fill: str
    frame: str
    ink: str
    quiet: str
    value: str
    gradient: str
    width: float = 1.2
    dashed: bool = False
    rounded: bool = False
    double: bool = False
    stacked: bool = False


@dataclass(frozen=True)
class Palette:
    """The colours of a theme, as #RRGGBB.

    paper            the background
    ink, quiet       text, and secondary text
    value, gradient  figures of the two kinds
    edge             lines between nodes
    back             lines along which gradients go, where these are drawn by themselves
    grid             lines between the cells of an array
    groups           faces of groups, by depth; deeper ones have the last
    group_frame      their frames
    wrong            frame and sign of what is marked
    wrong_fill       its face
    roles            for each role: face and frame
    output           face and frame of outputs
    scales           for each of `COLORS` but "role": from little to much, in steps of equal lightness
    unknown          the face of what has no place on a scale
    diverging        from negative by zero to positive
    """

    paper: str
    ink: str
    quiet: str
    value: str
    gradient: str
    edge: str
    back: str
    grid: str
    groups: tuple[str, ...]
    group_frame: str
    wrong: str
    wrong_fill: str
    roles: dict[str, tuple[str, str]]
    output: tuple[str, str]
    scales: dict[str, tuple[str, ...]]
    unknown: str
    diverging: tuple[str, ...]

    def heat(self, cell: float) -> str:
        """Return the colour of a number from −1 to 1; of one that is not finite that of what is wrong."""
        return self.wrong if math.isnan(cell) else blend(self.diverging, (cell + 1) / 2)


# The hues are Okabe and Ito's, which colour-blind readers can tell apart; faces are their tints. Scales were made in the
# space OKLCH: lightness changes by equal steps, and alone tells their colours apart.
PALETTES = {
    "light": Palette(
        paper="#FFFFFF", ink="#1F2933", quiet="#56616B", value="#1F2933", gradient="#A63D00", edge="#6F7B86", back="#C24E00",
        grid="#CBD3DA", groups=("#F4F6F8", "#EAEEF2", "#E0E6EB"), group_frame="#B4BFC8", wrong="#C4001D", wrong_fill="#FFECEE",
        roles={
            "variable": ("#E9F3FA", "#0072B2"),
            "parameter": ("#E6F5EF", "#00805D"),
            "constant": ("#F6F7F8", "#7A858E"),
            "operation": ("#FFFFFF", "#5B6770"),
            "part": ("#FFFFFF", "#5B6770"),
            "group": ("#FDF6E3", "#8A6D00"),
        },
        output=("#FFF3EA", "#C24E00"),
        scales={
            "gradient": ("#FBF6EC", "#F5D9AB", "#EABB7E", "#DE9B56", "#D17B32", "#C25A06", "#AB3E00"),
            "memory": ("#FFF3F9", "#FECCEA", "#EEACD8", "#DA8EC7", "#C571B6", "#AE55A6", "#973896"),
            "time": ("#ECFAFD", "#B1E7FA", "#87D0EF", "#62B7E3", "#419DD6", "#2382C8", "#0667B8"),
        },
        unknown="#FFFFFF",
        diverging=("#0064A8", "#5E9CCB", "#B3D1E8", "#F5F6F7", "#F3C6A5", "#DE8A52", "#B54A00"),
    ),
    "dark": Palette(
        paper="#12161B", ink="#E8EDF2", quiet="#A9B7C4", value="#E8EDF2", gradient="#F5AE85", edge="#77869A", back="#F5AE85",
        grid="#465360", groups=("#1A2027", "#222A33", "#2B343F"), group_frame="#4A5867", wrong="#FF6B78", wrong_fill="#451A22",
        roles={
            "variable": ("#12293A", "#56B4E9"),
            "parameter": ("#0F2F26", "#2FC39B"),
            "constant": ("#1E242B", "#8896A3"),
            "operation": ("#1B2128", "#98A8B7"),
            "part": ("#1B2128", "#98A8B7"),
            "group": ("#302A16", "#E0BE4B"),
        },
        output=("#3A2415", "#F0803C"),
        scales={
            "gradient": ("#322621", "#563928", "#79512F", "#996B35", "#B8893B", "#D3A943", "#EBCC4F"),
            "memory": ("#2F252E", "#51374C", "#734C6A", "#986189", "#BE78A7", "#E58FC5", "#FFB3DD"),
            "time": ("#212A33", "#2D4457", "#38607A", "#427E9C", "#4C9EBE", "#56BFDF", "#5FE2FF"),
        },
        unknown="#1B2128",
        diverging=("#7CC4F2", "#4585B0", "#294C66", "#262C33", "#66402A", "#B06A3C", "#FFAE78"),
    ),
}  # fmt: skip
# Width, dashed, rounded, double: what tells roles apart without colour.
_FRAMES = {
    "variable": (1.2, False, False, False),
    "parameter": (2.4, False, False, False),
    "constant": (1.0, True, False, False),
    "operation": (1.2, False, True, False),
    "part": (0.8, False, True, False),
    "group": (1.6, False, True, False),
}


def colors_of(node: DrawnNode, look: Look, scale: Scale | None = None) -> Colors:
    """Return how `node` is drawn.

    Outputs have a double frame, what is marked a heavy red one, groups that stand for several a second sheet behind.
    """
    palette = look.palette
    width, dashed, rounded, double = _FRAMES[node.role]
    fill, frame = palette.output if node.is_output else palette.roles[node.role]
    if scale is not None:
        amount = scale.amount(node)
        fill = palette.unknown if amount is None else blend(palette.scales[scale.color], scale.place(amount))
    if node.marked:
        fill, frame, width = palette.wrong_fill if scale is None else fill, palette.wrong, 4.0
    ink, quiet, value, gradient = (
        legible(ink, fill, palette.ink) for ink in (palette.ink, palette.quiet, palette.value, palette.gradient)
    )
    return Colors(
        fill, frame, ink, quiet, value, gradient, width, dashed, rounded, double or node.is_output, node.times > 1,
    )  # fmt: skip


def blend(stops: tuple[str, ...], place: float) -> str:
    """Return the colour at `place`, from 0 to 1, among `stops` at equal distances.

    >>> blend(("#000000", "#FFFFFF"), 0.5)
    '#808080'
    """
    place = min(max(place, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    rest = place - first
    pairs = zip(_channels(stops[first]), _channels(stops[first + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * rest):02X}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2.2, from 1 to 21; text needs 4.5.

    >>> contrast("#FFFFFF", "#000000")
    21.0
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return round((lighter + 0.05) / (darker + 0.05), 3)


@functools.lru_cache(maxsize=1000)
def legible(ink: str, fill: str, other: str = "") -> str:
    """Return `ink` where it can be read upon `fill`, else `other`, else black or white, whichever can be read better."""
    for choice in (ink, other):
        if choice and contrast(choice, fill) >= 4.5:
            return choice
    return max("#000000", "#FFFFFF", key=lambda extreme: contrast(extreme, fill))


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (c / 255 for c in _channels(color)))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ----------------------------------------------------------------------------------------------- scales


@dataclass(frozen=True)
class Scale:
    """What the colours of a picture stand for: amounts from `low` to `high`, linear or by their logarithms.

    color  "gradient", "memory" or "time"
    """

    color: str
    low: float
    high: float
    logarithmic: bool

    def amount(self, node: DrawnNode) -> float | None:
        """Return what the colour of `node` stands for, None where that is unknown or the node has no such thing."""
        return amount_of(node, self.color)

    def place(self, amount: float) -> float:
        """Return where an amount lies, from 0 to 1."""
        if math.isnan(amount) or self.high <= self.low:
            return 1.0
        amount = min(max(amount, self.low), self.high)
        if self.logarithmic:
            return math.log(amount / self.low) / math.log(self.high / self.low)
        return (amount - self.low) / (self.high - self.low)

    def text(self, amount: float) -> str:
        """Return an amount with its unit."""
        if self.color == "time":
            return seconds_text(amount)
        # Two digits are enough for a colour, and 650 is easier to read than 6.5e2.
        return size_text(round(amount)) if self.color == "memory" else number(float(f"{amount:.2g}"), 6)


def amount_of(node: DrawnNode, color: str) -> float | None:
    """Return what the colour of `node` would stand for: seconds, bytes, or the size of its gradient."""
    if color == "time":
        return node.seconds
    if color == "memory":
        return None if node.saved_bytes is None else float(node.saved_bytes)
    return None if node.gradient is None else _size(node.gradient)


def scale_of(description: Description, look: Look) -> Scale | None:
    """Return the scale that fits the amounts of all nodes; None where colours stand for roles, or nothing is known."""
    if look.color == "role":
        return None
    amounts = [amount_of(node, look.color) for node in description.nodes]
    known = [amount for amount in amounts if amount is not None and math.isfinite(amount)]
    if not known:
        return None
    positive = [amount for amount in known if amount > 0]
    low, high = min(known), max(known)
    if look.color != "gradient" and high < 20 * max(low, 1e-300):
        return Scale(look.color, low, high, False)
    if not positive:
        return Scale(look.color, 0.0, high, False)
    low = max(min(positive), high * 1e-8)  # a gradient that all but vanished must not take all the colours
    return Scale(look.color, low, high, low < high)


def _size(gradient: np.ndarray | Statistics) -> float | None:
    """Return the root of the mean square of what is finite, which can also be told from figures."""
    if isinstance(gradient, Statistics):
        return None if math.isnan(gradient.mean) else math.hypot(gradient.mean, gradient.std)
    sizes = np.abs(gradient[np.isfinite(gradient)])
    largest = float(sizes.max(initial=0.0))
    if not largest:
        return 0.0 if sizes.size else None
    return largest * math.sqrt(float(np.square(sizes / largest, dtype=float).mean()))  # divided first: squares overflow


@dataclass(frozen=True)
class Legend:
    """What the colours stand for: a title, and for some places on the scale the colour, its ink, and the amount in words."""

    title: str
    stops: tuple[tuple[str, str, str], ...]


def legend_of(scale: Scale | None, look: Look) -> Legend | None:
    """Return the legend of a scale, None where there is none."""
    if scale is None:
        return None
    title = COLORS[scale.color] + (", logarithmic" if scale.logarithmic else "")
    count = 5 if scale.high > scale.low else 1
    stops: dict[str, tuple[str, str, str]] = {}
    for i in range(count):
        place = i / (count - 1) if count > 1 else 1.0
        if scale.logarithmic:
            amount = scale.low * (scale.high / scale.low) ** place
        else:
            amount = scale.low + (scale.high - scale.low) * place
        fill = blend(look.palette.scales[scale.color], place)
        stops.setdefault(scale.text(amount), (fill, legible(look.palette.ink, fill), scale.text(amount)))
    return Legend(title, tuple(stops.values()))
