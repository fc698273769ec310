"""Take the channels out of a model that matter least: a smaller .tflite with the same inputs and outputs.

examples:
  edgexai prune kws_int8.tflite -o small.tflite --data clips.npz --keep 0.5
      half of the multiply-accumulates stay; no labels, no training
  edgexai prune kws_int8.tflite -o small.tflite --data clips.npz --keep 0.4 --keep-explanations 0.95
      as little as 40 %, but as much as heatmaps need to stay what they are
  edgexai prune kws_int8.tflite -o small.tflite --data clips.npz --energy 0.6 --board nucleo_l4r5zi
      60 % of the energy of an inference on that board
  edgexai prune kws_int8.tflite -o small.tflite --data clips.npz --latency 0.6 --board x86_64_vnni
      60 % of the time, in as many channels as its kernels compute together
  edgexai prune kws_int8.tflite -o small.tflite --data clips.npz --keep 0.4 --distill --test held_out.npz
      then trained to answer as the whole model does (needs TensorFlow)
"""

import argparse
import json
from typing import Any

from edgexai.cli.options import count, known_file, new_file, number
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, labelled, samples_of
from edgexai.compress.measure.accuracy import accuracy
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.limits import Budget
from edgexai.compress.measure.profile import load_profile, profile_relevance
from edgexai.compress.prune.criteria import CRITERIA
from edgexai.compress.prune.pruning import prune
from edgexai.compress.repair.distillation import Schedule
from edgexai.compress.repair.repair import METHODS, Repair
from edgexai.graph import load, save


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a .tflite model, float or int8")
    parser.add_argument("-o", "--output", type=new_file, required=True, help="the .tflite to write")
    parser.add_argument("--data", required=True, help=f"unlabelled samples: {TAKEN}")
    data_options(parser)
    parser.add_argument("--keep", metavar="SHARE", help="of multiply-accumulates that stays: 0.5, 50%% or 2M")
    parser.add_argument("--energy", metavar="SHARE", help="of the energy on --board that stays: 50%% or 700uJ")
    parser.add_argument("--latency", metavar="SHARE", help="of the time on --board that stays: 50%% or 20ms")
    parser.add_argument("--board", help="the board whose energy or time counts")
    parser.add_argument(
        "--profile", type=known_file, help="a profile that `edgexai profile` made (default: from --data)"
    )
    parser.add_argument("--criterion", default="relevance", choices=list(CRITERIA), help="(%(default)s)")
    parser.add_argument(
        "--repair", default="least_squares", choices=METHODS, help="closed-form repair, no labels (%(default)s)"
    )
    parser.add_argument("--steps", type=count, default=4, help="of least squares, scores taken anew (%(default)s)")
    parser.add_argument("--multiple", type=count, help="channels a layer, in multiples of this (the board's lanes)")
    parser.add_argument(
        "--keep-explanations",
        type=number(0, 1),
        metavar="C",
        help="keep as much more as heatmaps need to correlate by C with the whole model's (median over --data)",
    )
    parser.add_argument("--distill", action="store_true", help="train the small model to answer as the whole one")
    parser.add_argument("--epochs", type=count, help="of --distill (as many as make 4,000 steps)")
    parser.add_argument("--test", type=known_file, help="labelled samples to measure accuracy on, before and after")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    x = samples_of(args, graph).x
    test = labelled(args, graph) if args.test else None
    if args.profile:
        profile = load_profile(args.profile)
    else:
        with bar("relevance") as progress:
            profile = profile_relevance(graph, x, progress=progress)
    budget = Budget(args.keep, args.energy, args.latency, explanations=args.keep_explanations, board=args.board)
    schedule = Schedule(epochs=args.epochs) if args.distill else None
    repair = Repair(args.repair, args.steps, schedule)
    with bar("pruning") as progress:
        small = prune(
            graph,
            profile,
            budget,
            x,
            criterion=args.criterion,
            repair=repair,
            multiple=args.multiple,
            progress=progress,
        )
    save(small, args.output)
    before, after = cost(graph, args.board), cost(small, args.board)
    report: dict[str, Any] = {"output": args.output, "macs": [before.macs, after.macs]}
    report.update(bytes=[before.bytes, after.bytes], ram=[before.ram, after.ram])
    if args.board:
        report.update(latency_ms=[before.latency_ms, after.latency_ms], energy_uj=[before.energy_uj, after.energy_uj])
    if test is not None:
        report["accuracy"] = [accuracy(graph, *test), accuracy(small, *test)]
    print(json.dumps(report) if args.json else _text(report))
    return 0


def _text(report: dict[str, Any]) -> str:
    lines = [report["output"]]
    for name, pair in report.items():
        if isinstance(pair, list) and None not in pair:
            before, after = pair
            share = f"  ({after / before:.0%})" if before and name != "accuracy" else ""
            form = ".2%" if name == "accuracy" else ",.2f" if isinstance(after, float) else ","
            lines.append(f"  {name:<11} {before:{form}} -> {after:{form}}{share}")
    return "\n".join(lines)
