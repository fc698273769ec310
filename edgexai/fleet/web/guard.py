"""What every request passes: a host name that is ours, no other site's script, and headers that say what a browser may.

A page on any web site can have its reader's browser ask 127.0.0.1; by DNS rebinding it can read the answer. What it
cannot do is to call us by our name: the Host header then says the name of the site.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    # the page loads nothing from elsewhere, and nothing elsewhere may frame it or read what it answers
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """An ASGI application in front of another. ``hosts`` are the names by which the service is called; None is any."""

    def __init__(self, inner: ASGIApp, hosts: Iterable[str] | None = LOOPBACK) -> None:
        self.inner = inner
        self._hosts = None if hosts is None else {h.lower() for h in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 403 to strangers; all others get what the application says."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal is None:
            await self.inner(scope, receive, guarded)
        else:
            await PlainTextResponse(f"{refusal}\n", status_code=403)(scope, receive, guarded)

    def _refusal(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._hosts is not None and (_name(host) or "") not in self._hosts:
            return "this service is not known by that name; use the address that it printed"
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return "other sites may not ask this service"
        return None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
