"""Runs the fleet's side: receives heatmaps, stores each once, and shows what the models look at.

  edgexai fleet                        a broker on this machine, the page on http://127.0.0.1:8080 (the part `serve`)
  edgexai fleet PART --help            what each part does, with examples

Bases that `edgexai basis` made for the nodes go into the folder `bases` of the store, also while it runs; frames that
name another are stored, but not shown. Ctrl-C or SIGTERM ends it cleanly.
"""

import argparse

from edgexai.cli.parts import add_parts

PARTS = {
    "serve": "receive, store, and show the page (where no part is named)",
    "ingest": "one more worker on the same store, without a page",
    "enrol": "make an authority, certificates for nodes, and mosquitto's configuration and rules",
    "command": "tell a node something, and print its reply",
    "profile": "have nodes collect a relevance profile each, and fetch them",
    "import": "take in frames that nodes wrote into files",
    "export": "write the frames for others: tables, arrays, projects of ViRelAy",
    "analyse": "print what is found, the most urgent first",
    "user": "who may use the page, and as what",
    "forget": "list a node no more, until it is heard again",
    "repair": "make a damaged journal anew",
}
DEFAULT = "serve"


def arguments(parser: argparse.ArgumentParser) -> None:
    add_parts(parser, __name__, PARTS, DEFAULT)
