"""The configuration file: its template is valid, options go before it, and every mistake is told."""

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgexai.agent.config import TEMPLATE, over, read, settings
from edgexai.agent.privacy import privacy
from edgexai.errors import ConfigError, Error

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
        ({"agent": {"budget": 65_536}}, "at most 65535"),
        ({"agent": {"state_days": 10**400}}, "1329 bits"),
        ({"agent": {"interval": 1e300}}, "int"),
        ({"agent": {"model_sha256": "9f86"}}, "64 hexadecimal"),
        ({"agent": {"predictor_sha256": "0" * 64}}, "names none"),
        ({"policy": {"any": [{"drift": 1e200}]}}, "drift"),
        ({"policy": {"any": [{"score_below": 10**400}]}}, "1329 bits"),
        ({"policy": {"any": [{"every": 10**5000}]}}, "bits"),
        ({"policy": {"any": [{"class": [10**5000]}]}}, "such a list"),
        ({"policy": {"per_hour": {"bytes": 10**400}}}, "bits"),
        ({"policy": {"any": [{"every": 1}] * 65}}, "at most 64"),
        ({"privacy": {"clip": 10**400}}, "bits"),
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


@pytest.mark.parametrize("text", ["a = 1" + "0" * 5000, "a = " + "[" * 5000, "a = 0x" + "f" * 6000, "#" * 2**21])
def test_a_file_of_hostile_numbers_or_depth_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        settings(read(tmp_path / "agent.toml"))
    assert len(str(caught.value)) < 500


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b"[agent\xff")
    with pytest.raises(ConfigError, match="valid TOML"):
        read(tmp_path / "agent.toml")


def test_a_watched_directory_is_relative_to_the_file_and_a_function_is_none(tmp_path: Path) -> None:
    for data, expected in (("watch:spool", f"watch:{tmp_path}/spool"), ("python:my:frames", "python:my:frames")):
        (tmp_path / "agent.toml").write_text(f'[agent]\ndata = "{data}"\n')
        assert read(tmp_path / "agent.toml")["agent"]["data"] == expected


leaves = st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.none())
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3))
names = st.sampled_from(
    [
        "fleet",
        "node",
        "model",
        "data",
        "url",
        "budget",
        "any",
        "per_hour",
        "every",
        "class",
        "send",
        "grid",
        "epsilon",
        "clip",
        "score_range",
        "epsilon_per_day",
        "epsilon_histograms",
        "bytes",
        "group",
        "key",
        "window",
        "labels",
    ]
)
tables = st.dictionaries(
    st.sampled_from(["agent", "broker", "policy", "privacy", "sparkplug", "commands", "other"]),
    st.dictionaries(names, values, max_size=5) | values,
    max_size=5,
)


@hypothesis.settings(deadline=None)
@given(tables)
def test_any_table_is_a_configuration_or_a_sentence(table: dict[str, Any]) -> None:
    with suppress(Error):
        settings(over(MINIMAL, {k: v for k, v in table.items() if isinstance(v, dict)}))
        settings(table)


@hypothesis.settings(deadline=None)
@given(st.binary(max_size=300) | st.just(b"a = " + b"[" * 5000))
def test_any_file_is_a_configuration_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("c") / "agent.toml"
    path.write_bytes(content)
    with suppress(Error):
        settings(read(path))
