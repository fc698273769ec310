"""Make this node's key, which never leaves it, and the request by which the fleet's authority signs it.

edgexai agent request --fleet line3 --node press7 --out keys
    then, where the authority is: edgexai fleet enrol --fleet line3 --requests press7.csr
"""

import argparse

from edgexai.cli.options import new_place


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fleet", required=True, metavar="NAME", help="name of the fleet")
    parser.add_argument("--node", required=True, metavar="NAME", help="name of this node, once in its fleet")
    parser.add_argument("--out", type=new_place, default=".", metavar="DIR", help="(%(default)s)")


def run(args: argparse.Namespace) -> int:
    from edgexai.messaging.request import request

    asked, kept = request(args.out, args.fleet, args.node)
    print(f"{kept}\n{asked}\nhave the request signed: edgexai fleet enrol --fleet {args.fleet} --requests {asked.name}")
    return 0
