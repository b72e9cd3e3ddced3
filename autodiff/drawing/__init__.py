"""Pictures of recorded graphs: a neutral description, and what is made of it."""

from .describing import describe_graph
from .description import Description
from .picture import DotNotFoundError, Drawing, draw

__all__ = ["Description", "DotNotFoundError", "Drawing", "describe_graph", "draw"]
