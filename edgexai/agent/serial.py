"""Frames of a microcontroller that explains by itself, from its serial line.

serial:/dev/ttyACM0            a serial device at 115200 baud; `serial:/dev/ttyUSB0@9600` at another
serial:tcp:127.0.0.1:4000      one behind TCP, as QEMU and terminal servers offer it
serial:frames.bin              what was recorded

A frame stands between two END bytes (SLIP, RFC 1055); its own CRC-32C says whether it came through. A device that goes
away, since its microcontroller was reset or unplugged, is waited for; a connection and a file end.
"""

import logging
import os
import select
import socket
import stat
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgexai.agent.seldom import Seldom
from edgexai.errors import ConfigError

log = logging.getLogger(__name__)

KIND, TCP = "serial:", "tcp:"
END, ESCAPE, ESCAPED = 0xC0, 0xDB, {0xDC: 0xC0, 0xDD: 0xDB}
MOST = 1 << 16
"""Bytes of a frame: what is longer is noise, and left out."""
BAUD = 115200
TURN, AGAIN = 0.2, 1.0
"""Seconds that one look at a quiet line takes, and until a device that is away is tried again."""
PATIENCE = 30.0
"""Seconds in which a first connection must come about."""


@dataclass
class Slip:
    """Bytes of a serial line → frames."""

    _frame: bytearray = field(default_factory=bytearray)
    _is_escaped: bool = False
    _is_noise: bool = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ends in these bytes; frames that were longer than MOST are left out."""
        for byte in data:
            if byte == END:
                if self._frame and not self._is_noise:
                    yield bytes(self._frame)
                self._frame.clear()
                self._is_escaped = self._is_noise = False
            elif len(self._frame) >= MOST:
                self._is_noise = True
            elif self._is_escaped:
                self._frame.append(ESCAPED.get(byte, byte))
                self._is_escaped = False
            elif byte == ESCAPE:
                self._is_escaped = True
            else:
                self._frame.append(byte)


def frames(where: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[bytes | None]:
    """What stands between END bytes on the line ``where`` (without ``serial:``), whole or damaged, until it ends or
    ``stopped``; None each time that it was quiet for a moment. Raises ConfigError for a line that cannot be opened at
    the start."""
    seldom, is_new = Seldom(log), True
    while not stopped():
        try:
            descriptor, is_device = _opened(where)
        except OSError as error:
            if is_new:
                raise ConfigError(f"the serial line {where} cannot be opened: {error.strerror or error}") from None
            seldom.warn(f"the serial line {where} is away", error.strerror or error)
            yield from _away(stopped)
            continue
        is_new, slip = False, Slip()
        try:
            while not stopped():
                if not select.select([descriptor], [], [], TURN)[0]:
                    yield None
                    continue
                if not (data := os.read(descriptor, 4096)):
                    break
                yield from slip.feed(data)
        except OSError as error:  # a device that was pulled out
            seldom.warn(f"the serial line {where} broke", error.strerror or error)
        finally:
            os.close(descriptor)
        if not is_device:
            return
        yield from _away(stopped)


def _opened(where: str) -> tuple[int, bool]:
    """A descriptor to read from, and whether it is a device, which may come back."""
    if where.startswith(TCP):
        return _connected(where.removeprefix(TCP)), False
    path, baud = _parted(where)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    is_device = stat.S_ISCHR(os.fstat(descriptor).st_mode)
    if is_device:
        try:
            _raw(descriptor, baud)
        except termios.error as error:
            os.close(descriptor)
            raise OSError(error.args[0], f"it is no serial line ({error.args[1]})") from None
    return descriptor, is_device


def _parted(where: str) -> tuple[Path, int]:
    """The device and its constant of termios."""
    path, at, said = where.rpartition("@")
    if not at:
        path, said = where, str(BAUD)
    constant = getattr(termios, f"B{said}", None) if said.isascii() and said.isdigit() and int(said) else None
    if not path or constant is None:
        raise ConfigError(f"serial:{where} names no speed that this machine has; write serial:/dev/ttyUSB0@{BAUD}")
    return Path(path), int(constant)


def _raw(descriptor: int, baud: int) -> None:
    """Bytes as they come: eight bits, no parity, nothing translated, no signals."""
    mode = termios.tcgetattr(descriptor)
    mode[0] = mode[1] = mode[3] = 0
    mode[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    mode[4] = mode[5] = baud
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSANOW, mode)


def _connected(where: str) -> int:
    """A TCP connection, which may come about a little later."""
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"serial:tcp:{where} names no HOST:PORT; write serial:tcp:127.0.0.1:4000")
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=PATIENCE).detach()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _away(stopped: Callable[[], bool]) -> Iterator[None]:
    """Quiet moments until a device is tried again."""
    until = time.monotonic() + AGAIN
    while time.monotonic() < until and not stopped():
        time.sleep(TURN)
        yield None
