"""Commands over a real broker: what a node does when told, and what it refuses."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mosquitto import free_port, needs_mosquitto, plain_configuration, running
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgexai.cli import main
from edgexai.errors import DataError
from edgexai.fleet.keys.enrol import enrol
from edgexai.fleet.orders.collect import CollectFailed, collect
from edgexai.fleet.orders.command import NoReply, Order, send
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import load_private, sign

HERE = Path(__file__).parents[1]
DATA = HERE / "runtime" / "data"
GOLDEN = HERE / "golden" / "dscnn" / "model.tflite"


class Told:
    """A node on its way, and its fleet's key."""

    def __init__(self, broker: Broker, key: Ed25519PrivateKey, keys: Path) -> None:
        self.broker, self.key, self.keys = broker, key, keys

    def __call__(self, do: str, **parameters: Any) -> Any:
        return send(self.broker, self.key, Order("f", "n", do, parameters))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    directory = tmp_path_factory.mktemp("told")
    enrol(directory / "keys", "f", [], [])
    np.save(directory / "x.npy", np.random.default_rng(0).normal(size=(20_000, 16, 16, 2)).astype(np.float32))
    (directory / "agent.toml").write_text(
        '[policy]\nany = [{ every = 1000 }]\n[privacy]\nsend = ["status", "metrics", "heatmap", "profile"]\n'
    )
    port = free_port()
    with running(plain_configuration(directory, port), port):
        url = f"mqtt://127.0.0.1:{port}"
        command = [sys.executable, "-m", "edgexai", "agent", "--config", str(directory / "agent.toml")]
        command += ["--fleet", "f", "--node", "n", "--data", str(directory / "x.npy"), "--broker", url]
        command += ["--model", str(DATA / "dscnn_explain.tflite"), "--interval", "0.02", "--confirm", "broker"]
        command += ["--profiler", str(DATA / "dscnn_profiler.tflite"), "--log-file", str(directory / "log")]
        command += ["--commands", str(directory / "keys" / "command.pub"), "--state", str(directory / "state")]
        one = subprocess.Popen([*command, "--verbose"])
        made = Told(Broker.parse(url), load_private(directory / "keys" / "command.key"), directory)
        for _ in range(30):  # a command that comes before the node is there is lost
            with suppress(NoReply):
                send(made.broker, made.key, Order("f", "n", "ping"), patience=1.0)
                break
        yield made
        one.terminate()
        assert one.wait(20) == 0


def metrics(told: Told) -> Any:
    return told("metrics")["result"]


def settled(told: Told, explained: int) -> None:
    """So many explanations come about, and no more."""
    deadline = time.monotonic() + 20
    while metrics(told)["explained"] < explained and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)
    assert metrics(told)["explained"] == explained


@needs_mosquitto
def test_last_sends_what_the_policy_held_back(told: Told) -> None:
    before = metrics(told)["explained"]
    reply = told("last", count=5)["result"]
    assert reply["count"] + reply["sent_before"] == 5
    assert metrics(told)["explained"] == before + reply["count"]


@needs_mosquitto
def test_explain_and_policy_change_what_is_explained(told: Told) -> None:
    before = metrics(told)["explained"]
    assert told("explain", count=3)["ok"]
    settled(told, before + 3)
    assert told("policy", any=[{"every": 2}], per_hour={"explanations": 10})["ok"]
    settled(told, before + 13)  # the hour's budget of ten is spent
    assert not told("policy", any=[{"evry": 2}])["ok"]
    assert told("policy", any=[{"every": 1000}])["ok"]


@needs_mosquitto
def test_rotate_begins_a_new_log(told: Told) -> None:
    assert told("rotate")["result"] == {"files": 1}
    assert (told.keys / "log.1").exists()
    assert "command" in (told.keys / "log.1").read_text()


@needs_mosquitto
def test_profiles_of_nodes_are_fetched_added_and_prune(told: Told, tmp_path: Path, capsys: Any) -> None:
    url, signing = told.broker.url, str(told.keys / "keys" / "command.key")
    options = ["--fleet", "f", "--nodes", "n", "--broker", url, "--signing", signing, "--count", "20"]
    assert main(["fleet", "profile", *options, "--out", str(tmp_path)]) == 0
    one = str(tmp_path / "n.profile")
    assert main(["profile", str(GOLDEN), "--add", one, one, "-o", str(tmp_path / "both.profile")]) == 0
    assert "40 samples" in capsys.readouterr().out
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(1).normal(size=(4, 16, 16, 2)).astype(np.float32))
    prune = [str(GOLDEN), "-o", str(tmp_path / "small.tflite"), "--data", str(tmp_path / "x.npz"), "--keep", "0.6"]
    assert main(["prune", *prune, "--profile", str(tmp_path / "both.profile"), "--repair", "none", "--json"]) == 0
    before, after = json.loads(capsys.readouterr().out)["macs"]
    assert after < 0.7 * before


@needs_mosquitto
def test_what_is_forged_late_repeated_or_for_another_is_refused_and_counted(told: Told) -> None:
    before = metrics(told)["commands_refused"]
    client = Client(CallbackAPIVersion.VERSION2, "")
    client.connect(told.broker.host, told.broker.port)
    client.loop_start()
    _, good = sign(told.key, "f", "n", "policy", {"any": [{"every": 1}]})
    _, other = sign(told.key, "f", "m", "policy", {"any": [{"every": 1}]})
    _, late = sign(told.key, "f", "n", "policy", {"any": [{"every": 1}]}, lifetime=0.01)
    _, forged = sign(Ed25519PrivateKey.generate(), "f", "n", "policy", {"any": [{"every": 1}]})
    changed = good[:-20] + b"x" + good[-19:]
    assert told("ping")["ok"]  # newer than all of these
    time.sleep(0.1)
    wrong = [good, other, late, forged, changed, b"", b"x" * 60_000, bytes(2**20)]
    for payload in wrong:
        client.publish("edgexai/f/n/command", payload, qos=1).wait_for_publish(5)
    time.sleep(0.5)
    client.disconnect()
    client.loop_stop()
    told_now = metrics(told)
    assert told_now["commands_refused"] == before + len(wrong) - 1
    assert told_now["messages_refused"] == 1  # a megabyte is not even looked at
    explained = told_now["explained"]
    time.sleep(0.3)
    assert metrics(told)["explained"] - explained <= 1


def replies(*results: Any) -> Any:
    left = list(results)
    return lambda parameters: left.pop(0)


def ok(**result: Any) -> dict[str, Any]:
    return {"ok": True, "result": {"samples": 0, "of": 5, "parts": 0, **result}}


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([{"ok": False, "error": "may not"}], CollectFailed),
        ([{"ok": True, "result": None}], CollectFailed),
        ([ok(parts="7")], CollectFailed),
        ([ok(parts=10**9)], CollectFailed),
        ([ok(), ok(of=7)], CollectFailed),
        ([ok(parts=1), ok(parts=1, data="no base64!")], DataError),
        ([ok(parts=1), ok(parts=1, data="AAAA")], DataError),
        ([ok(parts=1), ok(parts=1)], DataError),
    ],
)
def test_a_reply_that_is_none_is_told(answers: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        collect(replies(*answers), 5, sleep=lambda seconds: None)
