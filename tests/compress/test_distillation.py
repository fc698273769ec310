"""Distillation: the trainable copy computes what the graph does, and training brings the student to the teacher."""

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from models import NETWORKS, golden

import edgexai
from edgexai.compress.measure.execute import forward
from edgexai.compress.quantize.int8 import quantize
from edgexai.compress.quantize.scales import Ports
from edgexai.compress.repair.distillation import Schedule, distill
from edgexai.errors import DataError
from edgexai.graph import DType

pytestmark = pytest.mark.skipif(find_spec("tensorflow") is None, reason="the convert extra is not installed")


def batch(graph: Any, n: int = 96) -> Any:
    return np.random.default_rng(2).normal(size=(n, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_trainable_copy_computes_what_the_graph_does(name: str) -> None:
    from edgexai.compress.repair.trainable import trainable

    graph = edgexai.load(golden(name)[0])
    x = batch(graph, 5)
    copy = trainable(graph)
    ours = copy(x, graph.outputs)[0].numpy()
    np.testing.assert_allclose(ours, forward(graph, x)[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(forward(copy.trained(), x)[0], forward(graph, x)[0])


def test_student_comes_nearer_to_its_teacher() -> None:
    teacher = edgexai.load(golden("dscnn")[0])
    x = batch(teacher)
    student = edgexai.prune(teacher, edgexai.profile_relevance(teacher, x), 0.6, repair="bias")
    seen: list[int] = []
    trained = distill(
        student, teacher, x, schedule=Schedule(epochs=12, rate=1e-2), progress=lambda done, whole: seen.append(done)
    )
    wanted = forward(teacher, x)[0]
    before, after = (np.mean((forward(g, x)[0] - wanted) ** 2) for g in (student, trained))
    assert after < 0.85 * before
    assert seen == list(range(1, 13))


def test_inputs_of_any_range_are_trained_on_alike() -> None:
    teacher = edgexai.load(golden("mlp")[0])
    x = batch(teacher)
    first = teacher.ops[0].inputs[1]
    tensors = list(teacher.tensors)
    tensors[first] = replace(tensors[first], data=(tensors[first].array / 256).reshape(-1).view(np.uint8))
    large = replace(teacher, tensors=tuple(tensors))
    schedule = Schedule(epochs=2)
    answers = []
    for whole, samples in ((teacher, x), (large, 256 * x)):
        student = edgexai.prune(whole, edgexai.profile_relevance(whole, samples), 0.6, repair="bias")
        answers.append(forward(distill(student, whole, samples, schedule=schedule), samples)[0])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-2, atol=1e-3)


def test_an_int8_student_stays_int8_with_its_ports() -> None:
    whole = edgexai.load(golden("mlp")[0])
    x = batch(whole)
    teacher = quantize(whole, x)
    student = edgexai.prune(teacher, edgexai.profile_relevance(teacher, x), 0.7, repair="bias")
    trained = distill(student, teacher, x, labels=np.zeros(len(x), np.int64), schedule=Schedule(epochs=1))
    assert trained.tensors[trained.inputs[0]].dtype == DType.INT8
    ours, theirs = Ports.of(trained), Ports.of(teacher)
    for a, b in zip((*ours.inputs, *ours.outputs), (*theirs.inputs, *theirs.outputs), strict=True):
        assert a is not None
        assert b is not None
        assert a.scale[0] == b.scale[0]


def test_labels_that_do_not_pair_up_are_refused() -> None:
    graph = edgexai.load(golden("mlp")[0])
    with pytest.raises(DataError, match="one label a sample"):
        distill(graph, graph, batch(graph, 4), labels=np.zeros(3, np.int64))


def test_few_samples_are_seen_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("edgexai.compress.repair.distillation"), "STEPS", 6)
    graph = edgexai.load(golden("mlp")[0])
    turns = []
    for count in (10, 128):
        distill(graph, graph, batch(graph, count), progress=lambda done, whole: turns.append((done, whole)))
    assert turns == [*((i, 6) for i in range(1, 7)), *((i, 3) for i in range(1, 4))]
