"""Resized maps, products of matrices and what normalizations are made of, against TensorFlow Lite Micro."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import Native, agree, needs
from networks_int8 import Net
from product_networks import matmul, matrix, resize

from edgexai.graph import DType, OpKind, Tensor, serialize
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(1, 17), min_size=4, max_size=4), form=st.integers(0, 2)
)
def test_a_map_of_any_size_is_resized_to_any(seed: int, sizes: list[int], form: int) -> None:
    net = Net(np.random.default_rng(seed))
    x = net.map((1, *sizes[:2], int(net.random.integers(1, 6))))
    agree(net.finish(x, resize(net, x, *sizes[2:], half=form == 1, aligned=form == 2)), net.random)


@settings(max_examples=16, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_products_of_matrices_batches_and_constants(data: st.DataObject) -> None:
    net = Net(np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    rows, depth, columns = (data.draw(st.integers(1, 17)) for _ in range(3))
    adjoint = data.draw(st.booleans()), data.draw(st.booleans())
    left, right = (
        ((depth, rows) if adjoint[0] else (rows, depth)),
        ((columns, depth) if adjoint[1] else (depth, columns)),
    )
    form = data.draw(st.sampled_from(["right", "left", "both"]))
    batch = (1, data.draw(st.integers(1, 3)))
    if form == "both":  # of one map, so that there is one input
        x = net.map((*batch, rows, depth))
        y = matmul(net, x, x, (True, False) if adjoint[0] else (False, True))
    else:
        x = net.map((*batch, *(left if form == "right" else right)))
        wide = data.draw(st.sampled_from([(), (1, 1), batch]))
        other = matrix(net, (*wide, *(right if form == "right" else left)), data.draw(st.sampled_from([0, -9])))
        y = matmul(net, *((x, other) if form == "right" else (other, x)), adjoint)
    agree(net.finish(x, y), net.random)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), shape=st.tuples(*[st.integers(1, 9)] * 3), form=st.integers(0, 2))
def test_normalizations(seed: int, shape: tuple[int, ...], form: int) -> None:
    net = Net(np.random.default_rng(seed))
    x = y = net.map((1, *shape))
    if form == 0:
        y = net.op(OpKind.L2_NORMALIZATION, [x], [net.map((1, *shape), 1 / 128, 0)], schema.L2NormOptionsT())
    else:
        few = shape[-1:] if form == 1 else shape
        other = net.constant(net.random.integers(-128, 128, few).astype(np.int8), DType.INT8, np.array([0.05]), zero=7)
        y = net.op(OpKind.SQUARED_DIFFERENCE, [x, other], [net.map((1, *shape), None, -128)])
    agree(net.finish(x, y), net.random)


def test_the_smallest_value_is_found(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(0))
    x = net.map((1, 5, 7))
    net.tensors.append(Tensor("y", (1, 5), DType.INT32))
    y = len(net.tensors) - 1
    net.op(OpKind.ARG_MIN, [x, net.ints(2)], [y], schema.ArgMinOptionsT(outputType=2))
    graph = net.finish(x, y)
    micro, native = MicroInterpreter(serialize(graph)), Native(graph, tmp_path)
    for _ in range(5):
        x_ = net.random.integers(-4, 4, (1, 5, 7)).astype(np.int8)  # equals among them
        assert np.array_equal(native(x_, (1, 5), np.int32), micro.run(x_)[0])
