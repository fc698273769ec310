"""Every operator that relevance can pass: one row each."""

from collections.abc import Callable, Mapping

from edgexai.graph import Op, OpKind
from edgexai.relevance import (
    activation,
    arithmetic,
    axiswise,
    conv,
    dense,
    depthwise,
    matmul,
    pool,
    product,
    reduce,
    shape,
    softmax,
    stack,
    transpose_conv,
)
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule

LINEAR = {
    OpKind.CONV_2D: conv.relevance,
    OpKind.DEPTHWISE_CONV_2D: depthwise.relevance,
    OpKind.FULLY_CONNECTED: dense.relevance,
    OpKind.TRANSPOSE_CONV: transpose_conv.relevance,
    OpKind.BATCH_MATMUL: matmul.relevance,
}
"""Layers that a composite gives a rule to."""

RELEVANCE: Mapping[OpKind, Callable[[Backward, Op, Rule, Flow], None]] = {
    **LINEAR,
    # sums, products, means
    OpKind.ADD: arithmetic.addition,
    OpKind.SUB: arithmetic.addition,
    OpKind.MUL: product.multiplication,
    OpKind.DIV: product.division,
    OpKind.NEG: product.negation,
    OpKind.MEAN: reduce.relevance,
    OpKind.SUM: reduce.relevance,
    OpKind.AVERAGE_POOL_2D: pool.average,
    OpKind.MAX_POOL_2D: pool.maximum,
    # activations and types
    OpKind.ABS: activation.relevance,
    OpKind.CAST: activation.identity,
    OpKind.DEQUANTIZE: activation.identity,
    OpKind.ELU: activation.relevance,
    OpKind.GELU: activation.relevance,
    OpKind.HARD_SWISH: activation.relevance,
    OpKind.L2_NORMALIZATION: activation.relevance,
    OpKind.LEAKY_RELU: activation.relevance,
    OpKind.LOGISTIC: activation.relevance,
    OpKind.PRELU: activation.relevance,
    OpKind.QUANTIZE: activation.identity,
    OpKind.RELU: activation.relevance,
    OpKind.RELU6: activation.relevance,
    OpKind.RELU_0_TO_1: activation.relevance,
    OpKind.RELU_N1_TO_1: activation.relevance,
    OpKind.SOFTMAX: softmax.relevance,
    OpKind.TANH: activation.relevance,
    # what moves values
    OpKind.BATCH_TO_SPACE_ND: shape.space_to_batch,
    OpKind.CONCATENATION: stack.concatenation,
    OpKind.DEPTH_TO_SPACE: shape.space_to_depth,
    OpKind.EXPAND_DIMS: shape.reshape,
    OpKind.GATHER: axiswise.gather,
    OpKind.MIRROR_PAD: axiswise.mirror_pad,
    OpKind.PACK: stack.pack,
    OpKind.PAD: shape.pad,
    OpKind.PADV2: shape.pad,
    OpKind.RESHAPE: shape.reshape,
    OpKind.RESIZE_BILINEAR: axiswise.resize,
    OpKind.RESIZE_NEAREST_NEIGHBOR: axiswise.resize,
    OpKind.REVERSE_V2: axiswise.reverse,
    OpKind.SLICE: axiswise.crop,
    OpKind.SPACE_TO_BATCH_ND: shape.space_to_batch,
    OpKind.SPACE_TO_DEPTH: shape.space_to_depth,
    OpKind.SPLIT: stack.split,
    OpKind.SPLIT_V: stack.split,
    OpKind.SQUEEZE: shape.reshape,
    OpKind.STRIDED_SLICE: axiswise.strided_slice,
    OpKind.TRANSPOSE: shape.transpose,
    OpKind.UNPACK: stack.unpack,
}
