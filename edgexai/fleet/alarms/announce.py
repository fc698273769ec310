"""Alarms and nodes on a broker of the house: what Home Assistant, Node-RED or a script there subscribes to.

edgexai-alarm/KIND                              an alarm as JSON, once
edgexai-node/FLEET/NODE/state                   {"class", "score", "model", "time"} of the last heatmap, retained
edgexai-node/FLEET/NODE/heatmap                 the last heatmap as PNG, retained
edgexai-node/FLEET/NODE/available               online or offline, retained
homeassistant/{sensor,image}/edgexai-…/config   so that a node appears in Home Assistant by itself, retained
"""

import hashlib
import io
import json
import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edgexai._version import VERSION
from edgexai.errors import Error
from edgexai.fleet.store.store import Stored
from edgexai.messaging.broker import Broker

log = logging.getLogger(__name__)

SERVICE = "edgexai-node/available"
SIDE = 240
"""Pixels that the longer side of a picture has at least."""
PATIENCE = 10.0
PAUSE = 1.0
"""Seconds until a connection that ended by a fault is made anew."""

Name = tuple[str, str]
"""Fleet and node."""


class _Lasting(Client):
    """A client whose thread outlives packets that are none, by which paho's own ends for good."""

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """What paho's thread does."""
        while True:
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception as error:
                log.error("what the broker sent is no MQTT (%s: %s); connecting anew", type(error).__name__, error)
            time.sleep(PAUSE)
            with suppress(OSError, ValueError):  # not there: the next round waits for it
                self.reconnect()


class Announcer:
    """A connection to such a broker, and a channel of alarms."""

    name = "mqtt"

    def __init__(self, broker: Broker) -> None:
        client = _Lasting(CallbackAPIVersion.VERSION2, f"edgexai-announcer-{socket.gethostname()}")
        if broker.tls:
            client.tls_set_context(broker.context())
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        client.max_queued_messages_set(10_000)
        client.will_set(SERVICE, "offline", 1, True)
        client.on_connect = lambda c, *_: c.publish(SERVICE, "online", 1, True)
        client.connect_async(broker.host, broker.port, keepalive=30)
        client.loop_start()
        self._client = client
        self._known: dict[Name, str] = {}
        self._shown: dict[Name, int] = {}

    def tell(self, alarm: dict[str, Any]) -> None:
        """Publish an alarm, and wait until the broker has it; Error if it is not there."""
        if not self._client.is_connected():
            raise Error("the broker is not there")
        message = self._client.publish(f"edgexai-alarm/{alarm['kind']}", json.dumps(alarm), qos=1)
        try:
            message.wait_for_publish(PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise Error(str(error)) from None
        if not message.is_published():
            raise Error("the broker does not confirm")

    def states(self, online: dict[Name, bool]) -> None:
        """Say which nodes are there; those that are new appear."""
        if not self._client.is_connected():
            return
        for name, there in online.items():
            state = "online" if there else "offline"
            before = self._known.get(name)
            if before is None:
                for topic, content in discovery(*name):
                    self._client.publish(topic, json.dumps(content), 1, True)
            if before != state:
                self._client.publish(f"{_place(name)}/available", state, 1, True)
                self._known[name] = state

    def frame(self, stored: Stored, label: str, relevance: Callable[[], NDArray[Any] | None]) -> None:
        """The last heatmap of a node, if it was not told yet; ``relevance`` decodes its map."""
        name = (stored.fleet, stored.node)
        if self._shown.get(name) == stored.id or not self._client.is_connected():
            return
        said = {"class": label, "score": round(stored.score, 4), "model": stored.model, "time": stored.time}
        self._client.publish(f"{_place(name)}/state", json.dumps(said), 1, True)
        found = relevance()
        if found is not None:
            self._client.publish(f"{_place(name)}/heatmap", png(found), 1, True)
        self._shown[name] = stored.id

    def close(self) -> None:
        """Say that nobody speaks for the nodes any more, and go."""
        if self._client.is_connected():
            self._client.publish(SERVICE, "offline", 1, True)
            time.sleep(0.1)
        self._client.disconnect()
        self._client.loop_stop()


def _place(name: Name) -> str:
    return f"edgexai-node/{name[0]}/{name[1]}"


def discovery(fleet: str, node: str) -> list[tuple[str, dict[str, Any]]]:
    """Topics and contents by which Home Assistant makes a device with three entities of a node (its MQTT discovery)."""
    # an object id takes letters, digits, _ and -; names of nodes may have more, and must not meet
    unique = f"edgexai-{hashlib.sha256(f'{fleet}/{node}'.encode()).hexdigest()[:16]}"
    place = _place((fleet, node))
    common: dict[str, Any] = {
        "availability": [{"topic": SERVICE}, {"topic": f"{place}/available"}],
        "availability_mode": "all",
        "device": {
            "identifiers": [unique],
            "name": node,
            "manufacturer": "edgexai",
            "model": f"fleet {fleet}",
            "sw_version": VERSION,
        },
        "origin": {"name": "edgexai", "sw": VERSION},
    }
    value = {"state_topic": f"{place}/state", "json_attributes_topic": f"{place}/state"}
    parts: dict[str, tuple[str, dict[str, Any]]] = {
        "class": ("sensor", {**value, "name": "Class", "value_template": "{{ value_json.class }}"}),
        "score": (
            "sensor",
            {**value, "name": "Score", "value_template": "{{ value_json.score }}", "state_class": "measurement"},
        ),
        "heatmap": (
            "image",
            {"name": "Heatmap", "image_topic": f"{place}/heatmap", "content_type": "image/png"},
        ),
    }
    return [
        (f"homeassistant/{kind}/{unique}/{part}/config", {**common, **own, "unique_id": f"{unique}-{part}"})
        for part, (kind, own) in parts.items()
    ]


def png(relevance: NDArray[Any]) -> bytes:
    """A map (rows, columns) as a picture: red speaks for the class, blue against it, white for nothing."""
    from PIL import Image

    peak = float(np.abs(relevance).max(initial=0.0))
    share = np.zeros(relevance.shape) if peak == 0 else relevance / peak
    fade = np.rint(255 * (1 - np.abs(share)))
    full = np.full_like(fade, 255)
    colours = np.where((share > 0)[..., None], np.stack([full, fade, fade], -1), np.stack([fade, fade, full], -1))
    times = max(1, -(-SIDE // max(relevance.shape)))
    image = Image.fromarray(colours.astype(np.uint8))
    file = io.BytesIO()
    image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).save(file, "png")
    return file.getvalue()
