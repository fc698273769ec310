"""Every printed command of a fleet and its nodes runs as it stands, against mosquitto with the rules of `fleet enrol`.

Only places are exchanged: broker.example and port 1883 for this machine and free ports, folders of the system for
temporary ones. EDGEXAI_SERVER and EDGEXAI_NODE name interpreters of the installs that the commands are printed for
(`scripts/test` sets both). What stays (a service, a worker, a node that watches) is ended by SIGTERM and ends well.
"""

import io
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from findings import frames_file
from mosquitto import free_port, needs_mosquitto, plain_configuration, running
from printed import Command, furnish, is_furnished, placed, printed, runs_alone

from edgexai.cli import main
from edgexai.fleet.orders.command import NoReply, Order, send
from edgexai.fleet.store.users import add
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import load_private

DATA = Path(__file__).parents[1] / "runtime" / "data"
SECONDS = 20.0
"""So long a program that stays may take to say that it is ready."""
COMMANDS = [
    c
    for c in printed()
    if c.words[0] in ("fleet", "agent") and not runs_alone(c, True) and is_furnished(c) and "PART" not in c.words
]
SERIAL = "/dev/ttyACM0"
PASSWORD = "correct horse battery"
TLS = "--ca ca.pem --certificate {0}.pem --key {0}.key"


class Line3:
    """A fleet that is enrolled, its broker, two nodes on their way, and every file that commands name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.plain = folder, free_port(), free_port()
        self.places = {
            "mqtts://broker.example": f"mqtts://localhost:{self.port}",
            "broker.example": "localhost",
            "127.0.0.1:1883": f"127.0.0.1:{self.plain}",
        }
        furnish(folder)
        basis = str(folder / "kws.basis")
        for node in ("press7", "press8"):
            self.ends(f"agent request --fleet line3 --node {node} --out asked")
            shutil.copy(folder / "asked" / f"{node}.csr", folder)
            shutil.copy(folder / "asked" / f"{node}.key", folder)
        self.ends("fleet enrol --fleet line3 --requests press7.csr,press8.csr --hosts broker.example --out line3-keys")
        for path in (*(folder / "line3-keys").rglob("*.*"), *DATA.glob("dscnn_*.tflite")):
            shutil.copy(path, folder)
        assert (
            main(["basis", str(folder / "kws_explain.tflite"), "--data", str(folder / "clips.npz"), "-o", basis]) == 0
        )
        for kind in ("pem", "key"):
            shutil.copy(folder / f"broker.{kind}", folder / f"page.{kind}")
        frames_file(folder / "more.npz")
        (folder / "webhook.secret").write_text("a secret of the webhook")
        (folder / "webhook.secret").chmod(0o600)
        np.save(folder / "many.npy", np.random.default_rng(0).normal(size=(20_000, 16, 16, 2)).astype(np.float32))
        np.save(folder / "one.npy", np.load(folder / "samples.npz")["x"][:1])

    def argv(self, words: tuple[str, ...]) -> list[str]:
        """The words with this machine's places."""
        found = placed(Command("", words), self.folder)
        found = [w.replace("mqtts://broker.example", f"mqtts://localhost:{self.port}") for w in found]
        found = [
            w.replace("broker.example", "localhost").replace("127.0.0.1:1883", f"127.0.0.1:{self.plain}") for w in found
        ]
        if words[:2] == ("fleet", "enrol"):
            found += ["--port", str(self.port)]
        if words[0] == "fleet" and (len(words) == 1 or words[1].startswith("-")):
            found += ["--port", "0", "--broker-port", "0"]
        return found

    def start(self, words: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        install = "EDGEXAI_SERVER" if words[0] == "fleet" else "EDGEXAI_NODE"
        here = sys.executable if "--spark" in words else os.environ.get(install, sys.executable)  # an extra of its own
        command = [here, "-m", "edgexai", *self.argv(words)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def answers(self, node: str) -> None:
        """Wait for a node."""
        own = [self.folder / name for name in ("ca.pem", "fleet.pem", "fleet.key")]
        broker = Broker.parse(f"mqtts://localhost:{self.port}", False, *own)
        key = load_private(self.folder / "command.key")
        for _ in range(30):
            with suppress(NoReply):
                send(broker, key, Order("line3", node, "ping"), patience=1.0)
                return
        raise AssertionError(f"{node} does not answer")

    def ends(self, text: str) -> None:
        process = self.start(tuple(text.split()))
        told, _ = process.communicate(timeout=60)
        assert process.returncode == 0, told.decode()


@pytest.fixture(scope="module")
def line3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line3]:
    made = Line3(tmp_path_factory.mktemp("line3"))
    (made.folder / "node.toml").write_text(
        '[policy]\nany = [{ every = 1000 }]\n[privacy]\nsend = ["status", "metrics", "heatmap", "profile", "probe"]\n'
    )
    (made.folder / "plain").mkdir()
    told = made.folder / "agent.toml"
    told.write_text(told.read_text().replace("127.0.0.1:1883", f"127.0.0.1:{made.plain}"))
    with ExitStack() as stack:
        stack.enter_context(running(made.folder / "line3-keys" / "mosquitto.conf", made.port))
        stack.enter_context(running(plain_configuration(made.folder / "plain", made.plain), made.plain))
        others = [
            made.start(
                (
                    *f"agent --config node.toml --fleet line3 --node {node} --data many.npy --interval 0.02".split(),
                    *f"--broker mqtts://broker.example {TLS.format(node)} --commands command.pub".split(),
                    *["--model", "dscnn_explain.tflite", "--profiler", "dscnn_profiler.tflite"],
                )
            )
            for node in ("press7", "press8")
        ]
        others.append(made.start(("fleet", "--broker", f"mqtt://127.0.0.1:{made.plain}", "--store", "plain-store")))
        for process in others:
            threading.Thread(target=process.stdout.read, daemon=True).start()  # type: ignore[union-attr]
        for node in ("press7", "press8"):  # a command that comes before the node is there is lost
            made.answers(node)
        yield made
        for process in others:
            process.terminate()
            assert process.wait(20) == 0


@needs_mosquitto
@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_it_runs(command: Command, line3: Line3) -> None:
    if ".frames" in str(command) and "import" in command.words:
        frames = next(word for word in command.words if word.endswith(".frames"))
        if not (line3.folder / frames).exists():
            line3.ends(f"agent --config agent.toml --model what.tflite --data samples.npz --to {frames}")
    if {"analyse", "export", "forget", "repair"} & {*command.words}:
        store = command.words[command.words.index("--store") + 1]
        line3.ends(f"fleet import more.npz --store {store}")
    words, given = command.words, io.BytesIO()
    np.save(given, np.load(line3.folder / "one.npy")[0])
    if "user" in words or "--host" in words:  # a password is asked for at a terminal
        if "add" not in words:
            add(line3.folder / "srv" / "fleet", "ada", "operator", PASSWORD)
        else:
            words, given = (*words, "--password-stdin"), io.BytesIO(PASSWORD.encode())
    if SERIAL in str(command):
        line, device = pty.openpty()
        words = tuple(word.replace(SERIAL, os.ttyname(device)) for word in words)
        os.close(device)
    process = line3.start(words)
    if _stays(command):
        if SERIAL in str(command):
            _opened_by_another(line)
        else:
            _told_that_it_is_ready(process)
        process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(given.getvalue(), timeout=60)
    assert process.returncode == 0, told.decode()


def _told_that_it_is_ready(process: "subprocess.Popen[bytes]") -> None:
    """Wait for its first line; what says nothing has some seconds to be on its way."""
    assert process.stdout is not None
    waiting = threading.Thread(target=process.stdout.peek, daemon=True)  # type: ignore[attr-defined]
    waiting.start()
    waiting.join(SECONDS)


def _opened_by_another(line: int) -> None:
    """Wait until somebody has opened a pseudo-terminal's device: it hangs up until then."""
    hung_up = select.poll()
    hung_up.register(line, select.POLLHUP)
    for _ in range(200):
        if not hung_up.poll(0):
            return
        time.sleep(0.1)
    raise AssertionError("nobody opened the serial line")


def _stays(command: Command) -> bool:
    """A service, a worker, or a node that waits for more."""
    if command.words[0] == "agent":
        return any(word.startswith(("watch:", "serial:")) for word in command.words)
    return len(command.words) == 1 or command.words[1].startswith("-") or command.words[1] == "ingest"
