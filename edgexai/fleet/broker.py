"""The embedded broker, for a bench, a demo and tests: amqtt, on this machine only, in memory.

A real fleet runs a real broker: docs/deploy.md.
"""

import asyncio
import logging
import socket
import threading

from amqtt.broker import Broker as AmqttBroker
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import BrokerError

from edgexai.errors import ConfigError


class EmbeddedBroker:
    """An MQTT 3.1.1 broker on 127.0.0.1, in its own thread; ``port`` 0 takes a free one."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or _free_port()
        self._loop = asyncio.new_event_loop()
        self._broker: AmqttBroker | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="edgexai-broker", daemon=True)

    @property
    def url(self) -> str:
        """Where nodes of this machine find it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; raises ConfigError if the port is taken."""
        for noisy in ("amqtt", "transitions"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=20)

    def stop(self) -> None:
        """Close every connection and end."""
        if self._broker is not None:
            asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(timeout=20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        config = BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"127.0.0.1:{self.port}")},
            plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        )
        broker = AmqttBroker(config, loop=self._loop)
        try:
            await broker.start()
        except BrokerError as error:
            raise ConfigError(f"the broker cannot listen on port {self.port}: {error}; take another") from None
        self._broker = broker


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
