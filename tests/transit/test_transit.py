"""Models over the air: bit for bit the same, near the entropy, and no bytes that hang or crash a node."""

import hashlib
import lzma
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from edgexai.cli import main
from edgexai.errors import ModelError
from edgexai.transit import exq, pack, restore
from edgexai.transit.mixing import STRETCH, Mixed, squash
from edgexai.transit.rangecoder import Encoder
from edgexai.transit.words import Words

RANDOM = np.random.default_rng(5)
TYPES = st.sampled_from(["i1", "<i2", "<i4"])
ARRAYS = TYPES.flatmap(lambda t: hnp.arrays(np.dtype(t), hnp.array_shapes(min_dims=1, max_dims=4, max_side=7)))


def few(rows: int, columns: int) -> NDArray[Any]:
    """Weights as clustering leaves them: mostly zero, some rows more than others."""
    spread = RANDOM.gamma(0.7, 1.0, (rows, 1))
    return np.clip(np.rint(RANDOM.laplace(0, spread, (rows, columns))), -15, 15).astype(np.int8)


def entropy(q: NDArray[Any]) -> float:
    """Bytes that the values take one by one."""
    share = np.unique(q, return_counts=True)[1] / q.size
    return float(-(share * np.log2(share)).sum() * q.size / 8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), ARRAYS), max_size=4), st.binary(max_size=40))
def test_what_is_packed_is_restored(parts: list[tuple[bytes, NDArray[Any]]], tail: bytes) -> None:
    model = b"".join(gap + array.tobytes() for gap, array in parts) + tail
    assert restore(pack(model, [array for _, array in parts])) == model


def test_extreme_integers_survive() -> None:
    arrays = [
        np.array([-(2**31), 2**31 - 1, 0, -1, 1, 2**30] * 4, "<i4"),
        np.array([-128, 127, 0, -1] * 8, "i1"),
        np.array([-(2**15), 2**15 - 1, 256] * 8, "<i2"),
    ]
    model = b"head".join(a.tobytes() for a in arrays)
    assert restore(pack(model, arrays)) == model


def test_arrays_that_the_file_does_not_hold_or_that_overlap_are_no_harm() -> None:
    array = few(10, 20)
    model = b"abc" + array.tobytes() + b"xyz"
    assert restore(pack(model, [array, array[2:4], few(3, 30), array])) == model


def test_it_takes_less_than_the_entropy_of_the_values_one_by_one() -> None:
    array = few(64, 64)
    size = len(pack(array.tobytes(), [array])) - exq.HEAD.size
    assert size < 0.97 * entropy(array)
    assert size < 0.85 * len(lzma.compress(array.tobytes()))


def test_biases_that_are_multiples_cost_no_low_bits() -> None:
    fine = RANDOM.integers(-100, 100, 200).astype("<i4")
    coarse = (fine << 9).astype("<i4")
    assert len(pack(coarse.tobytes(), [coarse])) <= len(pack(fine.tobytes(), [fine])) + 2


def test_squash_and_stretch_are_monotonous_and_inverse() -> None:
    assert all(a <= b for a, b in pairwise(STRETCH))
    assert all(abs(squash(STRETCH[p]) - p) <= 8 for p in range(1, 4096))


def test_records_with_offsets_take_few_bytes() -> None:
    """Tables at the end; a vector of offsets to them, each with an offset back to one and the same place."""
    size, count = 40, 50
    vector = np.array([4 * (count - n) + size * n for n in range(count)], "<i4").tobytes()
    back = [np.array([4 * count + size * n, 20, n, 9, 4, 0, 1, 7, 0, 0], "<i4").tobytes() for n in range(count)]
    model = vector + b"".join(back)
    size = len(pack(model, [])) - exq.HEAD.size
    assert size < 0.6 * len(
        lzma.compress(model, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "lp": 2, "lc": 0}])
    )
    assert restore(pack(model, [])) == model


MODEL = b"TFL3" * 9 + (q := few(12, 30)).tobytes() + b"end"
PACKED = pack(MODEL, [q])


@settings(max_examples=300, deadline=2000)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for damaged in (data, exq.MAGIC + data, PACKED[: exq.HEAD.size] + data):
        with pytest.raises(ModelError):
            restore(damaged)


@settings(max_examples=150, deadline=2000)
@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found_or_changes_nothing(at: int, by: int) -> None:
    damaged = bytearray(PACKED)
    damaged[at] ^= by
    with suppress(ModelError):
        assert restore(bytes(damaged)) == MODEL  # the range coder's last bytes decide nothing


@pytest.mark.parametrize("size", range(0, len(PACKED) - 8, 7))
def test_a_file_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(ModelError):
        restore(PACKED[:size])


def hostile(length: int, *numbers: int, pad: int = 0) -> bytes:
    """A file of whatever length and list of tables."""
    encoder = Encoder()

    def port(chances: Mixed, bit: int) -> int:
        encoder.encode(chances, bit)
        return bit

    words = Words(port)
    words.code(numbers[0], 0)
    for n, number in enumerate(numbers[1:]):
        words.code(number, 4 * n)
    return exq.HEAD.pack(exq.MAGIC, hashlib.sha256(b"").digest(), length) + encoder.finish() + bytes(pad)


@pytest.mark.parametrize(
    "data",
    [
        hostile(2**32 - 1, 0),  # a length that nothing holds
        hostile(2**24, 0),
        hostile(50_000, 1, 0, 1, 1 << 30, 1 << 4, 0),  # a table larger than the file
        hostile(50_000, 1, 0, 3, 10, 10, 0),  # integers of three bytes
        hostile(50_000, 1, 0, 1, 10, 10, 40),
        hostile(50_000, 2**32 - 1),  # more tables than bytes
        hostile(50_000, 1, 0, 1, 0, 5, 0),
        hostile(50_000, 1, 2**32 - 1, 1, 5, 5, 0),
        hostile(40_000, 1, 0, 1, 200, 200, 0, pad=3),  # a stream that ends long before its table
        hostile(40_000, 0),  # and before the rest of the file
        exq.HEAD.pack(exq.MAGIC, b"", 100),
    ],
)
def test_impossible_sizes_are_refused_before_anything_is_built(data: bytes) -> None:
    with pytest.raises(ModelError):
        restore(data)


def test_a_model_that_is_too_large_is_refused() -> None:
    with pytest.raises(ModelError, match="too large"):
        pack(bytes(exq.LARGEST + 1), [])


def test_the_verb_restores_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    array = few(20, 20)
    packed, model = tmp_path / "m.exq", tmp_path / "m.tflite"
    packed.write_bytes(pack(array.tobytes(), [array]))
    assert main(["restore", str(packed), "-o", str(model)]) == 0
    assert model.read_bytes() == array.tobytes()
    assert "SHA-256 agrees" in capsys.readouterr().out
    packed.write_bytes(b"EXQ2 and then nothing")
    assert main(["restore", str(packed), "-o", str(tmp_path / "none.tflite")]) == 1
    assert "in transit" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.exq", "m.tflite"]
