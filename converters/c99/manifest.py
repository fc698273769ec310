"""`edgexai.json`: what a folder of sources says of itself, for programs that build and call it."""

import json
from math import prod
from typing import Any

from edgexai._version import VERSION
from edgexai.graph import DType, Graph
from edgexai.graph.write import fingerprint

NAME = "edgexai.json"
FORMAT = 1


def manifest(
    graph: Graph,
    name: str,
    arena: int,
    explain_arena: int | None = None,
    shape: tuple[int, ...] = (),
    composite: str = "epsilon",
    target: str | int = "predicted",
    frame: int | None = None,
) -> str:
    """The text of the file: ports, sizes of arenas, and what `…_explain` explains, its map of ``shape``."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "inputs": [_port(graph, t) for t in graph.inputs],
        "outputs": [_port(graph, t) for t in graph.outputs],
        "arena": max(arena, 8),
        "explain_arena": explain_arena,
    }
    if explain_arena is not None:
        said["map"] = list(shape)
        said["frame"] = frame
        said["explains"] = {"composite": composite, "target": target, "grid": None, "channels": "sum"}
        said["explains"] |= {"source": fingerprint(graph), "version": VERSION}
    return json.dumps(said, indent=2) + "\n"


def map_shape(shape: tuple[int, ...], values: int) -> tuple[int, ...]:
    """The axes of a map of so many values over an input: without the batch, and without channels if they are summed."""
    axes = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    return axes[:-1] if len(shape) > 2 and prod(axes[:-1]) == values else axes


def _port(graph: Graph, t: int) -> dict[str, Any]:
    tensor = graph.tensors[t]
    found: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.shape), "scale": 0.0, "zero_point": 0}
    found["dtype"] = "float32" if tensor.dtype == DType.FLOAT32 else "int8"
    q = tensor.quantization
    if q is not None and q.scale.size == 1:
        found |= {"scale": float(q.scale[0]), "zero_point": int(q.zero_point[0])}
    return found
