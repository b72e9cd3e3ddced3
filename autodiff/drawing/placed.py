"""What a scene holds, and where: nodes, groups, ports and lines, with the marks of their labels.

Plain data. Knows nothing of how places are found, nor of markup and colours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .description import DrawnGroup, DrawnNode
from .levels import Line
from .typesetting import Block

Point = tuple[float, float]


@dataclass
class PlacedNode:
    """A node, the marks of its label, and its place."""

    node: DrawnNode
    block: Block
    x: float
    y: float


@dataclass
class PlacedGroup:
    """A group within the scene around it.

    title, closed  marks of its title, and of its inside while that is not shown, from the box's corner
    opens          whether its own scene is or can be shown in the box, moved to `slot` and scaled by `scale`
    counted        how many operations and parameters it holds, in words
    ghost          outlines of what is inside, as a path: what is seen of it while it is closed
    stubs          where lines go on from the frame to the ports of the opened scene: paths, and what edges they stand for
    """

    group: DrawnGroup
    x: float
    y: float
    width: float
    height: float
    title: Block
    closed: Block
    opens: bool
    slot: Point = (0.0, 0.0)
    scale: float = 1.0
    counted: list[str] = field(default_factory=list)
    ghost: str = ""
    stubs: list[tuple[list[Point], list[int]]] = field(default_factory=list)


@dataclass
class PlacedPort:
    """Where a value enters ("in") or leaves ("out") a scene.

    value   id of the node whose value it is
    beyond  ids of the nodes on the other side of the frame
    """

    side: str
    value: str
    beyond: list[str]
    name: Block
    x: float
    y: float


Item = PlacedNode | PlacedGroup | PlacedPort


@dataclass
class PlacedLine:
    """A line from source to target: points of a cubic Bézier spline, the start and then three for each segment."""

    line: Line
    path: list[Point]
    text: str = ""


@dataclass
class Scene:
    """What lies directly in a group, or outside all groups ("").

    depth  how many groups it lies in, with its own
    frame  the group's frame, as (x, y, width, height); None for the outermost scene, and where the scene around it has the frame
    """

    group: str
    direction: str
    width: float
    height: float
    depth: int = 0
    frame: tuple[float, float, float, float] | None = None
    nodes: list[PlacedNode] = field(default_factory=list)
    groups: list[PlacedGroup] = field(default_factory=list)
    ports: list[PlacedPort] = field(default_factory=list)
    lines: list[PlacedLine] = field(default_factory=list)
