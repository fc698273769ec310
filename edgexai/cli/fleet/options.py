"""Options that several parts of `edgexai fleet` share."""

import argparse
import math
import re
from datetime import UTC, datetime
from pathlib import Path

from edgexai.checks import unopened
from edgexai.errors import ConfigError
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import name

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def broker_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """Where the broker is, and how it is spoken to."""
    group = parser.add_argument_group("the broker")
    alone = "" if required else "; without it, one is started on this machine"
    group.add_argument("--broker", metavar="URL", required=required, help=f"mqtts://HOST:PORT{alone}")
    group.add_argument("--ca", type=Path, metavar="PEM", help="authority that signed the broker's certificate")
    group.add_argument("--certificate", type=Path, metavar="PEM", help="the fleet's certificate")
    group.add_argument("--key", type=Path, metavar="PEM", help="and its private key")
    group.add_argument("--plaintext", action="store_true", help="allow mqtt:// beyond this machine")


def worker_options(parser: argparse.ArgumentParser) -> None:
    """What receives, and where it stores."""
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--table", metavar="URL", help="a Delta table (s3://BUCKET/NAME) that several hosts fill")
    parser.add_argument("--share", metavar="GROUP", help="divide the stream among the workers of this group")
    parser.add_argument("--mqtt", choices=("auto", "5", "3.1.1"), default="auto", help="version (auto: 5, else 3.1.1)")
    parser.add_argument("--fleet", default="+", metavar="NAME", help="that one alone (all of the broker)")
    parser.add_argument("--host", default="127.0.0.1", help="address that pages are served at (%(default)s)")


def order_options(parser: argparse.ArgumentParser) -> None:
    """Who is told something, and with which key it is signed."""
    parser.add_argument("--fleet", required=True, metavar="NAME", help="name of the fleet")
    parser.add_argument("--signing", type=Path, required=True, metavar="PEM", help="private key that `enrol` made")


def broker_of(args: argparse.Namespace) -> Broker | None:
    """The broker of the options; None for one of our own."""
    if args.broker is None:
        return None
    return Broker.parse(args.broker, args.plaintext, args.ca, args.certificate, args.key)


def known_broker(args: argparse.Namespace) -> Broker:
    """The broker of the options, which must be given."""
    return Broker.parse(args.broker, args.plaintext, args.ca, args.certificate, args.key)


def fleet_of(args: argparse.Namespace) -> str:
    """The fleet that is received; + for all."""
    return "+" if args.fleet == "+" else name(args.fleet, "fleet name")


def nodes_of(given: str) -> list[str]:
    """Names separated by commas, or of the file behind an @, one a line."""
    if given.startswith("@"):
        try:
            return Path(given[1:]).read_text().split()
        except OSError as error:
            raise unopened(Path(given[1:]), error) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{given[1:]} is no text; give a file with one name a line") from None
    return [n for n in given.split(",") if n]


def keep_table(args: argparse.Namespace) -> None:
    """Note in the store that its frames go to the table of the options."""
    from edgexai.fleet.store.store import where

    args.store.mkdir(parents=True, exist_ok=True)
    where(args.store, args.table)


def say(line: str) -> None:
    """A line that a reader of the pipe sees at once."""
    print(line, flush=True)


def filled_store(directory: Path) -> None:
    """ConfigError for a directory that has no store in it."""
    if not (directory / "journal.db").is_file():
        raise ConfigError(f"there is no store in {directory}; `edgexai fleet import … --store {directory}` makes one")


def moment(text: str, last: float) -> float:
    """Unix seconds of "24h" (before the newest frame), of a date, or of a number. ConfigError for anything else."""
    if ago := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text):
        return last - float(ago[1]) * UNITS[ago[2]]
    try:
        if math.isfinite(seconds := float(text)):
            return seconds
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time: take 24h, 7d, 2026-03-01, 2026-03-01T12:00 or Unix seconds") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
