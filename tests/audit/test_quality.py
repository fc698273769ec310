"""Quality of explanations: equal to Quantus 0.6 on the same maps, and right on what is known."""

from pathlib import Path

import numpy as np
import pytest

from edgexai.audit import quality
from edgexai.audit.quality.fills import constant

G = dict(np.load(Path(__file__).with_name("quantus.npz")))  # figures of Quantus 0.6 on random maps and a small network
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def predict(x: np.ndarray) -> np.ndarray:
    out = x.reshape(len(x), -1) @ G["w"]
    powers = np.exp(out - out.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_deletion_is_quantus_pixel_flipping() -> None:
    at = np.arange(1, G["x"][0].size + 1)
    curves = quality.flipped(predict, G["x"], G["a"], G["y"], constant(G["x"], 0.0), at)
    np.testing.assert_allclose(curves, G["deletion"], **CLOSE)
    np.testing.assert_allclose(quality.areas(curves, at), G["deletion_auc"], **CLOSE)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mass", lambda: quality.mass_accuracy(G["a"], G["s"])),
        ("rank", lambda: quality.rank_accuracy(G["a"], G["s"])),
        ("sparseness", lambda: quality.sparseness(G["a"])),
        ("complexity", lambda: quality.complexity(G["a"])),
        ("max_sensitivity", lambda: quality.max_sensitivity(G["a"], G["am"], G["same"])),
        ("lipschitz", lambda: quality.local_lipschitz(G["a"], G["am"], G["x"], G["xm"], G["same"])),
        ("random_logit", lambda: quality.class_sensitivity(G["a"], G["b"])),
        ("entropy", lambda: quality.histogram_entropy(G["a"])),
        ("emprt", lambda: quality.efficient_mprt(G["a"], G["b"])),
    ],
)
def test_figures_equal_quantus(name: str, found: object) -> None:
    np.testing.assert_allclose(found(), G[name], **CLOSE)  # type: ignore[operator]


def test_completeness_says_what_quantus_says() -> None:
    scores = (G["xi"].reshape(len(G["xi"]), -1) @ G["wi"])[np.arange(len(G["y"])), G["y"]]
    assert ((quality.completeness(G["ai"], scores) == 0) == G["complete"]).all()
    assert 0 < G["complete"].mean() < 1


@pytest.mark.parametrize("fill", list(quality.FILLS))
def test_the_gain_is_high_for_true_maps_and_nothing_for_random_ones(fill: str) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 6, 7))
    y = predict(x).argmax(1)
    fills = quality.FILLS[fill](x)
    true = quality.mean(quality.symmetric_gain(predict, x, x * G["w"][:, y].T.reshape(x.shape), y, fills))
    chance = quality.mean(quality.symmetric_gain(predict, x, random.normal(size=x.shape), y, fills))
    assert true.low > 0.3
    assert chance.low < 0.05
    assert chance.high > -0.05


def test_the_gain_of_opposite_maps_is_opposite() -> None:
    x, y = G["x"], G["y"]
    one = quality.symmetric_gain(predict, x, G["a"], y, constant(x), steps=42)
    other = quality.symmetric_gain(predict, x, -G["a"], y, constant(x), steps=42)
    assert np.corrcoef(one, other)[0, 1] < 0


def test_a_map_without_channels_changes_all_of_them() -> None:
    x = np.ones((1, 2, 2, 3))
    seen: list[np.ndarray] = []

    def watch(v: np.ndarray) -> np.ndarray:
        seen.append(v.copy())
        return np.ones((1, 1))

    quality.flipped(watch, x, np.array([[[0.0, 3.0], [2.0, 1.0]]]), np.array([0]), constant(x, 0.0), np.array([1]))
    assert seen[0][0, 0, 1].tolist() == [0, 0, 0]
    assert seen[0].sum() == 9


def test_diffused_fills_a_hole_in_a_plane_from_around_it() -> None:
    plane = np.add.outer(np.arange(9.0), 2 * np.arange(9.0))[None, :, :, None]
    gone = np.zeros(plane.shape, bool)
    gone[0, 3:6, 3:6] = True
    other = np.concatenate([plane, -plane])  # whose mean is no help
    found = quality.FILLS["diffused"](other)(plane, gone, np.random.default_rng(0))
    assert np.abs(found - plane)[gone].max() < 0.05 * plane.std() + 0.3


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    held = [quality.mean(random.normal(3, 1, 60), seed=i) for i in range(200)]
    assert np.mean([i.low < 3 < i.high for i in held]) > 0.9
    shares = [quality.share(random.random(40) < 0.97) for _ in range(400)]
    assert np.mean([i.low < 0.97 < i.high for i in shares]) > 0.9


def test_samples_of_one_subject_do_not_count_as_independent() -> None:
    random = np.random.default_rng(2)
    subject = np.repeat(np.arange(12), 50)
    values = random.normal(size=12)[subject] + 0.01 * random.normal(size=600)
    naive, honest = quality.mean(values), quality.mean(values, subject)
    assert honest.high - honest.low > 4 * (naive.high - naive.low)
    assert honest.groups == 12


def test_no_samples_have_no_interval() -> None:
    assert np.isnan(quality.mean([]).mean)
    assert not quality.mean([np.nan]).excludes(0.0)
