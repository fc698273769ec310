"""What arrives at the fleet: frames, notes, and anything else, which is refused, counted and stops nothing."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.fleet.ingest import Note, read
from edgexai.fleet.journal import Arrival, Refusal
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
        ("edgexai/f/n/o/heatmap", message()),
        ("edgexai/../n/heatmap", message()),
        (HEATMAP, message(sequence=2**64)),
        (HEATMAP, message(target=2**40)),
        (HEATMAP, message(score=math.inf)),
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


def test_ten_thousand_mutated_frames_are_refused() -> None:
    dice, good = random.Random(0), message()
    for _ in range(10_000):
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            bad[dice.randrange(8, len(bad))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.2:
            del bad[dice.randrange(8, len(bad)) :]
        if bytes(bad) != good:
            assert isinstance(read(HEATMAP, bytes(bad), 0.0), Refusal)
