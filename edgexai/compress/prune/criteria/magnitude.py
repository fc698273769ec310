"""Mean |weight| of the kernels that write a channel (Li et al. 2017), by the norm of its layer."""

import numpy as np

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.criteria.maps import normalized
from edgexai.compress.prune.greedy import Scores
from edgexai.graph import Graph, OpKind

WRITE_AXIS = {OpKind.CONV_2D: 0, OpKind.DEPTHWISE_CONV_2D: 3, OpKind.FULLY_CONNECTED: 0, OpKind.TRANSPOSE_CONV: 0}


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label: the mean of its kernels' mean |weight|."""
    total, count = np.zeros(coupling.size), np.zeros(coupling.size)
    for op in graph.ops:
        line = coupling.line_of(op)
        if line is None or op.kind not in WRITE_AXIS:
            continue
        kernel = np.moveaxis(np.abs(graph.tensors[op.inputs[1]].real), WRITE_AXIS[op.kind], 0)
        np.add.at(total, line.labels, kernel.reshape(len(kernel), -1).mean(axis=1))
        np.add.at(count, line.labels, 1)
    known = normalized(coupling, total / np.maximum(count, 1))
    return np.where(count > 0, known, np.inf)
