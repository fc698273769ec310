"""The page as a browser shows it: frames arrive as their bytes, and the browser decodes them."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, dump, serving

from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import application
from edgexai.fleet.web.view import View
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic

GOLDEN = Path(__file__).parents[1] / "golden" / "cnn" / "golden.npz"


def arrival(node: str, relevance: np.ndarray, sequence: int) -> Arrival:
    frame = encode(relevance, budget=100, model=b"\xcd" * 8, sequence=sequence, target=sequence % 5, score=2.0)
    one = read(topic("f", node, "heatmap"), pack_heatmap("00" * 7, frame), 1.7e9)
    assert isinstance(one, Arrival)
    return one


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """Three nodes: real maps of a small network, lines, and stacks of three channels."""
    store = Store(tmp_path)
    real = np.load(GOLDEN)["R_epsilon_plus_flat"]
    store.journal.add([arrival("image", r.sum(-1).astype(np.float32), n) for n, r in enumerate(real[:4])])
    store.journal.add([arrival("line", np.linspace(-1, 1 + n, 40), n) for n in range(3)])
    store.journal.add([arrival("stack", np.ones((6, 9, 3)) * (n + 1), n) for n in range(2)])
    view = View(store)
    view.catch_up()
    with serving(application(view, "mqtt://127.0.0.1:1")) as address:
        yield address


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_every_nodes_last_frames_are_decoded_and_drawn(page: str) -> None:
    nodes = {}
    for name in ("image", "line", "stack"):
        html = dump(f"{page}?view=node&node=f/{name}", "--virtual-time-budget=6000")
        assert 'class="live on"' in html
        (article,) = re.findall(r'<article class="node">.*?</article>', html, re.S)
        nodes[name] = re.findall(r"relevance map of (\d+ by \d+)", article)
    assert nodes == {"image": ["12 by 12"] * 4, "line": ["1 by 40"] * 3, "stack": ["6 by 9"] * 2}
