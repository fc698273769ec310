"""What is equal stands in a written file once, and what is not equal is never taken for it."""

import dataclasses

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from shared import SHARED, needs_shared

from edgexai.graph import Graph, load, serialize
from edgexai.graph.write import _content


def _quantization_places(data: bytes) -> tuple[list[int], list[int]]:
    """Where the zero points of per-channel tensors stand in the file, and how many there are of each."""
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    found = [graph.Tensors(i).Quantization() for i in range(graph.TensorsLength())]
    many = [q for q in found if q is not None and q.ZeroPointLength() > 1]
    return [q._tab.Vector(q._tab.Offset(10)) for q in many], [q.ZeroPointLength() for q in many]


@needs_shared
def test_equal_zero_points_are_written_once() -> None:
    data = serialize(load(SHARED / "models" / "kws_int8.tflite"))
    places, lengths = _quantization_places(data)
    assert len(places) > len(set(places)) == len(set(lengths))  # all are zeros: one vector a length


@needs_shared
@pytest.mark.parametrize("name", ["kws_int8", "ic_int8", "ad_float"])
def test_a_file_says_the_same_when_equal_parts_are_shared(name: str) -> None:
    before = load(SHARED / "models" / f"{name}.tflite")
    after = load(serialize(before))
    assert _said(after) == _said(before)


def _said(graph: Graph) -> list[object]:
    tensors = [
        (
            t.name,
            t.shape,
            t.dtype,
            None if t.data is None else t.data.tobytes(),
            None
            if t.quantization is None
            else (
                np.asarray(t.quantization.scale).tobytes(),
                np.asarray(t.quantization.zero_point).tobytes(),
                t.quantization.axis,
            ),
        )
        for t in graph.tensors
    ]
    ops = [
        (
            o.kind,
            o.inputs,
            o.outputs,
            type(o.options),
            None if o.options is None else {k: np.asarray(v).tolist() for k, v in vars(o.options).items()},
        )
        for o in graph.ops
    ]
    return [tensors, ops, graph.inputs, graph.outputs]


@needs_shared
def test_quantizations_that_differ_in_one_field_stay_apart() -> None:
    graph = load(SHARED / "models" / "kws_int8.tflite")
    number = next(
        i for i, t in enumerate(graph.tensors) if t.quantization is not None and len(t.quantization.scale) > 1
    )
    kept = graph.tensors[number].quantization
    assert kept is not None
    other = dataclasses.replace(kept, scale=np.asarray(kept.scale) * np.float32(2))
    changed = [dataclasses.replace(t, quantization=other) if i == number else t for i, t in enumerate(graph.tensors)]
    after = load(serialize(dataclasses.replace(graph, tensors=changed)))
    for before, now in zip(changed, after.tensors, strict=True):
        if before.quantization is not None:
            assert now.quantization is not None
            np.testing.assert_array_equal(now.quantization.scale, before.quantization.scale)


def test_values_that_are_written_differently_have_different_contents() -> None:
    values = [0, 0.0, -0.0, False, None, "0", b"0", [0], [0.0], np.zeros(1, np.int32), np.zeros(1, np.float32)]
    assert len({_content(v) for v in values}) == len(values)
