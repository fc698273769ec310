"""Alarms of a stream that is looked at again and again: the rate that is stated for a day is held."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from edgexai.fleet.alarms.looks import DAY, LOOKS, RATE, Looks, level
from edgexai.fleet.analysis.analyse import judged
from edgexai.fleet.analysis.finding import Finding


def finding(target: int, p: float, q: float = float("nan")) -> Finding:
    return Finding("drift", "00" * 8, target, ("n",), 10, p, 1.0, "", q=q)


def days_with_an_alarm(tests: int, window: int, new: int, rate: float, days: int = 150) -> float:
    """Share of days without faults on which a look at the newest ``window`` of a stream finds something at ``rate``."""
    random, count = np.random.default_rng([tests, window, new]), 0
    for _ in range(days):
        stream = np.cumsum(random.normal(size=(window + new * LOOKS, tests)), axis=0)
        ends = window + new * np.arange(LOOKS)
        p = 2 * norm.sf(np.abs(stream[ends] - stream[ends - window]) / np.sqrt(window))
        looks = ([finding(k, float(one)) for k, one in enumerate(look)] for look in p)
        count += any(judged(found, rate, lambda f: f, False) for found in looks if min(f.p for f in found) <= rate)
    return count / days


@settings(max_examples=6, deadline=None, derandomize=True)
@given(tests=st.integers(1, 12), window=st.integers(20, 60), new=st.integers(2, 40))
def test_a_day_without_faults_has_a_false_alarm_no_more_often_than_stated(tests: int, window: int, new: int) -> None:
    assert days_with_an_alarm(tests, window, new, level()) <= RATE


def test_without_the_budget_of_a_day_the_rate_would_not_hold() -> None:
    assert days_with_an_alarm(3, 40, 40, RATE) > 2 * RATE


def test_alarms_come_of_one_look_an_hour_and_of_trials_at_once() -> None:
    now: list[float] = [0.0]
    said: dict[str, Any] = {"computed": None, "findings": []}
    looks = Looks(lambda: said, lambda: now[0])

    def look(*found: dict[str, Any]) -> list[str]:
        said.update(computed=(said["computed"] or 0) + 1, findings=list(found))
        return [one["id"] for one in looks.sure()]

    assert looks.sure() == []
    sure: dict[str, Any] = {"id": "a", "q": level()}
    unsure: dict[str, Any] = {"id": "b", "q": 2 * level()}
    assert look(sure, unsure) == ["a"]
    late: dict[str, Any] = {"id": "c", "q": 1e-9}
    assert look(sure, late) == ["a"]
    assert look(sure, late, {"id": "d", "q": 0.5, "verdict": "confirmed"}) == ["a", "d"]
    now[0] = DAY / LOOKS
    assert look(late, unsure) == ["c"]
