"""The harnesses behind docs/reliability.md, small: what they count must be right, however fast it goes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from mosquitto import needs_mosquitto

SCRIPTS = Path(__file__).parents[1] / "scripts"


def result(script: str, *options: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, SCRIPTS / script, *options], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@needs_mosquitto
def test_nothing_is_lost_or_stored_twice_whoever_is_killed() -> None:
    said = result("soak", "--agents", "3", "--frames", "240", "--kills", "3", "--seconds", "8")
    assert (said["accepted"], said["lost"], said["stored_twice"], said["refused"]) == (240, 0, 0, 0)
    assert said["kills"] == {"agent": 3, "broker": 3, "worker": 3}
    assert said["workers_ended_cleanly"] == 2


@needs_mosquitto
def test_a_stream_of_many_nodes_is_stored_once_and_receipted_and_rubbish_among_it_counted() -> None:
    said = result("load", "--nodes", "300", "--rate", "1500", "--hostile", "300", "--seconds", "2")
    assert (said["connected"], said["frames"], said["confirmed"]) == (300, 3000, 3000)
    assert (said["missing"], said["stored_twice"], said["clean_ends"]) == (0, 0, 2)
    assert said["refused"] == said["rubbish"] > 0
