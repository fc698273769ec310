"""The 96×96 network of ten classes: what it sees while it learns, and that it learns another network's answers."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.heatmap import ten as heatmap_ten
from benchmarks.heatmap.mobilenet import enlarged, mobilenet

Array = NDArray[Any]
DICE = np.random.default_rng


def pictures(count: int) -> Array:
    return DICE(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


def test_three_of_four_views_are_a_shifted_or_mirrored_picture_and_the_others_are_mixed() -> None:
    x = pictures(60)
    seen = heatmap_ten.views(x, DICE(0))
    assert seen.shape == x.shape
    ways = np.lib.stride_tricks.sliding_window_view(np.concatenate([x, x[:, :, ::-1]]), (24, 24), (1, 2))
    inner = seen[:, 4:28, 4:28].transpose(0, 3, 1, 2)[:, None, None]
    shifted = [(inner[i] == ways[j]).all((2, 3, 4)).any() for i in range(60) for j in (i, i + 60)]
    assert 0.6 < np.sum(shifted) / 60 < 0.95


def test_holes_are_squares_and_leave_two_thirds_of_the_pictures_whole() -> None:
    gone = heatmap_ten.holes(300, 64, DICE(0))[..., 0]
    assert 0.25 < gone.any((1, 2)).mean() < 0.42
    assert gone.mean((1, 2)).max() < 0.8
    sides = [
        max(c for c in heatmap_ten.CELLS if (one == one[::c, ::c].repeat(c, 0).repeat(c, 1)).all())
        for one in gone[gone.any((1, 2))]
    ]
    assert set(sides) == set(heatmap_ten.CELLS)


def test_it_learns_the_answers_it_is_given_first_from_smaller_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    keras = pytest.importorskip("keras")
    asked, told, sides = [], [], []

    def answers(teacher: None, seen: Array) -> Array:
        asked.append(seen.shape[1:])
        return np.eye(10)[np.where(seen.mean((1, 2, 3)) > 128, 3, 7)]

    def mean(classes: int, side: int, skips: bool) -> Any:
        sides.append(side)
        inputs = keras.Input((side, side, 3))
        pooled = keras.layers.GlobalAveragePooling2D()(inputs)
        return keras.Model(inputs, keras.layers.Dense(classes, activation="softmax")(pooled))

    monkeypatch.setattr(heatmap_ten, "probabilities", answers)
    monkeypatch.setattr(heatmap_ten, "mobilenet", mean)
    monkeypatch.setattr(heatmap_ten, "STAGES", ((32, 20), (48, 1)))
    monkeypatch.setattr(heatmap_ten, "RATE", 0.5)
    x = np.repeat([20, 235], 48)[:, None, None, None] + DICE(0).integers(0, 20, (96, 32, 32, 3))
    model = heatmap_ten.train(x.astype(np.uint8), None, 0, lambda *at: told.append(at))
    assert sides == [32, 48]
    assert asked == [(32, 32, 3)] * 21
    assert told[-1] == (21, 21)
    said = model.predict(enlarged(x, 48), verbose=0).argmax(1)
    assert np.mean(said == np.repeat([7, 3], 48)) > 0.9


def test_skips_add_no_weights() -> None:
    pytest.importorskip("keras")
    plain, skipping = mobilenet(10, 32), mobilenet(10, 32, skips=True)
    assert plain.count_params() == skipping.count_params()
    assert sum(layer.__class__.__name__ == "Add" for layer in skipping.layers) == 8
