"""Which tensors can never be negative: a static look at the graph, so that rules need not split inputs by sign."""

import numpy as np

from edgexai.graph import DType, Graph, OpKind

MAKES_NONNEGATIVE = {
    OpKind.RELU,
    OpKind.RELU6,
    OpKind.RELU_0_TO_1,
    OpKind.LOGISTIC,
    OpKind.SOFTMAX,
    OpKind.ABS,
    OpKind.EXP,
    OpKind.SQRT,
    OpKind.SQUARE,
}
KEEPS_NONNEGATIVE = {
    OpKind.ADD,
    OpKind.AVERAGE_POOL_2D,
    OpKind.BATCH_TO_SPACE_ND,
    OpKind.BROADCAST_TO,
    OpKind.CONCATENATION,
    OpKind.DEPTH_TO_SPACE,
    OpKind.DEQUANTIZE,
    OpKind.EXPAND_DIMS,
    OpKind.GATHER,
    OpKind.MAX_POOL_2D,
    OpKind.MEAN,
    OpKind.MIRROR_PAD,
    OpKind.MUL,
    OpKind.PACK,
    OpKind.PAD,
    OpKind.QUANTIZE,
    OpKind.RESHAPE,
    OpKind.RESIZE_BILINEAR,
    OpKind.RESIZE_NEAREST_NEIGHBOR,
    OpKind.SLICE,
    OpKind.SPACE_TO_BATCH_ND,
    OpKind.SPACE_TO_DEPTH,
    OpKind.SPLIT,
    OpKind.SQUEEZE,
    OpKind.STRIDED_SLICE,
    OpKind.SUM,
    OpKind.TILE,
    OpKind.TRANSPOSE,
    OpKind.UNPACK,
}
FUSED_NONNEGATIVE = {1, 3}  # RELU, RELU6
LOWEST = {DType.INT8: -128, DType.UINT8: 0}
REAL = {DType.FLOAT32, DType.FLOAT16, DType.INT8, DType.UINT8, DType.INT16}


class Signs:
    """Answers, and remembers, whether a tensor is never negative."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._producer = graph.producers()
        self._known: dict[int, bool] = {}

    def nonnegative(self, t: int) -> bool:
        """Whether every value that the tensor can take is ≥ 0."""
        if t not in self._known:
            self._known[t] = self._look(t)
        return self._known[t]

    def _look(self, t: int) -> bool:
        tensor = self._graph.tensors[t]
        if tensor.quantization is not None and tensor.dtype in LOWEST:
            return bool(np.all(tensor.quantization.zero_point == LOWEST[tensor.dtype]))
        if tensor.is_constant:
            return bool(np.all(tensor.real >= 0)) if tensor.dtype in REAL else False
        if t not in self._producer:
            return False
        op = self._graph.ops[self._producer[t]]
        if getattr(op.options, "fusedActivationFunction", 0) in FUSED_NONNEGATIVE or op.kind in MAKES_NONNEGATIVE:
            return True
        if op.kind not in KEEPS_NONNEGATIVE:
            return False
        inputs = [i for i in op.inputs if i >= 0 and self._graph.tensors[i].dtype in REAL]
        return bool(inputs) and all(self.nonnegative(i) for i in inputs)
