"""Ingest over a real mosquitto while things go wrong: disks, brokers, workers, hostile payloads."""

import os
import random
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from arrivals import HEATMAP, message, mutated
from mosquitto import free_port, needs_mosquitto, plain_configuration, running
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgexai.cli import main
from edgexai.fleet.broker import EmbeddedBroker
from edgexai.fleet.ingest import subscription
from edgexai.fleet.ingest.ingest import Ingest, Stream
from edgexai.fleet.ingest.subscription import Message, Subscription
from edgexai.fleet.store.journal import Arrival, Journal
from edgexai.fleet.store.store import Store
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import topic

FRAMES = [message(sequence=n) for n in range(400)]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    with running(plain_configuration(tmp_path, port), port):
        yield port


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


@contextmanager
def ingest(port: int, journal: Journal, **options: str) -> Iterator[Ingest]:
    one = Ingest(Broker.parse(f"mqtt://127.0.0.1:{port}"), journal, Stream(**options))
    one.start()
    assert until(lambda: one.meter.connected)
    time.sleep(0.2)  # the subscription
    try:
        yield one
    finally:
        one.stop()


@contextmanager
def publisher(port: int) -> Iterator[Callable[..., None]]:
    """Publishes each payload once, and waits for the broker's acknowledgement; nobody sends anything again."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()

    def publish(payloads: list[bytes], where: str = HEATMAP, qos: int = 1) -> None:
        for sent in [client.publish(where, p, qos) for p in payloads]:
            sent.wait_for_publish(20)

    yield publish
    client.disconnect()
    client.loop_stop()


def held(store: Store) -> list[int]:
    return sorted(s.sequence for s in store.since(-1))


@needs_mosquitto
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_was_not_acknowledged_comes_again_and_the_rest_does_not(port: int, version: str) -> None:
    where = Broker.parse(f"mqtt://127.0.0.1:{port}")
    first = Subscription(where, "worker", [f"$share/w/{topic('+', '+', 'heatmap')}"], version)
    first.receive(1, 0.5, 0.0)
    with publisher(port) as publish:
        publish([b"%d" % n for n in range(6)])
    got: list[Message] = []
    while len(got) < 6:
        got += first.receive(100, 1.0, 0.05)
    first.acknowledge(got[:4])
    time.sleep(0.2)
    first._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
    second = Subscription(where, "worker", [f"$share/w/{topic('+', '+', 'heatmap')}"], version)
    again = [m.payload for _ in range(3) for m in second.receive(100, 0.5, 0.05)]
    assert again == [b"4", b"5"]
    assert second.version == version
    second.close()


@needs_mosquitto
def test_a_store_of_one_fleet_takes_nothing_of_another(port: int, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "store")
    with ingest(port, journal, fleet="f", share="w") as one, publisher(port) as publish:
        publish(FRAMES[:5], topic("g", "n", "heatmap"))
        publish(FRAMES[:5])
        assert until(lambda: one.meter.messages["stored"] == 5)
    assert set(journal.totals()) == {("f", "n")}
    journal.close()


def test_a_fault_in_the_connection_ends_it_and_no_worker(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, faults = Client.loop, [RuntimeError("none of ours"), struct.error("too short")]
    store = Store(tmp_path)
    with ingest(port, store.journal) as worker, publisher(port) as publish:

        def faulty(client: Client, *options: float) -> object:
            if faults and threading.current_thread() is worker:
                raise faults.pop()
            return whole(client, *options)

        monkeypatch.setattr(Client, "loop", faulty)
        assert until(lambda: not faults and worker.meter.connected and worker.meter.reconnects > 0)
        time.sleep(0.2)  # the subscription
        publish(FRAMES[:20])
        assert until(lambda: len(held(store)) == 20)
        assert worker.error is None


def test_a_broker_without_mqtt_5_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "PATIENCE", 0.5)
    broker = EmbeddedBroker(0)
    broker.start()
    one = Subscription(Broker.parse(broker.url), "worker", [HEATMAP])
    deadline = time.monotonic() + 15
    while not one.connected and time.monotonic() < deadline:
        one.receive(1, 0.2, 0.0)
    assert (one.connected, one.version) == (True, "3.1.1")
    one.close()
    broker.stop()


@needs_mosquitto
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_ends_in_the_middle_of_the_stream_loses_nothing(port: int, tmp_path: Path, how: int) -> None:
    command = [sys.executable, "-m", "edgexai", "fleet", "ingest", "--broker", f"mqtt://127.0.0.1:{port}"]
    command += ["--store", str(tmp_path / "store"), "--share", "w", "--metrics-port", "0", "--worker"]

    def start(name: str) -> "subprocess.Popen[str]":
        worker = subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        page = worker.stdout.readline().split()[-1]
        assert until(lambda: "edgexai_ingest_connected 1" in urllib.request.urlopen(page).read().decode())
        return worker

    one, two = start("one"), start("two")
    time.sleep(0.3)
    store = Store(tmp_path / "store")
    with publisher(port) as publish:
        publish(FRAMES[:150])
        publish(FRAMES[150:200])
        one.send_signal(how)
        publish(FRAMES[200:300])
        code = one.wait(timeout=20)
        publish(FRAMES[300:])
        if how == signal.SIGKILL:
            one = start("one")  # what the broker had sent it comes again
        assert until(lambda: store.journal.counters()["frames"] == 400), store.journal.counters()
    for worker in (one, two):
        worker.terminate()
        assert worker.wait(timeout=20) == 0
    assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    assert held(store) == list(range(400))
    store.close()


@needs_mosquitto
def test_a_full_disk_stops_acknowledgements_and_what_waited_is_stored_when_there_is_room(
    port: int, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    with ingest(port, store.journal) as one, publisher(port) as publish:
        publish(FRAMES[:10])
        assert until(lambda: one.meter.messages["stored"] == 10)
        pages = store.journal._db.execute("PRAGMA page_count").fetchone()[0]
        store.journal._db.execute(f"PRAGMA max_page_count = {pages + 1}")
        publish(FRAMES[10:])
        assert until(lambda: one.meter.failing and one.meter.store_errors > 0)
        assert one.meter.messages["stored"] < 400
        store.journal._db.execute("PRAGMA max_page_count = 1000000")
        assert until(lambda: one.meter.messages["stored"] == 400)
        assert not one.meter.failing
    assert held(store) == list(range(400))
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", disk], capture_output=True)
    if made.returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@needs_mosquitto
def test_a_file_system_that_is_really_full_and_then_grows(port: int, small_disk: Path) -> None:
    store = Store(small_disk / "store")
    big = [message(sequence=n, score=float(n)) for n in range(400)]
    with ingest(port, store.journal) as one, publisher(port) as publish:
        publish(big[:20])
        free = os.statvfs(small_disk).f_bavail * 4096
        (small_disk / "ballast").write_bytes(bytes(free))
        publish(big[20:])
        assert until(lambda: one.meter.failing), one.meter
        stored = one.meter.messages["stored"]
        assert stored < 400
        assert store.journal.counters()["frames"] == stored  # what there is can still be read
        (small_disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=16M", small_disk], check=True)
        assert until(lambda: one.meter.messages["stored"] == 400)
        assert store.compact() == 400
    assert held(store) == list(range(400))
    store.close()


class SlowJournal(Journal):
    """A disk that takes its time for every flush."""

    sizes: list[int]

    def add(self, arrivals, refusals=(), notes=()):  # type: ignore[no-untyped-def]
        self.sizes.append(sum(len(a.frame) for a in arrivals) + sum(len(r.payload) for r in refusals))
        time.sleep(0.4)
        return super().add(arrivals, refusals, notes)


@needs_mosquitto
def test_a_slow_disk_makes_the_broker_wait_and_memory_stays_bounded(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "MOST_BYTES", 300_000)
    journal = SlowJournal(tmp_path / "store")
    journal.sizes = []
    with ingest(port, journal) as one, publisher(port) as publish:
        publish([bytes(60_000)] * 30, qos=0)  # 1.8 MB that no window bounds
        publish(FRAMES[:50])
        assert until(lambda: one.meter.messages["stored"] == 50, 30)
        assert one.meter.messages["quarantined"] == 30
    assert max(journal.sizes) <= 360_000
    assert len(journal.sizes) >= 5
    journal.close()


@needs_mosquitto
def test_a_broker_that_refuses_is_named_and_tried_until_it_does_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "BACKOFF", (0.1, 0.5))
    port, configuration = free_port(), tmp_path / "mosquitto.conf"
    journal = Journal(tmp_path / "store")
    one = Ingest(Broker.parse(f"mqtt://127.0.0.1:{port}"), journal)
    one.start()
    assert until(lambda: "Connection refused" in caplog.text)
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n")
    with running(configuration, port):
        assert until(lambda: "the broker refuses the connection: Not authorized" in caplog.text)
        assert not one.meter.connected
    with running(plain_configuration(tmp_path, port), port):
        assert until(lambda: one.meter.connected)
        with publisher(port) as publish:
            time.sleep(0.2)
            publish(FRAMES[:5])
        assert until(lambda: one.meter.messages["stored"] == 5)
    one.stop()
    assert caplog.text.count("Not authorized") == 1  # once a change, not once an attempt


@needs_mosquitto
def test_a_broker_that_takes_a_connection_and_says_nothing_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = Ingest(Broker.parse(f"mqtt://127.0.0.1:{silent.getsockname()[1]}"), Journal(tmp_path / "store"))
        one.start()
        assert until(lambda: "the broker does not answer" in caplog.text)
        one.stop()


@needs_mosquitto
def test_hostile_payloads_among_good_ones_are_counted_and_good_ones_all_stored(port: int, tmp_path: Path) -> None:
    dice = random.Random(11)
    bad = [mutated(FRAMES[0], dice) for _ in range(3200)]
    store = Store(tmp_path / "store")
    with ingest(port, store.journal) as one, publisher(port) as publish:
        for n in range(0, 400, 50):
            publish(dice.sample(both := FRAMES[n : n + 50] + bad[8 * n : 8 * n + 400], len(both)))
        publish([bytes(1_000_000)])
        deep = b'{"a":' + b"[" * 980 + b"]" * 980 + b"}"  # can be read, but not written out again
        publish([b"\xff\xfe", b"[" * 50_000, deep, b'{"a":1e999}', b""], topic("f", "n", "status"))
        publish([b"x"], "edgexai/f/..n/heatmap")
        publish([FRAMES[0]])
        assert until(lambda: one.meter.messages["duplicate"] == 1)
    refused = len(bad) + 1 + 4 + 1  # an empty status takes back what was said, and is none of them
    assert one.meter.refused == {"heatmap": len(bad) + 2, "status": 4}
    assert store.journal.counters() == {"frames": 400, "duplicates": 1, "quarantined": refused}
    assert {r.topic for r in store.journal.refusals(5)} >= {"edgexai/f/..n/heatmap", topic("f", "n", "status")}
    store.close()


@needs_mosquitto
def test_a_message_that_cannot_be_stored_is_quarantined_and_its_batch_is_stored(port: int, tmp_path: Path) -> None:
    class Picky(Journal):
        def add(self, arrivals, refusals=(), notes=()):  # type: ignore[no-untyped-def]
            if any(a.sequence == 7 for a in arrivals):
                raise OverflowError("a number that no column holds")
            return super().add(arrivals, refusals, notes)

    journal = Picky(tmp_path / "store")
    with ingest(port, journal) as one, publisher(port) as publish:
        publish(FRAMES[:20])
        assert until(lambda: one.meter.messages["quarantined"] == 1)
    assert journal.counters()["frames"] == 19
    assert journal.refusals()[0].reason == "could not be stored: OverflowError"
    journal.close()


@needs_mosquitto
def test_a_journal_damaged_while_a_worker_runs_ends_the_worker_and_acknowledges_nothing(
    port: int, tmp_path: Path
) -> None:
    class Damaged(Journal):
        def add(self, arrivals, refusals=(), notes=()):  # type: ignore[no-untyped-def]
            raise sqlite3.DatabaseError("database disk image is malformed")

    with ingest(port, Damaged(tmp_path / "one")) as one, publisher(port) as publish:
        publish(FRAMES[:3])
        assert one.ended.wait(10)
        assert "edgexai fleet repair" in str(one.error)
    store = Store(tmp_path / "two")
    with ingest(port, store.journal) as one:
        assert until(lambda: one.meter.messages["stored"] == 3)
    store.close()


def test_a_fault_of_the_worker_itself_ends_the_command_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Subscription, "receive", lambda *_: 1 / 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # those of the tests stay
    store = str(tmp_path / "store")
    assert main(["fleet", "ingest", "--broker", "mqtt://127.0.0.1:1", "--store", store, "--worker", "one"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_a_day_changes_the_folder_and_nothing_else(tmp_path: Path, jump: float) -> None:
    store, now = Store(tmp_path), 1.7e9
    for n in range(6):
        received = now + n + (jump if n % 2 else 0)
        frame = Arrival("f", "n", "00" * 7, n, received, now, "ab" * 8, 1, 1.0, None, b"frame")
        assert store.journal.add([frame]) == 1
        assert store.journal.add([frame]) == 0
    store.compact()
    assert [s.sequence for s in store.since(-1)] == list(range(6))
    assert len({p.parent.name for p in tmp_path.rglob("*.parquet")}) == 2
    store.close()


@needs_mosquitto
def test_two_workers_of_one_name_are_told_so_and_do_not_end_each_others_connection_for_ever(
    port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journals = [Journal(tmp_path / name) for name in ("one", "other")]
    with ingest(port, journals[0], worker="w") as one, ingest(port, journals[1], worker="w") as two:
        both = (one._subscription, two._subscription)
        assert until(lambda: max(s._failures for s in both) >= 3)  # and each pause may be twice as long as the last
        assert "a --worker name and a certificate of its own" in caplog.text
    for journal in journals:
        journal.close()
