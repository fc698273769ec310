"""Runs on a node: predicts, explains and sends heatmaps to the fleet.

  edgexai agent --fleet line3 --node press7 --model kws_explain.tflite --data mfcc.npz \\
      --broker mqtt://127.0.0.1:1883 --state /var/lib/edgexai

Every accepted frame waits in the --state directory until the fleet has stored it, whatever dies in between; without
--state it waits in memory. Plain mqtt:// is refused beyond this machine unless --plaintext says that the wire is safe;
mqtts:// verifies the broker, with --ca against your own authority. User and password come from EDGEXAI_MQTT_USER and
EDGEXAI_MQTT_PASSWORD. Ctrl-C or SIGTERM ends it cleanly.
"""

import argparse
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from edgexai.board import load_board
from edgexai.device.agent import Agent, Settings
from edgexai.device.policy import Every
from edgexai.device.source import samples
from edgexai.errors import ConfigError
from edgexai.messaging.broker import Broker


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fleet", required=True, help="name of the fleet")
    parser.add_argument("--node", required=True, help="name of this node, once in its fleet")
    parser.add_argument("--model", type=Path, required=True, help="explainer file that `edgexai attach` made")
    parser.add_argument("--data", type=Path, required=True, help=".npz with x, .npy, or a directory of such")
    parser.add_argument("--broker", required=True, metavar="URL", help="mqtts://HOST:PORT or mqtt://127.0.0.1:PORT")
    parser.add_argument("--predictor", type=Path, help="the plain model: predicts what the policy does not explain")
    parser.add_argument("--board", help="board profile that the energy estimate uses")
    parser.add_argument("--budget", type=int, default=256, metavar="BYTES", help="bytes of a frame (256)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="explain every N-th sample (1)")
    parser.add_argument("--interval", type=float, default=0.0, metavar="S", help="seconds between samples (0)")
    parser.add_argument("--limit", type=int, metavar="N", help="stop after N samples")
    parser.add_argument("--state", type=Path, metavar="DIR", help="where the outbox lives")
    parser.add_argument("--labels", help="names of the classes, separated by commas")
    parser.add_argument("--confirm", choices=("store", "broker"), default="store", help="who frees a frame (store)")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="authority that signed the broker's certificate")
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="this node's certificate")
    parser.add_argument("--key", type=Path, metavar="PEM", help="and its private key")
    parser.add_argument("--plaintext", action="store_true", help="allow mqtt:// beyond this machine")
    parser.add_argument("--verbose", action="store_true", help="say more")


def run(args: argparse.Namespace) -> int:
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    for option, value in (("--every", args.every), ("--budget", args.budget)):
        if value < 1:
            raise ConfigError(f"{option} must be at least 1, not {value}")
    agent = Agent(
        Settings(
            fleet=args.fleet,
            node=args.node,
            model=args.model,
            broker=Broker.parse(args.broker, args.plaintext, args.ca, args.certificate, args.key),
            state=args.state,
            predictor=args.predictor,
            board=args.board,
            budget=args.budget,
            energy=None if args.board is None else _energy(args.board, args.model),
            policy=Every(args.every),
            interval=args.interval,
            limit=args.limit,
            confirm=args.confirm,
            labels=tuple(args.labels.split(",")) if args.labels else (),
        )
    )

    def end(signum: int, frame: FrameType | None) -> None:
        agent.stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    counts = agent.run(samples(args.data))
    waiting = counts.explained - counts.refused - agent.session.confirmed
    print(
        f"{args.node}: {counts.samples} samples, {counts.explained} explained, {counts.bytes} bytes,"
        f" {agent.session.confirmed} confirmed, {max(0, waiting)} waiting"
    )
    return 0


def _energy(name: str, model: Path) -> Callable[[float], float] | None:
    """Energy of an explanation on a board: by the cost model where the graph can be read, else active power × time."""
    board = load_board(name)
    power = board.active_mw
    if power is None:
        return None
    try:
        from edgexai.compress.cost import cost
        from edgexai.graph import load
    except ModuleNotFoundError:  # a node without flatbuffers: it is the board itself, and its time is the board's
        return lambda latency_ms: power * latency_ms
    estimate = cost(load(model), board).energy_uj
    return None if estimate is None else lambda _: estimate
