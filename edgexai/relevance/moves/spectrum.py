"""RFFT2D over one axis, and what is read from it: COMPLEX_ABS, REAL, IMAG, CAST (the real part).

    X_k = Σ_n x_n e^{-2πikn/N},   |X_k| = (Re X_k · Re X_k + Im X_k · Im X_k) / |X_k|

Real and imaginary part are linear in x, and a magnitude is the sum of the two, each weighted by its share: relevance of
a frequency goes to the samples by what each contributes (DFT-LRP, Vielhaben et al. 2024, "Explainable AI for time
series via virtual inspection layers"). Back goes a Fourier transform again: with s = R / |X|² times the two parts,

    F_n = Σ_k (Re s_k cos(2πkn/N) - Im s_k sin(2πkn/N)),   R_n = x_n · F_n
"""

from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule

MOVES = {OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS}
SILENCE = 1e-12
"""A magnitude below this is none."""


def magnitude(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """COMPLEX_ABS: to both parts, by their squares."""
    build, (z,), y = back.build, op.inputs, op.outputs[0]
    shape = build.shape(y)
    size = build.add(back.value(y), build.const(SILENCE))
    factor = build.div(build.div(back.relevance(y, back.full(flow, y)), size), size)
    parts = [build.mul(factor, build.op(kind, [z], shape)) for kind in (OpKind.REAL, OpKind.IMAG)]
    _to_samples(back, op, parts[0], parts[1])


def part(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """REAL, IMAG, and CAST of complex numbers: a linear map of the samples."""
    factor = back.over_output(op, back.full(flow, op.outputs[0]), rule.stabilizer)
    imaginary = op.kind == OpKind.IMAG
    _to_samples(back, op, None if imaginary else factor, factor if imaginary else None)


def _to_samples(back: Backward, op: Op, real: int | None, imaginary: int | None) -> None:
    """The factor of every sample from the factors of real and imaginary parts."""
    build, transform = back.build, _transform(back, op)
    x = transform.inputs[0]
    lengths = [int(n) for n in back.fixed(transform, 1, "a length of the transform")]
    shape, bins = build.shape(x), build.shape(transform.outputs[0])
    if lengths[0] != 1 or (len(shape) > 1 and shape[-2] != 1):
        raise back.unsupported(op, "a Fourier transform over two axes has no rule", "transform one")
    count, half = lengths[1], lengths[1] // 2 + 1
    rows = prod(bins[:-1])
    even = odd = build.const(np.zeros((1, half), np.float32))
    if real is not None:
        even = _transformed(back, build.reshape(real, (rows, half)), count, OpKind.REAL)
    if imaginary is not None:
        odd = _transformed(back, build.reshape(imaginary, (rows, half)), count, OpKind.IMAG)
    first, behind = build.add(even, odd), build.sub(even, odd)
    inside = count - half  # samples N - n, for n = 1 …
    mirrored = build.slice(behind, (0, 1), (rows, inside))
    mirrored = build.op(OpKind.REVERSE_V2, [mirrored, build.const([1])], (rows, inside), schema.ReverseV2OptionsT())
    factor = build.concat([first, mirrored], 1)
    given = shape[-1]
    if given < count:
        factor = build.slice(factor, (0, 0), (rows, given))
    factor = build.pad(factor, [(0, 0), (0, max(0, given - count))])
    back.give(x, Flow(build.reshape(factor, shape), is_factor=True))


def _transformed(back: Backward, s: int, count: int, which: OpKind) -> int:
    """One part of the transform of (rows, bins), filled up with zeros."""
    build = back.build
    rows, half = build.shape(s)
    wide = build.reshape(build.pad(s, [(0, 0), (0, count - half)]), (rows, 1, count))
    inputs = [wide, build.const([1, count])]
    z = build.op(OpKind.RFFT2D, inputs, (rows, 1, half), schema.Rfft2dOptionsT(), dtype=DType.COMPLEX64)
    return build.reshape(build.op(which, [z], (rows, 1, half)), (rows, half))


def _transform(back: Backward, op: Op) -> Op:
    producer = back.producer(op.inputs[0])
    while producer is not None and producer.kind in MOVES:
        producer = back.producer(producer.inputs[0])
    if producer is None or producer.kind != OpKind.RFFT2D:
        raise back.unsupported(op, "complex numbers that come from elsewhere than RFFT2D have no rule", "replace it")
    return producer
