"""The vectors of tests/vectors/heatmap.json, and what they are made with."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from edgexai.heatmap import Fields, Heatmap
from edgexai.heatmap.basis import Basis, load

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "heatmap.json").read_text())


def array(case: dict[str, Any], content: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(content), "<f4").reshape(case["shape"])


def bases(case: dict[str, Any]) -> list[Basis]:
    return [load(bytes.fromhex(b)) for b in case["bases"]]


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    """What `encode` is given besides the map."""
    options = dict(case["options"])
    if "model" in options:
        options["model"] = bytes.fromhex(options["model"])
    if "fields" in options:
        given = dict(options["fields"])
        given["unknown"] = tuple((kind, bytes.fromhex(content)) for kind, content in given["unknown"])
        options["fields"] = Fields(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
    options["more"] = [
        Heatmap(array(case, m["input"]), m["target"], m["score"], m["conservation"]) for m in case["more"]
    ]
    options["reference"] = bytes.fromhex(case["references"][0]) if case["references"] else None
    options["basis"] = next(iter(bases(case)), None)
    return options
