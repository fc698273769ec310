"""One enrolled node does everything at once that it must not be able to, while others send: nothing is lost or held up.

    scripts/attack hostile_node 5000

Two runs against a real mosquitto with the rules of `edgexai fleet enrol` and a real worker, a quiet one and one with
the hostile node: it asks for shared subscriptions, connects under others' client ids, floods the broker, says
unreadable statuses, sends blank 512×512 maps of ever new models and targets. One JSON object: frames of the honest
nodes, how many are missing or doubled, and the 95 % quantile of the time until a receipt in either run.
"""

import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgexai.fleet.keys.enrol import enrol
from edgexai.fleet.store.store import Store
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic, unpack_receipt

MOSQUITTO = next((p for p in ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto") if Path(p).exists()), "mosquitto")
NODES, BOOT = 5, "00" * 7
MAP = np.random.default_rng(0).normal(size=(28, 28)).astype(np.float32)


def connected(keys: Path, name: str, port: int, client_id: str = "") -> Client:
    """A client with the certificate of a name."""
    client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    context.load_cert_chain(str(keys / f"{name}.pem"), str(keys / f"{name}.key"))
    client.tls_set_context(context)
    client.connect("localhost", port)
    client.loop_start()
    return client


class Honest:
    """A node that sends frames in a steady stream, and again what has no receipt; it knows how long each took."""

    def __init__(self, keys: Path, name: str, port: int) -> None:
        self.name, self.sent, self.took = name, dict[int, float](), dict[int, float]()
        self.client = connected(keys, f"nodes/{name}", port)
        self.client.on_message = self._receipt
        self.client.subscribe(topic("line", name, "receipt"), 1)

    def send(self, sequence: int) -> None:
        """One frame."""
        frame = encode(MAP, budget=64, model=b"\xab" * 8, sequence=sequence, target=sequence % 10)
        self.sent.setdefault(sequence, time.monotonic())
        self.client.publish(topic("line", self.name, "heatmap"), pack_heatmap(BOOT, frame), qos=1)

    def waiting(self) -> list[int]:
        """What has no receipt yet."""
        return [n for n in self.sent if n not in self.took]

    def _receipt(self, client: Client, data: Any, message: MQTTMessage) -> None:
        _, ranges = unpack_receipt(bytes(message.payload))
        for first, last in ranges:
            for n in range(first, last + 1):
                if n in self.sent:
                    self.took.setdefault(n, time.monotonic() - self.sent[n])


def misbehave(keys: Path, port: int, stop: threading.Event, done: dict[str, int]) -> None:
    """The hostile node, until it is told to stop."""
    own = topic("line", "bad", "heatmap")
    bad = connected(keys, "nodes/bad", port)
    for pattern in ("$share/w/edgexai/+/+/heatmap", "$share/other/#", "#", "edgexai/+/+/receipt"):
        bad.subscribe(pattern, 1)
    blank = np.zeros((512, 512), np.float32)
    n = 0
    while not stop.is_set():
        if n % 50 == 0:  # under the names of others, twice a second
            taker = connected(keys, "nodes/bad", port, ("fleet-service:w", "line/n0")[n // 50 % 2])
            done["taken over"] = done.get("taken over", 0) + 1
            taker.disconnect()
            taker.loop_stop()
            bad = connected(keys, "nodes/bad", port)
        for status in (b'{"state":"\\ud800"}', b'{"labels":{"toString":1,"valueOf":1}}', b"\xff\xfe{}", b"[" * 5000):
            bad.publish(topic("line", "bad", "status"), status, qos=0, retain=True)
        frame = encode(blank, model=n.to_bytes(8, "big"), sequence=n, target=n, conservation=float("inf"))
        bad.publish(own, pack_heatmap("11" * 7, frame), qos=0)
        for _ in range(20):
            bad.publish(own, bytes(60_000), qos=0)
        done["messages"] = done.get("messages", 0) + 25
        n += 1
        stop.wait(0.02)
    bad.disconnect()
    bad.loop_stop()


def run(directory: Path, frames: int, hostile: bool) -> dict[str, Any]:
    """One run in a directory of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keys = directory / "keys"
    enrol(keys, "line", [*(f"n{i}" for i in range(NODES)), "bad"], ["localhost"], port, ["w"])
    configuration = keys / "mosquitto.conf"
    configuration.write_text(configuration.read_text() + "user root\n")
    broker = subprocess.Popen([MOSQUITTO, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    time.sleep(1)
    command = [sys.executable, "-m", "edgexai", "fleet", "ingest", "--broker", f"mqtts://localhost:{port}"]
    command += ["--ca", str(keys / "ca.pem"), "--certificate", str(keys / "workers/w.pem")]
    command += ["--key", str(keys / "workers/w.key"), "--store", str(directory / "store"), "--share", "w"]
    worker = subprocess.Popen([*command, "--worker", "w"], stdout=subprocess.DEVNULL)
    time.sleep(3)
    stop, done = threading.Event(), dict[str, int]()
    thread = threading.Thread(target=misbehave, args=(keys, port, stop, done), daemon=True)
    nodes = [Honest(keys, f"n{i}", port) for i in range(NODES)]
    time.sleep(1)
    if hostile:
        thread.start()
    for sequence in range(frames // NODES):
        for node in nodes:
            node.send(sequence)
        time.sleep(0.01)
    deadline = time.monotonic() + 120
    while any(node.waiting() for node in nodes) and time.monotonic() < deadline:
        time.sleep(1)
        for node in nodes:
            for sequence in node.waiting()[:200]:
                node.send(sequence)
    stop.set()
    if hostile:
        thread.join(10)
    for node in nodes:
        node.client.disconnect()
        node.client.loop_stop()
    worker.terminate()
    ended = worker.wait(60)
    broker.terminate()
    broker.wait()
    store = Store(directory / "store")
    stored = [(s.node, s.sequence) for s in store.since(-1) if s.node != "bad"]
    counters = store.journal.counters()
    store.close()
    took = np.array([t for node in nodes for t in node.took.values()])
    return {
        "sent": sum(len(node.sent) for node in nodes),
        "missing": sum(len(node.sent) for node in nodes) - len(set(stored)),
        "doubled": len(stored) - len(set(stored)),
        "receipt_95_ms": round(float(np.quantile(took, 0.95)) * 1e3, 1),
        "quarantined": counters["quarantined"],
        "worker_ended": ended,
        "hostile": done,
    }


def main() -> int:
    """Both runs; fails if anything was lost, doubled, or held up more than twice as long."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as folder:
        quiet = run(Path(folder) / "quiet", frames, hostile=False)
        attacked = run(Path(folder) / "attacked", frames, hostile=True)
    ratio = attacked["receipt_95_ms"] / quiet["receipt_95_ms"]
    print(json.dumps({"quiet": quiet, "attacked": attacked, "latency_ratio": round(ratio, 2)}))
    lost = attacked["missing"] or attacked["doubled"] or attacked["worker_ended"]
    return int(bool(lost) or ratio > 2)


if __name__ == "__main__":
    sys.exit(main())
