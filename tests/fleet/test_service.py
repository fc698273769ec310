"""Agent and fleet as processes, over a real broker: everything arrives once, and both end cleanly."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from arrivals import message
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fleet_process import EDGEXAI, MODEL, Fleet, agent
from mosquitto import free_port, needs_mosquitto, plain_configuration, running

from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.keys.enrol import enrol
from edgexai.fleet.orders.command import NoReply, Order, send
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.heatmap import decode
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import load_private
from edgexai.messaging.messages import topic
from edgexai.runtime.explainer import Explainer


def test_what_nodes_explain_is_in_the_store_once_and_as_it_was(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    nodes = [agent(n, fleet.broker, data, "--limit", "30", "--budget", "100") for n in ("a", "b")]
    said = [n.communicate(timeout=60)[0] for n in nodes]
    assert all("30 samples, 30 explained" in s and "30 confirmed, 0 waiting" in s for s in said)
    health = fleet.ask("/api/health")
    assert (health["frames"], health["duplicates"], health["quarantined"]) == (60, 0, 0)
    fleet.wait(lambda: all((n["status"] or {}).get("state") == "finished" for n in fleet.ask("/api/nodes")))
    assert [n["metrics"]["confirmed"] for n in fleet.ask("/api/nodes")] == [30, 30]
    assert fleet.end() == 0
    stored = Store(tmp_path / "store").since(-1)
    assert sorted((s.node, s.sequence) for s in stored) == [(n, i) for n in "ab" for i in range(30)]
    explain, x = Explainer(MODEL), np.load(data)["x"]
    one = next(s for s in stored if s.sequence == 4)
    expected = explain(x[4])
    frame = decode(one.frame)
    assert frame.target == expected.target
    assert frame.score == pytest.approx(expected.score, rel=1e-4)
    a, b = frame.map.ravel(), expected.relevance.reshape(frame.map.shape).ravel()
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.8
    assert list((tmp_path / "store" / "frames").rglob("*.parquet"))


def test_a_killed_agent_is_reported_lost_and_its_next_life_sends_the_rest(
    fleet: Fleet, data: Path, tmp_path: Path
) -> None:
    options = ("--state", str(tmp_path / "state"), "--interval", "0.05")
    first = agent("a", fleet.broker, data, *options)
    fleet.wait(lambda: fleet.ask("/api/health")["frames"] >= 3)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    fleet.wait(lambda: fleet.ask("/api/nodes")[0]["status"]["state"] == "lost")
    out, _ = agent("a", fleet.broker, data, *options, "--limit", "0").communicate(timeout=60)
    assert "0 waiting" in out
    stored = Store(tmp_path / "store").since(-1)
    assert [s.sequence for s in stored] == list(range(len(stored)))
    assert len({s.boot for s in stored}) == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_killed_service_leaves_no_process_behind(fleet: Fleet, data: Path) -> None:
    agent("a", fleet.broker, data, "--limit", "3").communicate(timeout=60)
    fleet.wait(lambda: bool(children(fleet.process.pid)))
    left = children(fleet.process.pid)
    fleet.process.kill()
    fleet.process.wait()
    deadline = time.monotonic() + 30
    while left := [pid for pid in left if runs(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_killed_processes_of_a_service_are_made_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.journal.add([stored(0)])
    fleet = Fleet(tmp_path / "store", "--broker-port", "0")
    try:
        fleet.wait(lambda: fleet.ask("/api/health")["looked"] is not None)
        before, shown = fleet.ask("/api/findings")["computed"], fleet.ask("/api/health")["shown"]
        fleet.wait(lambda: "findings" in fleet.ask("/api/findings?last=1e9"))
        workers = [pid for pid in children(fleet.process.pid) if "spawn_main" in command(pid)]
        assert len(workers) == 3
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        store.journal.add([stored(1)])
        fleet.wait(lambda: fleet.ask("/api/health")["shown"] > shown)
        fleet.wait(lambda: fleet.ask("/api/findings")["computed"] > before)
        fleet.wait(lambda: "findings" in fleet.ask("/api/findings?last=2e9"))
        assert fleet.ask("/api/health")["failing"] == {}
        with urllib.request.urlopen(fleet.page + "/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'edgexai_duty_deaths_total{duty="heatmaps"} 1' in text
        assert 'edgexai_duty_deaths_total{duty="findings"} 1' in text
        assert 'edgexai_duty_deaths_total{duty="views"} 1' in text
        assert fleet.end() == 0
    finally:
        fleet.process.kill()
        fleet.process.wait()
        store.close()


def stored(sequence: int) -> Arrival:
    one = read(topic("f", "n", "heatmap"), message(sequence=sequence), time.time())
    assert isinstance(one, Arrival)
    return one


def command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def children(pid: int) -> list[int]:
    return [int(p.name) for p in Path("/proc").glob("[0-9]*") if stat(int(p.name))[1:2] == [str(pid)]]


def runs(pid: int) -> bool:
    return stat(pid)[:1] not in ([], ["Z"])  # a dead process stays a zombie where nobody waits for it


def stat(pid: int) -> list[str]:
    """State, parent and so on of a process; nothing if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def test_sigterm_ends_an_agent_cleanly_and_keeps_what_nobody_took(data: Path, tmp_path: Path) -> None:
    nobody = f"mqtt://127.0.0.1:{free_port()}"
    one = agent("a", nobody, data, "--state", str(tmp_path / "state"), "--interval", "0.05")
    deadline = time.monotonic() + 20
    while not (tmp_path / "state" / "outbox.db-wal").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    one.terminate()
    out, errors = one.communicate(timeout=20)
    assert one.returncode == 0
    assert re.search(r"0 confirmed, [1-9]\d* waiting", out)
    assert "no connection" in errors


def test_an_agent_says_in_one_line_what_is_wrong(data: Path) -> None:
    one = agent("a", "mqtt://broker.example", data)
    _, errors = one.communicate(timeout=20)
    assert one.returncode == 1
    assert errors.startswith("edgexai agent: mqtt://broker.example would send in plain text")
    assert len(errors.splitlines()) == 1


def test_a_node_obeys_signed_commands_and_no_others(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    enrol(tmp_path / "keys", "f", [], [])
    options = ("--interval", "0.1", "--every", "1000", "--commands", str(tmp_path / "keys" / "command.pub"))
    one = agent("a", fleet.broker, data, *options)
    fleet.wait(lambda: any(n["status"] for n in fleet.ask("/api/nodes")))
    key, broker = load_private(tmp_path / "keys" / "command.key"), Broker.parse(fleet.broker)
    assert send(broker, key, Order("f", "a", "ping"))["result"]["commands"] is True
    assert "no command" in send(broker, key, Order("f", "a", "reboot"))["error"]
    assert "count" in send(broker, key, Order("f", "a", "explain", {"count": 0}))["error"]
    assert send(broker, key, Order("f", "a", "explain", {"count": 3}))["ok"]
    fleet.wait(lambda: fleet.ask("/api/health")["frames"] == 4)  # the policy's first, and these
    assert send(broker, key, Order("f", "a", "policy", {"any": [{"every": 1}]}))["ok"]
    fleet.wait(lambda: fleet.ask("/api/health")["frames"] > 6)
    with pytest.raises(NoReply):
        send(broker, Ed25519PrivateKey.generate(), Order("f", "a", "ping"), patience=1.0)
    assert send(broker, key, Order("f", "a", "metrics"))["result"]["commands_refused"] == 1
    one.terminate()
    assert one.wait(timeout=20) == 0


@needs_mosquitto
def test_workers_divide_a_shared_subscription(data: Path, tmp_path: Path) -> None:
    port = free_port()
    with running(plain_configuration(tmp_path, port), port):
        url = f"mqtt://127.0.0.1:{port}"
        options = ("--broker", url, "--share", "w")
        fleet = Fleet(tmp_path / "store", *options)
        worker = subprocess.Popen(
            [*EDGEXAI, "fleet", "ingest", *options, "--worker", "two", "--store", str(tmp_path / "store")]
        )
        time.sleep(1.5)
        out, _ = agent("a", url, data, "--limit", "30").communicate(timeout=60)
        assert "30 confirmed, 0 waiting" in out
        assert fleet.ask("/api/health")["frames"] == 30
        worker.terminate()
        assert worker.wait(timeout=20) == 0
        assert fleet.end() == 0


@needs_mosquitto
def test_a_broker_that_refuses_is_named_and_tried_again(data: Path, tmp_path: Path) -> None:
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n")
    with running(configuration, port):
        one = agent("a", f"mqtt://127.0.0.1:{port}", data, "--interval", "0.3", "--state", str(tmp_path / "state"))
        time.sleep(3)
        one.terminate()
        out, errors = one.communicate(timeout=20)
    assert "refuses the connection: Not authorized" in errors
    assert re.search(r"0 confirmed, [1-9]\d* waiting", out)
