"""Make an authority, a certificate for each node, and mosquitto's configuration and rules.

edgexai fleet enrol --fleet line3 --requests press7.csr,press8.csr --hosts broker.example --out line3-keys
    sign what the nodes asked for with `edgexai agent request`: their keys never leave them
edgexai fleet enrol --fleet line3 --nodes press7,press8 --hosts broker.example --out line3-keys
    make the nodes' keys here, for trying out
edgexai fleet enrol --fleet line3 --renew --out line3-keys                  what ends within thirty days
edgexai fleet enrol --fleet line3 --lock-out press8 --out line3-keys        its key was stolen
"""

import argparse
from pathlib import Path

from edgexai.cli.fleet.options import nodes_of
from edgexai.cli.options import count, new_place, port


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fleet", required=True, metavar="NAME", help="name of the fleet")
    parser.add_argument("--nodes", default="", help="names, by commas, or @FILE with one a line: keys are made here")
    parser.add_argument("--requests", default="", metavar="FILES", help="signing requests NODE.csr, by commas")
    parser.add_argument("--workers", default="", metavar="NAMES", help="further ingest workers, by commas")
    parser.add_argument("--operators", default="", metavar="NAMES", help="further people who give orders, by commas")
    parser.add_argument("--hosts", default="localhost,127.0.0.1", help="how nodes reach the broker (%(default)s)")
    parser.add_argument("--port", type=port, default=8883, metavar="P", help="of the broker (%(default)s)")
    parser.add_argument("--days", type=count, default=365, help="how long certificates hold (%(default)s)")
    parser.add_argument("--out", type=new_place, default="fleet-keys", metavar="DIR", help="(%(default)s)")
    parser.add_argument("--sparkplug", metavar="GROUP", help="these nodes may speak Sparkplug B in this group")
    parser.add_argument("--renew", action="store_true", help="renew certificates that end within thirty days")
    parser.add_argument("--lock-out", metavar="NODES", help="call the certificates of these nodes back")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.keys.enrol import Terms, enrol, lock_out, renew

    if args.renew:
        renewed = renew(args.out, args.fleet, args.days)
        print(*renewed, f"{len(renewed)} certificates renewed", sep="\n")
        return 0
    if args.lock_out:
        revoked = lock_out(args.out, args.fleet, nodes_of(args.lock_out))
        print(f"{args.lock_out} cannot connect any more by {revoked}; have mosquitto read it: kill -HUP,")
        print("or start it anew to end a connection that is open")
        return 0
    hosts, requests = ([part for part in given.split(",") if part] for given in (args.hosts, args.requests))
    terms = Terms(args.days, args.port, args.sparkplug, nodes_of(args.operators))
    nodes: list[str | Path] = [*nodes_of(args.nodes), *map(Path, requests)]
    made = enrol(args.out, args.fleet, nodes, hosts, terms, nodes_of(args.workers))
    if not made:
        print(f"everything is in {args.out} already; nothing was made")
    if len(made) > 40:
        print(f"{len(made)} files made in {args.out}")
    else:
        print(*made, sep="\n")
    if made and (args.out / "mosquitto.conf") not in made:
        print("mosquitto knows new names when it is started anew; nodes and service connect again by themselves")
    return 0
