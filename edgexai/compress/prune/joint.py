"""What the channels that go take away together: relevance for and against a class may cancel.

Under epsilon, R is to first order what an output loses with a channel. Alone, a channel counts by |R|; of all that go,
those that speak for a class make up for those that speak against it.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Balance:
    """The mean relevance of each predicted class that has gone, and what each label would add to its size."""

    def __init__(self, shifts: Floats) -> None:
        """``shifts`` (labels, classes) are the mean relevance of each label."""
        self._shifts = shifts / np.sqrt(max(1, shifts.shape[1]))
        self._gone = np.zeros(shifts.shape[1])

    def more(self) -> Floats:
        """By how much the root mean square over classes of what has gone grows with each label, (labels,).

        It may shrink, by no more than the label's largest mean |R|.
        """
        return np.asarray(np.linalg.norm(self._gone + self._shifts, axis=1) - np.linalg.norm(self._gone))

    def drop(self, gone: NDArray[np.int64]) -> None:
        """Labels that are no longer there."""
        self._gone += self._shifts[gone].sum(axis=0)
