"""An explanation as text with the signs of mathematics, for a terminal, and as LaTeX, for a notebook.

Knows how a path, a sum and the order of a pass are told, in lines of at most 100 columns. Knows nothing of graphs.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tracing import Statistics
from .naming import number
from .paths import magnitude

if TYPE_CHECKING:
    from .explanation import Arrival, Explanation, Path

COLUMNS = 100
NAME = 24  # columns of a node's name; of a longer one the middle is left out
AT_EACH_END = 3  # steps of a long path
TERMS = 4  # of a sum, in the order of the pass
IN_COLUMNS, IN_BLOCKS = 20, 8  # paths that are told; all that were asked for are in .paths
TYPESET = 6  # paths in LaTeX
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def question(e: Explanation) -> str:
    """Return what is explained, such as `∂loss/∂w[0]`."""
    e = _abbreviated(e)
    above = f"∂{_short(e.output)}{_index(e.of)}" if e.of is not None else f"∂(c·{_short(e.output)})"
    return f"{above}/∂{_short(e.wrt)}{_index(e.element)}"


def count_text(count: int) -> str:
    """Return a count that may have any number of digits.

    >>> count_text(20), count_text(2**40), count_text(3**1000)
    ('20', '2⁴⁰ = 1,099,511,627,776', 'about 1.32 × 10⁴⁷⁷')
    """
    power = count.bit_length() - 1
    two = f"2{str(power).translate(_RAISED)}" if count > 1000 and count == 1 << power else ""
    if count < 10**15:
        return f"{two} = {count:,}" if two else f"{count:,}"
    if two:
        return two
    exponent = math.floor(math.log10(count))
    lead = 10 ** (math.log10(count) - exponent)
    return f"about {lead:.2f} × 10{str(exponent).translate(_RAISED)}"


def as_text(e: Explanation) -> str:
    """Return the whole of an explanation, for a terminal."""
    e = _abbreviated(e)
    here = question(e)
    lines = [f"{here} = {number(e.total)}", ""]
    start, end = _short(e.wrt), _short(e.output)
    numbers = not any(path.pushed for path in e.paths)
    if e.of is None:
        lines += _wrapped(f"c is the cotangent that was given, {brief(e.cotangent)}: how much each element of {end} matters.")
    for note in e.notes:
        lines += _wrapped(note)
    if e.count == 0:
        lines += _wrapped(f"No operation on the way from {start} to {end} hands on a gradient, so it is 0.")
    elif numbers:
        lines += _wrapped(
            f"The chain rule: multiply the local derivatives along each path from {start} to {end}, and add up the paths."
        )
    else:
        lines += _wrapped(
            f"The chain rule: push the cotangent of {end} back along each path from {start}, and add up what the paths bring "
            f"to {start}{_index(e.element)}. A path is written as the values went; below it stands what arrives at each node on "
            f"the way back, from {end} to {start}, and the rule that made it of the g in the line before."
        )
    if lines[-1]:
        lines.append("")
    lines += _paths(e, numbers) + _sum(e) + _order(e)
    return "\n".join(line.rstrip() for line in lines)


def brief(value: Any) -> str:
    """Return a gradient in few words: a number, a small array, or a shape and the size of the largest element.

    >>> brief(np.array([1.0, 2.5])), brief(np.ones((3, 4)))
    ('[1 2.5]', '(3, 4) up to 1')
    """
    if not isinstance(value, (np.ndarray, Statistics)):
        return number(value)
    if isinstance(value, np.ndarray):
        if value.size == 1:
            return number(value.item())
        if value.ndim == 1 and value.size <= 4:
            return f"[{' '.join(number(v, 3) for v in value)}]"
    return f"{value.shape} up to {number(magnitude(value))}"


# ------------------------------------------------------------------------------------------------------- the paths


def _paths(e: Explanation, numbers: bool) -> list[str]:
    """Return a line for each path, in columns; where that is too wide, or arrays are pushed, a block of lines."""
    if not e.paths:
        return []
    told = e.paths[:IN_COLUMNS]
    rows = [_row(path, e) for path in told] if numbers else []
    widths = [max(map(_width, column)) for column in zip(*rows)]
    if rows and sum(widths) + 2 <= COLUMNS:
        return ["  " + "".join(_padded(cell, width) for cell, width in zip(row, widths)) for row in rows] + _untold(e, len(rows))
    lines: list[str] = []
    told = e.paths[:IN_BLOCKS]
    figures = [number(path.contribution) for path in told]
    wide = max(map(len, figures))
    for path, figure in zip(told, figures):
        lines += _flowing(_links(path), f"  {figure:>{wide}}  ", " " * (wide + 6))
        if numbers:
            how = [*_joined(_symbols(path, e), "· "), *_joined(_figures(path, e), "· ", "= ")]
        else:
            lines += _pushed(path, e, " " * (wide + 4))
            continue
        lines += _flowing(how, " " * (wide + 4), " " * (wide + 6))
    return lines + _untold(e, len(told))


def _pushed(path: Path, e: Explanation, indent: str) -> list[str]:
    """Return for each node of a path, from the output on, what arrives there, and the rule that made it."""
    rows = [(node, brief(g), rule) for node, g, rule in zip(path.nodes, path.pushed, (*path.rules, "where it starts"))][::-1]
    rows = [row and (_short(row[0]), _clipped(row[1], 26), row[2]) for row in _shortened(rows, None)]
    names, figures = (max(_width(row[i]) for row in rows if row) for i in (0, 1))
    lines = []
    for row in rows:
        start = f"{indent}  {_padded(row[0], names)}  {_padded(row[1], figures)}  " if row else f"{indent}  ⋮"
        lines.append(start + _clipped(" ".join(row[2].split()), COLUMNS - _width(start)) if row else start)
    start = f"{_short(path.nodes[0])}{_index(e.element)} gets "
    if len(path.nodes) > 1 and e.element and (product := _at_element(path, e)):
        lines.append(f"{indent}  {start}{product} = {number(path.contribution)}")
    return lines


def _at_element(path: Path, e: Explanation) -> str:
    """Return the last product of the walk back at the chosen element, "" where it is no single product that is known."""
    factor, g = path.factors[0], path.pushed[1]
    if not isinstance(factor, np.ndarray) or isinstance(g, Statistics) or factor.shape != np.shape(path.pushed[0]):
        return ""
    g = np.asarray(g)
    if g.size != 1 and g.shape != factor.shape:
        return ""
    return f"{number(g.item() if g.size == 1 else g[e.element].item())} · {_in_product(number(factor[e.element].item()))}"


def _untold(e: Explanation, told: int) -> list[str]:
    return [f"  … and {len(e.paths) - told:,} more, in .paths", ""] if len(e.paths) > told else [""]


def _row(path: Path, e: Explanation) -> tuple[str, str, str, str]:
    """Return the cells of one line: `w → add → loss:`, the local derivatives, their numbers, what they bring."""
    symbols, figures = _symbols(path, e), _figures(path, e)
    between = " = " + " · ".join(figures) if symbols else ""
    brings = number(path.contribution)  # a single figure is that already
    last = f" = {brings}" if len(figures) > 1 else "" if symbols else brings
    return " ".join(_links(path)) + ":  ", " · ".join(symbols), between, last


def _links(path: Path) -> list[str]:
    """Return the nodes of a path, each with the arrow that leads to it."""
    links = _shortened([("", path.nodes[0]), *zip(path.arguments, path.nodes[1:])], None)
    told = [_short(path.nodes[0])]
    for link in links[1:]:
        if link is None:
            told.append(f"→ … {len(path.nodes) - 2 * AT_EACH_END:,} more …")
        else:
            argument, node = link
            told.append(f"{f'─{_short(argument, 12)}→' if argument else '→'} {_short(node)}")
    return told


def _ratios(path: Path, by_argument: bool = True) -> list[tuple[str, str] | None]:
    """Return what is differentiated by what in each step, that at the output first, as the chain rule is written.

    None stands for the middle of a long path.
    """
    below = [argument if argument and by_argument else node for argument, node in zip(path.arguments, path.nodes)]
    return _shortened(list(zip(path.nodes[1:], below))[::-1], None)


def _symbols(path: Path, e: Explanation) -> list[str]:
    ratios = [f"∂{_short(ratio[0])}/∂{_short(ratio[1])}" if ratio else "…" for ratio in _ratios(path)]
    return (["c"] if e.of is None else []) + ratios


def _figures(path: Path, e: Explanation) -> list[str]:
    figures = ["…" if factor is None else _in_product(number(factor)) for factor in _shortened(path.factors[::-1], None)]
    return ([_in_product(brief(e.cotangent))] if e.of is None else []) + figures


def _joined(parts: list[str], sign: str, first: str = "") -> list[str]:
    return [(sign if i else first) + part for i, part in enumerate(parts)]


def _in_product(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _shortened(parts: Sequence[Any], gap: Any) -> list[Any]:
    """Return a list, with `gap` in place of the middle where it is long."""
    if len(parts) <= 3 * AT_EACH_END:
        return list(parts)
    return [*parts[:AT_EACH_END], gap, *parts[-AT_EACH_END:]]


def _sum(e: Explanation) -> list[str]:
    listed = len(e.paths)
    others = e.count - listed
    if e.count == 0 or (e.count == 1 and listed):
        return []
    if not others:
        figures = " + ".join(_in_product(number(path.contribution)) for path in e.paths[:IN_COLUMNS])
        total = f"the {listed:,} paths together: "
        short = 2 + len(total) + len(figures) + 30 <= COLUMNS and listed <= IN_COLUMNS
        lines = [f"  {total}{figures} = {number(e.total)}" if short else f"  {total}{number(e.total)}"]
        if e.rest != 0:
            lines.append(f"  (of which {number(e.rest)} is in none of them alone)")
        return [*lines, ""]
    which = "the largest" if e.exact else "the largest found, of too many to try them all"
    rows = [(f"all {count_text(e.count)} paths", number(e.total))]
    if listed:
        brought = sum(path.contribution for path in e.paths)
        rest = number(e.rest) if e.rest != 0 else "0, to rounding"
        rows.insert(0, (f"the other {count_text(others)} together", rest))
        rows.insert(0, (f"these {listed:,} paths, {which}" if listed > 1 else f"this path, {which}", number(brought)))
    wide = max(_width(text) for text, _ in rows)
    return [f"  {_padded(text, wide)}  {figure}" for text, figure in rows] + [""]


# ---------------------------------------------------------------------------------------------- the order of the pass


def _order(e: Explanation) -> list[str]:
    start, end = _short(e.wrt), _short(e.output)
    lines = ["Why the walk is in topological order", ""]
    lines += _wrapped(
        f"The backward pass does not walk these paths one by one. It goes once over the nodes, from {end} to {start}, and adds up "
        "at each what comes in. So a node must not hand on anything before all that used it have handed on their terms."
    )
    lines.append("")
    left_out = e.walk_length - len(e.walk)
    half = len(e.walk) // 2 if left_out else len(e.walk)
    places = [*range(1, half + 1), *range(e.walk_length - len(e.walk) + half + 1, e.walk_length + 1)]
    names = [_short(arrival.node) + (_index(e.element) if arrival.node == e.wrt else "") for arrival in e.walk]
    wide = max(map(_width, names), default=0)
    figures = max((len(_arrived(arrival)) for arrival in e.walk), default=0)
    digits = len(str(e.walk_length))
    for i, (place, arrival) in enumerate(zip(places, e.walk)):
        if i == half:
            lines.append(f"  {'⋮':>{digits}}  {left_out:,} more")
        row = f"  {place:>{digits}}  {_padded(names[i], wide)}  {_arrived(arrival):<{figures}}  "
        lines.append(row + _terms(arrival, COLUMNS - _width(row)))
    lines.append("")
    return lines + _wrapped(_lesson(e))


def _arrived(arrival: Arrival) -> str:
    return _clipped(brief(arrival.gradient), 26)


def _terms(arrival: Arrival, room: int) -> str:
    if not arrival.terms:
        return "where the pass starts"
    for most in range(min(TERMS, len(arrival.terms)), 0, -1):
        shown = [f"{_in_product(brief(term))} from {_short(sender)}" for sender, term in arrival.terms[:most]]
        more = len(arrival.terms) - most
        text = "= " + " + ".join(shown + ([f"{more:,} more"] if more else []))
        if len(shown) == 1 and not more:
            text = f"from {_short(arrival.terms[0][0])}"
        if _width(text) <= room:
            return text
    return _clipped(f"= {len(arrival.terms):,} terms", room)


def _lesson(e: Explanation) -> str:
    waited = e.waited
    if waited is None:
        return (
            "Here no node between has several that used it, so nothing has to wait. Where one has, it comes after all of them: "
            "walking from the newest node to the oldest makes sure of it."
        )
    first, last = waited.terms[0][0], waited.terms[-1][0]
    arrays = [term for sender, term in waited.terms if sender == first and not isinstance(term, Statistics)]
    with np.errstate(all="ignore"):
        early = f"{brief(sum(arrays[1:], arrays[0]))} in place of {brief(waited.gradient)}" if arrays else "a part of the sum"
    return (
        f"{_short(waited.node)} had to wait for its {len(waited.terms):,} terms. Had it gone on when only {_short(first)} had "
        f"come in, it would have handed on {early}, and what comes by way of {_short(last)} would be missing behind it, or be "
        "walked once more. Nodes are walked from the newest to the oldest: a result is always newer than what it was made of, "
        "so all that used a node come before it."
    )


# ------------------------------------------------------------------------------------------------------- layout


def _short(name: str, room: int = NAME) -> str:
    if _width(name) <= room:
        return name
    kept = list(name)
    while _width("".join(kept)) >= room:
        del kept[len(kept) * 2 // 3]
    middle = len(kept) * 2 // 3
    return "".join(kept[:middle]) + "…" + "".join(kept[middle:])


def _abbreviated(e: Explanation) -> Explanation:
    """Return an explanation in which long ids are only what stands after their last dot, where nothing else is called so."""
    names = {e.output, e.wrt, *(node for path in e.paths for node in path.nodes), *(arrival.node for arrival in e.walk)}
    names |= {sender for arrival in (*e.walk, *filter(None, [e.waited])) for sender, _ in arrival.terms}
    names |= {e.waited.node} if e.waited else set()
    last = [name.rpartition(".")[2] for name in names]
    short = {name: end for name, end in zip(names, last) if _width(name) > NAME and end and last.count(end) == 1}
    if not short:
        return e

    def arrived(arrival: Arrival) -> Arrival:
        terms = tuple([(short.get(sender, sender), term) for sender, term in arrival.terms])
        return type(arrival)(short.get(arrival.node, arrival.node), arrival.gradient, terms)

    told = copy.copy(e)
    told.output, told.wrt = short.get(e.output, e.output), short.get(e.wrt, e.wrt)
    told.paths = tuple([
        dataclasses.replace(path, nodes=tuple([short.get(node, node) for node in path.nodes])) for path in e.paths
    ])  # fmt: skip
    told.walk = tuple(map(arrived, e.walk))
    told.waited = None if e.waited is None else arrived(e.waited)
    return told


def _clipped(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _index(index: tuple[int, ...] | None) -> str:
    return f"[{', '.join(map(str, index))}]" if index else ""


def _width(text: str) -> int:
    """Return the columns that a terminal takes for `text`."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS - 10, break_long_words=False, break_on_hyphens=False)


def _flowing(parts: Sequence[str], first: str, indent: str) -> list[str]:
    """Return `parts` in lines that are full before a part, the first starting with `first`, the others with `indent`."""
    lines, line = [], first
    for i, part in enumerate(parts):
        if i and _width(line) + 1 + _width(part) > COLUMNS:
            lines.append(line)
            line = indent + part
        else:
            line += " " + part if i else part
    return [*lines, line]


# ------------------------------------------------------------------------------------------------------- LaTeX


def as_latex(e: Explanation) -> str:
    """Return the sum over the paths as LaTeX that both MathJax and KaTeX read; names stay names."""
    e = _abbreviated(e)
    above = _typeset(e.output) + _index(e.of) if e.of is not None else rf"\left(c\cdot {_typeset(e.output)}\right)"
    here = rf"\frac{{\partial {above}}}{{\partial {_typeset(e.wrt)}{_index(e.element)}}}"
    told = e.paths[:TYPESET]
    rows = [_typeset_row(path, e, rf"{here} &= " if i == 0 else r"&\quad{}+ ") for i, path in enumerate(told)]
    if told and e.count > len(told):
        left = e.rest + sum(path.contribution for path in e.paths[TYPESET:])
        rows.append(rf"&\quad{{}}+ \cdots && (\text{{the others: }}{_typeset_number(left)})")
    rows.append(rf"{'' if told else here} &= {_typeset_number(e.total)}")
    return r"$\displaystyle \begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}$"


def _typeset_row(path: Path, e: Explanation, start: str) -> str:
    fractions = [
        rf"\frac{{\partial {_typeset(ratio[0])}}}{{\partial {_typeset(ratio[1])}}}" if ratio else r"\cdots"
        for ratio in _ratios(path, False)
    ]
    symbols = r" \cdot ".join((["c"] if e.of is None else []) + fractions) or "1"
    value = _typeset_number(path.contribution)
    if not path.pushed and e.of is not None and len(path.factors) > 1:
        shown = _shortened(path.factors[::-1], None)
        figures = [r"\cdots" if factor is None else _typeset_number(factor) for factor in shown]
        value = r" \cdot ".join(f"({f})" if f[0] == "-" else f for f in figures) + f" = {value}"
    return rf"{start}{symbols} && ({value})"


def _typeset(name: str) -> str:
    """Return a name as LaTeX: letters, digits and dots stay, all other signs become harmless."""
    signs = {"-": r"\text{-}", ".": ".", "[": "[", "]": "]"}
    return r"\mathrm{" + "".join(c if c.isalnum() else signs.get(c, r"\_") for c in _short(name).replace("…", "...")) + "}"


def _typeset_number(value: Any) -> str:
    mantissa, e, exponent = number(value).replace("−", "-").partition("e")
    text = mantissa.replace("nan", r"\mathrm{nan}").replace("inf", r"\infty")
    return rf"{text} \times 10^{{{exponent}}}" if e and "j" not in exponent else text + e + exponent
