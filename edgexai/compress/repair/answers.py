"""Refit to the answers: all layers change a little at once, so that the leads of classes are the whole model's again.

`reconstruct` fits layer by layer, as if all that a layer gives mattered alike. Here the predicted class's lead over
its nearest rivals is fitted by Gauss and Newton: a linear least-squares problem in the weights of all layers together.
In a ReLU network a channel's relevance (ε) at a place is its value times its gradient, so that relevance over value,
times the inputs under the window, is the derivative of a lead by the weights. Elsewhere it is near to it: a step is
taken only if leads do come nearer. Conjugate gradients solve it in few steps and stop there, which is the ridge (Hanke
1995): samples are few and weights many. Weights count by what they do: by their inputs' Gram matrix and by how
much leads depend on the channel that they write.

Samples are few: every round fits new mixtures of their views (`views.py`), to which the whole model knows an answer,
where single answers count moved to where the leads of the two models differ more (the sign of the gradient, Goodfellow
et al. 2015). A step is taken if it brings leads nearer on mixtures that no round fits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import forward, opened
from edgexai.compress.repair.augmentation import Views, strides
from edgexai.compress.repair.least_squares import counted, is_fitted, with_weights
from edgexai.compress.repair.patches import Rows, blocks, sample_rows
from edgexai.graph import Graph, Op, OpKind
from edgexai.relevance import attach_inner, reached
from edgexai.relevance.targets.start import logits_of

RIVALS = 3
ROUNDS = 8
DRAWN = 512
"""Mixtures a round."""
JUDGED = 256
"""Mixtures that say whether a step is one forward."""
STEPS = 5
"""Of conjugate gradients: more fit the samples better, and others worse."""
RIDGE = 1e-3
"""Of the mean of the Gram matrix's diagonal."""
MOST = 1 << 27
"""Derivatives that are held at once."""
CHUNK = 32

Floats = NDArray[np.float32]
Draw = Callable[[int], Floats]


@dataclass(frozen=True)
class Layer:
    """A linear operator: ``total`` is the map whose relevance counts, ``white`` (blocks, taps + 1, taps + 1) makes its
    inputs uncorrelated, ``shape`` is (outputs, taps + 1); a block an output if depthwise, else one for all."""

    op: int
    total: int
    white: Floats
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]


def logits(graph: Graph, x: Floats) -> Floats:
    """What the graph gives for samples (N, …) before a softmax, (N, classes)."""
    return np.asarray(forward(graph, x, [logits_of(graph, graph.outputs[0])])[0].reshape(len(x), -1), np.float32)


def refit_leads(graph: Graph, whole: Graph, draw: Draw, is_opposed: bool = False) -> Graph:
    """The float32 graph with weights that bring its leads nearer to the whole's; as it is where no step does.

    ``draw(count)`` gives at most so many inputs (N, …), new ones each time; what is fitted is `opposed` on demand.
    """
    judged = draw(JUDGED)
    wanted = logits(whole, judged)
    if wanted.shape[1] < 2:
        return graph
    random = np.random.default_rng(0)
    sides = directions(wanted)
    asked = lead(wanted, sides)

    def distance(other: Graph) -> float:
        return float(np.square(asked - lead(logits(other, judged), sides)).sum())

    near = distance(graph)
    for _ in range(ROUNDS):
        x = draw(DRAWN)
        if is_opposed:
            x = opposed(graph, whole, x, strides(x.std(axis=0), len(x), random))
        wanted = logits(whole, x)
        layers = layers_of(graph, x)
        count = min(len(x), max(1, MOST // (RIVALS * sum(a.size for a in layers) + 1)))
        change = _change(graph, layers, x[:count], wanted[:count])
        for share in (1.0, 0.5, 0.25):
            other = change(share)
            nearer = distance(other)
            if nearer < near:
                graph, near = other, nearer
                break
        else:
            return graph
    return graph


def mixtures_of(whole: Graph, x: Floats) -> tuple[Draw, bool]:
    """Ever new mixtures of views of samples x (N, …), and whether the whole model's single answer to them counts: where
    its mean answer to several views is the better one, a single one is not worth much away from samples."""
    views = Views.known(x, lambda view: logits(whole, view).argmax(axis=1))
    random = np.random.default_rng(0)

    def draw(count: int) -> Floats:
        rows, others = random.integers(len(x), size=(2, count))
        return views.mixtures(x, rows, others, random)[0]

    def answers(view: Floats) -> Floats:
        values = logits(whole, view)
        chances = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    return draw, not views.nearer().foretell(x, answers)


def opposed(graph: Graph, whole: Graph, x: Floats, far: Floats) -> Floats:
    """Samples (N, …) moved by ``far`` (N, …) to where the leads of the two graphs differ more."""
    ours, theirs = logits(graph, x), logits(whole, x)
    sides = directions(theirs)
    apart = np.einsum("nr,nrc->nc", lead(ours - theirs, sides), sides)[:, None]
    slopes = [_gradients(g, g.inputs)(x, apart)[g.inputs[0]][:, 0].reshape(x.shape) for g in (graph, whole)]
    return np.asarray(x + far * np.sign(slopes[0] - slopes[1]), np.float32)


def directions(values: Floats) -> Floats:
    """Weights of the logits (N, rivals, classes): the largest less each of the three next."""
    order = np.argsort(-values, axis=1, kind="stable")
    one = np.eye(values.shape[1], dtype=np.float32)
    return np.asarray(one[order[:, :1]] - one[order[:, 1 : RIVALS + 1]])


def lead(values: Floats, sides: Floats) -> Floats:
    """Leads (N, rivals) of logits (N, classes)."""
    return np.asarray(np.einsum("nrc,nc->nr", sides, values))


def layers_of(graph: Graph, x: Floats) -> list[Layer]:
    """The linear operators with a bias that relevance reaches."""
    random = np.random.default_rng(0)
    last = logits_of(graph, graph.outputs[0])
    ops = [i for i, op in enumerate(graph.ops) if is_fitted(graph, op) and len(op.inputs) > 2 and op.inputs[2] >= 0]
    totals = {i: graph.ops[counted(graph, i)[0]].outputs[0] for i in ops}
    explained = {last, *reached(graph, [t for t in dict.fromkeys(totals.values()) if t != last])}
    ops = [i for i in ops if totals[i] in explained]
    values = _values(graph, x, [graph.ops[i].inputs[0] for i in ops])
    layers = []
    for i in ops:
        op = graph.ops[i]
        shape = graph.tensors[op.outputs[0]].shape
        rows = sample_rows((len(x) * shape[0], *shape[1:]), random)
        seen = _inputs(graph, op, values[op.inputs[0]], rows)
        gram = seen.transpose(0, 2, 1) @ seen / len(rows.at[0])
        taps = gram.shape[1]
        gram = gram + RIDGE * np.trace(gram, axis1=1, axis2=2)[:, None, None] / taps * np.eye(taps)
        white = np.linalg.inv(np.linalg.cholesky(gram)).transpose(0, 2, 1).astype(np.float32)
        layers.append(Layer(i, totals[i], white, (shape[-1], taps)))
    return layers


def _inputs(graph: Graph, op: Op, x: Floats, rows: Rows) -> Floats:
    """What weights and bias meet at each row, (blocks, rows, taps + 1)."""
    found = blocks(graph, op, x, rows)
    return np.concatenate([found, np.ones((*found.shape[:2], 1), np.float32)], axis=2)


def _values(graph: Graph, x: Floats, tensors: Sequence[int]) -> dict[int, Floats]:
    inner = [t for t in dict.fromkeys(tensors) if t != graph.inputs[0]]
    found = dict(zip(inner, forward(graph, x, inner), strict=True)) if inner else {}
    return {graph.inputs[0]: x, **found}


def _change(graph: Graph, layers: Sequence[Layer], x: Floats, wanted: Floats) -> Callable[[float], Graph]:
    """The step of Gauss and Newton: the graph with so large a share of it."""
    sides = directions(wanted)
    missing = lead(wanted - logits(graph, x), sides)
    slopes = derivatives(graph, layers, x, sides)
    ends = np.cumsum([0, *(layer.size for layer in layers)])
    scales = []
    for start, layer in zip(ends, layers, strict=False):
        part = slopes[:, start : start + layer.size].reshape(-1, *layer.shape)
        size = np.sqrt(np.einsum("not,not->o", part, part)) + 1e-20
        scales.append((1 / np.maximum(size, 1e-3 * size.max())).astype(np.float32)[:, None])
        slopes[:, start : start + layer.size] *= np.repeat(scales[-1], layer.shape[1])
    step = conjugate(slopes, missing.ravel(), STEPS)

    def changed(share: float) -> Graph:
        other = graph
        for start, layer, scale in zip(ends, layers, scales, strict=False):
            by = share * scale * step[start : start + layer.size].reshape(layer.shape)
            by = np.einsum("ot,out->ou", by, np.broadcast_to(layer.white, (layer.shape[0], *layer.white.shape[1:])))
            op = graph.ops[layer.op]
            kernel, bias = (graph.tensors[t].array for t in op.inputs[1:3])
            turned = by[:, :-1].T if op.kind == OpKind.DEPTHWISE_CONV_2D else by[:, :-1]
            other = with_weights(other, layer.op, kernel + turned.reshape(kernel.shape), bias + by[:, -1])
        return other

    return changed


def conjugate(matrix: Floats, wanted: Floats, steps: int) -> Floats:
    """The least-squares solution of matrix · u = wanted after some steps of conjugate gradients from zero (CGLS)."""
    found: Floats = np.zeros(matrix.shape[1], np.float32)
    left = wanted.copy()
    slope = matrix.T @ left
    way, size = slope, float(slope @ slope)
    for _ in range(steps):
        if size < 1e-20:
            break
        moved = matrix @ way
        length = np.float32(size / float(moved @ moved))
        found += length * way
        left -= length * moved
        slope = matrix.T @ left
        way = slope + np.float32(float(slope @ slope) / size) * way
        size = float(slope @ slope)
    return found


def derivatives(graph: Graph, layers: Sequence[Layer], x: Floats, sides: Floats) -> Floats:
    """Of each lead of each sample by each weight, in whitened inputs: (N · rivals, weights)."""
    rivals = sides.shape[1]
    gradients = _gradients(graph, list(dict.fromkeys(layer.total for layer in layers)))
    slopes = np.empty((len(x), rivals, sum(layer.size for layer in layers)), np.float32)
    for start in range(0, len(x), CHUNK):
        part = slice(start, min(start + CHUNK, len(x)))
        count = part.stop - start
        by_map = gradients(x[part], sides[part])
        values = _values(graph, x[part], [graph.ops[layer.op].inputs[0] for layer in layers])
        end = 0
        for layer in layers:
            op = graph.ops[layer.op]
            outputs, taps = layer.shape
            places = by_map[layer.total].reshape(count, rivals, -1, outputs).transpose(0, 3, 1, 2)
            shape = graph.tensors[op.outputs[0]].shape
            rows = sample_rows((count * shape[0], *shape[1:]), np.random.default_rng(0), most=places.size)
            seen = _inputs(graph, op, values[op.inputs[0]], rows) @ layer.white
            seen = seen.reshape(len(seen), count, -1, taps).transpose(1, 0, 2, 3)  # (N, blocks, places, taps + 1)
            # one block: all outputs in one product
            lines = places.reshape(count, len(layer.white), -1, places.shape[3])
            found = (lines @ seen).reshape(count, outputs, rivals, taps)
            slopes[part, :, end : end + layer.size] = found.transpose(0, 2, 1, 3).reshape(count, rivals, -1)
            end += layer.size
    return slopes.reshape(len(x) * rivals, -1)


def _gradients(graph: Graph, tensors: Sequence[int]) -> Callable[[Floats, Floats], dict[int, Floats]]:
    """By samples (N, …) and leads (N, rivals, classes): the derivative of each lead by what is behind each tensor's
    activation, (N, rivals, …) by tensor; zero where the tensor is."""
    last = logits_of(graph, graph.outputs[0])
    inner = [t for t in tensors if t != last]
    explain = attach_inner(graph, inner, target="input")
    explain = replace(explain, outputs=(*explain.outputs, *inner), signatures=())
    runtime = opened(explain)
    source, weights = runtime.get_input_details()
    ports = [d["index"] for d in runtime.get_output_details()]
    relevances, values = ports[: len(inner)], ports[len(ports) - len(inner) :]

    def gradients(x: Floats, sides: Floats) -> dict[int, Floats]:
        found = {t: np.empty((*sides.shape[:2], *graph.tensors[t].shape), np.float32) for t in inner}
        for n, sample in enumerate(x):
            runtime.set_tensor(source["index"], sample[None])
            for r, side in enumerate(sides[n]):
                runtime.set_tensor(weights["index"], side.reshape(weights["shape"]))
                runtime.invoke()
                for t, port, place in zip(inner, relevances, values, strict=True):
                    value = runtime.get_tensor(place)
                    is_there = np.abs(value) > 1e-6 * np.abs(value).max()
                    found[t][n, r] = np.where(is_there, runtime.get_tensor(port) / np.where(is_there, value, 1), 0)
        return {**found, last: sides}

    return gradients
