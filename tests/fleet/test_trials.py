"""Whom a service asks to try what it suspects: each suspicion by three nodes that can, each node one at a time."""

import argparse
import json
import os
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from findings import frames_file
from mosquitto import free_port, needs_mosquitto, running
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgexai.cli import main
from edgexai.cli.fleet import serve
from edgexai.errors import ConfigError
from edgexai.fleet.duty import Duty
from edgexai.fleet.findings import Watch
from edgexai.fleet.keys.enrol import Terms, enrol
from edgexai.fleet.keys.rules import LINES
from edgexai.fleet.orders.command import Ended, NoReply, Order, Reply, ask, send
from edgexai.fleet.orders.trials import DAY, MONTH, SOON, Looked, Suspected, Trials, looked
from edgexai.fleet.store.journal import Journal
from edgexai.fleet.store.lines import rows
from edgexai.fleet.store.store import Store
from edgexai.fleet.tried import ORDERS, tried
from edgexai.intervention.suspicion import Suspicion, suspicion
from edgexai.intervention.trial import Outcome
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import load_private


class Nodes:
    """What nodes are asked, and say: taken, but for those of ``refuse`` and ``silent``."""

    def __init__(self, directory: Path, *suspicions: Suspected) -> None:
        self.directory, self.looked, self.now = directory, Looked(suspicions), 1e9
        self.refuse: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[tuple[str, int]] = []
        self.rounds = 0

    def __call__(self, orders: Sequence[Order]) -> list[Reply | None]:
        self.rounds += 1
        assert all((o.fleet, o.do, o.parameters["count"]) == ("f", "probe", 100) for o in orders)
        self.asked += [(o.node, o.parameters["class"]) for o in orders]
        return [None if o.node in self.silent else {"ok": o.node not in self.refuse, "error": "no"} for o in orders]

    def once(self, later: float = 0.0) -> list[tuple[str, int]]:
        """What a service that is started anew asks after some seconds."""
        self.now, self.asked = self.now + later, []
        Trials(self.directory, self, lambda: self.looked, lambda: self.now).once()
        return self.asked

    def ended(self, *which: tuple[str, int]) -> None:
        self.looked = Looked(self.looked.suspected, frozenset(("f", node, "m", target, "") for node, target in which))


def probe(target: int, *weights: float) -> dict[str, Any]:
    return Suspicion(target, np.array(weights or (1.0, -0.5)), 0.1, -0.2).as_json()


def about(target: int, nodes: str, decided: bool = False) -> Suspected:
    return Suspected(
        "m",
        target,
        probe(target),
        tuple(("f", node) for node in nodes),
        decided,
        frozenset([suspicion(probe(target)).name]),
    )


def test_three_nodes_try_a_suspicion_and_others_take_the_place_of_who_cannot(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "abcdef"))
    nodes.refuse, nodes.silent = {"b"}, {"c"}
    assert nodes.once() == [("a", 8), ("b", 8), ("c", 8)]
    assert nodes.once() == [("d", 8), ("e", 8)]
    assert nodes.once(DAY - 1) == []
    assert nodes.once(1) == [("a", 8), ("b", 8), ("c", 8)]  # nothing came of it in a day


def test_a_node_tries_one_suspicion_until_that_has_ended(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "a"), about(3, "a"), about(5, "a"))
    assert nodes.once() == [("a", 8)]
    assert nodes.once(2 * SOON) == []
    nodes.ended(("a", 8))
    assert nodes.once() == [("a", 3)]
    assert nodes.once(DAY) == [("a", 8)]  # what never ends holds nothing up for more than a day


def test_who_is_silent_is_asked_again_after_an_hour_and_who_refuses_after_a_day(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "ab"))
    nodes.silent, nodes.refuse = {"a"}, {"b"}
    nodes.once()
    assert nodes.once(SOON - 1) == []
    assert nodes.once(1) == [("a", 8)]
    assert nodes.once(DAY - 2 * SOON) == [("a", 8)]
    assert nodes.once(SOON) == [("a", 8), ("b", 8)]


def test_who_answers_too_late_is_not_asked_anew(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "abcd"))
    nodes.silent = {"a"}
    assert nodes.once() == [("a", 8), ("b", 8), ("c", 8)]
    nodes.looked = Looked(
        nodes.looked.suspected, begun=frozenset({("f", "a", "m", 8, suspicion(probe(8)).name)})
    )  # it says so with its metrics
    assert nodes.once() == []
    assert nodes.once(2 * SOON) == []
    assert nodes.once(DAY) == [("a", 8), ("b", 8), ("c", 8)]


def test_hundreds_of_suspicions_are_spread_over_the_nodes_and_asked_together(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, *(about(k, "".join(chr(97 + (k + i) % 26) for i in range(26))) for k in range(300)))
    first = nodes.once()
    assert nodes.rounds == 1
    assert sorted(node for node, _ in first) == [chr(97 + i) for i in range(26)]
    assert [k for _, k in first] == sorted(k for _, k in first)  # the surest come first
    nodes.ended(*first)
    assert not set(nodes.once()) & set(first)


def test_what_is_decided_is_tried_again_after_a_month(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "a", decided=True), about(3, "b", decided=True))
    assert nodes.once() == []  # somebody had it tried by hand
    nodes.looked = Looked([about(3, "b")])
    assert nodes.once() == [("b", 3)]
    nodes.looked = Looked([about(8, "a", decided=True), about(3, "b", decided=True)])
    assert nodes.once(MONTH - 1) == []
    assert nodes.once(1) == [("b", 3)]


def test_another_cause_in_a_class_is_tried_and_one_that_moves_is_not_tried_anew(tmp_path: Path) -> None:
    nodes, first, second = Nodes(tmp_path, about(8, "abcd")), probe(8), probe(8, 0.1, 1.0)
    assert nodes.once() == [("a", 8), ("b", 8), ("c", 8)]
    for moved in range(1, 20):  # another plane with every look, which the look takes for the first
        now = probe(8, 1.0, -0.5 - 0.01 * moved)
        like = frozenset(suspicion(one).name for one in (first, now))
        nodes.looked = Looked([Suspected("m", 8, now, about(8, "abcd").nodes, True, like, 2e9)])
        assert nodes.once(DAY / 2) == []
    other = Suspected("m", 8, second, about(8, "abcd").nodes, False, frozenset([suspicion(second).name]), 2e9)
    nodes.looked = Looked([other])
    assert nodes.once() == [("a", 8), ("b", 8), ("c", 8)]
    nodes.looked = Looked([replace(other, decided=True)])
    assert nodes.once(DAY) == []


def test_what_was_asked_since_the_look_is_not_asked_by_another_plane(tmp_path: Path) -> None:
    nodes, others = Nodes(tmp_path, about(8, "abc")), about(8, "abcdef")
    nodes.once()
    another = replace(others, probe=probe(8, 0.1, 1.0), like=frozenset(), begun=nodes.now - 1)
    nodes.looked = Looked([another])  # of a second service, which has looked before
    assert nodes.once() == []
    nodes.looked = Looked([replace(another, begun=nodes.now + 1)])
    assert nodes.once(2) == [("d", 8), ("e", 8), ("f", 8)]


def test_a_clock_that_was_wrong_holds_nobody_up(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "a"))
    nodes.silent = {"a"}
    assert nodes.once(1e9) == [("a", 8)]
    assert nodes.once(-1e9) == [("a", 8)]


def test_strange_lines_are_passed_over_and_half_a_round_is_not_asked_anew(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "a"))
    (tmp_path / ORDERS).write_text('{"time": 1}\n[]\n{"time": "x", "fleet": 1}\nno JSON')

    def killed(_: Sequence[Order]) -> list[Reply | None]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trials(tmp_path, killed, lambda: nodes.looked, lambda: nodes.now).once()
    assert nodes.once() == []
    assert nodes.once(SOON) == [("a", 8)]


def test_a_second_service_on_the_store_asks_nobody_twice(tmp_path: Path) -> None:
    nodes, looking, go = Nodes(tmp_path, about(8, "abc")), threading.Event(), threading.Event()

    def slowly() -> Looked:
        looking.set()
        assert go.wait(20)
        return nodes.looked

    first = threading.Thread(target=Trials(tmp_path, nodes, slowly, lambda: nodes.now).once)
    first.start()
    assert looking.wait(20)
    second = Trials(tmp_path, nodes, lambda: nodes.looked, lambda: nodes.now)
    assert second.once() == 0
    go.set()
    first.join()
    assert second.once() == 0
    assert nodes.rounds == 1


def test_nobody_is_asked_where_it_cannot_be_kept_or_the_broker_is_away(tmp_path: Path) -> None:
    nodes = Nodes(tmp_path, about(8, "a"))
    away = Broker.parse(f"mqtt://127.0.0.1:{free_port()}")

    def lost(orders: Sequence[Order]) -> list[Reply | None]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return ask(away, Ed25519PrivateKey.generate(), orders)

    duty = Duty("trials", 1.0, Trials(tmp_path, lost, lambda: nodes.looked, lambda: nodes.now).once)
    duty.once()
    assert duty.failing.startswith("no connection to mqtt://127.0.0.1")
    assert [row["outcome"] for row in rows(tmp_path / ORDERS)] == ["asked", "not asked"]
    assert nodes.once() == [("a", 8)]
    nodes.looked = Looked([about(3, "b")])
    with (tmp_path / ORDERS).open("ab") as file:
        os.truncate(file.fileno(), 64 << 20)
    duty = Duty("trials", 1.0, Trials(tmp_path, nodes, lambda: nodes.looked, lambda: nodes.now).once)
    duty.once()
    assert "is full" in duty.failing
    assert nodes.rounds == 1


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of n0 to n3 with a shortcut in class 2."""
    place = tmp_path_factory.mktemp("imported")
    assert main(["fleet", "import", str(frames_file(place / "some.npz")), "--store", str(place / "store")]) == 0
    return place / "store"


@pytest.fixture(scope="module")
def suspicions(imported: Path) -> list[Any]:
    watch = Watch(imported, lambda: 0)
    assert watch.again()
    return watch.suspicions


@pytest.fixture
def store(imported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(imported, tmp_path / "store"))


def said(store: Path, fleet: str, node: str, **status: Any) -> None:
    note = {"state": "online", "model": "00" * 8, "commands": True} | status
    with_journal(store, lambda j: j.add([], (), [(fleet, node, "status", 1.79e9, json.dumps(note))]))


def with_journal(store: Path, do: Callable[[Journal], object]) -> None:
    journal = Journal(store)
    do(journal)
    journal.close()


def test_those_are_asked_that_are_there_run_the_model_and_take_orders(store: Path, suspicions: list[Any]) -> None:
    said(store, "f", "n0", state="lost")
    said(store, "f", "n1", commands=False)
    said(store, "f", "n2", model="11" * 8)
    said(store, "f", "n3")
    said(store, "g", "n3", model="11" * 8)  # of the same name elsewhere
    (one,) = looked(store, suspicions).suspected
    assert (one.model, one.target, one.nodes, one.decided) == ("00" * 8, 2, (("f", "n3"),), False)
    with_journal(store, lambda j: j.add([], (), [("f", "n2", "status", 1.79e9, '{"state": "online"}')]))
    assert set(looked(store, suspicions).suspected[0].nodes) == {
        ("f", "n2"),
        ("f", "n3"),
    }  # n2 keeps to itself what it runs


@pytest.mark.parametrize(("n", "decided"), [(19, False), (100, True)])
def test_a_trial_that_was_broken_off_decides_nothing(store: Path, suspicions: list[Any], n: int, decided: bool) -> None:
    said(store, "f", "n3")
    told = json.dumps(Outcome(2, 100, n).as_json())
    with_journal(store, lambda j: j.add([], (), [("f", "n1", f"trial/{'00' * 8}/2", 1.79e9, told)]))
    found = looked(store, suspicions)
    assert [one.decided for one in found.suspected] == [decided]
    assert found.ended == ({("f", "n1", "00" * 8, 2, "")} if n == 100 else frozenset())


def test_what_a_trial_came_to_is_shown_though_no_frame_comes(store: Path) -> None:
    opened = Store(store)
    looks: list[Path] = []
    watch = Watch(store, opened.news, lambda at: looks.append(at) or [])  # type: ignore[func-returns-value]
    assert watch.again()
    watch.took = 0.0
    assert not watch.again()
    for n, news in ((5, True), (5, False), (100, True)):
        told = json.dumps(Outcome(2, 100, n).as_json())
        with_journal(store, lambda j, t=told: j.add([], (), [("f", "n1", f"trial/{'00' * 8}/2", 1.79e9, t)]))
        assert watch.again() is news
        watch.took = 0.0
    opened.close()
    assert len(looks) == 3


def test_counts_that_cannot_be_drown_nobody(store: Path) -> None:
    for node, counts in (("n1", {"n": 10**9, "of": 10**9}), ("n2", {"n": 101}), ("n3", {"n": -5})):
        told = json.dumps(Outcome(2, 100).as_json() | counts)
        with_journal(store, lambda j, n=node, t=told: j.add([], (), [("f", n, f"trial/{'00' * 8}/2", 1.79e9, t)]))
    assert tried(store).told == ()


Answer = Callable[[bytes], bytes | None]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """What `enrol` makes for six nodes, and the port of a broker that runs by it."""
    place, port = tmp_path_factory.mktemp("keys"), free_port()
    enrol(place, "f", [f"n{i}" for i in range(6)], ["localhost"], Terms(port=port, operators=["ada", "ben"]))
    with running(place / "mosquitto.conf", port):
        yield place, port


def connected(keys: tuple[Path, int], which: str, answer: Answer) -> Client:
    """A client with a certificate that `enrol` made, which answers the commands of a node."""
    place, port = keys
    client, ready = Client(CallbackAPIVersion.VERSION2), threading.Event()
    context = ssl.create_default_context(cafile=str(place / "ca.pem"))
    context.load_cert_chain(place / f"{which}.pem", place / f"{which}.key")
    client.tls_set_context(context)

    def message(client: Client, _: Any, m: Any) -> None:
        if (said := answer(m.payload)) is not None:
            client.publish(m.topic.replace("command", "reply"), said, 1)

    client.on_message = message
    client.on_connect = lambda c, *_: c.subscribe(f"edgexai/f/{which.rpartition('/')[2]}/command", 1)
    client.on_subscribe = lambda *_: ready.set()
    client.connect("localhost", port)
    client.loop_start()
    assert ready.wait(20)
    return client


def broker(keys: tuple[Path, int], which: str = "operator") -> Broker:
    place, port = keys
    files = (place / name for name in ("ca.pem", f"{which}.pem", f"{which}.key"))
    return Broker.parse(f"mqtts://localhost:{port}", False, *files)


def identity(payload: bytes) -> str:
    return str(json.loads(payload[64:])["id"])


@pytest.mark.parametrize(
    ("certificate", "key", "wrong"),
    [("fleet", "fleet", "would end its connection"), ("operator", "fleet", "not usable"), (None, None, "would end")],
)
def test_a_certificate_that_can_give_no_orders_is_told_at_the_start(
    tmp_path: Path, certificate: str | None, key: str | None, wrong: str
) -> None:
    enrol(tmp_path, "f", [], ["localhost"])
    own = ["--certificate", f"{tmp_path}/fleet.pem", "--key", f"{tmp_path}/fleet.key", "--ca", f"{tmp_path}/ca.pem"]
    given = [] if certificate is None else ["--operator-certificate", f"{tmp_path / certificate}.pem"]
    given += [] if key is None else ["--operator-key", f"{tmp_path / key}.key"]
    parser = argparse.ArgumentParser()
    serve.arguments(parser)
    options = ["--broker", "mqtts://localhost:1", *own, "--try-suspicions", f"{tmp_path}/command.key", *given]
    with pytest.raises(ConfigError, match=wrong):
        serve.told(parser.parse_args(options))


@needs_mosquitto
def test_nodes_are_asked_together_and_wrong_answers_are_none(keys: tuple[Path, int]) -> None:
    there = threading.Barrier(3)  # the right answer comes only when all have been asked
    seen: dict[str, str] = {}

    def right(payload: bytes) -> bytes:
        seen["n0"] = identity(payload)
        there.wait(20)
        return json.dumps({"id": identity(payload), "ok": True}).encode()

    def silent(payload: bytes) -> None:
        there.wait(20)

    def wrong(payload: bytes) -> bytes:
        return json.dumps({"id": [identity(payload)], "ok": True}).encode()

    def anothers(payload: bytes) -> bytes:
        there.wait(20)
        return json.dumps({"id": seen["n0"], "ok": True, "result": "of another"}).encode()

    with ExitStack() as stack:
        for row, answer in enumerate((right, silent, wrong, lambda _: b"\xff{", anothers)):
            client = connected(keys, f"nodes/n{row}", answer)
            stack.callback(client.loop_stop)
            stack.callback(client.disconnect)
        key = load_private(keys[0] / "command.key")
        replies = ask(broker(keys), key, [Order("f", f"n{i}", "probe") for i in range(6)], patience=3.0)
    assert [reply and reply.get("result") for reply in replies] == [None] * 6
    assert [bool(reply) for reply in replies] == [True, False, False, False, False, False]


@needs_mosquitto
def test_who_may_give_no_orders_is_told_so(keys: tuple[Path, int], tmp_path: Path) -> None:
    key, order = load_private(keys[0] / "command.key"), Order("f", "n0", "ping")
    with pytest.raises(ConfigError, match=r"reads? no replies; orders are given with operator\.pem"):
        send(broker(keys, "nodes/n1"), key, order, patience=5.0)
    enrol(tmp_path, "f", [], ["localhost"])
    (tmp_path / "ca.pem").write_bytes((keys[0] / "ca.pem").read_bytes())
    with pytest.raises((ConfigError, Ended), match=r"does not know the certificate|no connection"):
        send(broker((tmp_path, keys[1])), key, order, patience=5.0)
    with pytest.raises(NoReply, match="refuses in silence"):
        send(broker(keys), key, order, patience=0.5)


def pong(payload: bytes) -> bytes | None:
    """The answer to a ping, and to nothing else."""
    said = json.dumps({"id": identity(payload), "ok": True}).encode()
    return said if json.loads(payload[64:])["do"] == "ping" else None


@needs_mosquitto
def test_one_operator_gives_several_orders_at_a_time(keys: tuple[Path, int]) -> None:
    key, patience = load_private(keys[0] / "command.key"), 4.0
    node = connected(keys, "nodes/n0", pong)
    told: list[Exception] = []

    def silent() -> None:
        try:
            send(broker(keys), key, Order("f", "n0", "probe"), patience)
        except Exception as error:
            told.append(error)

    waiting = [threading.Thread(target=silent) for _ in range(LINES)]
    for thread in waiting[1:]:
        thread.start()
    assert send(broker(keys), key, Order("f", "n0", "ping"), 20.0)["ok"]  # by the name that is left
    waiting[0].start()
    assert send(broker(keys), key, Order("f", "n0", "ping"), 20.0)["ok"]  # when one of them has ended
    for thread in waiting:
        thread.join()
    node.disconnect()
    node.loop_stop()
    assert [type(one) for one in told] == [NoReply] * LINES  # nobody's connection was ended


@needs_mosquitto
def test_two_operators_give_orders_at_a_time_by_certificates_of_their_own(keys: tuple[Path, int]) -> None:
    key, node = load_private(keys[0] / "command.key"), connected(keys, "nodes/n0", pong)
    for name in ("operators/ada", "operators/ben+3", "operator+4"):
        own = broker(keys, name.partition("+")[0])
        by = replace(own, certificate=keys[0] / f"{name}.pem")
        assert send(by, key, Order("f", "n0", "ping"), 20.0)["ok"]
    node.disconnect()
    node.loop_stop()


@needs_mosquitto
def test_one_file_alone_gives_one_order_after_the_other(keys: tuple[Path, int], tmp_path: Path) -> None:
    key, asked = load_private(keys[0] / "command.key"), threading.Event()

    def answer(payload: bytes) -> bytes | None:
        asked.set()
        return pong(payload)

    node = connected(keys, "nodes/n0", answer)
    for name in ("operator.pem", "operator.key", "ca.pem"):  # as `enrol` once made them
        shutil.copy(keys[0] / name, tmp_path)
    told: list[Exception] = []

    def silent() -> None:
        try:
            send(broker((tmp_path, keys[1])), key, Order("f", "n0", "probe"), 2.0)
        except Exception as error:
            told.append(error)

    first = threading.Thread(target=silent)
    first.start()
    assert asked.wait(20)
    with pytest.raises(ConfigError, match=r"1 other command gives orders by .*operator\.pem"):
        send(broker((tmp_path, keys[1])), key, Order("f", "n0", "ping"), 0.1)
    assert send(broker((tmp_path, keys[1])), key, Order("f", "n0", "ping"), 20.0)["ok"]
    first.join()
    node.disconnect()
    node.loop_stop()
    assert [type(one) for one in told] == [NoReply]


@needs_mosquitto
def test_two_machines_with_one_certificate_do_not_fight(keys: tuple[Path, int], tmp_path: Path) -> None:
    key, asked = load_private(keys[0] / "command.key"), threading.Event()

    def answer(payload: bytes) -> bytes | None:
        asked.set()
        return pong(payload)

    for name in ("operator.pem", "operator.key", "ca.pem"):
        shutil.copy(keys[0] / name, tmp_path)
    node = connected(keys, "nodes/n0", answer)
    told: list[Exception] = []

    def service() -> None:
        try:
            send(broker(keys), key, Order("f", "n0", "probe"), patience=20.0)
        except Exception as error:
            told.append(error)

    first = threading.Thread(target=service)
    first.start()
    assert asked.wait(20)
    assert send(broker((tmp_path, keys[1])), key, Order("f", "n0", "ping"), patience=20.0)["ok"]
    first.join()
    node.disconnect()
    node.loop_stop()
    (error,) = told
    assert isinstance(error, Ended)
    assert "somebody else gives orders with it" in str(error)
