"""What one inference costs: multiply-accumulates, bytes, peak RAM, and on a board latency and energy, by layer.

examples:
  edgexai cost kws_int8.tflite
  edgexai cost kws_int8.tflite --board nucleo_l4r5zi --plot kws.png
  edgexai cost kws_int8.tflite --board nucleo_l4r5zi --explain edge      (prediction and explanation, summed by part)
  edgexai cost kws_int8.tflite --explain edge --layers                   (and every operator)
  edgexai cost kws_explain.tflite --board nucleo_u575zi_q --json | jq .energy_uj
  edgexai cost --boards
  edgexai cost --calibration      (each published figure beside a fit that has not seen the model)
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from edgexai.board import Board, boards, load_board
from edgexai.cli.cost_plot import plot
from edgexai.cli.options import new_picture
from edgexai.cli.table import show, table
from edgexai.compress.measure.calibration import left_out
from edgexai.compress.measure.cost import Cost, Layer, cost
from edgexai.compress.measure.plan import LARGEST_KIB, arena_of
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load
from edgexai.relevance import attach
from edgexai.relevance.attach import own_operators


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a .tflite model, an explainer too")
    parser.add_argument("--board", help="a board's name, or a .toml file of one")
    parser.add_argument("--explain", metavar="COMPOSITE", help="with the explanation by this composite")
    parser.add_argument("--layers", action="store_true", help="every operator of an explainer, not the parts alone")
    parser.add_argument("--plot", type=new_picture, metavar="PNG", help="draw cost by layer into a file")
    parser.add_argument("--boards", action="store_true", help="list the boards that come with edgexai")
    parser.add_argument("--calibration", action="store_true", help="how well the boards' figures predict")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    if args.boards:
        for name in boards():
            known = load_board(name)
            print(f"{name:<18} {known.title}, {known.core} at {known.clock_mhz:g} MHz")
        return 0
    if args.calibration:
        return _calibration(args.json)
    if not args.model:
        raise ConfigError("there is no model; give a .tflite file")
    board = load_board(args.board) if args.board else None
    graph = load(args.model)
    whole = attach(graph, args.explain) if args.explain else graph
    found, own = cost(whole, board), own_operators(whole)
    parts = parts_of(found, own) if own < len(whole.ops) else {}
    if args.plot:
        plot(found, board, args.plot)
    memory = _memory(whole, found, board)
    if args.json:
        print(json.dumps({**found.as_dict(), **memory, **({"parts": parts} if parts else {})}))
        return 0
    if args.layers or not parts:
        print(_text(found))
    if parts:
        print(_parts_text(parts))
    for note in found.notes:
        print(f"note: {note}")
    if board is not None:
        print(_fits(found, board, memory))
    return 0


def _memory(graph: Graph, found: Cost, board: Board | None) -> dict[str, Any]:
    """The RAM that the model takes on the board: TFLite Micro's arena as it says itself, or an estimate of it."""
    if board is None:
        return {}
    if board.ram_kb > LARGEST_KIB:
        return {"arena": found.ram, "arena_by": "maps alive at once"}
    size, is_measured = arena_of(graph)
    return {"arena": size, "arena_by": "TFLite Micro" if is_measured else "estimate"}


BY = {
    "maps alive at once": "maps",
    "TFLite Micro": "TFLite Micro's arena",
    "estimate": "about",
}


def _fits(found: Cost, board: Board, memory: Mapping[str, Any]) -> str:
    flash, ram = found.bytes / 1024, memory["arena"] / 1024
    fits = "fits" if flash <= board.flash_kb and ram <= board.ram_kb else "does not fit"
    text = (
        f"{board.title}: {fits}; model {flash:,.1f} of {board.flash_kb:,.0f} KiB of flash, "
        f"{BY[memory['arena_by']]} {ram:,.1f} of {board.ram_kb:,.0f} KiB of RAM"
    )
    if memory["arena_by"] == "estimate":
        text += " (estimated: TFLite Micro is not installed, or does not run this model)"
    return text


def _calibration(as_json: bool) -> int:
    trials = left_out()
    if as_json:
        print(json.dumps([asdict(t) for t in trials]))
        return 0
    rows = []
    for t in trials:
        cells = [t.board, t.model, f"{t.published_ms:g}", f"{t.ms:.1f}", f"{t.ms / t.published_ms - 1:+.0%}"]
        if t.uj is None or t.published_uj is None:
            rows.append([*cells, "", "", ""])
        else:
            rows.append([*cells, f"{t.published_uj:g}", f"{t.uj:,.0f}", f"{t.uj / t.published_uj - 1:+.0%}"])
    show(["board", "left out", "published ms", "ms", "error", "published µJ", "µJ", "error"], rows)
    return 0


def parts_of(found: Cost, own: int) -> dict[str, dict[str, float | None]]:
    """Costs of a model with its explanation, summed by what they are for; the first ``own`` operators predict."""
    explaining = found.layers[own:]
    kinds = {
        "explain: sums over layers": [layer for layer in explaining if layer.macs],
        "explain: int8 constants and maps to floats": [layer for layer in explaining if layer.kind == "DEQUANTIZE"],
        "explain: shares and products": [layer for layer in explaining if not layer.macs and layer.kind in POINTWISE],
    }
    named = {id(layer) for layers in kinds.values() for layer in layers}
    kinds["explain: moves and the rest"] = [layer for layer in explaining if id(layer) not in named]
    whole = {"predict": list(found.layers[:own]), **kinds, "explain, all": list(explaining), "all": [*found.layers]}
    return {name: _sums(layers) for name, layers in whole.items() if layers}


POINTWISE = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "RELU", "ABS", "SQUARE", "GREATER", "LESS", "SELECT_V2")


def _sums(layers: list[Layer]) -> dict[str, float | None]:
    def total(values: list[float | None]) -> float | None:
        return None if None in values else float(sum(v for v in values if v is not None))

    return {
        "operators": len(layers),
        "macs": sum(layer.macs for layer in layers),
        "bytes": sum(layer.bytes for layer in layers),
        "ram": max(layer.ram for layer in layers),
        "latency_ms": total([layer.latency_ms for layer in layers]),
        "energy_uj": total([layer.energy_uj for layer in layers]),
    }


def _parts_text(parts: dict[str, dict[str, float | None]]) -> str:
    rows = [[name, *_cells(sums)] for name, sums in parts.items()]
    columns = [n for n in range(len(HEAD)) if n < FIRST or any(row[n] for row in rows)]
    return table([("part", "operators", *HEAD[2:])[n] for n in columns], [[row[n] for n in columns] for row in rows])


def _cells(sums: Mapping[str, float | None]) -> list[str]:
    counts = [f"{sums[key]:,.0f}" for key in ("operators", "macs", "bytes", "ram")]
    ms, uj = sums["latency_ms"], sums["energy_uj"]
    return [*counts, "" if ms is None else f"{ms:.3f}", "" if uj is None else f"{uj:.1f}"]


HEAD = ("", "operator", "MACs", "weights B", "RAM B", "ms", "µJ")
FIRST = 5
"""Columns that are there without a board."""


def _text(found: Cost) -> str:
    rows: list[tuple[str, ...]] = [HEAD]
    for i, layer in enumerate(found.layers):
        rows.append(
            (str(i), layer.kind, *_numbers(layer.macs, layer.bytes, layer.ram, layer.latency_ms, layer.energy_uj))
        )
    rows.append(("", "all", *_numbers(found.macs, found.bytes, found.ram, found.latency_ms, found.energy_uj)))
    columns = [n for n in range(len(HEAD)) if n < FIRST or any(row[n] for row in rows[1:])]
    widths = {n: max(len(row[n]) for row in rows) for n in columns}
    return "\n".join(
        "  ".join(row[n].ljust(widths[n]) if n == 1 else row[n].rjust(widths[n]) for n in columns) for row in rows
    )


def _numbers(macs: int, size: int, ram: int, ms: float | None, uj: float | None) -> tuple[str, ...]:
    return (f"{macs:,}", f"{size:,}", f"{ram:,}", "" if ms is None else f"{ms:.3f}", "" if uj is None else f"{uj:.1f}")
