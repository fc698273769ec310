"""The doors: what the public names take, and what they say of what they do not."""

import inspect
import pydoc
import re
import sys
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


def quantized(tmp_path: Path) -> edgexai.Explainer:
    """An explainer of int8, whose codes are no real numbers."""
    small = edgexai.quantize(MODEL, X)
    edgexai.save(edgexai.attach(small, "epsilon"), tmp_path / "q.tflite")
    return edgexai.Explainer(tmp_path / "q.tflite")


def test_the_unit_of_whole_numbers_is_asked_for(tmp_path: Path) -> None:
    explain = quantized(tmp_path)
    codes = explain.input.quantized(X[0])[0]
    right = explain(codes)
    for x in (codes.tolist(), codes.astype(np.int64), codes.astype(np.float32)):
        with pytest.raises(edgexai.Error, match=r'int8 codes, or real numbers .* say unit="codes" or unit="real"'):
            explain(x)
        assert (explain(x, unit="codes").relevance == right.relevance).all()
        with pytest.raises(edgexai.Error, match="it would see something else"):
            explain(x, unit="real")
    assert (explain(np.rint(X[0]), unit="real").relevance == explain(np.rint(X[0]) + 1e-6).relevance).all()
    assert (explain.batch(X[:1])[0].relevance == right.relevance).all()
    assert (explain(X[0].tolist()).relevance == right.relevance).all()
    with pytest.raises(edgexai.Error, match="more than int8 codes"):
        explain(X[0], unit="codes")


def test_samples_of_whole_numbers_are_asked_for_their_unit() -> None:
    small = edgexai.quantize(MODEL, X)
    codes = np.clip(np.rint(X * 20), -128, 127)
    for x in (codes.astype(np.int32), codes.astype(np.int64).tolist()):
        with pytest.raises(edgexai.Error, match=r"as int\d+: are they the model's int8 codes.*astype\(numpy.int8\)"):
            edgexai.profile_relevance(small, x)
    assert edgexai.profile_relevance(small, codes.astype(np.int8)).samples == len(X)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: edgexai.Explainer(MODEL, runtime="gpu"), "runtime 'gpu' is not known; use one of 'tflite', 'micro'"),  # type: ignore[arg-type]
    (lambda: edgexai.Explainer(MODEL, untrusted="x"), "untrusted is 'x'; give True or False"),  # type: ignore[arg-type]
    (lambda: edgexai.attach(MODEL, target=True), "is True; give a whole number"),
    (lambda: edgexai.attach(edgexai.attach(MODEL)), "is an explainer already"),
    (lambda: edgexai.prune(edgexai.attach(MODEL), "p", 0.5), "is an explainer already"),
    (lambda: edgexai.quantize(edgexai.quantize(MODEL, X), X), "computes in integers already"),
    (lambda: edgexai.prune(MODEL, edgexai.profile_relevance(MODEL, X), 0.5, X, multiple=0), "multiple is 0"),
    (lambda: edgexai.Budget(macs=0.5, board="nope"), "there is no board 'nope'"),
    (lambda: edgexai.encode(X[0, :, :, 0], quality=2), "quality is 2; give a finite number from 0 to 1"),
    (lambda: edgexai.encode(X[0, :, :, 0], kept=2), "kept is 2"),
    (lambda: edgexai.encode(X[0, :, :, 0], score=float("inf")), "score is inf"),
    (lambda: edgexai.encode(X[0, :, :, 0], time=float("nan")), "time is nan"),
    (lambda: edgexai.encode(X[0, :, :, 0] * 1j), "a map is an array of real numbers, not an array of complex"),
    (lambda: edgexai.profile_relevance(MODEL, np.full_like(X, np.nan)), "not finite"),
    (lambda: edgexai.attach(MODEL, "gamma(nan)"), "gamma of Gamma is nan"),
    (lambda: edgexai.load(Path(MODEL).parent), "is a folder; give the path of a file"),
    (lambda: edgexai.load("no.tflite"), "no.tflite does not exist"),
    (lambda: edgexai.save(edgexai.load(MODEL), Path(MODEL).parent), "is a folder"),
    (lambda: edgexai.save(edgexai.load(MODEL), "x" * 300), "cannot be written: File name too long"),
    (lambda: edgexai.save(edgexai.load(MODEL), "no/such/m.tflite"), "there is no folder no/such; make it first"),
]


@pytest.mark.parametrize(("call", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_is_not_meant_is_refused(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(edgexai.Error, match=re.escape(said)):
        call()


def test_a_missing_file_is_an_error_of_ours_and_of_pythons() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        edgexai.load("no.tflite")
    assert isinstance(raised.value, edgexai.Error)


def test_the_call_of_the_room_has_the_signature_of_its_function() -> None:
    import edgexai.compress
    from edgexai.compress import budget

    def told(call: Callable[..., Any]) -> str:
        found = inspect.signature(call)
        return " ".join(f"{p.name}={p.default}:{p.kind}" for p in found.parameters.values())

    assert told(edgexai.compress) == told(budget.compress)
    assert "compress(model: 'Model', samples:" in pydoc.plain(pydoc.render_doc(sys.modules["edgexai.compress"]))
