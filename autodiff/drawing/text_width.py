"""How wide a text is when it is written in Helvetica, Arial, or a font of their widths.

Knows the widths of characters, in thousandths of the size of the font, and nothing of what is written.
"""

from __future__ import annotations

import functools

# Of the signs of mathematics, whose widths differ most from font to font.
_SIGNS = {280: "‖", 370: "⌊⌋⌈⌉", 420: "ᵀʸˣⁿᵢ", 560: "√∛∂µ", 630: "Σσ", 740: "Π∞"}
_PLAIN = {
    191: "'", 222: "ijl", 260: "|", 278: " !,./:;I[\\]ft·", 333: "()-`r²³¹⁰⁴⁵⁶⁷⁸⁹⁻", 334: "{}", 355: '"', 389: "*", 469: "^",
    500: "Jcksvxyz", 556: "#$0123456789?L_abdeghnopqu", 584: "+<=>~−×÷", 611: "FTZ", 667: "&ABEKPSVXY", 722: "CDHNRUw", 778: "GOQ",
    833: "Mm", 889: "%", 944: "W", 1000: "…—→←↑↓", **_SIGNS, 1015: "@",
}  # fmt: skip
_BOLD = {
    238: "'", 278: " ,./I\\ijl·", 280: "|", 333: "!()-:;[]`ft²³¹⁰⁴⁵⁶⁷⁸⁹⁻", 389: "*r{}", 474: '"', 500: "z",
    556: "#$0123456789J_acekssvxy", 584: "+<=>^~−×÷", 611: "?FLTZbdghnopqu", 667: "EPSVXY", 722: "&ABCDHKNRU", 778: "GOQw",
    833: "M", 889: "%m", 944: "W", 975: "@", 1000: "…—→←↑↓", **_SIGNS,
}  # fmt: skip
MONOSPACE = 602  # every character of Menlo, DejaVu Sans Mono and Courier, rounded up


def text_width(text: str, size: float, bold: bool = False, monospace: bool = False) -> float:
    """Return the width of a line of text, in the unit of `size`, the size of the font.

    Exact for what an English text is made of; of other scripts an estimate, rather too wide than too narrow.

    >>> text_width("grad", 10), text_width("名前", 10)
    (20.01, 20.0)
    """
    if monospace:
        return sum(MONOSPACE if c.isascii() else max(_width(c, False), MONOSPACE) for c in text) * size / 1000
    known = _widths(bold)
    return sum(known.get(character) or _width(character, bold) for character in text) * size / 1000


def is_exact(text: str, bold: bool = False) -> bool:
    """Return whether the widths of all its characters are known, and not estimated."""
    known = _widths(bold)
    return all(character in known for character in text)


def shortened(text: str, size: float, room: float, bold: bool = False) -> str:
    """Return `text`, its middle left out where it is wider than `room`.

    >>> shortened("layers.0.attention.weight", 10, 60)
    'layers.0…ght'
    """
    if text_width(text, size, bold) <= room:
        return text
    low, high = 0, len(text) - 1  # how many characters of the text have room
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(_without_middle(text, middle), size, bold) <= room:
            low = middle
        else:
            high = middle - 1
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    behind = kept // 3
    return f"{text[: kept - behind]}…{text[len(text) - behind :]}"


@functools.cache
def _widths(bold: bool) -> dict[str, int]:
    return {character: width for width, characters in (_BOLD if bold else _PLAIN).items() for character in characters}


@functools.lru_cache(4096)
def _width(character: str, bold: bool) -> int:
    """Return the width of a character that is not in the table: that of the letter under an accent, or by its kind."""
    import unicodedata  # here, since few texts need it

    letter = _widths(bold).get(unicodedata.normalize("NFD", character)[0])
    if letter is not None:
        return letter
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # drawn upon another, or not at all
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 1000
    if category in ("So", "Cs", "Co", "Cn"):
        return 1000
    if category == "Lm":  # small letters that stand high
        return 420
    return 780 if category == "Lu" else 640
