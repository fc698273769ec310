"""Frames of a serial line: what was sent comes out, noise harms only itself, and a gateway's outbox has them all."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgexai.agent.policy import Budget, Every
from edgexai.agent.privacy import Privacy
from edgexai.agent.relay import Relay
from edgexai.agent.serial import MOST, Slip, frames
from edgexai.agent.settings import Settings
from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.heatmap import decode, encode
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import MAX_PAYLOAD, pack
from edgexai.messaging.notes import KINDS, note

NOBODY = Broker.parse("mqtt://127.0.0.1:9")
NASTY = bytes(range(256)) + b"\x03\x04\x11\x13\x1a\x1c\r\n\x00\xff"
"""Bytes that a terminal would take for itself."""


def slip(frame: bytes) -> bytes:
    return b"\xc0" + frame.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


def heatmap(sequence: int, **more: Any) -> bytes:
    relevance = np.random.default_rng(sequence).normal(size=(6, 5)).astype(np.float32)
    return encode(relevance, budget=64, sequence=sequence, model=b"12345678", target=3, score=1.5, **more)


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """What a microcontroller writes to, and the device that it appears as."""
    ours, theirs = os.openpty()
    yield ours, os.ttyname(theirs)
    for descriptor in (ours, theirs):
        try:
            os.close(descriptor)
        except OSError:
            continue


def come(line: Iterator[bytes | None], count: int) -> list[bytes]:
    return list(islice((f for f in line if f is not None), count))


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 9))
def test_a_line_gives_the_frames_that_were_sent(sent: list[bytes], chunk: int) -> None:
    line, read = b"".join(map(slip, sent)), Slip()
    assert [f for i in range(0, len(line), chunk) for f in read.feed(line[i : i + chunk])] == sent


@given(st.binary(max_size=200))
def test_noise_before_a_frame_harms_only_itself(noise: bytes) -> None:
    assert list(Slip().feed(noise + b"\xc0frame\xc0"))[-1] == b"frame"


@given(st.integers(MOST - 3, MOST + 3), st.booleans())
def test_what_is_too_long_is_left_out_and_takes_no_memory(length: int, escaped: bool) -> None:
    read = Slip()
    noise = b"\xdb\xdc" * length if escaped else b"x" * length
    assert [len(f) for f in read.feed(noise + b"\xc0")] == ([length] if length <= MOST else [])
    assert list(read.feed(slip(b"frame"))) == [b"frame"]


def test_a_device_gives_every_byte_as_it_was_sent(pty: tuple[int, str]) -> None:
    ours, device = pty
    line = frames(f"{device}@9600")
    assert next(line) is None  # open, and quiet
    os.write(ours, slip(NASTY) + slip(b"second"))
    assert come(line, 2) == [NASTY, b"second"]


def test_a_device_that_was_pulled_out_is_waited_for(tmp_path: Path) -> None:
    device, stop, found = tmp_path / "ttyACM0", threading.Event(), list[bytes]()

    def read() -> None:
        found.extend(f for f in frames(str(device), stop.is_set) if f is not None)

    thread = threading.Thread(target=read, daemon=True)
    for turn in range(2):
        ours, theirs = os.openpty()
        device.unlink(missing_ok=True)
        device.symlink_to(os.ttyname(theirs))
        if turn == 0:
            thread.start()
        until = time.monotonic() + 20
        while len(found) <= turn and time.monotonic() < until:
            os.write(ours, slip(b"frame %d" % turn))
            time.sleep(0.1)
        os.close(theirs)
        os.close(ours)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert list(dict.fromkeys(found)) == [b"frame 0", b"frame 1"]


def test_a_recording_ends(tmp_path: Path) -> None:
    (tmp_path / "frames.bin").write_bytes(slip(b"a") + b"noise" + slip(b"b"))
    assert come(frames(str(tmp_path / "frames.bin")), 9) == [b"a", b"noise", b"b"]


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("/nowhere/ttyACM0", "cannot be opened: No such file"),
        ("/dev/null", "no serial line"),
        ("/dev/ttyACM0@fast", "names no speed"),
        ("/dev/ttyACM0@7", "names no speed"),
        ("@9600", "names no speed"),
        ("tcp:nowhere", "HOST:PORT"),
        ("tcp:127.0.0.1:99999", "HOST:PORT"),
    ],
)
def test_what_is_no_serial_line_is_told(where: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        next(frames(where))


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    made = Relay(Settings("f", "n", Path(), NOBODY, state=tmp_path / "state", drain=0.0, budget=60))
    yield made
    made.outbox.close()


def test_frames_get_the_gateways_numbers_and_its_time_where_they_say_none(relay: Relay, tmp_path: Path) -> None:
    sent = [heatmap(1, time=1.7e9), heatmap(2), heatmap(1), b"\x00" + heatmap(3)]
    counts = relay.run(iter([*sent, None]))
    assert (counts.explained, counts.refused, relay.left) == (3, 1, 3)
    relay.outbox.close()
    again = Relay(Settings("f", "n", Path(), NOBODY, state=tmp_path / "state"))
    payloads = [i.payload for i in again.outbox.after(-1, 9)]
    again.outbox.close()
    assert all(len(p) <= 60 for p in payloads)  # the gateway's budget
    waiting = [decode(p) for p in payloads]
    assert [f.sequence for f in waiting] == [0, 1, 2]
    assert waiting[0].time == 1.7e9
    assert all(abs(f.time - time.time()) < 60 for f in waiting[1:])
    for found, given_ in zip(waiting, sent, strict=False):
        known = decode(given_)
        assert (found.model, found.target, found.score) == (known.model, 3, 1.5)
        assert np.corrcoef(found.map.ravel(), known.map.ravel())[0, 1] > 0.9


def test_status_and_metrics_are_as_a_fleet_takes_them(relay: Relay) -> None:
    relay.take(heatmap(1))
    for kind, said in (("status", relay.status()), ("metrics", relay.metrics())):
        assert {"boot", "state" if kind == "status" else "samples"} <= set(said) & set(KINDS[kind])
        assert len(pack(said)) < MAX_PAYLOAD
        note(kind, pack(said))
    assert relay.status()["model"] == b"12345678".hex()


@pytest.mark.parametrize(
    "more",
    [
        {"model": Path("m")}, {"predictor": Path("m")}, {"commands": Path("k")}, {"sparkplug": "g"}, {"interval": 1.0},
        {"privacy": Privacy(grid=(2, 2))}, {"policy": Every(3)}, {"hourly": Budget({"bytes": 9})}, {"board": "b"},
    ],
)  # fmt: skip
def test_what_only_an_explaining_node_has_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="explains by itself"):
        Relay(replace(Settings("f", "n", Path(), NOBODY), **more))


def test_the_command_passes_frames_on_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "line.bin").write_bytes(b"".join(slip(heatmap(i)) for i in range(3)) + slip(b"broken"))
    (tmp_path / "a.toml").write_text('[agent]\nfleet = "f"\nnode = "n"\ndrain = 0\nstate = "state"\n')
    command = ["agent", "--config", str(tmp_path / "a.toml"), "--broker", "mqtt://127.0.0.1:9"]
    assert main([*command, "--source", f"serial:{tmp_path / 'line.bin'}"]) == 0
    assert "n: 3 frames, 1 damaged" in capsys.readouterr().out
    assert main([*command, "--source", "serial:/nowhere"]) == 1
    assert "cannot be opened" in capsys.readouterr().err
    assert main([*command, "--source", "serial:/nowhere", "--dry-run"]) == 1
    assert "go to a broker" in capsys.readouterr().err
