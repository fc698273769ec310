"""A signed report is what its owner signed, byte by byte, or is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgexai.audit.sign import CONTEXT, sign, signature_of, verify
from edgexai.cli import main
from edgexai.errors import ConfigError, DataError

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return pair(tmp_path_factory.mktemp("keys"))


def pair(folder: Path) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives import serialization as s

    key, private, public = ed25519.Ed25519PrivateKey.generate(), folder / "a.key", folder / "a.pub"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_what_was_signed_is_verified_and_a_changed_figure_is_not(keys: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("accuracy 90 %")
    sign(page, keys[0])
    verify(page, keys[1])
    page.write_text("accuracy 99 %")
    with pytest.raises(DataError, match="not what the owner"):
        verify(page, keys[1])


def test_another_key_and_another_purpose_are_refused(keys: tuple[Path, Path], tmp_path: Path) -> None:
    import base64

    from edgexai.messaging.command import load_private

    page, (_, other) = tmp_path / "a.html", pair(tmp_path)
    page.write_bytes(b"report")
    sign(page, keys[0])
    with pytest.raises(DataError):
        verify(page, other)
    bare = load_private(keys[0]).sign(page.read_bytes())
    signature_of(page).write_bytes(base64.b64encode(bare))
    with pytest.raises(DataError):
        verify(page, keys[1])
    assert CONTEXT.endswith(b"\0")


@given(st.binary(max_size=300))
def test_no_bytes_pass_for_a_signature(
    keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, b: bytes
) -> None:
    page = tmp_path_factory.mktemp("s") / "a.html"
    page.write_bytes(b"report")
    signature_of(page).write_bytes(b)
    with pytest.raises(DataError):
        verify(page, keys[1])


def test_mistakes_are_told(keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "a.html"
    page.write_bytes(b"report")
    with pytest.raises(ConfigError, match="openssl"):
        sign(page, tmp_path / "none.key")
    assert main(["audit", "verify", str(page), "--key", str(keys[1])]) == 1
    assert "a.html.sig is not there" in capsys.readouterr().err
    assert main(["audit", "verify"]) == 1
    sign(page, keys[0])
    assert main(["audit", "verify", str(page), "--key", str(keys[1])]) == 0


def test_a_report_that_lies_here_is_in_nobodys_way(
    keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # -o has a default, audit.html, and is no copy of a model called "verify" or "init"
    Path("audit.html").write_bytes(b"report")
    sign(Path("audit.html"), keys[0])
    assert main(["audit", "verify", "audit.html", "--key", str(keys[1])]) == 0
    assert main(["audit", "init"]) == 0
