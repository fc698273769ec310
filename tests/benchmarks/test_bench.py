"""The benches: pixel flipping tells a right map from a wrong one, and each command prints what its table says."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import GOLDEN, golden
from numpy.typing import NDArray

from benchmarks.__main__ import main as benchmark
from edgexai.board import KINDS
from edgexai.cli import main
from edgexai.cli.bench.board import fitted
from edgexai.compress.measure.faithfulness import curves
from edgexai.graph import Builder, Graph, load


def decisive() -> Graph:
    """Class 1 if the pixel at (0, 0) is large, class 0 if not; nothing else matters."""
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 4, 4, 1))
    weights = np.zeros((2, 16), np.float32)
    weights[1, 0] = 10
    flat = build.reshape(x, (1, 16))
    return build.finish([build.dense(flat, build.const(weights), build.const(np.array([5, 0], np.float32)))])


@pytest.mark.parametrize(("best", "sign"), [(0, 1), (15, -1)])
def test_gain_is_high_for_the_pixel_that_decides_and_low_for_another(best: int, sign: int) -> None:
    x = np.ones((3, 4, 4, 1), np.float32)
    maps: NDArray[np.float32] = np.full((3, 16), 0.1, np.float32)
    maps[:, 0] = 0
    maps[:, best] = 1
    deletion, insertion = curves(
        decisive(), x, np.zeros((4, 4, 1), np.float32), maps.reshape(3, 4, 4), np.ones(3, np.int64)
    )
    gain = insertion - deletion
    assert np.all(sign * gain > 0.8)


def test_explain_measures_time_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(GOLDEN / "cnn" / "model.tflite")
    assert main(["bench", "explain", model, "--composite", "epsilon", "--grids", "--runs", "2", "--json"]) == 0
    first, *others = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first["grid"] == "input"
    assert first["ratio"] > 0
    assert first["file_ratio"] > 1
    assert others
    assert all(row["grid"] != "input" for row in others)


def test_board_fits_cycles_to_times(capsys: pytest.CaptureFixture[str]) -> None:
    work = np.random.default_rng(0).integers(1, 1000, (20, 7)).astype(float)
    cycles = np.array([3.0, 1, 0, 0.5, 2, 0, 7])
    np.testing.assert_allclose(fitted(work, work @ cycles), cycles, atol=1e-9)
    model = str(GOLDEN / "dscnn" / "model.tflite")
    assert main(["bench", "board", model, "--lanes", "2", "--cuts", "3", "--runs", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(KINDS) < set(found["cycles"])
    assert len(found["error"]["model"]) == 4


def test_edge_writes_table_and_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow", reason="the rivals take gradients with TensorFlow")
    with np.load(GOLDEN / "cnn" / "golden.npz") as golden:
        np.savez(tmp_path / "x.npz", x=golden["x"])
    pair = f"{GOLDEN / 'cnn' / 'model.tflite'}={tmp_path / 'x.npz'}"
    options = ["--composite", "edge", "--samples", "4", "--runs", "2", "-o", str(tmp_path / "out")]
    assert benchmark(["edge", pair, *options]) == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "edge.jsonl").read_text().splitlines()]
    assert {"edge", "random", "occlusion", "Grad-CAM", "integrated gradients"} <= {r["method"] for r in rows}
    assert next(r for r in rows if r["method"] == "edge")["bytes"] > 1
    assert (tmp_path / "out" / "edge.png").stat().st_size > 1000
    assert "| edge" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["cnn", "resnet", "dscnn", "mlp"])
def test_torch_twin_computes_the_same_logits(name: str) -> None:
    torch = pytest.importorskip("torch", reason="bench zennit needs the extra `bench`")
    pytest.importorskip("zennit", reason="bench zennit needs the extra `bench`")
    from benchmarks.torch_twin import twin

    path, arrays = golden(name)
    with torch.no_grad():
        logits = twin(load(path))(torch.from_numpy(arrays["x"].reshape(-1, *load(path).tensors[0].shape[1:]))).numpy()
    assert np.allclose(logits, arrays["logits"], atol=1e-4)
