"""Generated sources as a shared library of this machine, called through ctypes."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converters.c99 import Firmware, write
from edgexai.graph import Graph

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic")


class Native:
    """A model compiled with the host's compiler."""

    def __init__(self, graph: Graph | Path, folder: Path, compiler: str = "gcc", *flags: str) -> None:
        self.firmware: Firmware = write(graph, folder)
        library = folder / "model.so"
        sources = [str(folder / "model.c"), *map(str, sorted((folder / "src").glob("*.c")))]
        options = [*STRICT, "-O1", "-fPIC", "-shared", *flags, f"-I{folder}", f"-I{folder / 'src'}"]
        subprocess.run([compiler, *options, "-o", str(library), *sources], check=True)
        self._call = ctypes.CDLL(str(library)).model_predict
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
