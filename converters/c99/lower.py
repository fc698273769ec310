"""Graph -> Schedule of predicting: one table row an operator, a function each that says which kernel computes it.

What is not covered is refused by number and name; nothing is approximated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from converters.c99 import fixed
from converters.c99.schedule import Buffer, Constant, Literal, Schedule, Step
from edgexai.errors import ModelError, UnsupportedOperator
from edgexai.graph import DType, Graph, Op, OpKind, Tensor, settled

FUSED = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
C_TYPES = {DType.INT8: "int8_t", DType.FLOAT32: "float"}


@dataclass
class Lowering:
    """A graph on its way into a schedule: tensors by number get the buffer in which they lie."""

    graph: Graph
    steps: list[Step] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    home: dict[int, str] = field(default_factory=dict)
    at: int = 0

    @property
    def op(self) -> Op:
        return self.graph.ops[self.at]

    def refuse(self, why: str) -> UnsupportedOperator:
        """The refusal of the operator that is being lowered."""
        where = self.graph.describe(self.at)
        return UnsupportedOperator(f"firmware does not cover {where}: {why}; take the layer out or run the .tflite")

    def tensor(self, t: int) -> Tensor:
        return self.graph.tensors[t]

    def scale(self, t: int) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor."""
        tensor = self.tensor(t)
        if tensor.dtype != DType.INT8 or tensor.quantization is None or tensor.quantization.scale.size != 1:
            raise self.refuse(f"{tensor.name!r} is {tensor.dtype.name}, not int8 with one scale")
        return float(tensor.quantization.scale[0]), int(tensor.quantization.zero_point[0])

    def constant(self, t: int) -> Any:
        tensor = self.tensor(t)
        if not tensor.is_constant:
            raise self.refuse(f"{tensor.name!r} must be constant")
        return tensor.array

    def value(self, t: int) -> "str | Constant":
        """The buffer or constant that holds a tensor."""
        if t in self.home:
            return self.home[t]
        return Constant(self.constant(t))

    def new(self, t: int) -> str:
        """A buffer for the tensor that the operator writes."""
        tensor = self.tensor(t)
        if tensor.dtype not in C_TYPES:
            raise self.refuse(f"{tensor.name!r} is {tensor.dtype.name}; maps must be int8")
        size = prod(tensor.shape) * (4 if tensor.dtype == DType.FLOAT32 else 1)
        name = f"t{t}"
        self.buffers[name] = Buffer(name, size)
        self.home[t] = name
        return name

    def scratch(self, size: int) -> str:
        name = f"s{len(self.steps)}"
        self.buffers[name] = Buffer(name, size, "scratch")
        return name

    def call(
        self,
        function: str,
        type: str,
        parameters: Mapping[str, Any],
        inputs: Sequence["str | Constant"],
        output: str,
        extra: Sequence["Literal | Constant"] = (),
        scratch: int = 0,
        keeps: bool = False,
    ) -> None:
        """Append a call ``function(&parameters, extra…, inputs…, output, scratch)``; ``keeps`` adds to an output."""
        tail = (self.scratch(scratch),) if scratch else ()
        reads = tuple(i for i in inputs if isinstance(i, str)) + ((output,) if keeps else ())
        arguments = (*inputs, *extra, output, *tail)
        label = self.graph.describe(self.at)
        self.steps.append(Step(function, type, parameters, arguments, reads, (output, *tail), label))

    def range(self, t: int, fused: int) -> tuple[int, int]:
        """Least and largest value that an operator may write, by its fused activation."""
        if fused not in FUSED:
            raise self.refuse(f"fused activation {fused}")
        scale, zero = self.scale(t)
        low, top = FUSED[fused]
        bottom = -128 if low is None else max(-128, zero + _quantized(low, scale))
        return bottom, 127 if top is None else min(127, zero + _quantized(top, scale))


def _quantized(real: float, scale: float) -> int:
    return fixed.round_away(float(np.float32(real) / np.float32(scale)))


def lower(graph: Graph) -> Lowering:
    """The forward pass of a model: batch 1, int8 inside, float32 at most where it comes in and goes out."""
    graph = settled(graph)
    low = Lowering(graph)
    for k, t in enumerate(graph.inputs):
        tensor = graph.tensors[t]
        if tensor.dtype not in C_TYPES:
            raise ModelError(f"input {tensor.name!r} is {tensor.dtype.name}; firmware takes int8 or float32")
        low.home[t] = f"x{k}"
        low.buffers[f"x{k}"] = Buffer(f"x{k}", 0, "input")
    needed = _needed(graph)
    for low.at, op in enumerate(graph.ops):
        if low.at not in needed:
            continue
        if op.kind not in TABLE:
            raise low.refuse("there is no kernel for it")
        try:
            TABLE[op.kind](low, op)
        except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            where = graph.describe(low.at)
            raise ModelError(f"{where} contradicts its tensors ({error}); convert the model again") from error
    return low


def schedule(low: Lowering) -> Schedule:
    """Predicting alone: the last step of an output writes into the caller's memory."""
    graph = low.graph
    renamed: dict[str, str] = {}
    steps, buffers, outputs = list(low.steps), dict(low.buffers), []
    written = {name for step in steps for name in step.writes}
    for k, t in enumerate(graph.outputs):
        name, home = f"y{k}", low.home.get(t)
        if home is None:
            raise ModelError(f"output {graph.tensors[t].name!r} is constant; firmware needs one that is computed")
        outputs.append(name)
        buffers[name] = Buffer(name, 0, "output")
        read = any(home in s.reads for s in steps)
        if home in written and home not in renamed and not read:
            renamed[home] = name
        else:
            steps.append(copy_step(renamed.get(home, home), name, low, t))
    steps = [rename(s, renamed) for s in steps]
    return Schedule(tuple(steps), buffers, tuple(f"x{k}" for k in range(len(graph.inputs))), tuple(outputs))


def copy_step(source: str, target: str, low: Lowering, t: int) -> Step:
    """A map as it is, into other memory."""
    tensor = low.tensor(t)
    size = prod(tensor.shape) * (4 if tensor.dtype == DType.FLOAT32 else 1)
    return Step("memcpy", "", {}, (target, source, Literal(str(size))), (source,), (target,), "copy")


def rename(step: Step, names: Mapping[str, str]) -> Step:
    """The step on other buffers."""
    return replace(
        step,
        arguments=tuple(names.get(a, a) if isinstance(a, str) else a for a in step.arguments),
        reads=tuple(names.get(n, n) for n in step.reads),
        writes=tuple(names.get(n, n) for n in step.writes),
    )


def _needed(graph: Graph) -> set[int]:
    """The operators that an output depends on and that depend on an input."""
    producers = graph.producers()
    needed: set[int] = set()
    todo = list(graph.outputs)
    while todo:
        i = producers.get(todo.pop())
        if i is not None and i not in needed:
            needed.add(i)
            op = graph.ops[i]
            data = op.inputs[:1] if op.kind == OpKind.RESHAPE else op.inputs
            todo.extend(t for t in data if t >= 0)
    return needed


# --- layers with weights


def _layer(low: Lowering, op: Op, kind: OpKind) -> tuple[dict[str, Any], int]:
    """The parameters of `exai_layer`, and the bytes of its scratch memory."""
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    weights = low.constant(w)
    q = low.tensor(w).quantization
    if low.tensor(w).dtype != DType.INT8 or q is None or np.any(q.zero_point):
        raise low.refuse("weights must be int8 with zero point 0")
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    low_value, high_value = low.range(y, int(op.options.fusedActivationFunction))
    shape_x, shape_y = low.tensor(x).shape, low.tensor(y).shape
    depthwise = kind == OpKind.DEPTHWISE_CONV_2D
    if kind == OpKind.FULLY_CONNECTED:
        out, inside = weights.shape
        rows = prod(shape_x) // inside
        geometry = dict.fromkeys(
            ("in_columns", "out_columns", "kernel_rows", "kernel_columns", "stride_rows", "stride_columns",
             "dilation_rows", "dilation_columns"), 1,
        )  # fmt: skip
        geometry |= {"in_rows": rows, "out_rows": rows, "in_channels": inside, "out_channels": out, "top": 0, "left": 0}
        sums = weights.astype(np.int64).sum(1)
    else:
        if len(shape_x) != 4 or shape_x[0] != 1:
            raise low.refuse("batches must be of one")
        geometry = _geometry(low, op, shape_x, shape_y, weights.shape[1:3])
        geometry |= {"in_channels": shape_x[3], "out_channels": shape_y[3]}
        if depthwise:
            sums = weights.astype(np.int64).reshape(-1, shape_y[3]).sum(0)
            if shape_y[3] % shape_x[3]:
                raise low.refuse("channels that are no multiple of the input's")
        else:
            if weights.shape[3] != shape_x[3]:
                raise low.refuse("grouped convolutions have no kernel")
            sums = weights.astype(np.int64).reshape(shape_y[3], -1).sum(1)
    pairs = [fixed.multiplier(in_scale * float(s) / out_scale) for s in q.scale]
    bias = np.zeros(geometry["out_channels"], np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        if low.tensor(op.inputs[2]).dtype != DType.INT32:
            raise low.refuse("biases must be int32")
        bias = low.constant(op.inputs[2]).reshape(-1).astype(np.int64)
    folded = (bias - in_zero * sums + (1 << 31)) % (1 << 32) - (1 << 31)
    parameters = {
        "weights": Constant(weights.reshape(-1)),
        "bias": Constant(folded.astype(np.int32)),
        "multiplier": Constant(np.array([m for m, _ in pairs], np.int32)),
        "shift": Constant(np.array([s for _, s in pairs], np.int8)),
        **geometry,
        "in_zero": in_zero,
        "out_zero": out_zero,
        "low": low_value,
        "high": high_value,
        "step": int(len(pairs) > 1),
    }
    if any(not 0 <= v < 1 << 16 for v in geometry.values()):
        raise low.refuse("a size beyond 65,535")
    taps = geometry["kernel_rows"] * geometry["kernel_columns"]
    if depthwise:
        return parameters, 8 * taps + geometry["in_channels"]
    depth = -(-taps * geometry["in_channels"] // 4) * 4
    return parameters, 5 * depth


def _geometry(low: Lowering, op: Op, x: Sequence[int], y: Sequence[int], kernel: Sequence[int]) -> dict[str, int]:
    options = op.options
    stride = int(options.strideH), int(options.strideW)
    dilation = int(getattr(options, "dilationHFactor", 1) or 1), int(getattr(options, "dilationWFactor", 1) or 1)
    pads = []
    for a in range(2):
        span = (kernel[a] - 1) * dilation[a] + 1
        pads.append(max(0, (y[a + 1] - 1) * stride[a] + span - x[a + 1]) // 2 if options.padding == 0 else 0)
    sizes = ("in_rows", "in_columns", "out_rows", "out_columns", "kernel_rows", "kernel_columns")
    found = dict(zip(sizes, (x[1], x[2], y[1], y[2], kernel[0], kernel[1]), strict=True))
    found |= {"stride_rows": stride[0], "stride_columns": stride[1]}
    found |= {"dilation_rows": dilation[0], "dilation_columns": dilation[1]}
    return found | {"top": pads[0], "left": pads[1]}


def _conv(low: Lowering, op: Op) -> None:
    parameters, scratch = _layer(low, op, op.kind)
    function = "exai_depthwise" if op.kind == OpKind.DEPTHWISE_CONV_2D else "exai_conv"
    low.call(function, "exai_layer", parameters, [low.value(op.inputs[0])], low.new(op.outputs[0]), scratch=scratch)


# --- pools, means


def _pool(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    shape_x, shape_y = low.tensor(x).shape, low.tensor(y).shape
    if shape_x[0] != 1:
        raise low.refuse("batches must be of one")
    if low.scale(x) != low.scale(y):
        raise low.refuse("input and output must have one scale")
    parameters = _geometry(low, op, shape_x, shape_y, (int(op.options.filterHeight), int(op.options.filterWidth)))
    parameters = {k: v for k, v in parameters.items() if "dilation" not in k}
    bottom, top = low.range(y, int(op.options.fusedActivationFunction))
    parameters |= {"channels": shape_x[3], "low": bottom, "high": top}
    function = "exai_max_pool" if op.kind == OpKind.MAX_POOL_2D else "exai_average_pool"
    low.call(function, "exai_pool", parameters, [low.value(x)], low.new(y))


def _reduce(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    shape = low.tensor(x).shape
    axes = {int(a) % len(shape) for a in np.atleast_1d(low.constant(op.inputs[1]))}
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    strides = [prod(shape[a + 1 :]) for a in range(len(shape))]
    kept = _merged([(shape[a], strides[a]) for a in range(len(shape)) if a not in axes])
    over = _merged([(shape[a], strides[a]) for a in range(len(shape)) if a in axes])
    if len(kept) > 3 or len(over) > 3:
        raise low.refuse("more than three axes that are not next to each other")
    count = prod(n for n, _ in over)
    m, shift = fixed.multiplier(in_scale / out_scale)
    if op.kind == OpKind.MEAN:
        by = min(count.bit_length() - 1, 32, 31 + shift)
        m, shift = (m << by) // count, shift - by
    kept, over = [(1, 0)] * (3 - len(kept)) + kept, [(1, 0)] * (3 - len(over)) + over
    parameters = {
        "count": [n for n, _ in kept],
        "stride": [s for _, s in kept],
        "over": [n for n, _ in over],
        "over_stride": [s for _, s in over],
        "multiplier": m,
        "shift": shift,
        "offset": -in_zero * count,
        "zero": out_zero,
    }
    low.call("exai_reduce", "exai_reduction", parameters, [low.value(x)], low.new(y))


def _merged(loops: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Loops (count, stride) with those of one turn left out and neighbours that continue each other made one."""
    found: list[tuple[int, int]] = []
    for count, stride in loops:
        if count == 1:
            continue
        if found and found[-1][1] == count * stride:
            found[-1] = (found[-1][0] * count, stride)
        else:
            found.append((count, stride))
    return found


# --- two maps


def _pair(low: Lowering, op: Op) -> dict[str, Any]:
    a, b, y = *op.inputs, op.outputs[0]
    shape = low.tensor(y).shape
    loops: list[tuple[int, int, int]] = []
    wide_a, wide_b = (_broadcast(low.tensor(t).shape, shape) for t in (a, b))
    for n, s, t in zip(shape, wide_a, wide_b, strict=True):
        if n == 1:
            continue
        if loops and loops[-1][1] == n * s and loops[-1][2] == n * t and loops[-1][0] * n < 1 << 16:
            loops[-1] = (loops[-1][0] * n, s, t)
        else:
            loops.append((n, s, t))
    if len(loops) > 4:
        raise low.refuse("broadcasting along more than four axes")
    loops = [(1, 0, 0)] * (4 - len(loops)) + loops
    if any(v >= 1 << 16 for loop in loops for v in loop):
        raise low.refuse("a size beyond 65,535")
    bottom, top = low.range(y, int(op.options.fusedActivationFunction))
    return {
        "count": [n for n, _, _ in loops],
        "stride_a": [s for _, s, _ in loops],
        "stride_b": [t for _, _, t in loops],
        "zero_a": low.scale(a)[1],
        "zero_b": low.scale(b)[1],
        "zero": low.scale(y)[1],
        "low": bottom,
        "high": top,
    }


def _broadcast(shape: Sequence[int], wide: Sequence[int]) -> list[int]:
    """Strides of a map along the axes of a wider one, 0 where it is repeated."""
    padded = (1,) * (len(wide) - len(shape)) + tuple(shape)
    return [0 if n == 1 else prod(padded[a + 1 :]) for a, n in enumerate(padded)]


def _add(low: Lowering, op: Op) -> None:
    a, b, y = *op.inputs, op.outputs[0]
    scales = [low.scale(t)[0] for t in (a, b, y)]
    twice = 2 * max(scales[:2])
    pairs = [fixed.multiplier(s / twice) for s in scales[:2]]
    pairs.append(fixed.multiplier(twice / (2**20 * scales[2])))
    if any(shift > 0 for _, shift in pairs):
        raise low.refuse("an output scale that is very much smaller than the inputs'")
    (m_a, shift_a), (m_b, shift_b), (m, shift) = pairs
    parameters = _pair(low, op) | {
        "multiplier_a": m_a,
        "shift_a": shift_a,
        "multiplier_b": m_b,
        "shift_b": shift_b,
        "multiplier": m,
        "shift": shift,
        "sign_b": -1 if op.kind == OpKind.SUB else 1,
    }
    low.call("exai_add", "exai_pair", parameters, [low.value(a), low.value(b)], low.new(y))


def _multiply(low: Lowering, op: Op) -> None:
    a, b, y = *op.inputs, op.outputs[0]
    product = float(np.float32(low.scale(a)[0]) * np.float32(low.scale(b)[0]))
    m, shift = fixed.multiplier(product / low.scale(y)[0])
    parameters = _pair(low, op) | {"multiplier": m, "shift": shift}
    low.call("exai_multiply", "exai_pair", parameters, [low.value(a), low.value(b)], low.new(y))


# --- functions of one value


def _table(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    both = in_scale, in_zero, out_scale, out_zero
    if op.kind == OpKind.LOGISTIC:
        if (out_scale, out_zero) != (1 / 256, -128):
            raise low.refuse("its output must have scale 1/256 and zero point -128")
        table = fixed.logistic_table(in_scale, in_zero)
    elif op.kind == OpKind.TANH:
        if (out_scale, out_zero) != (1 / 128, 0):
            raise low.refuse("its output must have scale 1/128 and zero point 0")
        table = fixed.tanh_table(in_scale, in_zero)
    elif op.kind == OpKind.HARD_SWISH:
        table = fixed.hard_swish_table(*both)
    elif op.kind == OpKind.LEAKY_RELU:
        table = fixed.leaky_table(*both, float(op.options.alpha))
    elif op.kind == OpKind.QUANTIZE:
        table = fixed.rescale_table(*both)
    elif op.kind == OpKind.RELU6:
        if low.scale(x) != low.scale(y):
            raise low.refuse("input and output must have one scale")
        table = np.clip(fixed.INT8, max(-128, in_zero), min(127, in_zero + _quantized(6.0, in_scale))).astype(np.int8)
    else:
        table = fixed.relu_table(*both)
    count = Literal(str(prod(low.tensor(y).shape)))
    home = low.value(x)
    name = low.new(y)
    reads = (home,) if isinstance(home, str) else ()
    label = low.graph.describe(low.at)
    low.steps.append(Step("exai_lookup", "", {}, (Constant(table), home, count, name), reads, (name,), label))


def _quantize(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    source = low.tensor(x).dtype
    if source == DType.INT8 and low.tensor(y).dtype == DType.INT8:
        return _table(low, op)
    integer = y if op.kind == OpKind.QUANTIZE else x
    scale, zero = low.scale(integer)
    other = low.tensor(x if integer == y else y)
    if other.dtype != DType.FLOAT32:
        raise low.refuse(f"{other.dtype.name} at its other side")
    numbers = (Literal(str(prod(other.shape))), Literal(f"{scale.hex()}f"), Literal(str(zero)))
    function = "exai_quantize" if integer == y else "exai_dequantize"
    low.call(function, "", {}, [low.value(x)], low.new(y), numbers)
    return None


def _softmax(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    if low.scale(y) != (1 / 256, -128):
        raise low.refuse("its output must have scale 1/256 and zero point -128")
    table = fixed.softmax_table(low.scale(x)[0], float(op.options.beta))
    shape = low.tensor(x).shape
    parameters = {
        "exponentials": Constant(table),
        "rows": prod(shape[:-1]),
        "columns": shape[-1],
        "differences": len(table),
    }
    low.call("exai_softmax_rows", "exai_softmax", parameters, [low.value(x)], low.new(y))


# --- moves


def _alias(low: Lowering, op: Op) -> None:
    """RESHAPE and its kin: the same bytes."""
    x, y = op.inputs[0], op.outputs[0]
    if x not in low.home:
        raise low.refuse("its input must be computed")
    low.home[y] = low.home[x]


def _move(
    low: Lowering,
    x: int,
    y: int,
    shape: Sequence[int],
    from_strides: Sequence[int],
    to_strides: Sequence[int],
    start: int = 0,
    to: int = 0,
    keeps: bool = False,
) -> None:
    """Copy a block of ``shape``; strides in elements of the map that is read and of the one that is written."""
    size = 4 if low.tensor(x).dtype == DType.FLOAT32 else 1
    loops: list[tuple[int, int, int]] = []
    for n, u, v in zip(shape, from_strides, to_strides, strict=True):
        if n == 1:
            continue
        if loops and loops[-1][1] == n * u and loops[-1][2] == n * v:
            loops[-1] = (loops[-1][0] * n, u, v)
        else:
            loops.append((n, u, v))
    run = 1
    if loops and loops[-1][1:] == (1, 1):
        run = loops.pop()[0]
    if len(loops) > 4:
        raise low.refuse("a move along more than four axes")
    loops = [(1, 0, 0)] * (4 - len(loops)) + loops
    parameters = {
        "count": [n for n, _, _ in loops],
        "from_stride": [u * size for _, u, _ in loops],
        "to_stride": [v * size for _, _, v in loops],
        "from": start * size,
        "to": to * size,
        "run": run * size,
    }
    target = low.home[y] if y in low.home else low.new(y)
    low.call("exai_shift", "exai_move", parameters, [low.value(x)], target, keeps=keeps)


def _strides(shape: Sequence[int]) -> list[int]:
    return [prod(shape[a + 1 :]) for a in range(len(shape))]


def _concatenation(low: Lowering, op: Op) -> None:
    y = op.outputs[0]
    shape = low.tensor(y).shape
    if int(op.options.fusedActivationFunction):
        raise low.refuse("a fused activation")
    axis = int(op.options.axis) % len(shape)
    to, strides = 0, _strides(shape)
    for k, x in enumerate(op.inputs):
        if low.scale(x) != low.scale(y):
            raise low.refuse("its inputs must have the output's scale")
        part = low.tensor(x).shape
        _move(low, x, y, part, _strides(part), strides, to=to, keeps=k > 0)
        to += part[axis] * strides[axis]


def _pad(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    shape, wide = low.tensor(x).shape, low.tensor(y).shape
    before = [int(p[0]) for p in low.constant(op.inputs[1])]
    _, zero = low.scale(y)
    value = int(low.constant(op.inputs[2]).reshape(-1)[0]) if len(op.inputs) > 2 else zero
    name = low.new(y)
    fill = Literal(str(value)), Literal(str(prod(wide)))
    low.steps.append(Step("memset", "", {}, (name, *fill), (), (name,), low.graph.describe(low.at)))
    strides = _strides(wide)
    to = sum(b * s for b, s in zip(before, strides, strict=True))
    _move(low, x, y, shape, _strides(shape), strides, to=to, keeps=True)


def _slice(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    strides, out = _strides(low.tensor(x).shape), low.tensor(y).shape
    begin = [int(b) for b in low.constant(op.inputs[1])]
    start = sum(b * s for b, s in zip(begin, strides, strict=True))
    _move(low, x, y, out, strides, _strides(out), start)


def _strided_slice(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    shape, o = low.tensor(x).shape, op.options
    begin, end, step = (low.constant(t) for t in op.inputs[1:4])
    if int(o.ellipsisMask or 0) or int(o.newAxisMask or 0):
        raise low.refuse("ellipsis and new axes")
    strides = _strides(shape)
    start, counts, jumps = 0, [], []
    for a, n in enumerate(shape):
        if a >= len(begin):
            whole = slice(None)
        else:
            by = int(step[a])
            first = None if int(o.beginMask or 0) >> a & 1 else int(begin[a])
            last = None if int(o.endMask or 0) >> a & 1 else int(end[a])
            if int(o.shrinkAxisMask or 0) >> a & 1:
                first = int(begin[a]) % n
                last, by = first + 1, 1
            whole = slice(first, last, by)
        taken = range(*whole.indices(n))
        counts.append(len(taken))
        jumps.append(strides[a] * taken.step)
        start += taken.start * strides[a]
    _move(low, x, y, counts, jumps, _strides(counts), start)


def _split(low: Lowering, op: Op) -> None:
    axis_at, x = (0, op.inputs[1]) if op.kind == OpKind.SPLIT else (2, op.inputs[0])
    shape = low.tensor(x).shape
    axis = int(low.constant(op.inputs[axis_at]).reshape(-1)[0]) % len(shape)
    start, strides = 0, _strides(shape)
    for y in op.outputs:
        out = low.tensor(y).shape
        _move(low, x, y, out, strides, _strides(out), start)
        start += out[axis] * strides[axis]


def _transpose(low: Lowering, op: Op) -> None:
    x, y = op.inputs[0], op.outputs[0]
    strides, out = _strides(low.tensor(x).shape), low.tensor(y).shape
    turned = [strides[int(a)] for a in low.constant(op.inputs[1])]
    _move(low, x, y, out, turned, _strides(out))


TABLE: Mapping[OpKind, Callable[[Lowering, Op], None]] = {
    OpKind.CONV_2D: _conv,
    OpKind.DEPTHWISE_CONV_2D: _conv,
    OpKind.FULLY_CONNECTED: _conv,
    OpKind.AVERAGE_POOL_2D: _pool,
    OpKind.MAX_POOL_2D: _pool,
    OpKind.MEAN: _reduce,
    OpKind.SUM: _reduce,
    OpKind.ADD: _add,
    OpKind.SUB: _add,
    OpKind.MUL: _multiply,
    OpKind.LOGISTIC: _table,
    OpKind.TANH: _table,
    OpKind.HARD_SWISH: _table,
    OpKind.LEAKY_RELU: _table,
    OpKind.RELU: _table,
    OpKind.RELU6: _table,
    OpKind.QUANTIZE: _quantize,
    OpKind.DEQUANTIZE: _quantize,
    OpKind.SOFTMAX: _softmax,
    OpKind.RESHAPE: _alias,
    OpKind.SQUEEZE: _alias,
    OpKind.EXPAND_DIMS: _alias,
    OpKind.CONCATENATION: _concatenation,
    OpKind.PAD: _pad,
    OpKind.PADV2: _pad,
    OpKind.SLICE: _slice,
    OpKind.STRIDED_SLICE: _strided_slice,
    OpKind.SPLIT: _split,
    OpKind.SPLIT_V: _split,
    OpKind.TRANSPOSE: _transpose,
}
"""What each operator becomes; an operator without a row is refused."""
