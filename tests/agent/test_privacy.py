"""Noise that is what the accounting says, budgets that hold, settings that are whole."""

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.agent.ledger import HOURS, Ledger
from edgexai.agent.noise import (
    MAP_STEPS,
    noisy_class,
    noisy_counts,
    noisy_map,
    noisy_value,
    two_sided_geometric,
)
from edgexai.agent.outbox import OutboxFull
from edgexai.agent.privacy import Guard, Privacy, pooled, privacy
from edgexai.errors import ConfigError
from edgexai.runtime.explanation import Explanation

HOUR = 3600.0


def test_the_noise_is_two_sided_geometric() -> None:
    scale, many = 5.0, 200_000
    drawn = Counter(two_sided_geometric(scale, many).tolist())
    ratio = math.exp(-1 / scale)
    for k in range(-8, 9):
        expected = many * (1 - ratio) / (1 + ratio) * ratio ** abs(k)
        assert abs(drawn[k] - expected) < 5 * math.sqrt(expected)


def test_two_neighbouring_maps_are_told_apart_no_better_than_epsilon_says() -> None:
    """The likelihood ratio of what leaves, for two maps that differ as much as maps can, by counting."""
    epsilon, many = 1.0, 120_000  # so many that chance alone stays within the bound: 0.15 is 4.4 of its deviations
    one, other = np.array([1.0]), np.array([-1.0])
    edges = np.linspace(-6, 6, 13)
    a = np.histogram([noisy_map(one, 1.0, epsilon)[0] for _ in range(many)], edges)[0]
    b = np.histogram([noisy_map(other, 1.0, epsilon)[0] for _ in range(many)], edges)[0]
    seen = (a > 200) & (b > 200)
    ratios = np.abs(np.log(a[seen] / b[seen]))
    assert ratios.max() <= epsilon * 1.15
    assert ratios.max() >= epsilon * 0.8  # the noise is no larger than it has to be


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200), st.floats(0.01, 100))
def test_a_clipped_map_is_within_its_norm_in_whole_steps(values: list[float], clip: float) -> None:
    quiet = noisy_map(np.array(values), clip, 1e12)  # so much ε that the noise is nothing
    steps = np.rint(quiet.astype(np.float64) / (clip / MAP_STEPS))
    assert np.abs(steps).sum() <= MAP_STEPS
    norm = float(np.abs(values).sum())
    if norm:
        assert np.allclose(quiet, np.array(values) * min(1.0, clip / norm), atol=1.01 * clip / MAP_STEPS, rtol=1e-5)


def test_a_map_with_nothing_finite_is_noise() -> None:
    noisy = noisy_map(np.array([np.nan, np.inf, -np.inf]), 1.0, 1.0)
    assert np.all(np.isfinite(noisy))


def test_the_class_is_true_as_often_as_randomized_response_says() -> None:
    epsilon, classes, many = 1.0, 4, 40_000
    told = Counter(noisy_class(2, classes, epsilon) for _ in range(many))
    truth = math.exp(epsilon) / (math.exp(epsilon) + classes - 1)
    for k in range(classes):
        expected = many * (truth if k == 2 else (1 - truth) / (classes - 1))
        assert abs(told[k] - expected) < 5 * math.sqrt(expected)
    assert noisy_class(0, 1, epsilon) == 0


@settings(deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(0.1, 10))
def test_a_value_stays_in_its_range(value: float, epsilon: float) -> None:
    assert 1.0 <= noisy_value(value, 1.0, 5.0, epsilon) <= 5.0


def test_counts_with_noise_are_right_on_average() -> None:
    counts = np.array([0, 10, 1000], np.int64)
    mean = np.mean([noisy_counts(counts, 1.0) for _ in range(4000)], axis=0)
    assert np.allclose(mean, counts, atol=0.3)


def test_the_sum_stays_when_a_map_is_pooled() -> None:
    relevance = np.random.default_rng(0).normal(size=(49, 10)).astype(np.float32)
    small = pooled(relevance, (8, 4))
    assert small.shape == (8, 4)
    assert small.sum() == pytest.approx(relevance.sum(), rel=1e-4)
    assert pooled(relevance, (100, 100)).shape == (49, 10)
    assert pooled(relevance[:, 0], (8, 8)).shape == (8,)


class Kept:
    def __init__(self) -> None:
        self.last: str | None = None

    def __call__(self, text: str) -> None:
        self.last = text


def test_no_24_hours_cost_more_than_a_day() -> None:
    ledger, spent = Ledger(10.0, None, Kept()), []
    for minute in range(0, 4 * 24 * 60):
        now = minute * 60.0
        if ledger.spend(0.7, now):
            spent.append(now)
    for begin in spent:
        assert sum(begin <= t < begin + 24 * HOUR for t in spent) * 0.7 <= 10.0
    assert len(spent) > 3 * 14


def test_a_restart_gives_nothing_back() -> None:
    kept, sent = Kept(), 0
    for life in range(30):
        ledger = Ledger(5.0, kept.last, kept)
        sent += sum(ledger.spend(1.0, life * 1e6 + t) for t in range(3))
    assert sent == 5


@pytest.mark.parametrize(
    "kept", ["lost", "", "{}", '{"into": 0, "hours": []}', json.dumps({"into": -1, "hours": [0] * HOURS}), "[" * 9]
)
def test_a_ledger_that_cannot_be_read_counts_as_spent(kept: str) -> None:
    assert not Ledger(5.0, kept, Kept()).spend(0.1, 0.0)


def test_what_cannot_be_written_down_is_not_spent() -> None:
    def full(text: str) -> None:
        raise OutboxFull("full")

    ledger = Ledger(5.0, None, full)
    assert not ledger.spend(1.0, 0.0)
    assert ledger.spent(0.0) == 0.0


def explanation(target: int = 1, score: float = 4.0) -> Explanation:
    return Explanation((), target, score, np.ones((4, 4), np.float32))


def test_histograms_leave_after_a_full_hour_with_noise_and_are_paid_for() -> None:
    limits = Privacy(epsilon=0.1, clip=1.0, epsilon_per_day=100.0, score_range=(1.0, 8.0), epsilon_histograms=2.0)
    ledger = Ledger(100.0, None, Kept())
    guard = Guard(limits, 3, ledger)
    for n in range(3000):
        guard.count(1, 4.0, n * 1.0)
    assert guard.histograms(3000.0) is None
    told = guard.histograms(HOUR)
    assert told is not None
    targets, score = told
    assert abs(targets["1"] - 3000) < 60
    assert abs(score["p50"] - 4.0) < 0.3
    assert ledger.spent(HOUR) == pytest.approx(2.0)
    guard.count(2, 1e9, HOUR + 1)
    again = guard.histograms(HOUR + 2)
    assert again == told


def test_without_noise_an_explanation_leaves_as_it_is() -> None:
    e = explanation()
    released = Guard(Privacy(), 3, Ledger(math.inf, None, Kept())).release(e, 0.0)
    assert released is not None
    assert released.relevance is e.relevance
    assert (released.target, released.score, released.conservation) == (1, 4.0, e.conservation)


WHOLE = {"epsilon": 1.0, "clip": 2.0, "epsilon_per_day": 5}


@pytest.mark.parametrize(
    "table",
    [
        {"colour": 1},
        {"send": "heatmap"},
        {"send": ["inputs"]},
        {"send": [["heatmap"]]},
        {"grid": [8]},
        {"grid": [8, 0]},
        {"grid": [8.5, 8]},
        {"grid": [True, True]},
        {"bytes": 0},
        {"bytes": 1.5},
        {"epsilon": 1.0},
        {"epsilon": 1.0, "clip": 2.0},
        {"epsilon_histograms": 1.0},
        {**WHOLE, "epsilon": 0},
        {**WHOLE, "delta": 0},
        {**WHOLE, "epsilon": 1e-17},
        {**WHOLE, "epsilon": 1e300},
        {**WHOLE, "epsilon": 10**400},
        {**WHOLE, "clip": 1e-300},
        {**WHOLE, "epsilon_per_day": 1e-16},
        {**WHOLE, "score_range": [1, 10**400]},
        {**WHOLE, "delta": 0.5},
        {**WHOLE, "epsilon": math.inf},
        {**WHOLE, "epsilon": True},
        {**WHOLE, "clip": math.nan},
        {**WHOLE, "score_range": [3, 3]},
        {**WHOLE, "epsilon_histograms": 1.0},
        {**WHOLE, "epsilon_histograms": 1.0, "score_range": [-1, 3]},
        {**WHOLE, "send": ["profile"]},
    ],
)
def test_settings_that_are_wrong_or_not_whole_are_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="privacy"):
        privacy(table)


def test_whole_settings_are_read() -> None:
    made = privacy({**WHOLE, "send": ["heatmap"], "grid": [4, 6], "bytes": 80, "score_range": [1, 9]})
    assert (made.send, made.grid, made.bytes, made.epsilon) == (frozenset(["heatmap"]), (4, 6), 80, 1.0)
    assert privacy({}) == Privacy()


def test_a_day_with_delta_is_counted_as_concentrated_privacy() -> None:
    """Against the sum of the mechanisms' own privacy loss, by the tail of its exact distribution."""
    made = privacy({"epsilon": 0.1, "clip": 1.0, "epsilon_per_day": 8.0, "delta": 1e-6})
    ledger = Ledger(made.per_day, None, Kept(), made.unit)
    frames = sum(ledger.spend(made.cost(made.frame_parts), 0.0) for _ in range(2000))
    assert frames > 200  # 80 of ε = 0.1 fill a day of 8 by addition
    assert made.epsilon_of(ledger.spent(0.0)) <= 8.0
    assert made.epsilon_of(made.per_day) == pytest.approx(8.0)
    # the worst case of an ε-private mechanism is a coin of bias e^ε: its loss is ±ε, and the losses of many add up
    loss, weight = np.zeros(1), np.ones(1)
    for epsilon in (0.09, 0.01):
        heads = np.arange(frames + 1)
        logs = [math.lgamma(frames + 1) - math.lgamma(k + 1) - math.lgamma(frames - k + 1) for k in heads]
        p = math.exp(epsilon) / (1 + math.exp(epsilon))
        chance = np.exp(np.array(logs) + heads * math.log(p) + (frames - heads) * math.log(1 - p))
        loss = (loss[:, None] + epsilon * (2 * heads - frames)[None]).ravel()
        weight = (weight[:, None] * chance[None]).ravel()
    beyond = loss > 8.0
    assert float((weight[beyond] * (1 - np.exp(8.0 - loss[beyond]))).sum()) <= 1e-6


def test_a_ledger_of_another_unit_counts_as_spent() -> None:
    kept = Kept()
    assert Ledger(5.0, None, kept).spend(1.0, 0.0)
    assert Ledger(5.0, kept.last, kept).spend(1.0, 0.0)
    assert not Ledger(5.0, kept.last, kept, "rho 1e-06").spend(0.001, 0.0)


@pytest.mark.parametrize("epsilon", [1e-4, 1e-2, 50.0])
def test_noise_at_both_bounds_of_epsilon_is_noise_of_that_scale(epsilon: float) -> None:
    """The mean of |k| of a two-sided geometric distribution is 2q / (1 - q²) with q = e^(-1/scale)."""
    scale = 2 * MAP_STEPS / epsilon
    drawn = two_sided_geometric(scale, 20_000).astype(np.float64)
    q = math.exp(-1 / scale)
    assert abs(drawn).mean() == pytest.approx(2 * q / (1 - q * q), rel=0.05)


@pytest.mark.parametrize("scale", [2.0**55, 1e300, math.inf, math.nan])
def test_noise_that_no_whole_number_holds_is_refused_and_never_zero(scale: float) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        two_sided_geometric(scale, 4)
