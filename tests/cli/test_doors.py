"""The doors: what the public names take, and what they say of what they do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.cli import main
from edgexai.relevance import Line, Rule

MODEL = str(golden("cnn")[0])
X = np.random.default_rng(0).normal(size=(30, 12, 12, 3)).astype(np.float32)


class Shareless(Rule):
    """A rule of one's own that forgot its shares."""


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: edgexai.attach(MODEL, grid=(0, 0)), r"grid is \(0, 0\); give \(rows, columns\)"),
    (lambda: edgexai.attach(MODEL, grid=5), "grid is 5"),
    (
        lambda: edgexai.attach(MODEL, edgexai.Composite("mine", (Line(Shareless()),))),
        "does not say its shares",
    ),
    (lambda: edgexai.attach(7), "a model is a Graph or the path"),
    (lambda: edgexai.attach(MODEL, target=3.5), r"target \(an index, \"predicted\", .*\) is 3.5"),
    (lambda: edgexai.save(MODEL, "x"), "save writes a Graph, not '"),
    (lambda: edgexai.load(5), "load reads a path or bytes, not 5"),
    (lambda: edgexai.Explainer(5), "Explainer takes the path or the bytes"),
    (lambda: edgexai.profile_relevance(MODEL, "x"), "samples is an array"),
    (lambda: edgexai.quantize(MODEL, "x"), "samples is an array"),
    (lambda: edgexai.quantize(MODEL, [[None]]), "samples is an array"),
    (lambda: edgexai.cost(MODEL, board=7), "a board is a name or the path of a .toml file, not 7"),
    (lambda: edgexai.encode(X[0, :, :, 0], budget="x"), "budget is 'x'"),
    (lambda: edgexai.decode("x"), "a frame is bytes, not str"),
]


@pytest.mark.parametrize(("call", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_type_is_one_sentence(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(edgexai.Error, match=said):
        call()


def test_every_public_name_is_there() -> None:
    assert all(getattr(edgexai, name) is not None for name in edgexai.__all__)


def test_functions_take_a_path_where_they_take_a_graph() -> None:
    graph = edgexai.load(MODEL)
    assert edgexai.cost(MODEL) == edgexai.cost(graph)
    profile = edgexai.profile_relevance(MODEL, X)
    assert profile.model == edgexai.profile_relevance(graph, X).model
    a, b = (edgexai.prune(m, profile, edgexai.Budget(macs=0.6), X) for m in (MODEL, graph))
    assert edgexai.graph.serialize(a) == edgexai.graph.serialize(b)
    assert edgexai.graph.serialize(edgexai.attach(MODEL)) == edgexai.graph.serialize(edgexai.attach(graph))


def test_the_room_of_compression_is_its_call() -> None:
    point = edgexai.compress(MODEL, X, edgexai.Budget(macs=0.7), repair="bias")
    assert edgexai.cost(point.graph).macs <= 0.7 * edgexai.cost(MODEL).macs


def test_a_graph_is_told_in_one_line() -> None:
    told = repr(edgexai.load(MODEL))
    assert told.startswith("<Graph main: 5 operators, ")
    assert "float32[1, 12, 12, 3]" in told
    assert "\n" not in told
    assert len(told) < 200


def test_an_explainer_explains_a_batch(tmp_path: Path) -> None:
    edgexai.save(edgexai.attach(MODEL), tmp_path / "e.tflite")
    explain = edgexai.Explainer(tmp_path / "e.tflite")
    batch = explain.batch(X[:3])
    assert [e.target for e in batch] == [explain(x).target for x in X[:3]]
    assert all((e.relevance == explain(x).relevance).all() for e, x in zip(batch, X[:3], strict=True))


def test_a_model_is_not_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(Path(MODEL).read_bytes())
    assert main(["attach", str(model), "-o", str(model)]) == 1
    assert "would overwrite the model that is read" in capsys.readouterr().err
    assert model.read_bytes() == Path(MODEL).read_bytes()
