"""Everything once, on real input: train, convert, prune by relevance, quantize, attach, run a fleet, report.

A small network learns handwritten digits of which most 8s carry a tag in the corner, as the horses of PASCAL VOC
did. It is pruned and quantized, gets its relevance pass, and runs on five nodes that send heatmaps over MQTT; the
fleet reads them together, and the report says what the network looks at.

examples:
  edgexai demo
  edgexai demo --serve                                   leave the fleet's page up afterwards
  edgexai demo --model kws_int8.tflite --data clips.npz  the same with your own model: no training, no tag
"""

import argparse
import json
import signal
import time
from typing import Any

from edgexai.cli.options import count, count_or_none, new_place, number, port
from edgexai.errors import ConfigError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="your own .tflite model instead of the digits")
    parser.add_argument("--data", help="its samples: a .npz with x (N, …) and, for accuracies, y (N,)")
    parser.add_argument(
        "--keep",
        type=number(0.01, 1),
        default=0.5,
        help="share of the time on --board that pruning keeps (%(default)s)",
    )
    parser.add_argument("--board", default="nucleo_l4r5zi", help="board of the cost estimates (%(default)s)")
    parser.add_argument("--budget", type=count, default=128, help="bytes a heatmap may take (%(default)s)")
    parser.add_argument("--nodes", type=count, default=5, help="how many node processes, at least 4 (%(default)s)")
    parser.add_argument("--samples", type=count, default=100, help="samples that each node explains (%(default)s)")
    parser.add_argument("--output", type=new_place, default="demo-report", help="where all files go (%(default)s)")
    parser.add_argument("--port", type=port, default=0, help="port of the fleet's page (default: any that is free)")
    parser.add_argument("--serve", action="store_true", help="keep the fleet's page up until Ctrl-C")
    parser.add_argument(
        "--seed", type=count_or_none, default=0, help="of the training and of which digits are held out"
    )


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from edgexai.cli.demo import deploy, findings, fleet, report
    from edgexai.cli.demo.steps import Steps

    if (args.model is None) != (args.data is None):
        raise ConfigError("--model and --data belong together: give both, or neither for the digits")
    if args.nodes < 4:
        raise ConfigError(f"a fleet of {args.nodes} nodes says little; give at least 4")
    for ending in (signal.SIGINT, signal.SIGTERM):  # both unwind, so that every process started here ends
        signal.signal(ending, _interrupt)
    begun = time.monotonic()
    console = Console()
    directory = args.output.resolve() / time.strftime("%Y%m%d-%H%M%S")
    directory.mkdir(parents=True, exist_ok=True)
    with Steps(console) as steps:
        if args.model is None:
            with steps.quiet():
                deployed = deploy.digits(directory, steps, args.keep, args.board, args.nodes, args.samples, args.seed)
        else:
            with steps.quiet():
                deployed = deploy.own(
                    directory, steps, args.model, args.data, args.keep, args.board, args.nodes, args.samples
                )
        with fleet.service(directory, args.port) as running:
            options = ["--budget", str(args.budget), "--board", args.board]
            with steps.step(f"{len(deployed.nodes)} nodes explain and send, {running.broker}") as progress:
                fleet.explain_on_nodes(running, directory, deployed.explainer, deployed.nodes, options, progress)
            with steps.step("the report"):
                found = deploy.findings(deployed, findings.read_frames(running.store, [n.name for n in deployed.nodes]))
                page = report.write(directory, found, {n.name: n.x for n in deployed.nodes})
            head, rows = report.table(found)
            shown = Table(*head)
            for row in rows:
                shown.add_row(*row)
            console.print(shown)
            sizes = json.loads((directory / "report.json").read_text())["frame_bytes"]
            console.print(f"{sum(len(f.maps) for f in found.frames)} heatmaps stored, {sizes:.0f} bytes each")
            console.print(f"\n[bold]{report.verdict(found)}[/bold]\n")
            console.print(f"report  {page}", soft_wrap=True)
            console.print(f"took    {time.monotonic() - begun:.0f} s", highlight=False)
            if args.serve:
                try:
                    console.print(f"page    {running.page}   (Ctrl-C ends it)")
                    while True:
                        time.sleep(3600)
                except KeyboardInterrupt:
                    console.print("ending")
    return 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
