"""A trial where all samples are at hand: donors first, then hosts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.scan import HOSTS, WORTH, scanned
from edgexai.intervention.transplant import Sample
from edgexai.intervention.trial import Donor, Outcome, Trial, probabilities

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


def scanned_and_tried(given: Given) -> Outcome | None:
    """The trial of those members of a class that stand out one by one, whatever their role, by the way by which they
    do, on other hosts than those of the scan; None where nobody stands out."""
    role, hosts = given.role, np.flatnonzero(given.role == HOST)
    if len(hosts) < 2 * HOSTS:
        return None

    def probability(many: Sample) -> NDArray[np.floating]:
        return np.array([probabilities(given.predict(one))[given.target] for one in many])

    used = np.random.default_rng(2).permutation(hosts)[:HOSTS]
    members = np.flatnonzero((role == ORDINARY) | (role == SUSPECTED))
    found = scanned(given.x, given.relevance, members, used, probability)
    if found is None or found.standing < WORTH:
        return None
    again = np.where(role == HOST, HOST, NEITHER)
    again[used], again[found.members], again[found.outstanding] = NEITHER, ORDINARY, SUSPECTED
    outcome = tried(replace(given, role=again))
    outcome.ways, outcome.alone = {found.way: outcome.ways[found.way]}, len(found.outstanding)
    return outcome


def sought(given: Given, cluster: bool) -> Outcome | None:
    """The trial of the suspected ones, if their ``cluster`` is worth one, and if that confirms nothing, of those that
    a scan finds; None where neither is worth a trial."""
    first = tried(given) if cluster else None
    if first is not None and first.verdict == "confirmed":
        return first
    second = scanned_and_tried(given)
    return second if second is not None and (first is None or second.verdict == "confirmed") else first
