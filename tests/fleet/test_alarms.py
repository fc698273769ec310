"""Alarms reach who is to hear of them: signed, once, also after failures and restarts."""

import io
import json
import re
import shutil
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrivals import message
from mosquitto import free_port, needs_mosquitto, plain_configuration, running
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from PIL import Image
from starlette.testclient import TestClient

from edgexai.errors import ConfigError, Error
from edgexai.fleet.alarms import announce
from edgexai.fleet.alarms.alarms import FILE, FIRST_PAUSE, GONE, Alarms
from edgexai.fleet.alarms.announce import Announcer, discovery, png
from edgexai.fleet.alarms.speak import Speaker, Told
from edgexai.fleet.alarms.webhook import TOLERANCE, Webhook, is_genuine, signature
from edgexai.fleet.apart import Apart
from edgexai.fleet.duty import Duty
from edgexai.fleet.findings import Watch
from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.ingest.metrics import Meter
from edgexai.fleet.store.decisions import decide, decisions
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.view import View
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import topic

SECRET = b"sixteen letters at least"
PLACE = Path(__file__).parents[2] / "docs" / "prometheus"


def finding(name: str = "a", severity: str = "high") -> dict[str, Any]:
    return {
        "id": name,
        "kind": "shortcut",
        "severity": severity,
        "model": "00" * 8,
        "q": 1e-4,
        "text": "t",
        "shown": ["long"],
    }


class Channel:
    """Takes alarms, or fails so many times first."""

    def __init__(self, name: str = "one", failures: int = 0) -> None:
        self.name, self.failures, self.got = name, failures, list[dict[str, Any]]()

    def tell(self, alarm: dict[str, Any]) -> None:
        if self.failures:
            self.failures -= 1
            raise Error("not now")
        self.got.append(alarm)


def test_an_alarm_is_told_once_to_each_channel_over_restarts(tmp_path: Path) -> None:
    first, second = Channel("first"), Channel("second")
    alarms = Alarms(tmp_path, lambda: [finding()], [first, second])
    assert [alarms.tell(), alarms.tell()] == [2, 0]
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"finding": "half')
    again, third = Alarms(tmp_path, lambda: [finding(), finding("b")], [first, second]), Channel("third")
    assert again.tell() == 2
    assert [one["id"] for one in first.got] == ["a", "b"]
    assert "shown" not in first.got[0]
    assert Alarms(tmp_path, lambda: [finding(), finding("b")], [first, second, third]).tell() == 2


def test_a_channel_that_fails_is_tried_again_and_holds_no_other_up(tmp_path: Path) -> None:
    now, bad, good = [0.0], Channel("bad", failures=2), Channel("good")
    alarms = Alarms(tmp_path, lambda: [finding()], [bad, good], clock=lambda: now[0])
    assert alarms.tell() == 1
    assert alarms.tell() == 0  # it waits
    now[0] += FIRST_PAUSE
    assert alarms.tell() == 0
    now[0] += FIRST_PAUSE
    assert alarms.tell() == 0  # twice as long now
    now[0] += FIRST_PAUSE
    assert alarms.tell() == 1
    assert (len(bad.got), alarms.failed["bad"], alarms.sent["bad"]) == (1, 2, 1)


def test_only_what_is_severe_and_undecided_is_told_and_what_grows_is_told_anew(tmp_path: Path) -> None:
    channel, found = Channel(), [finding("a", "low"), finding("b", "medium"), finding("c", "high")]
    alarms = Alarms(tmp_path, lambda: found, [channel])
    decide(tmp_path, "c", "dismissed", "Ada", "")
    alarms.tell()
    assert [one["id"] for one in channel.got] == ["b"]
    found[:] = [finding("b", "high"), finding("b", "medium")]
    alarms.tell()
    assert [(one["id"], one["severity"]) for one in channel.got] == [("b", "medium"), ("b", "high")]


def test_what_was_gone_for_a_day_is_told_again_and_open_again_if_it_was_confirmed(tmp_path: Path) -> None:
    now, channel = [0.0], Channel()
    found: list[dict[str, Any]] = [finding("sick"), finding("known"), finding("usual")]
    present: list[set[str] | None] = [{"sick", "known", "usual"}]

    def alarms() -> Alarms:
        return Alarms(tmp_path, lambda: found, [channel], "medium", lambda: present[0], lambda: now[0])

    first = alarms()
    assert first.tell() == 3
    decide(tmp_path, "known", "confirmed", "Ada", "the lens is cleaned")
    decide(tmp_path, "usual", "dismissed", "Ada", "a lamp")
    found[:], present[0] = [], set()
    for _ in range(3):
        now[0] += GONE / 2.5
        first.tell()
        present[0] = {"sick", "known", "usual"} if now[0] < GONE / 2 else set()  # it flickers once
    found[:], present[0] = [finding("sick"), finding("known")], {"sick", "known"}
    assert first.tell() == 0
    found[:], present[0] = [], None  # no look yet, as after a restart: nothing is known to be gone
    now[0] += 2 * GONE
    assert first.tell() == 0
    assert decisions(tmp_path)["known"].verdict == "confirmed"
    present[0] = set()
    first.tell()
    now[0] += GONE
    first.tell()
    assert decisions(tmp_path)["known"].verdict == "open"
    assert decisions(tmp_path)["usual"].verdict == "dismissed"
    found[:], present[0] = [finding("sick"), finding("known"), finding("usual")], {"sick", "known", "usual"}
    assert alarms().tell() == 2  # also after a restart; what was dismissed stays so
    assert [one["id"] for one in channel.got] == ["sick", "known", "usual", "sick", "known"]


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]], list[int]]]:
    """An address, what it got, and the statuses that it answers."""
    got: list[tuple[dict[str, str], bytes]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(answers.pop(0) if answers else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/hook", got, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_signed_and_sent_again_after_an_error_or_a_redirect(
    receiver: tuple[str, list[tuple[dict[str, str], bytes]], list[int]], tmp_path: Path
) -> None:
    url, got, answers = receiver
    answers += [500, 302]
    now = [0.0]
    alarms = Alarms(tmp_path, lambda: [finding()], [Webhook(url, SECRET)], clock=lambda: now[0])
    for _ in range(5):
        alarms.tell()
        now[0] += 1000
    assert len(got) == 3
    assert len({headers["x-edgexai-id"] for headers, _ in got}) == 1
    headers, body = got[-1]
    stamp, said = headers["x-edgexai-timestamp"], headers["x-edgexai-signature"]
    assert json.loads(body)["id"] == "a"
    assert is_genuine(SECRET, stamp, body, said, time.time())
    assert not is_genuine(SECRET, stamp, body + b" ", said, time.time())
    assert not is_genuine(b"another secret!!", stamp, body, said, time.time())
    assert not is_genuine(SECRET, stamp, body, said, time.time() + TOLERANCE + 5)
    assert not is_genuine(SECRET, str(int(stamp) + 1), body, said, time.time())
    assert not is_genuine(SECRET, "x", body, "ü", time.time())


def test_the_signature_is_hmac_sha256_as_others_compute_it() -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [openssl, "dgst", "-sha256", "-hmac", SECRET.decode(), "-r"]
    done = subprocess.run(command, input=b'1764316800.{"a":1}', capture_output=True, check=True)
    assert signature(SECRET, "1764316800", b'{"a":1}') == f"sha256={done.stdout.split()[0].decode()}"


def test_a_webhook_that_would_give_something_away_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with pytest.raises(ConfigError, match="write a secret"):
        Webhook.parse("https://chat.example/", secret)
    secret.write_bytes(SECRET)
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Webhook.parse("https://chat.example/", secret)
    secret.chmod(0o600)
    assert Webhook.parse("https://chat.example/", secret).secret == SECRET
    assert SECRET.decode() not in repr(Webhook.parse("https://chat.example/", secret))
    for url, why in (("http://chat.example/", "plain text"), ("ftp://chat.example/", "no address")):
        with pytest.raises(ConfigError, match=why):
            Webhook.parse(url, secret)
    secret.write_bytes(b"short")
    with pytest.raises(ConfigError, match="at least 16"):
        Webhook.parse("https://chat.example/", secret)


def test_a_heatmap_as_a_picture_is_red_for_and_blue_against() -> None:
    picture = Image.open(io.BytesIO(png(np.array([[1.0, -1.0], [0.0, 0.5]]))))
    assert picture.size == (240, 240)
    corners = [picture.getpixel(at) for at in ((0, 0), (239, 0), (0, 239), (239, 239))]
    assert corners == [(255, 0, 0), (0, 0, 255), (255, 255, 255), (255, 128, 128)]
    assert Image.open(io.BytesIO(png(np.zeros((1, 490))))).size == (490, 1)


def test_home_assistant_gets_a_device_of_three_entities_with_ids_that_it_takes() -> None:
    said = discovery("line3", "press 7+ü")
    assert [topic.split("/")[1] for topic, _ in said] == ["sensor", "sensor", "image"]
    assert all(re.fullmatch(r"homeassistant/\w+/[A-Za-z0-9_-]+/[a-z]+/config", topic) for topic, _ in said)
    assert len({content["unique_id"] for _, content in said}) == 3
    assert len({json.dumps(content["device"]) for _, content in said}) == 1
    assert {t for t, _ in discovery("a", "b_c")}.isdisjoint(t for t, _ in discovery("a_b", "c"))


@needs_mosquitto
def test_a_node_and_an_alarm_are_on_the_broker(tmp_path: Path) -> None:
    port = free_port()
    got: dict[str, bytes] = {}
    with running(plain_configuration(tmp_path, port), port):
        reader = Client(CallbackAPIVersion.VERSION2)
        reader.on_message = lambda c, u, m: got.__setitem__(m.topic, m.payload)
        reader.on_connect = lambda c, *_: c.subscribe("#", 1)
        reader.connect("127.0.0.1", port)
        reader.loop_start()
        store = Store(tmp_path / "store")
        one = read(topic("f", "press7", "heatmap"), message(), 1.7e9)
        assert isinstance(one, Arrival)
        store.journal.add([one], (), [(one.fleet, "press7", "status", 1.0, '{"state":"online"}')])
        view = View(store)
        view.catch_up()
        watch = Watch(store.directory, store.last_id, lambda _: [finding()])
        watch.again()
        speaker = Speaker(Told(broker=Broker.parse(f"mqtt://127.0.0.1:{port}")), watch, view)
        place, deadline = f"edgexai-node/{one.fleet}/press7", time.monotonic() + 20
        wanted = {f"{place}/state", f"{place}/heatmap", f"{place}/available", "edgexai-alarm/shortcut"}
        wanted |= {topic for topic, _ in discovery(one.fleet, "press7")}
        while not wanted <= set(got):
            assert time.monotonic() < deadline, wanted - set(got)
            speaker.announce()
            speaker.alarms.tell()
            time.sleep(0.05)
        assert json.loads(got[f"{place}/state"])["class"] == str(one.target)
        assert got[f"{place}/available"] == b"online"
        assert Image.open(io.BytesIO(got[f"{place}/heatmap"])).format == "PNG"
        assert json.loads(got["edgexai-alarm/shortcut"])["id"] == "a"
        store.journal.add([], (), [(one.fleet, "press7", "status", 2.0, '{"state":"lost"}')])
        while got[f"{place}/available"] != b"offline":
            assert time.monotonic() < deadline
            speaker.announce()
            time.sleep(0.05)
        speaker.close()
        while got["edgexai-node/available"] != b"offline":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        reader.loop_stop()


def test_without_a_broker_an_alarm_waits() -> None:
    announcer = Announcer(Broker.parse(f"mqtt://127.0.0.1:{free_port()}"))
    with pytest.raises(Error, match="not there"):
        announcer.tell(finding())
    announcer.states({("f", "n"): True})
    announcer.close()


@needs_mosquitto
def test_a_fault_in_the_connection_does_not_end_its_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """paho 2.0 raises struct.error for a packet that is too short, later ones for what nobody has thought of."""
    whole, port, faults = Client.loop_forever, free_port(), [struct.error("too short"), RuntimeError()]

    def faulty(client: Client, *options: Any) -> Any:
        if faults:
            raise faults.pop()
        return whole(client, *options)

    monkeypatch.setattr(announce, "PAUSE", 0.01)
    monkeypatch.setattr(Client, "loop_forever", faulty)
    with running(plain_configuration(tmp_path, port), port):
        announcer, deadline = Announcer(Broker.parse(f"mqtt://127.0.0.1:{port}")), time.monotonic() + 20
        while True:
            try:
                announcer.tell(finding())
                break
            except Error:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        announcer.close()
    assert not faults


PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian package prometheus)")
@pytest.mark.parametrize("command", [("check", "edgexai.rules.yml"), ("test", "edgexai.test.yml")])
def test_prometheus_takes_the_rules_and_they_tell_what_they_shall(command: tuple[str, str]) -> None:
    do, file = command
    done = subprocess.run([str(PROMTOOL), do, "rules", file], cwd=PLACE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["edgexai.rules.yml", "edgexai.test.yml", "grafana.json"])
def test_every_metric_that_rules_and_dashboard_name_is_there(file: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    watch = Watch(tmp_path, store.last_id, lambda _: [finding()])
    watch.again()
    alarms = Alarms(tmp_path, lambda: [], [Channel("webhook")])
    duties = [Duty("findings", 1.0, watch.again, Apart("findings", threading.Event()))]
    app = application(View(store), "mqtt://127.0.0.1:1", Shows(watch, meter=Meter("w"), alarms=alarms, duties=duties))
    text = TestClient(app, base_url="http://127.0.0.1").get("/metrics").text
    there = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}
    named = set(re.findall(r"edgexai_\w+", (PLACE / file).read_text()))
    assert named
    assert named <= there
    assert 'edgexai_findings{kind="shortcut",severity="high"} 1' in text
    decide(tmp_path, "a", "confirmed", "Ada", "")
    text = TestClient(app, base_url="http://127.0.0.1").get("/metrics").text
    assert 'edgexai_findings{kind="shortcut",severity="high"} 0' in text
