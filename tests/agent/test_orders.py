"""Explaining for a class that a command names, with a file of target "input"."""

from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.agent.agent import Agent
from edgexai.agent.policy import policy
from edgexai.agent.settings import Settings
from edgexai.errors import ConfigError
from edgexai.heatmap import decode
from edgexai.messaging.broker import Broker

NOBODY = Broker.parse("mqtt://127.0.0.1:9")


def test_the_next_samples_are_explained_for_the_class_that_was_asked_for(tmp_path: Path) -> None:
    graph = edgexai.load(golden("cnn")[0])
    edgexai.save(edgexai.attach(graph, composite="epsilon", target="input"), tmp_path / "explain.tflite")
    wanted, _ = policy({"any": [{"every": 1000}]})
    agent = Agent(
        Settings("f", "n", tmp_path / "explain.tflite", NOBODY, predictor=golden("cnn")[0], policy=wanted, budget=1000)
    )
    x = np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype(np.float32)
    agent.step(x[0])
    assert agent.orders.explain({"count": 2, "class": 3}) == {"count": 2}
    assert [agent.step(one) for one in x[1:]] == [True, True, False]
    predicted, *asked = [decode(item.payload) for item in agent.waiting()]
    assert [frame.target for frame in asked] == [3, 3]
    exact = agent.state.explainer(x[1], np.eye(agent.state.classes)[3])
    assert asked[0].score == pytest.approx(exact.score, rel=1e-3)
    assert np.corrcoef(asked[0].map.ravel(), exact.relevance.ravel())[0, 1] > 0.95
    assert agent.state.predictor is not None
    assert predicted.target == int(agent.state.predictor.run(x[0])[0].argmax())
    for wrong in ({"class": 99}, {"class": True}, {"class": -1}, {"count": 10**6}, {"colour": 1}):
        with pytest.raises(ConfigError):
            agent.orders.explain(wrong)
    agent.state.outbox.close()
