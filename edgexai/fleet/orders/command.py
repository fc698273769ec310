"""Tells a node what to do, and waits for its reply."""

import queue
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edgexai.errors import ConfigError, Error, FrameError
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import sign
from edgexai.messaging.messages import name, topic, unpack


class NoReply(Error):
    """The node did not answer in time."""


def send(
    broker: Broker,
    key: Ed25519PrivateKey,
    fleet: str,
    node: str,
    do: str,
    parameters: dict[str, Any],
    patience: float = 30.0,
) -> dict[str, Any]:
    """The reply to a command that expires after ``patience`` seconds: id, ok, result or error.

    Raises NoReply if none comes by then: the node is away, or has refused the command, which it does in silence.
    """
    name(fleet, "fleet name")
    name(node, "node name")
    answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    subscribed: queue.SimpleQueue[bool] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, f"edgexai-command-{secrets.token_hex(4)}")
    tls = broker.context()
    if tls is not None:
        client.tls_set_context(tls)
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)

    def message(client: Client, _: Any, m: MQTTMessage) -> None:
        answers.put(bytes(m.payload))

    def connected(client: Client, _: Any, flags: Any, code: Any, props: Any) -> None:
        client.subscribe(topic(fleet, node, "reply"), 1)

    def ready(client: Client, _: Any, mid: int, codes: Any, props: Any) -> None:
        subscribed.put(True)

    client.on_message, client.on_connect, client.on_subscribe = message, connected, ready
    try:
        client.connect(broker.host, broker.port, keepalive=30)
    except OSError as error:
        raise ConfigError(f"no connection to {broker.url}: {error}") from None
    client.loop_start()
    try:
        subscribed.get(timeout=patience)
        identity, payload = sign(key, fleet, node, do, parameters, patience)
        client.publish(topic(fleet, node, "command"), payload, qos=1)
        while True:
            try:
                reply = unpack(answers.get(timeout=patience))
            except FrameError:
                continue
            if reply.get("id") == identity:
                return reply
    except queue.Empty:
        raise NoReply(f"{fleet}/{node} did not answer within {patience:g} s; see its log and its status") from None
    finally:
        client.disconnect()
        client.loop_stop()
