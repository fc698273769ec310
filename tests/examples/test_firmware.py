"""The example `examples/firmware`: a node in QEMU, a serial line, an agent, mosquitto, and the fleet that stores."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fleet_process import Fleet
from mosquitto import free_port, needs_mosquitto, plain_configuration, running
from native import needs
from networks_int8 import classifier

from edgexai.graph import fingerprint
from examples.firmware.build import build, qemu

ROOT = Path(__file__).parents[2]


@needs_mosquitto
def test_frames_of_a_node_in_qemu_reach_the_fleet(tmp_path: Path) -> None:
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if (why := needs(program)) is not None:
            pytest.skip(why)
    graph = classifier()
    samples = np.random.default_rng(0).integers(-128, 128, (40, 9, 7, 3)).astype(np.int8)
    elf = build(graph, samples, tmp_path / "node", "epsilon")
    port, serial = free_port(), free_port()
    with running(plain_configuration(tmp_path, port), port):
        fleet = Fleet(tmp_path / "store", "--broker", f"mqtt://127.0.0.1:{port}")
        try:
            command = [sys.executable, "-m", "edgexai", "agent", "--source", f"serial:tcp:127.0.0.1:{serial}"]
            command += ["--fleet", "line3", "--node", "press7", "--broker", f"mqtt://127.0.0.1:{port}"]
            gateway = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            line = f"tcp:127.0.0.1:{serial},server=on,wait=on"
            node = subprocess.run(
                qemu(elf, line), cwd=elf.parent, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
            )
            assert node.returncode == 0, node.stderr
            found = re.search(r"40 samples, (\d+) frames", node.stdout + node.stderr)
            assert found is not None, node.stderr
            frames = int(found[1])
            assert 5 < frames <= 40
            said, _ = gateway.communicate(timeout=60)
            assert re.match(rf"press7: {frames} frames, 0 damaged, \d+ bytes, {frames} confirmed, 0 waiting\n", said)
            fleet.wait(lambda: fleet.ask("/api/health")["frames"] >= frames)
            assert fleet.ask("/api/health")["frames"] == frames
            nodes = str(fleet.ask("/api/nodes"))
            assert "press7" in nodes
            assert fingerprint(graph)[:8] in nodes
        finally:
            fleet.end()
