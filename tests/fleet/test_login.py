"""The page's door: passwords, sessions, roles, and what it refuses."""

import base64
import io
import json
import stat
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from edgexai.cli import main
from edgexai.errors import ConfigError, DataError
from edgexai.fleet.store.store import Store
from edgexai.fleet.store.users import FILE, add, remove, users, verified
from edgexai.fleet.web.page import application
from edgexai.fleet.web.sessions import FIRST, FREE, IDLE, LONGEST, WHOLE, Lockout, Sessions
from edgexai.fleet.web.view import View

PASSWORD = "correct horse battery"
DECISION = {"finding": "x", "verdict": "open", "who": "somebody else", "why": ""}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("door")
    Store(folder).close()
    add(folder, "ada", "operator", PASSWORD)
    add(folder, "vic", "viewer", PASSWORD)
    return folder


@pytest.fixture
def client(directory: Path) -> TestClient:
    page = application(View(Store(directory)), "mqtt://127.0.0.1:1")
    return TestClient(page, base_url="http://127.0.0.1", client=("127.0.0.1", 1))


def logged_in(client: TestClient, name: str) -> dict[str, str]:
    """Log in; the headers that changes need."""
    answer = client.post("/api/login", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200
    return {"X-CSRF-Token": answer.json()["csrf"]}


def test_nobody_reads_without_a_session(client: TestClient) -> None:
    for path in ("/api/health", "/api/nodes", "/api/findings", "/api/quarantine", "/metrics", "/nowhere"):
        assert client.get(path).status_code == 401, path
    assert client.post("/api/decisions", json=DECISION).status_code == 401
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert client.get("/login").status_code == 200
    assert client.get("/static/style.css").status_code == 200
    assert client.get("/api/session").json() == {"login": True, "user": None, "role": None, "csrf": ""}


def test_an_operator_reads_decides_in_his_own_name_and_logs_out(client: TestClient) -> None:
    headers = logged_in(client, "ada")
    assert client.get("/api/health").status_code == 200
    assert client.get("/api/session").json()["role"] == "operator"
    assert client.post("/api/decisions", json=DECISION).status_code == 403  # without the token
    assert client.post("/api/decisions", json=DECISION, headers=headers).json()["who"] == "ada"
    assert client.post("/api/logout").status_code == 200
    assert client.get("/api/health").status_code == 401


def test_a_viewer_only_reads(client: TestClient) -> None:
    headers = logged_in(client, "vic")
    assert client.get("/api/findings").status_code == 200
    answer = client.post("/api/decisions", json=DECISION, headers=headers)
    assert answer.status_code == 403
    assert "vic is a viewer" in answer.json()["error"]


@pytest.mark.parametrize(("base", "secure"), [("http://127.0.0.1", False), ("https://fleet.example", True)])
def test_the_cookie_is_for_this_page_alone(directory: Path, base: str, secure: bool) -> None:
    page = application(View(Store(directory)), "mqtt://127.0.0.1:1", hosts=None)
    answer = TestClient(page, base_url=base).post("/api/login", json={"name": "ada", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    assert ("secure" in cookie) == secure


def test_wrong_passwords_and_unknown_names_are_answered_alike_and_lock(client: TestClient) -> None:
    said = [client.post("/api/login", json={"name": n, "password": "wrong"}) for n in ("ada", "nobody")]
    assert [a.status_code for a in said] == [401, 401]
    assert said[0].json() == said[1].json()
    for _ in range(FREE):
        answer = client.post("/api/login", json={"name": "nobody", "password": "wrong"})
    assert answer.status_code == 429
    assert client.post("/api/login", json={"name": "ada", "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b'{"name": 3, "password": "x"}', 400), (b"[]", 400), (b'{"name": "' + b"a" * 5000 + b'"}', 413)],
)
def test_what_is_no_log_in_is_refused(client: TestClient, content: bytes, status: int) -> None:
    answer = client.post("/api/login", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert client.post("/api/login", data={"name": "ada", "password": PASSWORD}).status_code == 415


def test_prometheus_logs_in_at_each_question(client: TestClient) -> None:
    given = base64.b64encode(f"vic:{PASSWORD}".encode()).decode()
    assert "edgexai_frames_total" in client.get("/metrics", headers={"Authorization": f"Basic {given}"}).text
    for wrong in ("Basic !!", "Basic " + base64.b64encode(b"vic:wrong").decode(), "Bearer x"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401


def test_a_user_who_is_removed_is_out_at_once_and_a_broken_list_closes_the_page(tmp_path: Path) -> None:
    Store(tmp_path).close()
    page = TestClient(application(View(Store(tmp_path)), "mqtt://127.0.0.1:1"), base_url="http://127.0.0.1")
    assert page.get("/api/health").status_code == 200  # no users: open, on this machine alone
    add(tmp_path, "ada", "operator", PASSWORD)
    add(tmp_path, "bob", "viewer", PASSWORD)
    assert page.get("/api/health").status_code == 401
    logged_in(page, "ada")
    remove(tmp_path, "ada")
    assert page.get("/api/health").status_code == 401
    (tmp_path / FILE).write_text("[]")
    assert page.get("/api/health").status_code == 503


def test_another_password_ends_the_sessions_of_before(tmp_path: Path) -> None:
    add(tmp_path, "ada", "operator", PASSWORD)
    add(tmp_path, "bob", "viewer", PASSWORD)
    door = application(View(Store(tmp_path)), "mqtt://127.0.0.1:1")
    ada, bob = (TestClient(door, base_url="http://127.0.0.1") for _ in range(2))
    logged_in(ada, "ada")
    logged_in(bob, "bob")
    add(tmp_path, "ada", "operator", PASSWORD + "!")
    assert [one.get("/api/health").status_code for one in (ada, bob)] == [401, 200]
    assert ada.get("/api/session").json()["user"] is None


def test_passwords_are_hashed_private_and_checked(tmp_path: Path) -> None:
    assert add(tmp_path, "ada", "viewer", PASSWORD)
    assert not add(tmp_path, "ada", "operator", PASSWORD + "!")
    text = (tmp_path / FILE).read_text()
    assert PASSWORD not in text
    assert json.loads(text)["ada"]["password"].startswith("$argon2id$")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert verified(tmp_path, "ada", PASSWORD) is None
    found = verified(tmp_path, "ada", PASSWORD + "!")
    assert found is not None
    assert repr(found) == "User('ada', 'operator')"
    for name, role, password, why in (
        ("ada", "king", PASSWORD, "a role is"),
        ("ada", "viewer", "short", "10 to 1000"),
        ("a/b", "viewer", PASSWORD, "user name"),
    ):
        with pytest.raises((ConfigError, DataError), match=why):
            add(tmp_path, name, role, password)


def test_the_command_adds_lists_and_removes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    store = ["--store", str(tmp_path / "store")]
    assert main(["fleet", "user", "add", "ada", "--role", "operator", "--password-stdin", *store]) == 0
    assert main(["fleet", "user", "list", *store]) == 0
    assert "ada  operator" in capsys.readouterr().out
    assert main(["fleet", "user", "remove", "ada", *store]) == 0
    assert main(["fleet", "user", "remove", "ada", *store]) == 1
    assert main(["fleet", "user", "add", "ada", *store]) == 1
    assert "no terminal" in capsys.readouterr().err
    assert users(tmp_path / "store") == {}
    assert main(["fleet", "user", "list", *store]) == 0
    assert "has no users: who opens the page" in capsys.readouterr().out


def test_beyond_this_machine_the_service_wants_users_and_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fleet", "--host", "0.0.0.0", "--store", str(tmp_path)]
    assert main(command) == 1
    assert "add a user first" in capsys.readouterr().err
    add(tmp_path, "ada", "operator", PASSWORD)
    assert main(command) == 1
    assert "in plain text" in capsys.readouterr().err
    assert main([*command, "--page-certificate", "c.pem"]) == 1
    assert "belong together" in capsys.readouterr().err
    assert main([*command, "--page-certificate", "c.pem", "--page-key", "k.pem"]) == 1
    assert "there is no such file" in capsys.readouterr().err
    (tmp_path / "x.pem").write_text("no certificate")
    given = str(tmp_path / "x.pem")
    assert main([*command, "--page-certificate", given, "--page-key", given]) == 1
    assert "x.pem are no certificate and its key" in capsys.readouterr().err


def test_sessions_and_lockouts_end_in_time() -> None:
    now = [0.0]
    sessions, lockout = Sessions(lambda: now[0]), Lockout(lambda: now[0])
    token = sessions.begin("ada", "hash")
    for _ in range(4):
        now[0] += IDLE - 1
        if now[0] < WHOLE:
            assert sessions.of(token) is not None
    assert sessions.of(token) is None
    waits = []
    for _ in range(FREE + 8):
        lockout.failed("ada")
        waits.append(lockout.wait("ada"))
    assert waits[: FREE - 1] == [0.0] * (FREE - 1)
    assert waits[FREE - 1 : FREE + 1] == [FIRST, 2 * FIRST]
    assert waits[-1] == LONGEST
    now[0] += LONGEST
    assert lockout.wait("ada") == 0
    lockout.passed("ada")
    lockout.failed("ada")
    assert lockout.wait("ada") == 0
