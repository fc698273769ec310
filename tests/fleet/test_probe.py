"""A suspicion on its way: found in frames, tried by a node on its samples over a real broker, shown with its answer.

The node's network takes a tag in the corner for the digit 8 (tests/support/tagged.py); the class 3 is clean.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tagged
from mosquitto import free_port, needs_mosquitto, plain_configuration, running

from edgexai.agent.agent import Agent
from edgexai.agent.privacy import Privacy, privacy
from edgexai.agent.settings import Settings
from edgexai.audit.evidence import Evidence
from edgexai.audit.sections import clever_hans
from edgexai.cli import main
from edgexai.cli.fleet import serve
from edgexai.cli.fleet.serve import told
from edgexai.errors import ConfigError
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.ingest.ingest import Ingest, read
from edgexai.fleet.keys.enrol import Terms, enrol
from edgexai.fleet.orders.command import NoReply, Order, send
from edgexai.fleet.read import evidence
from edgexai.fleet.store.journal import Journal
from edgexai.fleet.store.lines import rows
from edgexai.fleet.tried import ORDERS, tried
from edgexai.intervention.suspicion import suspicion as probed
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import load_private
from edgexai.messaging.notes import note


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the samples, and a store of their frames."""
    directory = tmp_path_factory.mktemp("probe")
    np.savez(directory / "x.npz", x=tagged.stream()[0])
    agent = ["agent", "--fleet", "f", "--node", "n", "--model", str(tagged.EXPLAINER), "--budget", "64"]
    assert main([*agent, "--data", str(directory / "x.npz"), "--to", str(directory / "frames")]) == 0
    assert main(["fleet", "import", str(directory / "frames"), "--store", str(directory / "store")]) == 0
    return directory


def analysed(place: Path, capsys: Any, *options: str) -> dict[int, Any]:
    """Shortcut findings of the command line, by class."""
    capsys.readouterr()
    assert main(["fleet", "analyse", "--store", str(place / "store"), "--json", *options]) == 0
    return {f["target"]: f for f in json.loads(capsys.readouterr().out) if f["kind"] == "shortcut"}


def suspicion(place: Path, target: int) -> dict[str, Any]:
    """The parameters of `probe` for the most separated part of a class, however little it is."""
    (found,) = [f for f in shortcuts(evidence(place / "store")[0]) if f.target == target]
    assert found.probe is not None
    return found.probe.as_json()


def test_a_suspicion_is_confirmed_offline_and_a_clean_class_is_not(place: Path, capsys: Any) -> None:
    without = analysed(place, capsys)
    assert without[tagged.CLASS]["trial"] is None
    assert len(json.dumps(without[tagged.CLASS]["probe"])) < 2000
    options = ["--confirm", str(tagged.EXPLAINER), "--samples", str(place / "x.npz")]
    found = analysed(place, capsys, *options, "--suspicions")
    trial = found[tagged.CLASS]["trial"]
    assert trial["verdict"] == "confirmed"
    assert trial["interval"][0] > 0.3
    assert found[tagged.CLASS]["severity"] == "high"
    assert "other samples into class 8" in found[tagged.CLASS]["text"]
    others = [f for target, f in found.items() if target != tagged.CLASS]
    assert [f["target"] for f in others if f["trial"]["verdict"] == "confirmed" or f["severity"] != "low"] == []
    capsys.readouterr()
    assert main(["fleet", "analyse", "--store", str(place / "store"), *options]) == 0
    tally = re.search(r"tried on (\d+) samples: suspicions (\d+), confirmed (\d+)", capsys.readouterr().out)
    assert tally is not None
    assert (int(tally[1]), int(tally[3])) == (len(np.load(place / "x.npz")["x"]), 1)
    assert 1 <= int(tally[2]) <= 10
    with pytest.raises(ConfigError):
        main_raises(["fleet", "analyse", "--store", str(place / "store"), "--confirm", str(tagged.EXPLAINER)])
    foreign = Path(__file__).parents[1] / "runtime" / "data" / "cnn_explain.tflite"
    np.savez(place / "twelve.npz", x=np.zeros((3, 12, 12, 3), np.float32))
    options = ["--confirm", str(foreign), "--samples", str(place / "twelve.npz")]
    with pytest.raises(ConfigError, match="give the explainer that the nodes run"):
        main_raises(["fleet", "analyse", "--store", str(place / "store"), *options])


def main_raises(arguments: list[str]) -> None:
    import argparse

    from edgexai.cli.fleet import analyse

    parser = argparse.ArgumentParser()
    analyse.arguments(parser)
    analyse.run(parser.parse_args(arguments[2:]))


@needs_mosquitto
def test_a_node_tries_suspicions_and_the_fleet_shows_what_it_found(place: Path, capsys: Any) -> None:
    enrol(place / "keys", "f", [], [])
    np.savez(place / "long.npz", x=np.concatenate([tagged.stream()[0]] * 30))
    (place / "agent.toml").write_text(
        '[policy]\nany = [{ every = 100000 }]\n[privacy]\nsend = ["status", "metrics", "heatmap", "probe"]\n'
    )
    port = free_port()
    with running(plain_configuration(place, port), port):
        url = f"mqtt://127.0.0.1:{port}"
        journal = Journal(place / "store")
        worker = Ingest(Broker.parse(url), journal)
        worker.start()
        command = [sys.executable, "-m", "edgexai", "agent", "--config", str(place / "agent.toml"), "--fleet", "f"]
        command += ["--node", "n", "--data", str(place / "long.npz"), "--broker", url, "--interval", "0.003"]
        command += ["--model", str(tagged.EXPLAINER), "--predictor", str(tagged.MODEL)]
        command += ["--commands", str(place / "keys" / "command.pub")]
        node = subprocess.Popen(command)
        try:
            key, broker = load_private(place / "keys" / "command.key"), Broker.parse(url)
            for _ in range(30):  # a command that comes before the node is there is lost
                with suppress(NoReply):
                    send(broker, key, Order("f", "n", "ping"), patience=1.0)
                    break
            for target in (tagged.CLASS, tagged.CLEAN):
                order = [json.dumps({**suspicion(place, target), "count": 40}), "--fleet", "f", "--node", "n"]
                order += ["--broker", url, "--signing", str(place / "keys" / "command.key")]
                assert main(["fleet", "command", "probe", *order]) == 0
                deadline, told = time.monotonic() + 60, {}
                while told.get("n") != 40 and time.monotonic() < deadline:
                    time.sleep(0.3)
                    reply = send(broker, key, Order("f", "n", "probe"))
                    (told,) = [t for t in reply["result"]["trials"] if t["class"] == target]
                assert told["n"] == 40
                assert probed(told["plane"]).name == probed(suspicion(place, target)).name
            explained = send(broker, key, Order("f", "n", "metrics"))["result"]["explained"]
            assert explained <= 2  # donors were explained for the trial; their heatmaps did not leave
            deadline = time.monotonic() + 20
            while len(tried(place / "store").told) < 2 and time.monotonic() < deadline:
                time.sleep(0.3)
        finally:
            node.terminate()
            node.wait(20)
            worker.stop()
            journal.close()
    found = analysed(place, capsys)
    assert found[tagged.CLASS]["trial"]["verdict"] == "confirmed"
    assert found[tagged.CLASS]["trial"]["effect"] > 0.4
    assert found[tagged.CLASS]["text"].count("Confirmed: ") == 1
    answers = {one.outcome.target: one.outcome.verdict for one in tried(place / "store").told}
    assert answers == {tagged.CLASS: "confirmed", tagged.CLEAN: "not confirmed"}


NOBODY = Broker.parse("mqtt://127.0.0.1:9")


def settings(send: frozenset[str]) -> Settings:
    return Settings("f", "n", tagged.EXPLAINER, NOBODY, privacy=Privacy(send=send))


def test_a_node_probes_only_where_its_settings_let_it(place: Path) -> None:
    order = suspicion(place, tagged.CLASS)
    agent = Agent(settings(frozenset(["status", "metrics", "heatmap"])))
    with pytest.raises(ConfigError, match="send"):
        agent.orders.probe(order)
    assert "trials" not in agent.metrics()
    agent.state.outbox.close()
    with pytest.raises(ConfigError):
        privacy({"send": ["probe"], "epsilon": 1.0, "clip": 1.0, "epsilon_per_day": 9.0})


def test_what_a_node_cannot_try_is_refused(place: Path) -> None:
    agent, good = Agent(settings(frozenset(["metrics", "probe"]))), suspicion(place, tagged.CLASS)
    for wrong in ({"class": 10}, {"weights": [1.0]}, {"of": "maps"}, {"count": 0}, {"colour": 1}, {"bias": "x"}):
        with pytest.raises(ConfigError):
            agent.orders.probe({**good, **wrong})
    assert agent.orders.probe({}) == {"trials": []}
    agent.state.outbox.close()


def test_a_node_that_explains_everything_tries_as_well_and_tells_counts_only(place: Path) -> None:
    agent, x = Agent(settings(frozenset(["metrics", "probe"]))), tagged.stream()[0]
    agent.orders.probe({**suspicion(place, tagged.CLASS), "count": 60})
    for one in x:
        agent.step(one)
    (told,) = agent.orders.probe({})["trials"]
    assert told["n"] == 60
    assert told["ways"]["places"][0] > 30
    assert sorted(told) == ["class", "donors", "n", "of", "plane", "ways"]
    said = note("metrics", json.dumps(agent.metrics()).encode())
    assert said["trials"]["found"] == [told]
    agent.state.outbox.close()


@pytest.mark.parametrize(
    "trials",
    [3, {"model": "m"}, {"model": "m", "found": [{}]}, {"model": "m", "found": [{"class": -1}]},
     {"model": "m" * 99, "found": []}, {"model": "m", "found": [None] * 99}],
)  # fmt: skip
def test_trials_that_are_none_are_refused(trials: Any) -> None:
    refused = read("edgexai/f/n/metrics", json.dumps({"trials": trials}).encode(), 0.0)
    assert type(refused).__name__ == "Refusal"


def test_the_audit_names_the_tag_and_no_other_class() -> None:
    x, y, _ = tagged.stream()
    section = clever_hans(Evidence(tagged.MODEL, test=(x, y)))
    confirmed = [text for text in section.text if "Confirmed: " in text]
    assert len(confirmed) == 1
    assert confirmed[0].startswith("class 8: ")


def test_the_audit_names_a_tag_that_all_members_of_a_class_carry() -> None:
    x, y, _ = tagged.stream(share=1.0)
    section = clever_hans(Evidence(tagged.MODEL, test=(x, y)))
    (named,) = [text for text in section.text if text.startswith("As a whole")]
    assert "class 8 is recognised by little" in named
    (where,) = [text for text in section.text if text.startswith("It lies at")]
    assert "the top left (rows 0 to 2, columns 0 to 3): pasted alone, it turns" in where
    ((picture, caption),) = section.pictures
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "the top left" in caption


@needs_mosquitto
def test_a_service_with_the_key_has_nodes_try_what_it_suspects(place: Path, tmp_path: Path) -> None:
    assert main(["fleet", "import", str(place / "frames"), "--store", str(tmp_path / "store")]) == 0
    port, keys = free_port(), tmp_path / "keys"
    enrol(keys, "f", ["n"], ["localhost"], Terms(port=port))
    np.savez(tmp_path / "long.npz", x=np.concatenate([tagged.stream()[0]] * 30))
    (tmp_path / "agent.toml").write_text(
        '[policy]\nany = [{ every = 100000 }]\n[privacy]\nsend = ["status", "metrics", "heatmap", "probe"]\n'
    )

    def own(name: str) -> list[str]:
        return ["--ca", str(keys / "ca.pem"), "--certificate", f"{keys / name}.pem", "--key", f"{keys / name}.key"]

    url = f"mqtts://localhost:{port}"
    agent = ["agent", "--config", str(tmp_path / "agent.toml"), "--fleet", "f", "--node", "n", "--broker", url]
    agent += ["--data", str(tmp_path / "long.npz"), "--interval", "0.003", "--model", str(tagged.EXPLAINER)]
    agent += ["--predictor", str(tagged.MODEL), "--commands", str(keys / "command.pub"), *own("nodes/n")]
    fleet = ["fleet", "--store", str(tmp_path / "store"), "--broker", url, "--port", "0", *own("fleet")]
    fleet += ["--try-suspicions", str(keys / "command.key")]
    with pytest.raises(ConfigError, match="would end its connection; give --operator-certificate"):
        told(parsed(fleet))
    fleet += ["--operator-certificate", str(keys / "operator.pem"), "--operator-key", str(keys / "operator.key")]
    quick = "from edgexai.cli import main; from edgexai.fleet import findings, service; service.TRY_EVERY = 2;"
    quick += "findings.REST = 0; main({})"
    with running(keys / "mosquitto.conf", port):
        node = subprocess.Popen([sys.executable, "-m", "edgexai", *agent])
        operator = Broker.parse(url, False, *(keys / name for name in ("ca.pem", "operator.pem", "operator.key")))
        for _ in range(30):  # an order that comes before the node is there is lost
            with suppress(NoReply):
                send(operator, load_private(keys / "command.key"), Order("f", "n", "ping"), patience=1.0)
                break
        service = subprocess.Popen([sys.executable, "-c", quick.format(fleet)], stdout=subprocess.PIPE, text=True)
        try:
            assert service.stdout is not None
            page, deadline, shown = service.stdout.readline().split()[1], time.monotonic() + 240, []
            while "confirmed" not in shown and time.monotonic() < deadline:  # though the node sends no frame
                time.sleep(0.5)
                with urllib.request.urlopen(f"{page}/api/findings", timeout=10) as answer:
                    shown = [f["verdict"] for f in json.load(answer)["findings"]]
            assert "confirmed" in shown
        finally:
            for process in (service, node):
                process.terminate()
                process.wait(20)
    assert _tried(tmp_path / "store") == ["confirmed"]
    orders = [(o["node"], o["do"], o["class"], o["outcome"]) for o in rows(tmp_path / "store" / ORDERS)]
    assert orders == [("n", "probe", tagged.CLASS, said) for said in ("asked", "taken")]


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The options of `edgexai fleet`."""
    parser = argparse.ArgumentParser()
    serve.arguments(parser)
    return parser.parse_args(arguments[1:])


def _tried(store: Path) -> list[str]:
    """Verdicts of trials on the suspected class that have ended."""
    return [one.outcome.verdict for one in tried(store).told if one.outcome.target == tagged.CLASS and one.outcome.done]
