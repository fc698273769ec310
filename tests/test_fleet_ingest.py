"""What arrives at the fleet: frames, notes, and anything else, which is refused, counted and stops nothing."""

import itertools
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.fleet.ingest import Note, read
from edgexai.fleet.journal import Arrival, Journal, Refusal
from edgexai.heatmap import decode, encode, header
from edgexai.messaging.messages import pack, pack_heatmap, topic

BOOT = "0123456789abcd"
HEATMAP = topic("f", "n", "heatmap")


def message(sequence: int = 7, target: int = 3, score: float = 2.5) -> bytes:
    relevance = np.eye(8, dtype=np.float32)
    frame = encode(relevance, budget=80, model=b"\xab" * 8, sequence=sequence, time=1.7e9, target=target, score=score)
    return pack_heatmap(BOOT, frame)


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


def mutated(good: bytes, dice: random.Random) -> bytes:
    """A message that is not the good one: bits flipped, bytes cut off, put in, or taken from elsewhere."""
    while True:
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            bad[dice.randrange(8, len(bad))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.2:
            del bad[dice.randrange(8, len(bad)) :]
        if dice.random() < 0.1:
            bad += dice.randbytes(dice.randrange(1, 100))
        if dice.random() < 0.1:
            bad[8:] = dice.randbytes(len(bad) - 8)
        if bytes(bad) != good:
            return bytes(bad)


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
