"""attach: Graph -> Graph that predicts bit for bit as before and also returns the relevance of its input."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import prod

from edgexai._version import VERSION
from edgexai.checks import of_type, one_of, told, true_or_false, whole_number
from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import Builder, DType, Graph, Model, Op, OpKind, fingerprint, plain_of, settled
from edgexai.graph.sweep import swept
from edgexai.graph.views import apart
from edgexai.relevance import precision as precisions
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.composite import Composite, Layer
from edgexai.relevance.composite_file import composite_of
from edgexai.relevance.concepts import Part
from edgexai.relevance.concepts import concepts as channels_of
from edgexai.relevance.dynamic_range import dynamic_range
from edgexai.relevance.grid import stop_tensors, way_out
from edgexai.relevance.reading import questions
from edgexai.relevance.reading.canonical import canonical
from edgexai.relevance.reading.custom import builtin
from edgexai.relevance.reading.questions import consistent, describe, dynamic
from edgexai.relevance.report import maps, total
from edgexai.relevance.rules import Norm, Pass, Rule
from edgexai.relevance.table import LAYERS, RELEVANCE
from edgexai.relevance.targets.start import Start, start

METADATA = "edgexai"
PLAIN = ["relevance", "target", "score"]
"""What an explainer returns beside the model's own outputs if nothing more is said."""


def attach(
    graph: Model,
    composite: str | Composite = "edge",
    target: str | int = "predicted",
    grid: tuple[int, int] | None = None,
    channels: str = "sum",
    output: str | int = 0,
    precision: str = "float32",
    concepts: str | Sequence[str] | None = None,
    absorbed: bool = False,
) -> Graph:
    """Append layer-wise relevance propagation (Bach et al. 2015) to a model.

    The new outputs follow the model's own: ``relevance`` float32 (1, rows, columns) for ``channels="sum"`` or (1, rows,
    columns, channels) for ``"keep"`` (a sequence: (1, steps) or (1, steps, channels)), ``target`` int32 (1,) and
    ``score`` float32 (1,), the logit explained. ``target`` is ``"predicted"``, an index, ``"input"`` (the file gets a
    second input, one weight an output), ``"error"`` (the squared error of an autoencoder), ``"box"`` or ``"mask"`` (of
    a detector, of a segmentation: see `edgexai.relevance.targets`); ``output`` is which of several heads, by number or
    name. ``composite`` is one, its name, or the path of its ``.toml`` file. ``grid`` stops at the inner layer of the
    nearest resolution. A model with several inputs gets one map an input, ``relevance``, ``relevance_1``, … in their
    order; a streaming model ``state`` float32 (1,), the relevance that is about the steps before. ``concepts`` adds the
    output ``concepts`` float32 (1, N), what channels of inner maps took part: ``"auto"``, or the names of maps (see
    `edgexai.relevance.concepts`), ``absorbed`` the output ``absorbed`` float32 (1,), what biases took of the relevance.
    ``precision`` ``"int8"`` lets LiteRT 2 multiply the backward pass in integers (see
    `dynamic_range`), ``"auto"`` takes what runs fastest here (see `edgexai.relevance.precision`).
    Raises UnsupportedOperator for what has no rule, ConfigError for a wrong option.
    """
    graph = plain_of(graph)
    chosen = composite_of(composite)
    one_of("channels", channels, ("sum", "keep"))
    if not isinstance(target, str):
        target = whole_number('target (an index, "predicted", "input" …)', target, 0)
    output = output if isinstance(output, str) else whole_number("output", output)
    wanted = _Wanted(chosen, target, grid, channels, output, _maps(concepts), true_or_false("absorbed", absorbed))
    of_type("precision", precision, str, '"float32", "int8" or "auto"')
    if precisions.asked(precision):

        def make(chosen_precision: str) -> Graph:
            return _attached(graph, wanted, chosen_precision, precisions.shares(precision))

        explainer, table = precisions.fastest(graph, precision, make)
        said = {**json.loads(explainer.metadata[METADATA]), "measured": [asdict(row) for row in table]}
        return replace(explainer, metadata={**explainer.metadata, METADATA: json.dumps(said).encode()})
    one_of("precision", precision, ("float32", "int8", "auto"))
    return _attached(graph, wanted, precision)


@dataclass(frozen=True)
class _Wanted:
    """What of an explainer does not depend on its precision, as `attach` takes it."""

    composite: Composite
    target: str | int
    grid: tuple[int, int] | None
    channels: str
    output: str | int
    concepts: str | list[str] | None
    absorbed: bool


def _attached(graph: Graph, wanted: _Wanted, precision: str, shares: bool = True) -> Graph:
    """What `attach` gives for one precision; ``shares`` lets large models hold a matrix once for both ways."""
    chosen, grid = wanted.composite, wanted.grid
    source, graph = fingerprint(graph), settled(graph)
    build = Builder(graph)
    graph = builtin(graph, build)
    begin = start(graph, build, wanted.target, wanted.output, chosen.start == "less mean")
    layers = canonical(graph, build, [begin.logits])
    stops = stop_tensors(layers, begin.logits, grid)
    stop = None if grid is None else stops[0]
    back = propagate(layers, build, chosen, begin, stop, precision == "int8", wanted.absorbed, shares)
    if begin.deviation is not None:
        _from_reconstruction(back, stops[0], grid, begin.deviation)
    added = {
        name: _own(build, t)
        for name, t in zip(_names(stops), maps(back, stops, wanted.channels, begin.score), strict=True)
    }
    added |= {"target": _own(build, begin.target), "score": begin.score}
    if back.state:
        added["state"] = total(build, back.state)
    if back.taken is not None:
        added["absorbed"] = total(build, back.taken or [build.mul(begin.score, build.const(0.0))])
    parts: list[Part] = []
    if wanted.concepts is not None:
        added["concepts"], parts = channels_of(back, _layers(layers), begin.logits, wanted.concepts)
    outputs = [build.rename(t, name) for name, t in added.items()]
    about = {
        "composite": chosen.name,
        **({"start": chosen.start} if chosen.start != "logit" else {}),
        "target": wanted.target,
        "grid": None if grid is None else list(build.shape(stops[0])[1:3]),
        "channels": wanted.channels,
        "precision": precision,
        **({"outputs": list(added)} if list(added) != PLAIN else {}),
        **({"concepts": [asdict(part) for part in parts]} if parts else {}),
        **({"notes": back.notes} if back.notes else {}),
        "source": source,
        "version": VERSION,
    }
    explainer = build.finish([*build.graph.outputs, *outputs], {METADATA: json.dumps(about).encode()})
    explainer = apart(swept(explainer, build.graph), len(build.graph.ops))
    return dynamic_range(explainer, len(graph.ops)) if precision == "int8" else explainer


def _maps(concepts: str | Sequence[str] | None) -> str | list[str] | None:
    if concepts is None or isinstance(concepts, str):
        return concepts
    if isinstance(concepts, Sequence) and all(isinstance(name, str) for name in concepts):
        return list(concepts)
    raise ConfigError(f'concepts is {told(concepts)}; give "auto" or the names of inner maps')


def own_operators(graph: Graph) -> int:
    """How many operators of an explainer predict: they come first. Of a model without an explanation, all."""
    if METADATA not in graph.metadata:
        return len(graph.ops)
    try:
        added = len(json.loads(graph.metadata[METADATA]).get("outputs", PLAIN))
    except (ValueError, AttributeError, TypeError, RecursionError):  # whoever wrote the file
        return len(graph.ops)
    needed, last = set(graph.outputs[: max(0, len(graph.outputs) - added)]), -1
    for number, op in reversed([*enumerate(graph.ops)]):
        if needed.intersection(op.outputs):
            needed.update(op.inputs)
            last = max(last, number)
    return last + 1


def _names(stops: Sequence[int]) -> list[str]:
    return ["relevance", *(f"relevance_{i}" for i in range(1, len(stops)))]


def propagate(
    graph: Graph,
    build: Builder,
    chosen: Composite,
    begin: Start,
    stop: int | None,
    integer: bool = False,
    absorbed: bool = False,
    shares: bool = True,
) -> Backward:
    """Append the pass from the logits down to ``stop`` (or to every input): `Backward` then knows all relevance."""
    back = Backward(graph, build, RELEVANCE, rules_of(graph, build.graph, chosen, begin.logits), integer)
    back.shares_weights &= shares
    back.taken = [] if absorbed else None
    back.give(begin.logits, begin.flow)
    last = -1 if stop is None else graph.producers().get(stop, -1)
    try:
        back.walk(graph.ops[last + 1 :])
    except UnsupportedOperator as refused:
        raise UnsupportedOperator(f"{refused}, {way_out(graph, begin.logits, back.number)}") from None
    return back


def rules_of(graph: Graph, source: Graph, chosen: Composite, logits: int) -> dict[Op, Rule]:
    """The rules that the composite gives to operators that the input reaches."""
    computed = dynamic(graph)
    depth: dict[int, int] = {}
    below: dict[Op, int] = {}
    for op in graph.ops:
        if op.outputs and any(t in computed for t in op.inputs):
            below[op] = max((depth.get(t, 0) for t in op.inputs), default=0)
            depth.update((t, below[op] + (op.kind in LAYERS)) for t in op.outputs)
    deepest = depth.get(logits, 0)
    explained = _behind(graph, logits)
    rules = {}
    for op, before in below.items():
        name, has_weights = graph.tensors[op.outputs[0]].name, op.kind in LAYERS
        behind = max(0, deepest - before - has_weights)
        with consistent(source, op):
            share = _window_share(graph, op)
        rule = chosen.rule(
            Layer(op.kind, name, before, behind, share, has_weights, len(graph.tensors[op.outputs[0]].shape))
        )
        if rule is None and has_weights and op in explained:
            where = describe(source, op)
            raise ConfigError(f"composite {chosen.name!r} says nothing of {where}; end it with a line for all layers")
        if rule is None:
            continue
        if not has_weights and not isinstance(rule, (Norm, Pass)):
            where = describe(source, op)
            raise ConfigError(f"composite {chosen.name!r} gives {where} a rule for weights; use norm or pass there")
        rules[op] = rule
    return rules


def _layers(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if op.kind in LAYERS]


def _window_share(graph: Graph, op: Op) -> float:
    """Share of the input's positions that one output sees; 1 for layers without a window."""
    if op.kind not in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D):
        return 1.0
    border = questions.border(graph, graph.producers(), op.inputs[0]) or ((0, 0),) * 4
    there = [n - sum(zeros) for n, zeros in zip(graph.tensors[op.inputs[0]].shape, border, strict=True)][1:3]
    return min(1.0, prod(graph.tensors[op.inputs[1]].shape[1:3]) / max(1, prod(there)))


def _behind(graph: Graph, logits: int) -> set[Op]:
    """The operators that the logits are computed with."""
    needed, found = {logits}, set()
    for op in reversed(graph.ops):
        if any(t in needed for t in op.outputs):
            needed.update(op.inputs)
            found.add(op)
    return found


def _from_reconstruction(back: Backward, x: int, grid: tuple[int, int] | None, deviation: int) -> None:
    """The factor c at an autoencoder's input becomes the relevance of its error there, d · (d - c)."""
    if grid is not None:
        raise ConfigError('target "error" is about the inputs themselves; leave grid out')
    flow = back.arrived(x)
    if flow is None or not flow.is_factor:
        raise ConfigError('target "error" needs a first layer that hands factors on; use composite "epsilon"')
    build = back.build
    back.put(x, Flow(build.mul(deviation, build.sub(deviation, back.full(flow, x).tensor)), is_factor=False))


def _own(build: Builder, target: int) -> int:
    """A constant target as the output of an operator, because some runtimes give no constant away."""
    if not build.tensors[target].is_constant:
        return target
    return build.cast(build.cast(target, DType.FLOAT32), DType.INT32)
