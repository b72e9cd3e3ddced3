"""Pictures of recorded graphs: a neutral description, and what is made of it."""

from .description import Description, describe_graph
from .picture import DotNotFoundError, Drawing, draw

__all__ = ["Description", "DotNotFoundError", "Drawing", "describe_graph", "draw"]
