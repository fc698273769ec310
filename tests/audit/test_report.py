"""The audit claims nothing that was not measured, and says where every figure comes from."""

import json
import re
import shlex
from dataclasses import replace
from html import unescape as html_text
from pathlib import Path

import numpy as np
import pytest
from shared import ROOT

from edgexai.audit.evidence import Evidence
from edgexai.audit.outputs import chances
from edgexai.audit.page import html
from edgexai.audit.questions import QUESTIONS, answers, blank
from edgexai.audit.report import Report, unassessed
from edgexai.audit.sections import SECTIONS, report
from edgexai.audit.sections.robustness import _harms, monitoring, robustness
from edgexai.board import load_board
from edgexai.cli import main
from edgexai.compress import cost, quantize
from edgexai.compress.measure.execute import quantized
from edgexai.errors import ConfigError
from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.graph import load, serialize
from edgexai.graph.write import fingerprint
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic

MODEL = ROOT / "tests" / "golden" / "cnn" / "model.tflite"


def filled(folder: Path) -> Path:
    """A fleet's store with three frames of one node."""
    store, relevance, model = Store(folder), np.ones((4, 4), np.float32), bytes.fromhex(fingerprint(load(MODEL)))[:8]
    for sequence in range(3):
        frame = encode(relevance, budget=64, model=model, sequence=sequence, time=1.7e9)
        one = read(topic("f", "press7", "heatmap"), pack_heatmap("00" * 7, frame), 1.7e9)
        assert isinstance(one, Arrival)
        store.journal.add([one])
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    random = np.random.default_rng(0)
    x = random.normal(size=(240, 12, 12, 3)).astype(np.float32)
    y = chances(load(MODEL), x).argmax(1)
    y[::10] = (y[::10] + 1) % 3
    groups = np.array(["north", "south"])[np.arange(120) % 2]
    return Evidence(
        MODEL, (x[:120], y[:120]), (x[120:], y[120:]), groups, load_board("nucleo_l4r5zi"),
        filled(tmp_path_factory.mktemp("store")), MODEL,
        dict.fromkeys(QUESTIONS, "said"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def full(whole: Evidence) -> Report:
    return report(whole)


def test_sixteen_sections_in_order(full: Report) -> None:
    assert [s.number for s in full.sections] == list(range(1, 17))
    assert len(SECTIONS) == 16


def test_every_figure_says_how_it_was_obtained_and_by_which_command(full: Report) -> None:
    figures = [f for s in full.sections for f in s.figures]
    assert len(figures) > 30
    assert [f.name for f in figures if not f.how or not f.command] == []


@pytest.mark.parametrize(
    ("gone", "number", "claim"),
    [
        ({"groups": None}, 6, "."),
        ({"board": None}, 11, "latency|energy"),
        ({"against": None}, 10, "."),
        ({"test": None, "groups": None}, 5, "."),
        ({"test": None, "groups": None}, 3, "test data|in the other data"),
        ({"data": None}, 7, "between the two sets"),
        ({"data": None}, 3, "training or calibration"),
        ({"store": None}, 14, "."),
        *[({"answers": key}, None, key) for key in QUESTIONS],
    ],
)
def test_what_was_not_given_is_not_claimed(
    whole: Evidence, full: Report, gone: dict, number: int | None, claim: str
) -> None:
    if "answers" in gone:  # one question alone: its section is cheap
        left = {k: v for k, v in whole.answers.items() if k != gone["answers"]}
        asked = [s for s in SECTIONS if s.__doc__ and ("asked" in s.__doc__ or s.__name__ in ASKING)]
        sections = [s(replace(whole, answers=left)) for s in asked]
        assert [QUESTIONS[claim] in what for _, what in unassessed(sections)].count(True) == 1
        assert not any(QUESTIONS[claim] in text for s in sections for text in s.text)
        assert any(QUESTIONS[claim] in text for s in full.sections for text in s.text)
        return
    assert [f.name for f in full.sections[number - 1].figures if re.search(claim, f.name)]  # with it there is a claim
    evidence = replace(whole, **gone)
    section = SECTIONS[number - 1](evidence)
    assert section.missing
    assert [f.name for f in section.figures if re.search(claim, f.name)] == []


def test_a_report_on_samples_alone_claims_nothing_of_the_rest(whole: Evidence) -> None:
    """No groups, board, store, other model or answers: their sections have neither figures nor sentences of them."""
    bare = replace(whole, groups=None, board=None, store=None, against=None, answers={})
    by_number = {n: SECTIONS[n - 1](bare) for n in (1, 4, 6, 10, 12, 14, 15, 16)}
    for number, section in by_number.items():
        assert (number, section.assessed) == (number, "not assessed")
    energy = SECTIONS[10](bare)
    assert {f.how for f in energy.figures} == {"counted in the graph", "counted: all maps alive at once"}
    assert energy.assessed == "partly"


def test_a_store_without_frames_of_the_model_is_no_monitoring(whole: Evidence, tmp_path: Path) -> None:
    Store(tmp_path / "empty").close()
    other = replace(whole, model=ROOT / "tests" / "golden" / "mlp" / "model.tflite")
    for section in (monitoring(replace(whole, store=tmp_path / "empty")), monitoring(other)):
        assert any("holds no frame of this model" in what for what in section.missing)
        assert not [f for f in section.figures if f.name.startswith("nodes")]


def test_sets_of_two_types_are_compared_in_the_models_own(tmp_path: Path) -> None:
    """Real numbers beside the integer model's codes: the same samples are the same, and nothing has drifted."""
    model = quantize(load(MODEL), np.random.default_rng(0).normal(size=(40, 12, 12, 3)).astype(np.float32))
    path = tmp_path / "int8.tflite"
    path.write_bytes(serialize(model))
    x = np.random.default_rng(1).normal(size=(30, 12, 12, 3)).astype(np.float32)
    evidence = Evidence(path, (quantized(model, x), None), (x, None))
    (both,) = [f for f in SECTIONS[2](evidence).figures if "in the other data" in f.name]
    (drift,) = [f for f in robustness(evidence).figures if "between the two sets" in f.name]
    assert both.value == "30"
    assert drift.value == "0.00 and 0.00 standard deviations"


def test_every_sample_of_a_wide_table_has_a_dead_channel_and_noise_of_each_columns_spread() -> None:
    x = np.random.default_rng(0).normal(size=(30, 50)) * np.r_[np.ones(25), np.full(25, 1000.0)]
    harmed = _harms(x)
    (dead,) = [v for k, v in harmed.items() if "dead" in k]
    assert ((dead != x).sum(1) == 1).all()
    (noisy,) = [v for k, v in harmed.items() if "10%" in k]
    moved = (noisy - x).std(0) / x.std(0)
    assert (moved > 0.04).all()
    assert (moved < 0.2).all()
    assert harmed["rounding to 16 levels"][:, :25].std(0).min() > 0.5


ASKING = ("identity", "data", "scope", "security", "monitoring")


def test_the_summary_lists_all_that_was_not_assessed(whole: Evidence, full: Report) -> None:
    gaps = unassessed(full.sections)
    page = html(full)
    assert gaps
    summary = page[: page.index('<h2 id="s1">')]
    assert summary.count("<li>") == len(gaps)


def test_accuracy_is_right(full: Report) -> None:
    (accuracy,) = [f for f in full.sections[4].figures if f.name == "accuracy"]
    assert accuracy.value.startswith("90.0%")
    assert accuracy.n == 120


def test_the_same_evidence_gives_the_same_report(whole: Evidence, full: Report) -> None:
    assert json.dumps(report(replace(whole)).as_json()) == json.dumps(full.as_json())


def test_names_cannot_break_the_page(full: Report) -> None:
    page = html(replace(full, model="<script>alert(1)</script>"))
    assert "<script>" not in page


def test_the_bill_of_materials_names_the_model(full: Report) -> None:
    assert full.bill["bomFormat"] == "CycloneDX"
    assert full.bill["metadata"]["component"]["hashes"][0]["content"] == full.sha256


def test_questions_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "audit.toml"
    path.write_text(blank())
    assert answers(path) == {}
    path.write_text(blank().replace('scope = ""', 'scope = "not for children"'))
    assert answers(path) == {"scope": "not for children"}
    for wrong in ("scope = 3", "skope = ''", "[[["):
        path.write_text(wrong)
        with pytest.raises(ConfigError):
            answers(path)


def test_the_command_writes_page_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=random.normal(size=(40, 12, 12, 3)).astype(np.float32))
    page, machine = tmp_path / "a.html", tmp_path / "a.json"
    said = ["audit", str(MODEL), "--data", str(tmp_path / "d.npz"), "-o", str(page), "--json", str(machine)]
    assert main(said) == 0
    assert "points not assessed" in capsys.readouterr().out
    assert main([*said, "--answers", str(tmp_path / "none.toml")]) == 1  # asked for, and not there
    assert "none.toml" in capsys.readouterr().err
    assert json.loads(machine.read_text())["sections"][4]["assessed"] == "not assessed"
    assert "not held out" in page.read_text()


def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 12, 12, 3), np.float32))
    np.savez(tmp_path / "g.npz", group=np.array(["a"]))
    assert main(["audit", str(MODEL)]) == 1
    assert main(["audit", str(MODEL), "--test", str(tmp_path / "d.npz"), "--groups", str(tmp_path / "g.npz")]) == 1
    assert "1 groups for 4 samples" in capsys.readouterr().err
    said = ["audit", str(MODEL), "--test", str(tmp_path / "d.npz"), "-o", str(tmp_path / "a.html")]
    for y, sentence in ((np.arange(100, 104), "labels go from 100 to 103"), (np.full(4, np.nan), "no whole numbers")):
        np.savez(tmp_path / "d.npz", x=np.zeros((4, 12, 12, 3), np.float32), y=y)
        assert main(said) == 1
        assert sentence in capsys.readouterr().err
    assert main([*said, "--sign", str(tmp_path / "none.key")]) == 1
    assert "openssl" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()


def test_the_command_of_a_report_makes_it_again(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 12, 12, 3)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(30) % 3)
    (tmp_path / "a.toml").write_text('scope = "not for children"')
    page = tmp_path / "a.html"
    asked = ["--labels", "cat,dog,cow", "--scale", "1/2", "--mean", "0.25", "--answers", str(tmp_path / "a.toml")]
    assert main(["audit", str(MODEL), "--test", str(tmp_path / "d.npz"), *asked, "-o", str(page)]) == 0
    first = page.read_text()
    command = html_text(re.search(r"with <code>(.*?)</code>", first)[1])  # type: ignore[index]
    page.unlink()
    assert main([*shlex.split(command)[1:], "-o", str(page)]) == 0
    assert page.read_text() == first
    assert "not for children" in first


def test_answers_that_lie_here_are_named_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x=np.random.default_rng(0).normal(size=(30, 12, 12, 3)).astype(np.float32))
    Path("audit.toml").write_text('scope = "not for children"')
    assert main(["audit", str(MODEL), "--data", "d.npz"]) == 0
    assert "--answers audit.toml" in Path("audit.html").read_text()


def test_what_a_cost_could_not_count_is_not_assessed(whole: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = cost(whole.graph)
    monkeypatch.setitem(SECTIONS[10].__globals__, "cost", lambda *_: replace(counted, notes=("a loop",)))
    assert "a loop" in SECTIONS[10](whole).missing
