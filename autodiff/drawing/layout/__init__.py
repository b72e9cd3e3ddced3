"""Boxes and links in a plane, layer by layer: pure geometry that knows nothing of graphs of operations."""

from .arranging import arrange
from .boxes import Arrangement, Box, Link
from .programs import HOW_TO_GET, engines, render

__all__ = ["HOW_TO_GET", "Arrangement", "Box", "Link", "arrange", "engines", "render"]
