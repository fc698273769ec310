"""Receive, store, and show what the models look at, on one page.

edgexai fleet                        a broker on this machine, the page on http://127.0.0.1:8080
edgexai fleet --broker mqtts://broker.example --ca ca.pem --certificate fleet.pem --key fleet.key --store /srv/fleet
"""

import argparse
import logging
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from edgexai.cli.fleet.options import broker_of, broker_options, fleet_of, keep_table, say, worker_options
from edgexai.cli.options import port
from edgexai.errors import ConfigError
from edgexai.fleet.memory import keep_little
from edgexai.messaging.broker import Broker, is_loopback

if TYPE_CHECKING:
    from edgexai.fleet.alarms.speak import Told


def arguments(parser: argparse.ArgumentParser) -> None:
    worker_options(parser)
    parser.add_argument("--port", type=port, default=8080, metavar="P", help="port of the page (%(default)s; 0: any)")
    parser.add_argument("--worker", metavar="NAME", help="a name that stays the same over restarts")
    parser.add_argument("--page-certificate", type=Path, metavar="PEM", help="serve the page over TLS: its certificate")
    parser.add_argument("--page-key", type=Path, metavar="PEM", help="and its private key")
    parser.add_argument(
        "--tls-in-front", action="store_true", help="a proxy in front does TLS: plain HTTP beyond this machine is right"
    )
    broker_options(parser, required=False)
    group = parser.add_argument_group("who is told of findings")
    group.add_argument("--webhook", metavar="URL", help="POST alarms there, signed")
    group.add_argument("--webhook-secret", type=Path, metavar="FILE", help="the secret that signs them")
    group.add_argument("--announce", metavar="URL", help="broker for alarms, and for nodes in Home Assistant")
    group.add_argument("--announce-ca", type=Path, metavar="PEM", help="authority that signed its certificate")
    group.add_argument("--alarm-from", choices=("high", "medium", "low"), default="medium", help="(%(default)s)")
    group = parser.add_argument_group("suspicions that nodes try")
    group.add_argument(
        "--try-suspicions", type=Path, metavar="PEM", help="sign orders to try them with this command.key"
    )
    group.add_argument("--operator-certificate", type=Path, metavar="PEM", help="who gives orders: operator.pem")
    group.add_argument("--operator-key", type=Path, metavar="PEM", help="and its private key")
    parser.add_argument("--broker-port", type=port, default=1883, metavar="P", help="of our own (%(default)s; 0: any)")


def run(args: argparse.Namespace) -> int:
    keep_little()  # before the imports that begin threads
    from edgexai.fleet.ingest.ingest import Stream
    from edgexai.fleet.service import Page, Where, serve, worker_name
    from edgexai.fleet.store.users import users

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")

    tls = _tls(args)
    if not is_loopback(args.host) and not users(args.store):
        raise ConfigError(
            f"the page would be open to whoever reaches {args.host}; add a user first: "
            f"edgexai fleet user add NAME --role operator --store {args.store}"
        )
    if not is_loopback(args.host) and tls is None and not args.tls_in_front:
        raise ConfigError(
            f"passwords would go to {args.host} in plain text; give --page-certificate and --page-key, "
            "or say --tls-in-front where a proxy does TLS"
        )

    def ready(where: Where) -> None:
        say(f"page {where.page}  broker {where.broker}  store {where.store}")

    keep_table(args)
    broker, page = broker_of(args) or args.broker_port, Page(args.host, args.port, tls)
    stream = Stream(args.worker or worker_name(args.store), args.share, args.mqtt, fleet_of(args))
    serve(args.store, broker, page, stream, told(args), ready)
    return 0


def told(args: argparse.Namespace) -> "Told":
    """Who hears of findings."""
    from edgexai.fleet.alarms.speak import Told
    from edgexai.fleet.alarms.webhook import Webhook
    from edgexai.messaging.command import load_private

    if (args.webhook is None) != (args.webhook_secret is None):
        raise ConfigError("--webhook and --webhook-secret belong together")
    webhook = None if args.webhook is None else Webhook.parse(args.webhook, args.webhook_secret)
    announce = None if args.announce is None else Broker.parse(args.announce, args.plaintext, args.announce_ca)
    signing = None if args.try_suspicions is None else load_private(args.try_suspicions)
    return Told(webhook, announce, args.alarm_from, signing, _orders(args))


def _orders(args: argparse.Namespace) -> Broker | None:
    """The broker as whoever gives orders reaches it; None where that is as the service does."""
    given = args.operator_certificate
    if (given is None) != (args.operator_key is None) or (given is not None and args.try_suspicions is None):
        raise ConfigError("--try-suspicions, --operator-certificate and --operator-key belong together")
    own = args.certificate
    if args.try_suspicions is not None and own is not None and (given is None or given.resolve() == own.resolve()):
        raise ConfigError(
            "orders over the service's own certificate would end its connection; "
            "give --operator-certificate and --operator-key, which `enrol` made"
        )
    if given is None or args.broker is None:
        return None
    orders = Broker.parse(args.broker, args.plaintext, args.ca, given, args.operator_key)
    orders.context()  # a key that is another's is told now, not at the first order
    return orders


def _tls(args: argparse.Namespace) -> tuple[Path, Path] | None:
    """Certificate and key of the page."""
    if (args.page_certificate is None) != (args.page_key is None):
        raise ConfigError("--page-certificate and --page-key belong together")
    if args.page_certificate is None:
        return None
    for path in (args.page_certificate, args.page_key):
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(args.page_certificate, args.page_key)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{args.page_certificate} and {args.page_key} are no certificate and its key ({error.reason or error}); "
            "give two PEM files that belong together"
        ) from None
    return args.page_certificate, args.page_key
