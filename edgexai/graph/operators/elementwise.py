"""Operators that work value by value: activations, conversions, arithmetic, comparisons."""

from collections.abc import Mapping

import numpy as np

from edgexai.graph.ir import DType
from edgexai.graph.operators.at import MANY, QUANTIZED, At, Row, rows, spread
from edgexai.graph.opkind import OpKind as K


def _unary(at: At) -> None:
    at.same_type(0)
    at.makes(at.shape())


def _softmax(at: At) -> None:
    x = at.input()
    at.rank(0, (1, 2, 3, 4))
    beta = float(at.option("beta", 1.0))
    at.ensure(bool(np.isfinite(beta)) and beta > 0, f"has the factor {beta}")
    at.ensure((x.dtype in QUANTIZED) == (at.output().dtype in QUANTIZED), "mixes integers and real numbers")
    if x.dtype in QUANTIZED:
        at.scaled(x, at.output())
        assert x.quantization is not None
        at.ensure(beta * float(x.quantization.scale[0]) * 2**26 > 1, "has a scale too small for its kernel")
    at.makes(at.shape())


def _activation(at: At) -> None:
    at.scaled(at.input(), at.output())
    _unary(at)


def _converted(at: At) -> None:
    at.makes(at.shape())


def _dequantize(at: At) -> None:
    x = at.input()
    at.ensure(x.dtype not in (DType.FLOAT32, DType.STRING), f"takes {x.dtype.name}")
    at.ensure(at.output().dtype in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16), f"makes {at.output().dtype.name}")
    at.scaled(x)
    at.makes(at.shape())


def _quantize(at: At) -> None:
    at.scaled(at.output())
    at.makes(at.shape())


def _binary(at: At) -> None:
    at.same_type(0, 1)
    at.makes(spread(at, at.shape(0), at.shape(1)))


def _arithmetic(at: At) -> None:
    x, y, z = at.input(0), at.input(1), at.output()
    if at.op.kind != K.MUL or z.dtype != DType.INT32:
        at.same_type(0, 1)
    at.scaled(x, y, z) if z.dtype in QUANTIZED else None
    at.makes(spread(at, x.shape, y.shape))
    if z.dtype in QUANTIZED and at.op.kind in (K.ADD, K.SUB):
        one, other, made = (float(t.quantization.scale[0]) for t in (x, y, z) if t.quantization is not None)
        most = max(one, other)
        room = 2**15 if z.dtype == DType.INT16 else 2**20
        at.ensure(2 * most < room * made, "has a scale too small for its kernel")


def _compared(at: At) -> None:
    at.ensure(at.input(0).dtype == at.input(1).dtype, "compares two types")
    at.ensure(at.output().dtype == DType.BOOL, f"makes {at.output().dtype.name}")
    at.makes(spread(at, at.shape(0), at.shape(1)))


def _select(at: At) -> None:
    at.same_type(1, 2)
    at.ensure(at.input(0).dtype == DType.BOOL, f"chooses by {at.input(0).dtype.name}")
    if at.op.kind == K.SELECT_V2:
        at.makes(spread(at, at.shape(0), at.shape(1), at.shape(2)))
    else:
        at.ensure(at.shape(1) == at.shape(2), f"chooses between {at.shape(1)} and {at.shape(2)}")
        at.makes(at.shape(1))


def _prelu(at: At) -> None:
    at.same_type(0)
    at.scaled(at.input(0), at.input(1), at.output())
    at.ensure(spread(at, at.shape(0), at.shape(1)) == at.shape(0), f"has slopes of {at.shape(1)} for {at.shape(0)}")
    at.makes(at.shape(0))


def _many(at: At) -> None:
    at.same_type(*range(len(at.op.inputs)))
    at.ensure(all(at.shape(i) == at.shape() for i in range(len(at.op.inputs))), "adds several shapes")
    at.makes(at.shape())


ROWS: Mapping[K, Row] = {
    **rows(_unary, 1, K.ABS, K.NEG, K.EXP, K.LOG, K.SQRT, K.RSQRT, K.SQUARE, K.SIN, K.COS, K.FLOOR, K.CEIL, K.ROUND),
    **rows(_unary, 1, K.ELU, K.GELU, K.LOGICAL_NOT, K.ZEROS_LIKE, K.SIGN, K.LOCAL_RESPONSE_NORMALIZATION, full=False),
    **rows(_activation, 1, K.RELU, K.RELU6, K.RELU_N1_TO_1, K.RELU_0_TO_1, K.TANH, K.LOGISTIC, K.HARD_SWISH),
    **rows(_activation, 1, K.LEAKY_RELU, K.LOG_SOFTMAX, K.L2_NORMALIZATION),
    **rows(_softmax, 1, K.SOFTMAX),
    **rows(_dequantize, 1, K.DEQUANTIZE, full=False),
    **rows(_quantize, 1, K.QUANTIZE, full=False),
    **rows(_converted, 1, K.CAST, K.FAKE_QUANT, full=False),
    **rows(_arithmetic, 2, K.ADD, K.SUB, K.MUL, K.DIV, full=False),
    **rows(_binary, 2, K.MAXIMUM, K.MINIMUM, K.POW, K.SQUARED_DIFFERENCE, K.FLOOR_DIV, K.FLOOR_MOD, full=False),
    **rows(_binary, 2, K.LOGICAL_AND, K.LOGICAL_OR, K.ATAN2, full=False),
    **rows(_compared, 2, K.EQUAL, K.NOT_EQUAL, K.LESS, K.LESS_EQUAL, K.GREATER, K.GREATER_EQUAL, full=False),
    **rows(_select, 3, K.SELECT, K.SELECT_V2, full=False),
    **rows(_prelu, 2, K.PRELU),
    K.ADD_N: Row((1, MANY), _many),
}
