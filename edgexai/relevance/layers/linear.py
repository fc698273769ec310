"""Relevance through any linear layer: `rules.py` says what is shared out, a layer says how it maps there and back.

Per-channel scales never reach the map: with w = scale · q, numerator and denominator of a share both carry the
scale of the output channel, so the pass computes with q itself (int8 in the file) and with bias / scale.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import DType, Op, OpKind, Tensor
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.reading.questions import fused_activation
from edgexai.relevance.rules import Array, Epsilon, Flat, Modify, Part, Rule, Share, ZPlus

LONG = 1 << 12
"""Values from which on a table of products is written as its factors."""


@dataclass(frozen=True)
class Kernel:
    """Weights q in the layout of their operator; real weights are ``scale`` (out,) along ``axis`` times q.

    ``mask`` is 0 where there is no connection (between the groups of a convolution).
    """

    q: Array
    scale: NDArray[np.float32]
    axis: int
    mask: Array | None = None

    @staticmethod
    def of(tensor: Tensor, axis: int) -> "Kernel":
        """The weights of a constant: 8 bits stay integers (of 9 bits where a zero point moves them), halves halves."""
        out = tensor.shape[axis]
        quantization = tensor.quantization
        if quantization is None or tensor.dtype not in (DType.INT8, DType.UINT8, DType.INT4):
            keeps = np.float16 if tensor.dtype == DType.FLOAT16 else np.float32
            return Kernel(tensor.array.astype(keeps), np.ones(out, np.float32), axis)
        scale = np.broadcast_to(np.where(quantization.scale > 0, quantization.scale, 1), out).astype(np.float32)
        q = _unpacked(tensor) if tensor.dtype == DType.INT4 else tensor.array
        if tensor.dtype == DType.UINT8 or np.any(quantization.zero_point):  # as a product's constant may have
            q = q.astype(np.int16) - np.int16(quantization.zero_point[0])
            q = q.astype(np.int8) if np.abs(q).max(initial=0) <= 127 else q
        return Kernel(q, scale, axis)

    def map(self, modify: Modify) -> Array:
        """q under a rule's modification."""
        q = modify(self.q)
        return q if self.mask is None else np.asarray(q * self.mask, q.dtype)

    def real(self) -> "Kernel":
        """The same weights with the scale multiplied in."""
        along = [1] * self.q.ndim
        along[self.axis] = -1
        q = np.asarray(self.q * self.scale.reshape(along), np.float32)
        return replace(self, q=q, scale=np.ones_like(self.scale))


def _unpacked(tensor: Tensor) -> Array:
    """Two 4-bit integers a byte, low nibble first."""
    assert tensor.data is not None
    pairs = np.stack([tensor.data << 4, tensor.data & 0xF0], axis=-1).reshape(-1).view(np.int8) >> 4
    return np.asarray(pairs[: int(np.prod(tensor.shape))].reshape(tensor.shape), np.int8)


class Linear(Protocol):
    """A linear layer y = W x + b as its operator family sees it; maps are tensors of the graph under construction."""

    @property
    def op(self) -> Op: ...

    @property
    def x(self) -> int:
        """The tensor that the layer maps."""
        ...

    @property
    def kernel(self) -> Kernel: ...

    @property
    def bias(self) -> NDArray[np.float32]: ...

    @property
    def mixes(self) -> bool:
        """Whether every output channel sees every input channel."""
        ...

    def with_kernel(self, kernel: Kernel) -> "Linear": ...

    def forward(self, x: int, q: Array, bias: NDArray[np.float32]) -> int:
        """q x + bias, without activation."""
        ...

    def transposed(self, s: int, q: Array) -> int:
        """qᵀ s, in the shape of the input."""
        ...

    def constant(self, value: float, q: Array) -> Array:
        """q x for an input that is ``value`` everywhere: zero padding shows at the border."""
        ...

    def summed(self, s: int) -> int:
        """1ᵀ s: what each input position gets if all weights are one, with one channel for all."""
        ...


RESOLVED = 0.05
"""Of the step of an integer output: what lies below that is nothing."""
INTEGER = 1e-6
"""The least stabilizer where relevance itself is quantized, map by map: nothing may dwarf all else."""


def pass_through(back: Backward, layer: Linear, rule: Rule, flow: Flow) -> None:
    """Share the relevance of a linear layer's output out to its input."""
    build, x, y = back.build, layer.x, layer.op.outputs[0]
    flow = back.full(flow, y)
    if isinstance(rule, Epsilon) and fused_activation(layer.op) in (0, 1):
        s = back.over_output(layer.op, flow, rule.stabilizer, layer.kernel.scale)
        back.took(s, layer.bias / layer.kernel.scale)
        back.give(x, Flow(layer.transposed(s, layer.kernel.q), is_factor=True))
        return
    r = back.relevance(y, flow)
    stabilizer = rule.stabilizer
    if isinstance(rule, ZPlus) and not rule.bias:
        stabilizer = max(stabilizer, back.step(y) * RESOLVED, INTEGER if back.integer else 0.0)
    if not rule.homogeneous:
        layer = layer.with_kernel(layer.kernel.real())
    if isinstance(rule, Flat) and layer.mixes:
        back.give(x, Flow(_flat(back, layer, rule, r), is_factor=False))
        return
    factors: list[int] = []  # of x
    others: list[int] = []  # relevance itself
    for share in rule.shares():
        parts = _reachable(share, back.nonnegative(x))
        if share.where < 0 and back.nonnegative(y):
            continue
        gated = r
        if share.where and not back.nonnegative(y):
            gated = build.mul(r, _gate(back, layer, share.where))
        in_one = _in_one(back, layer, x, parts)
        z = _denominator(back, layer, x, replace(share, parts=parts), stabilizer, in_one)
        s = build.div(gated, z)
        if share.factor != 1:
            s = build.mul(s, build.const(share.factor))
        back.took(s, _constants(layer, rule, share, stabilizer))
        if in_one is not None:
            others.append(_halves(back, build.mul(in_one.x, layer.transposed(s, in_one.q))))
            continue
        for part in parts:
            g = layer.transposed(s, layer.kernel.map(part.weight))
            _deal(back, part, x, g, factors, others)
    for total, is_factor in ((factors, True), (others, False)):
        if total:
            back.give(x, Flow(_sum(back, total), is_factor))


def _constants(layer: Linear, rule: Rule, share: Share, stabilizer: float) -> NDArray[np.float32]:
    """What of a denominator is the bias, in units of the kernel's scale. Where a rule leaves the bias out, a unit that
    nothing but its bias drives hands its relevance to the stabilizer alone."""
    if isinstance(rule, ZPlus) and not rule.bias:
        return np.asarray(stabilizer / layer.kernel.scale, np.float32)
    bias = sum((part.sign * part.bias(layer.bias) for part in share.parts), np.zeros_like(layer.bias))
    return np.asarray(bias / layer.kernel.scale, np.float32)


def _sum(back: Backward, maps: list[int]) -> int:
    total, *more = maps
    for other in more:
        total = back.build.add(total, other)
    return total


def _reachable(share: Share, nonnegative: bool) -> tuple[Part, ...]:
    """Without the parts that an input never negative leaves empty."""
    if not nonnegative:
        return share.parts
    parts = [replace(p, x="all") if p.x == "positive" else p for p in share.parts if p.x != "negative"]
    return tuple(parts)


def _input(back: Backward, part: Part, x: int) -> int:
    value = back.value(x)
    if part.x == "positive":
        return back.build.relu(value)
    if part.x == "negative":
        return back.build.minimum(value, back.build.const(0.0))
    return value


@dataclass(frozen=True)
class InOne:
    """Both sides of an input as a map of twice the channels, and the kernels that they meet as one."""

    x: int
    q: Array


def _in_one(back: Backward, layer: Linear, x: int, parts: tuple[Part, ...]) -> InOne | None:
    """Two convolutions as one, where the input is smaller than the output, in integers: KWS's first layer explains in
    two thirds of the time. Of floats, two are faster."""
    build, y = back.build, layer.op.outputs[0]
    if (
        not back.integer
        or [p.x for p in parts] != ["positive", "negative"]
        or layer.op.kind != OpKind.CONV_2D
        or not layer.mixes
    ):
        return None
    if 2 * prod(build.shape(x)) > prod(build.shape(y)):
        return None
    sides = build.concat([_input(back, part, x) for part in parts], 3)
    return InOne(sides, np.concatenate([layer.kernel.map(part.weight) for part in parts], axis=3))


def _halves(back: Backward, r: int) -> int:
    """(…, 2 C) -> (…, C): the first half of the channels and the second, added."""
    build, (*places, channels) = back.build, back.build.shape(r)
    size = (*places, channels // 2)
    zeros = [0] * len(places)
    return build.add(build.slice(r, (*zeros, 0), size), build.slice(r, (*zeros, channels // 2), size))


def _denominator(
    back: Backward, layer: Linear, x: int, share: Share, stabilizer: float, in_one: InOne | None = None
) -> int:
    """Σ over the parts, stabilized; in units of the kernel's scale."""
    build, kernel = back.build, layer.kernel
    bias = np.zeros_like(layer.bias)
    fixed: Array | None = None
    for part in share.parts:
        bias = bias + part.sign * part.bias(layer.bias)
        if isinstance(part.x, float):
            there = part.sign * layer.constant(part.x, kernel.map(part.weight))
            fixed = there if fixed is None else fixed + there
    offset = bias / kernel.scale
    if share.sign:
        offset = offset + share.sign * stabilizer / kernel.scale
    dynamic = [p for p in share.parts if not isinstance(p.x, float)]
    z: int | None = None
    if in_one is not None:
        z = layer.forward(in_one.x, in_one.q, np.asarray(offset, np.float32))
        dynamic = []
    for part in dynamic:
        here = np.asarray(offset if z is None else np.zeros_like(offset), np.float32)
        z_part = layer.forward(_input(back, part, x), kernel.map(part.weight), here)
        z = z_part if z is None else build.add(z, z_part)
    if z is None:
        assert fixed is not None
        return build.const(np.asarray(fixed + offset, np.float32))
    if fixed is not None:
        z = build.add(z, build.const(np.asarray(fixed, np.float32)))
    return z if share.sign else back.stabilized(z, stabilizer)


def _gate(back: Backward, layer: Linear, sign: int) -> int:
    """1 where the layer's output, before an activation, has this sign."""
    y = back.value(layer.op.outputs[0])
    if fused_activation(layer.op) not in (0, 1):
        x = back.value(layer.x)
        y = layer.forward(x, layer.kernel.q, np.asarray(layer.bias / layer.kernel.scale, np.float32))
    return back.above_zero(y if sign > 0 else back.build.mul(y, back.build.const(-1.0)))


def _deal(back: Backward, part: Part, x: int, g: int, factors: list[int], others: list[int]) -> None:
    build = back.build
    if part.x == "all":
        factors.append(g if part.sign > 0 else build.mul(g, build.const(-1.0)))
    elif isinstance(part.x, float):
        weight = part.sign * part.x
        if weight:
            others.append(g if weight == 1 else build.mul(g, build.const(weight)))
    else:
        others.append(build.mul(_input(back, part, x), g))


def _flat(back: Backward, layer: Linear, rule: Rule, r: int) -> int:
    """The flat rule needs one channel: sum the channels, divide by the window's size, spread over the window."""
    build = back.build
    z = layer.constant(1.0, np.ones_like(layer.kernel.q, np.float32))[..., :1]
    inverse = _written_short(back, np.asarray(1 / (z + rule.stabilizer), np.float32))
    return layer.summed(build.mul(_channel_sum(back, r), inverse))


def _written_short(back: Backward, table: NDArray[np.float32]) -> int:
    """A constant; a large one of rows times columns (rows, columns, 1) as the product of the two."""
    build = back.build
    if table.ndim == 3 and table.size > LONG and table.shape[2] == 1:
        middle = tuple(n // 2 for n in table.shape)
        rows, columns = table[:, middle[1] : middle[1] + 1], table[middle[0] : middle[0] + 1] / table[middle]
        if np.allclose(rows * columns, table, rtol=1e-5, atol=0):
            return build.mul(build.const(rows), build.const(columns))
    return build.const(table)


def _channel_sum(back: Backward, r: int) -> int:
    """(…, C) -> (…, 1); for maps a 1×1 convolution, which every runtime has a fast kernel for."""
    build, shape = back.build, back.build.shape(r)
    if shape[-1] == 1:
        return r
    if len(shape) != 4:
        return build.sum(r, [-1], keep_dims=True)
    return build.conv(r, build.weight(np.ones((1, 1, 1, shape[-1]), np.int8)), build.const(np.zeros(1, np.float32)))


def kernel_of(back: Backward, op: Op, weights: int, axis: int) -> Kernel:
    """The kernel of an operator; refused if it is not a constant."""
    tensor = back.constant(weights)
    if tensor is None:
        raise back.unsupported(op, "weights that are computed have no rule", "use constant weights")
    return Kernel.of(tensor, axis)


def bias_of(back: Backward, op: Op, kernel: Kernel, position: int = 2) -> NDArray[np.float32]:
    """The real bias (out,); zeros if the operator has none."""
    given = len(op.inputs) > position and op.inputs[position] >= 0
    tensor = back.constant(op.inputs[position]) if given else None
    return np.zeros_like(kernel.scale) if tensor is None else np.asarray(tensor.real, np.float32)
