"""On Spark the analyses find what they find without it; looks back find what was there then."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from findings import frames_file

from edgexai.cli import main
from edgexai.fleet.read import Span, evidence
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: one with a shortcut and two groups, and a second that came two hours later; a part of the frames is
    in the table, in two commits, the rest in the journal."""
    folder = tmp_path_factory.mktemp("spark")
    group = np.array(["a", "b"] * 180)
    assert main(["fleet", "import", str(frames_file(folder / "x.npz", group=group)), "--store", str(folder / "s")]) == 0
    one = Store(folder / "s")
    arrivals = [Arrival(**{k: v for k, v in vars(s).items() if k != "id"}) for s in one.since(-1)]
    assert one.compact(at_most=200) == 200
    others = [replace(a, model="11" * 8, sequence=a.sequence + 1000, target=(a.target + 1) % 3) for a in arrivals]
    one.journal.add([replace(a, received=a.received + 7200) for a in others])
    assert one.compact(at_most=300) == 300
    one.close()
    return folder / "s"


def said(store: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, object]]:
    assert main(["fleet", "analyse", "--store", str(store), "--json", "--suspicions", "--rate", "0.9", *options]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_spark_finds_the_same(store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java (Debian package default-jre-headless)")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    alone = said(store, capsys, "--baseline", "5h")
    assert {one["kind"] for one in alone} >= {"shortcut", "compare"}
    spark = said(store, capsys, "--baseline", "5h", "--spark", "local[2]")
    assert [alike(one) for one in spark] == [alike(one) for one in alone]


def alike(said: object) -> object:
    """The same to nine digits: how many threads add up is for the machine to say."""
    if isinstance(said, dict):
        return {key: alike(value) for key, value in said.items()}
    if isinstance(said, list):
        return [alike(value) for value in said]
    return float(f"{said:.9g}") if isinstance(said, float) else said


def test_a_store_is_seen_as_it_was(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = Store(store)
    second = one.since(one.last_id() - 1)[0].received
    one.close()

    def seen(span: Span) -> dict[str, int]:
        return {one.model: len(one) for one in evidence(store, span)}

    assert seen(Span()) == {"00" * 8: 360, "11" * 8: 360}
    assert seen(Span(arrived=second - 3600)) == {"00" * 8: 360}
    assert seen(Span(version=0)) == {"00" * 8: 200}
    assert seen(Span(version=1)) == {"00" * 8: 360, "11" * 8: 140}
    assert {one["model"] for one in said(store, capsys, "--at", str(second - 3600))} == {"00" * 8}
    assert main(["fleet", "analyse", "--store", str(store), "--version", "77"]) == 1
    assert "has no version 77; its newest is 1" in capsys.readouterr().err
