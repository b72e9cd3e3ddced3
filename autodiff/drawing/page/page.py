"""A description as a page: one HTML file that needs nothing else, and lets nothing in or out.

Knows how the file is put together, and its policy. What the page does is in graph.js (data, paths, steps), canvas.js (scenes,
panning, zooming), pictures.js (of arrays), panel.js (details), player.js (both passes step by step) and page.js (selection, search,
keys), which are written to be read. All drawings are made here, none in the browser.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import pathlib
import re

from ..description import Description
from ..inks import scene_css
from ..look import Look, scale_of
from ..naming import plain_text
from ..scene import scenes
from ..svg import scene_markup
from .embedding import as_data

SCRIPTS = ("graph.js", "canvas.js", "pictures.js", "panel.js", "player.js", "page.js")


def as_page(description: Description, look: Look, title: str, direction: str | None = None) -> str:
    """Return one HTML file with every group's drawing, all that is known of the nodes, and the script that shows it.

    look       what nodes show and the theme: a light page follows what the reader's system prefers, a dark one stays dark
    title      text for the top of the page
    direction  "right" or "down"; None chooses

    The page may load nothing and send nothing, by its own policy; names and values in it are text.
    """
    drawings = scenes(description, look, direction, mode="page")
    scale = scale_of(description, look)
    templates = "\n".join(_template(group, scene_markup(scene, look, scale)) for group, scene in drawings.items())
    style = f"{scene_css(look)}\n{_part('page.css')}"
    script = "\n".join(_part(name) for name in SCRIPTS)
    return _filled(
        {
            "theme": ' data-theme="dark"' if look.theme == "dark" else "",
            "policy": _policy(script, style),
            "title": html.escape(plain_text(title, 120)),
            "style": style,
            "scenes": templates,
            "data": as_data(description, drawings[""].direction),
            "script": script,
        }
    )


def _template(group: str, markup: str) -> str:
    return f'<template data-group="{html.escape(group)}"><svg>{markup}</svg></template>'


@functools.cache
def _part(name: str) -> str:
    return pathlib.Path(__file__).with_name(name).read_text(encoding="utf-8")


def _filled(parts: dict[str, str]) -> str:
    """Return page.html with its gaps filled, all at once: what is filled in has no gaps."""
    return re.sub(r"\{\{(\w+)\}\}", lambda gap: parts[gap[1]], _part("page.html"))


def _policy(script: str, style: str) -> str:
    """Return what the page allows itself: its own script and style, told by their hashes, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
