"""What an option of the command line takes as a port."""

import argparse


def port(text: str) -> int:
    """A number from 0 to 65535."""
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text[:40]!r}")
    return int(text)
