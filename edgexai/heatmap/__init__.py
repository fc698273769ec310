"""The heatmap frame: an explanation in tens of bytes, any prefix of whose stream is a coarser map."""

from edgexai.heatmap.frame import Frame, Header, decode, encode, header

__all__ = ["Frame", "Header", "decode", "encode", "header"]
