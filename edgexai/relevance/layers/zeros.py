"""Zeros between and around the values of a map: with them, a transposed convolution is an ordinary one."""

from collections.abc import Sequence

from edgexai.graph import Builder
from edgexai.graph.builder import Padding


def between(build: Builder, s: int, stride: tuple[int, int]) -> int:
    """(1, rows, columns, C) -> (1, rows · stride, columns · stride, C): each value in the corner of a block of zeros.

    By padding channels and reshaping, because no operator does it that every runtime knows.
    """
    batch, rows, columns, wide = build.shape(s)
    height, width = stride
    if width > 1:
        s = build.pad(s, [(0, 0), (0, 0), (0, 0), (0, (width - 1) * wide)])
        s = build.reshape(s, (batch, rows, columns * width, wide))
    if height > 1:
        s = build.reshape(s, (batch, rows, 1, columns * width * wide))
        s = build.pad(s, [(0, 0), (0, 0), (0, height - 1), (0, 0)])
        s = build.reshape(s, (batch, rows * height, columns * width, wide))
    return s


def around(build: Builder, s: int, margins: Sequence[tuple[int, int]], spans: Sequence[int]) -> tuple[int, Padding]:
    """The map with zeros before and after its rows and columns (cut off where a margin is negative), and the padding
    of the convolution that reads it: SAME, and no zeros, where a window of these ``spans`` brings just these margins.
    """
    if all(m == ((span - 1) // 2, span // 2) for m, span in zip(margins, spans, strict=True)):
        return s, "SAME"
    batch, *size, wide = build.shape(s)
    keep = [n + min(after, 0) for n, (_, after) in zip(size, margins, strict=True)]
    s = build.slice(s, (0, 0, 0, 0), (batch, *keep, wide))
    return build.pad(s, [(0, 0), *((before, max(after, 0)) for before, after in margins), (0, 0)]), "VALID"
