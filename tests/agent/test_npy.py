"""Arrays from files that nobody vouches for: the same as numpy's, or a sentence, and no memory before."""

import io
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgexai import npy
from edgexai.agent.source import watch
from edgexai.data import one_by_one
from edgexai.errors import DataError


def saved(x: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, x)
    return buffer.getvalue()


def said(text: str, version: int = 1) -> bytes:
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header


def of_shape(shape: str, descr: str = "'<f4'") -> bytes:
    return said(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}")


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(st.sampled_from(["<f4", ">f8", "i1", "<u2", "<f2"]), hnp.array_shapes(min_dims=0, max_dims=4)))
def test_what_numpy_wrote_is_read_as_numpy_reads_it(tmp_path_factory: pytest.TempPathFactory, x: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("n")
    for order in (x, np.asfortranarray(x)):
        np.save(path / "a.npy", order)
        np.savez_compressed(path / "a.npz", x=order, y=order)
        found = npy.array(io.BytesIO(saved(order)), "it")
        assert found is not None
        for one in (npy.opened(path / "a.npy"), npy.members(path / "a.npz", ["x"])["x"], found):
            assert one.dtype == order.dtype
            assert np.array_equal(one, order, equal_nan=True)
    assert set(npy.members(path / "a.npz")) == {"x", "y"}


HOSTILE = {
    "a zip with another name": b"PK\x03\x04" + bytes(100),
    "an empty file": b"",
    "a pickle": b"\x80\x04\x95pickle",
    "12 GB": of_shape("(3, 1000000000)"),
    "more than there is": of_shape("(1, 1, 1000)"),
    "a negative size": of_shape("(-1, 4)"),
    "a size that no machine holds": of_shape(f"({10**30}, 4)"),
    "a scalar": saved(np.float32(3)),
    "one axis": saved(np.zeros(3)),
    "objects": of_shape("(1, 1)", "'|O'") + bytes(8),
    "a structure": of_shape("(1, 1)", "[('a', '<f4')]") + bytes(8),
    "texts": saved(np.array([["a"]])),
    "a long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1),
    "a deep header": said("(" * 5000),
    "no header": b"\x93NUMPY\x01\x00",
    "a future version": b"\x93NUMPY\x09\x00" + bytes(100),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_npy_is_a_sentence_before_memory_is_taken(tmp_path: Path, what: str) -> None:
    (tmp_path / "a.npy").write_bytes(HOSTILE[what])
    tracemalloc.start()
    with pytest.raises(DataError):
        list(one_by_one(tmp_path / "a.npy"))
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize("what", HOSTILE)
def test_the_same_inside_an_npz_is_a_sentence(tmp_path: Path, what: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", HOSTILE[what])
    with pytest.raises(DataError):
        list(one_by_one(tmp_path / "a.npz"))


def test_a_bomb_is_refused_by_what_it_unpacks_to(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", saved(np.zeros((1, 300 * 2**20), np.uint8)))
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(DataError, match=r"unpacks to 314,572,928 bytes; at most 268,435,456"):
        list(one_by_one(tmp_path / "a.npz"))
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_a_watched_directory_outlives_every_hostile_file_and_counts_them(tmp_path: Path) -> None:
    for number, content in enumerate(HOSTILE.values()):
        (tmp_path / f"{number:02}.npy").write_bytes(content)
    (tmp_path / "90.npz").write_bytes(b"no archive")
    (tmp_path / "91.npy").mkdir()
    (tmp_path / "92.npy").symlink_to(tmp_path / "nowhere")
    np.save(tmp_path / "99.npy", np.full((1, 3), 7.0))
    left_out: list[None] = []
    seen = watch(tmp_path, sleep=lambda _: None, refused=lambda: left_out.append(None))
    assert next(seen).tolist() == [7.0, 7.0, 7.0]
    assert len(left_out) == len(HOSTILE) + 3


def test_a_watched_directory_that_is_away_is_waited_for(tmp_path: Path) -> None:
    place = tmp_path / "spool"

    def pause(seconds: float) -> None:
        place.mkdir()
        np.save(place / "a.npy", np.ones((1, 2)))

    assert next(watch(place, sleep=pause)).tolist() == [1.0, 1.0]


WHOLE = io.BytesIO()
np.savez_compressed(WHOLE, x=np.zeros((2, 3), np.float32))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_archive_is_arrays_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(WHOLE.getvalue())
    for at, value in changes:
        content[at % len(content)] = value
    path = tmp_path_factory.mktemp("z") / "a.npz"
    path.write_bytes(content)
    with suppress(DataError):
        npy.members(path, most=2**20)
