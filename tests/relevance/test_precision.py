"""precision="auto" takes one of the two that it measured, and says what it measured; a timing itself is no test."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import golden, single

import edgexai
from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.graph import Builder, Graph, OpKind, serialize
from edgexai.relevance import precision
from edgexai.relevance.attach import METADATA

RANDOM = np.random.default_rng(0)


def wide() -> Graph:
    """A dense layer with enough int8 weights to be worth quantizing a map for."""
    w = RANDOM.integers(-127, 128, (64, 64)).astype(np.int8)

    def layer(build: Builder, x: int) -> int:
        h = build.dense(x, build.weight(w), activation="RELU")
        return build.dense(h, build.const(RANDOM.normal(size=(3, 64)).astype(np.float32)))

    return single((1, 64), layer)


@pytest.mark.parametrize("faster", ["float32", "int8"])
def test_the_faster_one_is_taken(faster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = wide()
    seconds = [1.0, 2.0, 1.5] if faster == "int8" else [1.0, 2.0, 2.5]
    monkeypatch.setattr(precision, "_race", lambda models: seconds)
    explain = edgexai.attach(graph, "epsilon", precision="auto")
    said = json.loads(explain.metadata[METADATA])
    assert said["precision"] == faster
    assert [row["precision"] for row in said["measured"]] == ["float32", "int8"]
    assert [row["time"] for row in said["measured"]] == [2.0, seconds[2]]
    plain = edgexai.attach(graph, "epsilon", precision=faster)
    assert [op.kind for op in explain.ops] == [op.kind for op in plain.ops]
    edgexai.Explainer(serialize(explain))(np.zeros((1, 64), np.float32))


def test_integers_that_say_something_else_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_race", lambda models: [1.0, 2.0, 1.0])
    monkeypatch.setattr(precision, "_correlation", lambda a, b: 0.9)
    explain = edgexai.attach(wide(), "epsilon", precision="auto(litert)")
    assert json.loads(explain.metadata[METADATA])["precision"] == "float32"


@pytest.mark.parametrize("runtime", ["tflite-runtime", "micro"])
def test_runtimes_that_pay_for_the_other_side_of_a_matrix_get_two(runtime: str) -> None:
    w = RANDOM.normal(size=(256, 256)).astype(np.float32)
    graph = single(
        (1, 256), lambda build, x: build.dense(build.dense(x, build.const(w), activation="RELU"), build.const(w[:3]))
    )
    shared = edgexai.attach(graph, "epsilon")
    apart = edgexai.attach(graph, "epsilon", precision=f"auto({runtime})")
    assert OpKind.BATCH_MATMUL in {op.kind for op in shared.ops}
    assert OpKind.BATCH_MATMUL not in {op.kind for op in apart.ops}
    assert len(serialize(apart)) > 1.5 * len(serialize(shared))
    x = RANDOM.normal(size=(1, 256)).astype(np.float32)
    maps = [edgexai.Explainer(serialize(one))(x).relevance for one in (shared, apart)]
    np.testing.assert_allclose(*maps, rtol=1e-4, atol=1e-4 * np.abs(maps[0]).max())


@pytest.mark.parametrize("runtime", ["tflite-runtime", "micro"])
def test_runtimes_without_such_kernels_get_floats(runtime: str) -> None:
    explain = edgexai.attach(wide(), "epsilon", precision=f"auto({runtime})")
    assert json.loads(explain.metadata[METADATA])["precision"] == "float32"
    with pytest.raises(ConfigError, match="is not known"):
        edgexai.attach(wide(), precision="auto(abacus)")


def test_the_command_prints_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = golden("dscnn")
    out = str(tmp_path / "e.tflite")
    assert main(["attach", str(path), "-o", out, "--precision", "auto", "--for", "micro"]) == 0
    assert "(taken)" in capsys.readouterr().out
    assert main(["attach", str(path), "-o", out, "--for", "micro"]) != 0
    assert "--precision auto" in capsys.readouterr().err


def test_two_matrices_spare_the_arena_of_tflite_micro() -> None:
    pytest.importorskip("tflite_micro")
    w = RANDOM.normal(size=(256, 256)).astype(np.float32)
    graph = single((1, 256), lambda build, x: build.dense(build.dense(x, build.const(w)), build.const(w[:3])))
    arenas = []
    for precision_ in ("float32", "auto(micro)"):
        made = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon", precision=precision_)), runtime="micro")
        made(RANDOM.normal(size=(1, 256)).astype(np.float32))
        arenas.append(made.arena or 0)
    assert arenas[0] > w.nbytes > 10 * arenas[1]
