"""An alarm to an address: JSON by POST, signed so that the receiver knows from whom it is, and when it was made.

X-Edgexai-Timestamp: 1764316800
X-Edgexai-Signature: sha256=HEX      HMAC-SHA256 (RFC 2104) of TIMESTAMP "." BODY with the shared secret
X-Edgexai-Id: HEX                    the same for the same alarm, however often it is sent
"""

import hashlib
import hmac
import json
import stat
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgexai.errors import ConfigError, Error
from edgexai.messaging.broker import is_loopback

LEAST_SECRET = 16
TOLERANCE = 300.0
"""Seconds by which a receiver's clock may differ."""


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Of a body sent at that time, as the header has it."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def is_genuine(secret: bytes, timestamp: str, body: bytes, said: str, now: float) -> bool:
    """What a receiver asks: made with the secret, and not long ago (an old one may be somebody's copy)."""
    right = hmac.compare_digest(signature(secret, timestamp, body).encode(), said.encode("utf-8", "replace"))
    return right and timestamp.isascii() and timestamp.isdigit() and abs(now - int(timestamp)) <= TOLERANCE


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An alarm goes where the operator said, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Webhook:
    """A channel; ``timeout`` in seconds."""

    url: str
    secret: bytes = field(repr=False)
    timeout: float = 10.0
    name: str = "webhook"

    @classmethod
    def parse(cls, url: str, secret_file: Path) -> "Webhook":
        """ConfigError for an address in plain text beyond this machine, or a secret that is short or open to others."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of a webhook; write https://HOST/PATH")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ConfigError(f"{url} would send alarms in plain text; use https://")
        try:
            if secret_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(f"{secret_file}: others may read this secret; run `chmod 600 {secret_file}`")
            secret = secret_file.read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"{secret_file}: {error.strerror}; write a secret of the webhook into it") from None
        if len(secret) < LEAST_SECRET:
            raise ConfigError(f"{secret_file}: a secret has at least {LEAST_SECRET} characters")
        return cls(url, secret)

    def tell(self, alarm: dict[str, Any]) -> None:
        """Send it; Error for any answer but 2xx."""
        body, timestamp = json.dumps(alarm).encode(), str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "edgexai",
            "X-Edgexai-Timestamp": timestamp,
            "X-Edgexai-Signature": signature(self.secret, timestamp, body),
            "X-Edgexai-Id": hashlib.sha256(f"{alarm.get('id')} {alarm.get('severity')}".encode()).hexdigest()[:32],
        }
        request = urllib.request.Request(self.url, body, headers, method="POST")
        try:
            urllib.request.build_opener(_NoRedirect()).open(request, timeout=self.timeout).close()
        except urllib.error.HTTPError as error:
            error.close()
            raise Error(f"it answered {error.code}") from None
