"""Generated sources as a shared library of this machine, called through ctypes."""

import atexit
import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import converters.c99
from converters.c99 import Firmware, write
from edgexai.graph import Graph, serialize
from edgexai.runtime.micro import MicroInterpreter

KERNELS = Path(converters.c99.__file__).parent / "kernels"
SOURCES = {path.name: path for path in sorted(KERNELS.rglob("exai*.[ch]"), key=lambda path: path.name)}
"""The hand-written kernels by name."""
INCLUDES = [f"-I{folder}" for folder in {path.parent for path in SOURCES.values()}]

SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
SEVERAL = "-DEXAI_SEVERAL_MODELS"  # kernels that leave nothing out, for every model of a session
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-pedantic")


@cache
def kernels(compiler: str, flags: tuple[str, ...]) -> list[str]:
    """The hand-written kernels, compiled once a session."""
    folder = Path(tempfile.mkdtemp(prefix="exai"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    options = [*STRICT, SEVERAL, "-O1", "-fPIC", *flags, *INCLUDES]
    sources = [str(path) for name, path in SOURCES.items() if name.endswith(".c")]
    subprocess.run([compiler, *options, "-c", *sources], check=True, cwd=folder)
    return sorted(map(str, folder.glob("*.o")))


class Native:
    """A model compiled with the host's compiler."""

    def __init__(
        self, graph: Graph | Path, folder: Path, compiler: str = "gcc", *flags: str, name: str = "model"
    ) -> None:
        self.firmware: Firmware = write(graph, folder, name)
        library = folder / "model.so"
        options = [*STRICT, SEVERAL, "-O1", "-fPIC", "-shared", *flags, f"-I{folder}", f"-I{folder / 'src'}"]
        objects = kernels(compiler, flags)
        subprocess.run([compiler, *options, "-o", str(library), str(folder / f"{name}.c"), *objects], check=True)
        self._call = getattr(ctypes.CDLL(str(library)), f"{name}_predict")
        self._arena = np.zeros(max(self.firmware.arena, 8) // 8 + 1, np.int64)

    def __call__(self, x: NDArray, shape: tuple[int, ...], dtype: type = np.int8) -> NDArray:
        y = np.empty(shape, dtype)
        x = np.ascontiguousarray(x)
        self._arena[:] = 0x5A5A5A5A5A5A5A5A  # nothing may depend on what an arena held
        self._call(*(ctypes.c_void_p(a.ctypes.data) for a in (self._arena, x, y)))
        return y


def needs(tool: str) -> str | None:
    """Why a test of a tool is left out; None if the tool is there."""
    return None if shutil.which(tool) else f"{tool} is not installed"


def agree(graph: Graph, random: np.random.Generator, count: int = 3) -> None:
    """The C of a graph of one int8 input and output, against the oracle, on random inputs."""
    micro = MicroInterpreter(serialize(graph))
    with tempfile.TemporaryDirectory() as folder:
        native = Native(graph, Path(folder), "gcc", *SANITIZED)
        for _ in range(count):
            x = random.integers(-128, 128, micro.inputs[0].shape).astype(np.int8)
            assert np.array_equal(native(x, micro.outputs[0].shape), micro.run(x)[0])
