"""Runs a whole fleet on this machine: the service with its broker, and one process a node; ends all of them."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import Error

PATIENCE = 120.0
"""Seconds without a new frame after which a fleet counts as stuck."""


@dataclass(frozen=True)
class Node:
    """A node to start: its name and the samples that it will see."""

    name: str
    x: NDArray[np.float32]


@dataclass(frozen=True)
class Running:
    """A fleet service that answers: addresses of its page and broker, and its store's directory."""

    page: str
    broker: str
    store: Path

    def frames(self) -> int:
        """How many frames are stored."""
        with urllib.request.urlopen(f"{self.page}/api/health", timeout=10) as answer:
            return int(json.load(answer)["frames"])


@contextmanager
def service(directory: Path, port: int) -> Iterator[Running]:
    """The fleet service as a process of its own, until the block ends."""
    store = directory / "store"
    command = ["fleet", "--broker-port", "0", "--port", str(port), "--store", str(store)]
    with _process(command, directory / "fleet.log", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        said = re.match(r"page (\S+)\s+broker (\S+)", line)
        if said is None:
            raise Error(f"the fleet service did not start; {directory / 'fleet.log'} says why")
        yield Running(said[1], said[2], store)


def explain_on_nodes(
    running: Running,
    directory: Path,
    model: Path,
    nodes: list[Node],
    options: list[str],
    progress: Callable[[int, int], None],
) -> None:
    """Start a process for each node, wait until the store has every frame, and end them."""
    expected = running.frames() + sum(len(node.x) for node in nodes)
    done = running.frames()
    with _agents(running, directory, model, nodes, options) as agents:
        last, since = done, time.monotonic()
        while last < expected:
            time.sleep(0.2)
            now = running.frames()
            progress(now - done, expected - done)
            if now > last:
                last, since = now, time.monotonic()
            failed = [node.name for node, p in zip(nodes, agents, strict=True) if p.poll() not in (None, 0)]
            if failed:
                raise Error(f"node {failed[0]} has failed; {directory / (failed[0] + '.log')} says why")
            if time.monotonic() - since > PATIENCE:
                raise Error(
                    f"no frame has arrived for {PATIENCE:.0f} s ({last} of {expected}); see the logs in {directory}"
                )
        for process in agents:
            process.wait(30)


@contextmanager
def _agents(
    running: Running, directory: Path, model: Path, nodes: list[Node], options: list[str]
) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    try:
        for node in nodes:
            data = directory / f"{node.name}.npz"
            np.savez(data, x=node.x)
            command = ["agent", "--fleet", "demo", "--node", node.name, "--model", str(model), "--data", str(data)]
            command += ["--broker", running.broker, "--state", str(directory / node.name), *options]
            started.append(_start(command, directory / f"{node.name}.log"))
        yield started
    finally:
        for process in started:
            _end(process)


@contextmanager
def _process(command: list[str], log: Path, stdout: int) -> Iterator[subprocess.Popen[str]]:
    process = _start(command, log, stdout)
    try:
        yield process
    finally:
        _end(process)


def _start(command: list[str], log: Path, stdout: int | None = None) -> subprocess.Popen[str]:
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "edgexai", *command],
            stdout=file if stdout is None else stdout,
            stderr=file,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends them in order
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
