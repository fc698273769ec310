"""Bias correction: what a channel gave on average goes into the bias of the layers that read it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels.coupling import Coupling, read_by
from edgexai.compress.prune.shrink import Keep
from edgexai.graph import Graph, Op, OpKind, Tensor
from edgexai.graph.ir import NUMPY


def fold_means(graph: Graph, coupling: Coupling, keep: Keep, means: Mapping[int, NDArray[np.float64]]) -> Graph:
    """The unpruned graph with biases that make up for the channels that will go.

    ``means`` are the mean activations (channels,) of the maps; b_o += Σ_c W_oc · mean_c over the channels c
    that go (Molchanov et al. call it mean replacement). A layer without a bias stays as it is.
    """
    tensors, ops = list(graph.tensors), list(graph.ops)
    for i, labels in coupling.reads.items():
        op = graph.ops[i]
        gone = ~keep[labels]
        x, place = read_by(op), 3 if op.kind == OpKind.TRANSPOSE_CONV else 2
        is_layer = op.kind in (OpKind.CONV_2D, OpKind.FULLY_CONNECTED, OpKind.TRANSPOSE_CONV)
        if not is_layer or not gone.any() or len(op.inputs) <= place or op.inputs[place] < 0 or x not in means:
            continue
        kernel, bias = tensors[op.inputs[1]].real, tensors[op.inputs[place]]
        tensors.append(_raised(bias, _given(op, kernel, gone, means[x])))
        ops[i] = replace(op, inputs=(*op.inputs[:place], len(tensors) - 1, *op.inputs[place + 1 :]))
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _given(
    op: Op, kernel: NDArray[np.float32], gone: NDArray[np.bool_], means: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What channels that go give to each output on average; ``gone`` is along the kernel's last axis."""
    a_channel: NDArray[np.float64] = kernel.reshape(len(kernel), -1, kernel.shape[-1]).sum(axis=1, dtype=np.float64)
    if op.kind == OpKind.TRANSPOSE_CONV:  # a place of the output meets one tap of every stride's
        a_channel /= op.options.strideH * op.options.strideW
    groups = len(means) // kernel.shape[-1] if op.kind == OpKind.CONV_2D else 1
    if groups == 1:
        mean = np.resize(means, len(gone))  # a flattened map repeats its channels
        return np.asarray(a_channel[:, gone] @ mean[gone])
    by_group = a_channel.reshape(groups, -1, len(gone))[:, :, gone]
    return np.asarray(np.einsum("goi,gi->go", by_group, means.reshape(groups, len(gone))[:, gone]).reshape(-1))


def _raised(bias: Tensor, by: NDArray[np.float64]) -> Tensor:
    values = bias.array
    if bias.quantization is not None:
        limits = np.iinfo(values.dtype)
        values = np.clip(values + np.rint(by / bias.quantization.scale), limits.min, limits.max)
    else:
        values = values + by
    return replace(bias, data=np.ascontiguousarray(values.astype(NUMPY[bias.dtype])).view(np.uint8))
