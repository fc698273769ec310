"""Prints which channels of inner maps took part, and the samples that excite each most."""

from collections.abc import Sequence

import numpy as np

from edgexai.runtime.about import Concepts
from edgexai.runtime.explanation import Explanation

STRONGEST, SAMPLES = 5, 5


def print_concepts(parts: Sequence[Concepts], explanations: Sequence[Explanation]) -> None:
    """A paragraph a part: its strongest channels in the mean, and of each the samples where it is strongest."""
    vectors = np.stack([e.concepts for e in explanations if e.concepts is not None])
    for part in parts:
        values = part.of(vectors)
        mean = values.mean(0)
        print(f"{part.statistic} relevance of the {part.channels} channels of {part.map.split(';')[0]}")
        for channel in np.argsort(-np.abs(mean), kind="stable")[:STRONGEST]:
            best = np.argsort(-values[:, channel], kind="stable")[:SAMPLES]
            print(f"  channel {channel:<4} mean {mean[channel]:.4g}  samples {' '.join(map(str, best))}")
