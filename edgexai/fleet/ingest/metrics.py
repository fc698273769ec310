"""What a worker counts, in the Prometheus text format 0.0.4, and a small server for it."""

import resource
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

from edgexai.errors import ConfigError

TEXT = "text/plain; version=0.0.4"
COMMIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class Meter:
    """One worker since its start. Written by its thread, read by any."""

    worker: str
    messages: Counter[str] = field(default_factory=Counter)  # by outcome
    refused: Counter[str] = field(default_factory=Counter)  # quarantined, by channel
    bytes: int = 0
    commits: list[int] = field(default_factory=lambda: [0] * (len(COMMIT_SECONDS) + 1))
    commit_seconds: float = 0.0
    store_errors: int = 0
    failing: bool = False
    connected: bool = False
    reconnects: int = 0
    version: str = "5"
    started: float = field(default_factory=time.time)

    def committed(self, seconds: float) -> None:
        """Count a commit that took so long."""
        self.commits[bisect_left(COMMIT_SECONDS, seconds)] += 1
        self.commit_seconds += seconds

    def text(self) -> str:
        """All of it."""
        outcomes = ("stored", "duplicate", "quarantined", "note", "ignored")
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cumulative = [sum(self.commits[: i + 1]) for i in range(len(self.commits))]
        bounds = [*map(str, COMMIT_SECONDS), "+Inf"]
        histogram = [
            *((f'_bucket{{le="{bound}"}}', n) for bound, n in zip(bounds, cumulative, strict=True)),
            ("_sum", round(self.commit_seconds, 6)),
            ("_count", cumulative[-1]),
        ]
        name = "edgexai_ingest_"
        return "\n".join(
            [
                *family(
                    f"{name}messages_total",
                    "counter",
                    "Messages by what became of them.",
                    [(f'{{outcome="{o}"}}', self.messages[o]) for o in outcomes],
                ),
                *family(
                    f"{name}refused_total",
                    "counter",
                    "Quarantined messages by channel.",
                    [(f'{{channel="{c}"}}', self.refused[c]) for c in ("heatmap", "status", "metrics", "other")],
                ),
                *family(f"{name}bytes_total", "counter", "Bytes of payloads.", [("", self.bytes)]),
                *family(f"{name}commit_seconds", "histogram", "Time to make a batch durable.", histogram),
                *family(
                    f"{name}store_errors_total",
                    "counter",
                    "Commits that failed (tried again).",
                    [("", self.store_errors)],
                ),
                *family(f"{name}store_failing", "gauge", "1 while the store takes nothing.", [("", int(self.failing))]),
                *family(f"{name}connected", "gauge", "1 while the broker is there.", [("", int(self.connected))]),
                *family(f"{name}reconnects_total", "counter", "Connections after the first.", [("", self.reconnects)]),
                *family(
                    f"{name}info",
                    "gauge",
                    "The worker and its version of MQTT.",
                    [(f'{{worker="{self.worker}",mqtt="{self.version}"}}', 1)],
                ),
                *family("process_start_time_seconds", "gauge", "Unix time of the start.", [("", self.started)]),
                *family(
                    "process_cpu_seconds_total",
                    "counter",
                    "Time on the processor.",
                    [("", round(usage.ru_utime + usage.ru_stime, 2))],
                ),
                *family(
                    "process_resident_memory_max_bytes",
                    "gauge",
                    "Most memory that was resident.",
                    [("", usage.ru_maxrss * 1024)],
                ),
                "",
            ]
        )


def family(name: str, kind: str, about: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    """The lines of one metric; a sample is its suffix or labels, and a value."""
    return [
        f"# HELP {name} {about}",
        f"# TYPE {name} {kind}",
        *(f"{name}{suffix} {value}" for suffix, value in samples),
    ]


def listen(host: str, port: int, text: Callable[[], str]) -> HTTPServer:
    """Answer GET /metrics in one thread, one after another, until the server's `shutdown`.

    Raises ConfigError if the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0  # whoever sends half a request waits no longer, and nobody waits longer for him

        def do_GET(self) -> None:
            found = self.path == "/metrics"
            body = text().encode() if found else b"see /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", TEXT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    try:
        server = HTTPServer((host, port), Handler)
    except OSError as error:
        raise ConfigError(f"metrics cannot listen on {host}:{port} ({error.strerror}); take another port") from None
    threading.Thread(target=server.serve_forever, name="edgexai-metrics", daemon=True).start()
    return server
