"""One slow node among fifty of a board: found by what nodes say of their latency, and is anybody accused wrongly?

Healthy nodes' medians differ by so much (standard deviation of their logarithm, by Student's t: of 30 degrees of
freedom, or of 5, which has long tails); each has explained 200 times. *Alone* latency has the whole rate, as where
nothing else is tested; *beside* it are as many tests of maps and of conservation, and other kinds share the rate.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli import table as text

NODES, FLEETS, COUNT = 50, 100, 200
SPREADS, TIMES, TAILS = (0.05, 0.1, 0.2), (1.0, 1.5, 2.0, 3.0), (30.0, 5.0)
SHARE = 1 / 6
"""Of the rate, what health has beside shortcuts, biases and drifts (`edgexai/fleet/analysis/analyse.py`)."""


def fleets() -> Iterator[dict[str, Any]]:
    """Of every spread, tail and slowness: fleets in which the slow node is found, and in which another one is."""
    for tails in TAILS:
        for spread in SPREADS:
            for times in TIMES:
                drawn = [
                    _found(np.random.default_rng([seed, round(100 * times)]), spread, tails, times)
                    for seed in range(FLEETS)
                ]
                row: dict[str, Any] = {"tails": tails, "spread": spread, "times": times, "fleets": FLEETS}
                for way in ("alone", "beside"):
                    row[way] = sum(bool(one[way][0]) for one in drawn)
                    row[f"{way}_wrong"] = sum(bool(one[way][1:].any()) for one in drawn)
                yield row


def _found(random: np.random.Generator, spread: float, tails: float, times: float) -> dict[str, NDArray[np.bool_]]:
    """Which of the nodes are findings; the first is the slow one."""
    from edgexai.fleet.analysis.analyse import RATE
    from edgexai.fleet.analysis.figures import Latencies, slow
    from edgexai.fleet.analysis.statistics import false_discovery

    p50 = 40 * np.exp(spread * random.standard_t(tails, NODES))
    p50[0] *= times
    said = Latencies("m", "board", [str(i) for i in range(NODES)], np.full(NODES, float(COUNT)), p50, 1.3 * p50)
    p = [finding.p for finding in slow(said)]
    others = random.uniform(size=2 * NODES).tolist()
    return {"alone": false_discovery(p) <= RATE, "beside": false_discovery([*p, *others])[:NODES] <= SHARE * RATE}


def table(rows: list[dict[str, Any]]) -> str:
    """Fleets of a hundred in which the slow node is found."""
    cells = []
    for tails in TAILS:
        for spread in SPREADS:
            of = {r["times"]: r for r in rows if (r["tails"], r["spread"]) == (tails, spread)}
            slow = [f"{of[t]['alone']} / {of[t]['beside']}" for t in TIMES if t > 1]
            wrong = [f"{sum(of[t][f'{way}_wrong'] for t in TIMES)}" for way in ("alone", "beside")]
            cells.append([f"{spread:.0%}{', long tails' if tails < 30 else ''}", *slow, " / ".join(wrong)])
    fleets = sum(r["fleets"] for r in rows if (r["tails"], r["spread"]) == (TAILS[0], SPREADS[0]))
    return text.table(
        ["healthy nodes differ by", *(f"{t:g} times as slow" for t in TIMES if t > 1), f"another accused, of {fleets}"],
        cells,
    )
