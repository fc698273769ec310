"""Frames: what goes in comes out, budgets are kept, any prefix is a coarser map, bad bytes are refused."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgexai.errors import FrameError
from edgexai.heatmap import decode, encode, planes, transform
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.rangecoder import Context, Decoder, Encoder

RANDOM = np.random.default_rng(3)


def smooth(shape: tuple[int, ...]) -> np.ndarray:
    """A map as relevance looks: a few blobs of both signs."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    total = np.zeros(shape)
    for _ in range(4):
        centre = RANDOM.uniform(-0.8, 0.8, len(shape))
        distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        total += RANDOM.normal() * np.exp(-distance / 0.1)
    return total.astype(np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))


FIELDS = {
    "model": b"\x01\x02\x03\x04\x05\x06\x07\x08",
    "sequence": 70_000,
    "time": 1_790_000_000.123,
    "target": -5,
    "score": 12.3456,
    "conservation": 0.875,
}


def test_every_field_comes_back() -> None:
    frame = decode(encode(smooth((28, 28)), **FIELDS))
    assert (frame.model, frame.sequence, frame.target) == (FIELDS["model"], 70_000, -5)
    assert frame.time == pytest.approx(FIELDS["time"], abs=1e-3)
    assert frame.score == pytest.approx(12.3456, rel=1e-4)
    assert frame.conservation == 0.875
    assert decode(encode(smooth((4, 4)))).conservation is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (17,), (28, 28), (49, 10), (96, 96), (5, 8, 6)])
def test_without_a_budget_the_map_comes_back_to_its_last_bits(shape: tuple[int, ...]) -> None:
    values = smooth(shape)
    found = decode(encode(values)).map
    assert found.shape == shape
    assert found.dtype == np.float32
    assert np.abs(found - values).max() <= 2e-3 * np.abs(values).max() * np.sqrt(values.size)
    assert cosine(found, values) > 0.9999


@pytest.mark.parametrize("budget", [32, 51, 64, 100, 222])
def test_a_budget_is_kept_and_more_bytes_never_make_it_worse(budget: int) -> None:
    values = smooth((32, 32))
    small, large = encode(values, budget=budget, **FIELDS), encode(values, budget=2 * budget, **FIELDS)
    assert len(small) <= budget
    assert len(large) <= 2 * budget
    assert cosine(decode(large).map, values) >= cosine(decode(small).map, values) - 1e-3


@pytest.mark.parametrize("quality", [0.5, 0.9, 0.98])
def test_a_quality_is_met_by_the_shortest_prefix(quality: float) -> None:
    values = smooth((24, 24))
    frame = encode(values, quality=quality)
    assert cosine(decode(frame).map, values) >= quality
    assert len(frame) <= len(encode(values))


def test_a_budget_below_the_header_is_refused() -> None:
    with pytest.raises(FrameError, match="needs"):
        encode(smooth((8, 8)), budget=10)


def test_a_blank_map_is_the_header_alone() -> None:
    frame = encode(np.zeros((96, 96), np.float32))
    assert len(frame) < 24
    assert not decode(frame).map.any()


def test_every_prefix_of_a_stream_decodes_to_a_better_and_better_map() -> None:
    values = smooth((20, 20)).astype(np.float64)
    scaled = np.trunc(transform.forward(values) / np.abs(transform.forward(values)).max() * 4095).astype(np.int64)
    stream = planes.encode(scaled, 1 << 20)
    qualities = []
    for length in range(4, min(len(stream), 120), 4):
        found = transform.inverse(planes.decode(stream[:length], values.shape))
        qualities.append(cosine(found.astype(np.float64), values))
    assert np.all(np.diff(qualities) > -0.02)
    assert qualities[-1] > 0.99


def test_the_transform_equals_scipys_definition() -> None:
    n = 7
    k, i = np.arange(n)[:, None], np.arange(n)[None]
    rows = np.cos(np.pi * (2 * i + 1) * k / (2 * n)) * np.where(k == 0, np.sqrt(1 / n), np.sqrt(2 / n))
    values = RANDOM.normal(size=(n, n))
    assert np.allclose(transform.forward(values), rows @ values @ rows.T, atol=1e-3)


def test_crc_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") != zlib.crc32(b"123456789")


@given(st.lists(st.integers(0, 1), max_size=400), st.integers(0, 60))
def test_the_range_coder_decodes_exactly_what_a_prefix_decides(bits: list[int], cut: int) -> None:
    coder, context = Encoder(), Context()
    for bit in bits:
        coder.encode(context, bit)
    data = coder.finish()
    for length in (len(data), min(cut, len(data))):
        decoder, context, found = Decoder(data[:length]), Context(), []
        while len(found) < len(bits) and (bit := decoder.decode(context)) is not None:
            found.append(bit)
        assert found == bits[: len(found)]
        if length == len(data):
            assert len(found) == len(bits)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=12),
        elements=st.floats(-1e6, 1e6, width=32, allow_nan=False),
    )
)
def test_any_finite_map_makes_a_frame_of_its_shape(values: np.ndarray) -> None:
    found = decode(encode(values, budget=64))
    assert found.map.shape == values.shape
    assert np.all(np.isfinite(found.map))


@pytest.mark.parametrize(
    "values",
    [np.full((4, 4), np.nan), np.full((4, 4), np.inf), np.zeros((2, 2, 2, 2)), np.zeros((513, 2)), np.zeros((0, 3))],
)
def test_what_no_frame_holds_is_refused(values: np.ndarray) -> None:
    with pytest.raises(FrameError):
        encode(values)


FRAME = encode(smooth((16, 16)), budget=80, **FIELDS)


def resealed(body: bytes) -> bytes:
    return body + crc32c(body).to_bytes(4, "big")


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(FRAME) - 5), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_a_mutated_frame_is_refused_or_gives_a_map_of_its_declared_shape(
    changes: list[tuple[int, int]], seal: bool
) -> None:
    data = bytearray(FRAME)
    for at, value in changes:
        data[at] = value
    try:
        frame = decode(resealed(bytes(data[:-4])) if seal else bytes(data))
    except FrameError:
        return
    assert 1 <= frame.map.ndim <= 3
    assert frame.map.size <= 1 << 18
    assert np.all(np.isfinite(frame.map))


@given(st.binary(max_size=80))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


def test_every_shorter_frame_is_refused() -> None:
    for length in range(len(FRAME)):
        with pytest.raises(FrameError):
            decode(FRAME[:length])
