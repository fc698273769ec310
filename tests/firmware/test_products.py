"""RESIZE_BILINEAR and BATCH_MATMUL of random shapes, against TensorFlow Lite Micro."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import agree, needs
from networks_int8 import Net
from product_networks import matmul, matrix, resize

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
