"""A basis on its way: learned by the command, used by a node, and read by the fleet and its page."""

import base64
import logging
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, dump
from fleet_process import MODEL, Fleet, agent

from edgexai.agent.agent import Agent
from edgexai.agent.privacy import Privacy
from edgexai.agent.settings import Settings
from edgexai.cli import main
from edgexai.errors import ConfigError, MissingBasis
from edgexai.fleet.store.bases import at_hand
from edgexai.fleet.web.view import decoded
from edgexai.heatmap import decode
from edgexai.heatmap.basis import learn, load
from edgexai.heatmap.crc import crc32c
from edgexai.messaging.broker import Broker
from edgexai.runtime.explainer import Explainer

NOBODY = Broker.parse("mqtt://127.0.0.1:9")


@pytest.fixture
def basis(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "own.basis"
    assert main(["basis", str(MODEL), "--data", str(data), "-o", str(path), "--components", "24"]) == 0
    said = capsys.readouterr().out
    assert "24 components of 30 maps of 12×12×3" in said
    with_it, without = re.findall(r"(\d+) bytes, (\d+) without it", said)[0]
    assert int(with_it) < int(without)
    return path


def test_a_node_sends_the_fleet_decodes_and_the_page_draws(
    fleet: Fleet,
    data: Path,
    basis: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store" / "bases"
    folder.mkdir()
    (folder / basis.name).write_bytes(basis.read_bytes())
    node = agent("one", fleet.broker, data, "--limit", "6", "--budget", "60", "--basis", str(basis))
    assert "6 confirmed" in node.communicate(timeout=60)[0]
    fleet.wait(lambda: fleet.ask("/api/health")["shown"] == 6)

    frames = [base64.b64decode(one["frame"]) for one in fleet.ask("/api/frames/latest")]
    assert decoded(frames, tmp_path / "none") == [None] * 6  # where the basis is not, they are stored, and not shown
    own, x, explain = load(basis.read_bytes()), np.load(data)["x"], Explainer(MODEL)
    for frame in frames:
        said = decode(frame, None, [own])
        a, b = said.map.ravel(), explain(x[said.sequence]).relevance.ravel()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.9
        with pytest.raises(MissingBasis):
            decode(frame)
    assert [base64.b64decode(one) for one in fleet.ask(f"/api/bases/{own.name.hex()}")] == [basis.read_bytes()]
    assert fleet.ask("/api/bases/0000") == []
    if CHROMIUM is not None:
        html = dump(f"{fleet.page}/?view=node&node=f/one", "--virtual-time-budget=8000")
        drawn = re.findall(r'<article class="node"><h2>one.*?</article>', html, re.S)
        assert [one.count("relevance map of 12 by 12") for one in drawn] == [6]


def test_a_basis_of_other_maps_or_models_is_refused_at_the_start(basis: Path, tmp_path: Path) -> None:
    def settings(content: bytes, **more: Any) -> Settings:
        (tmp_path / "x.basis").write_bytes(content)
        return Settings("f", "n", MODEL, NOBODY, basis=tmp_path / "x.basis", **more)

    good = basis.read_bytes()
    Agent(settings(good)).state.outbox.close()
    foreign = bytearray(good[:-4])
    foreign[13] ^= 1
    other = learn(np.random.default_rng(0).normal(size=(5, 7, 7)).astype(np.float32), 3).data
    for content, message in (
        (good[:-1], "damaged"),
        (other, r"maps of \(7, 7\), this node sends \(12, 12, 3\)"),
        (bytes(foreign) + struct.pack(">I", crc32c(bytes(foreign))), "another model"),
    ):
        with pytest.raises(ConfigError, match=message):
            Agent(settings(content))
    with pytest.raises(ConfigError, match=r"this node sends \(4, 4, 3\)"):
        Agent(settings(good, privacy=Privacy(grid=(4, 4))))


def test_a_folder_is_read_again_when_it_changes_and_what_is_wrong_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, good = tmp_path / "bases", learn(np.ones((3, 2, 2), np.float32), 1).data
    assert at_hand(folder) == ()
    folder.mkdir()
    (folder / "a.basis").write_bytes(good)
    (folder / "b.basis").write_bytes(good[:-1])
    (folder / "readme.txt").write_text("no basis")
    with caplog.at_level(logging.WARNING):
        assert [one.data for one in at_hand(folder)] == [good]
        assert at_hand(folder) is at_hand(folder)
    assert len(caplog.records) == 1
    assert "b.basis is not used" in caplog.text
    (folder / "b.basis").unlink()
    twin = same_name(good)
    (folder / "c.basis").write_bytes(twin)
    with caplog.at_level(logging.WARNING):
        assert [one.data for one in at_hand(folder)] == [good]
    assert "is named" in caplog.text
    (folder / "a.basis").unlink()
    assert [one.data for one in at_hand(folder)] == [twin]


def same_name(content: bytes) -> bytes:
    """The same for a model of its own, with a name that is the same too."""
    body = bytearray(content[:-4])
    for trial in range(1, 1 << 24):
        body[13:16] = trial.to_bytes(3, "big")
        checksum = struct.pack(">I", crc32c(bytes(body)))
        if checksum[-2:] == content[-2:]:
            return bytes(body) + checksum
    raise AssertionError
