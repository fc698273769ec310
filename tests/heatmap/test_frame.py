"""Frames: what goes in comes out, budgets and qualities are met exactly, any prefix is a coarser map."""

import zlib
from typing import Any

import numpy as np
import pytest
from heatmap_maps import FIELDS, smooth
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgexai.errors import FrameError
from edgexai.heatmap import Fields, Heatmap, decode, encode, renumbered, shorten
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.layout import EPOCH
from edgexai.heatmap.search import cosine, share

SHAPES = [(1, 1), (1, 40), (17,), (28, 28), (49, 10), (96, 96), (5, 8, 6), (512,), (3, 200), (2, 2, 2)]


def test_every_field_comes_back() -> None:
    frame = decode(encode(smooth((28, 28)), **FIELDS))
    assert (frame.model, frame.sequence, frame.target) == (FIELDS["model"], 70_000, -5)
    assert frame.time == pytest.approx(FIELDS["time"], abs=1e-3)
    assert frame.score == pytest.approx(12.3456, rel=1e-6)
    assert frame.conservation == 0.875
    assert decode(encode(smooth((4, 4)))).conservation is None


def test_a_small_budget_says_time_score_and_conservation_shortly() -> None:
    frame = encode(smooth((96, 96)), budget=51, **{**FIELDS, "model": b"abcd", "sequence": 300})
    said = decode(frame)
    assert said.time == 1_790_000_000
    assert said.score == pytest.approx(12.3456, rel=1e-3)
    assert said.conservation == 0.875
    blank = encode(np.zeros((96, 96), np.float32), budget=51, **{**FIELDS, "model": b"abcd", "sequence": 300})
    assert len(blank) == 16 + 1 + 4  # header, exponent, checksum


def test_small_fields_come_back_and_unknown_ones_are_carried() -> None:
    fields = Fields(0.5, (7, -2.5), 1234, (0.0, 1.0, 0.2), ((9, b"newer"), (15, bytes(200))))
    said = decode(encode(smooth((9, 9)), fields=fields)).fields
    assert said.confidence == pytest.approx(0.5, abs=1 / 255)
    assert (said.second, said.energy, said.unknown) == (fields.second, 1234, fields.unknown)
    assert said.regions == pytest.approx((0, 1, 0.2), abs=1 / 255)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_budget_the_map_comes_back_to_its_last_bits(shape: tuple[int, ...]) -> None:
    values = smooth(shape)
    found = decode(encode(values)).map
    assert found.shape == shape
    assert found.dtype == np.float32
    assert cosine(found, values) > 0.99999
    assert np.linalg.norm(found - values) < 3e-3 * np.linalg.norm(values)


@pytest.mark.parametrize("budget", [32, 51, 64, 100, 222])
def test_a_budget_is_met_exactly_and_more_bytes_do_not_make_it_worse(budget: int) -> None:
    values = smooth((32, 32))
    values += np.random.default_rng(0).normal(size=values.shape).astype(np.float32) / 50
    small, large = encode(values, budget=budget), encode(values, budget=2 * budget)
    assert (len(small), len(large)) == (budget, 2 * budget)
    assert cosine(decode(large).map, values) > cosine(decode(small).map, values)


@pytest.mark.parametrize("quality", [0.5, 0.9, 0.98])
def test_a_quality_is_met_and_one_byte_less_would_not_meet_it(quality: float) -> None:
    values = smooth((24, 24))
    frame = encode(values, quality=quality)
    assert cosine(decode(frame).map, values) >= quality
    assert cosine(decode(shorten(frame, len(frame) - 1)).map, values) < quality


@pytest.mark.parametrize("kept", [0.3, 0.8, 0.95])
def test_a_share_of_the_relevance_is_kept(kept: float) -> None:
    values = smooth((24, 24))
    frame = encode(values, kept=kept)
    assert share(decode(frame).map, values) >= kept
    assert share(decode(shorten(frame, len(frame) - 1)).map, values) < kept


def test_a_quality_that_no_stream_reaches_gives_the_whole_stream() -> None:
    values = smooth((6, 6))
    assert cosine(decode(encode(values, quality=1.0)).map, values) > 0.99999


def test_a_budget_below_the_header_is_refused() -> None:
    with pytest.raises(FrameError, match="too few"):
        encode(smooth((8, 8)), budget=6)


def test_a_blank_map_is_the_header_alone() -> None:
    frame = encode(np.zeros((96, 96), np.float32))
    assert len(frame) == 7
    assert not decode(frame).map.any()


@pytest.mark.parametrize("shape", [(20, 20), (33,), (3, 9, 7)])
def test_every_prefix_decodes_to_a_better_and_better_map(shape: tuple[int, ...]) -> None:
    values = smooth(shape)
    whole = encode(values)
    qualities = [cosine(decode(shorten(whole, n)).map, values) for n in range(14, min(len(whole), 160), 4)]
    assert np.all(np.diff(qualities) > -0.02)
    assert qualities[-1] > 0.99


def test_a_shortened_frame_is_what_a_smaller_budget_gives_and_keeps_its_fields() -> None:
    values = smooth((40, 40))
    whole = encode(values, budget=300, **FIELDS)
    assert shorten(whole, 120) == encode(values, budget=120, precise=True, **FIELDS)
    assert shorten(whole, 400) == whole
    assert shorten(whole, 5) == whole


def test_several_maps_share_a_frame() -> None:
    maps = [smooth((24, 24), seed) for seed in range(3)]
    more = [Heatmap(maps[1], 2, 8.0, 0.5), Heatmap(np.zeros((24, 24), np.float32), 3, -1.0, 1.0), Heatmap(maps[2], 4)]
    frame = encode(maps[0], budget=240, target=1, score=9.0, more=more)
    assert len(frame) <= 240
    said = decode(frame)
    assert (said.target, [m.target for m in said.more]) == (1, [2, 3, 4])
    assert cosine(said.map, maps[0]) > 0.95
    assert cosine(said.more[0].map, maps[1]) > 0.95
    assert not said.more[1].map.any()
    assert [m.map.shape for m in decode(shorten(frame, 100)).more] == [(24, 24)] * 3
    with pytest.raises(FrameError, match="one shape"):
        encode(maps[0], more=[Heatmap(smooth((8, 8)))])


def test_a_reference_saves_bytes_and_its_absence_is_said() -> None:
    mean, noise = smooth((32, 32), 1), smooth((32, 32), 2)
    values = mean + noise / 10
    reference = encode(mean, budget=400)
    plain, frame = encode(values, budget=50), encode(values, budget=50, reference=reference)
    known = {reference[-4:]: decode(reference).map}
    assert decode(frame, known).missing is None
    assert cosine(decode(frame, known).map, values) > cosine(decode(plain).map, values)
    assert decode(frame).missing == reference[-4:]
    assert len(encode(values, quality=0.98, reference=reference)) < len(encode(values, quality=0.98))
    unrelated = encode(smooth((32, 32), 9), budget=400)
    assert encode(noise, budget=50, reference=unrelated) == encode(noise, budget=50)
    assert encode(values, budget=50, reference=encode(smooth((8, 8)))) == plain


def test_crc_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(b"123456789") != zlib.crc32(b"123456789")


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
    assert cosine(decode(encode(values)).map, values) > 0.9999 or not values.any() or np.abs(values).max() < 1e-29


@pytest.mark.parametrize(
    "values",
    [
        np.full((4, 4), np.nan),
        np.full((4, 4), np.inf),
        np.full((4, 4), 1e39),
        np.full((4, 4), 1e35),
        np.zeros((2, 2, 2, 2)),
        np.zeros((513, 2)),
        np.zeros((0, 3)),
        np.zeros((512, 512, 2)),
    ],
)
def test_what_no_frame_holds_is_refused(values: np.ndarray) -> None:
    with pytest.raises(FrameError):
        encode(values)


@pytest.mark.parametrize("given_", [{"model": b"abc"}, {"sequence": -1}, {"time": 0.0}, {"target": 1 << 40}])
def test_fields_out_of_range_are_refused(given_: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        encode(smooth((4, 4)), **given_)


@given(st.integers(0, 2**53 - 1), st.integers(0, 2**53 - 1), st.sampled_from([EPOCH, 1.7e9]), st.booleans())
def test_a_gateway_changes_the_number_and_a_missing_time_and_nothing_else(
    old: int, new: int, time: float, precise: bool
) -> None:
    maps = [Heatmap(np.random.default_rng(i).normal(size=(5, 4)).astype(np.float32), i, 0.5) for i in range(2)]
    sent = encode(
        maps[0].map, sequence=old, time=time, score=2.0, more=maps[1:], precise=precise,
        fields=Fields(confidence=0.5), model=b"12345678",
    )  # fmt: skip
    found, known = decode(renumbered(sent, new, 1.8e9)), decode(sent)
    assert (found.sequence, found.time) == (new, 1.8e9 if time == EPOCH else time)
    assert np.array_equal(found.map, known.map)
    assert np.array_equal(found.more[0].map, known.more[0].map)
    assert (found.model, found.score, str(found.fields)) == (known.model, known.score, str(known.fields))


def test_a_frame_that_builds_upon_another_is_not_renumbered() -> None:
    relevance = np.random.default_rng(0).normal(size=(12, 12)).astype(np.float32)
    first = encode(relevance)
    built = encode(relevance, budget=64, reference=first)
    assert decode(built).missing is not None
    with pytest.raises(FrameError, match="builds upon"):
        renumbered(built, 1, 0.0)
