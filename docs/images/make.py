"""Draws the pictures of README and docs again: `python docs/images/make.py` (it needs the program `dot`).

A picture is the `drawing` that the code of its page makes, so the two cannot tell different stories.
"""

import os
import re
import tempfile
from pathlib import Path

import autodiff as ad

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"expression": "README.md", "step": "docs/start.md"}


def drawing_of(page: str) -> ad.Drawing:
    """Run the programs of a page up to the one that makes a `drawing`, and return it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines_before = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(lines_before + block[1], page, "exec"), names)
        drawing = names.get("drawing")
        if isinstance(drawing, ad.Drawing):
            return drawing
    raise LookupError(f"{page} makes no drawing")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what the pages write is not wanted here
        for name, page in PAGES.items():
            print(drawing_of(page).save(Path(__file__).resolve().with_name(f"{name}.svg")))
        os.chdir(ROOT)
