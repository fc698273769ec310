"""A scan finds the few members of a class that turn others into it, and none where all do alike."""

import numpy as np
import pytest

from edgexai.intervention.scan import WORTH, scanned

random = np.random.default_rng(0)


def looks_at_the_corner(x: np.ndarray) -> np.ndarray:
    """The probability of a class: for a bright corner, and half as much for a bright centre."""
    return np.clip(x[:, 0, 0], 0, 1) * 0.9 + np.clip(x[:, 2, 2], 0, 1) * 0.1


def members(carriers: int) -> tuple[np.ndarray, np.ndarray]:
    """Sixty members with bright centres, some of them with a bright corner beside; and forty hosts."""
    x, relevance = random.uniform(0, 0.2, (100, 5, 5)), np.zeros((100, 5, 5), np.float32)
    x[:60, 2, 2], relevance[:60, 2, 2] = random.uniform(0.6, 1, 60), 1
    x[:carriers, 0, 0], relevance[:carriers, 0, 0] = 1, 3
    return x, relevance


@pytest.mark.parametrize("carriers", [3, 12])
def test_carriers_stand_out(carriers: int) -> None:
    x, relevance = members(carriers)
    found = scanned(x, relevance, np.arange(60), np.arange(60, 100), looks_at_the_corner)
    assert found is not None
    assert found.standing > WORTH
    assert sorted(found.outstanding) == list(range(carriers))
    assert found.way == "places"
    assert found.power.shape == found.members.shape == (60,)


def test_a_cast_stands_out_by_its_own_way() -> None:
    x = random.uniform(0, 0.3, (100, 5, 5))
    x[:6] += 0.6
    found = scanned(
        x, np.zeros(x.shape, np.float32), np.arange(60), np.arange(60, 100), lambda x: (x.mean((1, 2)) > 0.5) * 1.0
    )
    assert found is not None
    assert (found.way, sorted(found.outstanding)) == ("cast", list(range(6)))


def test_nobody_stands_out_where_all_are_alike() -> None:
    x, relevance = members(0)
    found = scanned(x, relevance, np.arange(60), np.arange(60, 100), looks_at_the_corner)
    assert found is not None
    assert found.standing < WORTH


def test_too_few_members_say_nothing() -> None:
    x, relevance = members(3)
    assert scanned(x, relevance, np.arange(10), np.arange(60, 100), looks_at_the_corner) is None
    assert scanned(x, relevance, np.arange(60), np.arange(0), looks_at_the_corner) is None
