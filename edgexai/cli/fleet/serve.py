"""Receive, store, and show what the models look at, on one page.

edgexai fleet                        a broker on this machine, the page on http://127.0.0.1:8080
edgexai fleet --broker mqtts://broker.example --ca ca.pem --certificate fleet.pem --key fleet.key --store /srv/fleet
"""

import argparse
import logging

from edgexai.cli.fleet.options import broker_of, broker_options, fleet_of, say, worker_options
from edgexai.cli.options import port
from edgexai.errors import ConfigError
from edgexai.messaging.broker import is_loopback


def arguments(parser: argparse.ArgumentParser) -> None:
    worker_options(parser)
    parser.add_argument("--port", type=port, default=8080, metavar="P", help="port of the page (%(default)s; 0: any)")
    parser.add_argument("--worker", metavar="NAME", help="a name that stays the same over restarts")
    parser.add_argument(
        "--unprotected", action="store_true", help="serve the page beyond this machine, to whoever asks, without log-in"
    )
    broker_options(parser, required=False)
    parser.add_argument("--broker-port", type=port, default=1883, metavar="P", help="of our own (%(default)s; 0: any)")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.service import Where, serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")

    if not is_loopback(args.host) and not args.unprotected:
        raise ConfigError(
            f"the page has no log-in and would be open to whoever reaches {args.host}; keep 127.0.0.1 "
            "with a proxy in front, or say --unprotected"
        )

    def ready(where: Where) -> None:
        say(f"page {where.page}  broker {where.broker}  store {where.store}")

    where = (args.broker_port, args.host, args.port)
    serve(args.store, broker_of(args), *where, args.worker, args.share, args.mqtt, fleet_of(args), ready)
    return 0
