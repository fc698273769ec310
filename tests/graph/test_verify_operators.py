"""What the verifier says of operators: every kind that a runtime would believe, and the hostile files."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from models import GOLDEN, NETWORKS
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import Error, ModelError
from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor, load, serialize
from edgexai.graph.operators import ROWS, verify_operators
from edgexai.relevance import attach


def map_of(*shape: int, dtype: DType = DType.FLOAT32, scale: float | None = None) -> Tensor:
    q = None if scale is None else Quantization(np.array([scale], np.float32), np.array([0]))
    return Tensor("map", shape, dtype, quantization=q, rest=schema.TensorT(hasRank=True))


def whole(*values: int, shape: tuple[int, ...] | None = None) -> Tensor:
    array = np.array(values, np.int32)
    return Tensor("constant", array.shape if shape is None else shape, DType.INT32, array.view(np.uint8).reshape(-1))


def weights(*shape: int) -> Tensor:
    return Tensor("weights", shape, DType.FLOAT32, np.zeros(shape, np.float32).view(np.uint8).reshape(-1))


def one(kind: OpKind, inputs: list[Tensor | None], output: Tensor | list[Tensor], options: Any = None) -> Graph:
    """A graph of one operator."""
    outputs = output if isinstance(output, list) else [output]
    there = [t for t in inputs if t is not None]
    tensors = (*there, *outputs)
    places = iter(range(len(there)))
    reads = tuple(-1 if t is None else next(places) for t in inputs)
    made = tuple(range(len(there), len(tensors)))
    return Graph(
        tensors, (Op(kind, reads, made, options),), tuple(i for i, t in enumerate(there) if not t.is_constant), made
    )


def conv(**options: int) -> Any:
    told = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1, **options}
    return schema.Conv2DOptionsT(**told)


def depthwise(**options: int) -> Any:
    told = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1, "depthMultiplier": 0, **options}
    return schema.DepthwiseConv2DOptionsT(**told)


def pool(**options: int) -> Any:
    return schema.Pool2DOptionsT(**{"strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, **options})


K = OpKind
IMAGE = map_of(1, 8, 8, 4)
RIGHT: list[Graph] = [
    one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 4), weights(6)], map_of(1, 8, 8, 6), conv()),
    one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 2), weights(6)], map_of(1, 3, 3, 6), conv(padding=1, strideH=2, strideW=2)),
    one(K.DEPTHWISE_CONV_2D, [IMAGE, weights(1, 3, 3, 8), weights(8)], map_of(1, 8, 8, 8), depthwise()),
    one(K.AVERAGE_POOL_2D, [IMAGE], map_of(1, 4, 4, 4), pool()),
    one(K.FULLY_CONNECTED, [map_of(2, 8), weights(3, 8), None], map_of(2, 3), schema.FullyConnectedOptionsT()),
    one(K.RESHAPE, [IMAGE, whole(1, -1)], map_of(1, 256)),
    one(K.TRANSPOSE, [IMAGE, whole(0, 3, 1, 2)], map_of(1, 4, 8, 8)),
    one(K.PAD, [IMAGE, whole(0, 0, 1, 1, 1, 1, 0, 0, shape=(4, 2))], map_of(1, 10, 10, 4)),
    one(K.SLICE, [IMAGE, whole(0, 2, 0, 0), whole(1, 2, -1, 4)], map_of(1, 2, 8, 4)),
    one(K.GATHER, [IMAGE, whole(7, 0)], map_of(1, 8, 2, 4), schema.GatherOptionsT(axis=2)),
    one(K.SUM, [IMAGE, whole(1, -2)], map_of(1, 4), schema.ReducerOptionsT()),
    one(K.ADD, [IMAGE, map_of(4)], IMAGE, schema.AddOptionsT()),
    one(K.SPLIT, [whole(3), IMAGE], [map_of(1, 8, 8, 2)] * 2, schema.SplitOptionsT(numSplits=2)),
    one(K.CONCATENATION, [IMAGE, IMAGE], map_of(1, 8, 8, 8), schema.ConcatenationOptionsT(axis=-1)),
]
WRONG: dict[str, Graph] = {
    "a stride of 0": one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 4), weights(6)], map_of(1, 8, 8, 6), conv(strideW=0)),
    "a negative dilation": one(
        K.CONV_2D, [IMAGE, weights(6, 3, 3, 4), weights(6)], map_of(1, 8, 8, 6), conv(dilationHFactor=-1)
    ),
    "no options": one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 4), weights(6)], map_of(1, 8, 8, 6)),
    "options of another kind": one(K.AVERAGE_POOL_2D, [IMAGE], map_of(1, 4, 4, 4), schema.AddOptionsT()),
    "a kernel larger than its map": one(
        K.CONV_2D, [IMAGE, weights(6, 9, 9, 4), weights(6)], map_of(1, 1, 1, 6), conv(padding=1)
    ),
    "a filter of other channels": one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 3), weights(6)], map_of(1, 8, 8, 6), conv()),
    "a filter without channels": one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 0), weights(6)], map_of(1, 8, 8, 6), conv()),
    "a short bias": one(K.CONV_2D, [IMAGE, weights(6, 3, 3, 4), weights(5)], map_of(1, 8, 8, 6), conv()),
    "a depthwise convolution without its bias": one(
        K.DEPTHWISE_CONV_2D, [IMAGE, weights(1, 3, 3, 8)], map_of(1, 8, 8, 8), depthwise()
    ),
    "another multiplier": one(
        K.DEPTHWISE_CONV_2D, [IMAGE, weights(1, 3, 3, 8), weights(8)], map_of(1, 8, 8, 8), depthwise(depthMultiplier=3)
    ),
    "a pool of nothing": one(K.MAX_POOL_2D, [IMAGE], map_of(1, 4, 4, 4), pool(filterWidth=0)),
    "an output said larger than it is": one(K.AVERAGE_POOL_2D, [IMAGE], map_of(1, 5, 4, 4), pool()),
    "weights of another length": one(
        K.FULLY_CONNECTED, [map_of(2, 8), weights(3, 7)], map_of(2, 3), schema.FullyConnectedOptionsT()
    ),
    "a reshape to more": one(K.RESHAPE, [IMAGE, whole(1, 512)], map_of(1, 512)),
    "an axis twice": one(K.TRANSPOSE, [IMAGE, whole(0, 3, 1, 1)], map_of(1, 4, 8, 8)),
    "a negative border": one(K.PAD, [IMAGE, whole(0, 0, -1, 1, 1, 1, 0, 0, shape=(4, 2))], map_of(1, 8, 10, 4)),
    "borders of fewer axes": one(K.PAD, [IMAGE, whole(0, 0, shape=(1, 2))], IMAGE),
    "a mirror larger than its map": one(
        K.MIRROR_PAD,
        [IMAGE, whole(0, 0, 8, 0, 0, 0, 0, 0, shape=(4, 2))],
        map_of(1, 16, 8, 4),
        schema.MirrorPadOptionsT(),
    ),
    "a cut behind the end": one(K.SLICE, [IMAGE, whole(0, 7, 0, 0), whole(1, 2, 8, 4)], map_of(1, 2, 8, 4)),
    "steps of 0": one(
        K.STRIDED_SLICE, [map_of(8), whole(0), whole(8), whole(0)], map_of(8), schema.StridedSliceOptionsT()
    ),
    "a value behind the end": one(K.GATHER, [IMAGE, whole(8)], map_of(1, 8, 1, 4), schema.GatherOptionsT(axis=2)),
    "a place behind the end": one(K.GATHER_ND, [IMAGE, whole(0, 8, shape=(1, 2))], map_of(1, 8, 4)),
    "an axis of none": one(K.SUM, [IMAGE, whole(4)], map_of(1, 4), schema.ReducerOptionsT()),
    "sizes that do not spread": one(K.ADD, [IMAGE, map_of(3)], IMAGE, schema.AddOptionsT()),
    "two types": one(K.ADD, [IMAGE, map_of(4, dtype=DType.INT32)], IMAGE, schema.AddOptionsT()),
    "integers without a scale": one(
        K.ADD,
        [map_of(4, dtype=DType.INT8), map_of(4, dtype=DType.INT8)],
        map_of(4, dtype=DType.INT8),
        schema.AddOptionsT(),
    ),
    "a missing input": one(K.ADD, [IMAGE, None], IMAGE, schema.AddOptionsT()),
    "one input": one(K.ADD, [IMAGE], IMAGE, schema.AddOptionsT()),
    "parts of another number": one(
        K.SPLIT, [whole(3), IMAGE], [map_of(1, 8, 8, 2)] * 2, schema.SplitOptionsT(numSplits=3)
    ),
    "parts that do not divide": one(
        K.SPLIT, [whole(3), IMAGE], [map_of(1, 8, 8, 1)] * 3, schema.SplitOptionsT(numSplits=3)
    ),
    "an axis beyond": one(K.CONCATENATION, [IMAGE, IMAGE], map_of(1, 8, 8, 8), schema.ConcatenationOptionsT(axis=4)),
    "blocks of 0": one(K.DEPTH_TO_SPACE, [IMAGE], map_of(1, 16, 16, 1), schema.DepthToSpaceOptionsT(blockSize=0)),
    "batches of 0": one(K.BATCH_TO_SPACE_ND, [IMAGE, whole(0, 1), whole(0, 0, 0, 0, shape=(2, 2))], map_of(1, 8, 8, 4)),
    "a rank of 0": one(
        K.SVDF,
        [map_of(1, 4), weights(6, 4), weights(6, 3), None, map_of(1, 18)],
        map_of(1, 6),
        schema.SVDFOptionsT(rank=0),
    ),
    "a picture of nothing": one(
        K.RESIZE_BILINEAR, [IMAGE, whole(0, 4)], map_of(1, 0, 4, 4), schema.ResizeBilinearOptionsT()
    ),
    "a loop that calls itself": one(
        K.WHILE, [IMAGE], IMAGE, schema.WhileOptionsT(condSubgraphIndex=0, bodySubgraphIndex=0)
    ),
    "a graph that is not there": one(K.IF, [IMAGE], IMAGE, schema.IfOptionsT(thenSubgraphIndex=3)),
}


@pytest.mark.parametrize("number", range(len(RIGHT)))
def test_an_operator_that_is_right_passes(number: int) -> None:
    verify_operators(RIGHT[number])


@pytest.mark.parametrize("what", WRONG)
def test_an_operator_that_would_harm_a_runtime_is_refused_in_one_sentence(what: str) -> None:
    with pytest.raises(ModelError, match="the file is broken") as caught:
        verify_operators(WRONG[what])
    assert "\n" not in str(caught.value)


def test_int8_whose_sum_has_no_room_is_refused() -> None:
    small, large = map_of(4, dtype=DType.INT8, scale=1e-9), map_of(4, dtype=DType.INT8, scale=1.0)
    verify_operators(one(K.ADD, [small, small], large, schema.AddOptionsT()))
    with pytest.raises(ModelError, match="scale too small"):
        verify_operators(one(K.ADD, [large, small], small, schema.AddOptionsT()))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("composite", ["edge", "epsilon_gamma_box(-1, 1)"])
def test_every_operator_of_an_explainer_has_a_row_and_passes(name: str, composite: str) -> None:
    graph = attach(load(GOLDEN / name / "model.tflite"), composite=composite)
    assert {op.kind for op in graph.ops} <= set(ROWS)
    verify_operators(graph)


def test_an_open_batch_and_computed_shapes_are_left_to_the_runtime() -> None:
    open_map = replace(IMAGE, rest=schema.TensorT(hasRank=True, shapeSignature=np.array([-1, 8, 8, 4])))
    graph = one(K.RESHAPE, [open_map, whole(-1, 256)], replace(map_of(1, 256), rest=open_map.rest))
    verify_operators(graph)


@needs_shared
@pytest.mark.parametrize("kind", ["load", "cost", "prune"])
def test_a_hostile_model_is_refused_in_one_sentence(kind: str) -> None:
    files = sorted((SHARED / "cases" / "hostile").glob(f"{kind}-*.tflite"))
    assert files
    for file in files:
        with pytest.raises(ModelError, match="broken"):
            edgexai.load(file)


EXPLAINER = serialize(attach(load(GOLDEN / "mlp" / "model.tflite")))
ACTS: dict[str, Callable[[Graph], object]] = {"cost": edgexai.cost, "serialize": serialize}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(EXPLAINER) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_changed_bytes_are_an_error_of_ours_or_a_model_whose_cost_is_known(changes: list[tuple[int, int]]) -> None:
    content = bytearray(EXPLAINER)
    for at, value in changes:
        content[at] = value
    with suppress(Error):
        graph = load(bytes(content))
        for act in ACTS.values():
            act(graph)
