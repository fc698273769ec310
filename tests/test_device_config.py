"""The configuration file: its template is valid, options go before it, and every mistake is told."""

import io
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgexai.device.config import TEMPLATE, over, read, settings
from edgexai.device.privacy import privacy
from edgexai.device.source import plugin, samples, stream
from edgexai.errors import ConfigError, DataError

MINIMAL = {
    "agent": {"fleet": "f", "node": "n", "model": "m.tflite", "data": "d.npz"},
    "broker": {"url": "mqtt://127.0.0.1"},
}


def test_the_template_is_valid_as_it_is_and_with_every_line() -> None:
    made, data = settings(tomllib.loads(TEMPLATE))
    assert (made.fleet, made.budget, data, made.broker.tls) == ("fleet", 256, "samples.npz", True)
    lines = [line.removeprefix("# ") for line in TEMPLATE.splitlines()[2:]]
    kept = [line for line in lines if not line.startswith((" or", "  ")) or "{" in line]
    full = tomllib.loads("\n".join(line for line in kept if not line.lstrip().startswith("#")))
    for key in ("ca", "certificate", "key", "password_file"):
        full["broker"].pop(key)  # these must exist
    with pytest.raises(ConfigError, match="may count samples only"):
        settings(full)
    limits = privacy(full.pop("privacy"))
    assert (limits.grid, limits.bytes, limits.epsilon_per_day) == ((8, 8), 64, 50.0)
    made, _ = settings(full)
    assert made.sparkplug == "line3"
    assert made.commands == Path("command.pub")
    assert made.labels == ("no", "yes")
    assert made.hourly.limits == {"explanations": 60, "bytes": 20000}


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[agent]\nmodel = "m.tflite"\ndata = "-"\nstate = "/var/s"\n')
    agent = read(tmp_path / "agent.toml")["agent"]
    assert agent == {"model": str(tmp_path / "m.tflite"), "data": "-", "state": "/var/s"}


def test_an_option_goes_before_the_file() -> None:
    made, _ = settings(over(MINIMAL, {"agent": {"node": "other", "budget": 64}}))
    assert (made.fleet, made.node, made.budget) == ("f", "other", 64)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"agent": {"budget": 0}}, "positive"),
        ({"agent": {"budget": "64"}}, "int"),
        ({"agent": {"budget": True}}, "int"),
        ({"agent": {"interval": -1}}, "negative"),
        ({"agent": {"colour": "red"}}, "knows no colour"),
        ({"surprise": {}}, "no section"),
        ({"broker": {"confirm": "nobody"}}, "store or broker"),
        ({"broker": {"url": "mqtt://broker.example"}}, "plain text"),
        ({"policy": {"any": [{"evry": 3}]}}, "row"),
    ],
)
def test_a_mistake_is_told(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        settings(over(MINIMAL, change))


@pytest.mark.parametrize("key", ["fleet", "node", "model", "data"])
def test_what_is_missing_is_named(key: str) -> None:
    table = {"agent": {k: v for k, v in MINIMAL["agent"].items() if k != key}, "broker": MINIMAL["broker"]}
    with pytest.raises(ConfigError, match=f"--{key}"):
        settings(table)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b"[agent\xff")
    with pytest.raises(ConfigError, match="valid TOML"):
        read(tmp_path / "agent.toml")


def test_samples_come_from_files_directories_and_streams(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    np.savez(tmp_path / "a.npz", x=x)
    np.save(tmp_path / "b.npy", x + 100)
    whole = list(samples(tmp_path))
    assert np.array_equal(whole, np.concatenate([x, x + 100]))
    pipe = io.BytesIO()
    for one in x:
        np.save(pipe, one)
    pipe.seek(0)
    assert np.array_equal(list(stream(pipe)), x)


def test_a_stream_that_breaks_off_is_told() -> None:
    pipe = io.BytesIO()
    np.save(pipe, np.zeros(10))
    broken = io.BytesIO(pipe.getvalue()[:-5])
    with pytest.raises(DataError, match="broken"):
        list(stream(broken))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x80\x04\x95pickle"])
def test_a_file_that_holds_no_samples_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError):
        list(samples(tmp_path / "a.npz"))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError):
        list(samples(tmp_path / "a.npz"))


def test_a_plugin_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigError, match="doorcam"):
        list(plugin("doorcam"))
