"""The vectors that every implementation must meet: these maps make these frames, and these frames those maps."""

from typing import Any

import pytest
from heatmap_vectors import VECTORS, arguments, array, bases

from edgexai.heatmap import decode, encode, join, layout, relevance, split


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
