"""`Finding`: what a check has to say; and why a check had nothing to go by."""

from __future__ import annotations

from dataclasses import dataclass

SEVERITIES = ("error", "warning", "note")  # learning fails; learning suffers, or likely does; may well be meant


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a model, or looks like it.

    check     the name of the check that found it
    where     a module's path, a parameter's name; or "input", "target", "output", "loss", "optimizer", "model"
    severity  "error": learning fails. "warning": it suffers, or likely does. "note": it may well be meant
    evidence  what was seen, in words and numbers
    cure      what to do about it
    """

    check: str
    where: str
    severity: str
    evidence: str
    cure: str


class Skip(Exception):
    """Raised by a check that cannot say anything about this model and batch; the message says why."""


def share(part: float) -> str:
    """Return a share from 0 to 1 in percent.

    >>> share(0.123), share(1), share(0.999), share(0.0001)
    ('12 %', '100 %', '99.9 %', '0.01 %')
    """
    percent = 100 * part
    if percent in (0, 100):
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent > 99 else f"{percent:.0f} %" if percent >= 1 else f"{percent:.1g} %"


def listed(names: list[str], limit: int = 3) -> str:
    """Return some names, and how many there are besides.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
