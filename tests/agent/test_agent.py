"""The agent on real explainer files: what it explains, keeps, sends, and what it does when things go wrong."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgexai.agent import agent as agent_module
from edgexai.agent.agent import Agent
from edgexai.agent.policy import policy
from edgexai.agent.privacy import Privacy, pooled
from edgexai.agent.sending import shorter
from edgexai.agent.settings import Settings
from edgexai.errors import ConfigError, DataError
from edgexai.heatmap import decode
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import pack

HERE = Path(__file__).parents[1]
MODEL = HERE / "runtime" / "data" / "cnn_explain.tflite"
PLAIN = HERE / "golden" / "cnn" / "model.tflite"
PROFILER = HERE / "runtime" / "data" / "dscnn_profiler.tflite"
NOBODY = Broker.parse("mqtt://127.0.0.1:9")
SHAPE = (12, 12, 3)


def settings(**more: Any) -> Settings:
    return Settings("f", "n", MODEL, NOBODY, **{"drain": 0.0, **more})


def samples(count: int, seed: int = 0) -> Iterator[Any]:
    yield from np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


@pytest.fixture
def made() -> Iterator[Any]:
    agents: list[Agent] = []

    def make(**more: Any) -> Agent:
        agents.append(Agent(settings(**more)))
        return agents[-1]

    yield make
    for one in agents:
        one.state.outbox.close()


def test_any_python_iterable_is_a_source(tmp_path: Path) -> None:
    agent = Agent(settings(state=tmp_path, limit=4))
    counts = agent.run(samples(10))
    assert (counts.samples, counts.explained, agent.left) == (4, 4, 4)
    agent = Agent(settings(state=tmp_path))
    assert [i.sequence for i in agent.waiting()] == [0, 1, 2, 3]
    agent.state.outbox.close()


def test_a_predictor_predicts_and_only_what_is_wanted_is_explained(made: Any) -> None:
    wanted, hourly = policy({"any": [{"every": 4}]})
    agent = made(predictor=PLAIN, policy=wanted, hourly=hourly)
    assert [agent.step(x) for x in samples(8)] == [True, False, False, False] * 2
    assert agent.state.counts.predict.count == 8
    assert sum(agent.state.counts.predicted.values()) == 8
    assert agent.state.counts.latency.count == 2


def test_an_energy_budget_holds_by_the_boards_estimate_and_needs_one(made: Any) -> None:
    wanted, hourly = policy({"per_hour": {"energy_uj": 1000}})
    agent = made(policy=wanted, hourly=hourly, energy=lambda milliseconds: 300.0)
    assert sum(agent.step(x) for x in samples(10)) == 4
    assert agent.metrics()["energy_uj"] == 1200.0
    without = made()
    with pytest.raises(ConfigError, match="--board"):
        without.orders.policy({"per_hour": {"energy_uj": 1000}})
    with pytest.raises(ConfigError, match="--board"):
        made(hourly=hourly)


def test_an_event_outlives_the_routine_in_a_full_outbox(made: Any) -> None:
    wanted, _ = policy({"any": [{"every": 1}, {"score_above": -1e9, "class": list(range(0, 100))}]})
    agent = made(policy=wanted)
    for x in samples(2):
        agent.step(x)
    assert {row[0] for row in agent.state.outbox._db.execute("SELECT value FROM message")} == {2.0}
    agent.state.settings.policy = policy({})[0]
    agent.step(next(samples(1)))
    assert [row[0] for row in agent.state.outbox._db.execute("SELECT value FROM message ORDER BY id")] == [
        2.0,
        2.0,
        1.0,
    ]


def test_a_full_outbox_holds_shorter_frames_that_all_decode(made: Any) -> None:
    agent = made(state_bytes=4096, budget=256)
    for x in samples(25):
        agent.step(x)
    assert agent.state.outbox.shortened > 0
    assert agent.state.outbox.dropped == 0
    frames = [decode(item.payload) for item in agent.waiting()]
    assert [f.sequence for f in frames] == list(range(25))
    assert len(agent.waiting()[0].payload) < 200 < len(agent.waiting()[-1].payload)


def test_a_frame_of_an_unknown_version_waits_as_it_is() -> None:
    assert shorter(b"of another time", 4) == b"of another time"


def test_a_sample_that_does_not_fit_is_skipped_and_counted_unless_it_is_the_first(made: Any) -> None:
    agent = made()
    with pytest.raises(DataError):
        agent.step(np.zeros((3, 3), np.float32))
    agent.step(next(samples(1)))
    bad = np.full(SHAPE, np.nan, np.float32)
    assert [agent.step(x) for x in (bad, np.zeros((2, 2), np.float32))] == [False, False]
    assert (agent.state.counts.samples, agent.state.counts.refused) == (3, 2)


@pytest.mark.parametrize("clock", [0.0, 1e9, 4e9, 1e12])
def test_a_wrong_clock_costs_no_frame(made: Any, monkeypatch: pytest.MonkeyPatch, clock: float) -> None:
    agent = made()
    monkeypatch.setattr(agent_module.time, "time", lambda: clock)
    for x in samples(3):
        agent.step(x)
    assert agent.state.outbox.depth()[0] == 3
    assert all(2019.9 <= 1970 + decode(i.payload).time / 31_556_952 <= 2055 for i in agent.waiting())


def test_a_score_that_is_no_number_is_refused_and_not_sent(made: Any) -> None:
    agent = made()
    agent.step(next(samples(1)))
    held = agent.state.recent.last(1)[0]
    for score in (float("nan"), float("inf")):
        held.explanation = replace(held.explanation, score=score)
        assert not agent.accept(held, 1)
    assert (agent.state.outbox.depth()[0], agent.state.counts.refused) == (1, 2)


def test_metrics_are_json_whatever_was_counted(made: Any) -> None:
    agent = made()
    for x in samples(3):
        agent.step(x)
    for value in (0.0, -1e300, 1e300, float("inf"), float("nan"), -3.0):
        agent.state.counts.score.add(value)
    told = json.loads(pack(agent.metrics()))
    assert told["score"]["count"] == 7
    assert told["score"]["below"]
    assert json.loads(pack(agent.status()))["outbox"] == "memory"


def test_the_command_last_sends_what_was_not_sent_yet(made: Any) -> None:
    agent = made(policy=policy({"any": [{"every": 5}]})[0])
    for x in samples(10):
        agent.step(x)
    assert agent.state.outbox.depth()[0] == 2
    assert agent.orders.last({"count": 6}) == {"count": 5, "sent_before": 1}
    assert agent.orders.last({"count": 6}) == {"count": 0, "sent_before": 6}
    assert agent.state.outbox.depth()[0] == 7


def test_the_last_explanations_are_bounded_in_memory(made: Any) -> None:
    agent = made()
    for x in samples(80):
        agent.step(x)
    assert len(agent.state.recent.last(1000)) == 64


def test_the_command_rotate_begins_a_new_file(made: Any, tmp_path: Path) -> None:
    agent = made()
    with pytest.raises(ConfigError, match="--log-file"):
        agent.orders.rotate({})
    handler = RotatingFileHandler(tmp_path / "log", backupCount=2)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        root.warning("before")
        assert agent.orders.rotate({}) == {"files": 1}
        root.warning("after")
    finally:
        root.removeHandler(handler)
        handler.close()
    assert (tmp_path / "log").read_text() == "after\n"
    assert (tmp_path / "log.1").read_text() == "before\n"


def test_a_profile_leaves_only_where_it_is_allowed(tmp_path: Path) -> None:
    model = HERE / "runtime" / "data" / "dscnn_explain.tflite"
    limits = Privacy(send=frozenset(["status", "metrics", "heatmap", "profile"]))
    agent = Agent(Settings("f", "n", model, NOBODY, profiler=PROFILER, privacy=limits))
    assert agent.orders.profile({"count": 2}) == {"samples": 0, "of": 2, "parts": 0}
    for x in np.random.default_rng(0).normal(size=(3, 16, 16, 2)).astype(np.float32):
        agent.step(x)
    told = agent.orders.profile({"part": 0})
    assert (told["samples"], told["parts"]) == (2, 1)
    with pytest.raises(ConfigError, match="no part"):
        agent.orders.profile({"part": 1})
    agent.state.outbox.close()
    kept = Agent(Settings("f", "n", model, NOBODY, profiler=PROFILER))
    with pytest.raises(ConfigError, match="privacy"):
        kept.orders.profile({"count": 2})
    kept.state.outbox.close()


def test_maps_leave_in_the_grid_and_the_bytes_that_privacy_allows(made: Any) -> None:
    agent = made(privacy=Privacy(grid=(4, 4), bytes=64))
    x = next(samples(1))
    agent.step(x)
    (item,) = agent.waiting()
    frame = decode(item.payload)
    assert frame.map.shape == (4, 4, 3)
    assert len(item.payload) <= 64
    whole = agent.state.explainer(x).relevance
    assert np.allclose(pooled(whole, (4, 4)), whole.reshape(4, 3, 4, 3, 3).sum((1, 3)), rtol=1e-4, atol=1e-6)


def test_nothing_leaves_that_privacy_does_not_name(made: Any) -> None:
    agent = made(privacy=Privacy(send=frozenset()))
    for x in samples(3):
        agent.step(x)
    assert agent.state.outbox.depth()[0] == 0
    assert agent.status().keys() == {"state", "boot", "version", "privacy"}
    with pytest.raises(ConfigError, match="privacy"):
        agent.orders.metrics({})
    assert agent.orders.last({"count": 3})["count"] == 0


NOISY = Privacy(epsilon=1.0, clip=2.0, epsilon_per_day=5.0, score_range=(0.5, 20.0))


def test_no_more_leaves_than_a_day_may_cost_also_over_restarts(tmp_path: Path) -> None:
    sent = 0
    for life in range(3):
        agent = Agent(settings(state=tmp_path, privacy=NOISY))
        for x in samples(3, life):
            sent += agent.step(x) and agent.state.guard.withheld == 0
        spent, withheld = agent.state.guard.metrics(time.monotonic())["epsilon_today"], agent.state.guard.withheld
        agent.state.outbox.close()
    assert (sent, spent, withheld) == (5, 5.0, 3)


def test_a_ledger_that_was_lost_counts_as_spent(tmp_path: Path) -> None:
    first = Agent(settings(state=tmp_path, privacy=NOISY))
    first.step(next(samples(1)))
    first.state.outbox.close()
    (tmp_path / "outbox.db").write_bytes(os.urandom(5000))
    again = Agent(settings(state=tmp_path, privacy=NOISY))
    again.step(next(samples(1)))
    assert again.state.guard.withheld == 1
    again.state.outbox.close()
    with pytest.raises(ConfigError, match="--state"):
        Agent(settings(privacy=NOISY))


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_an_outbox_that_was_deleted_or_emptied_begins_no_new_day_of_privacy(tmp_path: Path, how: str) -> None:
    first = Agent(settings(state=tmp_path, privacy=NOISY))
    assert first.step(next(samples(1)))
    first.state.outbox.close()
    for file in tmp_path.glob("outbox.db*"):
        file.unlink() if how == "deleted" else file.write_bytes(b"")
    again = Agent(settings(state=tmp_path, privacy=NOISY))
    again.step(next(samples(1)))
    assert (again.state.guard.withheld, again.state.outbox.depth()[0]) == (1, 0)
    again.state.outbox.close()


def test_with_noise_metrics_and_frames_say_nothing_exact(tmp_path: Path) -> None:
    agent = Agent(settings(state=tmp_path, privacy=NOISY))
    x = next(samples(1))
    agent.step(x)
    frame, exact = decode(agent.waiting()[0].payload), agent.state.explainer(x)
    assert frame.conservation is None
    assert 0.5 <= frame.score <= 20.1
    assert np.abs(np.corrcoef(frame.map.ravel(), exact.relevance.ravel())[0, 1]) < 0.9
    told = agent.metrics()
    assert (told["score"], told["targets"], told["predicted"]) == (None, None, None)
    with pytest.raises(ConfigError, match="count samples only"):
        agent.orders.policy({"any": [{"score_below": 3}]})
    agent.state.outbox.close()


def test_a_camera_is_given_back_when_the_agent_ends(tmp_path: Path) -> None:
    closed = []

    def camera() -> Iterator[Any]:
        try:
            yield from samples(100)
        finally:
            closed.append(True)

    Agent(settings(state=tmp_path, limit=3)).run(camera())
    assert closed == [True]


def test_a_source_that_fails_ends_in_one_sentence(tmp_path: Path) -> None:
    def camera() -> Iterator[Any]:
        yield from samples(2)
        raise OSError("the camera is gone")

    agent = Agent(settings(state=tmp_path))
    with pytest.raises(DataError, match="the camera is gone"):
        agent.run(camera())
    assert agent.left == 2


EDGEXAI = [sys.executable, "-m", "edgexai", "agent", "--fleet", "f", "--node", "n", "--model", str(MODEL)]


def pipe(*xs: Any) -> bytes:
    buffer = io.BytesIO()
    for x in xs:
        np.save(buffer, x)
    return buffer.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_agent_whose_source_waits(tmp_path: Path, number: int) -> None:
    command = [*EDGEXAI, "--data", "-", "--broker", "mqtt://127.0.0.1:9", "--state", str(tmp_path)]
    one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert one.stdin is not None
    one.stdin.write(pipe(*samples(2)))
    one.stdin.flush()
    deadline = time.monotonic() + 30
    while not (tmp_path / "outbox.db-wal").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    begin = time.monotonic()
    one.send_signal(number)
    assert one.wait(20) == 0
    assert time.monotonic() - begin < 8
    assert one.stdout is not None
    assert one.stderr is not None
    assert b"2 samples, 2 explained" in one.stdout.read()
    errors = one.stderr.read()
    assert b"Fatal" not in errors
    assert b"Traceback" not in errors


def test_once_and_dry_run_and_a_log_of_json_lines(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.stack(list(samples(3))))
    common = [*EDGEXAI, "--data", str(tmp_path / "x.npy"), "--broker", "mqtt://127.0.0.1:9"]
    dry = subprocess.run([*common, "--dry-run"], capture_output=True, text=True, check=True)
    told = json.loads(dry.stdout)["would_send"]
    assert (told["metrics"]["samples"], len(told["frames"])) == (1, 1)
    configuration = tmp_path / "agent.toml"
    configuration.write_text(f'[agent]\nstate = "{tmp_path}/state"\ndrain = 0.0\n')
    log = ["--log", "json", "--verbose", "--log-file", str(tmp_path / "log")]
    once = subprocess.run(
        [*common, "--once", "--config", str(configuration), *log], capture_output=True, text=True, check=True
    )
    assert "1 samples, 1 explained" in once.stdout
    assert all(line.startswith("INFO: ") for line in once.stderr.splitlines())  # the runtime's own
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert all({"time", "level", "from", "message"} <= set(line) for line in lines)
    assert any("no connection" in line["message"] for line in lines)
