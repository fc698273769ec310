"""What any explanation of a score should satisfy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.similarity import correlation, rows


def completeness(maps: NDArray[Any], scores: NDArray[Any], baseline: NDArray[Any] | float = 0.0) -> NDArray[np.float64]:
    """Σ R - (score - baseline) of each sample (N,): 0 where relevance adds up to what it explains.

    ``scores`` (N,) are of the explained class; ``baseline`` the score of the input that a method starts from
    (Sundararajan et al. 2017), 0 for relevance propagation.
    """
    return np.asarray(rows(maps).sum(1) - (np.asarray(scores, np.float64) - baseline))


def class_sensitivity(maps: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Correlation of each map with that of another class for the same input (N,): the random logit test of
    Sixt et al. 2020. A map that does not depend on the class has 1; the lower, the more it says of the class."""
    return correlation(maps, others)
