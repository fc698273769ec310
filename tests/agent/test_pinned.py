"""A node runs the file whose hash its configuration pins, and no other."""

import hashlib
from pathlib import Path

import pytest

from edgexai.agent.pinned import pinned
from edgexai.errors import ConfigError


def test_the_right_file_is_given_as_the_bytes_that_were_hashed(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"model")
    sha256 = hashlib.sha256(b"model").hexdigest()
    assert pinned(tmp_path / "m.tflite", sha256) == b"model"
    assert pinned(tmp_path / "m.tflite", sha256.upper()) == b"model"
    assert pinned(tmp_path / "m.tflite", None) == tmp_path / "m.tflite"


def test_a_file_of_which_one_bit_changed_is_refused_with_both_hashes(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"modem")
    sha256 = hashlib.sha256(b"model").hexdigest()
    with pytest.raises(ConfigError, match=f"{hashlib.sha256(b'modem').hexdigest()}, not {sha256}"):
        pinned(tmp_path / "m.tflite", sha256)
