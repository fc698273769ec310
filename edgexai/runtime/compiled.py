"""Sources that `edgexai firmware` wrote, compiled by this machine's compiler and called as a shared library.

A folder of sources is a program: it is built and run as it is. The library is kept in the user's cache, by the SHA-256
of all that it is made of.
"""

import ctypes
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError, ModelError
from edgexai.runtime.interpreter import Port

MANIFEST = "edgexai.json"
OPTIONS = ("-std=c99", "-O2", "-fPIC", "-shared")
COMPILERS = ("cc", "gcc", "clang")
LARGEST_ARENA = 1 << 30
Arrays = tuple[NDArray[Any], ...]


class Compiled:
    """A model's sources as a library, with the same ``inputs``, ``outputs`` and ``run`` as `Interpreter`.

    ``about`` is what the sources say of what they explain, as the metadata of an explainer file would. One call at a
    time. Raises ModelError for a folder that is none, without a compiler, or if that refuses the sources.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        said = _manifest(self._folder)
        try:
            self.name = str(said["name"])
            self.inputs = tuple(_port(one, i) for i, one in enumerate(said["inputs"]))
            own = tuple(_port(one, i) for i, one in enumerate(said["outputs"]))
            sizes = int(said["arena"]), int(said.get("explain_arena") or 0)
            shape = tuple(int(n) for n in said.get("map", ()))
            self.about: dict[str, Any] | None = said.get("explains")
            if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name) or not self.inputs or not own:
                raise ValueError("no name, input or output")
            if not 0 < sizes[0] <= LARGEST_ARENA or not 0 <= sizes[1] <= LARGEST_ARENA:
                raise ValueError("the size of an arena")
            if (self.about is None) != (sizes[1] == 0) or any(not 0 < n < 1 << 16 for n in shape):
                raise ValueError("the map")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelError(f"{self._folder / MANIFEST} is damaged ({error}); write the sources again") from None
        batch = (1,) if len(self.inputs[0].shape) > 1 and self.inputs[0].shape[0] == 1 else ()
        explained: tuple[Port, ...] = (
            Port("relevance", len(own), (*batch, *shape), np.dtype(np.float32), 0.0, 0),
            Port("target", len(own) + 1, (1,), np.dtype(np.int32), 0.0, 0),
            Port("score", len(own) + 2, (1,), np.dtype(np.float32), 0.0, 0),
        )
        if said.get("keeps_state"):
            explained += (Port("state", len(own) + 3, (1,), np.dtype(np.float32), 0.0, 0),)
        self._own = own
        self.outputs = own if self.about is None else own + explained
        self._library = _loaded(self._folder, self.name, self._checks(sizes, prod(shape)))
        self._arena = np.zeros(max(sizes) // 8 + 1, np.int64)
        if said.get("keeps_state"):
            self.reset()

    def run(self, *xs: NDArray[Any]) -> Arrays:
        """Outputs for one sample an input; see `Port.quantized` for what is taken."""
        return self._call("predict" if self.about is None else "explain", self.outputs, xs)

    def signature(self, key: str) -> Callable[..., Arrays]:
        """One of the functions alone: ``predict``."""
        if key != "predict":
            raise ModelError(f"the sources have no signature {key!r}; they predict, and explain")
        return lambda *xs: self._call("predict", self._own, xs)

    def reset(self) -> None:
        """The first state of a streaming model."""
        try:
            function = getattr(self._library, f"{self.name}_reset")
        except AttributeError:
            raise ModelError(f"the sources in {self._folder} keep no state; write them again") from None
        function(ctypes.c_void_p(self._arena.ctypes.data))

    @property
    def arena(self) -> int:
        """Bytes of RAM that the sources take, beside inputs, outputs and the map."""
        return 8 * (len(self._arena) - 1)

    def _call(self, function: str, ports: tuple[Port, ...], xs: Arrays) -> Arrays:
        if len(xs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs, not {len(xs)}")
        given = [np.ascontiguousarray(port.quantized(x)) for port, x in zip(self.inputs, xs, strict=True)]
        found = tuple(np.zeros(port.shape, port.dtype) for port in ports)
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (self._arena, *given, *found))
        getattr(self._library, f"{self.name}_{function}")(*pointers)
        return found

    def _checks(self, sizes: tuple[int, int], values: int) -> str:
        """C that does not compile if the manifest is not that of the header: nothing is written beyond an array."""
        wanted = {"ARENA": sizes[0]}
        wanted |= {f"X{k}": prod(port.shape) for k, port in enumerate(self.inputs)}
        wanted |= {f"Y{k}": prod(port.shape) for k, port in enumerate(self._own)}
        if self.about is not None:
            wanted |= {"EXPLAIN_ARENA": sizes[1], "RELEVANCE": values}
        kinds = [f"const {_c_type(port)} *" for port in self.inputs] + [f"{_c_type(port)} *" for port in self._own]
        lines = [f'#include "{self.name}.h"', f"void (*check)({self.name}_arena *, {', '.join(kinds)});"]
        lines += ["void check_predict(void);", f"void check_predict(void) {{ check = {self.name}_predict; }}"]
        for what, n in wanted.items():
            macro = f"{self.name.upper()}_{what}"
            lines.append(f"typedef char check_{what}[{macro} == {n} ? 1 : -1];")
        return "\n".join(lines) + "\n"


def _c_type(port: Port) -> str:
    return "float" if port.dtype == np.float32 else f"{port.dtype}_t"


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        said = json.loads((folder / MANIFEST).read_text("utf-8"))
        if not isinstance(said, dict) or said.get("format") != 1:
            raise ValueError("not format 1")
        return said
    except OSError:
        raise ModelError(
            f"{folder} is no folder of sources; runtime c99 takes what `edgexai firmware MODEL -o DIR --explain` wrote"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{folder / MANIFEST} is damaged ({error}); write the sources again") from None


def _port(said: dict[str, Any], index: int) -> Port:
    shape = tuple(int(n) for n in said["shape"])
    if (
        said["dtype"] not in ("int8", "uint8", "int16", "int32", "float32")
        or not all(0 < n < 1 << 24 for n in shape)
        or prod(shape) > 1 << 28
    ):
        raise ValueError(f"input or output {index}")
    scale, zero = float(said["scale"]), int(said["zero_point"])
    if not 0 <= scale < float("inf") or not -(1 << 15) <= zero < 1 << 15:
        raise ValueError(f"the scale of input or output {index}")
    return Port(str(said["name"]), index, shape, np.dtype(said["dtype"]), scale, zero)


def _loaded(folder: Path, name: str, checks: str) -> ctypes.CDLL:
    compiler = _compiler()
    sources = [folder / f"{name}.c", *sorted((folder / "src").glob("*.c"))]
    headers = sorted([*folder.glob("*.h"), *(folder / "src").glob("*.h")])
    key = hashlib.sha256("\0".join((*compiler, *OPTIONS, checks)).encode())
    try:
        for path in (*sources, *headers):
            content = path.read_bytes()
            key.update(f"{path.name}\0{len(content)}\0".encode() + content)
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read ({error.strerror}); write the sources again") from None
    with tempfile.TemporaryDirectory(prefix="edgexai-") as private:
        built = Path(private) / "model.so"
        kept = _cache()
        known = None if kept is None else kept / f"{key.hexdigest()}.so"
        if known is not None and known.is_file():
            try:
                return _library(known)
            except ModelError:  # cut short, or of another machine that shares this home: built anew
                known.unlink(missing_ok=True)
        (Path(private) / "checks.c").write_text(checks)
        command = [*compiler, *OPTIONS, f"-I{folder.resolve()}", f"-I{folder.resolve() / 'src'}", "-o", str(built)]
        command += [str(path.resolve()) for path in sources] + [str(Path(private) / "checks.c")]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            said = next((line for line in done.stderr.splitlines() if "error" in line), f"status {done.returncode}")
            raise ModelError(f"{' '.join(compiler)} cannot compile the sources in {folder} ({said}); write them again")
        if known is None:
            return _library(built)
        descriptor, fresh = tempfile.mkstemp(dir=known.parent)
        os.close(descriptor)
        shutil.copyfile(built, fresh)
        os.replace(fresh, known)
        return _library(known)


def _library(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ModelError(f"the compiled sources cannot be loaded: {error}") from error


def _compiler() -> list[str]:
    """The compiler as a command: `CC` may hold options too, as in ``ccache gcc``."""
    named = os.environ.get("CC", "").strip()
    try:
        commands = [shlex.split(named)] if named else [[name] for name in COMPILERS]
    except ValueError:
        raise ModelError(f"CC is no command ({named}); name a C compiler") from None
    found = next(([path, *options] for name, *options in commands if (path := shutil.which(name))), None)
    if found is None:
        raise ModelError(f"runtime c99 needs a C compiler and there is no {named or 'cc'}; install gcc or clang")
    return found


def _cache() -> Path | None:
    """A folder that nobody else can write into; None if there is none, and nothing is kept."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgexai"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.stat()
    except (OSError, RuntimeError):
        return None
    private = found.st_mode & 0o022 == 0 and (not hasattr(os, "getuid") or found.st_uid == os.getuid())
    return root if private and os.access(root, os.W_OK) else None
