"""What the README shows runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

from shared import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    target, _, size, rows, columns = re.findall(r"-?[\d.]+", done.stdout)
    assert int(target) >= 0
    assert int(size) <= 64
    assert (int(rows), int(columns)) == (12, 12)


def test_every_verb_and_option_that_it_names_exists() -> None:
    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    commands = re.findall(r"^edgexai (\w+) (.*?)(?:\s+#.*)?$", blocks, re.MULTILINE)
    assert len(commands) == 8
    for verb, rest in commands:
        helped = subprocess.run(
            [sys.executable, "-m", "edgexai", verb, "--help"], capture_output=True, text=True, timeout=120
        )
        assert helped.returncode == 0, verb
        for option in re.findall(r"--[a-z][a-z-]*|\s-[a-z]\b", rest):
            assert option.strip() in helped.stdout, f"{verb} {option}"


def test_every_file_that_it_links_to_exists() -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", README):
        assert (ROOT / link).exists(), link
