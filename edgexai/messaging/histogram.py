"""Histograms that add up over nodes: logarithmic buckets, a few bytes on the wire."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_STEPS = 8  # buckets per doubling: a quantile is off by at most 2^(1/16), 4.4 %


@dataclass
class Histogram:
    """Positive values in logarithmic buckets: bucket i holds 2^(i/8) … 2^((i+1)/8). Two histograms add up.

    The fixed-bucket form of Masson et al., *DDSketch* (VLDB 2019).
    """

    count: int = 0
    total: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """Count a value; zero and below go to the lowest bucket that there is."""
        self.count += 1
        self.total += value
        self.buckets[math.floor(_STEPS * math.log2(max(value, 1e-9)))] += 1

    def quantile(self, share: float) -> float:
        """The value below which ``share`` of the values lie, within 4.4 %; 0 if there are none."""
        left = share * self.count
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return float(2.0 ** ((bucket + 0.5) / _STEPS))
        return 0.0

    def message(self) -> dict[str, Any]:
        """As it travels: count, sum, three quantiles for the reader and the buckets for who adds up."""
        return {
            "count": self.count,
            "sum": round(self.total, 3),
            "p50": round(self.quantile(0.5), 3),
            "p95": round(self.quantile(0.95), 3),
            "p99": round(self.quantile(0.99), 3),
            "buckets": {str(k): v for k, v in sorted(self.buckets.items())},
        }


def merged(histograms: Iterable[dict[str, Any]]) -> Histogram:
    """The histogram of several nodes' messages together."""
    whole = Histogram()
    for one in histograms:
        whole.count += int(one["count"])
        whole.total += float(one["sum"])
        whole.buckets.update({int(k): int(v) for k, v in one["buckets"].items()})
    return whole
