"""Messages and arrivals of one node, for the tests of ingest and store."""

import random
from unittest.mock import patch

import numpy as np

from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic

BOOT = "0123456789abcd"
HEATMAP = topic("f", "n", "heatmap")


def message(sequence: int = 7, target: int = 3, score: float = 2.5) -> bytes:
    relevance = np.eye(8, dtype=np.float32)
    with patch("edgexai.heatmap.given.number", lambda name, value, *bounds: value):  # an older node checked no score
        frame = encode(
            relevance, budget=80, model=b"\xab" * 8, sequence=sequence, time=1.7e9, target=target, score=score
        )
    return pack_heatmap(BOOT, frame)


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


DAY = 1.7e9


def arrival(sequence: int, node: str = "n", boot: str = "00" * 7, received: float = DAY) -> Arrival:
    return Arrival("f", node, boot, sequence, received, DAY, "ab" * 8, 3, 1.5, None, b"frame %d" % sequence)


def sequences(store: Store, after: int = -1) -> list[int]:
    return [s.sequence for s in store.since(after)]
