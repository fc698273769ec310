"""Who may use the page: with the first user, everybody has to log in.

edgexai fleet user add ada --role operator --store /srv/fleet        asks for the password
edgexai fleet user list --store /srv/fleet
edgexai fleet user remove ada --store /srv/fleet

A viewer reads; an operator decides about findings, too. A service that runs takes the change at once: who is
removed, or gets another password, is logged out.
"""

import argparse
import getpass
import sys
from pathlib import Path

from edgexai.errors import ConfigError, DataError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=("add", "list", "remove"), help="what to do; add also changes")
    parser.add_argument("name", nargs="?", help="of the user")
    parser.add_argument("--role", choices=("viewer", "operator"), default="viewer", help="(%(default)s)")
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input, one line")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.store.users import add, remove, users

    if args.do != "list" and args.name is None:
        raise ConfigError(f"whom? Write: edgexai fleet user {args.do} NAME")
    if args.do == "add":
        args.store.mkdir(parents=True, exist_ok=True)
        is_new = add(args.store, args.name, args.role, _password(args.password_stdin))
        print(f"{args.name} is {'now' if is_new else 'still known, as'} {args.role} in {args.store}")
    elif args.do == "remove":
        remove(args.store, args.name)
        print(f"{args.name} cannot log in any more")
    else:
        known = users(args.store)
        for user in known.values():
            print(f"{user.name}  {user.role}")
        if not known:
            print(f"{args.store} has no users: who opens the page on this machine is an operator")
    return 0


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask for the password; give it by --password-stdin")
    first = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != first:
        raise DataError("the two passwords differ; nothing was changed")
    return first
