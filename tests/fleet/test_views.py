"""Every view in a real browser: it draws, the console is silent, axe finds no fault; on a wide screen and a phone."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import page_store
import pytest
from browser import CHROMIUM, serving
from page_store import FIRST, SECOND
from webdriver import DRIVER, Browser, browsing

from edgexai.fleet.asked import Asked
from edgexai.fleet.duty import Duty
from edgexai.fleet.findings import Watch
from edgexai.fleet.panels.questions import Question, answered
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.view import View

pytestmark = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium and chromium-driver are wanted")
CLUSTER = f"?view=cluster&finding={quote(f'shortcut {FIRST} 8')}"
GROUPS = f"?view=compare&a={FIRST}~group~night&b={FIRST}~group~day"
SAYS = "document.body.innerText.includes('{}')"
VIEWS = {
    "": "document.querySelectorAll('.finding').length === 4 && document.querySelector('.finding canvas')",
    "?kind=health": SAYS.format("No finding is open"),
    "?view=nodes": "document.querySelectorAll('.table tbody tr').length === 50",
    "?view=nodes&q=nothing+like+it": SAYS.format("No node is like that"),
    "?view=models": "document.querySelector('.class canvas')",
    f"?view=model&model={FIRST}": "document.querySelectorAll('.lines li').length === 3",
    f"?view=model&model={SECOND}": "document.querySelectorAll('.lines li').length === 1",
    "?view=model&model=00ff": SAYS.format("No model 00ff is known"),
    f"?view=class&model={FIRST}&target=8": "document.querySelectorAll('.frames canvas').length === 24",
    f"?view=class&model={FIRST}&target=88": SAYS.format("has class 88."),
    CLUSTER: "document.querySelectorAll('.prototypes meter').length === 18",
    "?view=cluster&finding=none": SAYS.format("There is no such cluster")
    + " && !document.body.innerText.includes('undefined')",
    f"?view=drift&model={FIRST}&target=8": "document.querySelectorAll('.chart .change').length === 2",
    f"?view=drift&model={SECOND}&target=88": SAYS.format("a change is looked for from 40 frames"),
    "?view=compare": SAYS.format("Choose two sides"),
    f"?view=compare&a={FIRST}&b={SECOND}": "document.querySelectorAll('.card .three').length === 10",
    GROUPS: "document.querySelector('.card .three')",
    "?view=node&node=line3/press0007": "document.querySelectorAll('article.node canvas').length === 24",
    "?view=node&node=line3/none": SAYS.format("No node line3/none is known"),
}
NAMED = {
    "": "findings",
    "?view=nodes": "nodes",
    "?view=models": "models",
    f"?view=model&model={FIRST}": "model",
    f"?view=class&model={FIRST}&target=8": "class",
    CLUSTER: "cluster",
    f"?view=drift&model={FIRST}&target=8": "drift",
    f"?view=compare&a={FIRST}&b={SECOND}": "compare",
    "?view=node&node=line3/press0007": "node",
}
PICTURES = os.environ.get("EDGEXAI_SCREENSHOTS")
"""A folder that pictures of the views are written to."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module")
def watch(folder: Path) -> Iterator[Watch]:
    store = page_store.fill(folder / "store")
    one = Watch(folder / "store", store.last_id)
    assert one.again()
    yield one
    store.close()


@pytest.fixture(scope="module")
def serve(watch: Watch) -> Iterator[Callable[..., Any]]:
    """Serves the store's page; ``compute`` answers what takes a while, ``duties`` are what the service does."""
    view, ends = View(Store(watch.directory)), []
    view.catch_up()

    def serve(compute: Callable[[Question], Any], duties: tuple[Duty, ...] = ()) -> Any:
        asked = Asked(compute, view.store.last_id)
        ends.append(Duty("views", 0.01, asked.once).start().end)
        return serving(application(view, "mqtt://127.0.0.1:1", Shows(watch, asked, duties=duties)))

    yield serve
    for end in ends:
        end()
    view.store.close()


@pytest.fixture(scope="module")
def page(serve: Callable[..., Any], watch: Watch) -> Iterator[str]:
    with serve(lambda question: answered(watch.directory, question)) as address:
        yield address


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
    browser.resize(1320, 1500 if PICTURES and NAMED.get(view) in ("class", "cluster", "drift") else 900)
    browser.open(f"{page}{view}{'&' if view else '?'}theme={theme}")
    browser.wait(VIEWS[view])
    browser.wait("!document.querySelector('[aria-busy]')")
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
    if PICTURES and view in ("", "?view=nodes", CLUSTER):
        browser.photograph(Path(PICTURES) / f"page-{NAMED[view]}-phone.png")


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


@pytest.mark.parametrize(
    ("kind", "link", "there"),
    [
        ("shortcut", ".inside a", CLUSTER),
        ("drift", ".inside a", f"?view=drift&model={FIRST}&target=8"),
        ("compare", ".inside a", f"?view=compare&a={FIRST}&b={SECOND}"),
        ("bias", ".inside a", GROUPS),
        ("shortcut", "h3 em a", f"?view=class&model={FIRST}&target=8"),
        ("shortcut", "h3 > a", f"?view=model&model={FIRST}"),
        ("shortcut", ".facts a", "?view=node&node=line3/press0007"),
    ],
)
def test_one_click_leads_from_a_finding_into_it_and_the_range_comes_along(
    kind: str, link: str, there: str, page: str, browser: Browser
) -> None:
    browser.resize(1320, 900)
    browser.open(f"{page}?findings=all&kind={kind}")
    browser.wait(f"document.querySelector('.finding {link}')")
    browser.run(f"document.querySelector('.finding {link}').click()")
    browser.wait(VIEWS[there].replace(".length === 24", ".length"))
    browser.run("history.back()")
    browser.wait(f"document.querySelectorAll('.finding {link}').length")
    assert browser.console() == []


def test_findings_of_a_time_range_and_names_that_operators_gave(page: str, browser: Browser) -> None:
    browser.open(page)
    browser.wait(VIEWS[""])
    assert browser.run("return document.querySelector('.finding h3').innerText").endswith("digits 1.0")
    browser.run(
        "const s = document.querySelector('[name=range]'); s.value = '3600'; s.dispatchEvent(new Event('change'))"
    )
    browser.wait("document.body.innerText.includes('at 20,000 frames at most of: last hour')", 60)
    browser.wait("document.body.innerText.includes('Nothing that a fleet without faults')")
    assert "last=3600" in browser.run("return location.search")
    browser.run("document.querySelector('nav a').click()")
    browser.wait(VIEWS[""])
    browser.open(f"{page}?since=2020-01-01T00:00&until=2020-01-02T00:00")
    browser.wait("document.body.innerText.includes('from 2020-01-01 00:00 to 2020-01-02 00:00 UTC')", 60)
    browser.wait("document.body.innerText.includes('There is no frame in this time range.')")
    assert browser.run("return [...document.querySelectorAll('.fromto input')].map((i) => i.value)") == [
        "2020-01-01T00:00",
        "2020-01-02T00:00",
    ]
    assert browser.console() == []


def test_a_view_says_that_it_is_computed_and_what_went_wrong(
    serve: Callable[..., Any], watch: Watch, browser: Browser
) -> None:
    go = threading.Event()

    def compute(question: Question) -> Any:
        go.wait(30)
        raise OSError("the disk is gone")

    duty = Duty("findings", 1.0, lambda: 1 / 0)
    duty.failing = "the process for findings was killed (SIGKILL: out of memory?)"
    with serve(compute, (duty,)) as address:
        browser.open(f"{address}?view=class&model={FIRST}&target=8")
        browser.wait("document.querySelector('[aria-busy] [role=status]')?.innerText.startsWith('Reading the frames')")
        browser.wait(
            "document.querySelector('#trouble')?.innerText.includes('Findings are not looked for: the process')"
        )
        assert faults(browser) == []
        go.set()
        browser.wait("document.body.innerText.includes('This could not be computed: the disk is gone.')")
    browser.wait("document.querySelector('.live.off')")  # the service has ended
    browser.wait("document.querySelector('#trouble [role=alert]')?.innerText.includes('what is shown is of')")
    browser.run("document.querySelector('nav a:nth-child(2)').click()")
    browser.wait("document.querySelector('#view [role=alert]')?.innerText.startsWith('The service does not answer')")
    browser.console()


def test_an_operator_decides_by_keyboard_alone(page: str, browser: Browser) -> None:
    browser.open(page)
    browser.wait("document.querySelector('.finding')")
    browser.run("document.querySelector('.finding .decide button').focus(); document.activeElement.click()")
    browser.wait("document.activeElement.name === 'who'")
    browser.run("document.activeElement.value = 'Ada'; document.querySelector('[name=why]').value = 'a tag'")
    browser.run("document.querySelector('.finding form').requestSubmit()")
    browser.wait("document.querySelectorAll('.finding').length === 3")
    browser.open(f"{page}?findings=decided")
    browser.wait("document.querySelector('.finding')?.innerText.includes('confirmed by Ada')")
    assert browser.console() == []
