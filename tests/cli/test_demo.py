"""The demo on a user's own model: real processes, a real broker, and an end that leaves nothing behind."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from models import golden
from shared import ROOT

from edgexai.cli.demo.digits import CORNER, CORNER_REGION, TAG, with_tag

pytest.importorskip("amqtt", reason="the fleet extra is not installed")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Path, str]]:
    """A demo that serves its page, its output directory, and the page's address."""
    directory = tmp_path_factory.mktemp("demo")
    model = golden("cnn")[0]
    with np.load(model.parent / "golden.npz") as known:
        np.savez(directory / "x.npz", x=np.resize(known["x"], (40, *known["x"].shape[1:])))
    command = [sys.executable, "-m", "edgexai", "demo", "--model", str(model), "--data", str(directory / "x.npz")]
    process = subprocess.Popen(
        [*command, "--nodes", "4", "--output", str(directory / "out"), "--serve"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.match(r"page\s+(\S+)", line):
            break
    else:
        pytest.fail("".join(lines))
    yield process, next((directory / "out").iterdir()), found[1]
    process.kill()


def test_every_node_explains_and_the_fleet_has_every_frame(demo: tuple[subprocess.Popen[str], Path, str]) -> None:
    _, directory, page = demo
    with urllib.request.urlopen(f"{page}/api/health", timeout=10) as answer:
        assert json.load(answer)["frames"] == 40
    report = json.loads((directory / "report.json").read_text())
    assert report["frames"] == 40
    assert report["frame_bytes"] <= 128
    assert report["models"]["pruned"]["board_ms"] < 0.55 * report["models"]["model"]["board_ms"]
    for name in ("heatmaps.png", "classes.png"):
        assert (directory / name).read_bytes().startswith(b"\x89PNG")
    assert "What it costs" in (directory / "report.html").read_text()


def test_interrupting_ends_every_process(demo: tuple[subprocess.Popen[str], Path, str]) -> None:
    process, _, page = demo
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{page}/api/health", timeout=5)


def test_the_tag_lies_in_its_region_and_leaves_the_rest_alone() -> None:
    images = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype(np.float32)
    before, tagged = images.copy(), with_tag(images)
    assert np.array_equal(images, before)
    changed = (tagged != images)[..., 0].any(0)
    assert changed[CORNER_REGION].sum() == changed.sum()
    assert np.array_equal(tagged[0, CORNER[0], CORNER[1], 0], TAG)
