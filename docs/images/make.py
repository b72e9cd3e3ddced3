"""Draws the pictures of README and docs again: `python docs/images/make.py` (it needs the program `dot`, and '.[demo]').

The picture of a graph is the `drawing` that the code of its page makes, and a picture of an example is what the script
writes, so picture and text cannot tell different stories.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

import autodiff as ad

ROOT = Path(__file__).resolve().parents[2]
IMAGES = Path(__file__).resolve().parent
PAGES = {"expression": "README.md", "step": "docs/start.md"}
EXAMPLES = {  # script: the picture of it that docs/examples.md shows
    "perceptron": "perceptron.png",
    "spam": "spam.png",
    "moons": "moons.png",
    "digits": "predictions.png",
    "diabetes": "diabetes.png",
    "activations": "activations.png",
    "dead_relu": "dead_relu.png",
    "vanishing_gradients": "vanishing_gradients.png",
    "rosenbrock": "rosenbrock.png",
    "zero_initialization": "zero_initialization.png",
}


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


def picture_of(script: str, folder: str) -> Path:
    """Run an example, and keep its picture in 128 colours, which are enough and a third of the size."""
    subprocess.run([sys.executable, ROOT / "examples" / f"{script}.py", "--output", folder], check=True)
    kept = IMAGES / "examples" / f"{script}.png"
    kept.parent.mkdir(exist_ok=True)
    picture = Image.open(Path(folder) / EXAMPLES[script]).convert("RGB")
    picture.quantize(128, Image.Quantize.FASTOCTREE).save(kept, optimize=True)
    return kept


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what the pages write is not wanted here
        for name, page in PAGES.items():
            print(drawing_of(page).save(IMAGES / f"{name}.svg"))
        for script in EXAMPLES:
            print(picture_of(script, folder))
        os.chdir(ROOT)
