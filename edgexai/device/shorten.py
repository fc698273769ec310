"""A frame cut to a prefix: the map's stream is embedded, so what stays is a coarser map under the same header."""

from edgexai.errors import FrameError
from edgexai.heatmap import header
from edgexai.heatmap.crc import crc32c


def shorten(frame: bytes, size: int) -> bytes:
    """The frame in at most ``size`` bytes; as it is if that would cut its header."""
    body = frame[: max(0, min(size, len(frame)) - 4)]
    short = body + crc32c(body).to_bytes(4, "big")
    try:
        return short if len(short) < len(frame) and header(short) == header(frame) else frame
    except FrameError:
        return frame
