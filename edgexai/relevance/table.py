"""Every operator that relevance can pass: one row each."""

from collections.abc import Callable, Mapping

from edgexai.graph import Op, OpKind
from edgexai.relevance import activation, arithmetic, conv, dense, depthwise, pool, reduce, shape
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule

LINEAR = {
    OpKind.CONV_2D: conv.relevance,
    OpKind.DEPTHWISE_CONV_2D: depthwise.relevance,
    OpKind.FULLY_CONNECTED: dense.relevance,
}
"""Layers that a composite gives a rule to."""

RELEVANCE: Mapping[OpKind, Callable[[Backward, Op, Rule, Flow], None]] = {
    **LINEAR,
    OpKind.ADD: arithmetic.addition,
    OpKind.AVERAGE_POOL_2D: pool.average,
    OpKind.CONCATENATION: shape.concatenation,
    OpKind.DEQUANTIZE: activation.identity,
    OpKind.ELU: activation.relevance,
    OpKind.EXPAND_DIMS: shape.reshape,
    OpKind.HARD_SWISH: activation.relevance,
    OpKind.LEAKY_RELU: activation.relevance,
    OpKind.LOGISTIC: activation.relevance,
    OpKind.MAX_POOL_2D: pool.maximum,
    OpKind.MEAN: reduce.relevance,
    OpKind.PAD: shape.pad,
    OpKind.PADV2: shape.pad,
    OpKind.QUANTIZE: activation.identity,
    OpKind.RELU: activation.relevance,
    OpKind.RELU6: activation.relevance,
    OpKind.RELU_0_TO_1: activation.relevance,
    OpKind.RELU_N1_TO_1: activation.relevance,
    OpKind.RESHAPE: shape.reshape,
    OpKind.SQUEEZE: shape.reshape,
    OpKind.SUM: reduce.relevance,
    OpKind.TANH: activation.relevance,
    OpKind.TRANSPOSE: shape.transpose,
}
