"""The heatmap frame: an explanation in tens of bytes, any prefix of whose stream is a coarser map."""

from edgexai.heatmap.frame import Frame, decode, encode

__all__ = ["Frame", "decode", "encode"]
