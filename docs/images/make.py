"""Draws the pictures of README and docs again: `python docs/images/make.py` (it needs the program `dot`, and '.[demo]').

The picture of a graph is the `drawing` that the code of its page makes, and a picture of an example is what the script
writes, so picture and text cannot tell different stories.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import autodiff as ad

ROOT = Path(__file__).resolve().parents[2]
IMAGES = Path(__file__).resolve().parent
PAGES = ["README.md", "docs/start.md", "docs/gallery.md"]
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


def drawings_of(page: str) -> Iterator[tuple[str, ad.Drawing]]:
    """Run the programs of a page, and yield each `drawing` that they make with the name of the picture that follows it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        picture = re.search(r"images/([\w/]+)\.svg", text[block.end() :])
        if picture is None:  # the page goes on without pictures
            return
        lines_before = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(lines_before + block[1], page, "exec"), names)
        drawing = names.pop("drawing", None)
        if isinstance(drawing, ad.Drawing):
            yield picture[1], drawing


def picture_of(script: str, folder: str) -> Path:
    """Run an example, and keep its picture in 128 colours, which are enough and a third of the size."""
    from PIL import Image

    subprocess.run([sys.executable, ROOT / "examples" / f"{script}.py", "--output", folder], check=True)
    kept = IMAGES / "examples" / f"{script}.png"
    kept.parent.mkdir(exist_ok=True)
    picture = Image.open(Path(folder) / EXAMPLES[script]).convert("RGB")
    picture.quantize(128, Image.Quantize.FASTOCTREE).save(kept, optimize=True)
    return kept


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # what the pages write is not wanted here
        for page in PAGES:
            for name, drawing in drawings_of(page):
                (IMAGES / name).parent.mkdir(exist_ok=True)
                print(drawing.save(IMAGES / f"{name}.svg"))
        for script in EXAMPLES:
            print(picture_of(script, folder))
        os.chdir(ROOT)
