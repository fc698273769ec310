"""The page's door: where the store has users, nobody reads without a session, and only operators change anything."""

import base64
import binascii
import threading
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from secrets import compare_digest

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edgexai.errors import ConfigError, FrameError
from edgexai.fleet.store.users import User, users, verified
from edgexai.fleet.web.answer import Answer
from edgexai.fleet.web.sessions import WHOLE, Lockout, Session, Sessions
from edgexai.messaging.broker import is_loopback
from edgexai.messaging.strict import loads

STATIC = Path(__file__).parent / "static"
COOKIE = "edgexai-session"
MOST_BYTES = 4096
OWN = {"/login": ("GET", "HEAD"), "/api/session": ("GET", "HEAD"), "/api/login": ("POST",), "/api/logout": ("POST",)}
"""What is answered here, to everybody, and by which methods."""


class Door:
    """An ASGI application in front of another. It opens to everybody as long as there are no users."""

    def __init__(self, inner: ASGIApp, store: Path) -> None:
        self.inner, self._store = inner, store
        self._sessions, self._lockout = Sessions(), Lockout()
        self._hashing = threading.BoundedSemaphore(2)  # a hash takes 64 MB and a processor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers itself, or lets through."""
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.inner(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        if answer is None:
            await self.inner(scope, receive, send)
        else:
            await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        try:
            known, path = users(self._store), request.url.path
        except ConfigError as error:  # closed, until somebody looks
            return _refused(503, str(error))
        if request.method not in OWN.get(path, (request.method,)):
            return _refused(405, f"{path} takes {OWN[path][0]}")
        token = _token(request.headers)
        session = self._sessions.of(token)
        user = None if session is None else known.get(session.user)
        if session is not None and (user is None or user.password != session.password):  # removed, or changed since
            self._sessions.end(token)
            session = user = None
        if path == "/login":
            return FileResponse(STATIC / "login.html")
        if path == "/api/session":
            return Answer(_described(bool(known), session, user))
        if path == "/api/login":
            return await self._login(request)
        if path == "/api/logout":
            self._sessions.end(token)
            return Answer({"login": bool(known)})
        if not known:
            return None
        if user is None or session is None:
            if path == "/metrics":
                return await self._basic(request)
            return RedirectResponse("/login", 303) if path == "/" else _refused(401, "log in first, at /login")
        request.scope["user"] = user.name
        if request.method not in ("GET", "HEAD"):
            if not compare_digest(request.headers.get("x-csrf-token", ""), session.csrf):
                return _refused(403, "this did not come from the page; load it again")
            if user.role != "operator":
                return _refused(403, f"{user.name} is a viewer; an operator may do this")
        return None

    async def _login(self, request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return _refused(415, "a log-in is sent as application/json")
        content = b""
        async for part in request.stream():
            content += part
            if len(content) > MOST_BYTES:
                return _refused(413, "that is too long")
        try:
            given = loads(content, MOST_BYTES)
        except FrameError as error:
            return _refused(400, str(error))
        name, password = given.get("name"), given.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            return _refused(400, "a log-in has a name and a password")
        user = await self._verified(request, name, password)
        if isinstance(user, Response):
            return user
        token = self._sessions.begin(user.name, user.password)
        session = self._sessions.of(token)
        answer = Answer(_described(True, session, user))
        # over plain HTTP the page is for this machine alone, and a browser would not send a secure cookie back
        is_secure = request.url.scheme == "https" or not is_loopback(request.url.hostname or "")
        answer.set_cookie(COOKIE, token, max_age=int(WHOLE), httponly=True, samesite="strict", secure=is_secure)
        return answer

    async def _basic(self, request: Request) -> Response | None:
        """Prometheus logs in by name and password at each question."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name, password = "", ""
        if kind.lower() != "basic" or not name:
            return Response("log in\n", 401, {"WWW-Authenticate": 'Basic realm="edgexai"'})
        user = await self._verified(request, name, password)
        return user if isinstance(user, Response) else None

    async def _verified(self, request: Request, name: str, password: str) -> User | Response:
        address = request.client.host if request.client else ""
        keys = [f"name {name}", *([] if is_loopback(address) else [f"from {address}"])]  # behind a proxy all are one
        wait = self._lockout.wait(*keys)
        if wait > 0:
            return _refused(429, f"too many wrong passwords; try again in {wait:.0f} s")
        user = await run_in_threadpool(self._check, name, password)
        if user is None:
            self._lockout.failed(*keys)
            return _refused(401, "name or password is wrong")
        self._lockout.passed(*keys)
        return user

    def _check(self, name: str, password: str) -> User | None:
        with self._hashing:
            return verified(self._store, name, password)


def _token(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _described(login: bool, session: Session | None, user: User | None) -> dict[str, object]:
    if session is None or user is None:
        return {"login": login, "user": None, "role": None if login else "operator", "csrf": ""}
    return {"login": login, "user": user.name, "role": user.role, "csrf": session.csrf}


def _refused(status: int, why: str) -> Response:
    return Answer({"error": why}, status_code=status)
