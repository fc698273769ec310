"""Every view in a real browser: it draws, the console is silent, axe finds no fault; on a wide screen and a phone."""

import json
import os
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from browser import CHROMIUM, serving
from findings import frames_file
from webdriver import DRIVER, Browser, browsing

from edgexai.fleet.findings import Watch
from edgexai.fleet.ingest.offline import take_in
from edgexai.fleet.store.labels import FOLDER
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import application
from edgexai.fleet.web.view import View

pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium and chromium-driver are wanted")
MODEL = "00" * 8
VIEWS = {
    "": "document.querySelector('.finding canvas')",
    "?kind=drift": "document.querySelector('.kinds')",
    "?view=nodes": "document.querySelectorAll('.table tbody tr').length === 50",
    "?view=nodes&q=nothing+like+it": "document.body.innerText.includes('No node is like that')",
    "?view=models": "document.querySelector('.class canvas')",
    "?view=node&node=line3/press0007": "document.querySelector('article.node')",
    "?view=node&node=line3/none": "document.body.innerText.includes('No node line3/none is known')",
}
NAMED = {"": "findings", "?view=nodes": "nodes", "?view=models": "models", "?view=node&node=line3/press0007": "node"}
PICTURES = os.environ.get("EDGEXAI_SCREENSHOTS")
"""A folder that pictures of the views are written to."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[str]:
    """A store with a planted shortcut, class names, and 300 nodes at six sites."""
    store = Store(folder / "store")
    take_in(frames_file(folder / "some.npz"), store.journal)
    (folder / "store" / FOLDER).mkdir()
    (folder / "store" / FOLDER / f"{MODEL}.txt").write_text("ant\nbee\ncat\n")
    now, notes = time.time(), []
    for n in range(300):
        state = "lost" if n % 60 == 7 else "finished" if n % 50 == 3 else "online"
        status = {
            "state": state,
            "model": MODEL,
            "board": "pi4",
            "version": "1.2",
            "context": {"site": f"hall {n % 6}"},
        }
        metrics = {
            "explained": 100 + n,
            "waiting": {"frames": n % 9},
            "latency_ms": {"p50": 4.0, "p95": 6.0, "sum": 400.0},
        }
        for kind, said in (("status", status), ("metrics", metrics)):
            notes.append(("line3", f"press{n:04}", kind, now - 30 * n, json.dumps(said)))
    store.journal.add([], (), notes)
    view, watch = View(store), Watch(folder / "store", store.last_id)
    view.catch_up()
    watch.again()
    with serving(application(view, "mqtt://127.0.0.1:1", watch=watch)) as address:
        yield address
    store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as one:
        yield one


def axe() -> str:
    """The checker's script, of the wheel axe-core-python."""
    found = find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core-python is not installed (extra dev)")
    return next(Path(found.origin).parent.rglob("axe.min.js")).read_text("utf-8")


def faults(browser: Browser) -> list[str]:
    """What axe holds against the page (WCAG 2.1 A and AA)."""
    browser.run(axe() + "; return true")
    said = browser.later(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
        ".then((r) => done(r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' | '))))"
        ".catch((e) => done([String(e)]));"
    )
    return list(said)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_draws_without_a_complaint(view: str, theme: str, page: str, browser: Browser) -> None:
    browser.resize(1320, 900)
    browser.open(f"{page}{view}{'&' if view else '?'}theme={theme}")
    browser.wait(VIEWS[view])
    browser.wait("document.querySelector('.live.on')")
    assert browser.console() == []
    assert faults(browser) == []
    if PICTURES and view in NAMED:
        browser.photograph(Path(PICTURES) / f"page-{NAMED[view]}-{theme}.png")


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_fits_a_phone(view: str, page: str, browser: Browser) -> None:
    browser.resize(390, 844)
    browser.open(f"{page}{view}")
    browser.wait(VIEWS[view])
    wide = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1]
    if PICTURES and view in ("", "?view=nodes"):
        browser.photograph(Path(PICTURES) / f"page-{'nodes' if view else 'findings'}-phone.png")


def test_filters_stand_in_the_address_and_back_goes_back(page: str, browser: Browser) -> None:
    browser.resize(1320, 900)
    browser.open(f"{page}?view=nodes")
    browser.wait(VIEWS["?view=nodes"])
    browser.run(
        "const s = document.querySelector('[name=state]'); s.value = 'lost'; s.dispatchEvent(new Event('change'))"
    )
    browser.wait("document.querySelectorAll('.table tbody tr').length === 5")
    assert "state=lost" in browser.run("return location.search")
    browser.run(
        "const q = document.querySelector('[name=q]'); q.focus(); q.value = 'hall 1';"
        "q.dispatchEvent(new Event('input'))"
    )
    browser.wait("location.search.includes('q=hall')")
    browser.wait("document.querySelectorAll('.table tbody tr').length === 5")  # 7, 67, 127 … are all at hall 1
    browser.run("document.activeElement.blur(); document.querySelector('.table tbody a').click()")
    browser.wait("document.querySelector('article.node .state')?.innerText === 'lost'")
    browser.run("history.back()")
    browser.wait("document.querySelectorAll('.table tbody tr').length === 5")
    assert browser.console() == []


def test_what_a_node_says_is_shown_without_loading_the_page_again(page: str, folder: Path, browser: Browser) -> None:
    browser.open(f"{page}?view=nodes&q=latecomer")
    browser.wait("document.body.innerText.includes('No node is like that')")
    browser.run("window.same = true")
    store = Store(folder / "store")
    store.journal.add([], (), [("line3", "latecomer", "status", time.time(), '{"state":"lost"}')])
    store.close()
    browser.wait("document.querySelector('.table tbody .state')?.innerText === 'lost'")
    assert browser.run("return window.same")


def test_an_operator_decides_by_keyboard_alone(page: str, browser: Browser) -> None:
    browser.open(page)
    browser.wait("document.querySelector('.finding')")
    browser.run("document.querySelector('.finding .decide button').focus(); document.activeElement.click()")
    browser.wait("document.activeElement.name === 'who'")
    browser.run("document.activeElement.value = 'Ada'; document.querySelector('[name=why]').value = 'a tag'")
    browser.run("document.querySelector('.finding form').requestSubmit()")
    browser.wait("document.body.innerText.includes('No finding is open')")
    browser.open(f"{page}?findings=decided")
    browser.wait("document.querySelector('.finding')?.innerText.includes('confirmed by Ada')")
    assert browser.console() == []
