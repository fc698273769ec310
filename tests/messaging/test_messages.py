"""Topics, envelopes and receipts: what is packed comes back, anything else is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgexai.errors import ConfigError, FrameError
from edgexai.messaging.broker import Broker
from edgexai.messaging.histogram import Histogram, merged
from edgexai.messaging.messages import (
    MAX_PAYLOAD,
    Address,
    address,
    name,
    pack_heatmap,
    pack_receipt,
    topic,
    unpack,
    unpack_heatmap,
    unpack_receipt,
)

boots = st.binary(min_size=7, max_size=7).map(bytes.hex)
numbers = st.integers(0, 2**63 - 1)


@given(boots, st.binary(min_size=1, max_size=300))
def test_a_heatmap_message_gives_back_boot_and_frame(boot: str, frame: bytes) -> None:
    assert unpack_heatmap(pack_heatmap(boot, frame)) == (boot, frame)
    assert len(pack_heatmap(boot, frame)) == 8 + len(frame)


@given(boots, st.lists(st.tuples(numbers, numbers), max_size=5))
def test_a_receipt_gives_back_its_ranges(boot: str, stored: list[tuple[int, int]]) -> None:
    assert unpack_receipt(pack_receipt(boot, stored)) == (boot, stored)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_frame_error(payload: bytes) -> None:
    for read in (unpack, unpack_heatmap, unpack_receipt):
        try:
            read(payload)
        except FrameError:
            continue


@pytest.mark.parametrize(
    "payload",
    [
        b'{"boot":"00","stored":[[1]]}',
        b'{"boot":"00","stored":[[true,2]]}',
        b'{"boot":"00","stored":[[-1,2]]}',
        b'{"boot":7,"stored":[]}',
        b'{"boot":"00","stored":[[1.0,2.0]]}',
    ],
)
def test_a_receipt_with_wrong_types_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        unpack_receipt(payload)


@pytest.mark.parametrize("payload", [b'{"a":NaN}', b'{"a":-Infinity}', b"[1]", b"\xff", b"[" * 60_000, b" " * 70_000])
def test_json_that_is_no_plain_object_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        unpack(payload)


def test_a_payload_beyond_the_limit_is_refused() -> None:
    with pytest.raises(FrameError, match="longer than"):
        unpack_heatmap(b"\x01" * (MAX_PAYLOAD + 1))


def test_a_topic_names_fleet_node_and_channel() -> None:
    assert address(topic("f", "n-1", "heatmap")) == Address("f", "n-1", "heatmap")


@pytest.mark.parametrize(
    "text", ["edgexai/f/n", "other/f/n/heatmap", "edgexai/f/../heatmap", "edgexai/f/n/secret", "edgexai/f/é/heatmap"]
)
def test_a_foreign_topic_is_refused(text: str) -> None:
    with pytest.raises(FrameError):
        address(text)


@pytest.mark.parametrize("text", ["", ".hidden", "a/b", "a b", "x" * 65, "+", "#"])
def test_a_name_that_cannot_be_a_folder_or_topic_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        name(text)


@pytest.mark.parametrize(
    "url", ["mqtt://broker.example", "mqtt://192.168.1.5:1883", "mqtt://127.0.0.1.evil.example", "mqtt://0.0.0.0"]
)
def test_plain_text_beyond_this_machine_needs_a_flag(url: str) -> None:
    with pytest.raises(ConfigError, match="plain text"):
        Broker.parse(url)
    assert not Broker.parse(url, plaintext=True).tls


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1", ("127.0.0.1", 1883, False)),
        ("mqtt://localhost:9", ("localhost", 9, False)),
        ("mqtt://[::1]:9", ("::1", 9, False)),
        ("mqtts://broker.example", ("broker.example", 8883, True)),
    ],
)
def test_an_address_gives_host_port_and_tls(url: str, expected: tuple[str, int, bool]) -> None:
    broker = Broker.parse(url)
    assert (broker.host, broker.port, broker.tls) == expected


@pytest.mark.parametrize("url", ["http://a", "mqtts://", "mqtts://h:99999", "mqtts://user:secret@h", "h:1883"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Broker.parse(url)
    assert "secret@" not in str(refusal.value) or "user" not in url


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    for file in ("node.pem", "node.key"):
        (tmp_path / file).write_text("x")
    (tmp_path / "node.key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Broker.parse("mqtts://h", certificate=tmp_path / "node.pem", key=tmp_path / "node.key")


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=200))
def test_a_quantile_is_within_its_bucket(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    ordered = sorted(values)
    for share in (0.5, 0.95, 1.0):
        exact = ordered[max(0, -(-int(share * len(values) * 1000) // 1000) - 1)]
        assert any(abs(histogram.quantile(share) / v - 1) < 0.09 for v in ordered if v >= exact * 0.9)


@given(st.lists(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20), min_size=1, max_size=4))
def test_histograms_of_nodes_add_up(parts: list[list[float]]) -> None:
    whole, pieces = Histogram(), []
    for part in parts:
        piece = Histogram()
        for value in part:
            piece.add(value)
            whole.add(value)
        pieces.append(piece.message())
    assert merged(pieces).buckets == whole.buckets
    assert merged(pieces).count == whole.count
