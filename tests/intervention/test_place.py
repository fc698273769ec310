"""Where what a class is recognised by lies: found where it was put, and nowhere where a trial does not bear it out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.intervention.place import Box, densest, excess, spread, tried

SHAPE = (12, 12)
TAG = Box((9, 11), (1, 4))


def three_classes(tag: Box | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples, maps and classes: each class has a bright stripe; class 2 is seen by a tag instead if there is one, or
    by a bright dot that every sample has elsewhere."""
    random = np.random.default_rng(0)
    x, target = random.uniform(0, 0.2, (120, *SHAPE)), np.arange(120) % 3
    maps = np.zeros(x.shape)
    for i, one in enumerate(target):
        stripe = slice(3 * one, 3 * one + 2)
        x[i, stripe, 6:] = maps[i, stripe, 6:] = 1
        if one == 2:
            inside = np.zeros(SHAPE, bool)
            inside[tuple(random.integers(0, 12, 2))] = True
            inside = inside if tag is None else tag.mask(SHAPE)
            x[i][inside], maps[i][inside] = 1, 9
    return x, maps, target


def scores(x: np.ndarray) -> np.ndarray:
    """Of the stripes; the tag's place counts more than any."""
    return np.array([x[0:2, 6:].mean(), x[3:5, 6:].mean(), x[6:8, 6:].mean() + 4 * x[TAG.mask(SHAPE)].mean()])


def test_the_box_is_the_tag_and_the_trial_confirms_it() -> None:
    x, maps, target = three_classes(TAG)
    box = densest(excess(maps, target, 2))
    assert box == TAG
    place = tried(x, target, 2, box, SHAPE, scores)
    assert (place.turned, place.n, place.confirmed) == (1.0, 100, True)
    assert place.elsewhere < 0.2
    assert box.text(SHAPE) == "the bottom left (rows 9 to 10, columns 1 to 3)"
    assert "turns 100% of 100 other samples" in place.text()


def test_no_place_is_confirmed_where_members_share_none() -> None:
    x, maps, target = three_classes(None)
    box = densest(excess(maps, target, 2))
    assert box is not None
    assert not tried(x, target, 2, box, SHAPE, lambda v: np.array([v.max() + 1, 0, 0])).confirmed


def test_hosts_that_have_the_same_there_are_none() -> None:
    x, _, target = three_classes(TAG)
    x[:, TAG.mask(SHAPE)] = 1
    assert tried(x, target, 2, TAG, SHAPE, scores).n == 0


def test_a_class_that_looks_nowhere_more_has_no_box() -> None:
    maps = np.ones((40, *SHAPE))
    assert densest(excess(maps, np.arange(40) % 2, 1)) is None


@pytest.mark.parametrize(
    ("map_shape", "sample"), [((1, 9), (9,)), ((1, 9), (9, 1)), ((5, 9), (5, 9, 3)), ((5, 9), (5, 9))]
)
def test_a_mask_lies_over_samples_of_every_shape(map_shape: tuple[int, int], sample: tuple[int, ...]) -> None:
    mask = np.arange(map_shape[0] * map_shape[1]).reshape(map_shape) % 4 == 0
    whole = np.broadcast_to(spread(mask, sample), sample)
    assert whole.sum() == mask.sum() * np.prod(sample) // mask.size


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(2, 9), st.data())
def test_the_densest_box_is_that_of_a_slow_search(rows: int, columns: int, data: st.DataObject) -> None:
    more = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=rows * columns, max_size=rows * columns)))
    more = more.reshape(rows, columns).astype(np.float64)
    found, best = densest(more), 0.0
    for top in range(rows):
        for bottom in range(top + 1, rows + 1):
            for left in range(columns):
                for right in range(left + 1, columns + 1):
                    part = more[top:bottom, left:right]
                    if 2 * part.size <= more.size:
                        best = max(best, part.sum() / np.sqrt(part.size))
    if found is None:
        assert best == 0
    else:
        inside = more[found.mask((rows, columns))]
        assert inside.sum() / np.sqrt(inside.size) == pytest.approx(best)


def test_a_box_in_the_middle_is_moved_as_far_as_there_is_room() -> None:
    x, _, target = three_classes(TAG)
    for middle in (Box((0, 12), (3, 9)), Box((2, 10), (2, 10))):
        assert tried(x, target, 2, middle, SHAPE, scores).n == 100
