"""Runs on a node: predicts, explains and sends heatmaps to the fleet.

  edgexai agent --fleet line3 --node press7 --model kws_explain.tflite --data mfcc.npz \\
      --broker mqtt://127.0.0.1:1883 --state /var/lib/edgexai
  edgexai agent --config agent.toml --dry-run     explains the first sample, sends nothing, says what it would
  my-sensor | edgexai agent --config agent.toml --data -            .npy arrays, one sample each
  edgexai agent --config agent.toml --data watch:/var/spool/camera  files as they come
  edgexai agent --source serial:/dev/ttyACM0 --fleet line3 --node press7 --broker mqtt://127.0.0.1:1883
                                                  frames of a microcontroller, as `edgexai firmware` makes them

Every accepted frame waits in the --state directory until the fleet has stored it, whatever dies in between; without
--state it waits in memory. Plain mqtt:// is refused beyond this machine unless --plaintext says that the wire is safe;
mqtts:// verifies the broker, with --ca against your own authority. The password comes from --password-file or
EDGEXAI_MQTT_PASSWORD. When to explain and what may leave the node is in the configuration ([policy], [privacy]); inputs
never leave. An option goes before the same line of --config. Ctrl-C or SIGTERM ends it cleanly.
"""

import argparse
import json
import logging
import signal
import time
from collections.abc import Callable
from itertools import islice
from logging.handlers import RotatingFileHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from edgexai.agent import offline
from edgexai.agent.agent import Agent
from edgexai.agent.config import Table, over, read, settings
from edgexai.agent.relay import Relay
from edgexai.agent.serial import KIND as SERIAL
from edgexai.agent.serial import frames
from edgexai.agent.settings import Settings
from edgexai.agent.source import source
from edgexai.board import load_board
from edgexai.cli.options import count, count_or_none, new_path, number
from edgexai.cli.samples import data_options, prepared
from edgexai.data import Preprocessing, names
from edgexai.errors import ConfigError
from edgexai.messaging.messages import pack, topic

_AGENT = (
    "fleet",
    "node",
    "model",
    "data",
    "predictor",
    "profiler",
    "basis",
    "board",
    "budget",
    "interval",
    "limit",
    "state",
)
_BROKER = ("ca", "certificate", "key", "username", "password_file", "confirm", "window")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="TOML", help="configuration file")
    parser.add_argument("--fleet", help="name of the fleet")
    parser.add_argument("--node", help="name of this node, once in its fleet")
    parser.add_argument("--model", help="explainer file that `edgexai attach` made")
    parser.add_argument(
        "--data",
        "--source",
        dest="data",
        help=".npz, .npy, directory, watch:DIR, -, python:MODULE:FUNCTION, plugin:NAME, or serial:DEVICE for frames",
    )
    parser.add_argument("--broker", metavar="URL", help="mqtts://HOST:PORT or mqtt://127.0.0.1:PORT")
    parser.add_argument(
        "--to", type=new_path, metavar="FILE", help="write to FILE what would be sent, for `fleet import`"
    )
    parser.add_argument("--context", help="what this node declares of itself: site=north,group=new")
    parser.add_argument("--predictor", help="the plain model: predicts what the policy does not explain")
    parser.add_argument("--profiler", help="file of `edgexai profile --node`: collects a relevance profile on command")
    parser.add_argument("--basis", help="file of `edgexai basis`: shorter frames, for a fleet that has it too")
    parser.add_argument("--board", help="board profile that the energy estimate uses")
    parser.add_argument("--budget", type=count, metavar="BYTES", help="bytes of a frame (256)")
    parser.add_argument("--every", type=count, metavar="N", help="explain every N-th sample (1)")
    parser.add_argument("--interval", type=number(0), metavar="S", help="seconds between samples (0)")
    parser.add_argument(
        "--limit", type=count_or_none, metavar="N", help="stop after N samples; 0 sends what waits, and ends"
    )
    parser.add_argument("--once", action="store_true", help="stop after one sample")
    parser.add_argument("--dry-run", action="store_true", help="explain one sample and send nothing")
    parser.add_argument("--state", metavar="DIR", help="where frames wait")
    parser.add_argument("--confirm", choices=("store", "broker"), help="who frees a frame (store)")
    parser.add_argument("--window", type=count, metavar="N", help="frames on their way at most (64)")
    parser.add_argument("--ca", metavar="PEM", help="authority that signed the broker's certificate")
    parser.add_argument("--certificate", metavar="PEM", help="this node's certificate")
    parser.add_argument("--key", metavar="PEM", help="and its private key")
    parser.add_argument("--username", metavar="NAME", help="for the broker; or EDGEXAI_MQTT_USER")
    parser.add_argument("--password-file", metavar="FILE", help="and its password (chmod 600)")
    parser.add_argument("--sparkplug", metavar="GROUP", help="show the node to SCADA tools too, as Sparkplug B")
    parser.add_argument(
        "--commands", metavar="PEM", help="public key: take commands that are signed with its other half"
    )
    parser.add_argument("--plaintext", action="store_true", help="allow mqtt:// beyond this machine")
    parser.add_argument("--log", choices=("text", "json"), default="text", help="form of the log on standard error")
    parser.add_argument("--log-file", type=new_path, metavar="FILE", help="log there instead: 4 files of at most 1 MiB")
    parser.add_argument("--verbose", action="store_true", help="say more")
    data_options(parser)


def run(args: argparse.Namespace) -> int:
    _log(args.log, args.verbose, args.log_file)
    table = over({} if args.config is None else read(args.config), _table(args))
    made, where = settings(table)
    if where.startswith(SERIAL):
        return _relay(made, where.removeprefix(SERIAL), args.dry_run or args.to is not None)
    prepare = prepared(args, made.model)
    made.labels = made.labels or prepare.labels
    if made.board is not None:
        made.energy = _energy(made.board, made.model)
    if args.dry_run:
        return _dry_run(made, where, prepare)
    if args.to is not None:
        return _offline(made, where, args.to, prepare)
    agent = Agent(made)
    _ends(agent.end)
    counts = agent.run(source(where, agent.state.explainer.input, prepare, agent.leave_out))
    print(
        f"{made.node}: {counts.samples} samples, {counts.explained} explained, {counts.bytes} bytes,"
        f" {agent.state.session.confirmed} confirmed, {agent.left} waiting"
    )
    return 0


def _relay(settings: Settings, where: str, is_elsewhere: bool) -> int:
    """Pass on a microcontroller's frames."""
    if is_elsewhere:
        raise ConfigError("frames of a serial line go to a broker; take --to and --dry-run away")
    relay = Relay(settings)
    _ends(relay.end)
    try:
        counts = relay.run(frames(where, relay.stop.is_set))
    finally:
        relay.outbox.close()
    print(
        f"{settings.node}: {counts.explained} frames, {counts.refused} damaged, {counts.bytes} bytes,"
        f" {relay.session.confirmed} confirmed, {relay.left} waiting"
    )
    return 0


def _ends(end: Callable[[], None]) -> None:
    """Ctrl-C and SIGTERM end cleanly."""

    def handler(signum: int, frame: FrameType | None) -> None:
        end()

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)


def _table(args: argparse.Namespace) -> Table:
    given = {k: v for k, v in vars(args).items() if v is not None}
    agent: Table = {k: given[k] for k in _AGENT if k in given}
    broker: Table = {k: given[k] for k in _BROKER if k in given}
    if args.labels is not None:
        agent["labels"] = list(names(args.labels))
    if args.context is not None:
        agent["context"] = args.context.split(",")
    if args.once:
        agent["limit"] = 1
    if args.broker is not None:
        broker["url"] = args.broker
    elif args.to is not None:
        broker["url"] = "mqtt://127.0.0.1"  # where nothing is sent to
    if args.plaintext:
        broker["plaintext"] = True
    policy: Table = {} if args.every is None else {"any": [{"every": args.every}]}
    commands: Table = {} if args.commands is None else {"key": args.commands}
    sparkplug: Table = {} if args.sparkplug is None else {"group": args.sparkplug}
    return {"agent": agent, "broker": broker, "policy": policy, "commands": commands, "sparkplug": sparkplug}


def _offline(settings: Settings, where: str, path: Path, prepare: Preprocessing) -> int:
    """Explain, and append what would have been sent to a file; a frame leaves the outbox once it is on the disk."""
    agent = Agent(settings)
    box, count = agent.state.outbox, 0
    for news in filter(None, (box.repaired, box.volatile)):
        logging.getLogger(__name__).warning(news)
    try:
        with path.open("ab") as file:
            file.write(offline.line(topic(settings.fleet, settings.node, "status"), pack(agent.status())))
            for x in islice(source(where, agent.state.explainer.input, prepare), settings.limit):
                agent.step(x)
                if settings.interval:
                    time.sleep(settings.interval)
                count += offline.emptied(box, file, settings.fleet, settings.node, at_least=100)
            count += offline.emptied(box, file, settings.fleet, settings.node)
            file.write(offline.line(topic(settings.fleet, settings.node, "metrics"), pack(agent.metrics())))
    finally:
        box.close()
    print(f"{settings.node}: {agent.state.counts.samples} samples, {count} frames in {path}")
    return 0


def _dry_run(settings: Settings, where: str, prepare: Preprocessing) -> int:
    with TemporaryDirectory(prefix="edgexai-") as state:
        settings.state = Path(state)
        agent = Agent(settings)
        for x in islice(source(where, agent.state.explainer.input, prepare), 1):
            agent.step(x)
        frames = [{"bytes": len(i.payload)} for i in agent.waiting()]
        told = {"status": agent.status(), "metrics": agent.metrics(), "frames": frames}
        agent.state.outbox.close()
    print(json.dumps({"broker": settings.broker.url, "would_send": told}, indent=2))
    return 0


def _log(form: str, verbose: bool, file: Path | None) -> None:
    handler: logging.Handler = logging.StreamHandler()
    if file is not None:
        handler = RotatingFileHandler(file, maxBytes=2**20, backupCount=3, delay=True)
    if form == "json":
        handler.setFormatter(_Lines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler], force=True)


class _Lines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"time": record.created, "level": record.levelname.lower(), "from": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _energy(name: str, model: Path) -> Callable[[float], float] | None:
    """Energy of an explanation on a board: by the cost model where the graph can be read, else active power × time."""
    board = load_board(name)
    power = board.active_mw
    if power is None:
        return None
    try:
        from edgexai.compress.measure.cost import cost
        from edgexai.graph import load
    except ModuleNotFoundError:  # a node without flatbuffers: it is the board itself, and its time is the board's
        return lambda latency_ms: power * latency_ms
    estimate = cost(load(model), board).energy_uj
    return None if estimate is None else lambda _: estimate
