"""The fleet's service in one process: broker if none is given, ingest, store, view and page."""

import logging
import signal
import socket
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from edgexai.errors import ConfigError
from edgexai.fleet.alarms.speak import Speaker, Told
from edgexai.fleet.apart import Apart, Died
from edgexai.fleet.asked import Asked
from edgexai.fleet.broker import EmbeddedBroker
from edgexai.fleet.duty import Duty
from edgexai.fleet.findings import Watch, newest
from edgexai.fleet.ingest.ingest import Ingest
from edgexai.fleet.ingest.metrics import listen
from edgexai.fleet.orders.command import send
from edgexai.fleet.orders.trials import Trials, suspected
from edgexai.fleet.panels.questions import answered
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.guard import LOOPBACK
from edgexai.fleet.web.page import application
from edgexai.fleet.web.patience import PatientProtocol
from edgexai.fleet.web.view import Decoded, View, decoded
from edgexai.messaging.broker import Broker

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

log = logging.getLogger(__name__)

COMPACT_EVERY = 15.0
TRY_EVERY = 300.0  # seconds from one look for what nodes may try to the next
LOOK_EVERY = 5.0  # seconds from the end of one look for findings to the next
ANNOUNCE_EVERY = 1.0
COMPACT_FROM = 20_000  # frames that are worth a commit of the table while the service runs


@dataclass(frozen=True)
class Where:
    """Where a service listens."""

    page: str
    broker: str
    store: Path


def serve(
    store: Path,
    broker: Broker | None = None,
    broker_port: int = 1883,
    host: str = "127.0.0.1",
    port: int = 8080,
    worker: str | None = None,
    share: str | None = None,
    version: str = "auto",
    fleet: str = "+",
    ready: Callable[[Where], None] | None = None,
    tls: tuple[Path, Path] | None = None,
    told: Told | None = None,
) -> None:
    """Run until SIGTERM or Ctrl-C (call it in the main thread). Port 0 takes a free one; ``ready`` is told where.
    With ``tls``, a certificate and its key, the page is served over HTTPS; ``told`` is who hears of findings.

    Raises ConfigError if a port is taken, the store cannot be opened, or a certificate is none.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, port))
        opened = Store(store)
        stack.callback(opened.close)
        stack.callback(_move_all, opened)
        if broker is None:
            embedded = EmbeddedBroker(broker_port)
            embedded.start()
            stack.callback(embedded.stop)
            broker, version = Broker.parse(embedded.url), "3.1.1"
        shown = Store(store)  # a connection of its own: the page must not hold up what is being stored
        stack.callback(shown.close)
        stopping = threading.Event()
        decoding, looking, answering = (Apart(name, stopping) for name in ("heatmaps", "findings", "views"))
        for process in (decoding, looking, answering):
            stack.callback(process.close)
        view = View(shown, decode=_decoding(decoding), stopping=stopping)
        watch = Watch(store, shown.last_id, lambda directory: looking(newest, directory) or [])
        asked = Asked(lambda question: answering(answered, store, question), shown.last_id)
        speaker = Speaker(told or Told(), watch, view)
        stack.callback(speaker.close)
        duties = [
            Duty("heatmaps", 0.3, view.catch_up, decoding),
            Duty("findings", LOOK_EVERY, watch.again, looking),
            Duty("views", 0.01, asked.once, answering),
            Duty("store", COMPACT_EVERY, lambda: _move_all(opened, COMPACT_FROM)),
            Duty("nodes", ANNOUNCE_EVERY, speaker.announce),
            Duty("alarms", ANNOUNCE_EVERY, speaker.alarms.tell),
        ]
        if told is not None and told.signing is not None:
            trying = Apart("trials", stopping)
            stack.callback(trying.close)
            given = Trials(
                store, partial(_order, told.orders or broker, told.signing), lambda at: trying(suspected, at) or []
            )
            duties.append(Duty("trials", TRY_EVERY, given.once, trying))
        for duty in duties:
            stack.callback(duty.start().end)
        ingest = Ingest(broker, opened.journal, fleet, worker or _worker_name(store), share, version)
        ingest.start()
        stack.callback(ingest.stop)
        where = Where(f"{'http' if tls is None else 'https'}://{host}:{listener.getsockname()[1]}", broker.url, store)
        server = uvicorn.Server(
            uvicorn.Config(
                application(view, broker.url, ingest.meter, _names(host), watch, speaker.alarms, duties, asked),
                log_level="warning",
                access_log=False,
                lifespan="off",
                http=PatientProtocol,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=3,
                ssl_certfile=None if tls is None else tls[0],
                ssl_keyfile=None if tls is None else tls[1],
            )
        )
        stack.callback(stopping.set)
        _end_on_signals(server)
        stack.callback(_when(ingest.ended, lambda: setattr(server, "should_exit", True)))
        if ready is not None:
            ready(where)
        server.run(sockets=[listener])
    if ingest.error is not None:
        raise ingest.error


def ingest_only(
    store: Path,
    broker: Broker,
    worker: str,
    share: str | None = None,
    version: str = "auto",
    fleet: str = "+",
    host: str = "127.0.0.1",
    metrics_port: int | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """A worker that fills a store until SIGTERM or Ctrl-C; start as many as the stream needs.

    With ``metrics_port`` (0: any) it answers /metrics. ``ready`` is told what it does, and where it answers.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with ExitStack() as stack:
        opened = Store(store)
        stack.callback(opened.close)
        stack.callback(Duty("store", COMPACT_EVERY, lambda: _move_all(opened, COMPACT_FROM)).start().end)
        ingest = Ingest(broker, opened.journal, fleet, worker, share, version)
        if metrics_port is not None:
            server = listen(host, metrics_port, ingest.meter.text)
            stack.callback(server.shutdown)
            if ready is not None:
                ready(f"metrics http://{host}:{server.server_address[1]}/metrics")
        ingest.start()
        stack.callback(ingest.stop)
        if ready is not None:
            ready(f"worker {worker} fills {store} from {broker.url}")
        while not (stop.wait(0.2) or ingest.ended.is_set()):
            pass
    if ingest.error is not None:
        raise ingest.error


def _order(
    broker: Broker, key: "Ed25519PrivateKey", fleet: str, node: str, parameters: dict[str, Any]
) -> dict[str, Any]:
    """What a node replies to `probe`."""
    return send(broker, key, fleet, node, "probe", parameters, patience=10.0)


def _names(host: str) -> list[str] | None:
    """By which names the page may be called; any where it listens on every address."""
    return None if host in ("0.0.0.0", "::", "") else [host, *LOOPBACK]


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"the page cannot listen on {host}:{port} ({error.strerror}); take another --port") from None
    listener.listen(128)
    return listener


def _worker_name(store: Path) -> str:
    # the same at every start: the broker keeps messages for a client that it knows, and for ever if none comes back
    return f"{socket.gethostname()}-{zlib.crc32(str(store.resolve()).encode()):08x}"


def _end_on_signals(server: uvicorn.Server) -> None:
    # uvicorn puts its own handlers in front and, when it has ended, raises the signal again for these
    def end(signum: int, frame: FrameType | None) -> None:
        server.should_exit = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _move_all(store: Store, at_least: int = 1) -> None:
    while store.compact(at_least) or store.merge():
        pass


def _decoding(call: Apart) -> Callable[[list[bytes], Path], list[Decoded]]:
    """`decoded`, apart. Frames by which two processes died are shown by no page; the store has them."""

    def apart(frames: list[bytes], bases: Path) -> list[Decoded]:
        for _ in range(2):
            try:
                return call(decoded, frames, bases) or [None] * len(frames)
            except Died as error:
                log.error("%s", error)
        return [None] * len(frames)

    return apart


def _when(event: threading.Event, work: Callable[[], object]) -> Callable[[], None]:
    """Do the work once when an event comes; the answer ends the waiting."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            if event.wait(0.5):
                work()
                return

    threading.Thread(target=run, daemon=True).start()
    return stop.set
