"""From a trained model to nodes: convert, prune by relevance, quantize, attach; with what each step costs and loses."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.demo import digits as handwritten
from edgexai.cli.demo.findings import Findings, Frames, Tag, chances, corner_share, suspicions
from edgexai.cli.demo.fleet import Node
from edgexai.cli.demo.steps import Steps
from edgexai.cli.samples import input_of
from edgexai.compress.measure.accuracy import accuracy, predictions
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.limits import Budget
from edgexai.compress.measure.profile import Profile, profile_relevance
from edgexai.compress.prune.pruning import prune
from edgexai.compress.repair.repair import Repair
from edgexai.data import preprocessing, read
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Graph, load, save, serialize
from edgexai.relevance import attach
from edgexai.runtime.interpreter import Interpreter

COMPOSITE = "epsilon(0.25)"
"""z⁺ shows what a network sees; LRP-ε what speaks for this class and no other, and by that a tag is found."""
LANES = 8
"""Channels that the int8 kernels of workstations compute together: other numbers save work, and no time."""
Row = dict[str, float | None]


@dataclass(frozen=True)
class Deployment:
    """An explainer file and the nodes to run it on, with the figures of the models on the way."""

    title: str
    board: str
    explainer: Path
    nodes: list[Node]
    models: dict[str, Row]
    tag_effect: Callable[[list[Frames]], Tag] | None = None
    labels: list[str] = field(default_factory=list)


def digits(directory: Path, steps: Steps, keep: float, board: str, nodes: int, count: int, seed: int) -> Deployment:
    """The planted case: train on tagged digits, and take every step from there to the nodes."""
    from converters import from_keras
    from edgexai.cli.demo.network import train
    from edgexai.compress.quantize.int8 import quantize
    from edgexai.compress.repair.distillation import Schedule, distill

    data = handwritten.load(seed)
    with steps.step("train on 3,500 digits, most 8s tagged") as progress:
        model = train(data, seed, progress)
    with steps.step("convert to float and int8 .tflite"):
        real = load(from_keras(model))
        whole = load(from_keras(model, data.train[:300], int8=True))
    with steps.step(f"prune to {keep:.0%} of the time on {board} by relevance") as progress:
        profile = profile_relevance(real, data.train[:300], progress=progress)
        pruned = _pruned(real, profile, Budget(latency=keep, board=board), None, Repair("bias"))
    with steps.step("fine-tune the pruned model on the whole one's answers, and quantize") as progress:
        schedule = Schedule(epochs=12, rate=2e-3, batch=64)
        trained = distill(pruned, real, data.train, data.train_labels, schedule, progress)
        small = quantize(trained, data.train[:300])
    with steps.step(f"attach relevance ({COMPOSITE})"):
        explainer = _saved(directory, {"float": real, "int8": whole, "pruned_int8": small})
    x, y = data.test, data.test_labels
    np.savez_compressed(directory / "held_out.npz", x=x, y=y)
    models = {
        "float": _row(real, board, x, y),
        "int8": _row(whole, board, x, y),
        "pruned int8": _row(small, board, x, y),
        "explainer": _row(load(explainer), board, None, None),
    }
    models["explainer"]["accuracy"] = models["pruned int8"]["accuracy"]
    sites = [x[i * count : (i + 1) * count] for i in range(nodes)]
    places = [Node("site-0-untagged", sites[0])]
    places += [Node(f"site-{i}-tagged", handwritten.with_tag(site)) for i, site in enumerate(sites[1:], 1)]

    def effect(frames: list[Frames]) -> Tag:
        return _tag(small, data, frames)

    return Deployment("Right for the wrong reason?", board, explainer, places, models, effect)


def own(
    directory: Path, steps: Steps, model: str, file: str, keep: float, board: str, nodes: int, count: int
) -> Deployment:
    """A user's own model: pruned without labels, attached, and run on slices of the data."""
    source = load(model)
    given = read(file, input_of(source), preprocessing(Path(model).read_bytes()))
    x, y = given.x, given.y
    if len(x) < 8 * nodes:
        raise DataError(f"{file} has {len(x)} samples; {nodes} nodes want at least {8 * nodes}, or give --nodes")
    seen = min(300, len(x) // 2)
    held_out = x[seen:], None if y is None else y[seen:]
    with steps.step(f"prune to {keep:.0%} of the time on {board} by relevance") as progress:
        profile = profile_relevance(source, x[:seen], progress=progress)
        budget = Budget(latency=keep, board=board)
        small = _pruned(source, profile, budget, x[:seen], Repair(steps=1))
    with steps.step(f"attach relevance ({COMPOSITE})"):
        explainer = _saved(directory, {"model": source, "pruned": small})
    models = {
        "model": _row(source, board, *held_out),
        "pruned": _row(small, board, *held_out),
        "explainer": _row(load(explainer), board, None, None),
    }
    models["explainer"]["accuracy"] = models["pruned"]["accuracy"]
    count = min(count, len(x) // nodes)
    places = [Node(f"node-{i}", x[i * count : (i + 1) * count]) for i in range(nodes)]
    return Deployment(f"What {Path(model).name} looks at", board, explainer, places, models)


def _pruned(graph: Graph, profile: Profile, budget: Budget, x: NDArray[Any] | None, repair: Repair) -> Graph:
    """In whole lanes, or, of a model too small for that, in halves of them."""
    lanes = LANES
    while True:
        try:
            return prune(graph, profile, budget, x, repair=repair, multiple=lanes)
        except ConfigError:
            if lanes == 1:
                raise
            lanes //= 2


def findings(deployed: Deployment, frames: list[Frames]) -> Findings:
    """What the frames say."""
    tag = None if deployed.tag_effect is None else deployed.tag_effect(frames)
    found = suspicions(frames)
    sure = chances(frames, found)
    return Findings(deployed.title, deployed.models, frames, found, sure, deployed.board, tag, deployed.labels)


def _saved(directory: Path, graphs: dict[str, Graph]) -> Path:
    """Write every model, and the explainer of the last one; its path."""
    for name, graph in graphs.items():
        save(graph, directory / f"{name}.tflite")
    last = load(directory / f"{list(graphs)[-1]}.tflite")
    explainer = directory / "explainer.tflite"
    save(attach(last, COMPOSITE), explainer)
    return explainer


def _row(graph: Graph, board: str, x: NDArray[Any] | None, y: NDArray[Any] | None) -> Row:
    found = cost(graph, board)
    explains = x is None
    return {
        "accuracy": None if x is None or y is None else accuracy(graph, x, y),
        "macs": float(found.macs),
        "bytes": float(found.bytes),
        "board_ms": found.latency_ms,
        "energy_uj": found.energy_uj,
        "explain_ms" if explains else "predict_ms": _milliseconds(graph),
    }


def _milliseconds(graph: Graph) -> float:
    """Median of 200 runs, one thread."""
    interpreter = Interpreter(serialize(graph))
    x = np.zeros(interpreter.inputs[0].shape, interpreter.inputs[0].dtype)
    times = []
    for _ in range(200):
        begun = time.perf_counter()
        interpreter.run(x)
        times.append(time.perf_counter() - begun)
    return float(np.median(times)) * 1e3


def _tag(model: Graph, data: handwritten.Digits, frames: list[Frames]) -> Tag:
    """What the tag does to the deployed model, on held-out digits."""
    k = handwritten.TAGGED_CLASS
    own = data.test[data.test_labels == k]
    others = data.test[data.test_labels != k]
    mask = np.zeros(data.test.shape[1:3])
    mask[handwritten.CORNER_REGION] = 1
    return Tag(
        k,
        float(np.mean(predictions(model, handwritten.with_tag(own)) == k)),
        float(np.mean(predictions(model, own) == k)),
        float(np.mean(predictions(model, handwritten.with_tag(others)) == k)),
        corner_share(frames[1:], 10),
        corner_share(frames[:1], 10),
        float(mask.mean()),
    )
