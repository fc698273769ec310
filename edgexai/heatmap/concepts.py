"""The small field ``concepts``: which channels of inner maps took part, in three or four bits a number.

| bytes | content |
|---|---|
| 1 | bits 6–4: number of parts − 1; bits 3–0: bits *b* of a number, 1 to 8; bit 7 is 0 |
| 3 a part | its numbers − 1 (1), its scale *s*: the upper half of a float32 (2), not negative, finite |
| n | the numbers, *b* bits each, the highest first, one part after another, zeros up to a whole byte |

With L = 2^b − 1 a number q stands for s · (q / L)²: relevance is spread over decades, and a square root keeps the
small ones apart. An encoder takes for s the least that is not below the greatest value, and for q the number of k of
1 … L with 4·L²·value ≥ s·(2k − 1)²; what is negative counts as 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import FrameError

Parts = tuple[tuple[float, ...], ...]

MOST_PARTS, MOST_NUMBERS, MOST_BYTES = 8, 256, 255
FINE = 48
"""So many numbers get four bits, more get three: 24 to 32 bytes for the networks of microcontrollers."""


def pack(parts: Sequence[Sequence[float] | NDArray[np.floating]], bits: int | None = None) -> bytes:
    """The field's content; FrameError for what it cannot hold."""
    values = [np.maximum(np.asarray(part, np.float32), np.float32(0)) for part in parts]
    if not 1 <= len(values) <= MOST_PARTS or any(v.ndim != 1 or not 1 <= v.size <= MOST_NUMBERS for v in values):
        raise FrameError(f"a frame takes 1 to {MOST_PARTS} parts of concepts of 1 to {MOST_NUMBERS} numbers each")
    if not all(np.all(np.isfinite(v)) for v in values):
        raise FrameError("the concepts hold numbers that are not finite; explain a clean sample")
    count = sum(v.size for v in values)
    bits = bits if bits is not None else 4 if count <= FINE else 3
    size = 1 + 3 * len(values) + -(-bits * count // 8)
    if not 1 <= bits <= 8 or size > MOST_BYTES:
        raise FrameError(f"{count} concepts of {bits} bits need {size} bytes, a frame takes {MOST_BYTES}; fold them")
    head, levels = bytes([len(values) - 1 << 4 | bits]), []
    for v in values:
        scale = _scale(v)
        head += bytes([v.size - 1]) + scale.to_bytes(2, "big")
        levels.append(_levels(v, _float(scale), bits))
    each = np.unpackbits(np.concatenate(levels).astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
    return head + np.packbits(each.reshape(-1)).tobytes()


def unpack(content: bytes) -> Parts:
    """The parts of a field's content; FrameError if it is none."""
    if not content or content[0] & 128 or not 1 <= content[0] & 15 <= 8:
        raise FrameError("the frame's concepts are none; it was made by no encoder")
    count, bits = (content[0] >> 4) + 1, content[0] & 15
    heads = [content[1 + 3 * i : 4 + 3 * i] for i in range(count)]
    sizes = [head[0] + 1 for head in heads if len(head) == 3]
    begin = 1 + 3 * count
    if len(sizes) != count or len(content) != begin + -(-bits * sum(sizes) // 8):
        raise FrameError("the frame's concepts have another length than they say; it was made by no encoder")
    flat = np.unpackbits(np.frombuffer(content[begin:], np.uint8))[: bits * sum(sizes)].reshape(-1, bits)
    levels = flat @ (1 << np.arange(bits)[::-1])
    parts, at = [], 0
    for head, size in zip(heads, sizes, strict=True):
        scale = _float(int.from_bytes(head[1:], "big"))
        if not 0 <= scale < np.inf:
            raise FrameError("the frame's concepts have no finite scale; it was made by no encoder")
        share = levels[at : at + size] ** 2 / float((1 << bits) - 1) ** 2
        parts.append(tuple((scale * share).astype(np.float32).tolist()))
        at += size
    return tuple(parts)


def folded(parts: Sequence[NDArray[np.floating]], most: int = 64) -> list[NDArray[np.float32]]:
    """Parts of at most ``most`` numbers together: in wider ones channel *c* adds to number *c* modulo their length."""
    share = max(1, most // max(1, len(parts)))
    found = []
    for part in parts:
        width = min(share, part.size)
        padded = np.zeros(-(-part.size // width) * width, np.float32)
        padded[: part.size] = np.maximum(part, 0)
        found.append(padded.reshape(-1, width).sum(0, dtype=np.float32))
    return found


def _scale(values: NDArray[np.float32]) -> int:
    """The least upper half of a float32 that is not below any of the values."""
    bits = int(values.max().view(np.uint32))
    scale = (bits + 0xFFFF) >> 16
    if scale >= 0x7F80:
        raise FrameError("the concepts are too large for float32; explain a clean sample")
    return scale


def _float(half: int) -> float:
    return float(np.uint32(half << 16).view(np.float32))


def _levels(values: NDArray[np.float32], scale: float, bits: int) -> NDArray[np.int64]:
    """Exact in double precision: 24 and 16 bits on one side, 8 and 16 on the other."""
    top = (1 << bits) - 1
    thresholds = scale * (2.0 * np.arange(1, top + 1) - 1) ** 2
    if scale == 0:
        return np.zeros(values.size, np.int64)
    return np.searchsorted(thresholds, 4.0 * top * top * values.astype(np.float64), side="right")
