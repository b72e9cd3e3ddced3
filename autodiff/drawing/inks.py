"""Colours by name: what the marks of a scene are drawn in, as #RRGGBB for one theme or as a style sheet for both.

Knows the names that scenes use for the colours of `look`. Knows nothing of where things lie.
"""

from __future__ import annotations

import functools

from .description import DrawnNode
from .look import PALETTES, Look, Scale, blend, legible
from .typesetting import MOST_TONES

DEEPEST_FACE = 2  # deeper groups have the face of this depth
STEPS = 24  # of the scale that colours stand for
TEXT_INKS = ("ink", "quiet", "value", "gradient")


@functools.cache
def colors_by_name(theme: str, color: str = "role") -> dict[str, str]:
    """Return the colours of a theme, as #RRGGBB, by their names; for another `color` than "role" the steps of its scale, too.

    >>> colors_by_name("light")["fill-parameter"], colors_by_name("dark")["paper"]
    ('#E6F5EF', '#12161B')
    """
    palette = PALETTES[theme]
    found = {name: getattr(palette, name) for name in ("paper", *TEXT_INKS, "edge", "back", "grid", "wrong")}
    found["frame-group-box"] = palette.group_frame
    found |= {f"fill-depth{depth}": face for depth, face in enumerate(palette.groups)}
    for role, (fill, frame) in {**palette.roles, "output": palette.output, "wrong": (palette.wrong_fill, palette.wrong)}.items():
        found |= {f"fill-{role}": fill, f"frame-{role}": frame}
    for step in range(-MOST_TONES, MOST_TONES + 1):
        found[f"tone{step}"] = blend(palette.diverging, (step / MOST_TONES + 1) / 2)
    found["tone-none"] = found["fill-unknown"] = palette.unknown
    if color != "role":
        for step in range(STEPS + 1):
            fill = found[f"fill-step{step}"] = blend(palette.scales[color], step / STEPS)
            found |= {f"{ink}-step{step}": legible(getattr(palette, ink), fill) for ink in TEXT_INKS}
    return found


def names_of(node: DrawnNode, scale: Scale | None) -> tuple[str, str, str]:
    """Return the names of a node's fill and frame, and of the step of the scale that it has; "" for none."""
    kind = "wrong" if node.marked else "output" if node.is_output else node.role
    if scale is None:
        return f"fill-{kind}", f"frame-{kind}", ""
    amount = scale.amount(node)
    if amount is None:
        return "fill-unknown", f"frame-{kind}", ""
    step = f"step{round(scale.place(amount) * STEPS)}"
    return f"fill-{step}", f"frame-{kind}", step


def scene_css(look: Look) -> str:
    """Return the style sheet of what `scene_markup` makes, for both themes.

    The theme is the reader's, or that of an attribute `data-theme` ("light" or "dark") of the document. Colours are variables
    (`--edge`, `--fill-parameter` ...), which what is around may use. It holds no text of a user's.

    >>> "--fill-parameter:#E6F5EF;" in scene_css(Look())
    True
    """
    light, dark = (
        "".join(f"--{name}:{color};" for name, color in colors_by_name(theme, look.color).items()) for theme in ("light", "dark")
    )
    rules = [
        f":root{{{light}}}",
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}",
        f":root[data-theme=dark]{{{dark}}}",
        ".scene text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;white-space:pre}",
        ".scene text.code{font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace}",
        ".scene .line{fill:none;stroke:var(--edge);stroke-width:1.3}",
        ".scene .head{fill:var(--edge)}",
        ".scene .hit{fill:none;stroke:transparent;stroke-width:12}",
        ".scene .frame{stroke-width:1}",
        ".scene .ghost{fill:none;stroke:var(--frame-group-box);stroke-width:1;opacity:.7}",
        ".scene .pill{fill:var(--paper);stroke:var(--frame-group-box)}",
        ".scene .inner{fill:none}",
        ".slot .scene-frame,.scene .group.open>.closed,.scene .group:not(.open)>.opened{display:none}",
    ]
    names = colors_by_name("light", look.color)
    for name in names:
        if name.startswith("frame-"):
            rules.append(f".scene .{name}{{stroke:var(--{name})}}")
        elif name not in ("edge", "back", "grid") and ("-step" not in name or name.startswith("fill-")):
            rules.append(f".scene .{name}{{fill:var(--{name})}}")
    rules += [f".scene .line-{name}{{fill:none;stroke:var(--{name})}}" for name in ("grid", "quiet", "ink")]
    if look.color != "role":
        for step in range(STEPS + 1):
            inks = ";".join(f"--{ink}:var(--{ink}-step{step})" for ink in TEXT_INKS)
            rules.append(f".scene .on-step{step}{{{inks}}}")
    return "\n".join(rules)
