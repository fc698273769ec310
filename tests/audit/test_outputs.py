"""Models that give yes or no, a number, or a map: audited as what they are, and nothing is claimed that they lack."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import single

from edgexai.audit.evidence import Evidence
from edgexai.audit.outputs import Kind, chances, classes, kind_of
from edgexai.audit.report import Section
from edgexai.audit.sections import SECTIONS, clever_hans, compression, explanations, performance, robustness, subgroups
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.errors import DataError
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Quantization, save

X = np.random.default_rng(0).normal(size=(240, 6)).astype(np.float32)
WEIGHTS = np.array([3, -2, 0, 0, 1, 0], np.float32)
SUM = X @ WEIGHTS
SITES = np.array(["a", "b"])[np.arange(240) % 2]
FIGURE = re.compile(r"-?\d+\.\d+")


def network(end: Callable[[Builder, int], int], rows: int = 1) -> Graph:
    """x and -x behind a RELU, then x·WEIGHTS (1, rows), in every second row negated, then ``end``."""

    def layer(build: Builder, x: int) -> int:
        both = build.dense(x, build.const(np.vstack([np.eye(6), -np.eye(6)]).astype(np.float32)), activation="RELU")
        whole = np.concatenate([WEIGHTS, -WEIGHTS])
        kernel = np.stack([whole * (-1) ** i for i in range(rows)]).astype(np.float32)
        return end(build, build.dense(both, build.const(kernel)))

    return single((1, 6), layer)


def logistic(build: Builder, x: int) -> int:
    return build.op(OpKind.LOGISTIC, [x], build.shape(x))


def evidence_of(graph: Graph, folder: Path, y: np.ndarray | None, **more: object) -> Evidence:
    save(graph, folder / "m.tflite")
    return Evidence(folder / "m.tflite", test=(X, y), **more)  # type: ignore[arg-type]


def value(section: Section, name: str) -> float:
    (found,) = [f for f in section.figures if f.name.startswith(name)]
    return float(FIGURE.findall(found.value)[0])


def test_kinds() -> None:
    assert kind_of(network(logistic)) is Kind.YES_OR_NO
    assert kind_of(network(lambda b, x: x)) is Kind.NUMBER
    assert kind_of(network(lambda b, x: x, 3)) is Kind.CLASSES
    assert kind_of(network(lambda b, x: x, 6)) is Kind.OTHER  # as many as it takes: a reconstruction
    assert kind_of(network(lambda b, x: b.reshape(x, (1, 2, 2)), 4)) is Kind.OTHER
    assert kind_of(network(lambda b, x: b.argmax(x), 3)) is Kind.OTHER


def test_yes_or_no_is_right_where_it_says_so(tmp_path: Path) -> None:
    """One probability has two classes; the accuracy is not the share of no."""
    y = (SUM > 0).astype(np.int64)
    y[:24] = 1 - y[:24]
    evidence = evidence_of(network(logistic), tmp_path, y, groups=SITES)
    said = performance(evidence)
    assert value(said, "accuracy") == 90.0
    assert value(said, "recall of class 1") == pytest.approx(100 * np.mean(SUM[y == 1] > 0), abs=0.06)
    assert value(robustness(evidence), "same prediction under noise of 30%") < 100
    assert value(explanations(evidence), "faithfulness: symmetric") > 0.3  # of no too: its maps are turned round
    assert not subgroups(evidence).figures[0].value.startswith("0")
    assert set(np.unique(evidence.targets)) == {0, 1}
    assert any("searched" in f.name and f.value == "2" for f in clever_hans(evidence).figures)


def test_a_number_has_errors_and_no_accuracy(tmp_path: Path) -> None:
    evidence = evidence_of(network(lambda b, x: x), tmp_path, SUM + 0.5, groups=SITES)
    evidence = replace(evidence, against=evidence.model)
    assert value(performance(evidence), "mean absolute error") == pytest.approx(0.5, abs=0.001)
    assert value(subgroups(evidence), "mean absolute error of a") == pytest.approx(0.5, abs=0.001)
    assert value(robustness(evidence), "change of the output under noise of 30%") > 0.1
    assert value(explanations(evidence), "faithfulness: symmetric") > 0.1
    assert value(compression(evidence), "difference of outputs") == 0
    assert clever_hans(evidence).assessed == "not assessed"
    sections = [section(evidence) for section in SECTIONS]
    names = [f.name for s in sections for f in s.figures]
    assert not [n for n in names if re.search("accuracy|recall|same prediction|confidence|class sensitivity", n)]


def test_labels_of_a_number_are_numbers(tmp_path: Path) -> None:
    y = SUM.copy()
    y[3] = np.nan
    with pytest.raises(DataError, match="finite numbers"):
        performance(evidence_of(network(lambda b, x: x), tmp_path, y))


def test_a_map_has_no_performance_and_no_shortcuts(tmp_path: Path) -> None:
    evidence = evidence_of(network(lambda b, x: x, 6), tmp_path, np.zeros(240, np.int64))
    assert performance(evidence).assessed == clever_hans(evidence).assessed == "not assessed"
    assert not [f for f in explanations(evidence).figures if "faithfulness" in f.name]
    assert any("change of the output" in f.name for f in robustness(evidence).figures)


def test_another_model_of_another_kind_is_not_compared(tmp_path: Path) -> None:
    save(network(logistic), tmp_path / "other.tflite")
    evidence = evidence_of(network(lambda b, x: x, 3), tmp_path, None, against=tmp_path / "other.tflite")
    found = compression(evidence)
    assert [f.name for f in found.figures] == ["size"]
    assert any("not of the same kind" in what for what in found.missing)


def test_many_small_classes_and_groups_are_one_point_of_the_summary(tmp_path: Path) -> None:
    evidence = evidence_of(
        network(lambda b, x: x, 90), tmp_path, np.arange(240) % 90, groups=np.arange(240).astype(str)
    )
    assert len(performance(evidence).missing) == 1
    assert "recall of 90 classes" in performance(evidence).missing[0]
    assert sum("240 groups" in what for what in subgroups(evidence).missing) == 1


def test_labels_are_understood_or_refused() -> None:
    y = np.arange(6) % 3
    for given in (y, y[:, None], np.eye(3)[y], y.astype(np.float32)):
        assert classes(given, 6, 3).tolist() == y.tolist()
    for wrong, sentence in ((y + 1, "labels go from 1 to 3"), (y - 1, "from -1"), (np.ones((6, 3)), "one class")):
        with pytest.raises(DataError, match=sentence):
            classes(wrong, 6, 3)


def test_a_softmax_whose_rounded_shares_do_not_sum_to_one_is_left_as_it_is() -> None:
    """256 steps cannot say the shares of many classes; another softmax would make all of them alike."""
    graph = network(lambda b, x: b.op(OpKind.SOFTMAX, [x], b.shape(x), schema.SoftmaxOptionsT(beta=1.0)), 300)
    head, codes = graph.outputs[0], Quantization(np.array([1 / 256], np.float32), np.array([0]))
    tensors = list(graph.tensors)
    tensors.append(replace(tensors[head], name="codes", dtype=DType.UINT8, quantization=codes))
    op = Op(OpKind.QUANTIZE, (head,), (len(tensors) - 1,))
    rounded = replace(graph, tensors=tuple(tensors), ops=(*graph.ops, op), outputs=(len(tensors) - 1,))
    x = X[:8] * 0.05
    wanted = np.rint(chances(graph, x) * 256) / 256
    assert np.abs(wanted.sum(1) - 1).min() > 0.1
    np.testing.assert_allclose(probabilities(rounded, x), wanted, atol=1.01 / 256)
