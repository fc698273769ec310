"""The heatmap frame: an explanation in tens of bytes, any prefix of whose stream is a coarser map."""

from edgexai.heatmap.encoding import encode
from edgexai.heatmap.frame import Frame, Header, Heatmap, decode, header, renumbered, shorten
from edgexai.heatmap.layout import Fields
from edgexai.heatmap.parts import join, split

__all__ = [
    "Fields",
    "Frame",
    "Header",
    "Heatmap",
    "decode",
    "encode",
    "header",
    "join",
    "renumbered",
    "shorten",
    "split",
]
