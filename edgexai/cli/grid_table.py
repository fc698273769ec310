"""What stopping at each inner grid costs: counted, and timed on this machine beside predicting."""

import time
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.table import show
from edgexai.compress.measure.cost import cost
from edgexai.graph import Graph, serialize, settled
from edgexai.relevance import Composite, attach
from edgexai.relevance.grid import choices
from edgexai.relevance.targets.start import head_of, logits_of
from edgexai.runtime.interpreter import Interpreter, Port

SECONDS = 2.0
ROUNDS = range(5, 200)
"""The fewest and the most times that everything runs once."""


def costs(
    graph: Graph, composite: str | Composite, target: str | int, head: str | int, precision: str
) -> list[dict[str, Any]]:
    """A row for each resolution, the coarsest first and the input's last; ratios are to predicting alone."""
    graph = settled(graph)
    producer = graph.producers()
    logits = logits_of(graph, head_of(graph, head))
    alone = cost(graph)
    stops = [(size, producer[t]) for size, t in choices(graph, logits).items()]
    rows, files = [], [serialize(graph)]
    for grid, operator in [*stops, (None, None)]:
        explain = attach(graph, composite, target, grid, "sum", head, precision)
        found = cost(explain)
        files.append(serialize(explain))
        rows.append(
            {
                "grid": None if grid is None else list(grid),
                "after": "" if operator is None else f"{graph.ops[operator].kind.name} (operator {operator})",
                "macs": found.macs - alone.macs,
                "macs_ratio": found.macs / max(1, alone.macs),
                "bytes": found.bytes,
                "bytes_ratio": found.bytes / alone.bytes,
                "ram": found.ram,
            }
        )
    predicting, *explaining = _times(files)
    full = explaining[-1] - predicting
    for row, taken in zip(rows, explaining, strict=True):
        row["time_ratio"] = taken / predicting
        row["share"] = (taken - predicting) / full if full > 0 else 1.0
    return sorted(rows, key=lambda row: (row["grid"] is None, np.prod(row["grid"] or 0)))


def print_table(rows: list[dict[str, Any]]) -> None:
    head = ["grid", "time", "of the full pass", "MACs", "bytes", "RAM", "after"]
    show(
        head,
        [
            [
                "input" if row["grid"] is None else "x".join(map(str, row["grid"])),
                f"{row['time_ratio']:.2f}×",
                f"{row['share']:.0%}",
                f"{row['macs_ratio']:.2f}×",
                f"{row['bytes']:,} ({row['bytes_ratio']:.2f}×)",
                f"{row['ram']:,}",
                row["after"],
            ]
            for row in rows
        ],
    )
    print("× is to predicting alone; time is the median on this machine, one thread")


def _times(files: list[bytes]) -> list[float]:
    """Median seconds of each model, all of them taking turns."""
    loaded = [Interpreter(file) for file in files]
    inputs = [[_noise(port) for port in one.inputs] for one in loaded]
    taken: list[list[float]] = [[] for _ in loaded]
    began = time.perf_counter()
    for done in range(ROUNDS.stop):
        if done >= ROUNDS.start and time.perf_counter() - began > SECONDS:
            break
        for one, xs, seconds in zip(loaded, inputs, taken, strict=True):
            start = time.perf_counter()
            one.run(*xs)
            seconds.append(time.perf_counter() - start)
    return [median(seconds) for seconds in taken]


def _noise(port: Port) -> NDArray[Any]:
    """A sample that leaves few maps empty, as zeros would."""
    random = np.random.default_rng(0)
    if port.dtype.kind in "iu":
        limits = np.iinfo(port.dtype)
        return random.integers(limits.min // 2, limits.max // 2, port.shape).astype(port.dtype)
    return random.normal(size=port.shape).astype(port.dtype)
