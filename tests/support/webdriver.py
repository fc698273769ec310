"""Chromium by chromedriver, over the WebDriver protocol (W3C): pages that are opened, asked, and photographed."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import CHROMIUM

DRIVER = shutil.which("chromedriver")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]


class Browser:
    """One window."""

    def __init__(self, port: int, *flags: str) -> None:
        self._at = f"http://127.0.0.1:{port}/session"
        chrome = {"args": [*OPTIONS, *flags], "binary": CHROMIUM}
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
        wanted["acceptInsecureCerts"] = True
        self._at += "/" + self._send("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self._send("POST", "/timeouts", {"script": 60_000})

    def open(self, url: str) -> None:
        self._send("POST", "/url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        self._send("POST", "/window/rect", {"width": width, "height": height})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function body returns."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def later(self, script: str) -> Any:
        """What a function body calls its last argument with."""
        return self._send("POST", "/execute/async", {"script": script, "args": []})

    def wait(self, condition: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < deadline, (condition, self.run("return document.body.innerText"))
            time.sleep(0.05)

    def devtools(self, command: str, **parameters: Any) -> Any:
        """What Chromium answers to a command of its DevTools protocol."""
        return self._send("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def console(self) -> list[str]:
        """Errors and warnings since the last call."""
        said = self._send("POST", "/se/log", {"type": "browser"})
        return [one["message"] for one in said if one["level"] in ("SEVERE", "WARNING")]

    def photograph(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._send("GET", "/screenshot")))

    def close(self) -> None:
        self._send("DELETE", "")

    def _send(self, method: str, path: str, content: Any = None) -> Any:
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._at + path, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)["value"]


@contextmanager
def browsing(*flags: str) -> Iterator[Browser]:
    """A browser of its own; ``flags`` are Chromium's."""
    assert DRIVER is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        browser = Browser(port, *flags)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        process.terminate()
        process.wait()
