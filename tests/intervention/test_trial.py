"""A trial counts what it did, confirms what is used, and nothing that every member of a class has."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgexai.errors import FrameError
from edgexai.intervention.trial import FEWEST, Donor, Outcome, Trial, Way, outcome, probabilities, together
from edgexai.intervention.tried import ORDINARY, SUSPECTED, Given, roles, tried

random = np.random.default_rng(0)
CORNER = np.s_[0, 0]


def samples(n: int, value: float, where: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    x, relevance = random.uniform(0, 0.4, (n, 5, 5)), np.zeros((n, 5, 5), np.float32)
    x[:, where[0], where[1]] = value
    relevance[:, where[0], where[1]] = 1
    return x, relevance


def looks_at_the_corner(x: np.ndarray) -> np.ndarray:
    """Class 1 for a bright corner, or a bright centre, which is the thing itself and half as often enough."""
    sure = float(x[CORNER] > 0.8 or x[2, 2] > 0.8)
    return np.array([1 - sure, sure])


def looks_at_the_centre(x: np.ndarray) -> np.ndarray:
    sure = float(x[2, 2] > 0.8)
    return np.array([1 - sure, sure])


def trial_of(predict: object) -> Outcome:
    """Suspected members have a bright corner; ordinary ones a centre as bright as is enough once in three times."""
    carriers, marked = samples(8, 1.0, (0, 0))
    ordinary, seen = samples(30, 0.5, (2, 2))
    ordinary[::3, 2, 2] = 0.9
    hosts, nothing = samples(60, 0.1, (4, 4))
    x, relevance = np.concatenate([ordinary, carriers, hosts]), np.concatenate([seen, marked, nothing])
    target, distance = np.repeat([1, 1, 0], [30, 8, 60]), np.repeat([-1.0, 1.0, 0.0], [30, 8, 60])
    return tried(Given(x, relevance, roles(target, 1, distance), 1, predict))


def test_what_is_used_is_confirmed_with_its_share_and_interval() -> None:
    found = trial_of(looks_at_the_corner)
    assert found.verdict == "confirmed"
    assert (found.n, found.donors) == (60, (8, 30))
    assert found.ways["places"].suspected == 60
    share = found.ways["places"].ordinary / 60
    assert 0.1 < share < 0.6
    low, high = found.interval("places")
    assert found.effect("places") == pytest.approx(1 - share)
    assert low < 1 - share <= high
    assert "turns 100% of 60 other samples into class 1" in found.text("class 1")


def test_what_is_not_used_is_not_confirmed() -> None:
    found = trial_of(looks_at_the_centre)
    assert found.verdict == "not confirmed"
    assert found.ways["places"].suspected == 0
    assert found.text("class 1").startswith("Not confirmed")


def test_a_trial_waits_for_donors_of_both_sides_and_ends_with_its_last_host() -> None:
    trial, x = Trial(1, 2, looks_at_the_corner), np.ones((5, 5))
    for _ in range(FEWEST):
        trial.host(x)
        trial.donate(Donor(x, x), suspected=True)
    trial.host(x)
    assert trial.outcome.n == 0
    assert trial.outcome.verdict == "open"
    for _ in range(FEWEST):
        trial.donate(Donor(x, x), suspected=False)
    for _ in range(5):
        trial.host(np.zeros((5, 5)))
    assert trial.outcome.n == 2
    assert trial.outcome.done


def test_the_probability_moves_by_what_the_scores_say() -> None:
    trial = Trial(0, 10, lambda x: np.array([x[0, 0], 0.0]))  # logits
    for side in (True, False):
        for _ in range(FEWEST):
            value = np.full((2, 2), 2.0 if side else -1.0)
            trial.donate(Donor(value, value), side)
    trial.host(np.zeros((2, 2)))

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    way = trial.outcome.ways["places"]
    assert way.moved == pytest.approx(sigmoid(2) - 0.5)
    assert way.moved_ordinary == pytest.approx(sigmoid(-1) - 0.5)
    assert (way.suspected, way.ordinary) == (1, 0)


def test_outcomes_travel_and_add_up() -> None:
    found = trial_of(looks_at_the_corner)
    assert outcome(found.as_json()) == found
    both = together([found, found])
    assert both.n == 120
    assert both.effect("places") == found.effect("places")
    width = [one.interval("places")[1] - one.interval("places")[0] for one in (both, found)]
    assert width[0] < width[1]
    assert found.n == 60  # what was added up is left as it was


@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text("ab", max_size=3),
        lambda c: (
            st.lists(c, max_size=4)
            | st.dictionaries(
                st.sampled_from(["class", "of", "n", "donors", "ways", "places", "cast", "difference"]), c
            )
        ),
    )
)
def test_what_is_no_outcome_is_refused(said: object) -> None:
    try:
        found = outcome(said)
    except FrameError:
        return
    assert isinstance(found, Outcome)


@pytest.mark.parametrize("counts", [[-1, 0, 0.0, 0.0], [11, 0, 0.0, 0.0], [0, 11, 0.0, 0.0]])
def test_counts_that_cannot_be_are_refused(counts: list[float]) -> None:
    said = Outcome(1, 10, 10, (3, 3), {w: Way() for w in Outcome(1, 1).ways}).as_json()
    assert outcome(said).n == 10
    said["ways"]["cast"] = counts
    with pytest.raises(FrameError):
        outcome(said)


def test_roles() -> None:
    found = roles(np.array([1, 1, 0]), 1, np.array([-0.1, 0.1, 5.0]))
    assert found.tolist()[:2] == [ORDINARY, SUSPECTED]


def test_probabilities_that_were_rounded_stay_and_scores_become_some() -> None:
    softmax = np.r_[0.5, np.full(1000, 0.0005)]
    eight_bits = np.rint(softmax * 256) / 256
    assert eight_bits.sum() == 0.5
    assert probabilities(eight_bits) == pytest.approx(eight_bits)
    assert probabilities(np.array([2.0, 1.0])) == pytest.approx([0.7311, 0.2689], abs=1e-4)
    assert probabilities(np.array([0.9, 0.8, 0.7])).sum() == pytest.approx(1)  # of a sigmoid each: none of a choice
    assert probabilities(np.zeros(4)) == pytest.approx([0.25] * 4)


def test_the_interval_that_is_printed_is_that_of_the_difference_that_is_printed() -> None:
    one = Outcome(8, 50, 50, (20, 20), {"places": Way(), "cast": Way(), "difference": Way(43, 27)})
    low, high = one.interval("difference")
    assert low < 0.32 < high
    said = f"(taken away 54%; 32% more, 95 % interval {low:.0%} to {high:.0%})."
    assert one.text("class 8").endswith(f"it turns 86% of 50 other samples into class 8 {said}")
    one = Outcome(8, 50, 50, (20, 20), {"places": Way(43, 5), "cast": Way(), "difference": Way()})
    assert "(ordinary members 10%; 76% more, 95 % interval" in one.text("class 8")
