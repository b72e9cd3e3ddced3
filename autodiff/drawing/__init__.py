"""Pictures of recorded graphs: a neutral description, and what is made of it."""

from .describing import describe_graph
from .description import Description
from .explanation import Arrival, Explanation, Path, explain
from .picture import DotNotFoundError, Drawing, draw

__all__ = [
    "Arrival", "Description", "DotNotFoundError", "Drawing", "Explanation", "Path", "describe_graph", "draw", "explain",
]  # fmt: skip
