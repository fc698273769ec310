"""A basis learned from maps: fewer bytes for maps like those, every quality for others, and a clear word without it."""

import struct
import tracemalloc

import numpy as np
import pytest
from heatmap_maps import FIELDS, smooth
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import DataError, FrameError, MissingBasis
from edgexai.heatmap import Heatmap, decode, encode, header, join, layout, shorten, split
from edgexai.heatmap.basis import MOST_ROWS, Basis, learn, load
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.search import cosine, share

SHAPE = (14, 11)


def alike(count: int, seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Maps that are sums of the same six blobs, and a little of their own."""
    random = np.random.default_rng(seed)
    blobs = np.stack([smooth(shape, k) for k in range(6)])
    sums = np.tensordot(random.normal(size=(count, 6)) ** 3, blobs, 1)
    return np.asarray(sums + 0.01 * random.normal(size=sums.shape), np.float32)


LEARNED = learn(alike(60, 0), 8, b"\1\2\3\4\5\6\7\x08")
OTHERS = alike(12, 1)


def resealed(body: bytes) -> bytes:
    return body + struct.pack(">I", crc32c(body))


def test_a_basis_survives_its_file() -> None:
    read = load(LEARNED.data)
    assert (read.shape, read.sizes, read.rest, read.model) == (SHAPE, LEARNED.sizes, LEARNED.rest, LEARNED.model)
    assert np.array_equal(read.rows, LEARNED.rows)
    assert np.array_equal(read.gains, LEARNED.gains)
    assert read.name == LEARNED.data[-2:]
    assert len(LEARNED.data) == 25 + 8 * (4 + 14 * 11)


def test_rows_are_orthonormal_and_the_strongest_come_first() -> None:
    rows = LEARNED.rows.reshape(8, -1) * (LEARNED.gains / 2**24)[:, None]
    assert np.abs(rows @ rows.T - np.eye(8)).max() < 0.02
    assert list(LEARNED.sizes) == sorted(LEARNED.sizes)


@pytest.mark.parametrize("shape", [(40,), (3, 8, 9), (1, 1)])
def test_maps_of_any_axes_have_a_basis(shape: tuple[int, ...]) -> None:
    maps = alike(30, 2, shape)
    basis = learn(maps[:20], 5)
    for one in maps[20:]:
        frame = encode(one, quality=0.999, basis=basis)
        assert cosine(decode(frame, None, [basis]).map, one) >= 0.999


def test_maps_like_those_learned_from_take_fewer_bytes() -> None:
    for quality in (0.9, 0.99):
        plain = [len(encode(one, quality=quality)) for one in OTHERS]
        frames = [encode(one, quality=quality, basis=LEARNED) for one in OTHERS]
        assert sum(map(len, frames)) < 0.8 * sum(plain)
        assert all(cosine(decode(f, None, [LEARNED]).map, m) >= quality for f, m in zip(frames, OTHERS, strict=True))


def test_a_budget_keeps_more_of_such_maps() -> None:
    for one in OTHERS:
        with_basis, without = encode(one, budget=24, basis=LEARNED), encode(one, budget=24)
        assert len(with_basis) <= 24
        assert cosine(decode(with_basis, None, [LEARNED]).map, one) >= cosine(decode(without).map, one)


def test_a_map_unlike_those_learned_from_reaches_any_quality() -> None:
    noise = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    mixed = noise + 2 * OTHERS[0]
    for one in (noise, mixed, -OTHERS[0], OTHERS[0] * np.float32(1e20)):
        for quality in (0.95, 0.9999):
            frame = encode(one, quality=quality, basis=LEARNED)
            assert len(frame) <= len(encode(one, quality=quality))
            assert cosine(decode(frame, None, [LEARNED]).map, one) >= quality
    frame = encode(OTHERS[1], kept=0.99, basis=LEARNED)
    assert share(decode(frame, None, [LEARNED]).map, OTHERS[1]) >= 0.99


def test_any_prefix_is_a_map_and_more_bytes_a_better_one() -> None:
    frame = encode(OTHERS[2], basis=LEARNED)
    found = [cosine(decode(shorten(frame, n), None, [LEARNED]).map, OTHERS[2]) for n in range(12, len(frame), 6)]
    assert np.diff(found).min() > -0.02
    assert found[0] < 0.9 < 0.99999 < found[-1]


def test_without_its_basis_a_frame_says_which_and_still_has_a_header() -> None:
    frame = encode(OTHERS[0], budget=40, basis=LEARNED, **{**FIELDS, "model": b"\1\2\3\4"})
    with pytest.raises(MissingBasis, match=f"the basis {LEARNED.name.hex()} for maps of 14×11") as caught:
        decode(frame)
    assert caught.value.name == LEARNED.name
    said = header(frame)
    assert (said.shape, said.target, said.sequence) == (SHAPE, FIELDS["target"], FIELDS["sequence"])
    short = shorten(frame, 34)
    assert join(split(frame, 30)) == frame
    assert len(short) <= 34
    assert decode(short, None, [LEARNED]).target == FIELDS["target"]


def test_a_basis_of_another_shape_or_model_is_not_used() -> None:
    other = learn(alike(20, 0, (9, 9)), 4)
    assert encode(OTHERS[0], budget=40, basis=other) == encode(OTHERS[0], budget=40)
    assert encode(OTHERS[0], budget=40, model=b"abcd", basis=LEARNED) == encode(OTHERS[0], budget=40, model=b"abcd")
    frame = encode(OTHERS[0], budget=40, basis=LEARNED, model=b"\1\2\3\4\5\6\7\x08")
    foreign = bytearray(frame[:-4])
    foreign[3:11] = b"abcdefgh"
    with pytest.raises(MissingBasis):
        decode(resealed(bytes(foreign)), None, [LEARNED, other])


def test_several_maps_and_blank_ones_share_a_basis() -> None:
    more = [Heatmap(OTHERS[1], 2, 1.0), Heatmap(np.zeros(SHAPE, np.float32), 3)]
    said = decode(encode(OTHERS[0], budget=90, more=more, basis=LEARNED), None, [LEARNED])
    assert cosine(said.map, OTHERS[0]) > 0.97
    assert cosine(said.more[0].map, OTHERS[1]) > 0.97
    assert not said.more[1].map.any()
    assert encode(more[1].map, budget=20, basis=LEARNED) == encode(more[1].map, budget=20)


def test_a_budget_without_room_for_its_name_is_met_without_it() -> None:
    for budget in (9, 10, 11):
        assert encode(OTHERS[0], budget=budget, basis=LEARNED) == encode(OTHERS[0], budget=budget)


def test_maps_without_relevance_teach_nothing() -> None:
    for maps in (np.zeros((5, 4, 4), np.float32), np.zeros((0, 4, 4), np.float32)):
        with pytest.raises(DataError, match="nothing to learn"):
            learn(maps)


def damaged() -> list[bytes]:
    head = struct.pack(">4sBBB3H8s", b"EXB1", 1, 0, 2, 4, 4, 1, bytes(8))
    good = bytes([0]) + (1 << 24 >> 2).to_bytes(3, "big") + bytes([1] * 16)
    assert load(resealed(head + good)).shape == (4, 4)

    def headed(*fields: int) -> bytes:
        return struct.pack(">4sBBB3H8s", b"EXB1", *fields, bytes(8))

    return [
        b"",
        b"EXB1",
        resealed(b"EXB2" + (head + good)[4:]),
        (head + good)[:-1] + bytes(5),
        resealed(head + good + b"\0"),
        resealed(head + good[:-1]),
        resealed(headed(0, 0, 2, 4, 4, 1)),
        resealed(headed(1, 0, 0, 4, 4, 1) + good),
        resealed(headed(1, 0, 4, 4, 4, 1) + good),
        resealed(headed(1, 0, 1, 4, 4, 1) + good),
        resealed(headed(1, 0, 2, 4, 0, 1) + good),
        resealed(headed(1, 0, 2, 513, 1, 1) + good),
        resealed(headed(255, 0, 3, 512, 512, 512) + good),
        resealed(head + bytes([0, 0, 0, 0]) + bytes(16)),
        resealed(head + bytes([0]) + (1 << 23).to_bytes(3, "big") + bytes([1] * 16)),
    ]


@pytest.mark.parametrize("data", damaged())
def test_a_damaged_file_is_refused_before_memory_is_taken(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="basis"):
            load(data)
        assert tracemalloc.get_traced_memory()[1] < MOST_ROWS // 8
    finally:
        tracemalloc.stop()


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=6)
FRAMES = [encode(one, budget=n, basis=LEARNED) for one, n in zip(OTHERS, (14, 20, 40, 90), strict=False)]
FRAMES.append(encode(OTHERS[0], budget=90, more=[Heatmap(OTHERS[1], 1)], basis=LEARNED, **FIELDS | {"model": b""}))


def changed(data: bytes, changes: list[tuple[int, int]], begin: int = 0) -> bytes:
    out = bytearray(data[:-4])
    for at, value in changes:
        out[begin + at % (len(out) - begin)] = value
    return resealed(bytes(out))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FRAMES), CHANGES)
def test_a_mutated_frame_is_refused_or_gives_a_map_of_its_declared_shape(
    frame: bytes, changes: list[tuple[int, int]]
) -> None:
    data = changed(frame, changes)
    try:
        said = decode(data, None, [LEARNED])
    except FrameError:
        return
    assert all(one.map.shape == header(data).shape and np.isfinite(one.map).all() for one in (said, *said.more))


@settings(max_examples=200, deadline=None)
@given(CHANGES, st.booleans())
def test_a_mutated_file_is_refused_or_codes_maps(changes: list[tuple[int, int]], seal: bool) -> None:
    data = changed(LEARNED.data, changes)
    try:
        basis: Basis = load(data if seal else data[:-4] + LEARNED.data[-4:])
    except FrameError:
        return
    frame = encode(OTHERS[0], budget=60, basis=basis) if basis.shape == SHAPE else encode(OTHERS[0])
    assert np.isfinite(decode(frame, None, [basis]).map).all()


@pytest.mark.parametrize("peak", [3e-30, 1e-10, 1.0, 2.0**89.9])
def test_the_largest_declared_coefficients_stay_finite(peak: float) -> None:
    one = OTHERS[0] / np.abs(OTHERS[0]).max() * np.float32(peak)
    frame = encode(one, quality=0.99, basis=LEARNED)
    assert cosine(decode(frame, None, [LEARNED]).map, one) >= 0.99
    body = bytearray(encode(OTHERS[0], budget=20, basis=LEARNED)[:-4])
    assert body[1] == layout.BASIS
    body[7] = 72
    assert np.isfinite(decode(resealed(bytes(body)), None, [LEARNED]).map).all()
    body[7] = 73
    with pytest.raises(FrameError, match="no encoder"):
        decode(resealed(bytes(body)), None, [LEARNED])
