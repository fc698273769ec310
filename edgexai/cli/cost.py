"""What one inference costs: multiply-accumulates, bytes, peak RAM, and on a board latency and energy, by layer.

examples:
  edgexai cost kws_int8.tflite
  edgexai cost kws_int8.tflite --board nucleo_l4r5zi
  edgexai cost kws_explain.tflite --board nucleo_u575zi_q --json | jq .energy_uj
  edgexai cost --boards
"""

import argparse
import json

from edgexai.board import boards, load_board
from edgexai.compress import Cost, cost
from edgexai.errors import ConfigError
from edgexai.graph import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a .tflite model, an explainer too")
    parser.add_argument("--board", help="a board's name, or a .toml file of one")
    parser.add_argument("--boards", action="store_true", help="list the boards that come with edgexai")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    if args.boards:
        for name in boards():
            known = load_board(name)
            print(f"{name:<18} {known.title}, {known.core} at {known.clock_mhz:g} MHz")
        return 0
    if not args.model:
        raise ConfigError("there is no model; give a .tflite file")
    board = load_board(args.board) if args.board else None
    found = cost(load(args.model), board)
    print(json.dumps(found.as_dict()) if args.json else _text(found))
    return 0


def _text(found: Cost) -> str:
    rows: list[tuple[str, ...]] = [("", "operator", "MACs", "weights B", "RAM B", "ms", "µJ")]
    for i, layer in enumerate(found.layers):
        rows.append(
            (str(i), layer.kind, *_numbers(layer.macs, layer.bytes, layer.ram, layer.latency_ms, layer.energy_uj))
        )
    rows.append(("", "all", *_numbers(found.macs, found.bytes, found.ram, found.latency_ms, found.energy_uj)))
    widths = [max(len(row[c]) for row in rows) for c in range(7)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if c == 1 else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _numbers(macs: int, size: int, ram: int, ms: float | None, uj: float | None) -> tuple[str, ...]:
    return (f"{macs:,}", f"{size:,}", f"{ram:,}", "" if ms is None else f"{ms:.3f}", "" if uj is None else f"{uj:.1f}")
