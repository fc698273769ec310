"""Commands: only signed, timely, new and for this node."""

import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edgexai.errors import ConfigError
from edgexai.fleet.keys.enrol import enrol
from edgexai.messaging.command import CommandRefused, Gate, load_private, load_public, sign

KEY = Ed25519PrivateKey.generate()
BODY = 64


def gate(last: int = 0, remembered: list[int] | None = None) -> Gate:
    return Gate(KEY.public_key(), "f", "n", last, [].append if remembered is None else remembered.append)


def test_a_signed_command_is_read_and_remembered_before_it_is_given() -> None:
    remembered: list[int] = []
    identity, payload = sign(KEY, "f", "n", "explain", {"count": 3})
    command = gate(remembered=remembered).open(payload, time.time())
    assert (command.id, command.do, command.parameters) == (identity, "explain", {"count": 3})
    assert remembered == [command.number]


def test_a_replay_is_refused_also_after_a_restart_and_whatever_the_clock_says() -> None:
    remembered: list[int] = []
    one = gate(remembered=remembered)
    _, payload = sign(KEY, "f", "n", "ping", {})
    one.open(payload, time.time())
    for again in (one, gate(last=remembered[-1])):
        with pytest.raises(CommandRefused, match="before"):
            again.open(payload, time.time() - 50)
    assert one.refused == 1


def test_an_older_command_after_a_newer_one_is_refused() -> None:
    _, first = sign(KEY, "f", "n", "ping", {})
    _, second = sign(KEY, "f", "n", "ping", {})
    one = gate()
    one.open(second, time.time())
    with pytest.raises(CommandRefused, match="before"):
        one.open(first, time.time())


@pytest.mark.parametrize("shift", [61.0, 86400.0, -3 * 86400.0])
def test_an_expired_command_is_refused_and_one_from_the_far_future(shift: float) -> None:
    _, payload = sign(KEY, "f", "n", "ping", {}, lifetime=60.0)
    with pytest.raises(CommandRefused, match="expired"):
        gate().open(payload, time.time() + shift)


@pytest.mark.parametrize(("fleet", "node"), [("f", "m"), ("g", "n")])
def test_a_command_for_another_node_is_refused(fleet: str, node: str) -> None:
    _, payload = sign(KEY, fleet, node, "ping", {})
    with pytest.raises(CommandRefused, match="another node"):
        gate().open(payload, time.time())


def test_another_key_is_refused() -> None:
    _, payload = sign(Ed25519PrivateKey.generate(), "f", "n", "ping", {})
    with pytest.raises(CommandRefused, match="signed"):
        gate().open(payload, time.time())


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_changed_bit_is_refused(at: int, bit: int) -> None:
    _, payload = sign(KEY, "f", "n", "ping", {})
    forged = bytearray(payload)
    forged[at % len(payload)] ^= 1 << bit
    with pytest.raises(CommandRefused):
        gate().open(bytes(forged), time.time())


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(CommandRefused):
        gate().open(payload, time.time())


@pytest.mark.parametrize(
    "change", [{"number": "7"}, {"number": True}, {"expires": 1}, {"with": []}, {"extra": 1}, {"do": None}]
)
def test_a_signed_body_of_a_wrong_form_is_refused(change: dict[str, object]) -> None:
    _, payload = sign(KEY, "f", "n", "ping", {})
    body = json.dumps({**json.loads(payload[BODY:]), **change}).encode()
    with pytest.raises(CommandRefused):
        gate().open(KEY.sign(b"edgexai command 1" + body) + body, time.time())


def test_the_enrolled_pair_fits_and_its_private_half_is_private(tmp_path: Path) -> None:
    enrol(tmp_path, "f", [], [])
    private, public = load_private(tmp_path / "command.key"), load_public(tmp_path / "command.pub")
    assert private.public_key() == public
    (tmp_path / "command.key").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod"):
        load_private(tmp_path / "command.key")


@pytest.mark.parametrize("content", [b"", b"no key"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    (tmp_path / "k").chmod(0o600)
    for load in (load_private, load_public):
        with pytest.raises(ConfigError, match="no p"):
            load(tmp_path / "k")


def test_a_command_cannot_hold_for_longer_than_a_day() -> None:
    with pytest.raises(ConfigError):
        sign(KEY, "f", "n", "ping", {}, lifetime=86401.0)
