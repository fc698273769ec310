"""A trial where all samples are at hand: donors first, then hosts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.transplant import Sample
from edgexai.intervention.trial import Donor, Outcome, Trial

WANTED = 100
ORDINARY, SUSPECTED, HOST, NEITHER = range(4)
"""What a sample is to a trial: a member of the class, one of its suspected part, or of another class."""


def roles(target: NDArray[np.int64], suspected: int, distance: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of samples predicted as ``target`` (N,) in a trial of class ``suspected``, by their ``distance`` (N,) from the
    suspicion's plane."""
    own = np.where(distance >= 0, SUSPECTED, ORDINARY)
    return np.where(target == suspected, own, HOST).astype(np.int64)


@dataclass(frozen=True)
class Given:
    """Samples ``x`` (N, …) with their relevance and roles (N,) in a trial of class ``target``; ``predict`` gives a
    sample's scores."""

    x: Sample
    relevance: NDArray[np.floating]
    role: NDArray[np.int64]
    target: int
    predict: Callable[[Sample], NDArray[Any]]


def tried(given: Given) -> Outcome:
    """What suspected samples of a class do to others: at most WANTED hosts are tried, each once, drawn at random."""
    random = np.random.default_rng(0)
    hosts = np.flatnonzero(given.role == HOST)
    trial = Trial(given.target, min(WANTED, len(hosts)), given.predict)
    for side in (ORDINARY, SUSPECTED):
        for i in random.permutation(np.flatnonzero(given.role == side)):
            trial.donate(Donor(given.x[i], given.relevance[i]), side == SUSPECTED)
    for i in random.permutation(hosts)[:WANTED]:
        trial.host(given.x[i])
    return trial.outcome
