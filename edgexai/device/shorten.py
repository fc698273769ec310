"""A frame cut to a prefix: the maps' streams are embedded, so what stays are coarser maps under the same header."""

from edgexai import heatmap
from edgexai.errors import FrameError


def shorten(frame: bytes, size: int) -> bytes:
    """The frame in at most ``size`` bytes; as it is if that would cut its header, or if it is none."""
    try:
        return heatmap.shorten(frame, size)
    except FrameError:
        return frame
