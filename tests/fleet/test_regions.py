"""Shares of relevance by region, and the class that stands out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgexai.fleet.analysis.apart import chance
from edgexai.fleet.analysis.regions import areas, flat, names, shares, suspects

maps = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=12), elements=st.floats(-4, 4, width=32)
)


@given(maps)
def test_the_nine_fields_hold_all_positive_relevance(relevance: np.ndarray) -> None:
    total = shares(relevance)[:9].sum()
    assert total == pytest.approx(1.0 if (relevance > 0).any() else 0.0)


def test_each_region_is_where_its_name_says() -> None:
    expected = {"top left": (0, 0), "top right": (0, 27), "bottom left": (27, 0), "bottom right": (27, 27)}
    for name, (row, column) in expected.items():
        relevance = np.zeros((28, 28), np.float32)
        relevance[row, column] = 2.0
        held = {n for n, s in zip(names(28), shares(relevance), strict=True) if s > 0}
        assert held == {name, f"corner {name}"}


def test_negative_relevance_is_no_evidence() -> None:
    relevance = np.zeros((9, 9), np.float32)
    relevance[0, 0], relevance[8, 8] = -100.0, 1.0
    assert shares(relevance)[names(9).index("bottom right")] == 1.0


def test_a_corner_is_a_quarter_of_each_side() -> None:
    assert areas((28, 28))[9:] == pytest.approx([1 / 16] * 4)


@pytest.mark.parametrize(
    ("shape", "expected"), [((40,), (1, 40)), ((40, 1), (1, 40)), ((5, 6, 3), (5, 6)), ((5, 6), (5, 6))]
)
def test_every_shape_becomes_a_map_of_two_axes(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert flat(np.ones(shape, np.float32)).shape == expected
    assert flat(np.ones(shape, np.float32)).sum() == np.prod(shape)


def test_a_line_has_five_parts() -> None:
    relevance = np.zeros((1, 50), np.float32)
    relevance[0, 44] = 1.0
    assert dict(zip(names(1), shares(relevance), strict=True))["part 5 of 5"] == 1.0


def population(tagged: dict[int, tuple[str, float]], classes: int = 10) -> dict[int, np.ndarray]:
    dice = np.random.default_rng(0)
    regions = names(28)
    means = {}
    for target in range(classes):
        mean = areas((28, 28)) * dice.normal(1.0, 0.15, len(regions))
        if target in tagged:
            region, share = tagged[target]
            mean[regions.index(region)] = share
        means[target] = mean
    return means


def found(tagged: dict[int, tuple[str, float]], count: int = 50) -> list[tuple[int, str]]:
    means = population(tagged)
    return [(s.target, s.region) for s in suspects(means, dict.fromkeys(means, count), names(28), areas((28, 28)))]


def test_a_class_that_looks_into_a_corner_is_found_and_no_other() -> None:
    assert found({6: ("corner bottom right", 0.45)}) == [(6, "corner bottom right")]


def test_without_a_planted_tag_nothing_is_found() -> None:
    assert found({}) == []


def test_the_centre_is_no_suspicion_and_few_frames_are_no_evidence() -> None:
    assert found({6: ("middle centre", 0.9)}) == []
    assert found({6: ("corner top left", 0.5)}, count=7) == []


def test_the_denser_region_comes_first() -> None:
    means = population({2: ("corner top left", 0.5)})
    means[2][names(28).index("top left")] = 0.52
    first = suspects(means, dict.fromkeys(means, 50), names(28), areas((28, 28)))[0]
    assert first.region == "corner top left"


def test_chance_is_small_for_a_class_apart_and_large_for_one_like_the_others() -> None:
    random = np.random.default_rng(0)
    means = {k: random.normal(0.1, 0.02, 13) for k in range(10)}
    means[3][4] = 0.4
    assert chance(means, 3, 4) < 0.001
    assert np.median([chance(means, k, 0) for k in range(10)]) > 0.2
    assert chance({0: means[0], 1: means[1]}, 0, 4) == 1.0
