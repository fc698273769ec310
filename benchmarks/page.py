"""How fast the fleet's page answers with many nodes and many heatmaps: first view, filters, one node.

python -m benchmarks page --nodes 10000 --frames 1000000

Prints JSON: milliseconds of every answer that the page asks for (the first ones, then median and 95 %), over HTTP.
"""

import argparse
import json
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from edgexai.fleet.findings import Watch
from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.view import View
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic

MODELS = 8
BATCH = 20_000
VIEWS = {
    "health": "/api/health",
    "findings": "/api/findings",
    "nodes": "/api/inventory?limit=50",
    "nodes, by state": "/api/inventory?limit=50&state=lost",
    "nodes, by site and model": "/api/inventory?limit=50&site=hall+3&model=0300000000000000",
    "nodes, searched": "/api/inventory?limit=50&q=hall+7+n12",
    "nodes, sorted, page 100": "/api/inventory?limit=50&sort=frames&offset=5000",
    "one node": "/api/nodes?id=f/n1234",
    "its classes": "/api/classes?node=f/n1234",
    "its frames": "/api/frames/latest?fleet=f&node=n1234&limit=24",
    "models": "/api/classes",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=200, help="how often each answer is asked for")


def run(args: argparse.Namespace) -> int:
    """Fill, serve, ask."""
    with tempfile.TemporaryDirectory() as folder:
        filled = time.monotonic()
        store = fill(Path(folder), args.nodes, args.frames)
        said: dict[str, Any] = {"nodes": args.nodes, "frames": args.frames, "filled_s": time.monotonic() - filled}
        view = View(Store(Path(folder)))
        begun = time.monotonic()
        view.catch_up()
        said["start_s"] = time.monotonic() - begun
        app = application(view, "mqtt://127.0.0.1:1", Shows(Watch(Path(folder), store.last_id, lambda _: [])))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        said["first"] = {name: timed(address + path) for name, path in list(VIEWS.items())[:3]}
        said["ms"] = {}
        for name, path in VIEWS.items():
            each = [timed(address + path) for _ in range(args.times)]
            said["ms"][name] = {
                "p50": round(float(np.median(each)), 1),
                "p95": round(float(np.quantile(each, 0.95)), 1),
            }
        server.should_exit = True
        thread.join()
        store.close()
    print(json.dumps(said, indent=1))
    return 0


def timed(url: str) -> float:
    """Milliseconds of one answer."""
    begun = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - begun)


def fill(folder: Path, nodes: int, frames: int) -> Store:
    """A store of so many nodes and frames; few different maps, whose frames say their own node and sequence."""
    store, dice = Store(folder), np.random.default_rng(0)
    states = ["online"] * 95 + ["lost"] * 3 + ["finished"] * 2
    notes = []
    for n in range(nodes):
        model = f"{n % MODELS:02x}" + "00" * 7
        status = {"state": states[n % 100], "model": model, "board": "pi4", "context": {"site": f"hall {n % 40}"}}
        metrics = {"explained": 100, "latency_ms": {"p50": 4.0, "sum": 400.0}, "waiting": {"frames": n % 7}}
        notes += [("f", f"n{n}", "status", 1.7e9 + n, json.dumps(status))]
        notes += [("f", f"n{n}", "metrics", 1.7e9 + n, json.dumps(metrics))]
    store.journal.add([], (), notes)
    maps = [np.abs(dice.normal(size=(12, 12))).astype(np.float32) for _ in range(80)]
    for first in range(0, frames, BATCH):
        arrivals = [_arrival(i, nodes, maps) for i in range(first, min(first + BATCH, frames))]
        store.journal.add(arrivals)
        store.compact()
        while store.merge():
            pass
    return store


_frames: dict[tuple[int, int], Arrival] = {}


def _arrival(i: int, nodes: int, maps: list[np.ndarray]) -> Arrival:
    node, sequence, target, model = i % nodes, i // nodes, i % 10, i % nodes % MODELS
    if (i % len(maps), model) not in _frames:
        name = bytes([model]) + b"\0" * 7
        frame = encode(maps[i % len(maps)], budget=64, model=name, sequence=1, target=target, score=2.0, time=1.7e9)
        one = read(topic("f", "n", "heatmap"), pack_heatmap("00" * 7, frame), 1.7e9)
        assert isinstance(one, Arrival)
        _frames[i % len(maps), model] = one
    known = _frames[i % len(maps), model]
    return Arrival("f", f"n{node}", known.boot, sequence, 1.7e9, 1.7e9 + i, known.model, target, 2.0, None, known.frame)
