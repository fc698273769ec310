"""What an agent counts, from the start of its process."""

from dataclasses import dataclass, field
from typing import Any

from edgexai.messaging.histogram import Histogram


@dataclass
class Counts:
    """Totals; those of several nodes add up, histograms by their buckets.

    ``predicted`` is of every sample (class → samples), ``targets`` and ``score`` of what was explained; ``refused``
    are explanations that could not be accepted, ``files_refused`` files of samples that could not be read, ``latency``
    is of an explanation in milliseconds, where the agent explains, ``predict`` of a prediction alone where there is a
    predictor.
    """

    samples: int = 0
    explained: int = 0
    bytes: int = 0
    refused: int = 0
    files_refused: int = 0
    energy_uj: float = 0.0
    latency: Histogram = field(default_factory=Histogram)
    predict: Histogram = field(default_factory=Histogram)
    score: Histogram = field(default_factory=Histogram)
    predicted: dict[int, int] = field(default_factory=dict)
    targets: dict[int, int] = field(default_factory=dict)

    def message(self) -> dict[str, Any]:
        """What anybody may know."""
        return {
            "samples": self.samples,
            "explained": self.explained,
            "bytes": self.bytes,
            "refused": self.refused,
            "files_refused": self.files_refused,
            "latency_ms": self.latency.message() if self.latency.count else None,
            "predict_ms": self.predict.message() if self.predict.count else None,
        }

    def content(self) -> dict[str, Any]:
        """What says something of the samples; `Guard` decides about it."""
        return {
            "score": self.score.message(),
            "predicted": {str(k): v for k, v in sorted(self.predicted.items())},
            "targets": {str(k): v for k, v in sorted(self.targets.items())},
        }


def add(counts: dict[int, int], key: int) -> None:
    """One more."""
    counts[key] = counts.get(key, 0) + 1
