"""Frames over links with small payloads: split into parts, joined in any order; what is lost leaves a coarser map.

| bytes | of a part |
|---|---|
| 1 | 7 (3 bits), whether it is the last (1 bit), its number, or 15 and more follows (4 bits) |
| 0–2 | if 15: number - 15 as a varint |
| 2 | key: the first two bytes of the frame's CRC-32C |
| n | the next bytes of the frame, which travels without its CRC-32C |
| 4 | CRC-32C of the part |
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from edgexai.checks import told, whole_number
from edgexai.errors import FrameError
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.frame import opened, prefix
from edgexai.heatmap.layout import Reader, varint

MARK, LAST, MANY = 7, 16, 15
SMALLEST = 12


@dataclass(frozen=True)
class Part:
    """A part taken apart."""

    number: int
    last: bool
    key: bytes
    content: bytes


def split(frame: bytes, payload: int) -> list[bytes]:
    """The parts of a frame, each of at most ``payload`` bytes; a frame that fits is its own only part."""
    opened(frame)
    whole_number("payload", payload, kind=FrameError)
    if len(frame) <= payload:
        return [frame]
    if payload < SMALLEST:
        raise FrameError(f"parts of {payload} bytes hold nothing; a link needs at least {SMALLEST}")
    body, key = frame[:-4], frame[-4:-2]
    parts: list[bytes] = []
    while body or not parts:
        number = len(parts)
        tail = varint(number - MANY) if number >= MANY else b""
        room = payload - 7 - len(tail)
        content, body = body[:room], body[room:]
        first = MARK << 5 | (0 if body else LAST) | min(number, MANY)
        part = bytes([first]) + tail + key + content
        parts.append(part + struct.pack(">I", crc32c(part)))
    return parts


def read(part: bytes) -> Part:
    """Take a part apart; FrameError if it is none or is damaged."""
    if len(part) < 8 or part[0] >> 5 != MARK or crc32c(part[:-4]) != struct.unpack(">I", part[-4:])[0]:
        raise FrameError("this is no part of a heatmap frame, or it is damaged; drop it")
    reader = Reader(part[:-4])
    first = reader.take(1)[0]
    number = first & MANY
    if number == MANY:
        number += reader.varint()
    return Part(number, bool(first & LAST), reader.take(2), reader.rest())


def join(parts: Iterable[bytes]) -> bytes:
    """The frame of the parts at hand, in any order, repeated or damaged ones among them: whole, or as far as no part
    is missing. FrameError if the first part is missing, or the parts are of several frames."""
    found: dict[int, Part] = {}
    if isinstance(parts, str | bytes) or not isinstance(parts, Iterable):
        raise FrameError(f"parts are a list of bytes, not {told(parts)}; give what split returned")
    for data in parts:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise FrameError(f"a part is bytes, not {told(data)}; give what split returned")
        if data[:1] and data[0] >> 5 != MARK:
            opened(data)  # a frame that fitted
            return bytes(data)
        try:
            part = read(bytes(data))
        except FrameError:
            continue
        if found and part.key != next(iter(found.values())).key:
            raise FrameError("the parts are of several frames; sort them by bytes 1 and 2 first")
        found[part.number] = part
    if 0 not in found:
        raise FrameError("the first part of the frame is missing; ask the node to send it again")
    body, number = b"", 0
    while number in found:
        body += found[number].content
        if found[number].last:
            whole = body + struct.pack(">I", crc32c(body))
            if whole[-4:-2] != found[0].key:
                raise FrameError("the parts do not make the frame that they name; ask the node to send it again")
            opened(whole)
            return whole
        number += 1
    return prefix(body)
