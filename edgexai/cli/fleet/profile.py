"""Have nodes collect a relevance profile each, and fetch them, for `edgexai profile --add`.

  edgexai fleet profile --fleet line3 --nodes press7,press8 --signing command.key --broker mqtts://broker.example \\
      --ca ca.pem --certificate operator.pem --key operator.key --count 100 --out profiles
"""

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from edgexai.cli.fleet.options import broker_options, known_broker, nodes_of, order_options
from edgexai.cli.options import count, new_place
from edgexai.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edgexai.messaging.broker import Broker


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", required=True, help="names, by commas, or @FILE with one a line")
    parser.add_argument("--count", type=count, default=100, metavar="N", help="samples of each node (%(default)s)")
    parser.add_argument("--out", type=new_place, default="profiles", metavar="DIR", help="(%(default)s)")
    order_options(parser)
    broker_options(parser, required=True)


def run(args: argparse.Namespace) -> int:
    from edgexai.cli.progress import bar
    from edgexai.fleet.orders.collect import collect
    from edgexai.messaging.command import load_private

    nodes, broker = nodes_of(args.nodes), known_broker(args)
    if not nodes:
        raise ConfigError("--nodes names no node")
    key = load_private(args.signing)
    args.out.mkdir(parents=True, exist_ok=True)
    for node in nodes:
        with bar(node) as progress:
            ask = partial(_asked, broker, key, args.fleet, node)
            profile = collect(ask, args.count, progress=progress)
        path = args.out / f"{node}.profile"
        path.write_bytes(profile)
        print(path)
    return 0


def _asked(broker: "Broker", key: "Ed25519PrivateKey", fleet: str, node: str, what: dict[str, Any]) -> dict[str, Any]:
    """The reply to `profile`; what begins nothing is asked once more if somebody with the same certificate cut in."""
    from edgexai.fleet.orders.command import Ended, Order, send

    order = Order(fleet, node, "profile", what)
    try:
        return send(broker, key, order)
    except Ended:
        if "count" in what:
            raise
        return send(broker, key, order)
