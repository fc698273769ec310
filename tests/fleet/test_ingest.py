"""What arrives at the fleet: frames, notes, and anything else, which is refused, counted and stops nothing."""

import itertools
import math
import random
from pathlib import Path

import pytest
from arrivals import BOOT, HEATMAP, message, mutated
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.fleet.ingest.ingest import Note, read
from edgexai.fleet.store.journal import Arrival, Journal, Refusal
from edgexai.heatmap import decode, header
from edgexai.messaging.messages import pack, topic


def test_a_heatmap_is_read_with_its_name_and_numbers() -> None:
    arrival = read(HEATMAP, message(), 1.8e9)
    assert isinstance(arrival, Arrival)
    assert (arrival.fleet, arrival.node, arrival.boot, arrival.sequence) == ("f", "n", BOOT, 7)
    assert (arrival.target, arrival.score, arrival.model, arrival.time) == (3, 2.5, "ab" * 8, 1.7e9)
    assert arrival.frame == message()[8:]


def test_a_header_says_what_the_whole_frame_says() -> None:
    whole, head = decode(message()[8:]), header(message()[8:])
    for name, value in vars(head).items():
        assert value == (whole.map.shape if name == "shape" else getattr(whole, name))


def test_status_and_metrics_are_notes() -> None:
    note = read(topic("f", "n", "metrics"), pack({"a": 1}), 5.0)
    assert note == Note("f", "n", "metrics", 5.0, '{"a":1}')


def test_receipts_and_commands_are_not_for_the_store() -> None:
    assert read(topic("f", "n", "receipt"), b"", 0.0) is None


@pytest.mark.parametrize(
    ("where", "payload"),
    [
        (HEATMAP, b""),
        (HEATMAP, bytes(1_000_000)),
        (HEATMAP, message()[:-1]),
        (HEATMAP, message()[8:]),
        (HEATMAP, b"\x02" + message()[1:]),
        (topic("f", "n", "status"), b"not json"),
        (topic("f", "n", "metrics"), b'{"energy_uj":NaN}'),
        (topic("f", "n", "metrics"), b'{"energy_uj":1e999}'),
        (topic("f", "n", "metrics"), b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"),
        ("edgexai/f/n/o/heatmap", message()),
        ("edgexai/../n/heatmap", message()),
        (HEATMAP, message(score=math.nan)),
    ],
)
def test_hostile_payloads_are_refused_with_a_reason(where: str, payload: bytes) -> None:
    refusal = read(where, payload, 0.0)
    assert isinstance(refusal, Refusal)
    assert refusal.reason


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for channel in ("heatmap", "status", "metrics"):
        assert isinstance(read(topic("f", "n", channel), payload, 0.0), Arrival | Note | Refusal)


def test_a_hundred_thousand_mutated_frames_are_refused() -> None:
    dice, good = random.Random(0), message()
    assert all(isinstance(read(HEATMAP, mutated(good, dice), 0.0), Refusal) for _ in range(100_000))


def test_a_score_beyond_a_short_frames_numbers_is_the_largest_there_is() -> None:
    arrival = read(HEATMAP, message(score=-1e9), 0.0)
    assert isinstance(arrival, Arrival)
    assert arrival.score < -60_000
    assert math.isfinite(arrival.score)


def test_what_can_be_read_can_be_stored(tmp_path: Path) -> None:
    """The largest and smallest numbers that a frame may hold are numbers that the journal holds."""
    journal = Journal(tmp_path)
    extremes = itertools.product((0, 2**53 - 1), (-(2**31), 2**31 - 1), (-3.4e38, 3.4e38))
    read_all = [read(HEATMAP, message(*e), 0.0) for e in extremes]
    assert all(isinstance(r, Arrival) for r in read_all)
    assert journal.add([r for r in read_all if isinstance(r, Arrival)]) == 2
    journal.close()
