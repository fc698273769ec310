"""A suspicion says of an explanation what the analysis said of its frame, and travels as JSON."""

import json
from contextlib import suppress

import numpy as np
import pytest
from findings import clean, planted
from hypothesis import given
from hypothesis import strategies as st

from edgexai.errors import ConfigError
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.intervention.suspicion import Suspicion, suspicion

GOOD = {"class": 3, "of": "concepts", "weights": [0.5, -1], "score": 0.25, "bias": -2}


@pytest.mark.parametrize("concepts", [True, False])
def test_the_plane_separates_as_the_members_are_scored(concepts: bool) -> None:
    evidence, carriers = planted(clean(3, classes=3, each=90), 2, 0.2)
    if not concepts:
        maps = evidence.maps.copy()
        maps[carriers, :3, :3] += 5
        evidence = evidence.__class__(**{**vars(evidence), "concepts": evidence.concepts[:, :0], "maps": maps})
    (found,) = [f for f in shortcuts(evidence) if f.target == 2]
    assert found.probe is not None
    sent = suspicion(json.loads(json.dumps(found.probe.as_json())))
    assert sent.of == ("concepts" if concepts else "maps")
    own = evidence.where(evidence.target == 2)
    rows = evidence.channels()[evidence.target == 2]  # with the very dither that was clustered
    far = sent.distance(rows, own.score)
    assert np.allclose(1 / (1 + np.exp(-np.clip(far, -30, 30))), [m.score for m in found.members], atol=2e-3)
    assert np.mean((far >= 0) == carriers[evidence.target == 2]) > 0.95


def test_distance_is_a_plane() -> None:
    found = suspicion(GOOD)
    assert found.distance(np.array([[2.0, 1.0], [0.0, 0.0]]), np.array([4.0, 0.0])).tolist() == [-1.0, -2.0]


@pytest.mark.parametrize(
    "wrong",
    [{"class": True}, {"class": -1}, {"of": "input"}, {"weights": []}, {"weights": [0.0] * 5000}, {"bias": None},
     {"weights": ["1"]}, {"weights": [float("nan")]}, {"score": float("inf")}, {"score": True}],
)  # fmt: skip
def test_what_is_no_suspicion_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        suspicion({**GOOD, **wrong})


ANYTHING = st.none() | st.integers() | st.floats() | st.text("ab", max_size=3) | st.lists(st.floats(), max_size=3)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), ANYTHING, max_size=5))
def test_anything_else_is_a_config_error_or_a_suspicion(said: dict[str, object]) -> None:
    with suppress(ConfigError):
        assert isinstance(suspicion(said), Suspicion)
