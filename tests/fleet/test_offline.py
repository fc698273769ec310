"""Frames by file: from an agent without a broker, and from arrays; then what the command line says of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from findings import frames_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgexai.cli import main
from edgexai.errors import DataError
from edgexai.fleet.ingest.offline import Taken, take_in
from edgexai.fleet.read import Span, evidence
from edgexai.fleet.store.journal import Journal
from edgexai.heatmap import encode
from edgexai.heatmap.basis import learn

EXPLAINER = Path(__file__).parents[1] / "runtime" / "data" / "cnn_explain.tflite"


def test_rows_are_taken_in_once_and_analysed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, store = frames_file(tmp_path / "some.npz"), str(tmp_path / "store")
    assert main(["fleet", "import", str(path), "--store", store]) == 0
    assert main(["fleet", "import", str(path), str(path), "--store", store]) == 0
    assert capsys.readouterr().out.count("360 frames, 0 of them new") == 2
    assert main(["fleet", "analyse", "--store", store, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(f["kind"], f["target"], f["model"]) for f in found] == [("shortcut", 2, "00" * 8)]
    assert {"nodes", "frames", "p", "effect", "text", "members", "severity", "next", "interval"} <= set(found[0])
    carriers = np.load(path.with_suffix(".carriers.npy"))
    scores = {m["sequence"]: m["score"] for m in found[0]["members"]}
    inside = [scores[i] for i in np.flatnonzero(carriers)]
    assert np.median(inside) > 0.9 > max(v for i, v in scores.items() if not carriers[i])
    assert main(["fleet", "analyse", "--store", store, "--since", "1h"]) == 0
    assert "nothing that a fleet without faults" in capsys.readouterr().out


def test_groups_and_times_of_rows_are_kept(tmp_path: Path) -> None:
    group = np.array(["a", "b", ""] * 120)
    path = frames_file(tmp_path / "some.npz", group=group)
    journal = Journal(tmp_path / "store")
    assert take_in(path, journal) == Taken(360, 360)
    journal.close()
    (found,) = evidence(tmp_path / "store")
    order = np.argsort(found.sequence)
    assert found.group[order].tolist() == group.tolist()
    assert found.time[order][:3].tolist() == [1.79e9, 1.79e9 + 60, 1.79e9 + 120]
    (late,) = evidence(tmp_path / "store", Span(1.79e9 + 300 * 60, 1.79e9 + 310 * 60))
    assert len(late) == 10


@pytest.mark.parametrize(
    "columns",
    [
        {"frames": np.zeros((3, 4), np.float32)},
        {"length": np.full(360, 65)},
        {"length": np.ones(3, int)},
        {"node": np.full(360, "no/name")},
        {"time": np.full(360, np.nan)},
        {"time": np.full(360, 1.79e12)},
        {"time": np.full(360, "noon")},
        {"time": np.full(360, True)},
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    columns: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = frames_file(tmp_path / "some.npz", **columns)
    assert main(["fleet", "import", str(path), "--store", str(tmp_path / "store")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_frames_that_cannot_be_read_are_told_and_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = frames_file(tmp_path / "good.npz")
    said = dict(np.load(good))
    said["frames"][::3] ^= 255
    np.savez(tmp_path / "third.npz", **said)
    np.savez(tmp_path / "none.npz", **said | {"frames": said["frames"] ^ said["frames"][:1] ^ 255})
    (tmp_path / "torn.npz").write_bytes(good.read_bytes()[:5000])
    files = [str(tmp_path / name) for name in ("torn.npz", "third.npz", "none.npz", "good.npz")]
    assert main(["fleet", "import", *files, "--store", str(tmp_path / "store")]) == 1
    out, err = capsys.readouterr()
    assert "third.npz: 240 frames, 240 of them new" in out
    assert "good.npz: 360 frames, 360 of them new" in out
    torn, third, none = err.splitlines()
    assert "torn.npz is no .npz, or a torn one" in torn
    assert "third.npz: 120 more cannot be read; the first: " in third
    assert "none.npz: none of its 360 frames can be read; the first: " in none
    assert sum(map(len, evidence(tmp_path / "store"))) == 600


def test_what_was_looked_at_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found in nothing must not read as if all were well."""
    store = str(tmp_path / "store")
    path = frames_file(tmp_path / "some.npz")
    assert main(["fleet", "import", str(path), "--store", store]) == 0
    foreign = learn(np.random.default_rng(0).normal(size=(50, 12, 12)).astype(np.float32), 4)
    frame = encode(np.ones((12, 12)), budget=64, model=bytes(8), basis=foreign)
    np.savez(tmp_path / "basis.npz", frames=np.frombuffer(frame, np.uint8)[None])
    assert main(["fleet", "import", str(tmp_path / "basis.npz"), "--store", store]) == 0
    capsys.readouterr()
    assert main(["fleet", "analyse", "--store", store]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("looked at 360 of 361 frames: 1 model, 3 classes\n")
    assert "1 frames were left out: their basis is not in" in err
    assert main(["fleet", "analyse", "--store", store, "--since", "30m"]) == 0
    assert "looked at 31 of 31 frames: 1 model, 3 classes, 3 of them with fewer than the 40" in capsys.readouterr().out
    assert main(["fleet", "analyse", "--store", store, "--until", "2020-01-01"]) == 0
    assert capsys.readouterr() == ("", "edgexai fleet: there is no frame in that range: nothing was looked at\n")
    assert (
        main(["fleet", "analyse", "--store", store, "--until", "2020-01-01", "--baseline", "2010-01-01", "--json"]) == 0
    )
    out, err = capsys.readouterr()
    assert json.loads(out) == []
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        "there is no frame in that range",
        "there is no frame in the baseline",
    ]


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_refused_or_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    journal = Journal(tmp_path / "store")
    with pytest.raises(DataError):
        take_in(path, journal)
    journal.close()


def test_an_agent_without_a_broker_writes_what_a_fleet_takes_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgexai.runtime.explainer import Explainer

    shape = Explainer(EXPLAINER).input.shape[1:]
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).uniform(0, 1, (7, *shape)).astype(np.float32))
    agent = [
        "agent",
        "--fleet",
        "line3",
        "--node",
        "press7",
        "--model",
        str(EXPLAINER),
        "--data",
        str(tmp_path / "x.npz"),
    ]
    agent += ["--to", str(tmp_path / "sent"), "--context", "site=north,group=new", "--state", str(tmp_path / "state")]
    assert main(agent) == 0
    assert "7 frames in" in capsys.readouterr().out
    assert main(agent) == 0
    with (tmp_path / "sent").open("ab") as file:
        file.write(b'\n{"topic": "edgexai/line3/pre')  # a power cut
    journal = Journal(tmp_path / "store")
    assert take_in(tmp_path / "sent", journal) == Taken(14, 14)
    assert take_in(tmp_path / "sent", journal) == Taken(14, 0)
    journal.close()
    (found,) = evidence(tmp_path / "store")
    assert found.sequence.tolist() == list(range(14))
    assert set(found.group.tolist()) == {"new"}
    assert set(found.node.tolist()) == {"press7"}


def test_concepts_of_the_explainer_arrive_unless_privacy_promises_noise(tmp_path: Path) -> None:
    import edgexai

    golden = Path(__file__).parents[1] / "golden" / "cnn"
    edgexai.save(edgexai.attach(golden / "model.tflite", concepts="auto"), tmp_path / "e.tflite")
    x = np.load(golden / "golden.npz")["x"]
    np.savez(tmp_path / "x.npz", x=x)
    config = tmp_path / "agent.toml"
    config.write_text("[privacy]\nepsilon = 1.0\nclip = 5.0\nepsilon_per_day = 50.0\n")
    agent = [
        "agent",
        "--fleet",
        "f",
        "--node",
        "n",
        "--model",
        str(tmp_path / "e.tflite"),
        "--data",
        str(tmp_path / "x.npz"),
    ]
    assert main([*agent, "--to", str(tmp_path / "plain"), "--budget", "64"]) == 0
    private = ["--config", str(config), "--state", str(tmp_path / "state")]
    assert main([*agent, *private, "--to", str(tmp_path / "private")]) == 0
    for name, wanted in (("plain", True), ("private", False)):
        journal = Journal(tmp_path / f"store-{name}")
        assert take_in(tmp_path / name, journal) == Taken(len(x), len(x))
        journal.close()
        (found,) = evidence(tmp_path / f"store-{name}")
        assert (found.concepts.shape[1] > 0) == wanted
    explained = edgexai.Explainer(tmp_path / "e.tflite")(x[0])
    (found,) = evidence(tmp_path / "store-plain")
    assert np.corrcoef(found.concepts[0], explained.concepts)[0, 1] > 0.95
