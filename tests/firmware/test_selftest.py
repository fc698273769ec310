"""`selftest.c` of models that are told apart by what is right in it: streams, sequences, 8-bit weights in float32."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from native import SEVERAL, STRICT, kernels, needs
from networks_int8 import classifier
from numpy.typing import NDArray
from shared import SHARED, needs_shared

from converters.c99 import write
from edgexai.cli import main
from edgexai.graph import save

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
needs_gcc = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
needs_cmake = pytest.mark.skipif(needs("cmake") is not None, reason=str(needs("cmake")))
CASES = SHARED / "cases" / "models"


def wrong(folder: Path) -> int:
    """How many answers and maps a folder's self-test finds wrong."""
    sources = [folder / "selftest.c", folder / "model.c", *kernels("gcc", ())]
    command = ["gcc", *STRICT, SEVERAL, f"-I{folder}", f"-I{folder / 'src'}", "-o", folder / "t", *sources]
    subprocess.run(command, check=True)
    return subprocess.run([folder / "t"], timeout=60).returncode


def uniform(*shape: int, high: float) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, high, shape).astype(np.float32)


@needs_shared
@needs_gcc
@pytest.mark.parametrize(
    ("model", "x", "options"),
    [
        (CASES / "wake_word_streaming.tflite", uniform(6, 1, 40, high=26), ()),
        (CASES / "mnist_lstm_int8.tflite", uniform(3, 28, 28, high=1), ()),
        (SHARED / "models" / "kws_float.tflite", uniform(3, 49, 10, high=20), ("--float",)),
    ],
)
def test_answers_and_maps_are_right(
    model: Path, x: NDArray[np.float32], options: tuple[str, ...], tmp_path: Path
) -> None:
    np.savez(tmp_path / "d.npz", x=x)
    command = ["firmware", str(model), "-o", str(tmp_path / "c"), "--explain", "--samples", str(tmp_path / "d.npz")]
    assert main([*command, *options]) == 0
    assert wrong(tmp_path / "c") == 0


@needs_gcc
def test_a_map_of_zeros_is_noticed(tmp_path: Path) -> None:
    save(classifier(), tmp_path / "m.tflite")
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(1).integers(-128, 128, (5, 9, 7, 3)).astype(np.int8))
    folder = tmp_path / "c"
    command = ["firmware", str(tmp_path / "m.tflite"), "-o", str(folder), "--explain"]
    assert main([*command, "--samples", str(tmp_path / "d.npz")]) == 0
    assert wrong(folder) == 0
    text, compares = (folder / "selftest.c").read_text(), "wrong += !alike("
    assert text.count(compares) == 1
    (folder / "selftest.c").write_text(
        text.replace(compares, f"memset(relevance, 0, sizeof relevance);\n        {compares}")
    )
    assert wrong(folder) == 5


@needs_cmake
@needs_gcc
def test_a_project_that_takes_the_folder_does_not_build_its_self_test(tmp_path: Path) -> None:
    """It may be one for a core, where nothing stands for `main`'s end."""
    samples, expected = np.zeros((1, 9, 7, 3), np.int8), np.zeros((1, 6), np.int8)
    write(classifier(), tmp_path / "net", "net", samples=samples, expected=expected)
    text = "cmake_minimum_required(VERSION 3.13)\nproject(app C)\nadd_subdirectory(net)\n"
    (tmp_path / "CMakeLists.txt").write_text(text)
    for source, has in ((tmp_path, False), (tmp_path / "net", True)):
        build = source / "build"
        subprocess.run(["cmake", "-S", source, "-B", build], check=True, capture_output=True)
        targets = subprocess.check_output(["cmake", "--build", build, "--target", "help"], text=True)
        assert ("net_selftest" in targets) == has
