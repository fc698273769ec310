"""Bytes from anywhere: refused with our error, or a map of the shape that they declare."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from heatmap_maps import FIELDS, smooth
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import FrameError
from edgexai.heatmap import Fields, Heatmap, decode, encode, join, shorten, split
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.layout import MOST_VALUES

FRAMES = [
    encode(smooth((16, 16)), budget=80, **FIELDS),
    encode(smooth((30,)), budget=40),
    encode(smooth((4, 6, 5)), budget=60, fields=Fields(0.5, (1, 2.0), 300, (0.5, 0.5))),
    encode(smooth((12, 12)), budget=120, more=[Heatmap(smooth((12, 12), 4), 3, 1.0)], reference=None),
    encode(smooth((12, 12)) + smooth((12, 12), 5) / 20, budget=60, reference=encode(smooth((12, 12)))),
]


def resealed(body: bytes) -> bytes:
    return body + crc32c(body).to_bytes(4, "big")


def survives(data: bytes) -> None:
    """Decode; what does decode has the declared shape and can be shortened, split and joined."""
    try:
        frame = decode(data)
    except FrameError:
        return
    for found in (frame.map, *(m.map for m in frame.more)):
        assert found.shape == frame.map.shape
        assert np.all(np.isfinite(found))
    assert frame.map.size * (1 + len(frame.more)) <= MOST_VALUES
    decode(shorten(data, len(data) // 2))
    assert join(split(data, 40)) == data


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(FRAMES),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
)
def test_a_mutated_frame_is_refused_or_gives_a_map_of_its_declared_shape(
    frame: bytes, changes: list[tuple[int, int]], seal: bool
) -> None:
    data = bytearray(frame)
    for at, value in changes:
        data[at % (len(data) - 4)] = value
    survives(resealed(bytes(data[:-4])) if seal else bytes(data))


@given(st.binary(max_size=80), st.booleans())
def test_random_bytes_are_refused_or_decode(data: bytes, seal: bool) -> None:
    survives(resealed(data) if seal else data)


@pytest.mark.parametrize("frame", FRAMES)
def test_every_shorter_frame_is_refused(frame: bytes) -> None:
    for length in range(len(frame)):
        with pytest.raises(FrameError):
            decode(frame[:length])


@pytest.mark.parametrize(
    "body",
    [
        bytes([0x50, 32, 5]),  # a flag that is not known
        bytes([0x40, 132, 1, 1, 1, 1, 0]),  # four axes
        bytes([0x40, 131, 0xFF, 3, 0xFF, 3, 0xFF, 3, 0]),  # 512 x 512 x 512
        bytes([0x40, 130, 0x80, 4, 0, 0]),  # 513
        bytes([0x50, 8, 127, 17, 0]),  # 17 maps
        bytes([0x50, 8, 127, 0]),  # none
        bytes([0x40, 130] + [0xFF] * 9),  # a number without an end
        bytes([0x40, 5, 127]),  # 2^127
        bytes([0x60, 5, 81]),  # 2^121, companded
        bytes([0x50, 16, 5, 1, 2, 3, 4, 0x7C, 0, 0]),  # an infinite factor
        bytes([0x80, 5, 0]),  # version 2
        bytes([0x20, 5, 0]),  # version 0
        bytes([0x50, 4, 5, 0x1F]),  # a small field without its length
    ],
)
def test_what_no_encoder_makes_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        decode(resealed(body))


@given(st.lists(st.binary(max_size=60), max_size=4), st.integers(0, 5))
def test_hostile_parts_are_refused_or_ignored(extra: list[bytes], drop: int) -> None:
    parts = split(FRAMES[0], 30)
    sealed = [resealed(bytes([0xE0 | data[0] & 31]) + data[1:]) for data in extra if data]
    with contextlib.suppress(FrameError):
        survives(join([*parts[:drop], *extra, *sealed, *parts[drop + 1 :]]))


def test_the_fuzzer_finds_nothing_in_a_short_run() -> None:
    script = Path(__file__).parents[2] / "scripts" / "heatmap-fuzz"
    done = subprocess.run([sys.executable, str(script), "2000", "99"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2000 frames" in done.stdout
