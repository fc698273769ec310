"""What is exported is what the store holds, and opens where it is meant to be opened."""

import base64
import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet
import pytest
from deltalake import DeltaTable
from findings import frames_file

from edgexai.cli import main
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.read import evidence

MODEL = "00" * 8


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """360 frames of three classes, the last of which has a shortcut; half of them in the table."""
    folder = tmp_path_factory.mktemp("exported")
    group = np.array(["a", "b"] * 180)
    assert main(["fleet", "import", str(frames_file(folder / "x.npz", group=group)), "--store", str(folder / "s")]) == 0
    (folder / "s" / "labels").mkdir()
    (folder / "s" / "labels" / f"{MODEL}.txt").write_text("cat\ndog\nhorse\n")
    from edgexai.fleet.store.store import Store

    one = Store(folder / "s")
    one.compact(at_most=180)
    one.close()
    return folder / "s"


@pytest.fixture(scope="module")
def held(store: Path) -> Evidence:
    (one,) = evidence(store)
    return one


def exported(store: Path, *options: str) -> None:
    assert main(["fleet", "export", "--store", str(store), *options]) == 0


def test_parquet_has_every_frame_with_its_map(store: Path, held: Evidence, tmp_path: Path) -> None:
    exported(store, "--parquet", str(tmp_path / "x.parquet"))
    rows = pyarrow.parquet.read_table(tmp_path / "x.parquet").to_pydict()
    assert rows["id"] == held.id.tolist()
    assert rows["group"] == held.group.tolist()
    maps = [np.array(m).reshape(r, c) for m, r, c in zip(rows["map"], rows["rows"], rows["columns"], strict=True)]
    np.testing.assert_array_equal(np.stack(maps).astype(np.float32), held.maps)
    np.testing.assert_array_equal(np.array(rows["concepts"], np.float32), held.concepts)


def test_csv_has_every_frame_and_the_times_asked_for(store: Path, held: Evidence, tmp_path: Path) -> None:
    exported(store, "--csv", str(tmp_path / "x.csv"), "--since", "1h")
    rows = list(csv.DictReader((tmp_path / "x.csv").open(encoding="utf-8")))
    late = held.where(held.time >= held.time.max() - 3600)
    assert [int(row["id"]) for row in rows] == late.id.tolist()
    assert [float(row["score"]) for row in rows] == pytest.approx(late.score)
    assert base64.b64decode(rows[0]["frame"])


def test_hdf5_has_arrays_by_model(store: Path, held: Evidence, tmp_path: Path) -> None:
    exported(store, "--hdf5", str(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "x.h5") as file:
        assert list(file) == [MODEL]
        np.testing.assert_array_equal(file[MODEL]["map"][()], held.maps)
        np.testing.assert_array_equal(file[MODEL]["concepts"][()], held.concepts)
        np.testing.assert_array_equal(file[MODEL]["target"][()], held.target)
        assert file[MODEL]["node"].asstr()[()].tolist() == held.node.tolist()


def test_hdf5_keeps_maps_of_another_shape_apart(tmp_path: Path) -> None:
    from edgexai.fleet.export.hdf5 import hdf5

    row = dict.fromkeys(("fleet", "node", "boot", "group"), "x") | {"model": "ab", "conservation": None}
    row |= dict.fromkeys(("id", "sequence", "received", "time", "target", "score"), 1) | {"concepts": ()}
    shapes = [(2, 3), (4,), (2, 3)]
    rows = [row | {"map": np.full(shape, i, np.float32)} for i, shape in enumerate(shapes)]
    assert hdf5([rows, rows], tmp_path / "x.h5") == 6
    with h5py.File(tmp_path / "x.h5") as file:
        assert {name: file[name]["map"].shape for name in file} == {"ab": (4, 2, 3), "ab.2": (2, 1, 4)}
        assert file["ab"]["map"][:, 0, 0].tolist() == [0, 2, 0, 2]


def test_a_delta_table_gets_each_frame_once(store: Path, held: Evidence, tmp_path: Path) -> None:
    exported(store, "--delta", str(tmp_path / "x"), "--until", "1h")
    exported(store, "--delta", str(tmp_path / "x"))
    exported(store, "--delta", str(tmp_path / "x"))
    table = DeltaTable(tmp_path / "x")
    assert table.version() == 1
    assert sorted(table.to_pyarrow_table().column("id").to_pylist()) == held.id.tolist()


def test_a_project_has_the_layout_that_virelay_documents(store: Path, held: Evidence, tmp_path: Path) -> None:
    exported(store, "--virelay", str(tmp_path))
    folder = tmp_path / MODEL
    project = json.loads((folder / "project.yaml").read_text())["project"]
    assert {"name", "model", "label_map", "dataset", "attributions", "analyses"} == set(project)
    assert [one["name"] for one in json.loads((folder / "label-map.json").read_text())] == ["cat", "dog", "horse"]
    with h5py.File(folder / "attribution.h5") as file:
        np.testing.assert_array_equal(file["attribution"][..., 0], held.maps)
        assert file["prediction"].shape == (360, 3)
        assert (file["prediction"][()].argmax(1) == held.target).all()
    with h5py.File(folder / "analysis.h5") as file:
        assert set(file) == {"class-0", "class-1", "class-2"}
        carriers = np.load(store.parent / "x.carriers.npy")[held.sequence]
        suspected = np.zeros(360, bool)
        for name in file:
            assert set(file[name]) == {"cluster", "embedding", "index"}
            if name == "class-2":
                suspected[file[name]["index"][()]] = file[name]["cluster/suspected"][()] == 1
        assert (suspected == carriers).mean() > 0.98


def test_projects_of_nothing_are_told(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(store, "--virelay", str(tmp_path / "projects"), "--until", "2020-01-01")
    assert capsys.readouterr().out == f"{tmp_path / 'projects'}: 0 frames, so no project\n"
    assert not (tmp_path / "projects").exists()


def test_virelay_opens_a_project(store: Path, held: Evidence, tmp_path: Path) -> None:
    virelay = pytest.importorskip("virelay.model", reason="ViRelAy is not installed (pip install virelay)")
    exported(store, "--virelay", str(tmp_path))
    project = virelay.Project(str(tmp_path / MODEL / "project.yaml"))
    (method,) = project.get_analysis_methods()
    assert [one.human_readable_name for one in project.get_analysis_categories(method)] == ["cat", "dog", "horse"]
    clusterings = project.get_analysis_clustering_names(method)
    assert set(clusterings) == {"kmeans-2", "kmeans-3", "kmeans-4", "kmeans-5", "suspected"}
    for embedding in project.get_analysis_embedding_names(method):
        found = project.get_analysis(method, "class-2", "suspected", embedding)
        assert len(found.embedding) == len(found.clustering) == len(found.attribution_indices) == 120
    for index in (0, 359):
        sample, attribution = project.get_sample(index), project.get_attribution(index)
        assert sample.data.shape[:2] == attribution.data.shape[:2] == held.maps.shape[1:]
        assert attribution.labels[0].index == sample.labels[0].index == held.target[index]
        assert attribution.render_heatmap("black-fire-red", sample.data).shape[-1] == 3
    project.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "say what to write"),
        (("--csv", "no/such/x.csv"), "there is no folder"),
        (("--delta", "s3://no-such-bucket/x"), "cannot be"),
        (("--csv", "x.csv", "--since", "soon"), "is no time"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    store: Path,
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"ENDPOINT_URL": "http://127.0.0.1:9", "ALLOW_HTTP": "true", "REGION": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert main(["fleet", "export", "--store", str(store), *options]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
