"""One more worker on the same store, without a page.

Workers of one --share divide the stream among them; a broker that knows shared subscriptions, such as mosquitto, is
needed.

  edgexai fleet ingest --broker mqtts://broker.example --ca ca.pem --certificate fleet.pem --key fleet.key \\
      --store /srv/fleet --share workers --worker 2
"""

import argparse
import logging

from edgexai.cli.fleet.options import broker_options, fleet_of, keep_table, known_broker, say, worker_options
from edgexai.cli.options import port
from edgexai.fleet.memory import keep_little


def arguments(parser: argparse.ArgumentParser) -> None:
    worker_options(parser)
    parser.add_argument("--worker", required=True, metavar="NAME", help="a name that stays the same over restarts")
    parser.add_argument("--metrics-port", type=port, metavar="P", help="answer /metrics on --host (0: any port)")
    broker_options(parser, required=True)


def run(args: argparse.Namespace) -> int:
    keep_little()  # before the imports that begin threads
    from edgexai.fleet.ingest.ingest import Stream
    from edgexai.fleet.service import ingest_only

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    broker, fleet = known_broker(args), fleet_of(args)
    keep_table(args)
    metrics = None if args.metrics_port is None else (args.host, args.metrics_port)
    ingest_only(args.store, broker, Stream(args.worker, args.share, args.mqtt, fleet), metrics, say)
    return 0
