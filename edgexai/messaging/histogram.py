"""Histograms that add up over nodes: logarithmic buckets, a few bytes on the wire."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_STEPS = 8  # buckets per doubling: a quantile is off by at most 2^(1/16), 4.4 %
_SMALLEST, _LARGEST = 1e-9, 1e12


def bucket(value: float) -> int:
    """The bucket of a positive value; what is tiny or huge goes to the first or last that there is."""
    return math.floor(_STEPS * math.log2(min(max(value, _SMALLEST), _LARGEST)))


def centre(number: int) -> float:
    """The value in the middle of a bucket."""
    return float(2.0 ** ((number + 0.5) / _STEPS))


@dataclass
class Histogram:
    """Real values in logarithmic buckets: bucket i holds 2^(i/8) … 2^((i+1)/8), ``below`` the same of values below
    zero. Two histograms add up. Zero counts as the smallest positive value; what is not finite is left out.

    The fixed-bucket form of Masson et al., *DDSketch* (VLDB 2019).
    """

    count: int = 0
    total: float = 0.0
    buckets: Counter[int] = field(default_factory=Counter)
    below: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """Count a value."""
        if not math.isfinite(value):
            return
        self.count += 1
        self.total += value
        (self.below if value < 0 else self.buckets)[bucket(abs(value))] += 1

    def quantile(self, share: float) -> float:
        """The value below which ``share`` of the values lie, within 4.4 %; 0 if there are none."""
        left = share * self.count
        for number in sorted(self.below, reverse=True):
            left -= self.below[number]
            if left <= 0:
                return -centre(number)
        for number in sorted(self.buckets):
            left -= self.buckets[number]
            if left <= 0:
                return centre(number)
        return 0.0

    def message(self) -> dict[str, Any]:
        """As it travels: count, sum, three quantiles for the reader and the buckets for who adds up."""
        told = {
            "count": self.count,
            "sum": round(self.total, 3),
            "p50": round(self.quantile(0.5), 3),
            "p95": round(self.quantile(0.95), 3),
            "p99": round(self.quantile(0.99), 3),
            "buckets": {str(k): v for k, v in sorted(self.buckets.items())},
        }
        return told | ({"below": {str(k): v for k, v in sorted(self.below.items())}} if self.below else {})


def merged(histograms: Iterable[dict[str, Any]]) -> Histogram:
    """The histogram of several nodes' messages together."""
    whole = Histogram()
    for one in histograms:
        whole.count += int(one["count"])
        whole.total += float(one["sum"])
        whole.buckets.update({int(k): int(v) for k, v in one["buckets"].items()})
        whole.below.update({int(k): int(v) for k, v in one.get("below", {}).items()})
    return whole
