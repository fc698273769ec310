"""A gateway: frames that nodes send over a serial line go to the fleet by MQTT.

    python -m examples.firmware.gateway /dev/ttyACM0 --fleet line3 --node press7 --broker 127.0.0.1:1883
    python -m examples.firmware.gateway tcp:127.0.0.1:4000 …      (a serial line of QEMU)

Frames are checked (CRC-32C) and published as they came; damaged ones are counted and left out. Each waits in memory
until the broker has it. A node that counts from the start again has been reset: it gets a new boot id.
"""

import argparse
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import paho.mqtt.client as mqtt

from edgexai._version import VERSION
from edgexai.errors import FrameError
from edgexai.heatmap import header
from edgexai.messaging.messages import pack, pack_heatmap, topic

END, ESCAPE, ESCAPED = 0xC0, 0xDB, {0xDC: 0xC0, 0xDD: 0xDB}
MOST = 1 << 16
"""Bytes of a frame: what is longer is noise."""


@dataclass
class Slip:
    """Bytes of a serial line -> frames (RFC 1055)."""

    _frame: bytearray = field(default_factory=bytearray)
    _is_escaped: bool = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that end in these bytes."""
        for byte in data:
            if byte == END:
                if self._frame:
                    yield bytes(self._frame)
                self._frame.clear()
                self._is_escaped = False
            elif self._is_escaped:
                self._frame.append(ESCAPED.get(byte, byte))
                self._is_escaped = False
            elif byte == ESCAPE:
                self._is_escaped = True
            elif len(self._frame) < MOST:
                self._frame.append(byte)


@dataclass
class Gateway:
    """A node's frames, on their way to its fleet."""

    fleet: str
    node: str
    client: mqtt.Client
    boot: str = field(default_factory=lambda: secrets.token_hex(7))
    sent: int = 0
    damaged: int = 0
    model: bytes = b""
    _last: int = -1
    _waiting: deque[mqtt.MQTTMessageInfo] = field(default_factory=deque)

    def take(self, frame: bytes) -> None:
        """Publish a frame, or count it as damaged."""
        try:
            about = header(frame)
        except FrameError:
            self.damaged += 1
            return
        if about.sequence <= self._last:
            self.boot = secrets.token_hex(7)
        if about.sequence <= self._last or self._last < 0:
            self.model = about.model
            self.tell("online")
        self._last = about.sequence
        self._publish("heatmap", pack_heatmap(self.boot, frame), retain=False)
        self.sent += 1

    def tell(self, state: str) -> None:
        """The node's retained status."""
        said = {"state": state, "boot": self.boot, "version": VERSION, "model": self.model.hex(), "time": time.time()}
        self._publish("status", pack(said), retain=True)

    def finish(self) -> None:
        """Wait until the broker has all of it."""
        for message in self._waiting:
            message.wait_for_publish()

    def _publish(self, channel: str, payload: bytes, retain: bool) -> None:
        while self._waiting and self._waiting[0].is_published():
            self._waiting.popleft()
        where = topic(self.fleet, self.node, channel)
        self._waiting.append(self.client.publish(where, payload, qos=1, retain=retain))


def line(where: str, patience: float = 30.0) -> IO[bytes]:
    """A serial device, or one behind TCP, which may come a little later."""
    if not where.startswith("tcp:"):
        return open(where, "rb", buffering=0)
    host, _, port = where.removeprefix("tcp:").rpartition(":")
    until = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection((host, int(port))).makefile("rb", buffering=0)
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def main() -> None:
    """Forward until the line ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("line", help="a serial device, or tcp:HOST:PORT")
    parser.add_argument("--fleet", required=True, help="name of the fleet")
    parser.add_argument("--node", required=True, help="name of the node")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="HOST:PORT (%(default)s)")
    args = parser.parse_args()
    host, _, port = args.broker.rpartition(":")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect(host, int(port))
    client.loop_start()
    gateway, slip = Gateway(args.fleet, args.node, client), Slip()
    with line(args.line) as serial:
        while data := serial.read(4096):
            for frame in slip.feed(data):
                gateway.take(frame)
    gateway.tell("finished")
    gateway.finish()
    client.disconnect()
    client.loop_stop()
    print(f"{gateway.sent} frames, {gateway.damaged} damaged")


if __name__ == "__main__":
    main()
