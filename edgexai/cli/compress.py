"""Compress a model to a budget: prune by relevance, repair without labels, cluster for transit; measure it all.

examples:
  edgexai compress kws_int8.tflite -o small.tflite --data clips.npz --board nucleo_l4r5zi --energy 50%
      half of the energy of an inference on that board
  edgexai compress kws_int8.tflite -o small.tflite --data clips.npz --max-accuracy-loss 1 --report small.html
      as small as one point of accuracy allows, with a page of what was tried
  edgexai compress ic_int8.tflite -o small.tflite --data train.npz --test test.npz --board nucleo_u575zi_q
          --latency 80ms --ram 64K --explain edge --keep-explanations 0.8
      prediction and explanation together within 80 ms, heatmaps that correlate 0.8 with the original's
  edgexai compress kws_int8.tflite -o small.tflite --data clips.npz --max-accuracy-loss 1 --transit small.exq
      and few bytes over the air: `edgexai restore small.exq` gives small.tflite bit for bit
  edgexai compress kws_int8.tflite -o small.tflite --data clips.npz --runtime c99 --ram 64K --explain edge
      flash, RAM and time of the sources that `edgexai firmware` writes

Without --test, three tenths of --data are held out to measure on. Labels (y) are used for measuring alone; without
them, accuracy is how often the prediction is the original's.
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgexai.cli.compress_report import Facts, write_report
from edgexai.cli.options import count, known_file, new_file, number
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, samples_of
from edgexai.compress.budget import PROFILED, fit_budget, held_out
from edgexai.compress.measure.bench import Bench, Point
from edgexai.compress.measure.execute import try_out
from edgexai.compress.measure.limits import COSTS, Budget
from edgexai.compress.measure.price import RUNTIMES, price_of
from edgexai.compress.measure.profile import Profile, profile_relevance
from edgexai.compress.quantize.cluster_search import Packed, cheapest_transit
from edgexai.compress.quantize.exq import four_bytes_each
from edgexai.compress.repair.distillation import Schedule
from edgexai.compress.repair.repair import Repair
from edgexai.errors import ConfigError
from edgexai.graph import DType, Graph, load, save, serialize
from edgexai.graph.write import write

UNASKED = 0.01
"""What codebooks may cost in accuracy where no limit is given."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a .tflite model, float or int8")
    parser.add_argument("-o", "--output", type=new_file, required=True, help="the .tflite to write")
    parser.add_argument("--data", required=True, help=f"samples, and classes to measure with: {TAKEN}")
    data_options(parser)
    parser.add_argument("--test", type=known_file, help="the same, to measure on (default: a part of --data)")
    parser.add_argument("--board", help="a board's name or .toml: what its energy, latency, flash and RAM are")
    parser.add_argument("--energy", help="at most: 50%% of the original's, or 700uJ")
    parser.add_argument("--latency", help="at most: 20ms, or 50%%")
    parser.add_argument("--macs", help="multiply-accumulates at most: 50%%")
    parser.add_argument("--flash", help="the file at most: 128K, or 50%%")
    parser.add_argument(
        "--ram", help="at most: 64K, or 50%%; the arena where --board is a microcontroller, else maps alive"
    )
    parser.add_argument("--max-accuracy-loss", type=number(0, 100), metavar="POINTS", help="in percent of the samples")
    parser.add_argument(
        "--keep-explanations", type=number(0, 1), metavar="C", help="median heatmap correlation at least"
    )
    parser.add_argument("--explain", metavar="COMPOSITE", help="budgets hold prediction and explanation together")
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="tflite",
        help="whose costs are limited (%(default)s)",
    )
    parser.add_argument("--steps", type=count, default=4, help="of pruning, scores taken anew after each (%(default)s)")
    parser.add_argument("--distill", action="store_true", help="train to answer as the original (needs TensorFlow)")
    parser.add_argument("--epochs", type=count, help="of --distill (as many as make 4,000 steps)")
    parser.add_argument(
        "--transit", type=new_file, metavar="EXQ", help="cluster the weights too and write what travels over the air"
    )
    parser.add_argument(
        "--bits",
        type=int,
        choices=range(2, 6),
        default=5,
        metavar="B",
        help="of the codebooks of --transit, 2 to 5 (%(default)s)",
    )
    parser.add_argument(
        "--report", type=new_file, metavar="HTML", help="write a page: what was tried, what it costs, heatmaps"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    budget = _budget(args)
    if args.transit and graph.tensors[graph.inputs[0]].dtype != DType.INT8:
        raise ConfigError("only int8 models are clustered for --transit; run edgexai quantize on it first")
    x, test, labels = _split(args, graph)
    board = budget.known_board
    with bar("relevance") as progress:
        profile = profile_relevance(graph, x[:PROFILED], progress=progress)
    bench = Bench(graph, test, labels, board, args.explain, price_of(args.runtime, budget, args.explain))

    repair = Repair(steps=args.steps, distillation=Schedule(epochs=args.epochs) if args.distill else None)
    first = _first_answer(bench, profile, x, budget, args.output)
    with bar("models") as progress:
        try:
            chosen, points = fit_budget(bench, profile, x, budget, repair, bool(args.report), progress)
        except ConfigError:
            if first is None:
                raise
            chosen, points = first, [bench.whole, first]
    chosen = chosen if first is None else _better(chosen, first, budget)
    packed, tried = _packed(args, chosen, bench, x, budget) if args.transit else (None, [])
    final = packed.point if packed else chosen
    try_out(final.graph)
    save(final.graph, args.output)
    if packed:
        write(packed.transit, args.transit)
    report = _report(args, graph, bench, chosen, final, packed)
    if args.report:
        facts = Facts(Path(args.model).name, board, args.explain, bench.labelled, len(test), four_bytes_each(graph))
        Path(args.report).write_text(write_report(facts, report, points, chosen, final, tried, test), encoding="utf-8")
    print(json.dumps(report) if args.json else _text(report))
    return 0


def _first_answer(bench: Bench, profile: Profile, x: NDArray[Any], budget: Budget, output: str) -> Point | None:
    """A model within the budget that is repaired by its biases alone: written in seconds, kept until a better one is.

    None where the search has to be longer.
    """
    begun = time.monotonic()
    try:
        point, _ = fit_budget(bench, profile, x, budget, Repair("bias"))
    except ConfigError:
        return None
    try_out(point.graph)
    save(point.graph, output)
    share, lost = point.cost.macs / bench.whole.cost.macs, 100 * (bench.whole.accuracy - point.accuracy)
    print(
        f"{output}: a first answer after {time.monotonic() - begun:.0f} s, {share:.0%} of the multiply-accumulates, "
        f"{lost:.1f} points of accuracy lost; going on for a better one",
        file=sys.stderr,
    )
    return point


def _better(one: Point, other: Point, budget: Budget) -> Point:
    """Of two models within a budget the more accurate one where its costs are limited, else the cheaper one."""
    if budget.limits:
        return max(one, other, key=lambda point: (point.accuracy, -point.cost.macs))
    return min(one, other, key=lambda point: (point.cost.macs, -point.accuracy))


def _budget(args: argparse.Namespace) -> Budget:
    loss = None if args.max_accuracy_loss is None else args.max_accuracy_loss / 100
    limits = {name: getattr(args, name) for name in COSTS}
    return Budget(**limits, accuracy=loss, explanations=args.keep_explanations, board=args.board)


def _split(args: argparse.Namespace, graph: Graph) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Samples to compress with; samples and labels (or None) to measure on."""
    given = samples_of(args, graph)
    if args.test:
        other = samples_of(args, graph, args.test)
        return given.x, other.x, other.y
    seen, test = held_out(len(given))
    return given.x[seen], given.x[test], None if given.y is None else given.y[test]


def _packed(
    args: argparse.Namespace, chosen: Point, bench: Bench, x: NDArray[Any], budget: Budget
) -> tuple[Packed, list[Packed]]:
    wanted = budget if budget.accuracy is not None else replace(budget, accuracy=UNASKED)
    profile = profile_relevance(chosen.graph, x[:PROFILED])
    with bar("codebooks") as progress:
        best, tried = cheapest_transit(
            chosen.graph,
            x,
            profile,
            lambda small: bench.measure(small, chosen.share),
            lambda point: wanted.keeps(bench.whole.accuracy - point.accuracy, point.correlation),
            args.bits,
            progress,
        )
    if best is None:
        finest = tried[0].point
        raise ConfigError(
            f"no codebook is good enough: with the finest, accuracy is {finest.accuracy:.1%} (the original's "
            f"{bench.whole.accuracy:.1%}) and heatmaps correlate {finest.correlation:.2f}; raise --max-accuracy-loss "
            "or loosen the other limits"
        )
    return best, tried


def _report(
    args: argparse.Namespace, graph: Graph, bench: Bench, chosen: Point, final: Point, packed: Packed | None
) -> dict[str, Any]:
    before, after = bench.whole.cost, final.cost
    report: dict[str, Any] = {"output": args.output, "macs": [before.macs, after.macs]}
    report["bytes"] = [len(Path(args.model).read_bytes()), len(serialize(final.graph))]
    report["ram"] = [before.ram, after.ram]
    if before.latency_ms is not None:
        report["latency_ms"] = [before.latency_ms, after.latency_ms]
    if before.energy_uj is not None:
        report["energy_uj"] = [before.energy_uj, after.energy_uj]
    report["accuracy" if bench.labelled else "agreement"] = [bench.whole.accuracy, final.accuracy]
    report["heatmaps"] = [1.0, final.correlation]
    if packed:
        report["transit"] = [four_bytes_each(graph), len(packed.transit)]
        report["pruned"] = {"accuracy": chosen.accuracy, "heatmaps": chosen.correlation}
    return report


TITLES = {
    "macs": "multiply-accumulates",
    "bytes": "bytes of the file",
    "ram": "bytes of RAM",
    "latency_ms": "ms an inference",
    "energy_uj": "µJ an inference",
    "accuracy": "accuracy",
    "agreement": "same prediction as the original",
    "heatmaps": "heatmap correlation, median",
    "transit": "bytes in transit (before: four a parameter)",
}


def _text(report: dict[str, Any]) -> str:
    lines = [report["output"]]
    for name, title in TITLES.items():
        if name not in report:
            continue
        before, after = report[name]
        form = ".1%" if name in ("accuracy", "agreement") else ".3f" if name == "heatmaps" else ",.6g"
        form = ",d" if isinstance(after, int) else form
        factor = f"  ({before / after:.1f}× smaller)" if name == "transit" else ""
        share = f"  ({after / before:.0%})" if before and form in (",d", ",.6g") and not factor else factor
        lines.append(f"  {title:<44} {before:{form}} -> {after:{form}}{share}")
    return "\n".join(lines)
