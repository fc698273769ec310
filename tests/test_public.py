"""Every public function, given what it does not take: an `edgexai.Error` in one sentence, or a right value."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.heatmap import Fields, Heatmap, header, join, shorten, split

MODEL = golden("cnn")[0]
X = np.random.default_rng(0).normal(size=(12, 12, 12, 3)).astype(np.float32)
GRAPH = edgexai.load(MODEL)
EXPLAINER = edgexai.graph.serialize(edgexai.attach(GRAPH, "epsilon"))
PROFILE = edgexai.profile_relevance(GRAPH, X)
EXPLAIN = edgexai.Explainer(EXPLAINER)
EXPLANATION = EXPLAIN(X[0])
MAP = EXPLANATION.relevance
FRAME = edgexai.encode(MAP, budget=64)

ODD: Mapping[str, Any] = {
    "none": None,
    "number": 3,
    "negative": -1,
    "fraction": 0.5,
    "true": True,
    "nan": float("nan"),
    "infinite": float("inf"),
    "huge": 10**400,
    "text": "x",
    "nul": "a\0b",
    "bytes": b"x",
    "list": [],
    "ragged": [[1, 2], [3]],
    "dict": {"a": 1},
    "shape": np.zeros((2, 2), np.float32),
    "empty": np.zeros((0, 12, 12, 3), np.float32),
    "hole": np.full((2, 12, 12, 3), np.nan),
    "complex": X * 1j,
    "objects": np.array([None, "x"], object),
    "module": np,
    "folder": Path(__file__).parent,
    "missing": "no/such/file.tflite",
}

DOORS: Mapping[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {
    "load": (edgexai.load, {"source": MODEL}),
    "save": (edgexai.save, {"graph": GRAPH, "path": "made.tflite"}),
    "attach": (
        edgexai.attach,
        {
            "graph": GRAPH,
            "composite": "epsilon",
            "target": 0,
            "grid": None,
            "channels": "sum",
            "output": 0,
            "precision": "float32",
            "concepts": None,
            "absorbed": False,
        },
    ),
    "Composite": (
        edgexai.Composite,
        {"name": "mine", "lines": edgexai.relevance.composite("epsilon").lines, "start": "logit"},
    ),
    "best_composite": (
        edgexai.best_composite,
        {"graph": 1, "samples": X[:2], "slowest": 4.0, "precision": "float32", "progress": None},
    ),
    "Explainer": (edgexai.Explainer, {"model": EXPLAINER, "threads": 1, "runtime": "tflite", "untrusted": False}),
    "Explainer()": (EXPLAIN, {"x": X[0], "weights": None, "box": None, "unit": None}),
    "Explainer.batch": (EXPLAIN.batch, {"samples": X[:1], "weights": None, "unit": None}),
    "Explanation.called": (EXPLANATION.called, {"target": 0}),
    "Explanation.probability": (EXPLANATION.probability, {"target": 0}),
    "Explanation.plot": (EXPLANATION.plot, {"label": None, "kind": "auto"}),
    "profile_relevance": (
        edgexai.profile_relevance,
        {"graph": GRAPH, "samples": X[:2], "composite": "epsilon", "progress": None},
    ),
    "Profile.save": (PROFILE.save, {"path": "made.profile"}),
    "Profile.relevance": (PROFILE.relevance, {"tensor": next(iter(PROFILE.channels))}),
    "Profile.quantile": (PROFILE.quantile, {"tensor": next(iter(PROFILE.channels)), "q": 0.5}),
    "Budget": (
        edgexai.Budget,
        {
            "macs": 0.5,
            "energy": None,
            "latency": None,
            "flash": None,
            "ram": None,
            "accuracy": None,
            "explanations": None,
            "board": None,
        },
    ),
    "Repair": (edgexai.Repair, {"method": "bias", "steps": 1, "distillation": None}),
    "prune": (
        edgexai.prune,
        {
            "model": GRAPH,
            "profile": PROFILE,
            "budget": 0.5,
            "samples": X,
            "criterion": "relevance",
            "repair": "bias",
            "multiple": None,
            "progress": None,
        },
    ),
    "quantize": (edgexai.quantize, {"graph": GRAPH, "samples": X, "ports": None}),
    "compress": (
        edgexai.compress,
        {
            "model": GRAPH,
            "samples": X,
            "budget": edgexai.Budget(macs=0.9),
            "labels": np.arange(12) % 3,
            "explain": None,
            "repair": "bias",
            "runtime": "tflite",
            "progress": None,
        },
    ),
    "cost": (edgexai.cost, {"graph": GRAPH, "board": "nucleo_l4r5zi"}),
    "encode": (
        edgexai.encode,
        {
            "relevance": MAP,
            "budget": 64,
            "quality": None,
            "kept": None,
            "model": b"",
            "sequence": 0,
            "time": 1.7e9,
            "target": 0,
            "score": 0.0,
            "conservation": None,
            "fields": None,
            "concepts": None,
            "more": (),
            "reference": None,
            "basis": None,
            "precise": None,
            "companded": None,
        },
    ),
    "encode, fields": (
        lambda **given: edgexai.encode(MAP, budget=64, fields=Fields(**given)),
        {"confidence": None, "second": None, "energy": None, "regions": (), "unknown": (), "concepts": ()},
    ),
    "encode, more": (
        lambda **given: edgexai.encode(MAP, budget=90, more=[Heatmap(**given)]),
        {"map": MAP, "target": 0, "score": 0.0, "conservation": None},
    ),
    "decode": (edgexai.decode, {"frame": FRAME, "references": None, "bases": ()}),
    "header": (header, {"frame": FRAME}),
    "shorten": (shorten, {"frame": FRAME, "size": 32}),
    "split": (split, {"frame": FRAME, "payload": 32}),
    "join": (join, {"parts": [FRAME]}),
}
CALLS = [(door, name, odd) for door, (_, taken) in DOORS.items() for name in taken for odd in ODD]


@pytest.mark.parametrize(("door", "name"), sorted({(door, name) for door, name, _ in CALLS}))
def test_what_a_public_function_does_not_take_is_told_in_one_sentence(
    door: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, taken = DOORS[door]
    if door == "best_composite" and name != "graph":
        taken = {**taken, "graph": GRAPH, "samples": X[:0]}  # whatever else is right, it takes long
    for kind, odd in ODD.items():
        try:
            call(**{**taken, name: odd})
        except edgexai.Error as error:
            told = str(error)
            assert 0 < len(told) < 600, (kind, told)
            assert "\n" not in told, (kind, told)
        except Exception as error:
            raise AssertionError(f"{door}({name}=<{kind}>) raises {type(error).__name__}: {error}") from error


def test_every_public_name_is_tried() -> None:
    tried = {door.split(".")[0].split(",")[0].rstrip("()") for door in DOORS}
    plain = {"Error", "Explanation", "Frame", "Graph", "Profile", "__version__"}  # none of them is made by hand
    assert set(edgexai.__all__) - tried - plain == set()


@pytest.mark.parametrize("door", sorted(DOORS))
def test_every_parameter_is_tried(door: str) -> None:
    call, taken = DOORS[door]
    if not door.startswith("encode, "):
        assert set(inspect.signature(call).parameters) == set(taken)
