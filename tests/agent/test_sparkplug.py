"""Sparkplug B over a real broker: births, data, rebirth on demand, deaths clean and not; read by our own decoder."""

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

pytest.importorskip("google.protobuf", reason="Sparkplug needs protobuf")

from mosquitto import free_port, needs_mosquitto, plain_configuration, running

from edgexai.agent.sparkplug import KINDS
from edgexai.agent.sparkplug.payload import DOUBLE, INT64, is_rebirth, pack

HERE = Path(__file__).parents[1]
MODEL = HERE / "runtime" / "data" / "cnn_explain.tflite"


def fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of a protobuf message: varints, 8 and 4 bytes, and lengths."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(raw):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            size = {1: 8, 5: 4}.get(key & 7) or varint()
            yield key >> 3, raw[at : at + size]
            at += size


def read(raw: bytes) -> dict[str, Any]:
    """A payload by the field numbers of the specification: seq, timestamp and metrics by name (None where null)."""
    said: dict[str, Any] = {"metrics": {}, "types": {}}
    for number, value in fields(raw):
        if number == 2:
            metric = dict(fields(value))
            name = metric[1].decode()
            said["types"][name] = metric[4]
            known = {10: int, 11: int, 13: lambda b: struct.unpack("<d", b)[0], 14: bool, 15: bytes.decode}
            found = [known[k](v) for k, v in metric.items() if k in known]  # type: ignore[operator]
            said["metrics"][name] = None if metric.get(7) else found[0]
        else:
            said[{1: "timestamp", 3: "seq"}[number]] = value
    return said


class Host:
    """A SCADA host."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[str, dict[str, Any], bool]] = []
        self.client = Client(CallbackAPIVersion.VERSION2, "")
        self.client.on_message = self._message
        subscribed = threading.Event()
        self.client.on_connect = lambda c, *_: c.subscribe("spBv1.0/#", 1)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert subscribed.wait(10)

    def _message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        kind = message.topic.split("/")[2]
        if kind != "NCMD":
            assert message.topic == f"spBv1.0/plant/{kind}/f:n"
            self.got.append((kind, read(message.payload), message.retain))

    def wait(self, until: Callable[[], bool], seconds: float = 25.0) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, self.got
            time.sleep(0.02)

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.got]


def agent(port: int, data: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "edgexai", "agent", "--fleet", "f", "--node", "n", "--model", str(MODEL)]
    command += [
        "--data",
        str(data),
        "--broker",
        f"mqtt://127.0.0.1:{port}",
        "--interval",
        "0.05",
        "--confirm",
        "broker",
    ]
    return subprocess.Popen([*command, "--sparkplug", "plant", "--labels", "a,b,c,d,e,f,g,h,i,j"])


@needs_mosquitto
def test_a_host_sees_birth_data_rebirth_and_death(tmp_path: Path) -> None:
    port = free_port()
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2000, 12, 12, 3)).astype(np.float32))
    with running(plain_configuration(tmp_path, port), port):
        host = Host(port)
        one = agent(port, tmp_path / "x.npy")
        host.wait(lambda: host.kinds()[:2] == ["NBIRTH", "NDATA"])
        birth, data = host.got[0][1], host.got[1][1]
        assert birth["seq"] == 0
        assert set(birth["metrics"]) == {*KINDS, "bdSeq"}
        assert all(birth["types"][name] == kind for name, kind in KINDS.items())
        assert birth["metrics"]["Node Control/Rebirth"] is False
        assert data["seq"] == 1
        host.wait(lambda: host.got[-1][1]["metrics"].get("Counts/Samples", 0) > 0)
        data = host.got[-1][1]
        assert data["metrics"]["Explanation/Label"] in list("abcdefghij")
        assert data["metrics"]["Explanation/Score"] > 0
        assert abs(data["timestamp"] / 1000 - time.time()) < 60
        before = len(host.got)
        host.client.publish("spBv1.0/plant/NCMD/f:n", pack({"Node Control/Rebirth": True}, 0, None), 1)
        host.wait(lambda: "NBIRTH" in host.kinds()[before:])
        again = next(said for kind, said, _ in host.got[before:] if kind == "NBIRTH")
        assert again["seq"] == 0
        assert again["metrics"]["bdSeq"] == birth["metrics"]["bdSeq"]
        assert again["metrics"]["Counts/Samples"] > 0
        host.client.publish("spBv1.0/plant/NCMD/f:n", b"\xff\xff hostile", 1)
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        host.wait(lambda: host.kinds()[-1] == "NDEATH")
        assert host.got[-1][1]["metrics"]["bdSeq"] == birth["metrics"]["bdSeq"]
        assert "seq" not in host.got[-1][1]
        two = agent(port, tmp_path / "x.npy")
        host.wait(lambda: host.kinds()[-2:] == ["NBIRTH", "NDATA"])
        two.send_signal(signal.SIGTERM)
        assert two.wait(20) == 0
        host.wait(lambda: host.kinds()[-1] == "NDEATH")
        assert not any(retained for _, _, retained in host.got)


values = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text())


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(min_size=1), values), st.integers(0, 255))
def test_what_is_packed_is_read_by_the_specification(metrics: dict[str, Any], seq: int) -> None:
    said = read(pack(metrics, 1234, seq))
    assert (said["timestamp"], said["seq"]) == (1234, seq)
    for name, value in metrics.items():
        if said["types"][name] == INT64 and value is not None:
            assert said["metrics"][name] == value % 2**64
        else:
            assert said["metrics"][name] == value
    assert said["types"] | {} == {n: said["types"][n] for n in metrics}
    assert all(said["types"][n] == DOUBLE for n, v in metrics.items() if v is None)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_rebirth_and_no_crash(payload: bytes) -> None:
    is_rebirth(payload)


def test_a_rebirth_is_a_true_one() -> None:
    assert is_rebirth(pack({"Node Control/Rebirth": True}, 0, 0))
    assert not is_rebirth(pack({"Node Control/Rebirth": False}, 0, 0))
    assert not is_rebirth(pack({"Other": True}, 0, 0))
