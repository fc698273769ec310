"""Make an authority, a certificate for each node, and mosquitto's configuration and rules.

edgexai fleet enrol --fleet line3 --nodes press7,press8 --hosts broker.example --out line3-keys
edgexai fleet enrol --fleet line3 --lock-out press8 --out line3-keys        its key was stolen
"""

import argparse
from pathlib import Path

from edgexai.cli.fleet.options import nodes_of


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fleet", required=True, metavar="NAME", help="name of the fleet")
    parser.add_argument("--nodes", default="", help="names, by commas, or @FILE with one a line")
    parser.add_argument("--hosts", default="localhost,127.0.0.1", help="how nodes reach the broker (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("fleet-keys"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--sparkplug", metavar="GROUP", help="these nodes may speak Sparkplug B in this group")
    parser.add_argument("--lock-out", metavar="NODES", help="deny everything to nodes whose keys were lost")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.keys.enrol import enrol, lock_out

    hosts = [h for h in args.hosts.split(",") if h]
    made = enrol(args.out, args.fleet, nodes_of(args.nodes), hosts, sparkplug=args.sparkplug)
    if len(made) > 40:
        print(f"{len(made)} files made in {args.out}")
    else:
        print(*made, sep="\n")
    if args.lock_out:
        rules = lock_out(args.out, args.fleet, nodes_of(args.lock_out))
        print(f"{args.lock_out} may do nothing any more by {rules}; have mosquitto read it: kill -HUP")
    return 0
