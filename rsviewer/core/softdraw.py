"""A tile in space drawn by numpy alone, for machines without OpenGL: slow, but the same picture."""

from rsviewer.core.drawing import Drawing
from rsviewer.core.render import Pixels


def draw(drawing: Drawing) -> Pixels:
    """(height, width) 0xFFRRGGBB, shaded, nearer things before farther ones."""
    raise NotImplementedError
