"""The fleet's service in one process: broker if none is given, ingest, store, view and page."""

import logging
import signal
import socket
import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from edgexai.errors import ConfigError
from edgexai.fleet.alarms.speak import Speaker, Told
from edgexai.fleet.apart import Apart, Died
from edgexai.fleet.asked import Asked
from edgexai.fleet.broker import EmbeddedBroker
from edgexai.fleet.duty import Duty
from edgexai.fleet.findings import Watch, newest
from edgexai.fleet.ingest.ingest import Ingest, Stream
from edgexai.fleet.ingest.metrics import listen
from edgexai.fleet.orders.command import ask
from edgexai.fleet.orders.trials import Trials, looked
from edgexai.fleet.panels.questions import answered
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.guard import LOOPBACK
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.patience import PatientProtocol
from edgexai.fleet.web.view import Decoded, View, decoded
from edgexai.messaging.broker import Broker

log = logging.getLogger(__name__)

ALL, NOBODY = Stream(), Told()
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


@dataclass(frozen=True)
class Page:
    """Where the page is served (port 0 takes a free one); over HTTPS with ``tls``, a certificate and its key."""

    host: str = "127.0.0.1"
    port: int = 8080
    tls: tuple[Path, Path] | None = None


def serve(
    store: Path,
    broker: Broker | int = 1883,
    page: Page = Page(),
    stream: Stream = ALL,
    told: Told = NOBODY,
    ready: Callable[[Where], None] | None = None,
) -> None:
    """Run until SIGTERM or Ctrl-C (call it in the main thread).

    ``broker`` is one that is there, or the port of one that runs in this process (0: any); ``told`` is who hears of
    findings; ``ready`` is told where the service listens. Raises ConfigError if a port is taken, the store cannot be
    opened, or a certificate is none.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(page.host, page.port))
        opened = Store(store)
        stack.callback(opened.close)
        stack.callback(_move_all, opened)
        if isinstance(broker, int):
            embedded = EmbeddedBroker(broker)
            embedded.start()
            stack.callback(embedded.stop)
            broker, stream = Broker.parse(embedded.url), replace(stream, version="3.1.1")
        shown = Store(store)  # a connection of its own: the page must not hold up what is being stored
        stack.callback(shown.close)
        stopping = threading.Event()
        decoding, looking, answering = (Apart(name, stopping) for name in ("heatmaps", "findings", "views"))
        for process in (decoding, looking, answering):
            stack.callback(process.close)
        view = View(shown, decode=_decoding(decoding), stopping=stopping)
        watch = Watch(store, shown.news, lambda directory: looking(newest, directory) or [])
        asked = Asked(lambda question: answering(answered, store, question), shown.last_id)
        speaker = Speaker(told, watch, view)
        stack.callback(speaker.close)
        duties = [
            Duty("heatmaps", 0.3, view.catch_up, decoding),
            Duty("findings", LOOK_EVERY, watch.again, looking),
            Duty("views", 0.01, asked.once, answering),
            Duty("store", COMPACT_EVERY, lambda: _move_all(opened, COMPACT_FROM)),
            Duty("nodes", ANNOUNCE_EVERY, speaker.announce),
            Duty("alarms", ANNOUNCE_EVERY, speaker.alarms.tell),
        ]
        if told.signing is not None:
            orders = partial(ask, told.orders or broker, told.signing)
            trials = Trials(store, orders, lambda: looked(store, watch.suspicions))
            duties.append(Duty("trials", TRY_EVERY, trials.once))
        for duty in duties:
            stack.callback(duty.start().end)
        ingest = Ingest(broker, opened.journal, stream)
        ingest.start()
        stack.callback(ingest.stop)
        scheme = "http" if page.tls is None else "https"
        where = Where(f"{scheme}://{page.host}:{listener.getsockname()[1]}", broker.url, store)
        shows = Shows(watch, asked, ingest.meter, speaker.alarms, duties)
        server = _server(application(view, broker.url, shows, _names(page.host)), page.tls)
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
    stream: Stream,
    metrics: tuple[str, int] | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """A worker that fills a store until SIGTERM or Ctrl-C; start as many as the stream needs.

    With ``metrics``, host and port (0: any), it answers /metrics. ``ready`` is told what it does, and where it answers.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    with ExitStack() as stack:
        opened = Store(store)
        stack.callback(opened.close)
        stack.callback(Duty("store", COMPACT_EVERY, lambda: _move_all(opened, COMPACT_FROM)).start().end)
        ingest = Ingest(broker, opened.journal, stream)
        if metrics is not None:
            server = listen(*metrics, ingest.meter.text)
            stack.callback(server.shutdown)
            if ready is not None:
                ready(f"metrics http://{metrics[0]}:{server.server_address[1]}/metrics")
        ingest.start()
        stack.callback(ingest.stop)
        if ready is not None:
            ready(f"worker {ingest.meter.worker} fills {store} from {broker.url}")
        while not (stop.wait(0.2) or ingest.ended.is_set()):
            pass
    if ingest.error is not None:
        raise ingest.error


def _server(app: ASGIApp, tls: tuple[Path, Path] | None) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
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


def worker_name(store: Path) -> str:
    """A worker's, the same at every start: the broker keeps messages for a client that it knows, and for ever if none
    comes back."""
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
