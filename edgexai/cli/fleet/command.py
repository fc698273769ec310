"""Tell a node something, signed, and print its reply.

  edgexai fleet command --fleet line3 --node press7 --signing command.key --broker mqtts://broker.example \\
      --ca ca.pem --certificate operator.pem --key operator.key explain '{"count": 5}'

  ping, metrics         is it there, and what has it done
  explain, last         the next samples, or the last ones, whatever its policy says
  policy                when to explain from now on
  profile               collect a relevance profile
  probe                 try a suspicion of `analyse --json` on its own samples
  rotate                the key that it takes commands by
"""

import argparse
import json

from edgexai.cli.fleet.options import broker_options, known_broker, order_options
from edgexai.errors import ConfigError

COMMANDS = ("ping", "metrics", "policy", "explain", "last", "profile", "probe", "rotate")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("parameters", nargs="?", default="{}", help="as JSON")
    parser.add_argument("--node", required=True, metavar="NAME", help="name of the node")
    order_options(parser)
    broker_options(parser, required=True)


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.orders.command import Order, send
    from edgexai.messaging.command import load_private

    try:
        parameters = json.loads(args.parameters)
    except ValueError:
        raise ConfigError(f"{args.parameters!r} is no JSON") from None
    if not isinstance(parameters, dict):
        raise ConfigError("the parameters of a command are a JSON object")
    order = Order(args.fleet, args.node, args.do, parameters)
    reply = send(known_broker(args), load_private(args.signing), order)
    print(json.dumps(reply, indent=2))
    return 0 if reply.get("ok") is True else 1
