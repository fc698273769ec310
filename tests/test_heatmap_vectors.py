"""The vectors that every implementation must meet: these maps make these frames, and these frames those maps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgexai.heatmap import Fields, Heatmap, decode, encode, join, layout, relevance, split
from edgexai.heatmap.basis import Basis, load

VECTORS = json.loads((Path(__file__).parent / "vectors" / "heatmap.json").read_text())


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


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_encoding_gives_the_frame(case: dict[str, Any]) -> None:
    assert encode(array(case, case["input"]), **arguments(case)).hex() == case["frame"]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_decoding_gives_the_maps(case: dict[str, Any]) -> None:
    references = [bytes.fromhex(r) for r in case["references"]]
    said = decode(bytes.fromhex(case["frame"]), {r[-4:]: decode(r).map for r in references}, bases(case))
    for found, content in zip([said.map, *(m.map for m in said.more)], case["maps"], strict=True):
        assert found.tobytes() == array(case, content).tobytes()


@pytest.mark.parametrize("case", [c for c in VECTORS if c["coefficients"]], ids=lambda case: case["name"])
def test_the_coefficients_are_these(case: dict[str, Any]) -> None:
    companded = bool(bytes.fromhex(case["frame"])[0] & layout.COMPANDED)
    found = relevance.coefficients(array(case, case["input"]), 0, companded, *bases(case))
    assert found is not None
    assert found.integers.reshape(-1).tolist() == case["coefficients"]
    assert case["components"] in (None, found.components.tolist())


@pytest.mark.parametrize("case", [c for c in VECTORS if c["parts"]], ids=lambda case: case["name"])
def test_the_parts_are_these(case: dict[str, Any]) -> None:
    frame = bytes.fromhex(case["frame"])
    assert [p.hex() for p in split(frame, 51)] == case["parts"]
    assert join(bytes.fromhex(p) for p in reversed(case["parts"])) == frame
