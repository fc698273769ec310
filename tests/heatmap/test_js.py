"""The page's decoder: Python's maps to the bit, under Node and in a browser."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, dump
from heatmap_vectors import VECTORS

from edgexai.fleet.web.page import STATIC
from edgexai.heatmap import Heatmap, decode, encode
from edgexai.heatmap.basis import learn

TESTS = Path(__file__).parent

PAGE = """<!doctype html><title>vectors</title><body>not run<script type="module">
try {
  const { check } = await import("/heatmap-check.mjs");
  const vectors = await (await fetch("/vectors/heatmap.json")).json();
  vectors.forEach(check);
  document.body.textContent = `${vectors.length} vectors met`;
} catch (error) {
  document.body.textContent = String(error);
}
</script>"""


def more_cases() -> list[dict[str, object]]:
    """Frames of other shapes, budgets and values than the vectors have."""
    random = np.random.default_rng(12)
    cases = []
    for i in range(120):
        axes = int(random.integers(1, 4))
        shape = tuple(int(n) for n in random.integers(1, (400, 40, 14)[axes - 1], axes))
        maps = []
        for _ in range(int(random.integers(1, 3))):
            values = random.normal(size=shape) * 2.0 ** random.integers(-80, 80)
            for axis, n in enumerate(shape):
                row = random.uniform(0.1, 1, 4)[np.arange(n) % random.choice([1, 2, 4])]
                values = np.cumsum(values, axis) * row.reshape(-1, *(1,) * (axes - axis - 1))
            maps.append(values.astype(np.float32))
        budget = None if i % 10 == 0 else int(random.integers(20, 400))
        some = learn(np.stack([*maps, *(np.roll(m, 1) + maps[0] for m in maps)]), 4) if i % 3 == 0 else None
        more = [Heatmap(m, 1) for m in maps[1:]]
        frame = encode(maps[0], budget=budget, more=more, target=3, score=1.0, basis=some)
        bases = [] if some is None else [some]
        said = decode(frame, None, bases)
        found = [m.astype("<f4").tobytes().hex() for m in (said.map, *(m.map for m in said.more))]
        given = {"frame": frame.hex(), "maps": found, "bases": [b.data.hex() for b in bases]}
        cases.append({"name": f"case {i}", "shape": shape, **given})
    return cases


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_decodes_what_python_does_and_survives_what_it_refuses(tmp_path: Path) -> None:
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps(more_cases()))
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", str(TESTS / "heatmap.test.mjs")],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "CASES": str(cases)},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(rf"^# pass {len(VECTORS) + 9}$", done.stdout, re.M), done.stdout[-400:]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves the page's files as /static, the vectors and a page that checks them."""
    (tmp_path / "static").symlink_to(STATIC)
    (tmp_path / "vectors").symlink_to(TESTS.parent / "vectors")
    (tmp_path / "heatmap-check.mjs").symlink_to(TESTS / "heatmap-check.mjs")
    (tmp_path / "index.html").write_text(PAGE)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}/index.html"
        served.shutdown()
        thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_meets_the_vectors(server: str) -> None:
    text = re.sub(r"<script.*?</script>|<[^>]*>", "", dump(server), flags=re.S)
    assert f"{len(VECTORS)} vectors met" in text
