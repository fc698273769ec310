"""What goes wrong when a fleet is enrolled or served: one sentence each."""

from pathlib import Path

import pytest
from cryptography import x509

from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.fleet.keys.enrol import enrol


def test_an_international_host_is_named_as_certificates_have_it(tmp_path: Path) -> None:
    enrol(tmp_path, "line3", [], ["bücher.example"])
    certificate = x509.load_pem_x509_certificate((tmp_path / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["xn--bcher-kva.example"]


@pytest.mark.parametrize("host", ["a" * 300, "\udc80.example", "a..b"])
def test_what_is_no_host_is_a_sentence(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="no name of a host"):
        enrol(tmp_path, "line3", [], ["localhost", host])


@pytest.mark.parametrize("file", ["ca.key", "ca.pem"])
def test_an_authority_that_is_not_whole_is_a_sentence(tmp_path: Path, file: str) -> None:
    enrol(tmp_path, "line3", ["a"], ["localhost"])
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(ConfigError, match="damaged"):
        enrol(tmp_path, "line3", ["b"], ["localhost"])
    (tmp_path / "ca.key").unlink()
    with pytest.raises(ConfigError, match="damaged"):
        enrol(tmp_path, "line3", ["b"], ["localhost"])


@pytest.mark.parametrize("port", ["99999", "-1", "http", "1" * 5000])
def test_a_port_that_is_none_is_a_wrong_command_line(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fleet", "serve", f"--port={port}"])
    assert ended.value.code == 2
    assert "0 to 65535" in capsys.readouterr().err
