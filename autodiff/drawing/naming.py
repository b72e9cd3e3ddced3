"""How things are named and written in a drawing: ids, signs of operations, numbers, and text that is only text.

Knows nothing of graphs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIGNS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "negative": "−x", "positive": "+x", "reciprocal": "1/x",
    "square": "x²", "sqrt": "√x", "cbrt": "∛x", "power": "xʸ", "exp": "eˣ", "exp2": "2ˣ", "expm1": "eˣ−1", "log": "ln",
    "log1p": "ln(1+x)", "logsumexp": "ln Σeˣ", "abs": "|x|", "matmul": "@", "linear": "xWᵀ+b", "transpose": "xᵀ",
    "sum": "Σ", "cumsum": "Σ…", "prod": "Π", "cumprod": "Π…", "var": "σ²", "std": "σ", "norm": "‖x‖", "floor": "⌊x⌋",
    "ceil": "⌈x⌉", "maximum": "max", "minimum": "min", "getitem": "x[ ]", "setitem": "x[ ]=", "conj": "x̄",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("−.0123456789", "⁻·⁰¹²³⁴⁵⁶⁷⁸⁹")


def sign(operation: str, settings: dict[str, str]) -> str:
    """Return how mathematics writes an operation, "" where it uses the name.

    >>> sign("multiply", {}), sign("power", {"n": "2"}), sign("sin", {})
    ('×', 'x²', '')
    """
    if operation == "power" and "n" in settings:
        return "x" + settings["n"].translate(_SUPERSCRIPTS) if set(settings["n"]) <= set("−.0123456789") else "xⁿ"
    return SIGNS.get(operation, "")


class UniqueNames:
    """Makes ids out of names: letters, digits and ``._-[]`` stay, a name met before gets a number.

    >>> unique = UniqueNames()
    >>> unique("loss"), unique("loss"), unique("a:b")
    ('loss', 'loss_2', 'a_b')
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._bases: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        name = str(name)[:80]
        base = self._bases.get(name)
        if base is None:
            base = self._bases[name] = "".join(c if c.isalnum() or c in "._-[]" else "_" for c in name) or "_"
        return free(base, self._counts)


def free(name: str, taken: dict[str, int]) -> str:
    """Return `name`, with a number where it is taken, and note it; `taken` counts how often a name was asked for."""
    count = taken.get(name, 0) + 1
    made = name if count == 1 else f"{name}_{count}"
    while count > 1 and made in taken:  # somebody is called loss_2 already
        count += 1
        made = f"{name}_{count}"
    taken[name] = count
    taken.setdefault(made, 1)
    return made


def plain_text(text: str, limit: int = 40) -> str:
    """Return `text` on one line, with what cannot be printed written out, and the middle left out where it is long.

    >>> plain_text("a\\nb")
    'a\\\\nb'
    """
    text = str(text)  # nothing stops a caller from naming a Tensor 5
    if len(text) > limit:
        text = text[: limit - limit // 3 - 1] + "…" + text[-(limit // 3) :]
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def number(value: Any, digits: int = 4) -> str:
    """Return a number with at most so many significant digits.

    >>> number(24.70408), number(-1e-7), number(3), number(True)
    ('24.7', '−1e−7', '3', 'True')
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (complex, np.complexfloating)):
        imaginary = number(value.imag, digits)
        return number(value.real, digits) + (imaginary if imaginary.startswith("−") else "+" + imaginary) + "j"
    whole = isinstance(value, (int, np.integer)) and abs(int(value)) < 1_000_000
    text = str(int(value)) if whole else f"{float(value):.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if e:
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def counted(count: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "node"), counted(2, "node")
    ('1 node', '2 nodes')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shape_text(shape: tuple[int, ...] | None, dtype: str | None) -> str:
    """Return shape and dtype as a short text.

    >>> shape_text((2, 3), "float64"), shape_text((), "float64"), shape_text(None, None)
    ('(2, 3) float64', 'scalar float64', '')
    """
    if shape is None:
        return ""
    return f"{shape or 'scalar'} {dtype}"


def setting_text(value: Any) -> str:
    """Return an argument that is no array as a short text, indices as they are written.

    >>> setting_text((slice(None), 0)), setting_text(1e-5)
    ('(:, 0)', '1e−5')
    """
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        return ":".join(ends if value.step is None else [*ends, str(value.step)])
    if isinstance(value, (tuple, list)):
        inside = ", ".join(setting_text(v) for v in value)
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, np.ndarray) and value.size != 1:
        return f"array of shape {value.shape}"
    if isinstance(value, (bool, int, float, complex, np.number)):
        return number(value)
    return "..." if value is Ellipsis else "newaxis" if value is None else str(value)


def size_text(size: int) -> str:
    """Return a number of bytes with a unit: a kB is 1,000 of them.

    >>> size_text(840), size_text(12_345), size_text(4_000_000)
    ('840 B', '12.3 kB', '4 MB')
    """
    return f"{size} B" if abs(size) < 1000 else _with_unit(size, (("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)))


def seconds_text(seconds: float) -> str:
    """Return a duration with a unit.

    >>> seconds_text(4.2e-6), seconds_text(0.0123), seconds_text(75)
    ('4.2 µs', '12.3 ms', '75 s')
    """
    return _with_unit(seconds, (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))


def _with_unit(amount: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, size = next((unit for unit in units if abs(amount) < 999.5 * unit[1]), units[-1])
    figures = amount / size
    return f"{figures:.0f} {unit}" if abs(figures) >= 99.5 else f"{figures:.3g} {unit}"
