"""Which operators have an int8 form, and what it asks of scales: TFLite's specification as LiteRT's kernels keep it."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgexai.graph import DType, Graph, Op, OpKind


@dataclass(frozen=True)
class Layer:
    """Where a layer's inputs stand, and the axis of the kernel's scales; None: one scale for all."""

    x: int
    kernel: int
    bias: int
    axis: int | None


LAYERS: Mapping[OpKind, Layer] = {
    OpKind.CONV_2D: Layer(0, 1, 2, 0),
    OpKind.DEPTHWISE_CONV_2D: Layer(0, 1, 2, 3),
    OpKind.FULLY_CONNECTED: Layer(0, 1, 2, None),
    OpKind.TRANSPOSE_CONV: Layer(2, 1, 3, 0),
}

SAME_SCALE = frozenset(
    {
        OpKind.AVERAGE_POOL_2D,
        OpKind.BATCH_TO_SPACE_ND,
        OpKind.BROADCAST_TO,
        OpKind.CONCATENATION,
        OpKind.DEPTH_TO_SPACE,
        OpKind.EXPAND_DIMS,
        OpKind.GATHER,
        OpKind.GATHER_ND,
        OpKind.MAXIMUM,
        OpKind.MAX_POOL_2D,
        OpKind.MINIMUM,
        OpKind.MIRROR_PAD,
        OpKind.PACK,
        OpKind.PAD,
        OpKind.PADV2,
        OpKind.REDUCE_MAX,
        OpKind.REDUCE_MIN,
        OpKind.RESHAPE,
        OpKind.RESIZE_BILINEAR,
        OpKind.RESIZE_NEAREST_NEIGHBOR,
        OpKind.REVERSE_V2,
        OpKind.SELECT,
        OpKind.SELECT_V2,
        OpKind.SLICE,
        OpKind.SPACE_TO_BATCH_ND,
        OpKind.SPACE_TO_DEPTH,
        OpKind.SPLIT,
        OpKind.SPLIT_V,
        OpKind.SQUEEZE,
        OpKind.STRIDED_SLICE,
        OpKind.TILE,
        OpKind.TOPK_V2,
        OpKind.TRANSPOSE,
        OpKind.UNPACK,
    }
)
"""Operators whose integer kernels move values without rescaling them."""

FIXED: Mapping[OpKind, tuple[float, int]] = {
    OpKind.L2_NORMALIZATION: (1 / 128, 0),
    OpKind.LOGISTIC: (1 / 256, -128),
    OpKind.LOG_SOFTMAX: (16 / 256, 127),
    OpKind.SOFTMAX: (1 / 256, -128),
    OpKind.TANH: (1 / 128, 0),
}
"""Output scale and zero point that the specification prescribes."""

VERSION: Mapping[OpKind, int] = {
    OpKind.ABS: 2,
    OpKind.ADD: 2,
    OpKind.ARG_MAX: 2,
    OpKind.ARG_MIN: 2,
    OpKind.AVERAGE_POOL_2D: 2,
    OpKind.BATCH_MATMUL: 2,
    OpKind.BATCH_TO_SPACE_ND: 2,
    OpKind.BROADCAST_TO: 3,
    OpKind.CONCATENATION: 2,
    OpKind.CONV_2D: 3,
    OpKind.DEPTHWISE_CONV_2D: 3,
    OpKind.DEPTH_TO_SPACE: 2,
    OpKind.EXP: 2,
    OpKind.EXPAND_DIMS: 1,
    OpKind.FULLY_CONNECTED: 4,
    OpKind.GATHER: 2,
    OpKind.GATHER_ND: 1,
    OpKind.GELU: 2,
    OpKind.HARD_SWISH: 1,
    OpKind.L2_NORMALIZATION: 2,
    OpKind.LEAKY_RELU: 2,
    OpKind.LOG: 2,
    OpKind.LOGISTIC: 2,
    OpKind.LOG_SOFTMAX: 2,
    OpKind.MAXIMUM: 2,
    OpKind.MAX_POOL_2D: 2,
    OpKind.MEAN: 2,
    OpKind.MINIMUM: 2,
    OpKind.MIRROR_PAD: 2,
    OpKind.MUL: 2,
    OpKind.PACK: 2,
    OpKind.PAD: 2,
    OpKind.PADV2: 2,
    OpKind.PRELU: 1,
    OpKind.REDUCE_MAX: 2,
    OpKind.REDUCE_MIN: 2,
    OpKind.RELU: 2,
    OpKind.RELU6: 2,
    OpKind.RELU_0_TO_1: 1,
    OpKind.RELU_N1_TO_1: 1,
    OpKind.RESHAPE: 1,
    OpKind.RESIZE_BILINEAR: 2,
    OpKind.RESIZE_NEAREST_NEIGHBOR: 2,
    OpKind.REVERSE_V2: 3,
    OpKind.RSQRT: 2,
    OpKind.SELECT: 1,
    OpKind.SELECT_V2: 1,
    OpKind.SHAPE: 1,
    OpKind.SLICE: 2,
    OpKind.SOFTMAX: 2,
    OpKind.SPACE_TO_BATCH_ND: 2,
    OpKind.SPACE_TO_DEPTH: 2,
    OpKind.SPLIT: 2,
    OpKind.SPLIT_V: 2,
    OpKind.SQUARED_DIFFERENCE: 2,
    OpKind.SQUEEZE: 1,
    OpKind.STRIDED_SLICE: 2,
    OpKind.SUB: 2,
    OpKind.SUM: 2,
    OpKind.TANH: 2,
    OpKind.TILE: 3,
    OpKind.TOPK_V2: 2,
    OpKind.TRANSPOSE: 2,
    OpKind.TRANSPOSE_CONV: 2,
    OpKind.UNPACK: 2,
}
"""Lowest version of each operator that knows int8. The others have no int8 kernel, or only of late (DIV, NEG), or a
wrong one: SCATTER_ND puts 0 where nothing lands, whatever the zero point is."""


def version(graph: Graph, op: Op) -> int:
    """The version of an operator's int8 form."""
    has_bias = op.kind == OpKind.TRANSPOSE_CONV and len(op.inputs) > LAYERS[op.kind].bias
    return max(op.version, 3) if has_bias else VERSION[op.kind]


def has_integers(graph: Graph, op: Op) -> bool:
    """Whether an operator on float maps has an int8 form: of its kind, with constant weights and without a state."""
    if op.kind not in VERSION or any(graph.tensors[t].is_variable for t in op.inputs if t >= 0):
        return False
    if op.kind not in LAYERS:
        return True
    weights = [t for t in (*op.inputs[1:2], *op.inputs[LAYERS[op.kind].bias :]) if t >= 0]
    return all(graph.tensors[t].is_constant and graph.tensors[t].dtype == DType.FLOAT32 for t in weights)
