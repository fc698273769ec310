"""Runs the fleet's side: receives heatmaps, stores each once, and shows what the models look at.

  edgexai fleet                                  a broker on this machine, the page on http://127.0.0.1:8080
  edgexai fleet --broker mqtts://broker.example --ca ca.pem --certificate fleet.pem --key fleet.key --store /srv/fleet
  edgexai fleet ingest --broker mqtts://broker.example … --store /srv/fleet --share workers --worker 2
  edgexai fleet enrol --fleet line3 --nodes press7,press8 --hosts broker.example --out line3-keys
  edgexai fleet enrol --fleet line3 --lock-out press8 --out line3-keys        its key was stolen
  edgexai fleet command --fleet line3 --node press7 --signing command.key --broker … explain '{"count": 5}'
  edgexai fleet profile --fleet line3 --nodes press7,press8 --signing command.key --broker … --count 100 --out profiles
  edgexai fleet import line3.frames more.npz --store /srv/fleet        what `edgexai agent --to` wrote
  edgexai fleet analyse --store /srv/fleet --since 24h --baseline 7d
  edgexai fleet repair --store /srv/fleet        when it says that the journal is damaged

Bases that `edgexai basis` made for the nodes go into the folder `bases` of the store, also while it runs; frames that
name another are stored, but not shown.

`analyse` prints what is found, the most urgent first: shortcuts, bias between declared groups, drift (against the
frames from --baseline up to --since; with --baseline alone, against those before it; without it, changes over time),
nodes that leave their peers, models that give other reasons. A file of `import` is taken in once, however often it is
given.

`ingest` is one more worker on the same store, without a page; workers of one --share divide the stream among them
(a broker that knows shared subscriptions, such as mosquitto, is needed). `enrol` makes
an authority, a certificate for each node, and mosquitto's configuration and rules. `command` tells a node
to ping, metrics, policy, explain, last, profile or rotate, and prints its reply. `profile` has nodes collect a
relevance profile each and fetches them, for `edgexai profile --add`. Ctrl-C or SIGTERM ends it cleanly.
"""

import argparse
import json
import logging
from functools import partial
from pathlib import Path

from edgexai.errors import ConfigError
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import name


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "part",
        nargs="?",
        choices=("serve", "ingest", "enrol", "command", "profile", "repair", "analyse", "import"),
        default="serve",
        help="what to run (serve)",
    )
    parser.add_argument("do", nargs="?", help="command: ping, metrics, policy, explain, last, profile or rotate")
    parser.add_argument("parameters", nargs="?", default="{}", help="command: its parameters as JSON")
    parser.add_argument("files", nargs="*", help="import: further files")
    parser.add_argument("--since", metavar="WHEN", help="analyse: frames from 24h before the newest, or from a date on")
    parser.add_argument("--baseline", metavar="WHEN", help="analyse: drift against frames from then on (or A..B)")
    parser.add_argument("--rate", type=float, default=0.1, help="analyse: share of findings that may be false (0.1)")
    parser.add_argument("--json", action="store_true", help="analyse: findings as a JSON list")
    parser.add_argument("--broker", metavar="URL", help="mqtts://HOST:PORT; without it, one is started on this machine")
    parser.add_argument("--broker-port", type=int, default=1883, metavar="P", help="port of that one (1883; 0: any)")
    parser.add_argument("--host", default="127.0.0.1", help="address of the page (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, metavar="P", help="port of the page (8080; 0: any)")
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(fleet-store)")
    parser.add_argument("--share", metavar="GROUP", help="divide the stream among the workers of this group")
    parser.add_argument("--worker", metavar="NAME", help="a name for this worker that stays the same over restarts")
    parser.add_argument("--mqtt", choices=("auto", "5", "3.1.1"), default="auto", help="version (auto: 5, else 3.1.1)")
    parser.add_argument("--metrics-port", type=int, metavar="P", help="ingest: answer /metrics on --host (0: any port)")
    parser.add_argument("--ca", type=Path, metavar="PEM", help="authority that signed the broker's certificate")
    parser.add_argument("--certificate", type=Path, metavar="PEM", help="the fleet's certificate")
    parser.add_argument("--key", type=Path, metavar="PEM", help="and its private key")
    parser.add_argument("--fleet", help="name of the fleet (serve, ingest: all fleets of the broker)")
    parser.add_argument("--node", help="command: name of the node")
    parser.add_argument("--signing", type=Path, metavar="PEM", help="command, profile: private key that `enrol` made")
    parser.add_argument("--nodes", default="", help="enrol, profile: names, by commas, or @FILE with one a line")
    parser.add_argument("--sparkplug", metavar="GROUP", help="enrol: these nodes may speak Sparkplug B in this group")
    parser.add_argument("--lock-out", metavar="NODES", help="enrol: deny everything to nodes whose keys were lost")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="profile: samples of each node (100)")
    parser.add_argument("--hosts", default="localhost,127.0.0.1", help="enrol: how nodes reach the broker")
    parser.add_argument(
        "--out", type=Path, default=Path("fleet-keys"), metavar="DIR", help="enrol, profile (fleet-keys)"
    )
    parser.add_argument("--plaintext", action="store_true", help="allow mqtt:// beyond this machine")


def run(args: argparse.Namespace) -> int:
    if args.part == "enrol":
        return _enrol(args)
    if args.part == "repair":
        return _repair(args)
    if args.part in ("analyse", "import"):
        from edgexai.cli import fleet_analyse

        return fleet_analyse.analyse(args) if args.part == "analyse" else fleet_analyse.take_in(args)
    from edgexai.fleet.service import Where, ingest_only, serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    broker = (
        None if args.broker is None else Broker.parse(args.broker, args.plaintext, args.ca, args.certificate, args.key)
    )
    if args.part == "command":
        return _command(args, broker)
    if args.part == "profile":
        return _profile(args, broker)
    if args.part == "ingest":
        if broker is None or args.worker is None:
            raise ConfigError("a worker needs --broker and its own --worker name")
        ingest_only(
            args.store,
            broker,
            args.worker,
            args.share,
            args.mqtt,
            _fleet(args),
            args.host,
            args.metrics_port,
            lambda m: _say(f"metrics {m}"),
        )
        return 0

    def ready(where: Where) -> None:
        _say(f"page {where.page}  broker {where.broker}  store {where.store}")

    where_page = (args.host, args.port)
    serve(args.store, broker, args.broker_port, *where_page, args.worker, args.share, args.mqtt, _fleet(args), ready)
    return 0


def _fleet(args: argparse.Namespace) -> str:
    return "+" if args.fleet is None else name(args.fleet, "fleet name")


def _say(line: str) -> None:
    print(line, flush=True)


def _command(args: argparse.Namespace, broker: Broker | None) -> int:
    from edgexai.fleet.orders.command import send
    from edgexai.messaging.command import load_private

    if broker is None or args.fleet is None or args.node is None or args.signing is None or args.do is None:
        raise ConfigError("a command needs --broker, --fleet, --node, --signing and what to do")
    try:
        parameters = json.loads(args.parameters)
    except ValueError:
        raise ConfigError(f"{args.parameters!r} is no JSON") from None
    if not isinstance(parameters, dict):
        raise ConfigError("the parameters of a command are a JSON object")
    reply = send(broker, load_private(args.signing), args.fleet, args.node, args.do, parameters)
    print(json.dumps(reply, indent=2))
    return 0 if reply.get("ok") is True else 1


def _repair(args: argparse.Namespace) -> int:
    from edgexai.fleet.store.repair import repair

    done = repair(args.store)
    print(f"{done.archived} frames in Parquet files, {done.saved} saved from the journal, {done.unreadable} unreadable")
    for path in done.set_aside:
        print(f"{path} does not count any more: it is damaged (now .damaged), or holds what others hold (now .twice)")
    print(f"the old journal is kept as {done.old}")
    return 0


def _profile(args: argparse.Namespace, broker: Broker | None) -> int:
    from edgexai.cli.progress import bar
    from edgexai.fleet.orders.collect import collect
    from edgexai.fleet.orders.command import send
    from edgexai.messaging.command import load_private

    nodes = _names(args.nodes)
    if broker is None or args.fleet is None or not nodes or args.signing is None:
        raise ConfigError("profiles need --broker, --fleet, --nodes and --signing")
    key = load_private(args.signing)
    args.out.mkdir(parents=True, exist_ok=True)
    for node in nodes:
        with bar(node) as progress:
            ask = partial(send, broker, key, args.fleet, node, "profile")
            profile = collect(ask, args.count, progress=progress)
        path = args.out / f"{node}.profile"
        path.write_bytes(profile)
        print(path)
    return 0


def _enrol(args: argparse.Namespace) -> int:
    from edgexai.fleet.keys.enrol import enrol, lock_out

    if args.fleet is None:
        raise ConfigError("enrol needs the name of the fleet: --fleet")
    hosts = [h for h in args.hosts.split(",") if h]
    made = enrol(args.out, args.fleet, _names(args.nodes), hosts, sparkplug=args.sparkplug)
    if len(made) > 40:
        print(f"{len(made)} files made in {args.out}")
    else:
        print(*made, sep="\n")
    if args.lock_out:
        rules = lock_out(args.out, args.fleet, _names(args.lock_out))
        print(f"{args.lock_out} may do nothing any more by {rules}; have mosquitto read it: kill -HUP")
    return 0


def _names(given: str) -> list[str]:
    """Names separated by commas, or of the file behind an @, one a line."""
    if given.startswith("@"):
        try:
            return Path(given[1:]).read_text().split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{given[1:]} cannot be read: {error}") from None
    return [n for n in given.split(",") if n]
