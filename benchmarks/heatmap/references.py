"""What a reference saves: the mean map of each class, from maps that are not measured, sent once as a frame."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.case import Case
from benchmarks.heatmap.rate import TARGETS
from edgexai.errors import DataError
from edgexai.heatmap import encode

Row = dict[str, Any]

QUALITY = 0.98
"""Of the mean map's own frame."""


def references(case: Case) -> Iterable[Row]:
    """Median bytes at each cosine without a reference and with it, and on how many maps it is shorter."""
    if not len(case.spare):
        raise DataError("all samples are measured, none is left to make references from; lower --samples")
    means = class_means(case)
    sizes = np.array([[len(encode(one, quality=t)) for t in TARGETS] for one in case.maps])
    built = np.array(
        [
            [len(encode(one, quality=t, reference=means.get(int(target)))) for t in TARGETS]
            for one, target in zip(case.maps, case.targets, strict=True)
        ]
    )
    yield {
        "what": "references",
        "n": len(sizes),
        "spare": len(case.spare),
        "reference": float(np.median([len(frame) for frame in means.values()])),
        "without": np.median(sizes, axis=0).tolist(),
        "with": np.median(built, axis=0).tolist(),
        "saved": (1 - built.sum(0) / sizes.sum(0)).tolist(),
        "used": (built < sizes).mean(0).tolist(),
    }


def class_means(case: Case) -> dict[int, bytes]:
    """By class the frame of the mean of its spare maps, each at unit norm so that no strong one prevails."""
    maps: NDArray[np.float64] = case.spare_maps.astype(np.float64)
    maps /= np.maximum(np.linalg.norm(maps, axis=(1, 2), keepdims=True), 1e-30)
    classes = np.unique(case.spare_targets)
    return {int(c): encode(maps[case.spare_targets == c].mean(0), quality=QUALITY, target=int(c)) for c in classes}
