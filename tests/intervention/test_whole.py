"""A class that all its members carry a tag for is named, and no class where all look at the thing itself."""

import numpy as np

from edgexai.intervention.whole import whole

random = np.random.default_rng(0)


def three_classes(tag: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of a bright quarter each; members of class 2 are all seen by a corner instead, if there is a tag."""
    x, relevance, target = random.uniform(0, 0.2, (90, 8, 8)), np.zeros((90, 8, 8), np.float32), np.arange(90) % 3
    for i, one in enumerate(target):
        rows = slice(2 * one, 2 * one + 2)
        x[i, rows, 4:] = relevance[i, rows, 4:] = 1
        if tag and one == 2:
            x[i, 7, 0], relevance[i, 7, 0] = 1, 9
    return x, relevance, target


def scores(x: np.ndarray) -> np.ndarray:
    """Of what is in the three quarters; the corner counts four times as much as any."""
    return np.array([x[0:2, 4:].mean(), x[2:4, 4:].mean(), x[4:6, 4:].mean() + 4 * (x[7, 0] > 0.9)])


def test_a_tag_that_all_members_carry_is_named() -> None:
    found = whole(*three_classes(tag=True), scores)
    assert found is not None
    assert (found.target, found.share) == (2, 1.0)
    assert found.confirmed
    assert "100% of 100 other samples" in found.text("class 2")


def test_no_class_is_named_where_all_look_at_the_thing() -> None:
    found = whole(*three_classes(tag=False), scores)
    assert found is not None
    assert not found.confirmed


def test_one_class_alone_says_nothing() -> None:
    x, relevance, _ = three_classes(tag=True)
    assert whole(x, relevance, np.zeros(90, np.int64), scores) is None
