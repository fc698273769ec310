"""Which of its names an operator connects by: brokers end the connection of a name that connects anew.

A key has several certificates (`operator.pem`, `operator+2.pem` …), each of another name. Who gives orders holds one of
them as long as it is connected, by a lock on its file, so that commands on one machine take different ones, and what
finds none free waits. Where there is one file, one command follows the other.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edgexai.errors import ConfigError
from edgexai.messaging.broker import Broker

_EVERY, _MOST = 0.05, 16
"""Seconds between two looks for a free name; further certificates that are looked for."""


def beside(certificate: Path, count: int) -> list[Path]:
    """The places of further certificates of a key."""
    return [certificate.with_name(f"{certificate.stem}+{n}{certificate.suffix}") for n in range(2, count + 2)]


@contextmanager
def held(broker: Broker, patience: float) -> Iterator[Broker]:
    """The broker by a name that nobody else on this machine connects by meanwhile. Raises ConfigError if all are in use
    for ``patience`` seconds."""
    if broker.certificate is None:
        yield broker
        return
    until = time.monotonic() + patience
    names = [broker.certificate, *(path for path in beside(broker.certificate, _MOST) if path.is_file())]
    while (taken := _first_free(names)) is None:
        if time.monotonic() > until:
            who = "1 other command gives" if len(names) == 1 else f"{len(names)} other commands give"
            raise ConfigError(f"{who} orders by {broker.certificate}; try again")
        time.sleep(_EVERY)
    path, handle = taken
    try:
        yield replace(broker, certificate=path)
    finally:
        os.close(handle)


def _first_free(names: list[Path]) -> tuple[Path, int] | None:
    """A file that nobody had locked, and the handle by which it is locked now."""
    for path in names:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        except OSError:  # a file system without locks
            return path, handle
        else:
            return path, handle
    return None
