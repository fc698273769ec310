"""The small field `concepts`: what it keeps, what it refuses, and the C code that packs the same bytes."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_encoder import SOURCES, STRICT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgexai.errors import FrameError
from edgexai.heatmap import Fields, concepts, decode, encode, shorten

VALUES = hnp.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
)


@given(st.lists(VALUES, min_size=1, max_size=3), st.sampled_from([3, 4]))
@settings(max_examples=150, deadline=None)
def test_a_number_is_within_half_a_step_of_its_square_root(parts: list[np.ndarray], bits: int) -> None:
    content = concepts.pack(parts, bits)
    assert len(content) == 1 + 3 * len(parts) + -(-bits * sum(p.size for p in parts) // 8)
    for part, found in zip(parts, concepts.unpack(content), strict=True):
        true = np.maximum(part, 0).astype(np.float64)
        top = 2**bits - 1
        scale = true.max() * (1 + 2**-7)
        assert np.all(np.abs(np.sqrt(true) - np.sqrt(found)) <= np.sqrt(scale) * (0.5 / top + 0.005) + 1e-22)
    assert concepts.pack(concepts.unpack(content), bits) == content


@given(st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_or_read_as_finite_numbers(content: bytes) -> None:
    try:
        parts = concepts.unpack(content)
    except FrameError:
        return
    assert all(np.isfinite(part).all() and min(part) >= 0 for part in parts)


def test_a_frame_of_64_bytes_carries_map_and_concepts() -> None:
    random = np.random.default_rng(0)
    relevance, two = random.normal(size=(28, 28)), [random.exponential(size=32), random.exponential(size=16)]
    frame = encode(relevance, budget=64, model=bytes(8), sequence=300, target=3, score=2.5, concepts=two)
    said = decode(frame)
    assert len(frame) <= 64
    assert [len(part) for part in said.fields.concepts] == [32, 16]
    assert np.corrcoef(said.fields.concepts[0], two[0])[0, 1] > 0.98
    assert np.corrcoef(said.map.reshape(-1), relevance.reshape(-1))[0, 1] > 0
    assert decode(shorten(frame, 60)).fields == said.fields
    assert decode(encode(relevance, fields=Fields(confidence=1.0), concepts=two[0])).fields.confidence == 1.0


def test_what_no_frame_holds_is_refused() -> None:
    for parts in ([], [np.zeros(0)], [np.zeros(257)], [np.array([np.nan])], [np.array([3.4e38])], [np.ones(200)] * 4):
        with pytest.raises(FrameError):
            concepts.pack(parts)


def test_wide_layers_are_folded_to_64_numbers() -> None:
    wide = concepts.folded([np.arange(256, dtype=np.float32), np.ones(10, np.float32)])
    assert [part.size for part in wide] == [32, 10]
    assert wide[0].sum() == np.arange(256).sum()
    assert len(concepts.pack(wide)) <= 32


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_c_packs_the_same_bytes(tmp_path: Path) -> None:
    class Part(ctypes.Structure):
        _fields_ = (("values", ctypes.POINTER(ctypes.c_float)), ("count", ctypes.c_uint16))

    library = tmp_path / "concepts.so"
    source = str(SOURCES / "edgexai_concepts.c")
    subprocess.run(["cc", *STRICT, "-O1", "-shared", "-fPIC", "-o", str(library), source], check=True)
    pack = ctypes.CDLL(str(library)).edgexai_concepts_pack
    random = np.random.default_rng(1)
    for round_ in range(400):
        sizes = random.integers(1, 60, random.integers(1, 4))
        powers = 10.0 ** random.integers(-40, 35, sizes.size)
        parts = [(random.normal(size=n) ** 3 * p).astype(np.float32) for n, p in zip(sizes, powers, strict=True)]
        if round_ % 10 == 0:
            parts[0][random.integers(sizes[0])] = random.choice([np.inf, -np.inf, np.nan, -0.0, 1e-45, 3.4e38])
        bits = int(random.integers(1, 9))
        given = (Part * len(parts))(*(Part(p.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), p.size) for p in parts))
        out = (ctypes.c_uint8 * 255)()
        size = pack(given, len(parts), bits, out, 255)
        try:
            wanted = concepts.pack(parts, bits)
        except FrameError:
            assert size < 0
        else:
            assert bytes(out[:size]) == wanted
