"""Where the broker is and how it is trusted: one address and the files of TLS."""

import ipaddress
import os
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from edgexai.errors import ConfigError

PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class Broker:
    """A broker's address. ``ca``, ``certificate`` and ``key`` are PEM files; without ``ca`` the system's are trusted.

    `parse` refuses plain text to anything but this machine unless ``plaintext`` allows it.
    """

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @classmethod
    def parse(
        cls,
        url: str,
        plaintext: bool = False,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        username: str | None = None,
        password_file: Path | None = None,
    ) -> "Broker":
        """The broker of ``mqtt://HOST[:PORT]`` or ``mqtts://HOST[:PORT]``; raises ConfigError.

        The password comes from a file that only its owner may read, or from the environment (EDGEXAI_MQTT_USER,
        EDGEXAI_MQTT_PASSWORD), never from the URL, which everybody on the machine can read in the list of processes.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is no broker address ({error}); write mqtts://HOST:PORT") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise ConfigError(f"{url!r} is no broker address; write mqtts://HOST:PORT or mqtt://127.0.0.1:PORT")
        if parts.username or parts.password:
            raise ConfigError("a broker address holds no password; set EDGEXAI_MQTT_USER and EDGEXAI_MQTT_PASSWORD")
        if parts.scheme == "mqtt" and not plaintext and not is_loopback(parts.hostname):
            raise ConfigError(
                f"mqtt://{parts.hostname} would send in plain text; use mqtts://, or --plaintext if the wire is safe"
            )
        if (certificate is None) != (key is None):
            raise ConfigError("a node's certificate and its key are given together")
        for path in (ca, certificate, key, password_file):
            if path is not None and not path.is_file():
                raise ConfigError(f"{path}: there is no such file; `edgexai fleet enrol` makes certificates")
        for secret in (key, password_file):
            if secret is not None and secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{secret}: others may read this secret; run `chmod 600 {secret}`")
        password = os.environ.get("EDGEXAI_MQTT_PASSWORD")
        if password_file is not None:
            password = password_file.read_text("utf-8").rstrip("\r\n")
        return cls(
            parts.hostname,
            port or PORTS[parts.scheme],
            parts.scheme == "mqtts",
            username or os.environ.get("EDGEXAI_MQTT_USER"),
            password,
            ca,
            certificate,
            key,
        )

    @property
    def url(self) -> str:
        """The address without any secret."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """TLS 1.2 or newer with verification of chain and host name; None for plain text. Raises ConfigError."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except ssl.SSLError as error:
            raise ConfigError(f"a certificate or key is not usable: {error.reason or error}") from None
        return context


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by name or address; no look-up, so that nobody's DNS decides."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
