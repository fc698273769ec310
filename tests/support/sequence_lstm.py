"""A fused LSTM as a graph, for the tests that explain and prune it."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import Builder, DType, Graph, OpKind, Tensor

TIME, FEATURES, UNITS = 7, 5, 4
Array = NDArray[np.float64]


def sequence_lstm(w: Array, u: Array, b: Array, **options: Any) -> Graph:
    """The fused operator that older converters write, and a sum over its last step."""
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, TIME, FEATURES))
    parts = [np.float32(np.split(a, 4, axis=-1)) for a in (w, u, b)]
    inputs = [x]
    inputs += [build.const(np.ascontiguousarray(parts[0][k].T)) for k in range(4)]
    inputs += [build.const(np.ascontiguousarray(parts[1][k].T)) for k in range(4)]
    inputs += [-1] * 3 + [build.const(parts[2][k]) for k in range(4)] + [-1, -1]
    for name in ("h", "c"):
        build.tensors.append(Tensor(name, (1, UNITS), DType.FLOAT32, is_variable=True))
        inputs.append(len(build.tensors) - 1)
    made = schema.UnidirectionalSequenceLSTMOptionsT(fusedActivationFunction=4, **options)
    y = build.op(OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM, inputs, (1, TIME, UNITS), made)
    last = build.reshape(build.slice(y, [0, TIME - 1, 0], [1, 1, UNITS]), (1, UNITS))
    return build.finish([build.dense(last, build.const(np.eye(UNITS, dtype=np.float32)))])
