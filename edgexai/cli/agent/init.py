"""Print a configuration of the agent with every line explained.

edgexai agent init > agent.toml
edgexai agent --config agent.toml --dry-run
"""

import argparse

from edgexai.agent.config import TEMPLATE


def arguments(parser: argparse.ArgumentParser) -> None:
    """There is nothing to choose."""


def run(args: argparse.Namespace) -> int:
    print(TEMPLATE, end="")
    return 0
