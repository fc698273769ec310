"""`edgexai.json`: what a folder of sources says of itself, for programs that build and call it."""

import json
from typing import Any

import numpy as np

from converters.c99.back import Explaining
from edgexai._version import VERSION
from edgexai.graph import Graph
from edgexai.graph.ir import NUMPY
from edgexai.graph.write import fingerprint
from edgexai.relevance.composite_file import composite_of

NAME = "edgexai.json"
FORMAT = 1


def manifest(
    graph: Graph,
    name: str,
    arena: int,
    explain_arena: int | None,
    shape: tuple[int, ...],
    explains: Explaining | None,
    frame: int | None,
    keeps: bool = False,
) -> str:
    """The text of the file: ports, sizes of arenas, and what `…_explain` explains, its map of ``shape``."""
    said: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "inputs": [_port(graph, t) for t in graph.inputs],
        "outputs": [_port(graph, t) for t in graph.outputs],
        "arena": max(arena, 8),
        "explain_arena": explain_arena,
        "keeps_state": keeps,
    }
    if explains is not None:
        said["map"] = list(shape)
        said["frame"] = frame
        said["explains"] = {
            "composite": composite_of(explains.composite).name,
            "target": explains.target,
            "grid": None if explains.grid is None else list(shape[:2]),
            "channels": "sum",
            **({"outputs": ["relevance", "target", "score", "state"]} if keeps else {}),
            "source": fingerprint(graph),
            "version": VERSION,
        }
    return json.dumps(said, indent=2) + "\n"


def _port(graph: Graph, t: int) -> dict[str, Any]:
    tensor = graph.tensors[t]
    found: dict[str, Any] = {"name": tensor.name, "shape": list(tensor.shape), "scale": 0.0, "zero_point": 0}
    found["dtype"] = np.dtype(NUMPY[tensor.dtype]).name
    q = tensor.quantization
    if q is not None and q.scale.size == 1:
        found |= {"scale": float(q.scale[0]), "zero_point": int(q.zero_point[0])}
    return found
