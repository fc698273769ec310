"""Bias correction: what a channel gave on average goes into the bias of the layers that read it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.prune.shrink import Keep
from edgexai.graph import Graph, Tensor
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
        x = op.inputs[0]
        if not gone.any() or len(op.inputs) < 3 or op.inputs[2] < 0 or x not in means:
            continue
        kernel, bias = tensors[op.inputs[1]].real, tensors[op.inputs[2]]
        a_channel = kernel.reshape(len(kernel), -1, kernel.shape[-1]).sum(axis=1)
        mean = np.resize(means[x], len(labels))  # a flattened map repeats its channels
        tensors.append(_raised(bias, a_channel[:, gone] @ mean[gone]))
        ops[i] = replace(op, inputs=(*op.inputs[:2], len(tensors) - 1))
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _raised(bias: Tensor, by: NDArray[np.float64]) -> Tensor:
    values = bias.array
    if bias.quantization is not None:
        limits = np.iinfo(values.dtype)
        values = np.clip(values + np.rint(by / bias.quantization.scale), limits.min, limits.max)
    else:
        values = values + by
    return replace(bias, data=np.ascontiguousarray(values.astype(NUMPY[bias.dtype])).view(np.uint8))
