"""Views for distillation: what the teacher still knows is used, what it does not is left."""

from collections.abc import Callable

import numpy as np
import pytest

from edgexai.compress.repair.augmentation import Samples, Views, shares

RANDOM = np.random.default_rng(3)
PLACES = np.zeros((64, 16, 8, 2), np.float32)
"""One bright row of 16 a sample, in the middle half, over all 8 columns."""
PLACES[np.arange(64), RANDOM.integers(5, 11, 64)] = 1


def test_only_views_that_the_teacher_knows_are_taken() -> None:
    top = Views.known(PLACES, lambda x: x[..., 0].sum(2).argmax(1))
    assert top.shifts == (0, 2)  # a row says the class; columns may go by a quarter
    assert top.mirrored == (False, True)
    assert Views.known(PLACES, None) == Views((0, 0), (False, False))


def test_a_mean_answer_counts_only_where_it_foretells_further_views() -> None:
    views = Views((0, 4), (False, False))
    x = np.zeros((200, 4, 16, 1), np.float32)
    signs = RANDOM.choice([-1, 1], 200)

    def told(noise: float) -> Callable[[Samples], Samples]:
        def answers(view: Samples) -> Samples:  # of two classes, right but for noise that is each view's own
            score = signs + noise * RANDOM.normal(size=len(view))
            return np.stack([score > 0, score <= 0], axis=1).astype(np.float32)

        return answers

    assert views.foretell(x, told(1.0))
    assert not views.foretell(x, told(0.0))


def test_a_view_is_a_shift_or_a_mirror_of_its_row() -> None:
    x = RANDOM.normal(size=(5, 6, 4, 3)).astype(np.float32)
    rows = np.array([4, 0, 0, 2])
    np.testing.assert_array_equal(Views((0, 0), (False, False)).of(x, rows, RANDOM), x[rows])
    seen = set()
    for _ in range(20):
        for view, row in zip(Views((1, 0), (False, True)).of(x, rows, RANDOM), rows, strict=True):
            of = {
                (by, turn): np.flip(moved, 1) if turn else moved
                for by in (-1, 0, 1)
                for moved in [x[row][(np.arange(6) + by).clip(0, 5)]]
                for turn in (False, True)
            }
            seen.update(key for key, value in of.items() if np.array_equal(view, value))
            assert any(np.array_equal(view, value) for value in of.values())
    assert len(seen) == 6


@pytest.mark.parametrize("shape", [(7,), (20, 3), (16, 16, 1)])
def test_shares_are_means_or_boxes_of_every_size(shape: tuple[int, ...]) -> None:
    share = shares(4000, shape, RANDOM)
    assert share.min() >= 0
    assert share.max() <= 1
    each = np.broadcast_to(share, (4000, *shape))
    means = each.reshape(4000, -1).mean(1)
    assert abs(means.mean() - 0.5) < 0.05
    assert np.histogram(means, 4, (0, 1))[0].min() > 700
    boxes = np.isin(each, (0, 1)).reshape(4000, -1).all(1).mean()
    assert boxes == pytest.approx(0.5 if len(shape) > 1 else 0, abs=0.05)
