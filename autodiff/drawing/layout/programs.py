"""Graphviz where it is installed: texts in DOT made into pictures.

Two ways lead to it: the program `dot` on the PATH, and the Python package `pygraphviz`, whose wheels bring Graphviz along.
Knows what to install where neither is there.
"""

from __future__ import annotations

import shutil

HOW_TO_GET = {
    "dot": (
        "the program `dot` is not on the PATH; install Graphviz: Debian and Ubuntu `sudo apt install graphviz`, macOS `brew "
        "install graphviz`, Windows `winget install graphviz`, conda `conda install -c conda-forge graphviz`"
    ),
    "pygraphviz": "pygraphviz 2.0 or later is not installed; python -m pip install 'glassgrad[pygraphviz]'",
}
PATIENCE = 60  # seconds that dot is given for a picture


def engines() -> list[str]:
    """Return the names of the engines that can be used here, best first.

    "dot" is the program of that name, "pygraphviz" the package, "own" is always there.

    >>> engines()[-1]
    'own'
    """
    return [name for name in ("dot", "pygraphviz") if _is_there(name)] + ["own"]


def render(source: str, format: str) -> bytes | None:
    """Return a text in DOT as a picture, by `dot` or by pygraphviz; None where neither is there.

    source  the text
    format  "svg", "png", "pdf" or another one that Graphviz knows

    Raises RuntimeError where Graphviz is there but cannot draw it.
    """
    found = next((name for name in ("dot", "pygraphviz") if _is_there(name)), None)
    return None if found is None else _run(found, source, format)


def _is_there(name: str) -> bool:
    if name == "dot":
        return shutil.which("dot") is not None
    import importlib.metadata

    try:
        version = importlib.metadata.version("pygraphviz")
    except importlib.metadata.PackageNotFoundError:
        return False
    return int(version.split(".")[0]) >= 2  # older ones start the program


def _run(engine: str, source: str, format: str) -> bytes:
    if engine == "dot":
        import subprocess

        try:
            told = subprocess.run(["dot", f"-T{format}"], input=source.encode("utf-8"), capture_output=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            message = f"it was not done after {PATIENCE} seconds"
        else:
            if not told.returncode:
                return told.stdout
            message = told.stderr.decode(errors="replace") or f"it ended with exit status {told.returncode}"
        raise RuntimeError(f"dot could not draw this as {format}: {message.strip()}")
    import contextlib
    import io

    import pygraphviz

    try:
        graph = pygraphviz.AGraph(string=source)
        with contextlib.redirect_stderr(io.StringIO()):  # it warns of more than 1,000 nodes
            return bytes(graph.draw(format=format, prog="dot"))
    except TypeError:  # what it makes of an unknown format
        message = "is that a format that Graphviz knows?"
    except (ValueError, pygraphviz.DotError) as error:
        message = str(error)
    raise RuntimeError(f"pygraphviz could not draw this as {format}: {message.strip()}")
