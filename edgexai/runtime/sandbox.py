"""A runtime in a process of its own, for files that nobody vouches for: what ends that process is one sentence here.

The child has so much memory and each answer so many seconds; it is told a file and samples over a pipe and answers with
arrays. Nothing is unpickled, and what it says is checked like any other bytes from outside.
"""

import contextlib
import json
import math
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError, Error, ModelError
from edgexai.runtime.interpreter import Interpreter, Port
from edgexai.runtime.micro import MicroInterpreter

MOST_HEAD = 2**20
MOST_BYTES = 2**31
KINDS = "iufb"
Runtime = Literal["tflite", "micro", "c99"]


@dataclass(frozen=True)
class Limits:
    """``seconds`` for one answer, ``memory`` bytes of address space for file, maps and what the runtime needs."""

    seconds: float = 60.0
    memory: int = 2 * 2**30


class Sandbox:
    """An `Interpreter` in another process. Raises ModelError if that dies, is silent too long or talks nonsense."""

    def __init__(self, content: bytes, threads: int, runtime: Runtime, limits: Limits) -> None:
        self._limits = limits
        self._over: ModelError | None = None
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "edgexai.runtime.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        told = {"threads": threads, "runtime": runtime, "memory": limits.memory}
        said, _ = self._ask({**told, "size": len(content)}, content)
        try:
            self.inputs = tuple(_port(p) for p in said["inputs"])
            self.outputs = tuple(_port(p) for p in said["outputs"])
            self.arena = None if said["arena"] is None else int(said["arena"])
        except (KeyError, TypeError, ValueError):
            raise self._end("talked nonsense") from None

    def run(self, *xs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Outputs for one sample an input."""
        return self._run(None, xs)

    def signature(self, key: str) -> Callable[..., tuple[NDArray[Any], ...]]:
        """What runs one signature of the file."""
        return lambda *xs: self._run(key, xs)

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # closing writes what is left, to nobody
                    pipe.close()

    def __del__(self) -> None:
        if hasattr(self, "_child") and self._child.returncode is None:
            self.close()

    def _run(self, key: str | None, xs: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        if len(xs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs, not {len(xs)}")
        given = [np.ascontiguousarray(port.quantized(x)) for port, x in zip(self.inputs, xs, strict=True)]
        said, content = self._ask({"key": key, "arrays": [_told(x) for x in given]}, *(x.tobytes() for x in given))
        try:
            return _arrays(said["arrays"], content)
        except (KeyError, TypeError, ValueError):
            raise self._end("talked nonsense") from None

    def _ask(self, head: Mapping[str, Any], *parts: bytes) -> tuple[dict[str, Any], bytes]:
        if self._over is not None:
            raise self._over
        assert self._child.stdin is not None
        try:
            _send(self._child.stdin, head, *parts)
            said, content = self._answer()
        except (BrokenPipeError, EOFError):
            raise self._end("ended the process that ran it") from None
        except TimeoutError:
            raise self._end(f"gave no answer in {self._limits.seconds:g} s") from None
        except ValueError:
            raise self._end("talked nonsense") from None
        if "error" in said:
            kind = DataError if said.get("kind") == "DataError" else ModelError
            raise kind(str(said["error"]))
        return said, content

    def _answer(self) -> tuple[dict[str, Any], bytes]:
        assert self._child.stdout is not None
        end = time.monotonic() + self._limits.seconds
        pipe = self._child.stdout.fileno()

        def take(size: int) -> bytes:
            got = bytearray()
            while len(got) < size:
                if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
                    raise TimeoutError
                part = os.read(pipe, min(size - len(got), 2**20))
                if not part:
                    raise EOFError
                got += part
            return bytes(got)

        return _received(take)

    def _end(self, what: str) -> ModelError:
        """The child is over; the sentence that says so."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(0.5)
        code = self._child.returncode
        self.close()
        how = f" ({signal.Signals(-code).name})" if code is not None and code < 0 else ""
        self._over = ModelError(f"the file {what}{how}: it is damaged or made to do harm; do not use it")
        return self._over


def _port(said: Mapping[str, Any]) -> Port:
    shape = tuple(int(n) for n in said["shape"])
    dtype = np.dtype(str(said["dtype"]))
    scale = float(said["scale"])
    if dtype.kind not in KINDS or min(shape, default=0) < 0 or not math.isfinite(scale):
        raise ValueError("no port")
    return Port(str(said["name"]), int(said["index"]), shape, dtype, scale, int(said["zero_point"]))


def _told(x: NDArray[Any]) -> dict[str, Any]:
    return {"shape": x.shape, "dtype": x.dtype.str}


def _arrays(told: list[Mapping[str, Any]], content: bytes) -> tuple[NDArray[Any], ...]:
    found, at = [], 0
    for each in told:
        dtype, shape = np.dtype(str(each["dtype"])), tuple(int(n) for n in each["shape"])
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in KINDS or min(shape, default=0) < 0 or at + size > len(content):
            raise ValueError("no array")
        found.append(np.frombuffer(content, dtype, math.prod(shape), at).reshape(shape).copy())
        at += size
    return tuple(found)


def _send(pipe: IO[bytes], head: Mapping[str, Any], *parts: bytes) -> None:
    text = json.dumps({**head, "size": sum(map(len, parts))}).encode()
    pipe.write(struct.pack("<I", len(text)) + text)
    for part in parts:
        pipe.write(part)
    pipe.flush()


def _received(take: Callable[[int], bytes]) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack("<I", take(4))
    if size > MOST_HEAD:
        raise ValueError("no message")
    head = json.loads(take(size))
    if not isinstance(head, dict) or type(head.get("size")) is not int or not 0 <= head["size"] <= MOST_BYTES:
        raise ValueError("no message")
    return head, take(head["size"])


def _serve() -> None:
    """The child: one file, then samples until the pipe ends."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the runtime prints is no answer

    def take(size: int) -> bytes:
        got = source.read(size)
        if len(got) < size:
            raise EOFError
        return got

    try:
        head, content = _received(take)
        _confine(int(head["memory"]))
        model = _guarded(sink, lambda: _opened(content, head))
        if model is None:
            return
        ports = {side: [_said(p) for p in getattr(model, side)] for side in ("inputs", "outputs")}
        _send(sink, {**ports, "arena": getattr(model, "arena", None)})
        while True:
            head, content = _received(take)
            xs = _arrays(head["arrays"], content)
            key = head["key"]
            found = _guarded(sink, lambda key=key, xs=xs: _ran(model, key, xs))  # type: ignore[misc]
            if found is not None:
                found = [np.ascontiguousarray(y) for y in found]
                _send(sink, {"arrays": [_told(y) for y in found]}, *(y.tobytes() for y in found))
    except (EOFError, BrokenPipeError):
        return


def _opened(content: bytes, head: Mapping[str, Any]) -> Interpreter | MicroInterpreter:
    return MicroInterpreter(content) if head["runtime"] == "micro" else Interpreter(content, int(head["threads"]))


def _ran(
    model: Interpreter | MicroInterpreter, key: str | None, xs: tuple[NDArray[Any], ...]
) -> tuple[NDArray[Any], ...]:
    if key is None:
        return model.run(*xs)
    if isinstance(model, MicroInterpreter):
        raise ModelError("TFLite Micro runs no signatures; load the model beside the explainer")
    return model.signature(key)(*xs)


def _said(port: Port) -> dict[str, Any]:
    told = {"name": port.name, "index": port.index, "scale": port.scale, "zero_point": port.zero_point}
    return {**told, "shape": port.shape, "dtype": port.dtype.str}


def _guarded(sink: IO[bytes], do: Callable[[], Any]) -> Any:
    """What ``do`` gives; None if it failed, and then the other end has been told."""
    try:
        return do()
    except Error as error:
        _send(sink, {"error": str(error), "kind": type(error).__name__})
    except MemoryError:
        _send(sink, {"error": "the file takes more memory than it may", "kind": "ModelError"})
    except (RuntimeError, ValueError, ModuleNotFoundError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        _send(sink, {"error": f"the runtime cannot run the file: {first[0][:500]}", "kind": "ModelError"})
    return None


def _confine(memory: int) -> None:
    """So much address space more than the process has now, no core file. Where the system knows no limits, none."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return
    most = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    _serve()
