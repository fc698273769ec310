"""A store as a fleet leaves it: real explanations of a network with a shortcut, two versions, two groups, 300 nodes."""

import json
import time
from pathlib import Path

import numpy as np
import tagged

from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.store.journal import Arrival, Saying
from edgexai.fleet.store.labels import FOLDER
from edgexai.fleet.store.store import Store
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic
from edgexai.runtime.explainer import Explainer

FIRST, SECOND = "5e" * 8, "a7" * 8
"""Two versions of a model; under the second one, threes are seen two pixels aside."""
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NODES = 300
HOUR = 3600.0


def fill(directory: Path) -> Store:
    """Frames of two days up to now by 24 nodes, and 276 that are silent. Every third node is of the night shift, whose
    lamps are bad for sixes; some eights carry a tag, by which the network knows them."""
    store, now = Store(directory), time.time()
    x, y, _ = tagged.stream()
    explain = Explainer(tagged.EXPLAINER)
    rows = [(FIRST, *pair) for pair in zip(x, y, strict=True)]
    rows += [(SECOND, np.roll(a, 2, 1) if b == 3 else a, b) for a, b in zip(x[:400], y[:400], strict=True)]
    arrivals: list[Arrival] = []
    for n, (model, sample, label) in enumerate(rows):
        place = n if model == FIRST else n - len(x)
        who, length = place % 24, len(x) if model == FIRST else 400
        if who % 3 == 0 and label == 6:
            sample = sample * 0.6
        at = now - 48 * HOUR * (1 - (place + 1) / length)
        said = explain(sample)
        frame = encode(
            said.relevance,
            budget=64,
            model=bytes.fromhex(model),
            sequence=n,
            time=at,
            target=said.target,
            score=said.score,
            concepts=said.concepts,
        )
        one = read(topic("line3", f"press{who:04}", "heatmap"), pack_heatmap("00" * 7, frame), at)
        assert isinstance(one, Arrival)
        arrivals.append(one)
    store.journal.add(arrivals, (), list(_notes(now)))
    names = directory / FOLDER
    names.mkdir()
    (names / f"{FIRST}.txt").write_text("\n".join(DIGITS))
    (names / f"{SECOND}.txt").write_text("\n".join(DIGITS))
    (names / "models.txt").write_text(f"{FIRST} digits 1.0\n{SECOND} digits 1.1\n")
    return store


def _notes(now: float) -> "list[Saying]":
    notes: list[Saying] = []
    for n in range(NODES):
        state = "lost" if n % 60 == 7 else "finished" if n % 50 == 3 else "online"
        status = {"state": state, "model": FIRST, "board": "pi4", "version": "1.2", "boot": "00" * 7}
        status["context"] = {"site": f"hall {n % 6}", "group": "night" if n % 3 == 0 else "day"}  # type: ignore[assignment]
        metrics = {
            "explained": 100 + n,
            "waiting": {"frames": n % 9},
            "latency_ms": {"p50": 4.0, "p95": 6.0, "sum": 400.0},
        }
        for kind, said in (("status", status), ("metrics", metrics)):
            notes.append(("line3", f"press{n:04}", kind, now - 30 * n, json.dumps(said)))
    return notes
