"""Agent and fleet as processes, for tests that speak to them."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgexai.runtime.explainer import Explainer

MODEL = Path(__file__).parents[1] / "runtime" / "data" / "cnn_explain.tflite"
EDGEXAI = [sys.executable, "-m", "edgexai"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shape = Explainer(MODEL).input.shape[1:]
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(30, *shape)).astype(np.float32))
    return tmp_path / "x.npz"


class Fleet:
    """`edgexai fleet` as a process."""

    def __init__(self, store: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*EDGEXAI, "fleet", "--port", "0", "--store", str(store), *options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        found = re.match(r"page (\S+)  broker (\S+)  store", self.process.stdout.readline())
        assert found is not None
        self.page, self.broker = found.groups()

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.page + path, timeout=10) as answer:
            return json.load(answer)

    def wait(self, until: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, self.ask("/api/health")
            time.sleep(0.05)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    one = Fleet(tmp_path / "store", "--broker-port", "0")
    yield one
    one.process.kill()
    one.process.wait()


def agent(node: str, broker: str, data: Path, *options: str) -> "subprocess.Popen[str]":
    command = [*EDGEXAI, "agent", "--fleet", "f", "--node", node, "--model", str(MODEL), "--data", str(data)]
    return subprocess.Popen(
        [*command, "--broker", broker, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
