"""When a node explains: conditions, budgets, and configurations that are refused."""

import random
from typing import Any

import pytest

from edgexai.agent.policy import Budget, Drift, Prediction, policy
from edgexai.errors import ConfigError


def chosen(table: dict[str, Any], predictions: list[Prediction]) -> list[int]:
    wanted, _ = policy(table)
    return [p.number for p in predictions if wanted.worth(p)]


def stream(*scores: float, target: int = 0, margin: float = 1.0) -> list[Prediction]:
    return [Prediction(i, float(i), target, s, margin) for i, s in enumerate(scores)]


SCORES = stream(0.1, 0.9, 0.5, 0.2, 0.8, 0.6)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"any": [{"every": 4}]}, [0, 4]),
        ({"any": [{"score_below": 0.5}]}, [0, 3]),
        ({"any": [{"score_above": 0.5}]}, [1, 4, 5]),
        ({"any": [{"score_above": 0.15, "score_below": 0.55}]}, [2, 3]),
        ({"any": [{"every": 4}, {"score_above": 0.85}]}, [0, 1, 4]),
        ({"any": [{"every": 2, "score_below": 0.5}]}, [0]),
        ({"any": [{"class": 1}]}, []),
        ({"any": [{"class": [0, 1], "score_above": 0.7}]}, [1, 4]),
        ({"any": [{"margin_below": 0.5}]}, []),
        ({"any": [{"margin_above": 0.5, "every": 3}]}, [0, 3]),
    ],
)
def test_conditions_choose(table: dict[str, Any], expected: list[int]) -> None:
    assert chosen(table, SCORES) == expected


def test_a_margin_of_a_model_with_one_output_never_excludes() -> None:
    assert chosen({"any": [{"margin_below": 0.5}]}, stream(0.1, margin=float("nan"))) == [0]


def test_drift_learns_what_is_usual_and_speaks_when_it_changes() -> None:
    dice = random.Random(0)
    usual = [dice.gauss(5.0, 1.0) for _ in range(2000)]
    drift = Drift(4.0, half_life=100)
    asked = [drift.worth(p) > 0 for p in stream(*usual, *([15.0] * 5))]
    assert sum(asked[:2000]) < 10
    assert asked[2000]


def test_a_jump_that_stays_becomes_usual() -> None:
    drift = Drift(4.0, half_life=50)
    dice = random.Random(1)
    asked = [drift.worth(p) > 0 for p in stream(*[dice.gauss(0 if i < 500 else 20, 1) for i in range(2000)])]
    assert any(asked[500:510])
    assert sum(asked[1500:]) < 5


def test_a_budget_is_spent_and_fills_evenly() -> None:
    budget = Budget({"explanations": 3600})
    spent = 0
    for second in range(1801):
        while budget.allows(float(second)):
            budget.spend(explanations=1, bytes=10)
            spent += 1
    assert 3600 + 1800 <= spent <= 3600 + 1802


def test_each_limit_of_a_budget_counts() -> None:
    for key in ("explanations", "bytes", "energy_uj"):
        budget = Budget({key: 5.0})
        spent = 0
        while budget.allows(0.0):
            budget.spend(explanations=1, bytes=1, energy_uj=1)
            spent += 1
        assert spent == 5


def test_a_clock_that_goes_back_gives_no_budget() -> None:
    budget = Budget({"explanations": 1.0})
    assert budget.allows(1000.0)
    budget.spend(explanations=1)
    assert not budget.allows(0.0)
    assert not budget.allows(1800.0)
    assert budget.allows(3601.0)


@pytest.mark.parametrize(
    "table",
    [
        {"some": []},
        {"any": {"every": 1}},
        {"any": [{}]},
        {"any": [{"every": 0}]},
        {"any": [{"every": True}]},
        {"any": [{"evry": 2}]},
        {"any": [{"class": "cat"}]},
        {"any": [{"score_below": "low"}]},
        {"any": [{"half_life": 3}]},
        {"any": [{"drift": -1}]},
        {"per_hour": {"euros": 3}},
        {"per_hour": {"bytes": 0}},
        {"per_hour": 7},
    ],
)
def test_a_table_with_a_mistake_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        policy(table)
