"""Graphviz where it is installed: the same boxes and links laid out by it, and texts in DOT made into pictures.

Two ways lead to it: the program `dot` on the PATH, and the Python package `pygraphviz`, whose wheels bring Graphviz along.
Knows what to install where neither is there.
"""

from __future__ import annotations

import bisect
import json
import shutil
from collections.abc import Sequence
from typing import Any

from .boxes import Arrangement, Box, Link, Point
from .layered import finished
from .layers import Layers, cut_into_layers
from .outside import Rows
from .routing import limits
from .sides import meet_sides, straighten

INCH = 72.0
HOW_TO_GET = {
    "dot": (
        "the program `dot` is not on the PATH; install Graphviz: Debian and Ubuntu `sudo apt install graphviz`, macOS `brew "
        "install graphviz`, Windows `winget install graphviz`, conda `conda install -c conda-forge graphviz`"
    ),
    "pygraphviz": "pygraphviz 2.0 or later is not installed; python -m pip install 'glassgrad[pygraphviz]'",
}
LANE = 2.0  # half of what a line needs beside others
SMALLEST = 1.0  # dot draws nothing smaller
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


# ------------------------------------------------------------------------------------------- layout


def arrange_by(
    engine: str,
    boxes: Sequence[Box],
    links: Sequence[Link],
    ends: Sequence[tuple[int, int]],
    direction: str,
    gap: tuple[float, float],
) -> Arrangement:
    """Return the arrangement that Graphviz finds; raise RuntimeError where the engine is not installed."""
    if not _is_there(engine):
        raise RuntimeError(f"arrange: {HOW_TO_GET[engine]} (engine='own' does without)")
    source = _as_dot(boxes, links, ends, direction, gap)
    centres, paths = _read(json.loads(_run(engine, source, "json0")), links)
    if direction == "down":
        return _redrawn(boxes, links, ends, centres, paths, gap[0])
    turned = [[(y, x) for x, y in path] for path in paths]
    return _redrawn([box.turned() for box in boxes], links, ends, [(y, x) for x, y in centres], turned, gap[0]).turned()


def _as_dot(
    boxes: Sequence[Box], links: Sequence[Link], ends: Sequence[tuple[int, int]], direction: str, gap: tuple[float, float]
) -> str:
    """Return the problem in DOT: boxes n0, n1 ... of fixed size, links with the attribute id e0, e1 ..."""
    rankdir = "TB" if direction == "down" else "LR"
    lines = [
        "digraph {",
        f'graph [rankdir={rankdir}, nodesep="{gap[0] / INCH:.6f}", ranksep="{gap[1] / INCH:.6f}"]',
        'node [shape=box, fixedsize=true, label="", margin=0]',
        "edge [dir=none]",
    ]
    for i, box in enumerate(boxes):
        width, height = max(box.width, SMALLEST) / INCH, max(box.height, SMALLEST) / INCH
        lines.append(f'n{i} [width="{width:.6f}", height="{height:.6f}"]')
    for rank, name in (("first", "source"), ("last", "sink")):
        ports = [f"n{i}" for i, box in enumerate(boxes) if box.rank == rank]
        if ports:
            order = f" {' -> '.join(ports)} [style=invis]" if len(ports) > 1 else ""
            lines.append(f"{{ rank={name}; {'; '.join(ports)};{order} }}")
    for i, (link, (source, target)) in enumerate(zip(links, ends)):
        lines.append(f'n{source} -> n{target} [id=e{i}, weight="{max(1, round(link.straight))}"]')
    return "\n".join([*lines, "}"])


def _read(answer: dict[str, Any], links: Sequence[Link]) -> tuple[list[Point], list[list[Point]]]:
    """Return the centres of the boxes and the paths of the links in an answer of Graphviz, whose y runs up."""
    centres: dict[int, Point] = {}
    for thing in answer["objects"]:
        if "pos" in thing and thing["name"].startswith("n"):
            x, y = thing["pos"].split(",")
            centres[int(thing["name"][1:])] = float(x), -float(y)
    paths: list[list[Point]] = [[] for _ in links]
    for edge in answer.get("edges", ()):
        if edge.get("id", "").startswith("e"):
            points = [point.split(",") for point in edge["pos"].split()]
            paths[int(edge["id"][1:])] = [(float(x), -float(y)) for x, y in points]
    return [centres[i] for i in range(len(centres))], paths


# ------------------------------------------------------------------------------------ drawn as ours


def _redrawn(
    boxes: Sequence[Box],
    links: Sequence[Link],
    ends: Sequence[tuple[int, int]],
    centres: list[Point],
    paths: list[list[Point]],
    gap: float,
) -> Arrangement:
    """Return an arrangement from top to bottom with the boxes where Graphviz put them and the lines on its ways.

    Lines are drawn by our own pen, which knows where along a side they shall meet it. What Graphviz says of a link is taken for
    its lanes: in each row that it passes, the place where Graphviz passes the middle of the row.
    """
    heights = sorted({round(y) for _, y in centres})
    middles = [heights[0]] if heights else []
    for y in heights:
        if y - middles[-1] > 1:
            middles.append(y)
    ranks = [bisect.bisect_right(middles, y + 1) - 1 for _, y in centres]
    layers = cut_into_layers(boxes, links, ends, ranks, sharing=False)
    x = [at for at, _ in centres] + [0.0] * (len(layers.row) - len(boxes))
    for route, path in zip(layers.routes, paths):
        for segment in route[:-1] if route else ():
            x[segment.lower] = _where(path, middles[layers.row[segment.lower]])
    for row in layers.rows:
        row.sort(key=lambda v: (x[v], v))
    _straight_lanes(layers, x)
    meet_sides(layers)
    straighten(layers, x)
    rows = Rows([], [])
    for middle, row in zip(middles, layers.rows):
        height = max(layers.height[v] for v in row)
        rows.top.append(middle - height / 2)
        rows.bottom.append(middle + height / 2)
    return finished(boxes, layers, x, rows, ends, gap)


def _straight_lanes(layers: Layers, x: list[float]) -> None:
    """Give the lanes of each link as few different places as their neighbours allow; Graphviz lets lines wind around boxes."""
    left, right = limits(layers, x)
    for route in layers.routes:
        lanes = [segment.lower for segment in route[:-1]] if route else []
        while lanes:
            low, high, run = left[lanes[0]] + LANE, right[lanes[0]] - LANE, 1
            while run < len(lanes) and max(low, left[lanes[run]] + LANE) <= min(high, right[lanes[run]] - LANE):
                low, high = max(low, left[lanes[run]] + LANE), min(high, right[lanes[run]] - LANE)
                run += 1
            at = sorted(x[lane] for lane in lanes[:run])[run // 2]
            if low <= high:
                for lane in lanes[:run]:
                    x[lane] = min(max(at, low), high)
            del lanes[:run]


def _where(path: list[Point], y: float) -> float:
    """Return the x of a spline at height y."""
    for i in range(0, len(path) - 3, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = path[i : i + 4]
        if y <= y3 or i + 4 == len(path):
            low, high = 0.0, 1.0
            for _ in range(20):
                t = (low + high) / 2
                at = (1 - t) ** 3 * y0 + 3 * (1 - t) ** 2 * t * y1 + 3 * (1 - t) * t * t * y2 + t**3 * y3
                low, high = (t, high) if at < y else (low, t)
            return (1 - t) ** 3 * x0 + 3 * (1 - t) ** 2 * t * x1 + 3 * (1 - t) * t * t * x2 + t**3 * x3
    return path[-1][0]
