"""UNIDIRECTIONAL_SEQUENCE_LSTM -> its steps as dense layers, gates and sums, which relevance then goes back through.

    c_t = f_t · c_{t-1} + i_t · g_t,   h_t = o_t · tanh(c_t),   g_t = tanh(W x_t + U h_{t-1} + b)

A gate takes no relevance, the signal all of it (Arras et al. 2017, "Explaining Recurrent Neural Network Predictions
in Sentiment Analysis"); the sum shares out. Every sequence starts from a zero state. A cell that is clipped (the
converter's default is at ±10) hands all its relevance on, as any activation does.
"""

from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, Op, OpKind, Tensor
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule

TANH = 4
INPUT, FORGET, CELL, OUTPUT = range(4)
PLAIN = range(9, 12), range(16, 18), range(20, 24)
"""Inputs that a plain LSTM leaves out: peepholes, projection, layer normalization."""


@dataclass(frozen=True)
class Step:
    """What h and c become at one time."""

    h: int
    c: int


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of all the steps' outputs -> relevance of the sequence."""
    if any(i < len(op.inputs) and op.inputs[i] >= 0 for group in PLAIN for i in group):
        raise back.unsupported(op, "peepholes, projection and layer normalization have no rule", "use a plain LSTM")
    if op.options.fusedActivationFunction != TANH or op.inputs[1] < 0:
        raise back.unsupported(op, "coupled gates and other cells than tanh have no rule", "use a plain LSTM")
    build = back.build
    x = back.value(op.inputs[0])
    mark = len(build.ops)
    steps = _outputs(back, op, x)
    time = 0 if op.options.timeMajor else 1
    shape = build.shape(op.outputs[0])
    rows = [build.reshape(h, (*shape[:time], 1, *shape[time + 1 :])) for h in steps]
    copy = build.concat(rows, time)
    back.walk_inside(op, rule, build.ops[mark:], {op.outputs[0]: copy})
    arrived = back.arrived(x)
    if x != op.inputs[0] and arrived is not None:
        back.give(op.inputs[0], arrived)


def _outputs(back: Backward, op: Op, x: int) -> list[int]:
    """h of every step; each gate reads the model's own kernels."""
    build = back.build
    kernels = [_kernel(back, op, 1 + k) for k in range(4)]
    recurrent = [_kernel(back, op, 5 + k) for k in range(4)]
    biases = [build.const(_constant(back, op, 12 + k).real) for k in range(4)]
    width, features = build.shape(kernels[CELL])
    rows = build.reshape(x, (int(np.prod(build.shape(x))) // features, features))
    of_input = [_apart(build, build.dense(rows, *both)) for both in zip(kernels, biases, strict=True)]
    clip = float(op.options.cellClip)
    clip = 0.0 if len(of_input[CELL]) <= clip else clip  # |c| grows by less than one a step
    step: Step | None = None
    outputs = []
    for gates in zip(*of_input, strict=True):
        if step is not None:
            h = step.h
            gates = tuple(build.add(z, build.dense(h, u)) for z, u in zip(gates, recurrent, strict=True))
        step = _step(build, gates, step, width, clip)
        outputs.append(step.h)
    return outputs


def _step(build: Builder, gates: tuple[int, ...], before: Step | None, width: int, clip: float) -> Step:
    i, f, o = (build.op(OpKind.LOGISTIC, [gates[k]], (1, width)) for k in (INPUT, FORGET, OUTPUT))
    c = build.mul(i, build.op(OpKind.TANH, [gates[CELL]], (1, width)))
    if before is not None:
        c = build.add(build.mul(f, before.c), c)
    if clip:
        c = build.mul(build.mul(c, build.const(1 / clip), "RELU_N1_TO_1"), build.const(clip))
    return Step(build.mul(o, build.op(OpKind.TANH, [c], (1, width))), c)


def _apart(build: Builder, y: int) -> list[int]:
    """The rows of y, (1, out) each."""
    count, out = build.shape(y)
    options = schema.UnpackOptionsT(num=count, axis=0)
    return [build.reshape(row, (1, out)) for row in build.several(OpKind.UNPACK, [y], [(out,)] * count, options)]


def _kernel(back: Backward, op: Op, position: int) -> int:
    tensor = _constant(back, op, position)
    if tensor.quantization is not None and len(tensor.quantization.scale) > 1:  # old kernels dequantize by one scale
        return back.build.const(tensor.real)
    return back.value(op.inputs[position])


def _constant(back: Backward, op: Op, position: int) -> Tensor:
    tensor = back.constant(op.inputs[position])
    if tensor is None:
        raise back.unsupported(op, "weights that are computed have no rule", "use constant weights")
    return tensor
