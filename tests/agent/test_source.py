"""Samples from everywhere a node gets them, and from bytes that are none."""

import io
import itertools
import struct
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.agent.source import function, plugin, source, stream, watch
from edgexai.errors import ConfigError, DataError


def test_samples_come_from_files_directories_and_streams(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    np.savez(tmp_path / "a.npz", x=x)
    np.save(tmp_path / "b.npy", x + 100)
    whole = list(source(str(tmp_path)))
    assert np.array_equal(whole, np.concatenate([x, x + 100]))
    pipe = io.BytesIO()
    for one in x:
        np.save(pipe, one)
    pipe.seek(0)
    assert np.array_equal(list(stream(pipe)), x)


def test_a_stream_that_breaks_off_is_told() -> None:
    pipe = io.BytesIO()
    np.save(pipe, np.zeros(10))
    broken = io.BytesIO(pipe.getvalue()[:-5])
    with pytest.raises(DataError, match="cut short"):
        list(stream(broken))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x80\x04\x95pickle"])
def test_a_file_that_holds_no_samples_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError):
        list(source(str(tmp_path / "a.npz")))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError):
        list(source(str(tmp_path / "a.npz")))


def test_a_plugin_that_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigError, match="doorcam"):
        list(plugin("doorcam"))


def saved(x: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, x)
    return buffer.getvalue()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=150), st.integers(0, 300), st.integers(0, 255))
def test_any_stream_is_samples_or_a_sentence(noise: bytes, at: int, byte: int) -> None:
    whole = bytearray(saved(np.zeros((3, 2), np.float32)))
    whole[at % len(whole)] = byte
    for content in (noise, bytes(whole), bytes(whole) + noise):
        try:
            assert all(x.dtype.kind in "iuf" for x in itertools.islice(stream(io.BytesIO(content)), 5))
        except DataError:
            continue


@pytest.mark.parametrize("shape", ["(999999999999,)", "(0,)", "(-5,)", "(2, 70000000)"])
def test_a_stream_that_announces_too_much_takes_no_memory(shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    tracemalloc.start()
    with pytest.raises(DataError):
        list(stream(io.BytesIO(content)))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_watched_directory_gives_what_is_there_and_what_comes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 3), 1.0))
    (tmp_path / "b.npy").write_bytes(b"broken")
    later = iter([lambda: np.save(tmp_path / "c.npy", np.full((1, 3), 3.0)), lambda: None])

    def pause(seconds: float) -> None:
        next(later)()

    seen = watch(tmp_path, sleep=pause)
    assert [float(next(seen)[0]) for _ in range(3)] == [1.0, 1.0, 3.0]


def test_a_python_function_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_camera.py").write_text("import numpy as np\ndef frames():\n    yield np.ones(3)\nnumber = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [x.tolist() for x in source("python:my_camera:frames")] == [[1.0, 1.0, 1.0]]
    for wrong in ("my_camera:faces", "no_camera:frames", "my_camera", "my_camera:number", ":"):
        with pytest.raises(ConfigError):
            function(wrong)


def test_an_installed_plugin_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "door.py").write_text("import numpy as np\ndef frames():\n    yield np.zeros(2)\n")
    about = tmp_path / "doorcam-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: doorcam\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[edgexai.sources]\ndoorcam = door:frames\n")
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("door", None)
    assert [x.tolist() for x in source("plugin:doorcam")] == [[0.0, 0.0]]
