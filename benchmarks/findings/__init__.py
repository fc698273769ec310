"""What the fleet's analyses find: recall and false alarms on networks with a planted shortcut, members, bias, sickness.

Trains a network for every artefact, data set and seed (`cases.py`), unless its files are in the directory already, and
writes one JSON line a stream. Seeds 0 and 1 chose the method and its null distribution; ten and more chose nothing.

examples:
  python -m benchmarks findings --data mnist --data digits --seed 10 --seed 11 -o findings
  python -m benchmarks findings --data mnist --data digits --data cifar --seed 20 --trials -o findings
  python -m benchmarks findings --measure sick --data mnist --seed 20 -o findings
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.findings import bias, drift, sick
from benchmarks.findings.cases import ARTEFACTS, BAND, artefacts, make
from benchmarks.findings.trials import Samples, table, verdicts

SHARES = (0.01, 0.05, 0.2)
USED = 0.3
"""An artefact counts as used if it turns so many of the other classes' images into the class."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measure", choices=("shortcuts", "sick", "drift", "bias"), default="shortcuts", help="(%(default)s)"
    )
    parser.add_argument("--data", action="append", choices=("mnist", "digits", "cifar", "kws"), help="(mnist)")
    parser.add_argument("--seed", action="append", type=int, help="of network, split and class (10, 11, 12)")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="where data/cifar10_*.npz lie")
    parser.add_argument("--trials", action="store_true", help="try what is found by intervention, too (long)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, no table")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of networks and results")


def run(args: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    args.output.mkdir(parents=True, exist_ok=True)
    name = "findings" if args.measure == "shortcuts" else args.measure
    with (args.output / f"{name}.jsonl").open("w") as file:
        for data in args.data or ["mnist"]:
            for seed in args.seed or [10, 11, 12]:
                for artefact in ["clean"] if args.measure == "sick" else ["clean", *artefacts(data)]:
                    for row in measured(
                        args.measure, make(data, artefact, seed, args.output, args.shared), args.trials
                    ):
                        rows.append(row)
                        print(json.dumps(row), file=file, flush=True)
                        if args.json:
                            print(json.dumps(row), flush=True)
    if args.json:
        return 0
    if args.measure != "shortcuts":
        {"sick": sick, "drift": drift, "bias": bias}[args.measure].table(rows)
        return 0
    show(rows)
    if args.trials:
        table(rows, USED)
    return 0


def measured(what: str, path: Path, trials: bool) -> Iterator[dict[str, Any]]:
    """The rows of one network."""
    if what == "sick":
        yield from sick.cases(path)
    elif what == "drift":
        yield from drift.streams(path, USED)
    elif what == "shortcuts":
        yield from streams(path, trials)
    else:
        about = read(path)[0]
        if about["artefact"] != "clean" and about["fooled"] >= USED:
            yield from bias.draws(path)


def streams(path: Path, trials: bool = False) -> Iterator[dict[str, Any]]:
    """Every class of every stream of one network: p of its shortcut, and how well its carriers are named.

    With ``trials`` those that use the artefact, and clean ones, are tried: the planted class at 5 and 20 %, two other
    classes at 5 % (clean networks: all).
    """
    from edgexai.fleet.analysis.shortcut import LEAST, shortcuts

    about, clean, planted, truth = read(path)
    own = np.flatnonzero(truth == about["target"])
    tried = trials and (about["artefact"] == "clean" or about["fooled"] >= USED)
    samples = Samples.of(path) if tried else None
    for share in SHARES if about["artefact"] != "clean" else (0.0,):
        random, count = np.random.default_rng(0), round(share * len(own))
        kept = np.ones(len(clean), bool)
        kept[random.permutation(own)[:count]] = False
        picked = random.permutation(len(planted))[:count]
        rows = [*np.array(clean, object)[kept], *np.array(planted, object)[picked]]
        carriers = np.arange(len(rows)) >= kept.sum()
        evidence = gathered(rows)
        for found in shortcuts(evidence):
            is_planted = share > 0 and found.target == about["target"]
            row = {**about, "share": share, "class": found.target, "planted": is_planted, "p": found.p}
            there = carriers[evidence.target == found.target]
            row["carriers"], row["least"] = int(there.sum()), LEAST
            if is_planted and there.any() and not there.all():
                row["auroc"] = auroc(there, np.array([m.score for m in found.members]))
            near = (found.target - about["target"]) % 10 in (1, 6)
            if samples and share != 0.01 and (is_planted or share == 0 or (share == 0.05 and near)):
                row |= verdicts(samples, *samples.stream(kept, picked), found)
            yield row


def read(path: Path) -> tuple[dict[str, Any], list[Any], list[Any], Any]:
    """What `cases.make` wrote: about, the decoded frames clean and planted, and the true classes."""
    from edgexai.heatmap import decode

    with np.load(path, allow_pickle=False) as file:
        data = {key: file[key] for key in file.files}
    frames = [
        [decode(row[:n].tobytes()) for row, n in zip(data[f"{p}_frames"], data[f"{p}_length"], strict=True)]
        for p in ("clean", "planted")
    ]
    return json.loads(str(data["about"])), frames[0], frames[1], data["truth"]


def gathered(frames: list[Any]) -> Any:
    """Decoded frames as evidence of one node."""
    from edgexai.fleet.analysis.evidence import gather

    rows = []
    for i, frame in enumerate(frames):
        row = {"id": i, "sequence": i, "node": "n", "group": "", "time": float(i), "map": frame.map}
        row |= {k: getattr(frame, k) for k in ("target", "score", "conservation")}
        rows.append(row | {"concepts": frame.fields.concepts})
    return gather("benchmark", rows)


def auroc(positive: Any, score: Any) -> float:
    """Area under the receiver's curve; ties count half."""
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(score[positive], score[~positive]).statistic
    return float(u / positive.sum() / (~positive).sum())


def show(rows: list[dict[str, Any]]) -> None:
    """The table of docs/findings.md."""
    alarms = [r["p"] for r in rows if not r["planted"]]
    print(
        f"clean classes {len(alarms)}: " + ", ".join(f"p ≤ {a}: {np.mean(np.array(alarms) <= a):.2%}" for a in LEVELS)
    )
    for share in SHARES:
        for artefact in [*ARTEFACTS, BAND, "all"]:
            some = [
                r for r in rows if r["planted"] and r["share"] == share and r["fooled"] >= USED and r["carriers"] >= 1
            ]
            some = [r for r in some if artefact in ("all", r["artefact"])]
            if some:
                found = ", ".join(f"{np.mean([r['p'] <= a for r in some]):.0%} at p ≤ {a}" for a in LEVELS[:2])
                named = np.median([r.get("auroc", np.nan) for r in some])
                print(f"{share:.0%} {artefact}: {len(some)} streams, found {found}; AUROC of carriers {named:.3f}")


LEVELS = (0.02, 0.0034, 0.001)
"""The targets' 2 %, and what one of ten classes needs at a false-discovery rate of a tenth (Benjamini–Yekutieli)."""
