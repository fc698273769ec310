"""A real mosquitto for tests; they skip where it is not installed."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed (Debian package mosquitto)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_configuration(directory: Path, port: int) -> Path:
    path = directory / "mosquitto.conf"
    path.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 2000\nmax_queued_messages 1000000\n"
    )
    return path


@contextmanager
def running(configuration: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A broker with a configuration file, ended afterwards."""
    assert PROGRAM is not None
    text = configuration.read_text()
    if "user root" not in text:
        configuration.write_text(text + "user root\n")
    process = subprocess.Popen([PROGRAM, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait()
